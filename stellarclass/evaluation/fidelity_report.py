# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The fidelity report: one HTML file with all pictures in it, one JSON file with all numbers, a short table of text."""

import base64
import html
import json
from io import BytesIO
from pathlib import Path

import numpy as np
from astropy import units as u

from .. import __version__
from . import fidelity_plots as plots
from .tellapart import chance_limit

__all__ = ["numbers", "text_table", "write_report"]

JSON_NAME, HTML_NAME, TEXT_NAME = "fidelity.json", "fidelity.html", "fidelity.txt"
"""Names of the files."""

_SECTIONS = (
    ("The sky", "sky", plots.plot_sky, "The same piece of sky, on the same scale."),
    ("Isolated stars", "stamps", plots.plot_stamps, "What the classifiers see of some of them."),
    ("Background noise", "noise", plots.plot_noise, "Pixels near the sky's level; steps are whole counts."),
    ("Widths of stars", "widths", plots.plot_widths, "Cumulative; of stars bright enough on both sides."),
    ("Wings", "wings", plots.plot_wings, "Median over the same stars; where it is missing it is below zero."),
    ("Counts", "counts", plots.plot_counts, "Everything that stands out of the noise, galaxies included."),
    ("Magnitude errors", "errors", plots.plot_errors, "The squares are what the twin's magnitudes are truly off by."),
    (
        "Colors",
        "colors",
        plots.plot_colors,
        "Lonely point sources with errors below 0.1 mag, as observed, not dereddened.",
    ),
)


def _round(value, digits=4):
    return None if value is None or not np.isfinite(value) else round(float(value), digits)


def _all_verdicts(results, pooled):
    found = [v for result in results for v in (*(m.verdict for m in result.bands.values()), result.verdict)]
    return [v for v in (*found, pooled) if v is not None]


def _verdict(verdict, everyone):
    if verdict is None:
        return None
    return {
        "auc": _round(verdict.auc),
        "auc_by_chance_95_percent": _round(chance_limit(everyone, verdict.n_stars)),
        "auc_low": _round(verdict.low),
        "auc_high": _round(verdict.high),
        "by_classifier": {name: _round(value) for name, value in verdict.by_classifier.items()},
        "single_features": {name: _round(value, 3) for name, value in list(verdict.importance.items())[:8]},
        "stars": verdict.n_stars,
    }


def numbers(results, *, pooled=None, gaia=None, seed=None):
    """Everything that was measured, ready for JSON.

    Parameters
    ----------
    results : list of `~stellarclass.evaluation.fidelity.Fidelity`
    pooled : `~stellarclass.evaluation.tellapart.Verdict`, optional
        Of all fields together.
    gaia : `~astropy.table.QTable`, optional
        As `stellarclass.evaluation.fidelity_gaia.compare_gaia` returns it.
    seed : int, optional
        Of the twins.

    Returns
    -------
    dict
    """
    fields, everyone = {}, _all_verdicts(results, pooled)
    for result in results:
        bands = {}
        for band, m in result.bands.items():
            bands[band] = {
                "noise_real": _round(m.noise[0], 6),
                "noise_ratio": _round(m.noise_ratio),
                "fwhm_real_arcsec": _round(np.median(m.fwhm[0])) if len(m.fwhm[0]) else None,
                "fwhm_ratio": _round(m.fwhm_ratio),
                "fwhm_ratio_at_10_50_90_percent": [_round(v) for v in m.fwhm_quantiles],
                "fwhm_stars": len(m.fwhm[0]),
                "wings_real": [_round(v, 7) for v in m.wings[0]],
                "wings_twin": [_round(v, 7) for v in m.wings[1]],
                "counts_real": m.counts[0].tolist(),
                "counts_twin": m.counts[1].tolist(),
                "counts_first_magnitude": float(m.edges[0]),
                "told_apart": _verdict(m.verdict, everyone),
            }
        fields[str(result.key)] = {
            "isolated_stars": result.stars,
            "missing_bands": sorted(set("ugriz") - set(result.bands)),
            "told_apart": _verdict(result.verdict, everyone),
            "bands": bands,
        }
    content = {
        "stellarclass": __version__,
        "seed": seed,
        "fields": fields,
        "told_apart_all_fields": _verdict(pooled, everyone),
    }
    if gaia is not None and len(gaia):
        content["gaia"] = {name: [_round(v) for v in u.Quantity(gaia[name]).value] for name in gaia.colnames}
    return content


def text_table(results, *, pooled=None, gaia=None):
    """Summarize in a few lines.

    Parameters
    ----------
    results, pooled, gaia
        As in `numbers`.

    Returns
    -------
    list of str
    """
    everyone = _all_verdicts(results, pooled)
    lines = [
        "field         band  stars  noise   FWHM    FWHM 10 % 90 %   AUC    68 % interval  null 95 %  worst classifier"
    ]
    for result in results:
        for band, m in result.bands.items():
            low, _, high = m.fwhm_quantiles
            lines.append(
                f"{result.key!s:13} {band:5} {_count(m.verdict):>5}  {m.noise_ratio:.3f}  {_number(m.fwhm_ratio)}   "
                f"{_number(low)}  {_number(high)}   {_words(m.verdict, everyone)}"
            )
        lines.append(f"{result.key!s:13} all   {_count(result.verdict):>5}  {'':39}{_words(result.verdict, everyone)}")
    if pooled is not None:
        lines.append(f"{'all fields':13} all   {_count(pooled):>5}  {'':39}{_words(pooled, everyone)}")
    lines.append("")
    lines.append("noise and FWHM: simulated over real; AUC: 0.5 is telling them apart by guessing, 1 with certainty;")
    lines.append("null 95 %: what it stays below in 95 % of cases if there is nothing to find, by swapping in pairs")
    if gaia is not None and len(gaia):
        ratio = (gaia["parallax_simulated"] / gaia["parallax_real"]).to_value(u.one)
        lines.append(
            f"Gaia parallax errors, simulated over real, G = {gaia['g_mag'][0].value:g} to "
            f"{gaia['g_mag'][-1].value:g}: "
            f"{ratio.min():.2f} to {ratio.max():.2f}, median {np.median(ratio):.2f}"
        )
    return lines


def _number(value):
    return f"{value:.3f}" if np.isfinite(value) else "-    "


def _count(verdict):
    return "-" if verdict is None else str(verdict.n_stars)


def _words(verdict, everyone):
    if verdict is None:
        return "too few stars"
    worst = max(verdict.by_classifier, key=verdict.by_classifier.get)
    limit = _number(chance_limit(everyone, verdict.n_stars))
    return f"{verdict.auc:.3f}  {verdict.low:.3f}-{verdict.high:.3f}    {limit}      {worst}"


def write_report(folder, results, *, pooled=None, gaia=None, seed=None):
    """Write the report.

    Parameters
    ----------
    folder : path-like
        Made if there is none; files of the same names in it are replaced.
    results, pooled, gaia, seed
        As in `numbers`.

    Returns
    -------
    list of `~pathlib.Path`
        ``fidelity.html`` with pictures, ``fidelity.json``, ``fidelity.txt``.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    table = "\n".join(text_table(results, pooled=pooled, gaia=gaia))
    parts = [_HEAD, "<h1>Real and simulated</h1>", f"<pre>{html.escape(table)}</pre>"]
    for result in results:
        parts.append(f"<h2>Field {result.key}, {result.stars} isolated stars</h2>")
        for title, _, draw, words in _SECTIONS:
            parts.append(f"<h3>{title}</h3><p>{words}</p>{_image(draw(result), f'{title}, field {result.key}')}")
    if gaia is not None and len(gaia):
        parts.append(f"<h2>Gaia</h2>{_image(plots.plot_gaia(gaia), 'Errors of Gaia against G')}")
    parts.append(f"<p>stellarclass {html.escape(__version__)}, seed {seed}</p></body></html>")
    contents = {
        HTML_NAME: "\n".join(parts),
        JSON_NAME: json.dumps(numbers(results, pooled=pooled, gaia=gaia, seed=seed), indent=1) + "\n",
        TEXT_NAME: table + "\n",
    }
    paths = []
    for name, content in contents.items():
        path = folder / name
        path.write_text(content, "utf-8")
        paths.append(path)
    return paths


_HEAD = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Real and simulated</title>
<style>body{font-family:sans-serif;max-width:75em;margin:auto;padding:1em}img{max-width:100%}pre{overflow:auto}</style>
</head><body>"""


def _image(figure, text):
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=80)
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    return f'<img alt="{html.escape(text)}" src="data:image/png;base64,{data}">'
