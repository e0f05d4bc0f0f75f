# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""An evaluation says what its parts say: tables agree with the metrics, methods are asked what they are meant to be."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from types import SimpleNamespace

import numpy as np
import pytest
from astropy import units as u
from astropy.table import MaskedColumn

from stellarclass.evaluation import contenders as contenders_module
from stellarclass.evaluation.baselines import INPUTS
from stellarclass.evaluation.contenders import contenders, forest_of, single_member, spoken_system
from stellarclass.evaluation.evaluate import evaluate
from stellarclass.evaluation.paired import paired_bootstrap
from stellarclass.evaluation.report import numbers, text_table
from stellarclass.evaluation.scores import answered_class, judge
from stellarclass.evaluation.truth import class_column, radius_column_of, rows_of
from stellarclass.exceptions import EnsembleError, InputError, StellarclassWarning
from stellarclass.metrics import accuracy, confusion_matrix
from stellarclass.tables import read_table

QUICK = {"members": False, "baselines": False, "resamples": 20}


def row_of(table, **wanted):
    rows = [row for row in table if all(row[name] == value for name, value in wanted.items())]
    assert len(rows) == 1
    return rows[0]


def test_who_is_judged(evaluation, default_ensemble):
    first = [row["method"] for row in evaluation.scores if row["label"] == "spectral_class"]
    members = [f"default, {member.name}" for member in default_ensemble.card.members]
    inputs = ["default, image", "default, image + parallax", "default, image + proper motion"]
    assert first == ["default", "default (2)", *inputs, *members, "colors only (random forest)", "Stefan-Boltzmann"]
    assert set(evaluation.scores["kind"]) == {"ensemble", "inputs", "member", "baseline"}


def test_scores_are_those_of_the_metrics(evaluation):
    rows, reference = evaluation.rows, evaluation.reference
    np.testing.assert_array_equal(rows, reference.rows("test"))
    label = np.asarray(reference.table["spectral_class"][rows])
    radius = reference.table["radius"][rows]
    for (name, system), prediction in evaluation.predictions.items():
        if system != "sdss":
            continue
        expected = judge(prediction, label=label, radius=radius)
        row = row_of(evaluation.scores, method=name, label="spectral_class")
        for score in ("accuracy", "log_loss", "mae_dex", "sigma_percent", "coverage_68"):
            assert row[score] == pytest.approx(getattr(expected, score), nan_ok=True)
        assert u.isclose(row["mae"], expected.mae)
        if np.isfinite(row["accuracy"]):
            assert row["accuracy_low"] <= row["accuracy"] <= row["accuracy_high"]
    assert evaluation.scores["sigma_low"].unit == u.solRad


def test_confusion_and_classes(evaluation):
    stars = evaluation.stars
    matrix = confusion_matrix(stars["label"], stars["spectral_class"])
    table = evaluation.confusion
    rows = table[(table["method"] == "default") & (table["label"] == "spectral_class")]
    np.testing.assert_array_equal(np.array(rows["stars"]).reshape(5, 5), matrix)
    shares = np.array(rows["share"]).reshape(5, 5)
    np.testing.assert_allclose(shares.sum(1), 1)
    recall = [row_of(evaluation.classes, method="default", label="spectral_class", **{"class": c})["recall"]
              for c in "AFGKM"]  # fmt: skip
    np.testing.assert_allclose(recall, np.diag(shares))


def test_second_labels_are_judged_in_their_own_system_too(evaluation):
    rows = [row for row in evaluation.scores if row["label"] == "lamost_class" and row["method"] == "default"]
    assert [row["label_system"] for row in rows] == ["sdss", "lamost"]
    lamost = class_column(evaluation.reference.table, "lamost_class")[evaluation.rows]
    assert 0 < rows[0]["stars"] == (lamost != "").sum() < len(evaluation.rows)
    answer = answered_class(evaluation.predictions["default", "lamost"])
    assert rows[1]["accuracy"] == accuracy(lamost[lamost != ""], answer[lamost != ""])
    np.testing.assert_array_equal(evaluation.stars["second_label"].mask, lamost == "")


def test_differences_are_paired(evaluation):
    row = row_of(
        evaluation.differences, label="spectral_class", second="default, image", score="mae_dex", first="default"
    )
    truth = evaluation.stars["radius_reference"].value
    errors = [np.abs(np.log10(evaluation.predictions[n, "sdss"].radius / truth)) for n in ("default, image", "default")]
    expected = paired_bootstrap(*errors, seed=1, resamples=100)
    assert (row["gain"], row["low"], row["high"]) == (expected.difference, expected.low, expected.high)
    assert row["gain"] > 0  # parallax helps
    accuracies = row_of(
        evaluation.differences, label="spectral_class", second="default, image", score="accuracy", first="default"
    )
    mine, other = (row_of(evaluation.scores, method=n, label="spectral_class")["accuracy"]
                   for n in ("default", "default, image"))  # fmt: skip
    assert accuracies["gain"] == pytest.approx(mine - other)


def test_a_member_beside_itself_gains_nothing(evaluation):
    rows = [evaluation.predictions[name, "sdss"] for name in ("default (2)", "default, member0")]
    np.testing.assert_allclose(rows[0].probabilities, rows[1].probabilities)


def test_bins_of_snr_hold_all_stars(evaluation):
    rows = evaluation.by_snr[evaluation.by_snr["method"] == "default"]
    assert rows["stars"].sum() == np.isfinite(evaluation.stars["snr_r"]).sum()
    snr, error = evaluation.stars["snr_r"], evaluation.stars["radius_err"]
    for row in rows:
        inside = (snr >= row["snr_low"]) & (snr < row["snr_high"])
        assert u.isclose(row["radius_err"], error[inside].mean())
        assert row["radius_err_low"] <= row["radius_err"] <= row["radius_err_high"]
        off = np.abs(evaluation.stars["radius"] - evaluation.stars["radius_reference"])[inside]
        assert u.isclose(row["error"], np.sqrt(np.pi / 2) * np.nanmean(off))


def test_single_members_are_the_ensemble(default_ensemble, reference_set):
    """With equal weights the radius of the ensemble, in dex, is the mean of the members'."""
    rows = reference_set.rows("test")[:10]
    inputs = default_ensemble.recipe(reference_set.stamps(rows), reference_set.astrometry[rows])
    members = [single_member(default_ensemble, k).predict(inputs) for k in range(len(default_ensemble.members))]
    whole = default_ensemble.predict(inputs)
    np.testing.assert_allclose(np.mean([np.log10(m.radius) for m in members], axis=0), np.log10(whole.radius))
    assert (np.array([m.radius_spread for m in members]) == 0).all()


def test_label_system(default_ensemble, reference_set):
    assert spoken_system(default_ensemble) == "sdss"
    other = replace(default_ensemble.card, label_systems={"lamost": {}}, default_label_system="lamost",
                    radius_calibration={})  # fmt: skip
    own = type(default_ensemble)(default_ensemble.members, other, device="cpu")
    assert spoken_system(own) == "lamost"
    found = evaluate(own, reference_set, **QUICK)
    assert found.stars.meta["label_system"] == "lamost"
    assert len(found.scores) == 2  # against both columns, once each
    with pytest.raises(InputError, match="does not speak label system 'nonsense'"):
        evaluate(default_ensemble, reference_set, label_system="nonsense", **QUICK)
    with pytest.raises(EnsembleError, match="no-such"):
        evaluate("no-such-ensemble", reference_set, **QUICK)


def test_class_prior_of_the_training_stars(default_ensemble, reference_set):
    told = evaluate(default_ensemble, reference_set, class_prior="train", second_label=None, **QUICK)
    train = reference_set.rows("train")
    mix = {c: float((reference_set.table["spectral_class"][train] == c).mean()) for c in "AFGKM"}
    rows = reference_set.rows("test")
    inputs = default_ensemble.recipe(reference_set.stamps(rows), reference_set.astrometry[rows])
    expected = default_ensemble.predict(inputs, label_system="sdss", class_prior=mix).probabilities
    np.testing.assert_allclose(told.predictions["default", "sdss"].probabilities, expected, atol=1e-5)


def test_labels_that_no_class_is_meant_by_are_left_out(default_ensemble, reference_set):
    part = reference_set.take(reference_set.rows("test"))
    part.table = part.table.copy()
    known = np.arange(len(part)) < 3
    part.table["other_class"] = MaskedColumn(np.where(known, np.resize(list("BFO"), len(part)), ""), mask=~known)
    found = evaluate(default_ensemble, part, second_label="other_class", **QUICK)
    row = row_of(found.scores, label="other_class")
    assert (row["stars"], row["left_out"]) == (1, 2)


def test_without_radii_there_are_classes_still(default_ensemble, reference_set, tmp_path, monkeypatch):
    part = reference_set.take(reference_set.rows("test"))
    part.table = part.table.copy()
    part.table["radius"] = np.full(len(part), np.nan) * u.solRad
    found = evaluate(default_ensemble, part, **QUICK)
    assert np.isfinite(found.scores["accuracy"]).all()
    assert np.isnan(found.scores["mae"]).all()
    assert set(found.differences["score"]) <= {"accuracy", "balanced_accuracy", "log_loss"}
    monkeypatch.setattr("stellarclass.evaluation.page.Page.figure", lambda *args, **kwargs: None)  # slow, and not meant
    assert "No reference radius" in found.write_report(tmp_path)[0].read_text("utf-8")


def test_the_forest_is_left_out_aloud(default_ensemble, reference_set, monkeypatch):
    with pytest.raises(InputError, match="too few for colors"):
        forest_of(reference_set.take(slice(0, 30)))
    monkeypatch.setattr(contenders_module, "_FEWEST", 10_000)
    with pytest.warns(StellarclassWarning, match="training stars"):
        found = contenders(default_ensemble, reference_set, members=False)
    assert [c.name for c in found if c.kind == "baseline"] == ["Stefan-Boltzmann"]


def test_withholding_what_is_not_taken_is_not_judged():
    """An ensemble on images and parallaxes answers the same without proper motions."""

    def blind(*taken):
        ensemble = SimpleNamespace(card=SimpleNamespace(recipe={"name": "mescr", "inputs": list(taken)}))
        return [name for name in INPUTS if name != "all" and contenders_module._blind_to(ensemble, name)]

    assert blind("image", "parallax", "pm") == []
    assert blind("image", "parallax") == ["image + parallax"]
    assert blind("image") == ["image", "image + parallax", "image + proper motion"]


def test_rows_and_columns(reference_set):
    np.testing.assert_array_equal(rows_of(reference_set, "all"), np.arange(300))
    np.testing.assert_array_equal(rows_of(reference_set, np.arange(300) < 3), [0, 1, 2])
    for rows in ("tset", [400], np.zeros(300, bool)):
        with pytest.raises(InputError, match="rows"):
            rows_of(reference_set, rows)
    with pytest.raises(InputError, match="no column 'klass'"):
        class_column(reference_set.table, "klass")
    with pytest.raises(InputError, match="is no radius"):
        radius_column_of(reference_set.table, "parallax")


class Outside(HTMLParser):
    """Collects whatever a page would load or run."""

    def __init__(self):
        super().__init__()
        self.loads, self.pictures, self.tags = [], [], set()

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        for name, value in attributes:
            if name in ("src", "href", "srcset", "action", "data") and not value.startswith("#"):
                (self.pictures if value.startswith("data:image/png;base64,") else self.loads).append(value)


@pytest.fixture(scope="module")
def paths(evaluation, tmp_path_factory):
    """The report, of a reference set whose metadata are not to be trusted."""
    reference = evaluation.meta["reference"] | {"sample": "<script>alert(1)</script>"}
    found = replace(evaluation, meta=evaluation.meta | {"reference": reference})
    return found.write_report(tmp_path_factory.mktemp("report") / "new" / "folder")


def test_report_stands_alone(evaluation, paths):
    text = paths[0].read_text("utf-8")
    page = Outside()
    page.feed(text)
    assert page.loads == []
    assert not page.tags & {"script", "link", "iframe", "object"}
    assert "url(" not in re.sub(r"base64,[^\"]*", "", text)
    assert len(page.pictures) == 9
    assert 'name="viewport"' in text
    assert "simulated" in text
    assert "&lt;script&gt;" in text
    row = row_of(evaluation.scores, method="default", label="spectral_class")
    assert f"{row['accuracy']:.3f}<small>{row['accuracy_low']:.3f}" in text
    assert f"{row['mae'].value:.3f}<small>" in text


def test_tables_and_numbers_come_back(evaluation, paths):
    content = json.loads(paths[1].read_text("utf-8"))
    assert content["meta"]["stars"] == len(evaluation.rows)
    assert content["units"]["scores"]["mae_low"] == "solRad"
    rows = [r for r in content["scores"] if r["method"] == "Stefan-Boltzmann"]
    assert rows[0]["accuracy"] is None
    assert "stars" not in content
    for name in evaluation.TABLES:
        table = read_table(paths[0].with_name(f"{name}.ecsv"))
        assert table.colnames == getattr(evaluation, name).colnames
        assert len(table) == len(getattr(evaluation, name))
    assert read_table(paths[0].with_name("scores.ecsv"))["sigma"].unit == u.solRad
    assert numbers(evaluation)["scores"] == content["scores"]


def test_text_has_a_line_for_each_row(evaluation):
    lines = text_table(evaluation)
    assert sum(bool(line) for line in lines) == len(evaluation.scores) + 2
    assert max(map(len, lines)) < 120
