# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Ensembles on disk: what is saved comes back, and nothing else is taken."""

import dataclasses
import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

import stellarclass.nets.weights as weights_module
from stellarclass import conf
from stellarclass.astrometry import Astrometry
from stellarclass.exceptions import EnsembleError
from stellarclass.nets.card import Card, Member
from stellarclass.nets.compact import CompactNet
from stellarclass.nets.ensemble import Ensemble
from stellarclass.nets.weights import list_ensembles, load_ensemble, save_ensemble, write_card_md
from stellarclass.stamps.base import Stamps


@pytest.fixture
def saved(ensemble, tmp_path):
    folder = tmp_path / "saved"
    save_ensemble(ensemble, folder)
    return folder


def edit(folder, change):
    """Change a saved card's JSON by a function."""
    path = folder / "card.json"
    values = json.loads(path.read_text())
    change(values)
    path.write_text(json.dumps(values))


def rehash(folder, file):
    """Make the card agree with a file, as an attacker would."""
    digest = hashlib.sha256((folder / file).read_bytes()).hexdigest()

    def change(values):
        for member in values["members"]:
            if member["file"] == file:
                member["sha256"] = digest

    edit(folder, change)


def test_a_round_trip_keeps_every_bit(ensemble, saved, inputs):
    loaded = load_ensemble(saved, device="cpu")
    for ours, theirs in zip(ensemble.members, loaded.members, strict=True):
        assert ours.state_dict().keys() == theirs.state_dict().keys()
        assert all(torch.equal(v, theirs.state_dict()[k]) for k, v in ours.state_dict().items())
    before, after = ensemble.predict(inputs), loaded.predict(inputs)
    np.testing.assert_array_equal(before.probabilities, after.probabilities)
    np.testing.assert_array_equal(before.radius_err, after.radius_err)
    assert sorted(p.name for p in saved.iterdir()) == sorted(
        ["CARD.md", "card.json", *(f"{n}.safetensors" for n in ("base", "a", "f", "g", "k", "m"))]
    )


def test_half_precision_halves_the_size_and_computes_in_single(ensemble, saved, inputs, tmp_path):
    save_ensemble(ensemble, tmp_path / "half", half=True)
    whole, half = ((f / "base.safetensors").stat().st_size for f in (saved, tmp_path / "half"))
    assert half < 0.65 * whole
    loaded = load_ensemble(tmp_path / "half", device="cpu")
    assert {v.dtype for m in loaded.members for v in m.parameters()} == {torch.float32}
    np.testing.assert_allclose(loaded.predict(inputs).probabilities, ensemble.predict(inputs).probabilities, atol=2e-3)
    again = save_ensemble(loaded, tmp_path / "again", half=True)
    assert again.sha256 == loaded.sha256
    stored = safetensors.torch.load_file(tmp_path / "half" / "base.safetensors")
    assert {v.dtype for k, v in stored.items() if k.endswith(("running_var", "bias"))} == {torch.float32}


def test_the_compact_network_travels_too(ensemble, tmp_path):
    torch.manual_seed(0)
    kwargs = {"features": 12, "size": 8, "width": 16, "label_systems": ["sdss"]}
    network = CompactNet(**kwargs)
    network.set_scaling(torch.randn(50, 12) * 1e5)  # beyond half precision
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    card = dataclasses.replace(
        ensemble.card,
        architecture="compact",
        architecture_kwargs=kwargs,
        label_systems={"sdss": {}, "pecaut_mamajek": {}},
        members=(Member("one"),),
        combination={"rule": "mixture"},
        radius_space="log10",
    )
    compact = Ensemble([network], card, device="cpu")
    save_ensemble(compact, tmp_path / "compact", half=True)
    loaded = load_ensemble(tmp_path / "compact", device="cpu")
    inputs = {
        "features": np.random.default_rng(0).normal(0, 1e5, (5, 12)),
        "residual": np.zeros((5, 5, 8, 8)),
        "bp_rp_base": np.zeros(5),
        "radius_base": np.zeros(5),
    }
    for system in loaded.label_systems:
        before, after = (e.predict(inputs, label_system=system) for e in (compact, loaded))
        np.testing.assert_allclose(after.probabilities, before.probabilities, atol=0.01)


def test_by_default_the_configured_one(saved):
    with conf.set_temp("ensemble", str(saved)):
        assert load_ensemble(device="cpu").sha256 == load_ensemble(saved, device="cpu").sha256


def test_loading_leaves_the_random_state_alone(saved):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    load_ensemble(saved, device="cpu")
    assert torch.equal(before, torch.get_rng_state())


def test_the_digest_is_about_all_that_decides_an_answer(saved):
    first = load_ensemble(saved, device="cpu").sha256
    assert len(first) == 64
    edit(saved, lambda v: v.update(training={"seed": 1}, description="Other words."))
    assert Card.read(saved / "card.json").sha256 == first
    edit(saved, lambda v: v["label_systems"]["sdss"].update(calibration={"temperature": 1.1}))
    assert Card.read(saved / "card.json").sha256 != first


def test_changed_weights_are_refused(saved):
    path = saved / "g.safetensors"
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    path.write_bytes(raw)
    with pytest.raises(EnsembleError, match=r"g\.safetensors is not the file on its card"):
        load_ensemble(saved)


@pytest.mark.parametrize("keep", [0, 7, 500, -1])
def test_truncated_weights_are_refused(saved, keep):
    path = saved / "k.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(EnsembleError, match="damaged, truncated or changed"):
        load_ensemble(saved)
    rehash(saved, "k.safetensors")  # even if the card agrees
    with pytest.raises(EnsembleError, match="is not a safetensors file"):
        load_ensemble(saved)


def test_missing_weights_name_where_they_should_be(saved):
    (saved / "f.safetensors").unlink()
    with pytest.raises(EnsembleError, match=rf"'F' are missing: no file {saved}/f\.safetensors"):
        load_ensemble(saved)


def test_weights_of_another_network_are_refused(saved):
    state = safetensors.torch.load_file(saved / "a.safetensors")
    state["mean.weight"] = torch.zeros(1, 999)
    state["intruder"] = torch.zeros(1)
    safetensors.torch.save_file(state, saved / "a.safetensors")
    rehash(saved, "a.safetensors")
    with pytest.raises(EnsembleError, match=r"another network than its card says \(2 tensors differ: intruder"):
        load_ensemble(saved)


def test_weights_that_are_not_finite_are_neither_read_nor_written(saved, ensemble, tmp_path):
    state = safetensors.torch.load_file(saved / "a.safetensors")
    state["mean.bias"][0] = torch.nan
    safetensors.torch.save_file(state, saved / "a.safetensors")
    rehash(saved, "a.safetensors")
    with pytest.raises(EnsembleError, match=r"mean\.bias is not finite"):
        load_ensemble(saved)
    torch.nn.init.constant_(ensemble.members[0].mean.bias, torch.inf)
    with pytest.raises(EnsembleError, match=r"mean\.bias of member 'Base' is not finite"):
        save_ensemble(ensemble, tmp_path / "new")
    assert not (tmp_path / "new" / "card.json").exists()


def test_a_pickle_is_not_opened(saved):
    class Bomb:
        def __reduce__(self):
            return (pytest.fail, ("the pickle was opened",))

    torch.save(Bomb(), saved / "m.safetensors")
    rehash(saved, "m.safetensors")
    with pytest.raises(EnsembleError, match="is not a safetensors file"):
        load_ensemble(saved)


def test_a_huge_file_is_not_read(saved, monkeypatch):
    monkeypatch.setattr(weights_module, "_MAX_WEIGHT_BYTES", 1000)
    with pytest.raises(EnsembleError, match="more than 1000"):
        load_ensemble(saved)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"width": 1e9}, "width"),
        ({"width": "wide"}, "cannot be built"),
        ({"depth": 3}, "cannot be built"),
        ({"width": 4, "classes": 100, "pool": 32}, "another network"),  # 50 GB if it were built first
    ],
)
def test_a_network_that_does_not_fit_its_weights_is_not_built(saved, kwargs, message):
    edit(saved, lambda v: v.update(architecture_kwargs=kwargs))
    with pytest.raises(EnsembleError, match=message):
        load_ensemble(saved)


def test_an_unknown_architecture_is_refused(saved):
    edit(saved, lambda v: v.update(architecture="os"))
    with pytest.raises(
        EnsembleError, match="unknown architecture 'os'; this version knows aperture_mlp, compact, mmscnet, scnet"
    ):
        load_ensemble(saved)


@pytest.mark.parametrize(
    "name", ["../secret", "/etc/passwd", "a/b.safetensors", "..", ".safetensors", "card.json", "a\\b"]
)
def test_weight_files_lie_in_the_folder(saved, name):
    edit(saved, lambda v: v["members"][0].update(file=name))
    with pytest.raises(EnsembleError, match=r"members\.file"):
        load_ensemble(saved)


def test_a_bare_name_is_a_shipped_ensemble_and_nothing_else(saved, monkeypatch):
    monkeypatch.chdir(saved.parent)
    with pytest.raises(EnsembleError, match=r"no ensemble 'saved' comes with .*ensembles.*'\./saved'"):
        load_ensemble("saved")
    assert load_ensemble("./saved", device="cpu").name == "test"
    assert load_ensemble(Path("saved"), device="cpu").name == "test"


@pytest.mark.parametrize("name", ["../ensembles", "nowhere/at/all", "", "."])
def test_a_folder_without_a_card_is_no_ensemble(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(EnsembleError, match=r"has no card\.json"):
        load_ensemble(name)


def test_shipped_ensembles_are_listed_and_loaded_by_name(saved, tmp_path, monkeypatch):
    shelf = tmp_path / "shelf"
    shutil.copytree(saved, shelf / "tiny")
    (shelf / "empty").mkdir()
    monkeypatch.setattr(weights_module, "_SHIPPED", shelf)
    table = list_ensembles()
    assert len(table) == 1
    row = table[0]
    assert (row["name"], row["architecture"], row["members"], row["classes"]) == ("tiny", "mmscnet", 6, "A,F,G,K,M")
    size = sum(p.stat().st_size for p in saved.glob("*.safetensors"))
    assert row["size"].to_value("byte") == pytest.approx(size)
    assert row["sha256"] == load_ensemble("tiny", device="cpu").sha256
    monkeypatch.setattr(weights_module, "_SHIPPED", tmp_path / "gone")
    assert len(list_ensembles()) == 0 and list_ensembles().colnames == table.colnames
    assert list_ensembles()["size"].unit == table["size"].unit


def test_listing_loads_no_torch():
    code = "import sys, stellarclass; stellarclass.list_ensembles(); print('torch' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"


def test_every_shipped_ensemble_loads_and_fits_its_recipe():
    nothing = Stamps.empty(2), Astrometry.empty(2)
    for name in list_ensembles()["name"]:
        ensemble = load_ensemble(str(name), device="cpu")
        for system in ensemble.label_systems:
            prediction = ensemble.predict(ensemble.recipe(*nothing), label_system=system)
            assert prediction.probabilities.shape == (2, len(ensemble.classes))


def test_the_card_for_people(saved, values):
    text = (saved / "CARD.md").read_text()
    card = Card.read(saved / "card.json")
    assert text == write_card_md(card)
    for part in (
        "# test 1",
        "For tests.",
        "`mmscnet`",
        "A, F, G, K, M",
        "`sdss` (default): SDSS subclasses",
        card.sha256,
    ):
        assert part in text
    assert all(m.sha256 in text and m.file in text for m in card.members)
    assert "not saved yet" in write_card_md(Card.from_dict(values))


def test_saving_replaces_what_was_there(ensemble, saved):
    torch.nn.init.zeros_(ensemble.members[0].mean.bias)
    card = save_ensemble(ensemble, saved)
    assert load_ensemble(saved, device="cpu").sha256 == card.sha256
    assert not list(saved.glob("*.part"))
