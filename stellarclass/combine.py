# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The user's table and ours side by side: `combine`."""

import copy

from astropy.table import QTable

__all__ = ["combine"]


def combine(table, result, *, suffix="_stellarclass"):
    """Put the columns of a result behind those of the table it was made from.

    Parameters
    ----------
    table : `~astropy.table.Table`, N rows
        The user's table. Not changed; its columns keep their order, values, units, masks and metadata.
    result : `~astropy.table.QTable`, N rows
        The output table for the same rows, in the same order.
    suffix : str, optional
        Added to the name of a result column, or metadata entry, that the table already has in any case; a number
        follows if that name is taken too. Nothing of the user's is ever overwritten.

    Returns
    -------
    `~astropy.table.QTable`
        A copy, with columns that have units as quantities. What the user's table calls its main position or
        identifier (UCDs with ``meta.main``) stays the only main one.

    Raises
    ------
    ValueError
        If the tables differ in length, or the suffix is empty.

    Examples
    --------
    >>> from astropy.table import QTable
    >>> from stellarclass.combine import combine
    >>> combine(QTable({"RA": [1.0], "name": ["x"]}), QTable({"ra": [1.0], "radius": [0.5]})).colnames
    ['RA', 'name', 'ra_stellarclass', 'radius']
    """
    if len(table) != len(result):
        raise ValueError(f"the table has {len(table)} rows, its result {len(result)}; they must be the same stars")
    if not suffix:
        raise ValueError("the suffix is empty; columns of the same name could not be told apart")
    combined = QTable(table, copy=True)
    main = {ucd for column in combined.itercols() if (ucd := _main_ucd(column))}
    for name in result.colnames:
        column = result[name].copy()
        if (ucd := _main_ucd(column)) in main:
            column.info.meta = {**column.info.meta, "ucd": ucd.removesuffix(";meta.main")}
        combined.add_column(column, name=_free(name, combined.colnames, suffix))
    for key, value in result.meta.items():
        combined.meta[_free(key, combined.meta, suffix)] = copy.deepcopy(value)
    return combined


def _free(name, taken, suffix):
    """The name, or the first that is free in any case: files and databases do not tell case apart."""
    taken = {str(other).lower() for other in taken}
    candidate, number = name, 1
    while candidate.lower() in taken:
        candidate = f"{name}{suffix}{number if number > 1 else ''}"
        number += 1
    return candidate


def _main_ucd(column):
    ucd = (column.info.meta or {}).get("ucd")
    ucd = ucd.replace(" ", "").lower() if isinstance(ucd, str) else ""
    return ucd if ucd.endswith(";meta.main") else None
