# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Zero points of Gaia's parallaxes against the code of the recipe's authors, and against what they say of quasars."""

import numpy as np
import pytest
from astropy.coordinates import SkyCoord

from stellarclass.zeropoint import (
    GLOBAL_ZERO_POINT,
    ecliptic_latitude,
    effective_wavenumber,
    five_parameter_zero_point,
    six_parameter_zero_point,
)

FIVE, SIX = 31, 95
ROUNDING = 5.001e-7
"""Of the authors' code, in mas: it gives whole nanoarcseconds."""


@pytest.fixture(scope="module")
def zpt():
    """The authors' own code (gaiadr3-zeropoint), with its tables."""
    zpt = pytest.importorskip("zero_point", reason="gaiadr3-zeropoint is not installed").zpt
    zpt.load_tables()
    return zpt


@pytest.mark.parametrize(
    ("function", "solved", "colors"),
    [(five_parameter_zero_point, FIVE, (1.1, 1.9)), (six_parameter_zero_point, SIX, (1.24, 1.72))],
)
def test_the_authors_code_says_the_same(zpt, function, solved, colors):
    rng = np.random.default_rng(1)
    knots = [6.0, 10.8, 11.2, 11.8, 12.2, 12.9, 13.1, 15.9, 16.1, 17.5, 19.0, 20.0, 21.0]
    g_mag = np.r_[rng.uniform(6, 21, 3000), np.repeat(knots[1:-1], 20)]
    color, latitude = rng.uniform(*colors, len(g_mag)), rng.uniform(-90, 90, len(g_mag))
    expected = zpt.get_zpt(g_mag, color, color, latitude, np.full(len(g_mag), solved), _warnings=False)
    np.testing.assert_allclose(function(g_mag, color, np.radians(latitude)), expected, rtol=0, atol=ROUNDING)


@pytest.mark.filterwarnings("ignore:.*outside the expected range")
def test_beyond_its_ends_the_recipe_is_held(zpt):
    """As the authors' code does, but for five-parameter colors: those it extrapolates, with a warning."""
    g_mag, latitude = np.array([3.0, 5.9, 21.0, 21.5]), np.array([10.0, -20, 30, 40])
    color, pseudocolor = np.full(4, 1.5), np.array([1.0, 1.23, 1.73, 2.5])
    expected = zpt.get_zpt(g_mag, color, color, latitude, np.full(4, FIVE))
    np.testing.assert_allclose(five_parameter_zero_point(g_mag, 1.5, np.radians(latitude)), expected, atol=ROUNDING)
    expected = zpt.get_zpt(g_mag, color, pseudocolor, latitude, np.full(4, SIX))
    found = six_parameter_zero_point(g_mag, pseudocolor, np.radians(latitude))
    np.testing.assert_allclose(found, expected, rtol=0, atol=ROUNDING)
    for wavenumber, end in ((0.5, 1.1), (2.5, 1.9)):
        held, at_the_end = (five_parameter_zero_point(15.0, w, 0.3) for w in (wavenumber, end))
        assert held == at_the_end


def test_values_of_the_authors_code():
    """gaiadr3_zeropoint 0.1.0 with the wavenumber of the color, for where it is not installed."""
    g_mag, bp_rp = np.array([14, 16.5, 18.2, 19.5, 12.5]), np.array([0.3, 0.9, 1.4, 2.2, 3.5])
    latitude = np.radians([30.0, -50.0, 10.0, 0.0, 60.0])
    expected = [-0.035108, -0.031847, -0.023117, -0.013205, -0.01364]
    found = five_parameter_zero_point(g_mag, effective_wavenumber(bp_rp), latitude)
    np.testing.assert_allclose(found, expected, atol=2e-6)


def test_the_zero_point_of_quasars():
    """-17 microarcsec is their median (Lindegren et al. 2021b, Sect. 4): G about 19.5, blue, whole sky."""
    latitude = np.arcsin(np.linspace(-1, 1, 101))
    quasars = five_parameter_zero_point(np.full(101, 19.3), effective_wavenumber(0.6), latitude)
    assert quasars.mean() == pytest.approx(GLOBAL_ZERO_POINT, abs=0.003)


def test_what_is_not_known_is_not_made_up():
    assert np.isnan(five_parameter_zero_point([np.nan, 15.0, 15.0], [1.5, np.nan, 1.5], [0.0, 0.0, np.nan])).all()
    assert np.isnan(six_parameter_zero_point([np.nan, 15.0, 15.0], [1.5, np.nan, 1.5], [0.0, 0.0, np.nan])).all()
    assert np.isnan(effective_wavenumber(np.nan))


def test_bluer_is_more_waves():
    wavenumber = effective_wavenumber(np.linspace(-0.5, 5, 200))
    assert (np.diff(wavenumber) < 0).all()
    assert 1.1 < wavenumber[-1] < wavenumber[0] < 2.0


def test_the_ecliptic_is_that_of_astropy():
    rng = np.random.default_rng(2)
    ra, dec = rng.uniform(0, 360, 200), np.degrees(np.arcsin(rng.uniform(-1, 1, 200)))
    expected = SkyCoord(ra, dec, unit="deg").barycentricmeanecliptic.lat.arcsec
    np.testing.assert_allclose(np.degrees(ecliptic_latitude(ra, dec)) * 3600, expected, rtol=0, atol=0.1)
    assert np.isfinite(ecliptic_latitude([90.0, 270.0], [-66.56071, 66.56071])).all()  # the poles
