# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Table files that would open another file or address, or fill the memory, are refused before a reader sees them."""

import bz2
import gzip
import io
import lzma
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from stellarclass import conf
from stellarclass.archives import LocalAstrometry
from stellarclass.exceptions import ArchiveError, InputError
from stellarclass.tables import check_table_file, read_table, write_table
from stellarclass.usertable import as_table

FIELDS = "".join(
    f'<FIELD name="{name}" datatype="{kind}"/>'
    for name, kind in (("source_id", "long"), ("ra", "double"), ("dec", "double"))
)
TABLEDATA = "<DATA><TABLEDATA><TR><TD>1</TD><TD>2</TD><TD>3</TD></TR></TABLEDATA></DATA>"


def votable(data=TABLEDATA, fields=FIELDS, head="", attributes=""):
    return (
        f'<?xml version="1.0"?>{head}<VOTABLE version="1.4"><RESOURCE><TABLE {attributes}>{fields}{data}</TABLE>'
        "</RESOURCE></VOTABLE>"
    ).encode()


@pytest.fixture
def listener():
    """An address of our own, and what was asked of it."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, *args):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/rows", asked
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("attribute", ["href", "xlink:href", "HREF"])
@pytest.mark.parametrize("where", ["http", "file"])
@pytest.mark.parametrize("around", ["BINARY", "BINARY2", "FITS"])
def test_rows_that_lie_elsewhere_are_never_looked_for(tmp_path, listener, attribute, where, around):
    url, asked = listener
    secret = tmp_path / "secret"
    secret.write_bytes(bytes(24))
    href = url if where == "http" else secret.as_uri()
    space = ' xmlns:xlink="http://www.w3.org/1999/xlink"' if ":" in attribute else ""
    path = tmp_path / "table.vot"
    path.write_bytes(votable(f'<DATA><{around}><STREAM{space} {attribute}="{href}"/></{around}></DATA>'))
    for read, kind in ((read_table, InputError), (as_table, InputError), (LocalAstrometry, ArchiveError)):
        with pytest.raises(kind, match="its data are not in it but elsewhere"):
            read(path)
    packed = tmp_path / "gaia.xml.gz"  # told by what is in it
    packed.write_bytes(gzip.compress(path.read_bytes()))
    with pytest.raises((InputError, ArchiveError), match="elsewhere"):
        LocalAstrometry(packed)
    assert asked == []


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (votable(head='<!DOCTYPE V [<!ENTITY a "b">]>'), "XML entities"),
        (votable(fields='<FIELD name="a" datatype="char" arraysize="99999999999"/>'), "more bytes"),
        (votable(fields='<FIELD name="a" datatype="double" arraysize="99999x99999"/>'), "more bytes"),
        (votable(fields='<FIELD name="a" datatype="double" arraysize="-3"/>'), "not a number"),
        (votable(attributes='nrows="99999999999"'), "more memory"),
        (votable(fields="<GROUP>" * 60 + "</GROUP>" * 60), "nested"),
        (votable(fields='<FIELD name="a" datatype="int"/>' * 10_001), "10000 columns"),
        (gzip.compress(bytes(200_000_000), mtime=0), "unpacks to more"),
        (bz2.compress(bytes(200_000_000)), "unpacks to more"),
        (lzma.compress(bytes(200_000_000)), "unpacks to more"),
        (b"PK\x03\x04" + bytes(100), "zip"),
        (gzip.compress(b"SIMPLE  =", mtime=0)[:-5], "damaged"),
    ],
    ids=range(12),
)
def test_what_would_fill_the_memory(tmp_path, content, reason):
    path = tmp_path / "table.vot"
    path.write_bytes(content)
    with conf.set_temp("max_table_bytes", 100_000_000), pytest.raises(InputError, match=reason):
        check_table_file(path)


@pytest.mark.parametrize("card", [("NAXIS2", 10**12), ("NAXIS1", 10**12), ("NAXIS2", -1), ("PCOUNT", 10**15)])
@pytest.mark.parametrize("packed", [False, True])
def test_a_fits_file_that_says_more_than_it_has(tmp_path, card, packed):
    buffer = io.BytesIO()
    Table({"a": np.arange(5)}).write(buffer, format="fits")
    content = buffer.getvalue()
    name, value = card
    start = content.index(name.encode().ljust(8) + b"=")
    content = content[:start] + f"{name:8}= {value:>20}".encode() + content[start + 30 :]
    path = tmp_path / ("table.fits.gz" if packed else "table.fits")
    path.write_bytes(gzip.compress(content) if packed else content)
    with pytest.raises(InputError, match="shorter than its header says"):
        read_table(path)


@pytest.mark.parametrize(("form", "count"), [("PB", 400_000), ("QE", 400_000), ("PA", 4000)])
def test_a_fits_file_whose_rows_are_all_the_same_bytes(tmp_path, form, count):
    """Of variable length: as many rows as there are may name one place, and as long a one, as they like."""
    path, n = tmp_path / "table.fits", 5000
    values = np.empty(n, object)
    values[:] = [np.ones(2, {"B": "u1", "E": "f4", "A": "S1"}[form[1]])] * n
    columns = [fits.Column("a", "1D", array=np.zeros(n)), fits.Column("b", form, array=values)]
    fits.BinTableHDU.from_columns(columns).writeto(path)
    check_table_file(path)
    with fits.open(path) as hdus:
        start, width = hdus[1].fileinfo()["datLoc"], hdus[1].header["NAXIS1"]
    content, size = bytearray(path.read_bytes()), 4 if form[0] == "P" else 8
    for place in range(start + 8, start + n * width, width):
        content[place : place + size] = count.to_bytes(size, "big")
    path.write_bytes(content)
    with conf.set_temp("max_table_bytes", 100_000_000), pytest.raises(InputError, match="of variable length"):
        check_table_file(path)


def test_a_parquet_file_of_few_bytes_and_many_rows(tmp_path):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "table.parquet"
    pq.write_table(pa.table({"a": np.zeros(3_000_000)}), path)
    assert path.stat().st_size < 100_000
    with conf.set_temp("max_table_bytes", 10_000_000), pytest.raises(InputError, match="3000000 rows of 1 columns"):
        read_table(path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputError, match="not a whole Parquet file"):
        read_table(path)


@pytest.mark.parametrize("name", ["t.vot", "t.fits", "t.fits.gz", "t.ecsv", "t.parquet"])
def test_what_is_well_is_let_through(tmp_path, name):
    table = Table({"a": [1, 2], "b": ["x", "y"]})
    write_table(table, tmp_path / name)
    check_table_file(tmp_path / name)
    assert read_table(tmp_path / name)["a"].tolist() == [1, 2]


@pytest.mark.parametrize("content", [b"", b"a,b\n1,2\n", b"<html><body></body></html>", b"<", b"\x00"])
def test_what_is_no_table_of_these_kinds_is_left_to_its_reader(tmp_path, content):
    path = tmp_path / "file"
    path.write_bytes(content)
    check_table_file(path)


def test_a_file_of_images_only(tmp_path):
    fits.PrimaryHDU(np.zeros((30, 40))).writeto(tmp_path / "image.fits")
    with pytest.raises(InputError, match="holds no table"):
        read_table(tmp_path / "image.fits")
