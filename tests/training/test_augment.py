# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The five augmentations: they change pixels, keep labels, and treat both composites alike."""

import numpy as np
import pytest
import torch

from stellarclass.training.augment import augment, choose_operations
from stellarclass.training.config import OPERATIONS, AugmentationConfig

B, S = 40, 16


def stars(seed=0):
    """Bytes like those of composites, dark at the edge, and everything else that a batch holds."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:S, :S] - S / 2 + 0.5
    spot = 40 + 200 * np.exp(-(x**2 + (y / 1.5) ** 2) / 12)
    images = rng.poisson(spot, (2, B, 3, S, S)).clip(0, 255).astype(np.uint8)
    batch = {"image_a": images[0], "image_b": images[1], "numeric": rng.random((B, 2), np.float32)}
    batch |= {"target_sdss": np.eye(5, dtype=np.float32)[rng.integers(0, 5, B)], "target_radius": rng.random(B)}
    return {k: torch.from_numpy(v) for k, v in batch.items()}


def only(*names, probability=1.0, **more):
    return AugmentationConfig(operations=names, probability=probability, **more)


def run(batch, config, *, seed=1, repeated=None):
    repeated = torch.zeros(B, dtype=torch.bool) if repeated is None else repeated
    return augment(batch, config, repeated=repeated, generator=torch.Generator().manual_seed(seed))


def changed(batch, after):
    """Which stars look different, by composite, (2, B)."""
    pairs = [(batch[k].float(), after[k]) for k in ("image_a", "image_b")]
    return torch.stack([(a - b).abs().flatten(1).amax(1) > 0 for a, b in pairs])


@pytest.mark.parametrize("name", OPERATIONS)
def test_each_changes_pixels_and_keeps_labels(name):
    batch = stars()
    before = {k: v.clone() for k, v in batch.items()}
    after = run(batch, only(name))
    assert changed(batch, after).float().mean() > 0.9  # a box may lie outside
    assert all(torch.equal(batch[k], before[k]) for k in batch)  # in place would ruin the stars for the next epoch
    for k in ("numeric", "target_sdss", "target_radius"):
        assert after[k] is batch[k]
    for k in ("image_a", "image_b"):
        assert after[k].dtype == torch.float32 and after[k].shape == batch[k].shape
        assert after[k].min() >= 0 and after[k].max() <= 255


@pytest.mark.parametrize("name", OPERATIONS)
def test_both_composites_are_treated_alike(name):
    """Where both composites are the same picture, they stay so."""
    batch = stars()
    batch["image_b"] = batch["image_a"].clone()
    after = run(batch, only(name))
    assert torch.equal(after["image_a"], after["image_b"])


def test_a_flip_is_one_of_three():
    batch = stars()
    after = run(batch, only("flip"))["image_a"]
    image = batch["image_a"].float()
    kinds = torch.stack([(after == image.flip(axes)).flatten(1).all(1) for axes in ((3,), (2,), (2, 3))])
    assert (kinds.sum(0) == 1).all() and (kinds.sum(1) > 0).all()


def test_a_rotation_turns_about_the_center():
    """A quarter turn, which needs no interpolation, is numpy's."""
    batch = stars()
    config = only("rotation", rotation=90.0)
    generator = torch.Generator().manual_seed(1)
    draw = torch.rand

    def quarter(*size, **options):
        return torch.ones_like(draw(*size, **options))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "rand", quarter)
        after = augment(batch, AugmentationConfig(operations=("rotation",), probability=1.0, rotation=90.0),
                        repeated=torch.ones(B, dtype=torch.bool), generator=generator)  # fmt: skip
    assert config.rotation == 90
    turned = [torch.rot90(batch["image_a"].float(), k, (2, 3)) for k in (1, 3)]
    assert any(torch.allclose(after["image_a"], t, atol=0.02) for t in turned)


def test_rotation_keeps_the_light_in_the_middle():
    batch = stars()
    after = run(batch, only("rotation"))["image_b"]
    middle = (slice(None), slice(None), slice(4, 12), slice(4, 12))
    np.testing.assert_allclose(after[middle].mean((2, 3)), batch["image_b"].float()[middle].mean((2, 3)), rtol=0.08)


def test_noise_has_the_deviation_asked_for_and_does_not_darken():
    batch = stars()
    batch["image_a"][:] = 128
    noise = run(batch, only("noise", noise=6.0))["image_a"] - 128
    assert noise.std().item() == pytest.approx(6.0, rel=0.03)
    assert abs(noise.mean().item()) < 0.2


def test_cutout_is_a_black_square():
    batch = stars()
    batch["image_a"][:] = 200
    black = run(batch, only("cutout", cutout=0.25))["image_a"] == 0
    assert (black.sum((2, 3)) <= 16).all() and (black.sum((2, 3)).amax() == 16)
    assert torch.equal(black[:, 0], black[:, 2])


def test_erasing_is_a_box_of_noise():
    batch = stars()
    batch["image_a"][:] = 255  # where no noise is ever quite as bright
    erased = (run(batch, only("erasing", erasing=(0.05, 0.15)))["image_a"] < 255)[:, 0]
    area = erased.flatten(1).float().mean(1)
    assert 0.01 < area.min() and area.max() < 0.22
    for star in erased:
        rows, columns = star.any(1).nonzero()[:, 0], star.any(0).nonzero()[:, 0]
        box = star[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        assert box.all()


def test_a_star_drawn_twice_gets_at_least_one():
    repeated = torch.arange(B) % 2 == 0
    chosen = choose_operations(repeated, only(*OPERATIONS, probability=0.0), generator=torch.Generator())
    assert torch.equal(chosen.sum(1), repeated.long())
    assert (chosen[repeated].sum(0) > 0).sum() >= 4  # any of the five
    batch = stars()
    moved = changed(batch, run(batch, only("noise", probability=0.0), repeated=repeated))
    assert torch.equal(moved[0], repeated) and torch.equal(moved[1], repeated)


def test_each_comes_as_often_as_asked_for():
    repeated = torch.zeros(20_000, dtype=torch.bool)
    generator = torch.Generator().manual_seed(3)
    chosen = choose_operations(repeated, only(*OPERATIONS, probability=0.2), generator=generator)
    np.testing.assert_allclose(chosen.float().mean(0), 0.2, atol=0.015)


def test_the_generator_decides():
    batch = stars()
    config = AugmentationConfig(probability=0.5)
    one, same, other = (run(batch, config, seed=s)["image_a"] for s in (1, 1, 2))
    assert torch.equal(one, same) and not torch.equal(one, other)


def test_none_is_none():
    batch = stars()
    assert run(batch, AugmentationConfig(operations=()), repeated=torch.ones(B, dtype=torch.bool)) is batch
