# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What one would measure on a simulated frame: its noise and its PSF, with the errors that such measurements have."""

import numpy as np
from scipy.special import ndtr

from ..stamps.psf import profile
from ..stamps.psf_trend import width_terms
from .pointspread import true_profile

__all__ = ["SKY_SPREAD", "measured_psf", "measured_sigma", "measured_width"]

SKY_SPREAD = 0.0015
"""Half the range of the sky level within a frame, relative to the level."""

# Relative error of the width of a frame's PSF as measured on its own stars: from simulated frames with known ones.
_PSF_ERROR = 0.006
# What is left of its change over the frame when the trend is taken out that few or many stars tell.
_TREND_ERROR = 0.007
# Light of faint sources lifts the median by this, in units of the noise.
_FAINT_LIGHT = 0.02
_LEVELS, _RANGE = 5, 14
_RADII = np.arange(0.125, 6.5, 0.25)
# Stars are not round and not centered to better than a tenth of a pixel: their mean profile is that much wider.
_BLUR = np.array([1.008, 1.008, 1.006, 1.004, 1.005])[:, None]


def measured_psf(rng, conditions):
    """PSF as `stellarclass.stamps.field_psf` would measure it.

    Parameters
    ----------
    rng : `numpy.random.Generator`
    conditions : Conditions
        N rows.

    Returns
    -------
    ndarray, shape (N, 5, 6)
        Composite profiles, their widths off by 0.6 %.
    """
    psf = _tied(
        np.array(conditions.psf, float), true_profile(conditions.psf, conditions.shape), conditions.shape[..., 6]
    )
    psf[..., [0, 1, 5]] *= np.exp(rng.normal(0, _PSF_ERROR, (*psf.shape[:2], 1)))
    return psf


def measured_width(rng, variation, x, y):
    """Width of the PSF at places on the frame relative to the frame's mean, as one would measure it.

    Parameters
    ----------
    rng : `numpy.random.Generator`
    variation : ndarray, shape (..., 9)
        As in `stellarclass.simulate.Conditions`.
    x, y : ndarray, shape (...)
        Column and row, from -1 to 1 across the frame.

    Returns
    -------
    ndarray, shape (...)
        Factors, off by 0.7 %.
    """
    width = (variation[..., :5] * width_terms(x, y)).sum(-1)
    return np.exp(width + rng.normal(0, _TREND_ERROR, width.shape))


def _tied(psf, true, core):
    """Measured profiles (..., 6), stretched until fluxes through them agree with fluxes through 5 pixels.

    This is how `stellarclass.stamps.psf.measure_psf` ends; here the stars are the true profiles, averaged over angle.
    """
    weight = _RADII * np.clip(6.5 - _RADII, 0, 1)
    aperture = _RADII * np.clip(5.5 - _RADII, 0, 1)
    s1, s2, b, p0, _, wing = (true[..., k, None] for k in range(6))
    narrow, broad, r2 = s1 * (1 - core[..., None]), s1 * (1 + core[..., None]), _RADII**2
    star = (np.exp(-0.5 * r2 / narrow**2) / narrow**2 + np.exp(-0.5 * r2 / broad**2) / broad**2) * s1**2 / 2
    star += b * np.exp(-0.5 * r2 / s2**2) + p0 * (1 + r2 / (3 * wing**2)) ** -1.5
    star /= (star * aperture).sum(-1, keepdims=True)
    for _ in range(2):
        model = profile(psf, np.broadcast_to(r2, star.shape))
        model = model / (model * aperture).sum(-1, keepdims=True)
        ratio = (weight * model * star).sum(-1) / (weight * model**2).sum(-1)
        psf[..., [0, 1]] *= ratio[..., None] ** -0.75
    psf[..., [0, 1]] *= _BLUR
    return psf


def measured_sigma(conditions):
    """Standard deviation of blank sky as `stellarclass.stamps.sky_sigma` would measure it.

    Parameters
    ----------
    conditions : Conditions
        N rows.

    Returns
    -------
    ndarray, shape (N, 5)
        In nanomaggies per pixel.

    Notes
    -----
    Pixels are whole counts minus a smooth sky, so their median and the median below it fall on a lattice: with a noise
    of only 4 to 7 counts the estimate is off by up to 12 %, differently on each frame, the same for all of its stars.
    """
    if len(conditions) == 0:
        return np.zeros((0, 5))
    counts = np.sqrt((conditions.sky / conditions.gain + conditions.dark) * np.mean(conditions.noise**2, -1) + 1 / 12)
    sky, sigma = conditions.sky[..., None, None], counts[..., None, None]
    levels = sky * (1 + SKY_SPREAD * ((np.arange(_LEVELS) + 0.5) * 2 / _LEVELS - 1))
    # The two medians lie in this range; what is fainter still counts as mass below it.
    edge = np.floor(sky) + np.arange(-_RANGE, 5)[:, None] - 0.5
    share = np.diff(ndtr((edge - levels) / sigma - _FAINT_LIGHT), axis=-2, prepend=0)
    value = edge - 0.5 - levels
    value, share = (v.reshape(*counts.shape, value[0, 0].size) for v in (value, share))
    order = np.argsort(value, axis=-1)
    value = np.take_along_axis(value, order, -1)
    total = np.cumsum(np.take_along_axis(share, order, -1), axis=-1) / _LEVELS
    middle = np.take_along_axis(value, (total < 0.5).sum(-1, keepdims=True), -1)
    below = np.where(value < middle, total, 0).max(-1, keepdims=True)
    quarter = np.take_along_axis(value, (total < below / 2).sum(-1, keepdims=True), -1)
    # Where counts are fine-grained beside the noise there is no lattice to speak of.
    lattice = np.where(counts < _RANGE, 1.4826 * (middle - quarter)[..., 0], counts)
    return lattice * conditions.per_count
