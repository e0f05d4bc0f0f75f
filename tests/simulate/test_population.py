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
from stellarclass.simulate.population import _BP_RP_PER_G_I, _EXTINCTION, _EXTINCTION_G

GIANTS = [KINDS.index(k) for k in ("thin_giant", "thick_giant", "halo_giant")]
POPULATIONS = {name: [k for k, kind in enumerate(KINDS) if kind.startswith(name)] for name in ("thin", "thick", "halo")}


@pytest.fixture(scope="module")
def stars():
    return draw_stars(20_000, seed=1)


def _unreddened(stars):
    """G and BP-RP without dust, in mag."""
    a_v = stars["a_v"].value
    g_i = (_EXTINCTION[1] - _EXTINCTION[3]) * a_v
    return stars["g_mag"].value - _EXTINCTION_G * a_v, stars["bp_rp"].value - _BP_RP_PER_G_I * g_i


@given(st.integers(0, 60), st.integers(0, 2**31))
@settings(max_examples=20, deadline=None)
def test_a_seed_is_a_population(n, seed):
    one, again = draw_stars(n, seed=seed), draw_stars(n, seed=np.random.default_rng(seed))
    assert len(one) == n
    for name in one.colnames:
        assert np.array_equal(one[name], again[name])
        assert np.isfinite(one[name]).all()


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


def test_radius_follows_from_what_a_perfect_observer_sees(stars):
    g_mag, bp_rp = _unreddened(stars)
    radius = physics.stefan_boltzmann_radius(g_mag * u.mag, bp_rp * u.mag, stars["parallax"])
    np.testing.assert_allclose(stars["radius"].value, radius.value, rtol=1e-9)
    np.testing.assert_allclose(stars["teff"].value, physics.temperature_from_color(bp_rp * u.mag).value, rtol=1e-9)


def test_gaia_and_sdss_see_the_same_star(stars):
    g_mag, bp_rp = physics.gaia_from_sdss(stars["g"], stars["r"], stars["i"])
    clear = stars["a_v"].value < 0.03
    # The transformation is of reddened colors here, of intrinsic ones there: they agree where there is hardly any dust.
    assert np.abs((g_mag - stars["g_mag"])[clear].value).max() < 0.02
    assert np.std((bp_rp - stars["bp_rp"])[clear].value) == pytest.approx(0.01, abs=0.002)  # the scatter put in


def test_kinds_have_the_sizes_that_their_names_promise(stars):
    kind, radius = stars["kind"], stars["radius"].value
    assert set(kind) == set(range(len(KINDS)))
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
