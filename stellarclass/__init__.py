# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Spectral classes and stellar radii, with calibrated uncertainties, from SDSS images and Gaia astrometry.

The pipeline reads as the folders do::

    targets -> archives -> stamps -> nets -> classifier
    where?     fetch       pixels    infer    the table

Every public name below is loaded when it is first used: importing the package loads neither torch nor anything that
could open a socket.
"""

from ._lazy import lazy_names as _lazy_names

__version__ = "0.1.0.dev0"

# Public name -> the module that defines it; None: the name is that of a module itself.
_PUBLIC = {
    "Classifier": "classifier",
    "classify": "shortcuts",
    "classify_region": "shortcuts",
    "classify_table": "shortcuts",
    "conf": "_config",
    "fetch_astrometry": "fetch",
    "fetch_stamps": "fetch",
    "list_ensembles": "nets.weights",
    "load_ensemble": "nets.weights",
    "archives": None,
    "exceptions": None,
    "flags": None,
    "nets": None,
    "plotting": None,
    "schema": None,
    "simulate": None,
    "stamps": None,
    "tables": None,
    "targets": None,
    "vo": None,
}

_names, __getattr__, __dir__ = _lazy_names(__name__, _PUBLIC)
__all__ = ["__version__", *_names]
