# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Saturation, bad columns and cosmic rays as SDSS's frames show them."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from stellarclass.simulate.defects import add_cosmic_rays, interpolate_columns, saturate

WELL, SKY = 50_000.0, 100.0


def _star(peak, size=61, sigma=1.3):
    axis = np.arange(size) - size // 2
    return SKY + peak * np.exp(-0.5 * (axis**2 + axis[:, None] ** 2) / sigma**2)


@given(st.floats(1.2e5, 1e7), st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_bright_stars_become_craters(peak, seed):
    counts = _star(peak)
    before = counts.copy()
    mask = saturate(np.random.default_rng(seed), counts, WELL, SKY)
    assert counts.max() <= WELL
    assert np.array_equal(counts[~mask], before[~mask])  # only what is interpolated over changes
    assert mask[before > WELL].all()
    lost = -2.5 * np.log10((counts - SKY).sum() / (before - SKY).sum())
    assert lost > 0.4
    rows, columns = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
    assert len(rows) >= len(columns)  # charge bleeds along columns


def test_more_light_bleeds_further():
    length = []
    for peak in (1e5, 4e5, 1.6e6):
        length.append(saturate(np.random.default_rng(1), _star(peak, size=301), WELL, SKY).any(1).sum())
    assert length[0] < length[1] < length[2]


def test_charge_finds_room_as_far_as_it_needs():
    """A column of the full well's fivefold fills five pixels, and the mask grows by two on each end."""
    counts = np.full((41, 41), 0.0)
    counts[20, 20] = 5 * WELL
    mask = saturate(np.random.default_rng(1), counts, WELL, 0.0)
    assert mask[:, 20].sum() == 5 + 4


def test_what_is_not_saturated_is_left_alone():
    counts = _star(40_000.0)
    before = counts.copy()
    assert not saturate(np.random.default_rng(1), counts, WELL, SKY).any()
    assert np.array_equal(counts, before)
    # Nor does a frame that is full to its edges break anything.
    full = np.full((12, 12), 2 * WELL)
    assert saturate(np.random.default_rng(1), full, WELL, SKY).all()
    assert full.max() <= WELL


def test_bad_columns_are_bridged_in_whole_counts():
    counts = np.random.default_rng(1).integers(80, 120, (50, 20)).astype(float)
    before = counts.copy()
    interpolate_columns(counts, [7])
    assert np.array_equal(counts[:, 7], np.round((before[:, 6] + before[:, 8]) / 2))
    assert np.array_equal(np.delete(counts, 7, 1), np.delete(before, 7, 1))


def test_cosmic_rays_are_few_and_sharp():
    counts = np.zeros((400, 400))
    hits = add_cosmic_rays(np.random.default_rng(2), counts, rate=20 / counts.size)
    assert 8 < hits < 35
    assert 0 < (counts > 0).sum() < 40 * hits
    assert add_cosmic_rays(np.random.default_rng(2), counts, rate=0.0) == 0
