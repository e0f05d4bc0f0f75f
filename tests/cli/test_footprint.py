# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""``stellarclass footprint``, and ``classify --footprint``."""

import pytest
from astropy.table import Table
from loopback.sas import SASServer
from loopback.skysql import SkySQL
from mocpy import MOC

from stellarclass.archives import LocalSAS, read_footprint
from stellarclass.cli import EXIT_OK, EXIT_USAGE, main
from stellarclass.tables import read_table


@pytest.fixture
def fields():
    box = {"raMin": [10.0], "raMax": [10.2], "decMin": [0.0], "decMax": [0.2]}
    return Table({"fieldID": [5], "run": [1000], "rerun": [301], "camcol": [1], "field": [11], **box})


def test_from_frames(sas_tree, tmp_path, capsys):
    out = tmp_path / "here.fits"
    assert main(["footprint", "--frames", str(sas_tree), "-o", str(out), "--order", "12"]) == EXIT_OK
    assert read_footprint(out) == LocalSAS(sas_tree).footprint(order=12)
    assert "square degrees, order 12" in capsys.readouterr().out


@pytest.mark.parametrize("ending", ["fits", "csv"])
def test_from_a_list(fields, ending, tmp_path):
    fields.write(tmp_path / f"list.{ending}")
    out = tmp_path / "sdss.fits"
    assert main(["footprint", "--fields", str(tmp_path / f"list.{ending}"), "-o", str(out)]) == EXIT_OK
    assert read_footprint(out).sky_fraction * 41253 == pytest.approx(0.04, rel=0.8)


def test_from_skyserver(fields, tmp_path):
    with SASServer("/nonexistent", sql=SkySQL(fields=fields)) as server, server.configured():
        assert main(["footprint", "-q", "-o", str(tmp_path / "sdss.fits")]) == EXIT_OK
    assert len(server.log) == 2
    assert read_footprint(tmp_path / "sdss.fits").max_order == 11


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--fields", "absent.fits"], "no such file"),
        (["--fields", "odd.csv"], "window_flist.fits"),
        (["--fields", "odd.xyz"], "cannot read"),
        (["--frames", "absent"], "no folder"),
        (["--frames", ".", "--order", "2"], r"expected 5"),
    ],
)
def test_mistakes(arguments, word, sas_tree, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(sas_tree if "--order" in arguments else tmp_path)
    (tmp_path / "odd.csv").write_text("a,b\n1,2\n")
    (tmp_path / "odd.xyz").write_text("a,b\n1,2\n")
    out = tmp_path / "out.fits"
    assert main(["footprint", *arguments, "-o", str(out)]) == EXIT_USAGE
    assert word in capsys.readouterr().err
    assert not out.exists()


def test_nothing_is_written_over_unless_told(sas_tree, tmp_path, capsys):
    out = tmp_path / "here.fits"
    out.write_text("mine")
    command = ["footprint", "--frames", str(sas_tree), "-o", str(out)]
    assert main(command) == EXIT_USAGE
    assert out.read_text() == "mine" and "--overwrite" in capsys.readouterr().err
    assert main([*command, "--overwrite"]) == EXIT_OK
    assert read_footprint(out).max_order == 11
    assert main(["footprint", "--frames", str(sas_tree), "-o", str(tmp_path / "absent" / "x.fits")]) == EXIT_USAGE


def test_classify_with_one(tmp_path, capsys):
    MOC.from_string("5/1").save(tmp_path / "sdss.fits", format="fits")
    with SASServer("/nonexistent") as server, server.configured():
        command = ["classify", "200 20", "--no-astrometry", "--footprint", str(tmp_path / "sdss.fits")]
        assert main([*command, "-o", str(tmp_path / "t.vot")]) == EXIT_OK
    assert server.log == []
    assert "off_footprint" in capsys.readouterr().err
    assert read_table(tmp_path / "t.vot")["spectral_class"].mask.all()


def test_a_footprint_is_of_the_network(sas_tree, tmp_path, capsys):
    command = ["classify", "200 20", "--footprint", str(tmp_path / "absent.fits")]
    assert main(command) == EXIT_USAGE
    assert "no such file" in capsys.readouterr().err
    assert main([*command, "--images", str(sas_tree)]) == EXIT_USAGE
    assert "read from its frames" in capsys.readouterr().err
