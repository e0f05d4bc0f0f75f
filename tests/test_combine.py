# Licensed under a 3-clause BSD style license - see LICENSE.rst
import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import Angle, EarthLocation, Longitude, SkyCoord, SphericalRepresentation
from astropy.table import Column, MaskedColumn, QTable, Table, join
from astropy.time import Time, TimeDelta
from astropy.utils.masked import Masked
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


HALF = [False, True]
COLUMNS = {
    "angle": lambda: Angle([1, 2] * u.deg),
    "longitude": lambda: Longitude([1, 359] * u.deg, wrap_angle=180 * u.deg),
    "telescopes": lambda: EarthLocation.from_geodetic([1, 2] * u.deg, [3, 4] * u.deg),
    "masked times": lambda: Time(Masked([2000.0, 2001.0], mask=HALF), format="jyear"),
    "durations": lambda: TimeDelta([1, 2] * u.day),
    "moving stars": lambda: SkyCoord(
        [1, 2] * u.deg, [3, 4] * u.deg, distance=[1, 2] * u.pc, pm_ra_cosdec=[1, 2] * u.mas / u.yr,
        pm_dec=[1, 2] * u.mas / u.yr, obstime=Time("J2015.5"),
    ),
    "masked places": lambda: SkyCoord(Masked([1, 2] * u.deg, mask=HALF), [3, 4] * u.deg, frame="galactic"),
    "vectors": lambda: SphericalRepresentation([1, 2] * u.deg, [3, 4] * u.deg, [1, 2] * u.pc),
    "masked quantity": lambda: Masked([1.0, 2.0] * u.mas, mask=HALF),
    "arrays": lambda: np.arange(12.0).reshape(2, 3, 2) * u.mag,
    "masked arrays": lambda: MaskedColumn([[1.0, 2.0], [3.0, 4.0]], mask=[HALF, [True, True]]),
    "structured quantity": lambda: u.Quantity([(1.0, 2.0), (3.0, 4.0)], dtype=[("p", "f8"), ("v", "f8")], unit="m,m/s"),
    "structures": lambda: np.array([(1, 2.0), (3, 4.0)], dtype=[("a", "i8"), ("b", "f8")]),
    "magnitudes": lambda: [1, 2] * u.ABmag,
    "objects": lambda: Column(np.array([{"a": 1}, [1, 2]], dtype=object)),
    "large integers with a unit": lambda: Column(np.array([2**62 + 1, 3]), unit="s"),
    "small masked integers with a unit": lambda: MaskedColumn(np.array([1, 3], np.int16), unit="ct", mask=HALF),
    "text with a unit": lambda: Column(["12:30:40", "1:02:03"], unit="hourangle"),
    "masked text": lambda: MaskedColumn(["a", ""], mask=HALF),
    "one letter": lambda: Column(["a", "b"]),
    "bytes": lambda: Column([b"a", b"b"]),
    "a unit of their own": lambda: Column([1.0, 2.0], unit=u.Unit("furlongs", parse_strict="silent")),
    "booleans": lambda: MaskedColumn([True, False], mask=HALF),
    "single precision": lambda: Column(np.array([1, 2], np.float32), unit="mag", format="%.1f"),
    "big-endian": lambda: Column(np.array([1, 2], ">f8"), unit="mag"),
    "complex": lambda: Column([1 + 2j, 3j], unit="Jy"),
}  # fmt: skip


@pytest.mark.parametrize("rows", [slice(None), slice(1), slice(0)], ids=["two rows", "one", "none"])
@pytest.mark.parametrize("kind", COLUMNS)
def test_columns_of_all_kinds(kind, rows):
    """In a Table, as users have them: QTable would make floats of integers with a unit, and warn of text with one."""
    table = Table({"first": [1, 2], "x": COLUMNS[kind](), "last": ["a", "b"]})[rows]
    table["x"].info.description, table["x"].info.meta = "mine", {"ucd": "meta.code", "list": [1]}
    before = table.copy()
    combined = combine(table, make_result(len(table)))
    assert combined.colnames == ["first", "x", "last", "ra", "dec", "radius"]
    found, given = combined["x"], table["x"]
    assert (found.info.description, found.info.meta) == ("mine", {"ucd": "meta.code", "list": [1]})
    assert found.info.format == given.info.format
    assert isinstance(found, type(given) if not isinstance(given, Column) else (Column, u.Quantity))
    assert getattr(found, "dtype", None) == getattr(given, "dtype", None) and found.shape == given.shape
    if not isinstance(given, (SkyCoord, SphericalRepresentation)):
        assert str(getattr(found, "unit", None)) == str(getattr(given, "unit", None))
    np.testing.assert_array_equal(getattr(found, "mask", False), getattr(given, "mask", False))
    assert repr(bare(found)) == repr(bare(given)) == repr(bare(before["x"]))


def bare(column):
    """What repr shows of the values alone."""
    if isinstance(column, (Column, u.Quantity)) and type(column) not in (Angle, Longitude, EarthLocation):
        values = getattr(column, "unmasked", column)
        return np.ma.getdata(getattr(values, "value", values)).tolist()
    return column


def test_the_result_joins():
    """With Gaia's and SDSS's tables, by their own names; a row that has no identifier is left out before."""
    result = make_result(3)
    result["source_id"] = MaskedColumn([2**62 + 1, 5, -1], mask=[False, False, True])
    gaia = Table({"source_id": [5, 7, 2**62 + 1], "bp_rp": [0.5, 0.7, 0.9]})
    joined = join(result[~result["source_id"].mask], gaia, keys="source_id")
    assert joined["source_id"].tolist() == [5, 2**62 + 1]
    assert joined["bp_rp"].tolist() == [0.5, 0.9]
    combined = combine(gaia, result)
    assert combined["source_id"].tolist() == gaia["source_id"].tolist()
    assert combined["source_id_stellarclass"].tolist() == [2**62 + 1, 5, None]


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
    table = Table(table)
    table["counts"] = Column(np.array([2**40 + 1, 6]), unit="ct")
    combined = combine(table, make_result(2))
    write_table(combined, tmp_path / f"t.{ending}")
    again = read_table(tmp_path / f"t.{ending}")
    assert again["objID"].tolist() == [5, 6]
    assert (again["counts"].unit, again["counts"].value.tolist()) == (u.ct, [2**40 + 1, 6])
    assert again["radius"].unit == u.solRad
    assert again.meta == combined.meta
