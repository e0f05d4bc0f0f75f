# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`fetch_fields`: the list of all fields that SDSS has imaged, from SkyServer, page by page."""

import csv

import numpy as np
from astropy import units as u
from astropy.table import Table, vstack

from .._config import conf
from .._progress import progress_bar
from ..exceptions import BadAnswerError
from ._options import patience, whole
from ._skyserver import short, skyserver_client
from .objid import valid_field
from .transport import Transport

__all__ = ["fetch_fields"]

_PAGE = 100_000
"""Rows of a page: SkyServer gives at most 500,000, and ends a query after a minute or ten."""

_MOST = 5_000_000  # rows; SDSS has 938,046 fields

# Ours: SkyServer's. A single digit comes last: an answer that breaks off within a row lacks it.
_COLUMNS = {
    "fieldid": "fieldID", "ramin": "raMin", "ramax": "raMax", "decmin": "decMin", "decmax": "decMax",
    "run": "run", "rerun": "rerun", "field": "field", "camcol": "camcol",
}  # fmt: skip
_ANGLES = ("ramin", "ramax", "decmin", "decmax")

QUERY = "SELECT TOP {size} {columns} FROM Field WHERE fieldID > {after} ORDER BY fieldID"


def fetch_fields(*, data_release=None, timeout=None, time_budget=None, retries=None, progress=None):
    """Fetch the list of all fields of SDSS from SkyServer's table ``Field``.

    Ten requests or so, in all; meant to be made once, for `field_footprint`. The address is ``conf.skyserver_url``.

    Parameters
    ----------
    data_release : int, optional
        Data release, 8 or later; ``conf.sdss_data_release`` by default.
    timeout : `~astropy.units.Quantity`, optional
        Time without a byte after which a request is given up; ``conf.timeout``, which is in seconds, by default.
    time_budget : `~astropy.units.Quantity`, optional
        Time that a page may take, retries included; ``conf.time_budget``, which is in seconds, by default.
    retries : int, optional
        Times that a failed request is tried again; ``conf.retries`` by default.
    progress : bool, optional
        Whether to show a progress bar; by default on a terminal only.

    Returns
    -------
    `~astropy.table.Table`
        Columns ``fieldid``, ``ramin``, ``ramax``, ``decmin``, ``decmax`` [deg], ``run``, ``rerun``, ``field``,
        ``camcol``, by ``fieldid``.

    Raises
    ------
    stellarclass.exceptions.ArchiveError
        If a page does not come, or is not what was asked for: there is no part of a list.
    stellarclass.exceptions.InputError
        If an option is out of range.
    """
    release = conf.sdss_data_release if data_release is None else whole("data_release", data_release, least=8)
    transport = Transport(**patience(timeout, time_budget, retries))
    pages, after = [], 0
    with progress_bar(None, enabled=progress, desc="SkyServer", unit="field") as bar:
        while True:
            query = QUERY.format(size=_PAGE, columns=", ".join(_COLUMNS.values()), after=after)
            with skyserver_client(conf.skyserver_url, transport.fetch, parse=_parse) as client:
                page = client.query_sql_async(query, data_release=release, cache=False).parsed
            if wrong := _wrong(page, after, sum(map(len, pages))):
                raise BadAnswerError(f"SkyServer's answer is not what was asked for: {wrong}", client.last_url)
            pages.append(page)
            if not len(page):  # a short page is no end: SkyServer has limits of its own
                return vstack(pages)
            after = int(page["fieldid"][-1])
            bar.update(len(page))


def _parse(text, url):
    """SkyServer's CSV as a table; raises BadAnswerError where it is not whole."""
    rows = csv.reader(line for line in text.splitlines() if line.strip() and not line.startswith("#"))
    try:
        header = [name.strip().lower() for name in next(rows, [])]
        absent = [name for name in _COLUMNS if name not in header]
        if absent:
            raise BadAnswerError(f"SkyServer's answer lacks the columns {', '.join(absent)}: {short(text)}", url)
        rows = list(rows)
        values = dict(zip(header, zip(*rows, strict=True), strict=True)) if rows else dict.fromkeys(header, ())
        table = Table()
        for name in _COLUMNS:
            if name in _ANGLES:
                table[name] = np.array(values[name], np.float64) << u.deg
            else:
                table[name] = np.array([int(value) for value in values[name]], np.int64)
        return table
    except (ValueError, OverflowError, csv.Error) as err:
        raise BadAnswerError(f"SkyServer's answer cannot be read: {short(err)}", url) from err


def _wrong(page, after, before):
    """What is not as it was asked for, in words; empty if all is well."""
    ids = page["fieldid"].data
    if len(page) > _PAGE or before + len(page) > _MOST:
        return f"{before + len(page)} fields"
    if len(ids) and (int(ids[0]) <= after or (ids[1:] <= ids[:-1]).any()):
        return "identifiers that do not ascend"
    if not valid_field(*(page[name].data for name in ("run", "rerun", "camcol", "field"))).all():
        return "fields that SDSS cannot have"
    if not all(np.isfinite(page[name]).all() for name in _ANGLES):
        return "fields without a place"
    return ""
