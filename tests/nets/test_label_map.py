# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The label map: what it reads and what not, its features in closed form, and that it resolves a pipeline's edges."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch.nn import functional as F

from stellarclass.nets.compact import CompactNet
from stellarclass.nets.label_map import LabelMap
from stellarclass.simulate.labels import color_features


def _physical(colors, *, measured=None, logvar=-8.0, bp_rp=0.8, log_teff=3.75):
    """Outputs of a network that says these colors (N, 4)."""
    colors = torch.as_tensor(np.asarray(colors, np.float32))
    n = len(colors)
    return {
        "colors_mean": colors,
        "colors_measured": colors if measured is None else torch.as_tensor(np.asarray(measured, np.float32)),
        "colors_logvar": torch.full((n, 4), logvar),
        "bp_rp_mean": torch.full((n,), bp_rp),
        "bp_rp_logvar": torch.full((n,), -6.0),
        "log_teff": torch.full((n,), log_teff),
    }


def _awake():
    torch.manual_seed(0)
    one = LabelMap(5)
    for parameter in one.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return one.eval()


def _colors(n, seed=0):
    g_i = np.random.default_rng(seed).uniform(-0.3, 2.4, n)
    return np.stack([1.0 + 0.5 * g_i, 0.7 * g_i, 0.3 * g_i, 0.15 * g_i], axis=1)


@settings(max_examples=50, deadline=None)
@given(arrays(np.float32, (3, 4), elements=st.floats(-1, 4, width=32)))
def test_it_sees_colors_as_the_simulated_sky_s_map_does(colors):
    """Two maps of one kind: `stellarclass.simulate.labels` lays out the same steps and shapes in NumPy."""
    features = LabelMap(5).features(_physical(colors)).numpy()
    expected = color_features(colors.astype(float))
    np.testing.assert_allclose(features[:, :39], expected, atol=2e-4)
    # As measured they are the same here, and the difference is none.
    np.testing.assert_allclose(features[:, 39:48], expected[:, 30:], atol=2e-4)
    np.testing.assert_allclose(features[:, 52:56], 0)


def test_it_needs_the_outputs_that_it_names_and_no_others():
    physical = _physical(_colors(3))
    assert set(physical) == set(LabelMap.inputs)
    expected = _awake()(physical)
    assert expected.shape == (3, 5)
    assert torch.equal(_awake()(physical | {"radius_mean": torch.full((3,), torch.nan)}), expected)
    for name in LabelMap.inputs:
        with pytest.raises(KeyError, match=name):
            _awake()({k: v for k, v in physical.items() if k != name})


@pytest.mark.parametrize("name", LabelMap.inputs)
def test_every_input_counts(name):
    physical = _physical(_colors(4))
    changed = physical | {name: physical[name] + 0.1}
    assert (_awake()(changed) - _awake()(physical)).abs().sum(1).min() > 1e-3


def test_a_compact_network_gives_all_that_it_reads():
    inputs = {
        "features": torch.randn(2, 12, generator=torch.Generator().manual_seed(0)),
        "residual": torch.zeros(2, 5, 8, 8),
        "bp_rp_base": torch.zeros(2),
        "radius_base": torch.zeros(2),
    }
    outputs = CompactNet(features=12, size=8)(inputs)
    assert _awake()(outputs).shape == (2, 5)


@settings(max_examples=50, deadline=None)
@given(
    colors=arrays(np.float32, (2, 4), elements=st.floats(-1e4, 1e4, width=32)),
    measured=arrays(np.float32, (2, 4), elements=st.floats(-1e4, 1e4, width=32)),
    logvar=st.floats(-10, 2),
)
def test_absurd_colors_give_finite_scores(colors, measured, logvar):
    one = _awake()
    assert torch.isfinite(one(_physical(colors, measured=measured, logvar=logvar))).all()


def test_standardized_features_are_taken_as_they_are():
    one, physical = _awake(), _physical(_colors(50))
    features = one.features(physical)
    one.center.copy_(features.mean(0))
    one.scale.copy_(features.std(0) + 1e-3)
    given_features = one((features - one.center) / one.scale, standardized=True)
    torch.testing.assert_close(one(physical), given_features)
    copy = LabelMap(5).eval()
    copy.load_state_dict(one.state_dict())  # center and scale travel, the steps are the same everywhere
    torch.testing.assert_close(copy(physical), given_features)
    assert "knots" not in one.state_dict()


def test_units_rest_in_training_only():
    one, physical = _awake(), _physical(_colors(4))
    assert torch.equal(one(physical), one(physical))
    torch.manual_seed(0)
    one.train()
    assert not torch.equal(one(physical), one(physical))
    one.dropout = 0.0
    assert torch.equal(one(physical), one.eval()(physical))


def test_it_resolves_classes_that_meet_within_hundredths_of_a_magnitude():
    """An edge in g-i at an arbitrary place, as pipelines have them: learned in seconds, right but for 0.02 mag."""
    colors = _colors(3000)
    g_i = colors[:, 1] + colors[:, 2]
    edge = 0.537
    labels = torch.from_numpy((g_i > edge).astype(int))
    torch.manual_seed(1)
    one = LabelMap(2, dropout=0.0)
    x = one.features(_physical(colors))
    center, scale = x.mean(0), x.std(0) + 1e-3
    optimizer = torch.optim.AdamW(one.parameters(), lr=1e-2)
    for _ in range(150):
        loss = F.cross_entropy(one((x - center) / scale, standardized=True), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    one.center.copy_(center)
    one.scale.copy_(scale)
    fresh = _colors(3000, seed=2)
    offset = fresh[:, 1] + fresh[:, 2] - edge
    with torch.no_grad():
        answer = one.eval()(_physical(fresh)).argmax(1).numpy()
    clear = np.abs(offset) > 0.02
    assert np.array_equal(answer[clear], (offset > 0)[clear])
