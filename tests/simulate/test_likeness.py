# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""PSF and noise of a twin are changed until they are measured to be what the real frame's are."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from stellarclass.simulate.framenoise import FrameNoise
from stellarclass.simulate.framepsf import FramePsf
from stellarclass.simulate.framesources import paint
from stellarclass.simulate.likeness import more_alike_noise, more_alike_psf, unseen_strength
from stellarclass.stamps.psf import TYPICAL_PSF

SHAPE, SIGMA = (512, 640), 0.03
KNOWN = {"sigma": SIGMA, "flux_per_electron": 1e-3}


def psf_of(*, size=1.0, e1=0.0, bluer_is_wider=0.0):
    grid = np.zeros((3, 81, 81))
    place = np.eye(9)[0]
    return FramePsf(
        np.array(TYPICAL_PSF[2], float), size * place, np.stack([e1 * place, 0 * place]),
        np.array([bluer_is_wider, 0, 0]), np.zeros(3), grid, SHAPE,
    )  # fmt: skip


@pytest.fixture(scope="module")
def stars():
    rng = np.random.default_rng(3)
    x, y = (v.ravel() + rng.uniform(-3, 3, 80) for v in np.meshgrid(np.linspace(40, 600, 10), np.linspace(40, 470, 8)))
    return x, y, rng.uniform(20, 200, 80), rng.uniform(-1, 1, 80)


def frame(psf, stars, neighbors):
    """Noise-free: stars, and beside each a neighbor that nobody told of."""
    x, y, flux, color = stars
    image = paint(psf, x, y, flux, sigma=SIGMA, color=color)
    return image + paint(psf, x + 4.0, y + 1.0, neighbors * flux, sigma=SIGMA)


def test_stars_become_as_wide_and_as_drawn_out_as_the_real_ones_although_neighbors_are_in_the_way(stars):
    truth, wrong = psf_of(size=1.03, e1=0.05, bluer_is_wider=0.04), psf_of()
    x, y, flux, color = stars
    real = frame(truth, stars, 0.05) + np.random.default_rng(1).normal(0, SIGMA, SHAPE)
    found = more_alike_psf(wrong, real, frame(wrong, stars, 0.05), x, y, flux, color=color, residual=False, **KNOWN)
    assert found.size[0] == pytest.approx(1.03, abs=0.004)
    assert found.ellipticity[0, 0] == pytest.approx(0.05, abs=0.004)
    assert found.ellipticity[1, 0] == pytest.approx(0, abs=0.004)
    assert found.chromatic == pytest.approx([0.04, 0, 0], abs=0.006)
    assert found.scatter.max() < 0.01


def test_what_no_formula_has_goes_into_the_residual(stars):
    """A spot beside each star, 3 % of its light."""
    x, y, flux, color = stars
    truth = psf_of()
    real = paint(truth, x, y, flux, sigma=SIGMA) + paint(truth, x, y + 3.0, 0.03 * flux, sigma=SIGMA)
    twin = paint(truth, x, y, flux, sigma=SIGMA)
    found = more_alike_psf(truth, real, twin, x, y, flux, color=0 * color, **KNOWN)
    spot = found.star([300.0], [250.0], 8)[0][0] - truth.star([300.0], [250.0], 8)[0][0]
    column, row = np.unravel_index(spot.argmax(), spot.shape)[::-1]
    assert (column, row) == (8, 11)
    assert spot[9:14, 6:11].sum() == pytest.approx(0.02, abs=0.01)


def test_scatter_is_what_noise_does_not_explain(stars):
    x, y, flux, color = stars
    truth = replace(psf_of(), scatter=np.array([0.03, 0.0, 0.0]))
    rng = np.random.default_rng(5)
    jitter = rng.standard_normal((len(x), 3))
    for scatter, wanted in ((jitter, 0.03), (0 * jitter, 0.0)):
        real = paint(truth, x, y, flux, sigma=SIGMA, jitter=scatter) + rng.normal(0, SIGMA, SHAPE)
        twin = paint(psf_of(), x, y, flux, sigma=SIGMA)
        found = more_alike_psf(psf_of(), real, twin, x, y, flux, color=0 * color, residual=False, **KNOWN)
        assert found.scatter[0] == pytest.approx(wanted, abs=0.01)


def test_galaxies_do_not_make_the_psf_wider(stars):
    """A third of what is bright and alone is 12 % wider than stars are."""
    x, y, flux, color = stars
    star, galaxy = psf_of(), psf_of(size=1.12)
    wide = np.arange(len(x)) % 3 == 0
    real = paint(star, x[~wide], y[~wide], flux[~wide], sigma=SIGMA)
    real += paint(galaxy, x[wide], y[wide], flux[wide], sigma=SIGMA)
    real += np.random.default_rng(2).normal(0, SIGMA, SHAPE)
    twin = paint(star, x, y, flux, sigma=SIGMA)
    found = more_alike_psf(star, real, twin, x, y, flux, color=0 * color, residual=False, **KNOWN)
    assert found.size[0] == pytest.approx(1, abs=0.004)


def test_a_few_stars_change_nothing(stars):
    few = tuple(v[:8] for v in stars)
    psf = psf_of()
    image = frame(psf_of(size=1.1), few, 0.0)
    assert more_alike_psf(psf, image, image, *few[:3], color=few[3], **KNOWN) is psf


def readout(seed, kernel, spread):
    noise = ndimage.convolve(np.random.default_rng(seed).normal(0, spread, (1024, 1024)), kernel, mode="wrap")
    return noise.astype(np.float32)


def test_noise_becomes_as_strong_and_as_alike_from_pixel_to_pixel():
    kernel, one = np.zeros((5, 5), np.float32), np.zeros((5, 5), np.float32)
    kernel[2] = one[2, 2] = 1
    kernel[2] = 0, 0.02, 1, 0.02, 0
    assumed = FrameNoise(np.full(1024, 25.0), 0.0, 0.0, (one, one))
    blank = np.ones((1024, 1024), bool)
    found = more_alike_noise(assumed, readout(1, kernel, 5.1), readout(2, one, 5.0), blank)
    assert found.variance == pytest.approx(np.full(1024, 26.0), rel=0.01)
    for half in found.kernels:
        assert half[2, 1] == pytest.approx(0.02, abs=0.005)
        assert half[1, 2] == pytest.approx(0.0, abs=0.005)
    assert abs(found.skewness) < 0.02


def test_where_nothing_is_blank_noise_stays():
    one = np.zeros((5, 5), np.float32)
    one[2, 2] = 1
    assumed = FrameNoise(np.full(640, 25.0), 0.1, 0.0, (one, one))
    image = np.random.default_rng(1).normal(0, 9, SHAPE)
    found = more_alike_noise(assumed, image, image, np.zeros(SHAPE, bool))
    np.testing.assert_array_equal(found.variance, assumed.variance)
    assert found.skewness == assumed.skewness


def faint_sources(seed):
    """Many of them: together as strong as the noise of the sky, and as wide as the PSF."""
    image = ndimage.gaussian_filter(np.random.default_rng(seed).normal(0, 1, SHAPE), 1.2)
    return (image / image.std()).astype(np.float32)


def sky(seed):
    return np.random.default_rng(seed).normal(0, 1, SHAPE).astype(np.float32)


def test_unseen_sources_are_made_as_strong_as_the_real_ones():
    """On the left they are half as strong as was assumed, on the right there are hardly any, as was assumed."""
    left = np.where(np.arange(SHAPE[1]) < 384, 1, 0.05)
    unseen = left * faint_sources(3)
    real = sky(2) + 0.5 * left * faint_sources(1)
    factor = unseen_strength(real, sky(4) + unseen, unseen, np.ones(SHAPE, bool), sigma=1.0)
    assert factor.shape == SHAPE
    assert factor[:, :250].mean() == pytest.approx(0.5, abs=0.05)


def test_what_noise_could_have_done_is_not_believed():
    unseen = 0.05 * faint_sources(3)
    factor = unseen_strength(sky(2), sky(4) + unseen, unseen, np.ones(SHAPE, bool), sigma=1.0)
    np.testing.assert_allclose(factor, 1, atol=0.2)


@pytest.mark.parametrize("good", [np.zeros(SHAPE, bool), np.ones(SHAPE, bool)])
def test_without_pixels_or_sources_strength_is_one(good):
    np.testing.assert_array_equal(unseen_strength(sky(2), sky(2), np.zeros(SHAPE, np.float32), good, sigma=1.0), 1)
