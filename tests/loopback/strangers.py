# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""A Web site that means no good: endless answers, bombs, redirections to files."""

import gzip
import threading
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Site(BaseHTTPRequestHandler):
    table = b""

    def do_GET(self):
        if self.path == "/table":
            self.answer(200, {"Content-Length": len(self.table)}, self.table)
        elif self.path == "/huge":
            self.answer(200, {"Content-Length": 10**10}, b"<?xml")
        elif self.path == "/endless":
            self.answer(200, {}, b"")
            with suppress(ConnectionError):
                while True:
                    self.wfile.write(b" " * 65536)
        elif self.path == "/bomb":
            packed = gzip.compress(b" " * 50_000_000)
            self.answer(200, {"Content-Encoding": "gzip", "Content-Length": len(packed)}, packed)
        elif self.path == "/to-table":
            self.answer(302, {"Location": "/table"}, b"")
        elif self.path == "/to-file":
            self.answer(302, {"Location": "file:///etc/passwd"}, b"")
        elif self.path == "/round":
            self.answer(302, {"Location": "/round"}, b"")
        else:
            self.answer(404, {}, b"")

    def answer(self, status, headers, body):
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, str(value))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@contextmanager
def site(table):
    handler = type("Site", (Site,), {"table": table})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
