# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`compare_with`: whether a spectrum and a photometric answer agree on a star."""

from dataclasses import dataclass

import numpy as np

from ..exceptions import InputError
from .subclasses import LETTERS

__all__ = ["Comparison", "compare_with"]


@dataclass(frozen=True)
class Comparison:
    """A spectroscopic class beside a photometric one.

    Attributes
    ----------
    spectral, photometric : str
        The two classes; empty where there is none.
    agree : bool or None
        Whether they are the same; None where either is missing, or the spectrum's verdict is not ``"star"``.
    steps : int or None
        Classes from the spectrum's to the photometry's, positive if the photometry's is cooler.
    probability : float
        Probability that the photometry gives to the spectrum's class; NaN if it has none for it.
    in_set : bool or None
        Whether the spectrum's class is in the photometry's ``class_set``.
    """

    spectral: str
    photometric: str
    agree: bool | None
    steps: int | None
    probability: float
    in_set: bool | None

    def __str__(self):
        if self.agree is None:
            return f"spectrum {self.spectral or 'without a class'}, photometry {self.photometric or 'without a class'}"
        if self.agree:
            return f"both {self.spectral} (probability by photometry {self.probability:.2f})"
        return (
            f"spectrum {self.spectral}, photometry {self.photometric}"
            f" (probability by photometry of {self.spectral}: {self.probability:.2f})"
        )


def compare_with(result, row):
    """Compare what a spectrum says with what the photometry said of the same star.

    A class is a class of a system: spectra are compared with templates that carry SDSS's subclasses, so the photometric
    answer should be in the label system ``"sdss"``.

    Parameters
    ----------
    result : SpectrumResult
        Of `classify_spectrum`.
    row : `~astropy.table.Row` or mapping
        The star's row of `~stellarclass.classify`'s table: ``spectral_class``, and ``class_set`` and ``prob_...``
        where there are any; in an augmented table the columns may end in ``_stellarclass``.

    Returns
    -------
    Comparison

    Raises
    ------
    stellarclass.exceptions.InputError
        If the row has no column ``spectral_class``.

    Examples
    --------
    >>> from stellarclass.spectroscopy import classify_spectrum, compare_with, default_templates
    >>> templates = default_templates()
    >>> from specutils import Spectrum
    >>> from astropy import units as u
    >>> spectrum = Spectrum(flux=templates.flux[templates.subclasses.index("F9")] * u.Jy,
    ...                     spectral_axis=templates.wavelength)
    >>> row = {"spectral_class": "G", "class_set": "FG", "prob_f": 0.35, "prob_g": 0.62}
    >>> comparison = compare_with(classify_spectrum(spectrum), row)
    >>> print(comparison)
    spectrum F, photometry G (probability by photometry of F: 0.35)
    >>> comparison.agree, comparison.steps, comparison.in_set
    (False, 1, True)
    """
    names = [str(name) for name in (row.colnames if hasattr(row, "colnames") else row.keys())]
    name = _ours(names, "spectral_class")
    if name is None:
        raise InputError(f"row has no column spectral_class; its columns are {', '.join(names)}")
    photometric = _text(row[name])
    spectral = result.spectral_class
    column = _ours(names, f"prob_{spectral.lower()}") if spectral else None
    probability = float(np.ma.filled(np.ma.asarray(row[column], float), np.nan)) if column else np.nan
    comparable = bool(spectral and photometric in LETTERS and photometric and result.verdict == "star")
    sets = _ours(names, "class_set")
    members = _text(row[sets]) if sets else ""
    return Comparison(
        spectral=spectral,
        photometric=photometric,
        agree=spectral == photometric if comparable else None,
        steps=LETTERS.index(photometric) - LETTERS.index(spectral) if comparable else None,
        probability=probability,
        in_set=spectral in members if spectral and members else None,
    )


def _ours(names, name):
    """The column that is ours: behind a user's own of the same name, with an ending."""
    found = [n for n in names if n == name or n.startswith(f"{name}_stellarclass")]
    return found[-1] if found else None


def _text(value):
    masked = bool(np.any(getattr(value, "mask", False)))
    return "" if masked else str(getattr(value, "unmasked", value)).strip()
