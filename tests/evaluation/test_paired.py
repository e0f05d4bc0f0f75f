# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The paired bootstrap: honest where there is nothing, sharp where there is something."""

import numpy as np
import pytest

from stellarclass.evaluation.paired import paired_bootstrap


def test_the_same_seed_gives_the_same_answer():
    rng = np.random.default_rng(1)
    a, b = rng.random(300), rng.random(300)
    assert paired_bootstrap(a, b, seed=5) == paired_bootstrap(a, b, seed=5)
    assert paired_bootstrap(a, b, seed=5).error != paired_bootstrap(a, b, seed=6).error


def test_error_is_that_of_the_mean():
    rng = np.random.default_rng(2)
    a, b = rng.normal(1.0, 1.0, (2, 2000))
    result = paired_bootstrap(a, b, seed=1)
    assert result.error == pytest.approx((a - b).std() / np.sqrt(2000), rel=0.05)
    assert result.difference == pytest.approx((a - b).mean())


def test_p_values_are_even_where_methods_are_equal():
    rng = np.random.default_rng(3)
    p = [paired_bootstrap(*rng.normal(size=(2, 100)), seed=k, resamples=400).p_value for k in range(300)]
    assert np.mean(np.array(p) < 0.1) == pytest.approx(0.1, abs=0.06)
    assert np.mean(p) == pytest.approx(0.5, abs=0.06)


def test_pairing_finds_what_scatter_hides():
    """Stars differ by ten times more than the methods do."""
    rng = np.random.default_rng(4)
    star = rng.normal(0, 1, 500)
    first, second = star + rng.normal(0.1, 0.1, 500), star + rng.normal(0, 0.1, 500)
    assert paired_bootstrap(first, second, seed=1).p_value < 0.001
    assert paired_bootstrap(first, rng.permutation(second), seed=1).p_value > 0.01


def test_groups_weigh_alike():
    groups = np.array(["F"] * 900 + ["G"] * 100)
    first, second = np.ones(1000), np.where(groups == "G", 0.0, 1.0)
    assert paired_bootstrap(first, second, seed=1).difference == pytest.approx(0.1)
    assert paired_bootstrap(first, second, seed=1, groups=groups).difference == pytest.approx(0.5)


def test_equal_scores_are_no_difference():
    result = paired_bootstrap(np.ones(50), np.ones(50), seed=1)
    assert (result.difference, result.p_value) == (0.0, 1.0)


def test_stars_without_both_scores_are_left_out():
    result = paired_bootstrap([1.0, np.nan, 1.0, 0.0], [0.0, 1.0, 1.0, 0.0], seed=1)
    assert (result.n, result.difference) == (3, pytest.approx(1 / 3))
    with pytest.raises(ValueError, match="at least two"):
        paired_bootstrap([1.0, np.nan], [1.0, 1.0], seed=1)
    with pytest.raises(ValueError, match="one a star"):
        paired_bootstrap([1.0, 1.0], [1.0], seed=1)
    with pytest.raises(ValueError, match="resamples = 0"):
        paired_bootstrap([1.0, 1.0], [1.0, 1.0], seed=1, resamples=0)
