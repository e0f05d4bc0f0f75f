# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Pictures as a whole, against those in ``tests/baseline``: what a test of single points does not see.

A picture that is meant to change is made anew, and looked at, by
``pytest tests/test_plotting_pictures.py --mpl-generate-path=tests/baseline``.
"""

from functools import partial

import matplotlib as mpl
import numpy as np
import pytest
from astropy import units as u
from astropy.table import QTable, Table
from astropy.utils.masked import Masked
from matplotlib.figure import Figure

from stellarclass import plotting

pytestmark = pytest.mark.skipif(
    not mpl.__version__.startswith("3.11."),
    reason="made by Matplotlib 3.11, which constraints.txt names",
)
CLASSES = "AFGKM"
picture = partial(
    pytest.mark.mpl_image_compare,
    baseline_dir="baseline",
    remove_text=True,  # letters differ from one machine's fonts to another's
    style="default",
    savefig_kwargs={"dpi": 50},
)


@pytest.fixture(scope="module")
def answers():
    """150 stars on a sequence from A to M, one in five without a useful parallax, four without an answer."""
    rng = np.random.default_rng(7)
    n = 150
    along = np.linspace(0, 1, n)  # from hot to cool
    true = np.minimum((along * 5).astype(int), 4)
    logits = -8 * (along[:, None] * 5 - 0.5 - np.arange(5)) ** 2 / 10 + rng.normal(0, 0.4, (n, 5))
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    best = p.argmax(axis=1)
    failed = np.arange(n) % 40 == 13
    table = QTable()
    table["spectral_class"] = np.ma.MaskedArray([CLASSES[k] for k in best], mask=failed)
    table["class_set"] = np.ma.MaskedArray(
        ["".join(c for c, q in zip(CLASSES, row, strict=True) if q > 0.1) for row in p], mask=failed
    )
    for k, name in enumerate(CLASSES.lower()):
        table[f"prob_{name}"] = np.ma.MaskedArray(p[:, k], mask=failed)
    radius = 10 ** (0.4 - 1.2 * along + rng.normal(0, 0.03, n))
    distance = 10 ** rng.uniform(-1, 0.5, n)
    table["psfmag_g"] = (14 + 10 * along + 5 * np.log10(distance / 0.1)) * u.mag
    table["psfmag_r"] = table["psfmag_g"] - (-0.2 + 1.7 * along) * u.mag
    table["psfmag_i"] = table["psfmag_r"] - (-0.2 + 1.5 * along**2) * u.mag
    table["radius"] = Masked(radius * u.solRad, mask=failed)
    table["radius_err"] = Masked(0.1 * radius * u.solRad, mask=failed)
    table["radius_lower"] = Masked(radius * 0.85 * u.solRad, mask=failed)
    table["radius_upper"] = Masked(radius * 1.2 * u.solRad, mask=failed)
    table["radius_sb"] = Masked(radius * 10 ** rng.normal(0, 0.05, n) * u.solRad, mask=failed)
    table["radius_spread"] = Masked(0.03 * radius * u.solRad, mask=failed)
    table["parallax"] = 1 / distance * u.mas
    table["parallax_error"] = np.where(np.arange(n) % 5 == 2, 1.0, 0.02) * u.mas
    table.meta = {"radius_level": 0.9, "class_set_level": 0.9, "label_system": "sdss"}
    return table, [CLASSES[k] for k in true], 10 ** (0.4 - 1.2 * along) * u.solRad  # table, true class, true radius


def axes():
    figure = Figure(figsize=(5, 4))
    return figure, figure.subplots()


@picture()
@pytest.mark.parametrize("draw", ["plot_cmd", "plot_hr", "plot_classes"])
def test_diagrams(answers, draw):
    figure, ax = axes()
    getattr(plotting, draw)(answers[0], ax=ax)
    return figure


@picture()
@pytest.mark.parametrize("known", [False, True])
def test_radii(answers, known):
    figure, ax = axes()
    plotting.plot_radius(answers[0], answers[2] if known else None, ax=ax)
    ax.legend()
    return figure


@picture()
@pytest.mark.parametrize("by", [None, "class"])
def test_reliability(answers, by):
    figure, ax = axes()
    plotting.plot_reliability(answers[0], answers[1], by=by, bins=5, ax=ax)
    return figure


@picture()
def test_coverage(answers):
    figure, ax = axes()
    plotting.plot_coverage(answers[0], answers[2], by="parallax", ax=ax)
    return figure


@picture()
def test_losses():
    epochs = np.tile(np.arange(1, 11), 4)
    names = np.repeat(["Base", "A", "member0", "member1"], 10)
    losses = Table({"member": names, "epoch": epochs, "train": 3 / epochs + np.repeat(np.arange(4) * 0.2, 10)})
    figure, ax = axes()
    plotting.plot_losses(losses, ax=ax)
    return figure


@picture()
def test_stars():
    y, x = np.mgrid[:64, :64] - 31.5
    star = np.exp(-(x**2 + y**2) / 8)
    images = np.random.default_rng(3).normal(0, 0.02, (2, 5, 64, 64)) + star * np.array([1, 5, 9, 7, 4])[:, None, None]
    figure = Figure(figsize=(9, 3.6))
    plotting.plot_stars(images.astype(np.float32), ["bright", "the same"], figure=figure)
    return figure
