# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The six weighted sets: their shares are the formula's, and no star is on both sides of a split."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2

from stellarclass.exceptions import InputError
from stellarclass.training.sampling import (
    MEMBERS,
    draw_set,
    expected_shares,
    sampling_probabilities,
    split_stars,
)

COUNTS = {"A": 918, "F": 2918, "G": 1350, "K": 3368, "M": 626}  # Deng et al. (2024), Section 2.1
CLASSES = np.repeat(list(COUNTS), list(COUNTS.values()))


def closed_form(favored):
    """Section 3.2.1, written out: f * w over its sum, w = 1/f or its square."""
    n = sum(COUNTS.values())
    mass = {c: (k / n) * (n / k) ** (2 if c == favored else 1) for c, k in COUNTS.items()}
    return {c: m / sum(mass.values()) for c, m in mass.items()}


def test_the_members_are_the_papers():
    assert MEMBERS == ("Base", "A", "F", "G", "K", "M")


@pytest.mark.parametrize("member", MEMBERS)
def test_weights_are_the_papers_formula(member):
    expected = closed_form(member)
    assert expected_shares(COUNTS, member=member) == pytest.approx(expected)
    p = sampling_probabilities(CLASSES, member=member)
    assert p.sum() == pytest.approx(1)
    assert {c: p[CLASSES == c].sum() for c in COUNTS} == pytest.approx(expected)
    # "The favored class then gets 40 to 80 % of the draws."
    assert member == "Base" or 0.39 < expected[member] < 0.81


@pytest.mark.parametrize("leaky", [False, True])
@pytest.mark.parametrize("member", MEMBERS)
def test_shares_of_the_sets_are_the_formulas_within_sampling_noise(member, leaky):
    drawn = draw_set(CLASSES, member=member, seed=5, leaky_split=leaky)
    assert (len(drawn.train), len(drawn.validation)) == (7200, 1800)
    expected = np.array(list(closed_form(member).values()))
    for rows in (drawn.train, drawn.validation):
        found = np.array([(CLASSES[rows] == c).sum() for c in COUNTS])
        statistic = ((found - len(rows) * expected) ** 2 / (len(rows) * expected)).sum()
        assert statistic < chi2.isf(1e-4, len(COUNTS) - 1)


def test_within_a_class_every_star_is_as_likely():
    drawn = draw_set(CLASSES, member="M", seed=1).train
    times = np.bincount(drawn, minlength=len(CLASSES))
    train, _ = split_stars(CLASSES, seed=1)
    m = times[train[CLASSES[train] == "M"]]
    assert m.var() == pytest.approx(m.mean(), rel=0.3)  # Poisson


def test_the_paper_lets_stars_into_both():
    """Duplicates leak into its validation set, and most of that set is of stars that it learned from."""
    drawn = draw_set(CLASSES, member="M", seed=1, leaky_split=True)
    assert np.isin(drawn.validation, drawn.train).mean() > 0.5


@settings(max_examples=60, deadline=None)
@given(
    counts=st.lists(st.integers(1, 12), min_size=2, max_size=5),
    member=st.sampled_from(MEMBERS),
    seed=st.integers(0, 2**32 - 1),
    validation=st.floats(0.05, 0.8),
    copies=st.integers(1, 3),
)
def test_no_star_is_in_both(counts, member, seed, validation, copies):
    classes = np.repeat(list("AFGKM")[: len(counts)], counts)
    classes, stars = np.tile(classes, copies), np.tile(np.arange(len(classes)), copies)
    train, held_back = split_stars(classes, seed=seed, validation=validation, stars=stars)
    assert not set(stars[train]) & set(stars[held_back])
    assert sorted([*train, *held_back]) == list(range(len(classes)))
    assert set(classes[train]) == set(classes)  # nothing is learned only by being asked
    if not len(held_back):
        return
    drawn = draw_set(classes, member=member, seed=seed, draws=60, validation=0.25, stars=stars)
    assert not set(stars[drawn.train]) & set(stars[drawn.validation])


def test_members_of_a_seed_share_the_split_not_the_draws():
    drawn = [draw_set(CLASSES, member=m, seed=3) for m in MEMBERS]
    _, held_back = split_stars(CLASSES, seed=3)
    for d in drawn:
        assert set(d.validation) <= set(held_back)
        assert not set(d.train) & set(held_back)
    assert not np.array_equal(drawn[0].train, drawn[1].train)


def test_a_seed_is_a_set():
    one, same, other = (draw_set(CLASSES, member="g", seed=s) for s in (1, 1, 2))
    assert np.array_equal(one.train, same.train) and np.array_equal(one.validation, same.validation)
    assert not np.array_equal(one.train, other.train)


def test_which_draws_are_of_a_star_drawn_before():
    drawn = draw_set(CLASSES, member="M", seed=1)
    times = np.bincount(drawn.train)
    assert np.array_equal(drawn.repeated, times[drawn.train] > 1)
    assert drawn.repeated.any() and not drawn.repeated.all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"member": "B"}, "Base, A, F, G, K, M"),
        ({"draws": 2}, "2 draws"),
        ({"validation": 1.5}, "validation"),
    ],
)
def test_what_cannot_be_drawn_is_refused(change, message):
    with pytest.raises(InputError, match=message):
        draw_set(CLASSES, **({"seed": 1} | change))
    with pytest.raises(InputError, match="too few"):
        draw_set(["A", "F"], seed=1)
