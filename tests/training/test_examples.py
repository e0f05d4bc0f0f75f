# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Examples of augmentation are what training does, alone and alike on both composites."""

import numpy as np
import pytest

from stellarclass.training.config import AugmentationConfig
from stellarclass.training.examples import augmented_examples


@pytest.fixture
def star():
    y, x = np.mgrid[:32, :32] - 15.5
    light = 20 + 230 * np.exp(-((x - 2) ** 2 + (y - 3) ** 2) / 20)
    return np.round(light * np.array([1, 0.5, 0.2])[:, None, None]).astype(np.uint8)


def test_each_augmentation_alone_on_both(star):
    found = augmented_examples(star, star, seed=3)
    assert tuple(found) == ("original", *AugmentationConfig().operations)
    for name, (a, b) in found.items():
        assert a.dtype == np.uint8
        np.testing.assert_array_equal(a, b)  # one angle, one box for the two of them
        assert np.array_equal(a, star) == (name == "original")
    np.testing.assert_array_equal(np.sort(found["flip"][0], axis=None), np.sort(star, axis=None))


def test_the_same_seed_gives_the_same_images(star):
    one, same, other = (augmented_examples(star, star, seed=s) for s in (1, 1, 2))
    np.testing.assert_array_equal(one["rotation"][0], same["rotation"][0])
    assert not np.array_equal(one["rotation"][0], other["rotation"][0])


def test_only_what_the_configuration_names(star):
    config = AugmentationConfig(operations=("cutout",), cutout=0.5)
    found = augmented_examples(star, star, config=config)
    assert list(found) == ["original", "cutout"]
    assert ((found["cutout"][0] == 0) | (found["cutout"][0] == star)).all()
