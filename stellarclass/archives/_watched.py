# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Below ``requests``: every read from the network is looked at, that of headers and of redirections included."""

import http.client
import io
import time
from contextlib import contextmanager
from contextvars import ContextVar

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.util.wait import wait_for_read

from .. import __version__

__all__ = ["Watch", "watched_session"]

_LOOK = 0.2  # seconds after which one who waits for bytes looks whether its request was given up


class Watch:
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
            raise TimeoutError("given up")  # the transport says why
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
        silent_at = time.monotonic() + self._timeout
        while not self._has_news(min(_LOOK, self._timeout, self._watch.seconds_left())):
            if time.monotonic() >= silent_at:
                raise TimeoutError("timed out")
        self._sock.settimeout(min(self._timeout, self._watch.seconds_left()))
        count = self._stream.readinto(buffer)
        self._watch.bytes_left -= count or 0
        return count

    def _has_news(self, seconds):
        """Whether there is something to read by then: bytes, or the end."""
        pending = getattr(self._sock, "pending", None)  # what TLS has at hand, of which the system knows nothing
        return bool(pending and pending()) or wait_for_read(self._sock, seconds)

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


def watched_session():
    """A session whose requests are watched; it is not safe to share between threads."""
    session = requests.Session()
    session.max_redirects = 5
    for scheme in ("http://", "https://"):
        session.mount(scheme, _WatchedAdapter())
    # Frames are compressed as they are, and the size limit is meant for what arrives.
    session.headers.update({"User-Agent": f"stellarclass/{__version__}", "Accept-Encoding": "identity"})
    return session
