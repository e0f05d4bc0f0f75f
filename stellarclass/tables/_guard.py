# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What a table file must not do to who reads it: open other files or addresses, or take far more memory than it has.

Readers follow what a file says. A VOTable may name another file, or any address, as the place of its data; a few
hundred bytes of any format may declare, or unpack to, more than there is memory. So files are looked at before they are
read, at a fraction of the cost of reading them.
"""

import bz2
import gzip
import lzma
import os
import re
from math import prod
from pathlib import Path
from xml.parsers import expat

import numpy as np
from astropy.io import fits

from .._config import conf
from ..exceptions import InputError

__all__ = ["VOTableCheck", "check_fits", "check_table_file", "parse_votable"]

_FIELDS = 10_000
_DEEPEST = 50  # elements within elements
_BLOCK = 2880  # bytes, of FITS
_PIECE = 1 << 20
_OPENERS = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ": lzma.open}  # what astropy's readers unpack
_REFUSED = {b"PK\x03\x04": "zip", b"\x1f\x9d": "compress"}

_SIZES = {
    **dict.fromkeys(("boolean", "bit", "unsignedByte", "char"), 1),
    **dict.fromkeys(("short",), 2),
    **dict.fromkeys(("int", "float", "unicodeChar"), 4),
    **dict.fromkeys(("long", "double", "floatComplex"), 8),
    **dict.fromkeys(("doubleComplex",), 16),
}


def check_table_file(path):
    """Refuse a table whose reading would open something else, or take more than ``conf.max_table_bytes``.

    Parameters
    ----------
    path : path-like
        Any file; the kind is told by its first bytes. What is no kind known here is left to its reader.

    Raises
    ------
    OSError
        If it cannot be opened.
    stellarclass.exceptions.InputError
        If it is a VOTable with data elsewhere, or unpacks to more than is accepted, or says that it does.

    Examples
    --------
    >>> from stellarclass.tables import check_table_file
    >>> check_table_file("stars.vot")  # doctest: +SKIP
    """
    path, limit = Path(path), conf.max_table_bytes
    with path.open("rb") as stream:
        start = stream.read(256)
    for magic, name in _REFUSED.items():
        if start.startswith(magic):
            raise InputError(f"{path} is compressed ({name}); unpack it first")
    opener = next((opener for magic, opener in _OPENERS.items() if start.startswith(magic)), open)
    size = path.stat().st_size
    try:
        with opener(path, "rb") as stream:
            if opener is not open:
                size = _unpacked_size(stream, limit)
                stream.seek(0)
                start = stream.read(256)
                stream.seek(0)
            _check_stream(stream, start, size, limit)
    except InputError as err:
        raise InputError(f"{path}: {err}") from err.__cause__
    except Exception as err:  # astropy and Arrow fail as the damage leads them to
        raise InputError(f"{path} is damaged: {err}") from err


def _unpacked_size(stream, limit):
    size = 0
    while piece := stream.read(_PIECE):
        size += len(piece)
        if size > limit:
            raise InputError(f"it unpacks to more than conf.max_table_bytes = {limit} bytes")
    return size


def _check_stream(stream, start, size, limit):
    text = start.replace(b"\0", b"").lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n")
    if text.startswith(b"<"):
        # Where it is not well-formed, its reader stops as well and says so.
        parse_votable(stream, VOTableCheck(max_memory=limit, any_xml=True), strict=False)
    elif start.startswith(b"SIMPLE  ="):
        check_fits(stream, size, max_memory=limit)
    elif start.startswith(b"PAR1"):
        _check_parquet(stream, limit)


def _check_parquet(stream, limit):
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile
    except ModuleNotFoundError:  # nor can it be read then
        return
    try:
        found = ParquetFile(stream).metadata
    except (ArrowException, OSError) as err:
        raise InputError(f"not a whole Parquet file: {' '.join(str(err).split())[:200]}") from err
    if found.num_rows * found.num_columns * 8 > limit:
        raise InputError(
            f"{found.num_rows} rows of {found.num_columns} columns take more than conf.max_table_bytes = {limit}"
        )


# ---- VOTable


class _OtherXML(Exception):
    """It is XML, and somebody else's business."""


class VOTableCheck:
    """Goes through a VOTable once, for what must not be in it.

    Parameters
    ----------
    max_memory : int
        Bytes that a table may take in memory, as far as its header tells.
    max_value : int, optional
        Bytes of one value of a column; as many by default.
    max_rows : int, optional
        Rows of a table.
    inside_only : bool, optional
        Whether also tables of other formats inside are refused.
    any_xml : bool, optional
        Whether XML that is no VOTable is let be.
    """

    def __init__(self, *, max_memory, max_value=None, max_rows=None, inside_only=False, any_xml=False):
        self.max_memory, self.max_rows = max_memory, max_rows
        self.max_value = max_memory if max_value is None else max_value
        self.inside_only, self.any_xml = inside_only, any_xml
        self.depth = self.fields = self.rows = self.width = self.declared = 0

    def start(self, name, attributes):
        """An element begins."""
        name = name.rpartition(":")[2].upper()
        self.depth += 1
        if self.depth == 1 and name != "VOTABLE":
            if self.any_xml:
                raise _OtherXML
            raise InputError("it is XML, but not a VOTable")
        if self.depth > _DEEPEST:
            raise InputError(f"its elements are nested more than {_DEEPEST} deep")
        if name in ("STREAM", "FITS", "PARQUET"):
            elsewhere = any(key.rpartition(":")[2].lower() == "href" for key in attributes)
            if elsewhere or (self.inside_only and name != "STREAM"):
                raise InputError("its data are not in it but elsewhere, or in another format; send it with its data")
        elif name == "TABLE":
            self.fields = self.rows = self.width = 0
            self.declared = self._number(attributes.get("nrows", "0"))
        elif name == "FIELD":
            self.fields += 1
            if self.fields > _FIELDS:
                raise InputError(f"the table has more than the {_FIELDS} columns accepted")
            self.width += self._bytes(attributes)
        elif name == "TR":
            self.rows += 1
        rows = max(self.rows, self.declared)
        if self.max_rows is not None and rows > self.max_rows:
            raise InputError(too_many(rows, self.max_rows))
        if name in ("TR", "DATA") and max(rows, 1) * self.width > self.max_memory:
            raise InputError(too_large("the table would take more memory than it has", self.max_memory))

    def end(self, name):
        """An element ends."""
        self.depth -= 1

    def _bytes(self, attributes):
        """Memory for one value of a column, where it is of fixed size."""
        shape = attributes.get("arraysize", "1").strip()
        if shape.endswith("*"):
            # What is there takes room in the file as well; but a limit is no more than a limit.
            shape = shape[:-1].rstrip("x") or "1"
            shape = shape if "x" in shape else "1"
        size = _SIZES.get(attributes.get("datatype", ""), 16)
        for part in shape.split("x"):
            size *= max(1, self._number(part))
            if size > self.max_value:
                raise InputError(too_large("one value of a column would take more bytes", self.max_value))
        return size

    @staticmethod
    def _number(text):
        text = text.strip()
        if not text.isascii() or not text.isdigit() or len(text) > 18:
            raise InputError("a size in it is not a number")
        return int(text)


def parse_votable(stream, check, *, strict=True):
    """Go through a VOTable.

    Parameters
    ----------
    stream : file-like
        Of bytes.
    check : VOTableCheck
    strict : bool, optional
        Whether XML that is not well-formed is refused.

    Raises
    ------
    stellarclass.exceptions.InputError
    """
    parser = expat.ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler = check.start, check.end
    parser.EntityDeclHandler = _refuse_entities
    try:
        parser.ParseFile(stream)
    except _OtherXML:
        return
    except (expat.ExpatError, ValueError, LookupError) as err:
        if isinstance(err, InputError):
            raise
        if strict:
            raise InputError("it is not a VOTable: the XML is damaged") from err


def _refuse_entities(*args):
    raise InputError("it declares XML entities, which a VOTable does not need")


def too_large(what, limit):
    """What is said of a table that is too large."""
    return f"{what}, more than the {limit} accepted; send a selection of its rows or columns"


def too_many(rows, limit):
    """What is said of a table that is too long."""
    return f"the table has {rows} rows, more than the {limit} accepted; send a selection of them"


# ---- FITS

_TOO_SHORT = "the FITS file is shorter than its header says"
_WIDTHS = dict(zip("LXBIJKAEDCMPQ", (1, 1, 1, 2, 4, 8, 1, 4, 8, 8, 16, 8, 16), strict=True))  # X: of eight


def check_fits(stream, size, *, max_memory, max_rows=None):
    """Look at the first table of a FITS file; no room is made for data that the file may not have.

    Parameters
    ----------
    stream : file-like
        Of bytes, at the file's begin.
    size : int
        Bytes of the file.
    max_memory : int
        Bytes that columns of variable length may take in memory: any number of rows may name the same bytes of the
        file.
    max_rows : int, optional
        Rows of the table.

    Returns
    -------
    bool
        Whether there is a table.

    Raises
    ------
    stellarclass.exceptions.InputError
    """
    header = _table_header(stream, size)
    if header is None:
        return False
    rows, width, heap, fields = (int(header[key]) for key in ("NAXIS2", "NAXIS1", "PCOUNT", "TFIELDS"))
    if max_rows is not None and rows > max_rows:
        raise InputError(too_many(rows, max_rows))
    if fields > _FIELDS:
        raise InputError(f"the table has {fields} columns, more than the {_FIELDS} accepted")
    if min(rows, width, heap) < 0 or rows * width + heap > size:
        raise InputError(_TOO_SHORT)
    if header["XTENSION"].strip() == "BINTABLE":
        _check_variable(stream, [str(header[f"TFORM{i + 1}"]) for i in range(fields)], rows, width, max_memory)
    return True


def _check_variable(stream, forms, rows, width, max_memory):
    """Add up what values of variable length take: their numbers of elements stand in the rows."""
    columns, place = [], 0
    for form in forms:
        found = re.fullmatch(r"(\d*)([LXBIJKAEDCMPQ])(.?).*", form.strip().upper(), re.ASCII)
        if found is None:
            raise InputError(f"{form!r} is no type of a FITS column")
        repeat, kind, of = int(found[1] or 1), found[2], found[3]
        if kind in "PQ" and repeat:
            columns.append((place, ">i4" if kind == "P" else ">i8", of))
        place += -(-repeat // 8) if kind == "X" else repeat * _WIDTHS[kind]
    if not columns:
        return
    offsets, formats, of = zip(*columns, strict=True)
    names = [f"column {i}" for i in range(len(columns))]
    row = np.dtype({"names": names, "formats": formats, "offsets": offsets, "itemsize": width})
    taken, step = 0.0, max(1, _PIECE // width)
    for start in range(0, rows, step):
        piece = np.frombuffer(stream.read(min(step, rows - start) * width), row)
        for name, kind in zip(names, of, strict=True):
            length = np.abs(piece[name].astype(float))
            # Of text astropy makes a square.
            taken += (4 * length**2 if kind == "A" else length * _WIDTHS.get(kind, 16)).sum()
        if taken > max_memory:
            raise InputError(too_large("columns of variable length would take more bytes", max_memory))


def _table_header(stream, size):
    """Header of the first table, or None; the stream then is at its data."""
    while stream.tell() < size:
        header = fits.Header.fromfile(stream)
        if str(header.get("XTENSION", "")).strip() in ("BINTABLE", "TABLE"):
            return header
        shape = [int(header[f"NAXIS{i + 1}"]) for i in range(min(int(header["NAXIS"]), 999))]
        values = int(header.get("PCOUNT", 0)) + (prod(shape) if shape else 0)
        data = abs(int(header["BITPIX"])) // 8 * int(header.get("GCOUNT", 1)) * values
        if not 0 <= data <= size - stream.tell():
            raise InputError(_TOO_SHORT)
        stream.seek(-(-data // _BLOCK) * _BLOCK, os.SEEK_CUR)
    return None
