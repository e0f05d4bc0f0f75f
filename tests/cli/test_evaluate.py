# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""``stellarclass evaluate``: its options reach the evaluation, its answers are kept, its errors are one line."""

import json
import re

import pytest
from astropy.table import Table

from stellarclass import cli
from stellarclass.evaluation.contenders import single_member
from stellarclass.evaluation.report import HTML_NAME, JSON_NAME
from stellarclass.nets import save_ensemble
from stellarclass.reference import ReferenceSet
from stellarclass.tables import write_table


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("sets") / "reference"
    ReferenceSet.simulated(60, seed=3).write(path)
    return path


@pytest.fixture(autouse=True)
def quick_pictures(monkeypatch):
    monkeypatch.setattr("stellarclass.evaluation.page.Page.figure", lambda self, figure, **words: None)


def run(capsys, *args):
    code = cli.main(["evaluate", *map(str, args)])
    out, err = capsys.readouterr()
    return code, out, err


QUICK = ("--resamples", 20, "--no-members", "--no-baselines")


def test_two_ensembles_side_by_side(capsys, folder, tmp_path, default_ensemble):
    other = tmp_path / "other"
    save_ensemble(single_member(default_ensemble, 0), other)
    write_table(
        Table({"member": ["a", "a"], "epoch": [1, 2], "train": [2.0, 1.0], "validation": [2.0, 1.5]}),
        other / "losses.ecsv",
    )
    output = tmp_path / "out"
    code, out, err = run(capsys, other, folder, "--output", output, "--beside", "default", "--rows", "all", *QUICK)
    assert (code, err) == (0, "")
    assert re.search(r"^default \(2\) +60 ", out, re.MULTILINE)
    assert str(output / HTML_NAME) in out
    content = json.loads((output / JSON_NAME).read_text("utf-8"))
    assert content["meta"]["rows"] == "all"
    assert {row["second"] for row in content["differences"] if row["label"] == "spectral_class"} == {"default (2)"}
    kept = {path: path.stat().st_mtime_ns for path in (output / "answers").rglob("*.npz")}
    assert len(kept) == 1 + 2 * 2  # S/N; two ensembles, as sdss and as lamost
    code, again, _ = run(capsys, other, folder, "--output", output, "--beside", "default", "--rows", "all", *QUICK)
    assert again == out
    assert kept == {path: path.stat().st_mtime_ns for path in (output / "answers").rglob("*.npz")}


def test_losses_are_drawn_where_training_left_them(folder, tmp_path, default_ensemble):
    from stellarclass.evaluation.evaluate import evaluate

    other = tmp_path / "other"
    save_ensemble(single_member(default_ensemble, 0), other)
    options = {"members": False, "baselines": False, "resamples": 5}
    reference = ReferenceSet.read(folder)
    assert evaluate(other, reference, **options).losses is None
    (other / "losses.ecsv").write_text("no table", "utf-8")
    assert evaluate(other, reference, **options).losses is None
    losses = Table({"member": ["a", "a"], "epoch": [1, 2], "train": [2.0, 1.0], "validation": [2.0, 1.5]})
    write_table(losses, other / "losses.ecsv", overwrite=True)
    assert evaluate(other, reference, **options).losses["train"].tolist() == [2.0, 1.0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("--label-column", "klass"), "no column 'klass'"),
        (("--label-system", "morgan"), "does not speak label system 'morgan'"),
        (("--radius-column", "teff"), "'teff' is no radius"),
    ],
)
def test_errors_are_one_line(capsys, folder, tmp_path, change, message):
    code, out, err = run(capsys, "default", folder, "--output", tmp_path / "out", *QUICK, *change)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1
    assert not (tmp_path / "out" / HTML_NAME).exists()


def test_no_reference_set(capsys, tmp_path):
    code, _, err = run(capsys, "default", tmp_path / "nothing", "--output", tmp_path / "out")
    assert code == 2
    assert "no reference set" in err
