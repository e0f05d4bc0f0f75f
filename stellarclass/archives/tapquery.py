# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The answer of a TAP service to a query of the user's own, whole or not at all."""

from astropy.table import Table

from ..exceptions import InputError
from ._tap import query_tap
from .transport import Transport

__all__ = ["MAX_LIST", "fetch_table"]

MAX_LIST = 1_000_000
"""Rows of an answer that is accepted; what is longer is better fetched as a file, in an asynchronous job."""


def fetch_table(url, query, *, max_rows=MAX_LIST):
    """Ask a TAP service one synchronous query.

    Parameters
    ----------
    url : str
        Address of the service.
    query : str
        ADQL, sent as it is.
    max_rows : int
        Rows asked for at most.

    Returns
    -------
    `~astropy.table.Table`
        Column names in lower case.

    Raises
    ------
    stellarclass.exceptions.InputError
        If address or query is empty.
    stellarclass.exceptions.TruncatedAnswerError
        If the service cut its answer.
    stellarclass.exceptions.ArchiveError
        If it failed otherwise.
    """
    if not (url.strip() and query.strip()):
        raise InputError("a TAP query needs the address of a service, and ADQL")
    transport = Transport()
    try:
        advice = "; ask for less, or fetch the list in an asynchronous job and hand in the file"
        return Table(query_tap(url, query, (), fetch=transport.fetch, max_rows=max_rows, advice=advice))
    finally:
        transport.close()
