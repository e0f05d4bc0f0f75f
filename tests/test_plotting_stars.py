# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Pictures of single stars."""

import numpy as np
import pytest

from stellarclass.plotting import plot_stars


def star(side=21):
    y, x = np.mgrid[:side, :side] - side // 2
    image = np.exp(-(x**2 + y**2) / 4) + np.random.default_rng(0).normal(0, 0.01, (5, side, side))
    return image * np.array([1, 2, 4, 6, 8])[:, None, None]


def test_each_star_is_a_row_of_a_composite_and_five_bands():
    figure = plot_stars(np.stack([star(), star()]), ["row 1: K", "row 7"])
    assert len(figure.axes) == 12
    assert [ax.get_title(loc="left") for ax in figure.axes[::6]] == ["row 1: K", "row 7"]
    assert [ax.get_xlabel() for ax in figure.axes[:6]] == ["i, r, g", *"ugriz"]
    color = figure.axes[0].images[0].get_array()[10, 10]
    assert color[0] > color[2]  # a star that is brighter in i than in g is red


def test_bands_that_are_not_there_are_named(tmp_path):
    image = star()
    image[3] = np.nan
    figure = plot_stars(image[None])
    assert [len(ax.images) for ax in figure.axes] == [1, 1, 1, 1, 0, 1]
    assert figure.axes[4].texts[0].get_text() == "none"
    figure.savefig(tmp_path / "star.png")


def test_no_stars_and_what_does_not_fit():
    assert plot_stars(np.zeros((0, 5, 9, 9))).axes
    with pytest.raises(ValueError, match=r"shape \(5, 9, 9\)"):
        plot_stars(np.zeros((5, 9, 9)))
    with pytest.raises(ValueError, match="1 titles for 2 stars"):
        plot_stars(np.zeros((2, 5, 9, 9)), ["one"])
