# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Reference sets: stars of known class and radius, from the archives or from the simulated sky."""

from .sets import COLUMNS, SUBSETS, ReferenceSet, split

__all__ = ["COLUMNS", "SUBSETS", "ReferenceSet", "split"]
