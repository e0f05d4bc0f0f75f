# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Sources of a frame: found where they are, measured with their neighbors taken out."""

from dataclasses import replace

import numpy as np
import pytest

from stellarclass.simulate.framepsf import measure_frame_psf
from stellarclass.simulate.framesources import aperture_fluxes, detect, fit_fluxes, glare, leftovers, outshone, paint
from stellarclass.stamps.psf import TYPICAL_PSF

SHAPE, SIGMA = (240, 300), 0.03


@pytest.fixture(scope="module")
def psf():
    """The round profile: no star is there to measure more."""
    none = np.zeros(0)
    return measure_frame_psf(np.zeros(SHAPE), none, none, sigma=SIGMA, flux_per_electron=0, profile=TYPICAL_PSF[2])[0]


def noisy(image, seed=1):
    return image + np.random.default_rng(seed).normal(0, SIGMA, SHAPE).astype(np.float32)


def test_paint_puts_the_flux_where_it_belongs(psf):
    image = paint(psf, [120.3], [100.8], [50.0], sigma=SIGMA)
    y, x = np.indices(SHAPE)
    total = image.sum()
    # The window holds a little more than the 16 pixels within which the profile is 1.
    assert total == pytest.approx(50, rel=0.02)
    assert (image * x).sum() / total == pytest.approx(120.3, abs=0.01)
    assert (image * y).sum() / total == pytest.approx(100.8, abs=0.01)


@pytest.mark.parametrize("place", [(-3.0, 50.0), (299.5, 239.5), (150.0, -200.0)])
def test_sources_at_and_beyond_the_edge_are_cut_not_moved(psf, place):
    image = paint(psf, [place[0]], [place[1]], [100.0], sigma=SIGMA)
    assert image.shape == SHAPE
    expected = 0 if place[1] < -100 else 1
    assert (image.sum() > 1) == expected


def test_detect_finds_stars_to_a_fraction_of_a_pixel_the_brightest_first(psf):
    x, y, flux = np.array([40.3, 150.7, 250.0]), np.array([50.1, 100.6, 200.4]), np.array([3.0, 30.0, 10.0])
    found = np.stack(detect(noisy(paint(psf, x, y, flux, sigma=SIGMA)), sigma=SIGMA, threshold=6))
    order = np.argsort(-flux)
    np.testing.assert_allclose(found[:, :3], np.stack([x, y])[:, order], atol=0.25)


def test_blank_sky_has_no_sources():
    x, _ = detect(noisy(np.zeros(SHAPE, np.float32)), sigma=SIGMA, threshold=6)
    assert len(x) == 0


def test_two_blended_stars_get_their_own_light(psf):
    x, y, flux = np.array([100.2, 104.0]), np.array([90.0, 91.7]), np.array([40.0, 15.0])
    fitted, error, *_, left = fit_fluxes(noisy(paint(psf, x, y, flux, sigma=SIGMA)), psf, x, y, sigma=SIGMA, passes=30)
    assert np.all(np.abs(fitted - flux) < 5 * error)
    assert np.abs(aperture_fluxes(noisy(paint(psf, x, y, flux, sigma=SIGMA)), x, y) - flux)[1] > 5 * error[1]
    assert np.abs(left[80:102, 90:115]).max() < 5.5 * SIGMA


def test_places_are_refined_by_each_stars_own_light(psf):
    x, y, flux = np.array([60.0, 200.0]), np.array([60.0, 150.0]), np.array([80.0, 60.0])
    image = noisy(paint(psf, x, y, flux, sigma=SIGMA))
    fitted, _, new_x, new_y, _ = fit_fluxes(image, psf, x + 0.1, y - 0.12, sigma=SIGMA, move="each")
    np.testing.assert_allclose([new_x, new_y], [x, y], atol=0.02)
    np.testing.assert_allclose(fitted, flux, rtol=0.03)


def test_a_frame_shifted_as_a_whole_carries_its_faint_stars_along(psf):
    rng = np.random.default_rng(3)
    x, y = rng.uniform(20, 280, 40), rng.uniform(20, 220, 40)
    flux = np.where(np.arange(40) < 30, 60.0, 1.0)
    image = noisy(paint(psf, x, y, flux, sigma=SIGMA))
    *_, new_x, new_y, _ = fit_fluxes(image, psf, x + 0.25, y - 0.15, sigma=SIGMA, move="together")
    assert np.abs(new_x - x)[30:].max() < 0.06
    assert np.abs(new_y - y)[30:].max() < 0.06


def test_a_source_without_a_good_pixel_has_no_flux(psf):
    good = np.ones(SHAPE, bool)
    good[80:120, 80:120] = False
    flux, error, *_ = fit_fluxes(np.ones(SHAPE), psf, [100.0, 200.0], [100.0, 200.0], sigma=SIGMA, good=good)
    assert np.isnan(flux[0])
    assert np.isnan(error[0])
    assert np.isfinite(flux[1])


def test_a_star_wider_than_others_is_one_star_and_its_companion_another(psf):
    """What is left of a star whose shape differs by 3 % is 20 times the noise, and no source."""
    truth = replace(psf, scatter=np.full(3, 0.03))
    places, flux = ([100.2, 200.4], [100.7, 150.1]), np.array([400.0, 400.0])
    jitter = np.array([[1.0, 1.0, 0.0], [-1.0, 0.0, 1.0]])
    image = paint(truth, *places, flux, sigma=SIGMA, jitter=jitter)
    image += paint(psf, [205.0], [152.0], [20.0], sigma=SIGMA)
    *_, left = fit_fluxes(noisy(image), psf, *places, sigma=SIGMA)
    assert np.abs(left[90:112, 90:112]).max() > 20 * SIGMA
    known = {"sigma": SIGMA, "flux_per_electron": 1e-3, "width": 1.2, "good": np.ones(SHAPE, bool)}
    (x, y, found), rest = leftovers(left, image - left, psf, **known)
    assert len(x) == 1
    assert np.hypot(x[0] - 205.0, y[0] - 152.0) < 0.7
    assert found[0] == pytest.approx(20, rel=0.4)
    assert np.abs(rest[150:155, 204:207]).max() < np.abs(left[150:155, 204:207]).max()


def test_beside_a_bright_star_faint_ones_are_lost_that_would_be_seen_elsewhere(psf):
    light = paint(psf, [150.0], [120.0], [500.0], sigma=SIGMA)
    noise = glare(light, sigma=SIGMA, flux_per_electron=1e-3, width=1.2)
    assert noise[10, 10] == pytest.approx(SIGMA, rel=0.01)
    x, y = np.array([152.0, 20.0, 20.0, 152.0, -30.0]), np.array([121.0, 20.0, 60.0, 122.0, 20.0])
    flux = np.array([2.0, 2.0, 0.2, 400.0, 2.0])  # lost, seen, too faint anywhere, as bright as the star, off the frame
    lost = outshone(noise, psf, x, y, flux, sigma=SIGMA, width=1.2)
    np.testing.assert_array_equal(lost, [True, False, False, False, False])
