# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`CompactNet`: the default ensemble's member. What is physical first, a small label map per system on top."""

import torch
from torch import nn
from torch.nn import functional as F

from .label_map import LabelMap

__all__ = ["CompactNet"]

_MEASURED = 11  # columns of the features that are read by place


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
    label_systems : sequence of str
        Label systems that have a learned map, see `stellarclass.nets.label_map.LabelMap`.

    Raises
    ------
    ValueError
        If the edges do not ascend or do not fit the number of classes, or a learned map would take a name that is
        taken.

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
    ``intruder`` : (B,)
        Logit of the probability that this is no star of the classes: white dwarf, hotter star, quasar, galaxy.
    ``colors_measured`` : (B, 4)
        Colors as measured; those of the answer where a band is not used.
    ``logits_<system>`` : (B, C)
        A learned map from the outputs above alone, for each of ``label_systems``.
    """

    knows_intruders = True
    """That ``intruder`` is among the outputs."""

    def __init__(
        self,
        *,
        features=46,
        size=16,
        width=128,
        channels=12,
        classes=5,
        bp_rp_edges=(0.352, 0.7755, 0.9665, 1.815),
        label_systems=(),
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
        self.physical = nn.Linear(width, 4 + 4 + 2 + 1 + 1)
        # The radius has a trunk of its own: beside the colors' steep losses it would be learned last.
        self.radius1 = nn.Linear(features + 33, width)
        self.radius2 = nn.Linear(width, width)
        self.radius3 = nn.Linear(width, width)
        self.radius = nn.Linear(width, 2)
        if features < _MEASURED:
            raise ValueError(f"{features} features; the first {_MEASURED} are the magnitudes, and which bands are used")
        for system in label_systems:
            # A module's own attributes are no names for its parts.
            if not (isinstance(system, str) and system.isidentifier()) or hasattr(nn.ModuleDict(), system):
                raise ValueError(f"{system!r} cannot be the name of a label system")
            if system == "pecaut_mamajek":
                raise ValueError("pecaut_mamajek follows from BP-RP and has no learned map")
        self.label_maps = nn.ModuleDict({system: LabelMap(classes) for system in label_systems})
        # Start from the first guesses: colors as measured, the radius of the Sun.
        for last in (self.physical, self.radius):
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)

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
        seen = torch.cat([features, x], dim=1)
        r = F.silu(self.radius1(torch.cat([seen, inputs["radius_base"][:, None]], dim=1)))  # (B, width)
        r = r + F.silu(self.radius2(r))
        r = r + F.silu(self.radius3(r))
        r = self.radius(r)  # (B, 2)
        x = F.silu(self.trunk1(seen))  # (B, width)
        x = x + F.silu(self.trunk2(x))
        x = x + F.silu(self.trunk3(x))
        y = self.physical(x)  # (B, 12)
        measured, used = raw[:, 1:6], raw[:, 6:11] > 0.5  # magnitudes relative to the reference band
        measured = measured[:, :-1] - measured[:, 1:]
        colors = measured + y[:, :4]  # (B, 4)
        logvar = (y[:, 4:8] - 6.0).clamp(-10, 2)
        bp_rp = inputs["bp_rp_base"] + y[:, 8]
        bp_rp_logvar = (y[:, 9] - 6.0).clamp(-9, 2)
        answer = {
            "colors_mean": colors,
            "colors_logvar": logvar,
            "colors_measured": torch.where(used[:, :-1] & used[:, 1:], measured, colors),
            "bp_rp_mean": bp_rp,
            "bp_rp_logvar": bp_rp_logvar,
            "log_teff": 3.72 + y[:, 10],
            "radius_mean": r[:, 0],
            "radius_variance": F.softplus(r[:, 1] - 1.0) ** 2 + 1e-6,
            "intruder": y[:, 11] - 3.0,
            "logits_pecaut_mamajek": self._classes_of_color(bp_rp, bp_rp_logvar),
        }
        for system, label_map in self.label_maps.items():
            answer[f"logits_{system}"] = label_map(answer)
        return answer

    def _classes_of_color(self, mean, logvar):
        """Logarithm of the probability of each class for a Gaussian BP-RP: (B,), (B,) to (B, C)."""
        edges = mean.new_tensor(self.bp_rp_edges)
        below = torch.special.ndtr((edges - mean[:, None]) * torch.exp(-0.5 * logvar)[:, None])  # (B, C - 1)
        below = F.pad(F.pad(below, (0, 1), value=1.0), (1, 0), value=0.0)  # (B, C + 1)
        return (below[:, 1:] - below[:, :-1]).clamp_min(1e-6).log()
