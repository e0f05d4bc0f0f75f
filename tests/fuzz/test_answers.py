# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Answers of TAP services and of SkyServer, damaged: errors of ours, or a table."""

import io
import json

import numpy as np
import pytest
from astropy.io.votable import from_table
from astropy.table import Table
from fuzz.mutate import EXAMPLES, bounded, damaged, damaged_json
from hypothesis import given
from hypothesis import strategies as st
from loopback.sas import COLUMNS as CROSSID_COLUMNS

from stellarclass.archives import SpectroscopicStars, _tap, _vizier
from stellarclass.archives.crossid import cross_identify
from stellarclass.archives.spectroscopic import COLUMNS as SPECTRA_COLUMNS
from stellarclass.archives.transport import Transport
from stellarclass.exceptions import ArchiveError, BadAnswerError, InputError

URL = "http://tap.test/sync"


def votable(form, **columns):
    file = from_table(Table(columns or {"target_id": [0, 1], "ra": [1.5, 2.5], "name": ["a", "bc"]}))
    file.resources[0].type = "results"
    buffer = io.BytesIO()
    file.to_xml(buffer, tabledata_format=form)
    return buffer.getvalue()


def answering(body, status=200):
    """What stands for `Transport.fetch`."""

    def fetch(url, consume, *, explain=None, **unused):
        return consume(iter([body])) if status == 200 else (explain(status, body), "", None)

    return fetch


BODIES = {form: votable(form) for form in ("tabledata", "binary", "binary2")}


@pytest.mark.parametrize("form", BODIES)
@given(data=st.data())
@EXAMPLES
def test_tap_answers(form, data):
    body = data.draw(damaged(BODIES[form]))
    with bounded(ArchiveError):
        rows = _tap.query_tap(URL, "SELECT", ("target_id", "ra"), fetch=answering(body), max_rows=1000)
        [np.asarray(rows[name]) for name in rows]
    for status in (400, 500):
        with bounded(ArchiveError):
            assert isinstance(_tap._explain(status, body, URL), str)


PROMISES = (
    '<FIELD name="a" datatype="double" arraysize="9999999999"/>',
    '<FIELD name="a" datatype="char" arraysize="99999x99999"/>',
    '<FIELD name="a" datatype="unicodeChar" arraysize="2147483647"/>',
    '<FIELD name="a" datatype="int" arraysize="-1"/>',
    "<GROUP>" * 5000,
    '<FIELD name="a" datatype="int"/>',
)
HOLDINGS = (
    "<TABLEDATA><TR><TD>1</TD></TR></TABLEDATA>",
    '<BINARY><STREAM encoding="base64">AAAA</STREAM></BINARY>',
    '<BINARY2><STREAM href="file:///etc/passwd"/></BINARY2>',
)


@pytest.mark.parametrize("field", PROMISES, ids=range(len(PROMISES)))
@pytest.mark.parametrize("rows", ["1", "1000000000", "-5"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_tap_answers_that_promise_what_they_have_not(field, rows, encoding):
    for data in HOLDINGS:
        text = (
            f'<?xml version="1.0" encoding="{encoding}"?><VOTABLE version="1.4"><RESOURCE type="results">'
            f'<TABLE nrows="{rows}">{field}<DATA>{data}</DATA></TABLE></RESOURCE></VOTABLE>'
        )
        with bounded(ArchiveError):
            rows_found = _tap.query_tap(URL, "SELECT", ("a",), fetch=answering(text.encode(encoding)))
            assert "href" not in data and len(rows_found["a"]) < 2


TAP_COLUMNS = {
    "table_name": ["V/156/dr7lrs"] * 3,
    "column_name": ["ObsID", "RAJ2000", "DEJ2000"],
    "ucd": ["meta.id", "pos.eq.ra;meta.main", "pos.eq.dec;meta.main"],
}


@given(body=damaged(votable("tabledata", **TAP_COLUMNS)))
@EXAMPLES
def test_catalogs_of_vizier(body):
    with bounded(ArchiveError, InputError):
        tables = _vizier.catalog_columns(URL, "V/156", fetch=answering(body))
        _vizier.pick(URL, "V/156", tables, {"ra": lambda name, ucd: "pos.eq.ra" in ucd})


CROSSID = "#Table1\n" + ",".join([*CROSSID_COLUMNS, "type"]) + "\n"
CROSSID += (
    ",".join(["1237678617430032500", "10.0", "0.5", "2583", "301", "2", "136", "1", *["18.5"] * 5, "STAR"]) + "\n"
)


@given(body=damaged(CROSSID.encode() * 2))
@EXAMPLES
def test_cross_identifications(body):
    with bounded(ArchiveError):
        found = cross_identify(
            np.array([10.0]), np.array([0.5]), base_url="http://sky.test", data_release=17, fetch=answering(body)
        )
        assert found.found.shape == (1,)


def test_an_answer_that_is_the_name_of_a_file(tmp_path):
    """What looks like the name of a file, or an address, is not opened."""
    path = tmp_path / "secret.csv"
    path.write_text(CROSSID)
    for body in (str(path).encode(), path.as_uri().encode()):
        with pytest.raises(BadAnswerError, match="no header of a cross-identification"):
            cross_identify(
                np.array([10.0]), np.array([0.5]), base_url="http://sky.test", data_release=17, fetch=answering(body)
            )


@given(body=damaged_json(json.dumps([{"TableName": "Table1", "Rows": [{"a": 1}]}]).encode()))
@EXAMPLES
def test_json_instead(body):
    with bounded(ArchiveError):
        cross_identify(
            np.array([10.0]), np.array([0.5]), base_url="http://sky.test", data_release=17, fetch=answering(body)
        )


SPECTRA = "#Table1\n" + ",".join(SPECTRA_COLUMNS) + "\n" + ",".join(["7"] * len(SPECTRA_COLUMNS)) + "\n"


@given(body=damaged(SPECTRA.encode()))
@EXAMPLES
def test_pages_of_spectra(body, monkeypatch):
    monkeypatch.setattr(Transport, "fetch", lambda self, *args, **options: answering(body)(*args, **options))
    with bounded(ArchiveError):
        SpectroscopicStars().page(None, size=5)
