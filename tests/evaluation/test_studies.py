# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Studies: variants differ in one thing, cells are trained once, the table says what the cells answered."""

import dataclasses

import numpy as np
import pytest
from astropy import units as u
from astropy.table import QTable
from astropy.utils.masked import Masked
from scipy import stats

from stellarclass.evaluation.scores import answered_class
from stellarclass.evaluation.studies import _over_seeds, _p_value, _pairs, run_study
from stellarclass.exceptions import InputError
from stellarclass.reference import ReferenceSet
from stellarclass.stamps.composites import BAND_COMBINATIONS
from stellarclass.training.configfile import read_config
from stellarclass.training.mescr import fit_recipe, make_mescr_data
from stellarclass.training.study import STUDIES, default_variants, read_answers, study_cells


@pytest.fixture(scope="module")
def config():
    small = read_config("mescr-small")
    return dataclasses.replace(
        small,
        recipe=dataclasses.replace(small.recipe, size=8),
        network=dataclasses.replace(small.network, width=1 / 64),
        sampling=dataclasses.replace(small.sampling, draws=64),
        training=dataclasses.replace(small.training, epochs=2, warmup_epochs=1, batch_size=16),
    )


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reference") / "set"
    ReferenceSet.simulated(150, seed=3).write(folder)
    return folder


@pytest.fixture(scope="module")
def study(config, reference, tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    options = {"seeds": 2, "variants": ["image", "all + Teff"], "members": ["Base"]}
    return run_study("inputs", config, reference, folder=folder, **options), folder, options


def test_the_papers_variants():
    assert [len(v) for v in STUDIES.values()] == [5, 26, 6]
    assert list(STUDIES["inputs"]) == ["image", "image + parallax", "image + pm", "all", "all + Teff"]
    assert tuple(STUDIES["bands"]) == BAND_COMBINATIONS
    assert list(STUDIES["resolution"]) == ["8", "16", "32", "64", "128", "224"]


@pytest.mark.parametrize("name", STUDIES)
def test_variants_differ_in_the_recipe_alone(name, config, tmp_path):
    cells = study_cells(name, config, folder=tmp_path, seeds=2)
    assert len({c.folder for c in cells}) == len(cells) == 2 * len(STUDIES[name])
    for cell in cells:
        assert dataclasses.replace(cell.config, recipe=config.recipe, seed=1, sampling=config.sampling) == config
        assert cell.config.sampling.members == (config.sampling.members if name == "inputs" else ("Base",))


def test_temperatures_are_an_input_where_the_set_has_them(config, reference, tmp_path):
    known = ReferenceSet.read(reference)
    recipe = study_cells("inputs", config, folder=tmp_path, seeds=1, variants=["all + Teff"])[0].config.recipe
    rows = known.rows("train")
    teff = known.table["teff"].to_value(u.K)
    known.table["teff"] = Masked(known.table["teff"], mask=teff == teff[rows[0]])
    fitted = dataclasses.replace(fit_recipe(known, rows, recipe), scaling="linear")
    others = teff[rows[1:]]
    assert fitted.teff_range == (others.min(), others.max())
    numeric = make_mescr_data(known, rows, fitted)["numeric"]
    assert numeric.shape == (len(rows), 3) and numeric[0, 2] == 0  # masked
    np.testing.assert_allclose(numeric[1:, 2], (others - others.min()) / np.ptp(others), rtol=1e-5)
    assert "all + Teff" in default_variants("inputs", known)
    del known.table["teff"]
    assert default_variants("inputs", known) == list(STUDIES["inputs"])[:4]
    with pytest.raises(InputError, match="no column teff"):
        fit_recipe(known, rows, recipe)


def test_scores_are_those_of_the_answers(study, config, reference):
    result, folder, options = study
    known = ReferenceSet.read(reference)
    label = np.asarray(known.table["spectral_class"])[known.rows("test")]
    cells = study_cells("inputs", config, folder=folder, **options)
    assert [(r["variant"], r["seed"]) for r in result.cells] == [(c.variant, c.seed) for c in cells]
    right = [(answered_class(read_answers(c)) == label).mean() for c in cells]
    np.testing.assert_allclose(result.cells["accuracy"], right)
    by_variant = {row["variant"]: row for row in result.summary}
    np.testing.assert_allclose(by_variant["image"]["accuracy"], np.mean(right[::2]))
    np.testing.assert_allclose(by_variant["image"]["accuracy_spread"], np.std(right[::2], ddof=1))
    (pair,) = result.pairs
    np.testing.assert_allclose(pair["accuracy_gain"], np.mean(right[1::2]) - np.mean(right[::2]))
    assert pair["against"] == "image"
    known_radius = known.table["radius"][known.rows("test")].to_value(u.solRad)
    mae = [np.abs(read_answers(c).radius - known_radius).mean() for c in cells]
    gain = np.array(mae[::2]) - mae[1::2]  # by seed
    np.testing.assert_allclose(pair["mae_gain"], gain.mean(), rtol=1e-5)
    np.testing.assert_allclose(pair["mae_seed_error"], np.std(gain, ddof=1) / np.sqrt(len(gain)), rtol=1e-5)
    np.testing.assert_allclose(pair["mae_seed_p"], stats.ttest_1samp(gain, 0).pvalue, rtol=1e-5)
    assert result.meta["simulated"] is True and "SIMULATED" in result.text()


def test_motion_is_held_against_parallax_as_well():
    names = ["image", "image + parallax", "image + pm", "all"]
    rng = np.random.default_rng(2)
    good = {w: {n: [rng.normal(k, 1, 50) for _ in range(3)] for k, n in enumerate(names)} for w in ("mae", "radius")}
    pairs = _pairs("inputs", names, good)
    assert list(zip(pairs["variant"], pairs["against"], strict=True)) == [
        *((name, "image") for name in names[1:]),
        ("image + pm", "image + parallax"),
        ("all", "image + parallax"),
    ]
    assert pairs["mae_gain"][-1] == pytest.approx(np.mean(good["mae"]["all"]) - np.mean(good["mae"][names[1]]))
    assert _pairs("inputs", names[2:], good).colnames == pairs.colnames  # no baseline, nothing to compare


def test_no_p_value_is_nothing():
    assert [_p_value(p) for p in (0.0, 4.9e-5, 5.1e-5, 0.31, np.nan)] == [
        "<0.0001",
        "<0.0001",
        "0.0001",
        "0.3100",
        "nan",
    ]


def test_a_single_seed_has_no_spread():
    assert np.isnan(_over_seeds(np.array([0.3]))).all()
    assert _over_seeds(np.zeros(3)) == (0, 1) and _over_seeds(np.ones(3)) == (0, 0)


def test_done_cells_are_not_done_again(study, config, reference, monkeypatch):
    result, folder, options = study
    monkeypatch.setattr("stellarclass.training.study.train_mescr", lambda *a, **k: pytest.fail("trained again"))
    again = run_study("inputs", config, reference, folder=folder, **options)
    assert (again.cells["accuracy"] == result.cells["accuracy"]).all()
    assert not list(folder.rglob("*.safetensors"))
    other = dataclasses.replace(config, training=dataclasses.replace(config.training, epochs=3))
    with pytest.raises(InputError, match="another configuration"):
        run_study("inputs", other, reference, folder=folder, **options)


def test_processes_do_not_change_the_answers(study, config, reference, tmp_path):
    result, _, options = study
    options = options | {"seeds": 1, "variants": ["image"]}
    again = run_study("inputs", config, reference, folder=tmp_path, processes=2, **options)
    np.testing.assert_allclose(again.cells["accuracy"], result.cells["accuracy"][:1])
    np.testing.assert_allclose(again.cells["mae"].value, result.cells["mae"][:1].value, rtol=1e-5)


def test_files(study, tmp_path):
    result, _, _ = study
    result.write(tmp_path)
    read = QTable.read(tmp_path / "summary.ecsv")
    assert read["mae"].unit == "solRad" and read.meta["config"] == "mescr-small"
    assert (tmp_path / "study.txt").read_text() == result.text()
    assert (tmp_path / "study.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("study_name", "options", "words"),
    [("colors", {}, "no study 'colors'"), ("inputs", {"seeds": 0}, "seeds = 0"),
     ("resolution", {"variants": ["7"]}, "no variant '7'")],
)  # fmt: skip
def test_what_is_unknown_is_refused(study_name, options, words, config, tmp_path):
    with pytest.raises(InputError, match=words):
        study_cells(study_name, config, folder=tmp_path, **options)
