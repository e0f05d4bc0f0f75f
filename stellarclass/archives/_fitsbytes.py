# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""FITS by the byte: headers and sizes of files that are believed only as far as they are checked."""

from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.utils.exceptions import AstropyWarning

from .._config import conf
from ..exceptions import BadAnswerError, NotInArchiveError

__all__ = ["BLOCK", "DAMAGE", "MAX_HEADER", "data_size", "header_at", "header_end", "read_limited", "what_it_is"]

BLOCK = 2880
_CARD = 80
_END = b"END".ljust(_CARD)
MAX_HEADER = 100 * BLOCK  # SDSS's have 3 blocks
# What reading a damaged header can raise; the warning only where the user makes errors of warnings.
DAMAGE = (KeyError, TypeError, ValueError, IndexError, OverflowError, fits.VerifyError, AstropyWarning)


def read_limited(path, name, *, setting):
    """The bytes of a file that is no larger than the configuration's ``setting`` says."""
    limit = getattr(conf, setting)
    try:
        size = Path(path).stat().st_size
        if size > limit:
            raise BadAnswerError(f"{size} bytes are more than conf.{setting} = {limit}", name)
        with open(path, "rb") as file:
            return file.read(limit)
    except FileNotFoundError as err:
        raise NotInArchiveError("no such file", name) from err


def what_it_is(content):
    """Say in words what came instead of a FITS file."""
    start = bytes(content[:200]).lstrip()
    if not start:
        return "not a FITS file: it is empty"
    if start[:1] == b"<":
        return "not a FITS file but an HTML or XML page"
    return f"not a FITS file: it begins with {start[:16]!r}"


def header_end(content, start):
    """Where the data after the header at ``start`` begin; 0 if the header does not end."""
    for card in range(start, min(len(content), start + MAX_HEADER) - _CARD + 1, _CARD):
        if content[card : card + _CARD] == _END:
            return start + -(-(card + _CARD - start) // BLOCK) * BLOCK
    return 0


def header_at(content, start, name):
    """The header that begins at ``start``, and where its data begin."""
    end = header_end(content, start)
    if not end:
        raise BadAnswerError(f"truncated or damaged: the FITS header at byte {start} does not end", name)
    try:
        return fits.Header.fromstring(content[start:end].decode("ascii")), end
    except DAMAGE as err:
        raise BadAnswerError(f"damaged FITS header at byte {start}: {err}", name) from err


def data_size(header):
    """Bytes of the data unit, without padding (FITS standard 4.0, section 4.4.1.2)."""
    axes = [int(header[f"NAXIS{i + 1}"]) for i in range(_bounded(header, "NAXIS", 9))]
    if any(n < 0 for n in axes):
        raise ValueError(f"negative axis in {axes}")
    size = int(np.prod(axes, dtype=object)) if axes else 0
    return abs(int(header["BITPIX"])) // 8 * int(header.get("GCOUNT", 1)) * (int(header.get("PCOUNT", 0)) + size)


def _bounded(header, keyword, most):
    value = int(header[keyword])
    if not 0 <= value <= most:
        raise ValueError(f"{keyword} = {value} is not within 0 to {most}")
    return value
