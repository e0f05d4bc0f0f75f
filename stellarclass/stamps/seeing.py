# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The width of an unknown PSF, read off the star itself: all that is left where a frame has too few stars to tell."""

import numpy as np

from .psf import TYPICAL_PSF, encircled

__all__ = ["own_psf"]

_SMALL, _LARGE = 2.5, 6.0  # radii in pixels; what the larger holds beyond the smaller grows with the seeing
_GRID = np.linspace(-0.6, 0.7, 53)  # ln of the width relative to TYPICAL_PSF
# Seeing varies by 18 % from night to night, by 5 % between bands of one exposure (as `draw_conditions` has it).
_NIGHT, _BAND = 0.18, 0.05
_FLOOR = 0.015  # PSFs of one width differ in shape


def _stretched(log_width):
    """`TYPICAL_PSF` of bands u g r i z with lengths times exp(log_width): (..., 5) to (..., 5, 6)."""
    factor = np.exp(log_width)[..., None]
    lengths = np.array([1, 1, 0, 0, 0, 1], bool)
    return np.where(lengths, TYPICAL_PSF * factor, TYPICAL_PSF)


_CURVES = np.stack([encircled(p, _SMALL) / encircled(p, _LARGE) for p in _stretched(np.repeat(_GRID[:, None], 5, 1))])


def own_psf(images, radius, *, sky_sigma, flux_per_electron):
    """PSF of stars whose frame has none: the typical one, as wide as the star and the other bands make it.

    Parameters
    ----------
    images : ndarray, shape (N, 5, W, W)
        Background-subtracted pixels around the stars, in nanomaggies.
    radius : ndarray, shape (N, 5, W, W)
        Distance of each pixel from the star in pixels.
    sky_sigma, flux_per_electron : ndarray, shape (N, 5)
        As in `~stellarclass.stamps.Stamps`; a band that is NaN tells nothing.

    Returns
    -------
    ndarray, shape (N, 5, 6)
        Profile parameters, see `stellarclass.stamps.psf`.

    Notes
    -----
    The share of the light within 2.5 of that within 6 pixels gives a width per band with an error. The most likely set
    of five follows with the prior that seeing varies by 18 % between nights and by 5 % between bands of one night.
    """
    inner, outer = (np.clip(r + 0.5 - radius, 0, 1) for r in (_SMALL, _LARGE))
    small, large = ((images * w).sum((2, 3)) for w in (inner, outer))
    sky = sky_sigma.astype(float) ** 2
    with np.errstate(invalid="ignore", divide="ignore"):
        share = small / large
        # Within and beyond the small circle the noise is independent.
        noise_in = sky * (inner**2).sum((2, 3)) + np.maximum(small, 0) * flux_per_electron
        noise_out = sky * ((outer - inner) ** 2).sum((2, 3)) + np.maximum(large - small, 0) * flux_per_electron
        sigma = np.sqrt(noise_in * (1 - share) ** 2 + noise_out * share**2) / np.abs(large)
    usable = np.isfinite(share) & np.isfinite(sigma) & (large > 0)
    width, slope = np.zeros(share.shape), np.ones(share.shape)
    for k in range(5):
        curve = _CURVES[::-1, k]  # rises with narrowing seeing
        width[:, k] = np.interp(np.where(usable[:, k], share[:, k], curve[0]), curve, _GRID[::-1])
        slope[:, k] = np.abs(np.interp(width[:, k], _GRID, np.gradient(_CURVES[:, k], _GRID)))
    variance = np.where(usable, (np.where(usable, sigma, 1.0) / slope) ** 2 + _FLOOR**2, 1e6)
    prior = np.full((5, 5), _NIGHT**2) + np.eye(5) * _BAND**2
    gain = np.linalg.solve(prior + variance[:, :, None] * np.eye(5), width[..., None])
    return _stretched((prior @ gain)[..., 0])
