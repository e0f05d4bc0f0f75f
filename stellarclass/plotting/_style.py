# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What all pictures share: the colors of the classes, and the columns of any output table."""

import re

import numpy as np
from astropy import units as u

__all__ = [
    "CLASS_COLORS",
    "CLASS_MARKERS",
    "UNKNOWN_COLOR",
    "by_class",
    "class_names",
    "class_probabilities",
    "column_values",
    "current_axes",
    "plain_log_ticks",
    "result_column",
    "result_name",
]

CLASS_COLORS = {
    "O": "#CC79A7",
    "B": "#332288",
    "A": "#0072B2",
    "F": "#56B4E9",
    "G": "#009E73",
    "K": "#E69F00",
    "M": "#D55E00",
}
"""Color of each class, hot to cool: the set of Okabe & Ito (2008), told apart by color-blind readers too."""

CLASS_MARKERS = {"O": "*", "B": "p", "A": "o", "F": "s", "G": "D", "K": "^", "M": "v"}
"""Marker of each class, for readers without color."""

UNKNOWN_COLOR = "#999999"


def class_probabilities(table):
    """Names of the C classes that have a column ``prob_...``, and their probabilities (N, C), NaN where masked."""
    names = list(map(str, table.colnames))
    answer = result_name(names, "spectral_class")  # a user's own prob_member comes before it
    ours = names[names.index(answer) :] if answer in names else []
    letters = [match.group(1) for name in ours if (match := re.fullmatch(r"prob_(\w+?)(_stellarclass\d*)?", name))]
    columns = [column_values(table, f"prob_{letter}") for letter in letters]
    return [letter.upper() for letter in letters], np.array(columns, float).reshape(len(columns), len(table)).T


def result_name(names, name):
    """The one of the names that is ours: in an augmented table ``radius_stellarclass``, behind a user's ``radius``."""
    pattern = re.compile(rf"{re.escape(name)}(_stellarclass\d*)?")
    found = [other for other in names if pattern.fullmatch(str(other))]
    return found[-1] if found else name


def result_column(table, name):
    """A column of the result, also in a table that `classify_table` augmented."""
    return table[result_name(table.colnames, name)]


def column_values(table, name, unit=None):
    """A column as float ndarray in the given unit, NaN where masked, whatever kind of table it comes from."""
    column = result_column(table, name)
    mask = np.broadcast_to(np.asarray(getattr(column, "mask", False)), len(table))
    column = getattr(column, "unmasked", column)
    if unit is not None and getattr(column, "unit", None) is not None:
        column = u.Quantity(column).to_value(unit)
    return np.where(mask, np.nan, np.ma.getdata(np.ma.asarray(column)).astype(float))


def class_names(table):
    """The class of each row as str, empty where masked."""
    column = result_column(table, "spectral_class")
    mask = np.broadcast_to(np.asarray(getattr(column, "mask", False)), len(table))
    return np.where(mask, "", np.asarray(getattr(column, "unmasked", column)).astype(str))


def current_axes(ax):
    if ax is None:
        from matplotlib import pyplot as plt

        ax = plt.gca()
    return ax


def plain_log_ticks(axis):
    """Label a logarithmic axis with plain numbers, 1, 2 and 5 of each decade."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def by_class(table):
    """Yield (class, mask, style) of the classes that occur, hot to cool."""
    classes = class_names(table)
    for name, color in CLASS_COLORS.items():
        chosen = classes == name
        if chosen.any():
            yield name, chosen, {"color": color, "marker": CLASS_MARKERS[name], "label": name}
