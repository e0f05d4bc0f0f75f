# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Manners towards one host, kept by all threads of this process together.

Each host has a number of connections, waits that it asked for (``Retry-After``), and an opinion of ours whether it is
up. After ``conf.outage_failures`` failures in a row it is taken to be down: requests wait, and one at a time goes out
to see, after a pause that doubles from one to the next. The first success lets the others go. A host that has been
down for ``conf.outage_wait`` seconds is not waited for: requests fail at once, but for those that probe.
"""

import math
import threading
import time
from urllib.parse import urlsplit

from .._config import conf
from ..exceptions import ArchiveTimeoutError, ArchiveUnavailableError, ArchiveUnreachableError

__all__ = ["Host", "Pace", "all_downloads", "forget_hosts", "host_of"]

_LOOK = 0.2  # seconds after which one who waits looks whether its request was given up


class Host:
    """What is known of one host.

    Parameters
    ----------
    name : str
        Scheme, name and port.
    """

    def __init__(self, name):
        self.name = name
        self._news = threading.Condition()
        self._active = 0
        self._failures = 0
        self._not_before = 0.0
        self._up()

    def _up(self):
        self._failures, self._down_since, self._why = 0, None, ""
        self._nameless = self._probing = False
        self._pause, self._next_probe = 0.0, 0.0

    def enter(self, url, deadline, closed, *, patient=True):
        """Wait until a request may go out; `leave` must follow.

        Parameters
        ----------
        url : str
            Address of the request, for error messages.
        deadline : float
            Value of `time.monotonic` up to which it may wait.
        closed : threading.Event
            Set when the request is given up.
        patient : bool, optional
            Whether it waits for a host that is down.

        Returns
        -------
        bool
            Whether this request is the one that finds out if the host is up again.

        Raises
        ------
        TimeoutError
            If the request was given up.
        stellarclass.exceptions.ArchiveUnavailableError
            If waiting is of no use.
        """
        with self._news:
            while True:
                if closed.is_set():
                    raise TimeoutError("given up")
                now = time.monotonic()
                until = self._until(now)
                if until <= now:
                    break
                self._check_worth(url, now, until, deadline, patient)
                self._news.wait(min(until, deadline, now + _LOOK) - now)
            probe = self._probing = self._down_since is not None
            self._active += 1
            return probe

    def _until(self, now):
        """When it is worth looking again; inf if that is when there are news."""
        if self._active >= max(1, conf.host_connections):
            return math.inf
        if now < self._not_before:
            return self._not_before
        if self._down_since is None:
            return now
        return math.inf if self._probing else self._next_probe

    def _check_worth(self, url, now, until, deadline, patient):
        error = None
        if self._down_since is not None and now >= self._not_before:
            down = now - self._down_since
            if self._nameless or not patient or down >= conf.outage_wait or math.inf > until >= deadline:
                error = ArchiveUnreachableError(f"{self.name} has been down for {down:.3g} s: {self._why}", url)
        elif math.inf > until >= deadline:
            wait = until - now
            error = ArchiveUnavailableError(f"the archive asks to wait for {wait:.3g} s, more than there is time", url)
        if error is None and now >= deadline:
            error = ArchiveTimeoutError(f"no turn among the requests to {self.name} within the time budget", url)
        if error is not None:
            error.retry_after = max(0.0, (until if until < math.inf else self._next_probe) - now)
            raise error

    def leave(self):
        """A request is over, however it ended."""
        with self._news:
            self._active -= 1
            self._news.notify_all()

    def no_news(self, *, probe):
        """A request ended without telling anything of the host."""
        if probe:
            with self._news:
                self._probing = False
                self._news.notify_all()

    def succeeded(self, *, probe=False):
        """The host answered."""
        with self._news:
            if self._failures or self._down_since is not None:
                self._up()
                self._news.notify_all()

    def asked_to_wait(self, seconds, *, probe=False):
        """The host is up, and wants nothing for a while."""
        with self._news:
            self._up()
            self._not_before = max(self._not_before, time.monotonic() + seconds)
            self._news.notify_all()

    def failed(self, why, *, probe, jitter, nameless=False):
        """A request failed in a way that says something about the host.

        Parameters
        ----------
        why : str
            Reason, for the messages of those who are not let through.
        probe : bool
            What `enter` returned.
        jitter : callable
            Returns a number from 0 to 1, for the next pause.
        nameless : bool, optional
            Whether the host's name is not known: nothing is gained by waiting.
        """
        with self._news:
            now = time.monotonic()
            self._failures += 1
            if self._down_since is None and (nameless or self._failures >= conf.outage_failures):
                self._down_since, self._why, self._pause = now, why, conf.retry_delay
                probe = True  # also the first pause is twice the first delay
            if probe and self._down_since is not None:
                self._why, self._nameless, self._probing = why, nameless, False
                self._pause = min(2 * self._pause, conf.longest_delay)
                self._next_probe = now + self._pause * (0.5 + 0.5 * jitter())
            self._news.notify_all()


class Pace:
    """Bytes per second, shared by all who download."""

    def __init__(self):
        self._lock = threading.Lock()
        self._free_at = 0.0

    def delay(self, count):
        """Seconds to wait after ``count`` bytes, at the pace of the configuration."""
        rate = conf.bandwidth
        if rate <= 0:
            return 0.0
        with self._lock:
            now = time.monotonic()
            self._free_at = max(self._free_at, now) + count / rate
            return self._free_at - now


all_downloads = Pace()
_HOSTS, _HOSTS_LOCK = {}, threading.Lock()


def host_of(url):
    """The one `Host` of an address.

    Parameters
    ----------
    url : str

    Returns
    -------
    Host
    """
    try:
        parts = urlsplit(url)
        # Without what stands before an @, which may be a password.
        name = f"{parts.scheme}://{parts.netloc.rpartition('@')[2].lower()}"
    except ValueError:  # no address: the request will say so
        name = "?"
    with _HOSTS_LOCK:
        return _HOSTS.setdefault(name, Host(name))


def forget_hosts():
    """Begin anew, as if no host had ever been asked."""
    with _HOSTS_LOCK:
        _HOSTS.clear()
