# Licensed under a 3-clause BSD style license - see LICENSE.rst
import argparse

import pytest
from surveysky import write_sky

from stellarclass.cli import EXIT_FAILED, EXIT_OK, EXIT_USAGE, main
from stellarclass.cli.survey import size

pytest.importorskip("hats")


def test_from_a_list_to_a_catalog(tmp_path, capsys):
    targets = write_sky(tmp_path, 2, 3)
    targets.write(tmp_path / "stars.ecsv")
    survey = str(tmp_path / "survey")
    assert main(["survey", "plan", str(tmp_path / "stars.ecsv"), "--output", survey]) == EXIT_OK
    out = capsys.readouterr().out
    assert "6 stars, 6 of them in 2 fields, 1 units of work" in out and "core-hours" in out
    assert main(["survey", "verify", survey]) == EXIT_USAGE
    assert main(["survey", "finish", survey]) == EXIT_USAGE
    sources = ["--images", str(tmp_path), "--astrometry", str(tmp_path / "gaia.ecsv")]
    assert main(["survey", "run", survey, "--workers", "0", *sources, "--stamps-budget", "1GB", "-q"]) == EXIT_OK
    out = capsys.readouterr().out
    assert "1 units with 6 stars" in out and "stamps      of 1 units" in out
    for step, said in (("status", "6 of 6 (100.0 %)"), ("verify", "exactly one row"), ("finish", "6 rows in")):
        assert main(["survey", step, survey]) == EXIT_OK
        assert said in capsys.readouterr().out
    assert main(["survey", "plan", "--output", survey]) == EXIT_OK  # says the cost again
    next((tmp_path / "survey" / "results" / "parts").rglob("*.parquet")).unlink()
    assert main(["survey", "verify", survey]) == EXIT_FAILED
    assert "6 targets have no row" in capsys.readouterr().out


def test_the_cost_of_a_survey_that_is_only_thought_of(capsys):
    assert main(["survey", "plan", "--stars", "50871534", "--fields", "938046"]) == EXIT_OK
    out = capsys.readouterr().out
    assert "50,871,534 in 938,046 fields" in out and "days" in out and "at 10 Gb/s" in out
    assert main(["survey", "plan", "--stars", "5", "stars.csv"]) == EXIT_USAGE
    assert main(["survey", "plan"]) == EXIT_USAGE
    assert main(["survey", "run", "nowhere", "--images", "nowhere"]) == EXIT_USAGE
    assert "--images nowhere: there is no such folder" in capsys.readouterr().err


def test_sizes():
    assert size("2GB") == 2e9 and size("500 MB") == 5e8 and size("1.5T") == 1.5e12 and size("12") == 12
    for text in ("much", "-1GB", "nan", "2 GiB"):
        with pytest.raises(argparse.ArgumentTypeError, match="size"):
            size(text)
