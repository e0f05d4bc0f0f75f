# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""From frames to stamps: pixels cut around each star, band by band, with their noise, PSF and defects."""

import numpy as np

from .. import flags
from ..archives.base import BANDS
from .base import MASK_NAN, MASK_OFF_FRAME, MASK_SATURATED, STAMP_SIZE, Stamps
from .detector import gain
from .psf import TYPICAL_PSF, encircled, measure_psf
from .psf_trend import measure_trend, width_terms

__all__ = ["cut_field", "field_psf", "field_psf_trend", "sky_sigma"]

_CENTER = (STAMP_SIZE - 1) / 2
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


def _cut(data, x, y):
    """Windows of 64 x 64 pixels around (x, y), the mask of what is missing, and the sub-pixel offsets."""
    corner_x = np.round(x - _CENTER).astype(np.int64)
    corner_y = np.round(y - _CENTER).astype(np.int64)
    steps = np.arange(STAMP_SIZE)
    columns, rows = corner_x[:, None] + steps, corner_y[:, None] + steps  # (N, 64)
    ny, nx = data.shape
    inside = ((rows >= 0) & (rows < ny))[:, :, None] & ((columns >= 0) & (columns < nx))[:, None, :]
    images = data[rows.clip(0, ny - 1)[:, :, None], columns.clip(0, nx - 1)[:, None, :]]
    masks = np.where(inside, 0, MASK_OFF_FRAME).astype(np.uint8)
    masks[inside & ~np.isfinite(images)] |= MASK_NAN
    images = np.where(masks == 0, images, 0).astype(np.float32)
    offsets = np.stack([x - corner_x - _CENTER, y - corner_y - _CENTER], axis=-1).astype(np.float32)
    return images, masks, offsets


def _mask_saturation(images, masks, offsets, per_count, sky, psf):
    """Set MASK_SATURATED around stars whose core was cut off.

    SDSS's frames interpolate over saturated pixels, which leaves a crater: such a star is *fainter* and its peak lower
    than it should be. So the peak is predicted from the star's flank (3 to 6 pixels) and compared with the core.
    """
    middle = slice(STAMP_SIZE // 2 - 9, STAMP_SIZE // 2 + 9)  # all within 6.5 pixels of the star
    axis = np.arange(STAMP_SIZE)[middle] - _CENTER
    radius = np.hypot(axis - offsets[:, 0, None, None], axis[:, None] - offsets[:, 1, None, None]).astype(np.float32)
    core, flank = np.clip(3.0 - radius, 0, 1), np.clip(6.5 - radius, 0, 1) - np.clip(3.5 - radius, 0, 1)
    near = images[:, middle, middle]
    core_flux, flank_flux = (near * core).sum((1, 2)), (near * flank).sum((1, 2))
    fraction = {r: encircled(psf, r) for r in (2.5, 3.0, 6.0)}
    total = flank_flux / (fraction[6.0] - fraction[3.0])
    inner = encircled(psf, 0.6) / (np.pi * 0.36)  # mean brightness near the peak of a unit star
    predicted_peak = total * inner / per_count + sky
    peak = np.where(core > 0, near, 0).max((1, 2)) / per_count + sky
    saturated = (peak > FULL_WELL) | ((predicted_peak > LINEAR) & (core_flux < 0.85 * total * fraction[2.5]))
    masks[:, middle, middle][saturated[:, None, None] & (radius < 5)] |= MASK_SATURATED
    # Neighbors that blew up: single pixels beyond any chip's range.
    masks[images > ((FULL_WELL - sky) * per_count)[:, None, None]] |= MASK_SATURATED


def cut_field(field, ra, dec, *, psf=None, trend=None):
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
    measured = _fill_psfs(field_psf(field) if psf is None else np.asarray(psf, np.float32))
    if trend is None:
        trend = field_psf_trend(field) if psf is None else np.zeros((len(BANDS), 5))
    unknown = np.isnan(measured).any()
    stamps.flags[:] |= flags.UNKNOWN_PSF if unknown else 0
    for k, band in enumerate(BANDS):
        frame = field.frames.get(band)
        if frame is None or not known.any():
            continue
        # Slicing keeps the memory of a large field bounded: one band at a time.
        x, y = frame.wcs.wcs_world2pix(ra[known], dec[known], 0)
        inside = (x > -0.5) & (x < frame.data.shape[1] - 0.5) & (y > -0.5) & (y < frame.data.shape[0] - 0.5)
        rows = np.flatnonzero(known)[inside]
        if rows.size == 0:
            continue
        images, masks, offsets = _cut(frame.data, x[inside], y[inside])
        per_count = frame.nanomaggies_per_count
        column = np.round(x[inside]).astype(int).clip(0, len(per_count) - 1)
        sky = np.full(rows.size, float(np.mean(frame.sky)) if np.size(frame.sky) else 0.0)
        _mask_saturation(images, masks, offsets, per_count[column], sky, TYPICAL_PSF[k] if unknown else measured[k])
        stamps.images[rows, k], stamps.masks[rows, k], stamps.offsets[rows, k] = images, masks, offsets
        stamps.sky_sigma[rows, k] = sky_sigma(frame.data)
        stamps.flux_per_electron[rows, k] = per_count[column] / gain(field.key.run, field.key.camcol)[k]
        ny, nx = frame.data.shape
        width = np.exp(width_terms(x[inside] / (nx - 1) * 2 - 1, y[inside] / (ny - 1) * 2 - 1) @ trend[k])
        stamps.psf[rows, k] = measured[k]
        stamps.psf[rows[:, None], k, _LENGTHS] *= width[:, None].astype(np.float32)
        stamps.epoch[rows] = np.where(np.isnan(stamps.epoch[rows]), frame.epoch, stamps.epoch[rows])
        stamps.flags[rows] |= np.where((masks & MASK_OFF_FRAME).any((1, 2)), flags.OFF_FRAME, 0)
    if "r" in field.frames:
        stamps.epoch[known & np.isfinite(stamps.epoch)] = field.frames["r"].epoch
    if len(field.frames) < len(BANDS):
        stamps.flags[:] |= flags.MISSING_BAND
    without = np.isnan(stamps.sky_sigma).all(1)
    stamps.flags[without] |= flags.NO_IMAGE if field.frames or not field.errors else flags.IMAGE_FAILURE
    return stamps


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


def _bounds(frame):
    """Noise of a frame, and the brightest pixel value that is certainly linear."""
    sky = float(np.mean(frame.sky)) if np.size(frame.sky) else 0.0
    limit = (LINEAR - sky) * float(np.median(frame.nanomaggies_per_count))
    return {"sigma": max(sky_sigma(frame.data), 1e-6), "limit": limit}


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
