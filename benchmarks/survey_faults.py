# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""A survey over a bad day: an archive with faults, a disk that is full, a worker and then the whole run killed.

    python benchmarks/survey_faults.py --fields 200 --stars 50 > docs/tables/survey_faults.txt

The same list is run twice from an archive on loopback: undisturbed, and with faults drawn by a seed (5 % of the
requests answered with a 500, 2 % with silence, 2 % truncated, 1 % with HTML and status 200, 2 % with a 429 and
Retry-After; down for 20 seconds once; the disk full once), where a worker and later the main process, scheduler
included, are killed with SIGKILL. Every part of the output must have the same bytes.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1] / "tests"
sys.path.insert(0, str(TESTS))

from astropy import units as u  # noqa: E402
from loopback.faults import Faults  # noqa: E402
from loopback.sas import SASServer  # noqa: E402
from surveysky import FullOnce, write_sky  # noqa: E402

from stellarclass import conf  # noqa: E402
from stellarclass.archives import SDSS, read_frame  # noqa: E402
from stellarclass.survey import RunSettings, plan_survey, run_survey, survey_status, verify_survey  # noqa: E402
from stellarclass.survey.layout import Layout  # noqa: E402

# Short waits, so that an hour's patience takes minutes; the archive on loopback answers at once or not at all.
PATIENCE = {"timeout": 4.0, "retry_delay": 0.1, "longest_delay": 2.0, "outage_wait": 5.0, "retries": 3}


def bad_day(seed, down_at, down_for):
    shares = {"p500": 0.05, "hang": 0.02, "truncated": 0.02, "html": 0.01, "too_many": 0.02}
    return Faults(seed=seed, **shares, retry_after=1, down_at=down_at, down_for=down_for, only="/sas/")


def run_once(folder, gaia, marker, settings, workers):
    """A run in this process; what `survey run` does, with the disk that is full once."""
    from contextlib import ExitStack

    images = SDSS() if marker is None else FullOnce(SDSS(), marker)
    with ExitStack() as stack:
        for name, value in settings.items():
            stack.enter_context(conf.set_temp(name, value))
        return run_survey(
            folder,
            RunSettings(images=images, astrometry=str(gaia)),
            workers=workers,
            pause=1 * u.s,
            progress=False,
        )


def start(arguments):
    """The same in a process of its own."""
    return subprocess.Popen([sys.executable, __file__, "--run", json.dumps(arguments)])


def children(pid):
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += [int(child), *children(int(child))]
    return found


def workers_of(pid):
    return [p for p in children(pid) if b"spawn_main" in Path(f"/proc/{p}/cmdline").read_bytes()]


def done(folder):
    return len(list((Layout(folder).results / "manifests").rglob("part-*.json")))


def wait_for(process, folder, count):
    while done(folder) < count and process.poll() is None:
        time.sleep(0.05)


def broken_files(cache):
    """Frames in a cache that cannot be read, and files that were never finished."""
    broken, frames = [], 0
    for path in Path(cache).rglob("frame-*.fits.bz2"):
        frames += 1
        try:
            read_frame(path)
        except OSError as err:
            broken.append(f"{path.name}: {err}")
    return frames, broken, len(list(Path(cache).rglob("*.part")))


def same_bytes(first, second, units):
    return sum(Layout(first).part(k).read_bytes() == Layout(second).part(k).read_bytes() for k in range(units))


def faulty_run(root, folder, faults, *, workers, kill, work):
    """The disturbed run, to its end; how many processes it took, and the requests."""
    with SASServer(root, faults=faults) as server:
        settings = {"sas_url": server.url + "/sas", "cache_dir": str(work / "cache-faults"), **PATIENCE}
        arguments = [str(folder), str(root / "gaia.ecsv"), str(work / "disk-was-full"), settings, workers]
        if not kill:
            run_once(*arguments)
            return 1, Counter(r.path for r in server.requests("/sas/"))
        units, runs = json.loads((folder / "plan.json").read_text())["units"], 1
        process = start(arguments)
        wait_for(process, folder, units // 5)
        victims = workers_of(process.pid)
        if victims:
            os.kill(victims[0], signal.SIGKILL)
            print(f"# a worker of {len(victims)} killed after {done(folder)} of {units} parts", flush=True)
        wait_for(process, folder, units // 2)
        process.kill()
        process.wait()
        print(f"# the run killed after {done(folder)} of {units} parts", flush=True)
        while process.returncode != 0 and runs < 5:
            runs += 1
            process = start(arguments)
            process.wait()
        return runs, Counter(r.path for r in server.requests("/sas/"))


def report(args, work):
    root = work / "sky"
    root.mkdir()
    targets = write_sky(root, args.fields, args.stars)
    known, folder = work / "known", work / "faults"
    for place in (known, folder):
        plan = plan_survey(targets, place, fields_per_unit=args.fields_per_unit, progress=False)
    began = time.perf_counter()
    with SASServer(root) as server:
        settings = {"sas_url": server.url + "/sas", "cache_dir": str(work / "cache-known")}
        run_once(known, root / "gaia.ecsv", None, settings, args.workers)
    quiet = time.perf_counter() - began
    began = time.perf_counter()
    faults = bad_day(args.seed, down_at=args.fields * 5 // 2, down_for=args.down)
    runs, asked = faulty_run(root, folder, faults, workers=args.workers, kill=args.kill, work=work)
    noisy = time.perf_counter() - began
    frames, broken, unfinished = broken_files(work / "cache-faults")
    found, status = verify_survey(folder), survey_status(folder)
    equal = same_bytes(known, folder, plan.units)
    listed = ", ".join(f"{count} x {fault}" for fault, count in sorted(faults.count.items(), key=str))
    lines = [
        f"{plan.targets} stars in {plan.fields} fields, {plan.units} units of work, {args.workers} workers, "
        f"{datetime.now(UTC):%Y-%m-%d}",
        f"requests         {asked.total()} for {len(asked)} frames; {listed}; disk full once",
        f"runs             {runs}{': a worker and then all of it killed with SIGKILL' if args.kill else ''}",
        f"time             {noisy:.0f} s, undisturbed {quiet:.0f} s; load {os.getloadavg()[0]:.0f} on "
        f"{os.cpu_count()} cores",
        f"verify           {found.text().splitlines()[-1]}",
        f"failures left    {status.failures or 'none'}",
        f"cache            {frames} frames, {len(broken)} broken; {unfinished} unfinished files out of sight",
        f"same bytes       {equal} of {plan.units} parts as undisturbed",
    ]
    good = found.good and equal == plan.units and not broken and not status.failures
    return "\n".join(lines), good


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fields", type=int, default=200)
    parser.add_argument("--stars", type=int, default=50, help="in a field")
    parser.add_argument("--fields-per-unit", type=int, default=4)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--down", type=float, default=20.0, metavar="S", help="seconds without an answer")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--no-kill", dest="kill", action="store_false")
    parser.add_argument("--run", help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.run:
        summary = run_once(*json.loads(args.run))
        return 1 if summary.undone_units or summary.failed_units else 0
    with tempfile.TemporaryDirectory() as work:
        text, good = report(args, Path(work))
    print(text)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
