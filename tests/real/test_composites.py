# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What the paper's network is shown of real stars: colors in its composites, the star in its region of interest."""

from types import SimpleNamespace

import numpy as np
import pytest
from astropy.table import Table
from matplotlib import pyplot as plt
from scipy.stats import spearmanr

from stellarclass.evaluation.report_figures import Practice, figure_composites, figure_roi
from stellarclass.stamps.composites import composites
from stellarclass.stamps.mescr import MescrRecipe
from stellarclass.stamps.roi import roi_boxes


@pytest.fixture(scope="module")
def bright(sparse):
    """Stars of r = 15 to 19 of field 4510-4-30, from blue to red, and SDSS's own g - i."""
    flux = np.asarray(sparse.catalog["PSFFLUX"], float)
    r = 22.5 - 2.5 * np.log10(np.clip(flux[:, 2], 1e-3, None))
    whole = np.isfinite(sparse.stamps.images).all(axis=(1, 2, 3))
    good = np.flatnonzero((r > 15) & (r < 19) & (flux > 0).all(1) & whole)
    g_i = -2.5 * np.log10(flux[good, 1] / flux[good, 3])
    order = np.argsort(g_i)
    return SimpleNamespace(stamps=sparse.stamps[good[order]], g_i=g_i[order])


def test_a_red_star_is_blue_in_gri(bright):
    """The paper's first letter feeds the red channel: g is red and i is blue."""
    assert len(bright.g_i) >= 10
    gri, _ = composites(bright.stamps.images, "gri+urz")
    core = gri[:, :, 28:36, 28:36].astype(float).sum(axis=(2, 3))
    assert spearmanr(core[:, 2] / core[:, 0], bright.g_i).statistic > 0.9


@pytest.mark.parametrize("rule", ["ring", "published"])
def test_its_region_of_interest_holds_the_star(bright, rule):
    r = bright.stamps.images[:, 2]
    boxes = roi_boxes(r, rule=rule)
    share = [
        image[y0:y1, x0:x1].sum() / image[20:44, 20:44].sum() for image, (y0, y1, x0, x1) in zip(r, boxes, strict=True)
    ]
    assert np.median(share) == pytest.approx(0.95, abs=0.05)
    sides = boxes[:, 1] - boxes[:, 0]
    brightness = r[:, 20:44, 20:44].sum(axis=(1, 2))
    assert spearmanr(sides, brightness).statistic > 0.5  # a brighter star is seen farther out


def test_both_are_drawn(bright):
    table = Table({"spectral_class": ["F", "M"]})
    ends = SimpleNamespace(table=table, stamps=lambda rows: bright.stamps[[0, len(bright.g_i) - 1]][rows])
    for figure in (figure_composites(ends, [0, 1], Practice(MescrRecipe(), None, None, 1)), figure_roi(ends, 0)):
        figure.canvas.draw()
        assert all(ax.images for ax in figure.axes)
        plt.close(figure)
