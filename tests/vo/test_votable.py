# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""VOTables: what they say of themselves, and that the fast writer gives astropy's bytes."""

import io
import os
import re
import runpy
import shutil
import subprocess
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.io import votable as vot
from astropy.io.votable.dataorigin import extract_data_origin
from astropy.io.votable.tree import TableElement
from astropy.io.votable.xmlutil import validate_schema
from astropy.table import Column, MaskedColumn, QTable, Table
from astropy.time import Time
from astropy.utils.masked import Masked
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from stellarclass import schema, vo
from stellarclass.astrometry import Astrometry
from stellarclass.combine import combine
from stellarclass.exceptions import InputError
from stellarclass.nets.prediction import Prediction
from stellarclass.tables import read_table, write_table
from stellarclass.tables._binary2 import BinaryTable
from stellarclass.targets import Targets
from stellarclass.vo._serve import served_tables
from stellarclass.vo.upload import _definition

META = {
    "stellarclass_version": "0.1",
    "ensemble": "default",
    "ensemble_sha256": "ab" * 32,
    "label_system": "sdss",
    "class_set_level": 0.9,
    "image_release": "SDSS DR17",
    "astrometry_release": "Gaia EDR3",
    "date": "2024-05-06T07:08:09",
}


def output_table(n, *, epoch=2016.0):
    """An output table, every third star of which has failed."""
    rng = np.random.default_rng(n)
    targets = Targets(ra=rng.uniform(0, 360, n), dec=rng.uniform(-90, 90, n), ref_epoch=np.full(n, epoch))
    targets.objid[:] = 1237650000000000000 + np.arange(n)
    probabilities = rng.dirichlet(np.ones(5), n)
    prediction = Prediction(
        classes=schema.DEFAULT_CLASSES,
        probabilities=probabilities,
        class_sets=probabilities > 0.2,
        domain_score=np.zeros(n),
        **{f"radius{end}": rng.uniform(0.1, 3, n) for end in ("", "_err", "_lower", "_upper", "_spread")},
    )
    failed = np.arange(n) % 3 == 2
    return schema.build_table(
        targets,
        astrometry=Astrometry.empty(n),
        prediction=prediction,
        flags=np.where(failed, 2, 0),
        inputs_used=np.zeros(n, np.int64),
        radius_sb=np.full(n, np.nan),
        psfmag=rng.normal(18, 1, (n, 5)),
        meta=META,
    )


def text_of(votable):
    buffer = io.BytesIO()
    votable.to_xml(buffer)
    return buffer.getvalue().decode("utf-8")


def stream_of(text):
    """The base64 data of a VOTable."""
    found = re.search(r"<BINARY2>\s*<STREAM[^>]*>(.*?)</STREAM>", text, re.DOTALL)
    return "".join(found[1].split()) if found else None


def astropys_stream(votable):
    """The data of the same elements as astropy writes them, row by row."""
    buffer = io.BytesIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BinaryTable, "_write_binary", TableElement._write_binary)
        votable.to_xml(buffer)
    return stream_of(buffer.getvalue().decode("utf-8"))


def never(self, *args, **kwargs):
    pytest.fail("astropy's writer was called")


def assert_same_votable(found, expected):
    assert found.colnames == expected.colnames
    for name in expected.colnames:
        a, b = found[name], expected[name]
        assert (a.info.unit, a.info.description, a.info.meta.get("ucd")) == (
            b.info.unit,
            b.info.description,
            b.info.meta.get("ucd"),
        ), name
        mask = np.array(np.broadcast_to(getattr(b, "mask", False), b.shape))
        np.testing.assert_array_equal(np.broadcast_to(getattr(a, "mask", False), a.shape), mask, err_msg=name)
        assert a.dtype == b.dtype or a.dtype.kind == b.dtype.kind == "U", name
        np.testing.assert_array_equal(plain(a)[~mask], plain(b)[~mask], err_msg=name)
    assert found.meta == expected.meta


def plain(column):
    values = getattr(column, "unmasked", column)
    return np.asarray(getattr(values, "value", np.ma.getdata(values)))


@pytest.mark.parametrize("n", [0, 1, 300])
def test_an_output_table_reads_back_the_same(n, tmp_path):
    table = output_table(n)
    vo.to_votable(table).to_xml(str(tmp_path / "t.vot"))
    assert_same_votable(read_table(tmp_path / "t.vot"), table)


def test_files_and_to_votable_are_one(tmp_path):
    write_table(output_table(20), tmp_path / "t.vot")
    assert (tmp_path / "t.vot").read_text("utf-8") == text_of(vo.to_votable(output_table(20)))


def test_origin_as_others_read_it():
    votable = vo.to_votable(output_table(2))
    assert votable.version == "1.4"
    origin = extract_data_origin(vot.parse(io.BytesIO(text_of(votable).encode())))
    assert origin.query.server_software == "stellarclass 0.1"
    assert origin.query.request_date == "2024-05-06T07:08:09"
    (dataset,) = (d for d in origin.origin if d.citation)
    assert dataset.is_derived_from == ["2022ApJS..259...35A", "2021A&A...649A...1G"]
    assert "default" in dataset.resource_version[0] and "ab" * 32 in dataset.resource_version[0]
    assert "Deng" in dataset.citation[0]
    infos = {info.name: (info.value, info.content) for info in votable.resources[0].infos}
    assert infos["ensemble_sha256"] == ("ab" * 32, "SHA-256 of the ensemble's weights and card.")


def test_origin_is_not_taken_for_metadata_and_not_said_twice(tmp_path):
    write_table(output_table(2), tmp_path / "a.vot")
    again = read_table(tmp_path / "a.vot")
    assert again.meta == {**META, "position_epoch": 2016.0}
    write_table(again, tmp_path / "b.vot")
    assert (tmp_path / "a.vot").read_text() == (tmp_path / "b.vot").read_text()


def test_tables_of_others_get_no_origin():
    assert "<INFO" not in text_of(vo.to_votable(QTable({"a": [1]})))


@pytest.mark.parametrize(("epoch", "said"), [(2016.0, "J2016.0"), (2015.5, "J2015.5"), (np.nan, None)])
def test_positions_are_icrs_at_their_epoch(epoch, said):
    votable = vot.parse(io.BytesIO(text_of(vo.to_votable(output_table(3, epoch=epoch))).encode()))
    (system,) = votable.resources[0].coordinate_systems
    assert (system.system, system.epoch) == ("ICRS", said)
    referring = [field.name for field in votable.get_first_table().fields if field.ref == system.ID]
    assert referring == ["ra", "dec", "pmra", "pmdec"]


def test_positions_of_mixed_epochs_have_none():
    targets = Targets(ra=np.zeros(2), dec=np.zeros(2), ref_epoch=np.array([2000.0, 2016.0]))
    assert schema._common_epoch(targets) is None
    targets.ra[0] = np.nan  # nobody's epoch
    assert schema._common_epoch(targets) == 2016.0


def test_systems_of_mixins():
    table = QTable({"icrs": [1.0, 2.0]})  # the name of the XML ID that COOSYS would have
    table["place"] = SkyCoord([1, 2] * u.deg, [3, 4] * u.deg, obstime=Time("J2000"))
    table["when"] = Time(["2001-02-03", "2004-05-06"], scale="ut1")
    text = text_of(vo.to_votable(table))
    votable = vot.parse(io.BytesIO(text.encode()), verify="exception")
    resource = votable.resources[0]
    assert [(s.system, s.epoch) for s in resource.coordinate_systems] == [("ICRS", "J2000.0")]
    assert [(s.timescale, s.refposition) for s in resource.time_systems] == [("UT", "UNKNOWN")]
    fields = {field.name: field for field in votable.get_first_table().fields}
    assert fields["place_ra"].ref == fields["place_dec"].ref == resource.coordinate_systems[0].ID != "icrs"
    assert fields["when"].ref == resource.time_systems[0].ID
    assert fields["icrs"].ref is None


def test_a_users_own_positions_are_not_called_icrs():
    table = output_table(2)
    table["ra"].info.description = "B1950"
    assert vo.to_votable(table).get_first_table().get_field_by_id_or_name("ra").ref is None


def test_a_plain_table_and_the_users_table_is_untouched():
    table = Table({"a": MaskedColumn([1, 2], mask=[True, False])}, meta={"x": 1})
    vo.to_votable(table)
    assert table["a"].data.data.tolist() == [1, 2]
    assert table.meta == {"x": 1} and not table["a"].meta


# --- the fast writer

NUMBERS = ("u1", "i1", "i2", "i4", "i8", "u2", "u4", "f2", "f4", "f8", "c8", "c16", "?")
ADQL_WORDS = ("select", "order", "position", "user", "value", "size", "text", "table", "group", "date", "year", "point")
names = st.one_of(
    st.sampled_from(ADQL_WORDS), st.text("abz_-. 019ÄßΩ", min_size=1, max_size=6).filter(lambda s: s.strip() == s)
)
characters = st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff")
words = st.text(characters, max_size=5) | st.text("aé\U0001f31f", min_size=900, max_size=1000)


@st.composite
def tables(draw):
    n = draw(st.sampled_from([0, 1, 2, 5]))
    table = QTable()
    for name in draw(st.lists(names, min_size=1, max_size=10, unique_by=str.lower)):
        kind = draw(st.sampled_from((*NUMBERS, "text", "ascii")))
        mask = np.array(draw(st.lists(st.booleans(), min_size=n, max_size=n)), dtype=bool)
        if kind in ("text", "ascii"):
            elements = words if kind == "text" else st.text("abc ~", max_size=4)
            values = np.array(draw(st.lists(elements.map(str.strip), min_size=n, max_size=n)), dtype=str)
            values = values if n else np.array([], "U3")
            column = MaskedColumn(values, mask=mask | (values == ""))
        else:
            shape = (n, *draw(st.sampled_from([(), (), (), (3,), (2, 2), (1, 1)])))
            values = draw(hnp.arrays(np.dtype(kind), shape))
            whole = mask.reshape(n, *[1] * (len(shape) - 1)) & np.ones(shape, bool)
            choices = [Column(values)]
            if kind != "f2":  # NumPy itself has no fill value for masked ones
                choices.append(MaskedColumn(values, mask=whole))
            if kind in ("f4", "f8"):
                choices.append(Masked(values, mask=whole) * u.mas)
            column = draw(st.sampled_from(choices))
        table[name] = column
        table[name].info.description = draw(st.sampled_from([None, "What <it> & that is: größer"]))
    return table


@settings(max_examples=40, deadline=None)
@given(table=tables(), block=st.sampled_from([1, 100, 1 << 24]))
@example(table=QTable({"Ä": np.zeros(0), "ß": np.zeros(0)}), block=1)  # both have the XML ID "_"
def test_bytes_are_astropys(table, block):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("stellarclass.tables._binary2._BLOCK", block)
        votable = vo.to_votable(table)
        array = votable.get_first_table().array
        integer_arrays = any(
            array[name].ndim > 1 and array.dtype[name].base.kind in "iu" and array.mask[name].any()
            for name in array.dtype.names
        )
        with patch.context() as nobody:
            nobody.setattr(TableElement, "_write_binary", never)
            text = text_of(votable)
    if not integer_arrays:  # astropy refuses to write those
        assert stream_of(text) == astropys_stream(votable)
    # And astropy reads what went in.
    found = vot.parse(io.BytesIO(text.encode("utf-8"))).get_first_table().to_table(use_names_over_ids=True)
    assert found.colnames == table.colnames
    for name in table.colnames:
        wanted, got = table[name], found[name]
        mask = np.array(np.broadcast_to(getattr(wanted, "mask", False), wanted.shape))
        values, read = plain(wanted), np.ma.getdata(got.data)
        got_mask = np.broadcast_to(np.ma.getmaskarray(got.data), got.shape)
        nothing = mask | (np.isnan(values) if values.dtype.kind in "fc" else False)
        if values.dtype.kind == "U":
            nothing = mask | (values == "")
            read = np.where(got_mask, "", read).astype(str)
        else:
            np.testing.assert_array_equal(got_mask, nothing, err_msg=name)
        np.testing.assert_array_equal(read[~nothing], values[~nothing].astype(read.dtype), err_msg=name)
        assert got.description == wanted.info.description and got.unit == wanted.info.unit


def test_types_that_the_fast_writer_does_not_know_go_to_astropy(tmp_path):
    ragged = np.empty(2, dtype=object)
    ragged[:] = [np.array([1.5]), np.array([2.5, 3.5])]
    table = Table({"a": [1, 2], "ragged": ragged})
    write_table(table, tmp_path / "t.vot")
    votable = vo.to_votable(table)
    assert stream_of(text_of(votable)) == astropys_stream(votable)
    assert [list(x) for x in read_table(tmp_path / "t.vot")["ragged"]] == [[1.5], [2.5, 3.5]]


def test_arrays_of_text_are_refused_by_name():
    with pytest.raises(InputError, match="'words'"):
        vo.to_votable(Table({"words": [["x", "yy"], ["zzz", ""]]}))


def test_arrays_of_one_become_plain(tmp_path):
    """A VOTable that says arraysize="1" is deprecated."""
    write_table(QTable({"x": [[1.0], [2.0]] * u.mas}), tmp_path / "t.vot")
    assert read_table(tmp_path / "t.vot")["x"].value.tolist() == [1.0, 2.0]


def test_text_is_not_cut_whatever_its_length(tmp_path, monkeypatch):
    monkeypatch.setattr("stellarclass.tables._binary2._BLOCK", 10_000)
    long = ["x", "", "x" * 20_000, "y", "\N{GLOWING STAR}" * 9_000, "z"] + ["short"] * 50
    write_table(QTable({"id": np.arange(len(long)), "t": long}), tmp_path / "t.vot")
    assert read_table(tmp_path / "t.vot")["t"].filled("").tolist() == long


def test_what_xml_cannot_hold(tmp_path):
    table = QTable({"a": [1]})
    table["a"].info.description = "bell \a rings"
    write_table(table, tmp_path / "t.vot")
    assert read_table(tmp_path / "t.vot")["a"].info.description == "bell \N{REPLACEMENT CHARACTER} rings"
    with pytest.raises(InputError, match="column name"):
        vo.to_votable(QTable({"a\x00b": [1]}))


def test_partly_masked_arrays():
    """BINARY2 has one flag for a cell; a float can say NaN, an integer nothing."""
    mask = [[True, False], [True, True]]
    votable = vo.to_votable(Table({"x": MaskedColumn([[1.0, 2.0], [3.0, 4.0]], mask=mask)}))
    found = vot.parse(io.BytesIO(text_of(votable).encode())).get_first_table().array["x"]
    assert found.mask.tolist() == mask
    with pytest.raises(InputError, match="'n'"):
        vo.to_votable(Table({"n": MaskedColumn([[1, 2], [3, 4]], mask=mask)}))


# --- what others say of them


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """One VOTable of every kind that the package writes."""
    folder = tmp_path_factory.mktemp("votables")
    odd = QTable(
        {"select": [1, 2], "größe": ["é", "\N{GLOWING STAR}"], "a b": [True, False], "B-V": [[1.0, 2.0], [2.0, 3.0]]}
    )
    odd["empty"] = MaskedColumn(["", ""], mask=True)
    odd["nothing"] = Masked([1.0, 2.0], mask=True) * u.mas
    odd["place"] = SkyCoord([1, 2] * u.deg, [3, 4] * u.deg, obstime=Time("J2000"))
    odd["when"] = Time(["2001-02-03", "2004-05-06"], scale="utc")
    odd["flag"] = MaskedColumn([True, False], mask=[False, True])
    odd["c"] = np.array([1 + 2j, 3j])
    tables = {
        "odd": odd,
        "rows0": output_table(0),
        "rows1": output_table(1, epoch=np.nan),
        "rows300": output_table(300),
    }
    users = Table({"objid": [2**62, 5], "RA": [1.0, 2.0] * u.deg, "place": odd["place"], "when": odd["when"]})
    users["counts"] = Column([1, 2], unit="ct")
    users["class_prob_star"] = MaskedColumn([0.9, 0.8], mask=[True, False])
    tables["augmented"] = combine(users, output_table(2))
    for name, table in tables.items():
        write_table(table, folder / f"{name}.vot")
    # What DS9 gets, and what a TAP service is told before the rows come.
    with served_tables(tables["augmented"]) as shelf:
        urllib.request.urlretrieve(shelf.address("tabledata"), folder / "text.vot")
    (folder / "definition.vot").write_bytes(_definition(vo.to_votable(tables["augmented"])).getvalue())
    return sorted(folder.iterdir())


def need(program, package):
    if shutil.which(program) is None:
        reason = f"{program} is not installed (apt-get install {package})"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)


def test_votlint_has_nothing_to_say(written):
    need("stilts", "stilts")
    for path in written:
        done = subprocess.run(
            ["stilts", "votlint", "ucd=true", "unit=true", str(path)],
            capture_output=True, text=True, timeout=120, check=True,
        )  # fmt: skip
        assert (path.name, done.stdout + done.stderr) == (path.name, "")


def test_they_keep_to_the_schema(written):
    need("xmllint", "libxml2-utils")
    for path in written:
        status, out, err = validate_schema(str(path), version="1.4")
        assert status == 0, f"{path.name}: {out}{err}"


def test_the_benchmark_compares_the_bytes(monkeypatch, capsys):
    path = Path(__file__).parents[2] / "benchmarks" / "votable.py"
    benchmark = runpy.run_path(str(path))
    monkeypatch.setattr("sys.argv", [path.name, "--rows", "50", "--repeat", "1"])
    assert benchmark["main"]() == 0
    printed = capsys.readouterr().out
    assert "50 rows, 36 columns" in printed and "identical" in printed
