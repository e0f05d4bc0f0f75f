# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Fields as they become ready, read by several threads a little ahead of the one who uses them."""

import logging
from collections import Counter
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait

from .._config import conf
from .._progress import progress_bar
from ..exceptions import ArchiveError, ArchiveUnavailableError, NotInArchiveError
from .base import BANDS, Field, FieldKey

__all__ = ["load_fields"]

log = logging.getLogger(__name__)

_AHEAD = 2  # fields under way beside the one in use: 60 MB each


def load_fields(keys, load, *, workers, progress=None):
    """Yield each field once, as soon as all its bands are settled.

    Parameters
    ----------
    keys : iterable of FieldKey
        Fields; doubles are dropped.
    load : callable
        ``load(key, band)`` returns a `Frame`; it runs in a thread. `NotInArchiveError` means that there is no such
        frame, every other `OSError` that it could not be had today, `ArchiveUnavailableError` that it may be soon: such
        a field is put back behind the others, ``conf.put_backs`` times.
    workers : int
        Threads, and therefore frames under way.
    progress : bool, optional
        Whether to show a progress bar; by default on a terminal only.

    Yields
    ------
    Field
        In the order in which they become ready.
    """
    keys = list(dict.fromkeys(FieldKey(*(int(n) for n in key)) for key in keys))
    waiting, under_way, put_back = keys[::-1], {}, Counter()
    pool = ThreadPoolExecutor(max_workers=workers, thread_name_prefix="stellarclass-frames")
    bar = progress_bar(len(keys), enabled=progress, desc="Fields", unit="field")
    try:
        while waiting or under_way:
            while waiting and len(under_way) < _AHEAD:
                key = waiting.pop()
                under_way[key] = {band: pool.submit(load, key, band) for band in BANDS}
            ready = next((k for k, bands in under_way.items() if all(f.done() for f in bands.values())), None)
            if ready is None:
                pending = [f for bands in under_way.values() for f in bands.values() if not f.done()]
                wait(pending, return_when=FIRST_COMPLETED)
                continue
            bands = under_way.pop(ready)
            # Its turn comes again after the others: that is the pause. The bands that came are in the cache by then.
            if put_back[ready] < conf.put_backs and (waiting or under_way) and _is_unavailable(bands):
                put_back[ready] += 1
                waiting.insert(0, ready)
                del bands
                log.info("field %s is put back behind the others", ready)
                continue
            # Built in the expression, so that no reference to a field stays here while the next ones are read.
            yield _settle(ready, bands)
            bar.update()
    finally:
        # Also reached when the consumer stops early: what has not begun is dropped, what has is not waited for.
        pool.shutdown(wait=False, cancel_futures=True)
        bar.close()


def _is_unavailable(bands):
    return any(isinstance(future.exception(), ArchiveUnavailableError) for future in bands.values())


def _settle(key, bands):
    field = Field(key)
    for band in list(bands):
        try:
            field.frames[band] = bands.pop(band).result()
        except NotInArchiveError as err:
            field.missing[band] = str(err)
        except OSError as err:
            field.errors[band] = str(err)
            if isinstance(err, ArchiveUnavailableError):
                field.unavailable.add(band)
            if not isinstance(err, ArchiveError):  # a full disk, a folder without permission: ours, not the archive's
                field.errors[band] = f"{type(err).__name__}: {err}"
            log.info("field %s, band %s: %s", key, band, field.errors[band])  # who uses the field warns
    return field
