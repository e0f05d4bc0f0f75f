# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The same queries against DaCHS, a TAP service as data centers run it."""

import numpy as np
import pytest
from astropy import units as u

from stellarclass.archives import Gaia, LocalAstrometry
from stellarclass.astrometry import match, propagate
from stellarclass.exceptions import ArchiveError, TruncatedAnswerError
from stellarclass.targets import Targets

RADIUS = 3 * u.arcsec


def positions(rows, step):
    """Every so many stars of the table, a little off."""
    rng = np.random.default_rng(3)
    chosen = rows[::step]
    return chosen["ra"].data + rng.normal(0, 0.3 / 3600, len(chosen)), chosen["dec"].data


@pytest.mark.parametrize(("chunk", "zero_point"), [(None, "none"), (150, "none"), (150, "lindegren")])
def test_same_candidates_as_from_the_same_table_on_disk(dachs_gaia, chunk, zero_point):
    """Zero points as well, though the service has none of the recipe's own columns."""
    ra, dec = positions(dachs_gaia.rows, 12)
    there = Gaia(url=dachs_gaia.url, chunk=chunk, zero_point=zero_point).candidates(ra, dec, radius=RADIUS)
    here = LocalAstrometry(dachs_gaia.rows, zero_point=zero_point).candidates(ra, dec, radius=RADIUS)
    assert len(here) > len(ra)
    assert there.colnames == here.colnames
    assert there.dtype == here.dtype
    for name in here.colnames:
        mask = np.ma.getmaskarray(here[name])
        np.testing.assert_array_equal(np.ma.getmaskarray(there[name]), mask, err_msg=name)
        np.testing.assert_array_equal(np.ma.getdata(there[name])[~mask], np.ma.getdata(here[name])[~mask], err_msg=name)


def test_barnards_star_and_a_source_with_a_position_only(dachs_gaia):
    barnard, neighbor = dachs_gaia.rows[-2:]
    ra, dec = propagate(*(barnard[c] for c in ("ra", "dec", "pmra", "pmdec")), 2016.0, 2002.0)
    ra, dec = np.array([ra, neighbor["ra"]]), np.array([dec, neighbor["dec"]])
    found = Gaia(url=dachs_gaia.url).candidates(ra, dec, radius=RADIUS)
    assert found["parallax"].mask.tolist() == [sid == neighbor["source_id"] for sid in found["source_id"]]
    matched = match(Targets(ra=ra, dec=dec), found, 2002.0, radius=RADIUS)
    assert matched.source_id.tolist() == [barnard["source_id"], neighbor["source_id"]]
    assert (matched.match_separation < 1e-6).all()
    assert np.isnan(matched.parallax).tolist() == [False, True]


def test_a_whole_chunk_goes_up_at_once(dachs_gaia):
    """5,000 positions in one upload; off the field, as only its size matters."""
    ra, dec = np.linspace(0.000123456789, 300, 5000), np.linspace(-89.123456789, -20, 5000)
    assert len(Gaia(url=dachs_gaia.url, chunk=5000).candidates(ra, dec, radius=RADIUS)) == 0


def test_what_the_service_says(dachs_gaia):
    with pytest.raises(ArchiveError, match=r"the service says: .*no_such_table"):
        Gaia(url=dachs_gaia.url, table="gaiadr3.no_such_table").candidates(np.ones(1), np.ones(1), radius=RADIUS)


def test_overflow(dachs_gaia, monkeypatch):
    """The cluster's centre has more than 20 stars within 20 arcsec."""
    monkeypatch.setattr("stellarclass.archives._tap.MAX_ROWS", 20)
    densest = dachs_gaia.rows[np.argmin(np.hypot(dachs_gaia.rows["ra"] - 323.3449, dachs_gaia.rows["dec"] + 0.8233))]
    ra, dec = np.array([densest["ra"], 0.0]), np.array([densest["dec"], 0.0])
    with pytest.raises(TruncatedAnswerError, match="1 of 2 positions") as caught:
        Gaia(url=dachs_gaia.url).candidates(ra, dec, radius=20 * u.arcsec)
    assert caught.value.failed.tolist() == [0]
