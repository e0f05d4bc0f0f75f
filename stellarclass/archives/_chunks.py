# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Many positions, a chunk at a time, so that neither one bad position nor one bad minute costs the others."""

import time
from collections import deque

import numpy as np

from ..exceptions import ArchiveError, ArchiveUnreachableError, TruncatedAnswerError

__all__ = ["ask_in_chunks"]

_FAILURES_IN_A_ROW = 5
"""Requests that fail, without one that succeeds between them, after which the rest of a chunk is given up.

One position on which the archive chokes makes two of them at most, two such positions four."""

_SILENT_CHUNKS = 2
"""Chunks in a row without any answer after which the archive is taken to be down."""


def ask_in_chunks(number, ask, *, size, transport, progress):
    """Ask about positions in chunks; one that fails is asked about in halves, within the same time budget.

    Parameters
    ----------
    number : int
        How many positions.
    ask : callable
        ``ask(index, deadline=, once=)`` asks about the positions ``index``; the other two are for `Transport.fetch`.
    size : int
        Positions in a chunk.
    transport : Transport
        Whose time budget each chunk has.
    progress : object
        Bar whose ``update`` is called with the number of positions that are done.

    Returns
    -------
    answers : list of (ndarray of int, object)
        Indices, and what ``ask`` returned for them, in ascending order.
    failures : list of (ndarray of int, ArchiveError)
        Indices that remain without an answer, and why.
    """
    answers, failures, silent = [], [], 0
    for start in range(0, number, size):
        index = np.arange(start, min(start + size, number))
        got, lost = _ask_chunk(index, ask, transport.deadline())
        answers += sorted(got, key=lambda answer: answer[0][0])
        failures += lost
        progress.update(len(index))
        down = not got and not any(isinstance(error, TruncatedAnswerError) for _, error in lost)
        silent = silent + 1 if down else 0
        if silent == _SILENT_CHUNKS and start + size < number:
            failures.append((np.arange(start + size, number), lost[0][1]))
            break
    return answers, failures


def _ask_chunk(index, ask, deadline):
    answers, failures, in_a_row, first = [], [], 0, None
    parts = deque([index])
    while parts:
        part = parts.popleft()
        try:
            # What failed after all retries is not waited for again until something succeeds.
            answers.append((part, ask(part, deadline=deadline, once=in_a_row > 0)))
            in_a_row = 0
        except ArchiveError as error:
            # An overflow is an answer: half as many positions have half as many rows.
            in_a_row = 0 if isinstance(error, TruncatedAnswerError) else in_a_row + 1
            first = error if in_a_row <= 1 else first  # the one that was tried again says most
            down = isinstance(error, ArchiveUnreachableError) or in_a_row == _FAILURES_IN_A_ROW
            if down or time.monotonic() >= deadline:
                failures += [(lost, first) for lost in (part, *parts)]
                break
            if len(part) == 1:
                failures.append((part, first))
            else:
                parts += [part[: len(part) // 2], part[len(part) // 2 :]]
    return answers, failures
