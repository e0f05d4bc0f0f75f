# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Positions to fields by the archive's own list of fields: one file, instead of a million questions.

A field of SDSS is a rectangle in the great-circle coordinates (mu, nu) of its stripe, given by the node and the
inclination of the scan. The list that SDSS's resolve step works with, ``window_flist.fits``, has these for every field;
see https://www.sdss4.org/dr17/algorithms/surveycoords for the coordinates.
"""

import numpy as np
from astropy import units as u
from astropy.table import Table
from scipy.spatial import KDTree

from .. import flags
from ..archives.footprint import from_great_circle
from ..archives.objid import DEFAULT_RERUN, valid_field
from ..astrometry import propagate, unit_vectors
from ..columns import find_column, read_integers, read_numbers
from ..exceptions import InputError
from ..tables import check_table_file
from ..targets import NO_ID

__all__ = ["FieldList", "great_circle"]

_EPOCH = 2004.0  # Julian year near which SDSS took most of its images: where moving stars are looked for
_NEAREST = 24  # centers looked at: fields overlap, most on Stripe 82, where the nearest hundred hold a place alike
_NAMES = ("mu_start", "mu_end", "nu_start", "nu_end", "node", "incl")


def great_circle(ra, dec, node, incl):
    """Coordinates along and across a great circle.

    Parameters
    ----------
    ra, dec : ndarray
        ICRS positions in degrees.
    node, incl : ndarray
        Right ascension of the ascending node, and inclination, in degrees.

    Returns
    -------
    mu, nu : ndarray
        In degrees; ``mu`` within 180 degrees of ``node``.

    Examples
    --------
    On the celestial equator they are right ascension and declination:

    >>> from stellarclass.survey.fieldlist import great_circle
    >>> mu, nu = great_circle(30.0, 0.5, 95.0, 0.0)
    >>> print(f"{mu:.3f} {nu:.3f}")
    30.000 0.500
    """
    along, dec, incl = np.radians(ra - node), np.radians(dec), np.radians(incl)
    x, y, z = np.cos(along) * np.cos(dec), np.sin(along) * np.cos(dec), np.sin(dec)
    mu = node + np.degrees(np.arctan2(y * np.cos(incl) + z * np.sin(incl), x))
    return mu, np.degrees(np.arcsin(np.clip(z * np.cos(incl) - y * np.sin(incl), -1, 1)))


class FieldList:
    """Where the fields of the archive lie.

    Parameters
    ----------
    table : `~astropy.table.Table` or path-like
        One row a field: ``run``, ``camcol``, ``field``, perhaps ``rerun`` (301 where not given), and ``mu_start``,
        ``mu_end``, ``nu_start``, ``nu_end``, ``node``, ``incl`` in degrees, names in any case, as in SDSS's
        ``window_flist.fits``. A path is read with `astropy.table.Table.read`.

    Raises
    ------
    stellarclass.exceptions.InputError
        If it cannot be read, lacks a column, or names no field.
    """

    def __init__(self, table):
        name = "the list of fields"
        if not isinstance(table, Table):
            name = str(table)
            try:
                check_table_file(table)
                table = Table.read(table)
            except Exception as err:  # a reader may raise anything
                raise InputError(f"cannot read {name} as a table of fields: {err}") from err
        columns = {wanted: find_column(table, wanted) for wanted in ("run", "camcol", "field", *_NAMES)}
        if absent := [wanted for wanted, found in columns.items() if found is None]:
            raise InputError(
                f"{name} lacks {', '.join(absent)}; SDSS's window_flist.fits has run, camcol, field, "
                f"{', '.join(_NAMES)}"
            )
        keys = {w: read_integers(table, columns[w], missing=NO_ID) for w in ("run", "camcol", "field")}
        rerun = find_column(table, "rerun")
        keys["rerun"] = np.full(len(table), DEFAULT_RERUN) if rerun is None else read_integers(table, rerun, missing=-1)
        place = {w: read_numbers(table, columns[w], unit=u.deg) for w in _NAMES}
        good = valid_field(keys["run"], keys["rerun"], keys["camcol"], keys["field"])
        good &= np.all([np.isfinite(values) for values in place.values()], axis=0)
        if not good.any():
            raise InputError(f"{name} names no field of SDSS")
        self._keys = {w: values[good].astype(np.int64) for w, values in keys.items()}
        self._place = {w: values[good] for w, values in place.items()}
        mu = self._place["mu_start"] + _wrapped(self._place["mu_end"] - self._place["mu_start"]) / 2
        nu = (self._place["nu_start"] + self._place["nu_end"]) / 2
        self._mu, self._nu = mu, nu
        self._half_mu = np.abs(_wrapped(self._place["mu_end"] - self._place["mu_start"])) / 2
        self._half_nu = np.abs(self._place["nu_end"] - self._place["nu_start"]) / 2
        self._reach = np.radians(np.hypot(self._half_mu, self._half_nu).max() * 1.01)
        self._tree = KDTree(unit_vectors(*from_great_circle(mu, nu, self._place["node"], self._place["incl"])))

    def __len__(self):
        return len(self._mu)

    def locate(self, targets, rows):
        """Give targets the field in which they lie deepest.

        Parameters
        ----------
        targets : `~stellarclass.targets.Targets`
            Changed in place: run, rerun, camcol and field are filled in, or ``no_image`` set in the flags.
        rows : ndarray of int
            Which targets.
        """
        if not len(rows):
            return
        motion = (getattr(targets, name)[rows] for name in ("ra", "dec", "pmra", "pmdec", "ref_epoch"))
        ra, dec = propagate(*motion, _EPOCH)
        count = min(_NEAREST, len(self))
        chord = 2 * np.sin(self._reach / 2)
        _, near = self._tree.query(unit_vectors(ra, dec), k=count, distance_upper_bound=chord)
        near = near.reshape(len(rows), count)
        some = near < len(self)  # the tree's way to say that there is no further one
        index = np.where(some, near, 0)
        place = {name: values[index] for name, values in self._place.items()}
        mu, nu = great_circle(ra[:, None], dec[:, None], place["node"], place["incl"])
        depth = np.minimum(
            self._half_mu[index] - np.abs(_wrapped(mu - self._mu[index])),
            self._half_nu[index] - np.abs(nu - self._nu[index]),
        )
        depth = np.where(some, depth, -np.inf)
        best = np.argmax(depth, axis=1)
        inside = np.take_along_axis(depth, best[:, None], axis=1)[:, 0] >= 0
        chosen = np.take_along_axis(index, best[:, None], axis=1)[:, 0][inside]
        for name, values in self._keys.items():
            getattr(targets, name)[rows[inside]] = values[chosen]
        targets.flags[rows[~inside]] |= flags.NO_IMAGE


def _wrapped(angle):
    """An angle in degrees within -180 to 180."""
    return (angle + 180) % 360 - 180
