# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What the reference chain asks of archives: small protocols, and the archives that are asked by default."""

from dataclasses import dataclass, fields
from typing import Protocol, runtime_checkable

from astropy import units as u

from .._config import conf
from ..archives.base import AstrometrySource, ImageSource
from ..lookup import image_source

__all__ = ["LamostSource", "SimbadSource", "Sources", "SpectroscopicSource"]


_PATIENCE = 300.0


@runtime_checkable
class SpectroscopicSource(Protocol):
    """Stars that SDSS took spectra of."""

    name: str
    """Name and release, for the provenance."""

    def page(self, after, *, snr_min, size):
        """The next stars by ``specobjid``, see `stellarclass.archives.SpectroscopicStars`; no rows are the end."""
        ...


@runtime_checkable
class SimbadSource(Protocol):
    """What is known of positions in the literature."""

    name: str

    def objects(self, ra, dec, *, radius, progress=None):
        """Objects around positions (epoch 2000), see `stellarclass.archives.Simbad`."""
        ...


@runtime_checkable
class LamostSource(Protocol):
    """Spectra of another survey."""

    name: str

    def spectra(self, ra, dec, *, radius, progress=None):
        """Spectra around positions, see `stellarclass.archives.Lamost`."""
        ...


@dataclass
class Sources:
    """Where a reference set comes from; each that is None is the live archive.

    Attributes
    ----------
    spectra : SpectroscopicSource
        `stellarclass.archives.SpectroscopicStars` by default.
    gaia : `~stellarclass.archives.AstrometrySource`
        Its candidates have ``radius_flame`` and ``teff_gspphot`` besides; `stellarclass.archives.GaiaParameters` by
        default.
    simbad : SimbadSource or False
        `stellarclass.archives.Simbad` by default; False does without.
    lamost : LamostSource or False
        `stellarclass.archives.Lamost` by default; False does without.
    images : `~stellarclass.archives.ImageSource`
        `stellarclass.archives.SDSS` by default.

    Raises
    ------
    TypeError
        If one has not the methods of its protocol.
    """

    spectra: object = None
    gaia: object = None
    simbad: object = None
    lamost: object = None
    images: object = None

    def __post_init__(self):
        from .. import archives

        if self.spectra is None:
            # SkyServer sends nothing before a query is through, which can take minutes.
            self.spectra = archives.SpectroscopicStars(timeout=max(conf.timeout, _PATIENCE) * u.s)
        if self.gaia is None:
            self.gaia = archives.GaiaParameters()
        if self.simbad is None:
            self.simbad = archives.Simbad()
        if self.lamost is None:
            self.lamost = archives.Lamost()
        self.images = image_source(self.images)
        for name, kind in _KINDS.items():
            source = getattr(self, name)
            if source is False and name in ("simbad", "lamost"):
                continue
            if not isinstance(source, kind):
                raise TypeError(f"the source of {name} must be like {kind.__name__}; {type(source).__name__} is not")

    def names(self):
        """Name and release of each, dict of str; ``"none"`` for one that is not asked."""
        return {f.name: getattr(getattr(self, f.name), "name", "none") for f in fields(self)}


_KINDS = {
    "spectra": SpectroscopicSource,
    "gaia": AstrometrySource,
    "simbad": SimbadSource,
    "lamost": LamostSource,
    "images": ImageSource,
}
