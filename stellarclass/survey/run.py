# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The run: units of work handed to workers, put back where something failed, skipped where they are done.

The state of a run is what lies on disk, nothing else. Whatever is killed, the same command goes on: a part that is
there and whole is not made again, one that is not is made again to the same bytes.
"""

import contextlib
import heapq
import time
import uuid
from dataclasses import dataclass

from astropy import units as u

from .._progress import progress_bar
from ..exceptions import InputError
from . import part
from .executors import make_executor
from .layout import RESULTS, Layout, write_json
from .plan import load_plan
from .settings import RunSettings, pin
from .stampstore import BYTES_PER_STAR
from .unit import forget_classifier, reason_of, run_unit, worker_classifier

__all__ = ["RunSummary", "run_survey"]

_LONGEST_PAUSE = 1800.0
_LASTING_TRIES = 4
_IDLE = 0.5  # seconds


@dataclass(frozen=True)
class RunSummary:
    """How a run ended.

    Attributes
    ----------
    units, rows : int
        What this run did, units tried again counted once.
    skipped : int
        Units that were done before.
    failed_units : int
        Units with stars for which an archive failed to the last: flagged rows, see `failures`.
    undone_units : int
        Units without a part: something other than an archive failed.
    failures : dict of str to int
        Stars by what failed.
    seconds : float
        Wall time.
    """

    units: int
    rows: int
    skipped: int
    failed_units: int
    undone_units: int
    failures: dict
    seconds: float


@u.quantity_input(pause=u.s, stamps_budget=u.byte)
def run_survey(
    folder,
    settings=None,
    *,
    results=RESULTS,
    workers=None,
    scheduler=None,
    stamps_budget=0 * u.byte,
    pause=60 * u.s,
    retry_failed=False,
    most_units=None,
    progress=None,
):
    """Classify the targets of a plan.

    Parameters
    ----------
    folder : path-like
        The survey, planned by `~stellarclass.survey.plan_survey`. Workers on other machines must see it under the same
        path.
    settings : RunSettings, optional
        How; by default SDSS and Gaia over the network, and the default ensemble.
    results : str, optional
        Name of the folder of answers.
    workers : int, optional
        Processes on this machine; by default one a core. 0: this process does it all, without Dask.
    scheduler : str, optional
        Address of a ``dask.distributed`` scheduler, whose workers are used instead.
    stamps_budget : `~astropy.units.Quantity`, optional
        Bytes that stamps may take on disk; none are kept by default.
    pause : `~astropy.units.Quantity`, optional
        Time until a unit of work that failed in part is tried for the second time; doubled for each further try, up to
        half an hour.
    retry_failed : bool, optional
        Whether units that have used up their tries are tried as often again.
    most_units : int, optional
        Stop after so many units of work.
    progress : bool, optional
        Whether to show a progress bar; by default on a terminal and in a notebook only.

    Returns
    -------
    RunSummary

    Raises
    ------
    stellarclass.exceptions.InputError
        If there is no plan, another run is at work, or the answers were begun with something else.
    stellarclass.exceptions.EnsembleError
        If the ensemble cannot be used.
    ModuleNotFoundError
        If Dask is not installed (``pip install stellarclass[survey]``).
    """
    start = time.monotonic()
    settings = RunSettings() if settings is None else settings
    layout = Layout(folder, results=results)
    plan, units = load_plan(layout.root)
    with layout.alone(), contextlib.ExitStack() as stack:
        layout.sweep()
        # Of this run alone: frames may have come since the last one, and Dask's workers outlive a run.
        key = uuid.uuid4().hex
        stack.callback(forget_classifier)
        queue = _Queue(layout, units, settings, retry_failed, pause.to_value(u.s))
        stamps = _Stamps(layout, units, stamps_budget.to_value(u.byte))
        # What is wrong with the settings shows before there are workers.
        if settings.pixels == "stamps":
            stamps.require(queue.units())
        kept = stamps.first() if settings.pixels == "stamps" else None
        pin(layout, worker_classifier(settings, key), settings, plan, stamps=kept)
        executor = stack.enter_context(make_executor(workers, scheduler))
        settings = settings.shared(executor.workers, cores=executor.cores)
        done = _Done(layout)
        bar = stack.enter_context(progress_bar(len(queue), enabled=progress, desc="Units", unit="unit"))
        with contextlib.closing(executor):
            while (queue or executor.busy) and not (most_units is not None and done.settled >= most_units):
                while executor.free and (unit := queue.pop()) is not None:
                    keep = stamps.reserve(unit)
                    sha = str(units["sha256"][unit])
                    task = (str(layout.root.absolute()), results, unit, sha, settings, key)
                    executor.submit(unit, run_unit, task, {"keep_stamps": keep})
                for unit, manifest, error in executor.finished(min(_IDLE, queue.wait()) if executor.free else _IDLE):
                    if isinstance(error, InputError):
                        raise error
                    stamps.settle(unit, manifest)
                    if queue.put_back(unit, manifest, error):
                        continue
                    done.add(unit, manifest, error)
                    bar.update()
        done.write_errors()
        return done.summary(queue.skipped, time.monotonic() - start)


class _Queue:
    """Units that remain to be done: those that were never tried first, then those whose time has come again."""

    def __init__(self, layout, units, settings, retry_failed, pause):
        self._tries, self._pause = settings.tries, pause
        self._again, self._errors, self._allowed, self.skipped = [], {}, {}, 0
        fresh = []
        for unit, sha in zip(units["unit"].tolist(), units["sha256"], strict=True):
            manifest = part.read_manifest(layout, unit)
            if not part.is_whole(layout, unit, manifest, str(sha)):
                fresh.append(unit)
            elif not manifest["failures"]:
                self.skipped += 1
            else:
                tries = manifest.get("tries", 0)
                self._allowed[unit] = tries + settings.tries if retry_failed else settings.tries
                if tries < self._allowed[unit]:
                    heapq.heappush(self._again, (0.0, unit))
                else:
                    self.skipped += 1
        self._fresh = fresh[::-1]

    def __len__(self):
        return len(self._fresh) + len(self._again)

    def units(self):
        return [*self._fresh, *(unit for _, unit in self._again)]

    def pop(self):
        """A unit to do now, or None."""
        if self._fresh:
            return self._fresh.pop()
        if self._again and self._again[0][0] <= time.monotonic():
            return heapq.heappop(self._again)[1]
        return None

    def wait(self):
        """Seconds until there is one."""
        if self._fresh:
            return 0.0
        return max(0.0, self._again[0][0] - time.monotonic()) if self._again else _LONGEST_PAUSE

    def put_back(self, unit, manifest, error):
        """Put a unit back if something of it failed and it has tries left; whether it was."""
        if error is not None:
            self._errors[unit] = tries = self._errors.get(unit, 0) + 1
        elif manifest["failures"]:
            tries = manifest["tries"]
        else:
            return False
        allowed = self._allowed.get(unit, self._tries)
        if error is None and not any(failure.get("passing") for failure in manifest["failures"]):
            allowed = min(allowed, _LASTING_TRIES)  # a file that is damaged in the archive stays so
        if tries >= allowed:
            return False
        pause = min(self._pause * 2 ** min(tries - 1, 20), _LONGEST_PAUSE)
        heapq.heappush(self._again, (time.monotonic() + pause, unit))
        return True


class _Stamps:
    """Which units' stamps are kept: those that surely fit into the budget."""

    def __init__(self, layout, units, budget):
        self._layout, self._rows = layout, units["rows"]
        self._left = budget
        self._reserved = {}
        if budget > 0:
            paths = (layout.stamps(unit) for unit in units["unit"].tolist())
            self._left -= sum(path.stat().st_size for path in paths if path.is_file())

    def reserve(self, unit):
        """Whether a unit's stamps may be kept."""
        need = int(self._rows[unit]) * BYTES_PER_STAR + 65_536
        if need > self._left or self._layout.stamps(unit).is_file():
            return False
        self._left -= need
        self._reserved[unit] = need
        return True

    def settle(self, unit, manifest):
        """Give back what was not needed."""
        reserved = self._reserved.pop(unit, None)
        if reserved is not None:
            self._left += reserved - (manifest or {}).get("stamps_bytes", 0)

    def first(self):
        """Where the first stamps that are kept lie."""
        paths = map(self._layout.stamps, range(len(self._rows)))
        return next((path for path in paths if path.is_file()), None)

    def require(self, units):
        lacking = [unit for unit in units if not self._layout.stamps(unit).is_file()]
        if lacking:
            raise InputError(
                f"the stamps of {len(lacking)} units of work were not kept (the first is {lacking[0]}); "
                "pixels='both' (--pixels both) asks the archive for those"
            )


class _Done:
    """What a run has done."""

    def __init__(self, layout):
        self._layout = layout
        self.settled, self._rows, self._failed, self._errors, self._failures = 0, 0, 0, {}, {}

    def add(self, unit, manifest, error):
        self.settled += 1
        if error is not None:
            self._errors[unit] = f"{type(error).__name__}: {' '.join(str(error).split())[:500]}"
            return
        self._rows += manifest["rows"]
        self._failed += bool(manifest["failures"])
        for failure in manifest["failures"]:
            reason = reason_of(failure["reason"])
            self._failures[reason] = self._failures.get(reason, 0) + failure["rows"]

    def write_errors(self):
        write_json(self._layout.results / "errors.json", {str(unit): text for unit, text in self._errors.items()})

    def summary(self, skipped, seconds):
        units = self.settled - len(self._errors)
        return RunSummary(units, self._rows, skipped, self._failed, len(self._errors), self._failures, seconds)
