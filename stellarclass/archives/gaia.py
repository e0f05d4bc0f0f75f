# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`Gaia`: parallaxes and proper motions from a TAP service, one upload join per chunk of positions."""

import io
import re
import time

import numpy as np
import pyvo
from astropy.table import Table, vstack
from pyvo.utils.http import USER_AGENT

from .._config import conf
from .._progress import progress_bar
from ..exceptions import ArchiveError, ArchiveTimeoutError, BadAnswerError, InputError, TruncatedAnswerError
from ._candidates import COLUMNS, FAST, FASTEST, candidate_table, search_reach
from ._session import BoundedSession
from ._zeropoint import check_zero_point, correct_parallax, zero_point_columns

__all__ = ["Gaia"]

IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}(\.[A-Za-z_][A-Za-z0-9_]{0,127}){0,2}")

# What ESA's archive and DaCHS both take: CONTAINS compared with 1, in the order that their indexes want; no function
# that moves epochs. The wide circle is for the few fast stars; both are found by the one index. BETWEEN, as PostgreSQL
# takes the NaN that some services have for NULL to be larger than any number.
QUERY = """\
SELECT t.target_id, {columns}
FROM TAP_UPLOAD.targets AS t
JOIN {table} AS g
ON 1 = CONTAINS(POINT('ICRS', g.ra, g.dec), CIRCLE('ICRS', t.target_ra, t.target_dec, {fast:.10f}))
WHERE 1 = CONTAINS(POINT('ICRS', g.ra, g.dec), CIRCLE('ICRS', t.target_ra, t.target_dec, {slow:.10f}))
OR g.pmra * g.pmra + g.pmdec * g.pmdec BETWEEN {least:.1f} AND {most:.1f}"""

MAX_ROWS = 200_000
"""Rows asked for at most per chunk; more is an overflow, and the chunk is halved."""

MAX_BYTES = 256_000_000
"""Largest answer accepted per chunk: `MAX_ROWS` with every tag of a verbose VOTable."""

BACKOFF = 1.0
"""Seconds before the first retry; doubled each time."""

TRANSIENT_STATUS = {408, 425, 429, 500, 502, 503, 504}

GIVE_UP = 2
"""Chunks in a row without an answer after which the archive is taken to be down."""


class Gaia:
    """Gaia's source table behind a TAP service.

    Every argument left out is read from `stellarclass.conf` when it is needed.

    Parameters
    ----------
    url : str, optional
        Address of the TAP service; ``conf.gaia_tap_url`` (ESA's archive).
    table : str, optional
        Table on that service, with Gaia's column names; ``conf.gaia_table``.
    chunk : int, optional
        Positions per query; ``conf.gaia_chunk``.
    timeout : float, optional
        Seconds without a byte after which a request is given up; ``conf.timeout``.
    time_budget : float, optional
        Seconds that one chunk may take, retries included; ``conf.time_budget``.
    retries : int, optional
        Times that a request is repeated after a time-out, a broken transfer or a server's error; ``conf.retries``.
    zero_point : {"none", "global", "lindegren"}, optional
        Correction of the parallaxes: none (default), 0.017 mas added to all, or the recipe of Lindegren et al. (2021,
        A&A 649, A4) by magnitude, color and ecliptic latitude, which needs the package ``gaiadr3-zeropoint``
        (``pip install 'stellarclass[zeropoint]'``).

    Raises
    ------
    stellarclass.exceptions.InputError
        If ``zero_point`` is unknown or its package is missing, or ``table`` is not the name of a table.

    Examples
    --------
    >>> from stellarclass.archives.gaia import Gaia
    >>> gaia = Gaia(zero_point="global")
    >>> gaia.name
    'Gaia DR3 (parallax zero point: global)'
    """

    def __init__(
        self, *, url=None, table=None, chunk=None, timeout=None, time_budget=None, retries=None, zero_point="none"
    ):
        self._url, self._table, self._chunk = url, table, chunk
        self._timeout, self._time_budget, self._retries = timeout, time_budget, retries
        self.zero_point = check_zero_point(zero_point)
        if table is not None:
            _checked_table(table)
        if chunk is not None and chunk < 1:
            raise InputError(f"chunk must be at least 1, not {chunk}")

    @property
    def url(self):
        """Address of the TAP service."""
        return (conf.gaia_tap_url if self._url is None else self._url).rstrip("/")

    @property
    def table(self):
        """Name of the source table."""
        return _checked_table(conf.gaia_table if self._table is None else self._table)

    @property
    def name(self):
        """Release and correction, for the provenance of results."""
        release = re.search(r"gaia(e?dr\d+)", self.table.lower())
        name = f"Gaia {release[1].upper()}" if release else f"{self.table} at {self.url}"
        return name if self.zero_point == "none" else f"{name} (parallax zero point: {self.zero_point})"

    def __repr__(self):
        return f"<Gaia {self.table!r} at {self.url}>"

    def adql(self, *, radius):
        """The query that `candidates` sends.

        Parameters
        ----------
        radius : `~astropy.units.Quantity`
            Match radius, an angle of at most 6 arcmin.

        Returns
        -------
        str
            ADQL 2.0; the positions are in the uploaded table ``TAP_UPLOAD.targets``.
        """
        columns = (*COLUMNS, *zero_point_columns(self.zero_point))
        return QUERY.format(
            columns=", ".join(f"g.{c}" for c in columns),
            table=self.table,
            least=FAST**2,
            most=FASTEST**2,
            **search_reach(radius)._asdict(),
        )

    def candidates(self, ra, dec, *, radius, progress=None):
        """Every source that may lie within ``radius`` of a position at any epoch from 1998 to 2030.

        Positions go up in chunks; a chunk whose answer overflows is halved until it fits.

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
        query = self.adql(radius=radius)
        chunk = conf.gaia_chunk if self._chunk is None else self._chunk
        starts = range(0, len(ra), chunk)
        answers, failed, errors, silent = [], [], [], 0
        with progress_bar(len(ra), enabled=progress, desc=self.name, unit="star") as bar:
            for start in starts:
                index = np.arange(start, min(start + chunk, len(ra)))
                got, lost, problems = self._chunk_candidates(query, index, ra, dec)
                answers += got
                failed += lost
                errors += problems
                silent = silent + 1 if problems and not got else 0
                bar.update(len(index))
                if silent == GIVE_UP:
                    failed.append(np.arange(start + len(index), len(ra)))
                    break
        empty = candidate_table([], {name: [] for name in COLUMNS})
        found = vstack([empty, *answers], metadata_conflicts="silent") if answers else empty
        if errors:
            failed = np.concatenate(failed)
            raise type(errors[0])(
                f"{len(failed)} of {len(ra)} positions remain without an answer: {errors[0].reason}",
                errors[0].url,
                failed=failed,
                partial=found,
            ) from errors[0]
        return found

    def _chunk_candidates(self, query, index, ra, dec):
        """Ask for one chunk: lists of answers, of unanswered indices and of the errors that left them so."""
        deadline = time.monotonic() + (conf.time_budget if self._time_budget is None else self._time_budget)
        answers, failed, errors = [], [], []
        parts = [index]
        while parts:
            part = parts.pop()
            try:
                answers.append(self._ask(query, part, ra[part], dec[part], deadline))
            except TruncatedAnswerError as error:
                if len(part) > 1:
                    middle = len(part) // 2
                    parts += [part[middle:], part[:middle]]  # a stack: the first half comes next
                else:
                    failed.append(part)
                    errors.append(error)
            except ArchiveError as error:
                failed += [part, *parts]
                errors.append(error)
                break
        return answers, failed, errors

    def _ask(self, query, index, ra, dec, deadline):
        """Send the query for some positions until it is answered, retries are used up or time is."""
        upload = _votable(Table({"target_id": index, "target_ra": ra, "target_dec": dec}))
        retries = conf.retries if self._retries is None else self._retries
        for attempt in range(retries + 1):
            try:
                answer = self._exchange(query, upload, deadline)
                break
            except _TryAgain as again:
                pause = BACKOFF * 2**attempt
                if attempt == retries:
                    raise again.error from None
                if time.monotonic() + pause >= deadline:
                    raise ArchiveTimeoutError(
                        f"time budget used up: {again.error.reason}", again.error.url
                    ) from again.error
            time.sleep(pause)
        return self._read(answer, index)

    def _exchange(self, query, upload, deadline):
        """One request and its answer as a table."""
        timeout = conf.timeout if self._timeout is None else self._timeout
        with BoundedSession(timeout=timeout, deadline=deadline, max_bytes=MAX_BYTES) as session:
            session.headers["User-Agent"] = f"stellarclass {USER_AGENT}"
            tap = pyvo.dal.TAPQuery(
                self.url, query, maxrec=MAX_ROWS, uploads={"targets": io.BytesIO(upload)}, session=session
            )
            try:
                votable = tap.execute_votable()
            except pyvo.dal.DALAccessError as error:
                problem, again = _what_happened(session, error, tap.queryurl)
                raise (_TryAgain(problem) if again else problem) from error
        status, words, table = _results(votable)
        if status == "ERROR":
            problem = ArchiveError(f"the service says: {words or 'nothing more than ERROR'}", tap.queryurl)
            raise _TryAgain(problem) if session.status in TRANSIENT_STATUS - {500} else problem
        if table is None:
            raise BadAnswerError("a VOTable without a table of results", tap.queryurl)
        # Some services cut at MAXREC and say nothing.
        if status == "OVERFLOW" or len(table) >= MAX_ROWS:
            raise TruncatedAnswerError(f"the answer was cut after {len(table)} rows", tap.queryurl)
        return table

    def _read(self, table, index):
        """Check an answer and bring it into the form of every source."""
        rows = {name.lower(): table[name] for name in table.colnames}
        wanted = ["target_id", *COLUMNS, *zero_point_columns(self.zero_point)]
        missing = [c for c in wanted if c not in rows]
        if missing:
            raise BadAnswerError(f"the answer lacks the columns {', '.join(missing)}", self.url)
        target = np.asarray(rows["target_id"])
        if len(target) and not np.isin(target, index).all():
            raise BadAnswerError("the answer has targets that were not asked for", self.url)
        try:
            rows["parallax"] = correct_parallax(self.zero_point, rows)
            return candidate_table(target, rows)
        except (TypeError, ValueError) as error:
            raise BadAnswerError(f"a column of the answer is not of Gaia's type: {error}", self.url) from error


class _TryAgain(Exception):
    """Carries an `ArchiveError` that may have gone by next time."""

    def __init__(self, error):
        super().__init__(error)
        self.error = error


def _checked_table(name):
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


def _results(votable):
    """Status, message and table of a TAP answer (DALI 1.1, section 4.4)."""
    resources = [r for r in votable.resources if (r.type or "").lower() == "results"] or list(votable.resources)
    infos = list(votable.infos)
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


def _what_happened(session, error, url):
    """Make one of our errors of a failed exchange, and say whether it is worth another try."""
    if session.failure is not None:
        return session.failure, session.transient
    start = session.body[:2000].lstrip().lower()
    html = "html" in session.content_type or start.startswith((b"<!doctype html", b"<html"))
    if session.status is not None and session.status >= 400:
        words = "" if html else " ".join(session.body[:300].decode("utf-8", "replace").split())
        reason = f"HTTP status {session.status}{': ' + words if words else ''}"
        return ArchiveError(reason, url), session.status in TRANSIENT_STATUS
    if html:
        title = re.search(rb"<title[^>]*>([^<]{0,200})", session.body[:20000], re.IGNORECASE)
        words = f" titled {title[1].decode('utf-8', 'replace').strip()!r}" if title else ""
        return BadAnswerError(f"an HTML page{words} instead of a table", url), False
    return BadAnswerError(f"not a whole VOTable: {' '.join(str(error).split())[:300]}", url), True
