# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Where pixels, astrometry and classes come from: the protocols, the live archives and the same things on disk.

Only this package and ``stellarclass.vo`` open sockets. Its names are loaded when they are first used, so that importing
it loads neither astroquery nor pyvo.
"""

from .._lazy import lazy_names

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

__all__, __getattr__, __dir__ = lazy_names(__name__, _HOME)
