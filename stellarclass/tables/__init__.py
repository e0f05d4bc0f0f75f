# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Tables on disk that come back as they went: `write_table` and `read_table` for VOTable, FITS, ECSV and Parquet.

An output table can also be written with astropy's own ``table.write(path)``: names, units, UCDs, descriptions, masks of
numbers and 64-bit identifiers come back. `write_table` keeps in addition what the formats or astropy's writers lose:

======== ==============================================================================================================
format   beyond ``table.write``
======== ==============================================================================================================
VOTable  metadata (INFO elements); masked strings; strings neither cut nor padded; SkyCoord columns (as ICRS degrees),
         Time columns (as ISO text with ``xtype="timestamp"``) and unsigned integers
FITS     metadata of any kind and case; UCDs and descriptions as TUCDn and TCOMMn, which TOPCAT and others read;
         non-ASCII text (UTF-8); a null value that no identifier can have
Parquet  nothing shows through the mask for readers that do not know astropy's ``name.mask`` columns
======== ==============================================================================================================

What not every format tells apart comes back alike from all: an empty string is a missing one, a masked NaN a masked
value. A file appears under its name when it is complete, never before.
"""

import os
import tempfile
import warnings
from pathlib import Path

import numpy as np
from astropy import units as u
from astropy.io.misc import yaml
from astropy.table import Column, QTable
from astropy.utils.masked import Masked

from ..exceptions import InputError, StellarclassWarning
from . import _fits, _votable
from ._guard import check_table_file
from ._plain import BLANKS, is_text, plain_column, split_mask, to_text

__all__ = ["FORMATS", "check_table_file", "read_table", "table_format", "votable_file", "write_table"]

FORMATS = {
    "votable": (".vot", ".votable", ".xml"),
    "fits": (".fits", ".fit", ".fits.gz"),
    "ecsv": (".ecsv",),
    "parquet": (".parquet", ".pq"),
}
"""Formats by name, with the endings that name them."""

_ASTROPY_NAMES = {"ecsv": "ascii.ecsv", "parquet": "parquet"}


def table_format(path, *, format=None):
    """The format of a table file.

    Parameters
    ----------
    path : str or path-like
        File; its ending decides, in any case.
    format : str, optional
        A name from `FORMATS`, which decides instead.

    Returns
    -------
    str

    Raises
    ------
    stellarclass.exceptions.InputError
        If neither is known.

    Examples
    --------
    >>> from stellarclass.tables import table_format
    >>> table_format("stars.fits.gz")
    'fits'
    """
    if format is not None:
        if format in FORMATS:
            return format
        raise InputError(f"unknown table format {format!r}; known are {', '.join(FORMATS)}")
    name = Path(path).name.lower()
    for known, endings in FORMATS.items():
        if name.endswith(endings):
            return known
    listed = "; ".join(f"{known}: {' '.join(endings)}" for known, endings in FORMATS.items())
    raise InputError(f"cannot tell the format of {Path(path).name!r} from its ending; known are {listed}")


def write_table(table, path, *, overwrite=False, format=None):
    """Write a table so that it reads back the same.

    Parameters
    ----------
    table : `~astropy.table.Table`
        Not changed.
    path : str or path-like
        File to write. It appears when it is complete; an interrupted run leaves an older file as it was.
    overwrite : bool, optional
        Whether an existing file may be replaced.
    format : str, optional
        ``"votable"`` (version 1.4, BINARY2), ``"fits"``, ``"ecsv"`` or ``"parquet"`` (which needs pyarrow); the path's
        ending decides by default.

    Raises
    ------
    FileExistsError
        If the file exists and ``overwrite`` is false.
    FileNotFoundError
        If its folder does not exist.
    stellarclass.exceptions.InputError
        If the format is unknown, or cannot hold a column.

    Warns
    -----
    stellarclass.exceptions.StellarclassWarning
        If a metadata entry cannot be written; it is left out.

    Examples
    --------
    >>> import tempfile
    >>> from astropy import units as u
    >>> from astropy.table import QTable
    >>> from stellarclass.tables import read_table, write_table
    >>> table = QTable({"radius": [0.5, 1.0] * u.solRad}, meta={"label_system": "sdss"})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_table(table, f"{folder}/stars.vot")
    ...     again = read_table(f"{folder}/stars.vot")
    >>> again["radius"].unit, again.meta
    (Unit("solRad"), {'label_system': 'sdss'})
    """
    path = Path(path)
    format = table_format(path, format=format)
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} exists; allow to overwrite it, or choose another name")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"cannot write {path.name}: there is no folder {path.parent}")
    table = _prepared(table)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".stellarclass-") as folder:
        # The name keeps its ending: astropy compresses a .fits.gz because it is called so.
        part = Path(folder) / path.name
        if format == "votable":
            _votable.write(table, part)
        elif format == "fits":
            _fits.write(table, part)
        else:
            table.write(part, format=_ASTROPY_NAMES[format])
        os.replace(part, path)


def votable_file(table):
    """A table as the VOTable that `write_table` writes, in memory; `stellarclass.vo.to_votable` tells more of it.

    Parameters
    ----------
    table : `~astropy.table.Table`
        Not changed.

    Returns
    -------
    `~astropy.io.votable.tree.VOTableFile`

    Raises
    ------
    stellarclass.exceptions.InputError
        If VOTable cannot hold a column.
    """
    return _votable.build(_prepared(table))


def read_table(path, *, format=None):
    """Read a table that `write_table`, astropy or an archive wrote.

    Parameters
    ----------
    path : str or path-like
        File to read; nothing in it is executed.
    format : str, optional
        As in `write_table`.

    Returns
    -------
    `~astropy.table.QTable`
        Columns with units are quantities; missing values are masked; UCDs are in ``column.info.meta["ucd"]``.

    Raises
    ------
    OSError
        If the file cannot be opened.
    stellarclass.exceptions.InputError
        If the format is unknown, the file is not a table in this format, or it is one that `check_table_file` refuses:
        nothing is opened or fetched because a table says so.
    """
    path = Path(path)
    format = table_format(path, format=format)
    check_table_file(path)  # a missing file is an OSError, not a table that cannot be understood
    try:
        if format == "votable":
            table = _votable.read(path)
        elif format == "fits":
            table = _fits.read(path)
        else:
            table = QTable.read(path, format=_ASTROPY_NAMES[format])
    except ModuleNotFoundError:
        raise
    except Exception as err:
        # Readers raise whatever the damage leads them to: IndexError, XML errors, Arrow's own, and more.
        raise InputError(f"cannot read {path} as {format}: {err}") from err
    return _tidied(table)


def _prepared(table):
    """A copy for writing: nothing shows through a mask, text is str, and all metadata can be written."""
    meta = {}
    for key, value in table.meta.items():
        try:
            yaml.dump({str(key): value})
        except Exception as err:  # a foreign object fails as it likes
            message = f"metadata {key!r} cannot be written and is left out: {err}"
            warnings.warn(message, StellarclassWarning, stacklevel=3)
        else:
            meta[str(key)] = value
    columns = []
    for column in table.itercols():
        quantity = type(column) in (u.Quantity, Masked(u.Quantity))
        if quantity or isinstance(column, Column):
            values, mask = split_mask(column)
            if values.dtype.kind == "O" and is_text(values):
                mask = np.array([v is None for v in values.flat]).reshape(values.shape) | (
                    False if mask is None else mask
                )
                values = to_text(values)
            if mask is not None and values.dtype.kind in BLANKS:
                values = values.copy()
                values[mask] = BLANKS[values.dtype.kind] if values.dtype.kind != "i" or not quantity else 0
            column = _rebuilt(column, values, mask)
        columns.append(column)
    return QTable(columns, names=table.colnames, meta=meta, copy=False)


def _tidied(table):
    """A table as read, in native byte order, text as str, masked where there is nothing."""
    result = QTable(meta=table.meta)
    for name in table.colnames:
        column = table[name]
        if type(column) in (u.Quantity, Masked(u.Quantity)) or isinstance(column, Column):
            values, mask = split_mask(column)
            kind = values.dtype.kind
            if kind in "fiuc":
                values = values.astype(values.dtype.newbyteorder("="), copy=False)
            elif kind == "S" or (kind == "O" and is_text(values)):
                values = to_text(values)
            if values.dtype.kind == "U" and values.ndim == 1:
                # One-character columns would be written as such by astropy, which VOTable readers warn about.
                values = values.astype(f"U{max(2, values.dtype.itemsize // 4)}")
                empty = values == ""
                mask = empty | (False if mask is None else mask) if mask is not None or empty.any() else None
            column = _rebuilt(column, values, mask)
        meta = column.info.meta or {}
        column.info.meta = {key: value for key, value in meta.items() if not str(key).startswith("_votable_")}
        result[name] = column
    return result


def _rebuilt(column, values, mask):
    """A column of the same class with other values and mask."""
    if not isinstance(column, u.Quantity):
        return plain_column(column, values, mask)
    rebuilt = u.Quantity(values, column.unit, dtype=values.dtype, copy=False)  # integers stay what they are
    rebuilt = rebuilt if mask is None else Masked(rebuilt, mask=mask)
    rebuilt.info = column.info
    return rebuilt
