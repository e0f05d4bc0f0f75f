# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The paper's input recipe as a whole, against its three steps done one star at a time."""

import dataclasses
import json

import numpy as np
import pytest
from astropy.visualization import make_lupton_rgb

from stellarclass.astrometry import Astrometry
from stellarclass.stamps import recipes
from stellarclass.stamps.base import Stamps
from stellarclass.stamps.mescr import MescrRecipe
from stellarclass.stamps.roi import resize, roi_boxes


def some_stamps(n=30, seed=0):
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:64, :64] - 31.5
    flux = 10 ** rng.uniform(-1.5, 5, (n, 1, 1, 1)) * rng.uniform(0.2, 1, (n, 5, 1, 1))
    images = flux * np.exp(-(x**2 + y**2) / 9) / 28 + rng.normal(0, 0.02, (n, 5, 64, 64))
    return dataclasses.replace(Stamps.empty(n), images=images.astype(np.float32))


def astrometry(**columns):
    n = len(next(iter(columns.values())))
    return dataclasses.replace(Astrometry.empty(n), **{k: np.array(v, float) for k, v in columns.items()})


@pytest.mark.parametrize("rule", ["ring", "published"])
def test_composite_then_cut_then_resize(rule):
    stamps = some_stamps()
    inputs = MescrRecipe(roi_rule=rule)(stamps)
    boxes = roi_boxes(stamps.images[:, 2], rule=rule)
    assert len(np.unique(boxes, axis=0)) > 2
    for name, bands in (("image_a", (1, 2, 3)), ("image_b", (0, 2, 4))):
        assert inputs[name].dtype == np.uint8 and inputs[name].shape == (30, 3, 64, 64)
        for image, stamp, (y0, y1, x0, x1) in zip(inputs[name], stamps.images, boxes, strict=True):
            whole = make_lupton_rgb(*stamp[list(bands)], minimum=0, stretch=0.5, Q=8)
            np.testing.assert_array_equal(image, resize(np.moveaxis(whole, -1, 0)[None, :, y0:y1, x0:x1], 64)[0])


@pytest.mark.parametrize("size", [16, 33, 64])
def test_a_star_does_not_depend_on_its_neighbors_in_the_batch(size):
    stamps, recipe = some_stamps(), MescrRecipe(size=size, combination="gru+iz")
    together = recipe(stamps)
    for i in (0, 11, 29):
        alone = recipe(stamps[i])
        np.testing.assert_array_equal(alone["image_a"][0], together["image_a"][i])
        np.testing.assert_array_equal(alone["image_b"][0], together["image_b"][i])


def test_numbers_are_min_max_scaled_and_missing_is_zero():
    gaia = astrometry(
        parallax=[1.0, 5.0, -1.0, np.nan, 3.0], pmra=[3.0, 0.0, -30.0, 3.0, np.nan], pmdec=[4.0, 20.0, 40.0, 4.0, 1.0]
    )
    recipe = MescrRecipe(parallax_range=(1.0, 5.0), pm_range=(0.0, 50.0))
    numeric = recipe(Stamps.empty(5), gaia)["numeric"]
    assert numeric.dtype == np.float32
    np.testing.assert_allclose(numeric, [[0, 0.1], [1, 0.4], [-0.5, 1], [0, 0.1], [0.5, 0]], rtol=1e-6)
    assert not recipe(Stamps.empty(5))["numeric"].any()


def test_an_inverse_hyperbolic_sine_bounds_what_lies_far_out():
    """The ends of the ranges stay 0 and 1; decades above them are equal steps, and a zero or less is no trouble."""
    gaia = astrometry(parallax=[-1.0, 0.0, 1.0, 4.0, 40.0, 400.0, np.nan], pmra=[0.0] * 7, pmdec=[1.0, 0] + [3.0] * 5)
    ranges = {"parallax_range": (1.0, 4.0), "pm_range": (1.0, 3.0)}
    parallax, pm = MescrRecipe(scaling="asinh", **ranges)(Stamps.empty(7), gaia)["numeric"].T
    np.testing.assert_allclose(pm, [0, np.arcsinh(15) / (np.arcsinh(15) - np.arcsinh(45)), 1, 1, 1, 1, 1], rtol=1e-6)
    assert parallax[2] == 0 and parallax[3] == 1 and parallax[6] == 0
    assert (np.diff(parallax[:6]) > 0).all()
    step = np.log(10) / (np.arcsinh(40) - np.arcsinh(10))  # in units of a thirtieth of 1 to 4: 10 and 40
    np.testing.assert_allclose(np.diff(parallax)[3:5], [step, step], rtol=1e-3)
    assert MescrRecipe(**ranges)(Stamps.empty(7), gaia)["numeric"][5, 0] == 133  # what the paper's scaling makes of it


def test_temperature_is_an_input_that_one_gives():
    recipe = MescrRecipe(inputs=("image", "parallax", "pm", "teff"), teff_range=(4000, 6000))
    numeric = recipe(Stamps.empty(3), teff=np.array([4000.0, 5500.0, np.nan]))["numeric"]
    np.testing.assert_allclose(numeric, [[0, 0, 0], [0, 0, 0.75], [0, 0, 0]])
    for teff in (None, np.array([5000.0])):
        with pytest.raises(ValueError, match="temperatures for 3 stamps"):
            recipe(Stamps.empty(3), teff=teff)


def test_inputs_choose_the_columns():
    gaia = astrometry(parallax=[5.0], pmra=[30.0], pmdec=[40.0])
    both = MescrRecipe()(Stamps.empty(1), gaia)["numeric"]
    np.testing.assert_array_equal(MescrRecipe(inputs=("image", "pm"))(Stamps.empty(1), gaia)["numeric"], both[:, 1:])
    np.testing.assert_array_equal(
        MescrRecipe(inputs=("image", "parallax"))(Stamps.empty(1), gaia)["numeric"], both[:, :1]
    )
    assert "numeric" not in MescrRecipe(inputs=("image",))(Stamps.empty(1), gaia)


def test_no_stars():
    inputs = MescrRecipe(size=32)(Stamps.empty(0), Astrometry.empty(0))
    assert inputs["image_a"].shape == (0, 3, 32, 32) and inputs["numeric"].shape == (0, 2)


def test_as_a_model_card_has_it():
    recipe = MescrRecipe(
        combination="guz+ri", size=32, scaling="asinh", parallax_range=(-1, 30), inputs=("image", "pm")
    )
    values = recipes.to_dict(recipe)
    assert values["name"] == "mescr"
    read = json.loads(json.dumps(values))
    read.pop("name")
    assert MescrRecipe(**read) == recipe


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"combination": "gri"}, "two composites"),
        ({"combination": "gri+xyz"}, "ugriz"),
        ({"roi_rule": "none"}, "'ring', 'published'"),
        ({"size": 4}, "8 to 512"),
        ({"size": 1e9}, "8 to 512"),
        ({"q": -1.0}, "positive"),
        ({"scaling": "log"}, "'linear', 'asinh'"),
        ({"parallax_range": (1.0, 1.0)}, "parallax_range"),
        ({"pm_range": (0.0, np.inf)}, "pm_range"),
        ({"inputs": ("parallax", "pm")}, "'image'"),
        ({"inputs": ("image", "pm", "parallax")}, "order"),
        ({"inputs": ("image", "color")}, "order"),
    ],
)
def test_bad_parameters_are_named(change, message):
    with pytest.raises(ValueError, match=message):
        MescrRecipe(**change)


def test_rows_must_agree():
    with pytest.raises(ValueError, match="2 rows of astrometry for 3 stamps"):
        MescrRecipe()(Stamps.empty(3), Astrometry.empty(2))
