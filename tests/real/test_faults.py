# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""An archive that breaks in the middle of a classification: flags, words, a clean cache, and the others classified."""

import re
import warnings
from types import SimpleNamespace

import astroquery.sdss  # noqa: F401 - sends warnings to a log of its own from its first import on: not amid a test
import numpy as np
import pytest
from astropy import units as u
from astropy.table import Table
from loopback.sas import SASServer
from tablecompare import plain

from stellarclass import Classifier, flags
from stellarclass.archives import SDSS
from stellarclass.exceptions import StellarclassWarning

GOOD = flags.USED_G | flags.USED_R
N_SPARSE, N_FOUR = 60, 15


@pytest.fixture(scope="module")
def targets(sparse, four_band_stars):
    """Stars of two fields that know their fields, mixed."""
    bright = np.argsort(sparse.catalog["PSFFLUX"][:, 2])[-N_SPARSE:]
    ra = np.concatenate([sparse.coords.ra.deg[bright], four_band_stars.ra.deg[:N_FOUR]])
    dec = np.concatenate([sparse.coords.dec.deg[bright], four_band_stars.dec.deg[:N_FOUR]])
    key = np.array([[4510, 4, 30]] * N_SPARSE + [[2188, 2, 37]] * N_FOUR)
    table = Table({"ra": ra, "dec": dec, "run": key[:, 0], "camcol": key[:, 1], "field": key[:, 2]})
    return table[np.random.default_rng(1).permutation(len(table))]


@pytest.fixture(scope="module")
def twice(targets, real_data, default_ensemble, tmp_path_factory):
    """A classification while frames are truncated, HTML, silent, refused; and another when all is well again."""
    folder = tmp_path_factory.mktemp("frames")

    def classify():
        images = SDSS(cache_dir=folder, timeout=3 * u.s, retries=0)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            table = Classifier(default_ensemble, images=images, astrometry=False).classify(targets)
        assert all(issubclass(w.category, StellarclassWarning) for w in caught)
        return SimpleNamespace(
            table=table,
            said=[str(w.message) for w in caught],
            asked=sorted(r.path.rpartition("/")[2] for r in server.log),
            cached=sorted(p.name for p in folder.rglob("*") if p.is_file()),
        )

    with SASServer(real_data / "sas") as server, server.configured():
        for part, fault in (("u-004510", "truncated"), ("i-004510", "html"), ("z-004510", "hang"), ("-002188", 503)):
            server.fail(part, fault)
        broken = classify()
        server._faults.clear()
        server.log.clear()
        return SimpleNamespace(broken=broken, healed=classify(), url=server.url)


def test_stars_are_classified_from_the_frames_that_came(twice, targets):
    table = twice.broken.table[targets["run"] == 4510]
    answered = ~plain(table["spectral_class"])[1]
    assert answered.mean() > 0.8
    assert ((table["flags"] & flags.MISSING_BAND) != 0).all()
    assert ((table["flags"][~answered] & (flags.NO_USABLE_BAND | flags.NOT_DETECTED)) != 0).all()
    assert (table["inputs_used"][answered] == GOOD).all()


def test_a_field_that_failed_is_flagged(twice, targets):
    table = twice.broken.table[targets["run"] == 2188]
    assert (table["flags"] == flags.IMAGE_FAILURE).all()
    assert plain(table["spectral_class"])[1].all()


def test_warnings_name_address_and_reason(twice):
    folder = f"{twice.url}/sas/dr17/eboss/photoObj/frames/301"
    (sparse,) = (words for words in twice.broken.said if words.startswith("field 4510-4-30: 60 stars without band "))
    for band, reason in (
        ("u", "truncated: "),
        ("i", "not a FITS file but an HTML or XML page"),
        ("z", "no answer for"),
    ):
        url = re.escape(f"{folder}/4510/4/frame-{band}-004510-4-0030.fits.bz2")
        assert re.search(rf"{reason}[^()]*\({url}\)", sparse), sparse
    (four,) = (words for words in twice.broken.said if words.startswith("field 2188-2-37: 15 stars without an image: "))
    for band in "ugriz":
        assert f"HTTP 503 Service Unavailable ({folder}/2188/2/frame-{band}-002188-2-0037.fits.bz2)" in four
    assert len(twice.broken.said) == 2


def test_nothing_broken_stays_in_the_cache(twice):
    assert twice.broken.cached == [f"frame-{band}-004510-4-0030.fits.bz2" for band in "gr"]


def test_what_was_missing_is_fetched_the_next_time(twice, targets):
    sparse = [f"frame-{band}-004510-4-0030.fits.bz2" for band in "iuz"]
    four = [f"frame-{band}-002188-2-0037.fits.bz2" for band in "giruz"]
    assert twice.healed.asked == sorted(sparse + four)
    assert twice.healed.said == []  # a frame that the archive does not have is no failure of it
    run = np.asarray(targets["run"])
    flagged = np.asarray(twice.healed.table["flags"])
    assert ((flagged & flags.MISSING_BAND != 0) == (run == 2188)).all()
    assert not (flagged & flags.IMAGE_FAILURE).any()
    assert (~plain(twice.healed.table["spectral_class"])[1]).mean() > 0.8


def test_skyserver_out_of_order(real_data, default_ensemble, sparse, tmp_path):
    """Nobody says in which field the stars lie: all are flagged, no frame is asked for."""
    with SASServer(real_data / "sas") as server, server.configured():
        server.fail("/", "html")
        images = SDSS(cache_dir=tmp_path, retries=0)
        with pytest.warns(StellarclassWarning, match="5 targets could not be cross-identified: .*" + server.url):
            table = Classifier(default_ensemble, images=images, astrometry=False).classify(sparse.coords[:5])
        assert server.requests("/sas/") == []
    assert (table["flags"] == flags.IMAGE_FAILURE).all()
