# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Publishing results to the Virtual Observatory."""
