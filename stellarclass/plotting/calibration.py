# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""How far to trust a result, where the truth is known: probabilities against shares, intervals against coverage."""

from statistics import NormalDist

import numpy as np
from astropy import units as u

from ._style import (
    CLASS_COLORS,
    CLASS_MARKERS,
    UNKNOWN_COLOR,
    by_class,
    class_probabilities,
    column_values,
    current_axes,
    result_name,
)

__all__ = ["plot_coverage", "plot_reliability"]

_ALL = "0.15"
_SN_LIMITS, _SN_COLORS, _SN_MARKERS = (3.0, 10.0), ("#CC79A7", "#56B4E9", "#0072B2"), ("v", "D", "o")
_FEWEST = 10  # stars in a group or a bin, below which its share says nothing


def plot_reliability(table, truth, *, bins=10, by=None, ax=None):
    """Draw how often the answers are right against how probable they are said to be.

    On the diagonal a probability is what it says; below it the answers are too sure of themselves. Bars at the foot
    are the shares of the stars in each bin; a bin of fewer than ten stars has its bar and number, and no point.

    Parameters
    ----------
    table : `~astropy.table.Table`
        Output table.
    truth : array-like of str, shape (N,)
        True class of each row, in the label system of the table. Rows where it is empty, masked or none of the
        table's classes are left out, as are rows without an answer; the picture says how many were used.
    bins : int, optional
        Bins of the probability, of equal width from 0 to 1.
    by : {None, "class"}, optional
        Whether to draw, in place of the probability of the most probable class, that of each class against the share
        of the stars that are of it, in the colors of the classes.
    ax : `~matplotlib.axes.Axes`, optional
        Where to draw; the current axes if not given.

    Returns
    -------
    `~matplotlib.axes.Axes`

    Raises
    ------
    ValueError
        If ``truth`` does not have one class a row, ``bins`` is not positive, ``by`` is unknown, or the table has no
        probabilities.

    Notes
    -----
    The number in the corner is the expected calibration error, the mean distance from the diagonal weighted by the
    stars (Guo et al. 2017, ICML 70, 1321, Eq. 3), by class or of the most probable one as drawn. With N stars it does
    not fall below about ``sqrt(bins / N) / 3``. Error bars are 68 % of the binomial law.
    """
    if by not in (None, "class"):
        raise ValueError(f"by = {by!r}: None or 'class' is meant")
    if isinstance(bins, bool) or not isinstance(bins, (int, np.integer)) or bins < 1:
        raise ValueError(f"bins = {bins!r} is not a positive whole number")
    names, probabilities = class_probabilities(table)
    if not names:
        raise ValueError("the table has no columns prob_...: it is no output table")
    truth = np.ma.filled(np.ma.asarray(truth).astype(str), "")
    if truth.shape != (len(table),):
        raise ValueError(f"truth has shape {truth.shape}, expected one class for each of {len(table)} rows")
    is_it = truth[:, None] == np.array(names)
    used = is_it.any(axis=1) & np.isfinite(probabilities).all(axis=1)
    probabilities, is_it = probabilities[used], is_it[used]

    ax = current_axes(ax)
    ax.plot([0, 1], [0, 1], color="0.4", linewidth=0.9, zorder=1)
    rows = np.arange(len(is_it))
    best = probabilities.argmax(axis=1)
    curves = [("", probabilities[rows, best], is_it[rows, best], {"color": _ALL, "marker": "o"})]
    if by:
        curves = [
            (
                name,
                probabilities[:, k],
                is_it[:, k],
                {"color": CLASS_COLORS.get(name, UNKNOWN_COLOR), "marker": CLASS_MARKERS.get(name, "o")},
            )
            for k, name in enumerate(names)
        ]
    errors = []
    for name, said, right, style in curves:
        x, y, n = _binned(said, right, bins)
        errors.append(np.sum(n * np.abs(y - x)) / max(n.sum(), 1))
        if not by:
            edges = np.minimum((x * bins).astype(int), bins - 1) / bins
            ax.bar(edges, 0.25 * n / max(n.sum(), 1), 1 / bins, align="edge", color="0.85", zorder=0)
            for left, count in zip(edges, n, strict=True):
                ax.annotate(str(count), (left + 0.5 / bins, 0.0), xytext=(0, 2), textcoords="offset points",
                            ha="center", va="bottom", fontsize="x-small", color="0.35")  # fmt: skip
        enough = n >= _FEWEST
        x, y, n = x[enough], y[enough], n[enough]
        ax.errorbar(x, y, yerr=_binomial(y, n), linewidth=1.1, markersize=5, elinewidth=0.9, label=name, **style)
    if by:
        ax.legend(frameon=False, fontsize="small", loc="lower right")
    stars = "star" if len(is_it) == 1 else "stars"
    note = f"{len(is_it)} {stars}\nECE {np.mean(errors):.3f}" if len(is_it) else "0 stars"
    ax.text(0.03, 0.97, note, transform=ax.transAxes, ha="left", va="top", fontsize="small", color="0.35")
    ax.set_xlim(0, 1)
    ax.set_ylim(0, 1)
    ax.set_xlabel("Probability of the class" if by else "Probability of the answer")
    ax.set_ylabel("Share of that class" if by else "Share that is right")
    return ax


def _binned(said, right, bins):
    """Mean probability, share and number of stars of the bins that have any."""
    place = np.minimum((said * bins).astype(int), bins - 1)
    n = np.bincount(place, minlength=bins)
    filled = n > 0
    sums = [np.bincount(place, values, minlength=bins)[filled] for values in (said, right.astype(float))]
    return sums[0] / n[filled], sums[1] / n[filled], n[filled]


def _binomial(share, n):
    """Lengths of the error bars below and above shares (2, M): Wilson's interval, which stays within 0 and 1."""
    center = (share + 0.5 / n) / (1 + 1 / n)
    half = np.sqrt(share * (1 - share) / n + 0.25 / n**2) / (1 + 1 / n)
    return np.maximum([share - center + half, center + half - share], 0)


def plot_coverage(table, truth, *, by=None, ax=None):
    """Draw how many true radii lie in intervals of every nominal level.

    On the diagonal intervals are as wide as they should be; below it they are too narrow. The table holds one interval
    a star, at the level in its metadata, which a dotted line marks: there the curve is that interval's. At other levels
    the distances of its ends from the radius, in log radius, are scaled as those of a normal distribution.

    Parameters
    ----------
    table : `~astropy.table.Table`
        Output table.
    truth : `~astropy.units.Quantity`, shape (N,)
        True radius of each row; rows where it is NaN or masked are left out, as are rows without an answer.
    by : {None, "class", "parallax"}, optional
        Whether to draw a curve for each class or for each range of the parallax over its standard error, beside that
        of all stars; groups of fewer than ten stars are left out.
    ax : `~matplotlib.axes.Axes`, optional
        Where to draw; the current axes if not given.

    Returns
    -------
    `~matplotlib.axes.Axes`

    Raises
    ------
    ValueError
        If ``truth`` does not have one value a row, ``by`` is unknown, or the metadata lack ``radius_level``.
    TypeError, `~astropy.units.UnitsError`
        If ``truth`` has no unit of length.

    Notes
    -----
    The gray band is where 95 % of calibrated answers for as many stars would lie at any one level, by the binomial law.
    """
    if by not in (None, "class", "parallax"):
        raise ValueError(f"by = {by!r}: None, 'class' or 'parallax' is meant")
    key = result_name(table.meta, "radius_level")
    if key not in table.meta:
        raise ValueError("the table's metadata do not say the level of its intervals (radius_level)")
    level = float(table.meta[key])
    true = u.Quantity(getattr(truth, "unmasked", truth)).to_value(u.solRad)
    true = np.where(getattr(truth, "mask", False), np.nan, true)
    if true.shape != (len(table),):
        raise ValueError(f"truth has shape {true.shape}, expected one radius for each of {len(table)} rows")
    radius, low, high = (column_values(table, n, u.solRad) for n in ("radius", "radius_lower", "radius_upper"))
    with np.errstate(invalid="ignore", divide="ignore"):
        off = np.log(true / radius)
        width = np.where(off > 0, np.log(high / radius), np.log(radius / low))
        # The level of the interval whose end the true radius is; 0 in the middle, 1 far outside.
        needed = np.abs(off) / width * NormalDist().inv_cdf(0.5 + level / 2)
    used = np.isfinite(off) & (width > 0)

    ax = current_axes(ax)
    levels = np.linspace(0, 1, 101)
    ax.plot([0, 1], [0, 1], color="0.4", linewidth=0.9, zorder=1)
    ax.axvline(level, color="0.4", linewidth=0.9, linestyle=":", zorder=1)
    if used.any():
        spread = 1.96 * np.sqrt(levels * (1 - levels) / used.sum())
        ax.fill_between(levels, np.clip(levels - spread, 0, 1), np.clip(levels + spread, 0, 1), color="0.9", zorder=0)
    edge = np.array([NormalDist().inv_cdf(0.5 + p / 2) if p < 1 else np.inf for p in levels])
    for name, rows, style in _groups(table, by):
        chosen = np.sort(needed[used & rows])
        if len(chosen) < (1 if name == "all" else _FEWEST):
            continue
        share = np.searchsorted(chosen, edge, side="right") / len(chosen)
        ax.plot(levels, share, linewidth=1.3, markevery=10, markersize=4, label=f"{name} ({len(chosen)})", **style)
    stars = "star" if used.sum() == 1 else "stars"
    note = f"{used.sum()} {stars}"
    if used.any():
        inside = np.mean(needed[used] <= NormalDist().inv_cdf(0.5 + level / 2) * (1 + 1e-12))
        note += f"\n{100 * inside:.0f} % in the\n{100 * level:.0f} % interval"
    ax.text(0.03, 0.97, note, transform=ax.transAxes, ha="left", va="top", fontsize="small", color="0.35")
    if by is not None and used.any():
        ax.legend(frameon=False, fontsize="small", loc="lower right")
    ax.set_xlim(0, 1)
    ax.set_ylim(0, 1)
    ax.set_xlabel("Nominal level of the interval")
    ax.set_ylabel("Share of true radii inside")
    return ax


def _groups(table, by):
    """Name, mask and style of each group of stars, all of them first."""
    yield "all", np.ones(len(table), bool), {"color": _ALL}
    if by == "class":
        for name, rows, style in by_class(table):
            yield name, rows, {"color": style["color"], "marker": style["marker"]}
    elif by == "parallax":
        parallax, error = column_values(table, "parallax", u.mas), column_values(table, "parallax_error", u.mas)
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio = parallax / error
        low, high = _SN_LIMITS
        known = np.isfinite(ratio)
        parts = (known & (ratio < low), known & (ratio >= low) & (ratio < high), known & (ratio >= high))
        names = (f"S/N < {low:g}", f"S/N {low:g} to {high:g}", f"S/N > {high:g}")
        for name, rows, color, marker in zip(names, parts, _SN_COLORS, _SN_MARKERS, strict=True):
            yield name, rows, {"color": color, "marker": marker}
        yield "no parallax", ~known, {"color": UNKNOWN_COLOR, "marker": "s"}
