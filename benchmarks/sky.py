# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Stars of the simulated sky as SDSS and Gaia would deliver them."""

import numpy as np
from astropy import units as u

from stellarclass.simulate import blends, draw_conditions, render_stars
from stellarclass.stamps.photometry import asinh_magnitude


def stamps_of(stars, *, seed, neighbor_density=None):
    """Stamps of stars with true, logarithmic magnitudes, under conditions and calibration errors of their own."""
    rng = np.random.default_rng(seed)
    catalog = asinh_magnitude(10 ** (0.4 * (22.5 - _magnitudes(stars))))  # what render_stars takes
    seen = stars.copy(copy_data=False)
    for k, band in enumerate("ugriz"):
        seen[band] = catalog[:, k] * u.mag
    conditions = draw_conditions(len(stars), seed=rng, calibration_errors=True)
    return render_stars(seen, seed=rng, conditions=conditions, neighbor_density=neighbor_density)


def add_neighbors(stamps, neighbors, *, arcsec, seed):
    """Add a second star to each stamp, of the magnitudes of the same row of a table, so far off."""
    blends.add_neighbors(stamps, _magnitudes(neighbors), arcsec=arcsec, seed=seed)


def _magnitudes(table):
    columns = [table[b] for b in "ugriz"]
    return np.stack([c.to_value(u.mag) if hasattr(c, "to_value") else np.asarray(c, float) for c in columns], axis=1)
