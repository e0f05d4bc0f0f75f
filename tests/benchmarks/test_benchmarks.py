# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The commands that print the tables of the documentation, in miniature."""

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest
from astropy import units as u

from stellarclass import flags
from stellarclass.simulate import draw_stars
from stellarclass.stamps import recipes
from stellarclass.stamps.photometric import PhotometricRecipe
from stellarclass.stamps.photometry import measure
from stellarclass.training.aperture_mlp import with_labels
from stellarclass.training.simulated import make_training_set

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"
NAMES = ("methods", "sky", "simulated", "intruders", "accuracy")


@pytest.fixture(scope="module")
def commands():
    """The modules of the folder ``benchmarks``, by name."""
    sys.path.insert(0, str(FOLDER))
    try:
        yield {name: importlib.import_module(name) for name in NAMES}
    finally:
        sys.path.remove(str(FOLDER))
        for name in NAMES:
            sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def stars():
    return draw_stars(40, seed=3, r_range=(16, 18) * u.mag)


def test_a_simulated_sky_is_seen_as_it_was_drawn(commands, stars):
    photometry = measure(commands["sky"].stamps_of(stars, seed=1, neighbor_density=0.0))
    r = stars["r"].to_value(u.mag)
    assert np.nanmedian(np.abs(photometry.magnitude[:, 2] - r)) < 0.03


def test_a_twin_beside_a_star_brings_its_light(commands, stars):
    sky = commands["sky"]
    alone, pair = (sky.stamps_of(stars, seed=1, neighbor_density=0.0) for _ in range(2))
    sky.add_neighbors(pair, stars, arcsec=2.0, seed=2)
    gain = (pair.images - alone.images).sum((2, 3))[:, 2] / 10 ** (0.4 * (22.5 - stars["r"].to_value(u.mag)))
    assert np.median(gain) == pytest.approx(1.0, abs=0.05)
    # Its middle is 2 arcsec from the star's.
    axis = np.arange(64) - 31.5
    light = (pair.images - alone.images)[:, 2].clip(0)
    x = (light.sum(1) * axis).sum(1) / light.sum((1, 2)) - alone.offsets[:, 2, 0]
    y = (light.sum(2) * axis).sum(1) / light.sum((1, 2)) - alone.offsets[:, 2, 1]
    assert np.median(np.hypot(x, y)) * 0.396 == pytest.approx(2.0, abs=0.3)
    assert ((measure(pair).flags & flags.BLENDED) > 0).mean() > 0.9


def test_bands_are_dropped_whole(commands, stars):
    stamps = commands["sky"].stamps_of(stars, seed=1)
    commands["intruders"].drop_bands(stamps, np.random.default_rng(1), 4)
    used = measure(stamps).used
    assert used.sum(1).max() == 1
    assert ((stamps.flags & flags.MISSING_BAND) > 0).all()


def test_the_table_of_intruders(commands, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["intruders.py", "--stars", "12"])
    commands["intruders"].main()
    rows = {line.split("  ")[0].strip(): line for line in capsys.readouterr().out.splitlines() if "  " in line}
    kinds = ("clean single star", "no Gaia match", "one band only", 'twin at 2"', "quasar", "white dwarf", "O star")
    assert {*kinds} <= {*rows}
    assert "no_astrometry 1.00" in rows["no Gaia match"]
    assert "no_usable_band 1.00" in rows["one band only"]
    assert "blended" in rows['twin at 2"']


def test_the_table_of_methods_and_its_resumption(commands, monkeypatch, capsys, tmp_path):
    pytest.importorskip("sklearn")
    data = with_labels(make_training_set(1000, seed=5, recipe=recipes.to_dict(PhotometricRecipe())))
    sets = tuple({k: v[rows] for k, v in data.items()} for rows in (slice(700), slice(700, None)))
    monkeypatch.setattr(commands["methods"], "training_sets", lambda args: sets)
    monkeypatch.setattr(sys, "argv", ["simulated.py", "--stars", "50", "--seeds", "2", "--work", str(tmp_path)])
    commands["simulated"].main()
    first = capsys.readouterr().out
    for name in ("network, image", "network, all", "multi-aperture MLP", "colors only (forest)", "Stefan-Boltzmann"):
        assert name in first
    assert "SIMULATED" in first and "parallax S/N" in first and "brings a factor" in first
    # What is kept is not made again, and gives the same table.
    monkeypatch.setattr(commands["methods"], "training_sets", lambda args: pytest.fail("trained again"))
    monkeypatch.setattr(commands["simulated"], "stamps_of", lambda *a, **k: pytest.fail("rendered again"))
    commands["simulated"].main()
    assert capsys.readouterr().out.splitlines()[:-1] == first.splitlines()[:-1]  # but for the seconds


@pytest.mark.parametrize("name", ["simulated", "intruders", "accuracy"])
def test_the_commands_say_what_they_take(commands, name, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [f"{name}.py", "--help"])
    with pytest.raises(SystemExit) as stop:
        commands[name].main()
    assert stop.value.code == 0
    assert "--ensemble" in capsys.readouterr().out
