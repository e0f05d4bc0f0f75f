# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Composites equal astropy's, pixel for pixel."""

import bz2

import numpy as np
import pytest
from astropy.io import fits
from astropy.visualization import make_lupton_rgb
from hypothesis import given, settings
from hypothesis import strategies as st

from stellarclass.archives.base import BANDS
from stellarclass.stamps.composites import BAND_COMBINATIONS, composites, lupton_rgb, parse_combination


def by_astropy(images, channels, q=8.0, stretch=0.5):
    """The same composites, one stamp at a time, by astropy."""
    out = []
    for stamp in images:
        plane = {band: stamp[i] for i, band in enumerate(BANDS)}
        planes = [plane[c] if len(c) == 1 else (plane[c[0]] + plane[c[1]]) / 2 for c in channels]
        with np.errstate(all="ignore"):  # astropy's warnings where the intensity is 0 or NaN
            out.append(np.moveaxis(make_lupton_rgb(*planes, minimum=0, stretch=stretch, Q=q), -1, 0))
    return np.array(out)


def random_stamps(seed, n, dtype=np.float32):
    """Stars of 15 to 25 mag on noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:64, :64] - 31.5
    flux = 10 ** rng.uniform(-1, 3, (n, 5, 1, 1))
    return (rng.normal(0, 0.03, (n, 5, 64, 64)) + flux * np.exp(-(x**2 + y**2) / 6) / 19).astype(dtype)


def test_the_papers_combinations():
    assert len(BAND_COMBINATIONS) == len(set(BAND_COMBINATIONS)) == 26
    for name in BAND_COMBINATIONS:
        first, second = parse_combination(name)
        assert set("".join(first + second)) == set("ugriz")


def test_first_letter_is_red_and_two_letters_average_into_green():
    assert parse_combination("gri+urz") == (("g", "r", "i"), ("u", "r", "z"))
    assert parse_combination("guz+ri") == (("g", "u", "z"), ("r", "ri", "i"))
    images = np.zeros((1, 5, 1, 1))
    images[0, BANDS.index("r")] = 0.1
    red, green, blue = lupton_rgb(images, "ri").ravel()
    assert red > green > blue == 0


@pytest.mark.parametrize(
    "name", ["", "gr", "gri+", "gri+ur z", "grr+uz", "gri+abc", "GRI+URZ", "griz+u", "g+urz", None]
)
def test_other_combinations_are_refused(name):
    if name == "gr":
        assert len(parse_combination(name)) == 1
        return
    with pytest.raises(ValueError, match="different letters of ugriz"):
        parse_combination(name)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", BAND_COMBINATIONS)
def test_equal_to_astropy_on_random_stamps(name, dtype):
    images = random_stamps(BAND_COMBINATIONS.index(name), 4, dtype)
    for ours, channels in zip(composites(images, name), parse_combination(name), strict=True):
        theirs = by_astropy(images, channels)
        assert theirs.max() > 200 and 0 in theirs
        np.testing.assert_array_equal(ours, theirs)


def test_equal_to_astropy_across_blocks_and_layouts():
    images = random_stamps(1, 150)[:, :, 20:41, 17:50]  # more than a block of stamps, not contiguous
    np.testing.assert_array_equal(lupton_rgb(images, "gri"), by_astropy(images, "gri"))


@settings(max_examples=40, deadline=None)
@given(q=st.floats(1e-3, 1e3), stretch=st.floats(1e-3, 1e3), seed=st.integers(0, 9), scale=st.floats(1e-6, 1e6))
def test_equal_to_astropy_at_any_q_and_stretch(q, stretch, seed, scale):
    images = random_stamps(seed, 1) * np.float32(scale)
    np.testing.assert_array_equal(
        lupton_rgb(images, "riz", q=q, stretch=stretch), by_astropy(images, "riz", q=q, stretch=stretch)
    )


def test_equal_to_astropy_on_real_pixels(real_data):
    frames = real_data / "sas/dr17/eboss/photoObj/frames/301/4510/4"
    images = np.zeros((40, 5, 64, 64), np.float32)
    place = None
    for band in "rgi":
        raw = bz2.decompress((frames / f"frame-{band}-004510-4-0030.fits.bz2").read_bytes())
        data = fits.HDUList.fromstring(raw)[0].data.astype(np.float32)
        if place is None:  # 40 stars of all brightnesses
            rng = np.random.default_rng(0)
            tiles = data[:1472, :2048].reshape(23, 64, 32, 64).swapaxes(1, 2).reshape(-1, 64, 64)
            place = rng.permutation(np.argsort(tiles.max(axis=(1, 2)))[-200:])[:40]
        tiles = data[:1472, :2048].reshape(23, 64, 32, 64).swapaxes(1, 2).reshape(-1, 64, 64)
        images[:, BANDS.index(band)] = tiles[place]
    assert images.max() > 1 > 0 > images.min()
    for channels in ("gri", "irg", "gr"):
        np.testing.assert_array_equal(lupton_rgb(images, channels), by_astropy(images, parse_combination(channels)[0]))


def test_pixels_without_a_value_are_black_and_spoil_no_other():
    images = random_stamps(3, 2)
    clean = lupton_rgb(images, "gri")
    images[0, BANDS.index("r"), 30, 30] = np.nan
    images[0, BANDS.index("g"), 5, 5] = np.inf
    images[1, :, 7, 7] = 0
    ours = lupton_rgb(images, "gri")
    np.testing.assert_array_equal(ours, by_astropy(images, "gri"))
    assert not ours[0, :, 30, 30].any() and not ours[0, :, 5, 5].any() and not ours[1, :, 7, 7].any()
    touched = np.zeros((2, 64, 64), bool)
    touched[[0, 0, 1], [30, 5, 7], [30, 5, 7]] = True
    np.testing.assert_array_equal(ours.swapaxes(0, 1)[:, ~touched], clean.swapaxes(0, 1)[:, ~touched])


def test_integers_where_astropy_raises():
    counts = np.arange(5 * 9).reshape(1, 5, 3, 3)
    np.testing.assert_array_equal(lupton_rgb(counts, "gri"), lupton_rgb(counts.astype(float), "gri"))


def test_input_is_left_alone_and_no_stamps_are_fine():
    images = random_stamps(4, 1)
    copy = images.copy()
    images.setflags(write=False)
    composites(images, "gri+uz")
    np.testing.assert_array_equal(images, copy)
    first, second = composites(images[:0], "gri+urz")
    assert first.shape == second.shape == (0, 3, 64, 64)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"q": 0}, "positive"),
        ({"stretch": np.nan}, "positive"),
        ({"channels": "gri+urz"}, "composites"),
        ({"images": np.zeros((5, 64, 64))}, "shape"),
        ({"images": np.zeros((2, 3, 64, 64))}, "shape"),
    ],
)
def test_bad_options_are_named(change, message):
    options = {"images": np.zeros((1, 5, 4, 4)), "channels": "gri", "q": 8.0, "stretch": 0.5} | change
    with pytest.raises(ValueError, match=message):
        lupton_rgb(options["images"], options["channels"], q=options["q"], stretch=options["stretch"])
