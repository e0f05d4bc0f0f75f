# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`BoundedSession`: HTTP that ends. Time-outs, a deadline and a size limit, for libraries that set none themselves."""

import io
import time

import requests
import urllib3

from ..exceptions import ArchiveError, ArchiveTimeoutError, BadAnswerError

__all__ = ["BoundedSession"]

PIECE = 1 << 16


class BoundedSession(requests.Session):
    """A session for one exchange whose answer is read whole, within limits, before anybody parses it.

    Parameters
    ----------
    timeout : float
        Seconds without a byte after which to give up.
    deadline : float
        Value of `time.monotonic` at which to give up whatever arrives.
    max_bytes : int
        Largest answer accepted, after decompression.

    Attributes
    ----------
    status : int or None
        HTTP status of the last answer.
    body : bytes
        Its body.
    content_type : str
        Its media type.
    failure : stellarclass.exceptions.ArchiveError or None
        Why there is no answer. It is also raised; libraries that wrap what is raised lose its type.
    transient : bool
        Whether the failure may have gone by next time.
    """

    def __init__(self, *, timeout, deadline, max_bytes):
        super().__init__()
        self.timeout, self.deadline, self.max_bytes = timeout, deadline, max_bytes
        self.status, self.body, self.content_type = None, b"", ""
        self.failure, self.transient = None, False

    def request(self, method, url, **keywords):
        """As `requests.Session.request`, within the limits; ``response.raw`` reads from memory."""
        left = self.deadline - time.monotonic()
        wait = max(min(self.timeout, left), 0.001)
        keywords.update(timeout=wait, stream=True)
        try:
            response = super().request(method, url, **keywords)
            with response:
                self.body = self._read(response.raw, url)
        except ArchiveError as error:
            self.failure = error
            raise
        except (requests.Timeout, urllib3.exceptions.TimeoutError) as error:
            self.failure, self.transient = ArchiveTimeoutError(f"nothing heard for {wait:.3g} s", url), True
            raise self.failure from error
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            self.failure = ArchiveError(_in_words(error), url)
            # What is also a ValueError is an address that can never work.
            self.transient = not isinstance(error, ValueError)
            raise self.failure from error
        self.status = response.status_code
        self.content_type = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        response.raw = urllib3.HTTPResponse(
            io.BytesIO(self.body), status=response.status_code, reason=response.reason, preload_content=False
        )
        return response

    def _read(self, raw, url):
        # read1 comes back with what is there, so that a server that drips bytes cannot outlast the deadline.
        read = getattr(raw, "read1", raw.read)
        pieces, size = [], 0
        while piece := read(PIECE, decode_content=True):
            pieces.append(piece)
            size += len(piece)
            if size > self.max_bytes:
                raise BadAnswerError(f"the answer is larger than {self.max_bytes} bytes", url)
            if time.monotonic() > self.deadline:
                raise ArchiveTimeoutError("the answer did not end within the time budget", url)
        return b"".join(pieces)


def _in_words(error):
    """The innermost reason of a chain of exceptions: the one that says what happened."""
    while (inner := getattr(error, "reason", None) or (error.args[0] if error.args else None)) and isinstance(
        inner, BaseException
    ):
        error = inner
    return str(error) or type(error).__name__
