# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Progress bars on a terminal and in a notebook, silence in a pipe."""

import sys

__all__ = ["progress_bar"]


def progress_bar(iterable_or_total, *, enabled=None, desc=None, unit="it"):
    """Make a progress bar.

    Parameters
    ----------
    iterable_or_total : iterable or int
        What to go through, or how many steps `update` will count.
    enabled : bool or callable, optional
        Whether to show it; by default only where standard error is a terminal or the program runs in a notebook. A
        callable is told instead: what is being done, how many steps have been taken, and of how many (or `None`).
    desc : str, optional
        What is being done.
    unit : str, optional
        What is being counted.

    Returns
    -------
    tqdm.tqdm
        A context manager with ``update(n)``, and an iterator if an iterable was given; or, for a callable, what has
        these too.

    Examples
    --------
    >>> from stellarclass._progress import progress_bar
    >>> with progress_bar(3, enabled=False, desc="Fields", unit="field") as bar:
    ...     for _ in range(3):
    ...         _ = bar.update()
    """
    if callable(enabled):
        return _Told(iterable_or_total, enabled, desc)
    from tqdm.auto import tqdm

    if enabled is None:
        enabled = _has_an_audience()
    what = {"total": iterable_or_total} if isinstance(iterable_or_total, int) else {"iterable": iterable_or_total}
    return tqdm(**what, disable=not enabled, desc=desc, unit=unit)


class _Told:
    """As much of a bar as is used, for somebody who is called instead."""

    def __init__(self, iterable_or_total, tell, desc):
        whole = isinstance(iterable_or_total, int)
        self.total, self._iterable = (iterable_or_total, ()) if whole else (None, iterable_or_total)
        self.n, self._tell, self._desc = 0, tell, desc or ""

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def __iter__(self):
        for item in self._iterable:
            yield item
            self.update()

    def update(self, n=1):
        self.n += n
        self._tell(self._desc, self.n, self.total)

    def close(self):
        """Nothing is drawn that would have to be cleared."""


def _has_an_audience():
    # In a notebook standard error is no terminal, yet the bar is a widget that somebody looks at.
    return "ipykernel" in sys.modules or bool(getattr(sys.stderr, "isatty", bool)())
