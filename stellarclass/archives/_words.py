# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What an answer says beside its content, and what an error of the libraries below comes down to."""

import re
import socket
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

__all__ = ["innermost", "is_nameless", "page_title", "retry_after"]

_WAITING = frozenset({429, 503})  # with Retry-After: a busy archive, not a broken one


def retry_after(response):
    """Seconds that the answer asks to wait (RFC 9110, section 10.2.3): a number or a date; 0 if it says nothing."""
    if response.status_code not in _WAITING:
        return 0.0
    words = response.headers.get("Retry-After", "").strip()
    if words.isascii() and words.isdigit():
        return float(words[:9])
    try:
        date = parsedate_to_datetime(words)
    except (ValueError, OverflowError):
        return 0.0
    date = date if date.tzinfo else date.replace(tzinfo=UTC)
    return max(0.0, (date - datetime.now(UTC)).total_seconds())


def page_title(body):
    """What an HTML page that came instead of an answer calls itself.

    Parameters
    ----------
    body : bytes

    Returns
    -------
    str or None
        Such as ``an HTML page titled 'Down for maintenance'``; None if it is no HTML page.
    """
    if not body[:2000].lstrip().lower().startswith((b"<!doctype html", b"<html")):
        return None
    title = re.search(rb"<title[^>]*>([^<]{1,200})", body[:20000], re.IGNORECASE)
    return f"an HTML page titled {title[1].decode('utf-8', 'replace').strip()!r}" if title else "an HTML page"


def _bottom(err):
    while err.__cause__ is not None or err.__context__ is not None:
        err = err.__cause__ or err.__context__
    return err


def innermost(err):
    """The words of the operating system, without the layers around them."""
    err = _bottom(err)
    return str(err) or type(err).__name__


def is_nameless(err):
    """Whether the address's host has no name that anybody knows."""
    return err is not None and isinstance(_bottom(err), socket.gaierror)
