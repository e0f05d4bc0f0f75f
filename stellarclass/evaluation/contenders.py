# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Who is judged on a reference set: ensembles, their members alone, ensembles without Gaia, and baselines."""

import hashlib
import json
import warnings
from dataclasses import dataclass, replace

import numpy as np

from .. import __version__
from ..exceptions import InputError, StellarclassWarning
from ..nets.ensemble import Ensemble
from ..physics import CLASSES
from ..stamps.photometric import PhotometricRecipe
from .baselines import INPUTS, ColorForest, EnsembleMethod, StefanBoltzmann
from .truth import class_column, radius_column_of

__all__ = ["KINDS", "Contender", "contenders", "forest_of", "single_member", "spoken_system"]

KINDS = ("ensemble", "inputs", "member", "baseline")
"""What a contender is: a whole ensemble, one with a part of its inputs withheld, one member of it, or none."""

_CHUNK = 500
_FEWEST = 50  # stars to learn colors from
_SAMPLED = 50  # stars whose pixels tell one reference set from another


@dataclass(frozen=True)
class Contender:
    """A method, not yet made, that answers in one label system.

    Attributes
    ----------
    name : str
        As tables print it.
    kind : str
        One of `KINDS`.
    label_system : str
        What its classes are classes of.
    make : callable
        Returns the method; called when an answer is needed that is not at hand.
    tag : str
        Digest of all that decides its answers; empty where that is not known, so that they cannot be kept.
    """

    name: str
    kind: str
    label_system: str
    make: object
    tag: str


def spoken_system(ensemble, label_system=None):
    """Label system in which an ensemble is judged.

    Parameters
    ----------
    ensemble : `~stellarclass.nets.ensemble.Ensemble`
    label_system : str, optional
        What is wanted: by default ``sdss``.

    Returns
    -------
    str
        What is wanted where the ensemble speaks it; else the ensemble's own.
    """
    wanted = "sdss" if label_system is None else label_system
    return wanted if wanted in ensemble.label_systems else ensemble.card.default_label_system


def single_member(ensemble, index):
    """An ensemble of one member, calibrated as the whole.

    Parameters
    ----------
    ensemble : `~stellarclass.nets.ensemble.Ensemble`
    index : int
        Which member.

    Returns
    -------
    `~stellarclass.nets.ensemble.Ensemble`
        It shares the network. The calibration is that of the whole ensemble: of what one member adds to the error of
        the others it knows nothing.
    """
    card = ensemble.card
    member = card.members[index]
    card = replace(card, members=(member,), combination={"rule": "mixture"})
    return Ensemble([ensemble.members[index]], card, device=ensemble.device)


def forest_of(reference, *, label_column="spectral_class", radius_column="radius", label_system="sdss", seed=0):
    """A random forest on the colors of a reference set's training stars.

    Parameters
    ----------
    reference : `~stellarclass.reference.ReferenceSet`
        Its rows ``train`` are used; colors are measured on the stamps.
    label_column, radius_column : str
        What is learned.
    label_system : str
        What the classes are called to be of.
    seed : int
        The same seed gives the same forest.

    Returns
    -------
    `~stellarclass.evaluation.baselines.ColorForest`

    Raises
    ------
    ImportError
        If scikit-learn is not installed.
    stellarclass.exceptions.InputError
        If fewer than 50 training stars have a class and a radius.
    """
    rows = _learnable(reference, label_column, radius_column)
    if len(rows) < _FEWEST:
        raise InputError(f"{len(rows)} training stars with class and radius are too few for colors: {_FEWEST} at least")
    labels = class_column(reference.table, label_column)[rows]
    recipe = PhotometricRecipe()
    features = [
        recipe(reference.stamps(part), reference.astrometry[part])["features"]
        for part in np.split(rows, range(_CHUNK, len(rows), _CHUNK))
    ]
    data = {
        "features": np.concatenate(features),
        "target_log_radius": np.log10(radius_column_of(reference.table, radius_column)[rows]),
        f"target_{label_system}": (labels[:, None] == np.array(CLASSES)).astype(float),
    }
    return ColorForest.train(data, seed=seed, label_systems=(label_system,))


def contenders(
    ensemble,
    reference,
    *,
    label_system=None,
    second_system=None,
    beside=(),
    members=True,
    baselines=True,
    class_prior=None,
    label_column="spectral_class",
    radius_column="radius",
):
    """All that is to be judged.

    Parameters
    ----------
    ensemble : `~stellarclass.nets.ensemble.Ensemble`
        The one in question.
    reference : `~stellarclass.reference.ReferenceSet`
        Whose training stars the color forest learns from.
    label_system : str, optional
        As in `spoken_system`.
    second_system : str, optional
        Ensembles that speak it answer in it as well.
    beside : sequence of `~stellarclass.nets.ensemble.Ensemble`
        Others to set beside it.
    members, baselines : bool
        Whether single members, and baselines with the ensemble on images alone, are judged as well.
    class_prior : dict of str to float or "even", optional
        Mix of classes that ensembles are told, those that can take it.
    label_column, radius_column : str
        What the forest learns.

    Returns
    -------
    list of Contender
        The ensemble in question first; no two of one name and label system.

    Warns
    -----
    stellarclass.exceptions.StellarclassWarning
        If the color forest is left out, for want of scikit-learn or of training stars.
    """
    found = []
    whole = [ensemble, *beside]
    names = _distinct([e.name for e in whole])
    for one, name in zip(whole, names, strict=True):
        systems = [spoken_system(one, label_system)]
        if second_system in one.label_systems and second_system not in systems:
            systems.append(second_system)
        found += [_of_ensemble(one, name, "ensemble", system, class_prior) for system in systems]
    system = spoken_system(ensemble, label_system)
    if baselines:
        for inputs in (i for i in INPUTS if i != "all" and not _blind_to(ensemble, i)):
            found.append(_of_ensemble(ensemble, f"{names[0]}, {inputs}", "inputs", system, class_prior, inputs=inputs))
    if members and len(ensemble.members) > 1:
        for k, member in enumerate(ensemble.card.members):
            title = member.name if member.name.startswith("member") else f"member {member.name}"
            found.append(_of_member(ensemble, k, f"{names[0]}, {title}", system, class_prior))
    if baselines:
        found += _of_baselines(reference, system, label_column, radius_column)
    return found


def _blind_to(ensemble, inputs):
    """Whether withholding would change nothing, since the recipe takes less than these inputs anyway."""
    taken = ensemble.card.recipe.get("inputs")
    if taken is None:
        return False
    given = {"image", *(("parallax",) if "parallax" in inputs else ()), *(("pm",) if "proper" in inputs else ())}
    return set(taken) <= given


def _distinct(names):
    seen, found = {}, []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        found.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return found


def _knows_mix(ensemble, system):
    return ensemble.card.label_systems[system].get("class_mix") is not None


def _of_ensemble(ensemble, name, kind, system, class_prior, *, inputs="all"):
    prior = class_prior if _knows_mix(ensemble, system) else None
    tag = _digest(ensemble.sha256, inputs, system, prior) if ensemble.sha256 else ""
    return Contender(name, kind, system, lambda: EnsembleMethod(ensemble, inputs=inputs, class_prior=prior), tag)


def _of_member(ensemble, index, name, system, class_prior):
    prior = class_prior if _knows_mix(ensemble, system) else None
    tag = _digest(ensemble.sha256, f"member {index}", system, prior) if ensemble.sha256 else ""
    return Contender(
        name, "member", system, lambda: EnsembleMethod(single_member(ensemble, index), class_prior=prior), tag
    )


def _of_baselines(reference, system, label_column, radius_column):
    options = {"label_column": label_column, "radius_column": radius_column, "label_system": system}

    stefan_boltzmann = Contender(StefanBoltzmann.name, "baseline", system, StefanBoltzmann, _digest("stefan-boltzmann"))
    problem = _no_forest(reference, label_column, radius_column)
    if problem:
        warnings.warn(f"{ColorForest.name} is left out: {problem}", StellarclassWarning, stacklevel=4)
        return [stefan_boltzmann]

    def forest():
        return forest_of(reference, **options)

    train = reference.rows("train")
    learned = hashlib.sha256(repr(options).encode())
    for values in (
        np.asarray(reference.table["objid"][train]),
        class_column(reference.table, label_column)[train],
        radius_column_of(reference.table, radius_column)[train],
        reference.stamps(train[:_SAMPLED]).images[:, :, ::4, ::4],  # another rendering of the same stars shows
    ):
        learned.update(np.ascontiguousarray(values).tobytes())
    tag = _digest("forest", learned.hexdigest())
    return [Contender(ColorForest.name, "baseline", system, forest, tag), stefan_boltzmann]


def _no_forest(reference, label_column, radius_column):
    """Why there can be no color forest, in words; empty if there can."""
    try:
        import sklearn  # noqa: F401 - said before minutes of work, not after
    except ImportError:
        return "it needs scikit-learn (pip install 'stellarclass[train]')"
    good = _learnable(reference, label_column, radius_column)
    return "" if len(good) >= _FEWEST else f"{len(good)} training stars with class and radius, {_FEWEST} are needed"


def _learnable(reference, label_column, radius_column):
    """Training stars that have what is to be learned."""
    rows = reference.rows("train")
    labels, radius = class_column(reference.table, label_column), radius_column_of(reference.table, radius_column)
    return rows[np.isin(labels[rows], CLASSES) & np.isfinite(radius[rows])]


def _digest(*what):
    return hashlib.sha256(json.dumps([__version__, *what], sort_keys=True, default=str).encode()).hexdigest()[:20]
