# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Make the default ensemble: networks from the simulated sky, label maps from real labels rendered by it.

    python -m stellarclass.training.default --output stellarclass/ensembles/default --labels sdss=TABLE lamost=TABLE

draws the stars, trains six members one after the other, calibrates them on stars kept back, teaches them the label
systems for which there is a table of real labels, and writes weights and card. Interrupted, the same command goes on
where it stopped: ``--work`` holds the sets of stars and the checkpoints. Sets and checkpoints of other settings are
refused, those of an older simulated sky cannot be told: start in an empty folder.

A table of labels has the columns u, g, r, i, z and ``label`` (A, F, G, K or M); its stars are rendered several times.
"""

import argparse
import dataclasses
import json
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
from .labeled import LabelTable, teach
from .loop import TrainingConfig, evaluate_loss, train_network
from .simulated import make_training_set

__all__ = ["main"]

_SEED = {"train": 20240815, "validation": 1, "calibration": 2}


def _data_set(work, kind, n, recipe, processes):
    """A set of stars, made once and kept in ``work``."""
    folder = work / f"{kind}-{n}"
    made = json.dumps({"seed": _SEED[kind], "recipe": recipe})
    if not (folder / "complete").is_file():
        _say(f"drawing {n} stars ({kind})")
        data = make_training_set(n, seed=_SEED[kind], recipe=recipe, processes=processes)
        folder.mkdir(parents=True, exist_ok=True)
        for name, value in data.items():
            np.save(folder / f"{name}.npy", value, allow_pickle=False)
        (folder / "complete").write_text(made)
    elif (folder / "complete").read_text() not in (made, ""):
        raise SystemExit(f"{folder} holds stars of another seed or recipe; remove it or choose another --work")
    return {p.stem: np.load(p, allow_pickle=False) for p in sorted(folder.glob("*.npy"))}


def main(argv=None):
    """Command line of this module."""
    parser = argparse.ArgumentParser(description="Train the default ensemble on the simulated sky.")
    parser.add_argument("--output", type=Path, required=True, help="folder of the ensemble")
    parser.add_argument("--work", type=Path, default=Path("runs/default"), help="training set and checkpoints")
    parser.add_argument("--stars", type=int, default=110_000, help="stars to train on (default: %(default)s)")
    parser.add_argument("--validation", type=int, default=8_000, help="stars to watch the loss on (%(default)s)")
    parser.add_argument("--calibration", type=int, default=20_000, help="stars to calibrate on (%(default)s)")
    parser.add_argument("--epochs", type=int, default=14, help="passes over the stars (%(default)s)")
    parser.add_argument("--members", type=int, default=6, help="networks in the ensemble (%(default)s)")
    parser.add_argument("--processes", type=int, default=2, help="worker processes that draw stars (%(default)s)")
    parser.add_argument("--labels", type=_labels, nargs="+", default=[], metavar="SYSTEM=TABLE", help="real labels")
    parser.add_argument(
        "--device", default="cuda" if torch.cuda.is_available() else "cpu", help="where to train (%(default)s)"
    )
    args = parser.parse_args(argv)
    began = time.perf_counter()
    recipe = recipes.to_dict(PhotometricRecipe())
    data = _data_set(args.work, "train", args.stars, recipe, args.processes)
    validation = _data_set(args.work, "validation", args.validation, recipe, args.processes)
    kwargs = {"features": len(FEATURES), "size": recipe["size"], "bp_rp_edges": list(CLASS_EDGES)}
    config = TrainingConfig(epochs=args.epochs)
    members, losses = [], []
    for k in range(args.members):
        torch.manual_seed(1000 + k)
        members.append(CompactNet(**kwargs))
        _say(f"member {k + 1} of {args.members}")
        folder = args.work / f"member-{k}"
        train_network(members[-1], data, validation, config, seed=k, folder=folder, device=args.device, log=_say)
        parts = evaluate_loss(members[-1], validation, args.device)
        losses.append({name: round(value, 5) for name, value in parts.items()})
    calibration = _data_set(args.work, "calibration", args.calibration, recipe, args.processes)
    ensemble = Ensemble(members, _card(args.members, kwargs, recipe), device=args.device)
    ensemble, metrics = calibrate_ensemble(ensemble, calibration, seed=3)
    tables = dict(args.labels)
    for name, table in tables.items():
        if name != "sdss" and "sdss" in tables:
            table = table.anchored(tables["sdss"])  # a system with hardly an A or M star of its own
        _say(f"label system {name}: {table}")
        ensemble, figures = teach(ensemble, table, name=name, description=LABEL_SYSTEMS[name], seed=4)
        _say(json.dumps(figures, indent=1))
    options = " ".join(f"--{k} {getattr(args, k)}" for k in ("stars", "validation", "calibration", "epochs", "members"))
    taught = " --labels " + " ".join(f"{name}=TABLE" for name in tables) if tables else ""
    training = {
        "data": (
            "simulated sky of stellarclass.simulate: no real star took part, save in the tables that it cites; "
            "label maps of learned systems: real labels and magnitudes, simulated pixels"
        ),
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
        "command": f"python -m stellarclass.training.default {options} --output DIR" + taught,
        "seconds": round(time.perf_counter() - began),
        "validation_losses": losses,
        "simulated_metrics": metrics,
    }
    default = "sdss" if "sdss" in ensemble.label_systems else "pecaut_mamajek"
    card = dataclasses.replace(ensemble.card, training=training, default_label_system=default)
    ensemble = Ensemble(ensemble.members, card, device="cpu")
    save_ensemble(ensemble, args.output, half=True)
    _say(f"{args.output}: {metrics}")


def _labels(text):
    name, _, path = text.partition("=")
    if name not in LABEL_SYSTEMS or name == "pecaut_mamajek" or not path:
        raise argparse.ArgumentTypeError(f"{text!r} is not SYSTEM=TABLE with a system of {', '.join(LABEL_SYSTEMS)}")
    return name, LabelTable.read(path)


def _card(members, kwargs, recipe):
    """The card before calibration."""
    return Card(
        name="default",
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
        members=tuple(Member(f"member{k}") for k in range(members)),
        radius_space="log10",
        citation="Deng et al. (2024), Ensemble Learning for Stellar Classification and Radius Estimation",
        license="BSD-3-Clause",
    )


def _say(line):
    print(line, flush=True)


if __name__ == "__main__":
    main()
