# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Where an epoch's time goes when MESCR is trained from data in memory: the network, the batches, the checkpoint.

    python benchmarks/training.py --config mescr-small
    python benchmarks/training.py --config mescr --device cuda

Prints the split and samples per second. Times are of the processor on a CPU, so that other programs do not count, and
of the clock on a GPU.
"""

import argparse
import json
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from stellarclass.nets.mmscnet import MMSCNet
from stellarclass.physics import CLASSES
from stellarclass.training.configfile import read_config
from stellarclass.training.loop import _checkpoint, _Run, epoch_batches, find_device
from stellarclass.training.members import network_kwargs


def noise_stars(n, recipe, *, seed=1):
    """Stars of noise: what they show does not matter here."""
    rng = np.random.default_rng(seed)
    shape = (n, 3, recipe.size, recipe.size)
    return {
        "image_a": rng.integers(0, 256, shape, dtype=np.uint8),
        "image_b": rng.integers(0, 256, shape, dtype=np.uint8),
        "numeric": rng.random((n, len(recipe.inputs) - 1), dtype=np.float32),
        "target_sdss": np.eye(len(CLASSES), dtype=np.float32)[rng.integers(0, len(CLASSES), n)],
        "target_radius": rng.random(n, dtype=np.float32) + 0.5,
    }


def measure(config, *, batches, stars, device):
    """Seconds of an epoch of so many batches by what they are spent on."""
    training = replace(config.training, epochs=max(config.training.epochs, 4))
    tensors = {k: torch.from_numpy(v).to(device) for k, v in noise_stars(stars, config.recipe).items()}
    draws = torch.from_numpy(np.random.default_rng(2).integers(0, stars, batches * training.batch_size)).to(device)
    torch.manual_seed(0)
    network = MMSCNet(**network_kwargs(config)).to(device).train()
    run = _Run(network, training, device)
    spent = {"batches": 0.0, "network": 0.0}

    def clock():
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return time.perf_counter() if device.type == "cuda" else time.process_time()

    for epoch in range(2):  # the first warms up
        spent = dict.fromkeys(spent, 0.0)
        began = clock()
        source = epoch_batches(tensors, training, seed=1, epoch=epoch, draws=draws, augmentation=config.augmentation)
        for batch in source:
            ready = clock()
            run.step(batch, 1e-4)
            done = clock()
            spent["batches"] += ready - began
            spent["network"] += done - ready
            began = done
    with tempfile.TemporaryDirectory() as folder:
        began = clock()
        _checkpoint(Path(folder), network, run, 1, 0.0, {})
        # An epoch of the configuration has more batches than were measured here, and not each has a checkpoint.
        per_epoch = int(config.sampling.draws * (1 - config.sampling.validation)) // training.batch_size
        spent["checkpoint"] = (clock() - began) / training.checkpoint_every * batches / per_epoch
    return spent


def main():
    parser = argparse.ArgumentParser(description="Print what an epoch of training spends its time on.")
    parser.add_argument("--config", default="mescr-small", help="configuration of kind mescr (%(default)s)")
    parser.add_argument("--batches", type=int, default=8, help="batches to measure (%(default)s)")
    parser.add_argument("--stars", type=int, default=2000, help="stars in memory (%(default)s)")
    parser.add_argument("--device", default=None, help="torch device (a GPU if there is one)")
    parser.add_argument("--output", type=Path, default=None, help="JSON file for the numbers")
    args = parser.parse_args()
    config, device = read_config(args.config), find_device(args.device)
    spent = measure(config, batches=args.batches, stars=args.stars, device=device)
    total = sum(spent.values())
    for name, seconds in spent.items():
        print(f"{name:12s} {seconds:8.3f} s  {seconds / total:6.1%}")
    rate = args.batches * config.training.batch_size / total
    print(f"{rate:.0f} samples/s on {device} with {torch.get_num_threads()} threads, configuration {args.config}")
    if args.output is not None:
        numbers = {**spent, "network_share": spent["network"] / total, "samples_per_second": rate}
        args.output.write_text(json.dumps(numbers, indent=1) + "\n")


if __name__ == "__main__":
    main()
