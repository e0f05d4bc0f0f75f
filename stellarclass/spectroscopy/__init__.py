# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""A star's spectral class from its spectrum, by template matching, and how it compares with a photometric answer.

Works on `specutils.Spectrum`. Names are loaded when they are first used: specutils takes seconds to import.
"""

from .._lazy import lazy_names

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

__all__, __getattr__, __dir__ = lazy_names(__name__, _HOME)
