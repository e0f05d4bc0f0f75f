# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Arrow tables as Parquet files: whole, and the same bytes for the same table."""

from . import layout

__all__ = ["to_bytes", "write", "writer"]

# Fixed, so that bytes do not depend on the defaults of the day. Statistics let readers skip row groups.
ROW_GROUP = 65_536
_OPTIONS = {
    "compression": "zstd",
    "compression_level": 3,
    "version": "2.6",
    "data_page_version": "1.0",
    "row_group_size": ROW_GROUP,
    "use_dictionary": True,
    "write_statistics": True,
    "store_schema": True,
}


def to_bytes(table):
    """The content of a Parquet file.

    Parameters
    ----------
    table : pyarrow.Table

    Returns
    -------
    bytes
        The same for the same table, with one version of pyarrow.
    """
    import pyarrow as pa
    from pyarrow import parquet

    sink = pa.BufferOutputStream()
    parquet.write_table(table, sink, **_OPTIONS)
    return sink.getvalue().to_pybytes()


def write(path, table):
    """Write a Parquet file that appears whole.

    Parameters
    ----------
    path : `~pathlib.Path`
    table : pyarrow.Table
    """
    layout.write_bytes(path, to_bytes(table))


def writer(path, schema):
    """A Parquet file to which row groups are added, with the same options.

    Parameters
    ----------
    path : path-like
    schema : pyarrow.Schema

    Returns
    -------
    pyarrow.parquet.ParquetWriter
    """
    from pyarrow import parquet

    options = {k: v for k, v in _OPTIONS.items() if k != "row_group_size"}
    return parquet.ParquetWriter(path, schema, **options)
