# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Galaxies: their light, their sizes, their position angles."""

import numpy as np
import pytest

from stellarclass.simulate import draw_conditions, render_stars
from stellarclass.simulate.galaxies import galaxy_images, widen
from stellarclass.simulate.pointspread import star_images
from stellarclass.stamps.psf import TYPICAL_PSF

AXIS = np.arange(-80, 81.0)[None]
SHARP = (TYPICAL_PSF[2:3] * [0.4, 0.4, 1, 1e-3, 1, 1]).astype(np.float32)
ROUND = np.zeros((1, 7))


def _galaxy(radius, index, ratio=1.0, angle=0.0):
    one = np.ones(1)
    return galaxy_images(SHARP, ROUND, radius * one, ratio * one, angle * one, index * one, AXIS, AXIS)[0].astype(float)


@pytest.mark.parametrize("index", [1.0, 2.5, 4.0])
def test_half_of_the_light_is_within_the_half_light_radius(index):
    image = _galaxy(8.0, index)
    radius = np.hypot(AXIS, AXIS.T)
    # The mixtures end at some radii, 1 to 3 per cent of the light short of the ideal profiles'.
    assert (image * (radius < 8.0)).sum() == pytest.approx(0.5, abs=0.04)
    assert image.sum() == pytest.approx(1, abs=0.02)


def test_de_vaucouleurs_is_peaked_and_winged():
    disk, spheroid = _galaxy(8.0, 1.0), _galaxy(8.0, 4.0)
    radius = np.hypot(AXIS, AXIS.T)
    assert spheroid.max() > 4 * disk.max()
    assert (spheroid * (radius > 30)).sum() > 5 * (disk * (radius > 30)).sum()


def test_the_long_axis_is_long():
    image = _galaxy(6.0, 1.0, ratio=0.5, angle=np.radians(30))
    xx, yy, xy = ((image * v).sum() for v in (AXIS**2, AXIS.T**2, AXIS * AXIS.T))
    assert np.degrees(np.arctan2(2 * xy, xx - yy) / 2) == pytest.approx(30, abs=1)
    long, short = np.linalg.eigvalsh([[xx, xy], [xy, yy]])[::-1]
    assert np.sqrt(short / long) == pytest.approx(0.5, abs=0.03)


def test_a_galaxy_of_no_size_is_a_star():
    psf = TYPICAL_PSF[2:3]
    shape = np.array([[0.1, -0.05, 0.01, 0, 0, 0, 0.2]])
    np.testing.assert_allclose(np.concatenate(widen(psf, shape, np.zeros(1), np.ones(1), np.zeros(1)), 1),
                               np.concatenate([psf, shape], 1), rtol=1e-6, atol=1e-9)  # fmt: skip
    star = star_images(psf, shape, AXIS, AXIS)
    tiny = galaxy_images(psf, shape, np.full(1, 1e-3), np.ones(1), np.zeros(1), np.ones(1), AXIS, AXIS)
    np.testing.assert_allclose(tiny, star, atol=1e-4 * star.max())


def test_stamps_of_galaxies_are_wider_than_those_of_stars():
    """Columns of the population's table are taken up; north is up, east to the left."""
    night = draw_conditions(1, seed=3)
    plain = {band: [15.0, 15.0] for band in "ugriz"}
    table = {**plain, "half_light_radius": [0.0, 2.5], "axis_ratio": [1.0, 0.4], "position_angle": [0.0, 0.0],
             "sersic_index": [0.0, 1.0]}  # fmt: skip
    stars, mixed = (render_stars(t, seed=1, conditions=night, neighbor_density=0.0) for t in (plain, table))
    assert mixed.images[1, 2].max() < 0.6 * stars.images[1, 2].max()
    # Of this galaxy, seen through these wings, an eighth lies beyond the stamp.
    assert mixed.images[1, 2].sum() / stars.images[1, 2].sum() == pytest.approx(0.88, abs=0.03)
    axis = np.arange(64) - 31.5
    spread = [(mixed.images[1, 2] * d).sum() / mixed.images[1, 2].sum() for d in (axis**2, (axis**2)[:, None])]
    assert spread[1] > 1.3 * spread[0]
