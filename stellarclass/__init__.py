# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Spectral classes and stellar radii, with calibrated uncertainties, from SDSS images and Gaia astrometry.

The pipeline reads as the folders do::

    targets -> archives -> stamps -> nets -> classifier
    where?     fetch       pixels    infer    the table

Every public name below is loaded when it is first used: importing the package loads neither torch nor anything that
could open a socket.
"""

import importlib as _importlib

__version__ = "0.1.0.dev0"

# Public name -> the module that defines it; None: the name is that of a submodule itself.
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

__all__ = ["__version__", *_PUBLIC]


def __getattr__(name):
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = _PUBLIC[name]
    if module is None:
        return _importlib.import_module(f"{__name__}.{name}")
    value = getattr(_importlib.import_module(f"{__name__}.{module}"), name)
    globals()[name] = value
    return value


def __dir__():
    return sorted(set(globals()) | set(__all__))
