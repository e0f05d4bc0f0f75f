# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""HTTP as an archive client needs it: every request ends, every answer is bounded, every failure has a name.

``requests`` alone bounds the wait for one packet; a server that sends one byte a second, of its headers even, can hold
a client for days. Here a request has a budget of time and of bytes as well, and failures that may pass are tried again,
later and later. Only the look-up of a host's name takes as long as the operating system lets it.
"""

import http.client
import io
import random
import re
import threading
import time
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial

import requests
import urllib3
from requests.adapters import HTTPAdapter

from .. import __version__
from .._config import conf
from ..exceptions import (
    ArchiveError,
    ArchiveTimeoutError,
    ArchiveUnreachableError,
    BadAnswerError,
    NotInArchiveError,
)

__all__ = ["Transport", "page_title"]

_PIECE = 1 << 16
_MOST_WORDS = 1 << 16  # bytes of an error's page that are looked at
_FIRST_DELAY = 1.0  # seconds before the second try; doubled for each one after it
_LONGEST_DELAY = 60.0
_TRANSIENT = frozenset({408, 425, 429})  # and all from 500 on


class Transport:
    """Requests to one archive, from any number of threads.

    What is not given is taken from the configuration as it is now.

    Parameters
    ----------
    timeout : float, optional
        Seconds without a byte after which a try is given up.
    time_budget : float, optional
        Seconds that a request may take, all tries together.
    retries : int, optional
        Times that a failed request is tried again.
    """

    def __init__(self, *, timeout=None, time_budget=None, retries=None):
        self.timeout = conf.timeout if timeout is None else timeout
        self.time_budget = conf.time_budget if time_budget is None else time_budget
        self.retries = conf.retries if retries is None else retries
        self._closed = threading.Event()
        self._local = threading.local()  # a requests.Session is not safe to share between threads

    def close(self):
        """Give up all requests under way; each raises within the time-out."""
        self._closed.set()

    def deadline(self):
        """Value of `time.monotonic` at which the time budget of what begins now is used up."""
        return time.monotonic() + self.time_budget

    def fetch(
        self,
        url,
        consume,
        *,
        limit,
        method="GET",
        params=None,
        data=None,
        files=None,
        explain=None,
        deadline=None,
        once=False,
    ):
        """Make a request until its answer is complete and accepted.

        Parameters
        ----------
        url : str
            Where to.
        consume : callable
            Called with an iterator over the answer's bytes, afresh for every try; its value is returned. An
            `ArchiveError` that it raises counts as a failed try.
        limit : int
            Largest answer accepted, in bytes.
        method : str, optional
        params, data, files : optional
            As in `requests.request`; bytes and text only, which can be sent again.
        explain : callable, optional
            Called with the status and the body (at most 64 kB) of an answer that is an error; returns what the
            archive says in it, and raises the `ArchiveError` to be raised if that settles the matter.
        deadline : float, optional
            What `deadline` returned, for several requests that share one time budget.
        once : bool, optional
            Whether to leave it at one try.

        Returns
        -------
        object
            What ``consume`` returned.

        Raises
        ------
        stellarclass.exceptions.NotInArchiveError
            For the statuses 404 and 410.
        stellarclass.exceptions.ArchiveTimeoutError
            If the time budget was used up, or the server fell silent at the last try.
        stellarclass.exceptions.ArchiveUnreachableError
            If there was no connection, or the address is none.
        stellarclass.exceptions.BadAnswerError
            If the last try's answer was cut short, too large or not accepted.
        stellarclass.exceptions.ArchiveError
            For everything else that went wrong on the way.
        """
        deadline = self.deadline() if deadline is None else deadline
        request = partial(self._pieces, method, url, limit, explain, params=params, data=data, files=files)
        tries = 1 if once else self.retries + 1
        for attempt in range(1, tries + 1):
            pieces = request(deadline)
            try:
                return consume(pieces)
            except _Final as final:
                raise final.error from final.__cause__
            except ArchiveError as err:
                failure = err
            finally:
                pieces.close()  # and with it the connection, if the answer was not read to its end
            if attempt == tries:
                break
            delay = min(_FIRST_DELAY * 2 ** (attempt - 1), _LONGEST_DELAY) * random.uniform(0.75, 1.25)  # noqa: S311
            delay = max(delay, getattr(failure, "retry_after", 0.0))
            if time.monotonic() + delay >= deadline:
                reason = f"{failure.reason}; the time budget of {self.time_budget:.3g} s allows no other try"
                raise ArchiveTimeoutError(reason, url) from failure
            if self._closed.wait(delay):
                break
        if attempt > 1:
            failure.reason += f"; given up after {attempt} tries"
        raise failure

    def _pieces(self, method, url, limit, explain, deadline, **content):
        """The bytes of one answer, as they come."""
        watch = _Watch(deadline, 2 * limit + _PIECE, self._closed)
        wait = max(0.001, min(self.timeout, deadline - time.monotonic()))
        try:
            with watch.on_duty():
                response = self._session().request(method, url, timeout=wait, stream=True, **content)
            with response:
                self._check_status(response, url, explain)
                yield from self._body(response, url, limit)
        except ArchiveError:
            raise
        except (OSError, urllib3.exceptions.HTTPError) as err:  # those of requests are OSErrors
            raise self._in_our_words(err, url, watch, wait) from err

    def _session(self):
        if not hasattr(self._local, "session"):
            session = self._local.session = requests.Session()
            session.max_redirects = 5
            for scheme in ("http://", "https://"):
                session.mount(scheme, _WatchedAdapter())
            # Frames are compressed as they are, and the size limit is meant for what arrives.
            session.headers.update({"User-Agent": f"stellarclass/{__version__}", "Accept-Encoding": "identity"})
        return self._local.session

    @staticmethod
    def _check_status(response, url, explain):
        status = f"HTTP {response.status_code} {response.reason}"
        if response.status_code == 200:
            return
        if explain is not None:
            try:
                body = response.raw.read(_MOST_WORDS, decode_content=True)
            except urllib3.exceptions.HTTPError:
                body = b""
            try:
                words = explain(response.status_code, body)
            except ArchiveError as err:
                raise _Final(err) from None
            status += f": {words}" if words else ""
        if response.status_code in (404, 410):
            raise _Final(NotInArchiveError(status, url))
        if response.status_code not in _TRANSIENT and response.status_code < 500:
            raise _Final(ArchiveError(status, url))
        failure = ArchiveError(status, url)
        seconds = response.headers.get("Retry-After", "")
        failure.retry_after = min(float(seconds), _LONGEST_DELAY) if seconds.isascii() and seconds.isdigit() else 0.0
        raise failure

    @staticmethod
    def _body(response, url, limit):
        promised = response.headers.get("Content-Length", "")
        promised = int(promised) if promised.isascii() and promised.isdigit() else None
        if promised is not None and promised > limit:
            raise _Final(BadAnswerError(f"the answer has {promised} bytes, more than the {limit} accepted", url))
        got = 0
        try:
            for piece in response.raw.stream(_PIECE, decode_content=True):
                got += len(piece)
                if got > limit:
                    raise _Final(BadAnswerError(f"the answer is longer than the {limit} bytes accepted", url))
                yield piece
        except urllib3.exceptions.ProtocolError as err:
            came = f"{response.raw.tell()} of {'?' if promised is None else promised} bytes came"
            raise BadAnswerError(f"truncated: {came}", url) from err

    def _in_our_words(self, err, url, watch, wait):
        """What is raised for an error of the libraries below."""
        if self._closed.is_set():
            return _Final(ArchiveError("given up before the answer was complete", url))
        if watch.bytes_left <= 0:
            return _Final(BadAnswerError("the answer is all headers or redirections", url))
        if time.monotonic() >= watch.deadline:
            reason = f"the answer was not complete within the time budget of {self.time_budget:.3g} s"
            return _Final(ArchiveTimeoutError(reason, url))
        if isinstance(err, (requests.Timeout, urllib3.exceptions.TimeoutError)):
            return ArchiveTimeoutError(f"no answer for {wait:.3g} s", url)
        if isinstance(err, requests.ConnectionError):
            return ArchiveUnreachableError(f"the connection failed: {_innermost(err)}", url)
        # What is also a ValueError is an address that can never work.
        kind = ArchiveUnreachableError if isinstance(err, ValueError) else ArchiveError
        return _Final(kind(f"the request failed: {err}", url))


class _Final(Exception):
    """Carries an `ArchiveError` that another try would not mend."""

    def __init__(self, error):
        super().__init__(error)
        self.error = error


# ---- below requests: every read from the network is looked at, that of headers and of redirections included


class _Watch:
    """What one try may still take."""

    def __init__(self, deadline, bytes_left, closed):
        self.deadline, self.bytes_left, self.closed = deadline, bytes_left, closed

    @contextmanager
    def on_duty(self):
        """Answers that begin meanwhile, in this thread, are watched to their end."""
        token = _ON_DUTY.set(self)
        try:
            yield
        finally:
            _ON_DUTY.reset(token)

    def seconds_left(self):
        left = self.deadline - time.monotonic()
        if left <= 0 or self.bytes_left <= 0 or self.closed.is_set():
            raise TimeoutError("given up")  # `Transport._in_our_words` says why
        return left


_ON_DUTY = ContextVar("stellarclass_watch")


class _WatchedStream(io.RawIOBase):
    """The bytes of a connection, as long as the watch lets them come."""

    def __init__(self, stream, sock, watch):
        self._stream, self._sock, self._watch = stream, sock, watch
        self._timeout = sock.gettimeout()

    def readable(self):
        return True

    def readinto(self, buffer):
        self._sock.settimeout(min(self._timeout, self._watch.seconds_left()))
        count = self._stream.readinto(buffer)
        self._watch.bytes_left -= count or 0
        return count

    def close(self):
        self._stream.close()
        super().close()


class _WatchedResponse(http.client.HTTPResponse):
    def __init__(self, sock, *args, **kwargs):
        super().__init__(sock, *args, **kwargs)
        self.fp = io.BufferedReader(_WatchedStream(self.fp.detach(), sock, _ON_DUTY.get()))


class _Connection(urllib3.connection.HTTPConnection):
    response_class = _WatchedResponse


class _SecureConnection(urllib3.connection.HTTPSConnection):
    response_class = _WatchedResponse


class _Pool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


class _WatchedAdapter(HTTPAdapter):
    """Connects as `requests` does, directly or through a proxy, by connections that are watched."""

    def init_poolmanager(self, *args, **kwargs):
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}

    def proxy_manager_for(self, *args, **kwargs):
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}
        return manager


def page_title(body):
    """What an HTML page that came instead of an answer calls itself.

    Parameters
    ----------
    body : bytes

    Returns
    -------
    str or None
        Such as ``an HTML page titled 'Down for maintenance'``; None if it is no HTML page.
    """
    if not body[:2000].lstrip().lower().startswith((b"<!doctype html", b"<html")):
        return None
    title = re.search(rb"<title[^>]*>([^<]{1,200})", body[:20000], re.IGNORECASE)
    return f"an HTML page titled {title[1].decode('utf-8', 'replace').strip()!r}" if title else "an HTML page"


def _innermost(err):
    """The words of the operating system, without the layers around them."""
    while err.__cause__ is not None or err.__context__ is not None:
        err = err.__cause__ or err.__context__
    return str(err) or type(err).__name__
