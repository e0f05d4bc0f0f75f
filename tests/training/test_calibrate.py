# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Calibrations against networks whose faults are known exactly."""

import numpy as np
import pytest
import torch

from stellarclass.nets.card import Card, Member
from stellarclass.nets.combination import calibrate, domain_score
from stellarclass.nets.ensemble import Ensemble
from stellarclass.training.calibrate import (
    DOMAIN_FALSE_ALARM,
    calibrate_ensemble,
    fit_domain,
    fit_radius,
    fit_scaling,
)

N = 8000
TEMPERATURE, BIAS = 2.5, np.array([0.6, -0.2, 0.1, -0.5, 0.0])


class Parrot(torch.nn.Module):
    """Answers what the inputs say."""

    def forward(self, inputs):
        return {
            "logits_sdss": inputs["logits"],
            "logits_other": inputs["logits"].flip(1),
            "radius_mean": inputs["mean"],
            "radius_variance": inputs["variance"],
        }


def _stars(seed, *, sigma_too_small=1.6):
    """A network that is too sure of its classes by TEMPERATURE, prefers some by BIAS, and of its radii, too."""
    rng = np.random.default_rng(seed)
    true = calibrate(rng.normal(0, 2, (N, 5)))
    sigma = rng.uniform(0.02, 0.1, N)
    return {
        "features": rng.normal(size=(N, 3)) @ np.array([[1.0, 0.5, 0], [0, 1.0, 0], [0, 0, 1e-4]]),
        "logits": TEMPERATURE * (np.log(true) - BIAS),
        "mean": rng.normal(0, 0.3, N),
        "variance": sigma**2,
        "target_sdss": true,
        "target_other": true[:, ::-1],
        "_z": rng.standard_t(5, N) * sigma * sigma_too_small,
    }


def _finish(stars):
    return {k: v for k, v in stars.items() if k != "_z"} | {"target_log_radius": stars["mean"] + stars["_z"]}


def _ensemble(**change):
    card = {
        "name": "parrot", "version": "1", "description": "", "architecture": "parrot", "architecture_kwargs": {},
        "recipe": {"name": "mescr"}, "classes": tuple("AFGKM"), "label_systems": {"sdss": {}, "other": {}},
        "default_label_system": "sdss", "members": (Member("one"),), "radius_space": "log10",
    }  # fmt: skip
    return Ensemble([Parrot()], Card(**card | change), device="cpu")


@pytest.fixture(scope="module")
def calibrated():
    return calibrate_ensemble(_ensemble(), _finish(_stars(1)), seed=1)


def test_the_temperature_and_the_biases_put_in_come_out(calibrated):
    ensemble, _ = calibrated
    bias = BIAS - BIAS.mean()
    for system, expected in (("sdss", bias), ("other", bias[::-1])):
        found = ensemble.card.label_systems[system]["calibration"]
        assert found["temperature"] == pytest.approx(TEMPERATURE, rel=0.03)
        np.testing.assert_allclose(found["bias"], expected, atol=0.03)
        assert sum(found["bias"]) == pytest.approx(0, abs=1e-9)


def test_probabilities_are_then_the_true_ones(calibrated):
    fresh = _finish(_stars(2))
    inputs = {k: v for k, v in fresh.items() if not k.startswith("target")}
    p = calibrated[0].predict(inputs, label_system="sdss").probabilities
    assert np.abs(p - fresh["target_sdss"]).max() < 0.02


def test_class_sets_and_intervals_hold_what_they_promise_on_other_stars(calibrated):
    ensemble, _ = calibrated
    fresh = _finish(_stars(3))
    inputs = {k: v for k, v in fresh.items() if not k.startswith("target")}
    answer = ensemble.predict(inputs, label_system="sdss")
    rng = np.random.default_rng(4)
    truth = (rng.random((N, 1)) > fresh["target_sdss"].cumsum(1)).sum(1).clip(0, 4)
    tolerance = 4 * np.sqrt(0.09 / N)
    assert answer.class_sets[np.arange(N), truth].mean() == pytest.approx(0.9, abs=tolerance)
    radius = 10 ** fresh["target_log_radius"]
    assert ((radius > answer.radius_lower) & (radius < answer.radius_upper)).mean() == pytest.approx(0.9, abs=tolerance)
    sigma = answer.radius_err / (np.log(10) * answer.radius)
    within = np.abs(fresh["target_log_radius"] - np.log10(answer.radius)) < sigma
    assert within.mean() == pytest.approx(0.6827, abs=4 * np.sqrt(0.217 / N))


def test_the_figures_are_those_of_the_calibrated_ensemble(calibrated):
    _, metrics = calibrated
    data = _finish(_stars(1))
    assert set(metrics) == {"sdss", "other", "radius"}
    for system in ("sdss", "other"):
        assert metrics[system]["class_set_coverage"] == pytest.approx(0.9, abs=0.01)
        assert 1 <= metrics[system]["class_set_size"] <= 5
        target = data[f"target_{system}"]
        assert metrics[system]["accuracy"] == pytest.approx(target.max(1).mean(), abs=0.02)
        assert metrics[system]["log_loss"] == pytest.approx(-(target * np.log(target)).sum(1).mean(), abs=0.03)
    residual = np.abs(data["target_log_radius"] - data["mean"])
    assert metrics["radius"]["mae_dex"] == pytest.approx(residual.mean(), rel=1e-6)


def test_calibrating_again_changes_nothing(calibrated):
    once = calibrated[0]
    twice, metrics = calibrate_ensemble(once, _finish(_stars(1)), seed=1)
    assert twice.card == once.card
    assert metrics == calibrated[1]


def test_a_radius_that_is_linear_is_refused():
    with pytest.raises(ValueError, match="'linear'"):
        calibrate_ensemble(_ensemble(radius_space="linear"), _finish(_stars(1)), seed=1)


def test_an_honest_network_is_left_alone():
    true = calibrate(np.random.default_rng(5).normal(0, 2, (N, 5)))
    temperature, bias = fit_scaling(np.log(true), true)
    assert temperature == pytest.approx(1, abs=0.01)
    np.testing.assert_allclose(bias, 0, atol=0.01)


def test_intervals_may_lean_to_one_side():
    residual = np.random.default_rng(6).exponential(0.1, 50_000)
    fitted = fit_radius(residual, np.full(50_000, 0.1), level=0.9)
    # 68 % of an exponential lie below 1.148; 5 % below 0.051 (the interval always holds the prediction), above 2.996.
    assert fitted["scale"] == pytest.approx(1.148, rel=0.02)
    assert fitted["lower"] == 0
    assert fitted["upper"] == pytest.approx(2.996 / 1.148, rel=0.03)


def test_the_domain_leaves_out_as_few_as_it_says():
    """On other stars, and after the card has rounded its numbers, even if one feature hardly varies at all."""
    domain = fit_domain(_stars(7)["features"])
    assert domain.pop("input") == "features"
    inside, beyond = _stars(8)["features"], _stars(8)["features"] + [8.0, 0, 0]
    outside = (domain_score(inside, **domain) > 1).mean()
    assert outside == pytest.approx(DOMAIN_FALSE_ALARM, abs=4 * np.sqrt(DOMAIN_FALSE_ALARM / N))
    assert (domain_score(beyond, **domain) > 1).mean() > 0.99
    np.testing.assert_allclose(domain["precision"], np.transpose(domain["precision"]))
