# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Gaia's numbers for N stars, moved to an image's epoch and matched: pure arithmetic, no network."""

from dataclasses import dataclass, fields

import numpy as np
from astropy import units as u

from . import flags as _flags
from . import physics
from .exceptions import InputError
from .targets import NO_ID

__all__ = ["UNITS", "Astrometry", "match", "propagate", "unit_vectors"]

UNITS = {
    "ra": u.deg,
    "dec": u.deg,
    "parallax": u.mas,
    "parallax_error": u.mas,
    "pmra": u.mas / u.yr,
    "pmra_error": u.mas / u.yr,
    "pmdec": u.mas / u.yr,
    "pmdec_error": u.mas / u.yr,
    "ruwe": u.dimensionless_unscaled,
    "g_mag": u.mag,
    "bp_rp": u.mag,
    "match_separation": u.arcsec,
}
"""Units of the real numbers in `Astrometry`."""

MAS = np.pi / 180 / 3.6e6
"""One milliarcsecond in radians."""

RUWE_LIMIT = float(np.float32(1.4))  # ruwe is a 32-bit number
"""From here on a single star does not describe the observations well (Lindegren 2018, GAIA-C3-TN-LU-LL-124-01)."""

# What a best match weighs (see `match`).
SIGMA_SEPARATION = 0.3  # arcsec
SIGMA_MAGNITUDE = 0.3  # mag, G predicted from r and g - i
SIGMA_MAGNITUDE_R = 0.6  # mag, G taken to be r: the color term runs from -0.9 to 0 mag for all but the coolest
LARGEST_MAGNITUDE_COST = 25.0  # 5 sigma
UNKNOWN_MAGNITUDE_COST = 1.0


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
        Separation from the target in arcsec, at the epoch at which the two were compared (see `match`).
    match_count : ndarray, shape (N,), int64
        Candidates within the match radius; negative where nobody was asked.
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
        """What is known of n stars about which nobody was asked: nothing.

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
            "match_count": np.full(n, NO_ID, np.int64),
            "flags": np.zeros(n, np.int64),
        }
        return cls(**{f.name: integers.get(f.name, np.full(n, np.nan)) for f in fields(cls)})

    @classmethod
    def from_table(cls, table):
        """Take astrometry that a user has in hand.

        Parameters
        ----------
        table : `~astropy.table.Table`
            N rows with any of the attributes above as columns of the same names: with units, masked or NaN where
            missing. `stellarclass.fetch_astrometry` makes such tables.

        Returns
        -------
        Astrometry
            Stars without parallax and proper motion are flagged ``two_parameter_astrometry`` if they have a
            ``source_id``, else ``no_astrometry``.

        Raises
        ------
        stellarclass.exceptions.InputError
            If there are neither parallaxes with errors nor proper motions.
        `~astropy.units.UnitsError`
            If a column lacks its unit or has a wrong one.

        Examples
        --------
        >>> from astropy.table import Table
        >>> from stellarclass.astrometry import Astrometry
        >>> table = Table({"parallax": [0.0123], "parallax_error": [0.0001]}, units={"parallax": "arcsec",
        ...               "parallax_error": "arcsec"})
        >>> Astrometry.from_table(table).parallax
        array([12.3])
        """
        if not any({*pair} <= {*table.colnames} for pair in (("parallax", "parallax_error"), ("pmra", "pmdec"))):
            raise InputError(
                "a table of astrometry has the columns parallax and parallax_error, or pmra and pmdec, or all four; "
                f"this one has {', '.join(table.colnames) or 'none'}"
            )
        known = cls.empty(len(table))
        for name, unit in UNITS.items():
            if name in table.colnames:
                getattr(known, name)[:] = _numbers(table[name], name, unit)
        for name in ("source_id", "match_count"):
            if name in table.colnames:
                getattr(known, name)[:] = np.ma.filled(np.ma.asarray(table[name]).astype(np.int64), NO_ID)
        bare = ~np.isfinite(known.parallax) & ~(np.isfinite(known.pmra) & np.isfinite(known.pmdec))
        known.flags[bare] |= np.where(
            known.source_id[bare] == NO_ID, _flags.NO_ASTROMETRY, _flags.TWO_PARAMETER_ASTROMETRY
        )
        known.flags[known.ruwe >= RUWE_LIMIT] |= _flags.BAD_ASTROMETRY
        return known


def _numbers(column, name, unit):
    """A column as plain numbers in a unit, NaN where it is masked."""
    own = column.unit
    if own is None:
        if unit != u.dimensionless_unscaled:
            raise u.UnitsError(f"column {name!r} has no unit; set it, e.g. table[{name!r}].unit = {str(unit)!r}")
        own = unit
    values = getattr(column, "unmasked", column)
    values = values.value if isinstance(values, u.Quantity) else np.ma.getdata(values)
    missing = np.broadcast_to(getattr(column, "mask", False), column.shape)
    return np.where(missing, np.nan, u.Quantity(np.asarray(values, float), own).to_value(unit))


def propagate(ra, dec, pmra, pmdec, from_epoch, to_epoch):
    """Move positions along their proper motion.

    The standard model of astrometry without parallax and radial velocity: straight, uniform motion in space, so that
    the direction is the normalized ``r + (p pmra + q pmdec) t`` with r the unit vector of the position and p, q those
    of its local east and north (ESA 1997, SP-1200, volume 1, section 1.5.5). Exact up to and over the poles.

    Parameters
    ----------
    ra, dec : array_like, float
        ICRS positions in degrees.
    pmra, pmdec : array_like, float
        Proper motions in mas/yr, ``pmra`` with the cosine of declination.
    from_epoch, to_epoch : array_like, float
        Julian years of the position given and of the position wanted.

    Returns
    -------
    ra, dec : ndarray, float64
        Positions in degrees, shaped as the arguments broadcast. Where the proper motion or an epoch is NaN the
        position comes back unmoved.

    Examples
    --------
    Barnard's star on the night in 2001 when SDSS might have seen it, 148" from where Gaia has it:

    >>> from stellarclass.astrometry import propagate
    >>> ra, dec = propagate(269.44850252543836, 4.739420051112412, -801.551, 10362.394, 2016.0, 2001.72)
    >>> print(f"{ra:.5f} {dec:.5f}")
    269.45169 4.69832
    """
    ra, dec, pmra, pmdec, years = np.broadcast_arrays(
        *(np.asarray(a, float) for a in (ra, dec, pmra, pmdec)), np.subtract(to_epoch, from_epoch, dtype=float)
    )
    east, north = pmra * years * MAS, pmdec * years * MAS
    moves = np.isfinite(east) & np.isfinite(north) & ((east != 0) | (north != 0))
    a, d = np.radians(ra[moves]), np.radians(dec[moves])
    east, north = east[moves], north[moves]
    # r + p * east + q * north, in the frame turned by the right ascension: no digits are lost to large angles.
    x = np.cos(d) - np.sin(d) * north
    y = east
    z = np.sin(d) + np.cos(d) * north
    new_ra, new_dec = ra.copy(), dec.copy()
    new_ra[moves] = np.degrees(a + np.arctan2(y, x)) % 360.0 % 360.0  # -1e-20 % 360 is 360
    new_dec[moves] = np.degrees(np.arctan2(z, np.hypot(x, y)))
    return new_ra[()], new_dec[()]


def unit_vectors(ra, dec):
    """Positions as vectors, whose differences are exact however near the positions are to each other or to a pole.

    Parameters
    ----------
    ra, dec : array_like, float, shape (...)
        In degrees.

    Returns
    -------
    ndarray, shape (..., 3), float64
    """
    ra, dec = np.radians(np.asarray(ra, float)), np.radians(np.asarray(dec, float))
    return np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=-1)


def match(targets, candidates, epoch, *, radius, magnitudes=None):
    """Choose the Gaia source of each target at the epoch of its image.

    Positions are compared where both are known best. A target with an epoch of its own and no proper motion is
    compared at that epoch; any other at the epoch of its frame, to which the target's own proper motion, where known,
    carries it. Each candidate is propagated to the epoch of the comparison.

    Among the candidates within ``radius`` the one with the least cost is taken::

        (separation / 0.3")^2 + min((G - G_predicted)^2 / sigma^2, 25)

    SDSS and Gaia positions of one star agree to about 0.1", a user's to perhaps 0.3". G is predicted from the
    target's r and g - i as by `stellarclass.physics.gaia_from_sdss` (sigma = 0.3 mag, which leaves room for
    variability and blends), or taken to be r where only that is known (sigma = 0.6 mag). The cap keeps a wrong
    magnitude, as saturation makes them, from overruling positions: 5 sigma of magnitude weigh no more than 1.5". A
    candidate without G costs 1. Equal costs go to the nearer, then the brighter source, then the smaller
    ``source_id``, so that the order of the rows never matters.

    A target that names its ``source_id`` gets that source if it is among the candidates, at whatever separation.

    Parameters
    ----------
    targets : `~stellarclass.targets.Targets`
        N targets.
    candidates : `~astropy.table.Table`
        As `~stellarclass.archives.base.AstrometrySource` gives them; column ``target`` indexes ``targets``.
    epoch : float or ndarray, shape (N,)
        Julian year of each target's frame; NaN where there is none, which stands for the candidate's own epoch.
    radius : `~astropy.units.Quantity`
        Largest separation of a match, an angle.
    magnitudes : ndarray, shape (N, 5), optional
        SDSS ugriz magnitudes of the targets, NaN where unknown; by default ``targets.psfmag``.

    Returns
    -------
    Astrometry
        N rows. Positions are those of the matched source at the frame's epoch. ``flags`` says ``no_astrometry``,
        ``ambiguous_match``, ``bad_astrometry`` and ``two_parameter_astrometry``. A target with a fatal flag gets no
        match and no flag; one whose archive failed (``astrometry_failure``) is not said to lack astrometry.

    Raises
    ------
    TypeError, `~astropy.units.UnitsError`
        If ``radius`` is not an angle.
    ValueError
        If a shape does not fit or ``target`` points outside ``targets``.
    """
    if not isinstance(radius, u.Quantity):
        raise TypeError(f"radius must be an angle with a unit, such as 3 * u.arcsec, not {radius!r}")
    limit = radius.to_value(u.arcsec)
    if not limit > 0:
        raise ValueError(f"radius must be positive, not {radius}")
    n = len(targets)
    epoch = np.array(np.broadcast_to(np.asarray(epoch, float), (n,)))
    magnitudes = targets.psfmag if magnitudes is None else np.asarray(magnitudes, float)
    if magnitudes.shape != (n, 5):
        raise ValueError(f"magnitudes must have shape ({n}, 5), not {magnitudes.shape}")

    wanted = ((targets.flags & _flags.FATAL) == 0) & np.isfinite(targets.ra) & np.isfinite(targets.dec)
    rows = _Candidates(candidates, wanted)
    if rows.out_of_range:
        raise ValueError(f"column 'target' points outside the {n} targets; pass the targets that were searched for")

    row_epoch = np.where(np.isfinite(epoch[rows.target]), epoch[rows.target], rows["ref_epoch"])
    separation = _separations(targets, rows, row_epoch)
    named = rows.source_id == targets.source_id[rows.target]  # a real identifier is never NO_ID
    within = separation <= limit
    cost = (separation / SIGMA_SEPARATION) ** 2 + _magnitude_cost(magnitudes[rows.target], rows["phot_g_mean_mag"])

    # Sorted by target, then by how good: the first row of each target is its match.
    g_mag = np.nan_to_num(rows["phot_g_mean_mag"], nan=np.inf)
    order = np.lexsort((rows.source_id, g_mag, separation, cost, ~named, rows.target))
    order = order[(within | named)[order]]
    matched, first = np.unique(rows.target[order], return_index=True)
    best = order[first]

    columns = {name: np.full(n, np.nan) for name in _FROM_COLUMN}
    for name, column in _FROM_COLUMN.items():
        columns[name][matched] = rows[column][best]
    ra, dec, match_separation = (np.full(n, np.nan) for _ in range(3))
    ra[matched], dec[matched] = propagate(
        *(rows[c][best] for c in ("ra", "dec", "pmra", "pmdec", "ref_epoch")), row_epoch[best]
    )
    match_separation[matched] = separation[best]
    source_id = np.full(n, NO_ID, np.int64)
    source_id[matched] = rows.source_id[best]
    match_count = np.bincount(rows.target[within | named], minlength=n).astype(np.int64)

    found = np.zeros(n, bool)
    found[matched] = True
    by_name = np.zeros(n, bool)
    by_name[matched] = named[best]
    solved = np.isfinite(columns["parallax"]) & np.isfinite(columns["pmra"]) & np.isfinite(columns["pmdec"])
    answered = (targets.flags & _flags.ASTROMETRY_FAILURE) == 0
    flags = np.zeros(n, np.int64)
    flags[wanted & answered & ~found] |= _flags.NO_ASTROMETRY
    flags[found & ~by_name & (match_count > 1)] |= _flags.AMBIGUOUS_MATCH
    flags[columns["ruwe"] >= RUWE_LIMIT] |= _flags.BAD_ASTROMETRY
    flags[found & ~solved] |= _flags.TWO_PARAMETER_ASTROMETRY
    return Astrometry(
        source_id=source_id,
        ra=ra,
        dec=dec,
        match_separation=match_separation,
        match_count=match_count,
        flags=flags,
        **columns,
    )


_FROM_COLUMN = {
    **{c: c for c in ("parallax", "parallax_error", "pmra", "pmra_error", "pmdec", "pmdec_error", "ruwe", "bp_rp")},
    "g_mag": "phot_g_mean_mag",
}


class _Candidates:
    """The candidates of the targets that are wanted, as plain arrays: ``rows["pmra"]`` is float64 with NaN."""

    def __init__(self, table, wanted):
        target = np.asarray(table["target"], np.int64)
        self.out_of_range = bool(len(target)) and not (0 <= target.min() and target.max() < len(wanted))
        self._rows = slice(None) if self.out_of_range else wanted[target]
        self._table = table
        self.target = target[self._rows]
        self.source_id = np.asarray(table["source_id"], np.int64)[self._rows]
        self._columns = {}

    def __getitem__(self, name):
        if name not in self._columns:
            column = np.ma.asarray(self._table[name]).astype(float)
            self._columns[name] = column.filled(np.nan)[self._rows]
        return self._columns[name]


def _separations(targets, rows, row_epoch):
    """Separation in arcsec of each candidate from its target at the epoch of their comparison."""
    t = rows.target
    target_epoch = targets.ref_epoch[t]
    moving = np.isfinite(targets.pmra[t]) & np.isfinite(targets.pmdec[t])
    at = np.where(np.isfinite(target_epoch) & ~moving, target_epoch, row_epoch)
    target_at = propagate(targets.ra[t], targets.dec[t], targets.pmra[t], targets.pmdec[t], target_epoch, at)
    source_at = propagate(*(rows[c] for c in ("ra", "dec", "pmra", "pmdec", "ref_epoch")), at)
    chord = np.linalg.norm(unit_vectors(*target_at) - unit_vectors(*source_at), axis=-1)
    return np.degrees(2 * np.arcsin(np.minimum(chord / 2, 1))) * 3600


def _magnitude_cost(ugriz, g_mag):
    """Cost of the difference between a candidate's G and what the target's magnitudes predict, per candidate."""
    _, g, r, i, _ = ugriz.T
    predicted = r + physics._g_minus_r(g - i)
    known = np.isfinite(predicted)
    difference = np.where(known, predicted, r) - g_mag
    cost = np.minimum((difference / np.where(known, SIGMA_MAGNITUDE, SIGMA_MAGNITUDE_R)) ** 2, LARGEST_MAGNITUDE_COST)
    return np.where(np.isfinite(difference), cost, UNKNOWN_MAGNITUDE_COST)
