# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The Milky Way's stars: where they are, how metal-rich, and how they move on the sky."""

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import CartesianDifferential, CartesianRepresentation, Galactic, SkyCoord
from hypothesis import given, settings
from hypothesis import strategies as st

from stellarclass.simulate import galaxy


def test_densities_are_those_of_the_neighborhood():
    here = [galaxy.density(k, galaxy.SUN_RADIUS_KPC, galaxy.SUN_HEIGHT_KPC) for k in range(3)]
    np.testing.assert_allclose(here, [1, 0.12, 0.0051], rtol=0.01)
    # One scale height up the thin disk has 1/e left; young stars have less.
    up = galaxy.SUN_HEIGHT_KPC + 0.3
    assert galaxy.density(0, 8.0, up) == pytest.approx(np.exp(-1), rel=0.01)
    assert galaxy.density(0, 8.0, up, g_i=np.array(-0.4)) < 0.1


@pytest.mark.parametrize("population", [0, 1, 2])
def test_no_density_diverges(population):
    radius, height = np.meshgrid(np.linspace(0, 300, 50), np.linspace(-300, 300, 51))
    density = galaxy.density(population, radius, height)
    assert np.isfinite(density).all() and (density >= 0).all() and density.max() < 40


def test_metals_thin_out_upward():
    fe_h = galaxy.metallicity(np.random.default_rng(1), 20_000)
    zero = np.zeros(20_000)
    plane, high, halo = fe_h(0, zero), fe_h(1, zero + 3), fe_h(2, zero)
    # Ivezic et al. (2008): -0.27 in the plane and the halo's -1.46; -0.76 far up.
    for values, mean, sigma in ((plane, -0.285, 0.21), (high, -0.775, 0.21), (halo, -1.46, 0.30)):
        assert values.mean() == pytest.approx(mean, abs=0.01)
        assert values.std() == pytest.approx(sigma, abs=0.01)


@settings(max_examples=25)
@given(st.floats(0, 360), st.floats(-89.9, 89.9), st.floats(0.01, 50), st.integers(0, 2**31))
def test_proper_motions_are_projections(longitude, latitude, distance, seed):
    """The same as astropy's frames make of the same velocity."""
    velocity = np.random.default_rng(seed).normal(0, 100, 3)
    place = SkyCoord(longitude * u.deg, latitude * u.deg, distance * u.kpc, frame="galactic").cartesian
    motion = CartesianDifferential(*velocity * u.km / u.s)
    star = SkyCoord(Galactic(CartesianRepresentation(place.xyz, differentials=motion))).icrs
    angles = np.radians([longitude]), np.radians([latitude])
    pmra, pmdec = galaxy.proper_motion(velocity[:, None], *angles, np.array([distance]))[:, 0]
    scale = np.linalg.norm(velocity) / (4.74 * distance)
    assert pmra == pytest.approx(star.pm_ra_cosdec.to_value(u.mas / u.yr), abs=1e-5 * scale)
    assert pmdec == pytest.approx(star.pm_dec.to_value(u.mas / u.yr), abs=1e-5 * scale)


def test_neighbors_lag_and_the_halo_stands_still():
    n = 50_000
    rng = np.random.default_rng(2)
    x, y, z = np.full(n, 8.0), np.zeros(n), np.full(n, 0.025)
    disk = galaxy.velocity(rng, np.zeros(n, int), x, y, z)
    # The Sun runs ahead of its neighbors by 20 km/s (Bond et al. 2010) and out of the plane by 7 (Schonrich et al.).
    np.testing.assert_allclose(disk.mean(1), [-11, -20, -7], atol=1)
    np.testing.assert_allclose(disk.std(1), [35, 25, 25], atol=1)
    halo = galaxy.velocity(rng, np.full(n, 2), x, y, z)
    np.testing.assert_allclose(halo.mean(1), [-11, -225, -7], atol=2)
    np.testing.assert_allclose(halo.std(1), [141, 85, 75], atol=2)


def test_rotation_turns_with_the_place():
    """A quarter around the center, rotation points away from the Sun's galactic y."""
    n = 20_000
    x, y, z = np.zeros(n), np.full(n, 8.0), np.zeros(n)
    mean = galaxy.velocity(np.random.default_rng(3), np.zeros(n, int), x, y, z).mean(1)
    np.testing.assert_allclose(mean, [205 - 11, -225, -7], atol=1)
