# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Ensembles: combination rules end to end, and the invariants of `predict`."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from stellarclass.exceptions import EnsembleError, InputError
from stellarclass.nets.combination import PAPER_WEIGHTS, apply_class_prior, class_sets
from stellarclass.nets.ensemble import Ensemble

NO_SHRINKING = (Phase.explicit, Phase.reuse, Phase.generate)  # networks are too slow for it


def answers(members, n=4, classes=5, seed=0):
    rng = np.random.default_rng(seed)
    return {
        "logits": rng.normal(0, 2, (n, members, classes)).astype(np.float32),
        "mean": rng.uniform(0.3, 2, (n, members)).astype(np.float32),
        "variance": rng.uniform(0.01, 0.1, (n, members)).astype(np.float32),
    }


def softmax(x):
    return np.exp(x) / np.exp(x).sum(axis=-1, keepdims=True)


def assert_same(a, b, rows=slice(None), atol=1e-5):
    """Two predictions agree, within the tolerance that `predict` states."""
    for field in dataclasses.fields(a):
        x, y = getattr(a, field.name), getattr(b, field.name)
        if field.name == "classes":
            assert x == y
        elif field.name != "class_sets":  # a probability at the threshold may fall on either side
            np.testing.assert_allclose(x[rows], y, rtol=1e-5, atol=atol, err_msg=field.name)


def test_the_papers_combination(make_fixed):
    inputs = answers(6)
    prediction = make_fixed(6, combination={"rule": "mescr"}).predict(inputs)
    weights = np.array([0.10, 0.20, 0.10, 0.20, 0.15, 0.25])
    expected = np.einsum("m,nmc->nc", weights, softmax(inputs["logits"].astype(float)))
    np.testing.assert_allclose(prediction.probabilities, expected, rtol=1e-6)
    mu, variance = inputs["mean"].astype(float), inputs["variance"].astype(float)
    np.testing.assert_allclose(prediction.radius, mu.mean(axis=1), rtol=1e-6)
    equation_1 = (variance + mu**2).mean(axis=1) - mu.mean(axis=1) ** 2
    np.testing.assert_allclose(prediction.radius_err, np.sqrt(equation_1), rtol=1e-6)
    np.testing.assert_allclose(prediction.radius_spread, mu.std(axis=1), rtol=1e-6)
    half = 1.6448536269514722 * np.sqrt(equation_1)
    np.testing.assert_allclose(prediction.radius_upper, mu.mean(axis=1) + half, rtol=1e-6)
    np.testing.assert_allclose(prediction.radius_lower, np.maximum(mu.mean(axis=1) - half, 0), rtol=1e-6)
    assert np.isnan(prediction.domain_score).all()


def test_the_mixture_weighs_radius_and_classes_alike(make_fixed):
    inputs = answers(2)
    weights = {"rule": "mixture", "weights": {"m0": 3, "m1": 1}}
    prediction = make_fixed(2, combination=weights).predict(inputs)
    p = softmax(inputs["logits"].astype(float))
    np.testing.assert_allclose(prediction.probabilities, 0.75 * p[:, 0] + 0.25 * p[:, 1], rtol=1e-6)
    np.testing.assert_allclose(prediction.radius, inputs["mean"] @ [0.75, 0.25], rtol=1e-6)
    equal = make_fixed(2).predict(inputs)
    np.testing.assert_allclose(equal.radius, inputs["mean"].mean(axis=1), rtol=1e-6)


def test_log_space_gives_a_median_and_an_asymmetric_interval(make_fixed):
    inputs = answers(2) | {"mean": np.log10([[1.0, 4.0]] * 4).astype(np.float32)}
    inputs["variance"] = np.full((4, 2), 0.01, np.float32)
    calibration = {"scale": 2.0, "lower": -1.0, "upper": 1.5}
    prediction = make_fixed(2, radius_space="log10", radius_calibration=calibration).predict(inputs)
    sigma = 2 * np.sqrt(0.01 + np.log10(2) ** 2)
    np.testing.assert_allclose(prediction.radius, 2, rtol=1e-6)
    np.testing.assert_allclose(prediction.radius_err, np.log(10) * 2 * sigma, rtol=1e-6)
    np.testing.assert_allclose(prediction.radius_lower, 2 * 10**-sigma, rtol=1e-6)
    np.testing.assert_allclose(prediction.radius_upper, 2 * 10 ** (1.5 * sigma), rtol=1e-6)
    np.testing.assert_allclose(prediction.radius_spread, 1.5, rtol=1e-6)


def test_label_systems_have_their_own_heads_and_calibration(make_fixed):
    systems = {
        "sdss": {"calibration": {"temperature": 2.0, "bias": [0, 0, 1.0, 0, 0], "threshold": 0.2}},
        "other": {"description": "reversed", "calibration": {"threshold": 1.0}},
    }
    ensemble, inputs = make_fixed(1, label_systems=systems), answers(1)
    p = softmax(inputs["logits"].astype(float))[:, 0]
    sdss, other = ensemble.predict(inputs), ensemble.predict(inputs, label_system="other")
    np.testing.assert_allclose(sdss.probabilities, softmax(np.log(p) / 2 + [0, 0, 1, 0, 0]), rtol=1e-6)
    np.testing.assert_allclose(other.probabilities, p[:, ::-1], rtol=1e-6)
    assert (sdss.class_sets.sum(axis=1) == 1).all()
    assert (other.class_sets.sum(axis=1) == 5).all()
    assert ensemble.label_systems == ("sdss", "other")
    np.testing.assert_array_equal(sdss.radius, other.radius)


def with_mix(make_fixed, mix, **calibration):
    systems = {"sdss": {"class_mix": mix, "calibration": calibration}, "other": {}}
    return make_fixed(2, label_systems=systems, default_label_system="sdss")


def test_a_prior_is_for_the_calibrated_probabilities(make_fixed):
    inputs, mix, prior = answers(2, n=50), [0.1, 0.2, 0.3, 0.3, 0.1], {"M": 6, "A": 1, "F": 2, "G": 3, "K": 8}
    ensemble = with_mix(make_fixed, mix, temperature=1.7, bias=[0.5, 0.0, -0.5, 0.0, 0.1], threshold=0.6)
    before, after = ensemble.predict(inputs), ensemble.predict(inputs, class_prior=prior)
    expected = apply_class_prior(before.probabilities, mix=mix, prior=[1, 2, 3, 8, 6])
    np.testing.assert_allclose(after.probabilities, expected, rtol=1e-9)
    np.testing.assert_array_equal(after.class_sets, class_sets(expected, 0.6))
    for name in ("radius", "radius_err", "radius_lower", "radius_upper", "radius_spread"):
        np.testing.assert_array_equal(getattr(after, name), getattr(before, name))
    even = ensemble.predict(inputs, class_prior="even").probabilities
    np.testing.assert_allclose(even, apply_class_prior(before.probabilities, mix=mix, prior=[1] * 5), rtol=1e-9)


def test_a_prior_needs_a_mix_and_a_number_for_each_class(make_fixed):
    ensemble = with_mix(make_fixed, [0.2] * 5)
    with pytest.raises(EnsembleError, match="class_mix in its card"):
        ensemble.predict(answers(2), class_prior="even", label_system="other")
    with pytest.raises(InputError, match="class_prior lacks F, G, K, M"):
        ensemble.predict(answers(2), class_prior={"A": 1})


def test_an_unknown_label_system_lists_the_known_ones(make_fixed):
    with pytest.raises(EnsembleError, match=r"'gaia'; it speaks sdss, other"):
        make_fixed().predict(answers(2), label_system="gaia")


def test_domain_score_comes_from_the_card(make_fixed):
    domain = {"input": "features", "center": [1.0, 2.0], "precision": [[4.0, 0.0], [0.0, 1.0]], "limit": 2.0}
    ensemble = make_fixed(domain=domain)
    features = np.array([[1.0, 2.0], [2.0, 2.0], [1.0, 8.0], [np.nan, 0.0]])
    score = ensemble.predict(answers(2) | {"features": features}).domain_score
    np.testing.assert_allclose(score, [0, 1, 3, np.nan])
    with pytest.raises(EnsembleError, match="'features'"):
        ensemble.predict(answers(2))


DOMAIN = {"input": "features", "center": [0.0], "precision": [[1.0]], "limit": 1.0}
MIX = [0.05, 0.4, 0.25, 0.2, 0.1]


def logit(p):
    p = np.asarray(p, float)
    return np.log(p / (1 - p))


def test_an_intruder_ends_the_domain(make_fixed):
    """The larger of distance and probability counts, each in units of its limit; members weigh as for classes."""
    domain = DOMAIN | {"intruder_limit": 0.25}
    ensemble = make_fixed(2, domain=domain, combination={"rule": "mixture", "weights": {"m0": 3, "m1": 1}})
    inputs = answers(2, n=5) | {
        "features": np.array([[0.5], [0.5], [3.0], [3.0], [np.nan]]),
        "intruder": logit([[0.01, 0.01], [0.6, 0.2], [0.01, 0.01], [0.96, 0.96], [0.5, 0.5]]).astype(np.float32),
    }
    score = ensemble.predict(inputs).domain_score
    np.testing.assert_allclose(score, [0.5, 2.0, 3.0, 3.84, 2.0], rtol=1e-5)
    with pytest.raises(EnsembleError, match="gives nothing for intruder"):
        ensemble.predict({k: v for k, v in inputs.items() if k != "intruder"})


def test_an_intruder_that_is_not_a_number_is_no_answer(make_fixed):
    ensemble = make_fixed(1, domain=DOMAIN | {"intruder_limit": 0.25})
    inputs = answers(1) | {"features": np.zeros((4, 1)), "intruder": np.array([[-9], [np.nan], [1e30], [-1e30]])}
    prediction = ensemble.predict(inputs)
    assert np.array_equal(np.isnan(prediction.radius), [False, True, False, False])
    assert prediction.class_sets[1].all()
    np.testing.assert_allclose(prediction.domain_score[2:], [4.0, 0.0], atol=1e-3)


SCORES = st.floats(0, 50)
PROBABILITIES = st.floats(1e-6, 1 - 1e-6)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 99),
    distance=SCORES,
    probability=PROBABILITIES,
    mix=st.none() | st.just(MIX),
    space=st.sampled_from(["linear", "log10"]),
)
def test_outside_the_domain_an_answer_is_less_certain_never_more(make_fixed, seed, distance, probability, mix, space):
    """Inside it is untouched; outside its interval is wider and its classes are nearer to the mix."""
    systems = {"sdss": {"class_mix": mix} if mix else {}}
    inputs = answers(2, seed=seed) | {"intruder": np.full((4, 2), logit(probability), np.float32)}
    inputs |= {"features": np.full((4, 1), distance, np.float32)}
    domain = DOMAIN | {"intruder_limit": 0.25, "radius_sigma": 0.3}
    plain = make_fixed(2, label_systems=systems, radius_space=space).predict(inputs)
    found = make_fixed(2, label_systems=systems, radius_space=space, domain=domain).predict(inputs)
    if (found.domain_score <= 1).all():
        np.testing.assert_array_equal(found.probabilities, plain.probabilities)
        np.testing.assert_array_equal(found.radius_upper, plain.radius_upper)
    np.testing.assert_array_equal(found.radius, plain.radius)
    assert (found.radius_err >= plain.radius_err).all()
    assert (found.radius_lower <= plain.radius_lower).all() and (found.radius_upper >= plain.radius_upper).all()
    share = np.array(mix) if mix else np.full(5, 0.2)
    far, near = np.abs(plain.probabilities - share), np.abs(found.probabilities - share)
    assert (near <= far * (1 + 1e-9) + 1e-12).all()
    np.testing.assert_allclose(found.probabilities.sum(1), 1, rtol=1e-12)
    if not mix:  # ignorance is then all classes alike, and no set becomes smaller
        assert (found.class_sets >= plain.class_sets).all()
        assert (found.probabilities.max(1) <= plain.probabilities.max(1) + 1e-12).all()


@pytest.mark.parametrize("what", ["features", "intruder"])
def test_the_farther_outside_the_less_is_claimed(make_fixed, what):
    """Up to ignorance itself: the mix of the classes, and the card's width for the radius."""
    domain = DOMAIN | {"intruder_limit": 0.2, "radius_sigma": 0.4}
    ensemble = make_fixed(1, label_systems={"sdss": {"class_mix": MIX}}, domain=domain, radius_space="log10")
    steps = 12
    inputs = {name: np.repeat(value[:1], steps, axis=0) for name, value in answers(1).items()}
    inputs |= {"features": np.zeros((steps, 1)), "intruder": np.full((steps, 1), -20.0)}
    if what == "features":
        inputs["features"][:, 0] = np.geomspace(0.9, 1e6, steps)
    else:
        inputs["intruder"][:, 0] = np.linspace(-2, 20, steps)
    prediction = ensemble.predict(inputs)
    distance = np.abs(prediction.probabilities - MIX).sum(1)
    assert (np.diff(distance) < 0).all() and distance[0] > 0.1
    np.testing.assert_allclose(prediction.probabilities[-1], MIX, atol=1e-5)
    assert (np.diff(prediction.radius_err) > 0).all()
    sigma = prediction.radius_err / (np.log(10) * prediction.radius)
    assert sigma[-1] == pytest.approx(np.hypot(0.4, np.sqrt(inputs["variance"][0, 0])), rel=1e-4)
    assert (np.diff(prediction.domain_score) > 0).all()


def test_the_mix_that_the_card_names_changes_nothing(make_fixed):
    ensemble, inputs = make_fixed(label_systems={"sdss": {"class_mix": MIX}}), answers(2, n=50)
    plain = ensemble.predict(inputs)
    percent = {c: 100 * share for c, share in zip("AFGKM", MIX, strict=True)}
    assert_same(plain, ensemble.predict(inputs, class_prior=percent), atol=1e-12)
    assert ensemble.predict(inputs, class_prior=percent).class_sets.tolist() == plain.class_sets.tolist()


def test_even_takes_the_mix_out(make_fixed):
    """What is left is the ratio of each class's probability to its share."""
    ensemble, inputs = make_fixed(label_systems={"sdss": {"class_mix": MIX}}), answers(2, n=50)
    plain, even = ensemble.predict(inputs), ensemble.predict(inputs, class_prior="even")
    ratio = plain.probabilities / MIX
    np.testing.assert_allclose(even.probabilities, ratio / ratio.sum(1, keepdims=True), rtol=1e-9)
    np.testing.assert_array_equal(even.radius, plain.radius)
    alike = ensemble.predict(inputs, class_prior=dict.fromkeys("AFGKM", 3))
    np.testing.assert_allclose(alike.probabilities, even.probabilities, rtol=1e-12)


def test_a_class_prior_puts_shares_right_that_calibration_had_wrong(make_fixed):
    """Two classes that pixels tell apart badly: calibrated on nine to one, asked about stars that are one to nine."""
    rng = np.random.default_rng(3)
    shares = {"trained": np.array([0.9, 0.1]), "asked": np.array([0.1, 0.9])}
    truth = rng.choice(2, 40_000, p=shares["asked"])
    x = rng.normal(2 * truth - 1, 1.5)
    likelihood = np.exp(-0.5 * ((x[:, None] - [-1, 1]) / 1.5) ** 2)
    logits = np.log(likelihood * shares["trained"])[:, None].astype(np.float32)
    inputs = {"logits": logits, "mean": np.ones((len(x), 1)), "variance": np.ones((len(x), 1))}
    ensemble = make_fixed(1, "AF", label_systems={"sdss": {"class_mix": shares["trained"].tolist()}})
    p = ensemble.predict(inputs, class_prior={"A": 0.1, "F": 0.9}).probabilities[:, 1]
    for low, high in ((0.2, 0.5), (0.5, 0.8), (0.8, 0.97)):
        chosen = (p > low) & (p < high)
        assert truth[chosen].mean() == pytest.approx(p[chosen].mean(), abs=4 * np.sqrt(0.25 / chosen.sum()))
    plain = ensemble.predict(inputs).probabilities[:, 1]
    assert truth[plain < 0.5].mean() > 0.7  # without it most of what is called an A is none


def test_outside_the_domain_ignorance_is_what_the_user_expects(make_fixed):
    domain = DOMAIN | {"radius_sigma": 0.3}
    ensemble = make_fixed(1, label_systems={"sdss": {"class_mix": MIX}}, domain=domain)
    inputs = answers(1) | {"features": np.full((4, 1), 1e7)}
    prior = {"A": 1, "F": 1, "G": 6, "K": 1, "M": 1}
    p = ensemble.predict(inputs, class_prior=prior).probabilities
    np.testing.assert_allclose(p, [[0.1, 0.1, 0.6, 0.1, 0.1]] * 4, atol=1e-5)


@pytest.mark.parametrize(
    ("prior", "message"),
    [
        ("flat", "flat"),
        ({"A": 1, "F": 1, "G": 1, "K": 1}, "M"),
        ({"A": 1, "F": 1, "G": 1, "K": 1, "M": 1, "Q": 1}, "Q"),
        ({"A": 1, "F": 1, "G": 0, "K": 1, "M": 1}, "G"),
        ({"A": 1, "F": -1, "G": 1, "K": 1, "M": 1}, "F"),
        ({"A": np.nan, "F": 1, "G": 1, "K": 1, "M": 1}, "A"),
        ({"A": 1, "F": 1, "G": 1, "K": np.inf, "M": 1}, "K"),
        ({"A": 1, "F": 1, "G": 1, "K": 1, "M": "0.5"}, "M"),
        ({"A": 1, "F": 1, "G": 1, "K": 1, "M": True}, "M"),
    ],
)
def test_bad_priors_are_refused_by_name(make_fixed, prior, message):
    ensemble = make_fixed(label_systems={"sdss": {"class_mix": MIX}})
    with pytest.raises(InputError, match=rf"class_prior.*\b{message}"):
        ensemble.predict(answers(2), class_prior=prior)


def test_without_a_mix_on_the_card_there_is_no_prior(make_fixed):
    ensemble = make_fixed(label_systems={"sdss": {}, "other": {"class_mix": MIX}})
    with pytest.raises(EnsembleError, match="leave class_prior out"):
        ensemble.predict(answers(2), class_prior="even")
    ensemble.predict(answers(2), class_prior="even", label_system="other")


GROUPS = {"input": "features", "column": 2, "present": 1, "edges": [2.0], "label_system": "other"}


def _grouped(**change):
    """Radii calibrated in three bins of S/N (none, below 2, above) times two classes."""
    return {
        "label_systems": {"sdss": {}, "other": {"calibration": {"bias": [0, 50]}}},
        "radius_calibration": {
            "scale": [[1, 2], [3, 4], [5, 6]],
            "lower": [[-1, -1], [-1, -1], [-1, -2]],
            "upper": [[1, 1], [1, 1.5], [1, 1]],
            "groups": GROUPS | change,
        },
    }


@pytest.mark.parametrize("system", ["sdss", "other"])
def test_a_radius_is_calibrated_by_its_group(make_fixed, system):
    """By the class as the networks say it, not as its calibration turns it, in whatever system is asked for."""
    logits = np.array([[[2.0, 0.0]], [[0.0, 2.0]]] * 3, np.float32)  # system "other" has them the other way round
    features = np.array([[0, 0, 9], [0, 0, 9], [0, 1, 1.5], [0, 1, 1.5], [0, 1, 2.0], [0, 1, 7]], np.float32)
    inputs = {"logits": logits, "mean": np.full((6, 1), 10.0), "variance": np.full((6, 1), 0.01), "features": features}
    prediction = make_fixed(1, "AF", **_grouped()).predict(inputs, label_system=system)
    scale = np.array([2, 1, 4, 3, 6, 5])
    np.testing.assert_allclose(prediction.radius_err, 0.1 * scale, rtol=1e-6)
    np.testing.assert_allclose(10 - prediction.radius_lower, 0.1 * scale * [1, 1, 1, 1, 2, 1], rtol=1e-6)
    np.testing.assert_allclose(prediction.radius_upper - 10, 0.1 * scale * [1, 1, 1.5, 1, 1, 1], rtol=1e-6)


@pytest.mark.parametrize("change", [{"input": "absent"}, {"column": 3}, {"present": 3}, {"input": "wide"}])
def test_groups_by_what_is_not_there_are_refused(make_fixed, change):
    inputs = answers(1, classes=2) | {"features": np.zeros((4, 3)), "wide": np.zeros(4)}
    with pytest.raises(EnsembleError, match=r"the radii of 'fixed' are calibrated by input .*absent"):
        make_fixed(1, "AF", **_grouped(**change)).predict(inputs)


def test_a_star_without_an_answer_belongs_to_no_group(make_fixed):
    inputs = answers(1, classes=2) | {"features": np.ones((4, 3))}
    whole = make_fixed(1, "AF", **_grouped()).predict(inputs)
    inputs["logits"][1] = np.nan
    prediction = make_fixed(1, "AF", **_grouped()).predict(inputs)
    assert np.isnan(prediction.radius_err[1])
    others = [0, 2, 3]
    np.testing.assert_array_equal(prediction.radius_err[others], whole.radius_err[others])


@settings(
    max_examples=15, phases=NO_SHRINKING, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(batch_size=st.integers(1, 25), seed=st.integers(0, 2**32 - 1))
def test_a_star_does_not_depend_on_batch_or_order(ensemble, inputs, batch_size, seed):
    whole = ensemble.predict(inputs)
    order = np.random.default_rng(seed).permutation(20)[: 1 + seed % 20]
    part = ensemble.predict({k: v[order] for k, v in inputs.items()}, batch_size=batch_size)
    assert_same(whole, part, rows=order)


def test_threads_do_not_change_the_answer(ensemble, inputs):
    threads = torch.get_num_threads()
    inputs = {name: value[:3] for name, value in inputs.items()}  # threads that wait for a processor are slow
    try:
        torch.set_num_threads(1)
        one = ensemble.predict(inputs)
        torch.set_num_threads(2)
        assert_same(one, ensemble.predict(inputs))
    finally:
        torch.set_num_threads(threads)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e300])
def test_a_star_without_finite_numbers_spoils_no_other(ensemble, inputs, bad):
    clean = ensemble.predict(inputs)
    numeric = inputs["numeric"].astype(float)
    numeric[7] = bad
    prediction = ensemble.predict(inputs | {"numeric": numeric}, batch_size=8)
    others = np.arange(20) != 7
    assert_same(clean, dataclasses.replace(prediction, **_rows(prediction, others)), rows=others)
    assert np.isnan(prediction.probabilities[7]).all() and np.isnan(prediction.radius[7])
    assert prediction.class_sets[7].all()


def _rows(prediction, rows):
    fields = [f.name for f in dataclasses.fields(prediction) if f.name != "classes"]
    return {name: getattr(prediction, name)[rows] for name in fields}


def test_no_stars(ensemble, inputs):
    prediction = ensemble.predict({k: v[:0] for k, v in inputs.items()})
    assert prediction.probabilities.shape == prediction.class_sets.shape == (0, 5)
    assert prediction.radius.shape == prediction.domain_score.shape == (0,)
    assert prediction.class_sets.dtype == bool and prediction.radius.dtype == np.float64


def test_what_a_prediction_promises(ensemble, inputs):
    prediction = ensemble.predict(inputs)
    np.testing.assert_allclose(prediction.probabilities.sum(axis=1), 1, rtol=1e-12)
    assert prediction.class_sets.any(axis=1).all()
    assert (prediction.radius_lower <= prediction.radius_upper).all()
    assert (prediction.radius_err >= prediction.radius_spread).all()
    assert (np.ptp(prediction.probabilities, axis=0) > 0.02).all()  # or the tests above would show nothing


def test_inputs_may_be_read_only_strided_or_double(ensemble, inputs):
    whole = ensemble.predict(inputs)
    odd = {k: np.asfortranarray(v)[::-1][::-1] for k, v in inputs.items()} | {
        "numeric": inputs["numeric"].astype(float)
    }
    for value in odd.values():
        value.setflags(write=False)
    assert_same(whole, ensemble.predict(odd))


def test_training_mode_is_left_and_gradients_are_off(ensemble, inputs):
    whole = ensemble.predict(inputs)
    for member in ensemble.members:
        member.train()
    assert_same(whole, ensemble.predict(inputs))
    assert all(p.grad is None for m in ensemble.members for p in m.parameters())


def test_the_random_state_is_left_alone(ensemble, inputs):
    torch.manual_seed(1)
    before = torch.get_rng_state()
    ensemble.predict(inputs)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize(
    "bad", [{}, {"numeric": np.zeros(())}, {"numeric": np.zeros((3, 2)), "image_a": np.zeros((2, 3, 16, 16))}]
)
def test_inputs_must_have_a_common_length(ensemble, bad):
    with pytest.raises(ValueError, match="common first axis"):
        ensemble.predict(bad)


def test_batch_size_must_be_positive(ensemble, inputs):
    with pytest.raises(ValueError, match="batch_size = 0"):
        ensemble.predict(inputs, batch_size=0)


def test_networks_must_answer_as_the_card_says(make_fixed):
    with pytest.raises(EnsembleError, match=r"logits_sdss, expected \(4, 5\)"):
        make_fixed().predict(answers(2, classes=4))
    with pytest.raises(EnsembleError, match="gives nothing for logits_third"):
        make_fixed(label_systems={"third": {}}, default_label_system="third").predict(answers(2))


def test_as_many_networks_as_members(ensemble):
    with pytest.raises(EnsembleError, match="5 networks for the 6 members"):
        Ensemble(ensemble.members[:5], ensemble.card)


def test_devices(ensemble):
    assert Ensemble(ensemble.members, ensemble.card).device.type == ("cuda" if torch.cuda.is_available() else "cpu")
    for device in ("abacus", "cuda:97"):
        with pytest.raises(EnsembleError, match="try 'cpu'"):
            Ensemble(ensemble.members, ensemble.card, device=device)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda_gives_the_answer_of_the_cpu(ensemble, inputs):
    on_cpu = ensemble.predict(inputs)
    on_cuda = Ensemble(ensemble.members, ensemble.card, device="cuda").predict(inputs)
    assert_same(on_cpu, on_cuda, atol=1e-4)


def test_its_card_speaks_for_it(ensemble):
    assert ensemble.name == "test" and ensemble.classes == tuple("AFGKM") and ensemble.sha256 == ""
    assert [m.name for m in ensemble.card.members] == list(PAPER_WEIGHTS)
    assert repr(ensemble) == "<Ensemble 'test': 6 mmscnet on cpu>"


def test_recipe_and_network_fit(ensemble):
    from stellarclass.stamps.base import Stamps

    prediction = ensemble.predict(ensemble.recipe(Stamps.empty(3)))
    assert prediction.radius.shape == (3,)


def test_an_unknown_recipe_is_an_error(make_fixed):
    with pytest.raises(EnsembleError, match="unknown input recipe 'magic'"):
        _ = make_fixed(recipe={"name": "magic"}).recipe
