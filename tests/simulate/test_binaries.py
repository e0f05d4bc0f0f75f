# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Companions: as many as surveys find, fainter than their primaries, and adding up."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stellarclass.simulate.binaries import add_bands, companions, separation
from stellarclass.simulate.sequences import dwarf_color, dwarf_magnitude, dwarf_mass

N = 20_000


def _pairs(color, *, seed=1, brighter=0.0):
    g_i, fe_h = np.full(N, color), np.full(N, -0.2)
    magnitude = dwarf_magnitude(g_i, fe_h) - brighter
    ratio, bands = companions(np.random.default_rng(seed), g_i, fe_h, magnitude)
    color = np.full(N, np.nan)
    color[ratio > 0] = bands[1, ratio > 0] - bands[3, ratio > 0]
    return magnitude, ratio, bands, color


@given(st.floats(0, 25), st.floats(0, 25))
def test_fluxes_add(one, other):
    both = add_bands(np.array(one), np.array(other))
    assert 10 ** (-0.4 * both) == pytest.approx(10 ** (-0.4 * one) + 10 ** (-0.4 * other))
    assert add_bands(np.array(one), np.inf) == one


@pytest.mark.parametrize("color, share", [(0.58, 0.44), (2.8, 0.26)])
def test_so_many_have_one(color, share):
    """Duchene & Kraus (2013), Table 1: solar-type 44 %, M dwarfs 26 %."""
    _, ratio, _, _ = _pairs(color)
    assert (ratio > 0).mean() == pytest.approx(share, abs=0.03)


def test_companions_are_fainter_and_redder():
    magnitude, ratio, bands, color = _pairs(0.58)
    star = (ratio > 0) & (ratio <= 1) & (color > 0.5)
    assert (bands[2, star] >= magnitude[star] - 1e-9).all()
    assert (np.diff(bands[2, star][np.argsort(ratio[star])]) < 0.3).all()
    assert (color[star] > 0.57).all()
    twins = star & (ratio > 0.95)
    assert twins.sum() / star.sum() == pytest.approx(0.10 + 0.9 * 0.06, abs=0.02)
    assert np.isinf(bands[:, ratio == 0]).all()


def test_a_giant_s_companion_is_a_dwarf_all_the_same():
    _, ratio, bands, _ = _pairs(1.0, brighter=6.0)
    star = ratio > 0
    assert bands[2, star].min() > 5.0


def test_white_dwarfs_stand_beside_dwarfs_alone():
    *_, color = _pairs(2.8)
    white = color < 1.0
    assert white.mean() == pytest.approx(0.016, abs=0.005)
    *_, color = _pairs(1.0, brighter=6.0)
    assert not (color < 0.7).any()


@pytest.mark.parametrize("color", [0.0, 0.58, 1.5, 2.8, 3.6])
def test_the_primary_is_the_brighter_one(color):
    magnitude, ratio, bands, _ = _pairs(color)
    assert (bands[2] >= magnitude - 1e-9).all()
    assert (ratio > 0).any()


def test_separations_are_those_of_surveys():
    # Raghavan et al. (2010): median 50 au for solar-type; Winters et al. (2019): 20 au for M dwarfs.
    for color, au in ((0.58, 50), (2.65, 20)):
        value = np.median(separation(np.random.default_rng(1), np.full(N, color)))
        assert au / 1.3 < value < au * 1.3


def test_mass_and_color_are_one_relation():
    mass = np.linspace(0.11, 2.3, 200)
    np.testing.assert_allclose(dwarf_mass(dwarf_color(mass)), mass, rtol=1e-9)
    assert dwarf_mass(0.58) == pytest.approx(1.0, abs=0.02)
