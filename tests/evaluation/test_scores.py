# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""All scores together: each is the one that it is named after, and silence is not rewarded."""

from dataclasses import replace

import numpy as np
import pytest
from astropy import units as u

from stellarclass.evaluation.scores import answered_class, judge, mean_and_spread
from stellarclass.metrics import log_loss
from stellarclass.nets.prediction import Prediction

N = 4000


@pytest.fixture(scope="module")
def truth():
    rng = np.random.default_rng(1)
    p = rng.dirichlet(np.ones(5), N)
    label = np.array(list("AFGKM"))[(rng.random((N, 1)) > np.cumsum(p, 1)).sum(1).clip(0, 4)]
    return p, label, 10 ** rng.normal(0, 0.3, N) * u.solRad


@pytest.fixture(scope="module")
def honest(truth):
    """A method that knows exactly what it does not know: a tenth of a dex, and the classes' probabilities."""
    p, _, radius = truth
    answer = radius.value * 10 ** (0.1 * np.random.default_rng(2).normal(size=N))
    return Prediction(
        classes=tuple("AFGKM"),
        probabilities=p,
        class_sets=np.ones((N, 5), bool),
        radius=answer,
        radius_err=np.log(10) * 0.1 * answer,
        radius_lower=answer * 10 ** (-0.1 * 1.645),
        radius_upper=answer * 10 ** (0.1 * 1.645),
        radius_spread=np.zeros(N),
        domain_score=np.zeros(N),
    )


def test_an_honest_method_is_called_so(truth, honest):
    p, label, radius = truth
    scores = judge(honest, label=label, radius=radius)
    assert scores.accuracy == pytest.approx(p.max(1).mean(), abs=0.02)
    assert scores.log_loss == log_loss(label, p)
    assert scores.ece < 0.03
    assert scores.coverage_68 == pytest.approx(0.683, abs=0.02)
    assert scores.coverage_90 == pytest.approx(0.9, abs=0.015)
    assert scores.robust_sigma_dex == pytest.approx(0.1, rel=0.05)
    assert scores.mae_dex == pytest.approx(0.0798, rel=0.05)
    assert scores.mae.unit == u.solRad


def test_silence_costs_accuracy_and_shows_in_the_radius(truth, honest):
    _, label, radius = truth
    silent = np.arange(N) % 2 == 0
    half = replace(
        honest,
        probabilities=np.where(silent[:, None], np.nan, honest.probabilities),
        radius=np.where(silent, np.nan, honest.radius),
    )
    whole, scores = (judge(p, label=label, radius=radius) for p in (honest, half))
    assert scores.accuracy == pytest.approx(whole.accuracy / 2, abs=0.03)
    assert scores.answered == 0.5
    assert set(answered_class(half)[silent]) == {""}


def test_a_method_without_classes_has_no_scores_for_them(truth, honest):
    _, label, radius = truth
    mute = replace(honest, probabilities=np.full((N, 5), np.nan))
    scores = judge(mute, label=label, radius=radius)
    assert np.isnan([scores.accuracy, scores.log_loss, scores.ece, *scores.f1]).all()
    assert scores.mae_dex == judge(honest, label=label, radius=radius).mae_dex


def test_radii_need_a_unit(truth, honest):
    _, label, radius = truth
    with pytest.raises(TypeError, match="unit"):
        judge(honest, label=label, radius=radius.value)


def test_mean_and_spread_over_sets(truth, honest):
    _, label, radius = truth
    sets = [judge(honest, label=label, radius=radius * f) for f in (1.0, 1.1)]
    mean, spread = mean_and_spread(sets, "mae")
    assert mean.unit == spread.unit == u.solRad
    assert mean == (sets[0].mae + sets[1].mae) / 2
    assert spread.value == pytest.approx(abs(sets[1].mae - sets[0].mae).value / np.sqrt(2))
    assert mean_and_spread(sets, "f1")[0].shape == (5,)
    assert np.isnan(mean_and_spread(sets[:1], "accuracy")[1])
