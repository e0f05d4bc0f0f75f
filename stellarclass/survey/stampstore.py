# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Stamps kept: the pixels and the astrometry of a survey in half precision, so that the archive is asked once.

One Parquet file a unit of work, written as the stars are cut. Half precision holds a pixel to 5e-4 of its value, which
is below the photon noise of all that SDSS did not saturate, and the faintest sky to 1e-7 nanomaggies.
"""

import json
from dataclasses import fields

import numpy as np

from ..astrometry import Astrometry
from ..stamps.base import STAMP_SIZE, Stamps
from . import arrowfile
from .layout import unfinished

__all__ = ["BYTES_PER_STAR", "StampWriter", "read_about", "read_stamps", "stored_flags"]

_PIXELS = 5 * STAMP_SIZE * STAMP_SIZE
BYTES_PER_STAR = 3 * _PIXELS
"""What a star takes at most: two bytes a pixel and one for its mask; masks of zeros compress away."""

_HALF_MAX = np.float32(np.finfo(np.float16).max)
_SHAPES = {"offsets": (5, 2), "sky_sigma": (5,), "flux_per_electron": (5,), "psf": (5, 6)}
_ASTROMETRY = [field.name for field in fields(Astrometry)]
_ABOUT = b"stellarclass"
_INTEGERS = ("source_id", "match_count", "flags")


def _schema():
    import pyarrow as pa

    kinds = [
        ("row", pa.int64()),
        ("target_flags", pa.int64()),
        ("images", pa.binary(2 * _PIXELS)),
        ("masks", pa.binary(_PIXELS)),
        *((name, pa.list_(pa.float32(), int(np.prod(shape)))) for name, shape in _SHAPES.items()),
        ("epoch", pa.float64()),
        ("stamp_flags", pa.int64()),
        *((f"gaia_{name}", pa.int64() if name in _INTEGERS else pa.float64()) for name in _ASTROMETRY),
    ]
    return pa.schema(kinds)


class StampWriter:
    """Writes the stamps of one unit, a batch at a time; a context manager.

    Parameters
    ----------
    path : `~pathlib.Path`
        The file appears when all is well at the end.
    about : dict
        What the stamps are made with, see `~stellarclass.survey.settings.observed_with`.
    """

    def __init__(self, path, about):
        self.path, self._about = path, about

    def __enter__(self):
        self._file = unfinished(self.path)
        self._writer = arrowfile.writer(
            self._file.__enter__(), _schema().with_metadata({_ABOUT: json.dumps(self._about)})
        )
        self._rows = []
        return self

    def __exit__(self, *exc):
        try:
            self._writer.close()
        except BaseException:
            self._file.__exit__(OSError, OSError("the stamps could not be written"), None)
            raise
        return self._file.__exit__(*exc)

    def add(self, rows, targets, stamps, gaia):
        """Keep a batch.

        Parameters
        ----------
        rows : ndarray of int, shape (M,)
            Which targets of the unit.
        targets : `~stellarclass.targets.Targets`
            Of the whole unit.
        stamps : `~stellarclass.stamps.Stamps`
            Of the M stars.
        gaia : `~stellarclass.astrometry.Astrometry`
            Of the M stars.
        """
        import pyarrow as pa

        self._rows.append(rows)
        images = np.clip(stamps.images, -_HALF_MAX, _HALF_MAX).astype("<f2")
        kinds = _schema()
        values = {"row": rows, "target_flags": targets.flags[rows], "epoch": stamps.epoch, "stamp_flags": stamps.flags}
        values |= {f"gaia_{name}": getattr(gaia, name) for name in _ASTROMETRY}
        arrays = {name: pa.array(np.ascontiguousarray(v), kinds.field(name).type) for name, v in values.items()}
        arrays["images"] = _binary(images, kinds.field("images").type)
        arrays["masks"] = _binary(stamps.masks, kinds.field("masks").type)
        for name, shape in _SHAPES.items():
            flat = pa.array(np.ascontiguousarray(getattr(stamps, name)).ravel())
            arrays[name] = pa.FixedSizeListArray.from_arrays(flat, int(np.prod(shape)))
        self._writer.write_table(pa.table([arrays[name] for name in kinds.names], schema=kinds))

    def finish(self, targets):
        """Note why the other targets have no pixels.

        Parameters
        ----------
        targets : `~stellarclass.targets.Targets`
            Of the whole unit, with all the flags that they have got.
        """
        import pyarrow as pa

        rows = np.setdiff1d(np.arange(len(targets)), np.concatenate([*self._rows, np.zeros(0, np.int64)]))
        kinds, values = _schema(), {"row": rows, "target_flags": targets.flags[rows]}
        columns = [pa.array(values[c.name]) if c.name in values else pa.nulls(len(rows), c.type) for c in kinds]
        self._writer.write_table(pa.table(columns, schema=kinds))


def _binary(values, kind):
    """An array (N, ...) as N pieces of bytes."""
    import pyarrow as pa

    return pa.FixedSizeBinaryArray.from_buffers(kind, len(values), [None, pa.py_buffer(np.ascontiguousarray(values))])


def read_about(path):
    """What the stamps of a unit were made with.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    dict
        As `StampWriter` got it.
    """
    from pyarrow import parquet

    return json.loads((parquet.read_schema(path).metadata or {}).get(_ABOUT, b"{}"))


def read_stamps(path):
    """Read the stamps of a unit as they were written.

    Parameters
    ----------
    path : path-like

    Yields
    ------
    rows : ndarray of int, shape (M,)
    stamps : `~stellarclass.stamps.Stamps`
    gaia : `~stellarclass.astrometry.Astrometry`
        A batch, as `StampWriter.add` got it.
    """
    from pyarrow import parquet

    with parquet.ParquetFile(path) as file:
        for group in range(file.num_row_groups):
            table = file.read_row_group(group).combine_chunks()
            if table.num_rows and table["images"].null_count == 0:
                yield _batch(table)


def stored_flags(path, n):
    """Flags of the targets of a unit, and whether the store knows each of them.

    Parameters
    ----------
    path : path-like
    n : int
        Targets of the unit.

    Returns
    -------
    flags : ndarray, shape (n,), int64
    known : ndarray, shape (n,), bool
    """
    from pyarrow import parquet

    table = parquet.read_table(path, columns=["row", "target_flags"])
    rows = table["row"].to_numpy()
    flags, known = np.zeros(n, np.int64), np.zeros(n, bool)
    rows_inside = (rows >= 0) & (rows < n)
    flags[rows[rows_inside]] = table["target_flags"].to_numpy()[rows_inside]
    known[rows[rows_inside]] = rows_inside.all()
    return flags, known


def _batch(table):
    n = table.num_rows
    array = {name: table[name].chunk(0) for name in table.column_names}
    images = _bytes_of(array["images"], np.dtype("<f2")).reshape(n, 5, STAMP_SIZE, STAMP_SIZE).astype(np.float32)
    masks = _bytes_of(array["masks"], np.dtype(np.uint8)).reshape(n, 5, STAMP_SIZE, STAMP_SIZE).copy()
    lists = {name: array[name].flatten().to_numpy().reshape(n, *shape).copy() for name, shape in _SHAPES.items()}
    stamps = Stamps(
        images=images,
        masks=masks,
        **lists,
        epoch=np.array(array["epoch"].to_numpy()),
        flags=np.array(array["stamp_flags"].to_numpy()),
    )
    gaia = Astrometry(**{name: np.array(array[f"gaia_{name}"].to_numpy()) for name in _ASTROMETRY})
    return np.array(array["row"].to_numpy()), stamps, gaia


def _bytes_of(column, dtype):
    size = column.type.byte_width // dtype.itemsize
    return np.frombuffer(column.buffers()[1], dtype)[column.offset * size : (column.offset + len(column)) * size]
