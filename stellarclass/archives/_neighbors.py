# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Tables of objects that do not move, searched around positions: what SIMBAD and LAMOST have in common."""

from functools import partial

import numpy as np
from astropy import units as u
from astropy.table import Column, MaskedColumn, Table

from .._config import conf
from ..astrometry import unit_vectors
from ..exceptions import BadAnswerError, InputError
from ._options import patience, whole
from ._tap import ask_around, circles, search_around
from .transport import Transport

__all__ = ["NeighborSearch", "read_numbers", "read_texts"]

# CONTAINS compared with 1, as every service takes it; the circle's size is a number that was checked, the positions
# are in the upload.
QUERY = """\
SELECT t.target_id, {columns}
FROM TAP_UPLOAD.targets AS t
JOIN {table} AS c
ON 1 = CONTAINS(POINT('ICRS', c.{ra}, c.{dec}), CIRCLE('ICRS', t.target_ra, t.target_dec, {degrees:.10f}))"""

LONGEST_TEXT = 200
"""Characters that a text of an answer may have; the rest is cut off."""


class NeighborSearch:
    """A table behind a TAP service that is searched around positions.

    Parameters
    ----------
    url, table : str or None
        Address and table; None for the configuration's.
    chunk : int or None
        Positions per query; None for ``conf.tap_chunk``.
    timeout, time_budget, retries : optional
        As of `~stellarclass.archives.Gaia`.
    """

    _url_item = _table_item = None  # items of the configuration
    _columns = None  # name: (dtype, unit, description); str is masked where empty, float where NaN

    def __init__(self, *, url=None, table=None, chunk=None, timeout=None, time_budget=None, retries=None):
        self._url, self._table = url, table
        self._chunk = whole("chunk", chunk, least=1)
        self._patience = patience(timeout, time_budget, retries)

    @property
    def url(self):
        """Address of the TAP service."""
        return (getattr(conf, self._url_item) if self._url is None else self._url).rstrip("/")

    @property
    def table(self):
        """Name of the table."""
        return getattr(conf, self._table_item) if self._table is None else self._table

    def __repr__(self):
        """Table and address that are asked now."""
        return f"<{type(self).__name__} {self.table} at {self.url}>"

    def _search(self, ra, dec, names, radius, order, progress):
        """All rows within the radius of each position, with their separation, nearest first.

        ``names`` is what the table calls itself and its columns: ``table``, ``ra``, ``dec`` and each of ``_columns``.
        """
        ra, dec = np.asarray(ra, np.float64), np.asarray(dec, np.float64)
        if not isinstance(radius, u.Quantity):
            raise TypeError(f"radius must be an angle with a unit, such as 3 * u.arcsec, not {radius!r}")
        degrees = radius.to_value(u.deg)
        if not 0 < degrees <= 0.1:
            raise InputError(f"the radius must be above 0 and at most 6 arcmin, not {radius}")
        columns = {
            "ra": (np.float64, u.deg, "Right ascension (ICRS)"),
            "dec": (np.float64, u.deg, "Declination (ICRS)"),
        }
        columns = {**self._columns, **columns}
        query = QUERY.format(
            columns=", ".join(f"c.{names[c]} AS {c}" for c in columns),
            table=names["table"], ra=names["ra"], dec=names["dec"], degrees=degrees,
        )  # fmt: skip
        transport = Transport(**self._patience)

        def ask(index, **limits):
            fetch = partial(transport.fetch, **limits)
            rows = ask_around(self.url, query, index, ra[index], dec[index], columns, fetch=fetch)
            return self._read(rows, columns, ra, dec, order)

        size = min(conf.tap_chunk if self._chunk is None else self._chunk, circles(radius))
        empty = self._read(dict.fromkeys(["target_id", *columns], np.zeros(0)), columns, ra, dec, order)
        return search_around(ra, dec, ask, empty, size=size, transport=transport, progress=progress, name=self.name)

    def _read(self, rows, columns, ra, dec, order):
        target = np.asarray(rows["target_id"]).astype(np.int64)
        table = Table([Column(target, name="target", description="Index of the target")])
        try:
            for name, (dtype, unit, description) in columns.items():
                table[name] = (read_texts if dtype is str else read_numbers)(rows[name], dtype)
                table[name].unit, table[name].description = unit, description
        except (TypeError, ValueError, OverflowError) as err:
            raise BadAnswerError(f"the answer's column {name} cannot be read: {err}", self.url) from err
        if np.ma.getmaskarray(table["ra"]).any() or np.ma.getmaskarray(table["dec"]).any():
            raise BadAnswerError("the answer has objects without a position", self.url)
        chord = unit_vectors(np.asarray(table["ra"]), np.asarray(table["dec"])) - unit_vectors(ra[target], dec[target])
        separation = np.degrees(2 * np.arcsin(np.minimum(1, np.linalg.norm(chord, axis=-1) / 2))) * 3600
        table["separation"] = Column(separation, unit=u.arcsec, description="Separation from the target")
        keys = [np.asarray(table["separation"]), np.asarray(table["target"])]
        for name, sign in order:
            keys.insert(0, sign * np.ma.filled(np.ma.asarray(table[name]), 0))
        return table[np.lexsort(keys)]


def read_texts(values, dtype=str):
    """Texts of an answer, masked where there is none.

    Parameters
    ----------
    values : array-like
        Of str, bytes or numbers.
    dtype : type
        Ignored: they are str.

    Returns
    -------
    `~astropy.table.MaskedColumn` of str
    """
    mask = np.ma.getmaskarray(np.ma.asarray(values))
    texts = ["" if m else _text(v) for v, m in zip(np.ma.getdata(values).tolist(), mask, strict=True)]
    width = max(map(len, texts), default=1)
    return MaskedColumn(np.array(texts, f"U{max(width, 1)}"), mask=[not text for text in texts])


def _text(value):
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return " ".join(text.split())[:LONGEST_TEXT]


def read_numbers(values, dtype):
    """Numbers of an answer: floats masked where there is none, integers whole and without gaps.

    Parameters
    ----------
    values : array-like
    dtype : type
        One of NumPy's float or integer types.

    Returns
    -------
    `~astropy.table.MaskedColumn` or `~astropy.table.Column`

    Raises
    ------
    TypeError, ValueError
        If they are no such numbers.
    """
    values = np.ma.asarray(values)
    mask = np.ma.getmaskarray(values)
    if len(values) and values.dtype.kind not in ("iu" if np.dtype(dtype).kind == "i" else "iuf"):
        raise TypeError(f"{values.dtype} where numbers were expected")
    if np.dtype(dtype).kind == "i":
        if mask.any():
            raise ValueError("an identifier is missing")
        return Column(values.data.astype(dtype))
    data = np.where(mask, np.nan, values.data).astype(dtype)
    return MaskedColumn(data, mask=~np.isfinite(data))
