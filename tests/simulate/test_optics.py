# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Rendered pixels: noise, counts, fluxes and places as a CCD would have them."""

from dataclasses import fields, replace

import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.table import MaskedColumn, QTable, Table
from astropy.utils.masked import Masked
from hypothesis import given, settings
from hypothesis import strategies as st

from stellarclass import flags
from stellarclass.exceptions import InputError
from stellarclass.simulate import draw_conditions, render_stars
from stellarclass.simulate.optics import add_noise, flux_from_magnitude
from stellarclass.stamps.base import MASK_MISSING, MASK_SATURATED, Stamps
from stellarclass.stamps.cutouts import sky_sigma
from stellarclass.stamps.detector import dark_variance, gain
from stellarclass.stamps.photometry import asinh_magnitude, measure
from stellarclass.stamps.psf import TOTAL_RADIUS, encircled, fwhm


def _table(n, magnitude):
    return Table({band: np.full(n, magnitude) for band in "ugriz"})


def _same(one, other):
    return all(np.array_equal(getattr(one, f.name), getattr(other, f.name), equal_nan=True) for f in fields(Stamps))


@pytest.fixture(scope="module")
def night():
    return draw_conditions(1, seed=3)


@given(st.integers(0, 2**31), st.integers(0, 3))
@settings(max_examples=8, deadline=None)
def test_a_seed_is_a_sky(seed, n):
    one, again = (render_stars(_table(n, 18.0), seed=s) for s in (seed, np.random.default_rng(seed)))
    assert len(one) == n
    assert _same(one, again)


def test_without_a_seed_no_two_skies_are_alike():
    assert not _same(render_stars(_table(1, 18.0)), render_stars(_table(1, 18.0)))


def test_conditions_are_of_sdss():
    drawn = draw_conditions(3000, seed=1)
    assert len(drawn) == 3000 and len(drawn[:7]) == 7
    assert np.median(0.396 * fwhm(drawn.psf[:, 2])) == pytest.approx(1.32, abs=0.02)
    assert set(drawn.camcol) == {1, 2, 3, 4, 5, 6}
    for row in (0, 1, 2):
        assert np.array_equal(drawn.gain[row], gain(3000, drawn.camcol[row]))
        assert np.array_equal(drawn[row].dark, dark_variance(3000, drawn.camcol[row]))


def test_real_nights_are_among_those_drawn(real_data):
    """Blank-sky noise of real frames, all within what 99 % of the simulated nights have."""
    drawn = draw_conditions(5000, seed=1).sky_sigma
    folder = real_data / "sas/dr17/eboss/photoObj/frames/301/4510/4"
    for k, band in ((0, "u"), (2, "r")):
        with fits.open(folder / f"frame-{band}-004510-4-0030.fits.bz2") as hdus:
            real = sky_sigma(hdus[0].data)
        assert np.quantile(drawn[:, k], 0.005) < real < np.quantile(drawn[:, k], 0.995)


def test_blank_sky_scatters_as_sky_and_read_noise_say(night):
    no_light = Table(dict(zip("ugriz", np.tile(asinh_magnitude(np.zeros(5)), (40, 1)).T, strict=True)))
    night = replace(night, noise=np.ones((1, 5, 2)))
    stamps = render_stars(no_light, seed=1, conditions=night, neighbor_density=0.0)
    scatter = np.sqrt(np.mean(np.var(stamps.images.astype(float), axis=(2, 3)), axis=0))
    # Rounding to whole counts adds 1/12 to the variance.
    expected = np.sqrt(night.sky[0] / night.gain[0] + night.dark[0] + 1 / 12) * night.per_count[0]
    np.testing.assert_allclose(scatter, expected, rtol=0.01)
    assert (stamps.sky_sigma == stamps.sky_sigma[0]).all()  # measured once, for all stars of a frame
    # The pedestal is a few hundredths of it.
    assert np.abs(stamps.images.mean((2, 3)) / stamps.sky_sigma).max() < 0.2


@pytest.mark.parametrize("counts", [50.0, 3000.0])
def test_photons_arrive_at_random(counts):
    rng = np.random.default_rng(1)
    drawn = add_noise(rng, np.full((400, 400), counts * 0.005, np.float32), 100.0, 0.005, 4.7, 1.3) - 100
    assert drawn.mean() == pytest.approx(counts, abs=5 * drawn.std() / 400)
    assert np.var(drawn, dtype=float) == pytest.approx((counts + 100) / 4.7 + 1.3 + 1 / 12, rel=0.02)


def test_the_chip_counts_in_whole_numbers(night):
    stamps = render_stars(_table(3, 17.0), seed=2, conditions=night)
    counts = (stamps.images / night.per_count[:, :, None, None]).reshape(15, -1)
    # The sky is not a whole number, but one number for each stamp.
    steps = counts - np.median(counts, axis=1, keepdims=True)
    near = np.abs(counts) < 5000  # beyond, single precision of the flux is no longer a thousandth of a count
    np.testing.assert_allclose(steps[near], np.round(steps[near]), atol=0.01)
    level = counts[:, 0] + np.tile(night.sky[0], 3)
    assert np.abs(level - np.round(level)).max() > 0.05


def test_all_light_is_there_and_at_its_place():
    stamps = render_stars(_table(60, 16.0), seed=4, neighbor_density=0.0)
    steps = np.arange(64) - 31.5
    dx, dy = steps - stamps.offsets[..., 0, None], steps - stamps.offsets[..., 1, None]
    assert np.abs(stamps.offsets).max() <= 0.5
    radius = np.hypot(dx[:, :, None, :], dy[:, :, :, None])
    flux = flux_from_magnitude(np.full(5, 16.0))
    for r in (5.0, 10.0, TOTAL_RADIUS):
        ratio = (stamps.images * (radius < r)).sum((2, 3)) / flux / encircled(stamps.psf, r)
        np.testing.assert_allclose(np.median(ratio, axis=0), 1, atol=0.015)
    light = stamps.images * (radius < 4)
    total = light.sum((2, 3))
    shift = [np.median((light * d).sum((2, 3)) / total) for d in (dx[:, :, None, :], dy[:, :, :, None])]
    np.testing.assert_allclose(shift, 0, atol=0.03)


def test_bright_stars_saturate_and_others_do_not():
    bright, faint = (render_stars(_table(20, m), seed=5, neighbor_density=0.0) for m in (12.0, 17.0))
    saturated = [(s.masks & MASK_SATURATED > 0).any((2, 3)) for s in (bright, faint)]
    assert saturated[0][:, 1:4].all()
    assert not saturated[1].any()
    assert (measure(bright).flags & flags.SATURATED > 0).all()


def test_crowds_blend():
    stars = _table(60, 18.5)
    empty, crowded = (render_stars(stars, seed=6, neighbor_density=d) for d in (0.0, 300.0))
    share = [(measure(s).flags & flags.BLENDED > 0).mean() for s in (empty, crowded)]
    assert share[0] < 0.05
    assert share[1] > 0.3
    one_by_one = render_stars(stars, seed=6, neighbor_density=np.zeros(60))
    assert _same(one_by_one, empty)


def test_a_missing_magnitude_is_a_missing_band(night):
    values = np.full(3, 18.0)
    plain = Table({b: values for b in "ugriz"})
    plain["u"] = [18.0, np.nan, 18.0]
    masked = Table({b: values for b in "ugriz"})
    masked["u"] = MaskedColumn([18.0, -9999.0, 18.0], mask=[False, True, False])
    quantities = QTable({b: values * u.mag for b in "ugriz"})
    quantities["u"] = Masked([18.0, -9999.0, 18.0] * u.mag, mask=[False, True, False])
    stamps = [render_stars(t, seed=7, conditions=night) for t in (plain, masked, quantities)]
    assert _same(stamps[0], stamps[1]) and _same(stamps[0], stamps[2])
    (one,) = np.argwhere((stamps[0].masks == MASK_MISSING).all((2, 3)))
    assert one.tolist() == [1, 0]
    assert (stamps[0].images[1, 0] == 0).all()
    assert np.isnan(stamps[0].psf[1, 0]).all() and np.isnan(stamps[0].sky_sigma[1, 0])
    assert np.isfinite(stamps[0].psf[0]).all()


def test_bare_numbers_are_magnitudes_and_no_stars_are_no_stamps():
    bare, mag = _table(2, 17.0), QTable({b: np.full(2, 17.0) * u.mag for b in "ugriz"})
    assert _same(render_stars(bare, seed=8), render_stars(mag, seed=8))
    assert len(render_stars(_table(0, 17.0), seed=8)) == 0
    # A dict will do, and one star may be plain numbers.
    assert _same(render_stars({b: [17.0, 17.0] for b in "ugriz"}, seed=8), render_stars(bare, seed=8))
    assert _same(render_stars(dict.fromkeys("ugriz", 17.0), seed=8), render_stars(_table(1, 17.0), seed=8))


def test_sizes_have_units_of_an_angle():
    stars = {b: [17.0, 17.0] for b in "ugriz"}
    arcsec, deg = ({**stars, "half_light_radius": size} for size in ([1.8, 3.6] * u.arcsec, [0.0005, 0.001] * u.deg))
    assert _same(render_stars(arcsec, seed=8), render_stars(deg, seed=8))
    with pytest.raises(InputError, match="column half_light_radius has unit mag"):
        render_stars({**stars, "half_light_radius": [1.8, 3.6] * u.mag}, seed=8)


@pytest.mark.parametrize("column, message", [
    (None, "i not among"),
    ([17.0, 18.0] * u.Jy, "unit Jy"),
    ([17.0, -9999.0], "i = -9999 in row 1"),
    ([17.0, 99.0], "mask it"),
    (["17.0", "faint"], "does not hold numbers"),
])  # fmt: skip
def test_what_is_no_magnitude_is_refused(column, message):
    table = QTable({b: [17.0, 18.0] for b in "ugriz"})
    if column is None:
        table.remove_column("i")
    else:
        table["i"] = column
    with pytest.raises(InputError, match=message):
        render_stars(table, seed=1)


def test_conditions_are_one_row_or_one_for_each(night):
    stars = _table(3, 17.0)
    one_frame = render_stars(stars, seed=9, conditions=replace(night, variation=np.zeros((1, 5, 9))))
    three_frames = render_stars(stars, seed=9, conditions=night[np.zeros(3, int)])
    assert len(one_frame) == len(three_frames) == 3
    # The sky is measured once for all stars of a frame, the PSF to a per cent or two.
    assert (one_frame.sky_sigma == one_frame.sky_sigma[0]).all()
    np.testing.assert_allclose(one_frame.psf, np.broadcast_to(night.psf, (3, 5, 6)), rtol=0.06)
    with pytest.raises(InputError, match="conditions of 2 stars for 3"):
        render_stars(stars, seed=9, conditions=night[np.zeros(2, int)])
