# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The label systems: proper probabilities, the edges they name, and agreement with the survey they imitate."""

import json
from importlib import resources

import numpy as np
import pytest
from astropy import units as u
from astropy.table import Table
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from stellarclass.physics import CLASS_EDGES, CLASSES, gaia_from_sdss, spectral_class_from_color
from stellarclass.simulate import LABEL_SYSTEMS, label_probabilities
from stellarclass.simulate.labels import color_features, label_scores
from stellarclass.simulate.locus import LOCUS_LIMITS, locus_colors

SYSTEMS = list(LABEL_SYSTEMS)


@pytest.mark.parametrize("system", SYSTEMS)
@given(arrays(float, st.tuples(st.integers(0, 8), st.just(4)), elements=st.floats(-5, 8)))
def test_probabilities_sum_to_one_for_any_colors(system, colors):
    p = label_probabilities(colors, label_system=system)
    assert p.shape == (len(colors), len(CLASSES))
    assert (p >= 0).all()
    np.testing.assert_allclose(p.sum(-1), 1, atol=1e-12)


def test_temperature_classes_run_from_a_to_m():
    g_i = np.linspace(*LOCUS_LIMITS, 400)
    likely = label_probabilities(locus_colors(g_i, np.full(400, -0.6)), label_system="pecaut_mamajek").argmax(1)
    assert sorted(likely) == list(likely)
    assert set(likely) == {0, 1, 2, 3, 4}


@pytest.mark.parametrize("system", ["sdss", "lamost"])
def test_pipelines_classes_are_those_of_a_temperature_scale_or_next_to_it(system):
    """Along the locus of middling metals; but for the reddest stars that SDSS calls F."""
    g_i = np.linspace(-0.2, 2.4, 200)
    colors = locus_colors(g_i, np.full(200, -0.6))
    printed = label_probabilities(colors, label_system=system).argmax(1)
    by_temperature = label_probabilities(colors, label_system="pecaut_mamajek").argmax(1)
    assert (np.abs(printed - by_temperature) <= 1).mean() > 0.94
    assert (printed == by_temperature).mean() > 0.6
    assert printed[0] == 0 and printed[-1] == 4


@pytest.mark.parametrize("system", SYSTEMS)
@given(colors=arrays(float, (4, 4), elements=st.floats(-1, 3)), seed=st.integers(0, 99))
@settings(max_examples=25, deadline=None)
def test_a_star_s_class_depends_on_its_own_colors_alone(system, colors, seed):
    order = np.random.default_rng(seed).permutation(4)
    together = label_probabilities(colors, label_system=system)
    np.testing.assert_allclose(label_probabilities(colors[order], label_system=system), together[order], atol=1e-12)
    alone = [label_probabilities(row[None], label_system=system)[0] for row in colors]
    np.testing.assert_allclose(alone, together, atol=1e-12)


def test_scores_are_the_mean_of_the_networks_probabilities():
    """Networks of a single unit with no hidden step, in closed form."""
    colors = np.array([[1.0, 0.5, 0.2, 0.1], [2.0, 1.0, 0.5, 0.2]])
    pick = np.zeros((1, 39))
    pick[0, 30] = 1  # g-i
    slopes = (np.array([0.5, -1.0, 2.0]), np.array([3.0, 0.0, 1.0]))
    zero = np.zeros(1)
    members = [[pick, zero, np.zeros((1, 1)), zero, k[:, None], np.array([0.1, 0.2, 0.3])] for k in slopes]
    g_i = colors[:, 1] + colors[:, 2]
    hidden = g_i / (1 + np.exp(-g_i))
    expected = 0
    for k in slopes:
        scores = np.exp(hidden[:, None] * k + [0.1, 0.2, 0.3])
        expected = expected + scores / scores.sum(1, keepdims=True) / 2
    np.testing.assert_allclose(label_scores(colors, members), expected, rtol=1e-12)


@given(arrays(float, (3, 4), elements=st.floats(-1e6, 1e6)))
@settings(max_examples=50, deadline=None)
def test_features_are_finite_and_bounded_for_any_colors(colors):
    features = color_features(colors)
    assert features.shape == (3, 39)
    assert np.isfinite(features).all() and np.abs(features).max() < 200
    assert ((features[:, :30] >= 0) & (features[:, :30] <= 1)).all()
    assert (np.diff(features[:, :30], axis=1) <= 1e-12).all()  # steps further red are taken later


def test_colors_that_are_not_known_give_no_class():
    colors = np.array([[1.0, 0.5, 0.2, 0.1], [np.nan, 0.5, 0.2, 0.1]])
    for system in ("sdss", "lamost"):
        p = label_probabilities(colors, label_system=system)
        assert np.isfinite(p[0]).all() and np.isnan(p[1]).all()


def test_sdss_classes_lie_along_the_locus():
    """Not in strict order: SDSS's pipeline prints F9 on both sides of G0 and G2."""
    p = label_probabilities(locus_colors(np.array([0.0, 0.45, 1.2, 2.6]), np.full(4, -0.6)), label_system="sdss")
    assert ["AFGKM"[k] for k in p.argmax(1)] == ["A", "F", "K", "M"]
    g_i = np.linspace(-0.4, 3.5, 400)
    g_type = label_probabilities(locus_colors(g_i, np.full(400, -0.6)), label_system="sdss")[:, 2]
    assert 0.45 < g_i[g_type.argmax()] < 0.75
    assert g_type.max() > 0.4


@pytest.mark.parametrize("edge", CLASS_EDGES)
def test_temperature_classes_meet_at_the_edges_of_physics(edge):
    g_i = np.linspace(-0.5, 3.5, 400_001)
    color = gaia_from_sdss(g_i * u.mag, 0 * g_i * u.mag, 0 * g_i * u.mag)[1].value
    at = np.searchsorted(color, edge)
    colors = np.stack([1 + 0 * g_i, 0.7 * g_i, 0.3 * g_i, 0 * g_i], axis=1)[[at - 2, at + 2]]
    left, right = label_probabilities(colors, label_system="pecaut_mamajek").argmax(1)
    assert right == left + 1
    assert CLASSES[left] == spectral_class_from_color((edge - 1e-6) * u.mag)
    assert CLASSES[right] == spectral_class_from_color((edge + 1e-6) * u.mag)


def test_an_unknown_system_is_refused_by_name():
    with pytest.raises(ValueError, match=r"'harvard'.*sdss, lamost, pecaut_mamajek"):
        label_probabilities(np.zeros((1, 4)), label_system="harvard")


@pytest.mark.parametrize(
    ("system", "accuracy", "recall"),
    # SDSS: a random forest trained on these has 0.83 right. LAMOST: F, G and K only, whose colors overlap by more.
    [
        ("sdss", 0.81, {"A": 0.8, "F": 0.8, "G": 0.45, "K": 0.85, "M": 0.9}),
        ("lamost", 0.68, {"F": 0.7, "G": 0.4, "K": 0.8}),
    ],
)
def test_a_map_knows_what_the_survey_prints(real_data, system, accuracy, recall):
    """Real stars with a pipeline's subclasses, colors as observed."""
    table = Table.read(real_data / "labels" / f"{system}_subclass_ugriz.ecsv")
    magnitudes = np.stack([np.ma.filled(np.ma.asarray(table[b]).astype(float), np.nan) for b in "ugriz"], axis=1)
    rows = (magnitudes[:, 2] > 14.3) & (magnitudes[:, 2] < 20.5) & np.isfinite(magnitudes).all(1)
    rows &= np.isin(np.asarray(table["label"]).astype(str), CLASSES)
    colors = (magnitudes[:, :-1] - magnitudes[:, 1:])[rows]
    truth = np.array([CLASSES.index(c) for c in np.asarray(table["label"]).astype(str)[rows]])
    p = label_probabilities(colors, label_system=system)
    assert (p.argmax(1) == truth).mean() > accuracy
    for name, least in recall.items():
        k = CLASSES.index(name)
        assert (p.argmax(1)[truth == k] == k).mean() > least, name
    assert -np.log(p[np.arange(len(p)), truth].clip(1e-9)).mean() < (0.45 if system == "sdss" else 0.65)
    # Calibrated: of each class there are as many as its probabilities add up to.
    shares = np.bincount(truth, minlength=5) / len(truth)
    np.testing.assert_allclose(p.mean(0), shares, atol=0.03)


@pytest.mark.parametrize("system", ["sdss", "lamost"])
def test_the_tables_are_plain_json(system):
    text = resources.files("stellarclass.simulate").joinpath(f"tables/{system}_label_map.json").read_text()
    json.loads(text, parse_constant=pytest.fail)
