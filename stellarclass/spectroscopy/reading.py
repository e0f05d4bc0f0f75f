# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Spectra from files; SDSS's format is known to the archives already."""

from ..archives.spectrumfile import read_spectrum

__all__ = ["read_spectrum"]
