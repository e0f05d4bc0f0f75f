# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Our fluxes and centers of real stars against those of SDSS's own pipeline."""

import numpy as np
import pytest
from astropy import units as u

BANDS = "ugriz"
SATURATED = 1 << 18  # SDSS OBJECT1 flag
_AXIS = np.arange(64) - 31.5


def lonely_stars(sparse, band, faintest):
    """Rows of stars above a flux in nanomaggies, none beside them within 8 arcsec, not saturated in this band."""
    k = BANDS.index(band)
    _, other, _ = sparse.coords.match_to_catalog_sky(sparse.coords, nthneighbor=2)
    good = (other > 8 * u.arcsec) & ((sparse.catalog["FLAGS"][:, k] & SATURATED) == 0) & sparse.photometry.used[:, k]
    return k, np.flatnonzero(good & (sparse.catalog["PSFFLUX"][:, k] > faintest))


@pytest.mark.parametrize("band", BANDS)
def test_fluxes(sparse, band):
    k, chosen = lonely_stars(sparse, band, 10)
    assert len(chosen) >= 12
    ratio = np.median(sparse.photometry.flux[chosen, k] / sparse.catalog["PSFFLUX"][chosen, k])
    assert abs(ratio - 1) < 0.03, f"{ratio:.3f} of {len(chosen)} stars"


@pytest.mark.parametrize("band", BANDS)
def test_centers(sparse, band):
    """Each band is centered by its own WCS: the light's own center, in a window of the star's width."""
    k, chosen = lonely_stars(sparse, band, 20)
    assert len(chosen) >= 8
    images = sparse.stamps.images[chosen, k] - sparse.photometry.background[chosen, k, None, None]
    shifts = np.zeros((len(chosen), 2))
    for _ in range(10):  # the window follows the light
        dx = (_AXIS - (sparse.stamps.offsets[chosen, k, 0] + shifts[:, 0])[:, None])[:, None, :]
        dy = (_AXIS - (sparse.stamps.offsets[chosen, k, 1] + shifts[:, 1])[:, None])[:, :, None]
        light = np.exp(-(dx**2 + dy**2) / (2 * 1.5**2)) * images
        shifts += np.stack([(light * d).sum((1, 2)) for d in (dx, dy)], axis=1) / light.sum((1, 2))[:, None]
    assert (np.abs(np.median(shifts, axis=0)) < 0.2).all(), np.median(shifts, axis=0)
    assert np.median(np.hypot(*shifts.T)) < 0.2, np.median(np.hypot(*shifts.T))
