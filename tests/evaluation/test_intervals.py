# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Bootstrap intervals: each draw has the scores that `judge` gives its stars, and intervals cover what they say."""

from dataclasses import replace

import numpy as np
import pytest
from astropy import units as u
from hypothesis import given
from hypothesis import strategies as st

from stellarclass.evaluation import intervals
from stellarclass.evaluation.answers import join_predictions
from stellarclass.evaluation.intervals import SCORES, bootstrap_scores, mean_interval
from stellarclass.evaluation.scores import answered_class, judge
from stellarclass.metrics import class_scores, confusion_matrix
from stellarclass.nets.prediction import Prediction

N = 300


@pytest.fixture(scope="module")
def case():
    """Answers of which some are missing, labels, and radii of which some are unknown."""
    rng = np.random.default_rng(1)
    p = rng.dirichlet(np.ones(5), N)
    label = np.array(list("AFGKM"))[(rng.random((N, 1)) > np.cumsum(p, 1)).sum(1).clip(0, 4)]
    radius = 10 ** rng.normal(0, 0.3, N)
    answer = radius * 10 ** rng.normal(0, 0.1, N)
    p[::17] = np.nan
    prediction = Prediction(
        classes=tuple("AFGKM"),
        probabilities=p,
        class_sets=np.ones((N, 5), bool),
        radius=np.where(np.arange(N) % 13 == 0, np.nan, answer),
        radius_err=0.2 * answer,
        radius_lower=answer * 0.7,
        radius_upper=answer * 1.4,
        radius_spread=0.05 * answer,
        domain_score=np.zeros(N),
    )
    return prediction, label, np.where(np.arange(N) % 7 == 0, np.nan, radius)


def taken(prediction, rows):
    return replace(prediction, **{k: v[rows] for k, v in vars(prediction).items() if k != "classes"})


@pytest.mark.parametrize("seed", [None, 3])
def test_a_draw_has_the_scores_of_the_stars_drawn(case, seed):
    """Without a seed: each star once, which gives the scores themselves."""
    prediction, label, radius = case
    rows = np.arange(N) if seed is None else np.random.default_rng(seed).integers(0, N, N)
    counts = np.bincount(rows, minlength=N)[None].astype(float)
    found = intervals._Columns(prediction, label, radius).scores(rows[None], counts)
    drawn, labels = taken(prediction, rows), label[rows]
    expected = judge(drawn, label=labels, radius=radius[rows] * u.solRad)
    for name in SCORES:
        value = getattr(expected, name)
        assert found[name][0] == pytest.approx(getattr(value, "value", value), rel=1e-9), name
    by_class = class_scores(labels, answered_class(drawn))
    for name in ("precision", "recall", "f1"):
        np.testing.assert_allclose(found[name][0], getattr(by_class, name))
    matrix = confusion_matrix(labels, answered_class(drawn))
    support = (labels[:, None] == np.array(list("AFGKM"))).sum(0)
    np.testing.assert_allclose(found["confusion"][0], matrix / support[:, None])


def test_intervals_hold_the_scores_and_do_not_depend_on_memory(case, monkeypatch):
    prediction, label, radius = case
    options = {"label": label, "radius": radius * u.solRad, "seed": 5, "resamples": 200}
    found = bootstrap_scores(prediction, **options)
    scores = judge(prediction, label=label, radius=radius * u.solRad)
    for name in SCORES:
        value = getattr(scores, name)
        value = getattr(value, "value", value)
        if name == "ece":  # a mean of distances: never smaller in a draw than in truth, nearly
            continue
        assert found[name].low <= value <= found[name].high, name
    monkeypatch.setattr(intervals, "_ELEMENTS", 10 * N)
    again = bootstrap_scores(prediction, **options)
    for name in found:  # sums are taken in another order
        np.testing.assert_allclose(again[name].low, found[name].low, rtol=1e-12, err_msg=name)


def test_what_is_not_answered_has_no_interval(case):
    prediction, label, radius = case
    mute = replace(prediction, probabilities=np.full((N, 5), np.nan))
    found = bootstrap_scores(mute, label=label, radius=radius * u.solRad, seed=1, resamples=20)
    for name in ("accuracy", "balanced_accuracy", "within_one_class", "log_loss", "ece"):
        assert np.isnan([found[name].low, found[name].high]).all(), name
    assert np.isnan(found["f1"].low).all()
    assert np.isfinite(found["mae"].low)
    blind = replace(prediction, radius=np.full(N, np.nan))
    found = bootstrap_scores(blind, label=label, radius=radius * u.solRad, seed=1, resamples=20)
    assert np.isnan(found["mae"].high)
    assert found["answered"].high == 0


def test_an_absent_class_has_no_recall(case):
    prediction, label, radius = case
    rows = label != "M"
    found = bootstrap_scores(
        taken(prediction, rows), label=label[rows], radius=radius[rows] * u.solRad, seed=1, resamples=20
    )
    assert np.isnan(found["recall"].low[4])
    assert np.isfinite(found["recall"].low[:4]).all()


def test_intervals_cover_the_mean_as_often_as_they_say():
    rng = np.random.default_rng(2)
    inside = 0
    for k in range(300):
        interval = mean_interval(rng.exponential(size=100), seed=k, resamples=200)
        inside += interval.low <= 1 <= interval.high
    assert 0.88 < inside / 300 < 0.98  # percentile intervals of a skewed mean are a little short


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20), st.integers(0, 5))
def test_mean_interval_stays_within_the_values(values, seed):
    interval = mean_interval(values, seed=seed, resamples=20)
    assert min(values) - 1e-6 <= interval.low <= interval.high <= max(values) + 1e-6


def test_what_cannot_be_drawn():
    for options in ({"resamples": 0}, {"level": 1.0}):
        with pytest.raises(ValueError, match=r"resamples|level"):
            mean_interval([1.0], seed=1, **options)
    with pytest.raises(ValueError, match="stars"):
        mean_interval([], seed=1)
    assert np.isnan(mean_interval([np.nan], seed=1, resamples=5).low)


def test_parts_of_predictions_join_in_order(case):
    prediction = case[0]
    parts = [taken(prediction, slice(0, 100)), taken(prediction, slice(100, N))]
    np.testing.assert_array_equal(join_predictions(parts).radius, prediction.radius)
