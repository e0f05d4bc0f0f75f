# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""``stellarclass reference`` in the paper's size: against archives on loopback that hold a simulated survey.

    python benchmarks/reference_chain.py --stars 9180 --seed 1 --output chain

Draws the survey, serves it as SkyServer, SDSS's frames,
Gaia, SIMBAD and LAMOST serve theirs, runs the command, and compares what comes out with what the truth says must come
out. Interrupted, the same call goes on. The set is in ``chain/run``, for ``stellarclass train`` and ``evaluate``; its
column ``radius_true`` is the truth's and was in no archive.

The archives are those of the tests: real HTTP and real TAP on 127.0.0.1. Gaia, SIMBAD and LAMOST are DaCHS where it is
installed (``--tap dachs`` insists on it), else a small stand-in.
"""

import argparse
import json
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import simulated_survey
from dachs.service import Dachs, missing
from reference_truth import add_true_radii, check
from skyarchives import SkyArchives, complete, gaia_tables

from stellarclass import __version__
from stellarclass.cli import main as stellarclass

SCHEMA = "gaiadr3_simulated"
"""Of the tables behind TAP; the release that it names goes into the provenance."""


@contextmanager
def tap_service(truth, which):
    """DaCHS as `SkyArchives` takes it, or None for the stand-in."""
    reason = missing()
    if which == "stand-in" or (which == "auto" and reason):
        yield None
        return
    if reason:
        raise SystemExit(reason)
    source, _ = gaia_tables(complete(truth))
    names = ("source_id", "ra", "dec", "ref_epoch", "parallax", "parallax_error", "pmra", "pmra_error", "pmdec",
             "pmdec_error", "ruwe", "phot_g_mean_mag", "bp_rp")  # fmt: skip
    # Near the root, as a socket's path must be short, and open to the user postgres.
    with tempfile.TemporaryDirectory(prefix="stellarclass-dachs-", dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        service = Dachs(folder, source[list(names)][:10])
        try:
            service.start()
            yield SimpleNamespace(url=service.url, load=service.load)
        finally:
            service.stop()


def run(plan, folder, *, tap="auto", processes=1, quiet=False):
    """Build the survey, run the command, compare.

    Parameters
    ----------
    plan : simulated_survey.Plan
    folder : path-like
        Gets ``survey`` and ``run``.
    tap : {"auto", "dachs", "stand-in"}
    processes : int
        That draw the survey.
    quiet : bool

    Returns
    -------
    checks : `~astropy.table.Table`
    about : dict
        Date, configuration, seconds of each part, requests.
    """
    folder = Path(folder)
    say = (lambda text: None) if quiet else (lambda text: print(text, flush=True))
    clock = _Clock()

    def progress(done):
        if done % 10 == 0 or done == plan.fields:
            say(f"{done} of {plan.fields} fields, {clock.running():.0f} s")

    truth, tree = simulated_survey.build(plan, folder / "survey", processes=processes, on_field=progress)
    clock.stop("survey")
    spectra = int(truth["spectrum"].sum())
    say(f"{len(truth) - int((truth['wrong'] == 'twice').sum())} stars, {spectra} spectra on {plan.fields} fields")
    with ExitStack() as stack:
        dachs = stack.enter_context(tap_service(truth, tap))
        archives = stack.enter_context(SkyArchives(truth, tree, dachs=dachs, schema=SCHEMA))
        stack.enter_context(archives.configured())
        clock.stop("archives")
        command = ["reference", "-o", str(folder / "run"), "--quota", str(plan.quota), "--seed", str(plan.seed)]
        say("stellarclass " + " ".join(command))
        if stellarclass([*command, *(["--quiet"] if quiet else [])]):
            raise SystemExit("the command failed")
        clock.stop("stellarclass reference")
        paths = [request.path for request in archives.sas.requests()]
        frames = sum("frame-" in path for path in paths)
        requests = {"frames": frames, "SkyServer": len(paths) - frames}
        if archives.tap is not None:
            requests["TAP"] = len(archives.tap.requests)
    checks = check(folder / "run", truth, tree, quota=plan.quota)
    clock.stop("comparison")
    add_true_radii(folder / "run", truth)
    about = {
        "date": f"{datetime.now(UTC):%Y-%m-%d}", "stellarclass": __version__, "stars": plan.stars, "seed": plan.seed,
        "fields": plan.fields, "quota": plan.quota, "spectra": spectra, "tap": "DaCHS" if dachs else "stand-in",
        "seconds": clock.seconds, "requests": requests,
    }  # fmt: skip
    (folder / "chain.json").write_text(json.dumps(about, indent=1) + "\n")
    return checks, about


class _Clock:
    """Seconds between stops: of the wall, and of this process and its threads."""

    def __init__(self):
        self.seconds, self._began = {}, (time.perf_counter(), time.process_time())

    def running(self):
        return time.perf_counter() - self._began[0]

    def stop(self, name):
        now = time.perf_counter(), time.process_time()
        self.seconds[name] = [round(b - a, 1) for a, b in zip(self._began, now, strict=True)]
        self._began = now


def main():
    parser = argparse.ArgumentParser(description="Run the reference set's whole chain on a simulated survey.")
    parser.add_argument(
        "--stars", type=int, default=9180, help="of the sample that comes out (%(default)s, the paper's)"
    )
    parser.add_argument("--seed", type=int, default=1, help="of the survey, the quota and the split (%(default)s)")
    parser.add_argument("--fields", type=int, default=None, help="SDSS fields to draw (one for 130 stars)")
    parser.add_argument(
        "--tap", choices=("auto", "dachs", "stand-in"), default="auto", help="TAP service (%(default)s)"
    )
    parser.add_argument("--processes", type=int, default=1, help="that draw the survey (%(default)s)")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder for survey and run")
    args = parser.parse_args()
    fields = args.fields or max(1, round(args.stars / simulated_survey.PER_FIELD))
    plan = simulated_survey.Plan(args.stars, args.seed, fields)
    checks, about = run(plan, args.output, tap=args.tap, processes=args.processes)
    print(f"\n{'':52} {'truth':>16} {'run':>16}")
    wrong = 0
    for row in checks:
        differ = row["truth"] != row["run"]
        wrong += differ
        print(f"{row['what']:52} {row['truth']:>16} {row['run']:>16}{'  <--' if differ else ''}")
    print(f"\n{len(checks) - wrong} of {len(checks)} as the truth says")
    for name, (wall, processor) in about["seconds"].items():
        print(f"{name:24} {wall:8.0f} s of the clock, {processor:8.0f} s of the processor")
    print(", ".join(f"{name}: {count} requests" for name, count in about["requests"].items()))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
