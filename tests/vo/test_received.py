# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What is refused of the addresses and files that strangers name, and how little they learn from it."""

import gzip
import os
import time

import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.table import QTable
from loopback.strangers import site

from stellarclass.exceptions import InputError
from stellarclass.tables import write_table
from stellarclass.vo._received import read_received

LIMIT = 200_000


def stars(n=3):
    return QTable({"ra": np.linspace(1, 2, n) * u.deg, "dec": np.linspace(1, 2, n) * u.deg, "id": np.arange(n)})


@pytest.fixture
def read(tmp_path):
    folder = tmp_path / "ours"
    folder.mkdir()

    def read(address, format="votable", **limits):
        try:
            return read_received(address, format, folder=folder, **{"max_bytes": LIMIT, "max_rows": 1000, **limits})
        finally:
            assert list(folder.iterdir()) == []  # nothing of it stays

    return read


@pytest.fixture
def file(tmp_path):
    def file(content, name="their table%.vot"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path.as_uri()

    return file


def votable(table, tmp_path):
    path = tmp_path / "written.vot"
    write_table(table, path, overwrite=True)
    return path.read_bytes()


SMALL = """<?xml version="1.0"?>
{before}<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3"><RESOURCE><TABLE{nrows}>
<FIELD name="ra" datatype="double" unit="deg"{arraysize}/><FIELD name="dec" datatype="double" unit="deg"/>
<DATA>{data}</DATA></TABLE></RESOURCE></VOTABLE>"""
ROWS = "<TABLEDATA><TR><TD>1</TD><TD>2</TD></TR></TABLEDATA>"


def small(data=ROWS, before="", nrows="", arraysize=""):
    return SMALL.format(data=data, before=before, nrows=nrows, arraysize=arraysize)


@pytest.mark.parametrize("format", ["votable", "fits"])
def test_tables_are_read(read, tmp_path, format):
    path = tmp_path / "stars and more.dat"
    write_table(stars(), path, format=format)
    for address in (path.as_uri(), path.as_uri().replace("file:///", "file://localhost/")):
        assert len(read(address, format)) == 3


def test_other_peoples_votables_are_read(read, file):
    doctype = '<!DOCTYPE VOTABLE SYSTEM "http://us-vo.org/xml/VOTable.dtd">\n'
    assert len(read(file(small(before=doctype, nrows=' nrows="1"')))) == 1
    assert len(read(file(small().encode("utf-16")))) == 1


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        (None, "no url"),
        ({"a": "b"}, "no url"),
        ("  ", "no url"),
        ("http://[::1", "not one"),
        ("x" * 5000, "5000 characters"),
        ("ftp://example.org/table.vot", "scheme 'ftp'; file, http and https"),
        ("jar:file:///etc/passwd!/x", "scheme 'jar'"),
        ("data:text/xml,<VOTABLE/>", "scheme 'data'"),
        ("/etc/passwd", "scheme ''"),
        ("javascript:alert(1)", "scheme 'javascript'"),
        ("file://server/share/table.vot", "another machine, server"),
        ("file:relative.vot", "names no file"),
        ("file:///a%00b", "names no file"),
        ("file:///nowhere/at/all.vot", "no regular file"),
        ("file:///etc", "no regular file"),
        ("file:///dev/zero", "no regular file"),
        ("file:///dev/tty", "no regular file"),
        ("file:///etc/passwd", "it is not a VOTable"),
        ("file:///proc/self/environ", "the file is empty"),
        ("http:///table.vot", "no host"),
        ("http://me:secret@127.0.0.1/table.vot", "a password"),
        ("http://127.0.0.1:1/table.vot", "the url gives no table: the connection failed"),
    ],
)
def test_addresses_that_are_refused(read, address, reason):
    with pytest.raises(InputError, match=reason):
        read(address)


def test_files_that_are_refused(read, file, tmp_path):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "link").symlink_to("/dev/zero")
    for name in ("fifo", "link"):  # and without waiting for a writer
        with pytest.raises(InputError, match="no regular file"):
            read((tmp_path / name).as_uri())
    with pytest.raises(InputError, match="300000 bytes, more than the 200000"):
        read(file(b" " * 300_000))
    sparse = tmp_path / "sparse"
    with sparse.open("wb") as stream:
        stream.truncate(10**10)
    with pytest.raises(InputError, match="10000000000 bytes"):
        read(sparse.as_uri())


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (small(before='<!DOCTYPE V [<!ENTITY a "aaaa">]>'), "entities"),
        (small(before='<!DOCTYPE V [<!ENTITY a SYSTEM "file:///etc/passwd">]>'), "entities"),
        (small('<BINARY2><STREAM href="file:///etc/passwd"/></BINARY2>'), "not in it but elsewhere"),
        (small('<FITS><STREAM encoding="base64">AAAA</STREAM></FITS>'), "another format"),
        (
            small('<v:BINARY xmlns:v="x"><v:STREAM x:HREF="http://x" xmlns:x="y"/></v:BINARY>'),
            "not in it but elsewhere",
        ),
        (small(nrows=' nrows="99999999999"'), "99999999999 rows, more than the 1000"),
        (small(nrows=' nrows="1e9"'), "not a number"),
        (small("<TABLEDATA>" + "<TR/>" * 1001 + "</TABLEDATA>"), "1001 rows"),
        (small("<TABLEDATA>" + "<TR/>" * 900 + "</TABLEDATA>", arraysize=' arraysize="1000"'), "more memory"),
        (small(arraysize=' arraysize="1000000x1000000"'), "one value of a column"),
        (small("<x>" * 60 + "</x>" * 60), "nested"),
        ("<?xml version='1.0'?><html/>", "not a VOTable"),
        ("<VOTABLE><RESOURCE>", "the XML is damaged"),
        ("<?xml version='1.0'?>\0\0\0", "the XML is damaged"),
        ("root:x:0:0:root:/root:/bin/bash\n", "^it is not a VOTable$"),
        (gzip.compress(small().encode(), mtime=0), r"compressed \(gzip\)"),
        (b"BZh91AY&SY", "bzip2"),
        ("<VOTABLE><RESOURCE/></VOTABLE>", r"cannot be read as a VOTable \(ValueError\)"),
    ],
)
def test_votables_that_are_refused(read, file, content, reason):
    with pytest.raises(InputError, match=reason):
        read(file(content))


def test_fits_files_that_are_refused(read, file, tmp_path):
    write_table(stars(), tmp_path / "good.fits")
    good = (tmp_path / "good.fits").read_bytes()
    for content, reason in [
        (good.replace(b"NAXIS2  =                    3", b"NAXIS2  =            900000000"), "900000000 rows"),
        (good.replace(b"NAXIS2  =                    3", b"NAXIS2  =                  900"), "shorter than its header"),
        (good.replace(b"NAXIS1  =                   24", b"NAXIS1  =             99999999"), "shorter than its header"),
        (good[:400], "cannot be read as a FITS table"),
        (gzip.compress(good, mtime=0), "compressed"),
        (small(), "^it is not a FITS table$"),
    ]:
        assert content != good
        with pytest.raises(InputError, match=reason):
            read(file(content), "fits")
    fits.PrimaryHDU(np.zeros((5, 5))).writeto(tmp_path / "image.fits")
    with pytest.raises(InputError, match="holds no table"):
        read((tmp_path / "image.fits").as_uri(), "fits")


def test_nothing_of_a_file_is_quoted(read, file):
    for content in ("secret-1234\n", "<?xml version='1.0'?>secret-1234", "<secret-1234>"):
        with pytest.raises(InputError) as caught:
            read(file(content))
        assert "secret" not in str(caught.value)


def test_addresses_on_the_web(read, tmp_path, monkeypatch):
    # A proxy for everything: programs on this machine are not behind it.
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    with site(votable(stars(), tmp_path)) as url:
        assert len(read(f"{url}/table")) == len(read(f"{url}/to-table")) == 3
        begin = time.monotonic()
        for path, reason in [
            ("huge", "10000000000 bytes, more than the 200000"),
            ("endless", "longer than the 200000 bytes"),
            ("bomb", "longer than the 200000 bytes"),
            ("to-file", "the url gives no table: the request failed: .*file"),
            ("round", "the url gives no table: .*redirects"),
            ("nothing", "HTTP 404"),
        ]:
            with pytest.raises(InputError, match=reason):
                read(f"{url}/{path}")
        assert time.monotonic() - begin < 20
