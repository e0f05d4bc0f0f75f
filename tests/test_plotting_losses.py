# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Loss curves."""

import numpy as np
import pytest
from astropy.table import Table
from matplotlib.figure import Figure

from stellarclass.plotting import CLASS_COLORS, plot_losses


@pytest.fixture
def losses():
    names, epochs = ["Base", "A", "M"], 4
    table = Table({"member": np.repeat(names, epochs), "epoch": np.tile(np.arange(1, epochs + 1), len(names))})
    table["train"] = np.linspace(3, 1, len(table))
    table["radius"] = -table["train"]
    return table


def test_a_line_a_member_in_the_color_of_its_class(losses):
    ax = plot_losses(losses, ax=Figure().subplots())
    lines = {line.get_label(): line for line in ax.lines}
    assert list(lines) == ["Base", "A", "M"]
    assert lines["A"].get_color() == CLASS_COLORS["A"] and lines["Base"].get_color() not in CLASS_COLORS.values()
    np.testing.assert_allclose(lines["M"].get_ydata(), losses["train"][8:])
    np.testing.assert_allclose(lines["M"].get_xdata(), [1, 2, 3, 4])
    assert ax.get_ylabel() == "Training loss"


def test_any_part_may_be_drawn(losses):
    ax = plot_losses(losses, column="radius", ax=Figure().subplots())
    np.testing.assert_allclose(ax.lines[0].get_ydata(), losses["radius"][:4])
    assert ax.get_ylabel() == "Validation loss: radius"


def test_a_column_that_is_not_there(losses):
    with pytest.raises(ValueError, match="no column 'loss'; it has member, epoch, train, radius"):
        plot_losses(losses, column="loss", ax=Figure().subplots())


def test_no_epoch_is_an_empty_picture(losses):
    assert len(plot_losses(losses[:0], ax=Figure().subplots()).lines) == 0
