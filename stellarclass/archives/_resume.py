# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What came of a file before its transfer broke, so that only the rest is asked for (RFC 9110, section 14)."""

import re

__all__ = ["Kept"]

_MOST = 64_000_000  # bytes kept in memory at most; a frame has 3 to 4 million


class Kept:
    """The beginning of one file.

    It is gone on with only if the server says, by ``If-Range``, that the file is still the same one, and sends just the
    range asked for; otherwise everything begins anew.
    """

    def __init__(self):
        self.drop()

    def drop(self):
        """Forget what came."""
        self.pieces, self.size, self.total, self._validator = [], 0, None, ""

    def headers(self):
        """What asks for the rest; nothing where there is no beginning."""
        if not self.size:
            return {}
        return {"Range": f"bytes={self.size}-", "If-Range": self._validator}

    def begin(self, headers, promised):
        """A whole file begins to arrive.

        Parameters
        ----------
        headers : mapping
            The answer's.
        promised : int or None
            Its length in bytes.
        """
        self.drop()
        etag = headers.get("ETag", "")
        validator = etag if re.fullmatch(r'"[\x21\x23-\x7e]*"', etag) else headers.get("Last-Modified", "")
        if validator and promised and promised <= _MOST and "Content-Encoding" not in headers:
            self._validator, self.total = validator, promised

    def add(self, piece):
        """A piece has arrived."""
        if self._validator:
            self.pieces.append(piece)
            self.size += len(piece)

    def continued_by(self, headers):
        """Whether an answer with status 206 is the rest that was asked for."""
        if not self.size or "Content-Encoding" in headers:
            return False
        if headers.get("ETag", self._validator) != self._validator and self._validator.startswith('"'):
            return False
        found = re.fullmatch(r"bytes (\d{1,15})-(\d{1,15})/(\d{1,15})", headers.get("Content-Range", ""), re.ASCII)
        return found is not None and tuple(map(int, found.groups())) == (self.size, self.total - 1, self.total)
