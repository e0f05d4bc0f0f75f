# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Star images: circular ones are the profile itself, others have the moments that their shape says."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stellarclass.simulate.pointspread import flux_scale, local_psf, star_images, true_profile
from stellarclass.stamps.psf import TOTAL_RADIUS, TYPICAL_PSF, encircled, fwhm, measure_psf, profile
from stellarclass.stamps.psf_trend import star_moments

ROUND = np.zeros((1, 7))
AXIS = np.arange(-24, 25.0)


def _shape(**terms):
    names = ("e1", "e2", "coma_x", "coma_y", "trefoil_x", "trefoil_y", "core")
    return np.array([[terms.get(name, 0.0) for name in names]])


def _star(shape, psf=TYPICAL_PSF[2], dx=0.0, dy=0.0):
    return star_images(psf[None], shape, (AXIS - dx)[None], (AXIS - dy)[None])[0].astype(float)


@given(st.floats(0.8, 2.5), st.floats(-0.5, 0.5), st.floats(-0.5, 0.5))
@settings(max_examples=20, deadline=None)
def test_a_round_star_is_its_profile(sigma, dx, dy):
    psf = TYPICAL_PSF[1] * np.array([sigma, sigma, 1, 1, 1, sigma])
    expected = profile(psf, (AXIS - dx) ** 2 + ((AXIS - dy) ** 2)[:, None])
    np.testing.assert_allclose(_star(ROUND, psf, dx, dy), expected, atol=2e-5 * expected.max())


@given(st.floats(-0.2, 0.2), st.floats(-0.2, 0.2), st.floats(0, 0.3))
@settings(max_examples=20, deadline=None)
def test_shape_moves_light_but_makes_none(e1, e2, core):
    star = _star(_shape(e1=e1, e2=e2, coma_x=0.02, trefoil_y=-0.01, core=core))
    assert star.min() >= 0
    inside = np.hypot(AXIS, AXIS[:, None]) < TOTAL_RADIUS
    assert (star * inside).sum() == pytest.approx(1, abs=0.005)


def test_moments_are_those_asked_for():
    wanted = np.array([0.12, -0.07, 0.02, -0.015, 0.008, 0.012])
    gaussian = TYPICAL_PSF[2] * np.array([1, 1, 1e-4, 1e-5, 1, 1])
    star = _star(np.concatenate([wanted, [0]])[None], gaussian, 0.3, -0.2)
    width, found = star_moments(star[None], np.zeros((1, 2)))
    np.testing.assert_allclose(found[0], wanted, atol=0.004)
    # The area is kept, so the mean of the axes grows by a little.
    assert width[0] == pytest.approx(gaussian[0] / (1 - 0.12**2 - 0.07**2) ** 0.25, rel=0.01)


def test_light_scales_and_blocks_do_not_matter():
    rng = np.random.default_rng(1)
    psf = np.repeat(TYPICAL_PSF[2:3], 40, 0) * rng.uniform(0.8, 1.2, (40, 1)) ** [1, 1, 0, 0, 0, 1]
    shape = rng.normal(0, 0.05, (40, 7)) * [1, 1, 0.1, 0.1, 0.1, 0.1, 0]
    steps = np.repeat(AXIS[None], 40, 0)
    together = star_images(psf, shape, steps, steps, flux=np.arange(40.0))
    for k in (0, 7, 39):
        alone = star_images(psf[k : k + 1], shape[k : k + 1], steps[:1], steps[:1])[0] * np.float32(k)
        np.testing.assert_allclose(together[k], alone, rtol=1e-4, atol=1e-5 * max(k, 1) * alone.max())


def test_the_true_profile_is_measured_as_the_one_given():
    """Stars drawn with the true profile and measured like a frame's own: the package's profile comes out."""
    rng = np.random.default_rng(2)
    for scale, core in ((0.75, 0.2), (1.0, 0.2), (1.25, 0.15), (1.0, 0.0)):
        psf = TYPICAL_PSF[2].astype(float) * [scale, scale * 1.05, 0.9, 2.6, 1, scale]
        shape = _shape(e1=0.05, e2=-0.05, core=core)[0]
        offsets = rng.uniform(-0.5, 0.5, (36, 2))
        steps = np.arange(-32, 32)
        shapes = np.repeat(shape[None], 36, 0)
        true = true_profile(np.repeat(psf[None], 36, 0), shapes)
        stars = star_images(true, shapes, steps - offsets[:, :1], steps - offsets[:, 1:])
        image = stars.reshape(6, 6, 64, 64).swapaxes(1, 2).reshape(384, 384)
        found = measure_psf(image, sigma=image.max() / 1000, limit=np.inf)
        assert fwhm(found) == pytest.approx(fwhm(psf), rel=0.03)
        # Five pixels hold what the measured profile says.
        radius = np.hypot(steps - offsets[:, :1, None], steps[:, None] - offsets[:, 1:, None])
        light = (stars * np.clip(5.5 - radius, 0, 1)).sum((1, 2)).mean() * flux_scale(psf, shape)
        assert light == pytest.approx(encircled(psf, 5.0), abs=0.01)


def test_the_psf_varies_over_the_frame_as_said():
    variation = np.zeros(9)
    variation[[0, 5]] = 0.03, 0.02
    x = np.array([-1.0, 0.0, 1.0])
    psf, shape = local_psf(TYPICAL_PSF[2], ROUND[0], variation, x, 0 * x)
    np.testing.assert_allclose(np.diff(np.log(psf[:, 0])), 0.03, rtol=1e-6)
    np.testing.assert_allclose(shape[:, 0], [-0.02, 0, 0.02], atol=1e-12)
    assert np.ptp(psf[:, 2]) == 0
