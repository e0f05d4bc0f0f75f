# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What training makes small: the paper's loss, and that of the default ensemble."""

from dataclasses import dataclass

import torch
from torch.nn import functional as F

__all__ = ["LOSSES", "Loss", "gaussian_nll", "mescr_loss", "physical_loss"]


def gaussian_nll(mean, variance, truth):
    """Negative log-likelihood of a Gaussian without its constant, Eq. 2 of Deng et al. (2024).

    Parameters
    ----------
    mean, variance, truth : Tensor, shape (N,)
        Predicted mean and variance, and the true value.

    Returns
    -------
    Tensor, shape (N,)
        ``log(variance) / 2 + (truth - mean)**2 / (2 variance)``.

    Examples
    --------
    >>> import torch
    >>> from stellarclass.training.losses import gaussian_nll
    >>> gaussian_nll(torch.tensor([1.0]), torch.tensor([4.0]), torch.tensor([3.0]))
    tensor([1.1931])
    """
    return (variance.log() + (truth - mean) ** 2 / variance) / 2


def _mescr_parts(outputs, batch):
    truth = batch["target_radius"]
    known = torch.isfinite(truth)
    nll = gaussian_nll(outputs["radius_mean"], outputs["radius_variance"], torch.where(known, truth, 0.0))
    return {
        "classes": F.cross_entropy(outputs["logits_sdss"], batch["target_sdss"]),
        # A product would let the NaN of a hopeless answer through even where no radius is known.
        "radius": torch.where(known, nll, 0.0).sum() / known.sum().clamp_min(1),
    }


def _mescr_counts(batch):
    return {"classes": len(batch["target_radius"]), "radius": int(torch.isfinite(batch["target_radius"]).sum())}


def _physical_parts(outputs, batch):
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
    return parts | {"color": color, "bp_rp": bp_rp, "teff": teff, "radius": radius, "pecaut_mamajek": classes}


def _physical_counts(batch):
    stars = int((batch["target_intruder"] < 0.5).sum())
    rest = ("color", "bp_rp", "teff", "radius", "pecaut_mamajek")
    return {"intruder": len(batch["target_intruder"]), **dict.fromkeys(rest, stars)}


@dataclass(frozen=True)
class Loss:
    """A weighted sum of parts.

    Attributes
    ----------
    parts : callable
        Takes what the network returned and the batch, both dicts of tensors, and returns a dict of the parts, each a
        mean over those stars that it is about.
    counts : callable
        Takes the batch and returns over how many stars each part is a mean.
    weights : dict of str to float
        Of the parts, in the order in which they are summed.
    """

    parts: object
    counts: object
    weights: dict

    def __call__(self, outputs, batch):
        """The sum, which has a gradient, and the parts, which have none."""
        parts = self.parts(outputs, batch)
        return self.total(parts), {name: value.detach() for name, value in parts.items()}

    def total(self, parts):
        """The weighted sum of the parts."""
        return sum(weight * parts[name] for name, weight in self.weights.items())


_PHYSICAL_WEIGHTS = {"intruder": 0.5, "color": 0.25, "bp_rp": 0.5, "teff": 0.2, "radius": 2.0, "pecaut_mamajek": 0.5}

LOSSES = {
    "mescr": Loss(_mescr_parts, _mescr_counts, {"classes": 1.0, "radius": 1.0}),
    "physical": Loss(_physical_parts, _physical_counts, _PHYSICAL_WEIGHTS),
}
"""Losses that a configuration may name."""


def mescr_loss(outputs, batch):
    """The paper's loss: cross entropy of the class, plus `gaussian_nll` of the radius (Deng et al. 2024, Eq. 2).

    Parameters
    ----------
    outputs : dict of str to Tensor
        What a `stellarclass.nets.mmscnet.MMSCNet` returns for B stars.
    batch : dict of str to Tensor
        ``target_sdss`` (B, C), probabilities of the true class; ``target_radius`` (B,) in solar radii, NaN where it is
        not known: such a star takes part in the classes alone.

    Returns
    -------
    Tensor, shape ()
        Sum of the two.
    dict of str to Tensor
        ``classes`` and ``radius``, each a mean over the stars.
    """
    return LOSSES["mescr"](outputs, batch)


def physical_loss(outputs, batch):
    """Sum of the losses on colors, temperature, radius and classes, and on what is no star at all.

    Parameters
    ----------
    outputs : dict of str to Tensor
        What a `stellarclass.nets.compact.CompactNet` returns for B stars.
    batch : dict of str to Tensor
        The targets of ``stellarclass.training.simulated.make_training_set``.

    Returns
    -------
    Tensor, shape ()
        Weighted sum of the parts.
    dict of str to Tensor
        The parts, each a mean over the stars: ``color`` and ``bp_rp`` (Gaussian negative log-likelihood without the
        constant), ``teff`` (smooth L1 of 50 log10 T), ``radius`` (Eq. 2 of Deng et al. 2024, in dex), the cross
        entropy of ``pecaut_mamajek``, all without the intruders; and ``intruder``, the cross entropy of being one.
    """
    return LOSSES["physical"](outputs, batch)
