# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The listener as other programs meet it: tables come back classified, whatever else is sent finds it alive."""

import logging
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from astropy import units as u
from astropy.table import QTable
from fakeclassifier import fake_classifier
from loopback.strangers import site
from samphub import Desktop, isolate, running_hub

from stellarclass import flags, vo
from stellarclass.cli import main
from stellarclass.exceptions import ArchiveError, InputError
from stellarclass.simulate import render_stars
from stellarclass.tables import write_table
from stellarclass.vo import _pictures
from stellarclass.vo import listener as listener_module

# pyvo's hub says so, in a thread of its own, when a client has left before its message came.
pytestmark = pytest.mark.filterwarnings("ignore::pyvo.samp.SAMPWarning")


@pytest.fixture(scope="module")
def stamps():
    return render_stars(QTable({band: [17.0, 16.0, 18.0, 19.0] * u.mag for band in "ugriz"}), seed=1)


@pytest.fixture(scope="module")
def listener(hub, stamps):
    """Answers in an instant; its pictures are of simulated stars."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_pictures, "fetch_stamps", lambda table, *, images, progress: stamps[table["number"]])
        with vo.Listener(
            fake_classifier().Classifier(), name="listener", max_bytes=1_000_000, max_rows=100
        ) as listener:
            assert listener.wait_connected(20)
            yield listener


@pytest.fixture
def table():
    return QTable({"number": np.arange(4), "ra": np.linspace(323.3, 323.4, 4) * u.deg, "dec": np.zeros(4) * u.deg})


@pytest.fixture
def address(table, tmp_path):
    write_table(table, tmp_path / "sent.vot")
    return (tmp_path / "sent.vot").as_uri()


@pytest.mark.parametrize("format", ["votable", "fits"])
def test_a_table_comes_back_with_classes(listener, desktop, table, tmp_path, format):
    path = tmp_path / f"sent.{format}"
    write_table(table, path, format=format)
    reply = desktop.ask(desktop.find("listener"), f"table.load.{format}", url=path.as_uri(), name="M2")
    ((params, classified),) = desktop.await_tables(1)
    assert reply["samp.status"] == "samp.ok"
    assert reply["samp.result"] == {"table-id": params["table-id"], "rows": "4", "unanswered": "0"}
    assert params["name"] == "M2 classified"
    assert classified.colnames[:3] == table.colnames and "ra_stellarclass" in classified.colnames
    assert classified["spectral_class"].tolist() == ["A", "F", "G", "K"]
    assert u.allclose(classified["ra"], table["ra"]) and classified["radius"].unit == u.solRad


def test_a_notification_has_its_result_too(listener, desktop, address):
    desktop.client.enotify(desktop.find("listener"), "table.load.votable", url=address)
    assert desktop.await_tables(1)[0][0]["name"] == "table classified"


def test_a_sender_that_takes_no_tables(listener, desktop, address, tmp_path):
    script = Desktop("script", mtypes=())
    try:
        reply = script.ask(script.find("listener"), "table.load.votable", url=address)
        assert reply["samp.status"] == "samp.ok"
        assert desktop.tables[0][0]["table-id"] == reply["samp.result"]["table-id"]
        desktop.client.disconnect()
        reply = script.ask(script.find("listener"), "table.load.votable", url=address)
        assert reply["samp.status"] == "samp.error"
        assert "no client of the SAMP hub takes tables" in reply["samp.error"]["samp.errortxt"]
    finally:
        script.close()


def test_malice_is_refused_and_survived(listener, desktop, address, tmp_path):
    """`test_received` has all that is refused; here it is what the sender is told."""
    (tmp_path / "text.vot").write_text("no table")
    write_table(QTable({"x": [1.0]}), tmp_path / "nowhere.vot")
    write_table(QTable({"ra": np.zeros(101) * u.deg, "dec": np.zeros(101) * u.deg}), tmp_path / "long.vot")
    with (tmp_path / "huge.vot").open("wb") as stream:
        stream.truncate(10**10)
    client = desktop.find("listener")
    for url, reason in [
        ("file:///etc/passwd", "it is not a VOTable"),
        ("gopher://example.org/1", "scheme 'gopher'"),
        ((tmp_path / "text.vot").as_uri(), "it is not a VOTable"),
        ((tmp_path / "huge.vot").as_uri(), "10000000000 bytes, more than the 1000000 accepted"),
        ((tmp_path / "long.vot").as_uri(), "101 rows, more than the 100 accepted"),
        ((tmp_path / "nowhere.vot").as_uri(), "no positions"),
        (["a", "list"], "no url"),
        ("{site}/huge", "10000000000 bytes, more than the 1000000 accepted"),
        ("{site}/endless", "longer than the 1000000 bytes accepted"),
        ("{site}/to-file", "the url gives no table"),
    ]:
        with site(b"") as there:
            url = url.replace("{site}", there) if isinstance(url, str) else url
            reply = desktop.ask(client, "table.load.votable", url=url)
        assert reply["samp.status"] == "samp.error", url
        assert reason in reply["samp.error"]["samp.errortxt"]
    for mtype, params in [
        ("table.highlight.row", {}),
        ("table.highlight.row", {"table_id": "unknown", "row": "1"}),
        ("table.select.rowList", {"table_id": {"a": "b"}, "row_list": "1"}),
    ]:
        reply = desktop.ask(client, mtype, **params)
        assert (reply["samp.status"], "not gone through here" in str(reply)) == ("samp.error", True)
    # Not even a message.
    desktop.client.notify(client, {"samp.mtype": "table.load.votable", "samp.params": "text"})
    assert desktop.ask(client, "table.load.votable", url=address)["samp.status"] == "samp.ok"


def test_rows_are_shown(listener, desktop, address):
    client = desktop.find("listener")
    reply = desktop.ask(client, "table.load.votable", url=address, table_id="theirs")
    ours = reply["samp.result"]["table-id"]
    for params in ({"table_id": "theirs", "row": "2"}, {"table_id": "unknown", "url": address, "row": "0"}):
        reply = desktop.ask(client, "table.highlight.row", **params)
        assert reply["samp.status"] == "samp.ok", reply
        assert Path(reply["samp.result"]["picture"]).read_bytes().startswith(b"\x89PNG")
    one = Path(reply["samp.result"]["picture"]).stat().st_size
    reply = desktop.ask(client, "table.select.rowList", table_id=ours, row_list=["0", "3"])
    assert Path(reply["samp.result"]["picture"]).stat().st_size > one
    for rows, reason in ([["4"], "none of the table's 4"], [["-1"], "none of"], [[], "no row"], ["1", "not a list"]):
        reply = desktop.ask(client, "table.select.rowList", table_id=ours, row_list=rows)
        assert reason in reply["samp.error"]["samp.errortxt"]


def test_two_of_us_do_not_send_for_ever(hub, listener, desktop, address):
    classifier = fake_classifier()
    with vo.Listener(classifier.Classifier(), name="another") as another:
        assert another.wait_connected(20)
        script = Desktop("script", mtypes=())
        try:
            script.ask(script.find("listener"), "table.load.votable", url=address)
            (answer,) = vo.send(QTable({"ra": [1.0] * u.deg, "dec": [1.0] * u.deg}))
            assert answer.client == "desktop"
        finally:
            script.close()
        assert len(desktop.tables) == 2
        assert classifier.calls == []


@pytest.fixture
def listening(hub):
    """A listener with a classifier that behaves as told."""
    started = []

    def listening(classifier, **options):
        listener = vo.Listener(classifier, name="odd", **options).start()
        started.append(listener)
        assert listener.wait_connected(20)
        return listener

    yield listening
    for listener in started:
        listener.stop()


def test_failures_are_told(listening, desktop, address):
    for options, status, reason in [
        ({"flags": flags.IMAGE_FAILURE}, "samp.warning", "an archive failed for 4 of 4 stars; send them again later"),
        ({"error": ArchiveError("disk full", "http://x")}, "samp.error", "disk full (http://x)"),
        ({"error": RuntimeError("/home/me/secret")}, "samp.error", "unexpected RuntimeError"),
    ]:
        listener = listening(fake_classifier(**options).Classifier())
        reply = desktop.ask(desktop.find("odd"), "table.load.votable", url=address)
        assert (reply["samp.status"], reply["samp.error"]["samp.errortxt"]) == (status, reason)
        listener.stop()


def test_progress_is_in_the_log_and_strangers_cannot_write_there(listening, desktop, address, caplog):
    answer = fake_classifier().Classifier().classify

    def classify(table, *, progress):
        for done in (1, 2):
            progress("fields", done, 2)
        return answer(table)

    listening(SimpleNamespace(classify=classify))
    with caplog.at_level(logging.INFO, "stellarclass.samp"):
        desktop.ask(desktop.find("odd"), "table.load.votable", url=address, name="M2\nroot\u202e")
    lines = [record.getMessage() for record in caplog.records if record.name == "stellarclass.samp"]
    assert "desktop sent 'M2 root?': 4 stars, 3 columns" in lines
    assert "'M2 root?': fields 2 of 2" in lines
    assert any("classified in" in line and "sent to desktop" in line for line in lines)


def test_too_much_at_a_time_is_refused(listening, desktop, address, monkeypatch):
    monkeypatch.setattr(listener_module, "_WAITING", 1)
    begun, go = threading.Event(), threading.Event()
    answer = fake_classifier().Classifier().classify

    def classify(table, *, progress):
        begun.set()
        assert go.wait(20)
        return answer(table)

    listening(SimpleNamespace(classify=classify))
    client = desktop.find("odd")
    desktop.client.enotify(client, "table.load.votable", url=address)
    assert begun.wait(20)
    desktop.client.enotify(client, "table.load.votable", url=address)
    time.sleep(0.3)
    reply = desktop.ask(client, "table.load.votable", url=address)
    assert "1 messages are waiting already" in reply["samp.error"]["samp.errortxt"]
    go.set()
    desktop.await_tables(2)


def test_a_hub_that_restarts_is_found_again(tmp_path, monkeypatch, address, caplog):
    monkeypatch.setattr(listener_module, "_FIRST_DELAY", 0.1)
    monkeypatch.setattr(listener_module, "_WATCH", 0.2)
    lock = isolate(monkeypatch, tmp_path)
    with (
        caplog.at_level(logging.INFO, "stellarclass.samp"),
        vo.Listener(fake_classifier().Classifier(), name="patient") as listener,
    ):
        assert not listener.wait_connected(0.5)
        for _ in range(2):
            with running_hub(lock):
                assert listener.wait_connected(20)
                desktop = Desktop("desktop", folder=tmp_path)
                reply = desktop.ask(desktop.find("patient"), "table.load.votable", url=address)
                assert reply["samp.status"] == "samp.ok"
                desktop.close()
            end = time.monotonic() + 20
            while listener.wait_connected(0):
                assert time.monotonic() < end
                time.sleep(0.02)
    text = caplog.text
    assert text.count("no SAMP hub yet; start TOPCAT") >= 1 and text.count("the SAMP hub is gone") == 2


def test_a_hub_that_restarts_meanwhile(tmp_path, monkeypatch, address):
    """The result goes to who is called as the sender was."""
    monkeypatch.setattr(listener_module, "_FIRST_DELAY", 0.1)
    monkeypatch.setattr(listener_module, "_WATCH", 0.2)
    lock = isolate(monkeypatch, tmp_path)
    begun, go = threading.Event(), threading.Event()
    answer = fake_classifier().Classifier().classify

    def classify(table, *, progress):
        begun.set()
        assert go.wait(30)
        return answer(table)

    with vo.Listener(SimpleNamespace(classify=classify), name="patient"):
        with running_hub(lock):
            desktop = Desktop("desktop", folder=tmp_path)
            desktop.client.enotify(desktop.find("patient"), "table.load.votable", url=address)
            assert begun.wait(20)
            desktop.close()
        with running_hub(lock):
            others = [Desktop(name, folder=tmp_path) for name in ("first", "desktop")]
            others[1].find("patient")
            go.set()
            others[1].await_tables(1)
            assert others[0].tables == []
            for other in others:
                other.close()


def test_the_command(hub, desktop, address, monkeypatch, tmp_path, capsys):
    """``stellarclass samp`` ends when it is interrupted, which is no failure."""
    module = fake_classifier()
    monkeypatch.setitem(sys.modules, "stellarclass.classifier", module)

    def wait(self):
        reply = desktop.ask(desktop.find("ours"), "table.load.votable", url=address, name="M2")
        assert "more than the 3 accepted" in reply["samp.error"]["samp.errortxt"]
        raise KeyboardInterrupt

    monkeypatch.setattr(vo.Listener, "wait", wait)
    (tmp_path / "sas").mkdir()
    command = ["samp", "--name", "ours", "--images", str(tmp_path / "sas"), "--no-astrometry", "--max-rows", "3"]
    assert main(command) == 0
    err = capsys.readouterr().err
    assert "connected to the SAMP hub as" in err and "table.load.votable of client" in err
    assert main(["samp", "--pictures", str(tmp_path / "nowhere")]) == 2
    assert "--pictures" in capsys.readouterr().err


def test_what_makes_no_sense():
    with pytest.raises(InputError, match="max_rows = 0 is not positive"):
        vo.Listener(object(), max_rows=0)
    with pytest.raises(InputError, match="no folder /nowhere"):
        vo.Listener(object(), pictures="/nowhere")
