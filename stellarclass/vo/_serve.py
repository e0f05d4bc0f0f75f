# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""A table at an address of its own on loopback, for as long as its readers need."""

import shutil
import tempfile
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from secrets import token_urlsafe
from urllib.parse import quote

from ..tables import write_table

__all__ = ["served_tables"]

_TYPES = {"votable": ("vot", "application/x-votable+xml"), "fits": ("fits", "application/fits")}


@contextmanager
def served_tables(table):
    """Write a table in the formats that are asked for, each once, and serve it.

    A file would have to stay for ever: TOPCAT opens FITS files again and again, long after it said that it had read
    them. What comes from an address, it copies.

    Parameters
    ----------
    table : `~astropy.table.Table`

    Yields
    ------
    callable
        Takes a format, ``"votable"`` or ``"fits"``, and returns the address. Nobody can guess it, and it ends with the
        context.
    """
    files = {}

    class Handler(_Handler):
        served = files

    with tempfile.TemporaryDirectory(prefix="stellarclass-") as folder:
        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
        thread.start()

        def address(format):
            path = next((path for path, (_, known) in files.items() if known == format), None)
            if path is None:
                ending, _ = _TYPES[format]
                file = Path(folder) / f"table.{ending}"
                write_table(table, file, format=format)
                path = f"/{token_urlsafe(16)}/{quote(file.name)}"
                files[path] = (file, format)
            return f"http://127.0.0.1:{server.server_address[1]}{path}"

        try:
            yield address
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


class _Handler(BaseHTTPRequestHandler):
    """Gives the files of ``served``, and nothing else."""

    served = {}  # noqa: RUF012 - replaced for each server
    timeout = 60  # seconds of silence

    def do_GET(self):
        self._serve(body=True)

    def do_HEAD(self):
        self._serve(body=False)

    def _serve(self, *, body):
        if self.path not in self.served:
            self.send_error(404)
            return
        file, format = self.served[self.path]
        with file.open("rb") as stream:
            self.send_response(200)
            self.send_header("Content-Type", _TYPES[format][1])
            self.send_header("Content-Length", str(file.stat().st_size))
            self.end_headers()
            if body:
                shutil.copyfileobj(stream, self.wfile)

    def log_message(self, format, *args):
        """Not a word: what was sent is said by who sends it."""
