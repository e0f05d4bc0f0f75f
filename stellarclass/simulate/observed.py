# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Conditions of a real field, measured on its own frames: so that a twin of it can be simulated."""

import numpy as np
from scipy.ndimage import binary_dilation, uniform_filter

from ..archives.base import BANDS
from ..exceptions import InputError
from ..stamps import detector
from ..stamps.cutouts import LINEAR, _fill_psfs, field_psf, sky_sigma
from ..stamps.psf import TYPICAL_PSF, fwhm, measure_psf
from ..stamps.psf_trend import bright_star_moments, fit_trend, width_terms
from .conditions import _CORE, _PER_COUNT, _SKY_COUNTS, _VARIATION_SPREAD, SHAPE_NAMES, VARIATION_NAMES, Conditions
from .pointspread import local_psf, star_images

__all__ = ["conditions_from_field"]

_GRID, _STEP = 7, 64  # stars along each side of a test image, and their distance in pixels


def conditions_from_field(field):
    """Measure the observing conditions of a field.

    Parameters
    ----------
    field : `~stellarclass.archives.base.Field`
        Frames of one field.

    Returns
    -------
    Conditions
        One row: PSF with ellipticity, coma and variation over the frame, sky, noise of both halves of the chips,
        throughput, camera column; ``zero_point`` is 0. Bands without a frame are typical, their PSF is that of the
        nearest band, scaled.

    Raises
    ------
    stellarclass.exceptions.InputError
        If the field has no frames.

    Examples
    --------
    >>> from stellarclass import simulate
    >>> sky = simulate.field(seed=7, n_stars=60)
    >>> night = simulate.conditions_from_field(sky.contents)
    >>> night.psf.shape, night.camcol[0] == sky.contents.key.camcol
    ((1, 5, 6), np.True_)
    """
    if not field.frames:
        raise InputError(f"field {field.key} has no frames to measure conditions on")
    psf = _fill_psfs(field_psf(field))
    psf = np.where(np.isfinite(psf), psf, TYPICAL_PSF).astype(float)
    sky, per_count = _SKY_COUNTS.copy(), _PER_COUNT.copy()
    shape, variation = np.zeros((5, len(SHAPE_NAMES))), np.zeros((5, len(VARIATION_NAMES)))
    noise = np.ones((5, 2))
    gains = detector.gain(field.key.run, field.key.camcol)
    darks = detector.dark_variance(field.key.run, field.key.camcol)
    for k, band in enumerate(BANDS):
        frame = field.frames.get(band)
        if frame is None:
            continue
        per_count[k] = np.median(frame.nanomaggies_per_count)
        if np.size(frame.sky):
            sky[k] = np.mean(frame.sky)
        limit = (LINEAR - sky[k]) * per_count[k]
        shape[k], variation[k] = _measure_shape(frame.data, sigma=max(sky_sigma(frame.data), 1e-6), limit=limit)
        noise[k] = _noise(frame.data / frame.nanomaggies_per_count, np.sqrt(sky[k] / gains[k] + darks[k]))
        psf[k] = _refined(psf[k], shape[k])
    return Conditions(
        psf=psf[None],
        sky=sky[None],
        per_count=per_count[None],
        camcol=np.array([field.key.camcol]),
        shape=shape[None],
        variation=variation[None],
        noise=noise[None],
    )


def _measure_shape(data, *, sigma, limit):
    """Shape (7,) and variation (9,) of a frame's PSF from its bright stars."""
    shape, variation = np.zeros(len(SHAPE_NAMES)), np.zeros(len(VARIATION_NAMES))
    x, y, width, moments = bright_star_moments(data, sigma=sigma, limit=limit)
    if len(x) == 0:
        return shape, variation
    terms = width_terms(x, y)
    variation[:5] = fit_trend(terms, np.log(width / np.median(width)), _VARIATION_SPREAD[:5])[1:]
    for k in (0, 1):
        shape[k], *variation[5 + 2 * k : 7 + 2 * k] = fit_trend(terms[:, :2], moments[:, k], _VARIATION_SPREAD[5:7])
    shape[2:6] = np.median(moments[:, 2:], axis=0)
    shape[6] = _CORE[0]
    return shape, variation


def _refined(psf, shape):
    """Profile (6,) with a width that comes out as it was when stars of this shape (7,) are drawn and measured."""
    steps = np.arange(-_STEP // 2, _STEP // 2)
    rng = np.random.default_rng(1)
    offsets = rng.uniform(-0.5, 0.5, (_GRID**2, 2))
    drawn = local_psf(psf, shape, np.zeros(len(VARIATION_NAMES)), np.zeros(len(offsets)), np.zeros(len(offsets)))
    stars = star_images(*drawn, steps - offsets[:, :1], steps - offsets[:, 1:])
    image = stars.reshape(_GRID, _GRID, _STEP, _STEP).swapaxes(1, 2).reshape(_GRID * _STEP, _GRID * _STEP)
    found = measure_psf(image, sigma=float(image.max()) / 1000, limit=np.inf)
    if np.isfinite(found).all():
        psf = psf.copy()
        psf[[0, 1, 5]] *= np.clip(fwhm(psf) / fwhm(found), 0.9, 1.1)
    return psf


def _noise(counts, expected):
    """Blank-sky noise of the left and right half of a frame in counts, over what is expected: shape (2,)."""
    smooth = uniform_filter(np.nan_to_num(counts), 7)
    level = np.median(smooth)
    blank = ~binary_dilation(smooth > level + 2.5 * expected / 7, iterations=8)
    blank &= np.isfinite(counts)
    pair = blank[1:] & blank[:-1]
    difference = counts[1:] - counts[:-1]
    half = counts.shape[1] // 2
    found = np.ones(2)
    for k, columns in enumerate((slice(0, half), slice(half, None))):
        values = difference[:, columns][pair[:, columns]]
        if values.size < 1000:
            continue
        values = values[np.abs(values) < 4 * 2**0.5 * 1.1 * expected]
        # Whole counts add 1/12 to the variance.
        found[k] = np.sqrt(max(np.var(values, dtype=float) / 2 - 1 / 12, 0.0)) / expected
    return found
