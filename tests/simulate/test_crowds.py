# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Neighbors: as many as counts of stars and galaxies say."""

import numpy as np
import pytest

from stellarclass.simulate.crowds import FAINT_LIMIT, STAR_DENSITY, draw_densities, draw_galaxies, draw_neighbors


def test_densities_are_a_field_s_and_some_a_cluster_s():
    density = draw_densities(np.random.default_rng(1), 20_000)
    assert density.min() >= STAR_DENSITY
    assert 0.9 < np.median(density) / (STAR_DENSITY * 10**0.25) < 1.1
    assert 0.05 < (density > 20).mean() < 0.12  # what surrounds a globular cluster at 2 to 5 arcmin
    assert density.max() > 150


def test_counts_are_those_of_the_sky():
    rng = np.random.default_rng(1)
    density = np.full(4000, 2.0)
    star, place, magnitudes, radius, ratio, angle = draw_neighbors(rng, density, 0.5)
    assert np.abs(place).max() <= 0.5
    assert magnitudes[:, 2].max() <= FAINT_LIMIT
    bright = magnitudes[:, 2] < 22
    area = 4000 * 0.25
    assert (bright & (radius == 0)).sum() / area == pytest.approx(2.0, rel=0.1)
    # Yasuda et al. (2001): beyond r = 21 galaxies outnumber the stars of high latitudes; 4 per square arcmin to r = 22.
    assert (bright & (radius > 0)).sum() / area == pytest.approx(4.2, rel=0.1)
    assert np.bincount(star, minlength=4000).mean() == pytest.approx(len(star) / 4000)
    assert ((ratio > 0) & (ratio <= 1)).all() and np.isfinite(angle).all()


def test_an_empty_sky_is_empty():
    star, *_ = draw_neighbors(np.random.default_rng(1), np.zeros(50), 0.5)
    assert len(star) == 0


def test_faint_galaxies_are_small():
    magnitudes, radius, _, _ = draw_galaxies(np.random.default_rng(1), 5000)
    faint, bright = magnitudes[:, 2] > 22, magnitudes[:, 2] < 20.5
    assert np.median(radius[faint]) < np.median(radius[bright]) < 2
    assert 0.3 < np.median(radius[faint]) < 0.8
