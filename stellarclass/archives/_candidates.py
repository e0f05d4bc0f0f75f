# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What every astrometric source agrees on: which columns it hands over and how far around a target it looks."""

from typing import NamedTuple

import numpy as np
from astropy import units as u
from astropy.table import Column, MaskedColumn, Table

from ..exceptions import InputError

__all__ = ["COLUMNS", "FAST", "Reach", "candidate_table", "search_reach"]

COLUMNS = {
    "source_id": (np.int64, None, "Gaia source identifier"),
    "ra": (np.float64, u.deg, "Right ascension (ICRS) at ref_epoch"),
    "dec": (np.float64, u.deg, "Declination (ICRS) at ref_epoch"),
    "ref_epoch": (np.float64, u.yr, "Epoch of the position (Julian year, TCB)"),
    "parallax": (np.float64, u.mas, "Parallax"),
    "parallax_error": (np.float32, u.mas, "Standard error of the parallax"),
    "pmra": (np.float64, u.mas / u.yr, "Proper motion in right ascension, with the cosine of declination"),
    "pmra_error": (np.float32, u.mas / u.yr, "Standard error of pmra"),
    "pmdec": (np.float64, u.mas / u.yr, "Proper motion in declination"),
    "pmdec_error": (np.float32, u.mas / u.yr, "Standard error of pmdec"),
    "ruwe": (np.float32, None, "Renormalized unit weight error"),
    "phot_g_mean_mag": (np.float32, u.mag, "G magnitude"),
    "bp_rp": (np.float32, u.mag, "BP - RP color"),
}
"""Gaia's own columns as candidates have them: dtype, unit, description. The first four are never masked."""

NEVER_MASKED = ("source_id", "ra", "dec", "ref_epoch")

FIRST_EPOCH, LAST_EPOCH = 1998.0, 2030.0
"""Epochs that a candidate search answers for: SDSS's first light to a decade from now."""

FAST = 300.0
"""Proper motion in mas/yr above which a star is looked for in the wide circle."""

FASTEST = 10_400.0
"""No star moves faster: Barnard's star, 10,393 mas/yr."""

GAIA_EPOCH = 2016.0
"""Reference epoch of Gaia EDR3 and DR3."""


class Reach(NamedTuple):
    """How far from a target its source may stand in the catalog, in degrees."""

    slow: float
    """For stars of at most `FAST`, and those without a proper motion."""

    fast: float
    """For all others."""


def search_reach(radius, ref_epoch=GAIA_EPOCH):
    """Widen a match radius by what stars move between the catalog's epoch and any epoch of an image.

    Parameters
    ----------
    radius : `~astropy.units.Quantity`
        Match radius, an angle.
    ref_epoch : array_like, optional
        Epochs of the catalog in Julian years.

    Returns
    -------
    Reach
    """
    if not isinstance(radius, u.Quantity):
        raise TypeError(f"radius must be an angle with a unit, such as 3 * u.arcsec, not {radius!r}")
    degrees = radius.to_value(u.deg)
    if not 0 < degrees <= 0.1:
        raise InputError(
            f"the match radius must be above 0 and at most 6 arcmin, not {radius}; "
            "stellarclass.skyregions.cover_circle makes small circles of a large one"
        )
    years = np.max([np.subtract(ref_epoch, FIRST_EPOCH), np.subtract(LAST_EPOCH, ref_epoch)])
    per_mas = float(years) / 3.6e6
    return Reach(slow=degrees + FAST * per_mas, fast=degrees + FASTEST * per_mas)


def candidate_table(target, rows, columns=COLUMNS):
    """Assemble candidates: sorted by target and source, Gaia's names, types and units, masked where there is nothing.

    Parameters
    ----------
    target : ndarray, shape (M,)
        Index of the target of each candidate.
    rows : `~astropy.table.Table` or dict
        M rows with all of ``columns``, in Gaia's units; NaN counts as missing.
    columns : dict, optional
        What the table holds; `COLUMNS`, or those and more of the same form.

    Returns
    -------
    `~astropy.table.Table`
    """
    target = np.asarray(target, np.int64)
    order = np.lexsort((np.asarray(rows["source_id"], np.int64), target))
    table = Table([Column(target[order], name="target", description="Index of the target")])
    for name, (dtype, unit, description) in columns.items():
        values = np.ma.asarray(rows[name])[order]
        missing = np.ma.getmaskarray(values)
        what = {"name": name, "unit": unit, "description": description}
        if name in NEVER_MASKED:
            table[name] = Column(values.data.astype(dtype), **what)
        else:
            data = np.where(missing, np.nan, values.data).astype(dtype)
            table[name] = MaskedColumn(data, mask=np.isnan(data), **what)
    return table
