# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Tables that go out by SAMP: to whom, as what, and what is made of the answers."""

import threading
import time
import urllib.error
import urllib.request

import numpy as np
import pytest
from astropy import units as u
from astropy.table import QTable
from samphub import Desktop

from stellarclass import vo
from stellarclass.exceptions import InputError, SampError, StellarclassWarning
from stellarclass.vo import samp
from stellarclass.vo._hub import printable, within
from stellarclass.vo._serve import served_tables

# pyvo's hub says so, in a thread of its own, when a client has left before its message came.
pytestmark = pytest.mark.filterwarnings("ignore::pyvo.samp.SAMPWarning")


def stars(n=3):
    table = QTable({"source_id": np.arange(n) + 2**60, "ra": np.arange(n) * u.deg, "radius": np.ones(n) * u.solRad})
    table.meta["label_system"] = "sdss"
    return table


def test_a_table_comes_as_it_went(desktop):
    (answer,) = vo.send(stars(), client="Desktop", name="M2", table_id="m2-1")
    assert (answer.client, answer.status, answer.format, answer.reason) == ("desktop", "samp.ok", "votable", "")
    ((params, table),) = desktop.tables
    assert params["name"] == "M2" and params["table-id"] == "m2-1"
    assert table["source_id"].tolist() == [2**60, 2**60 + 1, 2**60 + 2]
    assert table["radius"].unit == u.solRad and table.meta["label_system"] == "sdss"


def test_who_fetches_may_leave_in_the_middle(capfd):
    with served_tables(QTable({"a": np.zeros(2_000_000)})) as shelf:  # more than lies between the two
        with urllib.request.urlopen(shelf.address("fits")) as answer:
            answer.read(10)
        for thread in threading.enumerate():
            if "process_request_thread" in thread.name:
                thread.join(10)
    assert capfd.readouterr().err == ""


def test_the_address_ends_with_the_sending(desktop):
    vo.send(stars(), client="desktop")
    address = desktop.tables[0][0]["url"]
    assert address.startswith("http://127.0.0.1:")
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(address, timeout=5)


def test_who_answers_before_reading_still_can(hub, tmp_path):
    """As DS9 does."""
    hasty, read = Desktop("hasty", [], folder=tmp_path), []

    def take(private_key, sender, message, mtype, params, extra):
        def fetch():
            time.sleep(0.5)
            with urllib.request.urlopen(params["url"], timeout=10) as stream:
                read.append(stream.read())

        hasty.client.ereply(message, "samp.ok", result={})
        threading.Thread(target=fetch).start()

    hasty.client.bind_receive_call("table.load.votable", take)
    try:
        (answer,) = vo.send(stars(), client="hasty")
    finally:
        hasty.close()
    assert answer.ok and b"BINARY2" in read[0]


def test_ds9_gets_rows_as_text(hub, tmp_path, monkeypatch):
    monkeypatch.setattr(samp, "LARGE_TABLE", 50)
    ds9 = Desktop("SAOImageDS9", folder=tmp_path)
    try:
        (answer,) = vo.send(stars(50), client="ds9")
        assert answer.format == "votable" and len(ds9.tables[0][1]) == 50
        assert b"<TABLEDATA>" in (tmp_path / "SAOImageDS90").read_bytes()[:5000]
    finally:
        ds9.close()


def test_large_tables_go_as_fits(desktop):
    (answer,) = vo.send(stars(samp.LARGE_TABLE), client="desktop")
    assert answer.format == "fits" and len(desktop.tables[0][1]) == samp.LARGE_TABLE
    assert desktop.tables[0][1]["source_id"][-1] == 2**60 + samp.LARGE_TABLE - 1


def test_everybody_who_takes_tables_and_nobody_else(hub, desktop, tmp_path):
    fits_only = Desktop("fits only", ["table.load.fits"], folder=tmp_path)
    deaf = Desktop("deaf", ["image.load.fits"])
    try:
        answers = vo.send(stars())
        assert {a.client: a.format for a in answers} == {"desktop": "votable", "fits only": "fits"}
        with pytest.raises(SampError, match="deaf takes no tables"):
            vo.send(stars(), client="deaf")
        with pytest.raises(SampError, match=r"no client 'aladin'; there are .*desktop"):
            vo.send(stars(), client="aladin")
        with pytest.raises(SampError, match=r"may be deaf or desktop"):
            vo.send(stars(), client="de")
        with pytest.raises(SampError, match="fits only: it does not take tables as votable"):
            vo.send(stars(), client="fits", format="votable")
    finally:
        fits_only.close()
        deaf.close()


@pytest.mark.parametrize(
    ("answer", "status", "words"),
    [
        ({"samp.status": "samp.error", "samp.error": {"samp.errortxt": "disk\u202e full"}, "samp.result": {}},
         "samp.error", r"disk\? full"),
        ({"samp.status": "samp.error", "samp.error": "no map", "samp.result": {}}, "samp.error", "no reason given"),
        ({"samp.status": "fine", "samp.result": {}}, "samp.error", "not one that SAMP knows"),
        ("silence", "timeout", "no answer within 0.5 s"),
        ({"samp.status": "samp.ok", "samp.result": {}}, "timeout", "it answered, but did not fetch the table"),
    ],
)  # fmt: skip
def test_answers_are_read(desktop, answer, status, words):
    other = Desktop("other", answer=answer)
    try:
        with pytest.raises(SampError, match=f"nobody took the table: other: .*{words}"):
            vo.send(stars(), client="other", timeout=0.5)
        with pytest.warns(StellarclassWarning, match=f"not everybody took the table: other: .*{words}"):
            answers = vo.send(stars(), timeout=0.5)
        assert {a.client: (a.ok, a.status) for a in answers} == {"desktop": (True, "samp.ok"), "other": (False, status)}
    finally:
        other.close()


def test_who_leaves_is_not_waited_for(desktop):
    leaver = Desktop("leaver", answer="silence")
    leaver._take = lambda *_: threading.Thread(target=leaver.close).start()
    begin = time.monotonic()
    with pytest.raises(SampError, match="leaver: it left the hub before it answered"):
        vo.send(stars(), client="leaver", timeout=60)
    assert time.monotonic() - begin < 30


def test_without_takers_and_without_a_hub(hub, monkeypatch, tmp_path):
    with pytest.raises(SampError, match=r"no client of the SAMP hub takes tables.*Start TOPCAT"):
        vo.send(stars())
    monkeypatch.setenv("SAMP_HUB", f"std-lockurl:file://{tmp_path}/none")
    with pytest.raises(SampError, match="Unable to find a running SAMP Hub"):
        vo.send(stars())


@pytest.mark.parametrize("lock", ["", "no equals sign", "samp.secret=x", "samp.hub.xmlrpc.url=gopher://x", "a=b=c"])
def test_a_lock_file_that_makes_no_sense(monkeypatch, tmp_path, lock):
    (tmp_path / "lock").write_text(lock)
    monkeypatch.setenv("SAMP_HUB", f"std-lockurl:file://{tmp_path}/lock")
    with pytest.raises(SampError, match="the SAMP hub: "):
        vo.send(stars())


def test_what_is_no_table():
    with pytest.raises(TypeError, match="expected an astropy Table, got list"):
        vo.send([1])
    with pytest.raises(InputError, match="known are votable, fits"):
        vo.send(stars(), format="csv")
    with pytest.raises(InputError, match="timeout = 0"):
        vo.send(stars(), timeout=0)


def test_our_environment_is_nobodys_business(hub, desktop, monkeypatch):
    monkeypatch.setenv("PASSWORD", "xyzzy")
    listener = vo.Listener(object(), name="ours").start()
    try:
        client = desktop.find("ours")
        assert "client.env.get" not in desktop.client.get_subscriptions(client)
        with pytest.raises(Exception, match=r"."):
            desktop.ask(client, "client.env.get", timeout=1, name="PASSWORD")
    finally:
        listener.stop()


def test_a_hub_that_hangs_is_given_up():
    with pytest.raises(SampError, match=r"did not answer within 0\.1 s"):
        within(0.1, threading.Event().wait, 5)


def test_texts_of_strangers():
    assert printable("a\x1b[2J\u202eb\nc") == "a?[2J?b c"
    assert len(printable("x" * 1000)) == 80
