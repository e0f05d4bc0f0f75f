# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""How our objects show themselves in a notebook: a heading, and a table of what matters."""

from html import escape

__all__ = ["summary"]


def summary(title, rows):
    """HTML of a heading and of a table with a name and a value a row.

    Parameters
    ----------
    title : str
        Heading.
    rows : dict of str to object
        What there is to say; values that are `None` or empty are left out. Everything is escaped.

    Returns
    -------
    str

    Examples
    --------
    >>> from stellarclass._html import summary
    >>> summary("Stamps", {"stars": 3, "epoch": None}).count("<tr>")
    1
    """
    left = ' style="text-align: left"'
    cells = "".join(
        f"<tr><th{left}>{escape(name)}</th><td{left}>{escape(str(value))}</td></tr>"
        for name, value in rows.items()
        if value is not None and str(value) != ""
    )
    return f"<div><strong>{escape(title)}</strong><table>{cells}</table></div>"
