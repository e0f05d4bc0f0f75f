# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The multi-aperture baseline: trained on the same stamps as the network that has to beat it, in under a minute.

    python -m stellarclass.training.aperture_mlp --work runs/default --output mlp

takes the sets of stars that ``python -m stellarclass.training.default`` left in ``--work``, and writes an ensemble that
``classify(..., ensemble="./mlp")`` takes as any other.
"""

import argparse
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
from ..stamps import recipes
from ..stamps.photometric import FEATURES, PhotometricRecipe
from .calibrate import calibrate_ensemble

__all__ = ["main", "read_set", "train_aperture_ensemble", "train_aperture_mlp"]

_NOT_SYSTEMS = {"colors"}


def read_set(folder, kind):
    """The largest set of stars of one kind that the training of an ensemble left behind.

    Parameters
    ----------
    folder : path-like
        The ``--work`` of `stellarclass.training.default`.
    kind : {"train", "validation", "calibration"}
        Which.

    Returns
    -------
    dict of str to ndarray
        Features and targets of the stars, without images and intruders: see
        `stellarclass.training.simulated.make_training_set`.

    Raises
    ------
    FileNotFoundError
        If there is no complete set.
    """
    sets = [p.parent for p in Path(folder).glob(f"{kind}-*/complete")]
    if not sets:
        raise FileNotFoundError(f"no complete set {kind}-* in {folder}; stellarclass.training.default --work makes one")
    largest = max(sets, key=lambda p: int(p.name.rpartition("-")[2]))
    paths = sorted(p for p in largest.glob("*.npy") if p.stem != "residual")
    data = {p.stem: np.load(p, allow_pickle=False) for p in paths}
    star = data.pop("target_intruder") < 0.5
    return {name: value[star] for name, value in data.items()}


def _label_systems(data):
    """Label systems of a set: its targets that are probabilities of classes."""
    names = [k.removeprefix("target_") for k, v in data.items() if k.startswith("target_") and v.ndim == 2]
    return [name for name in names if name not in _NOT_SYSTEMS]


def train_aperture_mlp(data, *, seed, epochs=24, batch_size=512, learning_rate=3e-3):
    """Train one network.

    Parameters
    ----------
    data : dict of str to ndarray
        Set of `stellarclass.training.simulated.make_training_set`; images are not used.
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
    steps = epochs * per_epoch
    rise = max(steps // 10, 1)
    step = 0
    for epoch in range(epochs):
        order = torch.from_numpy(np.random.default_rng([seed, epoch]).permutation(n))
        for k in range(per_epoch):
            rows = order[k * batch_size : (k + 1) * batch_size]
            fall = 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * (step - rise) / max(steps - rise, 1)))
            for group in optimizer.param_groups:
                group["lr"] = learning_rate * ((step + 1) / rise if step < rise else fall)
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
    # As in `stellarclass.training.loop.physical_loss`: a handful of giants must not rule the gradient.
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
        Sets of `stellarclass.training.simulated.make_training_set`, without a star in common.
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
    dict
        Figures on ``calibration``, see `stellarclass.training.calibrate.calibrate_ensemble`.
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
        label_systems={name: {"description": f"Label system {name} of the simulated sky"} for name in systems},
        default_label_system="sdss" if "sdss" in systems else systems[0],
        members=tuple(Member(f"member{k}") for k in range(members)),
        radius_space="log10",
        training={"stars": len(data["features"]), "seed": seed, "epochs": epochs},
        license="BSD-3-Clause",
    )
    return calibrate_ensemble(Ensemble(networks, card, device="cpu"), calibration, seed=seed)


def main(argv=None):
    """Command line of this module."""
    parser = argparse.ArgumentParser(description="Train the multi-aperture baseline on the stars of an ensemble.")
    parser.add_argument("--work", type=Path, required=True, help="--work of stellarclass.training.default")
    parser.add_argument("--output", type=Path, required=True, help="folder of the baseline")
    parser.add_argument("--members", type=int, default=1, help="networks (default: %(default)s)")
    parser.add_argument("--epochs", type=int, default=24, help="passes over the stars (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the first network (%(default)s)")
    args = parser.parse_args(argv)
    data, calibration = read_set(args.work, "train"), read_set(args.work, "calibration")
    ensemble, metrics = train_aperture_ensemble(
        data, calibration, seed=args.seed, members=args.members, epochs=args.epochs
    )
    save_ensemble(ensemble, args.output)
    print(f"{args.output}: {metrics}", flush=True)


if __name__ == "__main__":
    main()
