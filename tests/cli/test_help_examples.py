# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What ``--help`` shows as an example, as it stands there: with small files of the names it uses, each of them runs.

Training, the archives' chain and the SAMP hub are stood in for; they have tests of their own.
"""

import shlex
import sys
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import pytest
from astropy.table import Table
from fakeclassifier import fake_classifier
from skyspectra import spec_bytes, star
from surveysky import write_sky

from stellarclass.cli import build_parser, main
from stellarclass.reference import ReferenceSet

GAIA = {"source_id": [1], "ra": [323.34], "dec": [-0.73], "ref_epoch": [2016.0], "parallax": [1.0]}
GAIA |= {"parallax_error": [0.1], "pmra": [0.0], "pmra_error": [0.1], "pmdec": [0.0], "pmdec_error": [0.1]}
GAIA |= {"ruwe": [1.0], "phot_g_mean_mag": [17.0], "bp_rp": [1.0]}


def choices(parser):
    return next(action for action in parser._actions if isinstance(action.choices, dict)).choices


def examples(parser):
    """Each example of a help text, as the words behind ``stellarclass``."""
    lines = parser.epilog.splitlines()[1:]
    return [shlex.split(line)[1:] for line in lines]


VERBS = choices(build_parser())


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("sas").mkdir()
    Table({"ra": [323.34], "dec": [-0.73]}).write("stars.csv")
    Table(GAIA).write("gaia.ecsv")
    return tmp_path


@cache
def small_sky():
    from stellarclass import simulate

    return simulate.field(seed=1, n_stars=2, bands="gri")


def classify(monkeypatch):
    monkeypatch.setitem(sys.modules, "stellarclass.classifier", fake_classifier())
    return "classes.vot"


def demo(monkeypatch):
    sky = small_sky()
    monkeypatch.setattr("stellarclass.simulate.field", lambda **options: sky)
    return "demo/stars.vot"


def evaluate(monkeypatch):
    monkeypatch.setattr("stellarclass.evaluation.page.Page.figure", lambda self, figure, **words: None)
    ReferenceSet.simulated(80, seed=3).write("stars")
    return "evaluation/report.html"


def footprint(monkeypatch):
    pytest.importorskip("mocpy")
    box = {"raMin": [10.0], "raMax": [10.2], "decMin": [0.0], "decMax": [0.2]}
    Table({"fieldID": [5], "run": [1000], "rerun": [301], "camcol": [1], "field": [11], **box}).write(
        "window_flist.fits"
    )
    return "sdss.fits"


def publish(monkeypatch):
    pytest.importorskip("mocpy")
    with monkeypatch.context() as patch:
        classify(patch)
        assert main(["classify", "stars.csv", "-o", "stars.vot", "-q"]) == 0
    return "bundle/README.md"


def reference(monkeypatch):
    def build(folder, **options):
        folder.mkdir()
        (folder / "report.html").touch()
        return SimpleNamespace(table=None)

    monkeypatch.setattr("stellarclass.reference.build_reference", build)
    monkeypatch.setattr("stellarclass.reference.report.text_table", lambda records, table: ["the table"])
    return "reference/report.html"


def samp(monkeypatch):
    from stellarclass import vo

    def wait(listener):
        Path("listening").touch()
        raise KeyboardInterrupt

    classify(monkeypatch)
    monkeypatch.setenv("SAMP_HUB", f"std-lockurl:{Path('no-hub').absolute().as_uri()}")
    monkeypatch.setattr(vo.Listener, "wait", wait)
    return "listening"


def simulate(monkeypatch):
    demo(monkeypatch)
    return "sky/positions.csv"


def spectrum(monkeypatch):
    from stellarclass.archives import SDSSSpectra, read_spectrum
    from stellarclass.spectroscopy import Templates, default_templates

    name = Path("spec-2942-54521-0124.fits")
    name.write_bytes(spec_bytes((2942, 54521, 124), star("G2"), subclass="G2"))
    full = default_templates()
    few = Templates(full.subclasses[2::5], full.wavelength, full.flux[2::5])
    monkeypatch.setattr("stellarclass.spectroscopy.default_templates", lambda: few)
    monkeypatch.setattr(SDSSSpectra, "spectrum", lambda self, key: read_spectrum(name))
    return "first.png"


def study(monkeypatch):
    made = SimpleNamespace(write=lambda folder: Path(folder).mkdir(), text=lambda: "the table\n")
    monkeypatch.setattr("stellarclass.evaluation.studies.run_study", lambda *args, **options: made)
    ReferenceSet.simulated(12, seed=3).write("stars")
    return "inputs"


def train(monkeypatch):
    from stellarclass import load_ensemble

    losses = {"a": [{"epoch": 1, "train": 1.0, "validation": 1.5}]}
    trained = load_ensemble("default"), losses
    monkeypatch.setattr("stellarclass.training.mescr.train_mescr", lambda config, stars, **options: trained)
    ReferenceSet.simulated(12, seed=3).write("stars")
    return "my-mescr/losses.ecsv"


PREPARED = {
    f.__name__: f
    for f in (classify, demo, evaluate, footprint, publish, reference, samp, simulate, spectrum, study, train)
}
# Says nothing but what is there; and the one with steps, below.
OTHERS = {"ensembles": lambda monkeypatch: None, "survey": None}


def test_every_verb_has_an_example_that_is_run():
    assert set(VERBS) == set(PREPARED) | set(OTHERS)


@pytest.mark.parametrize("verb", sorted({*PREPARED, "ensembles"}))
def test_the_first_example_runs(here, monkeypatch, verb):
    made = (PREPARED | OTHERS)[verb](monkeypatch)
    words = examples(VERBS[verb])[0]
    assert words[0] == verb
    assert main(words) == 0
    assert made is None or Path(made).exists()


def test_the_examples_of_a_survey_run_one_after_the_other(tmp_path, monkeypatch):
    pytest.importorskip("hats")
    monkeypatch.chdir(tmp_path)
    sky = write_sky(tmp_path / "sas", 1, 2)
    sky.write("stars.parquet")
    (tmp_path / "sas" / "gaia.ecsv").rename("gaia.ecsv")
    steps = choices(VERBS["survey"])
    lines = [examples(parser)[0] for parser in steps.values()]
    assert [words[1] for words in lines] == list(steps) == ["plan", "run", "status", "verify", "finish"]
    assert all(words in lines for words in examples(VERBS["survey"]))
    for words in lines:
        assert main([*words, *(["--workers", "0"] if "run" in words else [])]) == 0
    assert Path("mine/results/stars.parquet").is_file()
    assert main(examples(steps["plan"])[1]) == 0
