# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""VizieR's names: tables such as ``V/156/dr7lrs``, whose columns are called a little differently in each.

Such names go into a query between double quotes. What a service says its columns are called is looked up in its
``TAP_SCHEMA``, and used only if it cannot end the quotes.
"""

import re

from ..exceptions import BadAnswerError, InputError
from ._tap import query_tap

__all__ = ["catalog_columns", "checked_catalog", "pick", "quoted"]

CATALOG = re.compile(r"[A-Za-z0-9][A-Za-z0-9+.&_-]*(/[A-Za-z0-9+.&_-]+){1,6}")
COLUMN = re.compile(r"[A-Za-z0-9_+*./()\[\]{}'?<>=-]{1,64}")

TABLES = """\
SELECT table_name, column_name, ucd FROM TAP_SCHEMA.columns
WHERE table_name = '{name}' OR table_name LIKE '{name}/%' OR table_name = '"{name}"' OR table_name LIKE '"{name}/%'"""


def checked_catalog(name):
    """The name of one of VizieR's catalogs or tables, if it is one and nothing else.

    Parameters
    ----------
    name : str

    Returns
    -------
    str

    Raises
    ------
    stellarclass.exceptions.InputError
        If it is none.
    """
    if len(name) > 100 or not CATALOG.fullmatch(name):
        raise InputError(f"{name!r} is not a name of VizieR's; it must look like V/156/dr7lrs")
    return name


def catalog_columns(url, name, *, fetch):
    """The tables of a catalog, as the service lists them.

    Parameters
    ----------
    url : str
        Address of the TAP service.
    name : str
        Of a catalog, or of one of its tables.
    fetch : callable
        `Transport.fetch`.

    Returns
    -------
    dict of str to dict of str to str
        Table to column to UCD.
    """
    query = TABLES.format(name=checked_catalog(name))
    rows = query_tap(url, query, ("table_name", "column_name", "ucd"), fetch=fetch)
    tables = {}
    for table, column, ucd in zip(rows["table_name"], rows["column_name"], rows["ucd"], strict=True):
        table, column = str(table).strip('" '), str(column).strip('" ')
        # An underscore stands for any character in LIKE, and a service can send what it likes.
        if (table == name or table.startswith(name + "/")) and CATALOG.fullmatch(table) and COLUMN.fullmatch(column):
            tables.setdefault(table, {})[column] = "" if ucd is None else str(ucd).lower()
    return tables


def pick(url, name, tables, wanted, *, optional=()):
    """The one table that has all columns, and what it calls them.

    Parameters
    ----------
    url, name : str
        Of the service and the catalog, for what is said where there is none.
    tables : dict
        From `catalog_columns`.
    wanted : dict of str to callable
        Our name to a test that is called with a column's name in lower case and its UCD.
    optional : iterable of str, optional
        Columns that may be absent.

    Returns
    -------
    dict of str to str
        Our name to theirs, quoted; and ``"table"``.

    Raises
    ------
    stellarclass.exceptions.BadAnswerError
        If there is no such table.
    """
    lacking = {}
    for table, columns in tables.items():
        names = {
            ours: next((theirs for theirs, ucd in columns.items() if is_it(theirs.lower(), ucd)), None)
            for ours, is_it in wanted.items()
        }
        lacking[table] = [ours for ours, theirs in names.items() if theirs is None and ours not in optional]
        if not lacking[table]:
            return {"table": quoted(table), **{ours: quoted(theirs) for ours, theirs in names.items() if theirs}}
    what = "; ".join(f"{table} lacks {', '.join(absent)}" for table, absent in lacking.items()) or "it is not there"
    raise BadAnswerError(f"the service has no table of {name} with the columns needed: {what}", url)


def quoted(name):
    """A delimited identifier."""
    if '"' in name:
        raise InputError(f"{name!r} cannot be quoted")
    return f'"{name}"'
