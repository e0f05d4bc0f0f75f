# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Whatever holds a user's table, as an astropy table: `as_table`."""

import os
from pathlib import Path

from astropy.table import Table

from .exceptions import InputError
from .tables import check_table_file, read_table, table_format

__all__ = ["as_table", "is_table"]


def is_table(thing):
    """Whether something is a table, or the path of a file that may hold one.

    Parameters
    ----------
    thing : object

    Returns
    -------
    bool
        A text counts as a path only where there is such a file.
    """
    if isinstance(thing, str):
        return Path(thing).is_file()
    return isinstance(thing, (Table, os.PathLike)) or _is_dataframe(thing)


def as_table(thing):
    """A user's table as an astropy table.

    Parameters
    ----------
    thing : `~astropy.table.Table`, pandas.DataFrame, str or path-like
        A table is returned as it is. Of a data frame the index is a column if it has a name, missing values are masked,
        and ``attrs`` are metadata. A file is read by `stellarclass.tables.read_table`, or in any other format that
        `astropy.table.Table.read` tells by itself.

    Returns
    -------
    `~astropy.table.Table`

    Raises
    ------
    TypeError
        If it is no table.
    OSError
        If a file cannot be opened.
    stellarclass.exceptions.InputError
        If a file holds no table, or two columns of a data frame have the same name.

    Examples
    --------
    >>> from astropy.table import Table
    >>> from stellarclass.usertable import as_table
    >>> as_table(Table({"ra": [10.0]}).to_pandas())["ra"][0]  # doctest: +SKIP
    10.0
    """
    if isinstance(thing, Table):
        return thing
    if _is_dataframe(thing):
        return _from_dataframe(thing)
    if isinstance(thing, (str, os.PathLike)):
        return _read(Path(thing))
    raise TypeError(f"expected an astropy Table, a pandas DataFrame or the path of a table, got {type(thing).__name__}")


def _is_dataframe(thing):
    """Told by its class's name: pandas is neither needed nor loaded for this."""
    return any(c.__name__ == "DataFrame" and c.__module__.partition(".")[0] == "pandas" for c in type(thing).__mro__)


def _from_dataframe(frame):
    names = ["_".join(map(str, name)) if isinstance(name, tuple) else str(name) for name in frame.columns]
    indexed = any(name is not None for name in frame.index.names)
    every = [*names, *(map(str, frame.index.names) if indexed else ())]
    if twice := sorted({name for name in every if every.count(name) > 1}):
        raise InputError(
            f"the data frame has several columns {', '.join(map(repr, twice))}; rename all but one of them"
        )
    plain = frame.set_axis(names, axis=1)
    # As a column an index keeps its type: from_pandas would make floats of identifiers one of which is missing.
    table = Table.from_pandas(plain.reset_index() if indexed else plain)
    table.meta.update(frame.attrs)
    return table


def _read(path):
    try:
        known = table_format(path)
    except InputError:
        known = None
    if known:
        return read_table(path)
    check_table_file(path)  # a missing file is an OSError, not a table that cannot be understood
    try:
        return Table.read(path)
    except Exception as err:  # readers have many ways to say that a file is not their kind
        reason = " ".join(str(err).split())[:200]
        raise InputError(
            f"cannot read {path}: {reason}; Table.read(path, format=...) reads it if you say what it is"
        ) from err
