# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Configurations: those that come with the package, and what is wrong with others."""

import dataclasses
import json
import tomllib
from importlib import resources

import pytest

from stellarclass.exceptions import InputError
from stellarclass.stamps.mescr import MescrRecipe
from stellarclass.training.config import (
    KINDS,
    SECTIONS,
    DefaultConfig,
    MescrConfig,
    SamplingConfig,
    TrainingConfig,
    config_to_dict,
)
from stellarclass.training.configfile import SHIPPED, read_config


def write(folder, text, name="mine.toml"):
    (folder / name).write_text(text)
    return folder / name


def test_mescr_is_the_papers():
    """Deng et al. (2024), Sections 2.2 and 3.2; momentum and decay from their training code."""
    config = read_config("mescr")
    assert isinstance(config, MescrConfig)
    assert config.recipe == MescrRecipe() and config.recipe.combination == "gri+urz" and config.recipe.size == 64
    assert config.network.width == 1
    s, t = config.sampling, config.training
    assert (s.members, s.draws, s.validation) == (("Base", "A", "F", "G", "K", "M"), 9000, 0.2)
    assert config.augmentation.operations == ("rotation", "flip", "noise", "cutout", "erasing")
    assert (t.epochs, t.batch_size, t.optimizer, t.momentum) == (200, 256, "sgd", 0.937)
    assert (t.learning_rate, t.final_learning_rate, t.warmup_epochs) == (1e-3, 1e-5, 3)
    assert (t.weight_decay, t.weight_decay_on, t.clip_norm) == (1e-5, "weights", 0)


def test_mescr_small_is_mescr_in_small():
    small, paper = (config_to_dict(read_config(n)) for n in ("mescr-small", "mescr"))
    assert small["network"]["width"] == 1 / 8 and small["recipe"]["size"] == 32
    assert small["network"]["dense_width"] == 1 and small["recipe"]["scaling"] == "asinh"
    assert paper["network"]["dense_width"] == 0 and paper["recipe"]["scaling"] == "linear"
    assert small["sampling"] == paper["sampling"] and small["augmentation"] == paper["augmentation"]
    assert small["combination"] == paper["combination"]


def test_default_is_what_the_shipped_ensemble_was_made_with():
    config = read_config("default")
    card = json.loads((resources.files("stellarclass") / "ensembles/default/card.json").read_text())
    assert isinstance(config, DefaultConfig)
    assert config.members == len(card["members"])
    assert config.stars.train == card["training"]["stars"]
    assert dataclasses.asdict(config.training).items() >= card["training"]["config"].items()
    assert config == DefaultConfig()  # so that the command of the module has the same


@pytest.mark.parametrize("name", SHIPPED)
def test_what_is_written_down_reads_back(name, tmp_path):
    values = config_to_dict(read_config(name))

    def text(value):
        return "true" if value is True else "false" if value is False else json.dumps(value)

    lines = [f"{k} = {text(v)}" for k, v in values.items() if not isinstance(v, dict)]
    for section, table in values.items():
        if isinstance(table, dict):
            lines += [f"[{section}]", *(f"{k} = {text(v)}" for k, v in table.items())]
    assert read_config(write(tmp_path, "\n".join(lines))) == read_config(name)
    assert set(values) - {"kind", "name", "seed", "members", "range_quantile"} == set(SECTIONS[values["kind"]])


@pytest.mark.parametrize("name", ["default", "mescr"])
def test_the_two_complete_files_name_every_setting(name):
    """So that a reader finds there all that there is to set."""
    values = tomllib.loads((resources.files("stellarclass.training") / f"configurations/{name}.toml").read_text())
    everything = config_to_dict(read_config(name))
    silent = {"momentum", "warmup_epochs", "final_learning_rate"} if name == "default" else {"range_quantile"}
    for section, table in everything.items():
        if isinstance(table, dict):
            assert set(table) - set(values[section]) <= silent
        else:
            assert section in values or section in silent


def test_a_file_may_start_from_another(tmp_path):
    write(tmp_path, 'base = "mescr-small"\nname = "mine"\n[training]\nepochs = 7\n')
    path = write(tmp_path, 'base = "mine.toml"\nseed = 9\n[recipe]\ninputs = ["image"]\n', "other.toml")
    config, base = read_config(path), read_config("mescr-small")
    assert (config.name, config.seed, config.training.epochs) == ("mine", 9, 7)
    assert config.training == dataclasses.replace(base.training, epochs=7)
    assert config.recipe == dataclasses.replace(base.recipe, inputs=("image",))


MESCR = 'base = "mescr"\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epochs = [", "not TOML"),
        ("name = 'x'", "kind = None is none of 'mescr', 'default'"),
        ("kind = 'resnet'", "'resnet' is none of"),
        (MESCR + "epoch = 3", "does not know 'epoch'; it knows"),
        (MESCR + "[trainings]\nepochs = 3", "does not know 'trainings'"),
        (MESCR + "[training]\nepoch = 3", r"\[training\] does not know 'epoch'; it knows batch_size"),
        (MESCR + "[training]\nepochs = 0", "training.epochs = 0 is not a number from 1 to 100000"),
        (MESCR + "[training]\nepochs = 2.5", "training.epochs = 2.5 is not a whole number"),
        (MESCR + "[training]\nepochs = true", "not a whole number"),
        (MESCR + "[training]\nlearning_rate = nan", "learning_rate = nan"),
        (MESCR + "[training]\nlearning_rate = '1e-3'", "learning_rate = '1e-3'"),
        (MESCR + "[training]\noptimizer = 'adam'", "'adam' is none of 'adamw', 'sgd'"),
        (MESCR + "[training]\nepochs = 3", "warmup_epochs = 3 leaves none of 3 epochs"),
        (MESCR + "[training]\nfinal_learning_rate = 1", "final_learning_rate = 1 is above"),
        (MESCR + "[training]\nloss = 'physical'", "choose 'mescr'"),
        (MESCR + "training = 5", "training = 5 is not a table"),
        (MESCR + "[network]\nwidth = -1", "network.width = -1"),
        (MESCR + "[sampling]\nmembers = ['Base', 'O']", "'O', which is none of 'Base'"),
        (MESCR + "[sampling]\nmembers = ['A', 'A']", "twice"),
        (MESCR + "[sampling]\nmembers = []", "sampling.members is empty"),
        (MESCR + "[sampling]\nleaky_split = 1", "neither true nor false"),
        (MESCR + "[sampling]\nleaky_split = true", "combination.calibrate = false"),
        (MESCR + "[sampling]\nmembers = ['A']\n[combination]\nweights = 'paper'", "choose 'learned'"),
        (MESCR + "[augmentation]\nerasing = [0.5, 0.1]", "the smaller first"),
        (MESCR + "[augmentation]\nerasing = 0.1", "is not a list"),
        (MESCR + "[recipe]\nsize = 7", "size 7 is not"),
        (MESCR + "[recipe]\nq = 'soft'", r"\[recipe\]"),
        (MESCR + "[recipe]\npm_range = [0, 1]", "pm_range.*set from the training stars"),
        (MESCR + "name = 'Mine!'", "lower-case"),
        ('base = "resnet"', "default, mescr, mescr-small"),
        ("base = 3", "base = 3"),
        ('base = "mine.toml"', "circle"),
        ("kind = 'default'\nmembers = 65", "members = 65"),
        ("kind = 'default'\n[stars]\ntrain = 0", "stars.train = 0"),
        ("kind = 'default'\n[training]\nloss = 'mescr'", "choose 'physical'"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, text, message):
    with pytest.raises(InputError, match=message) as caught:
        read_config(write(tmp_path, text))
    assert "mine.toml" in str(caught.value)


def test_a_configuration_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match=r"default, mescr, mescr-small.*'\./mine\.toml'"):
        read_config("mine")
    with pytest.raises(InputError, match="No such file"):
        read_config(tmp_path / "none.toml")
    with pytest.raises(InputError, match="100001 bytes"):
        read_config(write(tmp_path, "#" * 100_001))


def test_settings_made_in_python_are_checked_too():
    with pytest.raises(InputError, match=r"training\.batch_size = 1"):
        TrainingConfig(batch_size=1)
    assert SamplingConfig(members=["M"]).members == ("M",)


def test_every_setting_has_a_meaning_and_limits():
    """The documentation prints them."""
    for kind, sections in SECTIONS.items():
        for cls in (KINDS[kind], *sections.values()):
            for f in dataclasses.fields(cls):
                if cls is MescrRecipe or f.name in ("name", *sections):
                    continue
                assert f.metadata["meaning"]
                assert f.type is bool or f.metadata["choices"] or f.metadata["low"] < f.metadata["high"]
