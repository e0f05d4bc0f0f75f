# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Small ensembles for the tests of networks."""

import numpy as np
import pytest
import torch

from stellarclass.nets.card import Card, Member
from stellarclass.nets.combination import PAPER_WEIGHTS
from stellarclass.nets.ensemble import Ensemble
from stellarclass.nets.mmscnet import MMSCNet

SMALL = {"width": 1 / 16, "image_size": 16, "pool": 1}


def _wake(network, inputs):
    """Give an untrained network answers that depend on its inputs: fresh weights let them fade, layer by layer."""
    for module in network.modules():
        if isinstance(module, torch.nn.Linear):
            torch.nn.init.kaiming_normal_(module.weight)
        elif isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None  # the plain mean of what follows
    with torch.no_grad():
        network.train()(inputs)
    return network.eval()


class Fixed(torch.nn.Module):
    """Answers what it is told in the inputs: row n gets the n-th answer of member ``index``."""

    def __init__(self, index):
        super().__init__()
        self.index = index

    def forward(self, inputs):
        answer = {
            "logits_sdss": inputs["logits"][:, self.index],
            "logits_other": inputs["logits"][:, self.index].flip(1),
            "radius_mean": inputs["mean"][:, self.index],
            "radius_variance": inputs["variance"][:, self.index],
        }
        if "intruder" in inputs:
            answer["intruder"] = inputs["intruder"][:, self.index]
        return answer


@pytest.fixture
def wake():
    """The function that gives an untrained network answers that depend on its inputs."""
    return _wake


@pytest.fixture
def values():
    """Fields of a valid card for six small networks of the paper's kind."""
    return {
        "format_version": 1,
        "name": "test",
        "version": "1",
        "description": "For tests.",
        "architecture": "mmscnet",
        "architecture_kwargs": dict(SMALL),
        "recipe": {"name": "mescr", "size": 16},
        "classes": ["A", "F", "G", "K", "M"],
        "label_systems": {"sdss": {"description": "SDSS subclasses", "calibration": {}}},
        "default_label_system": "sdss",
        "members": [{"name": name} for name in PAPER_WEIGHTS],
        "combination": {"rule": "mescr"},
    }


@pytest.fixture
def make_fixed():
    """Factory of ensembles whose members answer what the inputs say."""

    def make(members=2, classes="AFGKM", **change):
        names = list(PAPER_WEIGHTS) if members == 6 else [f"m{i}" for i in range(members)]
        card = {
            "name": "fixed",
            "version": "1",
            "description": "",
            "architecture": "fixed",
            "architecture_kwargs": {},
            "recipe": {"name": "mescr"},
            "classes": tuple(classes),
            "label_systems": {"sdss": {}, "other": {}},
            "default_label_system": "sdss",
            "members": tuple(Member(n) for n in names),
        }
        return Ensemble([Fixed(i) for i in range(members)], Card(**card | change), device="cpu")

    return make


@pytest.fixture
def inputs():
    """Inputs of 20 stars for `ensemble`."""
    rng = np.random.default_rng(0)
    return {
        "image_a": rng.integers(0, 256, (20, 3, 16, 16), dtype=np.uint8),
        "image_b": rng.integers(0, 256, (20, 3, 16, 16), dtype=np.uint8),
        "numeric": rng.normal(size=(20, 2)).astype(np.float32),
    }


@pytest.fixture
def ensemble(values, inputs):
    """Six small networks with random weights, whose answers differ from star to star."""
    torch.manual_seed(0)
    tensors = {name: torch.from_numpy(value) for name, value in inputs.items()}
    members = [_wake(MMSCNet(**SMALL), tensors) for _ in values["members"]]
    return Ensemble(members, Card.from_dict(values), device="cpu")
