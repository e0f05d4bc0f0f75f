# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Tables made and loaded on a TAP service, as far as its requests go: to a stand-in on loopback that keeps them."""

import io
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import numpy as np
import pytest
from astropy import units as u
from astropy.io.votable import parse_single_table
from astropy.table import MaskedColumn, QTable, Table

from stellarclass import vo
from stellarclass.exceptions import ArchiveError, InputError


@pytest.fixture
def service():
    """A service that knows the requests of VOSI's tables: ``got`` them, ``refuse`` those of a method."""
    state = SimpleNamespace(got=[], refuse=set())

    class Handler(BaseHTTPRequestHandler):
        def answer(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)) or self.chunks()
            state.got.append((self.command, self.path, self.headers.get("Content-Type"), body))
            refused = self.command in state.refuse
            self.send_response(403 if refused else 200)
            self.end_headers()
            self.wfile.write(b"<p>not <b>allowed</b></p>" if refused else b"")

        def chunks(self):
            body = b""
            if "chunked" in self.headers.get("Transfer-Encoding", ""):
                while size := int(self.rfile.readline(), 16):
                    body += self.rfile.read(size)
                    self.rfile.readline()
            return body

        do_PUT = do_POST = do_DELETE = answer

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_port}/tap"
    yield state
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def table():
    table = QTable({"objid": MaskedColumn([2**62 + 1, -1], mask=[False, True])})
    table["ra"] = [0.1 + 0.2, np.nan] * u.deg
    table["x"] = np.array([0.1, 2e-30], np.float32)
    table["word"] = ["größer", ""]
    table["ra"].info.meta = {"ucd": "pos.eq.ra;meta.main"}
    return table


def test_definition_and_rows(service, table):
    vo.publish(table, service.url, name="me.stars")
    (_, _, kind, definition), (_, _, loaded_as, rows) = service.got
    assert [call[:2] for call in service.got] == [("PUT", "/tap/tables/me.stars"), ("POST", "/tap/load/me.stars")]
    assert kind == "application/x-votable+xml" and loaded_as == "text/tab-separated-values"
    element = parse_single_table(io.BytesIO(definition))
    assert len(element.array) == 0
    assert [(f.name, f.datatype, str(f.unit or "")) for f in element.fields] == [
        ("objid", "long", ""), ("ra", "double", "deg"), ("x", "float", ""), ("word", "unicodeChar", ""),
    ]  # fmt: skip
    assert element.fields[1].ucd == "pos.eq.ra;meta.main"
    again = Table.read(rows.decode(), format="ascii.tab")
    assert again["objid"].tolist() == [2**62 + 1, None]
    assert again["ra"].tolist() == [0.1 + 0.2, None]
    assert again["x"].astype(np.float32).tolist() == table["x"].tolist()
    assert again["word"].tolist() == ["größer", None]


def test_a_refusal_says_where_and_why(service, table):
    service.refuse = {"PUT"}
    with pytest.raises(ArchiveError, match=r"create table me\.stars.*not allowed") as failure:
        vo.publish(table, service.url, name="me.stars")
    assert failure.value.url == service.url
    assert [call[0] for call in service.got] == ["PUT"]


@pytest.mark.parametrize("stuck", [False, True])
def test_a_table_without_rows_does_not_stay(stuck, service, table):
    service.refuse = {"POST", "DELETE"} if stuck else {"POST"}
    with pytest.raises(ArchiveError, match="load table") as failure:
        vo.publish(table, service.url, name="me.stars")
    assert [call[0] for call in service.got] == ["PUT", "POST", "DELETE"]
    assert bool(getattr(failure.value, "__notes__", ())) is stuck


@pytest.mark.parametrize("name", ["", "a b", "../x", "me.stars?x=1", "a.b.c.d", "1a", None])
def test_names_cannot_lead_elsewhere(name, service, table):
    with pytest.raises(InputError, match="name"):
        vo.publish(table, service.url, name=name)
    assert service.got == []


def test_addresses_are_of_the_web(table):
    with pytest.raises(InputError, match="file:///etc"):
        vo.publish(table, "file:///etc", name="a")


@pytest.mark.parametrize("values", [["a\tb"], ["a\nb"], [[1.0, 2.0]], [1j]])
def test_what_cannot_be_loaded_is_said_before_anything_is_made(values, service):
    with pytest.raises(InputError, match="'odd'"):
        vo.publish(QTable({"odd": values}), service.url, name="me.stars")
    assert service.got == []
