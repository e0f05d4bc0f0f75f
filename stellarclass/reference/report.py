# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The report of a run: what each rule removed, the classes beside the paper's, Figure 1; HTML, ECSV, JSON and PNG."""

import base64
import html
import json
from io import BytesIO, StringIO

import numpy as np
from astropy import units as u
from astropy.table import MaskedColumn, QTable

from .. import __version__
from ..plotting import plot_sample
from ..simulate.samples import REFERENCE_COUNTS
from .columns import numbers, text
from .steps import write_whole

__all__ = ["class_table", "funnel", "text_table", "write_report"]

HTML_NAME, JSON_NAME, FUNNEL_NAME, FIGURE_NAME = "report.html", "report.json", "funnel.ecsv", "figure1.png"
"""Names of the files."""

CLASSES = tuple(REFERENCE_COUNTS)
_MOST_POINTS = 20_000  # more cannot be told apart


def funnel(records):
    """What each rule removed.

    Parameters
    ----------
    records : list of dict
        Of the steps, as `stellarclass.reference.steps.Step` leaves them.

    Returns
    -------
    `~astropy.table.QTable`
        One row per rule: ``step``, ``rule``, ``before``, ``removed``, ``after``, the stars left of each class
        (``n_a`` to ``n_m``), ``applied`` (0: it was only counted how many would go) and ``source``.
    """
    rules = [rule for record in records for rule in record["removals"]]
    table = QTable()
    table["step"] = [rule["step"] for rule in rules]
    table["rule"] = [rule["rule"] for rule in rules]
    for name in ("before", "removed"):
        missing = [rule[name] is None for rule in rules]
        table[name] = MaskedColumn([rule[name] or 0 for rule in rules], mask=missing, dtype=np.int64)
    table["after"] = np.array([rule["after"] for rule in rules], np.int64)
    for name in CLASSES:
        table[f"n_{name.lower()}"] = np.array([rule["classes"].get(name, 0) for rule in rules], np.int64)
    table["applied"] = np.array([rule["applied"] for rule in rules], np.int64)
    table["source"] = [rule["source"] for rule in rules]
    return table


def class_table(table):
    """The stars of each class beside the paper's.

    Parameters
    ----------
    table : `~astropy.table.QTable`
        Of a reference set.

    Returns
    -------
    `~astropy.table.QTable`
        ``spectral_class``, ``stars``, ``train``, ``test``, ``share``, ``paper``, ``paper_share`` (in per cent), and
        ``lamost``, those with a LAMOST class.
    """
    classes, subset = text(table, "spectral_class"), text(table, "subset")
    known = text(table, "lamost_class") != ""
    rows, n, total = [], max(len(table), 1), sum(REFERENCE_COUNTS.values())
    for name, paper in REFERENCE_COUNTS.items():
        here = classes == name
        parts = [int((here & (subset == s)).sum()) for s in ("train", "test")]
        counts = (int(here.sum()), *parts, round(100 * here.sum() / n, 1))
        rows.append((name, *counts, paper, round(100 * paper / total, 1), int((here & known).sum())))
    names = ["spectral_class", "stars", "train", "test", "share", "paper", "paper_share", "lamost"]
    return QTable(rows=rows, names=names, units={"share": u.percent, "paper_share": u.percent})


def text_table(records, table):
    """The report in a few lines of text.

    Parameters
    ----------
    records : list of dict
    table : `~astropy.table.QTable`
        Of the reference set.

    Returns
    -------
    list of str
    """
    lines = [f"{'step':11} {'rule':62} {'removed':>9} {'left':>9}"]
    for row in funnel(records):
        removed = "" if np.ma.is_masked(row["removed"]) else str(row["removed"])
        if not row["applied"]:
            removed = f"({removed})"
        lines.append(f"{row['step']:11} {row['rule'][:62]:62} {removed:>9} {row['after']:>9}")
    lines += ["(in parentheses: counted, not applied)", "", "class   stars   train    test   share   paper's"]
    for row in class_table(table):
        share, theirs = row["share"].value, row["paper_share"].value
        lines.append(
            f"{row['spectral_class']:5} {row['stars']:7} {row['train']:7} {row['test']:7} {share:6.1f}%"
            f" {row['paper']:6} {theirs:5.1f}%"
        )
    train, test = ((table["subset"] == subset).sum() for subset in ("train", "test"))
    lines.append(f"{'all':5} {len(table):7} {train:7} {test:7} {'':7} {sum(REFERENCE_COUNTS.values()):6}")
    return lines


def write_report(folder, records, about, table, *, background=None):
    """Write the report of a run.

    Parameters
    ----------
    folder : `~pathlib.Path`
        Of the run; files of an earlier report are replaced.
    records : list of dict
        Of the steps.
    about : dict
        Of the run: ``started``, ``stellarclass``, ``sources``, ``seed``.
    table : `~astropy.table.QTable`
        Of the reference set.
    background : `~astropy.table.QTable`, optional
        Stars before the cuts, drawn behind the color-magnitude diagram.

    Returns
    -------
    list of `~pathlib.Path`
    """
    figure = _figure(table, background)
    rules, classes = funnel(records), class_table(table)
    lines = text_table(records, table)
    notes = {r["step"]: r["notes"] for r in records if r["notes"]}
    settings = {r["step"]: r["settings"] for r in records if r["settings"]}
    content = {
        "stellarclass": __version__,
        **{name: about[name] for name in ("started", "seed", "sources")},
        "settings": settings,
        "funnel": [rule for record in records for rule in record["removals"]],
        "classes": [dict(zip(classes.colnames, map(_plain, row), strict=True)) for row in classes],
        "notes": notes,
        "summary": _summary(table),
    }
    picture = base64.b64encode(figure).decode("ascii")
    asked = html.escape("; ".join(f"{name}: {source}" for name, source in about["sources"].items()))
    page = [
        _HEAD,
        "<h1>Reference set</h1>",
        f"<p>{len(table)} stars; begun {html.escape(about['started'])}, stellarclass {html.escape(__version__)}, "
        f"seed {about['seed']}. Sources: {asked}.</p>",
        "<h2>What each rule removed</h2>",
        _html_rules(rules),
        "<p>Gray: counted only, no star removed.</p>",
        "<h2>Classes</h2>",
        _html_classes(classes),
        "<p>In brackets: per cent of all. The paper's numbers: Deng et al. 2024, Section 2.1.</p>",
        "<h2>Distributions</h2>",
        f'<img alt="Figure 1 of Deng et al. 2024, for this set" src="data:image/png;base64,{picture}">',
        "<h2>Settings</h2>",
        f"<pre>{html.escape(json.dumps(settings, indent=1))}</pre>",
        "<h2>As text</h2>",
        f"<pre>{html.escape(chr(10).join(lines))}</pre></body></html>",
    ]
    contents = {
        FIGURE_NAME: figure,
        FUNNEL_NAME: _ecsv(rules),
        JSON_NAME: json.dumps(content, indent=1) + "\n",
        HTML_NAME: "\n".join(page) + "\n",
    }
    for name, value in contents.items():
        write_whole(folder / name, value)
    return [folder / name for name in contents]


def _figure(table, background):
    """Figure 1 as a PNG file: `~stellarclass.plotting.plot_sample`, other stars of Gaia in gray behind the diagram."""
    error = numbers(table, "psfmagerr_r", u.mag)
    with np.errstate(divide="ignore", invalid="ignore"):
        snr = 2.5 / np.log(10) / error
    drawing = plot_sample(table, snr=snr)
    if background is not None:
        parallax = numbers(background, "parallax", u.mas)
        with np.errstate(invalid="ignore", divide="ignore"):
            good = parallax > 5 * numbers(background, "parallax_error", u.mas)
            absolute = numbers(background, "phot_g_mean_mag", u.mag) + 5 * np.log10(parallax / 100)
        every = slice(None, None, max(1, int(good.sum()) // _MOST_POINTS))
        color = numbers(background, "bp_rp", u.mag)
        drawing.axes[3].scatter(color[good][every], absolute[good][every], s=2, color="0.85", linewidth=0, zorder=0)
    buffer = BytesIO()
    # Without the version of the library that drew it: the same stars are the same file.
    drawing.savefig(buffer, format="png", dpi=100, metadata={"Software": None})
    return buffer.getvalue()


def _summary(table):
    """Quantiles of what Figure 1 shows."""
    what = {"parallax": u.mas, "radius": u.solRad, "teff": u.K, "phot_g_mean_mag": u.mag, "psfmag_r": u.mag}
    result = {}
    for name, unit in what.items():
        values = numbers(table, name, unit)
        values = values[np.isfinite(values)]
        quantiles = np.quantile(values, [0.05, 0.5, 0.95]) if len(values) else [np.nan] * 3
        result[f"{name} [{unit}] at 5, 50, 95 %"] = [round(float(q), 4) if np.isfinite(q) else None for q in quantiles]
    return result


def _plain(value):
    value = getattr(value, "value", value)
    return value.item() if isinstance(value, np.generic) else value


def _ecsv(table):
    buffer = StringIO()
    table.write(buffer, format="ascii.ecsv", serialize_method="data_mask")
    return buffer.getvalue()


def _html_rules(rules):
    rows = ["<tr><th>step<th>rule<th>removed<th>left" + "".join(f"<th>{name}" for name in CLASSES) + "<th>source</tr>"]
    for row in rules:
        style = "" if row["applied"] else ' class="counted"'
        removed = "" if np.ma.is_masked(row["removed"]) else row["removed"]
        counts = [row[f"n_{name.lower()}"] for name in CLASSES]
        cells = [row["step"], row["rule"], removed, row["after"], *counts, row["source"]]
        rows.append(f"<tr{style}>" + "".join(f"<td>{html.escape(str(cell))}" for cell in cells) + "</tr>")
    return "<table>" + "\n".join(rows) + "</table>"


def _html_classes(classes):
    rows = ["<tr><th>class<th>stars<th>train<th>test<th>with LAMOST's class<th>paper</tr>"]
    for row in classes:
        share, theirs = row["share"].value, row["paper_share"].value
        rows.append(
            f"<tr><td>{row['spectral_class']}<td>{row['stars']} ({share:.1f})<td>{row['train']}<td>{row['test']}"
            f"<td>{row['lamost']}<td>{row['paper']} ({theirs:.1f})</tr>"
        )
    return "<table>" + "\n".join(rows) + "</table>"


_HEAD = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Reference set</title>
<style>body{font-family:sans-serif;max-width:75em;margin:auto;padding:1em}img{max-width:100%}pre{overflow:auto}
table{border-collapse:collapse}td,th{padding:.15em .6em;text-align:left;border-bottom:1px solid #ddd}
.counted{color:#888}</style></head><body>"""
