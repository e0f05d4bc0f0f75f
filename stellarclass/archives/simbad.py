# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`Simbad`: what is known of an object, by upload joins with the table ``basic``."""

from .._config import conf
from ._neighbors import search_neighbors
from ._options import patience, whole
from ._tap import checked_table
from .transport import Transport

__all__ = ["Simbad"]

COLUMNS = {
    "main_id": (str, None, "SIMBAD's name of the object"),
    "otype": (str, None, "Object type, SIMBAD's short code: * a star, PM* one with proper motion, WD*, QSO, G ..."),
    "sp_type": (str, None, "Spectral type from the literature"),
}


class Simbad:
    """SIMBAD's objects behind a TAP service (Wenger et al. 2000, A&AS 143, 9).

    Every argument left out is read from `stellarclass.conf` when it is needed.

    Parameters
    ----------
    url : str, optional
        Address of the TAP service; ``conf.simbad_tap_url``.
    table : str, optional
        Table of objects on that service; ``conf.simbad_table``.
    chunk : int, optional
        Positions per query; ``conf.tap_chunk``.
    timeout : `~astropy.units.Quantity`, optional
        Time without a byte after which a request is given up; ``conf.timeout``, which is in seconds.
    time_budget : `~astropy.units.Quantity`, optional
        Time that one chunk may take, retries included; ``conf.time_budget``, which is in seconds.
    retries : int, optional
        Times that a request is repeated; ``conf.retries``.

    Raises
    ------
    stellarclass.exceptions.InputError
        If an option is out of range.
    `~astropy.units.UnitsError`
        If ``timeout`` or ``time_budget`` is not a time with a unit.

    Examples
    --------
    >>> from stellarclass.archives import Simbad
    >>> Simbad()
    <Simbad basic at https://simbad.cds.unistra.fr/simbad/sim-tap>
    """

    name = "SIMBAD"
    """For the provenance of results."""

    def __init__(self, *, url=None, table=None, chunk=None, timeout=None, time_budget=None, retries=None):
        self._url, self._table = url, table
        self._chunk = whole("chunk", chunk, least=1)
        self._patience = patience(timeout, time_budget, retries)

    @property
    def url(self):
        """Address of the TAP service."""
        return (conf.simbad_tap_url if self._url is None else self._url).rstrip("/")

    @property
    def table(self):
        """Name of the table."""
        return conf.simbad_table if self._table is None else self._table

    def __repr__(self):
        """Table and address that are asked now."""
        return f"<{type(self).__name__} {self.table} at {self.url}>"

    def objects(self, ra, dec, *, radius, progress=None):
        """Every object within ``radius`` of a position.

        Parameters
        ----------
        ra, dec : ndarray, shape (N,)
            ICRS positions in degrees, all finite. SIMBAD's are of epoch 2000: leave room for proper motion.
        radius : `~astropy.units.Quantity`
            An angle of at most 6 arcmin.
        progress : bool, optional
            Whether to show a progress bar; by default only on a terminal.

        Returns
        -------
        `~astropy.table.Table`
            Columns ``target`` (index into ``ra``), ``main_id``, ``otype``, ``sp_type`` (masked where there is none),
            ``ra``, ``dec`` [deg] and ``separation`` [arcsec], by target, the nearest first. A target may have no row or
            several.

        Raises
        ------
        stellarclass.exceptions.ArchiveError
            If any position remains without an answer, after all others were tried, with ``failed`` (indices into
            ``ra``) and ``partial`` (the objects of all others).
        """
        names = {"table": checked_table(self.table), **{c: c for c in (*COLUMNS, "ra", "dec")}}
        return search_neighbors(
            ra, dec, url=self.url, names=names, columns=COLUMNS, radius=radius, chunk=self._chunk,
            transport=Transport(**self._patience), name=self.name, progress=progress,
        )  # fmt: skip
