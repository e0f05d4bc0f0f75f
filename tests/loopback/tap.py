# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`MicroTAP`: a TAP service in the test's own process, on loopback. Synchronous queries with inline uploads, no more.

ADQL is parsed by queryparser (the Leibniz Institute's ADQL parser) into PostgreSQL with pgSphere; two regular
expressions make that SQLite. The parser takes seconds for a long query: a service that is not there to check ADQL does
without (``parse=False``). Faults are ordered in advance: ``service.faults.append("hang")`` spoils the next answer.
"""

import email.parser
import email.policy
import functools
import http.server
import io
import itertools
import math
import re
import sqlite3
import threading
import urllib.parse
from collections import deque
from contextlib import closing
from dataclasses import dataclass

import numpy as np
from astropy.io.votable import from_table, parse_single_table
from astropy.io.votable.tree import Info
from astropy.table import Column, MaskedColumn, Table

from stellarclass.archives._hosts import forget_hosts

VOTABLE = "application/x-votable+xml"
HTML = b"<!DOCTYPE html><html><head><title>Down for maintenance</title></head><body>Back soon</body></html>"
ELSEWHERE = b"""<VOTABLE version="1.4"><RESOURCE type="results"><TABLE><FIELD name="ra" datatype="double"/>
<DATA><BINARY><STREAM href="file:///etc/passwd"/></BINARY></DATA></TABLE></RESOURCE></VOTABLE>"""


@dataclass(frozen=True)
class Request:
    """What a client sent: path, parameters (upper-case names) and uploads (Tables by name)."""

    path: str
    parameters: dict
    uploads: dict


class MicroTAP:
    """A TAP service over SQLite.

    Parameters
    ----------
    tables : dict of str to Table
        By qualified name, such as ``"gaiadr3.gaia_source"``, or quoted as ``'"V/156/dr7lrs"'``.
    hard_limit : int
        Rows that no MAXREC exceeds.
    parse : bool
        Whether to parse queries, or to take them for SQL but for their circles.

    Attributes
    ----------
    url : str
        Address of the service while the ``with`` block lasts.
    requests : list of Request
        What was asked, in order.
    faults : collections.deque of str
        Names of what goes wrong with the next requests, first in first out; ``"none"`` lets one pass:
        ``"500"`` and ``"503"`` (plain text), ``"hang"`` (no answer), ``"drip"`` (a byte now and then),
        ``"drip headers"`` (the same, before the answer has begun), ``"truncated"``
        (XML that stops, the connection closed in good order), ``"reset"`` (fewer bytes than announced), ``"html"``
        (status 200), ``"huge"`` (an answer without end), ``"error"`` and ``"error 500"`` (a TAP error with status 400
        or 500), ``"late error"`` (rows, then a TAP error), ``"silent"`` (cut at MAXREC without saying so),
        ``"columns"`` (another table), ``"targets"`` (other targets), ``"elsewhere"`` (rows by reference).
    poison : tuple of (float, str) or None
        A right ascension, and what goes wrong with each query that has it in its upload.
    """

    def __init__(self, tables, *, hard_limit=100_000, parse=True):
        self._tables = {name.lower(): table for name, table in tables.items()}
        self._hard_limit, self._translate = hard_limit, translate if parse else replace_circles
        self._closing = threading.Event()
        self.requests, self.faults, self.poison = [], deque(), None

    def __enter__(self):
        forget_hosts()  # whoever had the same port before may have been down
        service, self._one_query = self, threading.Lock()
        self._database = sqlite3.connect(":memory:", check_same_thread=False)
        self._database.create_function("gcdist", 4, _distance, deterministic=True)
        for name, table in self._tables.items():
            _load(self._database, name, table)

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                service._answer(self)

            def log_message(self, *args):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.block_on_close = True
        self._server.daemon_threads = False
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/tap"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        return self

    def __exit__(self, *exc_info):
        self._closing.set()  # releases what hangs
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._database.close()

    # --- HTTP

    def _answer(self, handler):
        handler.close_connection = True
        parameters, files = _form(handler)
        uploads = {}
        for item in filter(None, parameters.get("UPLOAD", "").split(";")):
            name, _, part = item.partition(",param:")
            uploads[name] = parse_single_table(io.BytesIO(files[part])).to_table()
        self.requests.append(Request(handler.path, parameters, uploads))
        fault = self.faults.popleft() if self.faults else "none"
        if self.poison and any(self.poison[0] in table["target_ra"] for table in uploads.values()):
            fault = self.poison[1]
        if handler.path != "/tap/sync":
            _send(handler, 404, b"no such resource", "text/plain")
        elif fault in ("500", "503"):
            _send(handler, int(fault), b"something broke", "text/plain")
        elif fault == "html":
            _send(handler, 200, HTML, "text/html; charset=utf-8")
        elif fault == "hang":
            self._closing.wait(30)
        elif fault == "drip headers":
            self._write(handler, itertools.chain([b"HTTP/1.1 200 OK\r\nX-Slow: "], itertools.repeat(b"z")), pause=0.02)
        elif fault in ("drip", "huge"):
            self._endless(handler, pause=0.02 if fault == "drip" else 0)
        else:
            status, body = self._execute(parameters, uploads, fault)
            if fault == "truncated":
                body = body[: len(body) * 2 // 3]
            _send(handler, status, body, VOTABLE, announce=len(body) + 1000 if fault == "reset" else len(body))

    def _endless(self, handler, pause):
        handler.send_response(200)
        handler.send_header("Content-Type", VOTABLE)
        handler.end_headers()
        self._write(handler, itertools.repeat(b" " if pause else b" " * 65536), pause)

    def _write(self, handler, pieces, pause):
        try:
            for piece in pieces:
                handler.wfile.write(piece)
                if self._closing.wait(pause):
                    break
        except OSError:  # the client has had enough
            pass

    def _execute(self, parameters, uploads, fault):
        if fault.startswith("error"):
            return 500 if fault == "error 500" else 400, _votable(error="Column not found: parallaxe")
        if fault == "elsewhere":
            return 200, ELSEWHERE
        if fault == "columns":
            return 200, _votable(Table({"target_id": [0], "source_id": [1]}))
        limit = min(int(parameters.get("MAXREC", self._hard_limit)), self._hard_limit)
        try:
            table, overflow = self._run(parameters["QUERY"], uploads, limit)
        except Exception as error:  # as a service does: whatever it is, the client is told
            return 400, _votable(error=f"{type(error).__name__}: {error}")
        if fault == "targets":
            table["target_id"] += 1_000_000
        return 200, _votable(
            table,
            overflow=overflow and fault != "silent",
            late_error="the database went away" if fault == "late error" else None,
        )

    # --- queries

    def _run(self, adql, uploads, limit):
        sql, uploads = self._translate(adql), {f"tap_upload.{name.lower()}": table for name, table in uploads.items()}
        tables = [*self._tables.values(), *uploads.values()]
        columns = {column.name.lower(): column for table in tables for column in table.itercols()}
        with self._one_query, closing(self._database.cursor()) as cursor:
            try:
                for name, table in uploads.items():
                    _load(self._database, name, table)
                cursor.execute(sql)
                rows = cursor.fetchmany(limit + 1)
                names = [d[0].lower() for d in cursor.description]
            finally:
                cursor.close()
                self._database.commit()
                if uploads:
                    self._database.execute("DETACH tap_upload")
        result = Table()
        for k, name in enumerate(names):
            values = [row[k] for row in rows[:limit]]
            column = columns[name] if name in columns else _guess(values)
            mask = [v is None for v in values]
            data = np.array([column.dtype.type() if v is None else v for v in values], column.dtype)
            result[name] = MaskedColumn(data, mask=mask, unit=column.unit) if any(mask) else data
        return result, len(rows) > limit


def _guess(values):
    """A column for values under a name that no table has."""
    known = [v for v in values if v is not None]
    return Column(np.array(known if known else [0.0]))


def _form(handler):
    """Parameters and files of a POST, urlencoded or multipart."""
    body = handler.rfile.read(int(handler.headers["Content-Length"]))
    kind = handler.headers["Content-Type"]
    if not kind.startswith("multipart/form-data"):
        return {k.upper(): v for k, v in urllib.parse.parse_qsl(body.decode())}, {}
    message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(
        b"Content-Type: " + kind.encode() + b"\r\n\r\n" + body
    )
    parameters, files = {}, {}
    for part in message.iter_parts():
        name = part.get_param("name", header="content-disposition")
        content = part.get_payload(decode=True)
        if part.get_filename():
            files[name] = content
        else:
            parameters[name.upper()] = content.decode().strip()
    return parameters, files


def _send(handler, status, body, kind, announce=None):
    handler.send_response(status)
    handler.send_header("Content-Type", kind)
    handler.send_header("Content-Length", str(len(body) if announce is None else announce))
    handler.send_header("Connection", "close")
    handler.end_headers()
    handler.wfile.write(body)


def _load(database, name, table):
    schema, _, bare = (name if "." in name else f"main.{name}").rpartition(".")
    if schema not in {row[1] for row in database.execute("PRAGMA database_list")}:
        database.execute(f"ATTACH ':memory:' AS {schema}")
    names = [c.lower() for c in table.colnames]
    database.execute(f"CREATE TABLE {name} ({', '.join(repr(n) for n in names)})")
    missing = [_missing(column) for column in table.itercols()]
    columns = [
        [None if m else v for v, m in zip(np.ma.getdata(column).tolist(), mask, strict=True)]
        for column, mask in zip(table.itercols(), missing, strict=True)
    ]
    places = ",".join("?" * len(columns))
    database.executemany(f"INSERT INTO {name} VALUES ({places})", zip(*columns, strict=True))  # noqa: S608
    for column in {"dec", "dej2000", "de_icrs"}.intersection(names):
        database.execute(f"CREATE INDEX {schema}.by_{id(table)} ON {bare} ({column})")


def _missing(column):
    mask = np.ma.getmaskarray(np.ma.asarray(column))
    return mask | ~np.isfinite(np.ma.getdata(column)) if column.dtype.kind == "f" else mask


ARGUMENT = r"((?:[^(),]|\([^()]*\))+?)"
# The band of declination lets SQLite use its index; great-circle distance decides.
INSIDE = r"(\2 BETWEEN (\4) - (\5) AND (\4) + (\5) AND gcdist(\1, \2, \3, \4) <= \5)"


@functools.lru_cache  # the parser takes a second
def translate(adql):
    """The few forms of ADQL that are needed here, as SQLite has them."""
    from queryparser.adql import ADQLQueryTranslator

    sql = ADQLQueryTranslator(adql).to_postgresql().rstrip(";")
    point = rf"spoint\(RADIANS\({ARGUMENT}\), RADIANS\({ARGUMENT}\)\)"
    sql = re.sub(rf"{point} @ scircle\({point}, RADIANS\({ARGUMENT}\)\)", INSIDE, sql)
    if "spoint" in sql:
        raise ValueError(f"this little service cannot run {adql}")
    return sql


def replace_circles(adql):
    """The same without a parser: what is asked for by circle, as SQLite has it."""
    point = rf"POINT\('ICRS', {ARGUMENT}, {ARGUMENT}\)"
    circle = rf"CIRCLE\('ICRS', {ARGUMENT}, {ARGUMENT}, {ARGUMENT}\)"
    sql = re.sub(rf"1 = CONTAINS\({point}, {circle}\)", INSIDE, adql)
    if "CONTAINS" in sql:
        raise ValueError(f"this little service cannot run {adql}")
    return sql


def _distance(ra, dec, other_ra, other_dec):
    if None in (ra, dec, other_ra, other_dec):
        return None
    ra, dec, other_ra, other_dec = map(math.radians, (ra, dec, other_ra, other_dec))
    haversine = (
        math.sin((other_dec - dec) / 2) ** 2 + math.cos(dec) * math.cos(other_dec) * math.sin((other_ra - ra) / 2) ** 2
    )
    return math.degrees(2 * math.asin(min(1.0, math.sqrt(haversine))))


def _votable(table=None, *, overflow=False, error=None, late_error=None):
    votable = from_table(Table({"nothing": [0]})[:0] if table is None else table)
    resource = votable.resources[0]
    resource.type = "results"
    resource.infos.append(Info(name="QUERY_STATUS", value="ERROR" if error else "OK"))
    resource.infos[0].content = error
    if error:
        resource.tables.clear()
    buffer = io.BytesIO()
    votable.to_xml(buffer, tabledata_format="binary")
    body = buffer.getvalue()
    if overflow:
        body = body.replace(b"</RESOURCE>", b'<INFO name="QUERY_STATUS" value="OVERFLOW"/></RESOURCE>')
    if late_error:
        last = f'<INFO name="QUERY_STATUS" value="ERROR">{late_error}</INFO></RESOURCE>'
        body = body.replace(b"</RESOURCE>", last.encode())
    return body
