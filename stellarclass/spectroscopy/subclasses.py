# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Spectral subclasses, ``"G2"``, as places on a line from hot to cool: ten to a class."""

import re

from ..exceptions import InputError

__all__ = ["LETTERS", "parse_subclass", "subclass_number"]

LETTERS = "OBAFGKM"
"""The classes, hot to cool."""

_SUBCLASS = re.compile(rf"([{LETTERS}])([0-9])(?:\.[0-9])?", re.ASCII)


def parse_subclass(text):
    """Subclass that a label begins with, in whichever way a survey writes it.

    Parameters
    ----------
    text : str
        Such as ``"G2"``, ``"F3/F5V (30743)"``, ``"M4.5V"``, ``"K3III"``; of several the first counts.

    Returns
    -------
    str
        Such as ``"G2"``; empty if the label does not begin with a subclass O0 to M9 (``"WD"``, ``"Carbon"``, ``"CV"``,
        ``"BROADLINE"``, ``"sdM1"``).

    Examples
    --------
    >>> from stellarclass.spectroscopy import parse_subclass
    >>> parse_subclass("F3/F5V (30743)"), parse_subclass("M4.5V"), parse_subclass("WDhotter")
    ('F3', 'M4', '')
    """
    match = _SUBCLASS.match(str(text).strip())
    return match[1] + match[2] if match else ""


def subclass_number(subclass):
    """Place of a subclass on the line: 0 for O0, 42 for G2, 69 for M9.

    Parameters
    ----------
    subclass : str
        Anything that `parse_subclass` understands.

    Returns
    -------
    int

    Raises
    ------
    stellarclass.exceptions.InputError
        If it is no subclass.

    Examples
    --------
    >>> from stellarclass.spectroscopy import subclass_number
    >>> subclass_number("K1") - subclass_number("G2")
    9
    """
    parsed = parse_subclass(subclass)
    if not parsed:
        raise InputError(f"{subclass!r} is no spectral subclass, such as 'G2' (O0 to M9)")
    return 10 * LETTERS.index(parsed[0]) + int(parsed[1])
