# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Simulated Gaia measurements: errors that grow with magnitude, and scatter as much as is known of the real ones."""

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import BarycentricTrueEcliptic, SkyCoord
from astropy.table import QTable

from stellarclass.archives import LocalAstrometry
from stellarclass.exceptions import InputError
from stellarclass.simulate import draw_stars, observe_astrometry
from stellarclass.simulate.gaia import FAINT_LIMIT
from stellarclass.simulate.gaiaerrors import error_underestimate
from stellarclass.zeropoint import effective_wavenumber, five_parameter_zero_point

ASTROMETRY = ("parallax", "parallax_error", "pmra", "pmra_error", "pmdec", "pmdec_error", "ruwe")


def stars_at(g_mag, n, **columns):
    """N equal stars like the Sun at 1 kpc; ``columns`` replaces or adds."""
    table = {
        "g_mag": np.full(n, g_mag) * u.mag,
        "bp_rp": np.full(n, 0.8) * u.mag,
        "parallax": np.full(n, 1.0) * u.mas,
        "pmra": np.full(n, 3.0) * u.mas / u.yr,
        "pmdec": np.full(n, -4.0) * u.mas / u.yr,
        "radius": np.full(n, 1.0) * u.solRad,
        "teff": np.full(n, 5772.0) * u.K,
    }
    return QTable(table | {name: np.broadcast_to(x, n, subok=True) for name, x in columns.items()})


@pytest.fixture(scope="module")
def stars():
    return draw_stars(20_000, seed=1)


@pytest.fixture(scope="module")
def seen(stars):
    return observe_astrometry(stars, seed=2)


def test_a_seed_is_a_measurement(stars, seen):
    again, other = observe_astrometry(stars, seed=2), observe_astrometry(stars, seed=3)
    for name in seen.colnames:
        assert np.array_equal(seen[name].value, again[name].value, equal_nan=True)
        assert not np.array_equal(seen[name].value, other[name].value, equal_nan=True)


def test_columns_are_named_and_have_units_as_gaia_has_them(seen):
    for name in ("parallax", "parallax_error"):
        assert seen[name].unit == u.mas
    for name in ("pmra", "pmra_error", "pmdec", "pmdec_error"):
        assert seen[name].unit == u.mas / u.yr
    assert seen["phot_g_mean_mag"].unit == seen["bp_rp"].unit == u.mag
    assert seen["radius_flame"].unit == u.solRad


@pytest.mark.parametrize("g_mag", [13.0, 16.0, 20.0])
@pytest.mark.parametrize("name", ["parallax", "pmra", "pmdec"])
def test_real_errors_are_larger_than_quoted_ones_by_a_known_factor(g_mag, name):
    n = 20_000
    truth = stars_at(g_mag, n)
    seen = observe_astrometry(truth, seed=5, mismatched=0, corrected=False)
    pull = ((seen[name] - truth[name]) / seen[name + "_error"]).value
    pull = pull[np.isfinite(pull)]
    scatter = 1.4826 * np.median(np.abs(pull - np.median(pull)))
    expected = float(error_underestimate(g_mag))
    if name == "parallax":  # the field's common error, and the zero point's run with latitude
        known = five_parameter_zero_point(g_mag, effective_wavenumber(0.8), np.arcsin(np.linspace(-1, 1, 201)))
        error = np.nanmedian(seen["parallax_error"].value)
        expected = np.sqrt(expected**2 + (0.0103**2 + np.var(known)) / error**2)
        assert np.median(pull) * error == pytest.approx(np.mean(known), abs=0.2 * abs(np.mean(known)) + 0.01 * error)
    else:
        assert np.median(pull) == pytest.approx(0, abs=0.04)
    assert scatter == pytest.approx(expected, rel=0.04)


def test_errors_grow_as_gaia_s_do():
    # Over the whole sky, Lindegren et al. (2021, A&A 649, A2), Table 4.
    for g_mag, expected in ((15, 0.025), (17, 0.068), (20, 0.46)):
        seen = observe_astrometry(stars_at(g_mag, 4000), seed=1)
        assert np.nanmedian(seen["parallax_error"].value) == pytest.approx(expected, rel=0.1)


def test_the_ecliptic_is_seen_least_well_and_a_field_has_one_sky():
    def field(latitude, seed):
        place = SkyCoord(40 * u.deg, latitude, frame=BarycentricTrueEcliptic()).icrs
        return observe_astrometry(stars_at(16.0, 2000, ra=place.ra, dec=place.dec), seed=seed)

    medians = {
        b: np.array([np.nanmedian(field(b * u.deg, seed)["parallax_error"].value) for seed in range(8)])
        for b in (0, 50)
    }
    ratio = np.exp(np.mean(np.log(medians[0]) - np.log(medians[50])))
    assert ratio == pytest.approx(1.18 / 0.82, rel=0.08)
    # From field to field 6 % is seen, which 2000 stars that do not share it would have to a thousandth of that.
    assert 0.02 < np.std(np.log(medians[0])) < 0.12
    east, north = (np.nanmedian((field(0 * u.deg, 1)[n] / field(0 * u.deg, 1)["parallax_error"]).value)
                   for n in ("pmra_error", "pmdec_error"))  # fmt: skip
    assert east > 1.05 > 0.9 > north


def test_faint_stars_are_not_there_and_some_have_a_position_only():
    def shares(g_mag, **columns):
        seen = observe_astrometry(stars_at(g_mag, 4000, **columns), seed=3)
        there = np.isfinite(seen["phot_g_mean_mag"].value)
        return there.mean(), np.isfinite(seen["parallax"].value).sum() / max(there.sum(), 1)

    assert shares(17.0)[0] > 0.995
    assert shares(17.0)[1] > 0.98
    found, solved = shares(20.7)
    assert found > 0.95
    assert 0.7 < solved < 0.9
    assert shares(FAINT_LIMIT + 0.05)[1] == 0
    assert shares(22.0)[0] == 0


def test_a_solution_is_whole_or_not_there(seen):
    for name in ASTROMETRY:
        assert np.array_equal(np.isnan(seen[name].value), np.isnan(seen["parallax"].value))
    gone = np.isnan(seen["phot_g_mean_mag"].value)
    assert gone.any()
    for name in seen.colnames:
        assert np.isnan(seen[name].value[gone]).all()


def test_single_stars_have_ruwe_1():
    ruwe = observe_astrometry(stars_at(18.0, 10_000), seed=4)["ruwe"].value
    assert np.nanmedian(ruwe) == pytest.approx(1.01, abs=0.01)
    assert np.nanpercentile(ruwe, 84) == pytest.approx(1.07, abs=0.02)  # real rows: 1.067
    assert 0.001 < np.nanmean(ruwe > 1.4) < 0.015  # what is disturbed by something else


def test_binaries_have_a_larger_ruwe_errors_to_match_and_wrong_parallaxes():
    pair = {"parallax": 8 * u.mas, "binary_separation": 0.016 * u.arcsec, "mass_ratio": 0.6}
    single = stars_at(15.0, 3000, parallax=8 * u.mas)
    double = stars_at(15.0, 3000, **pair)
    one, two = observe_astrometry(single, seed=4), observe_astrometry(double, seed=4)
    assert np.nanmean(two["ruwe"] > 1.4) > 0.9
    inflation = two["parallax_error"] / one["parallax_error"]
    np.testing.assert_allclose(inflation, two["ruwe"] / one["ruwe"], rtol=1e-9)
    spread = [np.nanstd((s["parallax"] - 8 * u.mas) / s["parallax_error"]) for s in (one, two)]
    assert spread[0] < 2 * spread[1]
    far = observe_astrometry(stars_at(18.0, 3000, **pair | {"binary_separation": 1e-6 * u.arcsec}), seed=4)
    assert np.nanmean(far["ruwe"] > 1.4) < 0.02


def test_in_a_crowd_errors_grow_and_solutions_and_colors_go_missing():
    truth = stars_at(19.0, 6000, ra=323.4 * u.deg, dec=-0.8 * u.deg)
    alone, crowded = (observe_astrometry(truth, seed=6, density=d / u.arcmin**2) for d in (0, 100))
    growth = np.nanmedian(crowded["parallax_error"].value) / np.nanmedian(alone["parallax_error"].value)
    assert growth == pytest.approx(np.exp(0.5), rel=0.05)  # M2, 2' to 4' from its center: 1.5
    for name in ("parallax", "bp_rp"):
        assert np.isnan(crowded[name]).sum() > 3 * np.isnan(alone[name]).sum()


def test_a_mismatch_is_another_star_of_about_the_same_brightness():
    n = 2000
    truth = stars_at(17.0, n)
    truth["g_mag"] = np.linspace(15, 19, n) * u.mag
    truth["pmra"] = np.arange(n) * 10.0 * u.mas / u.yr  # says who is who
    seen = observe_astrometry(truth, seed=7, mismatched=0.2)
    whose = np.rint(seen["pmra"].value / 10)
    there = np.isfinite(whose)
    wrong = there & (whose != np.arange(n))
    assert wrong.sum() / there.sum() == pytest.approx(0.2, abs=0.04)
    assert np.nanmax(np.abs(whose - np.arange(n))) <= 20
    kept = observe_astrometry(truth, seed=7, mismatched=0)
    same = there & ~wrong
    for name in seen.colnames:
        np.testing.assert_array_equal(seen[name][same], kept[name][same])


def test_galaxies_are_mostly_not_there_and_quasars_are_at_rest():
    galaxies = observe_astrometry(stars_at(19.0, 3000, half_light_radius=1.2 * u.arcsec), seed=8)
    assert np.isfinite(galaxies["phot_g_mean_mag"]).mean() < 0.1
    columns = {"parallax": 0 * u.mas, "pmra": 0 * u.mas / u.yr, "pmdec": 0 * u.mas / u.yr, "radius": np.nan * u.solRad}
    quasars = observe_astrometry(stars_at(17.5, 3000, **columns), seed=8, corrected=False)
    assert np.nanmedian(quasars["parallax"]).to_value(u.mas) == pytest.approx(-0.027, abs=0.008)
    assert abs(np.nanmedian(quasars["pmra"] / quasars["pmra_error"])) < 0.06
    assert np.isnan(quasars["radius_flame"]).all()


def test_radii_of_flame_and_where_there_are_none():
    seen = observe_astrometry(stars_at(15.0, 5000), seed=9, mismatched=0, corrected=False)
    ratio = seen["radius_flame"].value
    there = np.isfinite(ratio)
    assert there.mean() == pytest.approx(0.9, abs=0.03)
    assert np.median(ratio[there]) == pytest.approx(1.01 / (1 - 0.043), abs=0.01)  # the zero point of 1 mas, too
    assert 0.035 < 1.4826 * np.median(np.abs(ratio[there] - np.median(ratio[there]))) < 0.06
    for nothing in (
        stars_at(18.3, 500),
        stars_at(15.0, 500, radius=np.nan * u.solRad),
        stars_at(15.0, 500, teff=3e4 * u.K),
    ):
        assert np.isnan(observe_astrometry(nothing, seed=9)["radius_flame"]).all()


def test_flame_takes_a_pair_for_one_large_star():
    pair = {"binary_separation": 1e-4 * u.arcsec, "mass_ratio": 1.0}
    one, two = (observe_astrometry(stars_at(16.0, 3000, **c), seed=9)["radius_flame"].value for c in ({}, pair))
    assert np.nanmedian(two) / np.nanmedian(one) == pytest.approx(np.sqrt(2), rel=0.02)


def test_an_empty_sky_and_bad_input():
    assert len(observe_astrometry(stars_at(15.0, 0), seed=1)) == 0
    with pytest.raises(u.UnitsError):
        observe_astrometry(stars_at(15.0, 2), seed=1, density=3 * u.arcmin)
    with pytest.raises(TypeError):
        observe_astrometry(stars_at(15.0, 2), seed=1, density=3)
    with pytest.raises(InputError, match="density = -1"):
        observe_astrometry(stars_at(15.0, 2), seed=1, density=-1 / u.arcmin**2)
    with pytest.raises(InputError, match=r"mismatched = 1\.5"):
        observe_astrometry(stars_at(15.0, 2), seed=1, mismatched=1.5)


def test_the_zero_point_is_taken_off_unless_one_asks_for_it():
    columns = {"parallax": 0 * u.mas, "pmra": 0 * u.mas / u.yr, "pmdec": 0 * u.mas / u.yr}
    corrected, published = (
        np.nanmedian(observe_astrometry(stars_at(17.5, 3000, **columns), seed=8, corrected=c)["parallax"].value)
        for c in (True, False)
    )
    assert corrected == pytest.approx(0, abs=0.008)
    assert published < corrected - 0.015


def test_what_the_sources_take_off_is_what_the_simulation_put_on():
    """Through `LocalAstrometry`, with the noisy colors that Gaia would have."""
    rng = np.random.default_rng(4)
    n = 500
    where = {"ra": rng.uniform(0, 360, n) * u.deg, "dec": np.degrees(np.arcsin(rng.uniform(-1, 1, n))) * u.deg}
    stars = stars_at(17.5, n, **where)
    corrected, published = (observe_astrometry(stars, seed=8, corrected=c) for c in (True, False))
    for column, values in {"source_id": np.arange(n), **where}.items():
        published[column] = values
    source = LocalAstrometry(published, zero_point="lindegren")
    found = source.candidates(where["ra"].value, where["dec"].value, radius=0.1 * u.arcsec)
    assert found["source_id"].tolist() == found["target"].tolist() == list(range(n))
    difference = found["parallax"].filled(np.nan) - corrected["parallax"].value
    assert np.nanmax(np.abs(published["parallax"].value - corrected["parallax"].value)) > 0.03
    assert np.nanmax(np.abs(difference)) < 0.003
