# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Columns of the chain's tables: archives' answers brought into one form, and read again from disk."""

import numpy as np
from astropy import units as u
from astropy.table import MaskedColumn, QTable
from astropy.utils.masked import Masked

from ..columns import read_integers, read_numbers
from ..exceptions import BadAnswerError, InputError
from ..targets import NO_ID

__all__ = ["GAIA", "SPECTRA", "integers", "numbers", "picked", "quantity", "text"]

SPECTRA = {
    "specobjid": str,  # identifiers of plates above 8191 are beyond int64
    **dict.fromkeys(("objid", "plate", "mjd", "fiberid", "zwarning", "run", "rerun", "camcol", "field"), int),
    "ra": u.deg,
    "dec": u.deg,
    "subclass": str,
    "sn_median": u.one,
    **dict.fromkeys([f"psfmag_{b}" for b in "ugriz"] + [f"psfmagerr_{b}" for b in "ugriz"], u.mag),
    **dict.fromkeys(("photo_flags", "photo_type", "clean"), int),
}
"""Columns of SDSS's spectroscopic stars, with their kind: integers, text, or the unit of a number."""

GAIA = {
    "parallax": u.mas,
    "parallax_error": u.mas,
    "pmra": u.mas / u.yr,
    "pmra_error": u.mas / u.yr,
    "pmdec": u.mas / u.yr,
    "pmdec_error": u.mas / u.yr,
    "ruwe": u.one,
    "phot_g_mean_mag": u.mag,
    "bp_rp": u.mag,
    "match_separation": u.arcsec,
}
"""Numbers of the Gaia source that a star was matched to."""


def numbers(table, name, unit=u.one):
    """A column as float64 in a unit, NaN where it is masked."""
    return read_numbers(table, name, unit=unit)


def integers(table, name):
    """A column as int64, `stellarclass.targets.NO_ID` where it is masked."""
    return read_integers(table, name, missing=NO_ID)


def text(table, name):
    """A column as text, empty where it is masked."""
    column = table[name]
    values = np.asarray(getattr(column, "unmasked", getattr(column, "data", column)))
    values = np.ma.getdata(values)
    if values.dtype.kind == "S":
        values = np.char.decode(values, "utf-8")
    mask = np.broadcast_to(getattr(column, "mask", False), values.shape)
    values = np.array(["" if gone else str(value).strip() for value, gone in zip(values, mask, strict=True)], str)
    return values if len(values) else values.astype("U1")


def quantity(values, unit):
    """Numbers as a column with a unit, masked where NaN."""
    values = np.asarray(values, float)
    missing = np.isnan(values)
    if unit == u.one:
        return MaskedColumn(np.where(missing, 0, values), mask=missing) if missing.any() else values
    return Masked(values << unit, mask=missing) if missing.any() else values << unit


def picked(answer, kinds, source):
    """Take the columns that are meant out of an archive's answer.

    Parameters
    ----------
    answer : `~astropy.table.Table`
        N rows.
    kinds : dict
        Such as `SPECTRA`.
    source : str
        Name of the archive, for the message.

    Returns
    -------
    `~astropy.table.QTable`
        N rows, the columns in the order of ``kinds``.

    Raises
    ------
    stellarclass.exceptions.BadAnswerError
        If one is missing or of another kind.
    """
    absent = [name for name in kinds if name not in answer.colnames]
    if absent:
        raise BadAnswerError(f"the answer lacks the columns {', '.join(absent)}", source)
    table = QTable()
    try:
        for name, kind in kinds.items():
            if kind is int:
                table[name] = integers(answer, name)
            else:
                table[name] = text(answer, name) if kind is str else quantity(numbers(answer, name, kind), kind)
    except InputError as err:
        raise BadAnswerError(f"the answer cannot be read: {err}", source) from err
    return table
