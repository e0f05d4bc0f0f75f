# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""MESCR, the paper's ensemble, from a reference set: data in memory, six members, one ensemble."""

import dataclasses
import json
import platform
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch
from astropy import units as u

from .. import __version__
from ..exceptions import InputError
from ..nets.mmscnet import MMSCNet
from ..physics import CLASSES
from .config import config_to_dict
from .loop import read_log, train_network
from .members import combine_members, network_kwargs
from .sampling import MEMBERS, draw_set, split_stars

__all__ = ["fit_recipe", "make_mescr_data", "split_data", "to_device", "train_member", "train_mescr"]

_BLOCK = 1024
_NOT_FED = ("star", "is_test")


def fit_recipe(reference, rows, recipe, *, quantile=0.0):
    """The recipe with the ranges of parallax, proper motion and temperature that these stars have.

    Parameters
    ----------
    reference : `~stellarclass.reference.ReferenceSet`
        Labeled stars.
    rows : ndarray of int
        The training stars, ``reference.rows("train")``.
    recipe : `~stellarclass.stamps.mescr.MescrRecipe`
        Everything else.
    quantile : float
        Share of the stars beyond either end of a range.

    Returns
    -------
    `~stellarclass.stamps.mescr.MescrRecipe`
        Its ``parallax_range`` and ``pm_range`` are, unless there is a quantile, the smallest and the largest value
        among the stars: what the paper's min-max scaling takes. So is its ``teff_range``, if that is an input.

    Raises
    ------
    stellarclass.exceptions.InputError
        If the stars do not have two different values of each, or temperatures are an input and the set has none.
    """
    rows = np.asarray(rows)
    astrometry = reference.astrometry
    ranges = {}
    numbers = {
        "parallax_range": astrometry.parallax[rows],
        "pm_range": np.hypot(astrometry.pmra[rows], astrometry.pmdec[rows]),
    }
    if "teff" in recipe.inputs:
        numbers["teff_range"] = _temperatures(reference, rows)
    for name, values in numbers.items():
        values = values[np.isfinite(values)]
        ends = np.quantile(values, [quantile, 1 - quantile]) if len(values) else (0, 0)
        if ends[0] == ends[1]:
            raise InputError(f"{len(values)} of {len(rows)} stars do not give {name} two different ends")
        ranges[name] = (float(ends[0]), float(ends[1]))
    return dataclasses.replace(recipe, **ranges)


def make_mescr_data(reference, rows, recipe):
    """Inputs and targets of some stars of a reference set, made once and kept in memory.

    Parameters
    ----------
    reference : `~stellarclass.reference.ReferenceSet`
        Labeled stars.
    rows : ndarray of int
        Which of them; N.
    recipe : `~stellarclass.stamps.mescr.MescrRecipe`
        With the ranges of the training stars, see `fit_recipe`.

    Returns
    -------
    dict of str to ndarray, first axis N
        What the recipe makes (``image_a``, ``image_b`` as uint8; ``numeric``), ``target_sdss`` (N, 5), 1 for the class
        and 0 else; ``target_radius`` [solar radii], NaN where there is none; ``star`` (N,), equal for rows of the same
        star; ``is_test`` (N,), for the training to refuse.
    """
    rows = np.asarray(rows)
    blocks = []
    for k in range(0, len(rows), _BLOCK):
        chosen = rows[k : k + _BLOCK]
        given = {"teff": _temperatures(reference, chosen)} if "teff" in recipe.inputs else {}
        blocks.append(recipe(reference.stamps(chosen), reference.astrometry[chosen], **given))
    data = {name: np.concatenate([b[name] for b in blocks]) for name in blocks[0]}
    table = reference.table[rows]
    classes = np.asarray(table["spectral_class"]).astype(str)
    data["target_sdss"] = (classes[:, None] == np.array(CLASSES)).astype(np.float32)
    data["target_radius"] = _filled(table["radius"], u.solRad).astype(np.float32)
    source, objid = (np.ma.filled(np.ma.asarray(table[name]), 0) for name in ("source_id", "objid"))
    data["star"] = np.where(source > 0, source, -np.abs(objid))
    data["is_test"] = np.asarray(table["subset"]).astype(str) == "test"
    return data


def _temperatures(reference, rows):
    """Effective temperatures of some stars [K], NaN where unknown."""
    if "teff" not in reference.table.colnames:
        raise InputError("the reference set has no column teff; leave 'teff' out of the inputs")
    return _filled(reference.table["teff"][rows], u.K)


def _filled(column, unit):
    """A column in some unit, NaN where masked."""
    mask = np.broadcast_to(np.asarray(getattr(column, "mask", False)), len(column))
    column = getattr(column, "unmasked", column)
    values = column.to_value(unit) if hasattr(column, "to_value") else np.ma.getdata(column)
    return np.where(mask, np.nan, np.asarray(values, float))


def to_device(data, device):
    """Data of `make_mescr_data` as tensors on a device, for several members to share.

    Parameters
    ----------
    data : dict of str to ndarray
        What to move.
    device : str or torch.device
        Where to.

    Returns
    -------
    dict of str to Tensor or ndarray
        What networks are not fed stays where it is.
    """
    return {k: v if k in _NOT_FED else torch.as_tensor(v).to(device) for k, v in data.items()}


def _classes(data):
    target = data["target_sdss"]
    target = target.cpu().numpy() if isinstance(target, torch.Tensor) else target
    return np.array(CLASSES)[target.argmax(axis=1)]


def split_data(config, data, *, seed):
    """Rows for training and for validation: no star in both, the same for all members of a seed.

    Parameters
    ----------
    config : `~stellarclass.training.config.MescrConfig`
        Share of the validation stars.
    data : dict of str to ndarray or Tensor
        Of `make_mescr_data`.
    seed : int
        The same seed gives the same split.

    Returns
    -------
    train, validation : ndarray of int
    """
    return split_stars(_classes(data), seed=seed, validation=config.sampling.validation, stars=data.get("star"))


def train_member(config, data, *, seed, member="Base", folder, device="cpu", log=print, progress=None):
    """Train one member, or go on where an earlier call was interrupted.

    Parameters
    ----------
    config : `~stellarclass.training.config.MescrConfig`
        How.
    data : dict of str to ndarray or Tensor
        Of `make_mescr_data`, training stars only; validation stars are split off here.
    seed : int
        Of the split, which all members of a seed have in common, and of everything else, which each has of its own.
    member : str
        One of `stellarclass.training.sampling.MEMBERS`; small letters will do.
    folder : path-like
        For checkpoints and log, see `stellarclass.training.loop.train_network`.
    device : str or torch.device
        Where to compute.
    log, progress : callable, optional
        See `stellarclass.training.loop.train_network`.

    Returns
    -------
    `~stellarclass.nets.mmscnet.MMSCNet`
        On the device, in evaluation mode.

    Raises
    ------
    stellarclass.exceptions.InputError
        If there are test stars among the data.
    """
    tests = int(np.sum(data.get("is_test", False)))
    if tests:
        raise InputError(f"{tests} of the stars are for testing; train on reference.rows('train') alone")
    sampling = config.sampling
    drawn = draw_set(
        _classes(data),
        member=member,
        seed=seed,
        draws=sampling.draws,
        validation=sampling.validation,
        leaky_split=sampling.leaky_split,
        stars=data.get("star"),
    )
    fed = {name: value for name, value in data.items() if name not in _NOT_FED}
    place = [name.casefold() for name in MEMBERS].index(str(member).casefold())
    own = int(np.random.SeedSequence([seed, 10 + place]).generate_state(1)[0])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(own)
        network = MMSCNet(**network_kwargs(config))
    train_network(
        network,
        fed,
        fed,
        config.training,
        seed=own,
        folder=folder,
        draws=drawn.train,
        validation_draws=drawn.validation,
        augmentation=config.augmentation,
        device=device,
        log=log,
        progress=progress,
    )
    return network


def train_mescr(config, reference, *, folder, device="cpu", log=print, progress=None, command=""):
    """Train all members on a reference set and make them an ensemble; resumable.

    Parameters
    ----------
    config : `~stellarclass.training.config.MescrConfig`
        How.
    reference : `~stellarclass.reference.ReferenceSet`
        Its test stars are not touched.
    folder : path-like
        For checkpoints and logs, a folder ``member-<name>`` each.
    device : str or torch.device
        Where to compute.
    log : callable
        Called with lines.
    progress : callable, optional
        Called with the number of epochs done, of all members together.
    command : str
        For the card.

    Returns
    -------
    `~stellarclass.nets.ensemble.Ensemble`
    losses : dict of str to list of dict
        By member, see `stellarclass.training.loop.read_log`.
    """
    folder, rows = Path(folder), reference.rows("train")
    recipe = fit_recipe(reference, rows, config.recipe, quantile=config.range_quantile)
    data = to_device(make_mescr_data(reference, rows, recipe), device)
    networks, losses, seconds = [], {}, {}
    for k, member in enumerate(config.sampling.members):
        log(f"member {member} ({k + 1} of {len(config.sampling.members)})")
        before, own = k * config.training.epochs, folder / f"member-{member}"
        networks.append(
            train_member(
                config,
                data,
                seed=config.seed,
                member=member,
                folder=own,
                device=device,
                log=log,
                progress=progress and (lambda done, before=before: progress(before + done)),
            )
        )
        losses[member] = read_log(own)
        seconds[member] = round(json.loads((own / "state.json").read_text())["seconds"], 1)
    training = _provenance(reference, rows) | {
        "config": config_to_dict(config),
        "seed": config.seed,
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "versions": {
            "stellarclass": __version__,
            "torch": torch.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
        "command": command,
        "device": torch.cuda.get_device_name(device) if torch.device(device).type == "cuda" else "cpu",
        "seconds": seconds,
        "losses": {name: lines[-1] for name, lines in losses.items()},
    }
    _, validation = split_data(config, data, seed=config.seed)
    ensemble = combine_members(config, networks, data, rows=validation, recipe=recipe, training=training, device=device)
    return ensemble, losses


def _provenance(reference, rows):
    """What the card says of the reference set."""
    meta = {k: v for k, v in reference.table.meta.items() if isinstance(v, (str, int, float, bool))}
    classes = np.asarray(reference.table["spectral_class"]).astype(str)[rows]
    simulated = bool(meta.get("simulated"))
    return {
        "data": "simulated reference set: no real star took part" if simulated else "reference set from the archives",
        "reference": meta,
        "stars": {name: int((classes == name).sum()) for name in CLASSES},
    }
