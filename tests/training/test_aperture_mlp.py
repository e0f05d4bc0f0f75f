# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The multi-aperture baseline: it learns, it is an ensemble like any other, and it sees what it should."""

import json

import numpy as np
import pytest
import torch

from stellarclass.nets.aperture_mlp import ApertureMLP
from stellarclass.nets.weights import load_ensemble
from stellarclass.simulate import LABEL_SYSTEMS
from stellarclass.stamps import recipes
from stellarclass.stamps.photometric import FEATURES, PhotometricRecipe
from stellarclass.training.aperture_mlp import (
    cross_validate_aperture_mlp,
    main,
    read_set,
    train_aperture_mlp,
    with_labels,
)
from stellarclass.training.simulated import make_training_set


@pytest.fixture(scope="module")
def data():
    drawn = make_training_set(4000, seed=6, recipe=recipes.to_dict(PhotometricRecipe()))
    star = np.flatnonzero(drawn.pop("target_intruder") < 0.5)[:3000]
    return {name: value[star] for name, value in drawn.items()}


def write_set(folder, data, rows):
    folder.mkdir(parents=True)
    for name, value in data.items():
        np.save(folder / f"{name}.npy", value[rows], allow_pickle=False)
    (folder / "complete").write_text("")


@pytest.fixture(scope="module")
def work(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("work")
    write_set(folder / "train-2000", data, slice(2000))
    write_set(folder / "train-20", data, slice(20))
    write_set(folder / "calibration-1000", data, slice(2000, None))
    (folder / "train-90000").mkdir()  # one that was interrupted
    return folder


@pytest.fixture(scope="module")
def saved(tmp_path_factory, work):
    folder = tmp_path_factory.mktemp("mlp") / "mlp"
    main(["--work", str(work), "--output", str(folder), "--epochs", "10"])
    return folder


def test_it_reads_the_largest_complete_set(work):
    data = read_set(work, "train")
    assert len(data["features"]) == 2000
    assert "residual" not in data  # images are not for it
    with pytest.raises(FileNotFoundError, match="no complete set validation"):
        read_set(work, "validation")


def test_it_learns_and_is_calibrated(saved, data):
    ensemble = load_ensemble(saved)
    rest = {k: v[2000:] for k, v in data.items()}
    answer = ensemble.predict({"features": rest["features"]}, label_system="sdss")
    truth = with_labels(rest)["target_sdss"].argmax(1)
    assert (answer.probabilities.argmax(1) == truth).mean() > 0.7
    log_radius = rest["target_log_radius"]
    assert np.abs(np.log10(answer.radius) - log_radius).mean() < 0.6 * np.abs(log_radius - log_radius.mean()).mean()
    inside = (answer.radius_lower <= 10**log_radius) & (10**log_radius <= answer.radius_upper)
    assert inside.mean() == pytest.approx(0.9, abs=0.03)


def test_it_speaks_every_label_system_of_the_simulated_sky(saved):
    ensemble = load_ensemble(saved)
    assert {*ensemble.label_systems} == {*LABEL_SYSTEMS}
    # And knows the mix of its classes, so that another can be asked for.
    assert all(len(ensemble.card.label_systems[s]["class_mix"]) == 5 for s in LABEL_SYSTEMS)


def test_what_is_no_star_is_left_out_and_labels_are_added(data):
    part = {k: v[:100] for k, v in data.items() if k != "target_sdss"}
    part["target_intruder"] = (np.arange(100) % 4 == 0).astype(np.float32)
    done = with_labels(part)
    assert len(done["features"]) == 75 and "target_intruder" not in done
    np.testing.assert_allclose(done["target_sdss"].sum(1), 1, rtol=1e-5)


def test_real_labels_of_other_stars_are_learned(saved, data):
    """A pipeline that prints G on every F star: held-out stars show that it is learned, and that nothing leaks."""
    ensemble = load_ensemble(saved)
    features, fold = data["features"][:1500], np.arange(1500) % 3
    ordinary = ensemble.predict({"features": features}, label_system="sdss").probabilities.argmax(1)
    odd = np.where(ordinary == 1, 2, ordinary)
    options = {"label_system": "sdss", "epochs": 30}
    p = cross_validate_aperture_mlp(ensemble, features, odd, fold, **options)
    np.testing.assert_allclose(p.sum(1), 1)
    assert (p.argmax(1) == odd).mean() > 0.85 > (ordinary == odd).mean()
    noise = np.random.default_rng(1).integers(0, 5, 1500)
    p = cross_validate_aperture_mlp(ensemble, features, noise, fold, **options)
    assert (p.argmax(1) == noise).mean() < 0.3


def test_the_card_says_what_it_saw(saved):
    card = json.loads((saved / "card.json").read_text())
    assert card["architecture"] == "aperture_mlp"
    assert card["training"]["stars"] == 2000
    assert tuple(card["architecture_kwargs"]["features"]) == FEATURES


def test_the_same_seed_gives_the_same_network(data):
    part = with_labels({k: v[:600] for k, v in data.items()})
    a, b, c = (train_aperture_mlp(part, seed=s, epochs=1).state_dict() for s in (1, 1, 2))
    assert all(torch.equal(a[k], b[k]) for k in a)
    assert not torch.equal(a["layer1.weight"], c["layer1.weight"])


def test_stars_without_a_radius_do_not_spoil_it(data):
    part = with_labels({k: v[:600].copy() for k, v in data.items()})
    part["target_log_radius"][::3] = np.nan
    network = train_aperture_mlp(part, seed=1, epochs=1)
    assert all(torch.isfinite(v).all() for v in network.state_dict().values())


def test_it_sees_magnitudes_within_apertures_and_no_image():
    network = ApertureMLP(features=FEATURES, label_systems=["sdss"])
    place = {name: k for k, name in enumerate(FEATURES)}
    features = torch.zeros(1, len(FEATURES))
    features[0, place["color_g"]], features[0, place["aperture7_g"]] = 0.8, -0.3
    x = network._inputs(features)[0]
    assert sorted(x[x != 0].tolist()) == pytest.approx([0.5, 0.8, 0.8])  # g within 7, 3 and 5 pixels
    for unseen in ("fwhm_r", "log_err_u", "log_luminosity", "psf_known"):
        assert network._inputs(torch.nn.functional.one_hot(torch.tensor([place[unseen]]), len(FEATURES))).sum() == 0


def test_too_few_stars_or_unknown_columns_are_refused(data):
    with pytest.raises(ValueError, match="20 stars do not fill a batch of 512"):
        train_aperture_mlp(with_labels({k: v[:20] for k, v in data.items()}), seed=1)
    with pytest.raises(ValueError, match="lack used_u"):
        ApertureMLP(features=[f for f in FEATURES if f != "used_u"], label_systems=["sdss"])
