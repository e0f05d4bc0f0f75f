# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Whatever a user has, as one canonical list of targets: `Targets` and `parse_targets`."""

import warnings
from dataclasses import dataclass, fields

import numpy as np
from astropy import units as u
from astropy.coordinates import BaseCoordinateFrame, ConvertError, SkyCoord

from . import columns as _columns
from . import flags as _flags
from .exceptions import InputError, StellarclassWarning
from .usertable import as_table, is_table

__all__ = ["NO_ID", "Targets", "parse_targets"]

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
            self.flags = np.where(np.isfinite(self.ra) & np.isfinite(self.dec), 0, _flags.BAD_COORDINATE).astype(
                np.int64
            )

    def __len__(self):
        return len(self.ra)

    def __getitem__(self, item):
        """Targets of the chosen rows (slice, mask or index array)."""
        return type(self)(**{f.name: getattr(self, f.name)[item] for f in fields(self)})


def parse_targets(targets, *, coords=None):
    """Read positions, and what else is known of the stars, from whatever a user has.

    Parameters
    ----------
    targets : `~astropy.coordinates.SkyCoord`, `~astropy.table.Table`, pandas.DataFrame, str or path-like
        A SkyCoord in any frame, one position or a list; its ``obstime`` is taken as the epoch of the position, its
        proper motion is kept. Or a table of N rows, or what `~stellarclass.usertable.as_table` makes one of: its
        positions are found as `~stellarclass.columns.find_positions` says. These columns are used as well if they are
        there, their names in any case: ``objid``, ``source_id``; ``run``, ``camcol``, ``field`` (all three), ``rerun``;
        ``psfmag_u`` to ``psfmag_z`` [mag]; ``ref_epoch`` [yr]; ``pmra`` and ``pmdec`` (both) [mas/yr].
        They may be masked; in columns that bear an archive's own name, a missing unit is the archive's.
    coords : str or tuple of str, optional
        For a table: name of its SkyCoord column, or of its right ascension and declination columns.

    Returns
    -------
    Targets
        One per position, in order. One that is masked, NaN or not on the sky is NaN with the flag ``bad_coordinate``.

    Raises
    ------
    TypeError
        If ``targets`` is neither a SkyCoord nor a table: bare numbers do not say what they are.
    stellarclass.exceptions.InputError
        If no positions are found, a unit is wrong, or the frame cannot be converted to ICRS.
    stellarclass.exceptions.AmbiguousColumnsError
        If several columns could hold the positions.

    Warns
    -----
    stellarclass.exceptions.StellarclassWarning
        If a proper motion is in a frame that moves itself, e.g. with the Earth; it is left out.

    Examples
    --------
    >>> from astropy.table import Table
    >>> from stellarclass.targets import parse_targets
    >>> table = Table({"RAJ2000": [323.34, 400.0], "DEJ2000": [-0.73, 95.0]})
    >>> targets = parse_targets(table)
    >>> targets.ra, targets.flags
    (array([323.34,    nan]), array([0, 1]))
    """
    if isinstance(targets, (SkyCoord, BaseCoordinateFrame)):
        if coords is not None:
            raise TypeError("coords names columns of a table; the targets are a SkyCoord")
        return Targets(**_from_skycoord(targets))
    if is_table(targets):
        return _from_table(as_table(targets), coords)
    raise TypeError(f"targets must be a SkyCoord or a Table, got {type(targets).__name__}; {_way_out(targets)}")


def _way_out(targets):
    kind = type(targets)
    if kind.__module__.startswith("regions."):
        return "hand a region to classify_region"
    if kind.__module__.startswith("pandas"):
        return "hand in the whole data frame"
    if isinstance(targets, dict):
        return "hand in astropy.table.Table(dictionary)"
    if isinstance(targets, str):
        return 'hand in SkyCoord("21h33m27s -00d49m24s"), or the path of a table; there is no file of this name'
    if isinstance(targets, u.Quantity):
        return "hand in SkyCoord(ra, dec)"
    return 'hand in SkyCoord(ra, dec, unit="deg")'


_INERTIAL_FRAMES = frozenset(
    "icrs fk5 fk4 fk4noeterms galactic supergalactic barycentricmeanecliptic barycentrictrueecliptic "
    "custombarycentricecliptic".split()
)
"""Frames whose proper motions are ICRS's but for a rotation. Others add the motion of the Earth or of the Sun, which
without a distance comes out as many arcseconds a year."""


def _from_skycoord(coords):
    """Fields of `Targets` that a SkyCoord fills."""
    try:
        coords = SkyCoord(coords)
    except ValueError as err:
        raise InputError(f"the coordinates hold no positions: {err}") from err
    if coords.ndim > 1:
        raise InputError(f"the coordinates have shape {coords.shape}; hand in coords.ravel()")
    coords = coords.reshape(coords.size)
    epoch = _epoch(coords)
    motion = coords.data.differentials.get("s")
    # A radial velocity alone moves nothing on the sky.
    moving = hasattr(motion, "d_lat") or hasattr(motion, "d_x")
    if moving and coords.frame.name not in _INERTIAL_FRAMES:
        warnings.warn(
            f"proper motions in {coords.frame.name} are left out: that frame moves itself; hand in ICRS coordinates",
            StellarclassWarning,
            stacklevel=3,
        )
        moving = False
    if moving:
        icrs = _to_icrs(coords)
        pmra, pmdec = (motion.to_value(u.mas / u.yr) for motion in (icrs.pm_ra_cosdec, icrs.pm_dec))
    else:
        icrs = _to_icrs(SkyCoord(coords.frame.realize_frame(coords.data.without_differentials())))
        pmra = pmdec = np.full(len(coords), np.nan)
    ra, dec = _both(_bare(icrs.ra.deg), _bare(icrs.dec.deg))
    pmra, pmdec = _both(_bare(pmra), _bare(pmdec))
    return {"ra": ra, "dec": dec, "ref_epoch": epoch, "pmra": pmra, "pmdec": pmdec}


def _to_icrs(coords):
    try:
        return coords.icrs
    except (ConvertError, AttributeError, ValueError, TypeError, u.UnitsError) as err:
        # Frames that lack an observer or a time fail in many ways, AttributeError among them.
        raise InputError(f"coordinates in {coords.frame.name} cannot be converted to ICRS: {err}") from err


def _epoch(coords):
    """Epoch of the positions as Julian year; NaN if nobody set it (the default that FK4 has means nothing)."""
    frame = coords.frame
    obstime = getattr(coords, "obstime", None)
    if obstime is None or ("obstime" in frame.frame_attributes and frame.is_frame_attr_default("obstime")):
        return np.full(len(coords), np.nan)
    return _plausible(_bare(np.broadcast_to(obstime.jyear, coords.shape)), 1800, 2200)


def _bare(values):
    """A writable float64 copy, NaN where masked."""
    mask = np.array(getattr(values, "mask", False))
    values = np.array(getattr(values, "unmasked", values), dtype=float)
    values[np.broadcast_to(mask, values.shape)] = np.nan
    return values


def _both(first, second):
    """Two components of one vector: where one is missing, so is the other."""
    bad = ~(np.isfinite(first) & np.isfinite(second))
    first[bad] = second[bad] = np.nan
    return first, second


def _plausible(values, low, high):
    """NaN instead of values that stand for none, like -9999."""
    with np.errstate(invalid="ignore"):
        return np.where((values > low) & (values < high), values, np.nan)


def _from_table(table, coords):
    names, archival = _columns.find_positions(table, coords=coords)
    if len(names) == 1:
        known = _from_skycoord(table[names[0]])
    else:
        ra, dec = (
            _columns.read_angle(table, name, kind=kind, archival=archival)
            for name, kind in zip(names, ("ra", "dec"), strict=True)
        )
        known = dict(zip(("ra", "dec"), _both(ra, dec), strict=True))

    # What the coordinates themselves say comes before what other columns say.
    if np.isnan(known.get("ref_epoch", np.nan)).all() and (name := _columns.find_column(table, "ref_epoch")):
        known["ref_epoch"] = _plausible(_columns.read_numbers(table, name, unit=u.yr), 1800, 2200)
    motion = [_columns.find_column(table, name) for name in ("pmra", "pmdec")]
    if np.isnan(known.get("pmra", np.nan)).all() and all(motion):
        pmra, pmdec = (_columns.read_numbers(table, name, unit=u.mas / u.yr) for name in motion)
        known.update(zip(("pmra", "pmdec"), _both(pmra, pmdec), strict=True))

    for wanted in ("objid", "source_id"):
        if name := _columns.find_column(table, wanted):
            known[wanted] = _columns.read_integers(table, name, missing=NO_ID)
    known.update(_field(table))

    magnitudes = np.full((len(table), 5), np.nan)
    for i, band in enumerate("ugriz"):
        if name := _columns.find_column(table, f"psfmag_{band}"):
            magnitudes[:, i] = _plausible(_columns.read_numbers(table, name, unit=u.mag), 0, 40)
    return Targets(**known, psfmag=magnitudes)


def _field(table):
    """SDSS field columns; run, camcol and field are everyday words, so one or two of them mean nothing."""
    names = {wanted: _columns.find_column(table, wanted) for wanted in ("run", "rerun", "camcol", "field")}
    if not (names["run"] and names["camcol"] and names["field"]):
        return {}
    values = {
        wanted: _columns.read_integers(table, name, missing=NO_ID) for wanted, name in names.items() if name is not None
    }
    partial = (values["run"] < 0) | (values["camcol"] < 0) | (values["field"] < 0)
    for value in values.values():
        value[partial] = NO_ID
    return values
