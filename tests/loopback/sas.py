# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""SDSS on loopback: a tree of frames behind the archive's addresses, and what astroquery asks SkyServer for.

with SASServer(tree, catalog=catalog) as server, server.configured():
    server.fail("frame-r-", "truncated")
    ...
    server.requests("frame-r-")
"""

import contextlib
import json
import re
import threading
import zlib
from dataclasses import dataclass
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np

from stellarclass import conf
from stellarclass.archives._hosts import forget_hosts

HTML = b"<!DOCTYPE html>\n<html><head><title>Maintenance</title></head><body>Back soon</body></html>\n"
HANG = 30.0  # seconds; tests end long before
COLUMNS = ("objid", "ra", "dec", "run", "rerun", "camcol", "field", "mode", *(f"psfMag_{b}" for b in "ugriz"))


@dataclass(frozen=True)
class Request:
    """One line of the server's log."""

    method: str
    path: str
    body: bytes = b""
    range: str | None = None


class SASServer:
    """A server on 127.0.0.1 and a free port.

    Parameters
    ----------
    root : path-like
        What is served below ``/sas``.
    catalog : astropy.table.Table, optional
        What SkyServer knows: the columns `COLUMNS`.
    scramble : bool
        Send the rows of a cross-identification in another order than asked for.
    every : bool
        Send every object within the radius, not the nearest primary only.
    sql : loopback.skysql.SkySQL, optional
        What answers SkyServer's SQL search.
    faults : loopback.faults.Faults, optional
        What goes wrong by chance; `fail` goes before.
    """

    def __init__(self, root, *, catalog=None, scramble=False, every=False, sql=None, faults=None):
        self.root, self.catalog, self.sql, self.faults = Path(root), catalog, sql, faults
        self.scramble, self.every = scramble, every
        self.ranges = True  # whether parts of files are sent, and files say which version they are
        self.log, self.most_at_a_time = [], 0
        self._faults, self._at_a_time, self._lock, self._over = [], 0, threading.Lock(), threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"sas": self}))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self):
        forget_hosts()  # whoever had the same port before may have been down
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *unused):
        self._over.set()
        self._server.shutdown()
        self._server.server_close()

    @contextlib.contextmanager
    def configured(self):
        """The package's addresses point here."""
        with conf.set_temp("sas_url", self.url + "/sas"), conf.set_temp("skyserver_url", self.url):
            yield self

    def fail(self, part, fault, *, times=None):
        """Answer requests whose path contains ``part`` with a fault, the first ``times`` times or for ever.

        Faults: an HTTP status, "truncated" (fewer bytes than promised), "short" (fewer bytes, honestly promised),
        "html", "hang", "trickle", "trickle headers", "redirect" (to itself with a query, which is answered), "loop",
        "close", or bytes that are sent instead.
        """
        self._faults.append([part, fault, times])

    def requests(self, part=""):
        """Logged requests whose path contains ``part``."""
        with self._lock:
            return [r for r in self.log if part in r.path]

    def _fault(self, path):
        with self._lock:
            for entry in self._faults:
                part, fault, times = entry
                if part in path and times != 0:
                    entry[2] = None if times is None else times - 1
                    return fault
        return None if self.faults is None else self.faults.draw(path)

    @contextlib.contextmanager
    def _counted(self, request):
        with self._lock:
            self.log.append(request)
            self._at_a_time += 1
            self.most_at_a_time = max(self.most_at_a_time, self._at_a_time)
        try:
            yield
        finally:
            with self._lock:
                self._at_a_time -= 1

    def file(self, path):
        """The file that a path names, or None; never one outside the tree."""
        if not path.startswith("/sas/"):
            return None
        file = (self.root / path.removeprefix("/sas/")).resolve()
        return file if file.is_relative_to(self.root.resolve()) and file.is_file() else None

    def cross_identify(self, form):
        """SkyServer's CSV for a cross-identification."""
        query = form["uquery"]
        wanted = re.fullmatch(r"SELECT\s+(.*) FROM #upload u JOIN #x x .*ORDER BY x\.up_id", query, re.DOTALL)
        wanted = [w.strip() for w in wanted[1].split(",")]
        names = [w.removeprefix("p.") for w in wanted if w.startswith("p.")]
        header, *lines = [line.split() for line in form["upload"].strip().splitlines()]
        assert header == ["name", "ra", "dec"], header
        assert form["photoScope"] == "nearPrim", form
        places = _unit_vectors([float(line[1]) for line in lines], [float(line[2]) for line in lines])
        rows = []
        if self.catalog is not None and len(self.catalog):
            objects = _unit_vectors(self.catalog["ra"], self.catalog["dec"])
            limit = 2 * np.sin(np.radians(float(form["radius"]) / 60) / 2)
            for place in places:
                apart = np.linalg.norm(objects - place, axis=1)
                inside = [k for k in np.argsort(apart) if apart[k] <= limit]
                if not self.every:
                    inside = [k for k in inside if self.catalog["mode"][k] == 1][:1]
                rows += inside
        if self.scramble:
            rows = rows[::-1]
        text = [",".join([*names, "type"])] + [
            ",".join([*(str(self.catalog[n][k]) for n in names), "STAR"]) for k in rows
        ]
        return "#Table1\n" + "\n".join(text) + "\n"


def _unit_vectors(ra, dec):
    ra, dec = np.radians(np.asarray(ra, float)), np.radians(np.asarray(dec, float))
    return np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=-1)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *unused):
        pass

    def handle(self):
        # A client that gives up closes the connection: no news to the server.
        with contextlib.suppress(ConnectionError):
            super().handle()

    def do_GET(self):
        with self.sas._counted(Request("GET", self.path, range=self.headers.get("Range"))):
            parts = urlsplit(self.path)
            if parts.path.endswith("/x_results.aspx"):
                body, kind = self._search(parse_qs(parts.query))
            else:
                file = self.sas.file(parts.path)
                body, kind = (file.read_bytes() if file else None), "application/x-bzip2"
            self._answer(body, kind, file=body is not None and not parts.path.endswith(".aspx"))

    def _search(self, form):
        query = form["cmd"][0]
        table = re.search(r"fDocColumns\('(\w+)'\)", query)
        if table:
            rows = [{"name": name} for name in (COLUMNS if table[1] == "PhotoObjAll" else ("plate", "mjd"))]
            return json.dumps([{"TableName": "Table1", "Rows": rows}]).encode(), "application/json"
        assert form["format"] == ["csv"], form
        with self.sas._lock:
            return self.sas.sql.answer(query).encode(), "text/csv"

    def do_POST(self):
        data = self.rfile.read(int(self.headers["Content-Length"]))
        with self.sas._counted(Request("POST", self.path, data)):
            head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
            form = {
                part.get_param("name", header="content-disposition"): part.get_payload(decode=True).decode()
                for part in message_from_bytes(head + data).get_payload()
            }
            self._answer(self.sas.cross_identify(form).encode(), "text/csv")

    def _answer(self, body, kind, file=False):
        fault = None if "?redirected" in self.path else self.sas._fault(self.path)
        status, headers = 200, {}
        if file and self.sas.ranges:
            headers["ETag"] = f'"{zlib.crc32(body):08x}"'
            start = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
            if start and self.headers.get("If-Range", headers["ETag"]) == headers["ETag"] and int(start[1]) < len(body):
                status, headers["Content-Range"] = 206, f"bytes {start[1]}-{len(body) - 1}/{len(body)}"
                body = body[int(start[1]) :]
        if isinstance(fault, int):
            wait = self.sas.faults.wait_header() if fault == 429 and self.sas.faults else "0"
            self._send(fault, b"no", "text/plain", {"Retry-After": wait} if fault in (429, 503) else {})
        elif fault == "html":
            self._send(200, HTML, "text/html")
        elif fault in ("redirect", "loop"):
            self._send(302, b"", kind, {"Location": self.path + ("?redirected" if fault == "redirect" else "")})
        elif fault == "trickle headers":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
            while not self.sas._over.wait(0.02):
                self.wfile.write(b"z")
            self.close_connection = True
        elif fault == "hang":
            self.sas._over.wait(self.sas.faults.hang_for if self.sas.faults else HANG)
            self.close_connection = True
        elif fault in ("close", "down"):
            self.close_connection = True
        elif isinstance(fault, bytes):
            self._send(200, fault, kind)
        elif body is None:
            self._send(404, b"no such file", "text/plain")
        elif fault == "short":
            self._send(200, body[: len(body) // 2], kind)
        elif fault == "truncated":
            self._send(status, body[: len(body) // 2], kind, headers, promise=len(body))
            self.close_connection = True
        elif fault == "trickle":
            self._send(200, body[:1], kind, promise=len(body))
            for byte in body[1:]:
                if self.sas._over.wait(0.02):
                    break
                self.wfile.write(bytes([byte]))
            self.close_connection = True
        else:
            self._send(status, body, kind, headers)

    def _send(self, status, body, kind, headers=(), promise=None):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body) if promise is None else promise))
        for name, value in dict(headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()
