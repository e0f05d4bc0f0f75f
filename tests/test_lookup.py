# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Sources that have no more than the protocol asks, or fail in part or in whole: the others get their answers."""

import warnings

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.table import Table, vstack
from tablecompare import assert_same_rows

from stellarclass import Classifier, flags, lookup, simulate
from stellarclass.archives import AstrometrySource, Field, FieldKey, ImageSource
from stellarclass.archives.localastrometry import LocalAstrometry
from stellarclass.exceptions import ArchiveError, ArchiveTimeoutError, StellarclassWarning
from stellarclass.simulate.survey import SimulatedImages
from stellarclass.targets import Targets, parse_targets

TOLERANCE = 1e-5


class Images:
    """No more than an image source must have; what it yields can be spoiled."""

    name = "my images"

    def __init__(self, source, spoil=lambda field: [field]):
        self._source, self._spoil = source, spoil
        self.asked = []

    def locate(self, targets, *, progress=None):
        return self._source.locate(targets)

    def fields(self, keys, *, progress=None):
        for key in keys:
            self.asked.append(key)
            yield from self._spoil(next(self._source.fields([key])))


class Astrometry:
    """No more than an astrometric source must have; it answers for stars for which ``answers`` is true."""

    name = "my astrometry"

    def __init__(self, source, answers=lambda ra, dec: np.ones(len(ra), bool), *, partial=True):
        self._source, self._answers, self._partial = source, answers, partial

    def candidates(self, ra, dec, *, radius, progress=None):
        good = np.flatnonzero(self._answers(ra, dec))
        found = self._source.candidates(ra[good], dec[good], radius=radius)
        found["target"] = good[found["target"]]
        found = found[::-1]  # nobody promised an order
        if len(good) == len(ra):
            return found
        failed = np.setdiff1d(np.arange(len(ra)), good)
        details = {"failed": failed, "partial": found} if self._partial else {}
        raise ArchiveTimeoutError("no answer for 60 s", "http://gaia.test/tap/sync", **details)


@pytest.fixture(scope="module")
def skies():
    """Two fields, far apart."""
    return [
        simulate.field(seed=seed, n_stars=8, center=SkyCoord(ra, 20, unit="deg"), r_range=(15, 18) * u.mag)
        for seed, ra in ((11, 150), (12, 160))
    ]


@pytest.fixture(scope="module")
def images(skies):
    return SimulatedImages({sky.contents.key: sky.contents for sky in skies})


@pytest.fixture(scope="module")
def gaia(skies):
    return LocalAstrometry(vstack([sky.gaia for sky in skies]))


@pytest.fixture(scope="module")
def coords(skies):
    """Stars of both fields in turn, and one place that is none."""
    ra, dec = (np.stack([sky.truth[name].value for sky in skies], axis=1).ravel() for name in ("ra", "dec"))
    return SkyCoord(np.insert(ra, 3, np.nan), np.insert(dec, 3, 0), unit="deg")


FIRST = np.array([0, 2, 5, 7, 9, 11, 13, 15])
SECOND = np.array([1, 4, 6, 8, 10, 12, 14, 16])


@pytest.fixture(scope="module")
def expected(default_ensemble, images, gaia, coords):
    return Classifier(default_ensemble, images=images, astrometry=gaia).classify(coords)


def classify(ensemble, images, gaia, coords):
    return Classifier(ensemble, images=images, astrometry=gaia).classify(coords)


def test_the_protocol_is_enough(default_ensemble, images, gaia, coords, expected):
    mine, its = Images(images), Astrometry(gaia)
    assert isinstance(mine, ImageSource)
    assert isinstance(its, AstrometrySource)
    table = classify(default_ensemble, mine, its, coords)
    assert_same_rows(table, expected, answers=TOLERANCE)
    assert (table.meta["image_release"], table.meta["astrometry_release"]) == ("my images", "my astrometry")
    assert len(mine.asked) == len(set(mine.asked)) == 2


def test_fields_are_opened_in_the_order_of_the_targets(images, skies, coords):
    for order in (slice(None), slice(None, None, -1)):
        mine = Images(images)
        targets = images.locate(parse_targets(coords[order]))
        opened = [(field.key, rows.tolist()) for field, rows in lookup.open_fields(mine, targets)]
        rows = [np.flatnonzero(targets.run == sky.contents.key.run).tolist() for sky in skies]
        pairs = [(sky.contents.key, where) for sky, where in zip(skies, rows, strict=True)]
        assert opened == sorted(pairs, key=lambda pair: pair[1][0])


def failing(skies, **outcome):
    """The first field has no frames."""
    return lambda field: [Field(field.key, **outcome) if field.key == skies[0].contents.key else field]


def test_a_field_that_cannot_be_read(default_ensemble, skies, images, gaia, coords, expected):
    reasons = {band: f"truncated (http://sas.test/{band})" for band in "ugriz"}
    with pytest.warns(
        StellarclassWarning, match=r"8 stars without an image: truncated \(http://sas.test/u\); "
    ) as all_:
        table = classify(default_ensemble, Images(images, failing(skies, errors=reasons)), gaia, coords)
    assert len(all_) == 1
    assert (table["flags"][FIRST] == flags.IMAGE_FAILURE).all()
    assert table["spectral_class"].mask[FIRST].all()
    assert table["match_count"].mask[FIRST].all()
    assert (table["run"][FIRST] == skies[0].contents.key.run).all()
    assert_same_rows(table[SECOND], expected[SECOND], answers=TOLERANCE)


def test_a_field_that_the_archive_does_not_have(default_ensemble, skies, images, gaia, coords, expected):
    table = classify(default_ensemble, Images(images, failing(skies, missing={"r": "404"})), gaia, coords)
    assert (table["flags"][FIRST] == flags.NO_IMAGE).all()
    assert_same_rows(table[SECOND], expected[SECOND], answers=TOLERANCE)


def test_one_band_that_cannot_be_read(default_ensemble, skies, images, gaia, coords):
    def spoil(field):
        frames = {b: f for b, f in field.frames.items() if b != "z"}
        return [Field(field.key, frames, errors={"z": "not FITS (http://sas.test/z)"})]

    with pytest.warns(StellarclassWarning, match=r"8 stars without band z: not FITS \(http://sas.test/z\)"):
        table = classify(default_ensemble, Images(images, spoil), gaia, coords)
    stars = np.r_[FIRST, SECOND]
    assert not table["spectral_class"].mask[stars].any()
    assert ((table["flags"][stars] & flags.MISSING_BAND) != 0).all()
    assert ((table["inputs_used"][stars] & flags.USED_Z) == 0).all()


@pytest.mark.parametrize("answer", ["nothing", "twice", "unasked"])
def test_a_source_that_does_not_keep_its_word(default_ensemble, images, gaia, coords, expected, skies, answer):
    stranger = Field(FieldKey(1, 301, 1, 11), skies[0].contents.frames)
    spoil = {"nothing": lambda f: [], "twice": lambda f: [f, f], "unasked": lambda f: [stranger, f]}[answer]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        table = classify(default_ensemble, Images(images, spoil), gaia, coords)
    if answer == "nothing":
        assert (table["flags"][np.r_[FIRST, SECOND]] == flags.IMAGE_FAILURE).all()
        assert [str(w.message).split(": ")[1] for w in caught] == [
            "my images was asked for it and gave nothing; 8 stars without an image"
        ] * 2
    else:
        assert_same_rows(table, expected, answers=TOLERANCE)
        assert not caught


def test_a_source_that_leaves_stars_where_they_are():
    """Rows that are neither located nor flagged are nowhere."""

    class Lazy(Images):
        def locate(self, targets, *, progress=None):
            return targets

    targets = Targets(np.array([1.0, 2.0]), np.array([1.0, 2.0]))
    assert list(lookup.open_fields(Lazy(None), targets)) == []
    assert (targets.flags == flags.NO_IMAGE).all()


def test_astrometry_fails_for_some(default_ensemble, images, gaia, coords, expected):
    part = Astrometry(gaia, lambda ra, dec: ra < 155)
    with pytest.warns(StellarclassWarning, match=r"8 stars go without .* no answer for 60 s \(http://gaia.test/tap/sy"):
        table = classify(default_ensemble, images, part, coords)
    assert_same_rows(table[FIRST], expected[FIRST], answers=TOLERANCE)
    lost = table[SECOND]
    assert not lost["spectral_class"].mask.any()
    assert ((lost["flags"] & flags.ASTROMETRY_FAILURE) != 0).all()
    assert not (lost["flags"] & flags.NO_ASTROMETRY).any()
    for name in ("source_id", "match_count", "parallax", "pm"):
        assert lost[name].mask.all(), name
    assert not (lost["inputs_used"] & flags.USED_PARALLAX).any()


@pytest.mark.parametrize("partial", [True, False])
def test_astrometry_fails_for_all(default_ensemble, images, gaia, coords, partial):
    dead = Astrometry(gaia, lambda ra, dec: np.zeros(len(ra), bool), partial=partial)
    with pytest.warns(StellarclassWarning, match="16 stars go without astrometry"):
        table = classify(default_ensemble, images, dead, coords)
    without = Classifier(default_ensemble, images=images, astrometry=False).classify(coords)
    stars = np.r_[FIRST, SECOND]
    assert (table["flags"][stars] == without["flags"][stars] | flags.ASTROMETRY_FAILURE).all()
    assert flags.decode(table["flags"][3]) == ["bad_coordinate"]
    assert_same_rows(table, without, answers=TOLERANCE, leave_out=("flags",))


def test_astrometry_fails_without_saying_for_whom(default_ensemble, images, gaia, coords):
    """What it says of the others cannot be told apart then: nothing of it is used."""
    vague = Astrometry(gaia, lambda ra, dec: ra < 155, partial=False)
    with pytest.warns(StellarclassWarning, match="16 stars go without astrometry"):
        table = classify(default_ensemble, images, vague, coords)
    assert table["parallax"].mask.all()


def test_a_star_keeps_its_name_when_gaia_is_silent(default_ensemble, images, gaia, skies):
    dead = Astrometry(gaia, lambda ra, dec: np.zeros(len(ra), bool))
    named = Table(skies[0].truth["ra", "dec", "source_id"])
    with pytest.warns(StellarclassWarning, match="8 stars go without"):
        table = classify(default_ensemble, images, dead, named)
    assert table["source_id"].tolist() == named["source_id"].tolist()


def test_only_places_on_the_sky_and_on_a_frame_are_asked_about(images, gaia, skies):
    asked = []

    class Listening(Astrometry):
        def candidates(self, ra, dec, *, radius, progress=None):
            asked.append(len(ra))
            return super().candidates(ra, dec, radius=radius)

    places = SkyCoord([skies[0].truth["ra"][0].value, np.nan, 10.0], [skies[0].truth["dec"][0].value, 0, 0], unit="deg")
    targets = images.locate(parse_targets(places))
    found = lookup.find_candidates(Listening(gaia), targets, radius=3 * u.arcsec)
    assert set(found["target"]) == {0}
    assert asked == [1]
    targets.flags[:] = flags.NO_IMAGE
    assert len(lookup.find_candidates(Listening(gaia), targets, radius=3 * u.arcsec)) == 0
    assert asked == [1]


def test_each_target_is_matched_with_its_own_candidates(gaia, coords, skies):
    targets = parse_targets(coords)
    found = lookup.find_candidates(Astrometry(gaia), targets, radius=3 * u.arcsec)
    assert (np.diff(found["target"]) >= 0).all()
    rows = np.array([2, 3, 5, 16])
    matched = lookup.match_field(targets, found, rows, 2005.0, radius=3 * u.arcsec)
    assert matched.source_id.tolist() == [
        skies[0].truth["source_id"][1], -1, skies[0].truth["source_id"][2], skies[1].truth["source_id"][7],
    ]  # fmt: skip
    assert len(lookup.match_field(targets, found, rows[:0], 2005.0, radius=3 * u.arcsec)) == 0


def test_the_epoch_of_a_field_is_that_of_its_r_frame(skies):
    field = skies[0].contents
    assert lookup.field_epoch(field) == field.frames["r"].epoch
    late = {b: f for b, f in field.frames.items() if b in "uz"}
    assert lookup.field_epoch(Field(field.key, late)) == field.frames["z"].epoch


def test_errors_stay_what_they_are(gaia):
    targets = Targets(np.array([np.nan, 150.0]), np.array([0.0, 20.0]))
    dead = Astrometry(gaia, lambda ra, dec: np.zeros(len(ra), bool), partial=False)
    with pytest.raises(ArchiveTimeoutError) as caught:
        lookup.find_candidates(dead, targets, radius=3 * u.arcsec)
    assert isinstance(caught.value, ArchiveError)
    assert caught.value.failed.tolist() == [1]
