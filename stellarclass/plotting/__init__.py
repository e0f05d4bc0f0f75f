# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Pictures of a result: the field, the color-magnitude diagram, the radii, the counts, and how far to trust them.

Every function draws on one `~matplotlib.axes.Axes` and returns it, so that the pictures can be put together and changed
at will; `plot_overview` and `plot_sample` are such puttings together. Most take the output table first, alone or with
the columns of the table that was classified; others plain arrays or quantities.
"""

from ._style import CLASS_COLORS, CLASS_MARKERS
from .calibration import plot_coverage, plot_reliability
from .diagrams import plot_classes, plot_cmd, plot_hr, plot_overview, plot_radius
from .fields import plot_field
from .losses import plot_losses
from .pixels import plot_composite, plot_image, plot_roi
from .samples import plot_class_counts, plot_distribution, plot_gaia_cmd, plot_quantiles, plot_sample
from .scores import plot_confusion, plot_radius_density, plot_residuals, plot_uncertainty
from .spectra import plot_spectrum
from .stars import plot_stars
from .studies import plot_study

__all__ = [
    "CLASS_COLORS",
    "CLASS_MARKERS",
    "plot_class_counts",
    "plot_classes",
    "plot_cmd",
    "plot_composite",
    "plot_confusion",
    "plot_coverage",
    "plot_distribution",
    "plot_field",
    "plot_gaia_cmd",
    "plot_hr",
    "plot_image",
    "plot_losses",
    "plot_overview",
    "plot_quantiles",
    "plot_radius",
    "plot_radius_density",
    "plot_reliability",
    "plot_residuals",
    "plot_roi",
    "plot_sample",
    "plot_spectrum",
    "plot_stars",
    "plot_study",
    "plot_uncertainty",
]
