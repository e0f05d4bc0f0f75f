# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Reference sets: stars of known class and radius, from the archives or from the simulated sky."""

from .build import STEPS, build_reference
from .cuts import Cuts
from .sets import COLUMNS, SUBSETS, ReferenceSet, split
from .sources import Sources

__all__ = ["COLUMNS", "STEPS", "SUBSETS", "Cuts", "ReferenceSet", "Sources", "build_reference", "split"]
