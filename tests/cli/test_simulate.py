# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""``stellarclass simulate``: a field on disk, and the report that compares fields with their twins."""

import json
import re
from functools import partial

import pytest
from astropy import units as u
from skytwins import small_simulated

from stellarclass import simulate
from stellarclass.archives import LocalAstrometry, LocalSAS
from stellarclass.cli import main


def test_a_simulated_field_reads_back_as_the_archives_do(tmp_path, capsys, monkeypatch):
    # Two bands are as good as five, and quicker to draw and to compress.
    monkeypatch.setattr(simulate, "field", partial(simulate.field, bands="gr"))
    folder = tmp_path / "sky"
    assert main(["simulate", "--output", str(folder), "--seed", "3", "--stars", "12", "--center", "150.1 20.2"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("12 simulated stars, field ")
    images = LocalSAS(folder)
    (key,) = images.keys()
    (field,) = images.fields([key], progress=False)
    assert set(field.frames) == set("gr")
    center = field.frames["r"].wcs.pixel_to_world(1024, 744)
    assert center.ra.deg == pytest.approx(150.1, abs=0.01)
    assert center.dec.deg == pytest.approx(20.2, abs=0.01)
    rows = LocalAstrometry(folder / "gaia.ecsv").candidates([150.1], [20.2], radius=6 * u.arcmin)
    assert 0 < len(rows) <= 12


def test_comparison_writes_a_report_and_prints_a_table(tmp_path, capsys):
    pytest.importorskip("sklearn")
    small_simulated("r", 600).write(tmp_path / "sas", compress=False)
    gaia, report = tmp_path / "sas" / "gaia.ecsv", tmp_path / "report"
    options = ["--gaia", str(gaia), "--report", str(report), "--permutations", "2"]
    code = main(["simulate", "--compare", str(tmp_path / "sas"), *options])
    out, err = capsys.readouterr()
    assert code == 0
    assert err == ""
    lines = out.splitlines()
    assert lines[0].split()[:4] == ["field", "band", "stars", "noise"]
    noise, width = (float(v) for v in lines[1].split()[3:5])
    assert noise == pytest.approx(1, abs=0.03)
    assert width == pytest.approx(1, abs=0.03)
    assert re.search(r"Gaia parallax errors, simulated over real, G = \S+ to \S+: ", out)
    assert str(report / "fidelity.html") in lines[-1]
    content = json.loads((report / "fidelity.json").read_text("utf-8"))
    (field,) = content["fields"].values()
    assert field["missing_bands"] == ["g", "i", "u", "z"]
    assert content["gaia"]["g_mag"] == sorted(content["gaia"]["g_mag"])
    assert content["told_apart_all_fields"] is None
    # Twice in the band and twice in all bands: enough to say what chance alone gives.
    told = field["told_apart"]
    assert 0.4 < told["auc_by_chance_95_percent"] < 0.9
    assert f"{told['auc_by_chance_95_percent']:.3f}" in lines[2]


def test_a_damaged_frame_is_left_out_with_a_word(tmp_path, capsys):
    pytest.importorskip("sklearn")
    paths = small_simulated("gr", 300).write(tmp_path / "sas", compress=False)
    broken = next(p for p in paths if "frame-g" in p.name)
    broken.write_bytes(broken.read_bytes()[:50_000])
    assert main(["simulate", "--compare", str(tmp_path / "sas"), "--report", str(tmp_path / "report")]) == 0
    out, err = capsys.readouterr()
    assert "warning: g of field" in err
    assert " r  " in out
    assert " g  " not in out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--compare", "nowhere"], "no folder nowhere"),
        (["--compare", ".", "--stars", "3"], "--stars belongs to --output"),
        (["--output", "sky", "--gaia", "g.ecsv"], "--gaia belongs to --compare"),
        (["--output", "sky", "--permutations", "0"], "--permutations belongs to --compare"),
        (["--output", "sky", "--center", "12"], '"RA DEC" in degrees'),
        (["--output", "sky", "--center", "12 95"], '"RA DEC" in degrees'),
    ],
)
def test_what_is_not_understood_is_exit_code_2(arguments, words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["simulate", *arguments]) == 2
    err = capsys.readouterr().err
    assert words in err
    assert err.count("\n") == 1


def test_a_folder_without_frames_is_exit_code_1(tmp_path, capsys):
    assert main(["simulate", "--compare", str(tmp_path)]) == 1
    assert "frame-" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["--output", "a", "--compare", "b"]])
def test_one_of_the_two_is_asked_for(arguments, capsys):
    with pytest.raises(SystemExit) as end:
        main(["simulate", *arguments])
    assert end.value.code == 2
    assert "--compare" in capsys.readouterr().err
