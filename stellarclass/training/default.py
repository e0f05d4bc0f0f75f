# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Make the default ensemble: networks from the simulated sky, label maps from real labels rendered by it.

    stellarclass train default --output stellarclass/ensembles/default --labels sdss=TABLE lamost=TABLE

draws the stars, trains six members one after the other, calibrates them on stars kept back, teaches them the label
systems for which there is a table of real labels, and writes weights and card. Interrupted, the same command goes on
where it stopped: ``--work`` holds the sets of stars and the checkpoints. Sets and checkpoints of other settings are
refused, those of an older simulated sky cannot be told: start in an empty folder.

A table of labels has the columns u, g, r, i, z and ``label`` (A, F, G, K or M); its stars are rendered several times.
``sdss:dereddened=TABLE`` adds one whose magnitudes were corrected for dust, which is put back, from ``ra`` and ``dec``.
"""

import dataclasses
import json
import platform
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch

from .. import __version__
from ..exceptions import InputError
from ..nets.card import Card, Member
from ..nets.compact import CompactNet
from ..nets.ensemble import Ensemble
from ..physics import CLASS_EDGES, CLASSES
from ..simulate import LABEL_SYSTEMS
from ..stamps import recipes
from ..stamps.photometric import FEATURES, PhotometricRecipe
from .calibrate import calibrate_ensemble, calibrate_radii
from .label_systems import add_label_system
from .labeled import LabelTable, teach
from .loop import evaluate_loss, read_log, train_network
from .simulated import make_training_set

__all__ = ["parse_labels", "teach_reference", "train_default"]

_BLOCK = 1000
_SEED = {"train": 20240815, "validation": 1, "calibration": 2, "radii": 5}
_SAMPLE = {"radii": "reference"}  # the others are of the whole sky


def _data_set(work, kind, n, recipe, processes, log):
    """A set of stars, made once and kept in ``work``."""
    folder = work / f"{kind}-{n}"
    made = json.dumps({"seed": _SEED[kind], "recipe": recipe})
    if not (folder / "complete").is_file():
        log(f"drawing {n} stars ({kind})")
        sample = _SAMPLE.get(kind, "sky")
        data = make_training_set(n, seed=_SEED[kind], recipe=recipe, sample=sample, processes=processes)
        folder.mkdir(parents=True, exist_ok=True)
        for name, value in data.items():
            np.save(folder / f"{name}.npy", value, allow_pickle=False)
        (folder / "complete").write_text(made)
    elif (folder / "complete").read_text() not in (made, ""):
        raise InputError(f"{folder} holds stars of another seed or recipe; remove it or choose another --work")
    return {p.stem: np.load(p, allow_pickle=False) for p in sorted(folder.glob("*.npy"))}


def train_default(config, *, work, labels=(), processes=1, device="cpu", log=None, progress=None, command=""):
    """Train all members on the simulated sky, calibrate them, and teach them label systems; resumable.

    Parameters
    ----------
    config : `~stellarclass.training.config.DefaultConfig`
        How.
    work : path-like
        For the sets of stars and the checkpoints.
    labels : sequence of (str, LabelTable)
        Tables of real labels by the name of their system.
    processes : int
        Worker processes that draw stars.
    device : str
        Where to train.
    log : callable, optional
        Called with lines; by default they are printed.
    progress : callable, optional
        Called with the number of epochs done, of all members together.
    command : str
        For the card.

    Returns
    -------
    `~stellarclass.nets.ensemble.Ensemble`
    losses : dict of str to list of dict
        By member, epoch by epoch.
    """
    log, work = log or _say, Path(work)
    began = time.perf_counter()
    recipe = recipes.to_dict(PhotometricRecipe())
    data = _data_set(work, "train", config.stars.train, recipe, processes, log)
    validation = _data_set(work, "validation", config.stars.validation, recipe, processes, log)
    kwargs = {"features": len(FEATURES), "size": recipe["size"], "bp_rp_edges": list(CLASS_EDGES)}
    members, losses, logs, seconds = [], [], {}, {}
    for k in range(config.members):
        torch.manual_seed(1000 + k)
        members.append(CompactNet(**kwargs))
        log(f"member {k + 1} of {config.members}")
        folder, before = work / f"member-{k}", k * config.training.epochs
        train_network(
            members[-1],
            data,
            validation,
            config.training,
            seed=k,
            folder=folder,
            device=device,
            log=log,
            progress=progress and (lambda done, before=before: progress(before + done)),
        )
        parts = evaluate_loss(members[-1], validation, device)
        losses.append({name: round(value, 5) for name, value in parts.items()})
        logs[f"member{k}"] = read_log(folder)
        seconds[f"member{k}"] = round(json.loads((folder / "state.json").read_text())["seconds"], 1)
    calibration = _data_set(work, "calibration", config.stars.calibration, recipe, processes, log)
    radii = _data_set(work, "radii", config.stars.radii, recipe, processes, log)
    ensemble = Ensemble(members, _card(config, kwargs, recipe), device=device)
    ensemble, metrics = calibrate_ensemble(ensemble, calibration, seed=3)
    tables = {name: LabelTable.join(t for n, t in labels if n == name) for name in dict(labels)}
    for name, table in tables.items():
        if name != "sdss" and "sdss" in tables:
            table = table.anchored(tables["sdss"])  # a system with hardly an A or M star of its own
        log(f"label system {name}: {table}")
        options = {"name": name, "description": LABEL_SYSTEMS[name], "seed": 4, "sky": calibration}
        ensemble, figures = teach(ensemble, table, **options)
        log(json.dumps(figures, indent=1))
    default = "sdss" if "sdss" in tables else "pecaut_mamajek"
    # Bright stars with significant parallaxes, and the rare classes, have their say in the errors of radii.
    ensemble = calibrate_radii(ensemble, [calibration, radii], label_system=default)
    training = {
        "data": (
            "simulated sky of stellarclass.simulate: no real star took part, save in the tables that it cites; "
            "label maps of learned systems: real labels and magnitudes, simulated pixels"
        ),
        "stars": config.stars.train,
        "config": dataclasses.asdict(config.training) | {"stars": dataclasses.asdict(config.stars)},
        "seeds": _SEED,
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "versions": {
            "stellarclass": __version__,
            "torch": torch.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
        "command": command,
        "seconds": seconds | {"this run": round(time.perf_counter() - began, 1)},
        "validation_losses": losses,
        "simulated_metrics": metrics,
    }
    card = dataclasses.replace(ensemble.card, training=training, default_label_system=default)
    return Ensemble(ensemble.members, card, device="cpu"), logs


def teach_reference(ensemble, reference, *, log=None):
    """Teach the label system ``sdss`` by the training stars of a reference set, their own pixels and astrometry.

    Parameters
    ----------
    ensemble : `~stellarclass.nets.ensemble.Ensemble`
        Of `train_default`.
    reference : `~stellarclass.reference.ReferenceSet`
        Its test stars are not touched.
    log : callable, optional
        Called with a line.

    Returns
    -------
    `~stellarclass.nets.ensemble.Ensemble`
    """
    rows = reference.rows("train")
    fit = add_label_system(
        ensemble,
        (reference.stamps(part) for part in np.array_split(rows, -(-len(rows) // _BLOCK))),
        np.asarray(reference.table["spectral_class"]).astype(str)[rows],
        name="sdss",
        description=LABEL_SYSTEMS["sdss"],
        astrometry=reference.astrometry[rows],
        seed=4,
    )
    (log or _say)(f"label system sdss from {len(rows)} stars: {json.dumps(fit.figures)}")
    return Ensemble(
        fit.ensemble.members, dataclasses.replace(fit.ensemble.card, default_label_system="sdss"), device="cpu"
    )


def parse_labels(text):
    """A label system and its table from ``SYSTEM=TABLE`` or ``SYSTEM:dereddened=TABLE``.

    Parameters
    ----------
    text : str
        As typed.

    Returns
    -------
    name : str
    table : `~stellarclass.training.labeled.LabelTable`

    Raises
    ------
    stellarclass.exceptions.InputError
        If it is none, or the table cannot be read.
    """
    what, _, path = text.partition("=")
    name, colon, kind = what.partition(":")
    known = [system for system in LABEL_SYSTEMS if system != "pecaut_mamajek"]
    if name not in known or not path or (colon and kind != "dereddened"):
        raise InputError(
            f"{text!r} is neither SYSTEM=TABLE nor SYSTEM:dereddened=TABLE with a system of {', '.join(known)}"
        )
    return name, LabelTable.read(path, dereddened=bool(colon))


def _card(config, kwargs, recipe):
    """The card before calibration."""
    return Card(
        name=config.name,
        version="1",
        description=(
            "Five SDSS bands at native scale with the frame's own PSF, multi-aperture photometry and Gaia astrometry; "
            "trained on the simulated sky. Colors, temperature and radius first; on top a label map per system, fitted "
            "to real labels. Parallaxes are meant with their zero point taken off."
        ),
        architecture="compact",
        architecture_kwargs=kwargs,
        recipe=recipe,
        classes=CLASSES,
        label_systems={"pecaut_mamajek": {"description": LABEL_SYSTEMS["pecaut_mamajek"]}},
        default_label_system="pecaut_mamajek",
        members=tuple(Member(f"member{k}") for k in range(config.members)),
        radius_space="log10",
        citation="Deng et al. (2024), Ensemble Learning for Stellar Classification and Radius Estimation",
        license="BSD-3-Clause",
    )


def _say(line):
    print(line, flush=True)
