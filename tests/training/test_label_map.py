# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The sky's label map: a known one is found again, and the tables in the package come from their data."""

import json
from importlib import resources

import numpy as np
import pytest
from astropy.table import Table

from stellarclass.physics import CLASSES
from stellarclass.simulate.labels import label_scores
from stellarclass.training import label_map
from stellarclass.training.label_map import cross_validate, fit_label_map, main
from stellarclass.training.labeled import LabelTable


def _true(g_i):
    """Probabilities of a pipeline with soft edges, that never says M and often says F between G and K."""
    edges = np.array([0.2, 0.6, 1.1])
    below = 1 / (1 + np.exp((g_i[:, None] - edges) / 0.08))
    p = np.diff(np.pad(below, ((0, 0), (1, 1)), constant_values=((0, 0), (0, 1))), axis=1)
    bump = 0.3 * np.exp(-0.5 * ((g_i[:, None] - 1.0) / 0.1) ** 2)
    return np.pad((1 - bump) * p + bump * [0, 1, 0, 0], ((0, 0), (0, 1)))


def _drawn(n, seed):
    """Colors (n, 4), labels and true probabilities of stars along a line."""
    rng = np.random.default_rng(seed)
    g_i = rng.uniform(-0.3, 2.4, n)
    colors = np.stack([1.0 + 0.5 * g_i, 0.7 * g_i, 0.3 * g_i, 0.15 * g_i], axis=1)
    true = _true(g_i)
    index = np.minimum((rng.random((n, 1)) > true.cumsum(1)).sum(1), 3)
    return colors, np.array(CLASSES)[index], true


def _table(n, seed):
    colors, labels, _ = _drawn(n, seed)
    steps = np.pad(-np.cumsum(colors, axis=1), ((0, 0), (1, 0)))
    return LabelTable(steps - steps[:, 2:3] + 17.0, labels)


def test_a_known_map_is_found_again():
    colors, labels, _ = _drawn(4000, 1)
    members = fit_label_map(colors, labels, members=2, epochs=25)
    fresh, fresh_labels, true = _drawn(4000, 2)
    found = label_scores(fresh, members)
    assert np.abs(found - true).mean() < 0.03
    # As likely as the truth itself makes the labels, nearly.
    rows = np.arange(4000), [CLASSES.index(c) for c in fresh_labels]
    loss, least = (-np.log(p[rows].clip(1e-12)).mean() for p in (found, true))
    assert least - 0.02 < loss < least + 0.05
    assert found[:, 4].max() < 0.05  # no label says M


def test_it_has_the_form_that_the_sky_reads():
    colors, labels, _ = _drawn(300, 1)
    members = fit_label_map(colors, labels, members=3, width=7, epochs=1)
    assert len(members) == 3
    for weights in members:
        assert [w.shape for w in weights] == [(7, 39), (7,), (7, 7), (7,), (5, 7), (5,)]
        assert all(np.array_equal(w, w.round(5)) for w in weights)
    assert not np.array_equal(members[0][0], members[1][0])


def test_a_seed_is_a_map():
    colors, labels, _ = _drawn(300, 1)
    one, same, other = (fit_label_map(colors, labels, members=1, epochs=2, seed=s)[0] for s in (3, 3, 4))
    assert all(np.array_equal(a, b) for a, b in zip(one, same, strict=True))
    assert not np.array_equal(one[0], other[0])


def test_cross_validation_does_not_see_what_it_predicts():
    """Labels that follow from nothing: whatever a map remembers of a star must not help."""
    table = _table(120, 3)
    rng = np.random.default_rng(4)
    noise = LabelTable(table.magnitudes, rng.permutation(np.repeat(["A", "F"], 60)))
    options = {"folds": 4, "members": 1, "epochs": 120}
    p = cross_validate(noise, **options)
    right = (np.array(CLASSES)[p.argmax(1)] == noise.labels).mean()
    assert right < 0.5 + 4 * np.sqrt(0.25 / 120)
    seen = label_scores(noise.colors, fit_label_map(noise.colors, noise.labels, members=1, epochs=120))
    assert (np.array(CLASSES)[seen.argmax(1)] == noise.labels).mean() > right + 0.05


@pytest.fixture
def quick(monkeypatch):
    """A fit of few passes, for tests of what is around it."""

    def fit(colors, labels, **options):
        return fit_label_map(colors, labels, **options | {"members": 2, "epochs": 2})

    monkeypatch.setattr(label_map, "fit_label_map", fit)


def _write(table, path):
    rows = Table(table.magnitudes, names=list("ugriz"))
    rows["label"] = table.labels
    rows.write(path)


def test_the_command_writes_a_table_that_the_sky_reads(quick, tmp_path, capsys):
    table = _table(300, 1)
    _write(table, tmp_path / "labels.ecsv")
    main([str(tmp_path / "labels.ecsv"), "-o", str(tmp_path / "map.json"), "--source", "Of tests."])
    written = json.loads((tmp_path / "map.json").read_text(), parse_constant=pytest.fail)
    shipped = json.loads(resources.files("stellarclass.simulate").joinpath("tables/sdss_label_map.json").read_text())
    assert written.keys() >= shipped.keys()
    assert written["source"] == "Of tests." and written["anchors"] == 0
    assert written["stars"] == {c: int((table.labels == c).sum()) for c in CLASSES}
    p = label_scores(table.colors, [[np.array(w) for w in member] for member in written["members"]])
    np.testing.assert_allclose(p.sum(1), 1)
    out = capsys.readouterr().out
    assert "300 stars" in out and str(written["cross_validated"]["accuracy"]) in out


def test_anchors_take_part_but_not_in_the_figures(quick, tmp_path):
    """A map of a table without M stars knows them by another's; how right it is, is said of its own stars."""
    table = _table(200, 1)
    steps = np.repeat(_table(300, 2).magnitudes[[0]], 40, axis=0)
    steps[:, 3] = steps[:, 1] - 2.3
    _write(table, tmp_path / "own.ecsv")
    _write(LabelTable(steps, np.repeat("M", 40)), tmp_path / "other.ecsv")
    main([str(tmp_path / "own.ecsv"), "-o", str(tmp_path / "map.json"), "--anchors", str(tmp_path / "other.ecsv")])
    written = json.loads((tmp_path / "map.json").read_text(), parse_constant=pytest.fail)
    assert written["anchors"] == 40
    assert written["stars"]["M"] == 0 and sum(written["stars"].values()) == 200
    assert "M" not in written["cross_validated"]["recall"]


@pytest.mark.parametrize("system", ["sdss", "lamost"])
def test_the_shipped_maps_come_from_the_labels_they_name(real_data, system):
    """The number of stars, and the labels more likely by them than by their shares alone."""
    table = LabelTable.read(real_data / "labels" / f"{system}_subclass_ugriz.ecsv")
    file = resources.files("stellarclass.simulate").joinpath(f"tables/{system}_label_map.json")
    shipped = json.loads(file.read_text())
    assert shipped["stars"] == {c: int((table.labels == c).sum()) for c in CLASSES}
    p = label_scores(table.colors, [[np.array(w) for w in member] for member in shipped["members"]])
    truth = np.array([CLASSES.index(c) for c in table.labels])
    accuracy = (p.argmax(1) == truth).mean()
    # They have seen these stars: no worse than cross-validated, and not so much better that they know them by heart.
    assert shipped["cross_validated"]["accuracy"] - 0.01 < accuracy < shipped["cross_validated"]["accuracy"] + 0.06
