# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""How right an answer is: scores of classes, of radii and of their uncertainties, and methods to compare with."""
