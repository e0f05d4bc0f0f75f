# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The output table as a person reads it: few columns, aligned, flags in words."""

import numpy as np

__all__ = ["column_values", "count_line", "count_rows", "failed_archives", "text_lines"]


def text_lines(table, *, max_lines=None):
    """Lines of aligned text, one a star below two lines of heading.

    Parameters
    ----------
    table : `~astropy.table.Table`
        Output table.
    max_lines : int, optional
        Stars to show at most; all if not given.

    Returns
    -------
    list of str
    """
    shown = table if max_lines is None else table[:max_lines]
    lines = _readable(shown).pformat(max_lines=-1, max_width=-1, align=[">", ">", "^", ">", "<", ">", ">", ">", "<"])
    if len(shown) < len(table):
        lines.append(f"... and {len(table) - len(shown)} more")
    return [line.rstrip() for line in lines]


def _readable(table):
    from astropy import units as u
    from astropy.table import Table

    from .. import flags

    answered = ~_mask(table["spectral_class"])
    probabilities = [column_values(table[name], None) for name in table.colnames if name.startswith("prob_")]
    best = np.max(probabilities, axis=0)
    columns = {
        "ra": (column_values(table["ra"], u.deg), "deg", ".6f"),
        "dec": (column_values(table["dec"], u.deg), "deg", "+.6f"),
        "class": (_texts(table["spectral_class"]), "", "s"),
        "prob": (best, "", ".2f"),
        "set": (_texts(table["class_set"]), "", "s"),
        "radius": (column_values(table["radius"], u.solRad), "R_sun", ".2f"),
        "error": (column_values(table["radius_err"], u.solRad), "R_sun", ".2f"),
        "parallax": (column_values(table["parallax"], u.mas), "mas", ".2f"),
        "flags": (["|".join(flags.decode(value)) for value in np.asarray(table["flags"])], "", "s"),
    }
    always = {"ra", "dec", "parallax", "flags"}
    view = Table()
    for name, (values, unit, form) in columns.items():
        cells = [
            format(value, form)
            if name == "flags" or (value == value and (ok or name in always) and value != "")
            else "--"
            for value, ok in zip(values, answered, strict=True)
        ]
        view[name] = np.array(cells, dtype=str) if cells else np.array([], dtype="U1")
        if unit:
            view[name].unit = u.Unit("solRad") if unit == "R_sun" else u.Unit(unit)
    return view


def _mask(column):
    return np.broadcast_to(np.asarray(getattr(column, "mask", False)), len(column))


def column_values(column, unit):
    """Numbers of a column, whatever kind of table it comes from.

    Parameters
    ----------
    column : `~astropy.table.Column` or `~astropy.units.Quantity`
        Masked or not.
    unit : `~astropy.units.Unit` or None
        Unit to convert to.

    Returns
    -------
    ndarray
        float64, NaN where masked.
    """
    mask = _mask(column)
    column = getattr(column, "unmasked", column)
    if unit is not None and getattr(column, "unit", None) is not None:
        from astropy.units import Quantity

        column = Quantity(column).to_value(unit)
    return np.where(mask, np.nan, np.ma.getdata(np.ma.asarray(column)).astype(float))


def _texts(column):
    return np.where(_mask(column), "", np.asarray(getattr(column, "unmasked", column)).astype(str))


def count_rows(table):
    """Count the stars by class and the reasons of those without an answer.

    Parameters
    ----------
    table : `~astropy.table.Table`
        Output table.

    Returns
    -------
    classes : dict of str to int
        Stars of each class the ensemble knows, in the table's order.
    reasons : dict of str to int
        Fatal flags and the stars that have them.
    """
    from .. import flags

    classes = _texts(table["spectral_class"])
    known = [name[len("prob_") :].upper() for name in table.colnames if name.startswith("prob_")]
    bits = np.asarray(table["flags"])
    reasons = {b.name: int((bits & b.value != 0).sum()) for b in flags.FLAGS if b.fatal}
    return {name: int((classes == name).sum()) for name in known}, {k: v for k, v in reasons.items() if v}


def count_line(table):
    """Sum a table up in a line, for example ``A 2, F 10, G 7, K 12, M 30; 3 without an answer (not_detected 3)``.

    Parameters
    ----------
    table : `~astropy.table.Table`
        Output table.

    Returns
    -------
    str
    """
    classes, reasons = count_rows(table)
    line = ", ".join(f"{name} {count}" for name, count in classes.items())
    without = len(table) - sum(classes.values())
    if without:
        why = ", ".join(f"{name} {count}" for name, count in reasons.items())
        line += f"; {without} without an answer" + (f" ({why})" if why else "")
    return line


def failed_archives(table):
    """Count the stars for which an archive failed, so that another run may do better.

    Parameters
    ----------
    table : `~astropy.table.Table`
        Output table.

    Returns
    -------
    int
    """
    from .. import flags

    return int((np.asarray(table["flags"]) & (flags.IMAGE_FAILURE | flags.ASTROMETRY_FAILURE) != 0).sum())
