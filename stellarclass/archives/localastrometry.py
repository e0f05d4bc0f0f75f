# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`LocalAstrometry`: a Gaia table on disk or in memory as a source of parallaxes and proper motions."""

import os

import numpy as np
from astropy import units as u
from astropy.table import Table
from scipy.spatial import KDTree

from ..astrometry import unit_vectors
from ..exceptions import ArchiveError, InputError
from ..tables import check_table_file
from ._candidates import COLUMNS, FAST, GAIA_EPOCH, candidate_table, search_reach
from ._zeropoint import RECIPE_COLUMNS, check_zero_point, correct_parallax, with_zero_point

__all__ = ["LocalAstrometry"]

REQUIRED = ("source_id", "ra", "dec")

UNITS = {name: unit for name, (_, unit, _) in COLUMNS.items()} | {
    **dict.fromkeys(RECIPE_COLUMNS),
    "nu_eff_used_in_astrometry": u.um**-1,
    "pseudocolour": u.um**-1,
}
"""Of all columns that are read."""


class LocalAstrometry:
    """Gaia rows that lie on this machine, behind the same interface as the archive.

    Parameters
    ----------
    table : `~astropy.table.Table` or path-like
        Rows with Gaia's own column names (in any case): ``source_id``, ``ra``, ``dec`` and any of ``ref_epoch``,
        ``parallax``, ``parallax_error``, ``pmra``, ``pmra_error``, ``pmdec``, ``pmdec_error``, ``ruwe``,
        ``phot_g_mean_mag``, ``bp_rp``; what is missing comes out masked, ``ref_epoch`` as 2016.0. A column without a
        unit is in Gaia's own. Other columns, and rows without a position, are left out. The table is copied.
    name : str, optional
        For the provenance of results; by default the file's name or ``"local table"``.
    zero_point : {"none", "global", "lindegren"}, optional
        What is taken off the parallaxes, as in `~stellarclass.archives.Gaia`; by default nothing, as a table may have
        been corrected before. Those that the archive gives were not: ``"lindegren"`` is for them. It needs
        ``parallax``, ``phot_g_mean_mag`` and ``nu_eff_used_in_astrometry`` or ``bp_rp``, and uses ``pseudocolour`` and
        ``astrometric_params_solved`` where they are there.

    Raises
    ------
    stellarclass.exceptions.InputError
        If a required column is missing, a unit cannot be converted, ``source_id`` is not an integer or not unique, or
        ``zero_point`` is unknown.
    stellarclass.exceptions.ArchiveError
        If a file cannot be read.

    Examples
    --------
    >>> import numpy as np
    >>> from astropy import units as u
    >>> from astropy.table import Table
    >>> from stellarclass.archives.localastrometry import LocalAstrometry
    >>> gaia = LocalAstrometry(Table({"source_id": [7, 8], "ra": [10.0, 10.2], "dec": [0.0, 0.0]}))
    >>> found = gaia.candidates(np.array([10.2001]), np.array([0.0]), radius=3 * u.arcsec)
    >>> print(found["target", "source_id", "parallax"])
    target source_id parallax
                       mas
    ------ --------- --------
         0         8       --
    """

    def __init__(self, table, *, name=None, zero_point="none"):
        self.zero_point = check_zero_point(zero_point)
        if not isinstance(table, Table):
            path = os.fspath(table)
            name = name or os.path.basename(path)
            try:
                check_table_file(path)
                table = Table.read(path)
            except Exception as error:  # a reader may raise anything
                raise ArchiveError(f"cannot be read as a table: {error}", path) from error
        name = name or "local table"
        self.name = with_zero_point(name, zero_point)
        self._rows = _gaia_rows(table, name, zero_point)
        self._vectors = unit_vectors(self._rows["ra"], self._rows["dec"])
        # Two trees, as few stars are fast and only they need the wide circle.
        speed = np.hypot(self._rows["pmra"], self._rows["pmdec"])
        self._fast = np.flatnonzero(np.nan_to_num(speed) > FAST)
        self._all_tree = KDTree(self._vectors) if len(self._vectors) else None
        self._fast_tree = KDTree(self._vectors[self._fast]) if len(self._fast) else None

    def __len__(self):
        return len(self._rows["source_id"])

    def __repr__(self):
        """Name, and how many sources it has."""
        return f"<LocalAstrometry {self.name!r}: {len(self)} sources>"

    def candidates(self, ra, dec, *, radius, progress=None):
        """Every source that may lie within ``radius`` of a position at any epoch from 1998 to 2030.

        Parameters
        ----------
        ra, dec : ndarray, shape (N,)
            ICRS positions in degrees, all finite.
        radius : `~astropy.units.Quantity`
            Match radius, an angle of at most 6 arcmin; widened here for proper motion.
        progress : bool, optional
            Taken for the sake of the protocol; the search is quick.

        Returns
        -------
        `~astropy.table.Table`
            See `~stellarclass.archives.base.AstrometrySource`.
        """
        reach = search_reach(radius, self._rows["ref_epoch"] if len(self) else GAIA_EPOCH)
        places = unit_vectors(ra, dec)
        near_target, near_row = _pairs(places, self._all_tree, reach.slow)
        far_target, far_row = _pairs(places, self._fast_tree, reach.fast)
        pairs = np.stack([np.r_[near_target, far_target], np.r_[near_row, self._fast[far_row]]], axis=1)
        target, row = np.unique(pairs, axis=0).T
        return candidate_table(target, {name: values[row] for name, values in self._rows.items()})


def _pairs(places, tree, degrees):
    """Indices (place, tree point) of all pairs within an angle."""
    if tree is None or not len(places):
        return np.zeros(0, np.intp), np.zeros(0, np.intp)
    chord = 2 * np.sin(np.radians(degrees) / 2)
    pairs = KDTree(places).sparse_distance_matrix(tree, chord, output_type="ndarray")
    return pairs["i"], pairs["j"]


def _gaia_rows(table, name, zero_point):
    """Take `COLUMNS` from a table as arrays in Gaia's units, NaN where missing, rows without a position left out."""
    known = (*COLUMNS, *RECIPE_COLUMNS) if zero_point == "lindegren" else COLUMNS
    table = Table(table, copy=False)  # a QTable's quantities become columns
    found = {}
    for column in table.colnames:
        if column.lower() in known:
            if column.lower() in found:
                raise InputError(f"{name} has both {found[column.lower()]!r} and {column!r}; rename one of them")
            found[column.lower()] = column
    absent = [c for c in REQUIRED if c not in found]
    if absent:
        raise InputError(f"{name} lacks {', '.join(absent)}; it has {', '.join(table.colnames)}")
    _check_columns(found, name, zero_point)
    rows = {c: _values(table[found[c]], c, name) if c in found else np.full(len(table), np.nan) for c in known}
    rows["ref_epoch"] = np.where(np.isfinite(rows["ref_epoch"]), rows["ref_epoch"], GAIA_EPOCH)
    usable = np.isfinite(rows["ra"]) & np.isfinite(rows["dec"])
    rows = {c: values[usable] for c, values in rows.items()}
    identifiers, counts = np.unique(rows["source_id"], return_counts=True)
    if (counts > 1).any():
        raise InputError(
            f"{name} has source_id {identifiers[counts.argmax()]} {counts.max()} times; "
            "astropy.table.unique(table, keys='source_id') keeps one row of each"
        )
    rows["parallax"] = correct_parallax(zero_point, rows).filled(np.nan)
    return {c: rows[c] for c in COLUMNS}


def _check_columns(found, name, zero_point):
    """Complain of columns without which a zero point would be a guess."""
    needed = {"none": (), "global": ("parallax",), "lindegren": ("parallax", "phot_g_mean_mag")}[zero_point]
    absent = [c for c in needed if c not in found]
    if zero_point == "lindegren" and not {"nu_eff_used_in_astrometry", "bp_rp"} & set(found):
        absent.append("nu_eff_used_in_astrometry (or bp_rp)")
    if absent:
        simpler = "'global' needs parallax alone" if "parallax" in found else "'none' needs nothing"
        raise InputError(f"zero_point={zero_point!r} needs {', '.join(absent)}, which {name} lacks; {simpler}")


def _values(column, gaia_name, name):
    unit = UNITS[gaia_name]
    if gaia_name == "source_id":
        if column.dtype.kind not in "iu":
            raise InputError(f"source_id of {name} must be an integer column, not {column.dtype}: digits were lost")
        if np.any(np.ma.getmaskarray(column)):
            raise InputError(f"source_id of {name} has masked values; drop those rows")
        return np.array(column, np.int64)
    try:
        factor = 1.0 if unit is None or column.unit is None else column.unit.to(unit)
        masked = np.ma.masked_invalid(np.ma.asarray(column).astype(float))
    except (TypeError, ValueError) as error:
        raise InputError(f"{gaia_name} of {name} must be a number in {unit or 'no unit'}: {error}") from error
    return masked.filled(np.nan) * factor
