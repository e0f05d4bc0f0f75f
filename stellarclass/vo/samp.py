# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`send`: a table to TOPCAT, Aladin, DS9 and whoever else listens on the desktop, by SAMP."""

import time
import warnings
from dataclasses import dataclass, field
from secrets import token_hex

from astropy.table import Table

from ..exceptions import InputError, SampError, StellarclassWarning
from ._hub import LISTENER_MARK, Connection, printable
from ._serve import served_tables

__all__ = ["LARGE_TABLE", "Answer", "send"]

LARGE_TABLE = 20_000
"""Rows from which on a table goes as FITS, which clients read many times faster than VOTable."""

FORMATS = ("votable", "fits")

_DS9 = "saoimageds9"
"""Name of the client that takes FITS tables for images of events, and reads VOTables whose rows are text only (8.4)."""


@dataclass(frozen=True)
class Answer:
    """What a client answered.

    Attributes
    ----------
    client : str
        Its name.
    client_id : str
        Its public identifier at the hub.
    status : str
        ``samp.ok``, ``samp.warning`` or ``samp.error``; ``timeout`` if it did not answer in time, and ``gone`` if the
        message did not reach it, or it left.
    reason : str
        In words, why it is not ok; empty if it is.
    format : str
        ``votable`` or ``fits``: how the table went.
    result : dict
        What else it said.
    """

    client: str
    client_id: str
    status: str
    reason: str = ""
    format: str = ""
    result: dict = field(default_factory=dict)

    @property
    def ok(self):
        """Whether the client has the table."""
        return self.status in ("samp.ok", "samp.warning")


def send(table, *, client=None, name=None, table_id=None, format=None, timeout=60.0):
    """Send a table to other programs on the desktop.

    It goes to clients that subscribe to ``table.load.votable`` or ``table.load.fits``: as FITS if it is large
    (``LARGE_TABLE`` rows) or the client takes nothing else, as VOTable otherwise; to DS9 always as a VOTable whose rows
    are text, the only one that it reads. Clients fetch it from an address on loopback, which ends when all have
    answered and fetched it or the time is up; no file is left behind.

    Parameters
    ----------
    table : `~astropy.table.Table`
        Not changed.
    client : str, optional
        Name of the client, in any case, or the only one that has this in its name (``"ds9"``); or its public
        identifier at the hub. By default all that take tables, other than ``stellarclass samp``.
    name : str, optional
        What clients call the table; by default ``name`` of the table's metadata, or ``stellarclass``.
    table_id : str, optional
        Identifies the table in later messages (``table.highlight.row``); made up if not given.
    format : {"votable", "fits"}, optional
        How it has to go.
    timeout : float, optional
        Seconds in which clients have to answer and to fetch the table.

    Returns
    -------
    list of Answer
        One for each client.

    Raises
    ------
    TypeError
        If ``table`` is no table.
    stellarclass.exceptions.InputError
        If the format is unknown or cannot hold the table, or ``timeout`` is not positive.
    stellarclass.exceptions.SampError
        If there is no hub, no such client, nobody who takes tables, or none took this one.

    Warns
    -----
    stellarclass.exceptions.StellarclassWarning
        For each client that did not take it while others did.

    Examples
    --------
    >>> from stellarclass import vo
    >>> vo.send(table, client="topcat")  # doctest: +SKIP
    [Answer(client='topcat', client_id='c1', status='samp.ok', reason='', format='votable', result={})]
    """
    if not isinstance(table, Table):
        raise TypeError(f"expected an astropy Table, got {type(table).__name__}")
    check_options(format, timeout)
    connection = Connection("stellarclass (sender)")
    try:
        answers = deliver(
            connection, table, recipients(connection, client), name=name, table_id=table_id, format=format,
            timeout=timeout,
        )  # fmt: skip
    finally:
        connection.close()
    refused = [answer for answer in answers if not answer.ok]
    words = "; ".join(f"{answer.client}: {answer.reason}" for answer in refused)
    if len(refused) == len(answers):
        raise SampError(f"nobody took the table: {words}")
    if refused:
        warnings.warn(f"not everybody took the table: {words}", StellarclassWarning, stacklevel=2)
    return answers


def check_options(format, timeout):
    """Raise `InputError` for what can be seen to be wrong without a hub."""
    if format is not None and format not in FORMATS:
        raise InputError(f"format {format!r} is none that goes by SAMP; known are {', '.join(FORMATS)}")
    if not timeout > 0:
        raise InputError(f"timeout = {timeout!r} is not a positive number of seconds")


def recipients(connection, client=None):
    """Identifiers of the clients that a table is meant for: the one of this name, or all that take tables."""
    names = connection.names()
    takers = {taker for format in FORMATS for taker in connection.subscribers(f"table.load.{format}")}
    if client is None:
        found = [c for c in names if c in takers and not is_listener(connection, c)]
        if not found:
            there = f"; there are {', '.join(sorted(names.values()))}" if names else ""
            raise SampError(f"no client of the SAMP hub takes tables{there}. Start TOPCAT, Aladin or DS9")
        return found
    wanted = client.casefold()
    found = (
        [c for c in names if c == client]
        or [c for c, name in names.items() if name.casefold() == wanted]
        or [c for c, name in names.items() if wanted in name.casefold()]
    )
    # Aladin, say, that runs twice: the name means both, but only where it is all of the name.
    if len({names[c] for c in found}) > 1:
        raise SampError(f"client {client!r} may be {' or '.join(sorted(names[c] for c in found))}; give the whole name")
    if not found:
        there = f"there are {', '.join(sorted(names.values()))}" if names else "there is nobody else"
        raise SampError(f"the SAMP hub has no client {printable(client)!r}; {there}")
    if not (taking := [c for c in found if c in takers]):
        raise SampError(f"{names[found[0]]} takes no tables: it subscribes to neither table.load.votable nor .fits")
    return taking


def is_listener(connection, client):
    """Whether a client is a `stellarclass samp`; one that has left is none."""
    try:
        return connection.metadata(client).get(LISTENER_MARK) == "1"
    except SampError:
        return False


def deliver(connection, table, clients, *, name=None, table_id=None, format=None, timeout=60.0):
    """Send a table to the clients with these identifiers, and wait for their answers: a list of `Answer`."""
    if name is None:
        name = str(table.meta.get("name") or "stellarclass")
    table_id = table_id or f"stellarclass-{token_hex(8)}"
    names = connection.names()
    takers = {known: connection.subscribers(f"table.load.{known}") for known in FORMATS}
    answers, tags = {}, {}
    with served_tables(table) as shelf:
        for client in clients:
            label = names.get(client, client)
            picky = label.casefold() == _DS9
            chosen = _format_for(client, takers, format, 0 if picky else len(table))
            if chosen is None:
                wanted = format or " or ".join(FORMATS)
                answers[client] = Answer(label, client, "gone", f"it does not take tables as {wanted}")
                continue
            url = shelf.address("tabledata" if picky and chosen == "votable" else chosen)
            params = {"name": name, "table-id": table_id, "url": url}
            tag = token_hex(8)
            try:
                connection.call(client, f"table.load.{chosen}", params, tag=tag)
            except SampError as err:
                answers[client] = Answer(label, client, "gone", str(err), chosen)
            else:
                tags[client] = (tag, label, chosen, url)
        deadline = time.monotonic() + timeout
        for client, (tag, label, chosen, url) in tags.items():
            try:
                response = connection.answer(tag, client, deadline - time.monotonic())
            except SampError as err:
                answers[client] = Answer(label, client, "gone", str(err), chosen)
            else:
                answer = _understand(response, label, client, chosen, timeout)
                # DS9 says that all is well before it has begun to read.
                if answer.ok and not shelf.fetched(url, deadline - time.monotonic()):
                    reason = f"it answered, but did not fetch the table within {timeout:.3g} s"
                    answer = Answer(label, client, "timeout", reason, chosen, answer.result)
                answers[client] = answer
    return [answers[client] for client in clients]


def _format_for(client, takers, wanted, rows):
    """The format to use for a client, or None if it takes none of them."""
    order = (wanted,) if wanted else FORMATS if rows < LARGE_TABLE else FORMATS[::-1]
    return next((format for format in order if client in takers[format]), None)


def _understand(response, label, client, format, timeout):
    """A client's response, which is a stranger's text."""
    if response is None:
        return Answer(label, client, "timeout", f"no answer within {timeout:.3g} s", format)
    if not isinstance(response, dict) or response.get("samp.status") not in ("samp.ok", "samp.warning", "samp.error"):
        return Answer(label, client, "samp.error", "its answer is not one that SAMP knows", format)
    status, reason = response["samp.status"], ""
    if status != "samp.ok":
        error = response.get("samp.error")
        text = error.get("samp.errortxt") if isinstance(error, dict) else None
        reason = printable(text or "no reason given", 300)
    result = response.get("samp.result")
    return Answer(label, client, status, reason, format, result if isinstance(result, dict) else {})
