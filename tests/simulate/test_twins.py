# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""A field and its twin: the same sky, the same camera, other noise. A simulated field plays the real one."""

from dataclasses import replace

import numpy as np
import pytest
from astropy import units as u
from scipy import ndimage
from skytwins import SIDE, simulated, small_field

from stellarclass.archives import Field
from stellarclass.exceptions import InputError
from stellarclass.simulate.twins import twin


@pytest.fixture(scope="module")
def pair():
    real = small_field()
    return real, twin(real, seed=5)


def counts(frame):
    rows, columns = frame.sky.shape
    ny, nx = frame.data.shape
    grid = np.meshgrid(np.linspace(0, rows - 1, ny), np.linspace(0, columns - 1, nx), indexing="ij")
    return frame.data / frame.nanomaggies_per_count + ndimage.map_coordinates(frame.sky, grid, order=1)


def noise(data):
    """Of the sky: clipped, because whole counts make percentiles jump."""
    values = data.ravel()
    for _ in range(8):
        values = values[np.abs(values - np.median(values)) < 3 * values.std()]
    return values.std()


def test_a_twin_has_the_same_bands_sky_and_calibration(pair):
    real, simulation = pair
    assert simulation.contents.key == real.key
    assert set(simulation.contents.frames) == set("gr")
    assert set(simulation.contents.missing) == set("uiz")
    for band, frame in simulation.contents.frames.items():
        original = real.frames[band]
        assert frame.epoch == original.epoch
        assert frame.data.dtype == np.float32
        np.testing.assert_array_equal(frame.nanomaggies_per_count, original.nanomaggies_per_count)
        np.testing.assert_array_equal(frame.sky, original.sky)
        np.testing.assert_array_equal(frame.wcs.wcs.crval, original.wcs.wcs.crval)


def test_noise_is_as_strong_but_not_the_same(pair):
    real, simulation = pair
    for band, frame in simulation.contents.frames.items():
        data = real.frames[band].data
        assert noise(frame.data) == pytest.approx(noise(data), rel=0.03)
        blank = np.abs(data) < 3 * noise(data)
        assert abs(np.corrcoef(frame.data[blank], data[blank])[0, 1]) < 0.15


def test_pixels_are_whole_counts_kept_in_few_bits(pair):
    for frame in pair[1].contents.frames.values():
        assert not (frame.data.view(np.uint32) & 0x3FFF).any()
        value = counts(frame)
        faint = np.abs(frame.data) < 10 * noise(frame.data)
        assert np.std((value - np.round(value))[faint]) < 0.05


def test_stars_are_found_where_they_are_and_as_bright(pair):
    real, simulation = pair
    truth = simulated().truth
    x, y = real.frames["r"].wcs.wcs_world2pix(truth["ra"].value, truth["dec"].value, 0)
    inside = (x > 20) & (x < SIDE - 20) & (y > 20) & (y < SIDE - 20) & (truth["r"] < 19.5 * u.mag)
    found_x, found_y = real.frames["r"].wcs.wcs_world2pix(
        simulation.truth["ra"].value, simulation.truth["dec"].value, 0
    )
    distance = np.hypot(x[inside, None] - found_x, y[inside, None] - found_y)
    nearest = distance.argmin(1)
    assert inside.sum() > 50
    assert np.median(distance.min(1)) < 0.1
    assert np.mean(distance.min(1) < 0.5) > 0.9
    for k, band in ((1, "g"), (2, "r")):
        magnitude = 22.5 - 2.5 * np.log10(simulation.truth["flux"][nearest, k])
        off = magnitude - truth[band][inside].to_value(u.mag)
        assert abs(np.median(off)) < 0.05
        assert 1.4826 * np.median(np.abs(off - np.median(off))) < 0.05


def test_stars_of_the_twin_are_as_wide_and_as_bright_as_the_real_ones(pair):
    real, simulation = pair
    x, y = real.frames["r"].wcs.wcs_world2pix(simulation.truth["ra"].value, simulation.truth["dec"].value, 0)
    bright = simulation.truth["measured"][:, 2] > 20
    x, y = (np.round(v[bright]).astype(int) for v in (x, y))
    inner = (x > 10) & (x < SIDE - 11) & (y > 10) & (y < SIDE - 11)
    assert inner.sum() > 20
    for size in (1, 3, 7):
        light = [
            ndimage.uniform_filter(f.frames["r"].data, size)[y[inner], x[inner]] for f in (real, simulation.contents)
        ]
        assert np.median(light[1] / light[0]) == pytest.approx(1, abs=0.01)


def test_the_same_seed_gives_the_same_twin_another_seed_another_one():
    real = Field(small_field().key, {"r": small_field().frames["r"]})
    first, again, other = (twin(real, seed=seed).contents.frames["r"].data for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.mean(first != other) > 0.8


def test_each_amplifier_has_its_own_noise():
    frame = small_field().frames["r"]
    data = frame.data.copy()
    rng = np.random.default_rng(0)
    data[:, SIDE // 2 :] += rng.normal(0, noise(data), (SIDE, SIDE // 2))
    changed = Field(small_field().key, {"r": replace(frame, data=data.astype(np.float32))})
    result = twin(changed, seed=1).contents.frames["r"].data
    for half in (slice(0, SIDE // 2), slice(SIDE // 2, None)):
        assert noise(result[:, half]) == pytest.approx(noise(data[:, half]), rel=0.04)
    assert noise(result[:, SIDE // 2 :]) > 1.25 * noise(result[:, : SIDE // 2])


def test_columns_that_sdss_interpolated_are_interpolated_in_the_twin():
    frame = small_field().frames["r"]
    value = counts(frame)
    bridge = -0.27 * value[:, 398] + 0.77 * value[:, 399] + 0.77 * value[:, 401] - 0.27 * value[:, 402]
    data = frame.data.copy()
    data[:, 400] += (np.round(bridge) - value[:, 400]) * frame.nanomaggies_per_count[400]
    result = twin(Field(small_field().key, {"r": replace(frame, data=data)}), seed=1).contents.frames["r"]
    value = counts(result)
    off = value[:, 400] - (-0.27 * value[:, 398] + 0.77 * value[:, 399] + 0.77 * value[:, 401] - 0.27 * value[:, 402])
    assert np.median(np.abs(off)) < 0.6
    other = value[:, 300] - (-0.27 * value[:, 298] + 0.77 * value[:, 299] + 0.77 * value[:, 301] - 0.27 * value[:, 302])
    assert np.median(np.abs(other)) > 2


def test_the_real_field_is_left_as_it_was():
    frame = small_field().frames["r"]
    before = frame.data.copy()
    twin(Field(small_field().key, {"r": frame}), seed=3)
    np.testing.assert_array_equal(frame.data, before)


def test_a_field_without_a_frame_has_no_twin():
    with pytest.raises(InputError, match="no frame"):
        twin(Field(small_field().key), seed=1)
