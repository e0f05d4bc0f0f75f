# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""A TAP service breaks in the middle of a classification: all stars are classified, flagged where Gaia is missing."""

import numpy as np
import pytest
from astropy import units as u
from astropy.table import QTable, Table, vstack
from loopback.tap import MicroTAP
from tablecompare import assert_same_rows, plain

from stellarclass import Classifier, flags, simulate
from stellarclass.archives import Gaia
from stellarclass.exceptions import StellarclassWarning

N = 12


@pytest.fixture(scope="module")
def sky():
    return simulate.field(seed=9, n_stars=N, r_range=(15, 18) * u.mag)


@pytest.fixture(scope="module")
def expected(sky, default_ensemble):
    return Classifier(default_ensemble, images=sky.images, astrometry=sky.astrometry).classify(sky.coords)


@pytest.fixture(scope="module")
def alone(sky, default_ensemble):
    """Pixels without astrometry."""
    return Classifier(default_ensemble, images=sky.images, astrometry=False).classify(sky.coords)


@pytest.fixture(scope="module")
def service(sky):
    """Gaia's table, with a crowd of five more sources around star 0."""
    crowd = vstack([sky.gaia[:1]] * 5)
    crowd["source_id"] = np.arange(5)
    crowd["dec"] += np.linspace(0.3, 1.5, 5) * u.arcsec
    with MicroTAP({"gaiadr3.gaia_source": Table(vstack([QTable(sky.gaia), crowd]))}) as service:
        yield service


def classify(sky, ensemble, service, *, timeout=30 * u.s):
    gaia = Gaia(url=service.url, timeout=timeout, retries=0, zero_point="none")  # simulated parallaxes are corrected
    return Classifier(ensemble, images=sky.images, astrometry=gaia).classify(sky.coords)


def test_all_is_well(sky, default_ensemble, service, expected):
    table = classify(sky, default_ensemble, service)
    assert table.meta["astrometry_release"] == "Gaia DR3"
    assert_same_rows(table[1:], expected[1:], answers=1e-5, others=1e-6)
    assert table["match_count"][0] == 6
    assert table["source_id"][0] == expected["source_id"][0]


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("error", "the service says: Column not found: parallaxe"),
        ("503", "503"),
        ("html", "Down for maintenance"),
        ("truncated", "not a whole VOTable"),
        ("hang", "no answer for 0.3 s"),
    ],
)
def test_the_service_fails(sky, default_ensemble, service, alone, fault, reason):
    service.faults.extend([fault] * 20)  # a chunk that fails is tried in halves
    with pytest.warns(StellarclassWarning, match=f"12 stars go without astrometry: .*{reason}.*{service.url}/sync"):
        table = classify(sky, default_ensemble, service, timeout=(0.3 if fault == "hang" else 30) * u.s)
    service.faults.clear()
    assert not plain(table["spectral_class"])[1].any()
    assert (np.asarray(table["flags"]) == np.asarray(alone["flags"]) | flags.ASTROMETRY_FAILURE).all()
    assert_same_rows(table, alone, answers=1e-5, leave_out=("flags",))


def test_an_answer_that_overflows(sky, default_ensemble, service, expected, monkeypatch):
    """Halved until one star with six sources around it remains that the service will not answer for."""
    monkeypatch.setattr("stellarclass.archives._tap.MAX_ROWS", 5)
    with pytest.warns(StellarclassWarning, match=f"1 star goes without astrometry: .*cut after 5 rows.*{service.url}"):
        table = classify(sky, default_ensemble, service)
    assert flags.decode(table["flags"][0])[-1] == "astrometry_failure"
    assert not (table["flags"][1:] & flags.ASTROMETRY_FAILURE).any()
    assert_same_rows(table[1:], expected[1:], answers=1e-5, others=1e-6)
