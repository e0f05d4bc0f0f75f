# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The chain of the reference set on a simulated survey, in miniature: one field, without noise."""

import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.table import Table

from stellarclass.archives.base import Frame
from stellarclass.physics import CLASSES
from stellarclass.reference import ReferenceSet
from stellarclass.simulate.frames import FRAME_SHAPE, _draw_sources

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"
NAMES = ("reference_truth", "simulated_survey", "reference_chain")


@pytest.fixture(scope="module")
def commands():
    before = list(sys.path)
    sys.path.insert(0, str(FOLDER))
    try:
        yield {name: importlib.import_module(name) for name in NAMES}
    finally:
        sys.path[:] = before
        for name in NAMES:
            sys.modules.pop(name, None)


def draw_clear(rng, band, wcs, epoch, x, y, flux, conditions, *, morphology):
    """Stars without sky, noise and galaxies, which compress in no time."""
    k = "ugriz".index(band)
    image = _draw_sources(k, x, y, flux, conditions, None)
    vector = np.full(FRAME_SHAPE[1], conditions.per_count[k], np.float32)
    return Frame(band, np.round(image, 1), wcs, epoch, vector, np.zeros((192, 256), np.float32))


@pytest.fixture(scope="module")
def chain(commands, tmp_path_factory):
    """What the command makes of it: folder, checks, and the plan."""
    survey = commands["simulated_survey"]
    folder, plan = tmp_path_factory.mktemp("chain"), survey.Plan(60, 3, 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(survey, "draw_frame", draw_clear)
        patch.setattr(survey, "FAINT_GALAXIES", 1)
        checks, about = commands["reference_chain"].run(plan, folder, tap="stand-in", quiet=True)
    return folder, checks, about, plan


def test_all_is_as_the_truth_says(chain):
    folder, checks, about, plan = chain
    different = [tuple(row) for row in checks if row["truth"] != row["run"]]
    assert not different
    assert len(checks) > 20
    assert about["requests"]["frames"] == 5
    assert json.loads((folder / "chain.json").read_text())["quota"] == plan.quota == 43
    table = ReferenceSet.read(folder / "run").table
    assert table.meta["simulated"]
    ratio = table["radius"].value / table["radius_true"].value
    assert 0.9 < np.median(ratio) < 1.1


def test_every_rule_has_something_to_do(chain):
    folder = chain[0]
    funnel = Table.read(folder / "run" / "funnel.ecsv")
    idle = {row["rule"] for row in funnel if row["removed"] == 0 and row["applied"]}
    expected = {"zWarning = 0", "an image", "on the frames of its field", "frames in all five bands"}
    few = {"pmra_error < 0.2 mas/yr", "pmdec_error < 0.2 mas/yr", "a Gaia source within 3 arcsec at the image's epoch"}
    assert idle - few <= expected | {"one object per Gaia source, the nearest"}


def test_a_run_that_went_wrong_shows(commands, chain):
    folder, _, _, plan = chain
    survey, truth_of = commands["simulated_survey"], commands["reference_truth"]
    truth, tree = survey.build(plan, folder / "survey")
    objid = ReferenceSet.read(folder / "run").table["objid"][0]
    row = np.flatnonzero(truth["objid"] == objid)[0]
    truth["radius_flame"][row] *= 1.001
    truth["parallax"][row] += 1e-6
    checks = truth_of.check(folder / "run", truth, tree, quota=plan.quota)
    assert [r["what"] for r in checks if r["truth"] != r["run"]] == [
        "their radii, bit by bit",
        "their parallaxes within 1e-9 mas",
    ]


def test_the_paper_s_mix_is_planned(commands):
    survey = commands["simulated_survey"]
    plan = survey.Plan(9180, 1, 71)
    wanted = sum(plan.wanted(number) for number in range(plan.fields))
    assert np.abs(wanted.sum(1) - survey.GOOD).max() <= 1
    # What the quota leaves of them, less those that SIMBAD calls strangers, is the paper's sample.
    left = (
        wanted[:, 0] * np.minimum(1, survey.QUOTA / wanted.sum(1)) - 2 * plan.fields * wanted[:, 0] / wanted[:, 0].sum()
    )
    np.testing.assert_allclose(left, [918, 2918, 1350, 3368, 626], atol=3)


def test_fields_have_what_is_wanted(commands):
    survey = commands["simulated_survey"]
    center, wanted = SkyCoord(150, 40, unit="deg"), np.array([[3, 5], [9, 4], [4, 6], [11, 5], [2, 1]])
    stars = survey.choose(np.random.default_rng(1), wanted, center)
    good = np.asarray(stars["spectrum"]) & np.isin(stars["wrong"], ["", "stranger", "twice"])
    passes = survey.meets_criteria(stars, center)
    for k in range(len(CLASSES)):
        here = good & (stars["code"] == k)
        assert [(here & passes).sum(), (here & ~passes).sum()] == wanted[k].tolist()
    kinds, counts = np.unique(stars["wrong"][stars["wrong"] != ""], return_counts=True)
    assert sorted(kinds) == sorted(survey.WRONG) and set(counts) == {2}


def test_another_survey_s_folder_is_left_alone(commands, chain):
    with pytest.raises(SystemExit, match="another survey"):
        commands["simulated_survey"].build(commands["simulated_survey"].Plan(61, 3, 1), chain[0] / "survey")
