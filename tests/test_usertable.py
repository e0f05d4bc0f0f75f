# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Tables as users have them: astropy's, pandas's, files."""

import numpy as np
import pandas as pd
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.table import MaskedColumn, QTable, Table

from stellarclass.exceptions import InputError
from stellarclass.targets import NO_ID, parse_targets
from stellarclass.usertable import as_table, is_table


@pytest.fixture
def frame():
    return pd.DataFrame(
        {
            "source_id": pd.array([2**62 + 1, None], dtype="Int64"), "ra": [10.0, np.nan], "dec": [1, 2],
            "name": ["a", None], "kind": pd.Categorical(["x", "y"]), "good": pd.array([True, None], dtype="boolean"),
            "f4": np.array([1, 2], np.float32), "when": pd.to_datetime(["2001-01-02", None]),
        }
    )  # fmt: skip


def test_a_table_is_itself():
    for table in (Table({"a": [1]}), QTable({"a": [1] * u.m})):
        assert as_table(table) is table


def test_data_frames(frame):
    frame.attrs = {"origin": "mine"}
    before = frame.copy()
    table = as_table(frame)
    assert table.colnames == list(frame.columns)
    assert table["source_id"].tolist() == [2**62 + 1, None] and table["source_id"].dtype == np.int64
    assert table["name"].tolist() == ["a", None] and table["good"].tolist() == [True, None]
    assert table["kind"].tolist() == ["x", "y"] and table["f4"].dtype == np.float32
    assert table["when"].mask.tolist() == [False, True]
    assert table.meta == {"origin": "mine"}
    pd.testing.assert_frame_equal(frame, before)
    targets = parse_targets(frame)
    assert targets.source_id.tolist() == [2**62 + 1, NO_ID]
    assert (targets.ra[0], targets.dec[0]) == (10, 1) and np.isnan(targets.ra[1])


def test_an_index_with_a_name_is_a_column(frame):
    assert as_table(frame.set_index("source_id")).colnames == list(frame.columns)
    assert as_table(frame.set_index("source_id"))["source_id"].tolist() == [2**62 + 1, None]
    assert as_table(frame[::-1]).colnames == list(frame.columns)
    both = as_table(frame.set_index(["source_id", "name"]))
    assert both.colnames[:2] == ["source_id", "name"]


def test_names_that_are_no_text():
    assert as_table(pd.DataFrame({0: [1.0], 1: [2.0]})).colnames == ["0", "1"]
    assert as_table(pd.DataFrame({("g", "mag"): [1.0], ("r", "mag"): [2.0]})).colnames == ["g_mag", "r_mag"]
    with pytest.raises(InputError, match="several columns 'a'"):
        as_table(pd.DataFrame([[1, 2]], columns=["a", "a"]))


def test_no_rows():
    table = as_table(pd.DataFrame({"ra": np.zeros(0), "dec": np.zeros(0)}))
    assert len(table) == 0 and len(parse_targets(table)) == 0


@pytest.mark.parametrize("ending", ["vot", "fits", "ecsv", "parquet", "csv", "tex"])
@pytest.mark.parametrize("kind", [str, lambda path: path])
def test_files(ending, kind, tmp_path):
    path = tmp_path / f"t.{ending}"
    table = Table({"RAJ2000": [10.0, 11.0], "DEJ2000": [1.0, 2.0], "n": MaskedColumn([1, 2], mask=[False, True])})
    table.write(path, format="votable" if ending == "vot" else None)
    assert is_table(kind(path))
    table = as_table(kind(path))
    assert table.colnames == ["RAJ2000", "DEJ2000", "n"]
    if ending != "tex":
        assert table["n"].tolist() == [1, None]
    assert parse_targets(kind(path)).ra.tolist() == [10.0, 11.0]


def test_files_that_are_none(tmp_path):
    with pytest.raises(FileNotFoundError):
        parse_targets(tmp_path / "absent.vot")
    with pytest.raises(FileNotFoundError):
        as_table(tmp_path / "absent.xyz")
    assert not is_table("absent.vot")
    for name in ("t.vot", "t.xyz", "t.html"):
        (tmp_path / name).write_bytes(b"\x00\x01")
        with pytest.raises(InputError, match=name.replace(".", r"\.")):
            as_table(tmp_path / name)


@pytest.mark.parametrize("thing", [5, None, {"ra": [1.0]}, [1.0], SkyCoord("1d 2d"), pd.Series([1.0])])
def test_other_things(thing):
    assert not is_table(thing)
    with pytest.raises(TypeError, match=type(thing).__name__):
        as_table(thing)
