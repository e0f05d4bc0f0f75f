# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Make the default ensemble from nothing but the simulated sky.

    python -m stellarclass.training.default --output stellarclass/ensembles/default

draws the stars, trains six members one after the other, calibrates them on stars kept back and writes weights and card.
Interrupted, the same command goes on where it stopped (``--work`` holds training set and checkpoints).
"""

import argparse
import dataclasses
import platform
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch

from .. import __version__
from ..nets.card import Card, Member
from ..nets.compact import CompactNet
from ..nets.ensemble import Ensemble
from ..nets.weights import save_ensemble
from ..physics import CLASS_EDGES, CLASSES
from ..simulate import LABEL_SYSTEMS
from ..stamps import recipes
from ..stamps.photometric import FEATURES, PhotometricRecipe
from .calibrate import calibrate_ensemble
from .loop import TrainingConfig, train_network
from .simulated import make_training_set

__all__ = ["main"]

_SEED = {"train": 20240815, "validation": 1, "calibration": 2}


def _data_set(work, kind, n, recipe, processes):
    """A training set, made once and kept in ``work``."""
    folder = work / f"{kind}-{n}"
    if not (folder / "complete").is_file():
        print(f"drawing {n} stars ({kind})", flush=True)
        data = make_training_set(n, seed=_SEED[kind], recipe=recipe, processes=processes)
        folder.mkdir(parents=True, exist_ok=True)
        for name, value in data.items():
            np.save(folder / f"{name}.npy", value, allow_pickle=False)
        (folder / "complete").touch()
    return {p.stem: np.load(p, allow_pickle=False) for p in sorted(folder.glob("*.npy"))}


def main(argv=None):
    """Command line of this module."""
    parser = argparse.ArgumentParser(description="Train the default ensemble on the simulated sky.")
    parser.add_argument("--output", type=Path, required=True, help="folder of the ensemble")
    parser.add_argument("--work", type=Path, default=Path("runs/default"), help="training set and checkpoints")
    parser.add_argument("--stars", type=int, default=160_000)
    parser.add_argument("--epochs", type=int, default=14)
    parser.add_argument("--members", type=int, default=6)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    args = parser.parse_args(argv)
    began = time.perf_counter()
    recipe = recipes.to_dict(PhotometricRecipe())
    data = _data_set(args.work, "train", args.stars, recipe, args.processes)
    validation = _data_set(args.work, "validation", 10_000, recipe, args.processes)
    kwargs = {"features": len(FEATURES), "size": recipe["size"], "bp_rp_edges": list(CLASS_EDGES)}
    config = TrainingConfig(epochs=args.epochs)
    members, losses = [], []
    for k in range(args.members):
        torch.manual_seed(1000 + k)
        network = CompactNet(**kwargs)
        print(f"member {k + 1} of {args.members}", flush=True)
        folder = args.work / f"member-{k}"
        parts = train_network(
            network,
            data,
            validation,
            config,
            seed=k,
            folder=folder,
            device=args.device,
            log=lambda line: print(line, flush=True),
        )
        losses.append({name: round(value, 5) for name, value in parts.items()})
        members.append(network)
    card = Card(
        name="default",
        version="1",
        description=(
            "Five SDSS bands at native scale with the frame's own PSF, multi-aperture photometry and Gaia astrometry; "
            "trained on the simulated sky alone. Colors, temperature and radius first, a label map per system on top."
        ),
        architecture="compact",
        architecture_kwargs=kwargs,
        recipe=recipe,
        classes=CLASSES,
        label_systems={name: {"description": text} for name, text in LABEL_SYSTEMS.items()},
        default_label_system="sdss",
        members=tuple(Member(f"member{k}") for k in range(args.members)),
        radius_space="log10",
        citation="Deng et al. (2024), Ensemble Learning for Stellar Classification and Radius Estimation",
        license="BSD-3-Clause",
    )
    calibration = _data_set(args.work, "calibration", 20_000, recipe, args.processes)
    ensemble, metrics = calibrate_ensemble(Ensemble(members, card, device=args.device), calibration, seed=3)
    training = {
        "data": "simulated sky of stellarclass.simulate: no real star took part, save in the tables that it cites",
        "stars": args.stars,
        "config": dataclasses.asdict(config),
        "seeds": _SEED,
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "versions": {
            "stellarclass": __version__,
            "torch": torch.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
        "command": f"python -m stellarclass.training.default --stars {args.stars} --epochs {args.epochs} --output DIR",
        "seconds": round(time.perf_counter() - began),
        "validation_losses": losses,
        "simulated_metrics": metrics,
    }
    ensemble = Ensemble(ensemble.members, dataclasses.replace(ensemble.card, training=training), device="cpu")
    save_ensemble(ensemble, args.output, half=True)
    print(f"{args.output}: {metrics}", flush=True)


if __name__ == "__main__":
    main()
