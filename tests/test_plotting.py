# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Pictures show what the table says: right places, right colors, nothing left out in silence."""

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.table import MaskedColumn, QTable
from astropy.utils.masked import Masked
from astropy.visualization.wcsaxes import WCSAxes
from astropy.wcs import WCS
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from stellarclass.archives import Field, FieldKey, Frame
from stellarclass.combine import combine
from stellarclass.plotting import (
    CLASS_COLORS,
    CLASS_MARKERS,
    plot_classes,
    plot_cmd,
    plot_field,
    plot_hr,
    plot_overview,
    plot_radius,
)

CENTER = SkyCoord(150.0, 20.0, unit="deg")


@pytest.fixture
def axes():
    return Figure().add_subplot()


@pytest.fixture
def field():
    """Three bands of blank sky with one star, each with a WCS of its own as SDSS's frames have."""
    frames = {}
    for band, (x, y) in {"g": (150, 100), "r": (160, 110), "i": (155, 90)}.items():
        wcs = WCS(naxis=2)
        wcs.wcs.ctype = "RA---TAN", "DEC--TAN"
        wcs.wcs.crval = CENTER.ra.deg, CENTER.dec.deg
        wcs.wcs.crpix = x + 1, y + 1
        wcs.wcs.cdelt = -1.1e-4, 1.1e-4
        data = np.random.default_rng(0).normal(0, 0.02, (200, 300)).astype(np.float32)
        data[y, x] = 100.0
        frames[band] = Frame(band, data, wcs, 2004.0, np.ones(300, np.float32), np.zeros((2, 2), np.float32))
    return Field(FieldKey(1, 301, 1, 1), frames)


@pytest.fixture
def table():
    n = 6
    table = QTable()
    table["ra"] = (CENTER.ra.deg + np.array([0, 0.005, -0.005, 0.01, 0.5, 0])) * u.deg
    table["dec"] = (CENTER.dec.deg + np.array([0, 0.003, 0.004, -0.005, 0.5, 0.006])) * u.deg
    table["psfmag_g"] = [17.0, 17.5, 18, 19, 20, 21] * u.mag
    table["psfmag_r"] = [17.0, 17.2, 17.5, 18, 19, 20] * u.mag
    table["psfmag_i"] = [17.1, 17.1, 17.3, 17.5, 18, 19] * u.mag
    failed = np.arange(n) == 5
    table["spectral_class"] = MaskedColumn(["A", "F", "G", "K", "M", ""], mask=failed)
    table["class_set"] = MaskedColumn(["A", "FG", "G", "K", "M", ""], mask=failed)
    for name in "afgkm":
        table[f"prob_{name}"] = MaskedColumn(np.full(n, 0.2), mask=failed)
    table["radius"] = Masked([2.0, 1.2, 1.0, 0.7, 0.3, np.nan] * u.solRad, mask=failed)
    table["radius_err"] = Masked([0.2, 0.1, 0.1, 0.1, 0.9, np.nan] * u.solRad, mask=failed)
    table["radius_sb"] = Masked([2.0, 1.2, 1.0, 0.7, 0.3, np.nan] * u.solRad, mask=failed)
    table["parallax"] = Masked([1.0, 1.0, 2.0, -0.5, 0.1, np.nan] * u.mas, mask=failed)
    table["parallax_error"] = Masked([0.1, 0.1, 0.1, 0.1, 0.1, np.nan] * u.mas, mask=failed)
    table.meta = {"ensemble": "default", "label_system": "sdss"}
    return table


def points(axes):
    """Points of all scatter plots by marker color: {hex: [(x, y), ...]}."""
    found = {}
    for collection in axes.collections:
        if hasattr(collection, "get_sizes") and len(collection.get_offsets()):
            colors = collection.get_facecolor() if len(collection.get_facecolor()) else collection.get_edgecolor()
            found.setdefault(to_hex(colors[0]).upper(), []).extend(map(tuple, np.asarray(collection.get_offsets())))
    return found


def test_colors_and_markers_tell_all_classes_apart():
    assert len(set(CLASS_COLORS.values())) == len(set(CLASS_MARKERS.values())) == 7
    assert CLASS_COLORS.keys() == CLASS_MARKERS.keys()


def test_rings_sit_on_the_stars(axes, field, table):
    plot_field(table, field, center=CENTER, size=60 * u.arcsec, ax=axes)
    image = np.asarray(axes.images[0].get_array())
    assert image.shape[0] == image.shape[1] == 152
    # All three bands put the star into the same pixel, although it has another place in each frame.
    assert (image[76, 76] > 100).all()
    found = points(axes)
    ((x, y),) = found[CLASS_COLORS["A"]]
    assert (x, y) == pytest.approx((76, 76), abs=0.01)
    assert CLASS_COLORS["M"] not in found  # half a degree away
    assert len(found["#999999"]) == 1  # the star without an answer is there too


def test_a_field_can_have_sky_coordinates_on_its_edges(field, table):
    figure = Figure()
    axes = plot_field(table, field, center=CENTER, size=60 * u.arcsec, ax=figure.add_subplot(axes_class=WCSAxes))
    assert axes.wcs.pixel_to_world(76, 76).separation(CENTER) < 0.2 * u.arcsec
    figure.canvas.draw()


def test_a_picture_may_reach_over_the_frames_edge(axes, field, table):
    corner = field.frames["r"].wcs.pixel_to_world(0, 0)
    plot_field(table, field, center=corner, size=60 * u.arcsec, ax=axes)
    image = np.asarray(axes.images[0].get_array())
    assert (image[:60, :60] == 0).all()


def test_bands_that_are_not_there_are_an_error(axes, field, table):
    with pytest.raises(ValueError, match=r"bands='zri' must be three of the bands .* \(gri\)"):
        plot_field(table, field, bands="zri", ax=axes)
    with pytest.raises(ValueError, match="must be three"):
        plot_field(table, field, bands="gr", ax=axes)


def test_bare_numbers_are_refused(axes, field, table):
    with pytest.raises((TypeError, u.UnitsError)):
        plot_field(table, field, size=60, ax=axes)
    with pytest.raises(TypeError, match="center must be a SkyCoord"):
        plot_field(table, field, center=(150, 20), ax=axes)


def test_color_magnitude_diagram_shows_stars_with_a_distance(axes, table):
    plot_cmd(table, ax=axes)
    found = points(axes)
    assert found.keys() == {CLASS_COLORS[c] for c in "AFG"}
    # r = 17 at 1 mas is 1 kpc, distance modulus 10.
    assert found[CLASS_COLORS["A"]] == [pytest.approx((-0.1, 7.0))]
    assert axes.yaxis_inverted()
    assert "3 of 6 stars" in axes.texts[0].get_text()
    assert "mag" in axes.get_xlabel() and "mag" in axes.get_ylabel()


def test_radii_against_stefan_boltzmann(axes, table):
    plot_radius(table, ax=axes)
    found = points(axes)
    assert found[CLASS_COLORS["A"]] == [pytest.approx((2.0, 2.0))]
    # Open symbols for K (negative parallax) and M (parallax of one sigma).
    assert sorted(found["#FFFFFF"]) == [pytest.approx((0.3, 0.3)), pytest.approx((0.7, 0.7))]
    text = axes.texts[0].get_text()
    assert "3 stars" in text and "scatter 0.000 dex" in text and "2 others" in text
    assert axes.get_xscale() == axes.get_yscale() == "log"
    assert axes.get_xlim() == axes.get_ylim()


def test_radii_against_the_truth(axes, table):
    truth = table["radius"].unmasked.to(u.m) * 2
    plot_radius(table, truth, ax=axes)
    assert "median -0.301 dex" in axes.texts[0].get_text()
    assert axes.get_xlabel() == r"True radius ($R_\odot$)"
    assert axes.get_legend_handles_labels()[1] == list("AFGKM")
    with pytest.raises(ValueError, match=r"expected one radius for each of 6 rows"):
        plot_radius(table, truth[:3], ax=axes)
    with pytest.raises((TypeError, u.UnitsError)):
        plot_radius(table, truth.value, ax=axes)


def test_one_parallax_of_next_to_nothing_does_not_set_the_scale(axes, table):
    """Its radius by the law of Stefan and Boltzmann can be any number; the others are to be seen all the same."""
    table["radius_sb"][4] = 40_000 * u.solRad
    plot_radius(table, ax=axes)
    low, high = axes.get_xlim()
    assert axes.get_ylim() == (low, high)
    assert 0.1 < low < 0.3 < 2.0 < high < 3.0
    assert "2 others, 1 beyond the axes" in axes.texts[0].get_text()


def test_radii_without_a_useful_parallax_have_sane_axes(axes, table):
    table["radius_sb"][3:5] = [1e-9, 1e9] * u.solRad
    plot_radius(table[3:5], ax=axes)
    assert axes.get_xlim() == pytest.approx((0.01, 1000))


def test_an_augmented_table_shows_our_columns(field, table):
    """A table with a position, a radius and a parallax of its own: what is drawn is what was measured."""
    user = QTable({"ra": table["ra"] + 10 * u.deg, "dec": table["dec"], "radius": np.full(6, 77.0) * u.solRad})
    user["parallax"], user["spectral_class"], user["prob_member"] = 5.0 * u.mas, "M", 0.5
    both = combine(user, table)
    assert "radius_stellarclass" in both.colnames
    for draw in (plot_cmd, plot_radius, lambda t, ax: plot_field(t, field, center=CENTER, size=60 * u.arcsec, ax=ax)):
        plain, augmented = Figure().add_subplot(), Figure().add_subplot()
        draw(table, ax=plain)
        draw(both, ax=augmented)
        assert points(plain) == points(augmented)
    plain, augmented = Figure().add_subplot(), Figure().add_subplot()
    for rows, ax in ((table, plain), (both, augmented)):
        plot_classes(rows, ax=ax)
    assert [p.get_height() for p in plain.patches] == [p.get_height() for p in augmented.patches]
    assert [t.get_text() for t in plain.get_xticklabels()] == [t.get_text() for t in augmented.get_xticklabels()]


def test_hertzsprung_russell_diagram_is_stefan_boltzmann_upside_down(axes, table):
    plot_hr(table, ax=axes)
    found = points(axes)
    assert found.keys() == {CLASS_COLORS[c] for c in "AFGKM"}  # parallaxes have no say
    ((teff, luminosity),) = found[CLASS_COLORS["G"]]
    assert luminosity == pytest.approx((teff / 5772) ** 4)  # one solar radius
    assert 5000 < teff < 6500 and found[CLASS_COLORS["A"]][0][0] > teff > found[CLASS_COLORS["M"]][0][0]
    left, right = axes.get_xlim()
    assert left > right and axes.get_xscale() == axes.get_yscale() == "log"
    assert "5 of 6 stars" in [text.get_text() for text in axes.texts]
    assert "K" in axes.get_xlabel() and "odot" in axes.get_ylabel()


def test_hertzsprung_russell_diagram_of_nothing(axes, table):
    table["radius"].mask[:] = True
    plot_hr(table, ax=axes)
    axes.figure.canvas.draw()
    assert "0 of 6 stars" in [text.get_text() for text in axes.texts]


def test_numbers_on_the_bars_are_within_the_axes(axes, table):
    plot_classes(table, ax=axes)
    assert axes.get_ylim()[1] > 1.1 * max(patch.get_y() + patch.get_height() for patch in axes.patches)


def test_figures_can_be_given(table):
    from stellarclass.plotting import plot_stars

    figure = Figure()
    assert plot_overview(table, figure=figure) is figure and len(figure.axes) == 3
    figure = Figure()
    assert plot_stars(np.ones((1, 5, 9, 9)), figure=figure) is figure and len(figure.axes) == 6


def test_counts_add_up(axes, table):
    plot_classes(table, ax=axes)
    heights = [patch.get_height() for patch in axes.patches]
    assert sum(heights) == len(table)
    assert [label.get_text() for label in axes.get_xticklabels()] == ["A", "F", "G", "K", "M", "none"]
    # The F star's set has two classes.
    assert [p.get_height() for p in axes.patches if p.get_hatch()] == [0, 1, 0, 0, 0]


@pytest.mark.parametrize("rows", [slice(None), slice(5, 6), slice(0, 0), slice(0, 1)])
def test_overview_of_any_table(tmp_path, field, table, rows):
    """No answer at all, no row at all, one row: a picture all the same, and no warning."""
    figure = plot_overview(table[rows], field, title="a title")
    figure.savefig(tmp_path / "overview.png", dpi=40)
    assert (tmp_path / "overview.png").stat().st_size > 5_000
    assert len(figure.axes) == 4


def test_overview_without_frames(tmp_path, table):
    figure = plot_overview(table)
    figure.savefig(tmp_path / "overview.png", dpi=40)
    assert [ax.get_ylabel()[:6] for ax in figure.axes] == ["$M_r$ ", "Radius", "Stars"]


def test_tables_read_from_disk_draw_the_same(tmp_path, axes, table):
    from stellarclass.tables import read_table, write_table

    write_table(table, tmp_path / "table.vot")
    plot_cmd(read_table(tmp_path / "table.vot"), ax=axes)
    other = Figure().add_subplot()
    plot_cmd(table, ax=other)
    assert points(axes) == points(other)
