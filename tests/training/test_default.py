# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The command that makes the default ensemble, in miniature from end to end."""

import json

import numpy as np
import pytest
from astropy import units as u
from astropy.table import Table

from stellarclass import load_ensemble, simulate
from stellarclass.astrometry import Astrometry
from stellarclass.cli import main
from stellarclass.physics import CLASSES
from stellarclass.simulate import LABEL_SYSTEMS, draw_stars
from stellarclass.stamps import recipes
from stellarclass.stamps.photometric import PhotometricRecipe
from stellarclass.training import labeled, simulated


def _train(folder, work, *labels, epochs=1):
    """The verb in miniature: one epoch of two networks, 600 stars; its exit code."""
    config = folder / "small.toml"
    config.write_text(
        f"""kind = "default"
        members = 2
        stars = {{train = 600, validation = 1, calibration = 1, radii = 2}}
        training = {{epochs = {epochs}}}"""
    )
    more = ["--labels", *labels] if labels else []
    return main(
        ["train", str(config), "--output", str(folder / "ensemble"), "--work", str(work), "--device", "cpu", *more]
    )


def _labels(path, classes, n):
    """A table of n stars of each of these classes, at the colors where they belong."""
    g_i = np.linspace([-0.4, 0.3, 0.6, 1.0, 2.1], [0.0, 0.5, 0.8, 1.6, 2.6], n).T[[CLASSES.index(c) for c in classes]]
    colors = g_i.reshape(-1, 1) * [0.5, 0.7, 0.3, 0.15] + [1.0, 0, 0, 0]
    steps = np.pad(-np.cumsum(colors, axis=1), ((0, 0), (1, 0)))
    table = Table(steps - steps[:, 2:3] + 17.0, names=list("ugriz"))
    table["label"] = np.repeat(list(classes), n)
    table.write(path)
    return str(path)


@pytest.fixture(scope="module", autouse=True)
def small():
    """Blocks of 600 stars, each labeled one rendered three times."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(simulated, "_BLOCK", 600)
        for name, value in (("_RENDERINGS", 3), ("_UNKNOWN_PSF", 1), ("_MISSING_BAND", 1), ("_EPOCHS", 3)):
            patch.setattr(labeled, name, value)
        yield


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """LAMOST's has no star of the hottest and the coolest class."""
    folder = tmp_path_factory.mktemp("labels")
    sdss = _labels(folder / "sdss.ecsv", CLASSES, 20)
    return [f"sdss={sdss}", f"lamost={_labels(folder / 'lamost.ecsv', 'FGK', 12)}"]


@pytest.fixture(scope="module")
def made(tables, tmp_path_factory):
    folder = tmp_path_factory.mktemp("default")
    assert _train(folder, folder / "work", *tables) == 0
    return folder


@pytest.fixture(scope="module")
def ensemble(made):
    return load_ensemble(made / "ensemble", device="cpu")


def test_it_makes_an_ensemble_that_loads_and_answers(ensemble):
    assert ensemble.classes == CLASSES
    assert set(ensemble.label_systems) == set(LABEL_SYSTEMS)
    assert ensemble.card.default_label_system == "sdss"
    stars = draw_stars(30, seed=1, r_range=[15, 18] * u.mag)
    inputs = ensemble.recipe(simulate.render_stars(stars, seed=2), Astrometry.empty(30))
    for system in LABEL_SYSTEMS:
        answer = ensemble.predict(inputs, label_system=system)
        np.testing.assert_allclose(answer.probabilities.sum(1), 1)
        assert np.isfinite(answer.domain_score).all()
        assert (answer.radius_lower <= answer.radius).all() and (answer.radius <= answer.radius_upper).all()
    even, plain = (ensemble.predict(inputs, label_system="pecaut_mamajek", class_prior=p) for p in ("even", None))
    assert np.abs(even.probabilities - plain.probabilities).max() > 0.01


def test_its_card_says_how_it_was_made(ensemble, made):
    card = ensemble.card
    assert card.training["stars"] == 600
    assert card.training["command"] == "stellarclass train CONFIG --output DIR --labels sdss=TABLE lamost=TABLE"
    assert card.training["config"]["epochs"] == 1
    assert card.training["config"]["stars"] == {"train": 600, "validation": 1, "calibration": 1, "radii": 2}
    assert len(card.training["validation_losses"]) == 2
    assert card.training["simulated_metrics"]["pecaut_mamajek"]["class_set_coverage"] >= 0.9
    assert str(made) not in (made / "ensemble" / "CARD.md").read_text()


def test_its_card_says_where_its_labels_end(ensemble):
    systems = ensemble.card.label_systems
    for system in LABEL_SYSTEMS:
        assert systems[system]["description"] == LABEL_SYSTEMS[system]
        assert systems[system]["calibration"]["temperature"] > 0
        assert sum(systems[system]["class_mix"]) == pytest.approx(1)
    assert systems["sdss"]["fit"]["stars"] == dict.fromkeys(CLASSES, 20)
    # LAMOST's A and M stars are SDSS's: they count in the maps, not in the figures.
    assert systems["lamost"]["fit"]["stars"]["A"] > 10 and systems["lamost"]["fit"]["stars"]["M"] > 10
    assert set(systems["lamost"]["fit"]["cross_validated"]["psf measured"]["recall"]) == {"F", "G", "K"}


def test_the_same_command_goes_on_where_it_stopped(made, ensemble, tables, tmp_path, capsys):
    assert _train(tmp_path, made / "work", *tables) == 0
    log = capsys.readouterr().err
    assert log and "drawing" not in log and "epoch" not in log.replace("_epochs", "")
    assert load_ensemble(tmp_path / "ensemble", device="cpu").sha256 == ensemble.sha256


def test_without_labels_it_speaks_what_needs_none(made, tmp_path):
    assert _train(tmp_path, made / "work") == 0
    plain = load_ensemble(tmp_path / "ensemble", device="cpu")
    assert plain.label_systems == ("pecaut_mamajek",)
    assert plain.card.default_label_system == "pecaut_mamajek"


@pytest.mark.parametrize(
    ("labels", "message"),
    [("harvard=x.ecsv", "sdss, lamost"), ("pecaut_mamajek=x.ecsv", "SYSTEM=TABLE"), ("sdss", "SYSTEM=TABLE")],
)
def test_labels_must_be_of_a_system_that_has_some(tmp_path, capsys, labels, message):
    assert _train(tmp_path, tmp_path / "work", labels) == 2
    assert message in capsys.readouterr().err


def test_what_another_command_left_behind_is_refused(made, tmp_path, capsys):
    assert _train(tmp_path, made / "work", epochs=2) == 2
    assert "remove it or name another folder" in capsys.readouterr().err
    other = json.dumps({"seed": 0, "recipe": recipes.to_dict(PhotometricRecipe())})
    folder = tmp_path / "work" / "train-600"
    folder.mkdir(parents=True)
    (folder / "complete").write_text(other)
    assert _train(tmp_path, tmp_path / "work") == 2
    assert "another seed or recipe" in capsys.readouterr().err
