# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The finished output: a HATS catalog, which LSDB opens, and one Parquet file in the order of the list.

HATS (HEALPix Adaptive Tiling Scheme) is Parquet partitioned by place, each file with about as many rows,
see https://www.ivoa.net/documents/Notes/HATS/. Neither of the two is ever in memory: the parts are scattered over files
by place, or by number, and one such file at a time is sorted.
"""

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..exceptions import InputError
from . import arrowfile, part
from .layout import RESULTS, Layout, unfinished
from .plan import load_plan
from .settings import load_run

__all__ = ["Finished", "finish_survey"]

_ORDER = 8  # HEALPix order at which places are counted: pixels of 14 arcmin, a field of SDSS
_INDEX_ORDER = 29
_INDEX = "_healpix_29"
ROWS_PER_PARTITION = 250_000
"""Most rows of a partition: about 80 MB in memory. One field's worth of sky is never divided, however crowded."""

_BLOCK = 1_000_000  # rows of the list that are sorted at a time
_MANY = 512  # files open at a time


@dataclass(frozen=True)
class Finished:
    """What was written.

    Attributes
    ----------
    rows : int
        Rows of the plain file: all targets.
    catalog_rows : int
        Rows of the catalog: all targets that have a position.
    partitions : int
        Files of the catalog.
    """

    rows: int
    catalog_rows: int
    partitions: int


def finish_survey(folder, *, results=RESULTS, name="stellarclass", rows_per_partition=ROWS_PER_PARTITION, plain=True):
    """Write the answers as a HATS catalog, and as one Parquet file in the order of the target list.

    Parameters
    ----------
    folder : path-like
        The survey. All of its units must have their parts.
    results : str, optional
        Name of the folder of answers.
    name : str, optional
        Name of the catalog.
    rows_per_partition : int, optional
        Most rows of a partition.
    plain : bool, optional
        Whether the plain file is written, too.

    Returns
    -------
    Finished

    Raises
    ------
    stellarclass.exceptions.InputError
        If a part is missing or damaged, the answers are those of another plan, or a run is at work on them.
    ModuleNotFoundError
        If hats is not installed (``pip install stellarclass[survey]``).
    """
    layout = Layout(folder, results=results)
    plan, units = load_plan(layout.root)
    with layout.alone():
        run = load_run(layout, plan) if layout.run.is_file() else None
        lacking = sum(not whole for whole in _whole(layout, units))
        if run is None or lacking:
            raise InputError(f"{lacking} of {plan.units} units of work are not done or damaged; finish the run first")
        for old in layout.results.glob(".finish-*"):  # of one that was killed
            shutil.rmtree(old, ignore_errors=True)
        with tempfile.TemporaryDirectory(prefix=".finish-", dir=layout.results) as scratch:
            scratch, schema = Path(scratch), part.schema(run["classes"])
            pixels = _partitions(layout, units, rows_per_partition)
            rows = _write_catalog(layout, units, schema, pixels, scratch, name, plan, run)
            if plain:
                _write_plain(layout, units, schema, plan.targets, scratch / "plain")
    return Finished(plan.targets, rows, len(pixels))


def _whole(layout, units):
    for unit, sha in zip(units["unit"].tolist(), units["sha256"], strict=True):
        yield part.is_whole(layout, unit, part.read_manifest(layout, unit), str(sha))


def _parts(layout, units, columns=None):
    from pyarrow import parquet

    for unit in units["unit"].tolist():
        yield parquet.read_table(layout.part(unit), columns=columns)


def _healpix(table):
    """HEALPix index of each row, -1 where there is no position."""
    from hats.pixel_math.spatial_index import compute_spatial_index

    ra, dec = (table[c].to_numpy(zero_copy_only=False).astype(float) for c in ("ra", "dec"))
    index = np.full(len(ra), -1, np.int64)
    there = np.isfinite(ra) & np.isfinite(dec)
    if there.any():
        index[there] = compute_spatial_index(ra[there], dec[there])
    return index


def _partitions(layout, units, most):
    """The largest HEALPix pixels with at most so many rows: (order, pixel), in the order of the sky."""
    counts = np.zeros(12 * 4**_ORDER, np.int64)
    for table in _parts(layout, units, ["ra", "dec"]):
        index = _healpix(table)
        np.add.at(counts, index[index >= 0] >> 2 * (_INDEX_ORDER - _ORDER), 1)
    sums = [counts]
    for _ in range(_ORDER):
        sums.insert(0, sums[0].reshape(-1, 4).sum(axis=1))
    chosen, todo = [], np.flatnonzero(sums[0])
    for order in range(_ORDER + 1):
        fits = (sums[order][todo] <= most) | (order == _ORDER)
        chosen += [(order, int(pixel)) for pixel in todo[fits]]
        if order < _ORDER:
            children = (4 * todo[~fits][:, None] + np.arange(4)).ravel()
            todo = children[sums[order + 1][children] > 0]
    return sorted(chosen, key=lambda p: p[1] << 2 * (_ORDER - p[0]))


class _Scatter:
    """Rows scattered over files; few are open at a time."""

    def __init__(self, folder, schema):
        self._folder, self._schema, self._open = folder, schema, {}
        folder.mkdir()

    def add(self, table, bucket):
        import pyarrow as pa

        order = np.argsort(bucket, kind="stable")
        edges = np.flatnonzero(np.diff(bucket[order])) + 1
        for rows in np.split(order, edges):
            if len(rows):
                self._writer(int(bucket[rows[0]])).write_table(table.take(pa.array(rows)))

    def _writer(self, bucket):
        import pyarrow as pa

        if bucket not in self._open:
            if len(self._open) >= _MANY:
                self.close()
            # A stream cannot be gone on with: each opening is a file of its own.
            number = len(list(self._folder.glob(f"{bucket}-*.arrows")))
            file = open(self._folder / f"{bucket}-{number}.arrows", "wb")
            self._open[bucket] = pa.ipc.new_stream(file, self._schema), file
        return self._open[bucket][0]

    def close(self):
        for writer, file in self._open.values():
            writer.close()
            file.close()
        self._open.clear()

    def read(self, bucket):
        import pyarrow as pa

        tables = []
        for path in sorted(self._folder.glob(f"{bucket}-*.arrows")):
            with pa.OSFile(str(path)) as file, pa.ipc.open_stream(file) as stream:
                tables.append(stream.read_all())
            path.unlink()
        return pa.concat_tables(tables) if tables else self._schema.empty_table()


def _write_catalog(layout, units, schema, pixels, scratch, name, plan, run):
    """The catalog, beside the old one until it is whole; how many rows it has."""
    import pyarrow as pa
    from hats.io import paths
    from hats.pixel_math import HealpixPixel

    full = pa.schema([pa.field(_INDEX, pa.int64()), *schema])
    scatter = _Scatter(scratch / "sky", full)
    starts = np.array([pixel << 2 * (_INDEX_ORDER - order) for order, pixel in pixels], np.int64)
    for table in _parts(layout, units):
        index = _healpix(table)
        there = index >= 0
        table = table.filter(pa.array(there)).add_column(0, full.field(0), pa.array(index[there]))
        scatter.add(table, np.searchsorted(starts, index[there], side="right") - 1)
    scatter.close()
    fresh = scratch / "catalog"
    (fresh / "dataset").mkdir(parents=True)
    rows = 0
    for number, (order, pixel) in enumerate(pixels):
        table = scatter.read(number).sort_by([(_INDEX, "ascending"), (part.NUMBER, "ascending")]).combine_chunks()
        rows += table.num_rows
        path = Path(str(paths.pixel_catalog_file(fresh, HealpixPixel(order, pixel))))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(arrowfile.to_bytes(table))
    _write_hats_metadata(fresh, pixels, rows, name, plan, run)
    if layout.catalog.exists():
        shutil.rmtree(layout.catalog)
    fresh.rename(layout.catalog)
    return rows


def _write_hats_metadata(folder, pixels, rows, name, plan, run):
    from hats.catalog import PartitionInfo, TableProperties
    from hats.io.parquet_metadata import write_parquet_metadata
    from hats.pixel_math import HealpixPixel

    if pixels:
        write_parquet_metadata(folder)
    PartitionInfo.from_healpix([HealpixPixel(*pixel) for pixel in pixels]).write_to_file(catalog_path=folder)
    properties = TableProperties(
        catalog_name=name,
        catalog_type="object",
        total_rows=rows,
        ra_column="ra",
        dec_column="dec",
        healpix_column=_INDEX,
        healpix_order=_INDEX_ORDER,
        hats_builder=f"stellarclass {run['stellarclass_version']}",
        hats_creation_date=plan.created,
        hats_order=max((order for order, _ in pixels), default=0),
        obs_title=f"stellarclass: {run['ensemble']}, classes as {run['label_system']}",
        stellarclass_ensemble=run["ensemble"],
        stellarclass_ensemble_sha256=run["ensemble_sha256"] or "",
        stellarclass_label_system=run["label_system"],
        stellarclass_image_release=run["image_release"],
        stellarclass_astrometry_release=run["astrometry_release"] or "",
    )
    properties.to_properties_file(folder)


def _write_plain(layout, units, schema, targets, scratch):
    scatter = _Scatter(scratch, schema)
    for table in _parts(layout, units):
        scatter.add(table, table[part.NUMBER].to_numpy() // _BLOCK)
    scatter.close()
    with unfinished(layout.table) as path, arrowfile.writer(path, schema) as writer:
        for block in range(-(-targets // _BLOCK)):
            table = scatter.read(block).sort_by(part.NUMBER).combine_chunks()
            writer.write_table(table, row_group_size=arrowfile.ROW_GROUP)


def check(layout, seen, faults):
    """Check the finished output against the parts, as far as there is any.

    Parameters
    ----------
    layout : Layout
    seen : ndarray, shape (N,), uint8
        How often the parts have each target.
    faults : list of str
        What is wrong is added.

    Returns
    -------
    list of str
        What was looked at.
    """
    import pyarrow as pa
    from pyarrow import parquet

    checked = []
    files = sorted((layout.catalog / "dataset").rglob("*.parquet"))
    for what, paths in (("the catalog", files), ("the plain file", [layout.table] if layout.table.is_file() else [])):
        if not paths:
            continue
        checked.append(what)
        count, without = np.zeros(len(seen), np.uint8), 0
        for path in paths:
            try:
                numbers = parquet.read_table(path, columns=[part.NUMBER])[part.NUMBER].to_numpy()
            except (OSError, pa.ArrowException) as err:
                faults.append(f"{path} cannot be read: {err}")
                continue
            inside = (numbers >= 0) & (numbers < len(seen))
            without += np.count_nonzero(~inside)
            np.add.at(count, numbers[inside], np.uint8(1))
        if what == "the catalog":
            placed = np.zeros(len(seen), bool)
            _mark_placed(layout, placed)
            lost = np.count_nonzero(placed & (count == 0))
        else:
            lost = np.count_nonzero(count == 0)
        if lost or without or (count > 1).any():
            doubles = np.count_nonzero(count > 1)
            faults.append(f"{what} lacks {lost} targets, has {doubles} more than once and {without} strangers")
    return checked


def _mark_placed(layout, placed):
    """Which targets have a position, by the plan."""
    import pyarrow as pa
    from pyarrow import parquet

    for path in sorted((layout.root / "targets").rglob("unit-*.parquet")):
        try:
            table = parquet.read_table(path, columns=[part.NUMBER, "ra", "dec"])
        except (OSError, pa.ArrowException):  # that of the parts has said so
            continue
        there = np.isfinite(table["ra"].to_numpy()) & np.isfinite(table["dec"].to_numpy())
        placed[table[part.NUMBER].to_numpy()[there]] = True
