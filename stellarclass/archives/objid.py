# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What a target knows of its own field: SDSS's object identifier, taken apart and put together.

An SDSS ``objid`` (data release 8 and later) is a 64-bit integer whose bits name the field, so that a table that has it
needs no archive to find its pixels. The layout is SDSS's own, see
https://www.sdss4.org/dr17/algorithms/bitmasks or the SkyServer function ``fObjIDFromSDSS``:

======== ===== ==============================================
bits     width meaning
======== ===== ==============================================
63       1     always 0
59 - 62  4     skyversion: 2 for the primary reduction
48 - 58  11    rerun: 301 for the final one
32 - 47  16    run
29 - 31  3     camcol, 1 to 6
28       1     first field of the run
16 - 27  12    field
0 - 15   16    number of the object within the field
======== ===== ==============================================
"""

import copy
import warnings
from typing import NamedTuple

import numpy as np

from .. import flags
from ..exceptions import NotInArchiveError, StellarclassWarning
from ..targets import NO_ID
from .base import BANDS, FieldKey

__all__ = ["DEFAULT_RERUN", "ObjID", "check_key", "decode_objid", "encode_objid", "known_fields", "valid_field"]

DEFAULT_RERUN = 301
"""The reduction that all of DR8 to DR17 and later consists of."""

_LIMITS = {"run": (1, 65535), "rerun": (0, 2047), "camcol": (1, 6), "field": (1, 4095)}
_LAYOUT = {  # name: (lowest bit, width)
    "skyversion": (59, 4),
    "rerun": (48, 11),
    "run": (32, 16),
    "camcol": (29, 3),
    "first_field": (28, 1),
    "field": (16, 12),
    "id": (0, 16),
}


class ObjID(NamedTuple):
    """The parts of an SDSS ``objid``: integers, or arrays of int64 of one shape."""

    skyversion: np.ndarray
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
        Identifiers of data release 8 or later. Any 64-bit integer is taken; ``valid_field`` tells which make sense.

    Returns
    -------
    ObjID
        Named tuple of skyversion, rerun, run, camcol, first_field, field and id, each of the input's shape, int64.

    Raises
    ------
    TypeError
        If ``objid`` is not of an integer type: a float64 cannot hold 64 bits.

    Examples
    --------
    >>> from stellarclass.archives import decode_objid
    >>> parts = decode_objid(1237653651835781245)
    >>> int(parts.run), int(parts.rerun), int(parts.camcol), int(parts.field)
    (1904, 301, 3, 163)
    """
    objid = np.asarray(objid)
    if objid.dtype.kind not in "iu":
        raise TypeError(f"objid must be integers, got {objid.dtype}: its 64 bits do not fit anything else")
    objid = objid.astype(np.int64)
    return ObjID(*((objid >> low) & ((1 << width) - 1) for low, width in _LAYOUT.values()))


def encode_objid(run, camcol, field, id, *, rerun=DEFAULT_RERUN, skyversion=2, first_field=0):
    """Put SDSS object identifiers together.

    Parameters
    ----------
    run, camcol, field, id : int or array-like of int
        Field, and number of the object within it; they broadcast.
    rerun, skyversion, first_field : int or array-like of int, optional
        The final reduction by default.

    Returns
    -------
    ndarray of int64
        Identifiers, of the broadcast shape.

    Raises
    ------
    ValueError
        If a value does not fit its bits.

    Examples
    --------
    >>> from stellarclass.archives import encode_objid
    >>> int(encode_objid(1904, 3, 163, 61))
    1237653651835781181
    """
    values = ObjID(skyversion, rerun, run, camcol, first_field, field, id)
    objid = np.int64(0)
    for (name, (low, width)), value in zip(_LAYOUT.items(), values, strict=True):
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
        A copy. Rows that name a field which cannot exist carry ``no_image``.
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

    parts = decode_objid(targets.objid)
    has_objid = alive & ~named & (targets.objid != NO_ID)
    # Identifiers of DR7 and before have other bits (their skyversion and rerun differ), and people do mix up columns.
    good = has_objid & (targets.objid > 0) & valid_field(parts.run, parts.rerun, parts.camcol, parts.field)
    for name in FieldKey._fields:
        getattr(targets, name)[good] = getattr(parts, name)[good]
    strange = has_objid & ~good
    if strange.any():
        row = np.flatnonzero(strange)[0]
        _warn(
            strange,
            f"an objid that names no SDSS field (the first is row {row}: {targets.objid[row]}); "
            "their positions are used instead",
        )
    return targets, alive & ~named & ~good


def _warn(rows, what):
    # The two levels are known_fields and locate: the warning points at the caller of locate.
    warnings.warn(f"{np.count_nonzero(rows)} of {len(rows)} targets have {what}", StellarclassWarning, stacklevel=4)
