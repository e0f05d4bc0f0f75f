# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Pictures of a result: the field, the color-magnitude diagram, the radii, the counts, and how far to trust them.

Every function takes the output table first, alone or with the columns of the table that was classified, draws on one
`~matplotlib.axes.Axes` and returns it, so that the pictures can be put together and changed at will; `plot_overview`
is one such putting together.
"""

from ._style import CLASS_COLORS, CLASS_MARKERS
from .calibration import plot_coverage, plot_reliability
from .diagrams import plot_classes, plot_cmd, plot_overview, plot_radius
from .fields import plot_field

__all__ = [
    "CLASS_COLORS",
    "CLASS_MARKERS",
    "plot_classes",
    "plot_cmd",
    "plot_coverage",
    "plot_field",
    "plot_overview",
    "plot_radius",
    "plot_reliability",
]
