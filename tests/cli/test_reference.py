# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""``stellarclass reference``: what the options mean. What the chain does with them is tested with the chain."""

from types import SimpleNamespace

import pytest
from astropy import units as u
from skyarchives import SkyArchives
from surveytruth import survey_truth

from stellarclass import conf
from stellarclass.archives import SDSS, FieldKey, LocalSAS
from stellarclass.archives.cache import FrameCache
from stellarclass.cli import main
from stellarclass.exceptions import ArchiveError
from stellarclass.reference import Cuts, ReferenceSet
from stellarclass.tables import read_table


@pytest.fixture
def built(monkeypatch):
    """Calls of `build_reference`, which does nothing but note them."""
    calls = []

    def build(folder, **options):
        calls.append((folder, SimpleNamespace(**options, release=conf.sdss_data_release)))
        folder.mkdir()
        return SimpleNamespace(table=None)

    monkeypatch.setattr("stellarclass.reference.build_reference", build)
    monkeypatch.setattr("stellarclass.reference.report.text_table", lambda records, table: ["the table"])
    return calls


def settings(cuts):
    return {
        step: cuts.settings(step) for step in ("spectra", "photometry", "quota", "gaia", "simbad", "cuts", "stamps")
    }


def test_without_options_the_rules_are_the_papers(built, tmp_path, capsys):
    assert main(["reference", "--output", str(tmp_path / "run")]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines() == ["the table", f"set: {tmp_path}/run/set, report: {tmp_path}/run/report.html"]
    assert err == ""
    folder, options = built[0]
    assert folder == tmp_path / "run"
    assert settings(options.cuts) == settings(Cuts())
    assert (options.seed, options.skip_failed, options.progress) == (1, False, False)
    assert options.sources.names() == {
        "spectra": "SDSS DR17 SpecObj",
        "gaia": "Gaia DR3 (parallax zero point: lindegren)",
        "simbad": options.sources.simbad.name,
        "lamost": options.sources.lamost.name,
        "images": "SDSS DR17",
    }


def test_every_option_reaches_its_rule(built, tmp_path, sas_tree):
    command = [
        "reference",
        "-o",
        str(tmp_path / "run"),
        "--seed",
        "7",
        "--snr-min",
        "10",
        "--quota",
        "none",
        "--ruwe",
        "1.2",
    ]
    command += ["--reject-flags", "Saturated,edge", "--faint-limits", "none", "--match-radius", "2", "--simbad", "flag"]
    command += ["--parallax-over-error", "5", "--pm-error", "0.1", "--no-lamost", "--images", str(sas_tree)]
    command += ["--zero-point", "none", "--data-release", "16", "--skip-failed"]
    assert main(command) == 0
    options = built[0][1]
    expected = Cuts(
        snr_min=10,
        quota=None,
        ruwe=1.2,
        reject_flags=("saturated", "edge"),
        faint_limits=None,
        match_radius=2 * u.arcsec,
        simbad="flag",
        parallax_over_error=5,
        pmra_error=0.1 * u.mas / u.yr,
        pmdec_error=0.1 * u.mas / u.yr,
    )
    assert settings(options.cuts) == settings(expected)
    assert (options.seed, options.skip_failed, options.release) == (7, True, 16)
    assert options.sources.lamost is False
    assert isinstance(options.sources.images, LocalSAS)
    assert options.sources.gaia.name == "Gaia DR3"
    assert options.on_field is None


def test_limits_and_quota_as_numbers(built, tmp_path):
    main(
        ["reference", "-o", str(tmp_path / "a"), "--quota", "50", "--faint-limits", "21,22,22,21,20", "--simbad", "off"]
    )
    options = built[0][1]
    assert options.cuts.quota == 50
    assert options.cuts.faint_limits.to_value(u.mag).tolist() == [21, 22, 22, 21, 20]
    assert options.sources.simbad is False


def test_frames_are_forgotten_unless_they_are_to_be_kept(built, tmp_path):
    main(["reference", "-o", str(tmp_path / "a")])
    options = built[0][1]
    key = FieldKey(2583, 301, 2, 136)
    cache = FrameCache(tmp_path / "a" / "frames", archive=conf.sas_url, data_release=17)
    for band in "ugriz":
        cache.path(key, band).parent.mkdir(parents=True, exist_ok=True)
        cache.path(key, band).write_bytes(b"a frame")
    other = cache.path(key._replace(field=137), "r")
    other.write_bytes(b"a frame")
    options.on_field(key)
    assert list((tmp_path / "a" / "frames").rglob("*.bz2")) == [other]
    main(["reference", "-o", str(tmp_path / "b"), "--keep-frames"])
    options = built[1][1]
    assert options.on_field is None
    assert isinstance(options.sources.images, SDSS)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--quota", "few"], "--quota 'few' is not a positive whole number; or none"),
        (["--faint-limits", "22,x"], "--faint-limits '22,x' are not five numbers"),
        (["--faint-limits", "22,22"], "faint_limits must be five magnitudes"),
        (["--reject-flags", "dusty"], "unknown photometric flag 'dusty'"),
        (["--match-radius", "-1"], "match_radius must be one positive value"),
        (["--images", "nowhere"], "--images nowhere: there is no such folder"),
        (["--targets", "12 7"], "--targets '12 7' is not \"RA DEC RADIUS\" in degrees"),
    ],
)
def test_what_is_not_understood_is_exit_code_2(built, arguments, words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["reference", "-o", "stars.fits", *arguments]) == 2
    err = capsys.readouterr().err
    assert words in err
    assert err.count("\n") == 1
    assert built == []


def test_an_archive_that_fails_is_one_line_and_exit_code_1(monkeypatch, tmp_path, capsys):
    def build(folder, **options):
        raise ArchiveError("step 'gaia': down; what is done is kept", "http://gaia")

    monkeypatch.setattr("stellarclass.reference.build_reference", build)
    assert main(["reference", "-o", str(tmp_path / "run")]) == 1
    assert capsys.readouterr().err == "stellarclass: error: step 'gaia': down; what is done is kept (http://gaia)\n"


def test_clarkes_stars_become_targets(sas_tree, tmp_path, capsys):
    truth = survey_truth()
    with SkyArchives(truth, sas_tree) as archives, archives.configured():
        command = ["reference", "--targets", "30.0 0.5 0.05", "--output", str(tmp_path / "stars.fits")]
        assert main(command) == 0
        assert main(command) == 2
    out, err = capsys.readouterr()
    table = read_table(tmp_path / "stars.fits")
    assert out.startswith(f"{len(table)} stars without a spectrum: ")
    assert "is already there" in err
    assert len(table) > 3
    assert (table["class_prob_star"] >= 0.8).all()
    assert set(table["objid"].tolist()) <= set(archives.truth["objid"].tolist())


def test_a_simulated_set_needs_no_archive(tmp_path, capsys):
    assert main(["reference", "--simulated", "20", "--seed", "2", "--output", str(tmp_path / "run")]) == 0
    reference = ReferenceSet.read(tmp_path / "run" / "set")
    assert len(reference) == 20 and reference.table.meta["simulated"] is True
    assert capsys.readouterr().out.splitlines() == [repr(reference), f"set: {tmp_path}/run/set"]
    assert main(["reference", "--simulated", "20", "--output", str(tmp_path / "run")]) == 2
    assert "already there" in capsys.readouterr().err
