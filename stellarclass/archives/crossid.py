# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""SkyServer's cross-identification: positions in, the nearest primary objects out.

astroquery writes the query and parses the answer; the transport is ours, so that the request ends in time, the answer
is bounded, and nothing is kept between calls. SkyServer does not say which position a row belongs to (and astroquery
does not ask), so rows are matched back by position.
"""

from dataclasses import dataclass

import numpy as np
from astropy import units as u
from astropy.coordinates import SkyCoord

from ..astrometry import unit_vectors
from ..exceptions import BadAnswerError
from ._skyserver import short, skyserver_client
from .base import BANDS
from .objid import valid_field

__all__ = ["CROSSID_RADIUS", "CrossMatch", "cross_identify"]

CROSSID_RADIUS = 3 * u.arcsec
"""How far from a position SkyServer may look: 3 arcsec, as Deng et al. 2024 matched SDSS to Gaia."""

_FIELDS = ("objid", "ra", "dec", "run", "rerun", "camcol", "field", "mode", *(f"psfMag_{band}" for band in BANDS))
_PRIMARY = 1  # PhotoObjAll.mode


@dataclass(frozen=True)
class CrossMatch:
    """What SkyServer knows of N positions.

    Attributes
    ----------
    found : ndarray, shape (N,), bool
        Whether there is an object within the radius. The others are meaningless where not.
    ambiguous : ndarray, shape (N,), bool
        Whether there is a further object that is no other position's.
    objid, run, rerun, camcol, field : ndarray, shape (N,), int64
    psfmag : ndarray, shape (N, 5), float64
        Asinh magnitudes ugriz; NaN where SDSS has none.
    """

    found: np.ndarray
    ambiguous: np.ndarray
    objid: np.ndarray
    run: np.ndarray
    rerun: np.ndarray
    camcol: np.ndarray
    field: np.ndarray
    psfmag: np.ndarray


def cross_identify(ra, dec, *, base_url, data_release, fetch):
    """Ask SkyServer for the nearest primary object of each position, in one request.

    Parameters
    ----------
    ra, dec : ndarray, shape (N,), float64
        ICRS positions in degrees, all finite.
    base_url : str
        Address of SkyServer.
    data_release : int
        SDSS data release.
    fetch : callable
        `Transport.fetch`, which carries the request.

    Returns
    -------
    CrossMatch

    Raises
    ------
    stellarclass.exceptions.ArchiveError
        If there is no answer, or none that can be understood.
    """
    with skyserver_client(base_url, fetch, parse=_check_header) as client:
        try:
            table = client.query_crossid(
                SkyCoord(ra, dec, unit="deg", frame="icrs"),
                radius=CROSSID_RADIUS,
                photoobj_fields=list(_FIELDS),
                data_release=data_release,
                cache=False,
            )
        except OSError:
            raise
        except Exception as err:  # astroquery parses with whatever fits, and raises whatever that raises
            raise BadAnswerError(f"SkyServer's answer cannot be read: {short(err)}", client.last_url) from err
    rows = _rows(table, client.last_url)
    return _match(ra, dec, rows)


def _check_header(text, url):
    """Refuse what is no answer: astroquery would take a table without rows for it, and that for 'no such object'."""
    first = next((line for line in text.splitlines() if line.strip() and not line.startswith("#")), "")
    if first and first[0] not in "[{" and "objid" not in first.lower() and not first.lower().startswith("no "):
        raise BadAnswerError(f"SkyServer's answer has no header of a cross-identification: {short(first)}", url)


def _rows(table, url):
    """The answer's columns as plain arrays, without rows that name no field and without doubles."""
    if table is None:
        return {name: np.zeros(0, np.float64 if name in ("ra", "dec") else np.int64) for name in _FIELDS}
    columns = {name.lower(): table[name] for name in table.colnames}
    absent = [name for name in _FIELDS if name.lower() not in columns]
    if absent:
        raise BadAnswerError(f"SkyServer's answer lacks the columns {', '.join(absent)}: {short(table.colnames)}", url)
    rows = {}
    try:
        for name in _FIELDS:
            column = np.ma.asarray(columns[name.lower()])
            if name in ("ra", "dec") or name.startswith("psfMag"):
                rows[name] = column.astype(np.float64).filled(np.nan)
            else:
                rows[name] = column.astype(np.int64).filled(-1)
    except (ValueError, TypeError, OverflowError) as err:
        raise BadAnswerError(f"SkyServer's column {name} holds no numbers: {short(err)}", url) from err
    good = np.isfinite(rows["ra"]) & np.isfinite(rows["dec"]) & (rows["objid"] > 0)
    good &= valid_field(rows["run"], rows["rerun"], rows["camcol"], rows["field"])
    # Positions that share an object bring it once each.
    keep = np.flatnonzero(good)
    keep = keep[np.unique(rows["objid"][keep], return_index=True)[1]]
    return {name: values[keep] for name, values in rows.items()}


def _match(ra, dec, rows):
    """Give each position its nearest object, primaries first."""
    n = len(ra)
    if len(rows["ra"]) == 0:
        ids = np.full(n, -1, np.int64)
        no = np.zeros(n, bool)
        return CrossMatch(no, no.copy(), ids, ids.copy(), ids.copy(), ids.copy(), ids.copy(), np.full((n, 5), np.nan))
    # The squared chord keeps 1e-6 of 3 arcsec, and the loop keeps N x rows out of memory.
    there = unit_vectors(rows["ra"], rows["dec"])
    here = unit_vectors(ra, dec)
    limit = (2 * np.sin(CROSSID_RADIUS.to_value(u.rad) / 2)) ** 2
    best = np.full(n, -1)
    near = []
    for k in range(n):
        chord = np.sum((there - here[k]) ** 2, axis=1)
        inside = np.flatnonzero(chord <= limit * (1 + 1e-6))
        near.append(inside)
        if len(inside):
            best[k] = inside[np.lexsort((chord[inside], rows["mode"][inside] != _PRIMARY))[0]]
    found = best >= 0
    # A second star within the radius is no ambiguity if it is the answer to another position.
    spoken_for = np.zeros(len(there), bool)
    spoken_for[best[found]] = True
    ambiguous = np.array([np.count_nonzero(~spoken_for[inside]) > 0 for inside in near], bool)
    psfmag = np.stack([rows[f"psfMag_{band}"][best] for band in BANDS], axis=-1)
    psfmag[~((psfmag > 0) & (psfmag < 40))] = np.nan  # -9999 stands for none
    ids = {name: rows[name][best] for name in ("objid", "run", "rerun", "camcol", "field")}
    return CrossMatch(found, ambiguous, **ids, psfmag=psfmag)
