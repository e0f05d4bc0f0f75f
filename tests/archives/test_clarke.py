# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The catalog of Clarke et al. as targets, on loopback."""

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from loopback.tap import MicroTAP
from skyarchives import VIZIER_CLARKE, vizier_tables

from stellarclass import conf
from stellarclass.archives import ClarkeCatalog, _tap
from stellarclass.exceptions import ArchiveError, ArchiveTimeoutError, BadAnswerError, InputError, TruncatedAnswerError
from stellarclass.targets import parse_targets

CENTER = SkyCoord(30.03, 0.53, unit="deg")
RADIUS = 1.5 * u.arcmin


@pytest.fixture
def clarke(survey):
    with survey.configured():
        yield ClarkeCatalog(retries=0)


def inside(truth, probability_min):
    near = SkyCoord(truth["ra"], truth["dec"], unit="deg").separation(CENTER) < RADIUS
    rows = truth[near & (np.nan_to_num(truth["class_prob_star"], nan=-1) >= probability_min)]
    return rows[np.argsort(rows["ra"])]


@pytest.mark.parametrize("probability_min", [0.8, 0.0])
def test_the_stars_of_a_circle(survey, clarke, probability_min):
    found, truth = clarke.region(CENTER, RADIUS, probability_min=probability_min), inside(survey.truth, probability_min)
    assert 3 < len(truth) < 45
    for name in ("objid", "ra", "dec", "class_prob_star"):
        assert found[name].tolist() == truth[name].tolist()
    assert found["objid"].dtype == np.int64
    assert found["ra"].unit == u.deg


def test_they_are_targets(clarke):
    found = clarke.region(CENTER, RADIUS)
    targets = parse_targets(found)
    assert targets.objid.tolist() == found["objid"].tolist()
    np.testing.assert_array_equal(targets.ra, found["ra"])


def test_the_default_is_the_papers(survey, clarke):
    assert clarke.region(CENTER, RADIUS)["ra"].tolist() == inside(survey.truth, 0.8)["ra"].tolist()
    assert ClarkeCatalog().catalog == "J/A+A/639/A84"
    assert ClarkeCatalog().name == "Clarke et al. 2020"


def test_nobody_there(clarke):
    found = clarke.region(SkyCoord(100, 60, unit="deg"), RADIUS)
    assert len(found) == 0
    assert found.colnames == ["objid", "ra", "dec", "class_prob_star"]
    assert found["objid"].dtype == np.int64


def test_identifiers_as_text_or_not_at_all(survey):
    """A table may keep the 19 digits as text, or leave them out."""
    tables = vizier_tables(survey.truth)
    clarke = tables[f'"{VIZIER_CLARKE}"']
    clarke["objID"] = [str(objid) for objid in clarke["objID"]]
    truth = inside(survey.truth, 0.8)
    with MicroTAP(tables, parse=False) as tap:
        assert ClarkeCatalog(url=tap.url).region(CENTER, RADIUS)["objid"].tolist() == truth["objid"].tolist()
    listed = tables["tap_schema.columns"]
    tables["tap_schema.columns"] = listed[listed["column_name"] != "objID"]
    with MicroTAP(tables, parse=False) as tap:
        found = ClarkeCatalog(url=tap.url, catalog=VIZIER_CLARKE).region(CENTER, RADIUS)
    assert found["objid"].mask.all()
    assert found["ra"].tolist() == truth["ra"].tolist()


@pytest.mark.parametrize(
    ("arguments", "options", "error", "words"),
    [
        (((30, 0.5), RADIUS), {}, InputError, "one SkyCoord"),
        ((SkyCoord([30, 31], [0, 0], unit="deg"), RADIUS), {}, InputError, "one SkyCoord"),
        ((CENTER, 0.1), {}, TypeError, r"1 \* u.deg, not 0.1"),
        ((CENTER, 6 * u.deg), {}, InputError, "at most 5.0 deg, not 6.0 deg"),
        ((CENTER, 0 * u.deg), {}, InputError, "above 0"),
        ((CENTER, RADIUS), {"probability_min": 80}, InputError, "within 0 and 1, got 80"),
        ((CENTER, RADIUS), {"probability_min": np.nan}, InputError, "within 0 and 1"),
    ],
)
def test_arguments_are_checked(arguments, options, error, words):
    with pytest.raises(error, match=words):
        ClarkeCatalog().region(*arguments, **options)


def test_a_catalog_is_a_name_and_nothing_else():
    with conf.set_temp("clarke_catalog", "J/A+A/639/A84' OR '1'='1"), pytest.raises(InputError, match="of VizieR's"):
        ClarkeCatalog().region(CENTER, RADIUS)


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        ("html", BadAnswerError, "an HTML page"),
        ("truncated", BadAnswerError, "not a whole VOTable"),
        ("hang", ArchiveTimeoutError, "no answer for 0.3 s"),
        ("error", ArchiveError, "the service says: Column not found"),
    ],
)
@pytest.mark.parametrize("number", [0, 1])
def test_faults(spoiled_survey, fault, kind, words, number):
    """Of either request: for the names, and for the stars."""
    spoiled_survey.tap.faults.extend(["none"] * number + [fault])
    with pytest.raises(kind) as caught:
        ClarkeCatalog(retries=0, timeout=(0.3 if fault == "hang" else 30) * u.s).region(CENTER, RADIUS)
    assert words in str(caught.value)
    assert len(spoiled_survey.tap.requests) == number + 1


def test_overflow(spoiled_survey, monkeypatch):
    monkeypatch.setattr(_tap, "MAX_ROWS", 10)  # the list of its columns is shorter
    with pytest.raises(
        TruncatedAnswerError, match=r"cut after 10 rows: 1\.5 arcmin around 30\.03 0\.53 is too much; ask"
    ):
        ClarkeCatalog(retries=0).region(CENTER, RADIUS, probability_min=0)
