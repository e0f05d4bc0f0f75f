# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`Stamps`: pixels around stars, with all that is needed to understand them."""

from dataclasses import dataclass, fields

import numpy as np

from .._html import summary

__all__ = ["MASK_MISSING", "MASK_NAN", "MASK_OFF_FRAME", "MASK_SATURATED", "STAMP_SIZE", "Stamps"]

STAMP_SIZE = 64
"""Side of a stamp in pixels (25.3 arcsec), as in Deng et al. 2024, Section 2.2."""

MASK_OFF_FRAME = 1
"""Pixel mask bit: the pixel lies beyond the frame's edge."""
MASK_NAN = 2
"""Pixel mask bit: the frame has no finite value there."""
MASK_SATURATED = 4
"""Pixel mask bit: the detector was saturated."""
MASK_MISSING = 8
"""Pixel mask bit: the field has no frame in this band."""


@dataclass(frozen=True)
class Stamps:
    """Five-band images of N stars and their noise, PSF and centering.

    The star sits at pixel ``(31.5 + dx, 31.5 + dy)`` counted from 0, where ``offsets[..., 0] = dx`` and
    ``offsets[..., 1] = dy`` lie within half a pixel of 0: pixels are cut, never resampled, so their noise stays white.

    Attributes
    ----------
    images : ndarray, shape (N, 5, 64, 64), float32
        Sky-subtracted flux in nanomaggies per pixel, bands ugriz; 0 where masked.
    masks : ndarray, shape (N, 5, 64, 64), uint8
        Bits ``MASK_OFF_FRAME``, ``MASK_NAN``, ``MASK_SATURATED``, ``MASK_MISSING``; 0 is good.
    offsets : ndarray, shape (N, 5, 2), float32
        Position (x, y) of the star relative to the stamp's center, in pixels.
    sky_sigma : ndarray, shape (N, 5), float32
        Standard deviation of blank sky, in nanomaggies per pixel; NaN where the band is missing.
    flux_per_electron : ndarray, shape (N, 5), float32
        Nanomaggies per photo-electron, for the star's own Poisson noise; NaN where the band is missing.
    psf : ndarray, shape (N, 5, 6), float32
        The frame's PSF as SDSS's composite profile: sigma1, sigma2, b, p0, beta, sigmap, lengths in pixels
        (see `stellarclass.stamps.psf`); NaN where it is not known.
    epoch : ndarray, shape (N,), float64
        Julian year of the exposure; NaN where unknown.
    flags : ndarray, shape (N,), int64
        Bits of `stellarclass.flags` that were found while cutting.
    """

    images: np.ndarray
    masks: np.ndarray
    offsets: np.ndarray
    sky_sigma: np.ndarray
    flux_per_electron: np.ndarray
    psf: np.ndarray
    epoch: np.ndarray
    flags: np.ndarray

    def __post_init__(self):
        n = len(self.images)
        shapes = {
            "images": (n, 5, STAMP_SIZE, STAMP_SIZE),
            "masks": (n, 5, STAMP_SIZE, STAMP_SIZE),
            "offsets": (n, 5, 2),
            "sky_sigma": (n, 5),
            "flux_per_electron": (n, 5),
            "psf": (n, 5, 6),
            "epoch": (n,),
            "flags": (n,),
        }
        for name, shape in shapes.items():
            if np.shape(getattr(self, name)) != shape:
                raise ValueError(f"Stamps.{name} has shape {np.shape(getattr(self, name))}, expected {shape}")

    def __repr__(self):
        return f"<Stamps: {len(self)} stars, 5 bands, {STAMP_SIZE} x {STAMP_SIZE} pixels>"

    def _repr_html_(self):
        bands = (((self.masks & MASK_MISSING) == 0).any(axis=(2, 3))).sum(axis=0)
        epochs = self.epoch[np.isfinite(self.epoch)]
        rows = {
            "stars": len(self),
            "pixels": f"{STAMP_SIZE} × {STAMP_SIZE}, in nanomaggies",
            "stars with pixels": ", ".join(f"{band} {n}" for band, n in zip("ugriz", bands, strict=True)),
            "epochs": f"{epochs.min():.1f} to {epochs.max():.1f}" if len(epochs) else None,
            "flagged": int((self.flags != 0).sum()),
        }
        return summary("Stamps", rows)

    def __len__(self):
        return len(self.images)

    def __getitem__(self, item):
        """Stamps of the chosen rows; an integer gives stamps of one star."""
        if isinstance(item, (int, np.integer)):
            item = slice(item, item + 1) if item != -1 else slice(item, None)
        return type(self)(**{f.name: getattr(self, f.name)[item] for f in fields(self)})

    @classmethod
    def concatenate(cls, parts):
        """Join stamps in order.

        Parameters
        ----------
        parts : sequence of Stamps
            At least one.

        Returns
        -------
        Stamps
        """
        parts = list(parts)
        return cls(**{f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(cls)})

    @classmethod
    def empty(cls, n=0):
        """Stamps of n stars without a pixel: every band missing.

        Parameters
        ----------
        n : int
            Number of stars.

        Returns
        -------
        Stamps
        """
        size = (n, 5, STAMP_SIZE, STAMP_SIZE)
        return cls(
            images=np.zeros(size, np.float32),
            masks=np.full(size, MASK_MISSING, np.uint8),
            offsets=np.zeros((n, 5, 2), np.float32),
            sky_sigma=np.full((n, 5), np.nan, np.float32),
            flux_per_electron=np.full((n, 5), np.nan, np.float32),
            psf=np.full((n, 5, 6), np.nan, np.float32),
            epoch=np.full(n, np.nan),
            flags=np.zeros(n, np.int64),
        )
