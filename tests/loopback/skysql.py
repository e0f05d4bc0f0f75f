# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`SkySQL`: SkyServer's SQL search over tables of truth, run by SQLite.

What it runs is the query it is sent: TOP becomes LIMIT, and nothing else is changed but the identifiers of spectra,
which are wider than SQLite's integers and are kept as texts of 20 digits.
"""

import re
import sqlite3
import weakref

import numpy as np

BANDS = "ugriz"
SPECTRA = (
    "specObjID", "bestObjID", "class", "subClass", "zWarning", "snMedian", "plate", "mjd", "fiberID",
)  # fmt: skip
OBJECTS = (
    "objID", "ra", "dec", "run", "rerun", "camcol", "field", "mjd", "flags", "type", "clean",
    *(f"psfMag_{b}" for b in BANDS), *(f"psfMagErr_{b}" for b in BANDS),
)  # fmt: skip
FIELDS = ("fieldID", "run", "rerun", "camcol", "field", "raMin", "raMax", "decMin", "decMax")
MOST_ROWS = 500_000  # SkyServer's own limit


class SkySQL:
    """SkyServer's tables SpecObj and PhotoObj, or Field.

    Parameters
    ----------
    spectra, objects, fields : astropy.table.Table, optional
        With the columns `SPECTRA`, `OBJECTS` and `FIELDS`, in SkyServer's spelling; others are left out.
    most_rows : int
        Rows that no TOP exceeds.
    """

    def __init__(self, spectra=None, objects=None, *, fields=None, most_rows=MOST_ROWS):
        self.most_rows = most_rows
        self._database = sqlite3.connect(":memory:", check_same_thread=False)
        weakref.finalize(self, self._database.close)  # Python 3.13 warns of one that is left open
        tables = (("SpecObj", spectra, SPECTRA), ("PhotoObj", objects, OBJECTS), ("Field", fields, FIELDS))
        for name, table, columns in tables:
            if table is not None:
                self._load(name, table, columns)
        if objects is not None:
            self._database.execute("CREATE INDEX by_objid ON PhotoObj (objID)")

    def _load(self, name, table, columns):
        self._database.execute(f"CREATE TABLE {name} ({', '.join(columns)})")
        values = [
            [f"{v:020d}" for v in np.asarray(table[c]).tolist()] if c == "specObjID" else np.asarray(table[c]).tolist()
            for c in columns
        ]
        places = ",".join("?" * len(columns))
        self._database.executemany(f"INSERT INTO {name} VALUES ({places})", zip(*values, strict=True))  # noqa: S608

    def answer(self, query):
        """The CSV that SkyServer sends."""
        try:
            header, rows = self._run(query)
        except (sqlite3.Error, ValueError) as error:
            return f"#Table1\nerror_message\n{error}\n"
        lines = [",".join(header), *(",".join(map(str, row)) for row in rows)]
        return "#Table1\n" + "\n".join(lines) + "\n"

    def _run(self, query):
        top = re.match(r"\s*SELECT\s+TOP\s+(\d+)\s+(.*)", query, re.DOTALL)
        if not top:
            raise ValueError(f"Incorrect syntax: {query}")
        limit, rest = min(int(top[1]), self.most_rows), top[2]
        rest = re.sub(r"(specObjID\s*[<>=]+\s*)(\d+)", lambda m: f"{m[1]}'{int(m[2]):020d}'", rest)
        # One statement, which reads: what a client slips in after a semicolon is an error, as on SkyServer.
        cursor = self._database.cursor().execute(f"SELECT {rest} LIMIT {limit}")
        names = [d[0] for d in cursor.description]
        wide = [k for k, name in enumerate(names) if name.lower() == "specobjid"]
        return names, [[int(v) if k in wide else v for k, v in enumerate(row)] for row in cursor]
