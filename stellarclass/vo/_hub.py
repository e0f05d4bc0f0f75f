# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""One registration with a SAMP hub: on loopback only, every request limited in time, no errors but our own."""

import threading
import time
from contextlib import suppress

from pyvo.samp import SAMPClient, SAMPClientError, SAMPHubProxy
from pyvo.samp import conf as samp_conf

from .. import __version__
from ..exceptions import SampError

__all__ = ["LISTENER_MARK", "Connection", "printable", "within"]

LISTENER_MARK = "stellarclass.listener"
"""Key in the metadata of a client that classifies what it is sent: such clients do not send to each other."""

_PATIENCE = 10.0  # seconds for a request that a hub answers by itself
_LOOK = 1.0  # seconds between two looks whether who has to answer is still there


class Connection:
    """A client of the hub that runs on this machine.

    The hub is the one that ``SAMP_HUB`` in the environment names, or else that of the file ``.samp`` in the home
    folder, as SAMP's Standard Profile says.

    Parameters
    ----------
    name : str
        What other clients show.
    description : str, optional
        What they show as well.
    handlers : dict of str to callable, optional
        Called for messages of these MTypes with the sender's public identifier, the message's identifier (`None` where
        no reply is wanted) and the message's parameters. They have to return soon.
    listener : bool, optional
        Whether this client classifies what it is sent.

    Raises
    ------
    stellarclass.exceptions.SampError
        If there is no hub, or it does not let this client in.
    """

    def __init__(self, name, *, description="", handlers=None, listener=False):
        self._answers, self._waiting = {}, {}
        self._hub, self._client = SAMPHubProxy(), None
        metadata = {
            "samp.name": name,
            "samp.description.text": description or "Spectral classes and stellar radii from SDSS images and Gaia",
            "author.affiliation": "stellarclass developers",
            "stellarclass.version": __version__,
            LISTENER_MARK: "1" if listener else "0",
        }
        try:
            within(2 * _PATIENCE, self._join, metadata, handlers or {})
        except BaseException:
            self.close()
            raise
        self.id = self._client.get_public_id()

    def _join(self, metadata, handlers):
        # pyvo would look for its host's name by asking a public server, and offer its port to the whole network.
        with samp_conf.set_temp("use_internet", False):
            self._hub.connect()
            self._client = client = SAMPClient(self._hub, metadata=metadata, addr="127.0.0.1")
        # pyvo tells whoever asks what is in our environment, where passwords may be.
        client.unbind_receive_call("client.env.get", declare=False)
        for mtype, handler in handlers.items():
            received = _receiver(handler)
            client.bind_receive_call(mtype, received, declare=False)
            client.bind_receive_notification(mtype, received, declare=False)
        client.start()
        client.register()

    def close(self):
        """Leave the hub, whether it is still there or not."""
        client, self._client = self._client, None
        if client is not None:
            with suppress(SampError):
                if client.is_registered:
                    within(_PATIENCE, client.unregister)
            with suppress(SAMPClientError, RuntimeError):  # a thread that was never started cannot be stopped
                client.stop()
        with suppress(Exception):
            self._hub.disconnect()

    def ask(self, method, *arguments):
        """Call a method of the hub's that takes our private key first."""
        client = self._client
        if client is None:
            raise SampError("this client has left the hub")
        return within(_PATIENCE, getattr(self._hub, method), client.get_private_key(), *arguments)

    def names(self):
        """Names of all other clients, by public identifier."""
        found = {}
        for client in self.ask("get_registered_clients"):
            with suppress(SampError):  # it has left meanwhile
                name = self.metadata(client).get("samp.name")
                found[client] = printable(name) if isinstance(name, str) and name else client
        return found

    def metadata(self, client):
        """What a client says of itself."""
        found = self.ask("get_metadata", client)
        return found if isinstance(found, dict) else {}

    def subscribers(self, mtype):
        """Public identifiers of the other clients that take a message."""
        return [client for client in self.ask("get_subscribed_clients", mtype) if client != self.id]

    def call(self, client, mtype, params, *, tag):
        """Send a message that wants an answer; `answer` waits for it."""
        self._waiting[tag] = threading.Event()
        self._client.bind_receive_response(tag, self._receive_response)
        self.ask("call", client, tag, {"samp.mtype": mtype, "samp.params": params})

    def answer(self, tag, client, timeout):
        """The answer of a client to the message with this tag, or `None` if it did not come in time."""
        end = time.monotonic() + timeout
        try:
            while not self._waiting[tag].wait(max(0.0, min(_LOOK, end - time.monotonic()))):
                if time.monotonic() >= end:
                    return None
                if client not in self.ask("get_registered_clients") and not self._waiting[tag].wait(_LOOK):
                    raise SampError("it left the hub before it answered")
            return self._answers.pop(tag)
        finally:
            del self._waiting[tag]
            self._client.unbind_receive_response(tag)

    def _receive_response(self, private_key, responder, tag, response):
        if tag in self._waiting:
            self._answers[tag] = response
            self._waiting[tag].set()

    def reply(self, message, response):
        """Answer a message that was received."""
        self.ask("reply", message, response)


def _receiver(handler):
    """A function of the signature that pyvo looks for."""

    def received(private_key, sender, message, mtype, params, extra):
        handler(sender, message, params if isinstance(params, dict) else {})

    return received


def within(seconds, function, *arguments):
    """Call a function that may never return.

    Parameters
    ----------
    seconds : float
        How long to wait for it. pyvo's requests to a hub have no limit of their own.
    function : callable
    *arguments

    Returns
    -------
    object
        What the function returned.

    Raises
    ------
    stellarclass.exceptions.SampError
        If it failed, or did not return in time.
    """
    outcome = {}

    def run():
        try:
            outcome["value"] = function(*arguments)
        except BaseException as err:
            outcome["error"] = err

    thread = threading.Thread(target=run, daemon=True, name="stellarclass-samp-request")
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        raise SampError(f"the SAMP hub did not answer within {seconds:.3g} s")
    error = outcome.get("error")
    if isinstance(error, Exception) and not isinstance(error, SampError):
        # pyvo hands on whatever a lock file or an answer that makes no sense leads it to.
        raise SampError(f"the SAMP hub: {_words(error)}") from error
    if error is not None:
        raise error
    return outcome["value"]


def _words(error):
    if isinstance(error, KeyError):
        return "there is none, or its lock file lacks an entry"
    return printable(getattr(error, "faultString", None) or str(error) or type(error).__name__, 300)


def printable(text, limit=80):
    r"""Text of a stranger's, fit for a log: one line, no control characters, not too long.

    Parameters
    ----------
    text : object
    limit : int, optional
        Characters.

    Returns
    -------
    str

    Examples
    --------
    >>> from stellarclass.vo._hub import printable
    >>> printable("M2\x1b[2J\nstars")
    'M2?[2J stars'
    """
    words = "".join(c if c.isprintable() else " " if c.isspace() else "?" for c in str(text)[: 2 * limit])
    return words if len(words) <= limit else words[: limit - 1] + "…"
