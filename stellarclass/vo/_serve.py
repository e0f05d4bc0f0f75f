# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""A table at an address of its own on loopback, for as long as its readers need."""

import shutil
import tempfile
import threading
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from secrets import token_urlsafe

from ..tables import votable_file, write_table

__all__ = ["Shelf", "served_tables"]

_TYPES = {
    "votable": ("vot", "application/x-votable+xml"),
    "tabledata": ("vot", "application/x-votable+xml"),
    "fits": ("fits", "application/fits"),
}


class Shelf:
    """A table in the formats that are asked for, each written once.

    Parameters
    ----------
    table : `~astropy.table.Table`
    folder : path-like
        Where the files go.
    """

    def __init__(self, table, folder):
        self._table, self._folder = table, Path(folder)
        self.root, self._files, self.served = "", {}, {}

    def address(self, format):
        """A new address that nobody can guess.

        Parameters
        ----------
        format : str
            ``"votable"``, ``"tabledata"`` (a VOTable whose rows are text) or ``"fits"``.

        Returns
        -------
        str
        """
        if format not in self._files:
            file = self._folder / f"{format}.{_TYPES[format][0]}"
            if format == "tabledata":
                votable = votable_file(self._table)
                votable.get_first_table().format = "tabledata"
                votable.to_xml(str(file))
            else:
                write_table(self._table, file, format=format)
            self._files[format] = file
        path = f"/{token_urlsafe(16)}/table.{_TYPES[format][0]}"
        self.served[path] = (self._files[format], _TYPES[format][1], threading.Event())
        return self.root + path

    def fetched(self, address, timeout):
        """Whether somebody has fetched an address to the end, or does within a time.

        Parameters
        ----------
        address : str
        timeout : float
            Seconds to wait.

        Returns
        -------
        bool
        """
        return self.served[address.removeprefix(self.root)][2].wait(max(0.0, timeout))


@contextmanager
def served_tables(table):
    """Serve a table.

    A file would have to stay for ever: TOPCAT opens FITS files again and again, long after it said that it had read
    them. What comes from an address, it copies.

    Parameters
    ----------
    table : `~astropy.table.Table`

    Yields
    ------
    Shelf
        Its addresses end with the context.
    """
    with tempfile.TemporaryDirectory(prefix="stellarclass-") as folder:
        shelf = Shelf(table, folder)

        class Handler(_Handler):
            served = shelf.served

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        shelf.root = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
        thread.start()
        try:
            yield shelf
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


class _Handler(BaseHTTPRequestHandler):
    """Gives the files of ``served``, and nothing else."""

    served = {}  # noqa: RUF012 - replaced for each server
    timeout = 60  # seconds of silence

    def handle(self):
        with suppress(OSError):  # who fetches may go away in the middle, or fall silent
            super().handle()

    def do_GET(self):
        self._serve(body=True)

    def do_HEAD(self):
        self._serve(body=False)

    def _serve(self, *, body):
        if self.path not in self.served:
            self.send_error(404)
            return
        file, kind, fetched = self.served[self.path]
        with file.open("rb") as stream:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(file.stat().st_size))
            self.end_headers()
            if body:
                shutil.copyfileobj(stream, self.wfile)
                fetched.set()

    def log_message(self, format, *args):
        """Not a word: what was sent is said by who sends it."""
