# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""MESCR from a reference set: data, members, the ensemble, and training that may be killed at any moment."""

import copy
import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from astropy.table import Table

import stellarclass
from stellarclass import load_ensemble
from stellarclass.cli import main
from stellarclass.exceptions import InputError, StellarclassWarning, TrainingError
from stellarclass.nets.combination import PAPER_WEIGHTS
from stellarclass.physics import CLASSES
from stellarclass.reference import ReferenceSet
from stellarclass.training.config import CombinationConfig
from stellarclass.training.configfile import read_config
from stellarclass.training.loop import read_log
from stellarclass.training.members import combine_members, learn_weights
from stellarclass.training.mescr import fit_recipe, make_mescr_data, split_data, to_device, train_member, train_mescr
from stellarclass.training.sampling import MEMBERS

TINY = """
base = "mescr-small"
name = "tiny"
[recipe]
size = 8
[network]
width = 0.03125
[sampling]
draws = 120
[training]
epochs = 3
batch_size = 32
warmup_epochs = 1
"""


@pytest.fixture(scope="module")
def reference():
    """Stars of which some have no radius, as in the archives."""
    made = ReferenceSet.simulated(150, seed=4)
    table = made.table.copy()
    table["radius"] = np.where(np.arange(150) % 10 == 0, np.nan, table["radius"].value) * table["radius"].unit
    return ReferenceSet(table, made.stamps())


@pytest.fixture(scope="module")
def toml(tmp_path_factory):
    path = tmp_path_factory.mktemp("config") / "tiny.toml"
    path.write_text(TINY)
    return path


@pytest.fixture(scope="module")
def config(toml):
    return read_config(toml)


@pytest.fixture(scope="module")
def data(reference, config):
    rows = reference.rows("train")
    return make_mescr_data(reference, rows, fit_recipe(reference, rows, config.recipe))


def quiet(line):
    pass


def weights(network):
    return {name: value.clone() for name, value in network.state_dict().items()}


def identical(one, other):
    return one.keys() == other.keys() and all(torch.equal(value, other[name]) for name, value in one.items())


@pytest.fixture(scope="module")
def whole(config, data, tmp_path_factory):
    """A member that nothing interrupted."""
    folder = tmp_path_factory.mktemp("whole")
    network = train_member(config, data, seed=1, member="M", folder=folder, log=quiet)
    return {"weights": weights(network), "folder": folder}


def test_data_are_of_the_stars_asked_for(reference, config, data):
    rows = reference.rows("train")
    assert data["image_a"].shape == (len(rows), 3, 8, 8) and data["image_a"].dtype == np.uint8
    assert data["numeric"].min() == 0 and data["numeric"].max() == 1  # the ranges are those of these stars
    classes = np.array(CLASSES)[data["target_sdss"].argmax(1)]
    assert (classes == reference.table["spectral_class"][rows]).all() and (data["target_sdss"].sum(1) == 1).all()
    radius = reference.table["radius"][rows].value
    np.testing.assert_allclose(data["target_radius"], radius, rtol=1e-6)
    assert np.isnan(data["target_radius"]).any()
    assert not data["is_test"].any() and len(np.unique(data["star"])) == len(rows)


def test_ranges_without_the_few_that_lie_far_out(reference, config):
    rows = reference.rows("train")
    least, most = fit_recipe(reference, rows, config.recipe, quantile=0.1).parallax_range
    parallax = reference.astrometry.parallax[rows]
    assert np.mean(parallax < least) == pytest.approx(0.1, abs=0.02)
    assert np.mean(parallax > most) == pytest.approx(0.1, abs=0.02)
    with pytest.raises(InputError, match="two different ends"):
        fit_recipe(reference, rows[:1], config.recipe)


def test_a_masked_radius_is_none(reference):
    table = reference.table[:4].copy()
    from astropy.utils.masked import Masked

    table["radius"] = Masked(table["radius"], mask=[True, False, False, False])
    some = ReferenceSet(table, reference.stamps(slice(0, 4)))
    recipe = fit_recipe(reference, reference.rows("train"), read_config("mescr-small").recipe)
    assert np.isnan(make_mescr_data(some, np.arange(4), recipe)["target_radius"]).tolist()[:2] == [True, False]


def test_test_stars_are_refused(reference, config, tmp_path):
    rows = np.arange(len(reference))
    mixed = make_mescr_data(reference, rows, fit_recipe(reference, rows, config.recipe))
    with pytest.raises(InputError, match=f"{len(reference.rows('test'))} of the stars are for testing"):
        train_member(config, mixed, seed=1, folder=tmp_path)


def test_a_seed_and_a_member_are_a_network(config, data, whole, tmp_path):
    torch.manual_seed(123)  # that of the caller changes nothing
    before = torch.get_rng_state()
    again = train_member(config, data, seed=1, member="m", folder=tmp_path / "again", log=quiet)
    assert torch.equal(torch.get_rng_state(), before)
    assert identical(weights(again), whole["weights"])
    other = train_member(config, data, seed=2, member="M", folder=tmp_path / "other", log=quiet)
    assert not identical(weights(other), whole["weights"])


def test_training_lowers_the_loss(config, data, tmp_path):
    longer = dataclasses.replace(config, training=dataclasses.replace(config.training, epochs=12))
    train_member(longer, data, seed=1, folder=tmp_path, log=quiet)
    log = read_log(tmp_path)
    assert log[-1]["train"] < log[0]["train"] - 0.3
    assert log[-1]["validation"] == pytest.approx(log[-1]["classes"] + log[-1]["radius"], abs=3e-5)


def test_another_run_is_not_gone_on_with(config, data, whole):
    """Not with other draws, other stars, or other augmentations."""
    other = dict(data) | {"target_radius": data["target_radius"] + 1}
    fewer = dataclasses.replace(config, augmentation=dataclasses.replace(config.augmentation, noise=1.0))
    for cfg, d, member in ((config, data, "A"), (config, other, "M"), (fewer, data, "M")):
        with pytest.raises(InputError, match="remove it or name another folder"):
            train_member(cfg, d, seed=1, member=member, folder=whole["folder"], log=quiet)


_CHILD = """
import sys, numpy as np, torch
torch.set_num_threads(1)
from stellarclass.training.configfile import read_config
from stellarclass.training.mescr import train_member
toml, data, folder = sys.argv[1:]
data = dict(np.load(data, allow_pickle=False))
train_member(read_config(toml), data, seed=1, member="M", folder=folder, log=lambda line: print(line, flush=True))
"""


def test_killed_at_any_moment_and_resumed_it_ends_the_same(toml, config, data, tmp_path):
    """kill -9, twice, wherever it happens to be; the log too is that of a run that nothing interrupted."""
    text = TINY.replace("epochs = 3", "epochs = 16\ncheckpoint_every = 2", 1)
    (tmp_path / "long.toml").write_text(text)
    long = read_config(tmp_path / "long.toml")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        expected = weights(train_member(long, data, seed=1, member="M", folder=tmp_path / "whole", log=quiet))
        np.savez(tmp_path / "data.npz", **data)
        moments, killed = np.random.default_rng(), 0
        command = [sys.executable, "-P", "-c", _CHILD, *map(str, (tmp_path / "long.toml", tmp_path / "data.npz"))]
        environment = os.environ | {"PYTHONPATH": str(Path(stellarclass.__file__).parents[1])}
        for _ in range(2):
            with subprocess.Popen(
                [*command, str(tmp_path / "cut")], env=environment, stdout=subprocess.PIPE, text=True
            ) as child:
                for _ in range(moments.integers(1, 7)):
                    child.stdout.readline()
                time.sleep(moments.uniform(0, 0.05))
                child.send_signal(signal.SIGKILL)
            killed += child.returncode == -signal.SIGKILL
        assert killed == 2
        state = tmp_path / "cut/state.json"  # none yet, if it was killed before the first checkpoint both times
        done = json.loads(state.read_text())["epoch"] if state.is_file() else 0
        assert done < 16
        lines = []
        resumed = train_member(long, data, seed=1, member="M", folder=tmp_path / "cut", log=lines.append)
    finally:
        torch.set_num_threads(threads)
    assert len(lines) == 16 - done
    assert identical(weights(resumed), expected)
    assert (tmp_path / "cut/log.jsonl").read_text() == (tmp_path / "whole/log.jsonl").read_text()


def test_mixed_precision_takes_the_same_way(config, data, tmp_path):
    """What CUDA does, here in bfloat16: scaled losses, an optimizer that skips, a scale that survives interruption."""
    training = dataclasses.replace(config.training, precision="mixed")
    mixed = dataclasses.replace(config, training=training)
    lines = []

    def log(line):
        lines.append(line)
        if len(lines) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_member(mixed, data, seed=1, folder=tmp_path / "cut", log=log)
    state = json.loads((tmp_path / "cut/state.json").read_text())
    assert state["scaler"]["scale"] > 1
    resumed = train_member(mixed, data, seed=1, folder=tmp_path / "cut", log=quiet)
    once = train_member(mixed, data, seed=1, folder=tmp_path / "whole", log=quiet)
    assert identical(weights(resumed), weights(once))
    assert all(p.dtype == torch.float32 for p in once.parameters())
    exact = train_member(config, data, seed=1, folder=tmp_path / "exact", log=quiet)
    a, b = (read_log(tmp_path / k)[-1]["train"] for k in ("whole", "exact"))
    assert a == pytest.approx(b, abs=0.3) and not identical(weights(once), weights(exact))


def test_a_loss_that_is_no_number_ends_the_training(config, data, tmp_path):
    bad = dict(data) | {"numeric": np.full_like(data["numeric"], np.nan)}
    with pytest.raises(TrainingError, match=r"epoch 1 is nan.*learning_rate = 0\.\d+; lower it"):
        train_member(config, bad, seed=1, folder=tmp_path, log=quiet)


def test_the_device_is_given_the_images_once(config, data, whole, tmp_path):
    """As bytes; all members share them."""
    on_device = to_device(data, "cpu")
    assert on_device["image_a"].dtype == torch.uint8 and isinstance(on_device["star"], np.ndarray)
    one = train_member(config, on_device, seed=1, member="M", folder=tmp_path, log=quiet)
    assert identical(weights(one), whole["weights"])


def test_learned_weights_are_those_of_the_mixture():
    """Stars drawn from a mixture of two answers, 3 to 1."""
    rng = np.random.default_rng(1)
    p = rng.dirichlet([1, 1], size=(2, 20_000))
    source = (rng.random(20_000) > 0.75).astype(int)
    label = (rng.random(20_000) > p[source, np.arange(20_000), 0]).astype(int)
    learned = learn_weights(p[:, np.arange(20_000), label])
    np.testing.assert_allclose(learned, [0.75, 0.25], atol=0.03)


@pytest.fixture(scope="module")
def trained(config, reference, tmp_path_factory):
    folder = tmp_path_factory.mktemp("six")
    done = []
    ensemble, losses = train_mescr(config, reference, folder=folder, log=quiet, progress=done.append)
    return {"ensemble": ensemble, "losses": losses, "folder": folder, "done": done}


def test_six_members_in_one_run(trained, config):
    ensemble = trained["ensemble"]
    assert [m.name for m in ensemble.card.members] == list(MEMBERS) == list(trained["losses"])
    assert all(len(lines) == 3 for lines in trained["losses"].values())
    assert trained["done"][-1] == 18 and trained["done"] == sorted(trained["done"])
    states = [weights(m) for m in ensemble.members]
    assert not any(identical(states[0], s) for s in states[1:])


def test_its_card_says_how_it_was_made(trained, reference):
    card = trained["ensemble"].card
    assert card.combination["rule"] == "mescr" and card.radius_space == "linear"
    assert sum(card.combination["weights"].values()) == pytest.approx(1, abs=1e-3)
    t = card.training
    assert t["data"].startswith("simulated") and sum(t["stars"].values()) == len(reference.rows("train"))
    assert t["seed"] == 1 and t["config"]["training"]["epochs"] == 3 and set(t["losses"]) == set(MEMBERS)
    assert set(t["seconds"]) == set(MEMBERS) and all(v > 0 for v in t["seconds"].values())
    system = card.label_systems["sdss"]
    assert system["calibration"]["temperature"] > 0 and sum(system["class_mix"]) == pytest.approx(1)
    assert card.radius_calibration["scale"] > 0


def test_weights_and_calibration_are_learned_on_validation_stars_alone(trained, config, reference):
    """Other answers to the test stars, and to those in training, change nothing of them."""
    ensemble, rows = trained["ensemble"], reference.rows("train")
    data = make_mescr_data(reference, rows, ensemble.recipe)
    train, validation = split_data(config, data, seed=config.seed)
    assert not set(data["star"][train]) & set(data["star"][validation])
    other = {k: v.copy() for k, v in data.items()}
    other["target_sdss"][train] = np.roll(other["target_sdss"][train], 1, axis=1)
    cards = [
        combine_members(config, ensemble.members, d, rows=validation, recipe=ensemble.recipe).card.to_dict()
        for d in (data, other)
    ]
    assert cards[0] == cards[1]
    assert cards[0]["combination"] == ensemble.card.combination
    answer = ensemble.predict({k: v[validation] for k, v in data.items()})
    covered = (answer.class_sets * data["target_sdss"][validation]).sum(1)
    assert covered.mean() >= 0.9


def test_a_member_whose_units_died_is_named(trained, config, reference):
    """A ReLU that is off for every star never comes back: what is left of the network is the biases of its heads."""
    ensemble = trained["ensemble"]
    data = make_mescr_data(reference, reference.rows("train"), ensemble.recipe)
    dead = copy.deepcopy(ensemble.members[2])
    torch.nn.init.constant_(dead.dense[-1].bias, -1e6)
    networks = [*ensemble.members[:2], dead, *ensemble.members[3:]]
    with pytest.warns(StellarclassWarning, match=r"1 of 6 members \(F\) give all of 119 stars the same classes"):
        combine_members(config, networks, data, rows=np.arange(len(data["star"])), recipe=ensemble.recipe)


def test_the_papers_weights_and_eq_1_are_at_hand(trained, config, reference):
    plain = dataclasses.replace(config, combination=CombinationConfig(weights="paper", calibrate=False))
    ensemble = trained["ensemble"]
    data = make_mescr_data(reference, reference.rows("test"), ensemble.recipe)
    rows = np.arange(len(data["star"]))
    paper = combine_members(plain, ensemble.members, data, rows=rows, recipe=ensemble.recipe)
    with torch.inference_mode():
        batch = {k: torch.from_numpy(data[k]) for k in ("image_a", "image_b", "numeric")}
        outputs = [{k: v.double().numpy() for k, v in m(batch).items()} for m in paper.members]
    answer = paper.predict(data)
    exp = [np.exp(o["logits_sdss"]) for o in outputs]
    p = sum(w * e / e.sum(1, keepdims=True) for w, e in zip(PAPER_WEIGHTS.values(), exp, strict=True))
    np.testing.assert_allclose(answer.probabilities, p, atol=1e-6)
    mu, variance = (np.stack([o[k] for o in outputs]) for k in ("radius_mean", "radius_variance"))
    np.testing.assert_allclose(answer.radius, mu.mean(0), rtol=1e-6)
    np.testing.assert_allclose(answer.radius_err**2, (variance + mu**2).mean(0) - mu.mean(0) ** 2, rtol=1e-4)


def test_the_command(trained, reference, toml, tmp_path, capsys):
    """The same ensemble as the function's, from files; told what it does on standard error."""
    reference.write(tmp_path / "stars")
    command = ["train", str(toml), "--reference", str(tmp_path / "stars"), "--output", str(tmp_path / "e")]
    assert main([*command, "--device", "cpu", "--work", str(trained["folder"])]) == 0
    out, err = capsys.readouterr()
    assert out == f"tiny: 6 members, {tmp_path / 'e'}\n"
    assert "member M (6 of 6)" in err and "epoch" not in err  # they were trained already
    loaded = load_ensemble(tmp_path / "e", device="cpu")
    for ours, theirs in zip(loaded.members, trained["ensemble"].members, strict=True):
        assert identical(weights(ours), weights(theirs))
    assert loaded.card.training["command"] == "stellarclass train CONFIG --reference DIR --output DIR"
    assert str(tmp_path) not in (tmp_path / "e/CARD.md").read_text()
    losses = Table.read(tmp_path / "e/losses.ecsv")
    assert losses.colnames == ["member", "epoch", "train", "validation", "classes", "radius"] and len(losses) == 18


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["mescr"], "give --reference DIR"),
        (["mescr", "--reference", "nowhere"], "no reference set in 'nowhere'"),
        (["mescr", "--reference", "x", "--labels", "sdss=x"], "--labels belongs to"),
        (["resnet", "--reference", "x"], "default, mescr, mescr-small"),
        (["default", "--labels", "mine"], "SYSTEM=TABLE"),
    ],
)
def test_what_the_command_cannot_do(arguments, message, tmp_path, capsys):
    assert main(["train", *arguments, "--output", str(tmp_path / "e")]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "e").exists()


def test_too_few_draws_for_a_batch(config, data, tmp_path):
    with pytest.raises(InputError, match="96 stars do not fill a batch of 200"):
        train_member(
            dataclasses.replace(config, training=dataclasses.replace(config.training, batch_size=200)),
            data,
            seed=1,
            folder=tmp_path,
        )
