# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""How the weights move: optimizers, and the learning rate from step to step."""

import math

import torch

__all__ = ["learning_rate", "make_optimizer", "one_cycle", "warmup_cosine"]


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


def warmup_cosine(epoch, epochs, *, base, final, warmup):
    """Learning rate of an epoch: a linear rise over the first few, then half a cosine from the base to the final rate.

    Parameters
    ----------
    epoch : int
        Counted from 1.
    epochs : int
        In all.
    base, final : float
        Rate of the first epoch after the warm-up, and of the last one.
    warmup : int
        Epochs of the rise, fewer than ``epochs``; the last of them has the base rate already.

    Returns
    -------
    float

    Notes
    -----
    Deng et al. (2024), Section 3.2.2: 1e-3, a warm-up for the first three of 200 epochs, a cosine to 1e-5. How the
    rate rises is not said; here it does so in equal steps.

    Examples
    --------
    >>> from stellarclass.training.optimizers import warmup_cosine
    >>> for epoch in (1, 3, 4, 102, 200):
    ...     print(epoch, round(warmup_cosine(epoch, 200, base=1e-3, final=1e-5, warmup=3), 9))
    1 0.000333333
    3 0.001
    4 0.001
    102 0.000505
    200 1e-05
    """
    if epoch <= warmup:
        return base * epoch / warmup
    done = (epoch - warmup - 1) / max(epochs - warmup - 1, 1)
    return final + (base - final) * (1 + math.cos(math.pi * done)) / 2


def learning_rate(config, *, epoch, step, steps):
    """Learning rate of a step.

    Parameters
    ----------
    config : `~stellarclass.training.config.TrainingConfig`
        Names the schedule.
    epoch : int
        Epoch that the step belongs to, counted from 1.
    step, steps : int
        Steps done, and steps in all.

    Returns
    -------
    float
    """
    if config.schedule == "one_cycle":
        return config.learning_rate * one_cycle(step, steps)
    return warmup_cosine(
        epoch,
        config.epochs,
        base=config.learning_rate,
        final=config.final_learning_rate,
        warmup=config.warmup_epochs,
    )


def make_optimizer(network, config):
    """The optimizer that a configuration names.

    Parameters
    ----------
    network : torch.nn.Module
        Whose parameters it moves.
    config : `~stellarclass.training.config.TrainingConfig`
        Names it.

    Returns
    -------
    torch.optim.Optimizer
        With ``weight_decay_on = "weights"`` in two groups: matrices and kernels, which decay, and everything that has
        one dimension (biases, batch normalization), which does not.
    """
    groups = [{"params": list(network.parameters())}]
    if config.weight_decay_on == "weights":
        parameters = groups[0]["params"]
        groups = [
            {"params": [p for p in parameters if p.ndim >= 2]},
            {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
        ]
    if config.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=config.learning_rate, weight_decay=config.weight_decay, fused=True)
    return torch.optim.SGD(
        groups, lr=config.learning_rate, momentum=config.momentum, nesterov=True, weight_decay=config.weight_decay
    )
