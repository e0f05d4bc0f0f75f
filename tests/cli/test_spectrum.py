# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""``stellarclass spectrum``, from the file to the picture."""

import pytest
from astropy.table import QTable
from skyspectra import spec_bytes, star

from stellarclass.cli import main
from stellarclass.spectroscopy import Templates, default_templates

NAME = "spec-0618-52049-0372.fits"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / NAME).write_bytes(spec_bytes((618, 52049, 372), star("M4"), subclass="M3"))
    full = default_templates()
    Templates(full.subclasses[2::5], full.wavelength, full.flux[2::5]).write(tmp_path / "few.fits")
    return tmp_path


def test_table_and_picture(folder, capsys):
    code = main(["spectrum", NAME, "none.fits", "--templates", "few.fits", "-o", "t.ecsv", "--plot", "s.png"])
    assert code == 3
    out = capsys.readouterr().out
    assert "star" in out and "M3" in out and "no such file" in out
    table = QTable.read(folder / "t.ecsv")
    assert table["spectrum"].tolist() == [NAME, "none.fits"]
    assert table["verdict"].tolist() == ["star", "failed"]
    assert table["spectral_class"][0] == "M"
    assert (folder / "s.png").read_bytes()[:4] == b"\x89PNG"


def test_only_failures_are_a_failure(folder, capsys):
    (folder / NAME).write_bytes(b"<html>")
    assert main(["spectrum", NAME]) == 1
    assert "HTML" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["-o", "t.txt"], "must end in"),
        (["-o", NAME], "--overwrite"),
        (["--templates", "none"], "no file or folder"),
    ],
)
def test_mistakes_show_before_the_work(folder, capsys, options, message):
    assert main(["spectrum", NAME, *options]) == 2
    assert message in capsys.readouterr().err
