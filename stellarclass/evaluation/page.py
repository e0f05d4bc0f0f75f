# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""A page of HTML in one file: text, tables and pictures, nothing loaded from elsewhere, readable on a phone."""

import base64
import html
from io import BytesIO

__all__ = ["Page", "with_interval"]

_STYLE = """
body{font-family:system-ui,sans-serif;line-height:1.45;color:#1a1a1a;background:#fff;max-width:68em;margin:auto;
padding:0 1em 3em}
h1{font-size:1.6em;margin-bottom:.2em}h2{font-size:1.25em;margin-top:2em;border-bottom:1px solid #ccc}
h3{font-size:1.05em;margin-bottom:.3em}
figure{margin:1em 0}img{max-width:100%;height:auto;display:block}figcaption,p.note{color:#444;font-size:.92em}
.table{overflow-x:auto;margin:.6em 0}table{border-collapse:collapse;font-size:.9em;font-variant-numeric:tabular-nums}
th,td{padding:.25em .6em;text-align:right;white-space:nowrap;border-bottom:1px solid #ddd;vertical-align:top}
th{background:#f2f4f7;border-bottom:2px solid #bbb;vertical-align:bottom}
th:first-child,td:first-child,td.text{text-align:left}
td:first-child{position:sticky;left:0;background:#fff;white-space:normal;min-width:7.5em;max-width:13em}
td small{display:block;color:#666;font-size:.82em}
.banner{background:#fff4d6;border-left:4px solid #e69f00;padding:.5em 1em}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.15em 1em;font-size:.92em}dt{color:#555}
dd{margin:0;overflow-wrap:anywhere}nav{font-size:.92em}nav a{margin-right:1em;display:inline-block}
"""


def with_interval(value, low=None, high=None, *, form=".3f"):
    """A number and, below it, its interval, as a cell of a table.

    Parameters
    ----------
    value : float
        NaN becomes a dash.
    low, high : float, optional
        Ends of the interval.
    form : str
        Format of all three.

    Returns
    -------
    tuple of str
        Number and interval, for `Page.table`.
    """
    if not _finite(value):
        return ("–",)
    if low is None or not (_finite(low) and _finite(high)):
        return (format(float(value), form),)
    between = " to " if low < 0 else "–"
    return format(float(value), form), f"{float(low):{form}}{between}{float(high):{form}}"


def _finite(value):
    return value is not None and value == value and abs(value) != float("inf")


class Page:
    """A page that grows from top to bottom.

    Parameters
    ----------
    title : str
        Heading of the page.

    Examples
    --------
    >>> from stellarclass.evaluation.page import Page
    >>> page = Page("Two & two")
    >>> page.section("Sums")
    >>> page.table(("", "sum"), [("2 + 2", "4")])
    >>> "<td>2 + 2</td><td>4</td>" in page.html()
    True
    """

    def __init__(self, title):
        self.title = title
        self._parts, self._sections = [], []

    def section(self, title):
        """Begin a section.

        Parameters
        ----------
        title : str
        """
        self._sections.append(title)
        self._parts.append(f'<h2 id="s{len(self._sections)}">{html.escape(title)}</h2>')

    def heading(self, title):
        """Begin a part of a section.

        Parameters
        ----------
        title : str
        """
        self._parts.append(f"<h3>{html.escape(title)}</h3>")

    def text(self, words, *, kind=""):
        """Write a paragraph.

        Parameters
        ----------
        words : str
            Plain text.
        kind : {"", "note", "banner"}
            How it looks.
        """
        self._parts.append(f'<p class="{kind}">{html.escape(words)}</p>' if kind else f"<p>{html.escape(words)}</p>")

    def facts(self, pairs):
        """Write names and what they stand for.

        Parameters
        ----------
        pairs : dict of str to str
        """
        rows = "".join(f"<dt>{html.escape(str(k))}</dt><dd>{html.escape(str(v))}</dd>" for k, v in pairs.items())
        self._parts.append(f"<dl>{rows}</dl>")

    def table(self, head, rows, *, note=""):
        """Write a table.

        Parameters
        ----------
        head : sequence of str
            Names of the columns.
        rows : iterable of sequence
            Cells: text, or a tuple of text and a smaller text below it (`with_interval`).
        note : str
            What it shows.
        """
        lines = ["<tr>" + "".join(f"<th>{html.escape(name)}</th>" for name in head) + "</tr>"]
        lines += ["<tr>" + "".join(_cell(cell) for cell in row) + "</tr>" for row in rows]
        if note:
            self.text(note, kind="note")
        self._parts.append(f'<div class="table"><table>{"".join(lines)}</table></div>')

    def figure(self, figure, *, alt, caption=""):
        """Put a picture in.

        Parameters
        ----------
        figure : `~matplotlib.figure.Figure`
        alt : str
            What it shows, for who cannot see it.
        caption : str
            What stands below it.
        """
        buffer = BytesIO()
        figure.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
        data = base64.b64encode(buffer.getvalue()).decode("ascii")
        words = f"<figcaption>{html.escape(caption)}</figcaption>" if caption else ""
        self._parts.append(f'<figure><img alt="{html.escape(alt)}" src="data:image/png;base64,{data}">{words}</figure>')

    def html(self):
        """The whole page.

        Returns
        -------
        str
        """
        title = html.escape(self.title)
        links = "".join(f'<a href="#s{k}">{html.escape(name)}</a>' for k, name in enumerate(self._sections, start=1))
        return (
            f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
            f'<meta name="viewport" content="width=device-width,initial-scale=1"><title>{title}</title>'
            f"<style>{_STYLE}</style></head><body>\n<h1>{title}</h1><nav>{links}</nav>\n"
            + "\n".join(self._parts)
            + "\n</body></html>\n"
        )


def _cell(cell):
    main, *rest = (cell,) if isinstance(cell, str) else cell
    return f"<td>{html.escape(main)}{''.join(f'<small>{html.escape(part)}</small>' for part in rest)}</td>"
