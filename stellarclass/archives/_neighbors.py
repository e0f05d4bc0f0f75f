# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Tables of objects that do not move, searched around positions: what SIMBAD and LAMOST have in common."""

from functools import partial

import numpy as np
from astropy import units as u
from astropy.table import Column, MaskedColumn, Table

from .._config import conf
from ..astrometry import unit_vectors
from ..exceptions import BadAnswerError, InputError
from ._tap import ask_around, circles, search_around

__all__ = ["read_numbers", "read_texts", "search_neighbors"]

# CONTAINS compared with 1, as every service takes it; the circle's size is a number that was checked, the positions
# are in the upload.
QUERY = """\
SELECT t.target_id, {columns}
FROM TAP_UPLOAD.targets AS t
JOIN {table} AS c
ON 1 = CONTAINS(POINT('ICRS', c.{ra}, c.{dec}), CIRCLE('ICRS', t.target_ra, t.target_dec, {degrees:.10f}))"""

LONGEST_TEXT = 200
"""Characters that a text of an answer may have; the rest is cut off."""


POSITION = {
    "ra": (np.float64, u.deg, "Right ascension (ICRS)"),
    "dec": (np.float64, u.deg, "Declination (ICRS)"),
}


def search_neighbors(ra, dec, *, url, names, columns, radius, order=(), chunk=None, transport, name, progress=None):
    """All rows of a table within a radius of each position, with their separation.

    Parameters
    ----------
    ra, dec : array-like, shape (N,)
        ICRS positions in degrees, all finite.
    url : str
        Address of the TAP service.
    names : dict of str to str
        What the service calls the ``table``, its ``ra`` and ``dec``, and each of ``columns``: checked or quoted, as
        they become part of the query.
    columns : dict
        Name to dtype, unit and description; str is masked where empty, float where NaN, int never.
    radius : `~astropy.units.Quantity`
        An angle of at most 6 arcmin.
    order : iterable of (str, int), optional
        Columns, and 1 or -1, by which rows of one target at one separation are sorted.
    chunk : int, optional
        Positions per query; ``conf.tap_chunk``.
    transport : Transport
    name : str
        Of the archive, for the progress bar.
    progress : bool, optional

    Returns
    -------
    `~astropy.table.Table`
        Columns ``target``, those of ``columns``, ``ra``, ``dec`` and ``separation``, by target and separation.
    """
    ra, dec = np.asarray(ra, np.float64), np.asarray(dec, np.float64)
    if not isinstance(radius, u.Quantity):
        raise TypeError(f"radius must be an angle with a unit, such as 3 * u.arcsec, not {radius!r}")
    degrees = radius.to_value(u.deg)
    if not 0 < degrees <= 0.1:
        raise InputError(f"the radius must be above 0 and at most 6 arcmin, not {radius}")
    columns = {**columns, **POSITION}
    query = QUERY.format(
        columns=", ".join(f"c.{names[c]} AS {c}" for c in columns),
        table=names["table"], ra=names["ra"], dec=names["dec"], degrees=degrees,
    )  # fmt: skip

    def read(rows):
        return _table(rows, columns, ra, dec, order, url)

    def ask(index, **limits):
        return read(
            ask_around(url, query, index, ra[index], dec[index], columns, fetch=partial(transport.fetch, **limits))
        )

    size = min(conf.tap_chunk if chunk is None else chunk, circles(radius))
    empty = read(dict.fromkeys(["target_id", *columns], np.zeros(0)))
    return search_around(ra, dec, ask, empty, size=size, transport=transport, progress=progress, name=name)


def _table(rows, columns, ra, dec, order, url):
    target = np.asarray(rows["target_id"]).astype(np.int64)
    table = Table([Column(target, name="target", description="Index of the target")])
    try:
        for name, (dtype, unit, description) in columns.items():
            table[name] = read_texts(rows[name]) if dtype is str else read_numbers(rows[name], dtype)
            table[name].unit, table[name].description = unit, description
    except (TypeError, ValueError, OverflowError) as err:
        raise BadAnswerError(f"the answer's column {name} cannot be read: {err}", url) from err
    if any(np.ma.getmaskarray(table[name]).any() for name in POSITION):
        raise BadAnswerError("the answer has objects without a position", url)
    chord = unit_vectors(np.asarray(table["ra"]), np.asarray(table["dec"])) - unit_vectors(ra[target], dec[target])
    separation = np.degrees(2 * np.arcsin(np.minimum(1, np.linalg.norm(chord, axis=-1) / 2))) * 3600
    table["separation"] = Column(separation, unit=u.arcsec, description="Separation from the target")
    keys = [sign * np.ma.filled(np.ma.asarray(table[name]), 0) for name, sign in order]
    return table[np.lexsort([*keys[::-1], separation, target])]


def read_texts(values):
    """Texts of an answer, masked where there is none.

    Parameters
    ----------
    values : array-like
        Of str, bytes or numbers.

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
