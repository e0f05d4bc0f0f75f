# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`CompactNet`: the default ensemble's member. What is physical first, a small label map per system on top."""

import torch
from torch import nn
from torch.nn import functional as F

__all__ = ["CompactNet", "LabelMap"]


class LabelMap(nn.Module):
    """From physical outputs and their uncertainties to the classes of a survey's pipeline.

    A pipeline's classes meet within a few hundredths of a magnitude, finer than a plain dense layer would ever resolve:
    steps along g-i, and the metal lines' colors where stars are hot enough to show them, are laid out beforehand.

    Parameters
    ----------
    classes : int
        Number of classes C.
    width : int
        Hidden units.
    """

    def __init__(self, classes, width=64):
        super().__init__()
        self.register_buffer("knots", torch.linspace(-0.4, 2.5, 30), persistent=False)
        self.layer1 = nn.Linear(len(self.knots) + 17, width)
        self.layer2 = nn.Linear(width, width)
        self.layer3 = nn.Linear(width, classes)

    def forward(self, physical):
        """Logits (B, C) from the outputs of a `CompactNet`, a dict of tensors (B, ...)."""
        u_g, g_r, r_i, i_z = physical["colors_mean"].unbind(1)
        g_i = g_r + r_i
        u_g = u_g.clamp(0, 2.2) - 1.1
        hot = torch.sigmoid((1 - g_i) * 10)
        shapes = [
            g_i,
            hot,
            3 * hot * u_g,
            6 * hot * u_g * (g_i - 0.4),
            4 * hot * u_g**2,
            15 * hot * (g_r - 0.74 * g_i),
            10 * hot * (i_z - 0.05),
            5 * (i_z - 0.15 * g_i),
            3 * (physical["bp_rp_mean"] - 0.8).clamp(-1, 1),
            0.5 * physical["bp_rp_logvar"],
            5 * (physical["log_teff"] - 3.72),
            physical["radius_mean"],
            0.5 * physical["radius_variance"].log(),
        ]  # 13 of (B,)
        steps = torch.sigmoid(15 * (g_i[:, None] - self.knots))  # (B, K)
        x = torch.cat([steps, torch.stack(shapes, dim=1), 0.5 * physical["colors_logvar"]], dim=1)  # (B, K + 17)
        x = F.silu(self.layer1(x))
        x = x + F.silu(self.layer2(x))
        return self.layer3(x)


class CompactNet(nn.Module):
    """Residual image and photometric features in; colors, temperature and radius out; classes from those.

    Parameters
    ----------
    features : int
        Columns of the input ``features``.
    size : int
        Side of the input ``residual`` in pixels.
    width : int
        Hidden units of the dense trunk.
    channels : int
        Channels of the first convolution; the second has twice as many.
    classes : int
        Classes of every label system.
    bp_rp_edges : sequence of float
        Gaia BP-RP at which the classes of the label system ``pecaut_mamajek`` meet, one fewer than classes.

    Raises
    ------
    ValueError
        If the edges do not ascend or do not fit the number of classes.

    Notes
    -----
    ``forward`` takes a dict with ``features`` (B, F), ``residual`` (B, 5, S, S), ``bp_rp_base`` and ``radius_base``
    (B,), as `stellarclass.stamps.photometric.PhotometricRecipe` makes them, and returns a dict:

    ``colors_mean``, ``colors_logvar`` : (B, 4)
        Observed u-g, g-r, r-i, i-z free of noise, in mag.
    ``bp_rp_mean``, ``bp_rp_logvar`` : (B,)
        Observed Gaia BP-RP, in mag.
    ``log_teff`` : (B,)
        log10 of the effective temperature in kelvin.
    ``radius_mean``, ``radius_variance`` : (B,)
        log10 of the radius in R_sun, in dex.
    ``logits_pecaut_mamajek`` : (B, C)
        Logarithm of the share of BP-RP's Gaussian between the class edges: nothing to learn.
    ``logits_sdss`` : (B, C)
        A learned map from the physical outputs alone.
    """

    def __init__(
        self,
        *,
        features=46,
        size=16,
        width=128,
        channels=12,
        classes=5,
        bp_rp_edges=(0.352, 0.7755, 0.9665, 1.815),
    ):
        super().__init__()
        self.bp_rp_edges = tuple(bp_rp_edges)
        if len(self.bp_rp_edges) != classes - 1 or list(self.bp_rp_edges) != sorted(set(self.bp_rp_edges)):
            raise ValueError(f"{classes} classes need {classes - 1} ascending edges of BP-RP, not {bp_rp_edges}")
        self.register_buffer("center", torch.zeros(features))
        self.register_buffer("scale", torch.ones(features))
        self.conv1 = nn.Conv2d(5, channels, 3, stride=2, padding=1)
        self.conv2 = nn.Conv2d(channels, 2 * channels, 3, stride=2, padding=1)
        self.pixels = nn.Linear(2 * channels * ((size + 3) // 4) ** 2, 32)
        self.trunk1 = nn.Linear(features + 32, width)
        self.trunk2 = nn.Linear(width, width)
        self.trunk3 = nn.Linear(width, width)
        self.physical = nn.Linear(width, 4 + 4 + 2 + 1 + 2)
        self.sdss_map = LabelMap(classes)
        # Start from the first guesses: colors as measured, radius as its base.
        nn.init.zeros_(self.physical.weight)
        nn.init.zeros_(self.physical.bias)

    def set_scaling(self, features):
        """Remember center and scale of the training set's features (B, F), so that they travel with the weights."""
        self.center.copy_(features.mean(0))
        self.scale.copy_(features.std(0).clamp_min(1e-3))

    def forward(self, inputs):
        """Outputs of B stars; the class says which and in what units."""
        raw = inputs["features"]
        features = ((raw - self.center) / self.scale).clamp(-8, 8)  # (B, F)
        x = F.silu(self.conv1(inputs["residual"]))  # (B, C, S/2, S/2)
        x = F.silu(self.conv2(x))  # (B, 2C, S/4, S/4)
        x = F.silu(self.pixels(x.flatten(1)))  # (B, 32)
        x = F.silu(self.trunk1(torch.cat([features, x], dim=1)))  # (B, width)
        x = x + F.silu(self.trunk2(x))
        x = x + F.silu(self.trunk3(x))
        y = self.physical(x)  # (B, 13)
        measured = raw[:, 1:6]  # magnitudes relative to the reference band
        colors = measured[:, :-1] - measured[:, 1:] + y[:, :4]  # (B, 4)
        logvar = (y[:, 4:8] - 6.0).clamp(-10, 2)
        bp_rp = inputs["bp_rp_base"] + y[:, 8]
        bp_rp_logvar = (y[:, 9] - 6.0).clamp(-9, 2)
        log_teff = 3.72 + y[:, 10]
        radius = inputs["radius_base"] + y[:, 11]
        variance = F.softplus(y[:, 12] - 3.0) ** 2 + 1e-6
        answer = {
            "colors_mean": colors,
            "colors_logvar": logvar,
            "bp_rp_mean": bp_rp,
            "bp_rp_logvar": bp_rp_logvar,
            "log_teff": log_teff,
            "radius_mean": radius,
            "radius_variance": variance,
        }
        answer["logits_sdss"] = self.sdss_map(answer)
        answer["logits_pecaut_mamajek"] = self._classes_of_color(bp_rp, bp_rp_logvar)
        return answer

    def _classes_of_color(self, mean, logvar):
        """Logarithm of the probability of each class for a Gaussian BP-RP: (B,), (B,) to (B, C)."""
        edges = mean.new_tensor(self.bp_rp_edges)
        below = torch.special.ndtr((edges - mean[:, None]) * torch.exp(-0.5 * logvar)[:, None])  # (B, C - 1)
        below = F.pad(F.pad(below, (0, 1), value=1.0), (1, 0), value=0.0)  # (B, C + 1)
        return (below[:, 1:] - below[:, :-1]).clamp_min(1e-6).log()
