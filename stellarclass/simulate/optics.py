# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""How SDSS's camera sees a star: PSF, sky, photons, counts.

Stamps of single stars, and what they have in common with whole frames (`stellarclass.simulate.survey`).
"""

import numpy as np
from astropy import units as u
from astropy.utils.masked import Masked

from ..exceptions import InputError
from ..stamps.base import MASK_MISSING, MASK_SATURATED, STAMP_SIZE, Stamps
from ..stamps.photometry import SOFTENING
from ..stamps.psf import profile
from .conditions import draw_conditions

__all__ = ["flux_from_magnitude", "flux_from_pogson", "render_stars"]

BLOOM_COUNTS = 52_000.0
"""Counts at which a pixel saturates (the chips differ: 45,000 to 63,000)."""

# Surface density of neighbors brighter than r = 22 per square arcmin, and the slope of their counts in dex per mag.
_NEIGHBOR_DENSITY, _NEIGHBOR_SLOPE = 3.0, 0.22
_PIXEL = 0.396 / 60  # arcmin

# Stars of at most this flux, in nanomaggies, are drawn on a small window: 11 pixels to each side.
_FAINT_FLUX, _FAINT_HALF = 30.0, 11

_MAGNITUDE_LIMITS = (0.0, 30.0)
_CHUNK = 256


def flux_from_pogson(magnitude):
    """Nanomaggies of ordinary, logarithmic magnitudes: what a star truly sends, never negative.

    Parameters
    ----------
    magnitude : ndarray
        In mag, zero point 22.5.

    Returns
    -------
    ndarray
        Same shape.
    """
    return 10 ** (0.4 * (22.5 - np.asarray(magnitude, float)))


def flux_from_magnitude(magnitude):
    """Nanomaggies of SDSS asinh magnitudes.

    Parameters
    ----------
    magnitude : ndarray, shape (..., 5)
        u g r i z in mag.

    Returns
    -------
    ndarray, shape (..., 5)
        Inverse of `stellarclass.stamps.photometry.asinh_magnitude`.

    Examples
    --------
    >>> import numpy as np
    >>> from stellarclass.simulate.optics import flux_from_magnitude
    >>> print(flux_from_magnitude(np.full(5, 17.5)).round(1))
    [100. 100. 100. 100. 100.]
    """
    return 2e9 * SOFTENING * np.sinh(-np.log(10) / 2.5 * np.asarray(magnitude, float) - np.log(SOFTENING))


def add_noise(rng, flux, sky, per_count, gain_, dark):
    """Turn expected sky-subtracted flux into what a chip reads out: photons, read noise, whole counts, saturation.

    Parameters
    ----------
    rng : `numpy.random.Generator`
    flux : ndarray, shape (..., ny, nx), float32
        Expected flux in nanomaggies per pixel.
    sky, per_count, gain_, dark : ndarray
        As in `Conditions`, broadcast against ``flux``.

    Returns
    -------
    ndarray, shape of ``flux``, float32
        Sky-subtracted nanomaggies per pixel; with the sky added they are whole counts.
    """
    # Sky is at least 20 counts, 30 electrons: Gaussian to a few per cent of its sigma, and three times faster.
    counts = flux / per_count + sky
    noise = np.sqrt(np.maximum(counts, 1.0) / gain_ + dark)
    noise *= rng.standard_normal(np.shape(flux), dtype=np.float32)
    counts += noise
    # Past full well the charge goes elsewhere: the peak stays nearly flat.
    counts = np.round(np.where(counts > BLOOM_COUNTS, BLOOM_COUNTS + 0.1 * (counts - BLOOM_COUNTS), counts))
    counts -= sky
    counts *= per_count
    return counts.astype(np.float32, copy=False)


def _neighbors(rng, n, density):
    """Other stars on the stamps: whose stamp, x, y from its middle in pixels (M,), and magnitudes (M, 5)."""
    half = STAMP_SIZE / 2 + 6
    counts = rng.poisson(density * (2 * half * _PIXEL) ** 2)
    star = np.repeat(np.arange(n), counts)
    total = counts.sum()
    x, y = rng.uniform(-half, half, (2, total))
    r = 22 + np.log10(rng.random(total).clip(1e-7)) / _NEIGHBOR_SLOPE
    # Colors of the neighbors: a coarse locus is enough, only their light matters.
    g_i = np.where(rng.random(total) < 0.5, rng.normal(0.6, 0.25, total), rng.normal(2.2, 0.5, total))
    magnitudes = np.stack([r + 0.7 * g_i + 1.1, r + 0.65 * g_i, r, r - 0.35 * g_i, r - 0.5 * g_i], axis=1)
    return star, x, y, magnitudes


def _star_shapes(psf, dx, dy):
    """Images (M, W, W) of unit stars: psf (M, 6), pixel positions relative to the star dx, dy (M, W)."""
    psf = psf.astype(np.float32)
    s1, s2, b, p0, _, wing_scale = (psf[:, k, None] for k in range(6))
    norm = profile(psf, np.zeros(len(psf), np.float32))[:, None] / (1 + b + p0)
    dx2, dy2 = (dx**2).astype(np.float32), (dy**2).astype(np.float32)
    # Gaussians are products of their rows and columns; only the wings need every pixel.
    shape = (norm * np.exp(-0.5 * dy2 / s1**2))[:, :, None] * np.exp(-0.5 * dx2 / s1**2)[:, None, :]
    shape += (norm * b * np.exp(-0.5 * dy2 / s2**2))[:, :, None] * np.exp(-0.5 * dx2 / s2**2)[:, None, :]
    scale = 3 * wing_scale**2
    wing = (1 + dy2 / scale)[:, :, None] + (dx2 / scale)[:, None, :]
    wing *= np.sqrt(wing)
    shape += (norm * p0)[:, :, None] / wing
    return shape


def _add_stars(images, psf, star, x, y, flux):
    """Add stars to the stamps (N, 5, S, S), faint ones on a small window only.

    M stars: ``star`` (M,) is the number of the stamp, x and y (M, 5) the pixels from its middle, flux (M, 5).
    """
    size = images.shape[-1]
    middle = (size - 1) / 2
    axis = np.arange(size) - middle
    for k in range(images.shape[1]):
        bright = np.flatnonzero(flux[:, k] > _FAINT_FLUX)
        if bright.size:
            shape = _star_shapes(psf[star[bright], k], axis - x[bright, k, None], axis - y[bright, k, None])
            shape *= flux[bright, k].astype(np.float32)[:, None, None]
            for row, image in zip(star[bright], shape, strict=True):
                images[row, k] += image
        faint = np.flatnonzero(flux[:, k] <= _FAINT_FLUX)
        if faint.size:
            steps = np.arange(-_FAINT_HALF, _FAINT_HALF + 1)
            cx, cy = (np.round(v[faint, k] + middle).astype(int) for v in (x, y))
            columns, rows = cx[:, None] + steps, cy[:, None] + steps
            shape = _star_shapes(
                psf[star[faint], k], columns - middle - x[faint, k, None], rows - middle - y[faint, k, None]
            )
            shape *= flux[faint, k].astype(np.float32)[:, None, None]
            for j, row in enumerate(star[faint]):
                y0, x0 = cy[j] - _FAINT_HALF, cx[j] - _FAINT_HALF
                top, left = max(y0, 0), max(x0, 0)
                bottom, right = min(cy[j] + _FAINT_HALF + 1, size), min(cx[j] + _FAINT_HALF + 1, size)
                if top < bottom and left < right:
                    images[row, k, top:bottom, left:right] += shape[j, top - y0 : bottom - y0, left - x0 : right - x0]


def render_stars(magnitudes, *, seed=None, conditions=None, neighbor_density=None):
    """Draw stars as SDSS would have imaged them.

    Parameters
    ----------
    magnitudes : `~astropy.table.Table`
        N rows with columns ``u``, ``g``, ``r``, ``i``, ``z``: SDSS's asinh magnitudes (those beyond 24.6, 25.1, 24.8,
        24.4, 22.8 are negative fluxes). Bare numbers are taken as mag, since tables of magnitudes hardly ever carry
        the unit. A masked or NaN magnitude gives a missing band.
    seed : int or `numpy.random.Generator`, optional
        The same seed gives the same pixels; by default they differ from call to call.
    conditions : Conditions, optional
        Seeing, sky and camera of each star, N rows or one for all; by default drawn anew for each.
    neighbor_density : float or ndarray, shape (N,), optional
        Other stars brighter than r = 22 per square arcmin; by default a high-latitude field's 3, some a hundredfold.

    Returns
    -------
    `~stellarclass.stamps.Stamps`
        N stamps with sub-pixel offsets, noise, neighbors and whole counts. Their PSF is known to a per cent or two,
        as that of stamps cut from a frame is; their epoch is 2005.

    Raises
    ------
    stellarclass.exceptions.InputError
        If a column is missing or holds something else than magnitudes from 0 to 30, or ``conditions`` have neither N
        rows nor one.

    Examples
    --------
    >>> from astropy.table import Table
    >>> from stellarclass.simulate import render_stars
    >>> stars = Table({"u": [19.2], "g": [17.9], "r": [17.4], "i": [17.2], "z": [17.2]})
    >>> render_stars(stars, seed=1).images.shape
    (1, 5, 64, 64)
    """
    rng = np.random.default_rng(seed)
    values = _magnitude_array(magnitudes)
    n = len(values)
    if conditions is None:
        conditions = draw_conditions(n, seed=rng)
    elif len(conditions) == 1:
        conditions = conditions[np.zeros(n, int)]
    elif len(conditions) != n:
        raise InputError(f"conditions of {len(conditions)} stars for {n}; give one row, or one for each star")
    if neighbor_density is None:
        # A fifth of the stars stand in crowded fields: low latitude, clusters.
        neighbor_density = _NEIGHBOR_DENSITY * np.where(rng.random(n) < 0.2, 10 ** rng.uniform(0, 2, n), 1.0)
    density = np.broadcast_to(np.asarray(neighbor_density, float), (n,))
    parts = [
        _render(rng, values[k : k + _CHUNK], conditions[k : k + _CHUNK], density[k : k + _CHUNK])
        for k in range(0, n, _CHUNK)
    ]
    return Stamps.concatenate(parts) if parts else Stamps.empty(0)


def _magnitude_array(table):
    """Magnitudes of a table as (N, 5), NaN where masked."""
    missing = [b for b in "ugriz" if b not in table.colnames]
    if missing:
        raise InputError(f"render_stars needs columns u, g, r, i, z; {', '.join(missing)} not among {table.colnames}")
    values = np.stack([_plain(table[band], band) for band in "ugriz"], axis=1)
    low, high = _MAGNITUDE_LIMITS
    strange = np.isfinite(values) & ((values < low) | (values > high))
    if strange.any():
        row, k = np.argwhere(strange)[0]
        raise InputError(
            f"{'ugriz'[k]} = {values[row, k]:g} in row {row} is no magnitude from {low:g} to {high:g}; "
            "mask it if it stands for a missing one"
        )
    return values


def _plain(column, band):
    unit = getattr(column, "unit", None)
    if unit is not None and unit != u.mag:
        raise InputError(f"column {band} has unit {unit}; magnitudes are meant (u.mag)")
    if isinstance(column, u.Quantity):
        column = column.value
    try:
        if isinstance(column, Masked):
            return np.asarray(column.astype(float).filled(np.nan))
        return np.ma.filled(np.ma.asarray(column).astype(float), np.nan)
    except ValueError as err:
        raise InputError(f"column {band} does not hold numbers: {err}") from err


def _render(rng, magnitudes, conditions, density):
    """Stamps of stars of these magnitudes (n, 5), with neighbors at this density (n,) per square arcmin."""
    n = len(magnitudes)
    present = np.isfinite(magnitudes)
    flux = np.where(present, flux_from_magnitude(np.where(present, magnitudes, 25.0)), 0.0)
    # Bands are registered to each other to within half a pixel of their own grid; centers are known to 0.1 pixel.
    offsets = rng.uniform(-0.5, 0.5, (n, 5, 2))
    true = offsets + rng.normal(0, 0.08, (n, 5, 2))
    images = np.zeros((n, 5, STAMP_SIZE, STAMP_SIZE), np.float32)
    _add_stars(images, conditions.psf, np.arange(n), true[..., 0], true[..., 1], flux)
    star, x, y, neighbor_magnitudes = _neighbors(rng, n, density)
    if star.size:
        x, y = x[:, None] + offsets[star, :, 0], y[:, None] + offsets[star, :, 1]
        _add_stars(images, conditions.psf, star, x, y, flux_from_pogson(neighbor_magnitudes))
    # The frame's sky model errs by a few hundredths of its noise; unresolved stars leave a pedestal in crowded fields.
    pedestal = rng.normal(0, 0.03, (n, 5)) + 0.02 * np.sqrt(density / _NEIGHBOR_DENSITY)[:, None] * rng.random((n, 1))
    images += (pedestal * conditions.sky_sigma)[..., None, None].astype(np.float32)
    expand = [getattr(conditions, k)[..., None, None].astype(np.float32) for k in ("sky", "per_count", "gain", "dark")]
    images = add_noise(rng, images, *expand)
    stamps = Stamps.empty(n)
    stamps.images[:] = np.where(present[..., None, None], images, 0)
    stamps.masks[:] = np.where(present[..., None, None], 0, MASK_MISSING)
    full = ((BLOOM_COUNTS - conditions.sky) * conditions.per_count)[..., None, None]
    stamps.masks[:] |= np.where(stamps.images > full, MASK_SATURATED, 0).astype(np.uint8)
    stamps.offsets[:] = offsets
    stamps.sky_sigma[:] = np.where(present, conditions.sky_sigma, np.nan)
    stamps.flux_per_electron[:] = np.where(present, conditions.per_count / conditions.gain, np.nan)
    # A frame's measured PSF misses a star's own by some per cent: it varies over the chip.
    psf = conditions.psf.copy()
    psf[..., [0, 1, 5]] *= np.exp(rng.normal(0, 0.012, (n, 5, 1)) + rng.normal(0, 0.008, (n, 1, 1)))
    stamps.psf[:] = np.where(present[..., None], psf, np.nan)
    stamps.epoch[:] = 2005.0
    return stamps
