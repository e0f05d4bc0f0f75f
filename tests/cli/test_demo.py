# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The demo and the list of ensembles, with everything real but the sky."""

import re

import pytest

from stellarclass.cli import main
from stellarclass.cli.demo import PICTURE_NAME, TABLE_NAME
from stellarclass.tables import read_table


def test_demo_ends_with_a_table_a_votable_and_a_picture(tmp_path, capsys):
    folder = tmp_path / "new" / "folder"
    assert main(["demo", "--output", str(folder), "--seed", "7", "--stars", "40"]) == 0
    out, err = capsys.readouterr()
    first, *lines = out.splitlines()
    # The first line alone says what happened and where the files are.
    assert re.match(r"Classified 40 simulated stars in [\d.]+ s; ", first)
    assert str(folder / TABLE_NAME) in first
    assert str(folder / PICTURE_NAME) in first
    assert lines[1].split()[:3] == ["ra", "dec", "class"]
    assert sum(re.match(r"\d+\.\d{6} ", line) is not None for line in lines) == 12
    assert "... and 28 more" in lines
    assert err == ""

    table = read_table(folder / TABLE_NAME)
    assert len(table) == 40
    assert table.meta["image_release"] == "simulated SDSS"
    assert (folder / PICTURE_NAME).read_bytes().startswith(b"\x89PNG")
    assert sorted(path.name for path in folder.iterdir()) == sorted([TABLE_NAME, PICTURE_NAME])


def test_demo_again_replaces_its_own_files_and_says_the_same(tmp_path, capsys):
    arguments = ["demo", "--output", str(tmp_path), "--stars", "5"]
    answers = []
    for _ in range(2):
        assert main(arguments) == 0
        answers.append(capsys.readouterr().out.splitlines()[1:])
    assert answers[0] == answers[1]


def test_another_seed_is_another_sky(tmp_path, capsys):
    answers = []
    for seed in ("1", "2"):
        assert main(["demo", "--output", str(tmp_path), "--stars", "3", "--seed", seed]) == 0
        answers.append(capsys.readouterr().out.splitlines()[1:])
    assert answers[0] != answers[1]


def test_demo_into_a_file_is_an_error_in_one_line(tmp_path, capsys):
    (tmp_path / "taken").write_text("")
    assert main(["demo", "--output", str(tmp_path / "taken")]) == 1
    assert re.fullmatch(r"stellarclass: error: .*taken.*\n", capsys.readouterr().err)


@pytest.mark.parametrize("wrong", [["--ensemble", "nonsense"], ["--device", "abacus"]])
def test_a_demo_that_cannot_run_leaves_nothing_behind(tmp_path, capsys, wrong):
    folder = tmp_path / "new" / "folder"
    assert main(["demo", "--output", str(folder), *wrong]) == 1
    assert re.fullmatch(rf"stellarclass: error: .*{wrong[1]}.*\n", capsys.readouterr().err)
    assert list(tmp_path.iterdir()) == []


def test_ensembles_are_listed_and_described(capsys):
    assert main(["ensembles"]) == 0
    out = capsys.readouterr().out
    assert out.split()[:3] == ["name", "version", "members"]
    assert re.search(r"^default +\S+ +6 ", out, re.MULTILINE)
    assert main(["ensembles", "default"]) == 0
    assert capsys.readouterr().out.startswith("# default")


@pytest.mark.parametrize("name", ["nonsense", "./nowhere", "../default"])
def test_an_ensemble_that_is_not_there_is_exit_code_1(capsys, name):
    assert main(["ensembles", name]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("stellarclass: error: no ensemble")
    assert err.count("\n") == 1
