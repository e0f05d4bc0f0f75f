# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Methods to compare with: each must be as good as it can be, or beating it says nothing."""

import sys

import numpy as np
import pytest
from astropy import units as u

from stellarclass.astrometry import Astrometry
from stellarclass.evaluation.baselines import INPUTS, ColorForest, EnsembleMethod, StefanBoltzmann, withhold
from stellarclass.evaluation.radii import coverage, radius_errors
from stellarclass.exceptions import InputError
from stellarclass.simulate import draw_stars, label_probabilities, render_stars
from stellarclass.stamps.base import MASK_MISSING

N = 400


@pytest.fixture(scope="module")
def stars():
    """Single stars of middling brightness with little dust before them."""
    table = draw_stars(8 * N, seed=8, r_range=(16.5, 18.0) * u.mag)
    good = (
        np.isfinite(table["radius"])
        & (table["a_v"] < 0.1 * u.mag)
        & (table["mass_ratio"] == 0)
        & (table["teff"] < 9000 * u.K)
    )
    return table[good][:N]


@pytest.fixture(scope="module")
def stamps(stars):
    return render_stars(stars, seed=9, neighbor_density=0.0)


@pytest.fixture(scope="module")
def astrometry(stars):
    """Parallaxes a tenth uncertain, drawn from their errors."""
    true = stars["parallax"].to_value(u.mas)
    known = Astrometry.empty(len(stars))
    known.parallax_error[:] = 0.1 * true
    known.parallax[:] = true + known.parallax_error * np.random.default_rng(10).normal(size=len(true))
    known.pmra[:], known.pmdec[:] = (stars[name].to_value(u.mas / u.yr) for name in ("pmra", "pmdec"))
    known.pmra_error[:] = known.pmdec_error[:] = 0.1
    return known


@pytest.fixture(scope="module")
def forest(star_set):
    pytest.importorskip("sklearn")
    return ColorForest.train(star_set, seed=1, label_systems=("sdss", "pecaut_mamajek"), trees=20)


def test_stefan_boltzmann_is_right_and_its_errors_are_honest(stars, stamps, astrometry):
    answer = StefanBoltzmann().predict(stamps, astrometry)
    errors = radius_errors(stars["radius"], answer.radius * u.solRad)
    assert errors.answered == 1.0
    assert abs(errors.offset_dex) < 0.03
    assert errors.robust_sigma_dex == pytest.approx(0.045, abs=0.02)  # a tenth of parallax is 0.043 dex
    inside = coverage(stars["radius"], answer.radius_lower * u.solRad, answer.radius_upper * u.solRad)
    assert inside["coverage"][0] == pytest.approx(0.9, abs=0.06)
    assert np.isnan(answer.probabilities).all() and answer.class_sets.all()


def test_stefan_boltzmann_is_silent_without_parallax_or_color(stamps, astrometry):
    part, known = stamps[np.arange(5)], astrometry[np.arange(5)]  # copies
    known.parallax[:3] = [-1.0, 0.0, np.nan]
    part.masks[3, 1] = MASK_MISSING
    answer = StefanBoltzmann().predict(part, known)
    assert list(np.isfinite(answer.radius)) == [False, False, False, False, True]
    assert list(np.isfinite(answer.radius_err)) == [False, False, False, False, True]


def test_withholding_leaves_the_rest_alone(astrometry):
    for inputs, names in INPUTS.items():
        known = withhold(astrometry, inputs)
        for name in INPUTS["all"]:
            kept = np.array_equal(getattr(known, name), getattr(astrometry, name), equal_nan=True)
            assert kept if name in names else np.isnan(getattr(known, name)).all()
        assert np.array_equal(known.flags, astrometry.flags)
    assert np.isfinite(astrometry.parallax).all()
    with pytest.raises(InputError, match="'everything'"):
        withhold(astrometry, "everything")


def test_an_ensemble_answers_from_what_it_is_given(default_ensemble, stamps, astrometry):
    image = EnsembleMethod(default_ensemble, inputs="image")
    assert image.name == "default, image"
    blind, bare = image.predict(stamps[:50], astrometry[:50]), image.predict(stamps[:50], Astrometry.empty(50))
    assert np.array_equal(blind.radius, bare.radius)
    whole = EnsembleMethod(default_ensemble).predict(stamps[:50], astrometry[:50])
    assert np.median(whole.radius_err / whole.radius) < 0.8 * np.median(blind.radius_err / blind.radius)
    with pytest.raises(InputError, match="'pictures'"):
        EnsembleMethod(default_ensemble, inputs="pictures")


def test_the_forest_sees_colors_and_nothing_else(forest, stars, stamps, astrometry):
    answer = forest.predict(stamps, astrometry)
    again = forest.predict(stamps, Astrometry.empty(len(stamps)))
    assert np.array_equal(answer.probabilities, again.probabilities) and np.array_equal(answer.radius, again.radius)
    magnitudes = np.stack([stars[b].to_value(u.mag) for b in "ugriz"], 1)
    truth = label_probabilities(magnitudes[:, :-1] - magnitudes[:, 1:], label_system="sdss").argmax(1)
    assert (answer.probabilities.argmax(1) == truth).mean() > 0.75
    np.testing.assert_allclose(answer.probabilities.sum(1), 1)
    assert np.all((answer.radius_lower < answer.radius) & (answer.radius < answer.radius_upper))


def test_the_forest_does_without_a_band(forest, stamps, astrometry):
    part = stamps[np.arange(20)]  # a copy
    part.masks[:, 0] = MASK_MISSING
    answer = forest.predict(part, astrometry[:20], label_system="pecaut_mamajek")
    assert np.isfinite(answer.probabilities).all() and np.isfinite(answer.radius).all()


def test_the_forest_is_the_same_again(star_set, forest, stamps, astrometry):
    again = ColorForest.train(star_set, seed=1, label_systems=("sdss", "pecaut_mamajek"), trees=20)
    assert np.array_equal(
        forest.predict(stamps, astrometry).probabilities, again.predict(stamps, astrometry).probabilities
    )


def test_the_forest_takes_another_class_mix(star_set, forest, stamps, astrometry):
    mix = dict(zip("AFGKM", forest.class_mix["sdss"], strict=True))
    rarer = ColorForest.train(star_set, seed=1, trees=20, class_prior=mix | {"G": mix["G"] / 100})
    g = rarer.predict(stamps, astrometry).probabilities[:, 2]
    assert np.all(g <= forest.predict(stamps, astrometry).probabilities[:, 2] + 0.2)
    assert g.mean() < 0.02


def test_the_forest_knows_what_it_speaks(forest, stamps, astrometry):
    with pytest.raises(InputError, match="speaks sdss, pecaut_mamajek, not 'lamost'"):
        forest.predict(stamps, astrometry, label_system="lamost")


def test_without_scikit_learn_it_says_what_to_install(star_set, monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.ensemble", None)
    with pytest.raises(ImportError, match=r"stellarclass\[train\]"):
        ColorForest.train(star_set, seed=1)
