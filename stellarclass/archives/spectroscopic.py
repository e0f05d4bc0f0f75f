# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`SpectroscopicStars`: SDSS's stars with a spectrum, page by page, through SkyServer's SQL."""

import csv
import operator
import re

import numpy as np
from astropy import units as u
from astropy.table import Column, MaskedColumn, Table

from .._config import conf
from ..exceptions import BadAnswerError, InputError
from ._options import patience, whole
from ._skyserver import short, skyserver_client
from .base import BANDS
from .objid import valid_field
from .transport import Transport

__all__ = ["SpectroscopicStars"]

LARGEST_PAGE = 100_000
"""Rows that a page may have: SkyServer gives at most 500,000, and ends a query after a minute or ten."""

_MAX_ID = 2**64 - 1

# Ours: (SkyServer's, type, unit, description), in the order that they are asked for. A single digit comes last: an
# answer that breaks off within a row lacks it.
COLUMNS = {
    "specobjid": ("s.specObjID", np.uint64, None, "Identifier of the spectrum; of plates above 8191 beyond int64"),
    "objid": ("p.objID", np.int64, None, "Identifier of the photometric object at the spectrum's position"),
    "ra": ("p.ra", np.float64, u.deg, "Right ascension of that object (ICRS)"),
    "dec": ("p.dec", np.float64, u.deg, "Declination of that object (ICRS)"),
    "plate": ("s.plate", np.int64, None, "Plate of the spectrum"),
    "mjd": ("s.mjd", np.int64, None, "Modified Julian date of the spectrum"),
    "fiberid": ("s.fiberID", np.int64, None, "Fiber of the spectrum"),
    "subclass": ("s.subClass", str, None, "Class by SDSS's pipeline, such as F5 or K3 (14092)"),
    "sn_median": ("s.snMedian", np.float64, None, "Median signal-to-noise ratio of the good pixels"),
    "zwarning": ("s.zWarning", np.int64, None, "Warnings of the redshift fit; 0 is none"),
    "run": ("p.run", np.int64, None, "Run of the image"),
    "rerun": ("p.rerun", np.int64, None, "Rerun of the image"),
    "camcol": ("p.camcol", np.int64, None, "Camera column of the image"),
    "field": ("p.field", np.int64, None, "Field of the image"),
    "photo_mjd": ("p.mjd", np.int64, u.d, "Modified Julian date of the image"),
    **{f"psfmag_{b}": (f"p.psfMag_{b}", np.float64, u.mag, f"PSF magnitude in {b} (asinh)") for b in BANDS},
    **{f"psfmagerr_{b}": (f"p.psfMagErr_{b}", np.float64, u.mag, f"Error of psfmag_{b}") for b in BANDS},
    "photo_flags": ("p.flags", np.int64, None, "Bits of the photometric object (stellarclass.archives.PHOTO_FLAGS)"),
    "photo_type": ("p.type", np.int64, None, "Shape of the photometric object: 6 a star, 3 a galaxy"),
    "clean": ("p.clean", np.int64, None, "1 where SDSS calls the photometry clean, else 0"),
}

# SpecObj holds the best spectrum of each position (sciencePrimary), PhotoObj primary and secondary objects. What is put
# in is numbers and letters that were checked; TOP and ORDER BY with the key in WHERE make a page, whatever its number,
# cost the same.
QUERY = """\
SELECT TOP {size} {columns}
FROM SpecObj AS s JOIN PhotoObj AS p ON p.objID = s.bestObjID
WHERE s.class = 'STAR' AND s.zWarning = 0 AND s.snMedian >= {snr_min} AND s.specObjID > {after}{subclass}
ORDER BY s.specObjID"""


class SpectroscopicStars:
    """Stars that SDSS took a spectrum of, joined with the object in its images.

    All are of ``class`` STAR and have no warning (``zWarning`` 0). Options that are not given are read from the
    configuration when they are needed, the address as well (``conf.skyserver_url``).

    Parameters
    ----------
    data_release : int, optional
        Data release, 8 or later; ``conf.sdss_data_release`` by default.
    timeout : `~astropy.units.Quantity`, optional
        Time without a byte after which a request is given up; ``conf.timeout``, which is in seconds. SkyServer sends
        none before a query is through, which can take minutes.
    time_budget : `~astropy.units.Quantity`, optional
        Time that a page may take, retries included; ``conf.time_budget``, which is in seconds.
    retries : int, optional
        Times that a failed request is tried again; ``conf.retries`` by default.

    Raises
    ------
    stellarclass.exceptions.InputError
        If an option is out of range.
    `~astropy.units.UnitsError`
        If ``timeout`` or ``time_budget`` is not a time with a unit.

    Examples
    --------
    >>> from stellarclass.archives import SpectroscopicStars
    >>> stars = SpectroscopicStars(data_release=17)
    >>> stars.name
    'SDSS DR17 SpecObj'
    >>> print(stars.sql(None, subclass_prefix="K", snr_min=10, size=100).splitlines()[-2])
    WHERE s.class = 'STAR' AND s.zWarning = 0 AND s.snMedian >= 10.0 AND s.specObjID > 0 AND s.subClass LIKE 'K%'
    """

    def __init__(self, *, data_release=None, timeout=None, time_budget=None, retries=None):
        self._data_release = whole("data_release", data_release, least=8)
        self._patience = patience(timeout, time_budget, retries)

    @property
    def data_release(self):
        """Data release that is asked for."""
        return conf.sdss_data_release if self._data_release is None else self._data_release

    @property
    def name(self):
        """Release and table, for the provenance of results."""
        return f"SDSS DR{self.data_release} SpecObj"

    def __repr__(self):
        """Release and address that are asked now."""
        return f"<{self.name} at {conf.skyserver_url}>"

    def sql(self, after, *, subclass_prefix=None, snr_min=0.0, size=5000):
        """The query that `page` sends, of the same arguments.

        Returns
        -------
        str
            In SQL Server's dialect.
        """
        after = 0 if after is None else _identifier(after)
        snr_min = _ratio(snr_min)
        size = whole("size", size, least=1)
        if size > LARGEST_PAGE:
            raise InputError(f"size must be at most {LARGEST_PAGE}, got {size}; ask for several pages")
        return QUERY.format(
            size=size,
            columns=", ".join(f"{theirs} AS {ours}" for ours, (theirs, *_) in COLUMNS.items()),
            snr_min=repr(snr_min),
            after=after,
            subclass=f" AND s.subClass LIKE '{_prefix(subclass_prefix)}%'" if subclass_prefix is not None else "",
        )

    def page(self, after, *, subclass_prefix=None, snr_min=0.0, size=5000):
        """The next stars in ascending order of their spectra's identifiers.

        The same position gives the same page, so that a long list can be fetched in pieces and gone on with later.
        Go on until a page is empty: a short one is no end, as SkyServer has limits of its own.

        Parameters
        ----------
        after : int or None
            Identifier (``specobjid``) of the last row of the page before; None for the first page.
        subclass_prefix : str, optional
            What ``subclass`` has to begin with, such as ``"K"`` or ``"M3"``: up to 10 letters and digits, in the case
            that SDSS writes them.
        snr_min : float, optional
            Least ``sn_median``.
        size : int, optional
            Rows at most, up to 100,000.

        Returns
        -------
        `~astropy.table.Table`
            Columns ``specobjid`` (uint64: identifiers of plates above 8191 are beyond int64), ``objid``, ``ra``,
            ``dec`` [deg], ``plate``, ``mjd``, ``fiberid``, ``subclass`` (str), ``sn_median``, ``zwarning``, ``run``,
            ``rerun``, ``camcol``, ``field``, ``photo_mjd`` [d], ``psfmag_u`` to ``psfmag_z``, ``psfmagerr_u`` to
            ``psfmagerr_z`` [mag, masked where SDSS has none], ``photo_flags``, ``photo_type``, ``clean``. Several
            spectra may share an ``objid``.

        Raises
        ------
        stellarclass.exceptions.InputError
            If an argument is out of range.
        stellarclass.exceptions.ArchiveError
            If there is no answer, or none that is what was asked for.
        """
        query = self.sql(after, subclass_prefix=subclass_prefix, snr_min=snr_min, size=size)
        transport = Transport(**self._patience)
        with skyserver_client(conf.skyserver_url, transport.fetch, parse=_parse) as client:
            answer = client.query_sql_async(query, data_release=self.data_release, cache=False)
        table = answer.parsed
        wrong = _wrong(table, 0 if after is None else int(after), subclass_prefix or "", float(snr_min), size)
        if wrong:
            raise BadAnswerError(f"SkyServer's answer is not what was asked for: {wrong}", client.last_url)
        return table


def _identifier(value):
    try:
        value = operator.index(value)
    except TypeError as err:
        raise InputError(f"after must be the specobjid of a row, or None, got {value!r}") from err
    if not 0 <= value <= _MAX_ID:
        raise InputError(f"after must be within 0 and 2**64 - 1, got {value}")
    return value


def _ratio(value):
    try:
        value = float(value)
    except (TypeError, ValueError) as err:
        raise InputError(f"snr_min must be a number, got {value!r}") from err
    if not 0 <= value <= 1e6:
        raise InputError(f"snr_min must be within 0 and 1e6, got {value}")
    return value


def _prefix(value):
    if not (isinstance(value, str) and re.fullmatch(r"[A-Za-z0-9]{1,10}", value)):
        raise InputError(f"subclass_prefix must be 1 to 10 letters and digits such as 'K' or 'M3', got {value!r}")
    return value


def _parse(text, url):
    """SkyServer's CSV as a table; raises BadAnswerError where it is not whole."""
    rows = csv.reader(line for line in text.splitlines() if line.strip() and not line.startswith("#"))
    try:
        header = [name.strip().lower() for name in next(rows, [])]
        absent = [name for name in COLUMNS if name not in header]
        if absent:
            raise BadAnswerError(f"SkyServer's answer lacks the columns {', '.join(absent)}: {short(text)}", url)
        rows = list(rows)
        broken = next((row for row in rows if len(row) != len(header) or not row[-1].strip()), None)
        if broken is not None:
            raise BadAnswerError(f"SkyServer's answer breaks off at {short(','.join(broken))}", url)
        values = dict(zip(header, zip(*rows, strict=True), strict=True)) if rows else dict.fromkeys(header, ())
        return Table([_column(name, values[name]) for name in COLUMNS])
    except (ValueError, OverflowError, csv.Error) as err:
        raise BadAnswerError(f"SkyServer's answer cannot be read: {short(err)}", url) from err


def _column(name, values):
    _, dtype, unit, description = COLUMNS[name]
    what = {"name": name, "unit": unit, "description": description}
    if dtype is str:
        return Column([value.strip()[:64] for value in values], dtype=str if values else "U1", **what)
    if dtype is not np.float64:
        # By way of Python's integers, as NumPy's parser of text takes those above int64 for floats.
        return Column(np.array([int(value) for value in values], dtype), **what)
    data = np.array([np.nan if value.strip().lower() in ("", "null") else float(value) for value in values], np.float64)
    if not name.startswith("psfmag"):
        return Column(data, **what)
    bad = ~((data > 0) & (data < 40))  # -9999 and -1000 stand for none
    return MaskedColumn(np.where(bad, np.nan, data), mask=bad, **what)


def _wrong(table, after, prefix, snr_min, size):
    """What is not as it was asked for, in words; empty if all is well."""
    if len(table) > size:
        return f"{len(table)} rows, where {size} were asked for"
    ids = table["specobjid"].data
    if len(ids) and (int(ids[0]) <= after or (ids[1:] <= ids[:-1]).any()):
        return "identifiers that do not ascend"
    # SQL Server does not tell capital letters from small ones; snMedian is of single precision.
    if not all(value.lower().startswith(prefix.lower()) for value in table["subclass"]):
        return f"subclasses that do not begin with {prefix}"
    if (table["zwarning"] != 0).any() or not (table["sn_median"] >= snr_min * (1 - 1e-5)).all():
        return "spectra with a warning or too little signal"
    if not ((table["ra"] >= 0) & (table["ra"] <= 360) & (np.abs(table["dec"]) <= 90)).all():
        return "positions off the sky"
    if not valid_field(*(table[name].data for name in ("run", "rerun", "camcol", "field"))).all():
        return "fields that SDSS cannot have"
    return ""
