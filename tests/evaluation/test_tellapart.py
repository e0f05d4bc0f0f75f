# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Classifiers that tell stamps apart: by chance where they are alike, surely where they are not."""

import numpy as np
import pytest

from stellarclass.evaluation.tellapart import FEATURES, Verdict, center_pixels, chance_limit, stamp_features, tell_apart

pytest.importorskip("sklearn")
SIGMA = 0.03


def stars(seed, n=150, *, size=1.4, noise=1.0, elongation=0.0):
    rng = np.random.default_rng([seed, n])
    offsets = rng.uniform(-0.5, 0.5, (n, 2))
    axis = np.arange(64) - 31.5
    dx, dy = axis - offsets[:, 0, None, None], axis[:, None] - offsets[:, 1, None, None]
    flux = np.random.default_rng(n).uniform(3, 60, (n, 1, 1))
    light = flux * np.exp(-0.5 * (dx**2 * (1 + elongation) + dy**2) / size**2) / (2 * np.pi * size**2)
    return light + rng.normal(0, noise * SIGMA, (n, 64, 64)), offsets


def inputs(images, offsets):
    crop, _ = center_pixels(images, offsets, 9)
    return {
        "features": stamp_features(images, offsets, sigma=np.full(len(images), SIGMA)),
        "pixels": np.arcsinh(crop / SIGMA / 2).reshape(len(crop), -1),
    }


def test_equals_are_told_apart_by_chance_only():
    verdict = tell_apart(inputs(*stars(1)), inputs(*stars(2)), seed=0)
    assert verdict.auc < 0.6
    assert verdict.n_stars == 150
    assert verdict.low <= verdict.auc <= verdict.high
    assert set(verdict.by_classifier) == {"boosting", "forest", "linear", "pixels"}
    assert verdict.auc == max(verdict.by_classifier.values())


@pytest.mark.parametrize(
    ("wrong", "feature"),
    [({"size": 1.68}, "size"), ({"noise": 1.1}, "noise"), ({"elongation": 0.15}, "e1")],
)
def test_what_is_wrong_is_found_and_named(wrong, feature):
    verdict = tell_apart(inputs(*stars(1, 70)), inputs(*stars(2, 70, **wrong)), seed=0, folds=3)
    assert verdict.auc > 0.85
    assert feature in list(verdict.importance)[:4]


def test_the_same_seed_gives_the_same_verdict():
    real, simulated = inputs(*stars(1, 30)), inputs(*stars(2, 30))
    first, again = (tell_apart(real, simulated, seed=3, folds=2).by_classifier for _ in range(2))
    assert first == again


def test_what_chance_gives_is_found_by_swapping_even_where_a_difference_is_plain():
    verdict = tell_apart(inputs(*stars(1, 40)), inputs(*stars(2, 40, size=1.8)), seed=0, folds=2, permutations=3)
    assert verdict.auc > 0.9
    assert len(verdict.by_chance) == 3
    assert 0.4 < np.mean(verdict.by_chance) < 0.7
    # What is plain stands above what chance gives.
    assert np.mean(verdict.by_chance) < chance_limit([verdict], 40) < verdict.auc


def test_chance_is_narrower_with_more_stars_and_unknown_without_permutations():
    few = Verdict(0.6, 0.5, 0.7, {}, {}, 25, (0.5, 0.6, 0.7))
    many = Verdict(0.6, 0.5, 0.7, {}, {}, 400, (0.5, 0.525, 0.55))
    # On the scale of the root of the number of stars both have 0, 0.5, 1: mean 0.5, standard deviation 0.5.
    limits = [chance_limit([verdict], 100) for verdict in (few, many)]
    np.testing.assert_allclose(limits, 0.5 + (0.5 + 1.6449 * 0.5) / 10, rtol=1e-4)
    assert chance_limit([few, many], 2500) < limits[0]
    assert np.isnan(chance_limit([tell_apart(inputs(*stars(1, 25)), inputs(*stars(2, 25)), folds=2)], 25))


def test_features_do_not_depend_on_the_other_stars():
    images, offsets = stars(4, 20)
    whole = stamp_features(images, offsets, sigma=np.full(20, SIGMA))
    one = stamp_features(images[7:8], offsets[7:8], sigma=np.full(1, SIGMA))
    assert whole.shape == (20, len(FEATURES))
    np.testing.assert_allclose(one[0], whole[7], rtol=1e-6, atol=1e-9, equal_nan=True)


def test_an_empty_stamp_does_no_harm():
    features = stamp_features(np.zeros((1, 64, 64)), np.zeros((1, 2)), sigma=np.full(1, SIGMA))
    assert features.shape == (1, len(FEATURES))


def test_center_pixels_puts_the_star_in_the_middle():
    images, offsets = stars(5, 3, noise=0)
    crop, center = center_pixels(images, offsets, 4)
    assert crop.shape == (3, 9, 9)
    np.testing.assert_array_equal(crop.reshape(3, -1).argmax(1), 40)
    assert np.abs(center).max() <= 0.5
