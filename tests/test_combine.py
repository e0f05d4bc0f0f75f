# Licensed under a 3-clause BSD style license - see LICENSE.rst
import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.table import Column, MaskedColumn, QTable, Table
from astropy.time import Time
from hypothesis import given, settings
from hypothesis import strategies as st

from stellarclass.combine import combine
from stellarclass.tables import read_table, write_table
from stellarclass.targets import parse_targets


def make_result(n):
    result = QTable({"ra": np.arange(n) * u.deg, "dec": np.arange(n) * u.deg, "radius": np.ones(n) * u.solRad})
    for name, ucd in zip(
        result.colnames, ("pos.eq.ra;meta.main", "pos.eq.dec;meta.main", "phys.size.radius"), strict=True
    ):
        result[name].info.meta = {"ucd": ucd}
    result.meta = {"ensemble": "default", "date": "2024-05-06"}
    return result


def test_users_columns_first_and_as_they_were():
    table = QTable()
    table["place"] = SkyCoord([1, 2] * u.deg, [3, 4] * u.deg)
    table["when"] = Time([2000, 2001], format="jyear")
    table["mag"] = MaskedColumn([1.0, 2.0], mask=[False, True], unit="mag")
    table["id"] = np.array([2**63 + 1, 5], dtype=np.uint64)
    table["name"] = Column(["a", "ä"], description="its name", meta={"mine": 1})
    table.meta = {"origin": "mine", "nested": {"a": [1]}}
    combined = combine(table, make_result(2))
    assert combined.colnames == ["place", "when", "mag", "id", "name", "ra", "dec", "radius"]
    assert (combined["place"] == table["place"]).all()
    assert (combined["when"] == table["when"]).all()
    assert combined["mag"].unit == u.mag
    assert combined["mag"].mask.tolist() == [False, True]
    assert combined["id"].dtype == np.uint64
    assert combined["id"][0] == 2**63 + 1
    assert combined["name"].info.description == "its name"
    assert combined["name"].info.meta == {"mine": 1}
    assert combined.meta == {"origin": "mine", "nested": {"a": [1]}, "ensemble": "default", "date": "2024-05-06"}


def test_input_is_neither_changed_nor_shared():
    table, result = Table({"ra": [1.0], "x": [2.0]}, meta={"a": [1]}), make_result(1)
    combined = combine(table, result)
    combined["ra"][0] = combined["x"][0] = 9
    combined["ra_stellarclass"][0] = 9 * u.deg
    combined["x"].info.description = "changed"
    combined.meta["a"].append(2)
    assert (table["ra"][0], table["x"][0], table.meta, table["x"].description) == (1, 2, {"a": [1]}, None)
    assert table.colnames == ["ra", "x"]
    assert result["ra"][0] == 0 * u.deg
    assert result["ra"].info.meta["ucd"] == "pos.eq.ra;meta.main"


def test_clashes_get_the_suffix_whatever_their_case():
    table = Table({"RA": [1.0], "radius": [2.0], "Radius_Mine": [3.0]}, meta={"DATE": "then"})
    combined = combine(table, make_result(1), suffix="_mine")
    assert combined.colnames == ["RA", "radius", "Radius_Mine", "ra_mine", "dec", "radius_mine2"]
    assert combined.meta == {"DATE": "then", "ensemble": "default", "date_mine": "2024-05-06"}


def test_again_and_again():
    once = combine(Table({"x": [1.0]}), make_result(1))
    thrice = combine(combine(once, make_result(1)), make_result(1))
    assert thrice.colnames == [
        "x",
        *(f"{name}{end}" for end in ("", "_stellarclass", "_stellarclass2") for name in ("ra", "dec", "radius")),
    ]
    # One main position only: the table can be classified once more.
    assert len(parse_targets(thrice)) == 1


def test_rows_must_be_the_same():
    with pytest.raises(ValueError, match="2 rows, its result 3"):
        combine(Table({"a": [1, 2]}), make_result(3))
    with pytest.raises(ValueError, match="suffix"):
        combine(Table({"a": [1]}), make_result(1), suffix="")


def test_nothing_to_combine():
    assert len(combine(Table({"a": np.array([], int)}), make_result(0))) == 0


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.sampled_from(["ra", "RA", "Dec", "dec_stellarclass", "DEC_stellarclass2", "radius", "z"]), unique=True)
)
def test_every_name_is_there_once(names):
    table = Table({name: [float(i)] for i, name in enumerate(names)} or {"other": [0.0]})
    combined = combine(table, make_result(1))
    assert combined.colnames[: len(table.colnames)] == table.colnames
    assert len(combined.colnames) == len(table.colnames) + 3
    ours = [name.lower() for name in combined.colnames[len(table.colnames) :]]
    assert len(set(ours)) == 3
    assert not set(ours) & {name.lower() for name in table.colnames}
    for name in table.colnames:
        assert combined[name][0] == table[name][0]


@pytest.mark.parametrize("ending", ["vot", "fits", "ecsv"])
def test_a_users_table_with_everything_can_be_written(ending, tmp_path):
    table = QTable({"place": SkyCoord([1, 2] * u.deg, [3, 4] * u.deg), "when": Time([2000, 2001], format="jyear")})
    table["objID"] = np.array([5, 6], dtype=np.uint64)
    combined = combine(table, make_result(2))
    write_table(combined, tmp_path / f"t.{ending}")
    again = read_table(tmp_path / f"t.{ending}")
    assert again["objID"].tolist() == [5, 6]
    assert again["radius"].unit == u.solRad
    assert again.meta == combined.meta
