# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The composite profile against numerical integrals, and its measurement against profiles that were drawn."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stellarclass.stamps.psf import TOTAL_RADIUS, TYPICAL_PSF, encircled, fwhm, measure_psf, profile

PARAMETERS = st.tuples(
    st.floats(0.8, 2.5), st.floats(2.5, 4.5), st.floats(0, 0.3), st.floats(0, 0.03), st.sampled_from([2.5, 3.0, 3.6]),
    st.floats(1.5, 4.0),
).map(np.array)  # fmt: skip


@given(PARAMETERS)
@settings(max_examples=25)
def test_the_profile_integrates_to_what_it_says(psf):
    radius = np.linspace(0, TOTAL_RADIUS, 4001)
    ring = profile(psf, radius**2) * 2 * np.pi * radius
    total = np.concatenate([[0], np.cumsum((ring[1:] + ring[:-1]) / 2 * np.diff(radius))])
    assert abs(total[-1] - 1) < 1e-3
    for r in (3.0, 5.0, 7.0):
        assert abs(np.interp(r, radius, total) - encircled(psf, r)) < 1e-3


@given(PARAMETERS)
@settings(max_examples=25)
def test_half_of_the_peak_lies_at_half_of_the_width(psf):
    half = fwhm(psf) / 2
    assert np.isclose(profile(psf, np.array(half**2)), profile(psf, np.array(0.0)) / 2, rtol=1e-2)


def _frame(psf, rng, n_stars, sigma=0.02):
    image = rng.normal(0, sigma, (600, 600)).astype(np.float32)
    yy, xx = np.mgrid[:600, :600]
    for x, y, flux in zip(*rng.uniform(40, 560, (2, n_stars)), 10 ** rng.uniform(1.5, 2.5, n_stars), strict=True):
        image += flux * profile(psf, (xx - x) ** 2 + (yy - y) ** 2).astype(np.float32)
    return image


@pytest.mark.parametrize("seeing", [0.8, 1.0, 1.4])
def test_what_was_drawn_is_measured(seeing):
    psf = TYPICAL_PSF[2].astype(float) * [seeing, seeing, 1, 1, 1, seeing]
    psf[3] = 0.01
    measured = measure_psf(_frame(psf, np.random.default_rng(1), 25), sigma=0.02, limit=1e4)
    assert abs(fwhm(measured) / fwhm(psf) - 1) < 0.03
    for radius in (3.0, 5.0, 7.0):
        assert abs(encircled(measured, radius) / encircled(psf, radius) - 1) < 0.015


def test_galaxies_and_cosmic_rays_are_left_out():
    rng = np.random.default_rng(2)
    psf = TYPICAL_PSF[2].astype(float)
    image = _frame(psf, rng, 25)
    image[tuple(rng.integers(40, 560, (2, 8)))] += 50  # cosmic rays: one hot pixel each
    yy, xx = np.mgrid[:600, :600]
    for x, y in rng.uniform(60, 540, (6, 2)):
        image += 0.8 * np.exp(-np.hypot(xx - x, yy - y) / 4).astype(np.float32)  # disks of 4 pixels scale length
    assert abs(fwhm(measure_psf(image, sigma=0.02, limit=1e4)) / fwhm(psf) - 1) < 0.04


@pytest.mark.parametrize("n_stars", [0, 2])
def test_too_few_stars_give_nan(n_stars):
    image = _frame(TYPICAL_PSF[2], np.random.default_rng(3), n_stars)
    assert np.isnan(measure_psf(image, sigma=0.02, limit=1e4)).all()


def test_a_frame_of_nan_is_no_crash():
    assert np.isnan(measure_psf(np.full((200, 200), np.nan, np.float32), sigma=1.0, limit=1.0)).all()
