# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Target lists of any size, piece by piece: tables, Parquet, HATS catalogs, TAP queries.

Parquet is read row group by row group, and of it only the columns that a target has; nothing else grows with the list.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.coordinates import SkyCoord
from astropy.table import Column, MaskedColumn, Table, meta

from ..archives.base import BANDS
from ..columns import find_column, find_positions
from ..exceptions import InputError
from ..tables import check_table_file, read_table, table_format
from ..targets import parse_targets

__all__ = ["TapQuery", "read_list"]

CHUNK = 65_536
"""Targets at a time."""

_KNOWN = (
    *("objid", "source_id", "run", "rerun", "camcol", "field", "ref_epoch", "pmra", "pmdec"),
    *(f"psfmag_{band}" for band in BANDS),
)
_HATS_FILES = ("hats.properties", "properties")


@dataclass(frozen=True)
class TapQuery:
    """A query whose answer is the list of targets.

    The answer must be whole: one that the service cuts is refused. It is held in memory; a list of many millions is
    better fetched as a file, in an asynchronous job.

    Attributes
    ----------
    url : str
        Address of a TAP service.
    query : str
        ADQL, sent as it is.
    """

    url: str
    query: str


def read_list(source, *, coords=None, chunk=CHUNK):
    """Read a list of targets, a piece at a time.

    Parameters
    ----------
    source : `~astropy.coordinates.SkyCoord`, `~astropy.table.Table`, path-like, or TapQuery
        Positions; a table; a file that `stellarclass.tables.read_table` or astropy reads; a Parquet file; a HATS
        catalog, or a folder of Parquet files, in the order of their names.
    coords : str or tuple of str, optional
        Names of the position columns, as in `~stellarclass.targets.parse_targets`.
    chunk : int
        Most targets in a piece.

    Yields
    ------
    Targets

    Raises
    ------
    stellarclass.exceptions.InputError
        If there is nothing of that name, or it cannot be understood.

    Examples
    --------
    >>> from astropy.table import Table
    >>> from stellarclass.survey.reading import read_list
    >>> [len(targets) for targets in read_list(Table({"ra": [1.0, 2, 3], "dec": [4.0, 5, 6]}), chunk=2)]
    [2, 1]
    """
    if isinstance(source, (Table, SkyCoord)):
        yield from _pieces(parse_targets(source, coords=coords), chunk)
    elif isinstance(source, TapQuery):
        from ..archives.tapquery import fetch_table

        yield from _pieces(parse_targets(fetch_table(source.url, source.query), coords=coords), chunk)
    else:
        yield from _from_path(Path(source).expanduser(), coords, chunk)


def describe_source(source):
    """What a list of targets is called in a plan.

    Parameters
    ----------
    source : object
        As `read_list` takes it.

    Returns
    -------
    str
    """
    if isinstance(source, TapQuery):
        return f"{source.query} ({source.url})"
    return f"a {type(source).__name__}" if isinstance(source, (Table, SkyCoord)) else str(source)


def _pieces(targets, chunk):
    for start in range(0, len(targets), chunk):
        yield targets[start : start + chunk]


def _from_path(path, coords, chunk):
    if path.is_dir():
        files, ours = _leaves(path)
        for file in files:
            yield from _from_parquet(file, coords or ours, chunk, degrees=coords is None and ours is not None)
    elif not path.is_file():
        raise InputError(f"there is no list of targets {path}")
    elif path.suffix.lower() in (".parquet", ".pq"):
        yield from _from_parquet(path, coords, chunk)
    else:
        yield from _pieces(parse_targets(_whole_table(path), coords=coords), chunk)


def _whole_table(path):
    try:
        table_format(path)
    except InputError:
        try:
            check_table_file(path)
            return Table.read(path, **({"format": "ascii.csv"} if path.suffix.lower() == ".csv" else {}))
        except InputError:
            raise
        except Exception as err:  # readers have many ways to say that a file is not their kind
            reason = str(err).strip().splitlines() or [type(err).__name__]
            raise InputError(f"cannot read {path} as a table: {reason[0]}") from err
    return read_table(path)


def _leaves(folder):
    """Parquet files of a folder in a fixed order, and the position columns if it is a HATS catalog."""
    ours = None
    for name in _HATS_FILES:
        if (folder / name).is_file():
            lines = (folder / name).read_text("utf-8").splitlines()
            pairs = dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
            ra, dec = (pairs.get(f"hats_col_{kind}", "").strip() for kind in ("ra", "dec"))
            ours = (ra, dec) if ra and dec else None
            break
    start = folder / "dataset" if ours and (folder / "dataset").is_dir() else folder
    files = sorted(path for path in start.rglob("*.parquet") if not path.name.startswith(("_", ".")))
    if not files:
        raise InputError(f"there are no Parquet files in {folder}")
    return files, ours


def _from_parquet(path, coords, chunk, *, degrees=False):
    import pyarrow as pa
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            like = _empty_table(file.schema_arrow)
            names, archival = find_positions(like, coords=coords)
            if len(names) != 2:
                raise InputError(f"{path} has positions in one column; name a pair, right ascension and declination")
            wanted = {*names, *(found for name in _KNOWN if (found := find_column(like, name)))}
            wanted = [name for name in like.colnames if name in wanted]
            for batch in file.iter_batches(batch_size=chunk, columns=wanted):
                if batch.num_rows:
                    yield parse_targets(_as_table(batch, like, names if archival or degrees else ()), coords=names)
    except pa.ArrowException as err:
        raise InputError(f"cannot read {path} as Parquet: {err}") from err


def _empty_table(schema):
    """Columns of a Parquet file without a row, with the units and UCDs that astropy or we have noted there."""
    noted = {}
    if yaml := (schema.metadata or {}).get(b"table_meta_yaml"):
        noted = {c["name"]: c for c in meta.get_header_from_yaml(yaml.decode().split("\n"))["datatype"]}
    like = Table()
    for column in schema:
        text = str(column.type)
        if not text.startswith(("int", "uint", "float", "double", "string", "large_string")):
            continue
        ours = {k.decode(): v.decode() for k, v in (column.metadata or {}).items()}
        about = noted.get(column.name, ours)
        kind = "U1" if "string" in text else {"double": "f8", "float": "f4", "halffloat": "f2"}.get(text, text)
        ucd = (about.get("meta") or {}).get("ucd") if "meta" in about else about.get("ucd")
        like[column.name] = Column(np.zeros(0, kind), unit=about.get("unit") or None, meta={"ucd": ucd} if ucd else {})
    return like


def _as_table(batch, like, archival):
    """A batch of rows as an astropy table."""
    table = Table()
    for name, values in zip(batch.schema.names, batch.columns, strict=True):
        missing = np.asarray(values.is_null())
        kind, unit = like[name].dtype.kind, like[name].unit
        # What is null becomes zero under a mask: integers must not become floats on the way.
        values = values.fill_null("" if kind == "U" else 0).to_numpy(zero_copy_only=False)
        if kind == "U":
            values = values.astype(str)
        if name in archival and unit is None and kind != "U":
            unit = "deg"
        table[name] = MaskedColumn(values, mask=missing, unit=unit, meta=dict(like[name].meta))
    return table
