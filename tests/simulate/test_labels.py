# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The label systems: proper probabilities, the edges they name, and agreement with the survey they imitate."""

import numpy as np
import pytest
from astropy import units as u
from astropy.table import Table
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from stellarclass.physics import CLASS_EDGES, CLASSES, gaia_from_sdss, spectral_class_from_color
from stellarclass.simulate import LABEL_SYSTEMS, label_probabilities
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
    with pytest.raises(ValueError, match=r"'harvard'.*sdss, pecaut_mamajek"):
        label_probabilities(np.zeros((1, 4)), label_system="harvard")


def test_the_sdss_map_knows_what_the_survey_prints(real_data):
    """Real stars with SDSS subclasses, colors as observed: a random forest trained on them has 0.83 right."""
    table = Table.read(real_data / "labels" / "sdss_subclass_ugriz.ecsv")
    magnitudes = np.stack([np.asarray(table[b], float) for b in "ugriz"], axis=1)
    rows = (magnitudes[:, 2] > 14.3) & (magnitudes[:, 2] < 20.5)
    colors = (magnitudes[:, :-1] - magnitudes[:, 1:])[rows]
    truth = np.array([CLASSES.index(c) for c in np.asarray(table["label"]).astype(str)[rows]])
    p = label_probabilities(colors, label_system="sdss")
    assert (p.argmax(1) == truth).mean() > 0.80
    recall = [(p.argmax(1)[truth == k] == k).mean() for k in range(5)]
    assert np.mean(recall) > 0.78
    assert recall[CLASSES.index("G")] > 0.45  # the class that an untempered mix would hardly ever answer
    assert -np.log(p[np.arange(len(p)), truth]).mean() < 0.5
