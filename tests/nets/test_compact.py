# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The compact network: first guesses before training, classes that follow from what is physical, and nothing hidden."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis.extra.numpy import arrays
from scipy.special import ndtr

from stellarclass.nets.compact import CompactNet
from stellarclass.physics import CLASS_EDGES

SIZES = {"features": 12, "size": 8, "width": 16, "channels": 4}
SYSTEMS = ("sdss", "mine")
PHYSICAL = {
    "colors_mean", "colors_logvar", "colors_measured", "bp_rp_mean", "bp_rp_logvar", "log_teff", "radius_mean",
    "radius_variance", "intruder", "logits_pecaut_mamajek",
}  # fmt: skip


def _inputs(n=20, size=8, features=12, seed=0):
    rng = np.random.default_rng(seed)
    arrays = {
        "features": rng.normal(size=(n, features)),
        "residual": rng.normal(size=(n, 5, size, size)),
        "bp_rp_base": rng.uniform(0, 3, n),
        "radius_base": rng.normal(0, 0.4, n),
    }
    return {name: torch.from_numpy(values.astype(np.float32)) for name, values in arrays.items()}


def _awake(systems=SYSTEMS):
    """A network whose outputs depend on all it sees, as after training."""
    torch.manual_seed(1)
    network = CompactNet(**SIZES, label_systems=systems)
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
    assert not outputs["radius_mean"].any()  # the Sun's


def test_untrained_it_takes_hardly_anything_for_an_intruder():
    """The few that there are must not pull the first steps of training."""
    with torch.no_grad():
        probability = torch.sigmoid(CompactNet(**SIZES)(_inputs())["intruder"])
    assert (probability < 0.1).all()


def test_shapes_as_the_class_says():
    shapes = {name: tuple(value.shape) for name, value in _awake()(_inputs(7)).items()}
    assert shapes == {
        "colors_mean": (7, 4), "colors_logvar": (7, 4), "colors_measured": (7, 4), "bp_rp_mean": (7,),
        "bp_rp_logvar": (7,), "log_teff": (7,), "radius_mean": (7,), "radius_variance": (7,), "intruder": (7,),
        "logits_pecaut_mamajek": (7, 5), "logits_sdss": (7, 5), "logits_mine": (7, 5),
    }  # fmt: skip


def test_without_learned_systems_it_says_what_is_physical():
    assert set(CompactNet(**SIZES)(_inputs(2))) == PHYSICAL


@settings(max_examples=20, deadline=None)
@given(used=arrays(bool, (6, 5)))
def test_a_color_is_measured_where_both_of_its_bands_are_used(used):
    network, inputs = _awake(()), _inputs(6)
    inputs["features"][:, 6:11] = torch.from_numpy(used.astype(np.float32))
    with torch.no_grad():
        outputs = network(inputs)
    magnitudes = inputs["features"][:, 1:6].numpy()
    both = used[:, :-1] & used[:, 1:]
    expected = np.where(both, magnitudes[:, :-1] - magnitudes[:, 1:], outputs["colors_mean"].numpy())
    np.testing.assert_array_equal(outputs["colors_measured"].numpy(), expected)
    assert not np.array_equal(outputs["colors_mean"].numpy(), magnitudes[:, :-1] - magnitudes[:, 1:])


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
    copy = CompactNet(**SIZES, label_systems=SYSTEMS)
    copy.load_state_dict(network.state_dict())
    torch.testing.assert_close(copy.eval()(inputs)["radius_mean"], network(inputs)["radius_mean"])


def test_every_weight_takes_part():
    network = _awake()
    outputs = network(_inputs())
    sum((value**2).sum() for value in outputs.values()).backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


def test_learned_classes_depend_on_the_physical_outputs_alone():
    """Two stars of the same physical outputs get the same classes, whatever else their pixels hold."""
    network, inputs = _awake(), _inputs(2)
    with torch.no_grad():
        network.physical.weight.zero_()
    inputs["features"][1, 1:11] = inputs["features"][0, 1:11]
    inputs["bp_rp_base"][1] = inputs["bp_rp_base"][0]
    for system in SYSTEMS:
        logits = network(inputs)[f"logits_{system}"]
        torch.testing.assert_close(logits[0], logits[1])


def test_each_learned_system_has_its_own_map():
    network, inputs = _awake(), _inputs(10)
    with torch.no_grad():
        before = network(inputs)
        network.label_maps["mine"].layer3.bias[2] += 1.0
        after = network(inputs)
    assert not torch.equal(after.pop("logits_mine"), before.pop("logits_mine"))
    assert set(before) == PHYSICAL | {"logits_sdss"}
    for name, value in before.items():
        assert torch.equal(after[name], value), name


def test_what_follows_from_color_is_not_learned():
    with pytest.raises(ValueError, match="pecaut_mamajek follows from BP-RP"):
        CompactNet(**SIZES, label_systems=["sdss", "pecaut_mamajek"])


@pytest.mark.parametrize("name", ["keys", "training", "a.b", ""])
def test_a_system_that_cannot_be_a_module_s_name_is_refused(name):
    """As an error of the value, which loading a card that asks for it can tell from a crash."""
    with pytest.raises(ValueError, match="label"):
        CompactNet(**SIZES, label_systems=[name])


def test_six_members_fit_into_ten_megabytes():
    weights = sum(p.numel() for p in CompactNet(label_systems=["sdss", "lamost"]).parameters())
    assert 6 * 2 * weights < 10e6  # two bytes each, as they are shipped
