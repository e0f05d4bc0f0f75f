# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Conditions of a real field, measured on its own frames: so that a twin of it can be simulated."""

import numpy as np
from scipy.ndimage import binary_dilation, uniform_filter

from ..archives.base import BANDS
from ..exceptions import InputError
from ..stamps import detector
from ..stamps.cutouts import LINEAR, _fill_psfs, field_psf, sky_sigma
from ..stamps.psf import _HALF, TYPICAL_PSF, _bright_stars, _centers
from .conditions import _CORE, _PER_COUNT, _SKY_COUNTS, _VARIATION_SPREAD, SHAPE_NAMES, VARIATION_NAMES, Conditions

__all__ = ["conditions_from_field"]

# Scatter of one star's ln(width) and ellipticity around the smooth trend: what the trend is weighed against.
_STAR_SCATTER = 0.02
_MIN_STARS = 4


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
    return Conditions(
        psf=psf[None],
        sky=sky[None],
        per_count=per_count[None],
        camcol=np.array([field.key.camcol]),
        shape=shape[None],
        variation=variation[None],
        noise=noise[None],
    )


def star_moments(stack, center, *, steps=18):
    """Adaptive second moments of stars and third moments under the same weight.

    Parameters
    ----------
    stack : ndarray, shape (N, S, S)
        Star images, background subtracted.
    center : ndarray, shape (N, 2)
        First guess of x, y relative to the middle pixel.
    steps : int
        Iterations.

    Returns
    -------
    width, shape : ndarray, shape (N,), (N, 6)
        sqrt of half the sum of the second moments in pixels, and the first six of `SHAPE_NAMES`; NaN where the moments
        do not converge. Bernstein & Jarvis (2002, AJ 123, 583) describe the method.
    """
    half = min(_HALF, 12)
    middle = stack.shape[-1] // 2
    stack = stack[:, middle - half : middle + half + 1, middle - half : middle + half + 1]
    axis = np.arange(-half, half + 1.0)
    x, y = center[:, 0].copy(), center[:, 1].copy()
    sxx, syy, sxy = (np.full(len(stack), value) for value in (1.7, 1.7, 0.0))
    with np.errstate(all="ignore"):
        for _ in range(steps):
            dx, dy = axis - x[:, None, None], axis[:, None] - y[:, None, None]
            det = sxx * syy - sxy**2
            a, b, c = (v[:, None, None] for v in (syy / det, sxx / det, sxy / det))
            light = stack * np.exp(-0.5 * (a * dx**2 + b * dy**2 - 2 * c * dx * dy))
            total = light.sum((1, 2))
            x = np.clip(x + 2 * (light * dx).sum((1, 2)) / total, -3, 3)
            y = np.clip(y + 2 * (light * dy).sum((1, 2)) / total, -3, 3)
            sxx, syy = (2 * (light * d**2).sum((1, 2)) / total for d in (dx, dy))
            sxy = 2 * (light * dx * dy).sum((1, 2)) / total
        trace = sxx + syy
        s2 = trace / 2
        dx, dy = axis - x[:, None, None], axis[:, None] - y[:, None, None]
        r2 = dx**2 + dy**2
        light = stack * np.exp(-0.5 * r2 / s2[:, None, None])
        total = light.sum((1, 2)) * s2**1.5
        coma = [(light * d * r2).sum((1, 2)) / total for d in (dx, dy)]
        trefoil = [(light * d).sum((1, 2)) / total / 3 for d in (dx**3 - 3 * dx * dy**2, 3 * dx**2 * dy - dy**3)]
        shape = np.stack([(sxx - syy) / trace, 2 * sxy / trace, *coma, *trefoil], axis=-1)
        good = (s2 > 0.3) & (s2 < 30) & (sxx * syy > sxy**2) & np.isfinite(shape).all(-1)
        good &= (np.abs(x) < 2.5) & (np.abs(y) < 2.5)
    return np.where(good, np.sqrt(np.abs(s2)), np.nan), np.where(good[:, None], shape, np.nan)


def _measure_shape(data, *, sigma, limit):
    """Shape (7,) and variation (9,) of a frame's PSF from its bright stars."""
    shape, variation = np.zeros(len(SHAPE_NAMES)), np.zeros(len(VARIATION_NAMES))
    stars = _bright_stars(data, sigma, limit)
    if len(stars) < _MIN_STARS:
        return shape, variation
    steps = np.arange(-_HALF, _HALF + 1)
    stack = np.nan_to_num(data[stars[:, 1, None, None] + steps[:, None], stars[:, 0, None, None] + steps].astype(float))
    center = _centers(stack)
    radius = np.hypot(steps - center[:, 0, None, None], steps[:, None] - center[:, 1, None, None])
    stack -= np.array([np.median(s[r > 14]) for s, r in zip(stack, radius, strict=True)])[:, None, None]
    width, moments = star_moments(stack, center)
    middle = np.nanmedian(width)
    # Galaxies and blends are wide, cosmic rays narrow; both are oddly shaped.
    keep = (np.abs(width / middle - 1) < 0.15) & (np.abs(moments[:, :2] - np.nanmedian(moments[:, :2], 0)) < 0.15).all(
        1
    )
    if keep.sum() < _MIN_STARS:
        return shape, variation
    width, moments = width[keep], moments[keep]
    x, y = (stars[keep] / (np.array(data.shape[::-1]) - 1) * 2 - 1).T
    terms = np.stack([x, y, x**2 - 1 / 3, x * y, y**2 - 1 / 3], axis=1)
    variation[:5] = _trend(terms, np.log(width / middle), _VARIATION_SPREAD[:5])[1:]
    for k in (0, 1):
        shape[k], *variation[5 + 2 * k : 7 + 2 * k] = _trend(terms[:, :2], moments[:, k], _VARIATION_SPREAD[5:7])
    shape[2:6] = np.median(moments[:, 2:], axis=0)
    shape[6] = _CORE[0]
    return shape, variation


def _trend(terms, value, spread):
    """Constant and coefficients of a robust linear fit, held back by how much frames usually vary."""
    design = np.column_stack([np.ones(len(value)), terms])
    prior = np.diag(np.concatenate([[0.0], (_STAR_SCATTER / spread) ** 2]))
    weight = np.ones(len(value))
    for _ in range(8):
        weighted = design * weight[:, None]
        fit = np.linalg.solve(weighted.T @ design + prior, weighted.T @ value)
        off = np.abs(value - design @ fit)
        weight = (off <= 2.5 * 1.4826 * np.median(off) + 1e-9).astype(float)
    return fit


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
