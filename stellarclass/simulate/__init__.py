# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""A simulated sky: stars with exact labels, seen through SDSS's camera and Gaia's errors."""

from .conditions import Conditions, draw_conditions
from .gaia import observe_astrometry
from .labels import LABEL_SYSTEMS, label_probabilities
from .observed import conditions_from_field
from .optics import render_stars
from .population import KINDS, draw_stars
from .samples import reference_sample
from .survey import SimulatedField, field

__all__ = [
    "KINDS",
    "LABEL_SYSTEMS",
    "Conditions",
    "SimulatedField",
    "conditions_from_field",
    "draw_conditions",
    "draw_stars",
    "field",
    "label_probabilities",
    "observe_astrometry",
    "reference_sample",
    "render_stars",
]
