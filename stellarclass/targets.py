# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Whatever a user has, as one canonical list of targets: `Targets` and `parse_targets`."""

from dataclasses import dataclass

import numpy as np

from . import flags as _flags

__all__ = ["NO_ID", "Targets"]

NO_ID = -1
"""Stands for an absent integer (objid, source_id, run, rerun, camcol, field) inside the pipeline; masked outside."""


def _ids(n, dtype=np.int64):
    return np.full(n, NO_ID, dtype)


@dataclass
class Targets:
    """N targets, units stripped: the one form in which they travel down the pipeline.

    Attributes
    ----------
    ra, dec : ndarray, shape (N,), float64
        ICRS position in degrees; NaN where there is none.
    ref_epoch : ndarray, shape (N,), float64
        Julian year of the position; NaN where unknown (then the frame's own epoch is assumed).
    pmra, pmdec : ndarray, shape (N,), float64
        Proper motion in mas/yr, ``pmra`` with the cosine of declination; NaN where unknown.
    objid, source_id : ndarray, shape (N,), int64
        SDSS and Gaia identifiers; `NO_ID` where unknown.
    run, rerun, camcol, field : ndarray, shape (N,), int64
        SDSS field; `NO_ID` where unknown.
    psfmag : ndarray, shape (N, 5), float64
        SDSS PSF magnitudes ugriz (asinh); NaN where unknown.
    flags : ndarray, shape (N,), int64
        Bits of `stellarclass.flags`.
    """

    ra: np.ndarray
    dec: np.ndarray
    ref_epoch: np.ndarray = None
    pmra: np.ndarray = None
    pmdec: np.ndarray = None
    objid: np.ndarray = None
    source_id: np.ndarray = None
    run: np.ndarray = None
    rerun: np.ndarray = None
    camcol: np.ndarray = None
    field: np.ndarray = None
    psfmag: np.ndarray = None
    flags: np.ndarray = None

    def __post_init__(self):
        n = len(self.ra)
        for name in ("ref_epoch", "pmra", "pmdec"):
            if getattr(self, name) is None:
                setattr(self, name, np.full(n, np.nan))
        for name in ("objid", "source_id", "run", "rerun", "camcol", "field"):
            if getattr(self, name) is None:
                setattr(self, name, _ids(n))
        if self.psfmag is None:
            self.psfmag = np.full((n, 5), np.nan)
        if self.flags is None:
            self.flags = np.where(np.isfinite(self.ra) & np.isfinite(self.dec), 0, _flags.BAD_COORDINATE).astype(np.int64)

    def __len__(self):
        return len(self.ra)
