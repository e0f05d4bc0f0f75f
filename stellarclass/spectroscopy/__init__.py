# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""A star's spectral class from its spectrum, by template matching, and how it compares with a photometric answer.

Works on `specutils.Spectrum`. Names are loaded when they are first used: specutils takes seconds to import.
"""

from importlib import import_module

_HOME = {
    "Comparison": "comparison",
    "SpectrumResult": "matching",
    "Templates": "templates",
    "classify_spectra": "many",
    "classify_spectrum": "matching",
    "compare_with": "comparison",
    "default_templates": "linemodel",
    "measure_line_strengths": "linemodel",
    "parse_subclass": "subclasses",
    "read_spectrum": "reading",
    "subclass_number": "subclasses",
}

__all__ = sorted(_HOME)


def __getattr__(name):
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f".{_HOME[name]}", __name__), name)
    return value


def __dir__():
    return sorted({*globals(), *_HOME})
