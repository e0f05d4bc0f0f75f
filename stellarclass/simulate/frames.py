# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Whole frames: sources through a PSF that changes over the chip, sky, noise of both amplifiers, defects."""

import numpy as np

from ..archives.base import BANDS, Frame
from .defects import BAD_COLUMNS, FULL_WELL, add_cosmic_rays, interpolate_columns, saturate
from .galaxies import galaxy_images
from .optics import add_noise
from .pointspread import flux_scale, local_psf, star_images

__all__ = ["FRAME_SHAPE", "draw_frame"]

FRAME_SHAPE = (1489, 2048)
"""Rows and columns of an SDSS frame."""

# Half the side in pixels of the window in which a source of at most so many times the noise of a sky pixel is drawn:
# beyond it even the wings are below a hundredth of the noise.
_WINDOWS = ((60.0, 10), (400.0, 18), (5e3, 32), (1e5, 60), (1e6, 120), (np.inf, 250))
_BLOCK_PIXELS = 2_000_000


def draw_frame(rng, band, wcs, epoch, x, y, flux, conditions, *, morphology=None, background=0.0):
    """Draw one band of a field.

    Parameters
    ----------
    rng : `numpy.random.Generator`
    band : str
        One of u g r i z.
    wcs : `~astropy.wcs.WCS`
    epoch : float
        Julian year.
    x, y : ndarray, shape (M,)
        Pixels of the sources, from 0; those beyond the edge still shine into the frame.
    flux : ndarray, shape (M,)
        In nanomaggies.
    conditions : Conditions
        Of this field, one row without its first axis (``conditions[0]``).
    morphology : ndarray, shape (M, 4), optional
        Half-light radius in pixels (0 for stars), axis ratio, angle of the major axis in radians from the columns
        toward the rows, Sersic index; by default all are stars.
    background : float or ndarray, shape ``FRAME_SHAPE``, optional
        Light that the sky model has not taken away, in nanomaggies per pixel.

    Returns
    -------
    `~stellarclass.archives.base.Frame`
    """
    k = BANDS.index(band)
    per_count, level = float(conditions.per_count[k]), float(conditions.sky[k])
    throughput = flux_scale(conditions.psf[k], conditions.shape[k]) * 10 ** (-0.4 * conditions.zero_point[k])
    light = np.asarray(flux, float) * throughput
    image = _draw_sources(k, x, y, light, conditions, morphology)
    image += np.asarray(background, np.float32)
    ny, nx = FRAME_SHAPE
    # The flat field makes the calibration vary by a per cent along a row, the sky by a fraction of one along the scan.
    vector = (per_count * (1 + 0.004 * np.sin(np.linspace(0, 3, nx) + rng.uniform(0, 6)))).astype(np.float32)
    slope = 1 + 0.002 * rng.normal() * np.linspace(-1, 1, ny, dtype=np.float32)[:, None]
    sky = np.float32(level) * slope
    noise = np.repeat(conditions.noise[k], nx // 2).astype(np.float32)
    gain, dark = np.float32(conditions.gain[k]) / noise**2, np.float32(conditions.dark[k]) * noise**2
    counts = add_noise(rng, image, sky, vector[None, :], gain, dark)
    saturate(rng, counts, FULL_WELL[k], level)
    interpolate_columns(counts, 1 + np.flatnonzero(rng.random(nx - 2) < BAD_COLUMNS))
    add_cosmic_rays(rng, counts)
    np.round(counts, out=counts)
    counts -= sky
    counts *= vector
    # SDSS's sky model is as coarse as this, and spans the frame.
    rows = np.linspace(0, ny - 1, 192).round().astype(int)
    model = np.broadcast_to(sky[rows], (192, 256)).astype(np.float32)
    return Frame(band, counts, wcs, epoch, vector, model)


def _draw_sources(k, x, y, flux, conditions, morphology):
    """Expected light of all sources, shape ``FRAME_SHAPE``, in nanomaggies."""
    ny, nx = FRAME_SHAPE
    image = np.zeros((ny, nx), np.float32)
    x, y = np.asarray(x, float), np.asarray(y, float)
    at_x, at_y = x / (nx - 1) * 2 - 1, y / (ny - 1) * 2 - 1
    # Beyond the edge the PSF is that of the edge: polynomials are not to be trusted outside.
    psf, shape = local_psf(
        conditions.psf[k], conditions.shape[k], conditions.variation[k], at_x.clip(-1, 1), at_y.clip(-1, 1)
    )
    peak = flux / conditions.sky_sigma[k]
    lower = 0.0
    for limit, half in _WINDOWS:
        column, row = np.round(x).astype(int), np.round(y).astype(int)
        near = (column > -half) & (column < nx + half) & (row > -half) & (row < ny + half)
        # Sources with a size reach further.
        size = 1.0 if morphology is None else np.where(morphology[:, 0] > 3, 100.0, 1.0)
        rows = np.flatnonzero(near & (peak * size > lower) & (peak * size <= limit))
        lower = limit
        step = max(1, _BLOCK_PIXELS // (2 * half + 1) ** 2)
        steps = np.arange(-half, half + 1)
        for start in range(0, rows.size, step):
            chosen = rows[start : start + step]
            cx, cy = column[chosen], row[chosen]
            dx, dy = cx[:, None] + steps - x[chosen, None], cy[:, None] + steps - y[chosen, None]
            light = star_images(psf[chosen], shape[chosen], dx, dy)
            if morphology is not None:
                wide = np.flatnonzero(morphology[chosen, 0] > 0)
                if wide.size:
                    radius, ratio, angle, index = morphology[chosen[wide]].T
                    light[wide] = galaxy_images(
                        psf[chosen[wide]], shape[chosen[wide]], radius, ratio, angle, index, dx[wide], dy[wide]
                    )
            light *= flux[chosen].astype(np.float32)[:, None, None]
            for a, b, part in zip(cx - half, cy - half, light, strict=True):
                x0, x1, y0, y1 = max(a, 0), min(a + 2 * half + 1, nx), max(b, 0), min(b + 2 * half + 1, ny)
                image[y0:y1, x0:x1] += part[y0 - b : y1 - b, x0 - a : x1 - a]
    return image
