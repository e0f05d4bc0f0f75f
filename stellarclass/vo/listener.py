# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`Listener`: a SAMP client that classifies the tables it is sent, and sends them back with classes and radii."""

import logging
import queue
import tempfile
import threading
import time
import webbrowser
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex

from ..combine import combine
from ..exceptions import InputError, SampError, StellarclassError
from ..targets import parse_targets
from ._hub import Connection, printable
from ._pictures import chosen_rows, draw_stars
from ._received import MAX_BYTES, MAX_ROWS, read_received
from .samp import FORMATS, deliver, is_listener, recipients

__all__ = ["Listener"]

_LOG = logging.getLogger("stellarclass.samp")

_WATCH = 2.0  # seconds between two looks whether the hub is there and knows us
_FIRST_DELAY, _LONGEST_DELAY = 1.0, 30.0  # seconds before the hub is looked for again
_WAITING = 16  # messages; more are refused
_REMEMBERED = 8  # tables whose stars can be shown
_EVERY = 5.0  # seconds between two lines on progress


@dataclass
class _Message:
    """What came in."""

    connection: Connection
    sender: str
    id: str  # None for a notification, which wants no reply
    mtype: str
    params: dict


class Listener:
    """Stay connected to the SAMP hub; classify the tables that come in and send them back.

    A table that TOPCAT, or any other client, sends (``table.load.votable``, ``table.load.fits``) is read, classified,
    and sent to the same client with our columns behind its own; if that client takes no tables, to all that do. The
    reply to its message comes when that is done: ``samp.ok`` with the number of stars and the new table's
    ``table-id``, ``samp.warning`` if an archive failed for some of them, ``samp.error`` with the reason if there is no
    result. For tables that went through here, ``table.highlight.row`` and ``table.select.rowList`` draw the images of
    the stars into a PNG file, whose path is in the log and in the reply.

    What a message names is not trusted: see :doc:`/topcat` for what is refused. A hub that goes is waited for.

    Parameters
    ----------
    classifier : `~stellarclass.Classifier`, optional
        Classifies; one with all defaults if not given.
    name : str, optional
        What other clients show.
    pictures : path-like, optional
        Folder for pictures of stars; a temporary one, which goes when the listener stops, if not given.
    show : bool, optional
        Whether to open pictures in the desktop's viewer.
    max_bytes, max_rows : int, optional
        Largest table that is taken.
    timeout : float, optional
        Seconds that the receiver of a result has for taking it.

    Raises
    ------
    stellarclass.exceptions.InputError
        If a limit is not positive, or there is no such folder.

    Examples
    --------
    >>> from stellarclass import vo
    >>> with vo.Listener() as listener:  # doctest: +SKIP
    ...     listener.wait()
    """

    def __init__(
        self,
        classifier=None,
        *,
        name="stellarclass",
        pictures=None,
        show=False,
        max_bytes=MAX_BYTES,
        max_rows=MAX_ROWS,
        timeout=60.0,
    ):
        for word, value in (("max_bytes", max_bytes), ("max_rows", max_rows), ("timeout", timeout)):
            if not value > 0:
                raise InputError(f"{word} = {value!r} is not positive")
        if pictures is not None and not Path(pictures).is_dir():
            raise InputError(f"there is no folder {pictures} for pictures")
        if classifier is None:
            from ..classifier import Classifier

            classifier = Classifier()
        self.classifier = classifier
        self.name = name
        self.pictures = None if pictures is None else Path(pictures)
        self.show = show
        self.max_bytes, self.max_rows, self.timeout = max_bytes, max_rows, timeout
        self._connection = None
        self._connected, self._stopped, self._wake = threading.Event(), threading.Event(), threading.Event()
        self._known, self._lock = OrderedDict(), threading.Lock()
        self._threads, self._queues, self._folder = [], {}, None

    # ---- life

    def start(self):
        """Begin, in threads of its own; returns at once, whether there is a hub or not.

        Returns
        -------
        Listener
            Itself.
        """
        if self._threads:
            raise RuntimeError("the listener has been started already")
        self._folder = tempfile.TemporaryDirectory(prefix="stellarclass-samp-")
        # Stars are shown while a table is being classified.
        self._queues = {kind: queue.Queue(_WAITING) for kind in ("table", "picture")}
        work = [(self._keep_connected, ()), *((self._work, (waiting,)) for waiting in self._queues.values())]
        self._threads = [threading.Thread(target=target, args=args, daemon=True) for target, args in work]
        for thread in self._threads:
            thread.start()
        return self

    def wait(self):
        """Wait until `stop` is called, in another thread, or the user interrupts."""
        while not self._stopped.wait(0.5):  # without a time-out an interrupt would wait too
            pass

    def wait_connected(self, timeout):
        """Wait for the hub.

        Parameters
        ----------
        timeout : float
            Seconds.

        Returns
        -------
        bool
            Whether it is there.
        """
        return self._connected.wait(timeout)

    def stop(self):
        """Leave the hub. What is being classified is given up."""
        self._stopped.set()
        self._wake.set()
        for waiting in self._queues.values():
            with suppress(queue.Full):
                waiting.put_nowait(None)
        for thread in self._threads:
            thread.join(30 if thread is self._threads[0] else 1)
        if self._folder is not None:
            self._folder.cleanup()

    def __enter__(self):
        return self.start()

    def __exit__(self, *exc):
        self.stop()

    def _keep_connected(self):
        """Be connected, again and again."""
        delay, said = _FIRST_DELAY, None
        while not self._stopped.is_set():
            self._wake.clear()
            try:
                connection = Connection(self.name, handlers=self._handlers(), listener=True)
            except SampError as err:
                if str(err) != said:
                    _LOG.info("no SAMP hub yet; start TOPCAT, which brings one (%s)", err)
                    said = str(err)
                self._stopped.wait(delay)
                delay = min(2 * delay, _LONGEST_DELAY)
                continue
            delay, said = _FIRST_DELAY, None
            self._connection = connection
            self._connected.set()
            _LOG.info("connected to the SAMP hub as %s: send tables to %r", connection.id, self.name)
            while not self._wake.wait(_WATCH):
                try:
                    # A ping would not do: a new hub at the same address answers it, and does not know us.
                    connection.ask("get_subscriptions", connection.id)
                except SampError:
                    break
            if not self._stopped.is_set():
                _LOG.info("the SAMP hub is gone; waiting for the next one")
            self._connected.clear()
            self._connection = None
            connection.close()

    # ---- messages; what is called by the hub returns at once

    def _handlers(self):
        handlers = {f"table.load.{format}": self._enqueue("table", f"table.load.{format}") for format in FORMATS}
        handlers |= {
            mtype: self._enqueue("picture", mtype) for mtype in ("table.highlight.row", "table.select.rowList")
        }
        handlers |= dict.fromkeys(("samp.hub.event.shutdown", "samp.hub.disconnect"), self._hub_goes)
        return handlers

    def _hub_goes(self, sender, message, params):
        self._wake.set()

    def _enqueue(self, kind, mtype):
        def handler(sender, message, params):
            connection = self._connection
            if connection is None:
                return
            received = _Message(connection, sender, message, mtype, params)
            try:
                self._queues[kind].put_nowait(received)
            except queue.Full:
                self._refuse(received, f"{_WAITING} messages are waiting already; send it again later")

        return handler

    def _work(self, waiting):
        """Answer messages, one by one; whatever one of them leads to, the next one finds us alive."""
        while (message := waiting.get()) is not None and not self._stopped.is_set():
            try:
                if message.mtype.startswith("table.load."):
                    self._classify(message)
                else:
                    self._show(message)
            except StellarclassError as err:
                self._refuse(message, printable(err, 500))
            except Exception as err:
                _LOG.debug("unexpected", exc_info=True)
                self._refuse(message, f"unexpected {type(err).__name__}")

    def _refuse(self, message, reason):
        _LOG.warning("%s of client %s refused: %s", message.mtype, printable(message.sender), reason)
        self._reply(message, {"samp.status": "samp.error", "samp.error": {"samp.errortxt": reason}, "samp.result": {}})

    @staticmethod
    def _reply(message, response):
        if message.id is None:
            return
        try:
            message.connection.reply(message.id, response)
        except SampError as err:
            _LOG.warning("client %s could not be answered: %s", printable(message.sender), err)

    # ---- tables

    def _classify(self, message):
        connection, params = message.connection, message.params
        if is_listener(connection, message.sender):
            raise InputError("the sender classifies tables itself; they would go back and forth for ever")
        sender = connection.names().get(message.sender, message.sender)
        name = params.get("name") if isinstance(params.get("name"), str) else ""
        name = printable(name.strip() or "table")
        format = message.mtype.rpartition(".")[2]
        table = read_received(
            params.get("url"), format, folder=self._folder.name, max_bytes=self.max_bytes, max_rows=self.max_rows
        )
        parse_targets(table)  # a table without positions is refused before any archive is asked
        _LOG.info("%s sent %r: %s, %d columns", sender, name, _stars(len(table)), len(table.colnames))
        begin = time.monotonic()
        result = self.classifier.classify(table, progress=_Progress(name))
        classified = combine(table, result)
        spent = time.monotonic() - begin

        connection = self._current(message)
        table_id = f"stellarclass-{token_hex(8)}"
        clients = self._receivers(connection, message, sender)
        self._remember((params.get("table-id"), params.get("url"), table_id), table, result)
        answers = deliver(
            connection, classified, clients, name=f"{name} classified", table_id=table_id, timeout=self.timeout
        )
        refused = "; ".join(f"{answer.client}: {answer.reason}" for answer in answers if not answer.ok)
        if not any(answer.ok for answer in answers):
            raise SampError(f"classified, but nobody took the result: {refused}")
        without, failed = _counts(result)
        there = ", ".join(answer.client for answer in answers if answer.ok)
        _LOG.info(
            "%r classified in %.1f s and sent to %s as %s: %s, %d without an answer",
            name, spent, there, table_id, _stars(len(table)), without,
        )  # fmt: skip
        response = {
            "samp.status": "samp.ok",
            "samp.result": {"table-id": table_id, "rows": str(len(table)), "unanswered": str(without)},
        }
        trouble = f"an archive failed for {failed} of {len(table)} stars; send them again later" if failed else refused
        if trouble:
            _LOG.warning("%r: %s", name, trouble)
            response |= {"samp.status": "samp.warning", "samp.error": {"samp.errortxt": trouble}}
        self._reply(message, response)

    def _current(self, message):
        """The connection a result can go by: the message's own, or the one to a hub that came after it."""
        connection = self._connection
        if connection is not message.connection:
            self._connected.wait(_LONGEST_DELAY)
            connection = self._connection
        if connection is None:
            raise SampError("classified, but the SAMP hub has gone meanwhile")
        return connection

    @staticmethod
    def _receivers(connection, message, sender):
        """The sender, if it takes tables; else all that do. A new hub may know it by another identifier."""
        takers = {client for format in FORMATS for client in connection.subscribers(f"table.load.{format}")}
        if connection is message.connection and message.sender in takers:
            return [message.sender]
        if connection is not message.connection:
            with suppress(SampError):
                return recipients(connection, sender)
        return recipients(connection)

    def _remember(self, keys, table, result):
        with self._lock:
            for key in keys:
                if isinstance(key, str) and key:
                    self._known.pop(key, None)
                    self._known[key] = (table, result)
            while len({id(table) for table, _ in self._known.values()}) > _REMEMBERED:
                self._known.popitem(last=False)

    # ---- stars

    def _show(self, message):
        keys = (message.params.get(key) for key in ("table-id", "url"))
        with self._lock:
            found = next((self._known[key] for key in keys if isinstance(key, str) and key in self._known), None)
        if found is None:
            raise InputError("that table has not gone through here; send it first")
        table, result = found
        rows = chosen_rows(message.mtype, message.params, len(table))
        folder = Path(self._folder.name) if self.pictures is None else self.pictures
        path = folder / f"stars-{time.strftime('%Y%m%dT%H%M%S')}-{token_hex(3)}.png"
        draw_stars(path, table, result, rows, images=getattr(self.classifier, "images", None))
        _LOG.info("row%s %s: %s", "" if len(rows) == 1 else "s", ", ".join(str(row + 1) for row in rows), path)
        self._reply(message, {"samp.status": "samp.ok", "samp.result": {"picture": str(path)}})
        if self.show and not webbrowser.open(path.as_uri()):
            _LOG.warning("there is no viewer for %s", path)


class _Progress:
    """Called by what takes long with what is being done, and how far; a line in the log now and then."""

    def __init__(self, name):
        self._name, self._next = name, 0.0

    def __call__(self, doing, done, total):
        if time.monotonic() >= self._next or (total and done >= total):
            self._next = time.monotonic() + _EVERY
            _LOG.info("%r: %s %d of %s", self._name, doing or "done", done, "?" if total is None else total)


def _stars(n):
    return "1 star" if n == 1 else f"{n} stars"


def _counts(result):
    """How many stars have no answer, and for how many of them an archive failed."""
    import numpy as np

    from .. import flags

    bits = np.asarray(result["flags"])
    failed = bits & (flags.IMAGE_FAILURE | flags.ASTROMETRY_FAILURE) != 0
    return int((bits & flags.FATAL != 0).sum()), int(failed.sum())
