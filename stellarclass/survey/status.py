# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""How far a survey is, told from the disk alone."""

import time
from dataclasses import dataclass

from . import part
from .layout import RESULTS, Layout, read_json
from .plan import load_plan
from .unit import reason_of

__all__ = ["SurveyStatus", "survey_status"]

_RECENT = 3600.0  # seconds that the rate is taken over


@dataclass(frozen=True)
class SurveyStatus:
    """Progress of a survey.

    Attributes
    ----------
    targets, units : int
        What was planned.
    rows_done, units_done : int
        What has answers, flagged stars included.
    units_failed : int
        Units done in which an archive failed for some stars; they may be tried again.
    failures : dict of str to int
        Stars concerned, by what failed.
    errors : dict of str to str
        Units that the last run could not do at all, and why.
    stars_per_hour : float
        Rate of the last hour in which something was done; NaN with less than two units.
    seconds_left : float
        At that rate; NaN if there is none.
    cpu_seconds : float
        Processor time that the parts took.
    bytes : int
        Size of the parts.
    stamps_units, stamps_bytes : int
        Units whose stamps are kept, and their size.
    """

    targets: int
    units: int
    rows_done: int
    units_done: int
    units_failed: int
    failures: dict
    errors: dict
    stars_per_hour: float
    seconds_left: float
    cpu_seconds: float
    bytes: int
    stamps_units: int
    stamps_bytes: int

    @property
    def complete(self):
        """Whether every unit has its part."""
        return self.units_done == self.units

    def text(self):
        """The same to read.

        Returns
        -------
        str
        """
        share = 100 * self.rows_done / self.targets if self.targets else 100.0
        lines = [
            f"stars       {self.rows_done} of {self.targets} ({share:.1f} %)",
            f"units       {self.units_done} of {self.units}",
            f"parts       {self.bytes / 1e6:.1f} MB, {self.cpu_seconds / 3600:.2f} core-hours",
        ]
        if self.stars_per_hour == self.stars_per_hour:
            lines.append(f"rate        {self.stars_per_hour:.0f} stars an hour")
        if not self.complete and self.seconds_left == self.seconds_left:
            lines.append(f"time left   {_duration(self.seconds_left)}")
        if self.stamps_units:
            lines.append(f"stamps      of {self.stamps_units} units, {self.stamps_bytes / 1e6:.1f} MB")
        if self.units_failed:
            lines.append(f"failed      in {self.units_failed} units, to be tried again:")
            ranked = sorted(self.failures.items(), key=lambda item: (-item[1], item[0]))
            lines += [f"    {stars:8d} stars  {reason}" for reason, stars in ranked]
        for unit, reason in list(self.errors.items())[:5]:
            lines.append(f"not done    unit {unit}: {reason}")
        return "\n".join(lines)


def _duration(seconds):
    days, rest = divmod(int(seconds), 86_400)
    return f"{days} d {rest // 3600} h" if days else f"{rest // 3600} h {rest % 3600 // 60} min"


def survey_status(folder, *, results=RESULTS):
    """Read how far a survey is; it may be running.

    Parameters
    ----------
    folder : path-like
        The survey.
    results : str, optional
        Name of the folder of answers.

    Returns
    -------
    SurveyStatus

    Raises
    ------
    stellarclass.exceptions.InputError
        If there is no plan.
    """
    layout = Layout(folder, results=results)
    plan, units = load_plan(layout.root)
    total = {"rows": 0, "bytes": 0, "cpu_seconds": 0.0, "stamps_bytes": 0}
    done = failed = with_stamps = 0
    failures, finished = {}, []
    for unit in units["unit"].tolist():
        manifest = part.read_manifest(layout, unit)
        if manifest is None or not layout.part(unit).is_file():
            continue
        done += 1
        for name in total:
            total[name] += manifest.get(name, 0)
        with_stamps += manifest.get("stamps_bytes", 0) > 0
        finished.append((manifest.get("finished", 0.0), manifest["rows"]))
        failed += bool(manifest["failures"])
        for failure in manifest["failures"]:
            reason = reason_of(failure["reason"])
            failures[reason] = failures.get(reason, 0) + failure["rows"]
    rate = _rate(sorted(finished))
    return SurveyStatus(
        targets=plan.targets,
        units=plan.units,
        rows_done=total["rows"],
        units_done=done,
        units_failed=failed,
        failures=failures,
        errors=read_json(layout.results / "errors.json") or {},
        stars_per_hour=rate * 3600,
        seconds_left=(plan.targets - total["rows"]) / rate if rate > 0 else float("nan"),
        cpu_seconds=total["cpu_seconds"],
        bytes=total["bytes"],
        stamps_units=with_stamps,
        stamps_bytes=total["stamps_bytes"],
    )


def _rate(finished):
    """Stars a second between the first and the last part of the last hour's work."""
    if not finished:
        return float("nan")
    last = finished[-1][0]
    recent = [(when, rows) for when, rows in finished if when > last - _RECENT]
    seconds = min(last, time.time()) - recent[0][0]
    return sum(rows for _, rows in recent[1:]) / seconds if seconds > 0 else float("nan")
