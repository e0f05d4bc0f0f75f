# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Making ensembles: training sets from the simulated sky, the training loop, label systems, calibration."""

from .label_systems import LabelSystemFit, add_label_system

__all__ = ["LabelSystemFit", "add_label_system"]
