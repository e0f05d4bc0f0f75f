# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Stars of the simulated sky as SDSS and Gaia would deliver them."""

import numpy as np
from astropy import units as u

from stellarclass.simulate import draw_conditions, render_stars
from stellarclass.stamps.photometry import asinh_magnitude


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
