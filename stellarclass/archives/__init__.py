# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Where pixels, astrometry and classes come from: the protocols, the live archives and the same things on disk.

Only this package and ``stellarclass.vo`` open sockets. Its names are loaded when they are first used, so that importing
it loads neither astroquery nor pyvo.
"""

from importlib import import_module

_HOME = {
    "BANDS": "base",
    "AstrometrySource": "base",
    "ClarkeCatalog": "clarke",
    "Field": "base",
    "FieldKey": "base",
    "Frame": "base",
    "ImageSource": "base",
    "Gaia": "gaia",
    "GaiaParameters": "astrophysical",
    "Lamost": "lamost",
    "LocalAstrometry": "localastrometry",
    "LocalSAS": "localsas",
    "PHOTO_FLAGS": "photoflags",
    "SDSS": "sdss",
    "Simbad": "simbad",
    "SpectroscopicStars": "spectroscopic",
    "SDSSSpectra": "spectra",
    "SpectrumKey": "base",
    "SpectrumSource": "base",
    "decode_objid": "objid",
    "encode_objid": "objid",
    "fetch_fields": "fieldlist",
    "field_footprint": "footprint",
    "read_footprint": "footprint",
    "read_frame": "frames",
    "read_spectrum": "spectrumfile",
}

__all__ = sorted(_HOME)


def __getattr__(name):
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f".{_HOME[name]}", __name__), name)
    return value


def __dir__():
    return sorted({*globals(), *_HOME})
