# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The compact network: first guesses before training, classes that follow from colors, and nothing hidden."""

import numpy as np
import pytest
import torch
from scipy.special import ndtr

from stellarclass.nets.compact import CompactNet
from stellarclass.physics import CLASS_EDGES

SIZES = {"features": 12, "size": 8, "width": 16, "channels": 4}


def _inputs(n=20, size=8, features=12, seed=0):
    rng = np.random.default_rng(seed)
    arrays = {
        "features": rng.normal(size=(n, features)),
        "residual": rng.normal(size=(n, 5, size, size)),
        "bp_rp_base": rng.uniform(0, 3, n),
        "radius_base": rng.normal(0, 0.4, n),
    }
    return {name: torch.from_numpy(values.astype(np.float32)) for name, values in arrays.items()}


def _awake():
    """A network whose outputs depend on all it sees, as after training."""
    torch.manual_seed(1)
    network = CompactNet(**SIZES)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return network.eval()


def test_untrained_it_answers_with_the_first_guesses():
    inputs = _inputs()
    with torch.no_grad():
        outputs = CompactNet(**SIZES)(inputs)
    measured = inputs["features"][:, 1:6]
    assert torch.equal(outputs["colors_mean"], measured[:, :-1] - measured[:, 1:])
    assert torch.equal(outputs["bp_rp_mean"], inputs["bp_rp_base"])
    assert torch.equal(outputs["radius_mean"], inputs["radius_base"])


def test_shapes_as_the_class_says():
    shapes = {name: tuple(value.shape) for name, value in _awake()(_inputs(7)).items()}
    assert shapes == {
        "colors_mean": (7, 4), "colors_logvar": (7, 4), "bp_rp_mean": (7,), "bp_rp_logvar": (7,), "log_teff": (7,),
        "radius_mean": (7,), "radius_variance": (7,), "logits_sdss": (7, 5), "logits_pecaut_mamajek": (7, 5),
    }  # fmt: skip


@pytest.mark.parametrize("size", [4, 8, 10, 16, 24])
def test_residuals_of_any_even_size(size):
    network = CompactNet(features=12, size=size)
    assert network(_inputs(3, size=size))["radius_mean"].shape == (3,)


def test_temperature_classes_are_shares_of_a_gaussian():
    with torch.no_grad():
        outputs = _awake()(_inputs(200))
    p = torch.softmax(outputs["logits_pecaut_mamajek"].double(), dim=1).numpy()
    mean, sigma = outputs["bp_rp_mean"].double().numpy(), np.exp(0.5 * outputs["bp_rp_logvar"].double().numpy())
    below = ndtr((np.array(CLASS_EDGES) - mean[:, None]) / sigma[:, None])
    expected = np.diff(np.pad(below, ((0, 0), (1, 1)), constant_values=((0, 0), (0, 1))), axis=1)
    np.testing.assert_allclose(p, expected, atol=1e-5)


def test_the_edges_are_those_of_physics_unless_others_are_asked_for():
    assert CompactNet(**SIZES).bp_rp_edges == CLASS_EDGES
    assert CompactNet(**SIZES, classes=3, bp_rp_edges=[0.5, 1.5])(_inputs(2))["logits_pecaut_mamajek"].shape == (2, 3)


@pytest.mark.parametrize("edges", [[0.5], [0.5, 0.4, 1, 2], [0.5, 0.5, 1, 2]])
def test_edges_that_fit_no_classes_are_refused(edges):
    with pytest.raises(ValueError, match="4 ascending edges"):
        CompactNet(**SIZES, bp_rp_edges=edges)


def test_a_star_is_classified_alone():
    network, inputs = _awake().double(), {name: value.double() for name, value in _inputs().items()}
    order = torch.randperm(20, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        together = network(inputs)
        shuffled = network({name: value[order] for name, value in inputs.items()})
        alone = network({name: value[3:4] for name, value in inputs.items()})
    for name, value in together.items():
        torch.testing.assert_close(shuffled[name], value[order])
        torch.testing.assert_close(alone[name][0], value[3])


@pytest.mark.parametrize("scale", [1e2, 1e4])
def test_absurd_features_give_finite_answers(scale):
    inputs = _inputs()
    inputs["features"] = inputs["features"] * scale
    outputs = _awake()(inputs)
    for name, value in outputs.items():
        assert torch.isfinite(value).all(), name
    assert (outputs["radius_variance"] > 0).all()


def test_a_feature_that_never_varies_does_no_harm():
    network, inputs = _awake(), _inputs(50)
    inputs["features"][:, 3] = 0.7
    network.set_scaling(inputs["features"])
    assert network.center[3] == pytest.approx(0.7) and network.scale[3] == pytest.approx(1e-3)
    assert torch.isfinite(network(inputs)["radius_mean"]).all()
    # The scaling travels with the weights.
    copy = CompactNet(**SIZES)
    copy.load_state_dict(network.state_dict())
    torch.testing.assert_close(copy.eval()(inputs)["radius_mean"], network(inputs)["radius_mean"])


def test_every_weight_takes_part():
    network = _awake()
    outputs = network(_inputs())
    sum((value**2).sum() for value in outputs.values()).backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


def test_sdss_classes_depend_on_the_physical_outputs_alone():
    """Two stars of the same physical outputs get the same classes, whatever else their pixels hold."""
    network, inputs = _awake(), _inputs(2)
    with torch.no_grad():
        network.physical.weight.zero_()
    inputs["features"][1, 1:6] = inputs["features"][0, 1:6]
    for name in ("bp_rp_base", "radius_base"):
        inputs[name][1] = inputs[name][0]
    logits = network(inputs)["logits_sdss"]
    torch.testing.assert_close(logits[0], logits[1])


def test_six_members_fit_into_ten_megabytes():
    weights = sum(p.numel() for p in CompactNet().parameters())
    assert 6 * 2 * weights < 10e6  # two bytes each, as they are shipped
