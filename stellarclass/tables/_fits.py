# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""FITS binary tables, with what astropy keeps to itself spelled out in cards that other software reads."""

import re

import numpy as np
from astropy.io import fits
from astropy.table import Column, QTable, represent_mixins_as_columns
from astropy.time import Time
from astropy.utils.data_info import serialize_context_as

from ..exceptions import InputError
from ._plain import from_yaml, plain_column, split_mask, to_yaml

_META = "SCLSMETA"
"""Keyword that holds all metadata as YAML: cards of their own lose case and nesting, and some names are taken."""

_TAKEN = frozenset(
    "SIMPLE XTENSION BITPIX NAXIS NAXIS1 NAXIS2 PCOUNT GCOUNT TFIELDS THEAP END COMMENT COMMENTS HISTORY CONTINUE "
    "HIERARCH EXTEND EXTNAME CHECKSUM DATASUM DATE TIMESYS MJDREF DATEREF JDREF TREFPOS".split()
)


def write(table, path):
    """Write a QTable: UCDs and descriptions as TUCDn and TCOMMn, the metadata as cards and, exactly, as YAML."""
    foreign = [name for name in table.colnames if not _printable(name)]
    if foreign:
        raise InputError(f"FITS column names are ASCII; rename {', '.join(map(repr, foreign))}, or write VOTable")
    columns = [_ascii(column) if isinstance(column, Column) else column for column in table.itercols()]
    plain = QTable(columns, names=table.colnames, copy=False)

    cards = {_META: to_yaml(dict(table.meta))}
    for key, value in table.meta.items():
        # For eyes and tools; what is read back is the YAML.
        if _is_card(key, value):
            keyword = key.upper()
            cards[f"HIERARCH {keyword}" if len(keyword) > 8 else keyword] = value
    with serialize_context_as("fits"):
        # A SkyCoord makes several columns of the file.
        written = represent_mixins_as_columns(plain, exclude_classes=(Time,))
    for i, column in enumerate(written.itercols(), 1):
        ucd, note = (column.info.meta or {}).get("ucd"), column.info.description
        cards |= {key: text for key, text in ((f"TUCD{i}", ucd), (f"TCOMM{i}", note)) if text and _printable(text)}
    plain.meta.update(cards)
    plain.write(path, format="fits")


def _ascii(column):
    """A column with its text as UTF-8, and a null value that nothing else has."""
    values, mask = split_mask(column)
    if values.dtype.kind == "U":
        values = np.char.encode(values, "utf-8")
    column = plain_column(column, values, mask)
    if mask is not None and values.dtype.kind == "i":
        column.fill_value = np.iinfo(values.dtype).min  # becomes TNULL
    return column


def _printable(text):
    return text.isascii() and text.isprintable()


def _is_card(key, value):
    """Whether a metadata entry can be a card of its own."""
    keyword = key.upper()
    if not (keyword.isidentifier() and _printable(keyword) and isinstance(value, (str, bool, int, float))):
        return False
    if keyword in _TAKEN or keyword == _META or re.fullmatch(r"T[A-Z]{3,5}[0-9]+", keyword):
        return False
    finite = isinstance(value, str) or np.isfinite(value)
    return bool(finite) and _printable(str(value)) and len(f"{keyword}{value!r}") < 64 + 8


def read(path):
    """Read the first table of a FITS file."""
    with fits.open(path, memmap=False) as hdus:
        hdu = next((hdu for hdu in hdus if isinstance(hdu, (fits.BinTableHDU, fits.TableHDU))), None)
        if hdu is None:
            raise ValueError("it holds no table")
        ours = _META in hdu.header
        # Time columns of our own come back as Time; those of others keep the numbers their authors gave.
        table = QTable.read(hdu, format="fits", astropy_native=ours)
        if ours:
            # Column attributes came back through astropy's own records.
            meta = from_yaml(hdu.header[_META])
            table.meta.clear()
            table.meta.update(meta)
            return table
    for i, name in enumerate(table.colnames, 1):
        ucd, note = table.meta.pop(f"TUCD{i}", None), table.meta.pop(f"TCOMM{i}", None)
        info = table[name].info
        if ucd:
            info.meta = {"ucd": ucd, **(info.meta or {})}
        info.description = info.description or note
    return table
