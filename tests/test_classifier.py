# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Positions in, the output table out: the invariants that hold for every classification, on the simulated sky."""

import time
import tracemalloc
from copy import deepcopy

import numpy as np
import pytest
import torch
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.table import QTable, Table, vstack
from astropy.time import Time
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mocpy import MOC
from regions import CircleSkyRegion, EllipseSkyRegion, PolygonSkyRegion
from tablecompare import assert_same_rows, plain

from stellarclass import Classifier, classify, classify_region, classify_table, flags, schema, simulate
from stellarclass.archives import LocalAstrometry
from stellarclass.astrometry import propagate
from stellarclass.exceptions import EnsembleError, InputError
from stellarclass.skyregions import inside_region

N_STARS = 24
TOLERANCE = 1e-5  # float32, as `Ensemble.predict` states it


@pytest.fixture(scope="module")
def sky():
    return simulate.field(seed=4, n_stars=N_STARS, r_range=(14.5, 20) * u.mag)


@pytest.fixture(scope="module")
def classifier(sky, default_ensemble):
    return Classifier(default_ensemble, images=sky.images, astrometry=sky.astrometry)


@pytest.fixture(scope="module")
def pool(sky):
    """Positions of all kinds: the stars, the frame's corners and beyond, far off, nowhere."""
    pixels = np.array([[6, 6], [25, 30], [2041, 1482], [-20, 700]])
    ra, dec = sky.contents.frames["r"].wcs.wcs_pix2world(pixels, 0).T
    ra = np.concatenate([sky.truth["ra"].value, ra, [10.0, 200.0, np.nan, 12.0]])
    dec = np.concatenate([sky.truth["dec"].value, dec, [-80.0, -89.9999, 3.0, np.nan]])
    return SkyCoord(ra, dec, unit="deg", obstime=sky.coords.obstime)


@pytest.fixture(scope="module")
def answers(classifier, pool):
    return classifier.classify(pool)


def masked_rows(table):
    return plain(table["spectral_class"])[1]


def test_columns_and_units_are_those_of_the_schema(answers, classifier):
    described = schema.columns(classifier.ensemble.classes)
    assert answers.colnames == [column.name for column in described]
    for column in described:
        assert answers[column.name].unit == (u.Unit(column.unit) if column.unit else None)
        assert answers[column.name].info.meta["ucd"] == column.ucd


def test_stars_have_answers_that_make_sense(answers, sky):
    good = answers[:N_STARS]
    assert not masked_rows(good).any()
    probabilities = np.stack([plain(good[f"prob_{c}"])[0] for c in "afgkm"], axis=1)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)
    classes = np.array(["A", "F", "G", "K", "M"])[probabilities.argmax(axis=1)]
    assert (classes == plain(good["spectral_class"])[0]).all()
    assert all(c in s for c, s in zip(classes, plain(good["class_set"])[0], strict=True))
    lower, radius, upper = (plain(good[name])[0] for name in ("radius_lower", "radius", "radius_upper"))
    assert ((lower > 0) & (lower < radius) & (radius < upper)).all()
    assert (plain(good["source_id"])[0] == sky.truth["source_id"]).sum() >= N_STARS - 1
    for name, value in zip(sky.contents.key._fields, sky.contents.key, strict=True):
        assert (plain(good[name])[0] == value).all()


def test_every_masked_row_has_a_flag_that_says_why(answers):
    bits = np.asarray(answers["flags"])
    assert ((bits & flags.FATAL != 0) == masked_rows(answers)).all()
    assert masked_rows(answers)[N_STARS:].sum() >= 6
    reasons = [flags.decode(b) for b in bits[N_STARS:]]
    assert "no_usable_band" in reasons[0]
    assert "off_frame" in reasons[1]
    assert [r for r in reasons[3:]] == [["no_image"]] * 3 + [["bad_coordinate"]] * 2
    assert (np.asarray(answers["inputs_used"])[masked_rows(answers)] == 0).all()
    for name in ("radius", "radius_err", "prob_a", "class_set", "radius_sb"):
        assert plain(answers[name])[1][masked_rows(answers)].all()


def test_metadata_say_where_answers_come_from(answers, classifier):
    # The mix of classes is there only if one was asked for.
    assert set(answers.meta) == {entry.name for entry in schema.META} - {"class_prior"}
    assert answers.meta["image_release"] == "simulated SDSS"
    assert answers.meta["astrometry_release"] == "simulated Gaia"
    assert answers.meta["ensemble_sha256"] == classifier.ensemble.sha256
    assert answers.meta["label_system"] == classifier.label_system
    assert answers.meta["match_radius"] == 3.0


@settings(max_examples=6, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.integers(0, N_STARS + 7), max_size=40), batch_size=st.integers(1, 50))
def test_a_row_depends_on_its_star_alone(rows, batch_size, classifier, pool, answers, sky):
    """Any selection in any order, doubles included, in batches of any size: the same rows."""
    other = Classifier(classifier.ensemble, images=sky.images, astrometry=sky.astrometry, batch_size=batch_size)
    assert_same_rows(other.classify(pool[rows]), answers[rows], answers=TOLERANCE)


@pytest.mark.parametrize("batch_size", [1, 5, 24])
def test_the_size_of_batches_does_not_matter(classifier, pool, answers, sky, batch_size):
    """The last batch is smaller than the others."""
    other = Classifier(classifier.ensemble, images=sky.images, astrometry=sky.astrometry, batch_size=batch_size)
    assert_same_rows(other.classify(pool), answers, answers=TOLERANCE)


def test_the_number_of_threads_does_not_matter(classifier, pool, answers):
    threads = torch.get_num_threads()
    try:
        for number in (1, 3):
            torch.set_num_threads(number)
            assert_same_rows(classifier.classify(pool), answers, answers=TOLERANCE)
    finally:
        torch.set_num_threads(threads)


def test_one_scalar_position(classifier, pool, answers):
    one = classifier.classify(pool[2])
    assert isinstance(one, QTable)
    assert_same_rows(one, answers[2:3], answers=TOLERANCE)


@pytest.mark.parametrize("empty", [SkyCoord([], [], unit="deg"), Table({"ra": [], "dec": []}, dtype=[float, float])])
def test_nothing_in_nothing_out(classifier, answers, empty):
    table = classifier.classify(empty)
    assert len(table) == 0
    assert table.colnames == answers.colnames
    assert table["radius"].unit == u.solRad


def test_the_position_of_the_sky_does_not_matter_to_the_form(classifier, pool, answers):
    """Galactic coordinates, and a table of degrees with a masked cell."""
    galactic = classifier.classify(pool[:5].galactic)
    assert_same_rows(galactic, answers[:5], answers=1e-3, others=1e-2)
    table = Table({"RAJ2000": pool.ra.deg[:3], "DEJ2000": pool.dec.deg[:3]}, masked=True)
    table["RAJ2000"].mask[1] = True
    plainly = classifier.classify(table)
    assert masked_rows(plainly).tolist() == [False, True, False]
    assert flags.decode(plainly["flags"][1]) == ["bad_coordinate"]
    assert plain(plainly["ra"])[1].tolist() == [False, True, False]


def user_table(sky):
    table = QTable(
        {
            "name": [f"star {i}" for i in range(6)],
            "RA": sky.truth["ra"][:6],
            "DEC": sky.truth["dec"][:6],
            "radius": np.arange(6.0) * u.km,
            "Flags": np.arange(6),
        },
        meta={"survey": ["mine"], "label_system": "my own"},
    )
    table["name"].info.description = "what I call it"
    return table


def test_the_users_table_comes_back_with_ours_beside_it(sky, default_ensemble):
    table = user_table(sky)
    before = deepcopy(table)
    both = classify_table(table, ensemble=default_ensemble, images=sky.images, astrometry=sky.astrometry)
    for one in (table, both[before.colnames]):
        assert one.colnames == before.colnames
        for name in before.colnames:
            assert (one[name] == before[name]).all()
            assert one[name].unit == before[name].unit
            assert one[name].info.description == before[name].info.description
    assert table.meta == before.meta
    assert both.meta["survey"] == ["mine"]
    assert both.meta["label_system"] == "my own"
    assert both.meta["label_system_stellarclass"] == default_ensemble.card.default_label_system
    assert both["radius_stellarclass"].unit == u.solRad
    assert "spectral_class" in both.colnames
    assert not {"flags", "ra"} & set(both.colnames)  # databases do not tell case apart


@pytest.mark.parametrize("kind", ["data frame", "file"])
def test_a_users_table_of_another_kind(kind, sky, classifier, tmp_path):
    table = Table({"RA": sky.coords.ra.deg[:3], "Dec": sky.coords.dec.deg[:3], "name": ["a", "b", "c"]})
    both = classifier.classify_table(table)
    assert both.colnames[:3] == ["RA", "Dec", "name"] and not masked_rows(both).all()
    table.write(tmp_path / "t.ecsv")
    same = tmp_path / "t.ecsv" if kind == "file" else table.to_pandas()
    again = classifier.classify_table(same)
    assert again.colnames == both.colnames
    for name in both.colnames:
        assert plain(again[name])[1].tolist() == plain(both[name])[1].tolist(), name
        assert (plain(again[name])[0] == plain(both[name])[0])[~plain(both[name])[1]].all(), name
    assert plain(classifier.classify(same)["radius"])[0].tolist() == plain(both["radius"])[0].tolist()


def test_positions_handed_in_are_not_changed(classifier, pool):
    before = (pool.ra.deg.copy(), pool.dec.deg.copy())
    classifier.classify(pool)
    np.testing.assert_array_equal(pool.ra.deg, before[0])
    np.testing.assert_array_equal(pool.dec.deg, before[1])


def test_three_stars_among_a_hundred_thousand_places(classifier, sky, pool, answers):
    """Rows without pixels cost next to nothing."""
    n, rows = 100_000, [7, 50_000, 99_999]
    ra, dec = np.full(n, 10.0), np.linspace(-60, 0, n)
    ra[rows], dec[rows] = pool.ra.deg[:3], pool.dec.deg[:3]
    coords = SkyCoord(ra, dec, unit="deg", obstime=pool.obstime)
    start = time.process_time()
    table = classifier.classify(coords)
    assert time.process_time() - start < 5
    assert_same_rows(table[rows], answers[:3], answers=TOLERANCE)
    assert np.flatnonzero(~masked_rows(table)).tolist() == rows
    assert (np.delete(np.asarray(table["flags"]), rows) == flags.NO_IMAGE).all()
    tracemalloc.start()
    try:
        classifier.classify(coords)
        assert tracemalloc.get_traced_memory()[1] < 250e6
    finally:
        tracemalloc.stop()


def test_saturated_bands_are_left_out(default_ensemble):
    # Among stars that are not, or there is none to measure the PSF on.
    bright = simulate.field(seed=5, n_stars=60, r_range=(12, 18) * u.mag)
    table = Classifier(default_ensemble, images=bright.images, astrometry=bright.astrometry).classify(bright.coords)
    beyond, within = (bright.truth["r"] < 12.8 * u.mag), (bright.truth["r"] > 15.5 * u.mag)
    assert beyond.sum() > 2
    assert ((table["flags"] & flags.SATURATED) != 0)[beyond].all()
    assert ((table["inputs_used"] & flags.USED_R) == 0)[beyond].all()
    assert plain(table["psfmag_r"])[1][beyond].all()
    assert ((table["flags"] & flags.SATURATED) != 0)[within].mean() < 0.1


def test_a_missing_band(default_ensemble):
    sky = simulate.field(seed=6, n_stars=12, r_range=(15, 18) * u.mag, bands="ugrz")
    table = Classifier(default_ensemble, images=sky.images, astrometry=sky.astrometry).classify(sky.coords)
    assert not masked_rows(table).any()
    assert ((table["flags"] & flags.MISSING_BAND) != 0).all()
    assert (table["inputs_used"] & 0b11111 == flags.USED_U | flags.USED_G | flags.USED_R | flags.USED_Z).all()
    assert plain(table["psfmag_i"])[1].all()


def test_without_astrometry(sky, classifier, pool):
    table = Classifier(classifier.ensemble, images=sky.images, astrometry=False).classify(pool[:8])
    assert not masked_rows(table).any()
    assert not (table["flags"] & (flags.NO_ASTROMETRY | flags.ASTROMETRY_FAILURE)).any()
    assert not (table["inputs_used"] & (flags.USED_PARALLAX | flags.USED_PROPER_MOTION)).any()
    for name in ("source_id", "match_count", "match_separation", "parallax", "pmra", "pm", "ruwe", "radius_sb"):
        assert plain(table[name])[1].all(), name
    assert not {"astrometry_release", "match_radius"} & set(table.meta)


def test_a_star_that_gaia_does_not_have(sky, classifier, pool, answers):
    without = LocalAstrometry(sky.gaia[1:], name="all but one")
    table = Classifier(classifier.ensemble, images=sky.images, astrometry=without).classify(pool[:3])
    lost = list(sky.truth["source_id"]).index(sky.gaia["source_id"][0])
    assert lost == 0
    assert flags.decode(table["flags"][0])[0] == "no_astrometry"
    assert table["match_count"][0] == 0
    assert not masked_rows(table).any()
    assert_same_rows(table[1:], answers[1:3], answers=TOLERANCE)


def test_a_source_id_decides_between_neighbors(sky, classifier):
    """Another source at half the distance, until the table says which of the two is meant."""
    impostor = sky.gaia[:1].copy()
    impostor["source_id"], impostor["parallax"] = 77, 50 * u.mas
    impostor["dec"] += 0.1 * u.arcsec
    gaia = LocalAstrometry(vstack([sky.gaia, impostor]))
    crowded = Classifier(classifier.ensemble, images=sky.images, astrometry=gaia)
    ra, dec = impostor["ra"], impostor["dec"] + 0.05 * u.arcsec
    for known, found in (([], 77), ([77], 77), ([sky.gaia["source_id"][0]], sky.gaia["source_id"][0])):
        table = QTable({"ra": ra, "dec": dec, "ref_epoch": [2016.0] * u.yr})
        if known:
            table["source_id"] = known
        row = crowded.classify(table)
        assert row["source_id"][0] == found
        assert row["match_count"][0] == 2
        assert bool(row["flags"][0] & flags.AMBIGUOUS_MATCH) is not bool(known)


@pytest.mark.parametrize("with_gaia", [True, False])
def test_a_star_is_cut_where_it_was(sky, classifier, pool, with_gaia):
    """Positions of the year 1900 with proper motions: the same stars, at the place of the same light."""
    # Two pixels or more; the first of them is saturated, where a thousandth of a pixel may matter.
    moved = np.flatnonzero(np.hypot(sky.truth["pmra"], sky.truth["pmdec"]) > 8 * u.mas / u.yr)[1:7]
    assert len(moved) == 6
    motion = [sky.truth[name][moved] for name in ("pmra", "pmdec")]
    then = propagate(
        sky.truth["ra"][moved].value, sky.truth["dec"][moved].value, *(m.value for m in motion),
        sky.coords.obstime.jyear, 1900.0,
    )  # fmt: skip
    coords = SkyCoord(*then, unit="deg", pm_ra_cosdec=motion[0], pm_dec=motion[1], obstime=Time(1900, format="jyear"))
    source = sky.astrometry if with_gaia else False
    same = Classifier(classifier.ensemble, images=sky.images, astrometry=source)
    assert_same_rows(
        same.classify(coords), same.classify(pool[moved]),
        answers=2e-3, others=2e-3, leave_out=("ra", "dec", "match_separation", "class_set"),
    )  # fmt: skip


def test_label_systems(sky, classifier, pool, default_ensemble):
    seen = {}
    for system in default_ensemble.label_systems:
        table = classify(
            pool[:N_STARS], ensemble=default_ensemble, label_system=system, images=sky.images, astrometry=sky.astrometry
        )
        assert table.meta["label_system"] == system
        seen[system] = plain(table["prob_g"])[0]
    assert {"sdss", "pecaut_mamajek"} <= set(seen)
    assert not np.allclose(seen["sdss"], seen["pecaut_mamajek"], atol=0.01)


def test_what_cannot_be_meant_is_refused(sky, default_ensemble):
    sources = {"images": sky.images, "astrometry": sky.astrometry}
    with pytest.raises(EnsembleError, match=r"does not speak label system 'harvard'; it speaks .*sdss"):
        Classifier(default_ensemble, label_system="harvard", **sources)
    with pytest.raises(EnsembleError, match="no_such"):
        Classifier("no_such", **sources)
    for wrong in (0, -1, 2.5, True, "many"):
        with pytest.raises(InputError, match="batch_size"):
            Classifier(default_ensemble, batch_size=wrong, **sources)
    with pytest.raises(TypeError, match="angle with a unit"):
        Classifier(default_ensemble, match_radius=3, **sources)
    with pytest.raises(u.UnitsError):
        Classifier(default_ensemble, match_radius=3 * u.s, **sources)
    with pytest.raises(InputError, match="positive"):
        Classifier(default_ensemble, match_radius=0 * u.arcsec, **sources)
    with pytest.raises(TypeError, match="LocalSAS"):
        Classifier(default_ensemble, images="sas")
    with pytest.raises(TypeError, match="LocalAstrometry"):
        Classifier(default_ensemble, images=sky.images, astrometry=sky.gaia)
    with pytest.raises(InputError, match="the ensemble is on cpu"):
        Classifier(default_ensemble, device="meta", **sources)
    with pytest.raises(TypeError, match="SkyCoord"):
        classify([1.0, 2.0], ensemble=default_ensemble, **sources)
    with pytest.raises(TypeError, match=r"expected an astropy Table.*got SkyCoord"):
        classify_table(sky.coords, ensemble=default_ensemble, **sources)
    with pytest.raises(TypeError, match="expected Stamps"):
        Classifier(default_ensemble, **sources).classify_stamps(np.zeros((1, 5, 64, 64)))
    with pytest.raises(TypeError, match="one value at a time"):
        flags.decode(np.array([0, 1]))


def test_a_region_is_all_its_gaia_sources(sky, default_ensemble):
    center = sky.coords[0]
    region = CircleSkyRegion(center, 3 * u.arcmin)
    table = classify_region(region, ensemble=default_ensemble, images=sky.images, astrometry=sky.astrometry)
    places = SkyCoord(sky.gaia["ra"], sky.gaia["dec"])
    inside = np.sort(sky.gaia["source_id"][places.separation(center) < 3 * u.arcmin])
    assert 2 <= len(inside) < len(sky.gaia)
    assert plain(table["source_id"])[0].tolist() == inside.tolist()
    stars = {sid: k for k, sid in enumerate(sky.truth["source_id"])}
    same = Classifier(default_ensemble, images=sky.images, astrometry=sky.astrometry).classify(
        sky.coords[[stars[sid] for sid in inside]]
    )
    assert_same_rows(table, same, answers=1e-3, others=1e-3, leave_out=("ra", "dec", "match_separation"))


@pytest.mark.parametrize("shape", ["ellipse", "polygon", "moc"])
def test_regions_of_all_shapes(shape, sky, classifier, answers):
    """The sources that the shape holds, with the answers that they have by position."""
    center, size = sky.coords[0], 5 * u.arcmin
    if shape == "ellipse":
        region = EllipseSkyRegion(center, width=2 * size, height=size, angle=30 * u.deg)
    elif shape == "polygon":
        region = PolygonSkyRegion(center.directional_offset_by([0, 100, 250] * u.deg, size))
    else:
        region = MOC.from_cone(lon=center.ra, lat=center.dec, radius=size / 2, max_depth=13)
    table = classifier.classify_region(region)
    places = SkyCoord(sky.gaia["ra"], sky.gaia["dec"])
    inside = np.sort(sky.gaia["source_id"][inside_region(region, places)]).tolist()
    assert 2 <= len(inside) < len(sky.gaia)
    assert plain(table["source_id"])[0].tolist() == inside
    rows = [plain(answers["source_id"])[0].tolist().index(source) for source in inside]
    assert plain(table["spectral_class"])[0].tolist() == plain(answers["spectral_class"])[0][rows].tolist()


def test_neighbors_beyond_the_edge_of_a_region_count(sky, default_ensemble):
    """A region of one star: another source outside of it may still be the one that the match radius holds."""
    neighbor = sky.gaia[:1].copy()
    neighbor["source_id"], neighbor["dec"] = 77, sky.gaia["dec"][0] + 20 * u.arcsec
    gaia = LocalAstrometry(vstack([sky.gaia, neighbor]))
    classifier = Classifier(default_ensemble, images=sky.images, astrometry=gaia, match_radius=30 * u.arcsec)
    region = CircleSkyRegion(SkyCoord(sky.gaia["ra"][0], sky.gaia["dec"][0]), 1 * u.arcsec)
    table = classifier.classify_region(region)
    assert plain(table["source_id"])[0].tolist() == [sky.gaia["source_id"][0]]
    assert table["match_count"][0] == 2


def test_a_region_beyond_the_field(sky, default_ensemble):
    """Larger than a circle that archives take, with sources that no frame holds: they keep their names."""
    lonely = sky.gaia[:1].copy()
    lonely["source_id"], lonely["dec"] = 77, sky.gaia["dec"][0] + 0.3 * u.deg
    gaia = LocalAstrometry(vstack([sky.gaia, lonely]))
    region = CircleSkyRegion(sky.coords[0], 0.4 * u.deg)
    table = classify_region(region, ensemble=default_ensemble, images=sky.images, astrometry=gaia)
    assert plain(table["source_id"])[0].tolist() == sorted([77, *sky.gaia["source_id"]])
    assert masked_rows(table).tolist() == [True] + [False] * len(sky.gaia)
    assert flags.decode(table["flags"][0]) == ["no_image"]
    with pytest.raises(InputError, match="astrometry=False leaves it none"):
        classify_region(region, ensemble=default_ensemble, images=sky.images, astrometry=False)
