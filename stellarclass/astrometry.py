# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Gaia's numbers for N stars, moved to an image's epoch and matched: pure arithmetic, no network."""

from dataclasses import dataclass, fields

import numpy as np

from .targets import NO_ID

__all__ = ["Astrometry"]


@dataclass(frozen=True)
class Astrometry:
    """The matched astrometry of N stars, units stripped, NaN where missing.

    Attributes
    ----------
    source_id : ndarray, shape (N,), int64
        Gaia identifier; `~stellarclass.targets.NO_ID` where there is no match.
    ra, dec : ndarray, shape (N,), float64
        ICRS position in degrees **at the epoch of the star's own frame**.
    parallax, parallax_error : ndarray, shape (N,), float64
        In mas.
    pmra, pmra_error, pmdec, pmdec_error : ndarray, shape (N,), float64
        In mas/yr, ``pmra`` with the cosine of declination.
    ruwe : ndarray, shape (N,), float64
        Renormalized unit weight error.
    g_mag, bp_rp : ndarray, shape (N,), float64
        Gaia G magnitude and color; kept for diagnostics and for choosing among candidates, not a network input.
    match_separation : ndarray, shape (N,), float64
        Separation of the match at the frame's epoch in arcsec.
    match_count : ndarray, shape (N,), int64
        Candidates within the match radius.
    flags : ndarray, shape (N,), int64
        Bits of `stellarclass.flags` found while matching.
    """

    source_id: np.ndarray
    ra: np.ndarray
    dec: np.ndarray
    parallax: np.ndarray
    parallax_error: np.ndarray
    pmra: np.ndarray
    pmra_error: np.ndarray
    pmdec: np.ndarray
    pmdec_error: np.ndarray
    ruwe: np.ndarray
    g_mag: np.ndarray
    bp_rp: np.ndarray
    match_separation: np.ndarray
    match_count: np.ndarray
    flags: np.ndarray

    def __len__(self):
        return len(self.source_id)

    def __getitem__(self, item):
        """Astrometry of the chosen rows (slice, mask or index array)."""
        return type(self)(**{f.name: getattr(self, f.name)[item] for f in fields(self)})

    @classmethod
    def empty(cls, n):
        """No match for any of n stars.

        Parameters
        ----------
        n : int
            Number of stars.

        Returns
        -------
        Astrometry
        """
        integers = {
            "source_id": np.full(n, NO_ID, np.int64),
            "match_count": np.zeros(n, np.int64),
            "flags": np.zeros(n, np.int64),
        }
        return cls(**{f.name: integers.get(f.name, np.full(n, np.nan)) for f in fields(cls)})
