# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Sequences of stars against clusters, catalogs and each other."""

import numpy as np
import pytest
from astropy.table import Table

from stellarclass import physics
from stellarclass.simulate import sequences
from stellarclass.simulate.locus import locus_colors


def test_dwarfs_dim_with_color_and_with_few_metals():
    g_i = np.linspace(-0.6, 3.6, 400)
    for fe_h in (-1.5, -0.5, 0.1):
        assert (np.diff(sequences.dwarf_magnitude(g_i, np.full(400, fe_h))) > -0.01).all()
    rich, poor = (sequences.dwarf_magnitude(np.array([0.4, 1.0, 2.5]), fe_h) for fe_h in (0.0, -1.5))
    assert (poor > rich + 0.5).all()


def test_the_sun_is_a_dwarf():
    # M_r = 4.65: Willmer (2018, ApJS 236, 47).
    assert sequences.dwarf_magnitude(np.array(0.58), np.array(0.0)) == pytest.approx(4.65, abs=0.2)


def test_m_dwarfs_are_those_of_the_field():
    """Pecaut & Mamajek's M_G of M dwarfs, at the metallicity of the neighborhood."""
    g_i = np.array([1.8, 2.2, 2.6, 3.0])
    m_g = np.interp(physics._bp_rp(g_i), physics._SEQUENCE[:, 0], physics._SEQUENCE[:, 3])
    found = sequences.dwarf_magnitude(g_i, np.full(4, -0.2)) + physics._g_minus_r(g_i)
    np.testing.assert_allclose(found, m_g, atol=0.2)


def test_kinds_are_ordered_by_brightness():
    fe_h = np.array(-1.5)
    g_i = np.array(0.58)
    dwarf, giant = sequences.dwarf_magnitude(g_i, fe_h), sequences.giant_magnitude(g_i, fe_h)
    subgiant, there = sequences.subgiant_magnitude(g_i, fe_h)
    assert there and giant < subgiant + 0.1 and subgiant < dwarf - 1
    clump, weight = sequences.clump_magnitude(np.array(1.1), np.array(0.0))
    assert clump == pytest.approx(0.64, abs=0.05) and weight == pytest.approx(1, abs=0.01)


def test_horizontal_branch_as_hot_as_its_spectra_say(real_data):
    """SDSS's blue horizontal-branch stars: u-g and Teff at their g-r, medians of bins."""
    table = Table.read(real_data / "calibration" / "bhb_stars.ecsv")
    g_r, u_g, teff = (np.asarray(table[name], float) for name in ("gr", "ug", "teff_adop"))
    grid = np.linspace(-0.6, 0.15, 400)
    colors = locus_colors(grid, np.full(400, -1.5))
    hot = sequences.temperature(grid, physics._bp_rp(grid), np.full(400, True))
    for low in np.arange(-0.25, 0.0, 0.05):
        rows = (g_r > low) & (g_r <= low + 0.05)
        assert rows.sum() > 100
        at = np.interp(np.median(g_r[rows]), colors[:, 1], np.arange(400.0))
        assert np.interp(at, np.arange(400.0), colors[:, 0]) == pytest.approx(np.median(u_g[rows]), abs=0.06)
        assert np.interp(at, np.arange(400.0), hot) == pytest.approx(np.median(teff[rows]), abs=150)


def test_horizontal_branch_does_not_end_at_a0():
    g_i = np.array([-0.60, -0.30, 0.0])
    teff = sequences.temperature(g_i, physics._bp_rp(g_i), np.full(3, True))
    assert teff[0] > 10_500 and 8000 < teff[1] < 8700
    m_r = sequences.horizontal_magnitude(locus_colors(g_i, np.full(3, -1.5))[:, 1])
    radius = 10 ** sequences.log_radius(m_r + physics._g_minus_r(g_i), physics._bp_rp(g_i), teff)
    assert 2.8 < radius[1] < 4.2  # about 3.6 R_sun where most of them are
    assert radius[0] < radius[1] < radius[2]
    # Stefan and Boltzmann by hand: L of 40 to 60 suns (Sweigart 1987, ApJS 65, 95).
    assert (25 < radius**2 * (teff / 5772) ** 4).all() and (radius**2 * (teff / 5772) ** 4 < 80).all()


def test_radius_and_temperature_go_on_smoothly_beyond_a0():
    g_i = np.linspace(-0.65, -0.2, 200)
    bp_rp = physics._bp_rp(g_i)
    teff = sequences.temperature(g_i, bp_rp, np.full(200, False))
    assert (np.diff(teff) < 0).all() and teff[0] == pytest.approx(12300)
    assert np.abs(np.diff(teff)).max() < 60
    assert np.abs(np.diff(sequences.log_radius(np.full(200, 1.0), bp_rp, teff))).max() < 0.01
