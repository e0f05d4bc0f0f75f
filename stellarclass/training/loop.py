# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Train one network on arrays in memory; checkpoint, resume, log.

What differs from network to network is in the configuration: loss, optimizer, schedule, precision, augmentation.
"""

import contextlib
import hashlib
import json
import math
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from astropy.table import Table

from ..exceptions import InputError, TrainingError
from ..nets.ensemble import _device
from .augment import augment
from .losses import LOSSES
from .optimizers import learning_rate, make_optimizer

__all__ = [
    "epoch_batches",
    "evaluate_loss",
    "find_device",
    "read_log",
    "train_network",
    "write_losses",
]

_CHUNK = 4096  # stars that go through a network at a time when nothing is learned


def train_network(
    network,
    data,
    validation,
    config,
    *,
    seed,
    folder,
    draws=None,
    validation_draws=None,
    augmentation=None,
    device="cpu",
    log=print,
    progress=None,
):
    """Train a network, or go on where an earlier call was interrupted.

    Parameters
    ----------
    network : torch.nn.Module
        Trained in place. If it has ``set_scaling``, it is given the training features first.
    data, validation : dict of str to ndarray or Tensor
        Inputs and targets (``target_*``) of N stars. They are moved to the device once, and every batch becomes float32
        there.
    config : TrainingConfig
        Loss, optimizer, schedule and the rest.
    seed : int
        Order of the stars, augmentation and dropout.
    folder : path-like
        Holds the last ``checkpoint-<epoch>.safetensors`` and ``state.json``, and ``log.jsonl``.
    draws, validation_draws : ndarray of int, optional
        Rows of ``data`` and of ``validation`` that are gone through in an epoch, some of them perhaps several times; by
        default each once.
    augmentation : `~stellarclass.training.config.AugmentationConfig`, optional
        How images are changed from epoch to epoch; by default not at all.
    device : str or torch.device
        Where to compute.
    log : callable
        Called with a line per epoch.
    progress : callable, optional
        Called with the number of epochs done, those of earlier calls included.

    Returns
    -------
    dict of str to float
        Validation losses after the last epoch, by part.

    Raises
    ------
    stellarclass.exceptions.InputError
        If there are fewer stars than a batch needs, or the folder holds a run with another configuration, seed or data.
    stellarclass.exceptions.TrainingError
        If the loss is no longer finite.

    Notes
    -----
    Each epoch's order, augmentation and dropout follow from the seed and its number alone: training that was
    interrupted and resumed ends, on one machine's CPU, with the very same weights.
    """
    n = _length(data) if draws is None else len(draws)
    if n < config.batch_size:
        raise InputError(f"{n} stars do not fill a batch of {config.batch_size}; choose a smaller batch_size")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    device = torch.device(device)
    network.to(device)
    if hasattr(network, "set_scaling"):
        network.set_scaling(torch.as_tensor(data["features"]))
    run = _Run(network, config, device)
    description = {
        "seed": seed,
        "stars": n,
        **asdict(config),
        "augmentation": None if augmentation is None else json.loads(json.dumps(asdict(augmentation))),
        "data": _digest(data, draws),
    }
    start, seconds = _resume(folder, network, run, description)
    per_epoch = n // config.batch_size
    steps = config.epochs * per_epoch
    # Images stay as small as they are in memory (float16, uint8) and become float32 batch by batch.
    tensors = _to_device(data, device)
    if draws is not None:
        draws = torch.as_tensor(draws, device=device)
    validation = tensors if validation is data else _to_device(validation, device)
    watched = {"loss": config.loss, "rows": validation_draws, "chunk": 8 * config.batch_size}
    parts = run.evaluate(validation, **watched) if start == config.epochs else {}
    if progress is not None:
        progress(start)
    with _deterministic(device):
        for epoch in range(start, config.epochs):
            began = time.perf_counter()
            network.train()
            total = torch.zeros((), dtype=torch.float64, device=device)
            batches = epoch_batches(tensors, config, seed=seed, epoch=epoch, draws=draws, augmentation=augmentation)
            with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
                torch.manual_seed(_derived_seed(seed, epoch, 1))  # dropout
                for k, batch in enumerate(batches):
                    rate = learning_rate(config, epoch=epoch + 1, step=epoch * per_epoch + k, steps=steps)
                    total += run.step(batch, rate)
            parts = run.evaluate(validation, **watched)
            train, held_back = float(total) / max(per_epoch, 1), LOSSES[config.loss].total(parts)
            if not math.isfinite(train):
                raise TrainingError(
                    f"the training loss of epoch {epoch + 1} is {train}: the network diverged at learning_rate = "
                    f"{config.learning_rate:g}; lower it, or shorten the gradients by clip_norm (now "
                    f"{config.clip_norm:g}), and remove {folder}"
                )
            line = {"epoch": epoch + 1, "train": train, "validation": held_back, **parts}
            line = {k: round(v, 5) if isinstance(v, float) else v for k, v in line.items()}
            with (folder / "log.jsonl").open("a") as stream:
                stream.write(json.dumps(line) + "\n")
            seconds += time.perf_counter() - began
            if (epoch + 1) % config.checkpoint_every == 0 or epoch + 1 == config.epochs:
                _checkpoint(folder, network, run, epoch + 1, seconds, description)
            log(f"epoch {epoch + 1}/{config.epochs} {line} {time.perf_counter() - began:.0f} s")
            if progress is not None:
                progress(epoch + 1)
    network.eval()
    return parts


def epoch_batches(tensors, config, *, seed, epoch, draws=None, augmentation=None):
    """The batches of an epoch, on the device where the data are.

    Parameters
    ----------
    tensors : dict of str to Tensor
        Inputs and targets of N stars.
    config : TrainingConfig
        Size of the batches.
    seed : int
        Of the run.
    epoch : int
        Counted from 0; with the seed it decides the order and every augmentation.
    draws : Tensor of int, optional
        Rows to go through; by default each once.
    augmentation : `~stellarclass.training.config.AugmentationConfig`, optional
        How images are changed.

    Yields
    ------
    dict of str to Tensor
        Float32, first axis ``config.batch_size``.
    """
    device = next(iter(tensors.values())).device
    n = _length(tensors) if draws is None else len(draws)
    order = torch.from_numpy(np.random.default_rng([seed, epoch]).permutation(n)).to(device)
    rows_of_epoch = order if draws is None else draws[order]
    if augmentation is not None:
        generator = torch.Generator(device=device).manual_seed(_derived_seed(seed, epoch, 2))
        counts = torch.bincount(rows_of_epoch, minlength=_length(tensors))
    for k in range(n // config.batch_size):
        rows = rows_of_epoch[k * config.batch_size : (k + 1) * config.batch_size]
        batch = {name: value[rows].float() for name, value in tensors.items()}
        if augmentation is not None:
            batch = augment(batch, augmentation, repeated=counts[rows] > 1, generator=generator)
        yield batch


def read_log(folder):
    """The losses of a run, epoch by epoch.

    Parameters
    ----------
    folder : path-like
        Of `train_network`.

    Returns
    -------
    list of dict
        ``epoch``, ``train``, ``validation`` and the parts of the latter.
    """
    return [json.loads(line) for line in (Path(folder) / "log.jsonl").read_text().splitlines()]


def write_losses(losses, path):
    """Write the losses of all members as a table.

    Parameters
    ----------
    losses : dict of str to list of dict
        By member, see `read_log`.
    path : path-like
        ECSV file; replaced if it is there. `stellarclass.plotting.plot_losses` draws it.
    """
    rows = [{"member": name, **line} for name, lines in losses.items() for line in lines]
    Table(rows=rows).write(path, format="ascii.ecsv", overwrite=True)


def find_device(name=None):
    """Where to train.

    Parameters
    ----------
    name : str or torch.device, optional
        As torch names it; by default a CUDA device if there is one, else the CPU.

    Returns
    -------
    torch.device

    Raises
    ------
    stellarclass.exceptions.EnsembleError
        If it is not there.
    """
    return _device(name)


class _Run:
    """A network with its optimizer, and the precision that both work in."""

    def __init__(self, network, config, device):
        self.network, self.config, self.device = network, config, device
        self.loss = LOSSES[config.loss]
        self.optimizer = make_optimizer(network, config)
        mixed = config.precision == "mixed" or (config.precision == "auto" and device.type == "cuda")
        # Half precision of a CPU has the range of float32 and needs no scaling, which is harmless there.
        self.half = {"device_type": device.type, "enabled": mixed}
        self.half["dtype"] = torch.float16 if device.type == "cuda" else torch.bfloat16
        self.scaler = torch.amp.GradScaler(device.type, enabled=mixed)

    def forward(self, batch):
        with torch.autocast(**self.half):
            outputs = self.network(batch)
        return {name: value.float() for name, value in outputs.items()}

    def step(self, batch, rate):
        """One step of the optimizer; the loss before it."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        loss, _ = self.loss(self.forward(batch), batch)
        self.optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()
        if self.config.clip_norm:
            self.scaler.unscale_(self.optimizer)
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.config.clip_norm)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        return loss.detach()

    def evaluate(self, data, *, loss, rows, chunk):
        return _evaluate(self.network, self.forward, data, self.device, loss=loss, rows=rows, chunk=chunk)


def evaluate_loss(network, data, device="cpu", *, loss="physical", rows=None):
    """Mean losses of a network on a data set.

    Parameters
    ----------
    network : torch.nn.Module
        Left in evaluation mode.
    data : dict of str to ndarray or Tensor
        Inputs and targets, as for `train_network`.
    device : str or torch.device
        Where the network is.
    loss : str
        One of `stellarclass.training.losses.LOSSES`.
    rows : ndarray of int, optional
        Stars that count, as often as they stand there; by default each once.

    Returns
    -------
    dict of str to float
        The parts of the loss.
    """
    return _evaluate(network, network, data, torch.device(device), loss=loss, rows=rows, chunk=_CHUNK)


def _evaluate(network, forward, data, device, *, loss, rows, chunk):
    network.eval()
    sums, totals, parts_of = {}, {}, LOSSES[loss]
    if rows is not None:
        place = next(iter(data.values()))
        rows = torch.as_tensor(rows, device=place.device if isinstance(place, torch.Tensor) else "cpu")
    n = _length(data) if rows is None else len(rows)
    with torch.inference_mode():
        for k in range(0, n, chunk):
            chosen = slice(k, k + chunk) if rows is None else rows[k : k + chunk]
            batch = {name: torch.as_tensor(value[chosen]).to(device).float() for name, value in data.items()}
            counts = parts_of.counts(batch)
            _, parts = parts_of(forward(batch), batch)
            for name, count in counts.items():
                if count:
                    sums[name] = sums.get(name, 0.0) + float(parts[name]) * count
                    totals[name] = totals.get(name, 0) + count
    return {name: value / totals[name] for name, value in sums.items()}


def _length(data):
    return len(next(iter(data.values())))


def _to_device(data, device):
    return {name: torch.as_tensor(value).to(device) for name, value in data.items()}


def _derived_seed(*words):
    return int(np.random.SeedSequence(words).generate_state(1, np.uint64)[0] >> np.uint64(1))


def _deterministic(device):
    """On CUDA, choose the same kernels every time; they may still sum in another order."""
    if device.type != "cuda":
        return contextlib.nullcontext()
    return torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True)


def _digest(data, draws):
    """What tells one training set from another: its targets, and which stars were drawn."""
    digest = hashlib.sha256()
    for name in sorted(name for name in data if name.startswith("target_")):
        digest.update(name.encode() + np.ascontiguousarray(torch.as_tensor(data[name]).cpu().numpy()).tobytes())
    if draws is not None:
        digest.update(np.ascontiguousarray(draws).tobytes())
    return digest.hexdigest()


def _checkpoint(folder, network, run, epoch, seconds, description):
    """Write weights and optimizer state; the small JSON last, so that a half-written checkpoint is never resumed."""
    tensors = {f"network.{k}": v.contiguous() for k, v in network.state_dict().items()}
    for k, state in run.optimizer.state_dict()["state"].items():
        for name, value in state.items():
            tensors[f"optimizer.{k}.{name}"] = torch.as_tensor(value).contiguous()
    file = f"checkpoint-{epoch}.safetensors"
    safetensors.torch.save_file(tensors, folder / file)
    state = {"epoch": epoch, "file": file, "seconds": round(seconds, 3), "run": description}
    if run.scaler.is_enabled():
        state["scaler"] = run.scaler.state_dict()
    part = folder / "state.json.part"
    part.write_text(json.dumps(state))
    part.replace(folder / "state.json")
    for old in folder.glob("checkpoint-*.safetensors"):
        if old.name != file:
            old.unlink()


def _resume(folder, network, run, description):
    """Load the last checkpoint, if there is one; the number of epochs done, and how long they took."""
    state = {"epoch": 0}
    if (folder / "state.json").is_file():
        state = json.loads((folder / "state.json").read_text())
    if state.get("run", description) != description:
        raise InputError(
            f"{folder} holds a run with {state['run']}, not {description}; remove it or name another folder"
        )
    _shorten_log(folder / "log.jsonl", state["epoch"])
    if not state["epoch"]:
        return 0, 0.0
    tensors = safetensors.torch.load_file(folder / state["file"])
    network.load_state_dict({k.removeprefix("network."): v for k, v in tensors.items() if k.startswith("network.")})
    moments = {}
    for key, value in tensors.items():
        if key.startswith("optimizer."):
            _, k, name = key.split(".")
            moments.setdefault(int(k), {})[name] = value
    run.optimizer.load_state_dict({"state": moments, "param_groups": run.optimizer.state_dict()["param_groups"]})
    if "scaler" in state:
        run.scaler.load_state_dict(state["scaler"])
    return state["epoch"], state.get("seconds", 0.0)


def _shorten_log(path, epochs):
    """Forget the epochs after the checkpoint, which are done again, and a line that was not finished."""
    if path.is_file():
        lines = path.read_text().splitlines(keepends=True)
        part = path.with_name(path.name + ".part")
        part.write_text("".join(lines[:epochs]))
        part.replace(path)
