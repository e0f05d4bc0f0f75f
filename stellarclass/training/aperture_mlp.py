# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The multi-aperture baseline: trained on the same stamps as the network that has to beat it, in under a minute.

    python -m stellarclass.training.aperture_mlp --work runs/default --output mlp

takes the sets of stars that ``stellarclass train default`` left in ``--work``, and writes an ensemble that
``classify(..., ensemble="./mlp")`` takes as any other.
"""

import argparse
import copy
import dataclasses
import math
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from ..nets.aperture_mlp import ApertureMLP
from ..nets.card import Card, Member
from ..nets.ensemble import Ensemble
from ..nets.weights import save_ensemble
from ..physics import CLASSES
from ..simulate import LABEL_SYSTEMS, label_probabilities
from ..stamps import recipes
from ..stamps.photometric import FEATURES, PhotometricRecipe
from .calibrate import fit_classes, fit_radius
from .optimizers import one_cycle

__all__ = [
    "cross_validate_aperture_mlp",
    "main",
    "read_set",
    "train_aperture_ensemble",
    "train_aperture_mlp",
    "with_labels",
]


def read_set(folder, kind):
    """The largest set of stars of one kind that the training of an ensemble left behind.

    Parameters
    ----------
    folder : path-like
        The ``--work`` of ``stellarclass train default``.
    kind : {"train", "validation", "calibration"}
        Which.

    Returns
    -------
    dict of str to ndarray
        Features and targets of the stars, without images, completed by `with_labels`.

    Raises
    ------
    FileNotFoundError
        If there is no complete set.
    """
    sets = [p.parent for p in Path(folder).glob(f"{kind}-*/complete")]
    if not sets:
        raise FileNotFoundError(f"no complete set {kind}-* in {folder}: `stellarclass train default` makes one")
    largest = max(sets, key=lambda p: int(p.name.rpartition("-")[2]))
    paths = sorted(p for p in largest.glob("*.npy") if p.stem != "residual")
    return with_labels({p.stem: np.load(p, allow_pickle=False) for p in paths})


def with_labels(data):
    """A set of stars with targets for every label system of the simulated sky, and without what is no star.

    Parameters
    ----------
    data : dict of str to ndarray
        Set of ``stellarclass.training.simulated.make_training_set``.

    Returns
    -------
    dict of str to ndarray
        Of the stars whose ``target_intruder``, where there is one, is below a half: what ``data`` holds of them, and
        ``target_<system>`` (N, 5) for systems that it lacks, by `stellarclass.simulate.label_probabilities`.
    """
    star = data.get("target_intruder", np.zeros(len(data["features"]))) < 0.5
    data = {k: v[star] for k, v in data.items() if k != "target_intruder"}
    for system in LABEL_SYSTEMS:
        if f"target_{system}" not in data:
            p = label_probabilities(data["target_colors"], label_system=system)
            data[f"target_{system}"] = p.astype(np.float32)
    return data


def _label_systems(data):
    return [name for name in LABEL_SYSTEMS if f"target_{name}" in data]


def train_aperture_mlp(data, *, seed, epochs=24, batch_size=512, learning_rate=3e-3):
    """Train one network.

    Parameters
    ----------
    data : dict of str to ndarray
        Set as `read_set` returns it; images are not used.
    seed : int
        Weights at the start and order of the stars.
    epochs, batch_size : int
        Passes over the stars, and stars a step.
    learning_rate : float
        Peak of a one-cycle schedule.

    Returns
    -------
    ApertureMLP

    Raises
    ------
    ValueError
        If there are fewer stars than a batch needs.

    Notes
    -----
    The loss is the sum of the cross entropy of each label system and the Gaussian negative log-likelihood of the
    logarithm of the radius. Stars whose radius is NaN take part in the classes alone.
    """
    n, systems = len(data["features"]), _label_systems(data)
    if n < batch_size:
        raise ValueError(f"{n} stars do not fill a batch of {batch_size}")
    torch.manual_seed(seed)
    network = ApertureMLP(features=list(FEATURES), label_systems=systems, classes=len(CLASSES))
    names = ["features", "target_log_radius", *(f"target_{s}" for s in systems)]
    tensors = {name: torch.from_numpy(data[name]).float() for name in names}
    network.set_scaling(tensors["features"])
    optimizer = torch.optim.AdamW(network.parameters(), lr=learning_rate, weight_decay=1e-3)
    per_epoch = n // batch_size
    steps, step = epochs * per_epoch, 0
    for epoch in range(epochs):
        order = torch.from_numpy(np.random.default_rng([seed, epoch]).permutation(n))
        for k in range(per_epoch):
            rows = order[k * batch_size : (k + 1) * batch_size]
            for group in optimizer.param_groups:
                group["lr"] = learning_rate * one_cycle(step, steps)
            batch = {name: value[rows] for name, value in tensors.items()}
            loss = _loss(network(batch), batch, systems)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            step += 1
    return network.eval()


def _loss(outputs, batch, systems):
    truth, variance = batch["target_log_radius"], outputs["radius_variance"]
    known = torch.isfinite(truth)
    # As in `stellarclass.training.losses.physical_loss`: a handful of giants must not rule the gradient.
    square = ((outputs["radius_mean"] - torch.where(known, truth, 0.0)) ** 2 / variance).clamp_max(60)
    total = ((variance.log() + square) * known).sum() / known.sum().clamp_min(1) / 2
    for name in systems:
        total = total + F.cross_entropy(outputs[f"logits_{name}"], batch[f"target_{name}"])
    return total


def train_aperture_ensemble(data, calibration, *, seed, members=1, epochs=24):
    """Train and calibrate the baseline as an ensemble, so that it can be used and judged like any other.

    Parameters
    ----------
    data, calibration : dict of str to ndarray
        Sets as `read_set` returns them, without a star in common.
    seed : int
        Weights at the start and order of the stars.
    members : int
        Networks, each with a seed of its own.
    epochs : int
        Passes over the stars.

    Returns
    -------
    `~stellarclass.nets.ensemble.Ensemble`
        Its label systems are those that ``data`` has targets for.
    """
    networks = [train_aperture_mlp(data, seed=seed + k, epochs=epochs) for k in range(members)]
    systems = _label_systems(data)
    card = Card(
        name="aperture-mlp",
        version="1",
        description="Multi-aperture magnitudes and astrometry in a plain network: the baseline of the default ensemble",
        architecture="aperture_mlp",
        architecture_kwargs={"features": list(FEATURES), "label_systems": systems, "classes": len(CLASSES)},
        recipe=recipes.to_dict(PhotometricRecipe()),
        classes=CLASSES,
        label_systems={name: {"description": LABEL_SYSTEMS[name]} for name in systems},
        default_label_system=systems[0],
        members=tuple(Member(f"member{k}") for k in range(members)),
        radius_space="log10",
        training={"stars": len(data["features"]), "seed": seed, "epochs": epochs},
        license="BSD-3-Clause",
    )
    return _calibrated(Ensemble(networks, card, device="cpu"), calibration, seed)


def _calibrated(ensemble, data, seed):
    """The ensemble with temperature, class biases, class sets and radius intervals fitted to ``data``."""
    rng, systems = np.random.default_rng(seed), {}
    for system, entry in ensemble.card.label_systems.items():
        targets = data[f"target_{system}"].astype(float)
        raw = ensemble.predict({"features": data["features"]}, label_system=system)
        log_p = np.log(raw.probabilities.clip(1e-12))
        systems[system] = entry | fit_classes(log_p, targets, level=ensemble.card.levels["class_set"], rng=rng)[0]
    known = np.isfinite(data["target_log_radius"])
    sigma = (raw.radius_err / raw.radius / np.log(10))[known]
    residual = (data["target_log_radius"] - np.log10(raw.radius))[known]
    radius = fit_radius(residual, sigma, level=ensemble.card.levels["radius_interval"])
    card = dataclasses.replace(ensemble.card, label_systems=systems, radius_calibration=radius)
    return Ensemble(ensemble.members, card, device="cpu")


def cross_validate_aperture_mlp(ensemble, features, targets, fold, *, label_system, seed=0, epochs=12):
    """What the baseline would say of stars with real labels, trained on to those of other stars.

    Parameters
    ----------
    ensemble : `~stellarclass.nets.ensemble.Ensemble`
        Of `train_aperture_ensemble`; not changed.
    features : ndarray, shape (N, F)
        The input ``features`` of N stamps.
    targets : ndarray of int, shape (N,)
        Their true classes, by their places among the ensemble's.
    fold : ndarray of int, shape (N,)
        Part of the cross-validation that each stamp belongs to.
    label_system : str
        Whose labels they are, one that the ensemble speaks: it starts from what it learned on the simulated sky.
    seed : int
        Order of the stars.
    epochs : int
        Passes over the stamps.

    Returns
    -------
    ndarray, shape (N, C)
        Class probabilities of each stamp by networks that did not see its part.

    Notes
    -----
    The whole network is trained on, at a tenth of the rate: it may bend its hidden layers to the labels, which the
    label maps of the default ensemble may not.
    """
    x, y = torch.from_numpy(np.array(features, np.float32)), torch.from_numpy(np.asarray(targets))
    name = f"logits_{label_system}"
    held_out = np.zeros((len(x), len(ensemble.classes)))
    for k, member in enumerate(ensemble.members):
        for part in np.unique(fold):
            seen, rest = (torch.from_numpy(np.flatnonzero(where)) for where in (fold != part, fold == part))
            network = _trained_on(member, x[seen], y[seen], name, seed + k, epochs)
            with torch.inference_mode():
                held_out[rest] += network({"features": x[rest]})[name].softmax(1).numpy() / len(ensemble.members)
    return held_out / held_out.sum(1, keepdims=True)


def _trained_on(member, x, y, name, seed, epochs, *, batch_size=256, learning_rate=3e-4):
    """A copy of a network, trained on to these labels."""
    network = copy.deepcopy(member).train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=learning_rate, weight_decay=1e-2)
    for epoch in range(epochs):
        order = torch.from_numpy(np.random.default_rng([seed, epoch]).permutation(len(x)))
        for group in optimizer.param_groups:
            group["lr"] = learning_rate * 0.5 * (1 + math.cos(math.pi * epoch / epochs))
        for rows in order.split(batch_size):
            loss = F.cross_entropy(network({"features": x[rows]})[name], y[rows])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
    return network.eval()


def main(argv=None):
    """Command line of this module."""
    parser = argparse.ArgumentParser(description="Train the multi-aperture baseline on the stars of an ensemble.")
    parser.add_argument("--work", type=Path, required=True, help="--work of `stellarclass train default`")
    parser.add_argument("--output", type=Path, required=True, help="folder of the baseline")
    parser.add_argument("--members", type=int, default=1, help="networks (default: %(default)s)")
    parser.add_argument("--epochs", type=int, default=24, help="passes over the stars (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the first network (%(default)s)")
    args = parser.parse_args(argv)
    data, calibration = read_set(args.work, "train"), read_set(args.work, "calibration")
    options = {"seed": args.seed, "members": args.members, "epochs": args.epochs}
    save_ensemble(train_aperture_ensemble(data, calibration, **options), args.output)
    print(args.output, flush=True)


if __name__ == "__main__":
    main()
