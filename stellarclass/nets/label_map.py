# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`LabelMap`: from physical outputs to the classes of one label system."""

import torch
from torch import nn
from torch.nn import functional as F

__all__ = ["LabelMap"]

_KNOTS = 30
_PHYSICAL = (
    "colors_mean",
    "colors_logvar",
    "colors_measured",
    "bp_rp_mean",
    "bp_rp_logvar",
    "log_teff",
)


class LabelMap(nn.Module):
    """From physical outputs and their uncertainties to the classes that a survey's pipeline would print.

    A pipeline's classes meet within a few hundredths of a magnitude, finer than a plain dense layer would ever resolve:
    steps along g-i, and the metal lines' colors where stars are hot enough to show them, are laid out beforehand.
    Radius is left out: labels are about spectra, and those that a map is fitted to seldom come with a parallax.

    Parameters
    ----------
    classes : int
        Number of classes C.
    width : int
        Hidden units.
    dropout : float
        Share of hidden units that rest in each step of training.
    """

    inputs = _PHYSICAL
    """Outputs of a `~stellarclass.nets.compact.CompactNet` that the map reads."""

    def __init__(self, classes, width=32, dropout=0.3):
        super().__init__()
        n = _KNOTS + 2 * 9 + 4 + 4 + 3
        self.register_buffer("knots", torch.linspace(-0.4, 2.5, _KNOTS), persistent=False)
        self.register_buffer("center", torch.zeros(n))
        self.register_buffer("scale", torch.ones(n))
        self.layer1 = nn.Linear(n, width)
        self.layer2 = nn.Linear(width, width)
        self.layer3 = nn.Linear(width, classes)
        self.dropout = dropout

    def forward(self, physical, *, standardized=False):
        """Logits (B, C) from the outputs named by ``inputs``, a dict of tensors (B, ...).

        Standardized features (B, n) are taken in their place by those who have them already.
        """
        x = physical if standardized else (self.features(physical) - self.center) / self.scale
        x = F.dropout(F.silu(self.layer1(x)), self.dropout, self.training)
        x = F.dropout(x + F.silu(self.layer2(x)), self.dropout, self.training)
        return self.layer3(x)

    def features(self, physical):
        """What the dense layers see, before it is standardized: (B, n)."""
        mean, measured = physical["colors_mean"], physical["colors_measured"]
        g_i = mean[:, 1] + mean[:, 2]
        others = torch.stack(
            [
                (physical["bp_rp_mean"] - 0.8).clamp(-1, 2),
                0.5 * physical["bp_rp_logvar"],
                5 * (physical["log_teff"] - 3.72),
            ],
            dim=1,
        )
        return torch.cat(
            [
                torch.sigmoid(15 * (g_i[:, None] - self.knots)),
                _shapes(mean),
                _shapes(measured.clamp(-1, 4)),
                0.5 * physical["colors_logvar"].clamp(-10, 0),
                10 * (measured - mean).clamp(-0.3, 0.3),
                others,
            ],
            dim=1,
        )


def _shapes(colors):
    """Combinations of colors (B, 4) that classes hinge on: (B, 9)."""
    u_g, g_r, r_i, i_z = colors.unbind(1)
    g_i = g_r + r_i
    u_g = u_g.clamp(0, 2.6) - 1.1
    hot = torch.sigmoid((1 - g_i) * 10)
    return torch.stack(
        [
            g_i,
            hot,
            3 * hot * u_g,
            6 * hot * u_g * (g_i - 0.4),
            4 * hot * u_g**2,
            15 * hot * (g_r - 0.74 * g_i),
            10 * hot * (i_z - 0.05),
            5 * (i_z - 0.15 * g_i),
            2 * u_g * torch.sigmoid((g_i - 0.8) * 5),
        ],
        dim=1,
    )
