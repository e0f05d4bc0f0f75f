# Licensed under a 3-clause BSD style license - see LICENSE.rst
import importlib
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from stellarclass import conf

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def command():
    sys.path.insert(0, str(BENCHMARKS))
    try:
        yield importlib.import_module("survey_faults")
    finally:
        sys.path.remove(str(BENCHMARKS))
        sys.modules.pop("survey_faults", None)
        from loopback import faults

        faults.cache.os = faults.os


def test_a_survey_survives_a_bad_day(command, tmp_path, monkeypatch):
    """The benchmark in miniature, without the kills, which have a test of their own."""
    quick = {"timeout": 0.7, "retry_delay": 0.02, "longest_delay": 0.2, "outage_wait": 0.5}
    monkeypatch.setattr(command, "PATIENCE", command.PATIENCE | quick)
    shares = {"p500": 0.15, "truncated": 0.1, "html": 0.05, "hang": 0.03}
    day = command.Faults(seed=4, **shares, down_at=20, down_for=0.5, hang_for=5, only="/sas/")
    monkeypatch.setattr(command, "bad_day", lambda *args, **options: day)
    args = SimpleNamespace(fields=8, stars=3, fields_per_unit=2, workers=0, seed=4, down=1.0, kill=False)
    with conf.set_temp("bandwidth", 0.0):
        text, good = command.report(args, tmp_path)
    assert good, text
    assert "all 24 targets have exactly one row" in text and "4 of 4 parts" in text
    assert day.count[500] and day.count["truncated"] and day.count["down"], day.count
    assert (tmp_path / "disk-was-full").exists()
