# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Making ensembles: training sets from the simulated sky, the training loop, calibration on stars kept back."""
