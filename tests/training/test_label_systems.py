# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Teaching label systems: what follows from the outputs is found, what does not is not, and nothing else changes.

An untrained compact network says the colors that it is fed, so that everything is known of its physical outputs; the
recipe is replaced by one that reads these colors off the stamps' sky.
"""

import dataclasses

import numpy as np
import pytest
import torch

from stellarclass import load_ensemble
from stellarclass.astrometry import Astrometry
from stellarclass.exceptions import InputError
from stellarclass.nets import CompactNet, save_ensemble
from stellarclass.nets.card import Card, Member
from stellarclass.nets.ensemble import Ensemble
from stellarclass.physics import CLASSES
from stellarclass.stamps.base import Stamps
from stellarclass.training import LabelSystemFit, add_label_system
from stellarclass.training.label_systems import class_figures

N = 400
EDGES = (0.25, 0.62, 0.91, 1.7)  # of g-i, none of them where the steps of a map are
KWARGS = {"features": 12, "size": 4, "width": 8, "channels": 2}
SHORT = {"epochs": 2, "folds": 2}


def _echo(stamps, astrometry):
    """Inputs whose colors are written in the stamps; the first guess of BP-RP is a parallax."""
    assert len(stamps) == len(astrometry)
    n = len(stamps)
    features = np.zeros((n, 12), np.float32)
    features[:, 1:6], features[:, 6:11] = stamps.sky_sigma, 1
    base = np.nan_to_num(astrometry.parallax).astype(np.float32)
    return {
        "features": features,
        "residual": np.zeros((n, 5, 4, 4), np.float32),
        "bp_rp_base": base,
        "radius_base": base,
    }


def _ensemble(members=2, **change):
    torch.manual_seed(0)
    card = {
        "name": "echo", "version": "1", "description": "", "architecture": "compact", "architecture_kwargs": KWARGS,
        "recipe": {"name": "photometric"}, "classes": CLASSES, "label_systems": {"pecaut_mamajek": {}},
        "default_label_system": "pecaut_mamajek", "members": tuple(Member(f"m{k}") for k in range(members)),
        "radius_space": "log10",
    }  # fmt: skip
    ensemble = Ensemble([CompactNet(**KWARGS) for _ in range(members)], Card(**card | change), device="cpu")
    ensemble.recipe = _echo
    return ensemble


def _stamps(magnitudes):
    stamps = Stamps.empty(len(magnitudes))
    stamps.sky_sigma[:] = magnitudes
    return stamps


def _stars(n, seed):
    """Magnitudes (n, 5) of stars that are spread evenly over g-i, and their g-i."""
    rng = np.random.default_rng(seed)
    g_i = rng.uniform(-0.3, 2.4, n)
    colors = np.stack([1.0 + 0.5 * g_i, 0.7 * g_i, 0.3 * g_i, 0.15 * g_i], axis=1)
    return np.pad(-np.cumsum(colors, axis=1), ((0, 0), (1, 0))), g_i


def _labels(g_i):
    return np.array(CLASSES)[np.digitize(g_i, EDGES)]


def _inputs(magnitudes):
    return _echo(_stamps(magnitudes), Astrometry.empty(len(magnitudes)))


def _same_weights(one, other):
    states = [[dict(m.state_dict()) for m in e.members] for e in (one, other)]
    return all(
        a.keys() == b.keys() and all(torch.equal(v, b[k]) for k, v in a.items()) for a, b in zip(*states, strict=True)
    )


@pytest.fixture(scope="module")
def stars():
    return _stars(N, 1)


@pytest.fixture(scope="module")
def taught(stars):
    """An ensemble that learned a system with sharp edges in g-i: ensemble before, fit, epochs reported."""
    ensemble, calls = _ensemble(), []
    magnitudes, g_i = stars
    fit = add_label_system(
        ensemble, _stamps(magnitudes), _labels(g_i), name="mine", description="Of mine.", progress=calls.append
    )
    return ensemble, fit, calls


def test_labels_that_follow_from_the_outputs_are_found(taught):
    """On other stars, right but for those within a few hundredths of a magnitude of an edge."""
    _, fit, calls = taught
    magnitudes, g_i = _stars(500, 2)
    answer = fit.ensemble.predict(_inputs(magnitudes), label_system="mine")
    given = np.array(CLASSES)[answer.probabilities.argmax(1)]
    clear = np.abs(g_i[:, None] - EDGES).min(1) > 0.08
    assert (given == _labels(g_i))[clear].mean() > 0.98
    assert answer.probabilities[clear].max(1).mean() > 0.85
    assert calls == list(range(1, len(calls) + 1))


def test_cross_validation_says_how_right_it_is(taught):
    """What the maps say of stars that they did not see is what they say of others altogether."""
    _, fit, _ = taught
    assert isinstance(fit, LabelSystemFit)
    magnitudes, g_i = _stars(1000, 3)
    answer = fit.ensemble.predict(_inputs(magnitudes), label_system="mine")
    truth = np.array([CLASSES.index(c) for c in _labels(g_i)])
    right = (answer.probabilities.argmax(1) == truth).mean()
    assert fit.figures["accuracy"] == pytest.approx(right, abs=4 * np.sqrt(0.1 * 0.9 / N))
    assert fit.figures["class_set_coverage"] == pytest.approx(0.9, abs=0.02) or fit.figures["class_set_size"] < 1.05
    held = answer.class_sets[np.arange(1000), truth].mean()
    assert held > 0.9 - 4 * np.sqrt(0.09 / N)


def test_the_card_says_what_was_learned(taught, stars):
    _, fit, _ = taught
    labels = _labels(stars[1])
    entry = fit.ensemble.card.label_systems["mine"]
    counts = {c: int((labels == c).sum()) for c in CLASSES}
    assert fit.figures["stars"] == counts
    assert entry["description"] == "Of mine."
    assert entry["fit"]["cross_validated"] == fit.figures
    np.testing.assert_allclose(entry["class_mix"], np.array(list(counts.values())) / N)
    assert fit.probabilities.shape == (N, 5)
    np.testing.assert_allclose(fit.probabilities.sum(1), 1)
    right = np.array(CLASSES)[fit.probabilities.argmax(1)] == labels
    assert fit.figures["accuracy"] == pytest.approx(right.mean())
    assert fit.figures["recall"]["G"] == pytest.approx(right[labels == "G"].mean())


def test_all_else_is_answered_as_before(taught):
    """Bit for bit: the networks, their card and the ensemble that was given."""
    ensemble, fit, _ = taught
    assert ensemble.label_systems == ("pecaut_mamajek",)
    assert fit.ensemble.label_systems == ("pecaut_mamajek", "mine")
    assert ensemble.card.architecture_kwargs == KWARGS
    inputs = _inputs(_stars(50, 4)[0])
    inputs["bp_rp_base"][:] = np.linspace(0, 2, 50)
    before, after = (e.predict(inputs, label_system="pecaut_mamajek") for e in (ensemble, fit.ensemble))
    for field in dataclasses.fields(before):
        np.testing.assert_array_equal(getattr(after, field.name), getattr(before, field.name))


def test_another_system_leaves_the_first_as_it_was(taught, stars):
    _, fit, _ = taught
    fit.ensemble.recipe = _echo
    magnitudes, g_i = stars
    both = add_label_system(fit.ensemble, _stamps(magnitudes), _labels(-g_i + 2), name="upside_down", **SHORT).ensemble
    assert both.label_systems == ("pecaut_mamajek", "mine", "upside_down")
    inputs = _inputs(_stars(50, 4)[0])
    before, after = (e.predict(inputs, label_system="mine") for e in (fit.ensemble, both))
    np.testing.assert_array_equal(after.probabilities, before.probabilities)
    assert both.card.label_systems["mine"] == fit.ensemble.card.label_systems["mine"]


def test_a_system_that_is_there_is_replaced(taught, stars):
    _, fit, _ = taught
    fit.ensemble.recipe = _echo
    magnitudes, g_i = stars
    again = add_label_system(fit.ensemble, _stamps(magnitudes), _labels(g_i), name="mine", **SHORT).ensemble
    assert again.label_systems == ("pecaut_mamajek", "mine")
    assert again.card.architecture_kwargs["label_systems"] == ["mine"]
    assert again.card.label_systems["mine"]["description"] == ""
    inputs = _inputs(_stars(50, 4)[0])
    p = [e.predict(inputs, label_system="mine").probabilities for e in (again, fit.ensemble)]
    assert np.abs(p[0] - p[1]).max() > 0.05


def test_what_was_learned_survives_the_disk(taught, tmp_path):
    _, fit, _ = taught
    save_ensemble(fit.ensemble, tmp_path / "mine")
    loaded = load_ensemble(tmp_path / "mine", device="cpu")
    inputs = _inputs(_stars(50, 4)[0])
    before, after = (e.predict(inputs, label_system="mine") for e in (fit.ensemble, loaded))
    np.testing.assert_array_equal(after.probabilities, before.probabilities)
    assert loaded.card.label_systems == fit.ensemble.card.label_systems
    assert fit.ensemble.sha256 == ""  # it is another ensemble, never saved


def test_the_random_state_is_left_alone(stars):
    ensemble = _ensemble(1)
    before = torch.get_rng_state()
    add_label_system(ensemble, _stamps(stars[0]), _labels(stars[1]), name="a", **SHORT)
    assert torch.equal(torch.get_rng_state(), before)


def test_the_same_seed_gives_the_same_maps_whatever_was_drawn_before(stars):
    magnitudes, g_i = stars
    fits = []
    for seed, disturbed in ((3, 0), (3, 99), (4, 0)):
        ensemble = _ensemble()
        torch.manual_seed(disturbed)
        fits.append(add_label_system(ensemble, _stamps(magnitudes), _labels(g_i), name="a", seed=seed, **SHORT))
    assert _same_weights(fits[0].ensemble, fits[1].ensemble)
    np.testing.assert_array_equal(fits[0].probabilities, fits[1].probabilities)
    assert not _same_weights(fits[0].ensemble, fits[2].ensemble)


def test_labels_that_follow_from_nothing_are_not_found(stars):
    """Each star has a random label and five stamps that hardly differ: to remember a star would be to know it."""
    rng = np.random.default_rng(5)
    few = stars[0][:100]
    labels = np.array(CLASSES)[rng.permutation(np.arange(100) % 5)]
    which = np.tile(np.arange(100), 5)
    magnitudes = few[which] + rng.normal(0, 1e-4, (500, 5))
    order = rng.permutation(500)
    stamps, labels, which = _stamps(magnitudes[order]), labels[which][order], which[order]
    options = {"name": "noise", "epochs": 150}
    fit = add_label_system(_ensemble(1), stamps, labels, stars=which, **options)
    chance = 4 * np.sqrt(0.2 * 0.8 / 100)
    assert fit.figures["accuracy"] < 0.2 + chance
    assert fit.figures["log_loss"] == pytest.approx(np.log(5), abs=0.1)
    assert fit.figures["class_set_coverage"] >= 0.9
    assert fit.figures["stars"] == dict.fromkeys(CLASSES, 20)
    # Without their numbers the stamps are taken for stars of their own, and the maps for better than they are.
    deceived = add_label_system(_ensemble(1), stamps, labels, **options)
    assert deceived.figures["accuracy"] > fit.figures["accuracy"] + 0.1


def test_stamps_may_come_in_parts(stars):
    magnitudes, g_i = stars
    parts = (_stamps(magnitudes[k : k + 150]) for k in range(0, N, 150))
    whole = add_label_system(_ensemble(), _stamps(magnitudes), _labels(g_i), name="a", **SHORT)
    fit = add_label_system(_ensemble(), parts, _labels(g_i).astype(bytes), name="a", **SHORT)
    assert fit.figures["recall"] == pytest.approx(whole.figures["recall"])
    np.testing.assert_allclose(fit.probabilities, whole.probabilities, atol=1e-5)


def test_astrometry_goes_with_its_stars(stars):
    """Classes that only the parallax tells, which the recipe of these tests turns into BP-RP."""
    rng = np.random.default_rng(6)
    astrometry = Astrometry.empty(N)
    astrometry.parallax[:] = rng.uniform(0, 2, N)
    labels = np.array(CLASSES)[np.digitize(astrometry.parallax, [0.4, 0.8, 1.2, 1.6])]
    parts = [_stamps(stars[0][:150]), _stamps(stars[0][150:])]
    fit = add_label_system(_ensemble(1), parts, labels, name="a", astrometry=astrometry, epochs=200)
    assert fit.figures["accuracy"] > 0.5  # by chance 0.2; had the second part the first one's parallaxes, 0.3 at most
    assert fit.figures["within_one_class"] > 0.95


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "pecaut_mamajek"}, "follows from BP-RP"),
        ({"stars": np.arange(N - 1)}, f"for {N} stamps"),
        ({"stars": np.zeros(N, int)}, "1 stars of class A"),
    ],
)
def test_what_does_not_fit_is_refused(stars, change, message):
    magnitudes, g_i = stars
    arguments = {"labels": _labels(g_i), "name": "a"} | change
    with pytest.raises(InputError, match=message):
        add_label_system(_ensemble(1), _stamps(magnitudes), **arguments)


def test_labels_must_be_as_many_as_stamps(stars):
    labels = _labels(stars[1])
    with pytest.raises(InputError, match=f"{N} stamps and {N - 1} labels"):
        add_label_system(_ensemble(1), _stamps(stars[0]), labels[:-1], name="a")
    with pytest.raises(InputError, match=r"shape \(400, 1\)"):
        add_label_system(_ensemble(1), _stamps(stars[0]), labels[:, None], name="a")


def test_unknown_classes_are_named(stars):
    labels = _labels(stars[1]).astype("U4")
    labels[7] = "K5V"
    with pytest.raises(InputError, match=r"K5V.*A, F, G, K, M"):
        add_label_system(_ensemble(1), _stamps(stars[0]), labels, name="a")


def test_too_few_stars_of_a_class_are_refused(stars):
    """Nine, or ten stamps of which two show one star."""
    labels = _labels(stars[1])
    rows = np.concatenate([np.flatnonzero(labels != "M"), np.flatnonzero(labels == "M")[:10]])
    numbers = np.arange(len(rows))
    with pytest.raises(InputError, match="9 stars of class M; at least 10"):
        add_label_system(_ensemble(1), _stamps(stars[0][rows[:-1]]), labels[rows[:-1]], name="a")
    numbers[-1] = numbers[-2]
    with pytest.raises(InputError, match="9 stars of class M"):
        add_label_system(_ensemble(1), _stamps(stars[0][rows]), labels[rows], name="a", stars=numbers)
    numbers[-1] = -1
    add_label_system(_ensemble(1), _stamps(stars[0][rows]), labels[rows], name="a", stars=numbers, **SHORT)


@pytest.mark.parametrize("name", ["Mine", "a b", "keys", "training", "a.b", "", "a" * 40])
def test_a_name_that_no_card_can_hold_is_refused_before_the_work(stars, name):
    calls = []
    with pytest.raises(InputError, match="name"):
        add_label_system(_ensemble(1), _stamps(stars[0]), _labels(stars[1]), name=name, progress=calls.append, **SHORT)
    assert calls == []


@pytest.mark.parametrize("folds", [0, 1])
def test_without_folds_nothing_is_cross_validated(stars, folds):
    with pytest.raises(InputError, match="folds"):
        add_label_system(_ensemble(1), _stamps(stars[0]), _labels(stars[1]), name="a", folds=folds, epochs=1)


@pytest.mark.parametrize("n", [N - 1, N + 1])
def test_astrometry_of_other_stars_is_refused(stars, n):
    with pytest.raises(InputError, match="astrometry"):
        add_label_system(
            _ensemble(1), _stamps(stars[0]), _labels(stars[1]), name="a", astrometry=Astrometry.empty(n), **SHORT
        )


def test_other_networks_have_no_outputs_to_learn_from(stars):
    card = dataclasses.replace(_ensemble(1).card, architecture="mmscnet", architecture_kwargs={})
    with pytest.raises(TypeError, match="compact networks"):
        add_label_system(Ensemble([torch.nn.Linear(1, 1)], card, device="cpu"), _stamps(stars[0]), ["A"], name="a")


def test_figures_in_closed_form():
    p = np.array([[0.8, 0.2, 0.0], [0.6, 0.3, 0.1], [0.2, 0.3, 0.5], [0.05, 0.05, 0.9]])
    figures = class_figures(p, np.array([0, 1, 0, 0]), 0.7, "XYZ")
    assert figures.pop("recall") == pytest.approx({"X": 1 / 3, "Y": 0.0})  # there is no Z
    assert figures == pytest.approx(
        {
            "accuracy": 0.25,
            "balanced_accuracy": 1 / 6,
            "within_one_class": 0.5,
            "log_loss": -np.log([0.8, 0.3, 0.2, 0.05]).mean(),
            "class_set_coverage": 0.5,
            "class_set_size": 1.5,
        }
    )
