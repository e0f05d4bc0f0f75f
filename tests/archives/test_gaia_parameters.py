# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Gaia's sources joined with their astrophysical parameters, on loopback."""

import numpy as np
import pytest
from astropy import units as u

from stellarclass import conf
from stellarclass.archives import AstrometrySource, Gaia, GaiaParameters
from stellarclass.archives.astrophysical import PARAMETERS
from stellarclass.astrometry import match
from stellarclass.exceptions import ArchiveError, ArchiveTimeoutError, BadAnswerError, InputError
from stellarclass.targets import Targets

RADIUS = 3 * u.arcsec


@pytest.fixture(scope="module")
def found(survey):
    with survey.configured():
        return GaiaParameters(retries=0, chunk=40).candidates(survey.truth["ra"], survey.truth["dec"], radius=RADIUS)


def nearest(found, truth):
    """The truth of each candidate."""
    by_id = {source: row for row, source in enumerate(truth["source_id"])}
    return truth[[by_id[source] for source in found["source_id"]]]


def test_all_that_gaia_gives_and_more(survey, found):
    with survey.configured():
        plain = Gaia(retries=0).candidates(survey.truth["ra"], survey.truth["dec"], radius=RADIUS)
    assert found.colnames[: len(plain.colnames)] == plain.colnames
    for name in plain.colnames:
        np.testing.assert_array_equal(np.ma.getmaskarray(found[name]), np.ma.getmaskarray(plain[name]))
        np.testing.assert_array_equal(np.ma.filled(found[name], 0), np.ma.filled(plain[name], 0), err_msg=name)
        assert found[name].unit == plain[name].unit


def test_parameters_are_the_truth_and_masked_where_there_are_none(survey, found):
    truth = nearest(found, survey.truth)
    assert len(set(found["source_id"])) == 54
    for name in (*PARAMETERS, "phot_bp_mean_mag", "phot_rp_mean_mag"):
        missing = np.ma.getmaskarray(found[name])
        np.testing.assert_array_equal(missing, ~np.isfinite(np.asarray(truth[name], float)), err_msg=name)
        values = np.asarray(truth[name], np.float32)[~missing]
        np.testing.assert_array_equal(np.ma.getdata(found[name])[~missing], values, err_msg=name)
    assert 15 < found["radius_flame"].mask.sum() < 30
    assert found["teff_gspphot"].mask.sum() < found["radius_flame"].mask.sum()
    units = {name: found[name].unit for name in ("radius_flame", "lum_flame", "teff_gspphot", "ag_gspphot")}
    assert units == {"radius_flame": u.solRad, "lum_flame": u.solLum, "teff_gspphot": u.K, "ag_gspphot": u.mag}


def test_a_fast_star_is_matched_where_it_was(survey, found):
    """As with `Gaia`: the match goes by the motion."""
    truth = survey.truth
    targets = Targets(ra=np.asarray(truth["ra"]), dec=np.asarray(truth["dec"]))
    matched = match(targets, found, 2004.0, radius=RADIUS)
    has = np.asarray(truth["source_id"]) != 0
    assert matched.source_id[has].tolist() == truth["source_id"][has].tolist()


def test_query_and_names(survey):
    gaia = GaiaParameters(table="gaiadr3.gaia_source", parameters_table="my.parameters")
    adql = gaia.adql(radius=RADIUS)
    assert "\nLEFT OUTER JOIN my.parameters AS a ON g.source_id = a.source_id\nWHERE" in adql
    assert "a.teff_gspphot" in adql
    assert "g.phot_bp_mean_mag" in adql
    assert isinstance(gaia, AstrometrySource)
    assert gaia.name == "Gaia DR3 (parallax zero point: lindegren)"
    assert "LEFT OUTER" not in Gaia().adql(radius=RADIUS)


@pytest.mark.parametrize("table", ["parameters; DROP TABLE x", 'a"b', "a b", ""])
def test_a_table_is_a_name_and_nothing_else(table):
    with pytest.raises(InputError, match="not the name of a table"):
        GaiaParameters(parameters_table=table)
    with conf.set_temp("gaia_parameters_table", table), pytest.raises(InputError, match="not the name of a table"):
        GaiaParameters().adql(radius=RADIUS)


def test_no_positions_no_request(spoiled_survey):
    found = GaiaParameters().candidates(np.zeros(0), np.zeros(0), radius=RADIUS)
    assert len(found) == 0
    assert found["radius_flame"].unit == u.solRad
    assert spoiled_survey.tap.requests == []


@pytest.mark.parametrize(
    ("fault", "kind"), [("html", BadAnswerError), ("truncated", BadAnswerError), ("hang", ArchiveTimeoutError)]
)
def test_faults(spoiled_survey, fault, kind):
    """Tried again, then named; the machinery is that of `Gaia`."""
    truth = spoiled_survey.truth[:3]
    ask = GaiaParameters(retries=1, timeout=(0.3 if fault == "hang" else 30) * u.s, zero_point="none").candidates
    if fault != "hang":  # which leaves no time for an answer
        spoiled_survey.tap.faults.append(fault)
        assert set(ask(truth["ra"], truth["dec"], radius=RADIUS)["target"]) == {0, 1, 2}
    spoiled_survey.tap.faults.extend([fault] * 20)
    with pytest.raises(kind) as caught:
        ask(truth["ra"], truth["dec"], radius=RADIUS)
    assert caught.value.failed.tolist() == [0, 1, 2]
    assert caught.value.partial.colnames[-1] == "lum_flame"


def test_a_service_without_parameters(survey):
    with survey.configured(), pytest.raises(ArchiveError, match=r"no such column: a\.teff_gspphot"):
        GaiaParameters(parameters_table="sky.basic", retries=0).candidates([30.0], [0.5], radius=RADIUS)
