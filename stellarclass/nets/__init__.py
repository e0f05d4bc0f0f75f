# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Networks and ensembles: with ``stellarclass.training``, the only place where torch is used.

Its names are loaded when they are first used, so that importing it does not load torch.
"""

from .._lazy import lazy_names

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

__all__, __getattr__, __dir__ = lazy_names(__name__, _HOME)
