# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""A simulated sky: stars with exact labels, seen through SDSS's camera and Gaia's errors."""

from .gaia import observe_astrometry
from .labels import LABEL_SYSTEMS, label_probabilities
from .optics import Conditions, draw_conditions, render_stars
from .population import KINDS, draw_stars
from .survey import SimulatedField, field

__all__ = [
    "KINDS",
    "LABEL_SYSTEMS",
    "Conditions",
    "SimulatedField",
    "draw_conditions",
    "draw_stars",
    "field",
    "label_probabilities",
    "observe_astrometry",
    "render_stars",
]
