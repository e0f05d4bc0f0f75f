# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Combination and calibration against closed forms."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from stellarclass.nets.combination import (
    PAPER_WEIGHTS,
    apply_class_prior,
    calibrate,
    class_sets,
    conformal_threshold,
    domain_score,
    mean_log_probabilities,
    total_variance,
)

SIXTH = np.full(6, 1 / 6)


def softmax(logits):
    p = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return p / p.sum(axis=-1, keepdims=True)


def test_the_papers_weights_sum_to_one():
    assert sum(PAPER_WEIGHTS.values()) == pytest.approx(1)
    assert list(PAPER_WEIGHTS) == ["Base", "A", "F", "G", "K", "M"]


@given(arrays(float, (6, 3), elements=st.floats(-5, 20)), arrays(float, (6, 3), elements=st.floats(1e-4, 5)))
def test_total_variance_is_equation_1(mu, variance):
    mean, total, spread = total_variance(mu, variance, SIXTH)
    np.testing.assert_allclose(mean, mu.mean(axis=0), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(total, (variance + mu**2).mean(axis=0) - mu.mean(axis=0) ** 2, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(spread, mu.std(axis=0), rtol=1e-9, atol=1e-9)


def test_total_variance_of_equal_members_is_theirs():
    mean, total, spread = total_variance(np.full((6, 1), 1.3), np.full((6, 1), 0.04), SIXTH)
    assert (mean[0], total[0], spread[0]) == pytest.approx((1.3, 0.04, 0.0), abs=1e-12)


def test_total_variance_does_not_cancel():
    """Eq. 1 as written subtracts two numbers of 1e16 here."""
    _, total, _ = total_variance(np.full((6, 1), 1e8), np.full((6, 1), 0.5), SIXTH)
    np.testing.assert_allclose(total, 0.5)


def test_total_variance_is_that_of_draws_from_the_mixture():
    rng = np.random.default_rng(0)
    mu, sigma, weights = np.array([0.4, 1.0, 2.0]), np.array([0.1, 0.3, 0.2]), np.array([0.5, 0.2, 0.3])
    which = rng.choice(3, 400_000, p=weights)
    draws = rng.normal(mu[which], sigma[which])
    mean, total, _ = total_variance(mu[:, None], sigma[:, None] ** 2, weights)
    assert draws.mean() == pytest.approx(mean[0], abs=0.005)
    assert draws.var() == pytest.approx(total[0], abs=0.005)


@given(arrays(float, (3, 4, 5), elements=st.floats(-20, 20)))
def test_mean_probabilities(logits):
    weights = np.array([0.2, 0.0, 0.8])
    expected = np.einsum("m,mnc->nc", weights, softmax(logits))
    np.testing.assert_allclose(np.exp(mean_log_probabilities(logits, weights)), expected, rtol=1e-9)


def test_tiny_probabilities_stay_finite():
    log_p = mean_log_probabilities(np.array([[[0.0, -5000.0]]]), np.ones(1))
    assert log_p[0, 1] == -5000
    np.testing.assert_array_equal(
        calibrate(log_p, temperature=1000.0, bias=[0.0, 5.0]), softmax(np.array([[0.0, 0.0]]))
    )


def test_calibration_is_vector_scaling():
    p = np.array([[0.7, 0.2, 0.1], [1 / 3, 1 / 3, 1 / 3]])
    np.testing.assert_allclose(calibrate(np.log(p)), p)
    bias = np.array([0.3, -1.0, 0.0])
    np.testing.assert_allclose(calibrate(np.log(p), temperature=1.7, bias=bias), softmax(np.log(p) / 1.7 + bias))
    assert calibrate(np.log(p), temperature=3.0).max(axis=1)[0] < 0.7


@given(arrays(float, (4, 5), elements=st.floats(0, 50)), st.floats(0, 1))
def test_class_sets_reach_the_threshold_with_the_fewest_classes(scores, threshold):
    p = calibrate(-scores)
    sets = class_sets(p, threshold)
    assert sets.any(axis=1).all()
    for probability, members in zip(p, sets, strict=True):
        assert probability[members].sum() >= threshold - 1e-9
        assert members[probability.argmax()]
        assert members.sum() == 1 or probability[members].sum() - probability[members].min() <= threshold + 1e-9
        if not members.all():
            assert probability[members].min() >= probability[~members].max()


def test_class_sets_cover_at_the_conformal_threshold():
    """Threshold from one half, coverage on the other, of a network that is too sure of itself."""
    rng = np.random.default_rng(0)
    p = calibrate(rng.normal(0, 2, (20_000, 5)))
    truth = (rng.random((20_000, 1)) > p.cumsum(axis=1)).sum(axis=1).clip(0, 4)
    reported = calibrate(np.log(p), temperature=0.3)
    rest = np.arange(10_000), truth[10_000:]
    assert class_sets(reported[10_000:], 0.9)[rest].mean() < 0.85
    for level in (0.8, 0.9, 0.99):
        threshold = conformal_threshold(reported[:10_000], truth[:10_000], level=level)
        assert class_sets(reported[10_000:], threshold)[rest].mean() == pytest.approx(level, abs=0.012)


def test_conformal_threshold_at_its_ends():
    p = np.array([[0.7, 0.3]] * 9)
    assert conformal_threshold(p, np.zeros(9, int), level=0.9) == 0
    assert conformal_threshold(p, np.zeros(9, int), level=0.95) == 1  # nine stars cannot promise it
    assert class_sets(p, 0.0).sum() == 9 and class_sets(p, 1.0).all()


def test_domain_score_is_one_at_the_limit():
    rng = np.random.default_rng(0)
    covariance = np.array([[2.0, 0.6], [0.6, 0.5]])
    precision = np.linalg.inv(covariance)
    draws = rng.multivariate_normal([1.0, -2.0], covariance, 20_000)
    score = domain_score(draws, center=[1.0, -2.0], precision=precision, limit=np.sqrt(5.991))  # chi2(2) at 95 %
    assert np.mean(score < 1) == pytest.approx(0.95, abs=0.01)
    assert domain_score([[1.0, -2.0]], center=[1.0, -2.0], precision=precision, limit=1.0) == [0.0]


def test_a_prior_is_bayes_theorem_on_counts():
    """200 A and 100 F in the training mix of which 2/3 and 1/6 look blue: the answer for a sky with 20 and 100."""
    blue_in_mix = np.array([[200 * 2 / 3, 100 / 6]]) / (200 * 2 / 3 + 100 / 6)
    blue_on_sky = np.array([[20 * 2 / 3, 100 / 6]]) / (20 * 2 / 3 + 100 / 6)
    np.testing.assert_allclose(apply_class_prior(blue_in_mix, mix=[200, 100], prior=[20, 100]), blue_on_sky)


SHARES = arrays(float, 3, elements=st.floats(1e-3, 1e3))
PROBABILITIES = arrays(float, (4, 3), elements=st.floats(1e-6, 1)).map(lambda p: p / p.sum(axis=1, keepdims=True))


@given(PROBABILITIES, SHARES, SHARES)
def test_a_prior_can_be_taken_back_and_its_scale_does_not_matter(p, mix, prior):
    there = apply_class_prior(p, mix=mix, prior=prior)
    np.testing.assert_allclose(there.sum(axis=1), 1)
    np.testing.assert_allclose(apply_class_prior(there, mix=prior, prior=mix), p, rtol=1e-9)
    np.testing.assert_allclose(apply_class_prior(p, mix=mix * 7, prior=prior / 3), there, rtol=1e-9)
    np.testing.assert_allclose(apply_class_prior(p, mix=mix, prior=mix), p, rtol=1e-9)


def test_a_class_of_which_there_are_more_becomes_more_probable_and_no_order_among_the_others_changes():
    p = np.random.default_rng(1).dirichlet(np.ones(4), 200)
    more = apply_class_prior(p, mix=np.ones(4), prior=[1, 1, 5, 1])
    assert (more[:, 2] > p[:, 2]).all()
    assert (np.argsort(more[:, [0, 1, 3]]) == np.argsort(p[:, [0, 1, 3]])).all()


def test_a_prior_corrects_the_calibration_for_its_mix():
    """Two overlapping classes, probabilities right for equal parts, stars in parts 9 to 1."""
    rng = np.random.default_rng(2)
    truth = (rng.random(200_000) < 0.1).astype(int)
    x = rng.normal(truth, 1.0)
    second = 1 / (1 + np.exp(0.5 - x))  # Bayes for equal parts
    p = np.stack([1 - second, second], axis=1)
    right = apply_class_prior(p, mix=[1, 1], prior=[9, 1])
    for low, high in ((0.02, 0.1), (0.1, 0.2), (0.2, 0.4), (0.4, 0.7)):
        rows = (right[:, 1] >= low) & (right[:, 1] < high)
        assert truth[rows].mean() == pytest.approx(right[rows, 1].mean(), abs=4 * 0.5 / np.sqrt(rows.sum()))
    assert abs(truth.mean() - p[:, 1].mean()) > 0.2  # as it was, it was wrong


def test_a_prior_at_the_ends_of_the_floating_point_range():
    p = np.array([[1.0, 0.0, 0.0], [1e-300, 1.0, 1e-320], [np.nan, np.nan, np.nan]])
    moved = apply_class_prior(p, mix=[1e-250, 1.0, 1.0], prior=[1.0, 1e-300, 1.0])
    np.testing.assert_array_equal(moved[0], [1, 0, 0])
    np.testing.assert_allclose(moved[1, 0], 1)
    assert np.isnan(moved[2]).all()
    assert apply_class_prior(np.empty((0, 3)), mix=[1, 1, 1], prior=[1, 2, 3]).shape == (0, 3)


@pytest.mark.parametrize("bad", [[1.0, 0.0], [1.0, -1.0], [1.0, np.inf], [1.0, np.nan], [1.0], 1.0, [1.0, 1.0, 1.0]])
def test_shares_that_are_none_are_refused(bad):
    for wrong in ({"mix": bad, "prior": [1, 1]}, {"mix": [1, 1], "prior": bad}):
        with pytest.raises(ValueError, match="2 positive, finite shares"):
            apply_class_prior(np.array([[0.5, 0.5]]), **wrong)
