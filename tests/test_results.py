# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Answers of some stars, filed as they come in."""

import numpy as np
import pytest
from astropy import units as u

from stellarclass import flags, simulate
from stellarclass.astrometry import Astrometry
from stellarclass.nets.prediction import Prediction
from stellarclass.results import Results
from stellarclass.stamps.photometry import measure
from stellarclass.targets import Targets

CLASSES = ("A", "F", "G")
META = {"ensemble": "none"}


@pytest.fixture(scope="module")
def stamps():
    stars = simulate.draw_stars(3, seed=1, r_range=(15, 17) * u.mag)
    return simulate.render_stars(stars, seed=2)


@pytest.fixture(scope="module")
def photometry(stamps):
    return measure(stamps)


def prediction(radius=1.0, domain_score=0.5):
    one = np.ones(3)
    return Prediction(
        classes=CLASSES,
        probabilities=np.tile([0.2, 0.5, 0.3], (3, 1)),
        class_sets=np.tile([False, True, True], (3, 1)),
        radius=one * radius,
        radius_err=0.1 * one,
        radius_lower=0.8 * one,
        radius_upper=1.2 * one,
        radius_spread=0.05 * one,
        domain_score=one * domain_score,
    )


def targets(**known):
    return Targets(np.arange(5.0), np.arange(5.0), **known)


def test_nothing_filed_is_all_masked():
    table = Results(targets(source_id=np.arange(5)), CLASSES).table(META)
    assert table["radius"].mask.all()
    assert table["spectral_class"].mask.all()
    assert table["match_count"].mask.all()
    assert table["source_id"].tolist() == [0, 1, 2, 3, 4]  # nobody was asked: the name it came with


def test_answers_go_to_their_rows(stamps, photometry):
    results = Results(targets(), CLASSES)
    gaia = Astrometry.empty(3)
    gaia.source_id[:], gaia.parallax[:], gaia.parallax_error[:] = [7, 8, 9], [1.0, 2.0, np.nan], 0.1
    rows = np.array([4, 0, 2])
    results.file(rows, stamps=stamps, photometry=photometry, astrometry=gaia, prediction=prediction())
    table = results.table(META)
    assert table["radius"].mask.tolist() == [False, True, False, True, False]
    assert table["source_id"][rows].tolist() == [7, 8, 9]
    assert table["source_id"].mask.tolist() == [False, True, False, True, False]
    assert table["spectral_class"].tolist() == ["F", None, "F", None, "F"]
    assert table["class_set"][0] == "FG"
    used = [flags.decode_inputs(value) for value in table["inputs_used"]]
    assert used == [[*"ugriz", "parallax"], [], [*"ugriz"], [], [*"ugriz", "parallax"]]
    np.testing.assert_allclose(table["psfmag_r"].unmasked.value[rows], photometry.magnitude[:, 2])


def test_magnitudes_of_a_catalog_come_before_ours(stamps, photometry):
    psfmag = np.full((5, 5), np.nan)
    psfmag[1, 3] = 12.5
    results = Results(targets(psfmag=psfmag), CLASSES)
    here = {"stamps": stamps, "photometry": photometry, "astrometry": Astrometry.empty(3)}
    results.file(np.array([1, 2, 3]), **here, prediction=prediction())
    magnitudes = results.table(META)["psfmag_i"].unmasked.value
    assert magnitudes[1] == 12.5
    np.testing.assert_allclose(magnitudes[2:4], photometry.magnitude[1:, 3])


@pytest.mark.parametrize(("radius", "score"), [(np.nan, np.nan), (np.inf, 0.5), (1.0, 1.5)])
def test_answers_beyond_all_bounds_are_flagged(stamps, photometry, radius, score):
    """A number that is none is masked, and no masked row is without a flag."""
    results = Results(targets(), CLASSES)
    here = {"stamps": stamps, "photometry": photometry, "astrometry": Astrometry.empty(3)}
    results.file(np.array([0, 1, 2]), **here, prediction=prediction(radius, score))
    table = results.table(META)
    assert (table["flags"][:3] & flags.OUT_OF_DOMAIN != 0).all()
    assert table["radius"].mask[:3].all() == (not np.isfinite(radius))


def test_a_fatal_flag_takes_the_answer_away(stamps, photometry):
    stars = targets()
    results = Results(stars, CLASSES)
    here = {"stamps": stamps, "photometry": photometry, "astrometry": Astrometry.empty(3)}
    results.file(np.array([0, 1, 2]), **here, prediction=prediction())
    stars.flags[1] |= flags.IMAGE_FAILURE  # found later
    table = results.table(META)
    assert table["radius"].mask.tolist() == [False, True, False, True, True]
    assert table["inputs_used"][1] == 0
