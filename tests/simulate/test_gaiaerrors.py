# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Gaia's error functions against what is published of them."""

import numpy as np
import pytest

from stellarclass.simulate.gaiaerrors import (
    error_underestimate,
    median_parallax_error,
    proper_motion_scales,
    scan_factor,
)


def test_real_errors_over_quoted_ones():
    # El-Badry, Rix & Heintz (2021), Fig. 15: 1.3 at its worst, near G = 13; quasars 1.05.
    g_mag = np.linspace(8, 21, 200)
    factor = error_underestimate(g_mag)
    assert abs(g_mag[np.argmax(factor)] - 12.6) < 0.3
    assert factor.max() == pytest.approx(1.30, abs=0.02)
    assert (factor[g_mag > 18] == 1.05).all()
    assert factor.min() == 1.05


def test_the_scanning_law_s_mean_over_the_sky_is_1():
    latitude = np.arcsin(np.linspace(-1, 1, 2001))
    assert scan_factor(latitude).mean() == pytest.approx(1, abs=0.01)
    east, north = (np.mean(s * scan_factor(latitude)) for s in proper_motion_scales(latitude))
    assert (east, north) == pytest.approx((1.03, 0.89), abs=0.01)


def test_errors_grow_faster_where_the_sky_is_brighter_than_the_star():
    slope = np.log10(median_parallax_error(20.0) / median_parallax_error(18.5)) / 1.5
    assert 0.2 < np.log10(median_parallax_error(18.0) / median_parallax_error(15.0)) / 3 < slope < 0.4
