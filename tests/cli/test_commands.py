# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The command line as scripts and people meet it: streams, exit codes, messages."""

import os
import shlex
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from astropy.io.votable import parse_single_table
from astropy.table import Table
from fakeclassifier import fake_classifier

import stellarclass
from stellarclass import flags
from stellarclass.archives import _zeropoint
from stellarclass.cli import build_parser, main
from stellarclass.cli.options import ZERO_POINTS
from stellarclass.exceptions import BadAnswerError, EnsembleError

STARS = "name,ra,dec\nleft,323.34,-0.73\nright,323.35,-0.74\nnowhere,,\n"


@pytest.fixture
def fake(monkeypatch):
    def install(**behavior):
        module = fake_classifier(**behavior)
        monkeypatch.setitem(sys.modules, "stellarclass.classifier", module)
        return module

    return install


@pytest.fixture
def stars(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("stars.csv").write_text(STARS)
    return tmp_path


def command(*arguments, **options):
    """The command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-P", "-m", "stellarclass", *arguments],
        env=os.environ | {"PYTHONPATH": str(Path(stellarclass.__file__).parents[1])},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        stdin=subprocess.DEVNULL,
        **options,
    )


def test_file_in_votable_out(stars, fake, capsys):
    fake()
    assert main(["classify", "stars.csv", "-o", "out.vot"]) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert err == (
        "stellarclass: 3 stars: A 1, F 1, G 0, K 0, M 0; 1 without an answer (bad_coordinate 1); wrote out.vot\n"
    )
    table = parse_single_table("out.vot").to_table(use_names_over_ids=True)
    assert list(table["name"]) == ["left", "right", "nowhere"]
    assert list(table["spectral_class"][:2]) == ["A", "F"]
    assert table["radius"].mask.tolist() == [False, False, True]


def test_columns_of_the_users_own_never_pass_for_ours(stars, fake, capsys):
    Path("stars.csv").write_text("ra,dec,radius,parallax,flags\n21:33:21.6,-00:43:48,77,88,262144\n")
    fake()
    assert main(["classify", "stars.csv"]) == 0
    shown = capsys.readouterr().out.splitlines()[-1].split()
    assert shown == ["323.340000", "-0.730000", "A", "0.60", "A", "1.00", "0.10", "--"]
    assert main(["classify", "stars.csv", "--format", "csv", "-q"]) == 0
    written = Table.read(capsys.readouterr().out, format="ascii.csv")
    assert (written["radius"][0], written["radius_stellarclass"][0]) == (77, 1.0)
    assert main(["classify", "stars.csv", "-o", "out.vot"]) == 0
    note = capsys.readouterr().err.splitlines()[1]
    assert note.startswith("stellarclass: yours are kept; ours end in _stellarclass: radius, ")
    assert {"radius", "parallax", "flags"} == set(note.rpartition(": ")[2].split(", "))


def test_a_table_comes_through_a_pipe(stars, fake, capsys, monkeypatch):
    module = fake()
    table = Table.read("stars.csv", format="ascii.csv")
    for name, writer in (("csv", "ascii.csv"), ("fits", "fits"), ("votable", "votable")):
        table.write("piped", format=writer, overwrite=True)
        with Path("piped").open("rb") as file:
            monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=file))
            assert main(["classify", "-", "--input-format", name, "--quiet"]) == 0
        assert capsys.readouterr().out.splitlines()[3].split()[:3] == ["323.340000", "-0.730000", "A"]
    asked = len(module.calls)
    assert main(["classify", "-"]) == 2
    assert "--input-format" in capsys.readouterr().err and len(module.calls) == asked


def test_named_columns_without_a_unit_are_degrees(stars, fake, capsys):
    Path("stars.csv").write_text("x,y\n323.34,-0.73\n")
    fake()
    assert main(["classify", "stars.csv", "--columns", "x", "y"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].split()[:2] == ["323.340000", "-0.730000"]


def test_parquet_without_its_library_is_found_before_the_work(stars, fake, capsys, monkeypatch):
    module = fake()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert main(["classify", "stars.csv", "-o", "out.parquet"]) == 2
    assert "python -m pip install pyarrow" in capsys.readouterr().err
    assert module.calls == []


def test_positions_to_aligned_text(fake, capsys):
    fake()
    assert main(["classify", "323.34 -0.73", "323.35 -0.74"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["ra", "dec", "class", "prob", "set", "radius", "error", "parallax", "flags"]
    assert lines[1].split() == ["deg", "deg", "solRad", "solRad", "mas"]
    assert lines[3].split() == ["323.340000", "-0.730000", "A", "0.60", "A", "1.00", "0.10", "--"]
    assert len(lines) == 5
    assert all(line == line.rstrip() for line in lines)


def test_flags_are_words_and_failed_results_are_dashes(fake, capsys):
    fake(flags=flags.NOT_DETECTED | flags.NO_ASTROMETRY)
    assert main(["classify", "323.34", "-0.73", "--quiet"]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[3].split() == ["323.340000", "-0.730000", *["--"] * 6, "not_detected|no_astrometry"]
    assert err == ""


@pytest.mark.parametrize("name", ["csv", "ecsv", "votable"])
def test_format_without_file_goes_to_standard_output(stars, fake, capfdbinary, name):
    fake()
    assert main(["classify", "stars.csv", "--format", name]) == 0
    out = capfdbinary.readouterr().out
    Path("again").write_bytes(out)
    again = Table.read("again", format={"csv": "ascii.csv", "ecsv": "ascii.ecsv"}.get(name, name))
    assert list(again["spectral_class"][:2]) == ["A", "F"]


def test_options_reach_the_classifier(stars, fake, tmp_path):
    module = fake()
    (tmp_path / "sas").mkdir()
    arguments = (
        "stars.csv --columns ra dec --images sas --no-astrometry --ensemble ./mine --label-system pecaut_mamajek"
    )
    assert main(["classify", *arguments.split(), "--device", "cpu", "--batch-size", "7", "-q"]) == 0
    ((table, options),) = module.calls
    assert table.colnames == ["name", "ra", "dec"]
    assert type(options.pop("images")).__name__ == "LocalSAS"
    assert options.pop("astrometry") is False
    assert options == {
        "coords": ("ra", "dec"),
        "ensemble": "./mine",
        "label_system": "pecaut_mamajek",
        "device": "cpu",
        "batch_size": 7,
        "progress": False,
    }


def test_zero_points_reach_the_sources(stars, fake):
    module = fake()
    Table({"source_id": [1], "ra": [1.0], "dec": [2.0], "parallax": [1.0]}).write("gaia.ecsv", format="ascii.ecsv")
    for arguments in (["--zero-point", "none"], ["--astrometry", "gaia.ecsv", "--zero-point", "global"], []):
        assert main(["classify", "1 2", "-q", *arguments]) == 0
    network, table, default = (options.get("astrometry") for _, options in module.calls)
    assert network.name == "Gaia DR3"
    assert table.name.endswith("(parallax zero point: global)")
    assert default is None  # the library's
    assert main(["classify", "1 2", "-q", "--astrometry", "gaia.ecsv"]) == 0
    assert module.calls[-1][1]["astrometry"].zero_point == "none"


def test_no_zero_point_without_parallaxes(fake, capsys):
    fake()
    assert main(["classify", "1 2", "--no-astrometry", "--zero-point", "global"]) == 2
    assert "--zero-point is about parallaxes" in capsys.readouterr().err


def test_zero_points_of_the_help_are_those_of_the_sources():
    assert ZERO_POINTS == _zeropoint.ZERO_POINTS


@pytest.mark.parametrize(
    ("text", "mix"),
    [
        ("A=0.1,F=0.3,G=0.3,K=0.2,M=0.1", {"A": 0.1, "F": 0.3, "G": 0.3, "K": 0.2, "M": 0.1}),
        ("A=1, M = 2e3", {"A": 1.0, "M": 2000.0}),  # whether a class is missing is for the classifier to say
        ("even", "even"),
    ],
)
def test_a_class_mix_reaches_the_classifier(fake, text, mix):
    module = fake()
    assert main(["classify", "1 2", "-q", "--class-prior", text]) == 0
    assert module.calls[0][1]["class_prior"] == mix


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("A=0.1,F", "'F' is not of the form CLASS=NUMBER"),
        ("A=much", "'A=much' is not of the form"),
        ("=1", "'=1' is not of the form"),
        ("A=1,", "'' is not of the form"),
        ("A=1,A=2", "class A is there twice"),
        ("1,2,3", "'1' is not of the form"),
        ("", "'' is not of the form"),
    ],
)
def test_a_class_mix_that_is_none_is_a_usage_error(capsys, text, message):
    with pytest.raises(SystemExit) as caught:
        main(["classify", "1 2", "--class-prior", text])
    assert caught.value.code == 2
    assert f"argument --class-prior: {message}" in capsys.readouterr().err


def test_defaults_are_the_librarys(fake):
    module = fake()
    main(["classify", "1 2", "-q"])
    assert module.calls[0][1] == {"coords": None, "progress": False}


def test_data_release_holds_for_the_run_only(fake, monkeypatch):
    module = fake()
    seen = []
    real = module.Classifier
    module.Classifier = lambda **k: (seen.append(stellarclass.conf.sdss_data_release), real(**k))[1]
    assert main(["classify", "1 2", "--data-release", "16", "-q"]) == 0
    assert seen == [16]
    assert stellarclass.conf.sdss_data_release == 17


@pytest.mark.parametrize("flag", [flags.IMAGE_FAILURE, flags.ASTROMETRY_FAILURE])
def test_archive_failure_for_some_stars_is_exit_code_3(fake, capsys, flag):
    fake(flags=flag)
    assert main(["classify", "1 2"]) == 3
    assert "an archive failed for 1 of 1" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (BadAnswerError("HTML instead of FITS", "http://x/y"), 1, "error: HTML instead of FITS (http://x/y)"),
        (EnsembleError("weights are missing"), 1, "error: weights are missing"),
        (PermissionError(13, "Permission denied", "/x"), 1, "error: [Errno 13] Permission denied: '/x'"),
        (ZeroDivisionError("division by zero"), 1, "error: ZeroDivisionError: division by zero (unexpected; --debug"),
        (ModuleNotFoundError("no", name="pyarrow"), 1, "error: this needs the package pyarrow: python -m pip install"),
        (ModuleNotFoundError("pandas is required"), 1, "error: pandas is required"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_errors_are_one_line(fake, capsys, error, code, text):
    fake(error=error)
    assert main(["classify", "1 2"]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"stellarclass: {text}")
    assert err.count("\n") == 1


def test_debug_shows_the_traceback(fake):
    fake(error=EnsembleError("weights are missing"))
    with pytest.raises(EnsembleError, match="missing"):
        main(["classify", "1 2", "--debug"])


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ("classify nothing.csv", "there is no file nothing.csv"),
        ("classify 10 95", "neither a file nor a position"),
        ("classify stars.csv -o there/out.vot", "there is no folder there"),
        ("classify stars.csv -o stars.csv", "stars.csv exists; --overwrite replaces it"),
        ("classify stars.csv -o out.xyz", "cannot tell the format"),
        ("classify stars.csv --images nowhere", "--images nowhere: there is no such folder"),
        ("classify '1 2' --columns ra dec", "--columns is for a FILE"),
        ("classify stars.csv --input-format votable", "cannot read stars.csv as votable"),
        ("classify stars.csv --columns x y", "x"),
    ],
)
def test_input_errors_are_exit_code_2(stars, fake, capsys, arguments, text):
    fake()
    assert main(shlex.split(arguments)) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert text in err
    assert err.count("\n") == 1
    assert Path("stars.csv").read_text() == STARS


@pytest.mark.parametrize("arguments", ["", "classify", "nonsense", "classify '1 2' --batch-size 0", "demo --stars x"])
def test_usage_errors_are_exit_code_2(capsys, arguments):
    with pytest.raises(SystemExit) as caught:
        main(shlex.split(arguments))
    assert caught.value.code == 2
    assert "usage: stellarclass" in capsys.readouterr().err


def test_an_empty_table_is_an_empty_table(stars, fake, capsys):
    fake()
    Path("empty.csv").write_text("ra,dec\n")
    assert main(["classify", "empty.csv", "-o", "out.fits"]) == 0
    assert len(Table.read("out.fits")) == 0


def test_warnings_are_one_line_without_file_names(fake, capsys):
    import warnings

    from stellarclass.exceptions import StellarclassWarning

    module = fake()
    real = module.Classifier

    def warn(**options):
        warnings.warn("mind\nthe gap", StellarclassWarning, stacklevel=1)
        return real(**options)

    module.Classifier = warn
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        assert main(["classify", "1 2"]) == 0
        assert "stellarclass: warning: mind the gap\n" in capsys.readouterr().err
        assert main(["classify", "1 2", "--quiet"]) == 0
        assert capsys.readouterr().err == ""


def verbs(parser=None):
    parser = parser or build_parser()
    return next(action for action in parser._actions if action.choices).choices


def steps():
    """Verbs within verbs."""
    return {f"survey {name}": parser for name, parser in verbs(verbs()["survey"]).items()}


@pytest.mark.parametrize(("columns", "rows"), [(100, 45), (80, 55)])
@pytest.mark.parametrize("verb", [None, *verbs(), *steps()])
def test_help_fits_a_screen_and_has_an_example(monkeypatch, verb, columns, rows):
    monkeypatch.setenv("COLUMNS", str(columns))
    text = (build_parser() if verb is None else (verbs() | steps())[verb]).format_help()
    assert len(text.splitlines()) <= rows
    assert max(map(len, text.splitlines())) <= columns
    assert "example" in text
    assert f"stellarclass {verb or 'classify'}" in text


def test_help_loads_nothing_heavy():
    code = "import sys, stellarclass.cli as c; c.build_parser(); print(*sys.modules)"
    environment = os.environ | {"PYTHONPATH": str(Path(stellarclass.__file__).parents[1])}
    loaded = subprocess.run(
        [sys.executable, "-P", "-c", code], env=environment, capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"numpy", "astropy", "torch", "matplotlib"} & set(loaded)


def test_version():
    assert command("--version").stdout == f"stellarclass {stellarclass.__version__}\n"


def test_a_closed_pipe_is_no_traceback(tmp_path):
    script = f"{shlex.quote(sys.executable)} -P -m stellarclass classify --help | head -n 1"
    environment = os.environ | {"PYTHONPATH": str(Path(stellarclass.__file__).parents[1])}
    result = subprocess.run(
        ["bash", "-c", script], env=environment, capture_output=True, text=True, check=True, timeout=60
    )
    assert result.stdout.startswith("usage: stellarclass classify")
    assert result.stderr == ""


def test_the_installed_command_is_this_one():
    from importlib.metadata import entry_points

    (entry,) = [e for e in entry_points(group="console_scripts") if e.name == "stellarclass"] or [None]
    if entry is None:
        pytest.skip("stellarclass is not installed here, only on the path")
    assert entry.load() is main


def test_batches_of_stars_of_every_size_print(fake, capsys):
    fake()
    for n in (1, 2, 17):
        positions = [f"{ra} 0" for ra in np.linspace(1, 2, n)]
        assert main(["classify", *positions, "-q"]) == 0
        assert len(capsys.readouterr().out.splitlines()) == 3 + n
