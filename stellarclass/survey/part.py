# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Parts of the output: the answers of one unit of work as an Arrow table, and the manifest that vouches for it.

A part holds the number of each target and the columns of `stellarclass.schema`; what is missing is null. Nothing in it
depends on when, where or how often the work was done, so that the same work gives the same bytes.
"""

import numpy as np
from astropy import units as u

from .. import schema as _schema
from . import arrowfile
from .layout import digest, read_json, write_bytes, write_json

__all__ = ["NUMBER", "is_whole", "read_manifest", "schema", "to_arrow", "write_part"]

NUMBER = "target"
"""Column that says which row of the target list, from 0, an answer belongs to."""

_KINDS = {"int64": "int64", "float64": "float64", "str": "string"}


def schema(classes):
    """Arrow schema of a part.

    Parameters
    ----------
    classes : sequence of str
        Classes of the ensemble.

    Returns
    -------
    pyarrow.Schema
        Its fields bear ``unit``, ``ucd`` and ``description``.
    """
    import pyarrow as pa

    first = _schema.Column(NUMBER, "int64", "", "meta.record", "Row of the target list, from 0")
    fields = []
    for column in (first, *_schema.columns(classes)):
        about = {"unit": column.unit, "ucd": column.ucd, "description": column.description}
        about = {key: value for key, value in about.items() if value}
        fields.append(pa.field(column.name, getattr(pa, _KINDS[column.dtype])(), metadata=about))
    return pa.schema(fields)


def to_arrow(numbers, table, classes):
    """Answers as an Arrow table.

    Parameters
    ----------
    numbers : ndarray, shape (N,), int64
        Which targets they are of.
    table : `~astropy.table.QTable`
        N rows, as `stellarclass.schema.build_table` makes them.
    classes : sequence of str
        Classes of the ensemble.

    Returns
    -------
    pyarrow.Table
    """
    import pyarrow as pa

    kinds = schema(classes)
    arrays = [pa.array(np.asarray(numbers, np.int64))]
    for column in kinds.names[1:]:
        values = table[column]
        mask = np.broadcast_to(getattr(values, "mask", False), len(table))
        values = getattr(values, "unmasked", values)
        values = values.value if isinstance(values, u.Quantity) else np.ma.getdata(values)
        values = np.asarray(values)
        # The numbers go over bare; text goes over as text.
        values = values.astype(object) if values.dtype.kind == "U" else np.ascontiguousarray(values)
        arrays.append(pa.array(values, kinds.field(column).type, mask=np.ascontiguousarray(mask)))
    return pa.table(arrays, schema=kinds)


def write_part(layout, unit, table, manifest):
    """Write a part, then its manifest: without the second the first counts for nothing.

    Parameters
    ----------
    layout : Layout
    unit : int
    table : pyarrow.Table
        As `to_arrow` makes it, in the order of the unit's targets.
    manifest : dict
        What is to be said of it besides rows and checksum.

    Returns
    -------
    dict
        The whole manifest.
    """
    content = arrowfile.to_bytes(table.combine_chunks())
    write_bytes(layout.part(unit), content)
    manifest = {"unit": unit, "rows": table.num_rows, "bytes": len(content), "sha256": digest(content), **manifest}
    write_json(layout.manifest(unit), manifest)
    return manifest


def read_manifest(layout, unit):
    """The manifest of a unit's part, or None if there is none to rely on.

    Parameters
    ----------
    layout : Layout
    unit : int

    Returns
    -------
    dict or None
    """
    manifest = read_json(layout.manifest(unit))
    kinds = {"unit": int, "rows": int, "bytes": int, "sha256": str, "targets_sha256": str, "failures": list}
    if manifest is None or not all(isinstance(manifest.get(name), kind) for name, kind in kinds.items()):
        return None
    return manifest if manifest["unit"] == unit else None


def is_whole(layout, unit, manifest, targets_sha256):
    """Whether a unit's part is there, is the one that its manifest vouches for, and answers for the planned targets.

    Parameters
    ----------
    layout : Layout
    unit : int
    manifest : dict or None
        As `read_manifest` returned it.
    targets_sha256 : str
        Digest of the unit's targets, by the plan.

    Returns
    -------
    bool
    """
    if manifest is None or manifest["targets_sha256"] != targets_sha256:
        return False
    try:
        # The size costs nothing and finds what was cut short; the digest finds the rest.
        return layout.part(unit).stat().st_size == manifest["bytes"] and digest(layout.part(unit)) == manifest["sha256"]
    except OSError:
        return False
