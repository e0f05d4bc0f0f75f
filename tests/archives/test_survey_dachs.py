# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The same survey behind DaCHS: what ESA's archive and SIMBAD are sent, on a TAP service of another make."""

import numpy as np
import pytest
from astropy import units as u
from skyarchives import SkyArchives
from surveytruth import survey_truth

from stellarclass.archives import GaiaParameters, Lamost, Simbad

RADIUS = 2 * u.arcsec


@pytest.fixture(scope="module")
def survey_dachs(sas_tree, dachs_gaia):
    with SkyArchives(survey_truth(), sas_tree, dachs=dachs_gaia) as archives:
        yield archives


@pytest.mark.parametrize(
    "ask",
    [
        lambda *places: GaiaParameters(chunk=25).candidates(*places, radius=RADIUS),
        lambda *places: Simbad(chunk=25).objects(*places, radius=RADIUS),
        lambda *places: Lamost(chunk=25).spectra(*places, radius=RADIUS),
    ],
    ids=["gaia", "simbad", "lamost"],
)
def test_both_services_agree(survey, survey_dachs, ask):
    ra, dec = np.asarray(survey.truth["ra"]) + 0.3 / 3600, np.asarray(survey.truth["dec"])
    with survey.configured():
        here = ask(ra, dec)
    with survey_dachs.configured():
        there = ask(ra, dec)
    assert len(here) >= 30
    assert there.colnames == here.colnames
    for name in here.colnames:
        mask = np.ma.getmaskarray(here[name])
        assert there[name].dtype.kind == here[name].dtype.kind
        assert there[name].unit == here[name].unit
        np.testing.assert_array_equal(np.ma.getmaskarray(there[name]), mask, err_msg=name)
        np.testing.assert_array_equal(np.ma.getdata(there[name])[~mask], np.ma.getdata(here[name])[~mask], err_msg=name)
