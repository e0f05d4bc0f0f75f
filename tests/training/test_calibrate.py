# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Calibrations against networks whose faults are known exactly."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from stellarclass.nets.card import Card, Member
from stellarclass.nets.combination import calibrate, domain_score
from stellarclass.nets.ensemble import Ensemble
from stellarclass.stamps.photometric import FEATURES
from stellarclass.training.calibrate import (
    DOMAIN_FALSE_ALARM,
    PARALLAX_SNR_EDGES,
    calibrate_ensemble,
    calibrate_radii,
    class_mix,
    fit_domain,
    fit_radius,
    fit_radius_groups,
    fit_scaling,
)

N = 30_000
TEMPERATURE, BIAS = 2.5, np.array([0.6, -0.2, 0.1, -0.5, 0.0])
SYSTEM = "pecaut_mamajek"
# How much too sure of its radius the network is: by parallax S/N (none, 0 to 3, 3 to 10, 10 to 30, above) and class.
TOO_SURE = np.array([1.2, 3.0, 0.7, 1.6, 2.2])[:, None] * np.array([1.0, 1.5, 0.8, 1.2, 1.0])
INTRUDERS = 0.08
COLUMN, PRESENT = FEATURES.index("parallax_snr"), FEATURES.index("has_parallax")


class Parrot(torch.nn.Module):
    """Answers what the inputs say."""

    knows_intruders = True

    def forward(self, inputs):
        return {
            f"logits_{SYSTEM}": inputs["logits"],
            "logits_sdss": inputs["logits"].flip(1),
            "radius_mean": inputs["mean"],
            "radius_variance": inputs["variance"],
            "intruder": inputs["intruder"],
        }


def _stars(seed, n=N):
    """A network too sure of its classes by TEMPERATURE, fond of some by BIAS, too sure of its radii by TOO_SURE."""
    rng = np.random.default_rng(seed)
    true = calibrate(rng.normal(0, 2, (n, 5)))
    labels = np.minimum((rng.random((n, 1)) > true.cumsum(1)).sum(1), 4)
    logits = TEMPERATURE * (np.log(true) - BIAS)
    has = rng.random(n) > 0.3
    snr = np.where(has, 10 ** rng.uniform(-0.5, 2.5, n), 0.0)
    bins = np.where(has, 1 + np.digitize(snr, PARALLAX_SNR_EDGES), 0)
    sigma = rng.uniform(0.02, 0.1, n)
    intruder = rng.random(n) < INTRUDERS
    features = rng.normal(size=(n, len(FEATURES)))
    features[:, 3] = 0.5 * features[:, 2] + 1e-4 * features[:, 3]
    features[:, PRESENT], features[:, COLUMN] = has, np.arcsinh(snr)
    mean = rng.normal(0, 0.3, n)
    truth = mean + rng.normal(size=n) * sigma * TOO_SURE[bins, logits.argmax(1)]
    data = {
        "features": features,
        "logits": logits,
        "mean": mean,
        "variance": sigma**2,
        "intruder": rng.normal(np.where(intruder, 2, -4), 1.0),
        f"target_{SYSTEM}": np.eye(5)[labels],
        "target_log_radius": truth,
    }
    for name in (f"target_{SYSTEM}", "target_log_radius"):
        data[name][intruder] = np.nan
    data["target_intruder"] = intruder.astype(float)
    return {name: value.astype(np.float32) for name, value in data.items()}, {"true": true, "bins": bins}


def _inputs(data, rows=slice(None)):
    return {name: value[rows] for name, value in data.items() if not name.startswith("target")}


def _ensemble(**change):
    card = {
        "name": "parrot", "version": "1", "description": "", "architecture": "parrot", "architecture_kwargs": {},
        "recipe": {"name": "mescr"}, "classes": tuple("AFGKM"), "label_systems": {SYSTEM: {}, "sdss": SDSS},
        "default_label_system": SYSTEM, "members": (Member("one"),), "radius_space": "log10",
    }  # fmt: skip
    return Ensemble([Parrot()], Card(**card | change), device="cpu")


SDSS = {"description": "taught elsewhere", "calibration": {"temperature": 1.3}, "class_mix": [1, 2, 3, 4, 5]}


@pytest.fixture(scope="module")
def calibrated():
    return calibrate_ensemble(_ensemble(), _stars(1)[0])


@pytest.fixture(scope="module")
def fresh(calibrated):
    """Other stars: data, what is known of them, and what the calibrated ensemble says."""
    data, known = _stars(2)
    return data, known, calibrated[0].predict(_inputs(data))


def _inside(data, answer):
    return (data["target_intruder"] == 0) & (answer.domain_score <= 1)


def test_the_temperature_and_the_biases_put_in_come_out(calibrated):
    found = calibrated[0].card.label_systems[SYSTEM]["calibration"]
    assert found["temperature"] == pytest.approx(TEMPERATURE, rel=0.05)
    np.testing.assert_allclose(found["bias"], BIAS - BIAS.mean(), atol=0.08)
    assert sum(found["bias"]) == pytest.approx(0, abs=1e-9)


def test_probabilities_are_then_the_true_ones(fresh):
    data, known, answer = fresh
    inside = _inside(data, answer)
    assert np.abs(answer.probabilities - known["true"])[inside].max() < 0.03


def test_the_mix_is_that_of_the_stars(calibrated):
    data, _ = _stars(1)
    shares = data[f"target_{SYSTEM}"][data["target_intruder"] == 0].mean(0)
    np.testing.assert_allclose(calibrated[0].card.label_systems[SYSTEM]["class_mix"], shares, rtol=1e-5)


def test_class_sets_hold_the_true_class_as_often_as_they_promise(fresh):
    data, _, answer = fresh
    inside = _inside(data, answer)
    held = answer.class_sets[inside, data[f"target_{SYSTEM}"][inside].argmax(1)]
    assert held.mean() == pytest.approx(0.9, abs=4 * np.sqrt(2 * 0.09 / inside.sum()))


def test_radii_hold_what_they_promise_in_every_group(fresh):
    """68 % within the error in solar radii, 90 % in the interval, though each group had its own fault."""
    data, known, answer = fresh
    inside = _inside(data, answer)
    radius = 10.0 ** data["target_log_radius"]
    classes = data["logits"].argmax(1)
    for k in range(5):
        for c in range(5):
            rows = inside & (known["bins"] == k) & (classes == c)
            # Of these stars, and of those that it was calibrated on.
            spread = np.sqrt(2 / rows.sum())
            within = np.abs(radius - answer.radius)[rows] < answer.radius_err[rows]
            assert within.mean() == pytest.approx(0.6827, abs=4 * 0.47 * spread), (k, c)
            held = (radius > answer.radius_lower) & (radius < answer.radius_upper)
            assert held[rows].mean() == pytest.approx(0.9, abs=4 * 0.3 * spread), (k, c)


def test_the_faults_of_the_groups_are_found(calibrated):
    """Where an error in solar radii is one in dex: for the small ones, of stars of which there are many."""
    found = np.array(calibrated[0].card.radius_calibration["scale"])
    np.testing.assert_allclose(found, TOO_SURE, rtol=0.2)
    groups = calibrated[0].card.radius_calibration["groups"]
    assert (groups["column"], groups["present"]) == (COLUMN, PRESENT)
    np.testing.assert_allclose(np.sinh(groups["edges"]), PARALLAX_SNR_EDGES, rtol=1e-3)


def test_few_stars_are_taken_for_what_they_are_not_and_most_intruders_found(calibrated, fresh):
    data, _, answer = fresh
    star = data["target_intruder"] == 0
    outside = (answer.domain_score > 1)[star].mean()
    tolerance = 4 * np.sqrt(2 * DOMAIN_FALSE_ALARM / N)
    assert DOMAIN_FALSE_ALARM - tolerance < outside < 2 * DOMAIN_FALSE_ALARM + 2 * tolerance
    found = (answer.domain_score > 1)[~star].mean()
    assert found > 0.98  # their logits are six sigma away
    assert found == pytest.approx(calibrated[1]["intruders"]["found"], abs=0.02)
    # The limit is where it belongs: 0.5 % of a Gaussian about -4 lie above -1.42.
    limit = calibrated[0].card.domain["intruder_limit"]
    assert np.log(limit / (1 - limit)) == pytest.approx(-4 + 2.576, abs=0.1)


def test_an_intruder_s_radius_is_as_good_as_unknown(calibrated, fresh):
    data, _, answer = fresh
    intruder = data["intruder"] > 4
    sigma = (answer.radius_err / (np.log(10) * answer.radius))[intruder]
    scatter = np.std(data["target_log_radius"][data["target_intruder"] == 0])
    assert calibrated[0].card.domain["radius_sigma"] == pytest.approx(scatter, rel=0.05)
    assert (sigma > 0.95 * scatter).all()
    mix = calibrated[0].card.label_systems[SYSTEM]["class_mix"]
    assert np.abs(answer.probabilities - mix)[intruder].max() < 0.05


def test_the_figures_are_those_of_the_calibrated_ensemble(calibrated):
    _, metrics = calibrated
    data, known = _stars(1)
    star = data["target_intruder"] == 0
    assert set(metrics) == {SYSTEM, "radius", "intruders"}
    assert metrics[SYSTEM]["class_set_coverage"] == pytest.approx(0.9, abs=1e-3)
    assert 1 <= metrics[SYSTEM]["class_set_size"] <= 5
    true = known["true"][star]
    assert metrics[SYSTEM]["accuracy"] == pytest.approx(true.max(1).mean(), abs=0.01)
    assert metrics[SYSTEM]["log_loss"] == pytest.approx(-(true * np.log(true)).sum(1).mean(), abs=0.02)
    residual = np.abs(data["target_log_radius"] - data["mean"])[star]
    assert metrics["radius"]["mae_dex"] == pytest.approx(residual.mean(), rel=1e-5)
    assert metrics["radius"]["robust_sigma_dex"] == pytest.approx(1.4826 * np.median(residual), rel=1e-5)


def test_calibrating_again_changes_nothing(calibrated):
    twice, metrics = calibrate_ensemble(calibrated[0], _stars(1)[0])
    assert twice.card == calibrated[0].card
    assert metrics == calibrated[1]


def test_what_was_taught_elsewhere_stays(calibrated):
    assert calibrated[0].card.label_systems["sdss"] == SDSS


def test_radii_by_the_classes_of_another_system(calibrated):
    """Its classes are the other's, backwards; half of the stars first and the other half then are all of them."""
    data, _ = _stars(1)
    halves = [{name: value[k::2] for name, value in data.items()} for k in (0, 1)]
    first = calibrated[0].card.radius_calibration
    ensemble = calibrate_radii(calibrated[0], halves, label_system="sdss")
    second = ensemble.card.radius_calibration
    assert second["groups"] == first["groups"] | {"label_system": "sdss"}
    for name in ("scale", "lower", "upper"):
        np.testing.assert_allclose(np.array(second[name])[:, ::-1], first[name], atol=2e-4)
    assert ensemble.card.domain == calibrated[0].card.domain
    assert ensemble.card.label_systems == calibrated[0].card.label_systems


def test_the_mix_of_the_sky_is_the_mean_answer_for_stars(calibrated):
    data, _ = _stars(3, n=3000)
    star = data["target_intruder"] == 0
    answer = calibrated[0].predict(_inputs(data), label_system=SYSTEM)
    mix = class_mix(calibrated[0], data, label_system=SYSTEM)
    np.testing.assert_allclose(mix, answer.probabilities[star].mean(0))
    assert mix.sum() == pytest.approx(1)


def test_intruders_take_no_part_in_what_is_about_stars(calibrated):
    """Whatever they look like: everything but how many of them are found is the same."""
    data, _ = _stars(1)
    intruder = data["target_intruder"] == 1
    for name in ("features", "logits", "mean"):
        data[name][intruder] *= 30
    other, metrics = calibrate_ensemble(_ensemble(), data)
    assert other.card == calibrated[0].card
    assert metrics == calibrated[1]


def test_a_radius_that_is_linear_is_refused():
    with pytest.raises(ValueError, match="'linear'"):
        calibrate_ensemble(_ensemble(radius_space="linear"), _stars(1, 100)[0])


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 999), too_sure=st.floats(0.3, 5), sigma=st.floats(0.001, 0.3), level=st.floats(0.5, 0.95))
def test_errors_and_intervals_hold_what_they_promise(seed, too_sure, sigma, level):
    """In solar radii, also where these are far from Gaussian: on the stars of the fit to the last."""
    residual = np.random.default_rng(seed).standard_t(4, 2000) * sigma * too_sure
    fitted = fit_radius(residual, np.full(2000, sigma), level=level)
    within = np.abs(10**residual - 1) <= np.log(10) * fitted["scale"] * sigma
    assert within.mean() == pytest.approx(0.6827, abs=0.001)
    unit = residual / (fitted["scale"] * sigma)
    assert ((unit >= fitted["lower"]) & (unit <= fitted["upper"])).mean() == pytest.approx(level, abs=0.002)
    for end, sign in (("lower", -1), ("upper", 1)):
        beyond = sign * unit > sign * fitted[end]
        assert beyond.mean() == pytest.approx((1 - level) / 2, abs=0.001)


def test_a_group_of_few_takes_the_figures_of_its_bin_and_a_bin_of_few_those_of_all():
    rng = np.random.default_rng(9)
    bins = np.repeat([0, 0, 1, 2], [4000, 60, 4000, 60])
    classes = np.repeat([0, 1, 1, 1], [4000, 60, 4000, 60])
    residual = rng.normal(0, 0.01, len(bins)) * np.repeat([1, 50, 3, 50], [4000, 60, 4000, 60])
    sigma = np.full(len(bins), 0.01)
    found = fit_radius_groups(residual, sigma, bins=bins, classes=classes, shape=(4, 3), level=0.9)
    assert [np.shape(found[name]) for name in ("scale", "lower", "upper")] == [(4, 3)] * 3
    chosen = (bins >= 0, bins == 0, (bins == 0) & (classes == 0), bins == 1)
    whole, first, one, two = (fit_radius(residual[rows], sigma[rows], level=0.9) for rows in chosen)
    for name, table in found.items():
        expected = [
            [one[name], first[name], first[name]],
            [two[name]] * 3,
            [whole[name]] * 3,  # 60 stars
            [whole[name]] * 3,  # none at all
        ]
        np.testing.assert_allclose(table, expected, atol=1e-4)
    assert found["scale"][0][0] == pytest.approx(1, abs=0.05)
    assert found["scale"][1][0] == pytest.approx(3, abs=0.15)


def test_an_honest_network_is_left_alone():
    true = calibrate(np.random.default_rng(5).normal(0, 2, (8000, 5)))
    temperature, bias = fit_scaling(np.log(true), true)
    assert temperature == pytest.approx(1, abs=0.01)
    np.testing.assert_allclose(bias, 0, atol=0.01)


def test_without_biases_only_the_temperature_is_sought():
    true = calibrate(np.random.default_rng(5).normal(0, 2, (8000, 5)))
    temperature, bias = fit_scaling(1.7 * np.log(true), true, biased=False)
    assert temperature == pytest.approx(1.7, abs=0.02)
    assert np.array_equal(bias, np.zeros(5))


def test_intervals_may_lean_to_one_side():
    residual = np.random.default_rng(6).exponential(0.001, 50_000)
    fitted = fit_radius(residual, np.full(50_000, 0.001), level=0.9)
    # 68 % of an exponential lie below 1.148; 5 % below 0.051 (the interval always holds the prediction), above 2.996.
    assert fitted["scale"] == pytest.approx(1.148, rel=0.02)
    assert fitted["lower"] == 0
    assert fitted["upper"] == pytest.approx(2.996 / 1.148, rel=0.03)


@pytest.mark.parametrize("probability", [None, np.linspace(0, 0.4, 8001)])
def test_the_domain_leaves_out_as_few_as_it_says(probability):
    """On other stars, and after the card has rounded its numbers, even if one feature hardly varies at all."""
    mixing = np.array([[1.0, 0.5, 0], [0, 1.0, 0], [0, 0, 1e-4]])
    seen, inside = (np.random.default_rng(s).normal(size=(8001, 3)) @ mixing for s in (7, 8))
    domain = fit_domain(seen, probability)
    assert domain.pop("input") == "features"
    assert ("intruder_limit" in domain) == (probability is not None)
    assert domain.pop("intruder_limit", 0.398) == pytest.approx(0.398)
    outside = (domain_score(inside, **domain) > 1).mean()
    assert outside == pytest.approx(DOMAIN_FALSE_ALARM, abs=4 * np.sqrt(2 * DOMAIN_FALSE_ALARM / 8000))
    assert (domain_score(inside + np.array([8.0, 0, 0]), **domain) > 1).mean() > 0.99
    np.testing.assert_allclose(domain["precision"], np.transpose(domain["precision"]))
