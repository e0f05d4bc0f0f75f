# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`Cuts`: every rule by which a star comes into the reference set, with its value and where the rule is from."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from astropy import units as u

from ..archives.photoflags import PHOTO_FLAGS
from ..exceptions import InputError
from ..physics import CLASSES

__all__ = ["SIMBAD_MODES", "Cuts"]

SIMBAD_MODES = ("drop", "flag")
"""What becomes of a star that SIMBAD calls something else."""

_PAPER = "Deng et al. 2024, Section 2.1"
_SHI = "Shi et al. 2023, as told by Deng et al. 2024, Section 2.1"


_SOURCES = {
    "snr_min": "ours; the paper gives none",
    "reject_flags": _PAPER,
    "faint_limits": f"{_SHI}; the values: 95 % completeness, Abazajian et al. 2004, AJ 128, 502",
    "quota": f"{_SHI}: 46,245 stars of seven classes, as equal as possible",
    "match_radius": _PAPER,
    "simbad": _PAPER,
    "parallax_over_error": f"{_PAPER}, criterion 1",
    "pmra_error": f"{_PAPER}, criterion 2",
    "pmdec_error": f"{_PAPER}, criterion 2",
    "ruwe": f"{_PAPER}, criterion 3",
    "radius_flame": f"{_PAPER}: the label of the radius",
    "five_bands": "Deng et al. 2024, Section 2.2: the composites gri and urz",
}
"""Where each rule is from."""


@dataclass(frozen=True, eq=False)
class Cuts:
    """The rules of the reference set; the defaults are those of Deng et al. (2024) wherever the paper gives one.

    Attributes
    ----------
    snr_min : float
        Least median signal-to-noise ratio per pixel of the spectrum that the label is from.
    reject_flags : tuple of str
        Photometric flags that exclude, names of `stellarclass.archives.PHOTO_FLAGS` in small letters.
    faint_limits : `~astropy.units.Quantity` or None, shape (5,)
        Faintest PSF magnitudes u, g, r, i, z; None for no limit.
    quota : int or None
        Most stars of one class that go on to Gaia, chosen at random; None for all.
    match_radius : `~astropy.units.Quantity`
        Largest separation from the Gaia source at the epoch of the image, and from SIMBAD's object and LAMOST's
        spectrum.
    simbad : {"drop", "flag"}
        Whether a star that SIMBAD knows as something else is dropped, or only marked in ``simbad_verdict``.
    parallax_over_error : float
        Least parallax in units of its standard error, exclusive.
    pmra_error, pmdec_error : `~astropy.units.Quantity`
        Largest standard errors of the proper motion, exclusive.
    ruwe : float
        Largest renormalized unit weight error, exclusive.
    radius_flame : bool
        Whether a star without a radius in Gaia's FLAME catalog is dropped.
    five_bands : bool
        Whether a star whose field lacks a frame is dropped: the composites gri and urz need all five.

    Raises
    ------
    stellarclass.exceptions.InputError
        If a value makes no sense.
    TypeError, `~astropy.units.UnitsError`
        If a quantity is a bare number or has a wrong unit.

    Examples
    --------
    >>> from stellarclass.reference.cuts import Cuts
    >>> Cuts(ruwe=1.2).settings("cuts")["ruwe"]
    1.2
    >>> Cuts().source("ruwe")
    'Deng et al. 2024, Section 2.1, criterion 3'
    """

    snr_min: float = 5.0
    reject_flags: tuple = ("saturated",)
    faint_limits: u.Quantity | None = field(default_factory=lambda: (22.0, 22.2, 22.2, 21.3, 20.5) * u.mag)
    quota: int | None = 6606
    match_radius: u.Quantity = 3.0 * u.arcsec
    simbad: str = "drop"
    parallax_over_error: float = 2.0
    pmra_error: u.Quantity = 0.2 * u.mas / u.yr
    pmdec_error: u.Quantity = 0.2 * u.mas / u.yr
    ruwe: float = 1.4
    radius_flame: bool = True
    five_bands: bool = True

    def __post_init__(self):
        for name in ("snr_min", "parallax_over_error"):
            if not (np.isscalar(getattr(self, name)) and np.isfinite(getattr(self, name))):
                raise InputError(f"{name} must be a finite number, not {getattr(self, name)!r}")
        if not self.ruwe > 0:
            raise InputError(f"ruwe must be positive, not {self.ruwe!r}")
        for name, unit in (("match_radius", u.arcsec), ("pmra_error", u.mas / u.yr), ("pmdec_error", u.mas / u.yr)):
            value = _quantity(name, getattr(self, name), unit)
            if not (value.isscalar and 0 < value.value < np.inf):
                raise InputError(f"{name} must be one positive value, not {getattr(self, name)}")
        if isinstance(self.reject_flags, str) or not isinstance(self.reject_flags, Iterable):
            raise InputError(f"reject_flags must be a tuple of names, not {self.reject_flags!r}")
        known = [name.lower() for name in PHOTO_FLAGS]
        unknown = [name for name in self.reject_flags if name not in known]
        if unknown:
            raise InputError(f"unknown photometric flag {unknown[0]!r}; known are {', '.join(known)}")
        if self.faint_limits is not None and _quantity("faint_limits", self.faint_limits, u.mag).shape != (5,):
            raise InputError(f"faint_limits must be five magnitudes, u g r i z, not {self.faint_limits}")
        if self.quota is not None and not (isinstance(self.quota, int | np.integer) and self.quota > 0):
            raise InputError(f"quota must be a positive whole number or None, not {self.quota!r}")
        if self.simbad not in SIMBAD_MODES:
            raise InputError(f"simbad = {self.simbad!r} is none of {', '.join(SIMBAD_MODES)}")

    @staticmethod
    def source(name):
        """Where a rule is from.

        Parameters
        ----------
        name : str
            Name of an attribute.

        Returns
        -------
        str
        """
        return _SOURCES[name]

    def settings(self, step):
        """The rules of one step, ready for JSON: numbers in arcsec, mas/yr and mag.

        Parameters
        ----------
        step : str
            Name of a step, see `stellarclass.reference.STEPS`.

        Returns
        -------
        dict
        """
        return {name: _plain(getattr(self, name)) for name in _RULES_OF.get(step, ())}


_RULES_OF = {
    "spectra": ("snr_min",),
    "photometry": ("reject_flags", "faint_limits"),
    "quota": ("quota",),
    "gaia": ("match_radius",),
    "simbad": ("simbad", "match_radius"),
    "cuts": ("parallax_over_error", "pmra_error", "pmdec_error", "ruwe", "radius_flame"),
    "lamost": ("match_radius",),
    "stamps": ("five_bands",),
}
DROPPED_CLASSES = ("O", "B")
"""Classes that the reference set leaves out: their radii in Gaia did not fit (Deng et al. 2024, Section 2.1)."""

KEPT_CLASSES = CLASSES


def _quantity(name, value, unit):
    if not isinstance(value, u.Quantity):
        raise TypeError(f"{name} must have a unit, such as {unit}, not {value!r}")
    return value.to(unit)


def _plain(value):
    if isinstance(value, u.Quantity):
        unit = next(v for v in (u.arcsec, u.mas / u.yr, u.mag) if value.unit.is_equivalent(v))
        return value.to_value(unit).tolist()
    if isinstance(value, tuple):
        return list(value)
    return value.item() if isinstance(value, np.generic) else value
