# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Reliability and coverage: calibrated answers lie on the diagonal, others do not, and the numbers are those drawn."""

import numpy as np
import pytest
from astropy import units as u
from astropy.table import MaskedColumn, QTable
from astropy.utils.masked import Masked
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from stellarclass.combine import combine
from stellarclass.metrics import expected_calibration_error
from stellarclass.plotting import CLASS_COLORS, plot_coverage, plot_reliability

CLASSES = ("F", "G", "K")


@pytest.fixture
def axes():
    return Figure().add_subplot()


def answers(n=20_000, seed=1, sharpen=1.0, width=1.0):
    """A table whose probabilities and intervals are right when ``sharpen`` and ``width`` are 1, and the truth."""
    rng = np.random.default_rng(seed)
    p = rng.dirichlet([0.5] * 3, n)
    truth = np.array(CLASSES)[(rng.random(n)[:, None] > np.cumsum(p, axis=1)).sum(axis=1).clip(0, 2)]
    said = p**sharpen / (p**sharpen).sum(axis=1, keepdims=True)
    sigma = rng.choice([0.03, 0.1], n)
    radius = 10 ** rng.normal(0, 0.2, n)
    table = QTable()
    table["spectral_class"] = np.array(CLASSES)[said.argmax(axis=1)]
    for k, name in enumerate(CLASSES):
        table[f"prob_{name.lower()}"] = said[:, k]
    table["radius"] = radius * u.solRad
    table["radius_lower"] = radius * 10 ** (-width * sigma) * u.solRad
    table["radius_upper"] = radius * 10 ** (1.5 * width * sigma) * u.solRad
    table["parallax"] = rng.choice([0.1, 1.0, 10.0, np.nan], n) * u.mas
    table["parallax_error"] = np.full(n, 0.2) * u.mas
    table.meta["radius_level"] = 0.6826894921370859
    # Two half normal distributions, the upper one wider, so that each interval holds 68 % of both.
    z = rng.normal(size=n)
    true_radius = radius * 10 ** (np.where(z > 0, 1.5, 1.0) * sigma * z)
    return table, truth, true_radius * u.solRad


def curve(axes, place=0):
    """x and y of the error-bar curve or line of this place among those that are not the diagonal."""
    lines = [line for line in axes.get_lines() if len(line.get_xdata()) > 2]
    return lines[place].get_xydata().T


def note(axes):
    return axes.texts[-1].get_text()


def test_right_probabilities_lie_on_the_diagonal(axes):
    table, truth, _ = answers()
    assert plot_reliability(table, truth, ax=axes) is axes
    x, y = curve(axes)
    np.testing.assert_allclose(y, x, atol=0.03)
    assert (axes.get_xlim(), axes.get_ylim()) == ((0, 1), (0, 1))
    assert note(axes).startswith("20000 stars\nECE 0.0")


def test_answers_that_are_too_sure_lie_below_it(axes):
    table, truth, _ = answers(sharpen=3.0)
    plot_reliability(table, truth, ax=axes)
    x, y = curve(axes)
    assert (y[x > 0.6] < x[x > 0.6] - 0.03).all()


@pytest.mark.parametrize("bins", [1, 7, 15])
def test_the_number_in_the_corner_is_the_expected_calibration_error(axes, bins):
    table, truth, _ = answers(n=500, sharpen=2.0)
    plot_reliability(table, truth, bins=bins, ax=axes)
    p = np.stack([table[f"prob_{name.lower()}"] for name in CLASSES], axis=1)
    expected = expected_calibration_error(truth, p, classes=CLASSES, bins=bins)
    assert note(axes) == f"500 stars\nECE {expected:.3f}"


def test_bars_and_counts_are_the_stars(axes):
    table, truth, _ = answers(n=800)
    plot_reliability(table, truth, bins=5, ax=axes)
    counts = [int(t.get_text()) for t in axes.texts[:-1]]
    assert sum(counts) == 800
    assert [p.get_height() * 800 / 0.25 for p in axes.patches] == pytest.approx(counts)
    assert [p.get_width() for p in axes.patches] == pytest.approx([0.2] * len(counts))
    sure = np.max([table[f"prob_{name.lower()}"] for name in CLASSES], axis=0)
    assert counts == [n for n in np.histogram(sure, np.linspace(0, 1, 6))[0] if n]


def test_a_bin_of_a_few_stars_has_a_number_and_no_point(axes):
    table, truth, _ = answers(n=100)
    plot_reliability(table, truth, ax=axes)
    counts = np.array([int(t.get_text()) for t in axes.texts[:-1]])
    assert 0 < counts.min() < 10 <= counts.max()
    assert len(curve(axes)[0]) == (counts >= 10).sum()


def test_reliability_by_class_has_a_curve_each(axes):
    table, truth, _ = answers()
    plot_reliability(table, truth, by="class", ax=axes)
    for k in range(len(CLASSES)):
        x, y = curve(axes, k)
        np.testing.assert_allclose(y, x, atol=0.05)
    labels = [t.get_text() for t in axes.get_legend().get_texts()]
    assert labels == list(CLASSES)
    assert (
        to_hex([line for line in axes.get_lines() if len(line.get_xdata()) > 2][1].get_color()).upper()
        == CLASS_COLORS["G"]
    )


def test_stars_without_an_answer_or_a_known_class_are_left_out_and_not_counted(axes):
    table, truth, _ = answers(n=100)
    masked = QTable(table, copy=True)
    for name in CLASSES:
        column = f"prob_{name.lower()}"
        masked[column] = MaskedColumn(np.where(np.arange(100) < 10, np.nan, table[column]), mask=np.arange(100) < 10)
    truth = np.ma.MaskedArray(truth, mask=np.arange(100) >= 95)
    truth[20], truth[21] = "", "Q"
    plot_reliability(masked, truth, ax=axes)
    assert note(axes).startswith("83 stars\n")


@pytest.mark.parametrize("rows", [0, 1])
@pytest.mark.parametrize("by", [None, "class"])
def test_no_star_or_one_is_a_picture_too(tmp_path, rows, by):
    table, truth, radius = answers(n=5)
    figure = Figure()
    left, right = figure.subplots(1, 2)
    plot_reliability(table[:rows], truth[:rows], by=by, ax=left)
    plot_coverage(table[:rows], radius[:rows], by=by, ax=right)
    figure.savefig(tmp_path / "few.png", dpi=40)


def test_intervals_that_are_right_cover_what_they_say(axes):
    table, _, radius = answers()
    assert plot_coverage(table, radius, ax=axes) is axes
    x, y = curve(axes)
    np.testing.assert_allclose(y, x, atol=0.02)
    assert (y[0], y[-1]) == (0, 1)
    assert note(axes) == "20000 stars\n68 % in the\n68 % interval"


@pytest.mark.parametrize(("width", "sign"), [(0.5, -1), (2.0, +1)])
def test_intervals_too_narrow_or_too_wide_are_seen(axes, width, sign):
    table, _, radius = answers(width=width)
    plot_coverage(table, radius, ax=axes)
    x, y = curve(axes)
    middle = (x > 0.2) & (x < 0.9)
    assert (sign * (y - x)[middle] > 0.05).all()


def test_at_the_tables_own_level_the_curve_is_the_tables_own_interval(axes):
    table, _, radius = answers(n=300, seed=3, width=0.7)
    table.meta["radius_level"] = 0.9  # of whatever shape: no assumption enters at this level
    plot_coverage(table, radius, ax=axes)
    inside = np.mean((radius >= table["radius_lower"]) & (radius <= table["radius_upper"]))
    x, y = curve(axes)
    assert y[np.isclose(x, 0.9)] == pytest.approx(inside)
    assert f"{100 * inside:.0f} % in the\n90 % interval" in note(axes)


def test_coverage_by_parallax_and_class_has_a_curve_each_group(axes):
    table, _, radius = answers(n=4000)
    plot_coverage(table, radius, by="parallax", ax=axes)
    labels = [t.get_text() for t in axes.get_legend().get_texts()]
    assert [label.rsplit(" (", 1)[0] for label in labels] == [
        "all",
        "S/N < 3",
        "S/N 3 to 10",
        "S/N > 10",
        "no parallax",
    ]
    assert sum(int(label.rsplit("(", 1)[1][:-1]) for label in labels[1:]) == 4000
    other = Figure().add_subplot()
    plot_coverage(table, radius, by="class", ax=other)
    assert [t.get_text()[0] for t in other.get_legend().get_texts()] == ["a", *CLASSES]


def test_a_group_of_few_stars_says_nothing(axes):
    table, _, radius = answers(n=200)
    table["spectral_class"] = np.where(np.arange(200) < 9, "K", "F")
    plot_coverage(table, radius, by="class", ax=axes)
    assert [t.get_text() for t in axes.get_legend().get_texts()] == ["all (200)", "F (191)"]


def test_coverage_takes_masks_and_any_unit_of_length(axes):
    table, _, radius = answers(n=50)
    table["radius"] = Masked(table["radius"], mask=np.arange(50) < 5)
    truth = Masked(radius.to(u.km), mask=np.arange(50) >= 48)
    plot_coverage(table, truth, ax=axes)
    assert note(axes).startswith("43 stars")


def test_an_augmented_table_shows_our_columns(axes):
    """Whatever the user's columns are called."""
    table, truth, radius = answers(n=300)
    rng = np.random.default_rng(0)
    user = QTable(
        {"radius": rng.uniform(5, 9, 300) * u.solRad, "prob_f": rng.random(300), "prob_member": rng.random(300)}
    )
    user["spectral_class"], user["Radius_Lower"] = "M", 1.0
    user.meta["radius_level"] = 0.1
    both = combine(user, table)
    for draw, given in ((plot_reliability, truth), (plot_coverage, radius)):
        plain, augmented = Figure().add_subplot(), Figure().add_subplot()
        draw(table, given, ax=plain)
        draw(both, given, ax=augmented)
        np.testing.assert_array_equal(curve(plain), curve(augmented))
        assert note(plain) == note(augmented)


def test_bad_input_is_named(axes):
    table, truth, radius = answers(n=5)
    with pytest.raises(ValueError, match="expected one class for each of 5 rows"):
        plot_reliability(table, truth[:3], ax=axes)
    with pytest.raises(ValueError, match="bins = 0 is not"):
        plot_reliability(table, truth, bins=0, ax=axes)
    with pytest.raises(ValueError, match="by = 'parallax'"):
        plot_reliability(table, truth, by="parallax", ax=axes)
    with pytest.raises(ValueError, match="no columns prob_"):
        plot_reliability(table["radius",], truth, ax=axes)
    with pytest.raises(ValueError, match="expected one radius for each of 5 rows"):
        plot_coverage(table, radius[:3], ax=axes)
    with pytest.raises(ValueError, match="by = 'color'"):
        plot_coverage(table, radius, by="color", ax=axes)
    with pytest.raises((TypeError, u.UnitsError)):
        plot_coverage(table, radius.value, ax=axes)
    table.meta.clear()
    with pytest.raises(ValueError, match="radius_level"):
        plot_coverage(table, radius, ax=axes)
