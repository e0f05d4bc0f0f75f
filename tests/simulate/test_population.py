# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The drawn stars: reproducible, consistent with each other, and where the Milky Way has them."""

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from hypothesis import given, settings
from hypothesis import strategies as st

from stellarclass import physics
from stellarclass.exceptions import InputError
from stellarclass.simulate import KINDS, draw_stars
from stellarclass.simulate.binaries import COMPANION_LIMIT
from stellarclass.simulate.contaminants import INTRUDERS

GIANTS = [KINDS.index(k) for k in ("thin_giant", "thick_giant", "halo_giant")]
POPULATIONS = {name: [k for k, kind in enumerate(KINDS) if kind.startswith(name)] for name in ("thin", "thick", "halo")}


@pytest.fixture(scope="module")
def stars():
    return draw_stars(20_000, seed=1)


@pytest.fixture(scope="module")
def clear_singles(stars):
    """Single dwarfs and giants cooler than A0 with next to no dust in front."""
    hot = (stars["kind"] == KINDS.index("horizontal_branch")) | (stars["teff"] > 9600 * u.K)
    return stars[(stars["mass_ratio"] == 0) & (stars["a_v"] < 0.03 * u.mag) & ~hot]


@given(st.integers(0, 60), st.integers(0, 2**31))
@settings(max_examples=20, deadline=None)
def test_a_seed_is_a_population(n, seed):
    one, again = draw_stars(n, seed=seed), draw_stars(n, seed=np.random.default_rng(seed))
    assert len(one) == n
    for name in one.colnames:
        assert np.array_equal(one[name], again[name], equal_nan=True)
        assert name == "binary_separation" or np.isfinite(one[name]).all()


def test_another_seed_is_another_population(stars):
    assert not np.any(draw_stars(100, seed=2)["r"] == draw_stars(100, seed=3)["r"])


def test_columns_have_their_units(stars):
    units = {n: stars[n].unit for n in ("u", "g", "r", "i", "z", "g_mag", "bp_rp", "a_v")}
    assert set(units.values()) == {u.mag}
    assert stars["parallax"].unit == u.mas
    assert stars["pmra"].unit == stars["pmdec"].unit == u.mas / u.yr
    assert (stars["radius"].unit, stars["teff"].unit, stars["distance"].unit) == (u.solRad, u.K, u.kpc)


def test_magnitudes_stay_within_the_range_asked_for():
    r = draw_stars(5000, seed=4, r_range=[15, 18] * u.mag)["r"].value
    assert r.min() >= 15 and r.max() <= 18
    # 70 % even, 30 % with a density that rises in proportion: 0.7 / 2 + 0.3 * 0.75 in the fainter half.
    assert (r > 16.5).mean() == pytest.approx(0.575, abs=0.02)


def test_parallax_is_one_over_distance(stars):
    parallax = stars["distance"].to(u.mas, u.parallax())
    np.testing.assert_allclose(stars["parallax"].value, parallax.value, rtol=1e-12)


def test_radius_follows_from_what_a_perfect_observer_sees(clear_singles):
    stars = clear_singles
    assert len(stars) > 200
    radius = physics.stefan_boltzmann_radius(stars["g_mag"], stars["bp_rp"], stars["parallax"])
    # What is left is the dust: 0.03 mag of A_V dim by 1 % in radius and redden by as much.
    assert np.abs(np.log10(stars["radius"] / radius).value).max() < 0.02
    teff = physics.temperature_from_color(stars["bp_rp"])
    assert np.abs((stars["teff"] / teff).value - 1).max() < 0.02


def test_gaia_and_sdss_see_the_same_star(clear_singles):
    stars = clear_singles
    g_mag, bp_rp = physics.gaia_from_sdss(stars["g"], stars["r"], stars["i"])
    # The transformation is of reddened colors here, of intrinsic ones there: they agree where there is hardly any dust.
    assert np.abs((g_mag - stars["g_mag"]).value).max() < 0.02
    assert np.std((bp_rp - stars["bp_rp"]).value) == pytest.approx(0.01, abs=0.002)  # the scatter put in


def test_kinds_have_the_sizes_that_their_names_promise(stars):
    kind, radius = stars["kind"], stars["radius"].value
    assert set(kind) == set(range(len(KINDS) - len(INTRUDERS)))
    assert np.median(radius[np.isin(kind, GIANTS)]) > 3
    assert 2.5 < np.median(radius[kind == KINDS.index("horizontal_branch")]) < 4.5
    cool_dwarfs = (kind == 0) & (stars["teff"].value < 3800)
    assert np.quantile(radius[cool_dwarfs], 0.999) < 0.9
    # [Fe/H] and speed tell the populations apart.
    speed = 4.74 * np.hypot(stars["pmra"].value, stars["pmdec"].value) * stars["distance"].value
    medians = [(np.median(stars["fe_h"][rows]), np.median(speed[rows])) for rows in
               (np.isin(kind, codes) for codes in POPULATIONS.values())]  # fmt: skip
    metals, speeds = zip(*medians, strict=True)
    assert metals[0] > metals[1] > metals[2]
    assert speeds[0] < speeds[1] < speeds[2]


def test_no_giants_among_faint_red_stars_nor_among_m_dwarfs(stars):
    giant = np.isin(stars["kind"], GIANTS)
    g_i = (stars["g"] - stars["i"]).value
    early = (g_i > 0.7) & (g_i < 1.5)
    shares = [giant[early & (stars["r"].value > low) & (stars["r"].value < low + 2)].mean() for low in (13.5, 19.5)]
    assert shares[0] > 2 * shares[1]
    assert not giant[g_i > 2.6].any()


def test_the_disk_thins_out_toward_the_pole_and_the_halo_takes_over():
    def halo(latitude, magnitude):
        where = SkyCoord(90 * u.deg, latitude * u.deg, frame="galactic")
        kind = draw_stars(3000, seed=5, direction=where.icrs, r_range=[magnitude, magnitude + 0.5] * u.mag)["kind"]
        return np.isin(kind, POPULATIONS["halo"]).mean()

    assert halo(90, 20) > halo(25, 20) + 0.05
    assert halo(90, 20) > halo(90, 15) + 0.1


@pytest.mark.parametrize("wrong, error", [
    ((14, 20), TypeError),
    ([14, 20] * u.kpc, u.UnitsError),
    ([20, 14] * u.mag, InputError),
    (14 * u.mag, InputError),
    ([14, np.nan] * u.mag, InputError),
])  # fmt: skip
def test_a_range_that_is_none_is_refused(wrong, error):
    with pytest.raises(error):
        draw_stars(3, seed=1, r_range=wrong)


def test_companions_add_light_and_redden(stars):
    pair = stars["mass_ratio"] > 0
    assert 0.15 < pair.mean() < 0.5
    assert np.array_equal(pair, np.isfinite(stars["binary_separation"]))
    assert stars["binary_separation"][pair].max() < COMPANION_LIMIT * u.arcsec
    # A pair is brighter than its primary, by no more than a twin, at the same distance.
    modulus = 5 * np.log10(stars["distance"].to_value(u.kpc)) + 10
    dwarf = np.isin(stars["kind"], (0, 1)) & (stars["a_v"] < 0.1 * u.mag)
    r = stars["r"].value - modulus - 0.83 * stars["a_v"].value
    expected = physics.stefan_boltzmann_radius(stars["g_mag"], stars["bp_rp"], stars["parallax"])
    excess = np.log10((expected / stars["radius"]).value)
    assert np.median(excess[dwarf & pair]) > np.median(excess[dwarf & ~pair]) + 0.01
    twins = dwarf & (stars["mass_ratio"] > 0.95) & (stars["mass_ratio"] < 1)
    assert np.median(excess[twins]) == pytest.approx(0.15, abs=0.02)  # 0.2 * 2.5 log10(2)
    assert np.isfinite(r).all()


def test_a_white_dwarf_beside_an_m_dwarf_shows_in_u_alone(stars):
    g_i = (stars["g"] - stars["i"]).value
    u_g = (stars["u"] - stars["g"]).value
    white = stars["mass_ratio"] > 1
    assert white.sum() > 20
    red = g_i > 1.8
    assert np.median(u_g[red & white]) < np.median(u_g[red & ~white]) - 0.3


def test_intruders_come_in_the_share_asked_for():
    stars = draw_stars(10_000, seed=3, intruders=0.3)
    first = len(KINDS) - len(INTRUDERS)
    assert (stars["kind"] >= first).mean() == pytest.approx(0.3, abs=0.02)
    assert (draw_stars(2000, seed=3)["kind"] < first).all()
    rows = {name: stars[stars["kind"] == KINDS.index(name)] for name in INTRUDERS}
    assert all(len(r) > 100 for r in rows.values())
    for name in ("quasar", "galaxy"):
        for column in ("parallax", "pmra", "pmdec"):
            assert (rows[name][column].value == 0).all()
        assert np.isnan(rows[name]["radius"]).all() and np.isnan(rows[name]["teff"]).all()
    assert 0.011 < np.median(rows["white_dwarf"]["radius"].value) < 0.015
    assert (rows["hot_star"]["teff"] > 10_000 * u.K).all()
    assert 0.1 < np.median(rows["hot_subdwarf"]["radius"].value) < 0.3
    sizes = {name: r["half_light_radius"].value for name, r in rows.items()}
    assert (sizes.pop("galaxy") > 0).all()
    assert all((size == 0).all() for size in sizes.values())
    assert (stars["r"].value >= 13.5).all() and (stars["r"].value <= 22).all()


@pytest.mark.parametrize("share", [-0.1, 1.5, np.nan])
def test_a_share_that_is_none_is_refused(share):
    with pytest.raises(InputError, match="intruders"):
        draw_stars(3, seed=1, intruders=share)
