# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The first step: a list of targets of any size becomes units of work, each a few fields and their stars, on disk.

Two passes, neither of which holds the list. The first reads it a piece at a time, finds each target's field, and
scatters the targets over a few hundred files by run and camera column. The second sorts one such file at a time and
cuts it into units. The same list gives the same units, byte for byte.
"""

import contextlib
import os
import re
import shutil
import tempfile
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import numpy as np

from .. import __version__
from .._progress import progress_bar
from ..archives.base import FieldKey
from ..archives.objid import known_fields
from ..exceptions import InputError
from . import arrowfile, targetfile
from .fieldlist import FieldList
from .layout import FORMAT, Layout, digest, read_json, write_bytes, write_json
from .reading import describe_source, read_list

__all__ = ["SurveyPlan", "load_plan", "plan_survey"]

FIELDS_PER_UNIT = 16
"""Fields in a unit of work: a minute or two, which is what a kill costs."""

STARS_PER_UNIT = 4096
"""Most stars in a unit; a field that has more is shared by several."""

_BUCKETS = 256
_UNPLACED = _BUCKETS  # the bucket of targets without a field


@dataclass(frozen=True)
class SurveyPlan:
    """What is to be done.

    Attributes
    ----------
    targets : int
        Stars in the list.
    placed : int
        Those with a field; the others come out flagged.
    fields : int
        Fields that have to be opened.
    units : int
        Units of work, each of which becomes one part of the output.
    fields_per_unit, stars_per_unit : int
        Limits of a unit.
    source : str
        What the list is called.
    units_sha256 : str
        Digest of the table of units, which holds those of the targets: of all that there is to do.
    created : str
        UTC date and time, ISO 8601.
    stellarclass_version : str
        Version that planned.
    format : int
        Version of the layout on disk.
    """

    targets: int
    placed: int
    fields: int
    units: int
    fields_per_unit: int
    stars_per_unit: int
    source: str
    units_sha256: str
    created: str
    stellarclass_version: str
    format: int = FORMAT


def plan_survey(
    source,
    folder,
    *,
    coords=None,
    field_list=None,
    images=None,
    fields_per_unit=FIELDS_PER_UNIT,
    stars_per_unit=STARS_PER_UNIT,
    progress=None,
):
    """Partition a list of targets by SDSS field, and write the units of work.

    Each target's field comes from its own columns ``run``, ``camcol`` and ``field``, else from its ``objid``, else
    from its position: by ``field_list``, or by ``images``.

    Parameters
    ----------
    source : `~astropy.coordinates.SkyCoord`, `~astropy.table.Table`, path-like, or TapQuery
        The targets: positions; a table; a file that `stellarclass.tables.read_table` or astropy reads; a Parquet file,
        a folder of such, or a HATS catalog, which are read piece by piece; a query.
    folder : path-like
        Where the survey is to live; there must not be one yet.
    coords : str or tuple of str, optional
        Names of the position columns.
    field_list : path-like, `~astropy.table.Table` or FieldList, optional
        Where the fields lie, see `~stellarclass.survey.fieldlist.FieldList`.
    images : `~stellarclass.archives.ImageSource`, optional
        Who is asked for fields by position if there is no ``field_list``: a `~stellarclass.archives.LocalSAS` looks at
        its own frames; `~stellarclass.archives.SDSS` asks SkyServer about each position, which is for short lists.
    fields_per_unit, stars_per_unit : int, optional
        Limits of a unit of work.
    progress : bool, optional
        Whether to show a progress bar; by default on a terminal and in a notebook only.

    Returns
    -------
    SurveyPlan

    Raises
    ------
    stellarclass.exceptions.InputError
        If there is a survey in ``folder`` already, or somebody else's ``targets``, the list is empty or cannot be
        understood, or a target has nothing but a position and there is neither ``field_list`` nor ``images``.
    """
    layout = Layout(folder)
    if layout.plan.exists():
        raise InputError(f"{layout.root} has a plan already; choose another folder, or remove this one")
    for name, value in (("fields_per_unit", fields_per_unit), ("stars_per_unit", stars_per_unit)):
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
            raise InputError(f"{name} must be a positive whole number, not {value!r}")
    if field_list is not None and not isinstance(field_list, FieldList):
        field_list = FieldList(field_list)
    layout.root.mkdir(parents=True, exist_ok=True)
    _clear(layout)
    with tempfile.TemporaryDirectory(prefix=".plan-", dir=layout.root) as scratch:
        buckets = _Buckets(Path(scratch))
        with progress_bar(None, enabled=progress, desc="Targets", unit="target") as bar, buckets:
            number = 0
            for targets in read_list(source, coords=coords):
                targets = _located(targets, field_list, images)
                buckets.add(np.arange(number, number + len(targets)), targets)
                number += len(targets)
                bar.update(len(targets))
        if number == 0:
            raise InputError(f"there are no targets in {describe_source(source)}")
        units, fields, placed = _write_units(layout, buckets, int(fields_per_unit), int(stars_per_unit))
    arrowfile.write(layout.fields, _table(fields))
    arrowfile.write(layout.units, _table(units))
    plan = SurveyPlan(
        targets=number,
        placed=placed,
        fields=len({key[:4] for key in zip(*(fields[name] for name in targetfile.FIELD), strict=True)}),
        units=len(units["unit"]),
        fields_per_unit=int(fields_per_unit),
        stars_per_unit=int(stars_per_unit),
        source=describe_source(source),
        units_sha256=digest(layout.units),
        created=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        stellarclass_version=__version__,
    )
    if hasattr(os, "sync"):  # not on Windows
        os.sync()  # the plan says that all of it is there
    write_json(layout.plan, asdict(plan))
    return plan


def load_plan(folder):
    """Read the plan of a survey.

    Parameters
    ----------
    folder : path-like
        The survey's folder.

    Returns
    -------
    plan : SurveyPlan
    units : dict of str to ndarray
        ``unit``, ``rows``, ``fields``, and ``sha256`` of the file of targets, one entry a unit.

    Raises
    ------
    stellarclass.exceptions.InputError
        If there is no plan, or it is damaged.
    """
    from pyarrow import parquet

    layout = Layout(folder)
    content = read_json(layout.plan)
    if content is None:
        raise InputError(f"there is no plan in {layout.root}; stellarclass survey plan makes one")
    if content.get("format") != FORMAT:
        raise InputError(f"{layout.plan} has format {content.get('format')!r}, this version reads {FORMAT}")
    try:
        plan = SurveyPlan(**content)
        if digest(layout.units) != plan.units_sha256:
            raise InputError(f"{layout.units} is not the one that was planned; plan anew")
    except (TypeError, FileNotFoundError) as err:
        raise InputError(f"the plan in {layout.root} is damaged ({err}); plan anew") from err
    table = parquet.read_table(layout.units)
    return plan, {name: table[name].to_numpy() for name in table.column_names}


def _clear(layout):
    """Remove what a plan that was interrupted has left, and nothing else."""
    folder = layout.root / "targets"
    for path in folder.rglob("*"):
        if not path.is_dir() and not re.fullmatch(r"unit-\d{7}\.parquet|\.unfinished-.*", path.name):
            raise InputError(f"{path} is not of a plan; choose another folder for the survey, or move it out of there")
    for old in (folder, *layout.root.glob(".plan-*")):
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(old)


def _located(targets, field_list, images):
    """Targets with their fields, or flags that say why not."""
    if field_list is None and images is not None:
        return images.locate(targets, progress=False)
    targets, todo = known_fields(targets)
    rows = np.flatnonzero(todo)
    if len(rows):
        if field_list is None:
            raise InputError(
                f"{len(rows)} targets have neither an SDSS objid nor run, camcol, field; where their fields lie is "
                "told by field_list (--field-list: SDSS's window_flist.fits) or images (--images: a tree of frames)"
            )
        field_list.locate(targets, rows)
    return targets


class _Buckets:
    """Targets scattered over files by run and camera column, which keeps a field's together and neighbors close."""

    def __init__(self, folder):
        self.folder, self._writers, self._files = folder, {}, {}

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        for writer in self._writers.values():
            writer.close()
        for file in self._files.values():
            file.close()

    def add(self, numbers, targets):
        bucket = np.where(targetfile.is_placed(targets), (targets.run * 6 + targets.camcol - 1) % _BUCKETS, _UNPLACED)
        order = np.argsort(bucket, kind="stable")
        edges = np.flatnonzero(np.diff(bucket[order])) + 1
        for rows in np.split(order, edges):
            if len(rows):
                self._writer(int(bucket[rows[0]])).write_table(targetfile.to_arrow(numbers[rows], targets[rows]))

    def _writer(self, bucket):
        import pyarrow as pa

        if bucket not in self._writers:
            # A stream keeps nothing in memory of what has been written, as Parquet's footer would.
            self._files[bucket] = open(self.folder / f"{bucket}.arrows", "wb")
            self._writers[bucket] = pa.ipc.new_stream(self._files[bucket], targetfile.schema())
        return self._writers[bucket]

    def tables(self, bucket, most):
        """What is in a bucket: all of it at once, sorted by field and number; of the last bucket, piece by piece."""
        import pyarrow as pa

        path = self.folder / f"{bucket}.arrows"
        if not path.is_file():
            return
        with pa.OSFile(str(path)) as file, pa.ipc.open_stream(file) as stream:
            if bucket == _UNPLACED:
                for batch in stream:
                    for start in range(0, batch.num_rows, most):
                        yield pa.Table.from_batches([batch.slice(start, most)])
            else:
                keys = [(name, "ascending") for name in ("rerun", "run", "camcol", "field", "target")]
                yield stream.read_all().sort_by(keys)


def _write_units(layout, buckets, most_fields, most_stars):
    """Cut the buckets into units and write them; tables of units and fields, and how many targets have a field."""
    units = {name: [] for name in ("unit", "rows", "fields", "sha256")}
    fields = {name: [] for name in (*targetfile.FIELD, "stars", "unit")}
    placed = 0
    for bucket in range(_BUCKETS + 1):
        for table in buckets.tables(bucket, most_stars):
            for start, stop, groups in _cuts(table, most_fields, most_stars, named=bucket != _UNPLACED):
                unit = len(units["unit"])
                content = arrowfile.to_bytes(table.slice(start, stop - start).combine_chunks())
                write_bytes(layout.targets(unit), content, durable=False)
                row = {"unit": unit, "rows": stop - start, "fields": len(groups), "sha256": digest(content)}
                for name, value in row.items():
                    units[name].append(value)
                for key, stars in groups:
                    for name, value in zip(fields, (*key, stars, unit), strict=True):
                        fields[name].append(value)
            placed += 0 if bucket == _UNPLACED else table.num_rows
    return units, fields, placed


def _cuts(table, most_fields, most_stars, *, named):
    """Where to cut a sorted table into units: (start, stop, [(field, stars)])."""
    n = table.num_rows
    if not named:
        yield 0, n, []
        return
    keys = np.stack([table[name].to_numpy() for name in targetfile.FIELD], axis=1)
    edges = np.r_[0, np.flatnonzero((np.diff(keys, axis=0) != 0).any(axis=1)) + 1, n]
    start, groups = 0, []
    for first, last in pairwise(edges):
        key = FieldKey(*map(int, keys[first]))
        for begin in range(first, last, most_stars):
            end = min(begin + most_stars, last)
            if groups and (len(groups) == most_fields or end - start > most_stars):
                yield int(start), int(begin), groups
                start, groups = begin, []
            groups.append((key, int(end - begin)))
    yield int(start), int(n), groups


def _table(columns):
    import pyarrow as pa

    kinds = {name: pa.string() if name == "sha256" else pa.int64() for name in columns}
    return pa.table({name: pa.array(values, kinds[name]) for name, values in columns.items()})
