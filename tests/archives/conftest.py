# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""SDSS and all other archives on loopback."""

import pytest
from astropy import units as u
from loopback.sas import SASServer
from skyarchives import SkyArchives
from skycatalog import star_catalog
from surveytruth import survey_truth

from stellarclass.archives import SDSS


@pytest.fixture
def catalog():
    return star_catalog()


@pytest.fixture
def server(sas_tree, catalog):
    with SASServer(sas_tree, catalog=catalog) as server, server.configured():
        yield server


@pytest.fixture
def sdss(request, tmp_path):
    """Patient, so that a busy machine makes no difference, unless the test is about patience."""
    hangs = hasattr(request.node, "callspec") and request.node.callspec.params.get("fault") == "hang"
    return SDSS(cache_dir=tmp_path / "frames", retries=2, timeout=(0.5 if hangs else 30) * u.s)


@pytest.fixture(scope="session")
def survey(sas_tree):
    """Every archive of a reference set in front of `surveytruth.survey_truth`, its TAP service in this process.

    Not to be given faults: `spoiled_survey` is for these.
    """
    with SkyArchives(survey_truth(), sas_tree) as archives:
        yield archives


@pytest.fixture
def spoiled_survey(sas_tree):
    """The same for one test alone, configured."""
    with SkyArchives(survey_truth(), sas_tree) as archives, archives.configured():
        yield archives
