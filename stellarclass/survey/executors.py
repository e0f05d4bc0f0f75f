# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Who does the work: this process, worker processes on this machine, or the workers of a Dask scheduler elsewhere."""

import contextlib
import os
import signal
import time

from ..exceptions import InputError

__all__ = ["make_executor"]

_AHEAD = 2  # units a worker has at hand, so that it never waits for the next


@contextlib.contextmanager
def make_executor(workers, scheduler):
    """Somebody to do units of work.

    Parameters
    ----------
    workers : int or None
        Processes on this machine; None: one a core; 0: this process.
    scheduler : str or None
        Address of a Dask scheduler.

    Yields
    ------
    Serial or Distributed
        With ``workers``, ``cores``, ``free``, ``busy``, ``submit``, ``finished`` and ``close``.
    """
    if scheduler is not None:
        if workers is not None:
            raise InputError("either workers on this machine or those of a scheduler: leave one of them out")
    elif workers is None:
        workers = _cores()
    elif isinstance(workers, bool) or not isinstance(workers, int) or workers < 0:
        raise InputError(f"workers must be a whole number from 0 on, not {workers!r}")
    elif workers == 0:
        yield Serial()
        return
    executor = Distributed(workers, scheduler)
    try:
        yield executor
    finally:
        executor.close()


def _cores():
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Serial:
    """One unit at a time, in this process."""

    workers = 1

    def __init__(self):
        self._task = None
        self.cores = _cores()

    @property
    def busy(self):
        """Whether there is work under way."""
        return self._task is not None

    @property
    def free(self):
        """Whether there is room for more."""
        return self._task is None

    def submit(self, unit, function, args, options):
        """Take a unit."""
        self._task = unit, function, args, options

    def finished(self, timeout):
        """Yield (unit, manifest or None, error or None) of what is done by then."""
        if self._task is None:
            time.sleep(timeout)
            return
        (unit, function, args, options), self._task = self._task, None
        try:
            result = function(*args, **options)
        except Exception as err:
            yield unit, None, err
        else:
            yield unit, result, None

    def close(self):
        """Nothing to let go of."""


def _deafness():
    """What lets workers leave an interrupt from the terminal, which reaches them all, to the process that has them."""
    from distributed import WorkerPlugin

    class Deaf(WorkerPlugin):
        name = "stellarclass-deaf"

        def setup(self, worker):
            signal.signal(signal.SIGINT, signal.SIG_IGN)

    return Deaf()


class Distributed:
    """Workers of Dask; each is a process with one thread."""

    def __init__(self, workers, scheduler):
        import dask
        from distributed import Client, LocalCluster

        self._cluster = None
        self._futures = {}
        self._closed = False
        if scheduler is None:
            # Messages between Dask's processes can run code: nobody but this machine may send any.
            quiet = {"distributed.worker.memory.terminate": False, "distributed.scheduler.allowed-failures": 3}
            with dask.config.set(quiet):
                self._cluster = LocalCluster(
                    n_workers=workers,
                    threads_per_worker=1,
                    processes=True,
                    host="127.0.0.1",
                    dashboard_address=None,
                    memory_limit=0,
                    silence_logs="ERROR",
                )
            self._client = Client(self._cluster, set_as_default=False)
            self._client.register_plugin(_deafness())
        else:
            self._client = Client(scheduler, set_as_default=False)
        self._number = 0
        self.workers, self.cores = workers, _cores() if scheduler is None else 1
        if scheduler is not None:
            self.workers = max(1, len(self._client.scheduler_info(n_workers=-1)["workers"]))

    @property
    def busy(self):
        """Whether there is work under way."""
        return bool(self._futures)

    @property
    def free(self):
        """Whether there is room for more."""
        return len(self._futures) < _AHEAD * self.workers

    def submit(self, unit, function, args, options):
        """Take a unit."""
        self._number += 1
        # A key of its own: Dask would take the second try for the first.
        future = self._client.submit(function, *args, **options, key=f"unit-{unit}-{self._number}", pure=False)
        self._futures[future] = unit

    def finished(self, timeout):
        """Yield (unit, manifest or None, error or None) of what is done by then."""
        from distributed import wait

        if not self._futures:
            time.sleep(timeout)
            return
        with contextlib.suppress(TimeoutError), self._client.as_current():
            wait(list(self._futures), timeout=timeout or 0.01, return_when="FIRST_COMPLETED")
        for future in [f for f in self._futures if f.done()]:
            unit = self._futures.pop(future)
            try:
                result = future.result()
            except Exception as err:  # that of the unit, or of a worker that died too often
                yield unit, None, err
            else:
                yield unit, result, None

    def close(self):
        """Stop the workers of this machine; forget the work of others."""
        if self._closed:
            return
        self._closed = True
        with contextlib.suppress(Exception):
            self._client.cancel(list(self._futures), force=True)
        for resource in (self._client, self._cluster):
            if resource is not None:
                with contextlib.suppress(TimeoutError):
                    resource.close(timeout=10)
