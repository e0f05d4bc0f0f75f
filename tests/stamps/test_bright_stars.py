# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Bright stars against a search of every pixel."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from stellarclass.stamps.bright_stars import HALF, find_bright_stars, masked_median
from stellarclass.stamps.psf import _brightness, _parameters, encircled, profile


def _frame(seed, n=40):
    rng = np.random.default_rng(seed)
    data = rng.normal(0, 0.02, (300, 400)).astype(np.float32)
    y, x = np.mgrid[:300, :400]
    for cx, cy, flux in zip(rng.uniform(0, 400, n), rng.uniform(0, 300, n), 10 ** rng.uniform(1, 3, n), strict=True):
        data += flux * np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / 4).astype(np.float32)
    return data


@pytest.mark.parametrize("seed", [1, 2])
def test_every_peak_is_found_and_nothing_else(seed):
    data = _frame(seed)
    data[100:103, 200] = np.nan
    stars = find_bright_stars(data, sigma=0.02, limit=300.0)
    expected = set()
    for y, x in np.argwhere((data > 0.8) & (data < 300)):
        around = data[max(y - 6, 0) : y + 7, max(x - 6, 0) : x + 7]
        inside = HALF <= x < 400 - HALF and HALF <= y < 300 - HALF
        if inside and data[y, x] >= around.max():
            expected.add((x, y))
    assert {*zip(stars.x.tolist(), stars.y.tolist(), strict=True)} == expected
    assert len(stars) > 10
    heights = data[stars.y, stars.x]
    assert (np.diff(heights) <= 0).all()
    few = find_bright_stars(data, sigma=0.02, limit=300.0, most=5)
    assert np.array_equal(few.x, stars.x[:5])


def test_centers_are_where_the_stars_were_drawn():
    y, x = np.mgrid[:200, :200]
    places = np.array([[60.3, 70.2], [120.0, 130.45], [140.6, 60.9]])
    data = sum(100 * np.exp(-((x - a) ** 2 + (y - b) ** 2) / 5) for a, b in places).astype(np.float32)
    stars = find_bright_stars(data, sigma=0.01, limit=1e3)
    found = np.stack([stars.x, stars.y], 1) + stars.center
    np.testing.assert_allclose(found[np.argsort(found[:, 0])], places, atol=0.01)


@given(hnp.arrays(np.float32, (3, 8), elements=st.floats(-10, 10, width=32)), hnp.arrays(bool, (3, 8)))
def test_median_of_the_chosen(values, mask):
    expected = [np.median(v[m].astype(float)) if m.any() else np.nan for v, m in zip(values, mask, strict=True)]
    np.testing.assert_array_equal(masked_median(values, mask), expected)


def test_the_fits_shortcut_is_the_profile_itself():
    p, r2 = np.log([1.2, 0.6, 0.1, 0.01]), np.linspace(0.02, 250, 22)
    psf = np.array(_parameters(p))
    value, slopes = _brightness(p, r2)
    np.testing.assert_allclose(value, profile(psf, r2) / encircled(psf, 5.0), rtol=1e-12)
    for k, step in enumerate(1e-6 * np.eye(4)):
        difference = _brightness(p + step, r2)[0] - _brightness(p - step, r2)[0]
        np.testing.assert_allclose(slopes[:, k], difference / 2e-6, rtol=1e-6, atol=1e-9)
