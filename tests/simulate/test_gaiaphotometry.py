# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Gaia's photometry and FLAME's radii, as simulated, against what Gaia DR3 says of them."""

import numpy as np
import pytest

from stellarclass.simulate.gaiaphotometry import observe_color, observe_g, observe_radius


def colors(g_mag, bp_rp, n=4000):
    return observe_color(np.random.default_rng(1), np.full(n, g_mag), np.full(n, bp_rp))


def test_errors_of_the_magnitudes():
    # Gaia DR3's contents page: BP 12 and 108 mmag, RP 6 and 52 mmag at G = 17 and 20 (a star of the usual color).
    for g_mag, bp, rp in ((17.0, 0.012, 0.006), (20.0, 0.108, 0.052)):
        assert np.std(colors(g_mag, 0.9)) == pytest.approx(np.hypot(bp, rp), rel=0.25)
    g = observe_g(np.random.default_rng(1), np.full(4000, 20.0))
    assert np.std(g) == pytest.approx(np.hypot(0.006, 0.002), rel=0.05)


def test_bright_colors_are_right_and_faint_red_ones_too_blue():
    for bp_rp in (-0.3, 0.8, 2.5):
        assert np.median(colors(15.0, bp_rp)) == pytest.approx(bp_rp, abs=0.005)
    assert np.median(colors(20.0, 0.6)) == pytest.approx(0.6, abs=0.03)
    # BP levels off near 21 (Riello et al. 2021, Sect. 8.1 and Fig. 23).
    assert np.median(colors(20.3, 3.0)) < 2.5
    bias = [3.0 - np.median(colors(g, 3.0)) for g in (17.0, 18.5, 19.5, 20.5)]
    assert (np.diff(bias) > 0).all()


def radii(n=20_000, seed=1, **columns):
    given = {
        "radius": 1.0,
        "teff": 5772.0,
        "g_mag": 16.0,
        "parallax": 1.0,
        "parallax_error": 0.01,
        "true_parallax": 1.0,
    } | columns
    return observe_radius(np.random.default_rng(seed), **{k: np.full(n, float(v)) for k, v in given.items()})


def test_radii_are_good_to_some_per_cent():
    radius = radii()
    assert np.nanmedian(radius) == pytest.approx(1.01, abs=0.002)
    assert np.nanstd(radius) == pytest.approx(0.042, abs=0.003)
    assert np.nanstd(radii(parallax_error=0.5)) == pytest.approx(np.hypot(0.042, 0.05), abs=0.004)  # a prior's distance
    assert np.nanmedian(radii(parallax=1.05)) == pytest.approx(1.01 / 1.05, abs=0.002)
    np.testing.assert_allclose(radii(radius=8.0), 8 * radius)


def test_where_there_is_no_radius():
    assert np.isnan(radii()).mean() == pytest.approx(0.10, abs=0.01)
    for missing in (
        {"g_mag": 18.3},
        {"parallax": np.nan},
        {"parallax": -1.0},
        {"parallax_error": 3.0},
        {"teff": 2000},
        {"teff": 30_000},
        {"radius": np.nan},
        {"radius": 0.012},
        {"teff": np.nan},
    ):
        assert np.isnan(radii(**missing)).all(), missing
