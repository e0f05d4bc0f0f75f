# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""From frames to stamps: pixels cut around each star, band by band, with their noise, PSF and defects."""

import numpy as np

from .. import flags
from ..archives.base import BANDS
from .base import MASK_NAN, MASK_OFF_FRAME, MASK_SATURATED, STAMP_SIZE, Stamps
from .bright_stars import find_bright_stars
from .detector import gain
from .psf import TYPICAL_PSF, encircled, fit_psf, measure_psf
from .psf_trend import measure_trend, trend_of_stars, width_terms

__all__ = ["cut_field", "field_psf", "field_psf_trend", "field_shape", "sky_sigma"]

_CENTER = (STAMP_SIZE - 1) / 2
_BLOCK = 64  # stars cut at a time: their pixels in one band then stay in the processor's cache
_LENGTHS = np.array([0, 1, 5])  # those of a PSF's parameters that scale with its width

FULL_WELL = 60_000.0
"""Counts (sky included) above which no SDSS chip is linear."""
LINEAR = 30_000.0
"""Counts below which every SDSS chip is linear."""


def sky_sigma(data):
    """Standard deviation of blank sky in a frame.

    Parameters
    ----------
    data : ndarray, shape (ny, nx)
        Sky-subtracted frame; NaN allowed.

    Returns
    -------
    float
        From the pixels below the median, which stars hardly touch; 0 if the frame is empty.
    """
    sample = data[::7, ::7]
    sample = sample[np.isfinite(sample)]
    if sample.size == 0:
        return 0.0
    middle = np.median(sample)
    below = middle - sample[sample < middle]
    # The median itself is pulled up by faint stars; what matters is the width of the lower flank.
    return float(1.4826 * np.median(below)) if below.size else 0.0


def _cut(data, x, y, images, masks):
    """Fill windows of 64 x 64 pixels around (x, y), which are 0, and their masks; return the sub-pixel offsets."""
    ny, nx = data.shape
    corner_x = np.round(x - _CENTER).astype(np.int64)
    corner_y = np.round(y - _CENTER).astype(np.int64)
    # One copy a star, without an index for every pixel, which would cost ten times as much.
    for image, mask, a, b in zip(images, masks, corner_x.tolist(), corner_y.tolist(), strict=True):
        if 0 <= a <= nx - STAMP_SIZE and 0 <= b <= ny - STAMP_SIZE:
            image[:] = data[b : b + STAMP_SIZE, a : a + STAMP_SIZE]
            mask.fill(0)
        else:
            rows = slice(max(-b, 0), min(ny - b, STAMP_SIZE))
            columns = slice(max(-a, 0), min(nx - a, STAMP_SIZE))
            image[rows, columns] = data[rows.start + b : rows.stop + b, columns.start + a : columns.stop + a]
            mask.fill(MASK_OFF_FRAME)
            mask[rows, columns] = 0
    return np.stack([x - corner_x - _CENTER, y - corner_y - _CENTER], axis=-1)


def _mask_nan(images, masks):
    """Set MASK_NAN, and 0, where a frame has no finite value."""
    with np.errstate(invalid="ignore", over="ignore"):
        suspects = np.argwhere(~np.isfinite(images.sum((2, 3))))
    for star, band in suspects:
        bad = ~np.isfinite(images[star, band])
        masks[star, band][bad] |= MASK_NAN
        images[star, band][bad] = 0


def _mask_saturation(images, masks, offsets, per_count, sky, psf):
    """Set MASK_SATURATED around stars whose core was cut off.

    SDSS's frames interpolate over saturated pixels, which leaves a crater: such a star is *fainter* and its peak lower
    than it should be. So the peak is predicted from the star's flank (3 to 6 pixels) and compared with the core.
    """
    middle = slice(STAMP_SIZE // 2 - 9, STAMP_SIZE // 2 + 9)  # all within 6.5 pixels of the star
    axis = np.arange(STAMP_SIZE)[middle] - _CENTER
    dx, dy = axis - offsets[..., 0, None], axis - offsets[..., 1, None]
    radius = np.sqrt((dx**2)[..., None, :] + (dy**2)[..., :, None]).astype(np.float32)  # (N, 5, 18, 18)
    core, flank = np.clip(3.0 - radius, 0, 1), np.clip(6.5 - radius, 0, 1) - np.clip(3.5 - radius, 0, 1)
    near = images[:, :, middle, middle]
    core_flux, flank_flux = (near * core).sum((2, 3)), (near * flank).sum((2, 3))
    fraction = {r: encircled(psf, r) for r in (2.5, 3.0, 6.0)}
    total = flank_flux / (fraction[6.0] - fraction[3.0])
    inner = encircled(psf, 0.6) / (np.pi * 0.36)  # mean brightness near the peak of a unit star
    with np.errstate(invalid="ignore"):  # bands without a frame have no calibration
        predicted_peak = total * inner / per_count + sky
        peak = np.where(core > 0, near, 0).max((2, 3)) / per_count + sky
        saturated = (peak > FULL_WELL) | ((predicted_peak > LINEAR) & (core_flux < 0.85 * total * fraction[2.5]))
        masks[:, :, middle, middle][saturated[..., None, None] & (radius < 5)] |= MASK_SATURATED
        # Neighbors that blew up: single pixels beyond any chip's range.
        limit = (FULL_WELL - sky) * per_count
        blown = np.argwhere(images.max((2, 3)) > limit)
    for star, band in blown:
        masks[star, band][images[star, band] > limit[star, band]] |= MASK_SATURATED


def cut_field(field, ra, dec, *, psf=None, trend=None, sigma=None):
    """Cut stamps of stars out of the frames of their field.

    Parameters
    ----------
    field : `~stellarclass.archives.base.Field`
        Frames of one field.
    ra, dec : ndarray, shape (N,), float64
        ICRS positions in degrees **at the epoch of the field**; NaN gives an empty stamp.
    psf : ndarray, shape (5, 6), optional
        PSF of each band, as `field_psf` measures it on the frames' own stars (the default). A band that is NaN gets
        that of the nearest band, scaled; if all are, the stamps' PSF is NaN, too.
    trend : ndarray, shape (5, 5), optional
        How its width changes over the frames, as `field_psf_trend` measures it: the default, but with a ``psf`` of
        one's own the same all over the frame.
    sigma : ndarray, shape (5,), optional
        Standard deviation of blank sky of each band, as `sky_sigma` measures it (the default).

    Returns
    -------
    Stamps
        N stamps. Each band is centered by its own WCS. Flags found: ``missing_band``, ``image_failure`` (no band at
        all because of errors), ``no_image`` (no band at all), ``off_frame``, ``unknown_psf``.
    """
    n = len(ra)
    stamps = Stamps.empty(n)
    ra, dec = np.asarray(ra, float), np.asarray(dec, float)
    known = np.isfinite(ra) & np.isfinite(dec)
    if psf is None:
        found = field_shape(field)
        psf, trend = found["psf"], found["trend"] if trend is None else trend
        sigma = found["sigma"] if sigma is None else sigma
    trend = np.zeros((len(BANDS), 5)) if trend is None else trend
    measured = _fill_psfs(np.asarray(psf, np.float32))
    unknown = np.isnan(measured).any()
    gains = gain(field.key.run, field.key.camcol)
    stamps.flags[:] |= flags.UNKNOWN_PSF if unknown else 0
    per_count, sky = np.full((n, len(BANDS)), np.nan, np.float32), np.zeros(len(BANDS))
    for k, band in enumerate(BANDS):
        frame = field.frames.get(band)
        if frame is None or not known.any():
            continue
        ny, nx = frame.data.shape
        x, y = frame.wcs.wcs_world2pix(ra[known], dec[known], 0)
        inside = (x > -0.5) & (x < nx - 0.5) & (y > -0.5) & (y < ny - 0.5)
        rows = np.flatnonzero(known)[inside]
        if rows.size == 0:
            continue
        x, y = x[inside], y[inside]
        planes = ([plane[row] for row in rows] for plane in (stamps.images[:, k], stamps.masks[:, k]))
        stamps.offsets[rows, k] = _cut(frame.data, x, y, *planes)
        vector = frame.nanomaggies_per_count
        per_count[rows, k] = vector[np.round(x).astype(int).clip(0, len(vector) - 1)]
        sky[k] = np.mean(frame.sky) if np.size(frame.sky) else 0.0
        stamps.sky_sigma[rows, k] = sky_sigma(frame.data) if sigma is None else sigma[k]
        width = np.exp(width_terms(x / (nx - 1) * 2 - 1, y / (ny - 1) * 2 - 1) @ trend[k])
        stamps.psf[rows, k] = measured[k]
        stamps.psf[rows[:, None], k, _LENGTHS] *= width[:, None].astype(np.float32)
        stamps.epoch[rows] = np.where(np.isnan(stamps.epoch[rows]), frame.epoch, stamps.epoch[rows])
    stamps.flux_per_electron[:] = per_count / gains
    for start in range(0, n, _BLOCK):
        part = slice(start, start + _BLOCK)
        images, masks = stamps.images[part], stamps.masks[part]
        _mask_nan(images, masks)
        _mask_saturation(
            images, masks, stamps.offsets[part], per_count[part], sky, TYPICAL_PSF if unknown else measured
        )
        # What reaches beyond the frame does so in a corner.
        beyond = (masks[:, :, :: STAMP_SIZE - 1, :: STAMP_SIZE - 1] & MASK_OFF_FRAME).any((1, 2, 3))
        stamps.flags[part] |= np.where(beyond, flags.OFF_FRAME, 0)
    if "r" in field.frames:
        stamps.epoch[known & np.isfinite(stamps.epoch)] = field.frames["r"].epoch
    if len(field.frames) < len(BANDS):
        stamps.flags[:] |= flags.MISSING_BAND
    without = np.isnan(stamps.sky_sigma).all(1)
    stamps.flags[without] |= flags.NO_IMAGE if field.frames or not field.errors else flags.IMAGE_FAILURE
    return stamps


def field_shape(field):
    """All that `cut_field` wants to know of a field's frames, measured in one go.

    Measure it once for a field whose stars come in several batches: the frames' bright stars are then found and
    centered once, where `field_psf` and `field_psf_trend` each do it again.

    Parameters
    ----------
    field : `~stellarclass.archives.base.Field`
        Frames of one field.

    Returns
    -------
    dict of str to ndarray
        Keyword arguments of `cut_field`: ``psf`` (5, 6) and ``trend`` (5, 5), as `field_psf` and `field_psf_trend`
        give them, and ``sigma`` (5,), the standard deviation of blank sky; NaN where a frame is missing.
    """
    sigma = np.full(len(BANDS), np.nan)
    psf, trend = np.full((len(BANDS), 6), np.nan, np.float32), np.zeros((len(BANDS), 5))
    for k, band in enumerate(BANDS):
        if band in field.frames:
            frame = field.frames[band]
            sigma[k] = sky_sigma(frame.data)
            stars = find_bright_stars(frame.data, **_bounds(frame, sigma[k]))
            psf[k], trend[k] = fit_psf(stars), trend_of_stars(stars)
    return {"psf": psf, "trend": trend, "sigma": sigma}


def field_psf(field):
    """PSF of each band of a field, from the frames' own stars.

    Parameters
    ----------
    field : `~stellarclass.archives.base.Field`
        Frames of one field.

    Returns
    -------
    ndarray, shape (5, 6), float32
        Profile parameters (see `stellarclass.stamps.psf`); NaN where a frame is missing or has too few stars.
    """
    result = np.full((len(BANDS), 6), np.nan, np.float32)
    for k, band in enumerate(BANDS):
        if band in field.frames:
            result[k] = measure_psf(field.frames[band].data, **_bounds(field.frames[band]))
    return result


def field_psf_trend(field):
    """How the width of each band's PSF changes over the field, from the frames' own stars.

    Parameters
    ----------
    field : `~stellarclass.archives.base.Field`
        Frames of one field.

    Returns
    -------
    ndarray, shape (5, 5)
        For each band the coefficients of `stellarclass.stamps.psf_trend.width_terms`; 0 where a frame is missing or has
        too few stars.
    """
    result = np.zeros((len(BANDS), 5))
    for k, band in enumerate(BANDS):
        if band in field.frames:
            result[k] = measure_trend(field.frames[band].data, **_bounds(field.frames[band]))
    return result


def _bounds(frame, sigma=None):
    """Noise of a frame, and the brightest pixel value that is certainly linear."""
    sigma = sky_sigma(frame.data) if sigma is None else sigma
    sky = float(np.mean(frame.sky)) if np.size(frame.sky) else 0.0
    limit = (LINEAR - sky) * float(np.median(frame.nanomaggies_per_count))
    return {"sigma": max(sigma, 1e-6), "limit": limit}


def _fill_psfs(psf):
    """Unmeasured bands follow the nearest measured one, scaled as typical seeing scales; all are NaN if none is."""
    known = np.flatnonzero(np.isfinite(psf).all(1))
    if known.size == 0:
        return np.full_like(psf, np.nan)
    filled = psf.copy()
    for k in np.flatnonzero(~np.isfinite(psf).all(1)):
        nearest = known[np.argmin(np.abs(known - k))]
        filled[k] = psf[nearest]
        filled[k, [0, 1, 5]] *= TYPICAL_PSF[k, 0] / TYPICAL_PSF[nearest, 0]
    return filled
