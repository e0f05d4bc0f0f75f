# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Stars of the first of `skyframes.FIELDS` as SkyServer has them, and targets as the sources of images take them."""

import numpy as np
from astropy.table import Table
from loopback.sas import COLUMNS
from skyframes import FIELDS

from stellarclass.archives import FieldKey, encode_objid
from stellarclass.targets import Targets

STARS = 200
ARCSEC = 1 / 3600


def star_catalog():
    """200 stars, 2 arcsec apart or more."""
    first = next(iter(FIELDS))
    k = np.arange(STARS)
    ra, dec = FIELDS[first][0] + (k % 20 - 10) * 2 * ARCSEC, FIELDS[first][1] + (k // 20 - 5) * 4 * ARCSEC
    rows = {"objid": encode_objid(first.run, first.camcol, first.field, k), "ra": ra, "dec": dec, "mode": k * 0 + 1}
    rows |= {name: np.full(STARS, getattr(first, name)) for name in FieldKey._fields}
    rows |= {f"psfMag_{band}": 20.0 + k / 1000 + j for j, band in enumerate("ugriz")}
    return Table(rows)[list(COLUMNS)]


def at(ra, dec, **columns):
    """Targets at positions in degrees."""
    targets = Targets(ra=np.atleast_1d(np.array(ra, float)), dec=np.atleast_1d(np.array(dec, float)))
    for name, values in columns.items():
        getattr(targets, name)[:] = values
    return targets


def key_of(targets, row=0):
    """The field that a target lies in."""
    return FieldKey(*(int(getattr(targets, name)[row]) for name in FieldKey._fields))
