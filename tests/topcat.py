# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""TOPCAT on a screen that nobody sees (Xvfb), moved by its mouse and by SAMP, beside ``stellarclass samp``.

``python tests/topcat.py PICTURE`` makes the picture in the documentation.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import stellarclass

PACKAGES = "topcat xvfb xdotool imagemagick"

# Where things are in TOPCAT's main window (4.8; Java draws its own menus and buttons, with fonts of its own).
BROADCAST, TABLE_DATA, ACTIVATION = (116, 40), (161, 40), (342, 40)
INTEROP, SEND_TO, FIRST_CLIENT = (355, 9), (413, 123), (518, 118)
# And in its window of activation actions.
SEND_ROW, SEND_ROW_TICK, INVOKE = (110, 301), (40, 301), (266, 388)


def missing():
    """Programs that are not there."""
    return [name for name in ("topcat", "Xvfb", "xdotool", "import") if shutil.which(name) is None]


class Programs:
    """Processes that are ended together, with their logs in a folder."""

    def __init__(self, folder):
        self.folder, self._processes = Path(folder), []

    def run(self, name, *command, **options):
        with open(self.folder / f"{name}.log", "w") as log:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **options,
            )
        self._processes.append(process)
        return process

    def stop(self):
        for process in reversed(self._processes):
            for number in (signal.SIGTERM, signal.SIGKILL):
                if process.poll() is None:
                    os.killpg(process.pid, number)
                    try:
                        process.wait(10)
                    except subprocess.TimeoutExpired:
                        continue

    def await_line(self, name, pattern, timeout=60):
        """The match of a pattern in a log, when it is there."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            text = (self.folder / f"{name}.log").read_text()
            if found := re.search(pattern, text):
                return found
            time.sleep(0.1)
        raise AssertionError(f"{name} did not say {pattern!r}, but: {text}")


def run_listener(programs, *options):
    """``stellarclass samp`` in a process of its own, once it is connected."""
    process = programs.run(
        "listener", sys.executable, "-P", "-m", "stellarclass", "samp", *map(str, options),
        env=os.environ | {"PYTHONPATH": str(Path(stellarclass.__file__).parents[1])},
    )  # fmt: skip
    programs.await_line("listener", "connected to the SAMP hub")
    return process


def run_screen(programs, size):
    """Xvfb; the environment of programs that are to be on it."""
    read, write = os.pipe()
    screen = "{}x{}x24".format(*size)
    command = ("Xvfb", "-displayfd", str(write), "-screen", "0", screen, "-nolisten", "tcp")
    programs.run("xvfb", *command, pass_fds=(write,))
    os.close(write)
    with os.fdopen(read) as stream:
        return dict(os.environ, DISPLAY=f":{stream.readline().strip()}", LANG="C.UTF-8")


class Topcat:
    """TOPCAT, registered with the hub of the environment, on a screen of its own."""

    def __init__(self, programs, desktop, size=(1180, 760)):
        folder, self.desktop = programs.folder, desktop
        self.env = run_screen(programs, size)
        programs.run("topcat", "topcat", "-Djsamp.localhost=127.0.0.1", f"-Duser.home={folder}", env=self.env)
        self.client = desktop.find("topcat", 90)
        end = time.monotonic() + 30
        while "table.load.votable" not in desktop.client.get_subscriptions(self.client):
            assert time.monotonic() < end, "TOPCAT takes no tables"
            time.sleep(0.1)

    def load(self, path, name, table_id):
        """Give it a table, by SAMP; returns when it is in its list."""
        reply = self.desktop.ask(
            self.client, "table.load.votable", url=Path(path).as_uri(), name=name, table_id=table_id, timeout=60
        )
        assert reply["samp.status"] == "samp.ok", reply
        self.await_table(table_id)

    def await_table(self, table_id, timeout=20):
        """It answers that it has read a table a little before it has."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            reply = self.desktop.ask(self.client, "table.highlight.row", table_id=table_id, row="0")
            if reply["samp.status"] == "samp.ok":
                return
            time.sleep(0.2)
        raise AssertionError(f"TOPCAT has no table {table_id}: {reply}")

    def window(self, title, timeout=20):
        """Identifier of the window with this title, when it is there."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            command = ["xdotool", "search", "--onlyvisible", "--name", title]
            found = subprocess.run(command, env=self.env, capture_output=True, text=True, check=False).stdout.split()
            if found:
                return found[-1]
            time.sleep(0.1)
        raise AssertionError(f"TOPCAT has no window {title}")

    def mouse(self, *words):
        """Words of xdotool."""
        subprocess.run(["xdotool", *map(str, words)], env=self.env, check=True, timeout=60)

    def click(self, *places, window="^TOPCAT$"):
        """Click at places in a window, one after the other."""
        window = self.window(window)
        # A menu opens late where many wait for the processor.
        patience = max(1.0, os.getloadavg()[0] / os.cpu_count())
        for x, y in places:
            pauses = (0.3 * patience, 0.7 * patience)
            self.mouse("mousemove", "--window", window, x, y, "sleep", pauses[0], "click", "1", "sleep", pauses[1])

    def screenshot(self, path):
        subprocess.run(["import", "-window", "root", str(path)], env=self.env, check=True, timeout=30)


def main(picture):
    """A simulated field, sent from TOPCAT to ``stellarclass samp``, and what came back."""
    import tempfile

    import pytest
    from astropy.table import QTable
    from samphub import Desktop, isolate, running_hub

    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        command = [sys.executable, "-m", "stellarclass", "simulate", "--output", folder / "sky", "--seed", "7"]
        subprocess.run([*command, "--center", "150.1 20.2"], check=True)
        stars = QTable.read(folder / "sky" / "truth.ecsv")["source_id", "ra", "dec"]
        stars.write(folder / "stars.vot", format="votable")
        programs = Programs(folder)
        with running_hub(isolate(patch, folder)):
            desktop = Desktop("table maker", mtypes=())
            try:
                topcat = Topcat(programs, desktop)
                run_listener(programs, "--images", folder / "sky", "--astrometry", folder / "sky" / "gaia.ecsv")
                topcat.load(folder / "stars.vot", "my stars", "mine")
                topcat.click(INTEROP, SEND_TO, FIRST_CLIENT)
                found = programs.await_line("listener", r"classified in .* as (stellarclass-\w+)", timeout=300)
                topcat.await_table(found[1])
                topcat.click(TABLE_DATA)
                data = topcat.window("Table Browser")
                topcat.mouse("windowmove", data, 0, 320, "windowsize", data, 1180, 440, "sleep", "2")
                topcat.mouse("windowsize", topcat.window("^TOPCAT$"), 1180, 320, "sleep", "1")
                # A page to the right, to the classes; and the pointer out of the way.
                topcat.mouse("mousemove", "--window", data, 900, 395, "click", "1", "sleep", "1")
                topcat.mouse("mousemove", "--window", data, 600, 50, "sleep", "1")
                topcat.screenshot(picture)
            finally:
                desktop.close()
                programs.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute())
