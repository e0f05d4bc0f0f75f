# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The command that says what inputs are worth to boosted trees, in miniature."""

import importlib.util
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from astropy.utils.masked import Masked

from stellarclass.reference import ReferenceSet

FILE = Path(__file__).resolve().parents[2] / "benchmarks" / "inputs.py"


@pytest.fixture(scope="module")
def inputs():
    spec = importlib.util.spec_from_file_location("inputs_benchmark", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def reference():
    return ReferenceSet.simulated(300, seed=5)


def test_numbers_of_all_stars_by_what_they_come_from(inputs, reference):
    few = reference.take(np.arange(20))
    few.table["teff"] = Masked(few.table["teff"], mask=np.arange(20) == 3)
    groups = inputs.feature_sets(few, size=16)
    widths = {name: value.shape[1] for group in groups.values() for name, value in group.items()}
    for base, width in (("image", 30), ("magnitudes", 5)):
        own = {name.removeprefix(base): w - width for name, w in widths.items() if name.startswith(base)}
        assert own == {"": 0, " + parallax": 1, " + pm": 1, " + all": 2, " + all + Teff": 3}
    assert np.flatnonzero(np.isnan(groups["image"]["image + all + Teff"][:, -1])).tolist() == [3]
    few.table.remove_columns(["teff", "psfmag_u"])
    assert list(inputs.feature_sets(few, size=16)) == ["image"]


def test_a_parallax_is_worth_something_to_a_radius(inputs, reference, monkeypatch, capsys):
    pytest.importorskip("sklearn")
    names = ("magnitudes", "magnitudes + parallax", "magnitudes + all")
    sets = inputs.feature_sets(reference, size=8)["magnitudes"]
    monkeypatch.setattr(inputs, "feature_sets", lambda *a, **k: {"magnitudes": {name: sets[name] for name in names}})
    monkeypatch.setattr(ReferenceSet, "read", lambda folder: reference)
    monkeypatch.setattr(sys, "argv", ["inputs.py", "--reference", "stars", "--size", "8"])
    inputs.main()
    out = capsys.readouterr().out
    rows = {line[:24].strip(): line[24:].split() for line in out.splitlines() if line.startswith("magnitudes")}
    assert "SIMULATED" in out and len(rows) == 3
    dex = {name: float(rows[f"magnitudes{name}"][3 if name else 2]) for name in ("", " + parallax", " + all")}
    assert dex[" + parallax"] < dex[""]
    more = float(re.search(r"beside parallax: ([-+.\d]+) dex", out)[1])
    assert more == pytest.approx(dex[" + parallax"] - dex[" + all"], abs=1.5e-4)  # three rounded numbers
