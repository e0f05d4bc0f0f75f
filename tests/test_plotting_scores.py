# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Pictures of an evaluation show the numbers that they are given, and say what they leave out."""

import numpy as np
import pytest
from astropy import units as u
from astropy.table import QTable
from astropy.utils.masked import Masked
from matplotlib.figure import Figure

from stellarclass.plotting import (
    plot_class_counts,
    plot_composite,
    plot_confusion,
    plot_distribution,
    plot_gaia_cmd,
    plot_image,
    plot_quantiles,
    plot_radius_density,
    plot_residuals,
    plot_roi,
    plot_sample,
    plot_uncertainty,
)
from stellarclass.stamps.composites import lupton_rgb
from stellarclass.stamps.roi import roi_boxes


@pytest.fixture
def axes():
    return Figure().add_subplot()


@pytest.fixture
def star():
    """Five bands of one star that is brighter in r."""
    y, x = np.mgrid[:64, :64] - 31.5
    return np.array([1, 2, 4, 3, 2])[:, None, None] * np.exp(-(x**2 + y**2) / 18)


def texts(axes):
    return [text.get_text() for text in axes.texts]


def test_confusion_has_each_number_in_its_cell(axes):
    plot_confusion([[8, 2], [0, 1]], "FG", ax=axes)
    cells = {(round(t.get_position()[1]), round(t.get_position()[0])): t.get_text() for t in axes.texts}
    assert cells == {(0, 0): "8\n80 %", (0, 1): "2\n20 %", (1, 1): "1\n100 %"}  # row: label, column: answer
    assert axes.get_ylabel() == "Label"
    with pytest.raises(ValueError, match="3 classes"):
        plot_confusion([[1]], "FGK", ax=axes)


def test_density_holds_every_star_and_says_which_lie_beyond(axes):
    truth = np.geomspace(0.2, 5, 200)
    answer = truth * 1.1
    answer[0] = 1e6
    truth[1], answer[2] = np.nan, np.nan
    plot_radius_density(truth * u.solRad, answer * u.solRad, ax=axes)
    counts = axes.collections[0].get_array()
    assert np.nansum(np.ma.filled(counts, 0)) == 198
    assert texts(axes) == ["198 stars\n1 beyond the axes"]
    assert axes.get_xlim() == axes.get_ylim()
    assert axes.get_xlim()[1] < 30


def test_residuals_hold_every_star(axes):
    truth = np.ones(100) * u.solRad
    answer = np.linspace(0.9, 1.1, 100) * u.solRad
    answer[0] = 50 * u.solRad
    plot_residuals(truth, answer, ax=axes)
    assert sum(patch.get_height() for patch in axes.patches) == 100
    assert "MAE" in texts(axes)[0]
    other = Figure().add_subplot()
    plot_residuals(truth, 10 * truth, relative=True, ax=other)
    assert texts(other) == ["mean +1.000\nMAE 1.000\nσ 0.000 dex"]


@pytest.mark.parametrize("draw", [plot_radius_density, plot_residuals])
def test_radii_have_units_and_lengths(draw, axes):
    with pytest.raises(TypeError, match="unit"):
        draw([1.0], [1.0] * u.solRad, ax=axes)
    with pytest.raises(u.UnitsError):
        draw([1.0] * u.K, [1.0] * u.solRad, ax=axes)
    with pytest.raises(ValueError, match="one each"):
        draw([1.0, 2.0] * u.solRad, [1.0] * u.solRad, ax=axes)
    draw([np.nan] * u.solRad, [1.0] * u.solRad, ax=axes)  # nothing to draw, nothing to fail


def test_uncertainty_is_the_mean_of_each_bin(axes):
    snr = np.repeat([10.0, 100.0], 50)
    error = np.where(snr < 50, 0.4, 0.1) * u.solRad
    off = Masked(np.where(np.arange(100) % 2, 0.3, -0.3) * u.solRad, mask=np.arange(100) < 10)
    plot_uncertainty(snr, error, spread=error / 2, off=off, edges=[1, 50, 500], ax=axes)
    curves = {c.get_label(): c.lines[0].get_xydata() for c in axes.containers}
    np.testing.assert_allclose(curves["predicted uncertainty"], [[10, 0.4], [100, 0.1]])
    np.testing.assert_allclose(curves["spread of the members"][:, 1], [0.2, 0.05])
    np.testing.assert_allclose(curves["error"][:, 1], 0.3 * np.sqrt(np.pi / 2))
    assert axes.get_xscale() == "log"
    with pytest.raises(TypeError, match="unit"):
        plot_uncertainty(snr, error.value, ax=axes)
    with pytest.raises(ValueError, match="one each"):
        plot_uncertainty(snr, error[:5], ax=axes)


def test_uncertainty_in_bins_of_as_many_stars(axes):
    snr = np.geomspace(1, 1000, 80)
    plot_uncertainty(snr, np.ones(80) * u.solRad, edges=4, ax=axes)
    assert len(axes.containers[0].lines[0].get_xdata()) == 4


def test_distribution_says_what_it_leaves_out(axes):
    values = Masked(np.array([1.0, 2.0, 5.0, -1.0, np.nan, 3.0]) * u.mas, mask=[0, 0, 0, 0, 0, 1])
    plot_distribution(values, list("FFGGGK"), label="Parallax", bins=10, log=True, ax=axes)
    assert texts(axes) == ["3 stars\n3 without"]
    assert axes.get_xlabel() == "Parallax (mas)"
    assert [patch.get_label() for patch in axes.patches][:2] == ["G", "F"] or len(axes.patches) == 2
    with pytest.raises(TypeError, match="unit"):
        plot_distribution(np.ones(3), ax=axes)
    with pytest.raises(ValueError, match="one each"):
        plot_distribution(np.ones(3) * u.mas, ["F"], ax=axes)


@pytest.mark.parametrize("values", [[2.0], [2.0, 2.0], [np.nan], []])
@pytest.mark.parametrize("log", [False, True])
def test_distribution_of_hardly_anything(values, log):
    plot_distribution(np.array(values) * u.solRad, log=log, ax=Figure().add_subplot())


@pytest.fixture
def sample():
    table = QTable({"spectral_class": ["A", "G", "G", "M"]})
    table["phot_g_mean_mag"] = [15, 16, 17, 18] * u.mag
    table["bp_rp"] = [0.1, 0.8, 0.9, np.nan] * u.mag
    table["parallax"] = [1, 2, -1, 10] * u.mas
    table["parallax_error"] = np.full(4, 0.1) * u.mas
    table["pmra"] = table["pmdec"] = [1, 2, 3, 4] * u.mas / u.yr
    table["radius"] = [2, 1, 1, np.nan] * u.solRad
    return table


def test_gaia_cmd(axes, sample):
    plot_gaia_cmd(sample, snr=[10, 1000, 10, 10], ax=axes)
    points = np.concatenate([c.get_offsets() for c in axes.collections])
    np.testing.assert_allclose(points, [[0.1, 5.0], [0.8, 16 + 5 * np.log10(0.02)]])
    assert "2 of 4 stars" in texts(axes)[0]
    assert axes.yaxis_inverted()
    sizes = [c.get_sizes()[0] for c in axes.collections]
    assert sizes[1] > sizes[0]


def test_sample_is_one_page(tmp_path, sample):
    figure = plot_sample(sample, title="Sample")
    labels = [ax.get_xlabel() for ax in figure.axes]
    assert labels[:3] == ["Parallax (mas)", "Total proper motion (mas yr⁻¹)", "Radius (R☉)"]
    assert [t.get_text() for t in figure.legends[0].get_texts()] == ["A (1)", "G (2)", "M (1)"]
    figure.savefig(tmp_path / "sample.png", dpi=40)


def test_class_counts_and_what_is_meant(axes):
    parts = {"training": list("FFFFGGGG"), "validation": list("FG")}
    plot_class_counts(parts, expected={"F": 1, "G": 3}, ax=axes)
    assert [patch.get_height() for patch in axes.patches] == [4, 4, 1, 1]
    meant = [segment[0][1] for c in axes.collections for segment in c.get_segments()]
    assert meant == [2, 6]
    assert [t.get_text() for t in axes.get_xticklabels()] == ["F", "G"]


def test_quantiles(axes):
    plot_quantiles({"a": np.arange(101.0) * u.mas, "none": [np.nan] * u.mas}, label="x", ax=axes)
    lines = [segment[:, 0].tolist() for c in axes.collections for segment in c.get_segments()]
    assert lines == [[5, 95], [25, 75]]
    assert axes.lines[0].get_xdata()[0] == 50
    assert axes.get_xlabel() == "x (mas)"
    assert [t.get_text() for t in axes.get_yticklabels()] == ["a", "none"]


def test_composites_are_the_networks(axes, star):
    plot_composite(star, "urz", ax=axes)
    np.testing.assert_array_equal(np.moveaxis(axes.images[0].get_array(), -1, 0), lupton_rgb(star[None], "urz")[0])
    assert axes.get_title() == "urz"
    assert texts(axes) == ['6"']
    with pytest.raises(ValueError, match="three planes"):
        plot_image(np.zeros((5, 8, 8)), ax=axes)


@pytest.mark.parametrize(("rule", "start"), [("ring", 6), ("published", 12)])
def test_roi_shows_where_it_starts_and_ends(axes, star, rule, start):
    plot_roi(star, rule=rule, ax=axes)
    first, last = axes.patches
    y0, y1, x0, x1 = roi_boxes(star[2][None], rule=rule)[0]
    assert (first.get_width(), last.get_width()) == (start, x1 - x0)
    assert last.get_xy() == (x0 - 0.5, y0 - 0.5)
    assert y1 - y0 > start
    with pytest.raises(ValueError, match="band 'y'"):
        plot_roi(star, band="y", ax=axes)
    with pytest.raises(ValueError, match="unknown ROI rule"):
        plot_roi(star, rule="square", ax=axes)
