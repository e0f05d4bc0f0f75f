# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""How long it takes to write an output table as VOTable, beside astropy's own writer.

    python benchmarks/votable.py [--rows N] [--repeat N] > docs/tables/votable.txt

Both write the same table (made up, a tenth of it masked) as BINARY2. What counts is from the table in memory to the
complete file; the data of both files are compared byte by byte. On a machine that others use, the seconds of processor
time say more than those on the clock.
"""

import argparse
import re
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from astropy.io import votable
from astropy.table import Table

import stellarclass
from stellarclass import schema
from stellarclass.tables import write_table


def made_up(rows, *, seed=1):
    """A table with the columns of an output table."""
    rng = np.random.default_rng(seed)
    parts = {}
    for column in schema.columns():
        if column.dtype == "str":
            values = rng.choice(["A", "F", "GK", "FGK"], rows)
        elif column.dtype == "int64":
            values = rng.integers(0, 2**62, rows)
        else:
            values = rng.normal(size=rows)
        parts[column.name] = np.ma.MaskedArray(values, mask=rng.random(rows) < 0.1)
    table = Table(parts)
    for column in schema.columns():
        table[column.name].unit = column.unit or None
        table[column.name].description = column.description
        table[column.name].meta["ucd"] = column.ucd
        if column.dtype == "str":
            table[column.name] = table[column.name].astype(object)
            table[column.name].meta["_votable_string_dtype"] = "char"
            table[column.name][table[column.name].mask] = ""
            table[column.name].mask = table[column.name] == ""
        elif column.dtype == "float64":
            table[column.name].data.data[table[column.name].mask] = np.nan
        else:
            table[column.name].data.data[table[column.name].mask] = -1
    return table


def write_with_astropy(table, path):
    votable.from_table(table).to_xml(str(path), tabledata_format="binary2")


def seconds(write, table, path, repeat):
    """Best of some times on the clock, and in this process."""
    taken = []
    for _ in range(repeat):
        wall, own = time.perf_counter(), time.process_time()
        write(table, path)
        taken.append((time.perf_counter() - wall, time.process_time() - own))
        last = path.read_bytes()
        path.unlink()
    return *map(min, zip(*taken, strict=True)), re.search(rb"<STREAM[^>]*>(.*?)</STREAM>", last, re.DOTALL)[1]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000, metavar="N", help="rows of the table (%(default)s)")
    parser.add_argument(
        "--repeat", type=int, default=3, metavar="N", help="times to write; the best counts (%(default)s)"
    )
    args = parser.parse_args()
    table = made_up(args.rows)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.vot"
        ours, ours_own, data = seconds(write_table, table, path, args.repeat)
        theirs, theirs_own, their_data = seconds(write_with_astropy, table, path, 1)
    size = len(data) * 3 / 4 / 1e6
    made = f"stellarclass {stellarclass.__version__}, {datetime.now(UTC):%Y-%m-%d}"
    print(f"{made}, {args.rows} rows, {len(table.colnames)} columns, {size:.1f} MB")
    print(f"astropy       {theirs:8.2f} s  ({theirs_own:.2f} s of processor)")
    print(f"stellarclass  {ours:8.2f} s  ({ours_own:.2f} s of processor)")
    print(f"ratio         {theirs / ours:8.1f}    ({theirs_own / ours_own:.1f})")
    same = b"".join(data.split()) == b"".join(their_data.split())
    print(f"data          {'identical' if same else 'DIFFERENT'}")
    return 0 if same else 1


if __name__ == "__main__":
    raise SystemExit(main())
