# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""VOTable's BINARY2 data, column by column: what astropy's writer makes row by row, and many times faster.

`BinaryTable` overrides one method of astropy's TableElement and gives its bytes, bit for bit, for the types below; all
others are left to astropy. Nothing in it knows of stellarclass: it could become ``TableElement._write_binary`` as it
stands, and is kept apart so that it can be proposed there.
"""

import base64
from itertools import pairwise

import numpy as np
from astropy.io.votable import converters
from astropy.io.votable.tree import TableElement

_CODES = {
    converters.UnsignedByte: "u1",
    converters.Short: ">i2",
    converters.Int: ">i4",
    converters.Long: ">i8",
    converters.Float: ">f4",
    converters.Double: ">f8",
    converters.FloatComplex: ">c8",
    converters.DoubleComplex: ">c16",
}
_TEXT = {converters.Char: "ascii", converters.UnicodeChar: "utf_16_be"}
_BLOCK = 1 << 24
"""Bytes worked on at a time; one row may need more."""


class BinaryTable(TableElement):
    """A TABLE element that writes BINARY2 with NumPy."""

    def _write_binary(self, mode, w, **kwargs):
        masks = np.ma.getmaskarray(self.array)
        columns = _encoded(self.fields, self.array.data, masks) if mode == 2 else None
        if columns is None:
            super()._write_binary(mode, w, **kwargs)
            return
        # Flags first: one bit a column, the most significant first, whole bytes.
        nulls = [_null_cells(masks[name]) for name in masks.dtype.names]
        columns.insert(0, np.packbits(np.stack(nulls, axis=1), axis=1))
        with w.tag("BINARY2"), w.tag("STREAM", encoding="base64"):
            w._flush()
            rest = b""
            for piece in _pieces(columns, len(self.array)):
                # Base64 goes in threes; what is left over goes first next time.
                whole = rest + piece
                end = len(whole) // 3 * 3
                w.write(base64.b64encode(memoryview(whole)[:end]).decode("ascii"))
                rest = whole[end:]
            w.write(base64.b64encode(rest).decode("ascii"))


def _null_cells(mask):
    """Where all of a cell is masked, (N,)."""
    return mask if mask.ndim == 1 else mask.all(axis=tuple(range(1, mask.ndim)))


def _encoded(fields, values, masks):
    """Bytes of each column, (N, width) uint8 or a list of N ``bytes``; None if astropy has to do it."""
    columns = []
    for field, name in zip(fields, values.dtype.names, strict=True):
        encoded = _encode(field.converter, values[name], masks[name])
        if encoded is None:
            return None
        columns += encoded
    return columns


def _encode(converter, values, mask):
    """One column as parts that follow one another in each row; None if it is of a type for astropy."""
    kind = type(converter)
    if kind in _TEXT:
        return _encode_text(values, _TEXT[kind]) if converter.arraysize == "*" else None
    is_array = isinstance(converter, (converters.NumericArray, converters.BooleanArray))
    base = type(converter._base) if is_array else kind
    if base is converters.Boolean:
        values = np.where(values, b"T", b"F")
        if is_array:
            values[mask] = b"?"
    elif base not in _CODES:
        return None
    else:
        values = values.astype(_CODES[base])
        # As astropy does: a null flag needs no blank below it, but single elements have no flag of their own.
        if values.dtype.kind == "c" or (is_array and values.dtype.kind == "f"):
            values[mask] = np.nan
        elif is_array and (mask.any(axis=tuple(range(1, mask.ndim))) & ~_null_cells(mask)).any():
            return None
    return [_bytes_of(values)]


def _bytes_of(values):
    """The bytes of each row of an array, (N, width)."""
    n = len(values)
    return np.ascontiguousarray(values).reshape(n, -1).view(np.uint8).reshape(n, -1) if n else np.empty((0, 0), "u1")


def _encode_text(values, encoding):
    """Lengths, in characters of the encoding, and bytes of text of variable length; None if it cannot be encoded."""
    try:
        texts = [v if isinstance(v, bytes) else v.encode(encoding) if v else b"" for v in values.tolist()]
    except (UnicodeEncodeError, AttributeError):
        return None  # astropy says what is wrong with it
    size = 1 if encoding == "ascii" else 2
    if size == 2 and any(isinstance(v, bytes) for v in values.tolist()):
        return None
    lengths = np.fromiter(map(len, texts), ">i4", len(texts)) // size
    return [_bytes_of(lengths.astype(">i4")), texts]


def _pieces(columns, n):
    """The rows of N rows as bytes, some at a time."""
    fixed = sum(c.shape[1] for c in columns if isinstance(c, np.ndarray))
    lengths = [np.fromiter(map(len, c), np.int64, n) for c in columns if isinstance(c, list)]
    rows = max(1, _BLOCK // max(1, fixed))
    edges = [*range(0, n, rows), n]
    for low, high in pairwise(edges):
        yield from _rows(columns, fixed, lengths, low, high)


def _rows(columns, fixed, lengths, low, high):
    """Bytes of rows: text is laid out as wide as the longest, then what no row has is left out."""
    widths = [int(length[low:high].max()) for length in lengths]
    if (high - low) * (fixed + sum(widths)) > _BLOCK and high - low > 1:
        middle = (low + high) // 2
        yield from _rows(columns, fixed, lengths, low, middle)
        yield from _rows(columns, fixed, lengths, middle, high)
        return
    n = high - low
    block = np.empty((n, fixed + sum(widths)), np.uint8)
    keep = np.ones(block.shape, bool) if any(widths) else None
    start, texts = 0, iter(zip(widths, lengths, strict=True))
    for column in columns:
        if isinstance(column, np.ndarray):
            width = column.shape[1]
            block[:, start : start + width] = column[low:high]
        else:
            width, length = next(texts)
            if width:
                padded = np.array(column[low:high], dtype=f"S{width}")
                block[:, start : start + width] = padded.view(np.uint8).reshape(n, width)
                keep[:, start : start + width] = np.arange(width) < length[low:high, None]
        start += width
    yield (block if keep is None else block[keep]).tobytes()
