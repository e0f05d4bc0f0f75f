# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The paper's loss against closed forms. That of the default ensemble is held against its own in ``test_loop.py``."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import norm

from stellarclass.training.losses import LOSSES, gaussian_nll, mescr_loss


def batch_of(radius):
    return {
        "target_sdss": torch.tensor([[1.0, 0, 0], [0, 0, 1], [0, 1, 0]]),
        "target_radius": torch.tensor(radius, dtype=torch.float32),
    }


def answers():
    return {
        "logits_sdss": torch.tensor([[1.0, 0, 0], [0.0, 0, 0], [0, 2, 0]], requires_grad=True),
        "radius_mean": torch.tensor([1.0, 0.5, 3.0], requires_grad=True),
        "radius_variance": torch.tensor([0.25, 0.01, 4.0], requires_grad=True),
    }


def test_eq_2_is_the_gaussian_without_its_constant():
    rng = np.random.default_rng(1)
    mean, truth, sigma = rng.normal(1, 1, 50), rng.normal(1, 1, 50), rng.uniform(0.1, 3, 50)
    found = gaussian_nll(*(torch.from_numpy(v) for v in (mean, sigma**2, truth)))
    np.testing.assert_allclose(found, -norm.logpdf(truth, mean, sigma) - 0.5 * np.log(2 * np.pi))
    # The variance at which it is least is the squared error.
    variance = torch.tensor([0.49], requires_grad=True)
    gaussian_nll(torch.tensor([1.0]), variance, torch.tensor([1.7])).sum().backward()
    assert variance.grad.item() == pytest.approx(0, abs=1e-6)


def test_the_loss_is_cross_entropy_plus_eq_2():
    total, parts = mescr_loss(answers(), batch_of([1.5, 0.5, 1.0]))
    classes = np.mean([math.log(math.e + 2) - 1, math.log(3), math.log(math.exp(2) + 2) - 2])
    radius = np.mean([(math.log(v) + d**2 / v) / 2 for v, d in ((0.25, 0.5), (0.01, 0.0), (4.0, 2.0))])
    assert {k: float(v) for k, v in parts.items()} == pytest.approx({"classes": classes, "radius": radius}, rel=1e-6)
    assert float(total.detach()) == pytest.approx(classes + radius, rel=1e-6)


def test_a_star_without_a_radius_teaches_its_class_alone():
    outputs = answers()
    total, parts = mescr_loss(outputs, batch_of([1.6, math.nan, 1.0]))
    total.backward()
    assert (outputs["logits_sdss"].grad[1] != 0).all()
    for name in ("radius_mean", "radius_variance"):
        grad = outputs[name].grad
        assert torch.isfinite(grad).all() and grad[1] == 0 and grad[0] != 0
    radius = np.mean([(math.log(v) + d**2 / v) / 2 for v, d in ((0.25, 0.6), (4.0, 2.0))])
    assert float(parts["radius"]) == pytest.approx(radius, rel=1e-6)
    assert LOSSES["mescr"].counts(batch_of([1.6, math.nan, 1.0])) == {"classes": 3, "radius": 2}
    nobody, _ = mescr_loss(answers(), batch_of([math.nan] * 3))
    assert math.isfinite(float(nobody.detach()))
