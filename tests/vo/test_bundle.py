# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What a bundle holds, and what it refuses to hold."""

from xml.etree import ElementTree

import numpy as np
import pytest
from astropy import units as u
from astropy.table import MaskedColumn, QTable

from stellarclass import vo
from stellarclass.cli import EXIT_OK, EXIT_USAGE, main
from stellarclass.exceptions import InputError
from stellarclass.tables import read_table, write_table
from stellarclass.vo.coverage import table_coverage
from stellarclass.vo.names import ADQL_WORDS, parse_table_name


@pytest.fixture
def table():
    table = QTable({"objid": [2**60 + 1, 2], "ra": [10.0, np.nan] * u.deg, "dec": [20.0, 21.0] * u.deg})
    for name, ucd in (("objid", "meta.id;meta.main"), ("ra", "pos.eq.ra;meta.main"), ("dec", "pos.eq.dec;meta.main")):
        table[name].info.meta = {"ucd": ucd}
    return table


def write(table, folder, **options):
    return vo.write_tap_bundle(table, folder, **{"name": "my.stars", "creators": ["Doe, J."], **options})


def descriptor(folder):
    return ElementTree.parse(folder / "q.rd").getroot()  # noqa: S314 - our own


def test_files(table, tmp_path):
    folder = write(table, tmp_path / "new" / "bundle", license="CC0-1.0")
    assert sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()) == [
        "README.md", "coverage.moc", "data/stars.vot", "q.rd",
    ]  # fmt: skip
    assert read_table(folder / "data" / "stars.vot")["objid"].tolist() == table["objid"].tolist()
    readme = (folder / "README.md").read_text()
    assert "dachs imp my/q" in readme and "my.stars" in readme and "/my/q/cone/scs.xml" in readme
    root = descriptor(folder)
    assert root.get("schema") == "my"
    assert root.find("coverage/spatial").text == (folder / "coverage.moc").read_text().strip() == "9/1271256"
    columns = {c.get("name"): c for c in root.iterfind("table/column")}
    assert [columns[n].get("type") for n in ("objid", "ra")] == ["bigint", "double precision"]
    assert columns["objid"].get("required") == "True" and columns["ra"].get("unit") == "deg"


def test_nothing_that_users_say_becomes_markup(table, tmp_path):
    nasty = 'a</meta><script>&amp; "x" \\macro{} ]]> \x00'
    table["ra"].info.description = nasty
    folder = write(
        table, tmp_path / "b", title=nasty, description=nasty, creators=[nasty], subjects=[nasty], license=nasty
    )
    root = descriptor(folder)
    assert root.find("script") is None and not list(root.iter("script"))
    titles = [m.text for m in root.iterfind("meta") if m.get("name") == "title"]
    # Two backslashes are one to DaCHS, which takes a single one for a macro.
    assert titles == [nasty.replace("\\", "\\\\").replace("\x00", "\N{REPLACEMENT CHARACTER}")]
    assert root.find("table/column[@name='ra']").get("description").startswith("a</meta>")


def test_names_of_columns_that_adql_takes_in_quotes_only(tmp_path):
    table = QTable({"size": [1.0], "Ra": [2.0], "B-V": [0.1], "plain": [1]})
    folder = write(table, tmp_path / "b")
    names = [c.get("name") for c in descriptor(folder).iterfind("table/column")]
    assert names == ["quoted/size", "quoted/Ra", "quoted/B-V", "plain"]
    assert '`"size"`, `"Ra"`, `"B-V"`' in (folder / "README.md").read_text()


@pytest.mark.parametrize(
    "name", ["select", "Stars", "my stars", "a.b.c", "", "1a", "tap_schema.x", "size.x", "x;drop", "pg_a.b", "a" * 64]
)
def test_names_of_tables_are_plain(name, table, tmp_path):
    with pytest.raises(InputError, match=r"name|schema"):
        write(table, tmp_path / "b", name=name)
    assert not (tmp_path / "b").exists()


def test_names():
    assert parse_table_name("stars") == ("stellarclass", "stars")
    assert {"select", "point", "size", "timestamp"} < ADQL_WORDS
    with pytest.raises(TypeError):
        parse_table_name(1)


@pytest.mark.parametrize(
    ("columns", "word"),
    [
        ({"a": [1 + 2j]}, "'a'"),
        ({"a": [[[1.0, 2.0], [3.0, 4.0]]]}, "'a'"),
        ({"a": [1], "A": [2]}, "case only"),
        ({'a"b': [1]}, "double quote"),
        ({"a\\b": [1]}, "backslash"),
        ({"a" * 64: [1]}, "63"),
        ({"größe": [1]}, "ASCII"),
    ],
)
def test_what_a_database_does_not_take(columns, word, tmp_path):
    with pytest.raises(InputError, match=word):
        write(QTable(columns), tmp_path / "b")
    assert not (tmp_path / "b").exists()


def test_missing_integers_get_a_number_that_nothing_else_has(tmp_path):
    low, high = np.iinfo(np.int16).min, np.iinfo(np.int16).max
    table = QTable({"a": MaskedColumn(np.array([low, high, 5], np.int16), mask=[False, False, True])})
    table["b"] = MaskedColumn([1, 2, 3], mask=[True] * 3)
    nulls = [v.get("nullLiteral") for v in descriptor(write(table, tmp_path / "b")).iterfind("table/column/values")]
    assert nulls == [str(low + 1), str(np.iinfo(np.int64).min)]


def test_no_cone_search_without_positions_or_names(table, tmp_path):
    assert descriptor(write(table, tmp_path / "a")).find("service") is not None
    del table["objid"].info.meta["ucd"]
    assert descriptor(write(table, tmp_path / "b")).find("service") is None
    table["ra"] = table["ra"].to(u.hourangle)
    folder = write(table, tmp_path / "c")
    assert descriptor(folder).find("table").get("mixin") is None
    assert not (folder / "coverage.moc").exists()


def test_a_folder_is_not_written_over_unless_told(table, tmp_path):
    write(table, tmp_path / "b")
    with pytest.raises(FileExistsError, match="b exists"):
        write(table, tmp_path / "b")
    write(table[:1], tmp_path / "b", overwrite=True)
    assert len(read_table(tmp_path / "b" / "data" / "stars.vot")) == 1


@pytest.mark.parametrize("options", [{"creators": []}, {"creators": [" "]}, {"subjects": []}])
def test_somebody_has_made_it(options, table, tmp_path):
    with pytest.raises(InputError, match="empty"):
        write(table, tmp_path / "b", **options)
    with pytest.raises(TypeError, match="list"):
        write(table, tmp_path / "b", creators="Doe, J.")


def test_coverage_has_few_cells():
    rng = np.random.default_rng(1)
    crowd = table_coverage(rng.uniform(0, 360, 3000) * u.deg, rng.uniform(-60, 60, 3000) * u.deg)
    assert crowd.max_order == 9
    every = table_coverage(rng.uniform(0, 360, 9000) * u.deg, rng.uniform(-60, 60, 9000) * u.deg)
    assert 6 <= every.max_order < 9
    assert table_coverage([np.nan] * u.deg, [1.0] * u.deg) is None


def test_command(table, tmp_path, capsys):
    write_table(table, tmp_path / "t.vot")
    command = ["publish", str(tmp_path / "t.vot"), "--to", str(tmp_path / "b"), "--creator", "A", "--creator", "B"]
    assert main([*command, "--name", "my.stars", "--title", "Mine", "--subject", "surveys"]) == EXIT_OK
    assert "README.md" in capsys.readouterr().out
    root = descriptor(tmp_path / "b")
    assert [m.text for m in root.iterfind("meta/meta")] == ["A", "B"]
    assert main([*command, "--name", "select"]) == EXIT_USAGE
    assert "reserved word" in capsys.readouterr().err
