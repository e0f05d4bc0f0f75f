# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The command that makes the default ensemble, in miniature from end to end."""

import numpy as np
import pytest
from astropy import units as u

from stellarclass import load_ensemble, simulate
from stellarclass.astrometry import Astrometry
from stellarclass.physics import CLASSES
from stellarclass.simulate import LABEL_SYSTEMS, draw_stars
from stellarclass.training.default import main


def _command(output, work, *more):
    sizes = ["--stars", "1000", "--validation", "1", "--calibration", "1", "--epochs", "1", "--members", "2"]
    return [*sizes, "--processes", "1", "--device", "cpu", "--output", str(output), "--work", str(work), *more]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("default")
    main(_command(folder / "ensemble", folder / "work"))
    return folder


def test_it_makes_an_ensemble_that_loads_and_answers(made):
    ensemble = load_ensemble(made / "ensemble", device="cpu")
    assert ensemble.classes == CLASSES
    assert ensemble.label_systems == tuple(LABEL_SYSTEMS)
    stars = draw_stars(50, seed=1, r_range=[15, 18] * u.mag)
    inputs = ensemble.recipe(simulate.render_stars(stars, seed=2), Astrometry.empty(50))
    for system in LABEL_SYSTEMS:
        answer = ensemble.predict(inputs, label_system=system)
        np.testing.assert_allclose(answer.probabilities.sum(1), 1)
        assert np.isfinite(answer.domain_score).all()
        assert (answer.radius_lower <= answer.radius).all() and (answer.radius <= answer.radius_upper).all()


def test_its_card_says_how_to_make_it_again(made):
    card = load_ensemble(made / "ensemble", device="cpu").card
    assert card.training["stars"] == 1000
    assert "--stars 1000 --validation 1 --calibration 1 --epochs 1 --members 2" in card.training["command"]
    assert len(card.training["validation_losses"]) == 2
    for system in LABEL_SYSTEMS:
        assert card.label_systems[system]["calibration"]["temperature"] > 0
        assert card.training["simulated_metrics"][system]["class_set_coverage"] >= 0.9
    assert str(made) not in (made / "ensemble" / "CARD.md").read_text()


def test_the_same_command_goes_on_where_it_stopped(made, tmp_path, capsys):
    main(_command(tmp_path / "again", made / "work"))
    out = capsys.readouterr().out
    assert "drawing" not in out and "epoch" not in out
    assert load_ensemble(tmp_path / "again").sha256 == load_ensemble(made / "ensemble").sha256


def test_what_another_command_left_behind_is_refused(made, tmp_path):
    with pytest.raises(ValueError, match="remove it or name another folder"):
        main([*_command(tmp_path / "e", made / "work"), "--epochs", "2"])
    (made / "work" / "train-1000" / "complete").write_text('{"seed": 0, "recipe": {"name": "photometric", "size": 8}}')
    with pytest.raises(SystemExit, match="another seed or recipe"):
        main(_command(tmp_path / "e", made / "work"))
