# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Surveys from a thousand to a million stars: what a star costs, the memory of a worker, two workers against one.

    python benchmarks/survey.py > docs/tables/survey.txt

Stars come in units of 864 (16 fields of 54), their stamps from a store; of the largest survey, with its thousand units
planned, only ``--units`` are run unless ``--all`` is given. Pixels of a few fields come from frames of the full size.
Processor time, start-up apart; each survey in a process of its own, whose largest memory is told. What counts are
ratios: the last column is the cost of a star beside that in the smallest survey.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from astropy import units as u
from astropy.table import QTable

from stellarclass import simulate
from stellarclass.archives import FieldKey, LocalAstrometry, LocalSAS, encode_objid
from stellarclass.astrometry import Astrometry
from stellarclass.survey import RunSettings, plan_survey, run_survey, verify_survey
from stellarclass.survey.layout import Layout
from stellarclass.survey.plan import load_plan
from stellarclass.survey.stampstore import StampWriter
from stellarclass.targets import Targets

STARS, FIELDS = 54, 16
UNIT = STARS * FIELDS
SIZES = (1, 10, 100, 1000)  # units of work: 864 stars to 864,000


def write_list(path, units):
    """A list of stars in full units of work: field after field, run after run."""
    n = units * UNIT
    number = np.arange(n)
    field, star = np.divmod(number, STARS)
    # 16 fields a camera column, so that a unit of work is one.
    column, field = np.divmod(field, FIELDS)
    run, camcol = np.divmod(column, 6)
    table = QTable({"objid": encode_objid(1000 + run, 1 + camcol, 11 + field, 1 + star)})
    table["ra"], table["dec"] = (number % 3600) / 10 * u.deg, (number // 3600 % 60) * u.deg
    table.write(path)


def write_template(path):
    """Stamps of one unit of work."""
    stars = simulate.draw_stars(UNIT, seed=1, r_range=(15, 19) * u.mag)
    stamps = simulate.render_stars(stars, seed=1)
    gaia = Astrometry.empty(UNIT)
    gaia.source_id[:], gaia.match_count[:] = np.arange(1, UNIT + 1), 1
    gaia.parallax[:], gaia.parallax_error[:] = stars["parallax"].to_value(u.mas), 0.05
    targets = Targets(np.zeros(UNIT), np.zeros(UNIT))
    with StampWriter(path) as store:
        for start in range(0, UNIT, STARS):  # as they come, field by field
            rows = np.arange(start, start + STARS)
            store.add(rows, targets, stamps[rows], gaia[rows])
        store.finish(targets)


def cpu(function, *args, **options):
    began = time.process_time()
    result = function(*args, **options)
    return time.process_time() - began, result


def one_survey(work, units, most):
    """Plan, run and verify a survey; figures of this process as JSON."""
    folder = work / f"survey-{units}"
    with tempfile.TemporaryDirectory() as other:  # imports
        plan_survey(work / "stars-1.parquet", Path(other) / "warm", progress=False)
    planned, _ = cpu(plan_survey, work / f"stars-{units}.parquet", folder, progress=False)
    layout = Layout(folder)
    for unit in load_plan(folder)[1]["unit"].tolist():
        layout.stamps(unit).parent.mkdir(parents=True, exist_ok=True)
        os.link(work / "template.parquet", layout.stamps(unit))
    settings = RunSettings(pixels="stamps", astrometry=False)
    options = {"workers": 0, "progress": False}
    warm, _ = cpu(run_survey, folder, settings, **options, most_units=1, results="warm")  # imports, first calls
    load, _ = cpu(run_survey, folder, settings, **options, most_units=0, results="load")
    ran, done = cpu(run_survey, folder, settings, **options, most_units=most)
    verified = None
    if most is None or most >= units:
        verified, found = cpu(verify_survey, folder)
        assert found.good, found.text()
    figures = {
        "stars": units * UNIT, "ran": done.rows, "plan": planned / units / UNIT, "start": warm,
        "run": (ran - load) / done.rows, "verify": None if verified is None else verified / units / UNIT,
        "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }  # fmt: skip
    print(json.dumps(figures))


def write_frames(work, fields):
    """A tree of frames of the full size, the list of their stars, and Gaia's rows."""
    root = work / "sky"
    root.mkdir()
    sky = simulate.field(seed=1, n_stars=STARS)
    objid, ra, dec = [], [], []
    for k in range(fields):
        sky.contents = type(sky.contents)(FieldKey(2000, 301, 1, 11 + k), sky.contents.frames)
        sky.write(root)
        objid += encode_objid(2000, 1, 11 + k, np.arange(1, STARS + 1)).tolist()
        ra, dec = [*ra, *sky.truth["ra"].value], [*dec, *sky.truth["dec"].value]
    return root, QTable({"objid": objid, "ra": ra * u.deg, "dec": dec * u.deg})


def wall(folder, settings, workers, results):
    """Seconds for the units of work alone, first to last, as the manifests have them."""
    run_survey(folder, settings, workers=workers, results=results, progress=False)
    manifests = [json.loads(p.read_text()) for p in (folder / results / "manifests").rglob("*.json")]
    finished = sorted((m["finished"], m["seconds"]) for m in manifests)
    first = min(end - seconds for end, seconds in finished)
    return finished[-1][0] - first, sum(m["cpu_seconds"] for m in manifests)


def frames_table(work, fields):
    root, targets = write_frames(work, fields)
    folder = work / "frames"
    plan_survey(targets, folder, fields_per_unit=1, progress=False)
    settings = RunSettings(images=str(root), astrometry=str(root / "gaia.ecsv"), threads=1)
    one, one_cpu = wall(folder, settings, 1, "one")
    two, two_cpu = wall(folder, settings, 2, "two")
    images, gaia = LocalSAS(root), LocalAstrometry(root / "gaia.ecsv")
    assert images.keys() and len(gaia)
    return [
        f"from frames: {fields} fields of {STARS} stars, {one_cpu / len(targets) * 1e3:.1f} ms of a core a star",
        f"one worker {one:.1f} s, two workers {two:.1f} s: ratio {one / two:.2f} "
        f"(processor time {one_cpu:.1f} and {two_cpu:.1f} s; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores)",
    ]


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, metavar="N", help="surveys, in units of 864")
    parser.add_argument("--units", type=int, default=60, metavar="N", help="units run of a larger survey (%(default)s)")
    parser.add_argument("--all", action="store_true", help="run every unit")
    parser.add_argument("--fields", type=int, default=6, metavar="N", help="fields with frames; 0: none (%(default)s)")
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.one:
        work, units, most = args.one
        return one_survey(Path(work), int(units), json.loads(most))
    rows = []
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        write_template(work / "template.parquet")
        for units in {1, *args.sizes}:
            write_list(work / f"stars-{units}.parquet", units)
        for units in args.sizes:
            most = None if args.all or units <= args.units else args.units
            command = [sys.executable, __file__, "--one", name, str(units), json.dumps(most)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            rows.append(json.loads(done.stdout.splitlines()[-1]))
        frames = frames_table(work, args.fields) if args.fields else []
    print(f"{datetime.now(UTC):%Y-%m-%d}, processor time, milliseconds a star; memory in MiB")
    head = ("stars", "were run", "plan", "run", "verify", "memory", "cost", "memory")
    print(" ".join(f"{name:>8s}" for name in head) + "  (the last two: beside the first line)")
    for row in rows:
        cost, first = (r["plan"] + r["run"] for r in (row, rows[0]))
        verify = "" if row["verify"] is None else f"{row['verify'] * 1e3:.3f}"
        print(
            f"{row['stars']:8d} {row['ran']:8d} {row['plan'] * 1e3:8.3f} {row['run'] * 1e3:8.3f} {verify:>8s} "
            f"{row['memory']:8.0f} {cost / first:8.2f} {row['memory'] / rows[0]['memory']:8.2f}"
        )
    print("\n".join(frames))
    return 0


if __name__ == "__main__":
    sys.exit(main())
