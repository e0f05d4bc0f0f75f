# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Simulated Gaia errors against those of real stars at the same places with the same magnitudes."""

from itertools import pairwise

import numpy as np
import pytest
from astropy import units as u
from astropy.table import QTable, Table
from scipy.spatial import cKDTree

from stellarclass import physics
from stellarclass.simulate import draw_stars, observe_astrometry
from stellarclass.simulate.gaiaphotometry import observe_color


def plain(column):
    return np.ma.asarray(column).astype(float).filled(np.nan)


def same_stars(g_mag, ra, dec):
    """Single stars with the places and magnitudes of real ones."""
    n = len(g_mag)
    columns = {"g_mag": g_mag * u.mag, "ra": ra * u.deg, "dec": dec * u.deg, "bp_rp": np.ones(n) * u.mag}
    columns |= {"parallax": np.ones(n) * u.mas, "radius": np.ones(n) * u.solRad, "teff": np.full(n, 5772.0) * u.K}
    columns |= {name: np.zeros(n) * u.mas / u.yr for name in ("pmra", "pmdec")}
    return QTable(columns)


def spread(x):
    return 1.4826 * np.median(np.abs(x - np.median(x)))


def compare(g_mag, real, simulated, edges, *, median, scatter):
    """In each bin of G the median error within a share, and the spread of ln(error) within a number, of the real."""
    for low, high in pairwise(edges):
        rows = (g_mag > low) & (g_mag <= high) & np.isfinite(real) & np.isfinite(simulated)
        assert rows.sum() >= 25
        a, b = np.log(real[rows]), np.log(simulated[rows])
        where = f"G {low} to {high}, {rows.sum()} stars"
        assert abs(np.median(b) - np.median(a)) < np.log1p(median), where
        assert abs(spread(b) - spread(a)) < scatter, where


@pytest.fixture(scope="module")
def field_stars(real_data):
    """8,301 stars in 30 fields; G from Pan-STARRS r and g - i, which are SDSS's to some hundredths."""
    table = Table.read(real_data / "labels" / "gaia_ps1_field_stars.ecsv")
    table["g_mag"] = plain(table["r"]) + physics._g_minus_r(plain(table["g"]) - plain(table["i"]))
    return table


def test_errors_in_thirty_fields(field_stars):
    g_mag = plain(field_stars["g_mag"])
    seen = observe_astrometry(same_stars(g_mag, plain(field_stars["ra"]), plain(field_stars["dec"])), seed=1)
    single = plain(field_stars["ruwe"]) < 1.2  # ours have no companions here
    real, simulated = plain(field_stars["parallax_error"]), seen["parallax_error"].value
    compare(g_mag, np.where(single, real, np.nan), simulated, np.arange(14, 22), median=0.06, scatter=0.05)


def test_ruwe_of_single_stars(field_stars):
    g_mag = plain(field_stars["g_mag"])
    seen = observe_astrometry(same_stars(g_mag, plain(field_stars["ra"]), plain(field_stars["dec"])), seed=1)
    for low, high in ((17, 18), (18, 19), (19, 20), (20, 21)):
        rows = (g_mag > low) & (g_mag <= high)
        real, simulated = (np.nanpercentile(plain(r["ruwe"])[rows], [5, 16, 50, 84]) for r in (field_stars, seen))
        np.testing.assert_allclose(simulated, real, atol=0.02)


def test_ruwe_of_stars_with_the_companions_of_the_simulated_sky(field_stars):
    """Of stars alike in G, color and parallax, about as many have a ruwe above 1.4."""
    stars = draw_stars(60_000, seed=3, r_range=(13.0, 21.5) * u.mag)
    seen = observe_astrometry(stars, seed=4)
    solved = np.isfinite(seen["ruwe"].value)

    def place(g_mag, color, parallax):
        return np.stack([g_mag / 0.3, color / 0.1, np.arcsinh(parallax) / 0.15], axis=1)

    simulated = place(stars["g_mag"].value, (stars["g"] - stars["i"]).value, seen["parallax"].value)[solved]
    g_mag, color = plain(field_stars["g_mag"]), plain(field_stars["g"]) - plain(field_stars["i"])
    distance, twin = cKDTree(simulated).query(place(g_mag, color, plain(field_stars["parallax"])))
    ruwe = seen["ruwe"].value[solved][twin]
    for low, high, share in ((13, 15, 0.09), (15, 17, 0.045), (17, 18, 0.026), (18, 19, 0.022), (19, 21, 0.014)):
        rows = (g_mag > low) & (g_mag <= high) & (distance < 2)
        real = (plain(field_stars["ruwe"])[rows] > 1.4).mean()
        assert real == pytest.approx(share, abs=0.003)
        assert (ruwe[rows] > 1.4).mean() == pytest.approx(real, abs=0.5 * real + 0.006), f"G {low} to {high}"


def test_errors_of_bright_stars(real_data):
    table = Table.read(real_data / "labels" / "gaia_lamost.ecsv")
    g_mag, error = plain(table["phot_g_mean_mag"]), plain(table["parallax"]) / plain(table["parallax_over_error"])
    stars = same_stars(g_mag, plain(table["ra"]), plain(table["dec"]))
    # One direction, whose factor is drawn: nine tries.
    simulated = np.stack([observe_astrometry(stars, seed=seed)["parallax_error"].value for seed in range(9)])
    median = np.where(np.isnan(simulated).any(axis=0), np.nan, np.median(simulated, axis=0))
    compare(g_mag, error, median, [12, 13, 14, 15, 16], median=0.10, scatter=np.inf)
    compare(g_mag, error, simulated[0], [12, 13, 14, 15, 16], median=0.25, scatter=0.06)


@pytest.mark.parametrize(("near", "far", "density"), [(2, 4, 100), (4, 8, 20), (8, 30, 3)])
def test_errors_in_a_crowded_field(real_data, near, far, density):
    """Arcminutes from the center of M2, and Gaia sources per square arcminute there."""
    table = Table.read(real_data / "gaia" / "m2_west_gaia_edr3.ecsv")
    ra, dec = plain(table["ra"]), plain(table["dec"])
    distance = np.hypot((ra - 323.3626) * np.cos(np.radians(dec)), dec + 0.8233) * 60
    table = table[(distance > near) & (distance <= far)]
    g_mag, error = plain(table["phot_g_mean_mag"]), plain(table["parallax_error"])
    stars = same_stars(g_mag, plain(table["ra"]), plain(table["dec"]))
    seen = [observe_astrometry(stars, seed=seed, density=density / u.arcmin**2) for seed in range(9)]
    simulated = np.stack([s["parallax_error"].value for s in seen])
    with np.errstate(invalid="ignore"):
        median = np.nanmedian(np.where(np.isnan(simulated).all(axis=0), error, simulated), axis=0)
    compare(g_mag, error, median, [17, 18, 19, 20, 20.8], median=0.10, scatter=np.inf)
    compare(g_mag, error, simulated[0], [17, 18, 19, 20, 20.8], median=0.25, scatter=0.12)
    if density > 10:
        return
    # Transits lost to crowding leave angles of their own: proper motions only where there are none.
    for name in ("pmra_error", "pmdec_error"):
        ratios = [np.nanmedian((s[name] / s["parallax_error"]).value) for s in seen]
        assert np.median(ratios) == pytest.approx(np.median(plain(table[name]) / error), rel=0.2)


def test_errors_of_the_color(real_data):
    """White dwarfs lie on one line in BP-RP against SDSS's g - i, as broad as both surveys' errors make it."""
    table = Table.read(real_data / "labels" / "gaia_sdss_special.ecsv")
    g_mag, bp_rp, color = (
        plain(table["phot_g_mean_mag"]),
        plain(table["bp_rp"]),
        plain(table["g"]) - plain(table["i"]),
    )
    dwarfs = (
        np.char.startswith(np.asarray(table["source"]).astype(str), "bobabel")
        & np.isfinite(bp_rp)
        & (color > -1)
        & (color < 1.5)
    )
    g_mag, bp_rp, color = g_mag[dwarfs], bp_rp[dwarfs], color[dwarfs]
    line = np.polyval(np.polyfit(color[g_mag < 18.2], bp_rp[g_mag < 18.2], 4), color)
    seen = observe_color(np.random.default_rng(1), g_mag, line) - line
    for low, high in ((16.5, 17), (17, 17.5), (17.5, 18), (18, 18.5), (18.5, 19)):
        rows = (g_mag > low) & (g_mag <= high)
        # The line's own width, and 1 % in g and in i.
        expected = np.hypot(spread(seen[rows]), 0.020)
        assert spread((bp_rp - line)[rows]) == pytest.approx(expected, rel=0.25), f"G {low} to {high}"
