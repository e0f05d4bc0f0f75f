# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`ClarkeCatalog`: SDSS's objects without a spectrum that are stars by their colors, as targets."""

import re

import numpy as np
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.table import Column, MaskedColumn, Table

from .._config import conf
from ..exceptions import BadAnswerError, InputError
from ._neighbors import read_numbers
from ._options import patience
from ._tap import query_tap
from ._vizier import catalog_columns, pick
from .transport import Transport

__all__ = ["ClarkeCatalog"]

LARGEST_RADIUS = 5 * u.deg

WANTED = {
    "ra": lambda name, ucd: ucd.startswith("pos.eq.ra") and not name.startswith("e_"),
    "dec": lambda name, ucd: ucd.startswith("pos.eq.dec") and not name.startswith("e_"),
    "class_prob_star": lambda name, ucd: bool(re.fullmatch(r"(class_?)?p(rob)?[_-]?star|star_?p(rob)?", name)),
    "objid": lambda name, ucd: "objid" in name,
}

QUERY = """\
SELECT {columns} FROM {table} AS c
WHERE 1 = CONTAINS(POINT('ICRS', c.{ra}, c.{dec}), CIRCLE('ICRS', {center_ra:.10f}, {center_dec:.10f}, {degrees:.10f}))
AND c.{class_prob_star} >= {least!r}"""


class ClarkeCatalog:
    """The catalog of Clarke et al. (2020, A&A 639, A84): 111 million SDSS objects without a spectrum, in three classes.

    A random forest gave each object probabilities of being a galaxy, a quasar or a star. Deng et al. (2024) classified
    those of its stars that it is sure of by more than 0.8. Options that are not given are read from the configuration
    when they are needed.

    Parameters
    ----------
    url : str, optional
        Address of the TAP service; ``conf.vizier_tap_url``.
    catalog : str, optional
        VizieR's name of the catalog or of its table; ``conf.clarke_catalog``. What its columns are called is looked up
        on the service: the position by its UCD, the probability and SDSS's identifier by their names.
    timeout : `~astropy.units.Quantity`, optional
        Time without a byte after which a request is given up; ``conf.timeout``, which is in seconds.
    time_budget : `~astropy.units.Quantity`, optional
        Time that one query may take, retries included; ``conf.time_budget``, which is in seconds.
    retries : int, optional
        Times that a request is repeated; ``conf.retries``.

    Raises
    ------
    stellarclass.exceptions.InputError
        If an option is out of range.
    `~astropy.units.UnitsError`
        If ``timeout`` or ``time_budget`` is not a time with a unit.

    Notes
    -----
    The authors' own files are at https://doi.org/10.5281/zenodo.3459293, with columns ``objid``, ``ra``, ``dec`` and
    ``class_prob_star``: read as a table, they are targets as they are.

    Examples
    --------
    >>> from stellarclass.archives import ClarkeCatalog
    >>> ClarkeCatalog()
    <ClarkeCatalog J/A+A/639/A84 at https://tapvizier.cds.unistra.fr/TAPVizieR/tap>
    """

    name = "Clarke et al. 2020"
    """For the provenance of results."""

    def __init__(self, *, url=None, catalog=None, timeout=None, time_budget=None, retries=None):
        self._url, self._catalog = url, catalog
        self._patience = patience(timeout, time_budget, retries)

    @property
    def url(self):
        """Address of the TAP service."""
        return (conf.vizier_tap_url if self._url is None else self._url).rstrip("/")

    @property
    def catalog(self):
        """VizieR's name of the catalog."""
        return conf.clarke_catalog if self._catalog is None else self._catalog

    def __repr__(self):
        """Catalog and address that are asked now."""
        return f"<{type(self).__name__} {self.catalog} at {self.url}>"

    def region(self, center, radius, *, probability_min=0.8):
        """The stars of a circle.

        Parameters
        ----------
        center : `~astropy.coordinates.SkyCoord`
            One position.
        radius : `~astropy.units.Quantity`
            An angle of at most 5 deg.
        probability_min : float, optional
            Least ``class_prob_star``.

        Returns
        -------
        `~astropy.table.Table`
            Columns ``objid`` (int64, masked where there is none), ``ra``, ``dec`` [deg] and ``class_prob_star``, in
            ascending order of right ascension: targets for `stellarclass.classify_table`.

        Raises
        ------
        stellarclass.exceptions.InputError
            If an argument is out of range.
        stellarclass.exceptions.TruncatedAnswerError
            If there are more stars than a query may bring (200,000).
        stellarclass.exceptions.ArchiveError
            If there is no answer, or none that can be understood.
        """
        if not (isinstance(center, SkyCoord) and center.isscalar):
            raise InputError(f"center must be one SkyCoord, got {center!r}")
        if not isinstance(radius, u.Quantity):
            raise TypeError(f"radius must be an angle with a unit, such as 1 * u.deg, not {radius!r}")
        if not 0 < radius <= LARGEST_RADIUS:
            raise InputError(f"the radius must be above 0 and at most {LARGEST_RADIUS}, not {radius}")
        if not 0 <= probability_min <= 1:
            raise InputError(f"probability_min must be within 0 and 1, got {probability_min!r}")
        transport, center = Transport(**self._patience), center.icrs
        tables = catalog_columns(self.url, self.catalog, fetch=transport.fetch)
        names = pick(self.url, self.catalog, tables, WANTED, optional=("objid",))
        query = QUERY.format(
            columns=", ".join(f"c.{names[c]} AS {c}" for c in WANTED if c in names),
            center_ra=center.ra.deg, center_dec=center.dec.deg, degrees=radius.to_value(u.deg),
            least=float(probability_min), **{c: names[c] for c in ("table", "ra", "dec", "class_prob_star")},
        )  # fmt: skip
        advice = f": {radius} around {center.to_string()} is too much; ask about smaller circles"
        wanted = [c for c in WANTED if c in names]
        rows = query_tap(self.url, query, wanted, fetch=transport.fetch, advice=advice)
        return self._read(rows)

    def _read(self, rows):
        try:
            objid = np.ma.asarray(rows["objid"] if "objid" in rows else np.zeros(len(rows["ra"]), np.int64))
            if objid.dtype.kind in "OSU":  # where VizieR keeps the 19 digits as text
                objid = np.ma.array([int(v) if str(v).strip() else 0 for v in objid.filled("").tolist()], np.int64)
            elif len(objid) and objid.dtype.kind not in "iu":
                raise TypeError(f"objid is {objid.dtype}, which cannot hold it")
            none = np.ma.getmaskarray(objid) | (objid.filled(0) <= 0)
            table = Table([MaskedColumn(np.where(none, 0, objid.filled(0)).astype(np.int64), mask=none, name="objid")])
            for name, unit in (("ra", u.deg), ("dec", u.deg), ("class_prob_star", None)):
                table[name] = Column(read_numbers(rows[name], np.float64).filled(np.nan), unit=unit)
        except (TypeError, ValueError, OverflowError) as err:
            raise BadAnswerError(f"the catalog's columns cannot be read: {err}", self.url) from err
        table = table[np.isfinite(table["ra"]) & np.isfinite(table["dec"])]
        return table[np.argsort(table["ra"], kind="stable")]
