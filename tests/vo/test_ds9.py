# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The real DS9, on a screen that nobody sees: reads our regions, and takes a table by SAMP."""

import shutil
import time
from contextlib import suppress

import numpy as np
import pytest
import topcat
from astropy import units as u
from astropy.io import fits
from astropy.table import MaskedColumn, QTable, Table
from regions import PolygonSkyRegion, Regions
from samphub import Desktop, isolate, need, running_hub

from stellarclass import simulate, vo

pytestmark = pytest.mark.filterwarnings("ignore::pyvo.samp.SAMPWarning")

PACKAGES = "saods9 xvfb"


class Ds9:
    """DS9 with an image, ruled by SAMP."""

    def __init__(self, programs, image):
        # Debian's DS9 (8.4.1) forgets to load the library that reads XML: no VOTable of anybody would come in.
        (programs.folder / "mend.tcl").write_text("package require xml\n")
        self._desktop = Desktop("hand", mtypes=())
        command = ("ds9", image, "-source", programs.folder / "mend.tcl")
        programs.run("ds9", *map(str, command), env=topcat.run_screen(programs, (800, 600)))
        self._client = self._desktop.find("SAOImageDS9", 90)
        end = time.monotonic() + 30
        while "ds9.set" not in self._desktop.client.get_subscriptions(self._client):
            assert time.monotonic() < end, "DS9 takes no orders"
            time.sleep(0.1)
        self._await_first_answer()

    def _await_first_answer(self):
        """An order that comes while it is still drawing its windows is lost now and then, and never answered."""
        for _ in range(20):
            with suppress(TimeoutError):
                return self._desktop.ask(self._client, "ds9.set", timeout=3, cmd="frame first")
        pytest.fail("DS9 answers no order")

    def ask(self, mtype, **params):
        reply = self._desktop.ask(self._client, mtype, timeout=30, **params)
        assert reply["samp.status"] == "samp.ok", reply

    def do(self, *orders):
        for order in orders:
            self.ask("ds9.set", cmd=order)

    def close(self):
        self._desktop.close()


@pytest.fixture(scope="module")
def sky():
    return simulate.field(seed=3, n_stars=6, bands="r")


@pytest.fixture(scope="module")
def table(sky):
    table = QTable({"objid": np.arange(6) + 2**60, "ra": sky.coords.ra, "dec": sky.coords.dec})
    table["spectral_class"] = MaskedColumn(["A", "F", "G", "K", "M", ""], mask=[0, 0, 0, 0, 0, 1])
    table["run"] = MaskedColumn(np.arange(6), mask=[0, 1, 0, 0, 0, 0])
    table["radius"] = np.linspace(0.5, 2, 6) * u.solRad
    for name in ("ra", "dec"):
        table[name].info.meta = {"ucd": f"pos.eq.{name};meta.main"}
    table.meta["match_radius"] = 3.0
    return table


@pytest.fixture(scope="module")
def ds9(sky, tmp_path_factory):
    need([name for name in ("ds9", "Xvfb") if shutil.which(name) is None], PACKAGES)
    folder = tmp_path_factory.mktemp("ds9")
    frame = sky.contents.frames["r"]
    fits.writeto(folder / "image.fits", frame.data, frame.wcs.to_header())
    programs = topcat.Programs(folder)
    with pytest.MonkeyPatch.context() as patch, running_hub(isolate(patch, folder)):
        try:
            ds9 = Ds9(programs, folder / "image.fits")
            yield ds9
            ds9.close()
        finally:
            programs.stop()


def test_it_reads_our_regions(ds9, table, sky, tmp_path):
    """What it writes of them is the same: shapes, places, colors, labels and tags."""
    ours = vo.to_regions(table, images=sky.images)
    ours.write(tmp_path / "ours.reg", format="ds9")
    ds9.do(
        f"regions load {tmp_path / 'ours.reg'}", "regions format ds9", "regions system wcs", "regions sky icrs",
        "regions skyformat degrees", f"regions save {tmp_path / 'its.reg'}",
    )  # fmt: skip
    its = Regions.read(tmp_path / "its.reg", format="ds9")
    assert [type(r) for r in its] == [type(r) for r in ours] and len(its) == 3 * len(table)
    for a, b in zip(its, ours, strict=True):
        assert a.visual.get("color", a.visual.get("edgecolor")).lower() == b.visual["color"].lower()
        assert list(a.meta["tag"]) == list(b.meta["tag"]) and a.meta.get("text") == b.meta.get("text")
        place = "vertices" if isinstance(b, PolygonSkyRegion) else "center"
        assert (getattr(a, place).separation(getattr(b, place)) < 0.01 * u.arcsec).all()
        if hasattr(b, "radius"):
            assert u.isclose(a.radius, b.radius, atol=0.01 * u.arcsec)


def test_it_takes_a_table(ds9, table, tmp_path):
    (answer,) = vo.send(table, client="ds9", table_id="mine")
    assert (answer.status, answer.format) == ("samp.ok", "votable")
    for attempt in range(40):  # it reads after it has answered
        ds9.do(f"catalog export tsv {tmp_path / f'{attempt}.tsv'}")
        if (tmp_path / f"{attempt}.tsv").exists():
            break
        time.sleep(0.1)
    found = Table.read(tmp_path / f"{attempt}.tsv", format="ascii.tab")
    assert found.colnames == table.colnames
    assert found["objid"].tolist() == table["objid"].tolist()
    assert found["ra"].tolist() == table["ra"].value.tolist()
    assert found["radius"].tolist() == table["radius"].value.tolist()
    for name in ("spectral_class", "run"):
        assert found[name].tolist() == table[name].tolist()
    ds9.ask("table.highlight.row", table_id="mine", row="2")
