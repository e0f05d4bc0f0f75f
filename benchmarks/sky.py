# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Stars of the simulated sky as SDSS and Gaia would deliver them."""

import numpy as np
from astropy import units as u

from stellarclass.simulate import draw_conditions, render_stars
from stellarclass.stamps.photometry import asinh_magnitude
from stellarclass.stamps.psf import TYPICAL_PSF, profile

_PIXEL_ARCSEC = 0.396


def stamps_of(stars, *, seed, neighbor_density=None):
    """Stamps of stars with true, logarithmic magnitudes, under conditions and calibration errors of their own."""
    rng = np.random.default_rng(seed)
    magnitudes = np.stack([stars[b].to_value(u.mag) for b in "ugriz"], axis=1)
    catalog = asinh_magnitude(10 ** (0.4 * (22.5 - magnitudes)))  # what render_stars takes
    seen = stars.copy(copy_data=False)
    for k, band in enumerate("ugriz"):
        seen[band] = catalog[:, k] * u.mag
    conditions = draw_conditions(len(stars), seed=rng, calibration_errors=True)
    return render_stars(seen, seed=rng, conditions=conditions, neighbor_density=neighbor_density)


def add_neighbors(stamps, neighbors, *, arcsec, seed):
    """Add a second star to each stamp, of the magnitudes of the same row, so far off in a direction of its own."""
    rng = np.random.default_rng(seed)
    n = len(stamps)
    angle = rng.uniform(0, 2 * np.pi, n)
    shift = (np.broadcast_to(arcsec, n) / _PIXEL_ARCSEC)[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    axis = np.arange(stamps.images.shape[-1]) - (stamps.images.shape[-1] - 1) / 2
    for k, band in enumerate("ugriz"):
        x, y = (axis - (stamps.offsets[:, k, i] + shift[:, i])[:, None] for i in (0, 1))
        r2 = x[:, None, :] ** 2 + y[:, :, None] ** 2
        magnitude = neighbors[band]
        magnitude = magnitude.to_value(u.mag) if hasattr(magnitude, "to_value") else np.asarray(magnitude, float)
        psf = np.where(np.isfinite(stamps.psf[:, k]), stamps.psf[:, k], TYPICAL_PSF[k])
        light = 10 ** (0.4 * (22.5 - magnitude))[:, None, None] * profile(psf, r2)
        noise = np.sqrt(light * stamps.flux_per_electron[:, k, None, None]) * rng.standard_normal(light.shape)
        stamps.images[:, k] += np.where(stamps.masks[:, k] == 0, light + noise, 0).astype(np.float32)
