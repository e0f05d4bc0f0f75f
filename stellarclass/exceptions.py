# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Errors and warnings of stellarclass.

Every error names the value at fault, the limit it broke and the way out::

    StellarclassError
    ├── InputError (ValueError)            what was handed in cannot be understood
    │   └── AmbiguousColumnsError          several columns could hold the positions
    ├── ArchiveError (OSError)             an archive failed: ``url`` and ``reason``
    │   ├── ArchiveUnavailableError        not now: the same request may be answered another time
    │   │   ├── ArchiveTimeoutError        no answer within the time budget
    │   │   ├── ArchiveUnreachableError    no connection: nobody there, or no such address
    │   │   └── CacheError                 the disk under the cache is full or cannot be written
    │   ├── NotInArchiveError              the archive says that it has no such thing
    │   ├── BadAnswerError                 an answer that is not what was asked for (HTML, truncated, not FITS)
    │   └── TruncatedAnswerError           the archive cut the answer at a row limit
    ├── SampError                          no SAMP hub, no such client, or it did not take what was sent
    ├── EnsembleError                      weights or model card missing, damaged or not understood
    └── TrainingError                      training went wrong: the loss is no longer finite

    AstropyUserWarning
    └── StellarclassWarning                the answer is good, yet something deserves attention
"""

from astropy.utils.exceptions import AstropyUserWarning

__all__ = [
    "AmbiguousColumnsError",
    "ArchiveError",
    "ArchiveTimeoutError",
    "ArchiveUnavailableError",
    "ArchiveUnreachableError",
    "BadAnswerError",
    "CacheError",
    "EnsembleError",
    "InputError",
    "NotInArchiveError",
    "SampError",
    "StellarclassError",
    "StellarclassWarning",
    "TrainingError",
    "TruncatedAnswerError",
]


class StellarclassError(Exception):
    """Base of all errors that stellarclass raises on its own account."""


class InputError(StellarclassError, ValueError):
    """The targets, a table or an option cannot be understood."""


class AmbiguousColumnsError(InputError):
    """Several columns could hold the positions; the message lists them."""


class ArchiveError(StellarclassError, OSError):
    """An archive, remote or on disk, did not give what was asked for.

    Parameters
    ----------
    reason : str
        What happened, in words.
    url : str
        Address or path that failed.
    failed : ndarray of int, optional
        Where many things were asked for: the indices of those that remain unanswered.
    partial : `~astropy.table.Table`, optional
        Where many things were asked for: the answer for all the others.
    """

    def __init__(self, reason, url, *, failed=None, partial=None):
        super().__init__(reason, url)
        self.reason = str(reason)
        self.url = str(url)
        self.failed = failed
        self.partial = partial

    def __str__(self):
        return f"{self.reason} ({self.url})"


class ArchiveUnavailableError(ArchiveError):
    """Not now: the archive is down, overloaded or too slow, and the same request may be answered another time.

    What tells a star that can be put back from one that the archive does not have (`NotInArchiveError`).

    Attributes
    ----------
    retry_after : float or None
        Seconds after which it is worth asking again, where that is known.
    """

    retry_after = None


class ArchiveTimeoutError(ArchiveUnavailableError):
    """No answer within the time budget."""


class ArchiveUnreachableError(ArchiveUnavailableError):
    """There is no connection to the archive: nobody answers at its address, or there is no such address."""


class CacheError(ArchiveUnavailableError):
    """The cache could not take what the archive sent: its disk is full, or cannot be written; ``url`` is the file."""


class NotInArchiveError(ArchiveError):
    """The archive answered that it has no such file or row."""


class BadAnswerError(ArchiveError):
    """The answer is not what was asked for: HTML, truncated, damaged."""


class TruncatedAnswerError(ArchiveError):
    """The archive cut its answer at a row limit; nothing of it is used."""


class SampError(StellarclassError):
    """There is no SAMP hub, or no such client, or it did not take what was sent."""


class EnsembleError(StellarclassError):
    """Weights or model card are missing, damaged or not understood."""


class TrainingError(StellarclassError):
    """Training went wrong: the loss is no longer finite."""


class StellarclassWarning(AstropyUserWarning):
    """The answer is good, yet something deserves attention."""
