# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The paper's schedule, and who decays."""

import math
from itertools import pairwise

import pytest
import torch

from stellarclass.nets.mmscnet import MMSCNet
from stellarclass.training.config import TrainingConfig
from stellarclass.training.configfile import read_config
from stellarclass.training.optimizers import learning_rate, make_optimizer, warmup_cosine


def test_rate_of_the_papers_schedule():
    """1e-3, three epochs of warm-up, a cosine to 1e-5 at epoch 200; the same in all steps of an epoch."""
    config = read_config("mescr").training
    rates = [learning_rate(config, epoch=e, step=28 * (e - 1) + 5, steps=28 * 200) for e in range(1, 201)]
    assert rates[0] == pytest.approx(1e-3 / 3)
    assert rates[2] == rates[3] == pytest.approx(1e-3)
    assert rates[199] == pytest.approx(1e-5)
    assert rates[3 + 98] == pytest.approx((1e-3 + 1e-5) / 2)  # half way between epochs 4 and 200
    assert rates[52] == pytest.approx(1e-5 + 0.495e-3 * (1 + math.cos(math.pi * 49 / 196)))
    assert all(a >= b for a, b in pairwise(rates[2:]))


def test_a_schedule_of_one_epoch_after_the_warm_up():
    assert warmup_cosine(2, 2, base=1e-2, final=1e-4, warmup=1) == pytest.approx(1e-2)
    assert warmup_cosine(1, 1, base=1e-2, final=1e-4, warmup=0) == pytest.approx(1e-2)


def test_weights_decay_biases_and_normalization_do_not():
    network = MMSCNet(width=1 / 32, image_size=8)
    optimizer = make_optimizer(network, read_config("mescr").training)
    assert isinstance(optimizer, torch.optim.SGD)
    assert all(g["nesterov"] and g["momentum"] == 0.937 for g in optimizer.param_groups)
    decay = {id(p): g["weight_decay"] for g in optimizer.param_groups for p in g["params"]}
    assert len(decay) == len(list(network.parameters()))
    for module in network.modules():
        for name, p in module.named_parameters(recurse=False):
            plain = isinstance(module, torch.nn.BatchNorm2d) or name == "bias"
            assert decay[id(p)] == (0.0 if plain else 1e-5), (module, name)


def test_a_step_of_nesterov_is_that_of_its_formula():
    """Sutskever et al. (2013) as torch has it: v = m v + g, p -= rate (g + m v), with the decay in g."""
    network = torch.nn.Linear(1, 1)
    torch.nn.init.constant_(network.weight, 2.0)
    torch.nn.init.constant_(network.bias, 3.0)
    config = TrainingConfig(
        optimizer="sgd", momentum=0.9, learning_rate=0.1, weight_decay=0.5, weight_decay_on="weights"
    )
    optimizer = make_optimizer(network, config)
    weight, bias, v_w, v_b = 2.0, 3.0, 0.0, 0.0
    for _ in range(2):
        optimizer.zero_grad()
        network(torch.ones(1, 1)).sum().backward()  # a gradient of 1 to each
        optimizer.step()
        g = 1 + 0.5 * weight
        v_w, v_b = 0.9 * v_w + g, 0.9 * v_b + 1
        weight, bias = weight - 0.1 * (g + 0.9 * v_w), bias - 0.1 * (1 + 0.9 * v_b)
    assert (network.weight.item(), network.bias.item()) == pytest.approx((weight, bias))


def test_the_default_ensemble_decays_everything():
    network = torch.nn.Linear(2, 2)
    optimizer = make_optimizer(network, read_config("default").training)
    assert isinstance(optimizer, torch.optim.AdamW)
    assert [g["weight_decay"] for g in optimizer.param_groups] == [1e-3]
