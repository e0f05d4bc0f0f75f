# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Pictures of the stars that a SAMP message points at."""

import numpy as np

from ..exceptions import InputError
from ..fetch import fetch_stamps
from ..plotting import plot_stars
from ..plotting._style import class_names, column_values

__all__ = ["MOST_STARS", "chosen_rows", "draw_stars"]

MOST_STARS = 12
"""Stars in one picture; of more that are selected, the first."""


def chosen_rows(mtype, params, n):
    """Rows that a message names.

    Parameters
    ----------
    mtype : {"table.highlight.row", "table.select.rowList"}
    params : dict
        ``row``, or ``row-list``, as SAMP writes integers: text.
    n : int
        Rows of the table.

    Returns
    -------
    list of int
        At most `MOST_STARS`.

    Raises
    ------
    stellarclass.exceptions.InputError
        If there are none, or one is not a row of the table.

    Examples
    --------
    >>> from stellarclass.vo._pictures import chosen_rows
    >>> chosen_rows("table.select.rowList", {"row-list": ["0", "7"]}, 10)
    [0, 7]
    """
    given = [params.get("row")] if mtype == "table.highlight.row" else params.get("row-list")
    if not isinstance(given, (list, tuple)):
        raise InputError("row-list is not a list")
    rows = []
    for row in given[:MOST_STARS]:
        text = str(row) if isinstance(row, (str, int)) else ""
        if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) < n):
            raise InputError(f"the message names a row that is none of the table's {n}")
        rows.append(int(text))
    if not rows:
        raise InputError("no row is selected")
    return rows


def draw_stars(path, table, result, rows, *, images):
    """Fetch the images of stars, and draw them into a file; rows are counted from 1 there, as TOPCAT counts them.

    Parameters
    ----------
    path : path-like
        PNG file to write.
    table : `~astropy.table.Table`
        With their positions.
    result : `~astropy.table.Table`
        What came of them.
    rows : list of int
        The stars.
    images : `~stellarclass.archives.ImageSource`
        Where pixels come from.
    """
    stamps = fetch_stamps(table[rows], images=images, progress=False)
    classes = class_names(result)[rows]
    radii, errors = (column_values(result, name, "solRad")[rows] for name in ("radius", "radius_err"))
    titles = [
        f"row {row + 1}: {cls}, {radius:.2f} ± {error:.2f} $R_\\odot$" if cls else f"row {row + 1}: no answer"
        for row, cls, radius, error in zip(rows, classes, radii, errors, strict=True)
    ]
    plot_stars(np.asarray(stamps.images), titles).savefig(path, format="png", dpi=100)
