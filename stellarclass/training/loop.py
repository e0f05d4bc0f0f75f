# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Train one network on arrays in memory; checkpoint, resume, log."""

import json
import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from torch.nn import functional as F

__all__ = ["TrainingConfig", "evaluate_loss", "one_cycle", "physical_loss", "train_network"]

_LOSS_WEIGHTS = {"color": 0.25, "bp_rp": 0.5, "teff": 0.2, "radius": 2.0, "intruder": 0.5, "pecaut_mamajek": 0.5}


@dataclass(frozen=True)
class TrainingConfig:
    """How a network is trained.

    Attributes
    ----------
    epochs : int
        Passes over the training set.
    batch_size : int
        Stars a step; those left over at the end of an epoch wait for the next one's order.
    learning_rate : float
        Peak of a one-cycle schedule: linear rise over the first tenth, cosine to a hundredth.
    weight_decay : float
        Of AdamW.
    """

    epochs: int = 12
    batch_size: int = 512
    learning_rate: float = 3e-3
    weight_decay: float = 1e-3


def physical_loss(outputs, batch):
    """Sum of the losses on colors, temperature, radius and classes, and on what is no star at all.

    Parameters
    ----------
    outputs : dict of str to Tensor
        What a `stellarclass.nets.compact.CompactNet` returns for B stars.
    batch : dict of str to Tensor
        The targets of `stellarclass.training.simulated.make_training_set`.

    Returns
    -------
    Tensor, shape ()
        Weighted sum of the parts.
    dict of str to float
        The parts, each a mean over the stars: ``color`` and ``bp_rp`` (Gaussian negative log-likelihood without the
        constant), ``teff`` (smooth L1 of 50 log10 T), ``radius`` (Eq. 2 of Deng et al. 2024, in dex), the cross
        entropy of ``pecaut_mamajek``, all without the intruders; and ``intruder``, the cross entropy of being one.
    """
    parts = {"intruder": F.binary_cross_entropy_with_logits(outputs["intruder"], batch["target_intruder"])}
    star = (batch["target_intruder"] < 0.5).nonzero()[:, 0]
    # Without a single star the means are NaN, which no batch of a training set ever is.
    outputs = {name: value[star] for name, value in outputs.items()}
    batch = {name: value[star] for name, value in batch.items() if name.startswith("target_")}
    # A color error is the simulated truth's, never below 5 mmag: the floor keeps bright stars from ruling the sum.
    variance = outputs["colors_logvar"].exp() + 2.5e-5
    color = (variance.log() + (outputs["colors_mean"] - batch["target_colors"]) ** 2 / variance).mean() / 2
    variance = outputs["bp_rp_logvar"].exp()
    square = ((outputs["bp_rp_mean"] - batch["target_bp_rp"]) ** 2 / variance).clamp_max(100)
    bp_rp = (variance.log() + square).mean() / 2
    teff = F.smooth_l1_loss(outputs["log_teff"] * 50, batch["target_log_teff"] * 50)
    # Eq. 2 of Deng et al. (2024), in dex; the error is cut off so that a handful of giants do not rule the gradient.
    variance = outputs["radius_variance"]
    square = ((outputs["radius_mean"] - batch["target_log_radius"]) ** 2 / variance).clamp_max(60)
    radius = (variance.log() + square).mean() / 2
    classes = F.cross_entropy(outputs["logits_pecaut_mamajek"], batch["target_pecaut_mamajek"])
    parts |= {"color": color, "bp_rp": bp_rp, "teff": teff, "radius": radius, "pecaut_mamajek": classes}
    total = sum(_LOSS_WEIGHTS[name] * value for name, value in parts.items())
    return total, {k: float(v.detach()) for k, v in parts.items()}


def one_cycle(step, steps):
    """Share of the peak rate at a step of training: a linear rise over the first tenth, then a cosine to a hundredth.

    Parameters
    ----------
    step, steps : int
        Steps done, and steps in all.

    Returns
    -------
    float
    """
    rise = max(steps // 10, 1)
    if step < rise:
        return (step + 1) / rise
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * (step - rise) / max(steps - rise, 1)))


def train_network(network, data, validation, config, *, seed, folder, device="cpu", log=print):
    """Train a network, or go on where an earlier call was interrupted.

    Parameters
    ----------
    network : torch.nn.Module
        Trained in place. If it has ``set_scaling``, it is given the training features first.
    data, validation : dict of str to ndarray
        Inputs and targets (``target_*``), of N stars; only float arrays.
    config : TrainingConfig
        Epochs, batch and rate.
    seed : int
        Order of the stars.
    folder : path-like
        Holds the last epoch's ``checkpoint-<epoch>.safetensors`` and ``state.json``, and ``log.jsonl``.
    device : str
        Where to compute.
    log : callable
        Called with a line per epoch.

    Returns
    -------
    dict of str to float
        Validation losses after the last epoch, by part.

    Raises
    ------
    ValueError
        If there are fewer stars than a batch needs, or the folder holds a run with another configuration or seed.

    Notes
    -----
    Each epoch's order follows from the seed and its number alone: training that was interrupted and resumed ends, on
    one machine's CPU, with the very same weights.
    """
    if len(data["features"]) < config.batch_size:
        raise ValueError(f"{len(data['features'])} stars do not fill a batch of {config.batch_size}")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    device = torch.device(device)
    network.to(device)
    if hasattr(network, "set_scaling"):
        network.set_scaling(torch.from_numpy(data["features"]))
    optimizer = torch.optim.AdamW(network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    n = len(data["features"])
    steps = config.epochs * (n // config.batch_size)

    run = {"seed": seed, "stars": n, **asdict(config)}
    start = _resume(folder, network, optimizer, run)
    step = start * (n // config.batch_size)
    # Images stay float16 in memory and become float32 batch by batch.
    tensors = {k: torch.from_numpy(v).to(device) for k, v in data.items()}
    parts = evaluate_loss(network, validation, device) if start == config.epochs else {}
    for epoch in range(start, config.epochs):
        began = time.perf_counter()
        order = torch.from_numpy(np.random.default_rng([seed, epoch]).permutation(n)).to(device)
        network.train()
        total = 0.0
        for k in range(n // config.batch_size):
            rows = order[k * config.batch_size : (k + 1) * config.batch_size]
            batch = {name: value[rows].float() for name, value in tensors.items()}
            for group in optimizer.param_groups:
                group["lr"] = config.learning_rate * one_cycle(step, steps)
            loss, _ = physical_loss(network(batch), batch)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            total += float(loss.detach())
            step += 1
        parts = evaluate_loss(network, validation, device)
        line = {"epoch": epoch + 1, "train": total / max(n // config.batch_size, 1), **parts}
        line = {k: round(v, 5) if isinstance(v, float) else v for k, v in line.items()}
        with (folder / "log.jsonl").open("a") as stream:
            stream.write(json.dumps(line) + "\n")
        _checkpoint(folder, network, optimizer, epoch + 1, run)
        log(f"epoch {epoch + 1}/{config.epochs} {line} {time.perf_counter() - began:.0f} s")
    network.eval()
    return parts


def evaluate_loss(network, data, device="cpu"):
    """Mean losses of a network on a data set.

    Parameters
    ----------
    network : torch.nn.Module
        Left in evaluation mode.
    data : dict of str to ndarray
        Inputs and targets, as for `train_network`.
    device : str or torch.device
        Where the network is.

    Returns
    -------
    dict of str to float
        The parts of `physical_loss`.
    """
    network.eval()
    sums, counts = {}, {}
    with torch.inference_mode():
        for k in range(0, len(data["features"]), 4096):
            batch = {name: torch.from_numpy(value[k : k + 4096]).to(device).float() for name, value in data.items()}
            stars = int((batch["target_intruder"] < 0.5).sum())
            _, parts = physical_loss(network(batch), batch)
            for name, value in parts.items():
                count = len(batch["features"]) if name == "intruder" else stars
                if count:
                    sums[name] = sums.get(name, 0.0) + value * count
                    counts[name] = counts.get(name, 0) + count
    return {name: value / counts[name] for name, value in sums.items()}


def _checkpoint(folder, network, optimizer, epoch, run):
    """Write weights and optimizer state; the small JSON last, so that a half-written checkpoint is never resumed."""
    tensors = {f"network.{k}": v.contiguous() for k, v in network.state_dict().items()}
    for k, state in optimizer.state_dict()["state"].items():
        for name, value in state.items():
            tensors[f"optimizer.{k}.{name}"] = torch.as_tensor(value).contiguous()
    file = f"checkpoint-{epoch}.safetensors"
    safetensors.torch.save_file(tensors, folder / file)
    part = folder / "state.json.part"
    part.write_text(json.dumps({"epoch": epoch, "file": file, "run": run}))
    part.replace(folder / "state.json")
    for old in folder.glob("checkpoint-*.safetensors"):
        if old.name != file:
            old.unlink()


def _resume(folder, network, optimizer, run):
    """Load the last checkpoint, if there is one; the number of epochs done."""
    if not (folder / "state.json").is_file():
        return 0
    state = json.loads((folder / "state.json").read_text())
    if state.get("run", run) != run:
        raise ValueError(f"{folder} holds a run with {state['run']}, not {run}; remove it or name another folder")
    tensors = safetensors.torch.load_file(folder / state["file"])
    network.load_state_dict({k.removeprefix("network."): v for k, v in tensors.items() if k.startswith("network.")})
    moments = {}
    for key, value in tensors.items():
        if key.startswith("optimizer."):
            _, k, name = key.split(".")
            moments.setdefault(int(k), {})[name] = value
    optimizer.load_state_dict({"state": moments, "param_groups": optimizer.state_dict()["param_groups"]})
    return state["epoch"]
