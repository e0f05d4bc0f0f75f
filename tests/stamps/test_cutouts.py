# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Stamps against the frame they were cut from: place, defects, noise."""

import numpy as np
import pytest
from astropy import units as u

from stellarclass import flags, simulate
from stellarclass.archives.base import BANDS, Field
from stellarclass.stamps.base import MASK_MISSING, MASK_NAN, MASK_OFF_FRAME, MASK_SATURATED
from stellarclass.stamps.cutouts import cut_field, field_psf, field_psf_trend, field_shape, sky_sigma
from stellarclass.stamps.photometry import measure


@pytest.fixture(scope="module")
def sky():
    return simulate.field(seed=11, n_stars=60, r_range=(14.8, 19.0) * u.mag)


@pytest.fixture(scope="module")
def psf(sky):
    return field_psf(sky.contents)


def _at(sky, x, y, band="r"):
    ra, dec = sky.contents.frames[band].wcs.wcs_pix2world(x, y, 0)
    return np.atleast_1d(ra), np.atleast_1d(dec)


def test_every_band_is_centered_by_its_own_wcs(sky, psf):
    coords = sky.coords
    stamps = cut_field(sky.contents, coords.ra.deg, coords.dec.deg, psf=psf)
    assert np.abs(stamps.offsets).max() <= 0.5 + 1e-4
    alone = (measure(stamps).flags & (flags.BLENDED | flags.SATURATED)) == 0
    axis = np.arange(64) - 31.5
    for k in range(5):
        dx = axis - stamps.offsets[alone, k, 0, None]
        dy = axis - stamps.offsets[alone, k, 1, None]
        r2 = dx[:, None, :] ** 2 + dy[:, :, None] ** 2
        weight = np.exp(-r2 / 4.5) * stamps.images[alone, k] * (r2 < 50)
        flux = weight.sum((1, 2))
        bright = flux > 10
        x = 2 * (weight * dx[:, None, :]).sum((1, 2))[bright] / flux[bright]
        y = 2 * (weight * dy[:, :, None]).sum((1, 2))[bright] / flux[bright]
        assert np.abs([np.median(x), np.median(y)]).max() < 0.1
        assert np.hypot(x, y).max() < 1.0


def test_pixels_are_the_frames_own(sky, psf):
    ra, dec = _at(sky, 500.3, 700.8)
    stamps = cut_field(sky.contents, ra, dec, psf=psf)
    x = round(500.3 - 31.5)
    y = round(700.8 - 31.5)
    assert np.array_equal(stamps.images[0, 2], sky.contents.frames["r"].data[y : y + 64, x : x + 64])
    np.testing.assert_allclose(stamps.offsets[0, 2], [500.3 - x - 31.5, 700.8 - y - 31.5], atol=1e-3)


def test_corner_edge_and_beyond(sky, psf):
    ra, dec = _at(sky, [1.0, 1000.0, -500.0, 1000.0], [1.0, 3.0, 700.0, 700.0])
    stamps = cut_field(sky.contents, ra, dec, psf=psf)
    off = (stamps.flags & flags.OFF_FRAME) > 0
    assert off.tolist() == [True, True, False, False]
    assert (stamps.flags[2] & flags.NO_IMAGE) > 0
    assert (stamps.masks[2] == MASK_MISSING).all()
    assert (stamps.masks[0, 2, 0, 0] & MASK_OFF_FRAME) > 0
    assert (stamps.images[stamps.masks > 0] == 0).all()


def test_positions_that_are_nan_get_empty_stamps(sky, psf):
    stamps = cut_field(sky.contents, np.array([np.nan]), np.array([0.0]), psf=psf)
    assert (stamps.masks == MASK_MISSING).all()
    assert (stamps.flags[0] & flags.NO_IMAGE) > 0
    assert len(cut_field(sky.contents, np.zeros(0), np.zeros(0), psf=psf)) == 0


def test_a_missing_band_is_mask_and_flag(sky, psf):
    frames = {b: f for b, f in sky.contents.frames.items() if b != "i"}
    coords = sky.coords[:5]
    stamps = cut_field(Field(sky.contents.key, frames, {"i": "404"}), coords.ra.deg, coords.dec.deg, psf=psf)
    assert ((stamps.flags & flags.MISSING_BAND) > 0).all()
    assert (stamps.masks[:, BANDS.index("i")] == MASK_MISSING).all()
    assert np.isnan(stamps.sky_sigma[:, BANDS.index("i")]).all()


def test_nan_pixels_are_masked(sky, psf):
    data = sky.contents.frames["g"].data.copy()
    data[700, 500] = np.nan
    frame = sky.contents.frames["g"]
    frames = dict(sky.contents.frames, g=type(frame)(**{**frame.__dict__, "data": data}))
    ra, dec = _at(sky, 500.0, 700.0, "g")
    stamps = cut_field(Field(sky.contents.key, frames), ra, dec, psf=psf)
    assert (stamps.masks[0, 1] == MASK_NAN).sum() == 1
    photometry = measure(stamps)
    assert not photometry.used[0, 1]
    assert photometry.flags[0] & flags.BAD_PIXELS


def test_saturated_stars_are_found_by_their_crater_and_by_their_peak():
    bright = simulate.field(seed=5, n_stars=12, r_range=(11.0, 12.5) * u.mag)
    coords = bright.coords
    # A frame of nothing but craters has no star to measure its PSF on.
    stamps = cut_field(bright.contents, coords.ra.deg, coords.dec.deg, psf=bright.conditions.psf[0])
    assert ((stamps.masks[:, 2] & MASK_SATURATED) > 0).any((1, 2)).all()
    # SDSS interpolates over saturated cores: carve such a crater into a star that is not saturated itself.
    conditions = simulate.draw_conditions(50, seed=6)
    sharp = int(np.argmin(conditions.psf[:, 2, 0]))
    one = simulate.field(seed=6, n_stars=40, r_range=(14.4, 17.0) * u.mag, conditions=conditions[sharp : sharp + 1])
    frame = one.contents.frames["r"]
    ra, dec = one.coords.ra.deg, one.coords.dec.deg
    x, y = frame.wcs.wcs_world2pix(ra, dec, 0)
    data = frame.data.copy()
    star = int(np.argmin(one.truth["r"]))
    yy, xx = np.mgrid[: data.shape[0], : data.shape[1]]
    data[np.hypot(xx - x[star], yy - y[star]) < 2.3] *= 0.2
    frames = dict(one.contents.frames, r=type(frame)(**{**frame.__dict__, "data": data}))
    stamps = cut_field(Field(one.contents.key, frames), ra, dec)
    saturated = ((stamps.masks[:, 2] & MASK_SATURATED) > 0).any((1, 2))
    assert saturated[star]
    assert saturated.sum() <= 2


def test_ordinary_stars_are_not_called_saturated(sky, psf):
    coords = sky.coords
    stamps = cut_field(sky.contents, coords.ra.deg, coords.dec.deg, psf=psf)
    faint = sky.truth["r"] > 16.5 * u.mag
    flagged = (measure(stamps).flags & flags.SATURATED) > 0
    assert flagged[faint].mean() < 0.05


def test_sky_sigma_is_blank_sky_even_in_a_crowd():
    rng = np.random.default_rng(0)
    data = rng.normal(0.0, 0.02, (1489, 2048))
    assert abs(sky_sigma(data) / 0.02 - 1) < 0.03
    data[rng.random(data.shape) < 0.1] += 5
    assert abs(sky_sigma(data) / 0.02 - 1) < 0.1
    assert sky_sigma(np.full((20, 20), np.nan)) == 0


def test_a_psf_that_nobody_measured_stays_unknown(sky, psf):
    ra, dec = _at(sky, 500.0, 700.0)
    nothing = cut_field(sky.contents, ra, dec, psf=np.full((5, 6), np.nan))
    assert nothing.flags[0] & flags.UNKNOWN_PSF
    assert np.isnan(nothing.psf).all()
    # One band without: its neighbor's, as much wider as seeing is in that band.
    partly = psf.copy()
    partly[0] = np.nan
    stamps = cut_field(sky.contents, ra, dec, psf=partly)
    assert stamps.flags[0] == 0
    assert stamps.psf[0, 0, 0] > stamps.psf[0, 1, 0] == psf[1, 0]


def test_one_look_at_a_field_sees_what_several_see(sky):
    frames = {b: f for b, f in sky.contents.frames.items() if b != "u"}
    field = Field(sky.contents.key, frames)
    shape = field_shape(field)
    assert np.array_equal(shape["psf"], field_psf(field), equal_nan=True)
    assert np.array_equal(shape["trend"], field_psf_trend(field))
    assert np.isnan(shape["sigma"][0]) and shape["sigma"][2] == sky_sigma(frames["r"].data)
    ra, dec = sky.coords.ra.deg, sky.coords.dec.deg
    together, alone = cut_field(field, ra, dec, **shape), cut_field(field, ra, dec)
    for name in ("images", "masks", "psf", "sky_sigma", "flags"):
        assert np.array_equal(getattr(together, name), getattr(alone, name), equal_nan=True)


def test_a_field_without_a_frame_says_so():
    nothing = Field(next(iter(simulate.field(seed=1, n_stars=1).images.contents)), errors={"r": "boom"})
    stamps = cut_field(nothing, np.array([1.0]), np.array([1.0]))
    assert stamps.flags[0] & flags.IMAGE_FAILURE
