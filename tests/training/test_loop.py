# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The training loop: losses in closed form, intruders kept apart, losses that fall, interruptions without a trace."""

import json
import math

import numpy as np
import pytest
import torch

from stellarclass.nets.compact import CompactNet
from stellarclass.training.config import TrainingConfig
from stellarclass.training.loop import evaluate_loss, train_network
from stellarclass.training.losses import physical_loss

N, FEATURES, SIZE = 300, 12, 8
CONFIG = TrainingConfig(epochs=4, batch_size=64, learning_rate=1e-2)


def _data(seed):
    """Stars whose every target follows from their features, and every tenth an intruder that shows in one of them."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(N, FEATURES)).astype(np.float32)
    intruder = np.arange(N) % 10 == 3
    features[:, 11] += 4 * intruder
    cool = 1 / (1 + np.exp(-features[:, 6]))
    labels = np.stack([1 - cool, cool, 0 * cool, 0 * cool, 0 * cool], axis=1)
    targets = {
        "target_colors": features[:, 1:5] - features[:, 2:6],
        "target_bp_rp": 0.5 + 0.2 * features[:, 6],
        "target_log_teff": 3.8 + 0.05 * features[:, 6],
        "target_log_radius": 0.3 * features[:, 7],
        "target_pecaut_mamajek": labels.astype(np.float32),
    }
    for value in targets.values():
        value[intruder] = np.nan
    return targets | {
        "features": features,
        "residual": rng.normal(size=(N, 5, SIZE, SIZE)).astype(np.float16),
        "bp_rp_base": 0.5 + 0.1 * features[:, 6],
        "radius_base": 0.1 * features[:, 7],
        "target_intruder": intruder.astype(np.float32),
    }


def _network(seed=0):
    torch.manual_seed(seed)
    return CompactNet(features=FEATURES, size=SIZE, width=16, channels=4)


def _train(network, folder, *, config=CONFIG, seed=5, log=lambda line: None):
    return train_network(network, _data(1), _data(2), config, seed=seed, folder=folder, log=log)


def _weights(network):
    return {name: value.clone() for name, value in network.state_dict().items()}


def _identical(one, other):
    assert one.keys() == other.keys()
    return all(torch.equal(value, other[name]) for name, value in one.items())


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Weights, losses and log of a run that nothing interrupted."""
    folder, network, lines = tmp_path_factory.mktemp("whole"), _network(), []
    losses = _train(network, folder, log=lines.append)
    return {"weights": _weights(network), "losses": losses, "folder": folder, "lines": lines}


def test_losses_in_closed_form():
    """Of seven stars, and an intruder that takes no part save in the last of them."""
    rng = np.random.default_rng(0)
    offset = {"colors": rng.normal(size=(8, 4)), "bp_rp": rng.normal(size=8), "radius": rng.normal(size=8)}
    batch = {
        "target_colors": torch.zeros(8, 4, dtype=torch.float64),
        "target_bp_rp": torch.zeros(8, dtype=torch.float64),
        "target_log_teff": torch.full((8,), 3.8, dtype=torch.float64),
        "target_log_radius": torch.zeros(8, dtype=torch.float64),
        "target_pecaut_mamajek": torch.tensor([[1.0, 0, 0, 0, 0]] * 7 + [[0.5, 0.5, 0, 0, 0]], dtype=torch.float64),
    }
    for value in batch.values():
        value[4] = torch.nan
    batch["target_intruder"] = torch.tensor([0.0, 0, 0, 0, 1, 0, 0, 0], dtype=torch.float64)
    batch["target_unheard_of"] = torch.zeros(8, 5)
    outputs = {
        "colors_mean": torch.from_numpy(offset["colors"]),
        "colors_logvar": torch.full((8, 4), math.log(0.04), dtype=torch.float64),
        "bp_rp_mean": torch.from_numpy(offset["bp_rp"]),
        "bp_rp_logvar": torch.full((8,), math.log(0.09), dtype=torch.float64),
        "log_teff": torch.full((8,), 3.81, dtype=torch.float64),
        "radius_mean": torch.from_numpy(offset["radius"]),
        "radius_variance": torch.full((8,), 0.25, dtype=torch.float64),
        "logits_pecaut_mamajek": torch.zeros(8, 5, dtype=torch.float64),
        "intruder": torch.full((8,), -math.log(3), dtype=torch.float64),  # one in four, it says of each
    }
    total, parts = physical_loss(outputs, batch)
    star = np.arange(8) != 4
    offset = {name: value[star] for name, value in offset.items()}
    expected = {
        "color": 0.5 * (math.log(0.04 + 2.5e-5) + np.mean(offset["colors"] ** 2) / (0.04 + 2.5e-5)),
        "bp_rp": 0.5 * (math.log(0.09) + np.mean(np.minimum(offset["bp_rp"] ** 2 / 0.09, 100))),
        "teff": 0.5 * (50 * 0.01) ** 2,
        "radius": 0.5 * (math.log(0.25) + np.mean(offset["radius"] ** 2) / 0.25),
        "intruder": -(7 * math.log(0.75) + math.log(0.25)) / 8,
        "pecaut_mamajek": math.log(5),
    }
    assert {name: float(value) for name, value in parts.items()} == pytest.approx(expected, rel=1e-9)
    weights = {"color": 0.25, "bp_rp": 0.5, "teff": 0.2, "radius": 2.0, "intruder": 0.5, "pecaut_mamajek": 0.5}
    assert float(total) == pytest.approx(sum(weights[k] * v for k, v in expected.items()), rel=1e-9)


def _gradient(network, data, rows):
    """Of the loss on these rows, by output column of the physical head; everything must be finite."""
    batch = {name: torch.from_numpy(value[rows]).float() for name, value in data.items()}
    network.zero_grad()
    physical_loss(network(batch), batch)[0].backward()
    assert all(torch.isfinite(p.grad).all() for p in network.parameters() if p.grad is not None)
    return network.physical.weight.grad.abs().sum(1)


def test_intruders_teach_nothing_but_what_an_intruder_is():
    """Their targets are NaN: one that slipped in would end every weight."""
    data, network = _data(1), _trained_head()
    batch = {name: torch.from_numpy(value[:40]).float() for name, value in data.items()}
    outputs = {name: value.detach().requires_grad_() for name, value in network(batch).items()}
    physical_loss(outputs, batch)[0].backward()
    intruder = batch["target_intruder"] == 1
    assert 0 < intruder.sum() < 40
    for name in ("colors_mean", "colors_logvar", "bp_rp_mean", "log_teff", "radius_mean", "radius_variance"):
        gradient = outputs[name].grad.reshape(40, -1).abs().sum(1)
        assert (gradient[intruder] == 0).all() and (gradient[~intruder] > 0).any(), name
        # Where the error of a radius or a color is cut off, a star may teach nothing about its mean.
        assert (gradient[~intruder] > 0).all() or name == "radius_mean", name
    assert (outputs["intruder"].grad != 0).all()
    assert torch.isfinite(outputs["intruder"].grad).all()


def test_what_stars_teach_does_not_depend_on_the_intruders_among_them():
    data, network = _data(1), _trained_head()
    star = np.flatnonzero(data["target_intruder"] == 0)
    other = {name: value.copy() for name, value in data.items()}
    for name in ("features", "residual", "bp_rp_base", "radius_base"):
        other[name][data["target_intruder"] == 1] += 1.5
    for rows in (np.arange(N), star):
        heads = [_gradient(network, d, rows)[:-1] for d in (data, other)]
        torch.testing.assert_close(heads[0], heads[1])
    # Those of the stars alone are those of the stars among intruders: each is a mean over stars.
    torch.testing.assert_close(_gradient(network, data, star)[:-1], heads[0])
    assert _gradient(network, data, np.arange(N))[-1] > 0


def test_a_giant_among_dwarfs_does_not_rule():
    """Beyond its cut the loss is flat in the error: a radius that is off by 100 sigma weighs as one off by 8."""
    data = {k: torch.from_numpy(v[:1]).float() for k, v in _data(3).items()}
    outputs = _network()(data)
    outputs["radius_variance"] = torch.full((1,), 0.01)
    losses = []
    for error in (0.9, 10.0):
        outputs["radius_mean"] = data["target_log_radius"] + error
        losses.append(float(physical_loss(outputs, data)[1]["radius"]))
    assert losses[0] == pytest.approx(losses[1])


def test_training_lowers_every_loss(whole):
    before = evaluate_loss(_untrained(), _data(2))
    assert set(before) == {"color", "bp_rp", "teff", "radius", "intruder", "pecaut_mamajek"}
    for name in ("bp_rp", "teff", "radius", "intruder", "pecaut_mamajek"):
        assert whole["losses"][name] < before[name]


def test_an_intruder_is_told_from_a_star(tmp_path):
    network, data = _network(), _data(4)
    _train(network, tmp_path, config=TrainingConfig(epochs=25, batch_size=64, learning_rate=1e-2))
    with torch.no_grad():
        score = network({k: torch.from_numpy(v).float() for k, v in data.items()})["intruder"].numpy()
    intruder = data["target_intruder"] == 1
    assert np.median(score[intruder]) > np.quantile(score[~intruder], 0.95)


def _untrained():
    network = _network()
    network.set_scaling(torch.from_numpy(_data(1)["features"]))
    return network


def _trained_head():
    """A network whose outputs depend on its inputs."""
    network = _untrained()
    with torch.no_grad():
        for head in (network.physical, network.radius):
            torch.nn.init.normal_(head.weight, std=0.1)
    return network


def test_losses_do_not_depend_on_how_the_stars_are_chunked():
    data = {k: np.tile(v, (15, *[1] * (v.ndim - 1))) for k, v in _data(2).items()}  # 4,500: two chunks
    assert evaluate_loss(_untrained(), data) == pytest.approx(evaluate_loss(_untrained(), _data(2)), rel=1e-4)


def test_every_epoch_is_logged(whole):
    lines = [json.loads(line) for line in (whole["folder"] / "log.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2, 3, 4]
    assert lines[-1]["radius"] == pytest.approx(whole["losses"]["radius"], abs=1e-5)
    assert len(whole["lines"]) == 4 and whole["lines"][0].startswith("epoch 1/4")
    assert [p.name for p in whole["folder"].glob("*.safetensors")] == ["checkpoint-4.safetensors"]


def test_a_seed_is_a_run(whole, tmp_path):
    network = _network()
    _train(network, tmp_path / "again")
    assert _identical(_weights(network), whole["weights"])
    other = _network()
    _train(other, tmp_path / "other", seed=6)
    assert not _identical(_weights(other), whole["weights"])


class PowerCut(Exception):
    pass


@pytest.mark.parametrize("done", [1, 3])
def test_cut_off_between_epochs_and_resumed_it_ends_the_same(whole, tmp_path, done):
    lines = []

    def log(line):
        lines.append(line)
        if len(lines) == done:
            raise PowerCut

    with pytest.raises(PowerCut):
        _train(_network(), tmp_path, log=log)
    resumed = _network(seed=99)  # its own first weights must not matter
    losses = _train(resumed, tmp_path, log=lines.append)
    assert _identical(_weights(resumed), whole["weights"])
    assert losses == whole["losses"]
    assert len(lines) == 4


def test_cut_off_within_an_epoch_and_resumed_it_ends_the_same(whole, tmp_path):
    network, calls = _network(), []

    def forward(module, args):
        calls.append(1)
        if len(calls) == 9:  # five calls an epoch, the last for validation
            raise PowerCut

    handle = network.register_forward_pre_hook(forward)
    with pytest.raises(PowerCut):
        _train(network, tmp_path)
    handle.remove()
    # What a crash while writing may leave behind.
    (tmp_path / "checkpoint-2.safetensors").write_bytes(b"half of")
    (tmp_path / "state.json.part").write_text('{"epoch"')
    resumed = _network(seed=99)
    _train(resumed, tmp_path)
    assert _identical(_weights(resumed), whole["weights"])


def test_a_finished_run_is_not_trained_again(whole):
    network, lines = _network(seed=99), []
    losses = _train(network, whole["folder"], log=lines.append)
    assert lines == []
    assert _identical(_weights(network), whole["weights"])
    assert losses == pytest.approx(whole["losses"])


@pytest.mark.parametrize("change", [{"seed": 6}, {"config": TrainingConfig(epochs=5, batch_size=64)}])
def test_another_run_s_folder_is_refused(whole, change):
    with pytest.raises(ValueError, match="remove it or name another folder"):
        _train(_network(), whole["folder"], **change)


def test_too_few_stars_for_a_batch_are_refused(tmp_path):
    with pytest.raises(ValueError, match="300 stars do not fill a batch of 512"):
        _train(_network(), tmp_path, config=TrainingConfig(epochs=1))
