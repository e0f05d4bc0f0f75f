# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Stamps of single stars as SDSS's camera would have seen them: PSF, neighbors, sky, photons, counts, defects."""

import numpy as np
from astropy import units as u
from astropy.utils.masked import Masked

from ..exceptions import InputError
from ..stamps.base import MASK_MISSING, STAMP_SIZE, Stamps
from ..stamps.cutouts import _mask_saturation
from ..stamps.photometry import SOFTENING
from .conditions import draw_conditions
from .crowds import STAR_DENSITY, draw_densities, draw_neighbors
from .defects import BAD_COLUMNS, COSMIC_RAYS, FULL_WELL, add_cosmic_rays, interpolate_columns, saturate
from .galaxies import galaxy_images, widen
from .measured import SKY_SPREAD, measured_psf, measured_sigma, measured_width
from .pointspread import flux_scale, local_psf, star_images

__all__ = ["add_noise", "flux_from_magnitude", "flux_from_pogson", "render_stars"]

_PIXEL = 0.396  # arcsec
_MAGNITUDE_LIMITS = (0.0, 30.0)
_CHUNK = 64  # stars that stay in the processor's cache

# Half the side in pixels of the window in which a neighbor of at most so many nanomaggies is drawn.
_WINDOWS = ((1.0, 6), (30.0, 12), (1000.0, 25))

# Error of the frame's sky model around a star, in units of the noise.
_SKY_ERROR = 0.03

_MORPHOLOGY = {"half_light_radius": (u.arcsec, 0.0), "axis_ratio": (u.one, 1.0), "position_angle": (u.deg, 0.0),
               "sersic_index": (u.one, 0.0)}  # fmt: skip


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


def add_noise(rng, flux, sky, per_count, gain, dark):
    """Turn expected sky-subtracted flux into what an endless chip reads out: photons, read noise, whole counts.

    Parameters
    ----------
    rng : `numpy.random.Generator`
    flux : ndarray, shape (..., ny, nx), float32
        Expected flux in nanomaggies per pixel.
    sky, per_count, gain, dark : ndarray
        As in `stellarclass.simulate.Conditions`, broadcast against ``flux``.

    Returns
    -------
    ndarray, shape of ``flux``, float32
        Counts with the sky.
    """
    # Sky is at least 20 counts, 30 electrons: Gaussian to a few per cent of its sigma, and three times faster.
    counts = flux / per_count
    counts += sky
    noise = np.maximum(counts, 1.0)
    noise /= gain
    noise += dark
    np.sqrt(noise, out=noise)
    noise *= rng.standard_normal(np.shape(flux), dtype=np.float32)
    counts += noise
    return np.round(counts, out=counts)


def render_stars(magnitudes, *, seed=None, conditions=None, neighbor_density=None):
    """Draw stars as SDSS would have imaged them.

    Parameters
    ----------
    magnitudes : `~astropy.table.Table` or mapping
        N rows with columns ``u``, ``g``, ``r``, ``i``, ``z``: SDSS's asinh magnitudes (those beyond 24.6, 25.1, 24.8,
        24.4, 22.8 are negative fluxes). Bare numbers are taken as mag, since tables of magnitudes hardly ever carry
        the unit. A masked or NaN magnitude gives a missing band. Galaxies have ``half_light_radius`` [arcsec] above 0
        and, unless they are round disks, ``axis_ratio``, ``position_angle`` [deg] and ``sersic_index``.
    seed : int or `numpy.random.Generator`, optional
        The same seed gives the same pixels; by default they differ from call to call.
    conditions : Conditions, optional
        Seeing, sky and camera of each star, N rows or one for all; by default drawn anew for each.
    neighbor_density : float or ndarray, shape (N,), optional
        Other stars brighter than r = 22 per square arcmin, field galaxies come with them; 0 is an empty sky. By
        default a high-latitude field's 1 to 4, some a hundredfold.

    Returns
    -------
    `~stellarclass.stamps.Stamps`
        N stamps with sub-pixel offsets, noise, neighbors, whole counts and defects. Each star stands somewhere on its
        frame and has the PSF of that place; the PSF of the stamps is what one would measure, circular and a per cent
        off in width; likewise their ``sky_sigma``. Their epoch is 2005.

    Raises
    ------
    stellarclass.exceptions.InputError
        If a column is missing or holds something else than magnitudes from 0 to 30, or ``conditions`` have neither N
        rows nor one.

    Notes
    -----
    The magnitudes are what a catalog prints: calibration errors are in them. ``conditions`` with a ``zero_point``
    other than 0 make the stars that much fainter on top.

    Examples
    --------
    >>> from stellarclass.simulate import render_stars
    >>> stars = {"u": [19.2], "g": [17.9], "r": [17.4], "i": [17.2], "z": [17.2]}
    >>> render_stars(stars, seed=1).images.shape
    (1, 5, 64, 64)
    """
    rng = np.random.default_rng(seed)
    values = _magnitude_array(magnitudes)
    n = len(values)
    morphology = {name: _morphology(magnitudes, name, n) for name in _MORPHOLOGY}
    if conditions is None:
        conditions = draw_conditions(n, seed=rng)
    elif len(conditions) not in (1, n):
        raise InputError(f"conditions of {len(conditions)} stars for {n}; give one row, or one for each star")
    psf, sigma = measured_psf(rng, conditions), measured_sigma(conditions)
    if len(conditions) != n:
        # One frame for all: they share what is measured on it.
        rows = np.zeros(n, int)
        conditions, psf, sigma = conditions[rows], psf[rows], sigma[rows]
    density = draw_densities(rng, n) if neighbor_density is None else np.asarray(neighbor_density, float)
    density = np.broadcast_to(density, (n,))
    stamps = Stamps.empty(n)
    for k in range(0, n, _CHUNK):
        chunk = slice(k, k + _CHUNK)
        extended = {name: v[chunk] for name, v in morphology.items()}
        crowding, width = _render(rng, stamps[chunk], values[chunk], extended, conditions[chunk], density[chunk])
        present = np.isfinite(values[chunk])
        # Unresolved stars make a whole frame look noisier than its blank sky is.
        stamps.sky_sigma[chunk] = np.where(present, sigma[chunk] * np.exp(0.015 * crowding), np.nan)
        local = psf[chunk].copy()
        local[..., [0, 1, 5]] *= width[..., None]
        stamps.psf[chunk] = np.where(present[..., None], local, np.nan)
        _mask_saturated(stamps[chunk], conditions[chunk])
    return stamps


def _magnitude_array(table):
    """Magnitudes of a table as (N, 5), NaN where masked."""
    names = list(table.keys()) if hasattr(table, "keys") else []
    missing = [b for b in "ugriz" if b not in names]
    if missing:
        raise InputError(f"render_stars needs columns u, g, r, i, z; {', '.join(missing)} not among {names}")
    columns = [np.atleast_1d(_plain(table[band], band, u.mag)) for band in "ugriz"]
    if len({c.shape for c in columns}) > 1 or columns[0].ndim > 1:
        raise InputError(f"columns u, g, r, i, z have shapes {[c.shape for c in columns]}; one number a star is meant")
    values = np.stack(columns, axis=1)
    low, high = _MAGNITUDE_LIMITS
    strange = np.isfinite(values) & ((values < low) | (values > high))
    if strange.any():
        row, k = np.argwhere(strange)[0]
        raise InputError(
            f"{'ugriz'[k]} = {values[row, k]:g} in row {row} is no magnitude from {low:g} to {high:g}; "
            "mask it if it stands for a missing one"
        )
    return values


def _morphology(table, name, n):
    """A column that only galaxies need, (n,), in its own unit; its default where absent or masked."""
    unit, default = _MORPHOLOGY[name]
    if name not in table.keys():
        return np.full(n, default)
    values = np.broadcast_to(_plain(table[name], name, unit), (n,))
    return np.where(np.isfinite(values), values, default)


def _plain(column, name, unit):
    """Numbers of a column, NaN where masked; bare ones are taken to have the unit."""
    own = getattr(column, "unit", None)
    if own is not None and not (own == unit or (unit != u.mag and own.is_equivalent(unit))):
        what = "magnitudes are" if unit == u.mag else f"{unit} is"
        raise InputError(f"column {name} has unit {own}; {what} meant (u.{unit})")
    factor = 1.0 if own is None else own.to(unit) if unit != u.mag else 1.0
    if isinstance(column, u.Quantity):
        column = column.value
    try:
        if isinstance(column, Masked):
            return np.asarray(column.astype(float).filled(np.nan)) * factor
        return np.ma.filled(np.ma.asarray(column).astype(float), np.nan) * factor
    except (TypeError, ValueError) as err:
        raise InputError(f"column {name} does not hold numbers: {err}") from err


def _render(rng, stamps, magnitudes, morphology, conditions, density):
    """Fill stamps with sources of these magnitudes (n, 5) and neighbors at this density (n,) per square arcmin.

    Returned are how much their frames suffer from unresolved stars, (n, 1), and the measured width of the PSF at each
    star's place relative to the mean of its frame, (n, 5).
    """
    n = len(magnitudes)
    present = np.isfinite(magnitudes)
    flux = np.where(present, flux_from_magnitude(np.where(present, magnitudes, 25.0)), 0.0)
    # Bands are registered to each other to within half a pixel of their own grid; centers are known to 0.1 pixel.
    offsets = rng.uniform(-0.5, 0.5, (n, 5, 2))
    true = offsets + rng.normal(0, 0.08, (n, 5, 2))
    place = rng.uniform(-1, 1, (2, n, 1)) + np.zeros((1, 1, 5))
    psf, shape = local_psf(conditions.psf, conditions.shape, conditions.variation, *place)
    throughput = flux_scale(conditions.psf, conditions.shape) * 10 ** (-0.4 * conditions.zero_point)
    images = np.empty((n, 5, STAMP_SIZE, STAMP_SIZE), np.float32)
    axis = np.arange(STAMP_SIZE) - (STAMP_SIZE - 1) / 2
    for k in range(5):
        dx, dy = (axis - true[:, k, d, None] for d in (0, 1))
        images[:, k] = star_images(psf[:, k], shape[:, k], dx, dy, flux=flux[:, k] * throughput[:, k])
    _replace_galaxies(images, flux * throughput, morphology, psf, shape, axis, true)
    side = STAMP_SIZE + 12
    star, at, neighbors, radius, axis_ratio, angle = draw_neighbors(rng, density, side * _PIXEL / 60)
    if star.size:
        x, y = (at[:, k, None] * side + offsets[star, :, k] for k in (0, 1))
        light = flux_from_pogson(neighbors) * throughput[star]
        for k in range(5):
            blurred = widen(psf[star, k], shape[star, k], (radius / _PIXEL / 1.1774) ** 2, axis_ratio, angle)
            _add_neighbors(images[:, k], *blurred, star, x[:, k], y[:, k], light[:, k])
    # The frame's sky model errs by a few hundredths of its noise; unresolved stars leave a pedestal in crowded fields.
    crowding = np.sqrt(np.maximum(density / STAR_DENSITY - 3, 0))[:, None] * rng.random((n, 1))
    pedestal = rng.normal(0, _SKY_ERROR, (n, 5)) + 0.02 * crowding
    half = (place[0] > 0).astype(int)
    noise = np.take_along_axis(conditions.noise, half[..., None], -1)[..., 0]
    # Sky levels are no whole numbers of counts, and change over the frame.
    level = conditions.sky * (1 + rng.uniform(-SKY_SPREAD, SKY_SPREAD, (n, 5)))
    images += (pedestal * conditions.sky_sigma)[..., None, None].astype(np.float32)
    sky, per_count, gain, dark = (
        v[..., None, None].astype(np.float32)
        for v in (level, conditions.per_count, conditions.gain / noise**2, conditions.dark * noise**2)
    )
    counts = add_noise(rng, images, sky, per_count, gain, dark)
    _spoil(rng, counts, conditions.sky)
    counts -= sky
    counts *= per_count

    stamps.images[:] = np.where(present[..., None, None], counts, 0)
    stamps.masks[:] = np.where(present, 0, MASK_MISSING)[..., None, None]
    stamps.offsets[:] = offsets
    stamps.flux_per_electron[:] = np.where(present, conditions.per_count / conditions.gain, np.nan)
    stamps.epoch[:] = 2005.0
    return crowding, measured_width(rng, conditions.variation, *place)


def _replace_galaxies(images, flux, morphology, psf, shape, axis, true):
    """Draw those sources that have a size as galaxies; images (n, 5, S, S) are changed in place."""
    rows = np.flatnonzero(morphology["half_light_radius"] > 0)
    if rows.size == 0:
        return
    radius, index = morphology["half_light_radius"][rows] / _PIXEL, np.maximum(morphology["sersic_index"][rows], 1.0)
    ratio = np.clip(morphology["axis_ratio"][rows], 0.1, 1.0)
    angle = np.radians(90 + morphology["position_angle"][rows])  # north is up
    for k in range(images.shape[1]):
        dx, dy = axis - true[rows, k, 0, None], axis - true[rows, k, 1, None]
        light = galaxy_images(psf[rows, k], shape[rows, k], radius, ratio, angle, index, dx, dy)
        images[rows, k] = light * flux[rows, k].astype(np.float32)[:, None, None]


def _add_neighbors(images, psf, shape, star, x, y, flux):
    """Add M sources to the stamps (N, S, S) of one band, faint ones on a small window only.

    ``star`` (M,) is the number of the stamp, x and y (M,) are pixels from its middle.
    """
    size = images.shape[-1]
    middle = (size - 1) / 2
    axis = np.arange(size) - middle
    lower = 0.0
    for limit, half in _WINDOWS:
        rows = np.flatnonzero((flux > lower) & (flux <= limit))
        lower = limit
        column, row = (np.round(v[rows] + middle).astype(int) for v in (x, y))
        near = (np.abs(column - middle) < middle + half) & (np.abs(row - middle) < middle + half)
        rows, column, row = rows[near], column[near], row[near]
        if rows.size == 0:
            continue
        steps = np.arange(-half, half + 1)
        dx, dy = column[:, None] + steps - middle - x[rows, None], row[:, None] + steps - middle - y[rows, None]
        light = star_images(psf[rows], shape[rows], dx, dy, flux=flux[rows])
        left, bottom = column - half, row - half
        x0, x1 = np.maximum(left, 0), np.minimum(column + half + 1, size)
        y0, y1 = np.maximum(bottom, 0), np.minimum(row + half + 1, size)
        windows = zip(star[rows], x0, x1, y0, y1, left, bottom, light, strict=True)
        for stamp, a, b, c, d, first, under, part in windows:
            images[stamp, c:d, a:b] += part[c - under : d - under, a - first : b - first]
    rows = np.flatnonzero(flux > lower)
    if rows.size:
        light = star_images(psf[rows], shape[rows], axis - x[rows, None], axis - y[rows, None], flux=flux[rows])
        for stamp, part in zip(star[rows], light, strict=True):
            images[stamp] += part


def _spoil(rng, counts, sky):
    """Saturation, bad columns and cosmic rays on stamps (n, 5, S, S) of whole counts, in place."""
    size = counts.shape[-1]
    peaks = counts.max((2, 3))
    for row, k in np.argwhere(peaks > FULL_WELL):
        saturate(rng, counts[row, k], FULL_WELL[k], sky[row, k])
        np.round(counts[row, k], out=counts[row, k])
    for row, k, column in np.argwhere(rng.random((*counts.shape[:2], size - 2)) < BAD_COLUMNS):
        interpolate_columns(counts[row, k], [column + 1])
    for row, k in np.argwhere(rng.random(counts.shape[:2]) < COSMIC_RAYS * size**2):
        add_cosmic_rays(rng, counts[row, k], rate=1 / size**2)


def _mask_saturated(stamps, conditions):
    """Mark saturated stars just as stamps that are cut from frames have them marked."""
    for k in range(5):
        # What has less than 1000 counts in its brightest pixel is no crater either.
        bright = stamps.images[:, k].max((1, 2)) > 1000 * conditions.per_count[:, k]
        rows = np.flatnonzero(bright & np.isfinite(stamps.sky_sigma[:, k]))
        if rows.size:
            band = slice(k, k + 1)
            masks = stamps.masks[rows, band]
            _mask_saturation(
                stamps.images[rows, band], masks, stamps.offsets[rows, band],
                conditions.per_count[rows, band], conditions.sky[rows, band], stamps.psf[rows, band],
            )  # fmt: skip
            stamps.masks[rows, band] = masks
