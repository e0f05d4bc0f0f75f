# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Columns of a reference set as plain arrays: what answers are held against."""

import numpy as np
from astropy import units as u

from ..exceptions import InputError

__all__ = ["class_column", "radius_column_of", "rows_of"]


def class_column(table, name):
    """Classes as text, empty where masked.

    Parameters
    ----------
    table : `~astropy.table.Table`
    name : str
        Column.

    Returns
    -------
    ndarray of str, shape (N,)

    Raises
    ------
    stellarclass.exceptions.InputError
        If there is no such column.
    """
    _there(table, name)
    column = table[name]
    mask = np.broadcast_to(np.asarray(getattr(column, "mask", False)), len(table))
    return np.where(mask, "", np.ma.getdata(np.ma.asarray(getattr(column, "unmasked", column))).astype(str))


def radius_column_of(table, name):
    """Radii in solar radii, NaN where masked or not positive.

    Parameters
    ----------
    table : `~astropy.table.Table`
    name : str
        Column with a unit of length.

    Returns
    -------
    ndarray, shape (N,)

    Raises
    ------
    stellarclass.exceptions.InputError
        If there is no such column or it has no unit of length.
    """
    _there(table, name)
    column = table[name]
    mask = np.broadcast_to(np.asarray(getattr(column, "mask", False)), len(table))
    try:
        values = u.Quantity(getattr(column, "unmasked", column)).to_value(u.solRad)
    except (u.UnitsError, TypeError) as err:
        raise InputError(f"column {name!r} is no radius: {err}") from err
    with np.errstate(invalid="ignore"):
        return np.where(~mask & (values > 0), values, np.nan)


def rows_of(reference, rows):
    """Row numbers of a reference set.

    Parameters
    ----------
    reference : `~stellarclass.reference.ReferenceSet`
    rows : {"test", "train", "all"} or array-like
        A subset by name, a mask, or row numbers.

    Returns
    -------
    ndarray of int

    Raises
    ------
    stellarclass.exceptions.InputError
        If there is no such subset, or it has no star.
    """
    if isinstance(rows, str):
        if rows not in ("test", "train", "all"):
            raise InputError(f"rows {rows!r} are none of test, train, all")
        found = np.arange(len(reference)) if rows == "all" else reference.rows(rows)
    else:
        try:
            found = np.arange(len(reference))[np.asarray(rows)]
        except (IndexError, TypeError) as err:
            raise InputError(f"rows do not fit a reference set of {len(reference)} stars: {err}") from err
    if not len(found):
        raise InputError(f"the reference set has no star in rows {rows!r}")
    return found


def _there(table, name):
    if name not in table.colnames:
        raise InputError(f"the reference set has no column {name!r}; it has {', '.join(table.colnames)}")
