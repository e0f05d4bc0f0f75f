# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Faults drawn by a seed, as an archive has them over a bad day; and a disk that is full.

    faults = Faults(seed=1, p500=0.05, hang=0.02, truncated=0.02, html=0.01, too_many=0.02, down_at=300, down_for=20)
    with SASServer(tree, catalog=catalog, faults=faults) as server, server.configured():
        with conf.set_temp("timeout", 0.5), conf.set_temp("retry_delay", 0.05):
            ...                             # short waits: what hangs is given up after half a second
    assert faults.count[500] and faults.count["down"]

What befalls a request depends on the seed, its path and how often that path was asked for, and on nothing else: not on
the order in which threads or workers ask. So a frame that is asked for often enough is had at last, and a run can be
repeated. A classification in other processes needs the addresses and the waits too: give them to the workers as they
are configured here (``server.url + "/sas"`` is ``conf.sas_url``), or by ``stellarclass.cfg``.

``with full_disk(times=1):`` lets the cache find no space left, the first ``times`` files that it writes in this
process; in a Dask worker, `fill_disk` does the same for good: ``client.run(fill_disk, times=1, workers=[address])``.
"""

import contextlib
import errno
import os
import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from email.utils import formatdate

from stellarclass.archives import cache


@dataclass
class Faults:
    """What goes wrong with a server, by chance.

    Attributes
    ----------
    seed : int
    p500, hang, truncated, html, too_many, close : float
        Share of requests that are answered with a 500, with silence for ``hang_for`` seconds, with fewer bytes than
        promised, with a page in HTML and status 200, with a 429 and ``Retry-After``, or with a closed connection.
    retry_after : int
        Seconds.
    by_date : bool
        Whether ``Retry-After`` is a date.
    hang_for : float
        Seconds; longer than the client waits.
    down_at, down_for : int or None, float
        After so many requests the server answers nobody for so many seconds.
    only : str
        Part of the paths that faults befall; "/sas/" spares SkyServer.
    count : collections.Counter
        How often each one befell a request: 500, "hang", "truncated", "html", 429, "close", "down".
    """

    seed: int = 0
    p500: float = 0.0
    hang: float = 0.0
    truncated: float = 0.0
    html: float = 0.0
    too_many: float = 0.0
    close: float = 0.0
    retry_after: int = 1
    by_date: bool = False
    hang_for: float = 30.0
    down_at: int | None = None
    down_for: float = 20.0
    only: str = ""
    count: Counter = field(default_factory=Counter, init=False)

    def __post_init__(self):
        self._asked, self._up_at, self._lock = Counter(), None, threading.Lock()
        assert sum(share for _, share in self._shares()) <= 1

    def _shares(self):
        names = ((500, "p500"), ("hang",) * 2, ("truncated",) * 2, ("html",) * 2, (429, "too_many"), ("close",) * 2)
        return [(fault, getattr(self, name)) for fault, name in names]

    def draw(self, path):
        """What befalls this request: one of the keys of ``count``, or None."""
        with self._lock:
            number = self._asked[path] = self._asked[path] + 1
            fault = self._is_down() or self._chance(path, number)
            if fault is not None:
                self.count[fault] += 1
            return fault

    def _is_down(self):
        if self.down_at is None or self._asked.total() < self.down_at:
            return None
        if self._up_at is None:
            self._up_at = time.monotonic() + self.down_for
        return "down" if time.monotonic() < self._up_at else None

    def _chance(self, path, number):
        if self.only not in path:
            return None
        chance = random.Random(f"{self.seed} {path} {number}").random()  # noqa: S311
        for fault, share in self._shares():
            if chance < share:
                return fault
            chance -= share
        return None

    def wait_header(self):
        """Value of Retry-After."""
        return formatdate(time.time() + self.retry_after, usegmt=True) if self.by_date else str(self.retry_after)


class _FullFile:
    """A file that takes nothing but an empty beginning."""

    def __init__(self, file):
        self._file = file

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self._file.close()

    def write(self, content):
        self._file.write(content[:1000])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class _Os:
    """The module ``os`` as the cache sees it on a disk that is full."""

    def __init__(self, times):
        self._left = times

    def __getattr__(self, name):
        return getattr(os, name)

    def fdopen(self, *args):
        file = os.fdopen(*args)
        if self._left <= 0:
            return file
        self._left -= 1
        return _FullFile(file)


def fill_disk(times=1):
    """From now on, the next ``times`` files that the cache writes find no space left on the disk."""
    cache.os = _Os(times)


@contextlib.contextmanager
def full_disk(times=1):
    """The same for a while."""
    fill_disk(times)
    try:
        yield
    finally:
        cache.os = os
