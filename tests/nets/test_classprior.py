# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""A mix of classes as a user writes it: on any scale, complete, and each mistake named."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stellarclass.exceptions import InputError
from stellarclass.nets.classprior import class_shares, format_shares

CLASSES = ("F", "G", "K")


@given(st.lists(st.floats(1e-6, 1e6), min_size=3, max_size=3), st.floats(1e-3, 1e300), st.permutations(CLASSES))
def test_scale_and_order_do_not_matter(numbers, scale, order):
    prior = dict(zip(CLASSES, numbers, strict=True))
    shares = class_shares(prior, CLASSES)
    assert shares.sum() == pytest.approx(1)
    np.testing.assert_allclose(shares, np.array(numbers) / np.sum(numbers), rtol=1e-12)
    np.testing.assert_allclose(class_shares({k: prior[k] * scale for k in order}, CLASSES), shares, rtol=1e-9)


def test_even_is_the_same_for_each():
    np.testing.assert_array_equal(class_shares("even", CLASSES), [1 / 3] * 3)


def test_counts_and_numpy_numbers_are_numbers():
    np.testing.assert_allclose(class_shares({"F": 1, "G": np.float32(2), "K": np.int64(1)}, CLASSES), [0.25, 0.5, 0.25])
    assert np.isfinite(class_shares(dict.fromkeys(CLASSES, 1e308), CLASSES)).all()


@pytest.mark.parametrize(
    ("prior", "message"),
    [
        ({"F": 1, "G": 1}, "lacks K;.*above 0 for each class"),
        ({"G": 1}, "lacks F, K;"),
        ({}, "lacks F, G, K"),
        ({"F": 1, "G": 1, "K": 1, "m": 2}, "has m; the ensemble's classes are F, G, K"),
        ({"F": 1, "G": 0, "K": 1}, r"class_prior\['G'\] = 0 is not a positive"),
        ({"F": 1, "G": -0.1, "K": 1}, r"class_prior\['G'\] = -0.1"),
        ({"F": float("nan"), "G": 1, "K": 1}, r"class_prior\['F'\] = nan"),
        ({"F": 1, "G": 1, "K": float("inf")}, r"class_prior\['K'\] = inf"),
        ({"F": 1, "G": "2", "K": 1}, r"class_prior\['G'\] = '2'"),
        ({"F": 1, "G": True, "K": 1}, r"class_prior\['G'\] = True"),
        ({"F": 1, "G": None, "K": 1}, r"class_prior\['G'\] = None"),
        ({"F": 1, "G": 10**400, "K": 1}, r"class_prior\['G'\]"),
        ({"F": 1e-300, "G": 1e300, "K": 1}, "orders of magnitude"),
        ("flat", "'flat': 'even' or a number for each of F, G, K"),
    ],
)
def test_a_mistake_is_named(prior, message):
    with pytest.raises(InputError, match=message):
        class_shares(prior, CLASSES)


@pytest.mark.parametrize("prior", [[0.3, 0.3, 0.4], 1.0, np.ones(3)])
def test_numbers_without_names_are_refused(prior):
    with pytest.raises(TypeError, match="must be a dict of class to number or 'even'"):
        class_shares(prior, CLASSES)


def test_written_out_it_reads_back():
    shares = class_shares({"F": 1, "G": 2, "K": 4}, CLASSES)
    text = format_shares(shares, CLASSES)
    back = {k: float(v) for k, v in (part.split("=") for part in text.split(","))}
    np.testing.assert_allclose(class_shares(back, CLASSES), shares, rtol=1e-5)
