# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What one would measure on a simulated frame: its noise and its PSF, with the errors that such measurements have."""

import numpy as np
from scipy.special import ndtr

__all__ = ["SKY_SPREAD", "measured_psf", "measured_sigma"]

SKY_SPREAD = 0.0015
"""Half the range of the sky level within a frame, relative to the level."""

# Relative error of the width of a frame's PSF as measured on its own stars: from simulated frames with known ones.
_PSF_ERROR = 0.006
# Light of faint sources lifts the median by this, in units of the noise.
_FAINT_LIGHT = 0.02
_LEVELS, _RANGE = 5, 14


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
    psf = np.array(conditions.psf, float)
    psf[..., [0, 1, 5]] *= np.exp(rng.normal(0, _PSF_ERROR, (*psf.shape[:2], 1)))
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
