# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Regions of interest against a plain loop, and the resize against torch."""

import bz2

import numpy as np
import pytest
import torch
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

from stellarclass.stamps.roi import ALPHA, BETA, ROI_RULES, resize, resize_weights, roi_boxes


def by_loop(image, rule):
    """The rules as one would tell them: grow pixel ring by pixel ring until background takes over."""
    low, high, last = (29, 35, 64) if rule == "ring" else (26, 38, 62)
    box = [low, high, low, high]
    seen = np.zeros((64, 64), bool)
    threshold = 0.05 if rule == "ring" else 0.11
    step = 0
    while True:
        ring = np.zeros((64, 64), bool)
        ring[box[0] : box[1], box[2] : box[3]] = True
        ring &= ~seen
        seen |= ring
        if not (image[ring] > threshold).sum() >= 0.8 * ring.sum() or box[1] - box[0] == last:
            return box
        threshold = 0.05
        if rule == "ring":
            box = [box[0] - 1, box[1] + 1, box[2] - 1, box[3] + 1]
        elif step % 2 == 0:
            box = [box[0] - 1, box[1], box[2] - 1, box[3]]
        else:
            box = [box[0], box[1] + 1, box[2], box[3] + 1]
        step += 1


def stars(seed, n):
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:64, :64][:, None] - 31.5 - rng.uniform(-0.5, 0.5, (2, n, 1, 1))
    flux, width = 10 ** rng.uniform(-1.5, 4, (n, 1, 1)), rng.uniform(1, 4, (n, 1, 1))
    return (flux * np.exp(-(x**2 + y**2) / (2 * width**2)) + rng.normal(0, 0.03, (n, 64, 64))).astype(np.float32)


@pytest.mark.parametrize("rule", ROI_RULES)
def test_boxes_equal_those_of_a_plain_loop(rule):
    image = stars(0, 300)
    boxes = roi_boxes(image, rule=rule)
    assert len(np.unique(boxes[:, 1] - boxes[:, 0])) > 5
    np.testing.assert_array_equal(boxes, [by_loop(i, rule) for i in image])


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), share=st.floats(0, 1), rule=st.sampled_from(ROI_RULES))
def test_boxes_equal_those_of_a_plain_loop_on_noise(seed, share, rule):
    image = np.where(np.random.default_rng(seed).random((3, 64, 64)) < share, 0.2, 0.0)
    np.testing.assert_array_equal(roi_boxes(image, rule=rule), [by_loop(i, rule) for i in image])


@pytest.mark.parametrize(("rule", "smallest", "largest"), [("ring", 6, 64), ("published", 12, 62)])
def test_a_faint_star_has_the_smallest_box_and_a_bright_one_the_largest(rule, smallest, largest):
    image = np.stack([np.zeros((64, 64)), np.full((64, 64), 9.0), np.full((64, 64), np.nan)])
    np.testing.assert_array_equal(
        np.diff(roi_boxes(image, rule=rule))[:, [0, 2]].T, [[smallest, largest, smallest]] * 2
    )


def test_growth_goes_on_at_exactly_beta():
    image = np.full((2, 64, 64), 1.0)
    image[:, 28:36, 28:36] = 0.0  # the second ring, 28 pixels, and the first box ...
    image[:, 29:35, 29:35] = 1.0  # ... which is all star
    ring = np.zeros((64, 64), bool)
    ring[28:36, 28:36] = True
    ring[29:35, 29:35] = False
    y, x = np.nonzero(ring)
    image[0, y[: 28 - int(BETA * 28)], x[: 28 - int(BETA * 28)]] = 1.0  # 5 of 28 invalid: 18 %
    image[1, y[: 28 - 6], x[: 28 - 6]] = 1.0  # 6 of 28 invalid: 21 %
    assert (roi_boxes(image)[:, 1] - roi_boxes(image)[:, 0]).tolist() == [64, 8]


def test_intensity_of_exactly_alpha_is_invalid():
    assert roi_boxes(np.full((1, 64, 64), ALPHA))[0, 0] == 29
    assert roi_boxes(np.full((1, 64, 64), np.nextafter(ALPHA, 1)))[0, 0] == 0


def test_published_rule_alternates_corners_and_starts_with_a_higher_threshold():
    image = np.zeros((3, 64, 64))
    image[:2, 26:38, 26:38] = [[[0.10]], [[0.12]]]
    image[2, 25:38, 25:38] = 0.12
    assert roi_boxes(image, rule="published").tolist() == [[26, 38, 26, 38], [25, 38, 25, 38], [25, 39, 25, 39]]


@pytest.mark.parametrize("rule", ROI_RULES)
def test_boxes_do_not_depend_on_the_batch(rule):
    image = stars(1, 300)
    together = roi_boxes(image, rule=rule)
    np.testing.assert_array_equal(together[::-1], roi_boxes(image[::-1], rule=rule))
    np.testing.assert_array_equal(together[123:124], roi_boxes(image[123:124], rule=rule))
    assert roi_boxes(image[:0], rule=rule).shape == (0, 4)


def test_real_stars_have_the_sizes_that_the_paper_reports(real_data):
    """Most regions have sides of 10 to 20 pixels (Fig. A2), for stars as bright as the paper's."""
    path = real_data / "sas/dr17/eboss/photoObj/frames/301/4510/4/frame-r-004510-4-0030.fits.bz2"
    data = fits.HDUList.fromstring(bz2.decompress(path.read_bytes()))[0].data
    inner = data[40:-40, 40:-40]
    image = []
    for y, x in zip(*np.unravel_index(np.argsort(-inner, axis=None)[:3000], inner.shape), strict=True):
        stamp = data[y + 40 - 32 : y + 40 + 32, x + 40 - 32 : x + 40 + 32]
        if stamp[32, 32] == stamp.max() and 3 < stamp.max() < 60:  # brightest of its surroundings, r about 15 to 18
            image.append(stamp)
    for rule in ROI_RULES:
        side = np.diff(roi_boxes(np.array(image), rule=rule))[:, 0]
        assert len(side) >= 8
        assert np.mean((side >= 10) & (side <= 20)) > 0.7


@pytest.mark.parametrize("bad", [np.zeros((64, 64)), np.zeros((2, 32, 32))])
def test_other_stamps_and_rules_are_refused(bad):
    with pytest.raises(ValueError, match="expected"):
        roi_boxes(bad)
    with pytest.raises(ValueError, match="'ring', 'published'"):
        roi_boxes(np.zeros((1, 64, 64)), rule="literal")


@pytest.mark.parametrize(("old", "new"), [(6, 64), (13, 64), (25, 64), (62, 64), (10, 33), (12, 224), (16, 16), (1, 8)])
def test_enlarging_equals_torch(old, new):
    images = np.random.default_rng(old).normal(size=(3, 2, old, old))
    theirs = torch.nn.functional.interpolate(torch.from_numpy(images), (new, new), mode="bilinear", align_corners=False)
    np.testing.assert_allclose(resize(images, new), theirs.numpy(), rtol=0, atol=5e-7)  # our weights are float32


@pytest.mark.parametrize(("old", "new"), [(64, 8), (64, 16), (64, 32), (48, 16)])
def test_shrinking_by_a_whole_factor_equals_torch(old, new):
    images = np.random.default_rng(old).normal(size=(3, 2, old, old))
    theirs = torch.nn.functional.interpolate(torch.from_numpy(images), (new, new), mode="area")
    np.testing.assert_allclose(resize(images, new), theirs.numpy(), rtol=0, atol=5e-7)


@given(old=st.integers(1, 64), new=st.integers(1, 64))
def test_weights_are_averages(old, new):
    weights = resize_weights(old, new)
    assert weights.shape == (new, old) and weights.min() >= 0
    np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_array_equal(weights, weights[::-1, ::-1])
    if new < old:  # area weights share every old pixel out completely
        np.testing.assert_allclose(weights.sum(axis=0) * old / new, 1, rtol=1e-5)


def test_counts_are_rounded_to_the_nearest():
    images = np.random.default_rng(0).integers(0, 256, (300, 3, 14, 14), dtype=np.uint8)
    out = resize(images, 64)
    assert out.dtype == np.uint8
    np.testing.assert_array_equal(out, np.rint(resize(images.astype(float), 64)))
    np.testing.assert_array_equal(out[[7]], resize(images[[7]], 64))
    with pytest.raises(ValueError, match="square"):
        resize(images[:, :, :10], 64)
