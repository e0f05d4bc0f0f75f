# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What is written reads back: names, units, UCDs, descriptions, masks, int64 identifiers, metadata."""

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import EarthLocation, SkyCoord
from astropy.io import fits
from astropy.io import votable as vot
from astropy.table import Column, MaskedColumn, QTable, Table
from astropy.time import Time
from astropy.utils.masked import Masked
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stellarclass.exceptions import InputError, StellarclassWarning
from stellarclass.tables import FORMATS, read_table, table_format, write_table

ENDINGS = {"votable": ".vot", "fits": ".fits", "ecsv": ".ecsv", "parquet": ".parquet"}
every_format = pytest.mark.parametrize("format", FORMATS)


def round_trip(table, format):
    if format == "parquet":
        pytest.importorskip("pyarrow")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"table{ENDINGS[format]}"
        write_table(table, path)
        assert [entry.name for entry in Path(folder).iterdir()] == [path.name]
        return read_table(path)


def masked_part(column):
    mask = np.array(np.broadcast_to(getattr(column, "mask", False), column.shape))
    values = getattr(column, "unmasked", column)
    return np.asarray(getattr(values, "value", values)), mask


def assert_same(found, expected):
    assert isinstance(found, QTable)
    assert found.colnames == expected.colnames
    assert len(found) == len(expected)
    for name in expected.colnames:
        a, b = found[name], expected[name]
        assert a.info.unit == b.info.unit, name
        assert (a.info.meta or {}).get("ucd") == (b.info.meta or {}).get("ucd"), name
        assert a.info.description == b.info.description, name
        (values, mask), (wanted, wanted_mask) = masked_part(a), masked_part(b)
        assert values.dtype.kind == wanted.dtype.kind, name
        assert values.dtype.isnative
        if wanted.dtype.kind != "U":
            assert values.dtype == wanted.dtype, name
        np.testing.assert_array_equal(mask, wanted_mask, err_msg=name)
        np.testing.assert_array_equal(values[~mask], wanted[~wanted_mask], err_msg=name)
    assert found.meta == expected.meta


def make_table(n, masked=None):
    """All kinds of columns that the output table has."""
    mask = np.arange(n) % 2 == 1 if masked is None else np.full(n, masked)
    table = QTable()
    table["objid"] = MaskedColumn(np.arange(n, dtype=np.int64) + 2**60 + 1, mask=mask)
    table["ra"] = Masked(np.arange(n) / 3, mask=mask) * u.deg
    table["radius"] = Masked(np.arange(n) * 1.0, mask=mask) << u.solRad
    table["pmra"] = (np.arange(n) * 1.1) * u.mas / u.yr
    table["spectral_class"] = MaskedColumn(np.array(["F"] * n, dtype="U2"), mask=mask)
    table["prob_a"] = MaskedColumn(np.arange(n) / 7, mask=mask)
    table["flags"] = Column(np.arange(n, dtype=np.int64))
    ucds = ("meta.id;meta.main", "pos.eq.ra;meta.main", "phys.size.radius", "pos.pm;pos.eq.ra", "src.spType")
    for name, ucd in zip(table.colnames, (*ucds, "stat.probability", "meta.code.qual"), strict=True):
        table[name].info.meta = {"ucd": ucd}
        table[name].info.description = f"What {name} is"
    table["ra"].info.format = ".3f"
    table.meta = {
        "ensemble": "default",
        "ensemble_sha256": "0" * 64,
        "class_set_level": 0.9,
        "date": "2024-05-06T07:08:09",
    }
    return table


@every_format
@pytest.mark.parametrize("n", [0, 1, 2, 500])
@pytest.mark.parametrize("masked", [None, True, False])
def test_round_trip(format, n, masked):
    table = make_table(n, masked)
    assert_same(round_trip(table, format), table)


texts = st.text(st.characters(exclude_categories=["C"], exclude_characters="\x7f"), max_size=8).map(str.strip)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@every_format
@given(data=st.data())
def test_round_trip_of_anything(format, data):
    n = data.draw(st.integers(0, 5))

    def draw(elements):
        return data.draw(st.lists(elements, min_size=n, max_size=n))

    ids = np.array(draw(st.integers(-(2**63) + 1, 2**63 - 1)), dtype=np.int64)
    numbers = np.array(draw(st.floats(allow_nan=False, allow_infinity=format != "votable")), dtype=float)
    words = np.array(draw(texts), dtype=str) if n else np.array([], dtype="U3")
    mask = np.array(draw(st.booleans()), dtype=bool)
    table = QTable()
    table["objid"] = MaskedColumn(ids, mask=mask)
    table["id"] = Column(ids)
    table["x"] = Masked(numbers, mask=mask) << u.solRad
    table["y"] = numbers * u.Unit("mas/yr")
    table["p"] = MaskedColumn(numbers, mask=mask)
    table["words"] = MaskedColumn(words, mask=mask | (words == ""))
    table["words"].info.description = "Größe" if data.draw(st.booleans()) else None
    keys = st.text("abcXYZ_äß", min_size=1, max_size=12)
    simple = st.one_of(texts, st.integers(-(2**60), 2**60), st.floats(allow_nan=False), st.booleans())
    table.meta = data.draw(st.dictionaries(keys, st.one_of(simple, st.lists(simple, max_size=2)), max_size=3))
    assert_same(round_trip(table, format), table)


@every_format
def test_metadata_of_all_kinds(format):
    table = QTable({"a": [1]})
    table.meta = {
        "version": "1.0",  # text that looks like a number,
        "date": "2024-05-06",  # and like a date
        "TTYPE1": "not a column",
        "NAXIS": 7,
        "a": "name of a column",
        "ID": "table",
        "lines": "one\ntwo\ttabs",
        "nested": {"levels": [0.68, 0.9]},
        "comments": ["a remark", "another"],
        "long": "x" * 300,
        "UPPER": True,
        "inf": np.inf,
        "none": None,
    }
    assert round_trip(table, format).meta == table.meta


@every_format
def test_unwritable_metadata_are_left_out_with_a_warning(format):
    table = QTable({"a": [1]}, meta={"good": 1})
    table.meta["bad"] = object()
    with pytest.warns(StellarclassWarning, match="'bad'"):
        again = round_trip(table, format)
    assert again.meta == {"good": 1}
    assert "bad" in table.meta


@every_format
def test_table_is_not_changed_by_writing(format):
    table, twin = make_table(5), make_table(5)
    table["objid"].data.data[1] = 77  # below the mask
    round_trip(table, format)
    assert table["objid"].data.data[1] == 77
    assert_same(table, twin)


@pytest.mark.parametrize("format", ["votable", "fits", "parquet", "ecsv"])
def test_nothing_shows_through_the_mask(format, tmp_path):
    secret = 1234567890123
    table = QTable()
    table["objid"] = MaskedColumn([secret, secret], mask=[True, True])
    table["x"] = Masked([float(secret)] * 2, mask=[True, True]) * u.deg
    table["text"] = MaskedColumn([str(secret)] * 2, mask=[True, True])
    path = tmp_path / f"t{ENDINGS[format]}"
    write_table(table, path)
    if format == "parquet":
        parquet = pytest.importorskip("pyarrow.parquet")
        assert str(secret) not in str(parquet.read_table(path).to_pydict())
    else:
        raw = path.read_bytes()
        assert str(secret).encode() not in raw
        assert secret.to_bytes(8, "big") not in raw


@every_format
def test_mixin_columns(format):
    coords = SkyCoord([1, 2] * u.deg, [3, 4] * u.deg, pm_ra_cosdec=[5, 6] * u.mas / u.yr, pm_dec=[7, 8] * u.mas / u.yr)
    table = QTable({"place": coords, "when": Time([2451545.0, 2451545.25], format="jd", scale="tdb")})
    again = round_trip(table, format)
    if format == "votable":
        assert again.colnames == ["place_ra", "place_dec", "place_pmra", "place_pmdec", "when"]
        found = [again[name].unmasked.value.tolist() for name in again.colnames[:4]]
        np.testing.assert_allclose(found, [[1, 2], [3, 4], [5, 6], [7, 8]], rtol=1e-13)
        assert again["place_dec"].info.meta["ucd"] == "pos.eq.dec"
        assert list(again["when"]) == ["2000-01-01T12:00:00.000000000", "2000-01-01T18:00:00.000000000"]
        assert again["when"].info.description.endswith("time scale tdb")
    else:
        assert isinstance(again["place"], SkyCoord)
        assert again["place"].separation(coords).max() < 1e-9 * u.arcsec
        assert u.allclose(again["place"].pm_dec, coords.pm_dec)
        assert again["when"].scale == "tdb"
        assert np.all(again["when"].jd == table["when"].jd)


def test_votable_gives_way_rather_than_make_a_name_twice(tmp_path):
    table = QTable({"c": SkyCoord([1] * u.deg, [2] * u.deg), "c_ra": [1.0]})
    with pytest.raises(InputError, match="c_ra"):
        write_table(table, tmp_path / "t.vot")
    assert list(tmp_path.iterdir()) == []


def test_votable_names_a_column_it_cannot_hold(tmp_path):
    place = EarthLocation.from_geodetic([1, 2] * u.deg, [3, 4] * u.deg)
    with pytest.raises(InputError, match=r"'place'.*EarthLocation"):
        write_table(QTable({"place": place}), tmp_path / "t.vot")


@pytest.mark.parametrize(
    ("dtype", "back"),
    [("u8", "i8"), ("u4", "i8"), ("u2", "i4"), ("u1", "u1"), ("i1", "i2"), ("i2", "i2")],
)
def test_votable_holds_unsigned_integers(dtype, back):
    table = QTable({"a": MaskedColumn(np.array([1, 2, 3], dtype), mask=[False, True, False])})
    found = round_trip(table, "votable")["a"]
    assert found.dtype == back
    assert found.tolist() == [1, None, 3]


def test_votable_widens_half_precision():
    assert round_trip(QTable({"a": np.array([0.5], dtype=np.float16)}), "votable")["a"].dtype == np.float32


@pytest.mark.parametrize("format", ["votable", "ecsv", "parquet"])
def test_column_names_of_all_kinds(format):
    table = QTable({"B-V": [0.5], "größe": [1.0] * u.mag, "two words": ["x y"], "2mass": [2**62], "Ra": [1], "ra": [2]})
    assert_same(round_trip(table, format), table)


def test_votable_keeps_identifiers_beyond_int64_as_text():
    found = round_trip(QTable({"a": np.array([2**63 + 1], dtype=np.uint64)}), "votable")["a"]
    assert list(found) == [str(2**63 + 1)]


def test_votable_is_version_1_4_with_info_and_variable_strings(tmp_path):
    write_table(make_table(3), tmp_path / "t.vot")
    file = vot.parse(tmp_path / "t.vot", verify="exception")
    assert file.version == "1.4"
    infos = {info.name: (info.value, info.xtype) for info in file.resources[0].infos}
    assert infos["ensemble"] == ("default", None)
    assert infos["class_set_level"] == ("0.9", "yaml")
    field = next(f for f in file.get_first_table().fields if f.name == "spectral_class")
    assert (field.datatype, field.arraysize, field.ucd) == ("char", "*", "src.spType")


@pytest.mark.skipif(
    shutil.which("stilts") is None and not os.environ.get("CI"),
    reason="STILTS is not installed (apt-get install stilts)",
)
def test_stilts_understands_files(tmp_path):
    table = make_table(3)
    table.meta["ra"] = "an INFO with the name of a column"
    write_table(table, tmp_path / "t.vot")
    write_table(table, tmp_path / "t.fits")

    def stilts(*command):
        done = subprocess.run(
            ["stilts", *command], capture_output=True, text=True, timeout=120, cwd=tmp_path, check=True
        )
        return done.stdout + done.stderr

    assert stilts("votlint", "ucd=true", "unit=true", "t.vot") == ""
    for name in ("t.vot", "t.fits"):
        listed = stilts("tpipe", f"in={name}", "cmd=meta name class units ucd", "ofmt=csv")
        assert "objid,Long,,meta.id;meta.main" in listed
        assert re.search(r"pmra,Double,mas.*yr.*,pos.pm;pos.eq.ra", listed)
        assert stilts("tpipe", f"in={name}", "cmd=keepcols 'objid radius spectral_class'", "ofmt=csv").splitlines() == [
            "objid,radius,spectral_class",
            "1152921504606846977,0.0,F",
            ",,",
            "1152921504606846979,2.0,F",
        ]


def test_fits_has_cards_for_other_software(tmp_path):
    write_table(make_table(2), tmp_path / "t.fits")
    header = fits.getheader(tmp_path / "t.fits", 1)
    assert (header["TTYPE2"], header["TUCD2"], header["TCOMM2"]) == ("ra", "pos.eq.ra;meta.main", "What ra is")
    assert header["TNULL1"] == np.iinfo(np.int64).min
    assert header["ENSEMBLE"] == "default"
    assert header["class_set_level"] == 0.9


def test_fits_of_others_brings_its_ucds(tmp_path):
    hdu = fits.table_to_hdu(Table({"RA": [1.0]}))
    hdu.header["TUCD1"], hdu.header["TCOMM1"], hdu.header["ORIGIN"] = "pos.eq.ra;meta.main", "where", "them"
    hdu.writeto(tmp_path / "t.fits")
    table = read_table(tmp_path / "t.fits")
    assert table["RA"].info.meta == {"ucd": "pos.eq.ra;meta.main"}
    assert table["RA"].info.description == "where"
    assert table.meta == {"ORIGIN": "them"}


def test_fits_cannot_have_foreign_column_names(tmp_path):
    with pytest.raises(InputError, match="größe"):
        write_table(QTable({"größe": [1]}), tmp_path / "t.fits")


def test_compressed_fits(tmp_path):
    write_table(make_table(3), tmp_path / "t.fits.gz")
    assert (tmp_path / "t.fits.gz").read_bytes()[:2] == b"\x1f\x8b"
    assert_same(read_table(tmp_path / "t.fits.gz"), make_table(3))


def test_existing_file_is_kept_unless_told(tmp_path):
    path = tmp_path / "t.ecsv"
    write_table(QTable({"a": [1]}), path)
    with pytest.raises(FileExistsError, match=r"t\.ecsv"):
        write_table(QTable({"a": [2]}), path)
    assert read_table(path)["a"][0] == 1
    write_table(QTable({"a": [2]}), path, overwrite=True)
    assert read_table(path)["a"][0] == 2


def test_failed_writing_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "t.ecsv"
    write_table(QTable({"a": [1]}), path)

    def fail(self, part, **options):
        Path(part).write_text("half of it")
        raise OSError("disk full")

    monkeypatch.setattr(QTable, "write", fail)
    with pytest.raises(OSError, match="disk full"):
        write_table(QTable({"a": [2]}), path, overwrite=True)
    assert os.listdir(tmp_path) == ["t.ecsv"]
    assert read_table(path)["a"][0] == 1


@every_format
@pytest.mark.parametrize(
    "content", [b"", b"<html>Service unavailable</html>", b"\x00\xff" * 3000], ids=["empty", "html", "binary"]
)
def test_damaged_files_are_one_kind_of_error(format, content, tmp_path):
    if format == "parquet":
        pytest.importorskip("pyarrow")
    path = tmp_path / f"t{ENDINGS[format]}"
    path.write_bytes(content)
    with pytest.raises(InputError, match=f"{path.name}.*{format}"):
        read_table(path)


def test_missing_file_is_an_oserror(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_table(tmp_path / "no.vot")


def test_missing_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        write_table(QTable({"a": [1]}), tmp_path / "nowhere" / "t.vot")


def test_formats_by_ending():
    assert table_format("a.VOT") == table_format("a.xml") == table_format("x", format="votable") == "votable"
    with pytest.raises(InputError, match=r"'a\.csv'"):
        table_format("a.csv")
    with pytest.raises(InputError, match="'csv'"):
        table_format("a.fits", format="csv")


@pytest.mark.parametrize("format", ["votable", "fits", "ecsv", "parquet"])
def test_astropys_own_writers_keep_an_output_table(format, tmp_path):
    """``table.write`` alone: names, units, UCDs, descriptions, masks of numbers, 64-bit identifiers."""
    if format == "parquet":
        pytest.importorskip("pyarrow")
    table = make_table(5)
    table.meta = {}
    path = tmp_path / f"t{ENDINGS[format]}"
    table.write(path, format="ascii.ecsv" if format == "ecsv" else format)
    found = QTable.read(path, format="ascii.ecsv" if format == "ecsv" else format)
    assert found.colnames == table.colnames
    for name in table.colnames:
        assert found[name].info.unit == table[name].info.unit
        assert found[name].info.meta["ucd"] == table[name].info.meta["ucd"]
        assert found[name].info.description == table[name].info.description
        if name != "spectral_class":
            (values, mask), (wanted, wanted_mask) = masked_part(found[name]), masked_part(table[name])
            assert values.dtype.newbyteorder("=") == wanted.dtype
            np.testing.assert_array_equal(mask, wanted_mask)
            np.testing.assert_array_equal(values[~mask], wanted[~mask])
