# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Simulated fields: the same through memory as through a copy of the archive on disk, and true to their truth."""

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.stats import sigma_clipped_stats
from astropy.table import QTable, Table
from astropy.time import Time

from stellarclass import flags, simulate
from stellarclass.archives import AstrometrySource, ImageSource, LocalAstrometry, LocalSAS
from stellarclass.archives.base import BANDS, FieldKey
from stellarclass.astrometry import match
from stellarclass.exceptions import InputError
from stellarclass.stamps.cutouts import cut_field
from stellarclass.stamps.detector import dark_variance, gain
from stellarclass.stamps.photometry import measure
from stellarclass.targets import parse_targets


@pytest.fixture(scope="module")
def sky():
    return simulate.field(seed=21, n_stars=150, r_range=[14.5, 20.0] * u.mag)


@pytest.fixture(scope="module")
def partial(tmp_path_factory):
    """A field without u, g and z, and the folder that it was written to."""
    sky = simulate.field(seed=22, n_stars=10, bands="ri")
    folder = tmp_path_factory.mktemp("partial")
    return sky, folder, sky.write(folder)


def test_a_seed_is_a_field(sky):
    again = simulate.field(seed=21, n_stars=150, r_range=[14.5, 20.0] * u.mag)
    assert again.contents.key == sky.contents.key
    for band in BANDS:
        for name in ("data", "nanomaggies_per_count", "sky"):
            assert np.array_equal(getattr(again.contents.frames[band], name), getattr(sky.contents.frames[band], name))
    for one, other in ((sky.truth, again.truth), (sky.gaia, again.gaia)):
        assert all(np.array_equal(one[c], other[c], equal_nan=one[c].dtype.kind == "f") for c in one.colnames)
    assert simulate.field(seed=23, n_stars=1).contents.key != sky.contents.key


def test_it_is_both_kinds_of_source(sky):
    assert isinstance(sky.images, ImageSource)
    assert isinstance(sky.astrometry, AstrometrySource)


def test_frames_are_shaped_as_sdss_s(sky):
    frames = sky.contents.frames
    assert list(frames) == list(BANDS)
    for band, frame in frames.items():
        assert frame.band == band
        assert frame.data.shape == (1489, 2048) and frame.data.dtype == np.float32
        assert frame.nanomaggies_per_count.shape == (2048,)
        assert frame.sky.ndim == 2
        assert 2000 < frame.epoch < 2010


def test_noise_is_that_of_the_field_s_own_camera_column(sky):
    """So that what the header says, what the errors assume and what the pixels do are one thing."""
    key = sky.contents.key
    for k, band in enumerate(BANDS):
        frame = sky.contents.frames[band]
        photons = np.mean(frame.sky) / gain(key.run, key.camcol)[k] + dark_variance(key.run, key.camcol)[k]
        for half, factor in zip((slice(0, 1024), slice(1024, None)), sky.conditions.noise[0, k], strict=True):
            scatter = sigma_clipped_stats(frame.data[::5, half][:, ::5], sigma=3)[2]
            expected = np.sqrt(photons * factor**2 + 1 / 12) * np.median(frame.nanomaggies_per_count)
            assert scatter == pytest.approx(expected, rel=0.03)


def test_the_sky_model_is_the_sky_that_was_put_in(sky):
    """Counts, model added, are whole numbers on every row that the coarse model samples."""
    frame = sky.contents.frames["r"]
    rows = np.linspace(0, 1488, len(frame.sky)).round().astype(int)
    counts = frame.data[rows] / frame.nanomaggies_per_count + frame.sky[:, :1]
    near = counts < 2000
    np.testing.assert_allclose(counts[near], np.round(counts[near]), atol=0.02)


def test_stars_are_where_and_as_bright_as_the_truth_says(sky):
    coords = sky.coords
    stamps = cut_field(sky.contents, coords.ra.deg, coords.dec.deg)
    photometry = measure(stamps)
    clean = (photometry.flags == 0) & (stamps.flags == 0)
    truth = np.stack([sky.truth[b].value for b in BANDS], axis=1) + sky.conditions.zero_point
    bright = clean[:, None] & (truth < 19)
    assert bright[:, 1:].sum(0).min() > 10
    offset = np.where(bright, photometry.magnitude - truth, np.nan)
    assert np.nanmax(np.abs(np.nanmedian(offset[:, 1:], axis=0))) < 0.03


def test_gaia_s_rows_match_at_the_epoch_of_the_frames(sky):
    targets = sky.images.locate(parse_targets(sky.coords))
    candidates = sky.astrometry.candidates(targets.ra, targets.dec, radius=3 * u.arcsec)
    found = match(targets, candidates, sky.contents.frames["r"].epoch, radius=0.3 * u.arcsec)
    in_gaia = np.isin(sky.truth["source_id"], sky.gaia["source_id"])
    assert in_gaia.sum() > 30
    assert np.array_equal(found.source_id[in_gaia], sky.truth["source_id"][in_gaia])
    assert (found.flags[~in_gaia] & flags.NO_ASTROMETRY > 0).all()
    assert (sky.gaia["ref_epoch"] == 2016 * u.yr).all()


def test_locate_keeps_what_is_known_and_flags_what_is_elsewhere(sky):
    corner = sky.contents.frames["u"].wcs.wcs_pix2world([[-3.0, 5.0], [2047.0, 1488.0]], 0)
    ra, dec = [sky.coords.ra.deg[0], 10.0, *corner[:, 0], np.nan], [sky.coords.dec.deg[0], 80.0, *corner[:, 1], 0.0]
    targets = parse_targets(SkyCoord(ra, dec, unit="deg"))
    before = targets.run.copy()
    found = sky.images.locate(targets)
    assert ((found.flags & flags.NO_IMAGE) > 0).tolist() == [False, True, True, False, False]
    assert found.flags[4] == flags.BAD_COORDINATE
    assert (found.run[0], found.camcol[0], found.field[0]) == (sky.contents.key[0], *sky.contents.key[2:])
    assert np.array_equal(targets.run, before)  # the input is not changed
    place = {"ra": [10.0] * u.deg, "dec": [80.0] * u.deg}
    known = sky.images.locate(parse_targets(QTable({**place, "run": [7], "camcol": [1], "field": [9]})))
    assert (known.run[0], known.flags[0]) == (7, 0)
    (unknown,) = sky.images.fields([FieldKey(7, 301, 1, 9)])
    assert set(unknown.missing) == set(BANDS)


def test_a_target_that_moves_is_looked_for_where_it_was(sky):
    frame = sky.contents.frames["u"]
    ra, dec = frame.wcs.wcs_pix2world(1000.0, 1480.0, 0)
    up = frame.wcs.wcs_pix2world(1000.0, 1481.0, 0)
    toward = np.array([(up[0] - ra) * np.cos(np.radians(dec)), up[1] - dec]) / 0.396 * 3600
    # 5" a year along the columns since 2010 or so: past the frame's edge at 2016, well within it at its own epoch.
    speed, years = 5000 * toward, 2016 - frame.epoch
    now = SkyCoord(
        (ra + speed[0] * years / 3.6e6 / np.cos(np.radians(dec))) * u.deg, (dec + speed[1] * years / 3.6e6) * u.deg,
        pm_ra_cosdec=speed[0] * u.mas / u.yr, pm_dec=speed[1] * u.mas / u.yr, obstime=Time(2016.0, format="jyear"),
    )  # fmt: skip
    targets = sky.images.locate(parse_targets(now))
    assert targets.flags[0] == 0
    still = SkyCoord(now.ra, now.dec)
    assert sky.images.locate(parse_targets(still)).flags[0] == flags.NO_IMAGE


def test_written_and_read_back_it_is_the_same(partial):
    sky, folder, paths = partial
    assert sorted(p.suffixes[-2:] for p in paths) == [[".fits", ".bz2"]] * 2
    images = LocalSAS(folder)
    assert images.keys() == [sky.contents.key]
    (read,) = images.fields([sky.contents.key])
    assert set(read.frames) == {"r", "i"} and set(read.missing) == {"u", "g", "z"}
    assert read.errors == {}
    for band, frame in sky.contents.frames.items():
        got = read.frames[band]
        assert np.array_equal(got.data, frame.data)
        assert np.array_equal(got.nanomaggies_per_count, frame.nanomaggies_per_count)
        np.testing.assert_allclose(np.asarray(got.sky).mean(), frame.sky.mean(), rtol=1e-5)
        assert abs(got.epoch - frame.epoch) < 0.5 / 365.25
        pixels = np.array([[0.0, 0.0], [2047.0, 1488.0], [300.0, 900.0]])
        np.testing.assert_allclose(got.wcs.wcs_pix2world(pixels, 0), frame.wcs.wcs_pix2world(pixels, 0), atol=1e-9)
    located = [s.locate(parse_targets(sky.coords)) for s in (images, sky.images)]
    for name in ("run", "rerun", "camcol", "field", "flags"):
        assert np.array_equal(getattr(located[0], name), getattr(located[1], name))


def test_gaia_s_table_reads_back_row_by_row(partial):
    sky, folder, _ = partial
    ra, dec = sky.coords.ra.deg, sky.coords.dec.deg
    tables = [
        s.candidates(ra, dec, radius=3 * u.arcsec) for s in (LocalAstrometry(folder / "gaia.ecsv"), sky.astrometry)
    ]
    assert len(tables[0]) >= 5
    for name in tables[0].colnames:
        one, other = (np.ma.filled(np.ma.asarray(t[name]).astype(float), np.nan) for t in tables)
        assert np.array_equal(one, other, equal_nan=True)
    assert np.array_equal(tables[0]["source_id"], tables[1]["source_id"])
    truth = QTable.read(folder / "truth.ecsv")
    assert truth["radius"].unit == u.solRad and len(truth) == 10
    positions = Table.read(folder / "positions.csv")
    assert positions.colnames == ["ra", "dec"]
    assert np.array_equal(positions["ra"], truth["ra"].value) and np.array_equal(positions["dec"], truth["dec"].value)


def test_uncompressed_frames_and_a_field_of_nothing(tmp_path):
    empty = simulate.field(seed=1, n_stars=0, bands=("r",))
    assert len(empty.truth) == len(empty.gaia) == len(empty.coords) == 0
    (path,) = empty.write(tmp_path, compress=False)
    assert path.suffix == ".fits"
    (read,) = LocalSAS(tmp_path).fields([empty.contents.key])
    assert np.array_equal(read.frames["r"].data, empty.contents.frames["r"].data)


def test_one_night_for_the_whole_field():
    night = simulate.draw_conditions(1, seed=5)
    sky = simulate.field(seed=6, n_stars=2, conditions=night, bands="r")
    assert sky.contents.key.camcol == night.camcol[0]
    assert np.mean(sky.contents.frames["r"].sky) == pytest.approx(night.sky[0, 2], rel=0.02)


@pytest.mark.parametrize("options, error", [
    ({"r_range": (14, 20)}, TypeError),
    ({"r_range": [14, 20] * u.deg}, u.UnitsError),
    ({"bands": ()}, InputError),
    ({"bands": ("r", "y")}, InputError),
    ({"conditions": simulate.draw_conditions(2, seed=1)}, InputError),
])  # fmt: skip
def test_what_makes_no_field_is_refused(options, error):
    with pytest.raises(error):
        simulate.field(seed=1, n_stars=1, **options)
