# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What a target knows of its own field: SDSS's object identifier, taken apart and put together.

An SDSS ``objid`` (data release 8 and later) is a 64-bit integer whose bits name the field, so that a table that has it
needs no archive to find its pixels. The layout is SDSS's own, see
https://www.sdss4.org/dr17/algorithms/bitmasks or the SkyServer function ``fObjIDFromSDSS``:

======== ===== ==============================================
bits     width meaning
======== ===== ==============================================
63       1     always 0
59 - 62  4     skyversion: 2; below in DR7 and before
48 - 58  11    rerun: 301 for the final one
32 - 47  16    run
29 - 31  3     camcol, 1 to 6
28       1     first field of the run
16 - 27  12    field
0 - 15   16    number of the object within the field
======== ===== ==============================================

Data release 8 reduced all images anew: an identifier of DR7 or before names an object of another catalog, and the
frames of its rerun are gone. Such identifiers are refused, or passed over in favor of the position.
"""

import copy
import warnings
from typing import NamedTuple

import numpy as np

from .. import flags
from ..exceptions import InputError, NotInArchiveError, StellarclassWarning
from ..targets import NO_ID
from .base import BANDS, FieldKey

__all__ = ["DEFAULT_RERUN", "ObjID", "check_key", "decode_objid", "encode_objid", "known_fields", "valid_field"]

DEFAULT_RERUN = 301
"""The reduction that all of DR8 to DR17 and later consists of."""

_SKYVERSION, _OLD_SKYVERSION = 2, 1
"""What marks the identifiers of that reduction, and those of DR7 and before, such as 587722952230174996."""

_SKYVERSION_BIT = 59

_LIMITS = {"run": (1, 65535), "rerun": (0, 2047), "camcol": (1, 6), "field": (1, 4095)}
_LAYOUT = {  # name: (lowest bit, width)
    "rerun": (48, 11),
    "run": (32, 16),
    "camcol": (29, 3),
    "first_field": (28, 1),
    "field": (16, 12),
    "id": (0, 16),
}


class ObjID(NamedTuple):
    """The parts of an SDSS ``objid`` without its skyversion: integers, or arrays of int64 of one shape."""

    rerun: np.ndarray
    run: np.ndarray
    camcol: np.ndarray
    first_field: np.ndarray
    field: np.ndarray
    id: np.ndarray


def decode_objid(objid):
    """Take SDSS object identifiers apart.

    Parameters
    ----------
    objid : int or array-like of int, shape (...)
        Identifiers of data release 8 or later.

    Returns
    -------
    ObjID
        Named tuple of rerun, run, camcol, first_field, field and id, each of the input's shape, int64.

    Raises
    ------
    TypeError
        If ``objid`` is not of an integer type: a float64 cannot hold 64 bits.
    stellarclass.exceptions.InputError
        If one of them is of DR7 or before, or no identifier of SDSS at all.

    Examples
    --------
    >>> from stellarclass.archives import decode_objid
    >>> parts = decode_objid(1237653651835781245)
    >>> int(parts.run), int(parts.rerun), int(parts.camcol), int(parts.field)
    (1904, 301, 3, 163)
    """
    skyversion, parts = _take_apart(objid)
    bad = ~_is_good(skyversion, parts)
    if np.any(bad):
        first = np.asarray(objid)[bad].flat[0]
        if skyversion[bad].flat[0] == _OLD_SKYVERSION:
            raise InputError(
                f"objid {first} is of SDSS DR7 or before; only those of DR8 and later name their field. "
                "Cross-identify by position, or by SkyServer's table PhotoObjDR7"
            )
        raise InputError(f"objid {first} is no object identifier of SDSS DR8 or later")
    return parts


def _take_apart(objid):
    """Skyversion, negative where bit 63 is set, and `ObjID` of any 64-bit integers."""
    objid = np.asarray(objid)
    if objid.dtype.kind not in "iu":
        raise TypeError(f"objid must be integers, got {objid.dtype}: its 64 bits do not fit anything else")
    objid = objid.astype(np.int64)
    return objid >> _SKYVERSION_BIT, ObjID(*((objid >> low) & ((1 << width) - 1) for low, width in _LAYOUT.values()))


def _is_good(skyversion, parts):
    """Whether integers can be identifiers of DR8 or later."""
    return (skyversion == _SKYVERSION) & valid_field(parts.run, parts.rerun, parts.camcol, parts.field)


def encode_objid(run, camcol, field, id, *, rerun=DEFAULT_RERUN, first_field=0):
    """Put SDSS object identifiers together.

    Parameters
    ----------
    run, camcol, field, id : int or array-like of int
        Field, and number of the object within it; they broadcast.
    rerun, first_field : int or array-like of int, optional
        The final reduction by default.

    Returns
    -------
    ndarray of int64
        Identifiers, of the broadcast shape.

    Raises
    ------
    TypeError
        If a value is not an integer.
    ValueError
        If a value does not fit its bits.

    Examples
    --------
    >>> from stellarclass.archives import encode_objid
    >>> int(encode_objid(1904, 3, 163, 61))
    1237653651835781181
    """
    values = ObjID(rerun, run, camcol, first_field, field, id)._asdict()
    objid = np.int64(_SKYVERSION << _SKYVERSION_BIT)
    for name, value in values.items():
        low, width = _LAYOUT[name]
        value = np.asarray(value)
        if value.dtype.kind not in "iu":
            raise TypeError(f"{name} must be integers, got {value.dtype}")
        if np.any(value < 0) or np.any(value >= 1 << width):
            raise ValueError(f"{name} must be within 0 to {(1 << width) - 1} to fit an objid, got {value}")
        objid = objid | (value.astype(np.int64) << low)
    return objid


def valid_field(run, rerun, camcol, field):
    """Whether numbers can name an SDSS field at all.

    Parameters
    ----------
    run, rerun, camcol, field : int or ndarray of int
        They broadcast.

    Returns
    -------
    bool or ndarray of bool
    """
    good = np.True_
    for value, (low, high) in zip((run, rerun, camcol, field), _LIMITS.values(), strict=True):
        value = np.asarray(value)
        good = good & (value >= low) & (value <= high)
    return good


def check_key(key, band):
    """A field and band as plain, bounded Python values: all that ever goes into a path or an address.

    Parameters
    ----------
    key : FieldKey
    band : str

    Returns
    -------
    FieldKey

    Raises
    ------
    stellarclass.exceptions.NotInArchiveError
        If the numbers are beyond what SDSS uses.
    ValueError
        If the band is not one of ``BANDS``.
    """
    if band not in BANDS:
        raise ValueError(f"band must be one of {', '.join(BANDS)}, got {band!r}")
    key = FieldKey(*(int(value) for value in key))
    if not valid_field(*key):
        limits = ", ".join(f"{name} {low}-{high}" for name, (low, high) in _LIMITS.items())
        raise NotInArchiveError(f"SDSS has no such field: its numbers are {limits}", repr(key))
    return key


def known_fields(targets):
    """Fill in the field of targets that name it: by their own run, camcol and field, else by their ``objid``.

    Parameters
    ----------
    targets : stellarclass.targets.Targets
        N targets.

    Returns
    -------
    targets : stellarclass.targets.Targets
        A copy. Rows that name a field which cannot exist carry ``no_image``; an ``objid`` of DR7 or before, or of
        nothing that SDSS has, is forgotten, with a warning.
    todo : ndarray, shape (N,), bool
        Rows without a fatal flag whose field must be found by position.
    """
    targets = copy.deepcopy(targets)
    alive = (targets.flags & flags.FATAL) == 0

    named = (targets.run != NO_ID) & (targets.camcol != NO_ID) & (targets.field != NO_ID)
    targets.rerun[named & (targets.rerun == NO_ID)] = DEFAULT_RERUN
    impossible = alive & named & ~valid_field(targets.run, targets.rerun, targets.camcol, targets.field)
    if impossible.any():
        targets.flags[impossible] |= flags.NO_IMAGE
        row = np.flatnonzero(impossible)[0]
        key = FieldKey(*(int(getattr(targets, name)[row]) for name in FieldKey._fields))
        _warn(impossible, f"a run, rerun, camcol, field that SDSS does not have (the first is row {row}: {key!r})")

    skyversion, parts = _take_apart(targets.objid)
    has_objid = alive & ~named & (targets.objid != NO_ID)
    good = has_objid & _is_good(skyversion, parts)
    for name in FieldKey._fields:
        getattr(targets, name)[good] = getattr(parts, name)[good]
    # People mix up columns, and have tables that are older than DR8.
    old = has_objid & (skyversion == _OLD_SKYVERSION)
    strange = has_objid & ~good & ~old
    for rows, what in ((old, "of SDSS DR7 or before"), (strange, "that names no SDSS field")):
        if rows.any():
            row = np.flatnonzero(rows)[0]
            first = f"the first is row {row}: {targets.objid[row]}"
            _warn(rows, f"an objid {what} ({first}); their positions are used instead")
    targets.objid[old | strange] = NO_ID
    return targets, alive & ~named & ~good


def _warn(rows, what):
    # The two levels are known_fields and locate: the warning points at the caller of locate.
    warnings.warn(f"{np.count_nonzero(rows)} of {len(rows)} targets have {what}", StellarclassWarning, stacklevel=4)
