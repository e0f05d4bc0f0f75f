# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`ApertureMLP`: magnitudes through three apertures and astrometry into a plain network. What others have to beat."""

import torch
from torch import nn
from torch.nn import functional as F

__all__ = ["ApertureMLP"]

_BANDS = "ugriz"
_ASTROMETRY = (
    "has_parallax",
    "parallax_luminosity",
    "parallax_luminosity_err",
    "has_proper_motion",
    "log_proper_motion",
    "log_proper_motion_err",
)


class ApertureMLP(nn.Module):
    """Multi-aperture photometry in; classes and radius out. No pixels, no physics, nothing but dense layers.

    Parameters
    ----------
    features : sequence of str
        Names of the columns of the input ``features``: those of `stellarclass.stamps.photometric.FEATURES`. The
        network looks up the ones that it uses; columns that it does not know are none of its business.
    label_systems : sequence of str
        Label systems whose classes it learns.
    classes : int
        Number of classes C of each.
    width : int
        Hidden units of each of the three layers.

    Raises
    ------
    ValueError
        If a column that it needs is not among ``features``.

    Notes
    -----
    ``forward`` takes a dict with ``features`` (B, F), as `stellarclass.stamps.photometric.PhotometricRecipe` makes
    them, and returns a dict with ``logits_<system>`` (B, C) for each label system, and ``radius_mean`` and
    ``radius_variance`` (B,), of log10 of the radius in R_sun. It sees the magnitude, the 15 magnitudes within
    3, 5 and 7 pixels (five bands, relative to the former), which bands there are, the parallax as
    ``asinh(parallax * 10**(0.2 m - 2))`` with its error, and the proper motion with its error.
    """

    def __init__(self, *, features, label_systems, classes=5, width=128):
        super().__init__()
        place = {name: k for k, name in enumerate(features)}
        apertures = sorted(name for name in place if name.startswith("aperture"))
        needed = ["ref_mag", *(f"{what}_{b}" for what in ("color", "used") for b in _BANDS), *_ASTROMETRY]
        missing = [name for name in needed if name not in place]
        if missing or not apertures:
            raise ValueError(f"features lack {', '.join(missing or ['aperture*'])}; FEATURES of the recipe are meant")
        self.label_systems = tuple(label_systems)
        color = [place[f"color_{name[-1]}"] for name in apertures]
        plain = [place["ref_mag"], *(place[f"used_{b}"] for b in _BANDS), *(place[name] for name in _ASTROMETRY)]
        for name, columns in (("apertures", [place[a] for a in apertures]), ("colors", color), ("plain", plain)):
            self.register_buffer(f"_{name}", torch.tensor(columns), persistent=False)
        inputs = len(plain) + len(apertures)
        self.register_buffer("center", torch.zeros(inputs))
        self.register_buffer("scale", torch.ones(inputs))
        self.layer1 = nn.Linear(inputs, width)
        self.layer2 = nn.Linear(width, width)
        self.layer3 = nn.Linear(width, width)
        self.heads = nn.ModuleDict({name: nn.Linear(width, classes) for name in self.label_systems})
        self.radius = nn.Linear(width, 2)

    def set_scaling(self, features):
        """Remember center and scale of the training set's features (B, F), so that they travel with the weights."""
        x = self._inputs(features)
        self.center.copy_(x.mean(0))
        self.scale.copy_(x.std(0).clamp_min(1e-3))

    def _inputs(self, features):
        """What the network sees (B, D) of the recipe's columns (B, F)."""
        relative = features[:, self._colors] + features[:, self._apertures]
        return torch.cat([features[:, self._plain], relative], dim=1)

    def forward(self, inputs):
        """Outputs of B stars; the class says which and in what units."""
        x = ((self._inputs(inputs["features"]) - self.center) / self.scale).clamp(-8, 8)  # (B, D)
        x = F.silu(self.layer1(x))  # (B, width)
        x = F.silu(self.layer2(x))
        x = F.silu(self.layer3(x))
        mean, spread = self.radius(x).unbind(1)
        answer = {f"logits_{name}": head(x) for name, head in self.heads.items()}
        return answer | {"radius_mean": mean, "radius_variance": F.softplus(spread) ** 2 + 1e-6}
