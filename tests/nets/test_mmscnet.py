# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The paper's network: its size, its shapes, and that every part of it takes part."""

import pytest
import torch

from stellarclass.nets.layers import CBAM, ChannelAttention, ConvBlock, PixelConvBlock, SpatialAttention
from stellarclass.nets.mmscnet import MMSCNet, SCNet, Sizes


def parameters(network):
    return sum(p.numel() for p in network.parameters())


def batch(n, size, numeric=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (2, n, 3, size, size), generator=generator, dtype=torch.uint8)
    return {"image_a": images[0], "image_b": images[1], "numeric": torch.randn(n, numeric, generator=generator)}


def test_full_width_has_the_papers_parameters():
    with torch.device("meta"):
        network = MMSCNet()
    assert parameters(network) == 49_255_795
    assert f"{parameters(network) / 1e6:.1f}" == "49.3"
    assert network.dense[0].in_features == 16_416


def test_the_papers_channel_plan():
    with torch.device("meta"):
        network = MMSCNet()

    def plan(part):
        convolutions = [m.conv for m in part if isinstance(m, ConvBlock)]
        assert all(c.kernel_size == (3, 3) and c.bias is None for c in convolutions)
        return [(c.in_channels, c.out_channels, c.stride[0]) for c in convolutions]

    branch = [(3, 64, 2), (64, 64, 1), (64, 64, 1), (64, 128, 2), (128, 128, 1), (128, 128, 1)]
    joined = [(256, 256, 1)] * 3 + [(256, 512, 2)] + [(512, 512, 1)] * 2 + [(512, 1024, 2)] + [(1024, 1024, 1)] * 2
    assert plan(network.branch_a) == plan(network.branch_b) == branch
    assert plan(network.stage2) == joined
    assert [i for i, m in enumerate(network.branch_a) if isinstance(m, CBAM)] == [1]
    assert [i for i, m in enumerate(network.stage2) if isinstance(m, CBAM)] == [0, 9]
    assert [d.out_features for d in network.dense] == [1024, 128, 64]


def test_full_width_answers():
    network = MMSCNet().eval()
    with torch.inference_mode():
        outputs = network(batch(1, 64))
        features = network.stage2(torch.cat([network.branch_a(batch(1, 64)["image_a"])] * 2, dim=1))
    assert features.shape == (1, 1024, 4, 4)  # what the pool leaves as it is
    assert {k: tuple(v.shape) for k, v in outputs.items()} == {
        "logits_sdss": (1, 5),
        "radius_mean": (1,),
        "radius_variance": (1,),
    }


@pytest.mark.parametrize(("size", "pool"), [(8, 1), (16, 1), (32, 2), (33, 3), (64, 4), (128, 4), (224, 4)])
def test_any_resolution(size, pool):
    network = MMSCNet(width=1 / 32, image_size=size, classes=7).eval()
    assert network.pool == pool
    assert network(batch(2, size))["logits_sdss"].shape == (2, 7)


def test_narrow_networks_are_as_small_as_they_should_be():
    assert parameters(MMSCNet(width=1 / 8, image_size=32, pool=1)) == 526_287
    assert parameters(MMSCNet(width=1e-3, image_size=8)) > 0
    assert Sizes.scaled(1) == Sizes()
    assert Sizes.scaled(1e-6) == Sizes((1, 1), (2, 1, 1), (1, 1), (1, 1, 1))


@pytest.mark.parametrize(
    "change", [{"width": 0}, {"width": 1e6}, {"classes": 0}, {"image_size": 4}, {"numeric": -1}, {"pool": 0}]
)
def test_absurd_sizes_are_refused(change):
    with pytest.raises(ValueError, match=next(iter(change))):
        MMSCNet(**change)


def test_dense_layers_may_keep_the_papers_width():
    """At an eighth, eight units would stand before the answers, and a ReLU that is off for every star stays off."""
    network = MMSCNet(width=1 / 8, dense_width=1.0, image_size=32, pool=1)
    assert network.stage2[1].conv.out_channels == 32  # of the paper's 256
    assert [(layer.in_features, layer.out_features) for layer in network.numeric] == [(2, 64), (64, 32)]
    assert [layer.out_features for layer in network.dense] == [1024, 128, 64]
    narrow = MMSCNet(width=1 / 8, image_size=32, pool=1)
    assert [layer.out_features for layer in narrow.dense] == [128, 16, 8]
    assert SCNet(width=1 / 8, dense_width=1.0).classes.in_features == 64


def test_scnet_is_the_image_only_case():
    with torch.device("meta"):
        whole, image_only, scnet = MMSCNet(), MMSCNet(numeric=0), SCNet()
    assert parameters(scnet) == parameters(image_only) == parameters(whole) - (3 * 64 + 65 * 32) - 32 * 1024
    small = SCNet(width=1 / 16, image_size=32).eval()
    inputs = batch(2, 32)
    del inputs["numeric"]
    assert small(inputs)["radius_mean"].shape == (2,)


def test_gradients_reach_every_parameter():
    torch.manual_seed(0)
    network = MMSCNet(width=1 / 8, image_size=32).train()
    outputs = network(batch(8, 32))
    loss = torch.nn.functional.cross_entropy(outputs["logits_sdss"], torch.arange(8) % 5)
    loss = loss + torch.nn.functional.gaussian_nll_loss(
        outputs["radius_mean"], torch.ones(8), outputs["radius_variance"]
    )
    loss.backward()
    still = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert still == []


def test_every_input_matters(wake):
    torch.manual_seed(0)
    inputs = batch(8, 32)
    network = wake(MMSCNet(width=1 / 8, image_size=32), inputs)
    before = network(inputs)
    for name in inputs:
        after = network(inputs | {name: inputs[name].flip(0)})
        assert all((after[k] - before[k]).abs().max() > 1e-3 for k in before)


def test_bytes_are_fractions_of_255():
    torch.manual_seed(0)
    block = PixelConvBlock(3, 8, stride=2).eval()
    pixels = batch(2, 16)["image_a"]
    plain = ConvBlock(3, 8, stride=2).eval()
    plain.load_state_dict(block.state_dict())
    torch.testing.assert_close(block(pixels), plain(pixels.float() / 255))
    torch.testing.assert_close(block(pixels), block(pixels.double()))


def test_variance_stays_above_its_floor():
    network = MMSCNet(width=1 / 16, image_size=32).eval()
    torch.nn.init.constant_(network.variance.bias, -1e4)
    assert (network(batch(2, 32))["radius_variance"] >= network.variance_floor).all()


def test_channel_attention_is_that_of_its_formula():
    torch.manual_seed(0)
    layer = ChannelAttention(32)
    x = torch.randn(2, 32, 5, 6)
    hidden = [torch.relu(v @ layer.squeeze.weight.T) for v in (x.mean((2, 3)), x.flatten(2).max(2).values)]
    expected = torch.sigmoid(sum(h @ layer.expand.weight.T for h in hidden))
    assert layer.squeeze.weight.shape == (2, 32)
    torch.testing.assert_close(layer(x)[:, :, 0, 0], expected)


def test_spatial_attention_sees_mean_and_maximum_of_the_channels():
    layer = SpatialAttention()
    torch.nn.init.zeros_(layer.conv.weight)
    torch.nn.init.zeros_(layer.conv.bias)
    with torch.no_grad():
        layer.conv.weight[0, 0, 3, 3], layer.conv.weight[0, 1, 3, 3] = 2.0, -1.0
    x = torch.randn(2, 4, 9, 9)
    torch.testing.assert_close(layer(x)[:, 0], torch.sigmoid(2 * x.mean(1) - x.max(1).values))
    torch.testing.assert_close(CBAM(4)(torch.zeros(1, 4, 8, 8)), torch.zeros(1, 4, 8, 8))


@pytest.mark.parametrize(("side", "stride"), [(1, 1), (1, 2), (2, 1), (2, 2)])
def test_a_convolution_of_few_pixels_is_a_product_of_matrices(side, stride):
    block = ConvBlock(3, 5, stride=stride).eval()
    x = torch.randn(4, 3, side, side, generator=torch.Generator().manual_seed(1))
    weight = block.conv.weight
    plain = torch.relu(block.norm(block.conv(x)))
    torch.testing.assert_close(block(x), plain, rtol=1e-5, atol=1e-6)
    (expected,) = torch.autograd.grad(plain.square().sum(), weight)
    (found,) = torch.autograd.grad(block(x).square().sum(), weight)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("side", [1, 2, 4, 8, 9])
def test_spatial_attention_is_a_convolution_on_maps_of_any_size(side):
    attention = SpatialAttention()
    x = torch.randn(4, 3, side, side, generator=torch.Generator().manual_seed(1))
    pooled = torch.stack([x.mean(dim=1), x.amax(dim=1)], dim=1)
    torch.testing.assert_close(attention(x), attention.conv(pooled).sigmoid(), rtol=1e-5, atol=1e-6)
