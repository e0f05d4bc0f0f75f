# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Fitting a finished network's label map: the map learns, and nothing else moves."""

import numpy as np
import pytest
import torch

from stellarclass.nets.compact import CompactNet
from stellarclass.training.label_head import fit_label_head

N, FEATURES, SIZE = 1500, 12, 8


@pytest.fixture(scope="module")
def data():
    """Stars whose SDSS class changes from A to F where g-i is 0.4, as the colors that they were measured with say."""
    rng = np.random.default_rng(0)
    features = rng.normal(0, 0.3, (N, FEATURES)).astype(np.float32)
    g_i = features[:, 2] - features[:, 4]
    return {
        "features": features,
        "residual": rng.normal(size=(N, 5, SIZE, SIZE)).astype(np.float16),
        "bp_rp_base": 0.5 + 0.1 * g_i,
        "radius_base": 0 * g_i,
        "target_sdss": np.eye(5, dtype=np.float32)[(g_i > 0.4).astype(int)],
    }


def _fitted(data, **options):
    torch.manual_seed(0)
    network = CompactNet(features=FEATURES, size=SIZE, width=16, channels=4)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    return network, before, fit_label_head(network, data, **options)


def test_it_learns_where_the_classes_meet_and_leaves_the_rest_alone(data):
    network, before, loss = _fitted(data, epochs=120)
    assert loss < 0.15 < np.log(5)
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name]) != name.startswith("sdss_map"), name
    assert not network.training
    inputs = {k: torch.from_numpy(v).float() for k, v in data.items() if not k.startswith("target")}
    with torch.no_grad():
        found = network(inputs)["logits_sdss"].argmax(1).numpy()
    assert (found == data["target_sdss"].argmax(1)).mean() > 0.95


def test_a_seed_is_a_fit(data):
    one, again, other = (_fitted(data, epochs=2, seed=s)[0].sdss_map.layer1.weight for s in (1, 1, 2))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_fewer_stars_than_a_batch_are_one_batch(data):
    few = {name: value[:50] for name, value in data.items()}
    assert np.isfinite(_fitted(few, epochs=2)[2])
