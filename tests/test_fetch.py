# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Pixels and astrometry without a classification: rows stay in order, units stay on, failures are flags."""

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.table import Table
from astropy.time import Time

from stellarclass import fetch_astrometry, fetch_stamps, flags, simulate
from stellarclass.archives import Field, LocalAstrometry
from stellarclass.astrometry import propagate
from stellarclass.exceptions import ArchiveError, InputError, StellarclassWarning
from stellarclass.stamps.base import MASK_MISSING


@pytest.fixture(scope="module")
def sky():
    return simulate.field(seed=3, n_stars=8, r_range=(15, 18) * u.mag)


@pytest.fixture(scope="module")
def coords(sky):
    """The stars, a place off every field between them, and one that is no place."""
    ra = np.insert(sky.truth["ra"].value, [2, 5], [10.0, np.nan])
    dec = np.insert(sky.truth["dec"].value, [2, 5], [-80.0, 0.0])
    return SkyCoord(ra, dec, unit="deg")


STARS = [0, 1, 3, 4, 5, 7, 8, 9]


def test_stamps_come_in_the_order_of_the_targets(sky, coords):
    stamps = fetch_stamps(coords, images=sky.images)
    assert stamps.images.shape == (10, 5, 64, 64)
    # Light within 5 pixels in r says which star it is.
    axis = np.arange(64) - 31.5
    near = np.hypot(axis, axis[:, None]) < 5
    flux = (stamps.images[STARS, 2] * near).sum((1, 2))
    magnitudes = 22.5 - 2.5 * np.log10(flux)
    np.testing.assert_allclose(magnitudes, sky.truth["r"].to_value(u.mag), atol=0.2)


def test_stars_without_pixels_are_empty_rows_with_a_flag(sky, coords):
    stamps = fetch_stamps(coords, images=sky.images)
    assert stamps.flags[2] & flags.NO_IMAGE
    assert stamps.flags[6] & flags.BAD_COORDINATE
    for row in (2, 6):
        assert (stamps.masks[row] == MASK_MISSING).all()
        assert not stamps.images[row].any()
    assert not (stamps.flags[STARS] & flags.FATAL).any()


def broken(sky, **outcome):
    """The field's image source, without a frame."""

    class Broken:
        name = "broken"
        locate = staticmethod(sky.images.locate)

        def fields(self, keys, *, progress=None):
            return (Field(key, **outcome) for key in keys)

    return Broken()


def test_a_field_that_fails_is_a_flag_and_a_warning(sky):
    with pytest.warns(StellarclassWarning, match=r"8 stars without an image: no answer \(http://x/r\)"):
        stamps = fetch_stamps(sky.coords, images=broken(sky, errors={"r": "no answer (http://x/r)"}))
    assert (stamps.flags & flags.IMAGE_FAILURE).all()


def test_a_field_that_is_not_there_is_a_flag(sky):
    stamps = fetch_stamps(sky.coords, images=broken(sky, missing={"r": "404"}))
    assert (stamps.flags & flags.NO_IMAGE).all()


def test_an_archive_that_fails_says_which_stars_are_left(sky, coords):
    class Failing:
        name = "failing"

        def candidates(self, ra, dec, *, radius, progress=None):
            found = sky.astrometry.candidates(ra[:4], dec[:4], radius=radius)
            raise ArchiveError("gone", "http://x/tap", failed=np.arange(4, len(ra)), partial=found)

    with pytest.raises(ArchiveError, match="gone") as caught:
        fetch_astrometry(coords, astrometry=Failing())
    assert caught.value.failed.tolist() == [4, 5, 7, 8, 9]  # row 6 is no place: nobody was asked
    assert set(caught.value.partial["target"]) == {0, 1, 3}


def test_a_star_that_has_moved_far_is_found_where_gaia_has_it():
    """Barnard's star at its position of 1950, 11 arcmin from that of 2016."""
    barnard = {"source_id": [4472832130942575872], "ra": [269.4485025], "dec": [4.7394200], "ref_epoch": [2016.0]}
    gaia = LocalAstrometry(Table({**barnard, "pmra": [-801.551], "pmdec": [10362.394], "parallax": [546.98]}))
    ra, dec = propagate(269.4485025, 4.7394200, -801.551, 10362.394, 2016.0, 1950.0)
    then = SkyCoord(
        ra * u.deg, dec * u.deg, pm_ra_cosdec=-801.551 * u.mas / u.yr, pm_dec=10362.394 * u.mas / u.yr,
        obstime=Time(1950, format="jyear"),
    )  # fmt: skip
    found = fetch_astrometry(then, astrometry=gaia)
    assert found["source_id"].tolist() == barnard["source_id"]
    assert found["match_separation"][0] < 0.1 * u.arcsec  # its proper motion has turned a little meanwhile


def test_each_field_is_asked_for_once(sky):
    asked = []

    class Counting:
        name = "counting"
        locate = staticmethod(sky.images.locate)

        def fields(self, keys, *, progress=None):
            asked.extend(keys)
            return sky.images.fields(keys)

    fetch_stamps(sky.coords, images=Counting())
    assert asked == [sky.contents.key]


def test_one_position_and_none(sky):
    assert len(fetch_stamps(sky.coords[0], images=sky.images)) == 1
    assert len(fetch_stamps(sky.coords[:0], images=sky.images)) == 0
    assert len(fetch_astrometry(sky.coords[:0], astrometry=sky.astrometry)) == 0


def test_astrometry_has_units_and_masks(sky, coords):
    table = fetch_astrometry(coords, astrometry=sky.astrometry)
    assert len(table) == 10
    assert list(table["source_id"][STARS]) == list(sky.truth["source_id"])
    assert table["source_id"].dtype == np.int64
    assert table["source_id"].mask[[2, 6]].all()
    assert table["parallax"].unit == u.mas
    assert table["pmra"].unit == u.mas / u.yr
    assert table["ra"].unit == u.deg
    assert table["match_separation"].unit == u.arcsec
    assert table["parallax"].mask[[2, 6]].all()
    assert table["match_count"].tolist() == [1, 1, 0, 1, 1, 1, None, 1, 1, 1]
    assert table["flags"][2] & flags.NO_ASTROMETRY
    assert table["flags"][6] & flags.BAD_COORDINATE


def test_positions_are_those_of_the_epoch(sky):
    epoch = Time(sky.contents.frames["r"].epoch, format="jyear")
    then = fetch_astrometry(sky.coords, astrometry=sky.astrometry, epoch=epoch)
    now = fetch_astrometry(sky.coords, astrometry=sky.astrometry)
    moved = SkyCoord(then["ra"], then["dec"]).separation(SkyCoord(now["ra"], now["dec"]))
    expected = np.hypot(now["pmra"], now["pmdec"]) * (2016 * u.yr - epoch.jyear * u.yr)
    np.testing.assert_allclose(moved.to_value(u.mas), expected.to_value(u.mas), atol=0.1)


def test_bare_numbers_are_refused(sky):
    with pytest.raises(TypeError, match=r"radius must be an angle with a unit"):
        fetch_astrometry(sky.coords, astrometry=sky.astrometry, radius=3)
    with pytest.raises(u.UnitsError):
        fetch_astrometry(sky.coords, astrometry=sky.astrometry, radius=3 * u.s)
    with pytest.raises(TypeError, match=r"epoch must be an astropy Time"):
        fetch_astrometry(sky.coords, astrometry=sky.astrometry, epoch=2001.7)
    with pytest.raises(TypeError):
        fetch_stamps([1.0, 2.0], images=sky.images)


def test_a_radius_too_small_finds_nobody(sky):
    shifted = sky.coords.directional_offset_by(0 * u.deg, 1 * u.arcsec)
    assert fetch_astrometry(shifted, astrometry=sky.astrometry, radius=0.5 * u.arcsec)["source_id"].mask.all()
    assert not fetch_astrometry(shifted, astrometry=sky.astrometry, radius=2 * u.arcsec)["source_id"].mask.any()


def test_what_is_no_source_is_refused(sky):
    with pytest.raises(TypeError, match=r"as LocalSAS\(folder\) has; str has not"):
        fetch_stamps(sky.coords, images="sas")
    with pytest.raises(TypeError, match=r"as LocalAstrometry\(table\) has; QTable has not"):
        fetch_astrometry(sky.coords, astrometry=sky.gaia)
    with pytest.raises(InputError, match="nobody to ask"):
        fetch_astrometry(sky.coords, astrometry=False)
