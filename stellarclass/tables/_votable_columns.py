# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Columns of a table as the columns that VOTable can hold."""

import numpy as np
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.table import Column, MaskedColumn
from astropy.time import Time

from ..exceptions import InputError
from ._plain import plain_column, split_mask, to_text

EPOCH = "_votable_epoch"
"""Key in a part's meta: the epoch of an ICRS position as COOSYS has it, "" if unknown."""

TIMESYS = "_votable_timesys"
"""Key in a part's meta: time scale and reference position as TIMESYS has them."""

_WIDER = {"u2": "i4", "u4": "i8", "u8": "i8", "i1": "i2", "f2": "f4"}
"""VOTable's numbers: unsigned bytes, signed integers of 16 to 64 bits, floats of 32 and 64."""

_TIME_SCALES = {"ut1": "UT", "local": "UNKNOWN"}
"""Names of the IVOA vocabulary that are not astropy's in capitals."""


def votable_columns(column):
    """A column as the one or more plain columns that VOTable can hold."""
    if isinstance(column, SkyCoord):
        return _split_skycoord(column)
    if isinstance(column, Time):
        return [_timestamps(column)]
    if not isinstance(column, (Column, u.Quantity)) or column.dtype.names:
        kind = type(column).__name__
        raise InputError(f"VOTable cannot hold column {column.info.name!r}, a {kind}; write ECSV, or remove the column")
    values, mask = split_mask(column)
    if values.dtype.kind == "O" and all(isinstance(value, np.ndarray) for value in values.flat) and values.size:
        # Arrays of any length: astropy's writer wants each of them to have a mask.
        ragged = np.empty(values.shape, dtype=object)
        ragged.flat = [np.ma.MaskedArray(value, mask=np.ma.getmaskarray(value)) for value in values.flat]
        return [plain_column(column, ragged, mask)]
    if values.dtype.kind in "USO":
        if values.ndim > 1:
            raise InputError(
                f"VOTable cannot hold column {column.info.name!r}, arrays of text; write ECSV, or remove it"
            )
        return [_text(column, to_text(values), mask)]
    if values.shape[1:] == (1,):
        values, mask = values[:, 0], mask if mask is None else mask[:, 0]  # arraysize="1" is deprecated
    code = f"{values.dtype.kind}{values.dtype.itemsize}"
    if code == "u8" and values.size and values.max() > np.iinfo(np.int64).max:
        return [_text(column, values.astype(str), mask)]
    if values.ndim > 1 and values.dtype.kind in "iu" and mask is not None:
        rest = tuple(range(1, mask.ndim))
        if (mask.any(axis=rest) & ~mask.all(axis=rest)).any():
            raise InputError(
                f"column {column.info.name!r} has arrays of integers masked in part, which VOTable cannot mark; make "
                "them floats, or one column for each element"
            )
    return [plain_column(column, values.astype(_WIDER.get(code, code), copy=False), mask)]


def _text(column, values, mask):
    """Text of variable length: char where ASCII will do, else unicodeChar."""
    meta = dict(column.info.meta or {})
    # Code points are the bytes of a NumPy string.
    ascii_only = not values.size or values.dtype.itemsize == 0 or bool(_code_points(values).max() < 128)
    meta["_votable_string_dtype"] = "char" if ascii_only else "unicodeChar"
    meta.pop("_votable_arraysize", None)
    return plain_column(column, values.astype(object), mask, meta=meta)


def _code_points(values):
    return np.ascontiguousarray(values).view(np.uint32)


def _timestamps(column):
    mask = np.array(column.mask)
    times = Time(column.unmasked, format="isot", precision=9)
    texts = np.where(mask, "", times.value)
    scale = _TIME_SCALES.get(column.scale, column.scale.upper())
    system = (scale, "UNKNOWN" if column.location is None else "TOPOCENTER")
    meta = {"ucd": "time.epoch", **(column.info.meta or {}), "xtype": "timestamp", TIMESYS: system}
    note = f"{column.info.description or column.info.name}; ISO 8601, time scale {column.scale}"
    return _text(MaskedColumn(texts, name=column.info.name, description=note, meta=meta), texts, mask)


def _split_skycoord(column):
    """A SkyCoord as ICRS right ascension and declination, and proper motion where it has one."""
    name, icrs = column.info.name, column.icrs
    parts = {"ra": (icrs.ra, u.deg, "pos.eq.ra"), "dec": (icrs.dec, u.deg, "pos.eq.dec")}
    if hasattr(icrs.data.differentials.get("s"), "d_lat"):
        parts["pmra"] = (icrs.pm_ra_cosdec, u.mas / u.yr, "pos.pm;pos.eq.ra")
        parts["pmdec"] = (icrs.pm_dec, u.mas / u.yr, "pos.pm;pos.eq.dec")
    result = []
    epoch = _common_epoch(column.obstime)
    for part, (quantity, unit, ucd) in parts.items():
        values = np.array(getattr(quantity, "unmasked", quantity).to_value(unit))
        mask = ~np.isfinite(values) | np.array(getattr(quantity, "mask", False))
        note = f"{part} of {name}, ICRS" + (f": {column.info.description}" if column.info.description else "")
        meta = {"ucd": ucd, EPOCH: epoch}
        result.append(MaskedColumn(values, mask=mask, name=f"{name}_{part}", unit=unit, description=note, meta=meta))
    return result


def _common_epoch(times):
    """The epoch that all positions share, as COOSYS has it; "" if there is none."""
    years = np.unique(np.round(np.atleast_1d(times.jyear), 6)) if times is not None else []
    return epoch_text(years[0]) if len(years) == 1 and not np.ma.is_masked(years) else ""


def epoch_text(year):
    """A Julian year as COOSYS has it, e.g. J2016.0."""
    return f"J{round(float(year), 6)!r}"
