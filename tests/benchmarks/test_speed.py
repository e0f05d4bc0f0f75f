# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The benchmark of speed compares like with like: its peers do the same work, star by star."""

import importlib
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from skyframes import FIELDS, frame_bytes

from stellarclass.archives import LocalSAS
from stellarclass.stamps.cutouts import cut_field, field_shape
from stellarclass.stamps.mescr import MescrRecipe

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"
NAMES = ("votable", "peers", "speed")


@pytest.fixture(scope="module")
def commands():
    sys.path.insert(0, str(FOLDER))
    try:
        yield {name: importlib.import_module(name) for name in NAMES}
    finally:
        sys.path.remove(str(FOLDER))
        for name in NAMES:
            sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """A small field on disk with blots of several sizes, one of them at the edge, and their positions."""
    root = tmp_path_factory.mktemp("sas")
    key, center = next(iter(FIELDS.items()))
    places = [(40, 50, 1.0), (110, 40, 3.0), (150, 110, 7.0), (8, 120, 2.0)]
    y, x = np.mgrid[:149, :205]
    pixels = [
        (a, b, np.float32(30 * np.exp(-((a - px) ** 2 + (b - py) ** 2) / (2 * width**2))))
        for px, py, width in places
        for a, b in zip(x.ravel(), y.ravel(), strict=True)
        if (a - px) ** 2 + (b - py) ** 2 < 25 * width**2
    ]
    for band in "ugriz":
        content = frame_bytes(key, band, center, stars=pixels)
        (root / f"frame-{band}-{key.run:06d}-{key.camcol}-{key.field:04d}.fits.bz2").write_bytes(content)
    source = LocalSAS(root)
    field = next(iter(source.fields(source.keys())))
    coords = SkyCoord(*field.frames["r"].wcs.wcs_pix2world(*np.transpose(places)[:2], 0), unit="deg")
    return source, field, coords


@pytest.mark.filterwarnings("ignore::astropy.wcs.FITSFixedWarning")
def test_star_by_star_makes_the_same_images(commands, archive):
    source, field, coords = archive
    peers = commands["peers"]
    inputs = MescrRecipe()(cut_field(field, coords.ra.deg, coords.dec.deg, **field_shape(field)))
    ours = np.stack([inputs["image_a"], inputs["image_b"]], axis=1).astype(int)
    paths = commands["speed"].frame_paths(source, source.keys()[0])
    assert sorted(paths) == sorted("ugriz")
    frames = {band: peers.open_frame(path) for band, path in paths.items()}
    for k, coord in enumerate(coords):
        pixels = {band: tuple(wcs.world_to_pixel(coord)) for band, (_, wcs) in frames.items()}
        made = [peers.star_by_sky(frames, coord), peers.star_by_pixel(frames, pixels)]
        made.append(peers.star_the_papers_way(paths, coord))
        assert max(np.abs(ours[k] - images).max() for images in made) <= 1
        assert made[0].max() > 100


def test_the_papers_networks_answer_in_batches(commands):
    paper = commands["peers"].PaperNetworks(width=1 / 16)
    rng = np.random.default_rng(1)
    images = rng.integers(0, 256, (20, 2, 3, 64, 64), dtype=np.uint8)
    probabilities, radius = paper(images, np.zeros((20, 2), np.float32))
    assert probabilities.shape == (20, 5) and radius.shape == (20,)
    np.testing.assert_allclose(probabilities.sum(1), 1, rtol=1e-5)


def test_the_race_counts_the_least_of_each(commands, monkeypatch):
    clock = iter([0, 5, 5, 6, 10, 12, 20, 23])
    monkeypatch.setattr(time, "process_time", lambda: next(clock))
    order = []
    best = commands["speed"].race({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, 2)
    assert best == {"a": 2, "b": 1}
    assert order == ["a", "b", "a", "b"]


def test_the_tables(commands, capsys):
    speed = commands["speed"]
    speed.print_rows([speed.Row("read", "frame", "somebody", 0.5, 2.0, 1.8), speed.Row("write", "row", "x", 0.1, 0.1)])
    speed.print_shares([("simulated", 54, 5.0, 0.25)])
    speed.print_stages({"bzip2": 4.5, "stamps": 0.5}, 54)
    out = capsys.readouterr().out
    assert "2 frames/s" in out and " 4.0 " in out and "somebody" in out and "5.0 %" in out
    assert "4500  90.0 %" in out
