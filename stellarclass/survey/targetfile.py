# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Targets as Arrow tables: the form in which they lie in a plan."""

import numpy as np

from ..archives.base import BANDS
from ..targets import NO_ID, Targets

__all__ = ["FIELD", "read_targets", "schema", "to_arrow"]

FIELD = ("run", "rerun", "camcol", "field")
"""Columns that name a field, in the order of `~stellarclass.archives.FieldKey`."""

_FLOATS = ("ra", "dec", "ref_epoch", "pmra", "pmdec")
_INTEGERS = ("objid", "source_id", *FIELD, "flags")
_MAGNITUDES = tuple(f"psfmag_{band}" for band in BANDS)


def schema():
    """Arrow schema of a file of targets: ``target``, the row of the list from 0, and the attributes of `Targets`."""
    import pyarrow as pa

    kinds = [("target", pa.int64()), *((name, pa.float64()) for name in (*_FLOATS, *_MAGNITUDES))]
    return pa.schema(kinds + [(name, pa.int64()) for name in _INTEGERS])


def to_arrow(numbers, targets):
    """Targets as an Arrow table.

    Parameters
    ----------
    numbers : ndarray, shape (N,), int64
        Rows of the target list.
    targets : `~stellarclass.targets.Targets`
        N targets.

    Returns
    -------
    pyarrow.Table
        NaN and -1 stand for what is not known, as in `Targets`.
    """
    import pyarrow as pa

    values = {"target": numbers, **{name: getattr(targets, name) for name in (*_FLOATS, *_INTEGERS)}}
    values |= dict(zip(_MAGNITUDES, targets.psfmag.T, strict=True))
    kinds = schema()
    return pa.table([pa.array(np.ascontiguousarray(values[c.name]), c.type) for c in kinds], schema=kinds)


def from_arrow(table):
    """Numbers and targets of an Arrow table.

    Parameters
    ----------
    table : pyarrow.Table

    Returns
    -------
    numbers : ndarray, shape (N,), int64
    targets : `~stellarclass.targets.Targets`
        Arrays of their own, which may be changed.
    """
    values = {name: np.array(table[name].to_numpy()) for name in schema().names}
    numbers = values.pop("target")
    psfmag = np.stack([values.pop(name) for name in _MAGNITUDES], axis=-1)
    return numbers, Targets(**values, psfmag=psfmag.reshape(len(numbers), len(BANDS)))


def read_targets(path):
    """Numbers and targets of a unit of work.

    Parameters
    ----------
    path : path-like
        A file of the plan.

    Returns
    -------
    numbers : ndarray, shape (N,), int64
    targets : `~stellarclass.targets.Targets`
    """
    from pyarrow import parquet

    return from_arrow(parquet.read_table(path))


def is_placed(targets):
    """Which targets have a field to be looked for in: not those with a fatal flag, nor those without a field.

    Parameters
    ----------
    targets : `~stellarclass.targets.Targets`
        N targets.

    Returns
    -------
    ndarray, shape (N,), bool
    """
    from .. import flags

    named = np.all([getattr(targets, name) != NO_ID for name in FIELD], axis=0)
    return named & ((targets.flags & flags.FATAL) == 0)
