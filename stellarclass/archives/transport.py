# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""HTTP as an archive client needs it: every request ends, every answer is bounded, every failure has a name.

``requests`` alone bounds the wait for one packet; a server that sends one byte a second, of its headers even, can hold
a client for days. Here a request has a budget of time and of bytes as well (`_watched`). Failures that may pass are
tried again, later and later, after a wait that is drawn, so that clients do not come back all at once; what had arrived
of a file before is not asked for again (`_resume`). All requests to a host wait for their turn (`_hosts`), also where
it asks to wait or is down. Only the look-up of a host's name takes as long as the operating system lets it.
"""

import itertools
import random
import threading
import time
from dataclasses import dataclass
from functools import partial

import requests
import urllib3

from .._config import conf
from ..exceptions import (
    ArchiveError,
    ArchiveTimeoutError,
    ArchiveUnavailableError,
    ArchiveUnreachableError,
    BadAnswerError,
    CacheError,
    NotInArchiveError,
)
from ._hosts import all_downloads, host_of
from ._resume import Kept
from ._watched import Watch, watched_session
from ._words import innermost, is_nameless, page_title, retry_after

__all__ = ["Answer", "Transport", "page_title"]

_PIECE = 1 << 16
_MOST_WORDS = 1 << 16  # bytes of an error's page that are looked at
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
    jitter : callable, optional
        Returns the share, from 0 to 1, of each wait between tries; `random.random`.
    """

    def __init__(self, *, timeout=None, time_budget=None, retries=None, jitter=random.random):
        self.timeout = conf.timeout if timeout is None else timeout
        self.time_budget = conf.time_budget if time_budget is None else time_budget
        self.retries = conf.retries if retries is None else retries
        self._jitter = jitter
        self._closed = threading.Event()
        self._local = threading.local()  # a requests.Session is not safe to share between threads

    def close(self):
        """Give up all requests under way; each raises soon, or within the time-out if it is still being connected."""
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
        url : str or sequence of str
            Where to; where the same thing lies at several addresses, the others are asked in turn if the first one
            fails. Only the first one's word counts that there is no such thing: copies may have gaps.
        consume : callable
            Called with an `Answer`, an iterator over the answer's bytes, afresh for every try; its value is returned.
            An `ArchiveError` that it raises counts as a failed try.
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
            If there was no connection, the host is known to be down, or the address is none.
        stellarclass.exceptions.ArchiveUnavailableError
            If the archive had nothing but errors of its own (HTTP 5xx), or asks for a longer wait (429, 503) than there
            is time for or ``conf.longest_retry_after`` allows.
        stellarclass.exceptions.BadAnswerError
            If the last try's answer was cut short, too large or not accepted.
        stellarclass.exceptions.ArchiveError
            For everything else that went wrong on the way.
        """
        addresses = [_Address(u) for u in ([url] if isinstance(url, str) else url)]
        if method == "GET" and not (params or data or files):
            for address in addresses:
                address.kept = Kept()
        request = {
            "method": method,
            "limit": limit,
            "explain": explain,
            "deadline": self.deadline() if deadline is None else deadline,
            "content": {"params": params, "data": data, "files": files},
        }
        tries = 0
        for waits in itertools.count():
            left = [address for address in addresses if not address.final]
            for address in left:
                try:
                    # Nobody waits for a host that is down while another may have the same thing.
                    return self._try(address, consume, patient=address is left[-1], **request)
                except _Final as final:
                    address.error, address.final, address.error.__cause__ = final.error, True, final.__cause__
                    is_a_fact = isinstance(final.error, NotInArchiveError) and address is addresses[0]
                    if is_a_fact or isinstance(final.error, CacheError) or self._closed.is_set():
                        raise final.error from final.__cause__
                except ArchiveError as err:
                    address.error = err
            left = [address for address in addresses if not address.final]
            asked = min((getattr(a.error, "retry_after", None) or 0.0 for a in left), default=0.0)
            tries += asked == 0  # a busy archive that says so has not failed
            if not left or once or tries > self.retries or asked > conf.longest_retry_after:
                break
            delay = self._jitter() * min(conf.retry_delay * 2.0 ** min(waits, 60), conf.longest_delay)
            delay = max(delay, asked)
            if time.monotonic() + delay >= request["deadline"]:
                raise self._too_late(left[0], asked) from left[0].error
            if self._closed.wait(delay):
                break
        raise _summary(addresses)

    def _too_late(self, address, asked):
        reason = f"{address.error.reason}; the time budget of {self.time_budget:.3g} s allows no other try"
        error = ArchiveTimeoutError(reason, address.url)
        error.retry_after = asked or None
        return error

    def _try(self, address, consume, *, patient, deadline, **request):
        """One try at one address, and what it says about the host."""
        host, url = host_of(address.url), address.url
        try:
            probe = host.enter(url, deadline, self._closed, patient=patient)
        except TimeoutError:
            raise _Final(ArchiveError("given up before the answer was complete", url)) from None
        except ArchiveUnavailableError as err:
            if patient:
                raise _Final(err) from None
            raise
        address.tries += 1
        answer = Answer(url, self._pieces(url, address.kept, deadline, **request), host.leave)
        news = host.no_news
        try:
            value = consume(answer)
            news = host.succeeded
        except _Final as final:
            news = self._news(host, final.error, nameless=is_nameless(final.__cause__))
            raise
        except CacheError as err:
            news = host.succeeded  # the trouble is ours
            raise _Final(err) from err.__cause__
        except ArchiveError as err:
            news = self._news(host, err)
            raise
        finally:
            answer.close()  # and with it the connection, if the answer was not read to its end
            news(probe=probe)
            if address.kept is not None and not answer.broke_off:
                address.kept.drop()
        return value

    def _news(self, host, error, nameless=False):
        """What an error means for the host."""
        if self._closed.is_set():
            return host.no_news
        asked = getattr(error, "retry_after", None)
        if asked:
            return partial(host.asked_to_wait, min(asked, conf.longest_retry_after))
        if isinstance(error, (ArchiveUnavailableError, BadAnswerError)):
            return partial(host.failed, error.reason, jitter=self._jitter, nameless=nameless)
        return host.succeeded  # it answered: no, but it did

    def _pieces(self, url, kept, deadline, *, method, limit, explain, content):
        """The bytes of one answer, as they come."""
        watch = Watch(deadline, 2 * limit + _PIECE, self._closed)
        wait = max(0.001, min(self.timeout, deadline - time.monotonic()))
        headers = {} if kept is None else kept.headers()
        try:
            with watch.on_duty():
                session = self._session()
                response = session.request(method, url, headers=headers, timeout=wait, stream=True, **content)
            with response:
                self._check_status(response, url, explain, kept)
                yield from self._body(response, url, limit, kept, deadline)
        except ArchiveError:
            raise
        except (OSError, urllib3.exceptions.HTTPError) as err:  # those of requests are OSErrors
            raise self._in_our_words(err, url, watch, wait) from err

    def _session(self):
        if not hasattr(self._local, "session"):
            self._local.session = watched_session()
        return self._local.session

    @staticmethod
    def _check_status(response, url, explain, kept):
        status = f"HTTP {response.status_code} {response.reason}"
        if response.status_code == 200:
            return
        if response.status_code in (206, 416) and kept is not None and kept.size:
            if response.status_code == 206 and kept.continued_by(response.headers):
                return
            kept.drop()
            raise BadAnswerError(f"{status}: not the rest of the file that was asked for", url)
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
        failure = ArchiveUnavailableError(status, url)
        failure.retry_after = retry_after(response) or None
        if (failure.retry_after or 0.0) > conf.longest_retry_after:
            limit = f"conf.longest_retry_after = {conf.longest_retry_after:.6g}"
            failure.reason += f"; it asks to wait for {failure.retry_after:.0f} s, more than {limit}"
        raise failure

    def _body(self, response, url, limit, kept, deadline):
        promised = response.headers.get("Content-Length", "")
        promised = int(promised) if promised.isascii() and promised.isdigit() else None
        if promised is not None and promised > limit:
            raise _Final(BadAnswerError(f"the answer has {promised} bytes, more than the {limit} accepted", url))
        kept, before = Kept() if kept is None else kept, 0
        if response.status_code == 206:
            yield from kept.pieces[:]
            before = kept.size
        else:
            kept.begin(response.headers, promised)
        got = before
        try:
            for piece in response.raw.stream(_PIECE, decode_content=True):
                got += len(piece)
                if got > limit:
                    raise _Final(BadAnswerError(f"the answer is longer than the {limit} bytes accepted", url))
                kept.add(piece)
                yield piece
                self._closed.wait(max(0.0, min(all_downloads.delay(len(piece)), deadline - time.monotonic())))
        except urllib3.exceptions.ProtocolError as err:
            total = "?" if promised is None else before + promised
            raise BadAnswerError(f"truncated: {before + response.raw.tell()} of {total} bytes came", url) from err
        if before and got != kept.total:
            raise BadAnswerError(f"truncated: {got} of {kept.total} bytes came", url)

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
            error = ArchiveUnreachableError(f"the connection failed: {innermost(err)}", url)
            # A name that is not known now will not be a second later; the look-up has taken its time.
            return _Final(error) if is_nameless(err) else error
        # What is also a ValueError is an address that can never work.
        kind = ArchiveUnreachableError if isinstance(err, ValueError) else ArchiveError
        return _Final(kind(f"the request failed: {err}", url))


class Answer:
    """The bytes of one answer, in pieces, as they come.

    Attributes
    ----------
    url : str
        Address that was asked.
    """

    def __init__(self, url, pieces, leave):
        self.url = url
        self.broke_off = False  # whether the transfer broke before the answer was complete
        self._pieces, self._leave = pieces, leave

    def __iter__(self):
        return self

    def __next__(self):
        try:
            return next(self._pieces)
        except StopIteration:
            self.close()  # the next one may go: what is made of the answer takes no connection
            raise
        except BaseException:
            self.broke_off = True
            self.close()
            raise

    def close(self):
        """Read no more; the connection is closed unless the answer was read to its end."""
        self._pieces.close()
        if self._leave is not None:
            leave, self._leave = self._leave, None
            leave()


@dataclass
class _Address:
    """One of the places where a thing lies, and how it went there."""

    url: str
    kept: Kept | None = None
    error: ArchiveError | None = None
    final: bool = False
    tries: int = 0


class _Final(Exception):
    """Carries an `ArchiveError` that another try would not mend."""

    def __init__(self, error):
        super().__init__(error)
        self.error = error


def _summary(addresses):
    """The first address's error; what went wrong with the others is said with it."""
    first, *others = addresses
    if first.tries > 1:
        first.error.reason += f"; given up after {first.tries} tries"
    for other in others:
        if other.error is not None:
            first.error.reason += f"; from {other.url}: {other.error.reason}"
    return first.error
