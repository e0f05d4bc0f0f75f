# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`classify_spectra`: many spectra, one table."""

import numpy as np
from astropy import units as u
from astropy.table import MaskedColumn, QTable
from astropy.utils.masked import Masked

from .._progress import progress_bar
from ..exceptions import ArchiveError, InputError
from .matching import classify_spectrum

__all__ = ["classify_spectra"]

# Name, type, unit, description; each is an attribute of the result, or what the spectrum's meta has of that name.
_COLUMNS = (
    ("plate", int, None, "SDSS plate"),
    ("mjd", int, None, "Night on which the plate was observed, as MJD"),
    ("fiber", int, None, "SDSS fiber"),
    ("ra", float, u.deg, "Right ascension of the fiber"),
    ("dec", float, u.deg, "Declination of the fiber"),
    ("verdict", str, None, "star, no star, unsure, or failed"),
    ("spectral_class", str, None, "Class of the best template"),
    ("subclass", str, None, "Subclass of the best template"),
    ("alternatives", str, None, "Subclasses that fit nearly as well, hot to cool"),
    ("quality", float, None, "Part of the spectrum's structure that the template explains"),
    ("radial_velocity", float, u.km / u.s, "c times redshift"),
    ("radial_velocity_error", float, u.km / u.s, "Statistical error of radial_velocity"),
    ("chi2", float, None, "Chi-squared of the best template"),
    ("dof", int, None, "Degrees of freedom of chi2"),
    ("runner_up", str, None, "Best template of another subclass"),
    ("margin", float, None, "Relative difference of the runner-up's chi2"),
    ("structure", float, None, "Significance of the spectrum's features"),
    ("snr", float, None, "Median signal-to-noise ratio a pixel"),
    ("sdss_class", str, None, "SDSS's own class"),
    ("sdss_subclass", str, None, "SDSS's own subclass"),
    ("sdss_redshift", float, None, "SDSS's own redshift"),
    ("reason", str, None, "Why the verdict is not star"),
)


def classify_spectra(spectra, templates=None, *, progress=None):
    """Spectral classes of many spectra.

    Parameters
    ----------
    spectra : iterable
        N items: `~specutils.Spectrum`, or the `~stellarclass.exceptions.ArchiveError` that came instead, as
        `stellarclass.archives.SDSSSpectra.spectra` yields them. Each is let go before the next is taken.
    templates : Templates, optional
        What to compare with; those of `default_templates` if not given.
    progress : bool, optional
        Whether to show a progress bar; by default on a terminal only.

    Returns
    -------
    `~astropy.table.QTable`
        N rows in the order of the spectra. Columns as the attributes of `SpectrumResult`, and from the spectra's meta
        ``plate``, ``mjd``, ``fiber``, ``ra``, ``dec`` and SDSS's own answer; masked where there is none. A spectrum
        that is missing or cannot be classified is a row with the verdict ``"failed"`` and the reason.

    Examples
    --------
    >>> from stellarclass.archives import SDSSSpectra
    >>> from stellarclass.spectroscopy import classify_spectra
    >>> source = SDSSSpectra()
    >>> table = classify_spectra(source.spectra([(618, 52049, 372), (1123, 52882, 65)]))  # doctest: +REMOTE_DATA
    """
    rows = []
    total = len(spectra) if hasattr(spectra, "__len__") else None
    with progress_bar(
        total or 0, enabled=False if total is None else progress, desc="Matching", unit="spectrum"
    ) as bar:
        for spectrum in spectra:
            rows.append(_row(spectrum, templates))
            bar.update()
    table = QTable()
    for name, kind, unit, description in _COLUMNS:
        values = [row.get(name) for row in rows]
        missing = np.array([v is None or v == "" or (kind is float and v != v) for v in values], bool)
        filled = [kind() if gone else _plain(kind(v)) for v, gone in zip(values, missing, strict=True)]
        data = np.array(filled, kind) if rows else np.array([], "U1" if kind is str else kind)
        if unit is not None:
            table[name] = Masked(data, mask=missing) * unit
            table[name].info.description = description
        else:
            table[name] = MaskedColumn(data, mask=missing, description=description)
    return table


def _plain(value):
    """The value; of a text what FITS can hold, which is ASCII."""
    return value.replace("Å", "Angstrom").encode("ascii", "replace").decode() if isinstance(value, str) else value


def _row(spectrum, templates):
    if isinstance(spectrum, ArchiveError):
        return {"verdict": "failed", "reason": str(spectrum)}
    meta = {name: spectrum.meta.get(name) for name, *_ in _COLUMNS} if hasattr(spectrum, "meta") else {}
    try:
        result = classify_spectrum(spectrum, templates)
    except InputError as err:
        return meta | {"verdict": "failed", "reason": str(err)}
    found = {name: getattr(result, name) for name, *_ in _COLUMNS if hasattr(result, name)}
    found["alternatives"] = " ".join(result.alternatives)
    for name in ("radial_velocity", "radial_velocity_error"):
        found[name] = found[name].to_value(u.km / u.s)
    return meta | found
