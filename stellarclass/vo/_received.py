# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Tables from strangers: `read_received` takes the address in a SAMP message, which may be anything.

Whoever is registered with the hub can send one, Web pages among them that the user let in. So the address is of a
scheme that can only be a table, what is there is copied with limits on size and time, looked at for what makes readers
open other files or take more memory than the file has, and only then read. Reasons for a refusal never quote what is in
a file.
"""

import os
import stat
from pathlib import Path
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

from ..archives.transport import Transport
from ..exceptions import ArchiveError, InputError
from ..tables import read_table
from ..tables._guard import VOTableCheck, check_fits, parse_votable, too_large, too_many
from ._hub import printable

__all__ = ["MAX_BYTES", "MAX_ROWS", "read_received"]

MAX_BYTES = 200_000_000
"""Bytes of a table that are accepted from a SAMP message."""

MAX_ROWS = 100_000
"""Stars in it."""

_LONGEST_ADDRESS = 4096
_SECONDS = 120.0  # for an address to deliver
_SILENCE = 20.0
_MEMORY = 4  # times MAX_BYTES that a table may take in memory, as far as its header tells
_LOCAL = ("127.0.0.1", "localhost", "[::1]")

_COMPRESSED = {
    b"\x1f\x8b": "gzip",
    b"\x1f\x9d": "compress",
    b"BZh": "bzip2",
    b"PK\x03\x04": "zip",
    b"\xfd7zXZ": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
}


def read_received(address, format, *, folder, max_bytes=MAX_BYTES, max_rows=MAX_ROWS):
    """Read the table that a message names.

    Parameters
    ----------
    address : str
        ``file``, ``http`` or ``https``.
    format : {"votable", "fits"}
        What it has to be.
    folder : path-like
        Of our own, for the copy that is read.
    max_bytes, max_rows : int, optional
        Limits.

    Returns
    -------
    `~astropy.table.QTable`

    Raises
    ------
    stellarclass.exceptions.InputError
        If the address or what is there is not taken; the message says why, in words that can be passed on.
    """
    copy = Path(folder) / "received"
    try:
        _copy(address, copy, max_bytes)
        with copy.open("rb") as stream:
            start = stream.read(256)
        _check_start(start, format)
        (_check_votable if format == "votable" else _check_fits)(copy, max_bytes, max_rows)
        try:
            table = read_table(copy, format=format)
        except InputError as err:
            # The reader's own words may quote the file.
            raise InputError(f"it cannot be read as {_names(format)} ({type(err.__cause__).__name__})") from err
        if len(table) > max_rows:
            raise InputError(too_many(len(table), max_rows))
        return table
    finally:
        copy.unlink(missing_ok=True)


def _names(format):
    return "a VOTable" if format == "votable" else "a FITS table"


# ---- the address


def _copy(address, copy, max_bytes):
    """Bring what is at an address into a file of our own, at most so many bytes of it."""
    if not isinstance(address, str) or not address.strip():
        raise InputError("the message has no url")
    if len(address) > _LONGEST_ADDRESS:
        raise InputError(f"the url has {len(address)} characters, more than the {_LONGEST_ADDRESS} accepted")
    try:
        parts = urlsplit(address.strip())
        host = parts.hostname
    except ValueError:
        raise InputError("the url is not one") from None
    scheme = parts.scheme.lower()
    if scheme == "file":
        if host not in (None, "", "localhost", "127.0.0.1"):
            raise InputError(f"the url names a file of another machine, {printable(host)}")
        _copy_file(url2pathname(parts.path) if os.name == "nt" else unquote(parts.path), copy, max_bytes)
    elif scheme in ("http", "https"):
        if not host or parts.username is not None or parts.password is not None:
            raise InputError("the url has no host, or a password")
        _copy_web(address.strip(), copy, max_bytes)
    else:
        raise InputError(f"the url is of scheme {printable(scheme, 20)!r}; file, http and https are taken")


def _copy_file(path, copy, max_bytes):
    if "\0" in path or not os.path.isabs(path):
        raise InputError("the url names no file")
    nothing = InputError("there is no regular file at the url that can be read")
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_BINARY", 0)
    try:
        # Before opening: to open a device may do something. And after it, for it may be another file by then.
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise nothing
        source = os.open(path, flags)
    except OSError:
        raise nothing from None
    with os.fdopen(source, "rb") as stream, copy.open("wb") as target:
        found = os.fstat(source)
        if not stat.S_ISREG(found.st_mode):
            raise nothing
        if found.st_size > max_bytes:
            raise InputError(too_large(f"the file has {found.st_size} bytes", max_bytes))
        if found.st_size == 0:  # so are the files in which an operating system shows itself, some of them endless
            raise InputError("the file is empty")
        left = max_bytes
        try:
            while piece := stream.read(min(1 << 20, left + 1)):
                left -= len(piece)
                if left < 0:
                    raise InputError(too_large("the file grows", max_bytes))
                target.write(piece)
        except OSError:
            raise nothing from None


class _Direct(Transport):
    """Other programs on this machine are never behind a proxy."""

    def _session(self):
        session = super()._session()
        session.proxies = {f"{scheme}://{host}": "" for scheme in ("http", "https") for host in _LOCAL}
        return session


def _copy_web(url, copy, max_bytes):
    def write(pieces):
        with copy.open("wb") as target:
            for piece in pieces:
                target.write(piece)

    try:
        # At most five redirections, and only to http or https.
        _Direct(timeout=_SILENCE, time_budget=_SECONDS, retries=0).fetch(url, write, limit=max_bytes, once=True)
    except ArchiveError as err:
        raise InputError(f"the url gives no table: {printable(err.reason, 200)}") from err


# ---- what was there


def _check_start(start, format):
    """Whether it begins as a table does; most of what is not one ends here, before any reader sees it."""
    for magic, name in _COMPRESSED.items():
        if start.startswith(magic):
            raise InputError(f"it is compressed ({name}), which may hide any size; send it as it is")
    text = start.replace(b"\0", b"").lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n")
    if not (text.startswith((b"<?xml", b"<VOTABLE", b"<!")) if format == "votable" else start.startswith(b"SIMPLE  =")):
        raise InputError(f"it is not {_names(format)}")


def _check_votable(path, max_bytes, max_rows):
    limits = {"max_memory": _MEMORY * max_bytes, "max_value": max_bytes, "max_rows": max_rows}
    with path.open("rb") as stream:
        parse_votable(stream, VOTableCheck(**limits, inside_only=True))


def _check_fits(path, max_bytes, max_rows):
    try:
        with path.open("rb") as stream:
            found = check_fits(stream, path.stat().st_size, max_memory=_MEMORY * max_bytes, max_rows=max_rows)
    except InputError:
        raise
    except Exception as err:  # astropy fails as the damage leads it to
        raise InputError(f"it cannot be read as a FITS table ({type(err).__name__})") from err
    if not found:
        raise InputError("the FITS file holds no table")
