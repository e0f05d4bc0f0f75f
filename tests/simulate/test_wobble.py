# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Companions: what they do to a single-star solution, by period, distance and mass ratio."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stellarclass.simulate.wobble import wobble


def of(separation, *, mass_ratio=0.5, parallax=10.0, radius=1.0, n=4000, seed=1):
    values = {"separation": separation, "mass_ratio": mass_ratio, "parallax": parallax, "radius": radius}
    return wobble(np.random.default_rng(seed), **{k: np.full(n, float(v)) for k, v in values.items()})


def years(au, mass=1.5):
    return np.sqrt(au**3 / mass)


def test_single_stars_do_not_wobble():
    for nothing in ({"separation": np.nan}, {"separation": 0.02, "mass_ratio": 0}, {"separation": 0.02, "parallax": 0}):
        effect = of(**nothing)
        for values in (effect.noise, effect.parallax, effect.pmra, effect.pmdec):
            assert (values == 0).all()


def test_twins_have_their_light_where_their_mass_is():
    assert of(0.01, mass_ratio=1.0).noise.max() < 1e-9
    assert np.median(of(0.01, mass_ratio=0.5).noise) > 0.5


def test_short_orbits_scatter_in_proportion_to_the_separation():
    near, wide = of(0.005), of(0.010)  # 0.5 and 1 au
    np.testing.assert_allclose(wide.noise, 2 * near.noise)
    # a * |q/(1+q) - l/(1+l)| with l = 2 %: 0.31 of 10 mas, projected
    assert np.median(wide.noise) == pytest.approx(3.15 * 0.6, rel=0.05)


def test_long_orbits_go_into_the_proper_motion():
    brief, long = of(0.010), of(0.50)  # 1 and 50 au: 0.8 and 290 years
    assert np.median(long.noise) < np.median(brief.noise)
    expected = 2 * np.pi * 500 * 0.313 * 0.6 / years(50)
    assert np.median(np.hypot(long.pmra, long.pmdec)) == pytest.approx(expected, rel=0.1)
    assert abs(np.mean(long.pmra)) < 0.1 * np.std(long.pmra)


def test_an_orbit_of_a_year_feigns_parallax():
    year = of(0.01 * 1.5 ** (1 / 3))
    assert np.std(year.parallax) > 20 * np.std(of(0.10).parallax)
    assert np.std(year.parallax) > 20 * np.std(of(0.003).parallax)


def test_a_distant_pair_is_quiet():
    assert np.median(of(0.01 / 100, parallax=0.1).noise) == pytest.approx(np.median(of(0.01).noise) / 100)


def test_resolved_pairs_have_a_source_each():
    assert of(3.0, mass_ratio=0.9).noise.max() < 1e-3
    assert np.median(of(0.3, mass_ratio=0.9).noise) > 0.3


@given(st.floats(1e-6, 30), st.floats(0, 1), st.floats(1e-4, 800), st.floats(0.01, 500), st.integers(0, 1000))
def test_every_effect_is_a_finite_number(separation, mass_ratio, parallax, radius, seed):
    effect = of(separation, mass_ratio=mass_ratio, parallax=parallax, radius=radius, n=3, seed=seed)
    for values in (effect.noise, effect.parallax, effect.pmra, effect.pmdec):
        assert np.isfinite(values).all()
    assert (effect.noise >= 0).all()


def test_a_star_s_numbers_do_not_depend_on_its_neighbors_companions():
    one = {"mass_ratio": np.full(3, 0.5), "parallax": np.full(3, 10.0), "radius": np.ones(3)}
    first = wobble(np.random.default_rng(1), separation=np.array([np.nan, 0.02, 0.02]), **one)
    second = wobble(np.random.default_rng(1), separation=np.array([0.03, np.nan, 0.02]), **one)
    assert first.noise[2] == second.noise[2] > 0
