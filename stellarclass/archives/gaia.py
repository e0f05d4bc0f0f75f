# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`Gaia`: parallaxes and proper motions from a TAP service, one upload join per chunk of positions."""

import logging
import re
from functools import partial

import numpy as np

from .._config import conf
from ..exceptions import ArchiveError, BadAnswerError
from ._candidates import COLUMNS, FAST, FASTEST, candidate_table, search_reach
from ._options import patience, whole
from ._tap import ask_around, checked_table, circles, search_around
from ._zeropoint import RECIPE_COLUMNS, check_zero_point, correct_parallax, with_zero_point
from .transport import Transport

__all__ = ["Gaia"]

log = logging.getLogger(__name__)

# What ESA's archive and DaCHS both take: CONTAINS compared with 1, in the order that their indexes want; no function
# that moves epochs. The wide circle is for the few fast stars; both are found by the one index. BETWEEN, as PostgreSQL
# takes the NaN that some services have for NULL to be larger than any number.
QUERY = """\
SELECT t.target_id, {columns}
FROM TAP_UPLOAD.targets AS t
JOIN {table} AS g
ON 1 = CONTAINS(POINT('ICRS', g.ra, g.dec), CIRCLE('ICRS', t.target_ra, t.target_dec, {fast:.10f})){joined}
WHERE 1 = CONTAINS(POINT('ICRS', g.ra, g.dec), CIRCLE('ICRS', t.target_ra, t.target_dec, {slow:.10f}))
OR g.pmra * g.pmra + g.pmdec * g.pmdec BETWEEN {least:.1f} AND {most:.1f}"""


class Gaia:
    """Gaia's source table behind a TAP service.

    Every argument left out, but ``zero_point``, is read from `stellarclass.conf` when it is needed.

    Parameters
    ----------
    url : str, optional
        Address of the TAP service; ``conf.gaia_tap_url`` (ESA's archive).
    table : str, optional
        Table on that service, with Gaia's column names; ``conf.gaia_table``.
    chunk : int, optional
        Positions per query; ``conf.gaia_chunk``.
    timeout : `~astropy.units.Quantity`, optional
        Time without a byte after which a request is given up; ``conf.timeout``, which is in seconds.
    time_budget : `~astropy.units.Quantity`, optional
        Time that one chunk may take, retries included; ``conf.time_budget``, which is in seconds.
    retries : int, optional
        Times that a request is repeated after a time-out, a broken transfer or a server's error; ``conf.retries``.
    zero_point : {"lindegren", "global", "none"}, optional
        What is taken off the parallaxes: by default the zero point of Lindegren et al. (2021, A&A 649, A4) by
        magnitude, color and ecliptic latitude (`stellarclass.zeropoint`), which is -0.02 to -0.05 mas for G = 13 to 18;
        -0.017 mas, the median of quasars; or nothing. The default ensemble was taught on corrected parallaxes.

    Raises
    ------
    stellarclass.exceptions.InputError
        If ``zero_point`` is unknown, ``table`` is not the name of a table, or another option is out of range.
    `~astropy.units.UnitsError`
        If ``timeout`` or ``time_budget`` is not a time with a unit.

    Examples
    --------
    >>> from astropy import units as u
    >>> from stellarclass.archives import Gaia
    >>> gaia = Gaia(timeout=2 * u.min)
    >>> gaia.name
    'Gaia DR3 (parallax zero point: lindegren)'
    >>> gaia
    <Gaia gaiadr3.gaia_source at https://gea.esac.esa.int/tap-server/tap>
    """

    _columns = COLUMNS

    def __init__(
        self, *, url=None, table=None, chunk=None, timeout=None, time_budget=None, retries=None, zero_point="lindegren"
    ):
        self._url, self._table = url, None if table is None else checked_table(table)
        self._chunk = whole("chunk", chunk, least=1)
        self._patience = patience(timeout, time_budget, retries)
        self.zero_point = check_zero_point(zero_point)

    @property
    def url(self):
        """Address of the TAP service."""
        return (conf.gaia_tap_url if self._url is None else self._url).rstrip("/")

    @property
    def table(self):
        """Name of the source table."""
        return checked_table(conf.gaia_table if self._table is None else self._table)

    @property
    def name(self):
        """Release and correction, for the provenance of results."""
        release = re.search(r"gaia(e?dr\d+)", self.table.lower())
        name = f"Gaia {release[1].upper()}" if release else f"{self.table} at {self.url}"
        return with_zero_point(name, self.zero_point)

    def __repr__(self):
        """Table and address that are asked now: the configuration's, where they were not given."""
        return f"<Gaia {conf.gaia_table if self._table is None else self._table} at {self.url}>"

    def adql(self, *, radius):
        """The query that `candidates` sends.

        To a service that lacks columns of the zero point it goes a second time, without those.

        Parameters
        ----------
        radius : `~astropy.units.Quantity`
            Match radius, an angle of at most 6 arcmin.

        Returns
        -------
        str
            ADQL 2.0; the positions are in the uploaded table ``TAP_UPLOAD.targets``.
        """
        return self._query(radius, self._recipe_columns())

    def _recipe_columns(self):
        return RECIPE_COLUMNS if self.zero_point == "lindegren" else ()

    def _query(self, radius, more):
        return QUERY.format(
            columns=", ".join(self._qualified(c) for c in (*self._columns, *more)),
            table=self.table,
            joined=self._joined(),
            least=FAST**2,
            most=FASTEST**2,
            **search_reach(radius)._asdict(),
        )

    def _qualified(self, column):
        return f"g.{column}"

    def _joined(self):
        return ""

    def candidates(self, ra, dec, *, radius, progress=None):
        """Every source that may lie within ``radius`` of a position at any epoch from 1998 to 2030.

        Positions go up in chunks, smaller ones where ``radius`` is large. A chunk whose answer overflows is halved
        until it fits, one that fails otherwise as long as halves of it are answered.

        Parameters
        ----------
        ra, dec : ndarray, shape (N,)
            ICRS positions in degrees, all finite.
        radius : `~astropy.units.Quantity`
            Match radius, an angle of at most 6 arcmin; widened here for proper motion.
        progress : bool, optional
            Whether to show a progress bar; by default only on a terminal.

        Returns
        -------
        `~astropy.table.Table`
            See `~stellarclass.archives.base.AstrometrySource`.

        Raises
        ------
        stellarclass.exceptions.ArchiveError
            If any position remains without an answer, after all others were tried: of the type of the first failure,
            with ``failed`` (indices into ``ra``) and ``partial`` (the candidates of all others). After two chunks in
            a row without any answer the rest counts as failed.
        """
        ra, dec = np.asarray(ra, np.float64), np.asarray(dec, np.float64)
        transport, more = Transport(**self._patience), list(self._recipe_columns())
        query = self._query(radius, more)

        def ask(index, **limits):
            nonlocal query
            fetch = partial(transport.fetch, **limits)
            while True:
                try:
                    return self._ask(query, index, ra[index], dec[index], fetch)
                except ArchiveError as error:
                    unknown = [c for c in more if c in error.reason.lower()]
                    if type(error) is not ArchiveError or not unknown:
                        raise
                    # A mirror without all of Gaia's columns. Not all services list theirs; all name one they lack.
                    log.info("%s; parallax zero points go without %s", error, ", ".join(unknown))
                    more[:] = [c for c in more if c not in unknown]
                    query = self._query(radius, more)

        size = min(conf.gaia_chunk if self._chunk is None else self._chunk, circles(radius))
        empty = candidate_table([], {name: [] for name in self._columns}, self._columns)
        return search_around(ra, dec, ask, empty, size=size, transport=transport, progress=progress, name=self.name)

    def _ask(self, query, index, ra, dec, fetch):
        """One query, and its answer as candidates."""
        rows = ask_around(self.url, query, index, ra, dec, self._columns, fetch=fetch)
        try:
            rows["parallax"] = correct_parallax(self.zero_point, rows)
            return candidate_table(rows["target_id"], rows, self._columns)
        except (TypeError, ValueError) as error:
            raise BadAnswerError(f"a column of the answer is not of Gaia's type: {error}", self.url) from error
