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
    enabled : bool, optional
        Whether to show it; by default only where standard error is a terminal or the program runs in a notebook.
    desc : str, optional
        What is being done.
    unit : str, optional
        What is being counted.

    Returns
    -------
    tqdm.tqdm
        A context manager with ``update(n)``, and an iterator if an iterable was given.

    Examples
    --------
    >>> from stellarclass._progress import progress_bar
    >>> with progress_bar(3, enabled=False, desc="fields", unit="field") as bar:
    ...     for _ in range(3):
    ...         _ = bar.update()
    """
    from tqdm.auto import tqdm

    if enabled is None:
        enabled = _has_an_audience()
    what = {"total": iterable_or_total} if isinstance(iterable_or_total, int) else {"iterable": iterable_or_total}
    return tqdm(**what, disable=not enabled, desc=desc, unit=unit)


def _has_an_audience():
    # In a notebook standard error is no terminal, yet the bar is a widget that somebody looks at.
    return "ipykernel" in sys.modules or bool(getattr(sys.stderr, "isatty", bool)())
