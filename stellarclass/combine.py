# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The user's table and ours side by side: `combine`."""

import copy

from astropy import units as u
from astropy.table import Column, MaskedColumn, QTable
from astropy.utils.masked import Masked

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
        A copy, with numbers that have units as quantities. What the user's table calls its main position or
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
    combined = QTable(meta=copy.deepcopy(table.meta))
    for name in table.colnames:
        _add(combined, name, table[name])
    main = {ucd for column in combined.itercols() if (ucd := _main_ucd(column))}
    for name in result.colnames:
        column = result[name].copy()
        if (ucd := _main_ucd(column)) in main:
            column.info.meta = {**column.info.meta, "ucd": ucd.removesuffix(";meta.main")}
        combined.add_column(column, name=_free(name, combined.colnames, suffix))
    for key, value in result.meta.items():
        combined.meta[_free(key, combined.meta, suffix)] = copy.deepcopy(value)
    return combined


def _add(combined, name, column):
    """Add a copy of a user's column, of its own type: of one with a unit QTable makes floats, or a warning."""
    unit, kind = getattr(column, "unit", None), getattr(getattr(column, "dtype", None), "kind", None)
    if not isinstance(column, Column) or unit is None or kind in "fcV":
        combined.add_column(column, name=name, copy=True)
    elif kind in "iu" and isinstance(unit, u.UnitBase):
        numbers = u.Quantity(column.data, unit, dtype=column.dtype)
        if isinstance(column, MaskedColumn):
            numbers = Masked(u.Quantity(column.data.data, unit, dtype=column.dtype), mask=column.mask)
        for attribute in ("description", "format", "meta"):
            setattr(numbers.info, attribute, copy.deepcopy(getattr(column.info, attribute)))
        combined.add_column(numbers, name=name, copy=True)
    else:
        plain = column.copy()
        plain.unit = None
        combined.add_column(plain, name=name, copy=False)
        combined[name].unit = unit


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
