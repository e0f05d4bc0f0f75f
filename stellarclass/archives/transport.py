# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""HTTP as an archive client needs it: every request ends, every answer is bounded, every failure has a name.

``requests`` alone bounds the wait for one packet; a server that sends one byte a second can hold a client for days.
Here a request has a budget of time and of bytes as well, and failures that may pass are tried again, later and later.
"""

import random
import threading
import time
from functools import partial

import requests
import urllib3

from ..exceptions import ArchiveError, ArchiveTimeoutError, BadAnswerError, NotInArchiveError

__all__ = ["Transport"]

_PIECE = 1 << 16
_FIRST_DELAY = 1.0  # seconds before the second try; doubled for each one after it
_LONGEST_DELAY = 60.0


class _RefusedError(ArchiveError):
    """The archive will say the same again: not worth another try."""


class Transport:
    """Requests to one archive, from any number of threads.

    Parameters
    ----------
    timeout : float
        Seconds without a byte after which a try is given up.
    budget : float
        Seconds that a request may take, all tries together.
    retries : int
        Times that a failed request is tried again.
    """

    def __init__(self, *, timeout, budget, retries):
        self.timeout = timeout
        self.budget = budget
        self.retries = retries
        self._closed = threading.Event()
        self._local = threading.local()  # a requests.Session is not safe to share between threads

    def close(self):
        """Give up all requests under way; each raises within the time-out."""
        self._closed.set()

    def fetch(self, url, consume, *, limit, method="GET", params=None, data=None, files=None):
        """Make a request until its answer is complete and accepted.

        Parameters
        ----------
        url : str
            Where to.
        consume : callable
            Called with an iterator over the answer's bytes, afresh for every try; its value is returned. A
            `BadAnswerError` that it raises counts as a failed try.
        limit : int
            Largest answer accepted, in bytes.
        method : str, optional
        params, data, files : optional
            As in `requests.request`.

        Returns
        -------
        object
            What ``consume`` returned.

        Raises
        ------
        stellarclass.exceptions.NotInArchiveError
            For the statuses 404 and 410.
        stellarclass.exceptions.ArchiveTimeoutError
            If the budget was spent, or the server fell silent at the last try.
        stellarclass.exceptions.BadAnswerError
            If the last try's answer was cut short, too large or not accepted.
        stellarclass.exceptions.ArchiveError
            For everything else that went wrong on the way.
        """
        request = partial(self._pieces, method, url, limit, params=params, data=data, files=files)
        deadline = time.monotonic() + self.budget
        for attempt in range(self.retries + 1):
            pieces = request(deadline)
            try:
                return consume(pieces)
            except (NotInArchiveError, _RefusedError):
                raise
            except ArchiveError as err:
                last = err
            finally:
                pieces.close()  # and with it the connection, if the answer was not read to its end
            delay = min(_FIRST_DELAY * 2**attempt, _LONGEST_DELAY)
            delay = max(delay * random.uniform(0.75, 1.25), getattr(last, "retry_after", 0.0))  # noqa: S311
            if attempt == self.retries or time.monotonic() + delay >= deadline:
                break
            if self._closed.wait(delay):
                break
        tries = f"after {attempt + 1} tries" if attempt else "after one try"
        raise type(last)(f"{last.reason}; given up {tries}", url) from last

    def _pieces(self, method, url, limit, deadline, *, params, data, files):
        """The bytes of one answer, as they come."""
        if not hasattr(self._local, "session"):
            self._local.session = requests.Session()
            self._local.session.max_redirects = 5
            # Frames are compressed as they are, and the size limit is meant for what arrives.
            self._local.session.headers.update({"User-Agent": "stellarclass", "Accept-Encoding": "identity"})
        wait = max(0.001, min(self.timeout, deadline - time.monotonic()))
        try:
            with self._local.session.request(
                method, url, params=params, data=data, files=files, timeout=wait, stream=True
            ) as response:
                self._check_status(response, url)
                yield from self._body(response, url, limit, deadline)
        except (requests.Timeout, urllib3.exceptions.TimeoutError) as err:
            raise ArchiveTimeoutError(f"no answer for {wait:.3g} s", url) from err
        except (requests.ConnectionError, urllib3.exceptions.ProtocolError) as err:
            raise ArchiveError(f"the connection failed: {_innermost(err)}", url) from err
        except (requests.RequestException, urllib3.exceptions.HTTPError) as err:
            raise _RefusedError(f"the request failed: {err}", url) from err

    @staticmethod
    def _check_status(response, url):
        status = f"HTTP {response.status_code} {response.reason}"
        if response.status_code == 200:
            return
        if response.status_code in (404, 410):
            raise NotInArchiveError(status, url)
        if response.status_code in (408, 425, 429) or response.status_code >= 500:
            err = ArchiveError(status, url)
            seconds = response.headers.get("Retry-After", "")
            err.retry_after = min(float(seconds), _LONGEST_DELAY) if seconds.isascii() and seconds.isdigit() else 0.0
            raise err
        raise _RefusedError(status, url)

    def _body(self, response, url, limit, deadline):
        promised = response.headers.get("Content-Length", "")
        promised = int(promised) if promised.isascii() and promised.isdigit() else None
        if promised is not None and promised > limit:
            raise _RefusedError(f"the answer has {promised} bytes, more than the {limit} accepted", url)
        got = 0
        # read1 returns what has come instead of waiting for a full piece, so that the clock is looked at in time;
        # urllib3 1 does not have it.
        read = getattr(response.raw, "read1", response.raw.read)
        while True:
            try:
                piece = read(_PIECE, decode_content=False)
            except urllib3.exceptions.ProtocolError as err:
                reason = f"truncated: the connection ended after {got} of {promised or '?'} bytes"
                raise BadAnswerError(reason, url) from err
            if not piece:
                break
            got += len(piece)
            if got > limit:
                raise _RefusedError(f"the answer is longer than the {limit} bytes accepted", url)
            if time.monotonic() > deadline:
                raise ArchiveTimeoutError(f"the answer was not complete within {self.budget:.3g} s ({got} bytes)", url)
            if self._closed.is_set():
                raise _RefusedError("given up before the answer was complete", url)
            yield piece
        if promised is not None and got != promised:
            raise BadAnswerError(f"truncated: {got} of {promised} bytes came", url)


def _innermost(err):
    """The words of the operating system, without the layers around them."""
    while err.__cause__ is not None or err.__context__ is not None:
        err = err.__cause__ or err.__context__
    return str(err) or type(err).__name__
