# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Processes killed in the middle of a run: nothing is lost, nothing is there twice, and the bytes are the same."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from astropy import units as u

from stellarclass.survey import plan_survey, run_survey, verify_survey
from stellarclass.survey.layout import Layout

pytest.importorskip("distributed")

RUN = """
    import sys
    from dataclasses import replace
    from surveysky import Slow
    from stellarclass.archives import LocalSAS
    from stellarclass.survey import RunSettings, run_survey

    if __name__ == "__main__":
        folder, root = sys.argv[1:]
        settings = RunSettings(images=Slow(LocalSAS(root), 0.15), astrometry=root + "/gaia.ecsv")
        run_survey(folder, settings, workers=2, progress=False)
"""


def children(pid):
    """Processes of a process, and theirs."""
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += [int(child), *children(int(child))]
    return found


def workers(pid):
    """Worker processes: multiprocessing starts them with `spawn_main`, its tracker of resources with something else."""
    return [p for p in children(pid) if b"spawn_main" in Path(f"/proc/{p}/cmdline").read_bytes()]


def wait_for(condition, seconds=400):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.02)


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs /proc to find the workers")
def test_worker_and_scheduler_killed(sky, tmp_path):
    known, folder = tmp_path / "known", tmp_path / "killed"
    for place in (known, folder):
        plan_survey(sky.targets[:29], place, fields_per_unit=1, stars_per_unit=2, progress=False)
    run_survey(known, sky.settings, workers=0, progress=False)
    script = tmp_path / "run.py"
    script.write_text(textwrap.dedent(RUN))
    path = os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])
    process = subprocess.Popen([sys.executable, script, folder, sky.root], env=os.environ | {"PYTHONPATH": path})
    try:
        done = Layout(folder).results / "manifests"
        count = lambda: len(list(done.rglob("*.json")))  # noqa: E731
        wait_for(lambda: count() >= 1)
        first = workers(process.pid)
        assert len(first) == 2
        os.kill(first[0], signal.SIGKILL)
        os.kill(first[1], signal.SIGINT)  # as a terminal sends it to all: that is for the process that has them
        before = count()
        wait_for(lambda: count() >= before + 2)
        assert process.poll() is None
        left = workers(process.pid)
        assert first[1] in left
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        wait_for(lambda: not any(Path(f"/proc/{p}/cmdline").exists() for p in left), 30)  # nobody goes on unwatched
    finally:
        process.kill()
        process.wait()
    assert before < count() < 17 and not verify_survey(folder).good
    again = run_survey(folder, sky.settings, workers=0, progress=False, pause=0 * u.s)
    assert again.skipped >= 3 and again.undone_units == 0
    assert verify_survey(folder).good
    for unit in range(17):
        assert Layout(folder).part(unit).read_bytes() == Layout(known).part(unit).read_bytes(), unit
