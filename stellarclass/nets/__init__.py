# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Networks and ensembles: with ``stellarclass.training``, the only place where torch is used.

Its names are loaded when they are first used, so that importing it does not load torch.
"""

from importlib import import_module

_HOME = {
    "ApertureMLP": "aperture_mlp",
    "Card": "card",
    "CompactNet": "compact",
    "Ensemble": "ensemble",
    "MMSCNet": "mmscnet",
    "Prediction": "prediction",
    "SCNet": "mmscnet",
    "list_ensembles": "weights",
    "load_ensemble": "weights",
    "save_ensemble": "weights",
}

__all__ = sorted(_HOME)


def __getattr__(name):
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f".{_HOME[name]}", __name__), name)
    return value


def __dir__():
    return sorted({*globals(), *_HOME})
