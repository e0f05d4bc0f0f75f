# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Simulated Gaia measurements: errors that grow with magnitude and scatter as they say they do."""

import numpy as np
import pytest
from astropy import units as u

from stellarclass.simulate import draw_stars, observe_astrometry
from stellarclass.simulate.gaia import FAINT_LIMIT


@pytest.fixture(scope="module")
def stars():
    return draw_stars(20_000, seed=1)


@pytest.fixture(scope="module")
def seen(stars):
    return observe_astrometry(stars, seed=2)


def test_a_seed_is_a_measurement(stars, seen):
    again, other = observe_astrometry(stars, seed=2), observe_astrometry(stars, seed=3)
    for name in seen.colnames:
        assert np.array_equal(seen[name].value, again[name].value, equal_nan=True)
        assert not np.array_equal(seen[name].value, other[name].value, equal_nan=True)


def test_columns_are_named_and_have_units_as_gaia_has_them(seen):
    for name in ("parallax", "parallax_error"):
        assert seen[name].unit == u.mas
    for name in ("pmra", "pmra_error", "pmdec", "pmdec_error"):
        assert seen[name].unit == u.mas / u.yr
    assert seen["phot_g_mean_mag"].unit == seen["bp_rp"].unit == u.mag


@pytest.mark.parametrize("name", ["parallax", "pmra", "pmdec"])
def test_errors_are_what_the_scatter_is_or_a_little_less(stars, seen, name):
    faint = np.isfinite(seen[name]) & (stars["g_mag"] > 18 * u.mag)  # brighter, the zero point takes part
    pull = ((seen[name] - stars[name]) / seen[name + "_error"])[faint].value
    assert abs(np.mean(pull)) < 4 / np.sqrt(len(pull))
    assert np.std(pull) == pytest.approx(1.053, abs=3 / np.sqrt(2 * len(pull)))


def test_errors_grow_as_gaia_s_do(stars, seen):
    # Lindegren et al. (2021, A&A 649, A2), Table 4: 0.02-0.03 mas at G < 15, 0.07 at 17, 0.5 at 20.
    for g_mag, expected in ((15, 0.025), (17, 0.068), (20, 0.46)):
        near = np.abs(stars["g_mag"].value - g_mag) < 0.15
        assert np.nanmedian(seen["parallax_error"][near].value) == pytest.approx(expected, rel=0.15)


def test_faint_stars_are_not_there_and_some_have_a_position_only(stars, seen):
    g_mag = stars["g_mag"].value
    for name in ("parallax", "pmra_error", "ruwe", "phot_g_mean_mag", "bp_rp"):
        assert np.isnan(seen[name].value[g_mag > FAINT_LIMIT]).all()
    two_parameters = np.isnan(seen["parallax"].value) & np.isfinite(seen["phot_g_mean_mag"].value)
    assert two_parameters[(g_mag > 20) & (g_mag < 20.7)].mean() > 0.08
    assert two_parameters[g_mag < 17].mean() < 0.03
    # A solution is whole or not there.
    for name in ("pmra", "pmdec", "parallax_error", "pmra_error", "pmdec_error", "ruwe"):
        assert np.array_equal(np.isnan(seen[name].value), np.isnan(seen["parallax"].value))
