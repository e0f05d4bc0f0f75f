# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Intruders look like what they are called, in catalogs that hold the real ones."""

import numpy as np
import pytest
from astropy.table import Table

from stellarclass.simulate.contaminants import INTRUDERS, draw_intruders
from stellarclass.simulate.whitedwarfs import white_dwarf_bands


@pytest.fixture(scope="module")
def intruders():
    """What was drawn, with the rows of each kind."""
    found = draw_intruders(np.random.default_rng(1), np.full(20_000, 18.0))
    return found, {name: found["kind"] == k for k, name in enumerate(INTRUDERS)}


def _color(found, rows, one, other):
    return np.median(found["bands"][one, rows] - found["bands"][other, rows])


def test_magnitudes_are_those_asked_for(intruders):
    found, _ = intruders
    np.testing.assert_allclose(found["bands"][2], 18.0, atol=1e-9)
    assert np.isfinite(found["bands"]).all()


def test_each_kind_has_its_colors(intruders):
    found, rows = intruders
    assert -0.45 < _color(found, rows["hot_subdwarf"], 0, 1) < 0.0
    assert _color(found, rows["hot_star"], 1, 2) < -0.3
    assert -0.1 < _color(found, rows["quasar"], 0, 1) < 0.4  # the ultraviolet excess
    assert 0.4 < _color(found, rows["galaxy"], 1, 2) < 1.0
    assert _color(found, rows["white_dwarf"], 0, 1) < 0.5


def test_sizes_and_temperatures_obey_stefan_and_boltzmann(intruders):
    """Hot stars: L = R^2 T^4 gives the M_bol that M_r and a bolometric correction give, to half a magnitude."""
    found, rows = intruders
    luminosity = found["radius"] ** 2 * (found["teff"] / 5772) ** 4
    m_bol = 4.74 - 2.5 * np.log10(luminosity)
    m_r = 18.0 - 5 * np.log10(found["distance"] * 100)
    # Pecaut & Mamajek's BC_V, and V-r = -0.15 for hot stars.
    correction = np.interp(
        np.log10(found["teff"]), [4.0, 4.09, 4.2, 4.31, 4.45, 4.6], [-0.3, -0.73, -1.35, -2.03, -2.6, -3.7]
    )
    for name in ("hot_star", "hot_subdwarf"):
        r = rows[name]
        assert np.abs(np.median(m_bol[r] - (m_r[r] - 0.15 + correction[r]))) < 0.4


def test_white_dwarfs_follow_the_observed_cooling_sequence(real_data):
    """DA stars with Gaia parallaxes: absolute g and colors against g-r."""
    table = Table.read(real_data / "labels" / "gaia_sdss_special.ecsv")
    value = {
        c: np.ma.filled(np.ma.asarray(table[c]).astype(float), np.nan) for c in ("u", "g", "r", "i", "z", "parallax")
    }
    value["bp_rp"] = np.ma.filled(np.ma.asarray(table["bp_rp"]).astype(float), np.nan)
    label = np.ma.filled(table["label"], "").astype(str)
    g_r = value["g"] - value["r"]
    ours, radius, _ = white_dwarf_bands(np.random.default_rng(1), 200_000)
    our_g_r = ours[1] - ours[2]
    for low in np.arange(-0.4, 0.15, 0.1):
        rows = (label == "DA") & (g_r > low) & (g_r <= low + 0.1) & (value["parallax"] > 5)
        assert rows.sum() > 20
        mine = (our_g_r > low) & (our_g_r <= low + 0.1)
        absolute = value["g"][rows] + 5 * np.log10(value["parallax"][rows] / 100)
        assert np.median(ours[1, mine]) == pytest.approx(np.median(absolute), abs=0.35)
        for one, other, k in (("u", "g", 0), ("r", "i", 2), ("i", "z", 3)):
            theirs = np.nanmedian((value[one] - value[other])[rows])
            assert np.median(ours[k, mine] - ours[k + 1, mine]) == pytest.approx(theirs, abs=0.06)
        theirs = np.nanmedian(value["bp_rp"][rows])
        assert np.median(ours[6, mine] - ours[7, mine]) == pytest.approx(theirs, abs=0.06)
    assert np.median(radius) == pytest.approx(0.013, abs=0.001)


def test_galaxies_shrink_as_they_fade():
    bright, faint = (draw_intruders(np.random.default_rng(2), np.full(5000, r)) for r in (16.0, 21.0))
    galaxy = INTRUDERS.index("galaxy")
    sizes = [np.median(f["half_light_radius"][f["kind"] == galaxy]) for f in (bright, faint)]
    assert sizes[0] > 2 * sizes[1] > 0.6
    assert (np.isinf(bright["distance"]) == np.isin(bright["kind"], (galaxy, INTRUDERS.index("quasar")))).all()
