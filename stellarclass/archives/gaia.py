# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`Gaia`: parallaxes and proper motions from a TAP service, one upload join per chunk of positions."""

import io
import logging
import re
from functools import partial

import numpy as np
import pyvo
from astropy import units as u
from astropy.io import votable
from astropy.table import Table, vstack

from .._config import conf
from .._progress import progress_bar
from ..exceptions import ArchiveError, BadAnswerError, InputError, TruncatedAnswerError
from ._candidates import COLUMNS, FAST, FASTEST, candidate_table, search_reach
from ._chunks import ask_in_chunks
from ._options import patience, whole
from ._zeropoint import RECIPE_COLUMNS, check_zero_point, correct_parallax, with_zero_point
from .transport import Transport, page_title

__all__ = ["Gaia"]

log = logging.getLogger(__name__)

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

MAX_SKY = 2 * u.deg**2
"""Sky in the circles of one query: 90,000 rows on average, so that few overflow and each is soon answered."""

MAX_BYTES = 256_000_000
"""Largest answer accepted per chunk: `MAX_ROWS` with every tag of a verbose VOTable."""


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

    def __init__(
        self, *, url=None, table=None, chunk=None, timeout=None, time_budget=None, retries=None, zero_point="lindegren"
    ):
        self._url, self._table = url, None if table is None else _checked_table(table)
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
        return _checked_table(conf.gaia_table if self._table is None else self._table)

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
            columns=", ".join(f"g.{c}" for c in (*COLUMNS, *more)),
            table=self.table,
            least=FAST**2,
            most=FASTEST**2,
            **search_reach(radius)._asdict(),
        )

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

        with progress_bar(len(ra), enabled=progress, desc=self.name, unit="star") as bar:
            size = min(conf.gaia_chunk if self._chunk is None else self._chunk, _circles(radius))
            answers, failures = ask_in_chunks(len(ra), ask, size=size, transport=transport, progress=bar)
        tables = [candidate_table([], {name: [] for name in COLUMNS}), *(table for _, table in answers)]
        found = vstack(tables, metadata_conflicts="silent") if answers else tables[0]
        if failures:
            failed, first = np.sort(np.concatenate([index for index, _ in failures])), failures[0][1]
            reason = f"{len(failed)} of {len(ra)} positions remain without an answer: {first.reason}"
            raise type(first)(reason, first.url, failed=failed, partial=found) from first
        return found

    def _ask(self, query, index, ra, dec, fetch):
        """One query, and its answer as candidates."""
        upload = _votable(Table({"target_id": index, "target_ra": ra, "target_dec": dec}))
        # pyvo knows what TAP calls things; the transport carries it, so that it ends.
        form = pyvo.dal.TAPQuery(self.url, query, maxrec=MAX_ROWS, uploads={"targets": io.BytesIO(upload)})
        status, words, table = fetch(
            form.queryurl,
            partial(_read_votable, url=form.queryurl),
            limit=MAX_BYTES,
            method="POST",
            data=dict(form),
            files={"targets": upload},
            explain=partial(_explain, url=form.queryurl),
        )
        if status == "ERROR":
            raise ArchiveError(_quoted(words), form.queryurl)
        if table is None:
            raise BadAnswerError("a VOTable without a table of results", form.queryurl)
        # Some services cut at MAXREC and say nothing.
        if status == "OVERFLOW" or len(table) >= MAX_ROWS:
            reason = f"the answer was cut after {len(table)} rows"
            if len(index) == 1:
                where = f"{ra[0]:.5f} {dec[0]:+.5f}"
                reason += f": the circle around {where} is too large or too crowded; split it into smaller ones"
            raise TruncatedAnswerError(reason, form.queryurl)
        return self._read(table, index)

    def _read(self, table, index):
        """Check an answer and bring it into the form of every source."""
        rows = {name.lower(): table[name] for name in table.colnames}
        wanted = ["target_id", *COLUMNS]
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


def _circles(radius):
    """How many circles make up `MAX_SKY`."""
    return max(1, int((MAX_SKY / (np.pi * radius**2)).to_value(u.dimensionless_unscaled)))


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


def _read_votable(pieces, url):
    """Status, message and table of a TAP answer (DALI 1.1, section 4.4), if it is whole."""
    body = b"".join(pieces)
    if title := page_title(body):
        raise BadAnswerError(f"{title} instead of a table", url)
    if re.search(rb"<(?:\w+:)?STREAM\s[^>]*href", body):
        raise BadAnswerError("a VOTable whose rows lie elsewhere; nothing is fetched on an archive's word", url)
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
