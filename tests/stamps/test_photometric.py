# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The default recipe: complete, finite whatever is missing, and blind to the other stars."""

import numpy as np
import pytest
from astropy import units as u
from hypothesis import given, settings
from hypothesis import strategies as st

from stellarclass.astrometry import Astrometry
from stellarclass.physics import gaia_from_sdss, stefan_boltzmann_radius
from stellarclass.simulate import draw_stars, render_stars
from stellarclass.stamps import recipes
from stellarclass.stamps.base import Stamps
from stellarclass.stamps.photometric import FEATURES, PhotometricRecipe
from stellarclass.stamps.photometry import measure

RECIPE = PhotometricRecipe()
ASTROMETRY = ("parallax", "parallax_error", "pmra", "pmra_error", "pmdec", "pmdec_error")


def _column(inputs, name):
    return inputs["features"][:, FEATURES.index(name)]


def _astrometry(n, **values):
    result = Astrometry.empty(n)
    for name, value in {"parallax_error": 0.1, "pmra": 3.0, "pmra_error": 0.1, "pmdec": -4.0, "pmdec_error": 0.1,
                        **values}.items():  # fmt: skip
        getattr(result, name)[:] = value
    return result


@pytest.fixture(scope="module")
def stars():
    return draw_stars(24, seed=1, r_range=[15, 18] * u.mag)


@pytest.fixture(scope="module")
def stamps(stars):
    return render_stars(stars, seed=2, neighbor_density=0.0)


@pytest.fixture(scope="module")
def photometry(stamps):
    return measure(stamps)


@pytest.fixture(scope="module")
def inputs(stars, stamps):
    return RECIPE(stamps, _astrometry(24, parallax=stars["parallax"].value, parallax_error=0.02))


@pytest.mark.parametrize("size", [4, 16, 24])
def test_shapes_and_types(stamps, size):
    made = PhotometricRecipe(size=size)(stamps, Astrometry.empty(24))
    shapes = {
        "features": (24, len(FEATURES)),
        "residual": (24, 5, size, size),
        "bp_rp_base": (24,),
        "radius_base": (24,),
    }
    assert {name: values.shape for name, values in made.items()} == shapes
    assert all(values.dtype == np.float32 for values in made.values())
    assert len(set(FEATURES)) == len(FEATURES)


def test_the_smaller_residual_is_the_middle_of_the_larger(stamps):
    small, large = (PhotometricRecipe(size=s)(stamps, Astrometry.empty(24))["residual"] for s in (8, 24))
    assert np.array_equal(small, large[:, :, 8:16, 8:16])


def test_no_stars_are_no_inputs():
    made = RECIPE(Stamps.empty(0), Astrometry.empty(0))
    assert all(len(values) == 0 for values in made.values())


def test_without_a_pixel_and_without_astrometry_all_is_finite():
    made = RECIPE(Stamps.empty(3), Astrometry.empty(3))
    for values in made.values():
        assert np.isfinite(values).all()
        assert (values[0] == values).all()
    for name in ("used_r", "psf_known", "has_parallax", "has_proper_motion"):
        assert (_column(made, name) == 0).all()
    assert (made["residual"] == 0).all()


@given(
    parallax=st.floats(-1e3, 1e3) | st.just(np.nan),
    parallax_error=st.floats(1e-3, 10) | st.just(np.nan),
    pmra=st.floats(-1e4, 1e4) | st.just(np.nan),
    pmra_error=st.floats(0, 100) | st.just(np.nan),
    pmdec=st.floats(-1e4, 1e4) | st.just(np.nan),
    pmdec_error=st.floats(0, 100) | st.just(np.nan),
)
@settings(deadline=None, max_examples=60)
def test_any_astrometry_gives_finite_inputs(stamps, photometry, **values):
    made = RECIPE(stamps, _astrometry(24, **values), photometry=photometry)
    for array in made.values():
        assert np.isfinite(array).all()
    has = np.isfinite(values["parallax"]) and np.isfinite(values["parallax_error"])
    assert (_column(made, "has_parallax") == has).all()
    assert (_column(made, "has_proper_motion") == (np.isfinite(values["pmra"]) and np.isfinite(values["pmdec"]))).all()


def test_a_larger_parallax_means_a_fainter_star_through_zero_and_below(stamps, photometry):
    one = stamps[np.zeros(200, int)]
    measured = type(photometry)(**{k: v[np.zeros(200, int)] for k, v in photometry.__dict__.items()})
    made = RECIPE(one, _astrometry(200, parallax=np.linspace(-2, 2, 200)), photometry=measured)
    for name in ("parallax_luminosity", "parallax_snr", "log_luminosity"):
        assert (np.diff(_column(made, name)) > 0).all(), name
    assert len(np.unique(_column(made, "parallax_luminosity_err"))) == 1
    # Where the parallax says nothing the radius is that of a dwarf, where it is large it falls with it.
    base = made["radius_base"]
    assert len(np.unique(base[:100])) == 1
    assert (np.diff(base[150:]) < 0).all()


@pytest.mark.parametrize("order", [np.arange(24)[::-1], np.array([3, 3, 17]), np.array([5])])
def test_a_star_s_inputs_are_its_own(stars, stamps, inputs, order):
    made = RECIPE(stamps[order], _astrometry(len(order), parallax=stars["parallax"].value[order], parallax_error=0.02))
    for name, values in made.items():
        np.testing.assert_allclose(values, inputs[name][order], rtol=1e-5, atol=1e-5)


def test_photometry_that_is_there_is_not_measured_again(stars, stamps, photometry, inputs):
    astrometry = _astrometry(24, parallax=stars["parallax"].value, parallax_error=0.02)
    made = RECIPE(stamps, astrometry, photometry=photometry)
    assert all(np.array_equal(made[name], inputs[name]) for name in inputs)


def test_columns_hold_what_their_names_say(stars, photometry, inputs):
    clean = (photometry.flags == 0) & (stars["u"] < 21 * u.mag)
    assert clean.sum() > 10
    colors = [(_column(inputs, f"color_{a}") - _column(inputs, f"color_{b}"))[clean] for a, b in ("gr", "ri", "iz")]
    truth = [(stars[a] - stars[b]).value[clean] for a, b in ("gr", "ri", "iz")]
    assert np.abs(np.median(np.subtract(colors, truth), axis=1)).max() < 0.02
    assert np.median((18 + 3 * _column(inputs, "ref_mag") - stars["r"].value)[clean]) == pytest.approx(0, abs=0.02)
    assert (_column(inputs, "color_r")[clean] == 0).all()
    for name in ("aperture3_g", "aperture5_r", "aperture7_i"):
        assert abs(np.median(_column(inputs, name)[clean])) < 0.03
    absolute = stars["r"].value + 5 * np.log10(stars["parallax"].value) - 10
    np.testing.assert_allclose(_column(inputs, "log_luminosity")[clean], (0.2 * absolute)[clean], atol=0.15)
    motion = _column(inputs, "log_proper_motion")
    np.testing.assert_allclose(motion, np.log10(5.1), atol=1e-5)
    reduced = motion + 0.2 * (stars["r"].value - 18)
    np.testing.assert_allclose(_column(inputs, "reduced_proper_motion")[clean], reduced[clean], atol=0.02)


def test_first_guesses_are_physics(stars, photometry, inputs):
    g_mag, bp_rp = gaia_from_sdss(stars["g"], stars["r"], stars["i"])
    radius = stefan_boltzmann_radius(g_mag, bp_rp, stars["parallax"])
    known = (photometry.flags == 0) & (stars["parallax"] > 20 * 0.02 * u.mas)
    assert known.sum() > 10
    clean = photometry.flags == 0
    assert np.abs(np.median((inputs["bp_rp_base"] - bp_rp.value)[clean])) < 0.02
    assert np.abs(np.median((inputs["radius_base"] - np.log10(radius.value))[known])) < 0.03


@pytest.mark.parametrize("lost, stand_in", [("r", "i"), ("ri", "g"), ("rig", "z"), ("rigz", "u")])
def test_another_band_stands_in_for_a_missing_r(photometry, lost, stand_in):
    used = photometry.used.copy()
    used[:, ["ugriz".index(b) for b in lost]] = False
    measured = type(photometry)(**{**photometry.__dict__, "used": used})
    made = RECIPE(Stamps.empty(24), Astrometry.empty(24), photometry=measured)
    for band in lost:
        assert (_column(made, f"color_{band}") == 0).all() and (_column(made, f"used_{band}") == 0).all()
    assert len(np.unique(_column(made, f"color_{stand_in}"))) == 1  # the typical color, by definition
    if lost == "r":
        assert np.abs(np.median(3 * _column(made, "ref_mag") + 18 - photometry.magnitude[:, 2])) < 0.5


def test_a_card_brings_the_recipe_back():
    for recipe in (RECIPE, PhotometricRecipe(size=12)):
        values = recipes.to_dict(recipe)
        assert values == {"name": "photometric", "size": recipe.size}
        assert recipes.from_dict(values) == recipe
    with pytest.raises(ValueError, match="does not take these parameters"):
        recipes.from_dict({"name": "photometric", "side": 12})
