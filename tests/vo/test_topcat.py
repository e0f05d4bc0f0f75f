# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The real programs: TOPCAT and STILTS send tables to ``stellarclass samp``."""

import shutil
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest
import topcat
from astropy import units as u
from astropy.table import QTable
from fakeclassifier import fake_classifier
from samphub import need
from tablecompare import assert_same_rows

from stellarclass import Classifier, vo
from stellarclass.archives import LocalSAS
from stellarclass.tables import write_table

pytestmark = pytest.mark.filterwarnings("ignore::pyvo.samp.SAMPWarning")


@pytest.fixture
def stars(tmp_path):
    """The first lies on a bright pixel of the frames in `sas_tree`."""
    table = QTable({"number": np.arange(3), "ra": [323.34, 323.341, 30.0] * u.deg, "dec": [-0.735, -0.73, 0.5] * u.deg})
    write_table(table, tmp_path / "stars.vot")
    return table


@pytest.fixture
def programs(tmp_path):
    programs = topcat.Programs(tmp_path)
    yield programs
    programs.stop()


def test_stilts_as_the_sender(hub, desktop, stars, tmp_path):
    need([name for name in ("stilts",) if shutil.which(name) is None], "stilts")
    with vo.Listener(fake_classifier().Classifier(), name="listener") as listener:
        assert listener.wait_connected(20)
        desktop.find("listener")
        for format in ("votable", "fits"):
            command = ["stilts", "-Djava.awt.headless=true", "-Djsamp.localhost=127.0.0.1", "tpipe", "in=stars.vot"]
            subprocess.run(
                [*command, "omode=samp", "client=listener", f"format={format}"],
                cwd=tmp_path, check=True, timeout=120, capture_output=True, stdin=subprocess.DEVNULL,
            )  # fmt: skip
        tables = desktop.await_tables(2, timeout=60)
    for _, table in tables:
        assert table.colnames[:3] == stars.colnames
        assert table["spectral_class"].tolist() == ["A", "F", "G"]


def test_topcat_sends_a_table_and_gets_it_back(hub, desktop, programs, stars, sas_tree, default_ensemble, tmp_path):
    need(topcat.missing(), topcat.PACKAGES)
    for mtype in ("table.load.votable", "table.load.fits"):
        desktop.client.unbind_receive_call(mtype)  # so the listener is the only one in TOPCAT's menu
    listener = topcat.run_listener(programs, "--images", sas_tree, "--no-astrometry", "--pictures", tmp_path)
    window = topcat.Topcat(programs, desktop)
    window.load(tmp_path / "stars.vot", "my stars", "theirs")
    window.click(topcat.INTEROP, topcat.SEND_TO, topcat.FIRST_CLIENT)
    programs.await_line("listener", "topcat sent 'my stars': 3 stars, 3 columns")
    table_id = programs.await_line("listener", r"sent to topcat as (stellarclass-\w+): 3 stars")[1]
    window.await_table(table_id)
    window.screenshot(tmp_path / "screen.png")
    assert (tmp_path / "screen.png").stat().st_size > 5000

    # TOPCAT tells of a row of the table that it has just got.
    window.click(topcat.ACTIVATION)
    window.click(topcat.SEND_ROW, topcat.SEND_ROW_TICK, topcat.INVOKE, window="Activation Actions")
    picture = programs.await_line("listener", r"row 1: (\S+\.png)")[1]
    assert Path(picture).read_bytes().startswith(b"\x89PNG")
    # And somebody of a row of either.
    for known in ("theirs", table_id):
        reply = desktop.ask(desktop.find("stellarclass"), "table.highlight.row", table_id=known, row="0", timeout=60)
        picture = Path(reply["samp.result"]["picture"])
        assert picture.parent == tmp_path and picture.read_bytes().startswith(b"\x89PNG")

    listener.send_signal(signal.SIGTERM)
    assert listener.wait(30) == 0

    # TOPCAT has a copy of its own. The one it has just got is its current table.
    desktop.subscribe("table.load.votable")
    window.click(topcat.BROADCAST)
    params, table = desktop.await_tables(1)[0]
    assert (params["table-id"], params["name"]) == (table_id, "my stars classified")
    expected = Classifier(default_ensemble, images=LocalSAS(sas_tree), astrometry=False).classify_table(stars)
    assert table.colnames[:3] == stars.colnames and {"spectral_class", "radius", "flags"} <= set(table.colnames)
    assert_same_rows(table, expected, answers=1e-5)
