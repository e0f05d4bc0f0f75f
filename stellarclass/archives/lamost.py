# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`Lamost`: classes from LAMOST's low-resolution spectra, by upload joins."""

import re

import numpy as np

from .._config import conf
from ._neighbors import search_neighbors
from ._options import patience, whole
from ._tap import checked_table
from ._vizier import catalog_columns, pick
from .transport import Transport

__all__ = ["Lamost"]

COLUMNS = {
    "obsid": (np.int64, None, "LAMOST's identifier of the spectrum"),
    "class": (str, None, "STAR, GALAXY, QSO or Unknown"),
    "subclass": (str, None, "Class by LAMOST's pipeline, such as F5"),
    "snr_g": (np.float64, None, "Signal-to-noise ratio in g"),
}

# As LAMOST itself and ESA's copy have it (obsid, ra, dec, class, subclass, snrg); VizieR's copies write ObsID, RAJ2000,
# DEJ2000, Class, SubClass, snrg, or nearly so.
PLAIN = {c: c for c in ("obsid", "class", "subclass", "ra", "dec")} | {"snr_g": "snrg"}
VIZIER = {
    "obsid": lambda name, ucd: name == "obsid",
    "class": lambda name, ucd: name == "class",
    "subclass": lambda name, ucd: name == "subclass",
    "snr_g": lambda name, ucd: name in ("snrg", "snr_g"),
    "ra": lambda name, ucd: name in ("raj2000", "ra_icrs", "radeg"),
    "dec": lambda name, ucd: name in ("dej2000", "de_icrs", "dedeg"),
}


class Lamost:
    """LAMOST's general catalog of low-resolution spectra (Luo et al. 2015, RAA 15, 1095) behind a TAP service.

    By default data release 9, from ESA's Gaia archive, which keeps a copy. VizieR has other releases under names with
    slashes, such as ``V/156/dr7lrs``; what their columns are called is looked up.

    Every argument left out is read from `stellarclass.conf` when it is needed.

    Parameters
    ----------
    url : str, optional
        Address of the TAP service; ``conf.lamost_tap_url``.
    table : str, optional
        Table on that service; ``conf.lamost_table``.
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
    >>> from stellarclass import conf
    >>> from stellarclass.archives import Lamost
    >>> Lamost().name
    'LAMOST DR9'
    >>> Lamost(url=conf.vizier_tap_url, table="V/156/dr7lrs").name
    'LAMOST DR7'
    """

    def __init__(self, *, url=None, table=None, chunk=None, timeout=None, time_budget=None, retries=None):
        self._url, self._table = url, table
        self._chunk = whole("chunk", chunk, least=1)
        self._patience = patience(timeout, time_budget, retries)

    @property
    def url(self):
        """Address of the TAP service."""
        return (conf.lamost_tap_url if self._url is None else self._url).rstrip("/")

    @property
    def table(self):
        """Name of the table."""
        return conf.lamost_table if self._table is None else self._table

    def __repr__(self):
        """Table and address that are asked now."""
        return f"<{type(self).__name__} {self.table} at {self.url}>"

    @property
    def name(self):
        """Release, for the provenance of results."""
        release = re.search(r"dr(\d+)", self.table.lower())
        return f"LAMOST DR{release[1]}" if release else f"{self.table} at {self.url}"

    def spectra(self, ra, dec, *, radius, progress=None):
        """Every spectrum within ``radius`` of a position.

        Parameters
        ----------
        ra, dec : ndarray, shape (N,)
            ICRS positions in degrees, all finite. LAMOST's are of epoch 2000 or near it: leave room for proper motion.
        radius : `~astropy.units.Quantity`
            An angle of at most 6 arcmin.
        progress : bool, optional
            Whether to show a progress bar; by default only on a terminal.

        Returns
        -------
        `~astropy.table.Table`
            Columns ``target`` (index into ``ra``), ``obsid``, ``class``, ``subclass`` (masked where there is none),
            ``snr_g``, ``ra``, ``dec`` [deg] and ``separation`` [arcsec], by target, the nearest first and of those that
            are as near (spectra of one star) the best first.

        Raises
        ------
        stellarclass.exceptions.ArchiveError
            If any position remains without an answer, after all others were tried, with ``failed`` (indices into
            ``ra``) and ``partial`` (the spectra of all others); or if the service does not have the table.
        """
        transport = Transport(**self._patience)
        if "/" in self.table:
            tables = catalog_columns(self.url, self.table, fetch=transport.fetch)
            names = pick(self.url, self.table, tables, VIZIER)
        else:
            names = {"table": checked_table(self.table), **PLAIN}
        return search_neighbors(
            ra, dec, url=self.url, names=names, columns=COLUMNS, radius=radius, order=[("snr_g", -1)],
            chunk=self._chunk, transport=transport, name=self.name, progress=progress,
        )  # fmt: skip
