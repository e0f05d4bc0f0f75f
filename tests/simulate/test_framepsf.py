# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The PSF of a frame in full, measured on stars whose PSF is known."""

import numpy as np
import pytest

from stellarclass.simulate.framepsf import measure_frame_psf
from stellarclass.simulate.moments import adaptive_moments
from stellarclass.stamps.psf import TYPICAL_PSF

SHAPE, SIGMA = (1000, 1000), 0.03
E1, E2 = 0.10, -0.06
BLUER_IS_WIDER = -0.04


@pytest.fixture(scope="module")
def frame():
    """Stars that are ellipses, 5 % wider at the right edge than in the middle and by color, with a spot beside each."""
    rng = np.random.default_rng(2)
    x, y = rng.uniform(40, 960, (2, 120))
    data = rng.normal(0, SIGMA, SHAPE)
    flux, color = rng.uniform(30, 200, 120), rng.uniform(-1, 1, 120)
    steps = np.arange(-20, 21)
    for xs, ys, fs, cs in zip(x, y, flux, color, strict=True):
        column, row = round(xs), round(ys)
        light = fs * ideal(column + steps - xs, row + steps - ys, xs, cs)
        data[row - 20 : row + 21, column - 20 : column + 21] += light
    return data, x, y, color


def ideal(dx, dy, x, color=0.0):
    dx, dy = dx[None, :], dy[:, None]
    size = 1.4 * (1 + 0.05 * (2 * x / 999 - 1) + BLUER_IS_WIDER * color)
    r2 = ((1 - E1) * dx**2 - 2 * E2 * dx * dy + (1 + E1) * dy**2) / (1 - E1**2 - E2**2)
    spot = 0.03 * np.exp(-0.5 * ((dx - 3) ** 2 + dy**2) / 1.2**2)
    return np.exp(-0.5 * r2 / size**2) / (2 * np.pi * size**2) + spot / (2 * np.pi * 1.2**2)


def measure(data, x, y, color=None):
    start = np.array([1.4, 2.8, 0.02, 0.002, 3.0, 2.6])
    return measure_frame_psf(data, x, y, sigma=SIGMA, flux_per_electron=1e-3, profile=start, color=color)


@pytest.fixture(scope="module")
def measured(frame):
    return measure(*frame)


def test_moments_of_a_gaussian_are_its_own():
    axis = np.arange(-15, 16)
    dx, dy = axis[None, :] - 0.3, axis[:, None] + 0.2
    xx, yy, xy = 3.0, 2.0, 0.7
    image = np.exp(-0.5 * (yy * dx**2 - 2 * xy * dx * dy + xx * dy**2) / (xx * yy - xy**2))
    center, moments = adaptive_moments(image[None], iterations=60)
    np.testing.assert_allclose(center[0], [0.3, -0.2], atol=1e-3)
    np.testing.assert_allclose(moments[0], [xx, yy, xy], atol=5e-3)


def test_nothing_has_no_moments():
    assert np.isnan(adaptive_moments(np.zeros((1, 25, 25)))[1]).all()


def test_shape_and_its_change_over_the_frame_are_found(measured):
    psf, used = measured
    assert used.sum() > 80
    assert psf.size[1] / psf.size[0] == pytest.approx(0.05, abs=0.015)
    assert psf.ellipticity[0, 0] == pytest.approx(E1, abs=0.03)
    assert psf.ellipticity[1, 0] == pytest.approx(E2, abs=0.03)


def test_what_changes_with_color_is_no_scatter(frame, measured):
    """Of the stars, all of one color and one place are alike; noise alone is no scatter either."""
    psf, _ = measured
    assert psf.chromatic[0] / psf.size[0] == pytest.approx(BLUER_IS_WIDER, abs=0.01)
    assert np.abs(psf.chromatic[1:]).max() < 0.015
    assert psf.scatter.max() < 0.008
    assert measure(*frame[:3])[0].scatter[0] > 0.015


def test_a_color_makes_the_image_wider_or_narrower(measured):
    psf, _ = measured
    image = psf.star([500.0, 500.0, 500.0], [500.0, 500.0, 500.0], 12, color=np.array([-0.5, 0, 0.5]))[0]
    moments = adaptive_moments(image.astype(float))[1]
    size = np.sqrt(moments[:, :2].mean(1))
    assert size[0] / size[1] == pytest.approx(1.02, abs=0.008)
    assert size[2] / size[1] == pytest.approx(0.98, abs=0.008)


@pytest.mark.parametrize("place", [(200.3, 500.0), (500.0, 499.6), (850.2, 300.7)])
def test_what_no_formula_has_is_in_the_residual(measured, place):
    """Within 2 % of the peak everywhere, although the spot beside the star is 3 % of its light."""
    psf, _ = measured
    image, column, row = psf.star(*place, 8)
    steps = np.arange(-8, 9)
    truth = ideal(column[0] + steps - place[0], row[0] + steps - place[1], place[0])
    scale = (image[0] * truth).sum() / (truth**2).sum()
    assert np.abs(image[0] / scale - truth).max() < 0.02 * truth.max()


def test_galaxies_among_the_stars_are_left_out(frame):
    data, x, y, _ = frame[0].copy(), *frame[1:]
    axis = np.arange(-20, 21)
    blob = 80 * np.exp(-0.5 * (axis**2 + axis[:, None] ** 2) / 4.0**2) / (2 * np.pi * 16)
    places = np.array([[100, 500], [300, 700], [700, 120], [900, 900]])
    for column, row in places:
        data[row - 20 : row + 21, column - 20 : column + 21] += blob
    _, used = measure(data, np.append(x, places[:, 0]), np.append(y, places[:, 1]))
    assert not used[-4:].any()
    assert used.sum() > 80


def test_too_few_stars_leave_the_profile_alone():
    none = np.array([50.0])
    psf, used = measure_frame_psf(np.zeros(SHAPE), none, none, sigma=SIGMA, flux_per_electron=0, profile=TYPICAL_PSF[2])
    assert not used.any()
    assert not psf.residual.any()
    np.testing.assert_array_equal(psf.profile, TYPICAL_PSF[2])
