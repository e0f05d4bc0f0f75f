# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The input recipe of Deng et al. (2024): two 8-bit composites of the star's region, parallax and proper motion."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..archives.base import BANDS
from ..astrometry import Astrometry
from .composites import composites, parse_combination
from .recipes import register
from .roi import ROI_RULES, resize, roi_boxes

__all__ = ["MescrRecipe"]

_INPUTS = ("image", "parallax", "pm", "teff")
_SCALINGS = ("linear", "asinh")
_SOFTENING = 30  # about 0 asinh is linear over this part of a range; further out it is a logarithm
_BLOCK = 128  # stars worked on at a time: bounds the memory of the intermediates


@register
@dataclass(frozen=True)
class MescrRecipe:
    """Two Lupton composites, cut to the region of interest and resized, and min-max scaled Gaia numbers.

    The order of the steps is the paper's: composite, cut, resize (Section 2.2). Since a composite treats every pixel on
    its own, only the pixels inside the region are computed.

    A star without parallax or proper motion (NaN) has 0 in its place, the value of the range's lower end: the paper
    has no such stars, so its network has no other way to be told. Values beyond the ranges are scaled on in the same
    way. The effective temperature is an input of the paper's last study alone (its Section 4.4): one has to give it.

    Attributes
    ----------
    combination : str
        Two composites, see `~stellarclass.stamps.composites.BAND_COMBINATIONS`.
    roi_rule : {"ring", "published"}
        How the region grows on the r band, see `stellarclass.stamps.roi`.
    size : int
        Side of the images in pixels after the resize, 8 to 512.
    q, stretch : float
        Softening and linear stretch (nanomaggies) of the composites.
    scaling : {"linear", "asinh"}
        How parallax, proper motion and temperature become 0 to 1 within their ranges: in proportion, as in the paper,
        or in proportion after an inverse hyperbolic sine in units of a thirtieth of the range. Parallax and proper
        motion span four decades, and stars that are near lie far beyond a range that most stars fill: linearly at a
        hundred times its width, which upsets the training of all others; with the inverse hyperbolic sine, which turns
        ratios into differences, at three times.
    parallax_range : tuple of float
        Parallax in mas that becomes 0 and 1. Training sets it from its reference set.
    pm_range : tuple of float
        Total proper motion in mas/yr that becomes 0 and 1. Training sets it from its reference set.
    teff_range : tuple of float
        Effective temperature in K that becomes 0 and 1. Training sets it from its reference set.
    inputs : tuple of str
        What the network is given, in this order: ``"image"`` always, then any of ``"parallax"``, ``"pm"`` (Table 2 of
        the paper) and ``"teff"``.

    Examples
    --------
    >>> from stellarclass.stamps.base import Stamps
    >>> from stellarclass.stamps.mescr import MescrRecipe
    >>> inputs = MescrRecipe()(Stamps.empty(3))
    >>> {name: (value.shape, str(value.dtype)) for name, value in inputs.items()}
    {'image_a': ((3, 3, 64, 64), 'uint8'), 'image_b': ((3, 3, 64, 64), 'uint8'), 'numeric': ((3, 2), 'float32')}
    """

    name: ClassVar[str] = "mescr"

    combination: str = "gri+urz"
    roi_rule: str = "ring"
    size: int = 64
    q: float = 8.0
    stretch: float = 0.5
    scaling: str = "linear"
    parallax_range: tuple = (0.0, 10.0)
    pm_range: tuple = (0.0, 100.0)
    teff_range: tuple = (3000.0, 10000.0)
    inputs: tuple = _INPUTS[:3]

    def __post_init__(self):
        if len(parse_combination(self.combination)) != 2:
            raise ValueError(f"combination {self.combination!r} is not two composites such as 'gri+urz'")
        if self.roi_rule not in ROI_RULES:
            raise ValueError(f"unknown ROI rule {self.roi_rule!r}; known are {', '.join(map(repr, ROI_RULES))}")
        if not (isinstance(self.size, int) and 8 <= self.size <= 512):
            raise ValueError(f"size {self.size!r} is not a whole number of pixels from 8 to 512")
        if not (0 < self.q < np.inf and 0 < self.stretch < np.inf):
            raise ValueError(f"q = {self.q!r} and stretch = {self.stretch!r} must both be positive and finite")
        if self.scaling not in _SCALINGS:
            raise ValueError(f"unknown scaling {self.scaling!r}; known are {', '.join(map(repr, _SCALINGS))}")
        for field in ("parallax_range", "pm_range", "teff_range"):
            values = tuple(float(v) for v in getattr(self, field))
            if len(values) != 2 or not -np.inf < values[0] < values[1] < np.inf:
                raise ValueError(f"{field} {values} is not two finite numbers, the smaller first")
            object.__setattr__(self, field, values)  # a model card gives lists
        inputs = tuple(self.inputs)
        if inputs != tuple(i for i in _INPUTS if i in inputs) or "image" not in inputs:
            raise ValueError(f"inputs {inputs} must be 'image' and then any of 'parallax', 'pm', 'teff', in this order")
        object.__setattr__(self, "inputs", inputs)

    def __call__(self, stamps, astrometry=None, *, photometry=None, teff=None):
        """Make the network's inputs.

        Parameters
        ----------
        stamps : stellarclass.stamps.base.Stamps
            N stars.
        astrometry : stellarclass.astrometry.Astrometry, optional
            Of the same N stars; none means that no star has any.
        photometry : object, optional
            Not needed here; every recipe is called alike.
        teff : ndarray, shape (N,), optional
            Effective temperatures in K, NaN where unknown: needed if and only if ``"teff"`` is among the inputs.

        Returns
        -------
        dict of str to ndarray
            ``"image_a"`` and ``"image_b"``: (N, 3, size, size) uint8, one per composite, to be divided by 255 (the
            network does, in its first layer). ``"numeric"``: (N, D) float32, scaled parallax in mas, total proper
            motion in mas/yr and temperature in K, as far as they are among `inputs`; absent where none is.

        Raises
        ------
        ValueError
            If astrometry or temperatures are not of the same stars, or temperatures are missing.
        """
        n = len(stamps)
        images = np.empty((2, n, 3, self.size, self.size), np.uint8)
        boxes = roi_boxes(stamps.images[:, BANDS.index("r")], rule=self.roi_rule)
        for start in range(0, n, _BLOCK):
            part = slice(start, start + _BLOCK)
            images[:, part] = self._images(stamps.images[part], boxes[part])
        inputs = {"image_a": images[0], "image_b": images[1]}
        if len(self.inputs) > 1:
            inputs["numeric"] = self._numeric(n, astrometry, teff)
        return inputs

    def _images(self, pixels, boxes):
        """Composites of N stars, cut to their boxes and resized: (2, N, 3, size, size)."""
        distinct, which = np.unique(boxes, axis=0, return_inverse=True)
        groups = [np.flatnonzero(which == k) for k in range(len(distinct))]
        cuts = [pixels[rows, :, y0:y1, x0:x1] for rows, (y0, y1, x0, x1) in zip(groups, distinct, strict=True)]
        # A composite treats each pixel on its own: the pixels of all regions make one image, one row high.
        row = np.concatenate([cut.swapaxes(0, 1).reshape(len(BANDS), -1) for cut in cuts], axis=1)[None, :, None, :]
        both = composites(row, self.combination, q=self.q, stretch=self.stretch)
        row = np.concatenate([c[0, :, 0, :] for c in both])  # (6, pixels)
        images = np.empty((2, len(pixels), 3, self.size, self.size), np.uint8)
        start = 0
        for rows, cut in zip(groups, cuts, strict=True):
            side, stop = cut.shape[-1], start + cut.size // len(BANDS)
            cut = row[:, start:stop].reshape(6, len(rows), side, side)
            images[:, rows] = resize(cut, self.size).reshape(2, 3, len(rows), self.size, self.size).swapaxes(1, 2)
            start = stop
        return images

    def _numeric(self, n, astrometry, teff):
        if "teff" in self.inputs and (teff is None or len(teff) != n):
            raise ValueError(
                f"{0 if teff is None else len(teff)} temperatures for {n} stamps: a network with 'teff' among its "
                "inputs answers where temperatures are known, as in `stellarclass study inputs`, and nowhere else"
            )
        astrometry = Astrometry.empty(n) if astrometry is None else astrometry
        if len(astrometry) != n:
            raise ValueError(f"{len(astrometry)} rows of astrometry for {n} stamps")
        columns = {
            "parallax": (astrometry.parallax, self.parallax_range),
            "pm": (np.hypot(astrometry.pmra, astrometry.pmdec), self.pm_range),
            "teff": (teff, self.teff_range),
        }
        scaled = [self._scaled(*columns[i]) for i in self.inputs[1:]]  # each (N,)
        return np.nan_to_num(np.stack(scaled, axis=1), nan=0.0, posinf=0.0, neginf=0.0).astype(np.float32)

    def _scaled(self, values, ends):
        """Numbers of which those at the ends of a range become 0 and 1, (N,)."""
        values, ends = np.asarray(values, float), np.asarray(ends)
        if self.scaling == "asinh":
            unit = (ends[1] - ends[0]) / _SOFTENING
            values, ends = np.arcsinh(values / unit), np.arcsinh(ends / unit)
        return (values - ends[0]) / (ends[1] - ends[0])
