# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Pixels in hand, no archive: the same answers as by position, and units that are asked for."""

import numpy as np
import pytest
from astropy import units as u
from astropy.table import MaskedColumn, QTable, Table
from astropy.utils.masked import Masked
from tablecompare import assert_same_rows, plain

from stellarclass import Classifier, fetch_astrometry, fetch_stamps, flags, simulate
from stellarclass.astrometry import Astrometry
from stellarclass.exceptions import InputError
from stellarclass.stamps import Stamps

N = 10
POSITION = ("ra", "dec", "run", "rerun", "camcol", "field")


@pytest.fixture(scope="module")
def sky():
    return simulate.field(seed=8, n_stars=N, r_range=(15, 18) * u.mag)


@pytest.fixture(scope="module")
def classifier(default_ensemble):
    return Classifier(default_ensemble, batch_size=4)


@pytest.fixture(scope="module")
def stamps(sky):
    return fetch_stamps(sky.coords, images=sky.images)


@pytest.fixture(scope="module")
def gaia(sky):
    return fetch_astrometry(sky.coords, astrometry=sky.astrometry, epoch=sky.coords.obstime)


def test_pixels_alone(sky, classifier, stamps):
    table = classifier.classify_stamps(stamps)
    by_position = Classifier(classifier.ensemble, images=sky.images, astrometry=False).classify(sky.coords)
    assert_same_rows(table, by_position, answers=1e-5, leave_out=POSITION)
    for name in POSITION:
        assert plain(table[name])[1].all()
    assert not {"image_release", "astrometry_release", "match_radius"} & set(table.meta)


def test_pixels_and_astrometry(sky, classifier, gaia):
    """Cut where Gaia saw the stars, as is done by position."""
    stamps = fetch_stamps(gaia, images=sky.images)
    table = classifier.classify_stamps(stamps, astrometry=gaia)
    by_position = Classifier(classifier.ensemble, images=sky.images, astrometry=sky.astrometry).classify(sky.coords)
    assert not plain(table["source_id"])[1].any()
    assert_same_rows(table, by_position, answers=1e-5, others=1e-9, leave_out=POSITION)
    assert (table["inputs_used"] & flags.USED_PARALLAX != 0).sum() >= N - 2


def test_the_real_thing_is_taken_as_it_is(classifier, stamps, gaia):
    table = classifier.classify_stamps(stamps, astrometry=Astrometry.from_table(gaia))
    assert_same_rows(table, classifier.classify_stamps(stamps, astrometry=gaia))


def test_rendered_stars(classifier):
    stars = QTable({band: [m, m + 1] * u.mag for band, m in zip("ugriz", (18.4, 17.0, 16.5, 16.3, 16.2), strict=True)})
    table = classifier.classify_stamps(simulate.render_stars(stars, seed=1))
    assert not plain(table["spectral_class"])[1].any()
    np.testing.assert_allclose(plain(table["psfmag_r"])[0], [16.5, 17.5], atol=0.05)


def test_no_stamps_and_empty_stamps(classifier):
    assert len(classifier.classify_stamps(Stamps.empty(0))) == 0
    table = classifier.classify_stamps(Stamps.empty(2))
    assert plain(table["spectral_class"])[1].all()
    assert [flags.decode(f) for f in table["flags"]] == [["no_usable_band"]] * 2


def columns(**changes):
    """Astrometry of ten stars, as a user may have it."""
    known = {"parallax": np.full(N, 2.0) * u.mas, "parallax_error": np.full(N, 0.05) * u.mas} | changes
    return {name: value for name, value in known.items() if value is not None}


@pytest.mark.parametrize("name", ["parallax", "parallax_error"])
def test_units_are_asked_for(classifier, stamps, name):
    with pytest.raises(u.UnitsError, match=f"column '{name}' has no unit"):
        classifier.classify_stamps(stamps, astrometry=Table(columns(**{name: np.ones(N)})))
    with pytest.raises(u.UnitsError):
        classifier.classify_stamps(stamps, astrometry=QTable(columns(**{name: np.ones(N) * u.km})))


def test_units_are_converted_and_masks_kept(classifier, stamps):
    table = classifier.classify_stamps(stamps, astrometry=QTable(columns()))
    arcsec = QTable(columns(parallax=np.full(N, 0.002) * u.arcsec))
    assert_same_rows(classifier.classify_stamps(stamps, astrometry=arcsec), table, answers=1e-5, others=1e-9)
    for masked in (
        QTable(columns(parallax=Masked(np.full(N, 2.0) * u.mas, mask=np.arange(N) == 3))),
        Table(columns(parallax=MaskedColumn(np.full(N, 2.0), unit="mas", mask=np.arange(N) == 3))),
        QTable(columns(parallax=np.where(np.arange(N) == 3, np.nan, 2.0) * u.mas)),
    ):
        found = classifier.classify_stamps(stamps, astrometry=masked)
        assert plain(found["parallax"])[1].tolist() == [k == 3 for k in range(N)]
        assert flags.decode(found["flags"][3])[-1] == "no_astrometry"
        assert not found["inputs_used"][3] & flags.USED_PARALLAX
        others = np.delete(np.arange(N), 3)
        assert_same_rows(found[others], table[others], answers=1e-5)


def test_flags_of_astrometry_in_hand(classifier, stamps):
    ids = MaskedColumn(np.arange(N), mask=np.arange(N) == 1)
    table = Table(columns(source_id=ids, ruwe=np.where(np.arange(N) == 2, 3.0, 1.0)))
    table["parallax"][:2] = np.nan
    found = classifier.classify_stamps(stamps, astrometry=table)
    assert (found["flags"] & flags.TWO_PARAMETER_ASTROMETRY != 0).tolist() == [k == 0 for k in range(N)]
    assert (found["flags"] & flags.NO_ASTROMETRY != 0).tolist() == [k == 1 for k in range(N)]
    assert (found["flags"] & flags.BAD_ASTROMETRY != 0).tolist() == [k == 2 for k in range(N)]
    assert plain(found["source_id"])[1].tolist() == [k == 1 for k in range(N)]


def test_what_does_not_fit_is_refused(classifier, stamps):
    with pytest.raises(InputError, match="astrometry has 3 rows for 10 stamps"):
        classifier.classify_stamps(stamps, astrometry=QTable(columns())[:3])
    with pytest.raises(InputError, match="this one has plx, parallax_error"):
        classifier.classify_stamps(stamps, astrometry=QTable({"plx": [1] * u.mas, "parallax_error": [1] * u.mas}))
