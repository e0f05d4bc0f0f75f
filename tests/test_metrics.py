# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Scores of classes and probabilities, against scikit-learn's definitions written out and against what must hold."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stellarclass.metrics import (
    accuracy,
    class_scores,
    confusion_matrix,
    expected_calibration_error,
    log_loss,
    within_one_class,
)

pairs = st.lists(st.tuples(st.sampled_from("AFGKM"), st.sampled_from(["A", "F", "G", "K", "M", ""])), min_size=1)


@given(pairs)
def test_scores_agree_with_their_definitions(rows):
    truth, answer = (np.array(x, dtype=str) for x in zip(*rows, strict=True))
    matrix = confusion_matrix(truth, answer)
    scores = class_scores(truth, answer)
    assert matrix.sum() == (answer != "").sum()
    assert accuracy(truth, answer) == pytest.approx(np.trace(matrix) / len(rows))
    for k, name in enumerate("AFGKM"):
        is_it, called = truth == name, answer == name
        right = (is_it & called).sum()
        assert scores.support[k] == is_it.sum()
        if is_it.any():
            assert scores.recall[k] == pytest.approx(right / is_it.sum())
            assert scores.f1[k] == pytest.approx(2 * right / (is_it.sum() + called.sum()))
        else:
            assert np.isnan(scores.recall[k]) and np.isnan(scores.f1[k])
        assert np.isnan(scores.precision[k]) if not called.any() else scores.precision[k] == right / called.sum()
    assert accuracy(truth, answer) <= within_one_class(truth, answer) <= 1


def test_silence_is_wrong():
    truth, answer = np.array(["A", "G", "K"]), np.ma.array(["A", "G", "K"], mask=[False, True, False])
    assert accuracy(truth, answer) == pytest.approx(2 / 3)
    assert within_one_class(truth, answer) == pytest.approx(2 / 3)
    assert class_scores(truth, answer).recall[2] == 0


def test_balanced_accuracy_weighs_classes_not_stars():
    truth = np.array(["F"] * 90 + ["G"] * 10)
    assert class_scores(truth, np.full(100, "F")).balanced_accuracy == 0.5


def test_the_true_probabilities_have_the_least_log_loss():
    rng = np.random.default_rng(3)
    p = rng.dirichlet(np.ones(5), 5000)
    truth = np.array(list("AFGKM"))[(rng.random((5000, 1)) > np.cumsum(p, 1)).sum(1).clip(0, 4)]
    losses = [log_loss(truth, p**power / (p**power).sum(1, keepdims=True)) for power in (0.7, 1.0, 1.4)]
    assert losses[1] < min(losses[0], losses[2]) - 0.01


def test_log_loss_is_what_was_given_to_the_truth():
    p = np.array([[0.7, 0.1, 0.1, 0.05, 0.05], [0.0, 1.0, 0.0, 0.0, 0.0]])
    assert log_loss(np.array(["A", "F"]), p) == pytest.approx(-np.log(0.7) / 2)
    assert log_loss(np.array(["A", "M"]), p) == pytest.approx(-(np.log(0.7) + np.log(1e-12)) / 2)


def test_calibration_error_sees_overconfidence():
    rng = np.random.default_rng(1)
    n = 20_000
    sure = rng.uniform(0.5, 1, n)
    p = np.stack([sure, 1 - sure], 1)
    truth = np.where(rng.random(n) < sure, "F", "G")
    honest = expected_calibration_error(truth, p, classes="FG")
    sharper = p**3 / (p**3).sum(1, keepdims=True)
    assert honest < 0.012
    assert expected_calibration_error(truth, sharper, classes="FG") > 0.08


@pytest.mark.parametrize(
    ("truth", "probabilities", "message"),
    [
        (["A"], [[0.5, 0.5]], "shape"),
        (["A"], [[0.5, 0.4, 0.0, 0.0, 0.0]], "sum to 1"),
        (["A"], [[np.nan] * 5], "finite"),
        (["O"], [[0.2] * 5], "'O' is none of the classes"),
    ],
)
def test_what_is_no_probability_is_refused(truth, probabilities, message):
    for score in (log_loss, expected_calibration_error):
        with pytest.raises(ValueError, match=message):
            score(np.array(truth), probabilities)


def test_lengths_must_agree():
    for score in (accuracy, class_scores, confusion_matrix, within_one_class):
        with pytest.raises(ValueError, match="one each is meant"):
            score(np.array(["A", "F"]), np.array(["A"]))
        with pytest.raises(ValueError, match="one each is meant"):
            score(np.array([], dtype=str), np.array([], dtype=str))
