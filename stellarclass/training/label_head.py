# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Fit the label map of a trained network on its own physical outputs, everything else held fixed."""

import math

import torch
from torch.nn import functional as F

__all__ = ["fit_label_head"]

_LEARNING_RATE, _WEIGHT_DECAY, _BATCH = 3e-3, 1e-4, 1024


def fit_label_head(network, data, *, system="sdss", epochs=12, seed=0, device="cpu"):
    """Train a network's map from physical outputs to the classes of a label system.

    Parameters
    ----------
    network : `stellarclass.nets.compact.CompactNet`
        Trained; only its map ``<system>_map`` is changed, in place.
    data : dict of str to ndarray, first axis N
        Inputs, and ``target_<system>`` (N, C): true classes or their probabilities.
    system : str
        Label system.
    epochs : int
        Passes over the data; a few seconds each, since the network itself runs once.
    seed : int
        Order of the stars.
    device : str
        Where to compute.

    Returns
    -------
    float
        Mean cross entropy over the last pass.
    """
    device = torch.device(device)
    network.to(device).eval()
    label_map = getattr(network, f"{system}_map")
    physical = _physical_outputs(network, data, device)
    targets = torch.from_numpy(data[f"target_{system}"]).to(device)
    n = len(targets)
    optimizer = torch.optim.AdamW(label_map.parameters(), lr=_LEARNING_RATE, weight_decay=_WEIGHT_DECAY)
    generator = torch.Generator().manual_seed(seed)
    batch = min(_BATCH, n)
    steps, step, total = epochs * (n // batch), 0, math.nan
    label_map.train()
    for _ in range(epochs):
        order = torch.randperm(n, generator=generator).to(device)
        total = 0.0
        for k in range(n // batch):
            rows = order[k * batch : (k + 1) * batch]
            for group in optimizer.param_groups:
                group["lr"] = _LEARNING_RATE * (0.005 + 0.5 * (1 + math.cos(math.pi * step / steps)))
            loss = F.cross_entropy(label_map({name: value[rows] for name, value in physical.items()}), targets[rows])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            total += float(loss.detach()) / (n // batch)
            step += 1
    label_map.eval()
    return total


def _physical_outputs(network, data, device):
    """What the network says of every star, classes aside: dict of tensors, first axis N."""
    inputs = {name: value for name, value in data.items() if not name.startswith("target_")}
    parts = {}
    with torch.no_grad():
        for k in range(0, len(next(iter(inputs.values()))), 4096):
            batch = {name: torch.from_numpy(value[k : k + 4096]).to(device).float() for name, value in inputs.items()}
            for name, value in network(batch).items():
                if not name.startswith("logits_"):
                    parts.setdefault(name, []).append(value)
    return {name: torch.cat(values) for name, values in parts.items()}
