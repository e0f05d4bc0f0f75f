# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Pictures of how right answers are: confusion matrices, radii against the truth, uncertainties against S/N."""

from itertools import pairwise

import numpy as np
from astropy import units as u

from ._style import current_axes, plain_log_ticks

__all__ = ["plot_confusion", "plot_radius_density", "plot_residuals", "plot_uncertainty"]

_SPREAD_COLOR, _ERROR_COLOR, _OFF_COLOR = "#D55E00", "#0072B2", "0.35"
_FEWEST = 5  # stars in a bin, below which its mean says nothing


def plot_confusion(matrix, classes, *, ax=None):
    """Draw a confusion matrix: numbers of stars, on shades of their share of the true class.

    Parameters
    ----------
    matrix : array-like of int, shape (C, C)
        Row: true class, column: answer, see `stellarclass.metrics.confusion_matrix`.
    classes : sequence of str
        Names of the C classes.
    ax : `~matplotlib.axes.Axes`, optional
        Where to draw; the current axes if not given.

    Returns
    -------
    `~matplotlib.axes.Axes`

    Raises
    ------
    ValueError
        If the matrix has another shape.
    """
    matrix = np.asarray(matrix)
    if matrix.shape != (len(classes), len(classes)):
        raise ValueError(f"matrix of shape {matrix.shape} for {len(classes)} classes")
    ax = current_axes(ax)
    total = matrix.sum(axis=1, keepdims=True)
    share = matrix / np.maximum(total, 1)
    ax.imshow(share, cmap="Blues", vmin=0, vmax=1, aspect="equal")
    for (row, column), count in np.ndenumerate(matrix):
        if count:
            percent = 100 * share[row, column]
            text = f"{count}\n{percent:.0f} %" if percent >= 0.5 else f"{count}"
            color = "white" if share[row, column] > 0.55 else "0.15"
            ax.text(column, row, text, ha="center", va="center", fontsize="small", color=color)
    ax.set_xticks(range(len(classes)), classes)
    ax.set_yticks(range(len(classes)), classes)
    ax.set_xlabel("Answer")
    ax.set_ylabel("Label")
    ax.tick_params(length=0)
    return ax


def _both(truth, answer):
    """True and given radii in R_sun of the stars that have both."""
    values = []
    for name, quantity in (("truth", truth), ("answer", answer)):
        if not isinstance(quantity, u.Quantity):
            raise TypeError(f"{name} without a unit: a Quantity such as 1 solRad is meant")
        numbers = quantity.to(u.solRad)
        mask = getattr(numbers, "mask", False)
        values.append(np.where(mask, np.nan, getattr(numbers, "unmasked", numbers).value))
    if values[0].shape != values[1].shape:
        raise ValueError(f"{values[0].size} true radii and {values[1].size} answers: one each is meant")
    with np.errstate(invalid="ignore"):
        good = (values[0] > 0) & (values[1] > 0) & np.isfinite(values[0]) & np.isfinite(values[1])
    return values[0][good], values[1][good]


def plot_radius_density(truth, answer, *, ax=None):
    """Draw radii against the true ones as a density of stars, with the line where both agree.

    Parameters
    ----------
    truth, answer : `~astropy.units.Quantity`, shape (N,)
        True radii and answers; stars that lack one, or where it is not positive, are left out.
    ax : `~matplotlib.axes.Axes`, optional
        Where to draw; the current axes if not given.

    Returns
    -------
    `~matplotlib.axes.Axes`

    Raises
    ------
    TypeError, `~astropy.units.UnitsError`
        If a radius is a bare number or no length.
    ValueError
        If there is not one answer a star.
    """
    from matplotlib.colors import LogNorm
    from matplotlib.ticker import FuncFormatter, LogLocator

    true, given = _both(truth, answer)
    ax = current_axes(ax)
    if len(true):
        # A fraction of a percent of wild answers must not squeeze all others into a corner.
        bottom, top = np.percentile(given, 0.5, method="higher"), np.percentile(given, 99.5, method="lower")
        both = np.concatenate([true, np.clip(given, 0.6 * bottom, 1.7 * top)])
        low, high = both.min() / 1.15, both.max() * 1.15
        edges = np.geomspace(low, high, 70)
        counts, _, _ = np.histogram2d(true, np.clip(given, low * 1.001, high / 1.001), [edges, edges])
        counts = np.where(counts > 0, counts, np.nan)
        image = ax.pcolormesh(
            edges, edges, counts.T, norm=LogNorm(1, max(np.nanmax(counts), 2)), cmap="viridis_r", rasterized=True
        )
        ticks = LogLocator(subs=(1, 2, 5))
        bar = ax.figure.colorbar(
            image, ax=ax, label="Stars", ticks=ticks, format=FuncFormatter(lambda value, _: f"{value:g}"), pad=0.02
        )
        bar.minorticks_off()
        ax.plot([low, high], [low, high], color="0.15", linestyle="--", linewidth=1)
        ax.set(xscale="log", yscale="log", xlim=(low, high), ylim=(low, high))
        for axis in (ax.xaxis, ax.yaxis):
            plain_log_ticks(axis)
        outside = int(((given < low) | (given > high)).sum())
        note = f"{len(true)} stars" + (f"\n{outside} beyond the axes" if outside else "")
        ax.text(0.03, 0.97, note, transform=ax.transAxes, ha="left", va="top", fontsize="small", color="0.35")
    ax.set_xlabel(r"Reference radius ($R_\odot$)")
    ax.set_ylabel(r"Radius ($R_\odot$)")
    return ax


def plot_residuals(truth, answer, *, relative=False, bins=60, ax=None):
    """Draw a histogram of radius minus true radius.

    Parameters
    ----------
    truth, answer : `~astropy.units.Quantity`, shape (N,)
        As in `plot_radius_density`.
    relative : bool, optional
        Whether to draw ``log10(radius / truth)`` in dex, and not the difference in solar radii.
    bins : int, optional
        Number of bins; the outermost hold all that lies farther out.
    ax : `~matplotlib.axes.Axes`, optional
        Where to draw; the current axes if not given.

    Returns
    -------
    `~matplotlib.axes.Axes`

    Raises
    ------
    TypeError, `~astropy.units.UnitsError`
        If a radius is a bare number or no length.
    ValueError
        If there is not one answer a star.
    """
    true, given = _both(truth, answer)
    ax = current_axes(ax)
    off, unit = (np.log10(given / true), "dex") if relative else (given - true, r"$R_\odot$")
    if len(off):
        edge = max(np.percentile(np.abs(off), 98) * 1.2, 1e-3)
        ax.hist(np.clip(off, -edge, edge), np.linspace(-edge, edge, bins + 1), color=_ERROR_COLOR)
        ax.axvline(0, color="0.15", linestyle="--", linewidth=1)
        note = f"mean {off.mean():+.3f}\nMAE {np.abs(off).mean():.3f}\nσ {off.std():.3f} {unit}"
        box = {"facecolor": "white", "alpha": 0.8, "linewidth": 0}
        ax.text(
            0.98, 0.95, note, transform=ax.transAxes, ha="right", va="top", fontsize="small", color="0.35", bbox=box
        )
        ax.set_xlim(-edge, edge)
    ax.set_xlabel(r"$\log_{10}$(radius / reference) (dex)" if relative else r"Radius − reference ($R_\odot$)")
    ax.set_ylabel("Stars")
    return ax


def plot_uncertainty(snr, error, *, spread=None, off=None, edges=8, ax=None):
    """Draw the mean predicted uncertainty of the radius, and the spread of the members, against the S/N of an image.

    Parameters
    ----------
    snr : array-like, shape (N,)
        Signal-to-noise ratio; stars where it is not positive are left out.
    error : `~astropy.units.Quantity`, shape (N,)
        Predicted standard deviation of the radius.
    spread : `~astropy.units.Quantity`, shape (N,), optional
        Standard deviation between the members' answers.
    off : `~astropy.units.Quantity`, shape (N,), optional
        Radius minus true radius; drawn is ``sqrt(pi / 2)`` times its mean absolute value: the mean uncertainty, if
        errors are normal and the uncertainty is right.
    edges : int or array-like, optional
        Number of bins, each with as many stars, or their edges. Bins of fewer than five stars are left out.
    ax : `~matplotlib.axes.Axes`, optional
        Where to draw; the current axes if not given.

    Returns
    -------
    `~matplotlib.axes.Axes`

    Raises
    ------
    TypeError, `~astropy.units.UnitsError`
        If a radius is a bare number or no length.
    ValueError
        If there is not one value a star.
    """
    ax = current_axes(ax)
    snr = np.asarray(snr, float)
    curves = [("predicted uncertainty", error, _ERROR_COLOR, "o", "-")]
    curves += [("spread of the members", spread, _SPREAD_COLOR, "^", "--")] if spread is not None else []
    curves += [("error", off, _OFF_COLOR, "x", ":")] if off is not None else []
    edges = _equal_bins(snr, edges) if np.ndim(edges) == 0 else np.asarray(edges, float)
    for name, quantity, color, marker, line in curves:
        if not isinstance(quantity, u.Quantity):
            raise TypeError(f"{name} without a unit: a Quantity such as 1 solRad is meant")
        values = np.asarray(getattr(quantity, "unmasked", quantity).to_value(u.solRad), float)
        values = np.where(getattr(quantity, "mask", False), np.nan, values)
        if values.shape != snr.shape:
            raise ValueError(f"{values.size} values of {name} for {snr.size} stars: one each is meant")
        x, y, bars = [], [], []
        for low, high in pairwise(edges):
            inside = (snr >= low) & (snr < high) & np.isfinite(values)
            part = values[inside]
            if len(part) < _FEWEST:
                continue
            x.append(np.median(snr[inside]))
            part = np.sqrt(np.pi / 2) * np.abs(part) if quantity is off else part
            y.append(part.mean())
            bars.append(part.std() / np.sqrt(len(part)))
        ax.errorbar(x, y, yerr=bars, label=name, color=color, marker=marker, linestyle=line, linewidth=1.2,
                    markersize=5, elinewidth=0.9)  # fmt: skip
    if len(edges) > 1:
        ax.set_xscale("log")
        plain_log_ticks(ax.xaxis)
    ax.set_ylim(0, max(ax.get_ylim()[1], 1e-3) * 1.3)  # room for the legend
    ax.legend(frameon=False, fontsize="small")
    ax.set_xlabel("Signal-to-noise ratio in r")
    ax.set_ylabel(r"Mean over the stars ($R_\odot$)")
    return ax


def _equal_bins(snr, bins):
    """Edges of bins of about as many stars each; empty if there is no star."""
    known = snr[np.isfinite(snr) & (snr > 0)]
    if not len(known):
        return np.array([])
    edges = np.unique(np.quantile(known, np.linspace(0, 1, bins + 1)))
    edges[-1] = np.nextafter(edges[-1], np.inf)
    return edges if len(edges) > 1 else np.array([edges[0], np.nextafter(edges[0], np.inf)])
