# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""TAP as an archive client needs it: positions go up in chunks, whole answers come down, anything else has a name.

pyvo knows what TAP calls things, our transport carries it, so that it ends and is bounded.
"""

import io
import re
from functools import partial

import numpy as np
import pyvo
from astropy import units as u
from astropy.io import votable
from astropy.table import Table, vstack

from .._progress import progress_bar
from ..exceptions import ArchiveError, BadAnswerError, InputError, TruncatedAnswerError
from ..tables._guard import VOTableCheck, parse_votable
from ._chunks import ask_in_chunks
from .transport import page_title

__all__ = ["MAX_BYTES", "MAX_ROWS", "ask_around", "checked_table", "circles", "query_tap", "search_around"]

IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}(\.[A-Za-z_][A-Za-z0-9_]{0,127}){0,2}")

MAX_ROWS = 200_000
"""Rows asked for at most per query; more is an overflow, and the chunk is halved."""

MAX_SKY = 2 * u.deg**2
"""Sky in the circles of one query: 90,000 rows of Gaia on average, so that few overflow and each is soon answered."""

MAX_BYTES = 256_000_000
"""Largest answer accepted per query: `MAX_ROWS` with every tag of a verbose VOTable."""


MAX_MEMORY = 8 * MAX_BYTES
"""Bytes that an answer may take in memory, as far as its head says."""


def search_around(ra, dec, ask, empty, *, size, transport, progress, name):
    """Ask about positions in chunks and stack the answers.

    Parameters
    ----------
    ra, dec : ndarray, shape (N,)
        ICRS positions in degrees, all finite.
    ask : callable
        ``ask(index, deadline=, once=)`` answers for the positions ``index`` with a table.
    empty : `~astropy.table.Table`
        What is returned where nothing is asked.
    size : int
        Positions in a chunk.
    transport : Transport
    progress : bool or None
    name : str
        Of the archive, for the progress bar.

    Returns
    -------
    `~astropy.table.Table`

    Raises
    ------
    stellarclass.exceptions.ArchiveError
        If any position remains without an answer: of the type of the first failure, with ``failed`` and ``partial``.
    """
    with progress_bar(len(ra), enabled=progress, desc=name, unit="star") as bar:
        answers, failures = ask_in_chunks(len(ra), ask, size=size, transport=transport, progress=bar)
    found = vstack([empty, *(table for _, table in answers)], metadata_conflicts="silent") if answers else empty
    if failures:
        failed, first = np.sort(np.concatenate([index for index, _ in failures])), failures[0][1]
        reason = f"{len(failed)} of {len(ra)} positions remain without an answer: {first.reason}"
        raise type(first)(reason, first.url, failed=failed, partial=found) from first
    return found


def ask_around(url, query, index, ra, dec, columns, *, fetch):
    """Send positions up as ``TAP_UPLOAD.targets`` (target_id, target_ra, target_dec) with one query.

    Parameters
    ----------
    url : str
        Address of the service.
    query : str
        ADQL.
    index, ra, dec : ndarray, shape (M,)
        Numbers of the targets, and their positions in degrees.
    columns : iterable of str
        Columns that the answer must have besides ``target_id``.
    fetch : callable
        `Transport.fetch`.

    Returns
    -------
    dict of str to Column
        The answer's columns by their names in lower case; ``target_id`` holds nothing but what is in ``index``.
    """
    positions = Table({"target_id": index, "target_ra": ra, "target_dec": dec})
    advice = ""
    if len(index) == 1:
        where = f"{ra[0]:.5f} {dec[0]:+.5f}"
        advice = f": the circle around {where} is too large or too crowded; split it into smaller ones"
    rows = query_tap(url, query, ("target_id", *columns), fetch=fetch, upload=positions, advice=advice)
    target = np.asarray(rows["target_id"])
    if len(target) and not np.isin(target, index).all():
        raise BadAnswerError("the answer has targets that were not asked for", url)
    return rows


def query_tap(url, query, columns, *, fetch, upload=None, max_rows=None, advice=""):
    """One synchronous query.

    Parameters
    ----------
    url : str
        Address of the service.
    query : str
        ADQL.
    columns : iterable of str
        Columns that the answer must have, in lower case.
    fetch : callable
        `Transport.fetch`.
    upload : `~astropy.table.Table`, optional
        What goes up as ``TAP_UPLOAD.targets``.
    max_rows : int, optional
        An answer that is not shorter is taken to be cut; `MAX_ROWS`.
    advice : str, optional
        What to do about an overflow.

    Returns
    -------
    dict of str to Column
        By name in lower case.
    """
    max_rows = MAX_ROWS if max_rows is None else max_rows
    upload = None if upload is None else _votable(upload)
    uploads = {} if upload is None else {"uploads": {"targets": io.BytesIO(upload)}}
    form = pyvo.dal.TAPQuery(url, query, maxrec=max_rows, **uploads)
    status, words, table = fetch(
        form.queryurl,
        partial(_read_votable, url=form.queryurl),
        limit=MAX_BYTES,
        method="POST",
        data=dict(form),
        files=None if upload is None else {"targets": upload},
        explain=partial(_explain, url=form.queryurl),
    )
    if status == "ERROR":
        raise ArchiveError(_quoted(words), form.queryurl)
    if table is None:
        raise BadAnswerError("a VOTable without a table of results", form.queryurl)
    # Some services cut at MAXREC and say nothing.
    if status == "OVERFLOW" or len(table) >= max_rows:
        raise TruncatedAnswerError(f"the answer was cut after {len(table)} rows{advice}", form.queryurl)
    rows = {name.lower(): table[name] for name in table.colnames}
    missing = [c for c in columns if c not in rows]
    if missing:
        raise BadAnswerError(f"the answer lacks the columns {', '.join(missing)}", url)
    return rows


def circles(radius):
    """How many circles make up `MAX_SKY`."""
    return max(1, int((MAX_SKY / (np.pi * radius**2)).to_value(u.dimensionless_unscaled)))


def checked_table(name):
    """The name of a table, if it is one and nothing else: it becomes part of a query."""
    if not IDENTIFIER.fullmatch(name):
        raise InputError(f"{name!r} is not the name of a table; it must look like gaiadr3.gaia_source")
    return name


def _votable(table):
    """Serialize an upload as TABLEDATA, which every service reads, without the white space.

    5,000 positions then take less than the 500 kB that DaCHS accepts by default.
    """
    buffer = io.BytesIO()
    table.write(buffer, format="votable", tabledata_format="tabledata")
    return re.sub(rb">\s+<", b"><", buffer.getvalue())


def _read_votable(pieces, url):
    """Status, message and table of a TAP answer (DALI 1.1, section 4.4), if it is whole."""
    body = b"".join(pieces)
    if title := page_title(body):
        raise BadAnswerError(f"{title} instead of a table", url)
    try:
        # Nothing is fetched on an archive's word. What is not well-formed is left to the parser.
        parse_votable(io.BytesIO(body), VOTableCheck(max_memory=MAX_MEMORY), strict=False)
    except InputError as error:
        raise BadAnswerError(
            f"a VOTable that is not read, on an archive's word or for its size: {error}", url
        ) from None
    try:
        return _results(votable.parse(io.BytesIO(body)))
    except Exception as error:  # the parser raises what its parts raise
        raise BadAnswerError(f"not a whole VOTable: {' '.join(str(error).split())[:300]}", url) from error


def _results(document):
    resources = [r for r in document.resources if (r.type or "").lower() == "results"] or list(document.resources)
    infos = list(document.infos)
    for resource in resources:
        infos += resource.infos
        for table in resource.tables:
            infos += table.infos
    said = [
        (str(i.value).upper(), (i.content or "").strip()) for i in infos if (i.name or "").upper() == "QUERY_STATUS"
    ]
    # An error or an overflow may come after the rows, as a second word.
    status, words = next((s for s in said if s[0] == "ERROR"), said[-1] if said else ("OK", ""))
    tables = [t for r in resources for t in r.tables]
    return status, words, tables[0].to_table(use_names_over_ids=True) if tables and status != "ERROR" else None


def _explain(status, body, url):
    """What a service says with an HTTP status that means an error: as TAP has it, or in plain words."""
    if page_title(body):
        return ""
    try:
        _, words, _ = _read_votable([body], url)
    except BadAnswerError:
        return " ".join(body[:300].decode("utf-8", "replace").split())
    if status == 500:  # there are services that say so whenever a query is wrong
        raise ArchiveError(_quoted(words), url)
    return _quoted(words)


def _quoted(words):
    return f"the service says: {words or 'nothing more than ERROR'}"
