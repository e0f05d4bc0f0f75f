# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""How many threads the networks may take of this process."""

import contextlib

import torch

__all__ = ["limited_threads"]


@contextlib.contextmanager
def limited_threads(count):
    """Let torch compute with so many threads for a while.

    Where a process is one of many, each with a core of its own, more threads only get into each other's way; and sums
    over several threads come in another order.

    Parameters
    ----------
    count : int
        One or more.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
