# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Pictures of a sample: how its stars are distributed, where they stand in the color-magnitude diagram."""

import numpy as np
from astropy import units as u

from ._style import (
    CLASS_COLORS,
    CLASS_MARKERS,
    UNKNOWN_COLOR,
    by_class,
    class_names,
    column_values,
    current_axes,
    plain_log_ticks,
)

__all__ = ["plot_class_counts", "plot_distribution", "plot_gaia_cmd", "plot_quantiles", "plot_sample"]

_HATCHES = {"A": "", "F": "////", "G": "", "K": "\\\\\\\\", "M": ""}
_PANELS = 4


def plot_distribution(values, classes=None, *, label="", bins=40, log=False, ax=None):
    """Draw a histogram, its bars parted by class.

    Parameters
    ----------
    values : `~astropy.units.Quantity`, shape (N,)
        What is distributed; values that are NaN or masked are left out, and so are those that are not positive on a
        logarithmic axis. The picture says how many.
    classes : array-like of str, shape (N,), optional
        Class of each star, empty or masked where unknown; without it there is one color.
    label : str, optional
        Name of the axis; the unit is added.
    bins : int, optional
        Number of bins, from the smallest value to the largest.
    log : bool, optional
        Whether the axis and the bins are logarithmic.
    ax : `~matplotlib.axes.Axes`, optional
        Where to draw; the current axes if not given.

    Returns
    -------
    `~matplotlib.axes.Axes`

    Raises
    ------
    TypeError
        If the values have no unit.
    ValueError
        If there is not one class a value.
    """
    if not isinstance(values, u.Quantity):
        raise TypeError("values without a unit: a Quantity is meant")
    unit, missing = values.unit, np.broadcast_to(getattr(values, "mask", False), values.shape)
    numbers = np.where(missing, np.nan, np.asarray(getattr(values, "unmasked", values).value, float))
    names = np.full(len(numbers), "") if classes is None else np.ma.filled(np.ma.asarray(classes).astype(str), "")
    if names.shape != numbers.shape:
        raise ValueError(f"{names.size} classes for {numbers.size} values: one each is meant")
    with np.errstate(invalid="ignore"):
        shown = np.isfinite(numbers) & ((numbers > 0) | (not log))
    ax = current_axes(ax)
    if shown.any():
        low, high = numbers[shown].min(), numbers[shown].max()
        if low == high:
            low, high = (low / 1.1, high * 1.1) if log else (low - 0.5, high + 0.5)
        edges = np.geomspace(low, high, bins + 1) if log else np.linspace(low, high, bins + 1)
        edges[[0, -1]] = low, high  # geomspace may round the largest value out of the last bin
        kinds = [name for name in CLASS_COLORS if (names[shown] == name).any()]
        rest = shown & ~np.isin(names, kinds)
        parts = [(numbers[shown & (names == name)], CLASS_COLORS[name], name) for name in kinds]
        parts += [(numbers[rest], UNKNOWN_COLOR, "no class" if classes is not None else None)] if rest.any() else []
        _, _, drawn = ax.hist(
            [part for part, _, _ in parts],
            edges,
            histtype="stepfilled",  # an outline a class: bars would be ten times the work
            stacked=True,
            color=[color for _, color, _ in parts],
            label=[name for _, _, name in parts],
            edgecolor="white",
            linewidth=0.4,
        )
        for (outline,), (_, _, name) in zip(drawn if len(parts) > 1 else [drawn], parts, strict=True):
            outline.set_hatch(_HATCHES.get(name, ""))
    if log:
        ax.set_xscale("log")
        if shown.any() and high < 1000 * low:
            plain_log_ticks(ax.xaxis)
    left_out = len(numbers) - int(shown.sum())
    note = f"{shown.sum()} stars" + (f"\n{left_out} without" if left_out else "")
    ax.text(0.97, 0.97, note, transform=ax.transAxes, ha="right", va="top", fontsize="small", color="0.35")
    ax.set_xlabel(f"{label} ({unit.to_string('unicode')})" if unit != u.one else label)
    ax.set_ylabel("Stars")
    return ax


def plot_class_counts(parts, *, expected=None, ax=None):
    """Draw how many stars of each class there are in the parts of a set.

    Parameters
    ----------
    parts : dict of str to array-like of str
        Class of each star of each part (training, validation), in which a star may stand several times.
    expected : dict of str to float, optional
        Share of each class that is meant, of the first part; drawn as a line across its bar.
    ax : `~matplotlib.axes.Axes`, optional
        Where to draw; the current axes if not given.

    Returns
    -------
    `~matplotlib.axes.Axes`
    """
    ax = current_axes(ax)
    classes = [np.asarray(values).astype(str) for values in parts.values()]
    known = [name for name in CLASS_COLORS if any((values == name).any() for values in classes)]
    width = 0.8 / max(len(parts), 1)
    for k, values in enumerate(classes):
        for place, name in enumerate(known):
            left = place - 0.4 + k * width
            count = int((values == name).sum())
            style = {"color": CLASS_COLORS[name]} if k == 0 else {"facecolor": "white", "edgecolor": CLASS_COLORS[name]}
            ax.bar(left, count, width, align="edge", hatch="////" * (k % 2), **style)
            if k == 0 and expected is not None:
                meant = expected.get(name, 0) * len(values) / sum(expected.values())
                ax.hlines(meant, left - 0.06, left + width + 0.06, color="0.15", linewidth=1.2)
    ax.set_xticks(range(len(known)), known)
    ax.set_ylabel("Draws")
    return ax


def plot_gaia_cmd(table, *, snr=None, min_parallax_snr=5.0, ax=None):
    """Draw absolute G magnitude against BP - RP, in the colors of the classes.

    Parameters
    ----------
    table : `~astropy.table.Table`
        With ``phot_g_mean_mag``, ``bp_rp``, ``parallax``, ``parallax_error`` and ``spectral_class``: a table of
        reference stars.
    snr : array-like, shape (N,), optional
        Signal-to-noise ratio of each star; larger points have more.
    min_parallax_snr : float, optional
        Stars whose parallax is fewer standard errors above zero are left out; the picture says how many.
    ax : `~matplotlib.axes.Axes`, optional
        Where to draw; the current axes if not given.

    Returns
    -------
    `~matplotlib.axes.Axes`
    """
    ax = current_axes(ax)
    g, color = column_values(table, "phot_g_mean_mag", u.mag), column_values(table, "bp_rp", u.mag)
    parallax, error = column_values(table, "parallax", u.mas), column_values(table, "parallax_error", u.mas)
    with np.errstate(invalid="ignore", divide="ignore"):
        absolute = g + 5 * np.log10(np.where(parallax > 0, parallax, np.nan) / 100)
        shown = (parallax > min_parallax_snr * error) & np.isfinite(absolute) & np.isfinite(color)
    base = np.clip(600 / np.sqrt(max(shown.sum(), 1)), 5, 30)
    size = np.full(len(table), base)
    if snr is not None:
        known = np.nan_to_num(np.asarray(snr, float), nan=1.0)
        size = base * np.clip(np.log10(np.maximum(known, 1)) / 2, 0.25, 1.6)
    for _, chosen, style in by_class(table):
        chosen = chosen & shown
        if not chosen.any():
            continue
        ax.scatter(color[chosen], absolute[chosen], s=size[chosen], linewidth=0.2, edgecolor="white", **style)
    ax.invert_yaxis()
    ax.set_xlabel(r"$G_\mathrm{BP} - G_\mathrm{RP}$ (mag)")
    ax.set_ylabel(r"$M_G$ (mag)")
    note = f"{shown.sum()} of {len(table)} stars have\nparallax S/N > {min_parallax_snr:g}"
    ax.text(0.97, 0.97, note, transform=ax.transAxes, ha="right", va="top", fontsize="small", color="0.35")
    return ax


def plot_quantiles(groups, *, label="", unit=None, log=False, ax=None):
    """Draw where the values of several groups lie: a line from 5 to 95 %, a bar from 25 to 75 %, a dot at the median.

    Parameters
    ----------
    groups : dict of str to array-like or `~astropy.units.Quantity`
        Values of each group, the first at the top; NaN is left out, as is what is not positive on a logarithmic axis.
    label : str, optional
        Name of the axis.
    unit : `~astropy.units.Unit`, optional
        Unit of the axis; by default that of the first group, none for plain numbers.
    log : bool, optional
        Whether the axis is logarithmic.
    ax : `~matplotlib.axes.Axes`, optional
        Where to draw; the current axes if not given.

    Returns
    -------
    `~matplotlib.axes.Axes`
    """
    ax = current_axes(ax)
    if unit is None:
        unit = getattr(next(iter(groups.values()), None), "unit", None)
    for place, values in enumerate(groups.values()):
        values = u.Quantity(getattr(values, "unmasked", values)).to_value(unit or u.one)
        values = values[np.isfinite(values) & ((values > 0) | (not log))]
        if not len(values):
            continue
        low, left, middle, right, high = np.percentile(values, [5, 25, 50, 75, 95])
        ax.hlines(place, low, high, color="0.55", linewidth=1.2)
        ax.hlines(place, left, right, color="#0072B2", linewidth=5)
        ax.plot(middle, place, "o", color="white", markeredgecolor="0.15", markersize=5, zorder=3)
    ax.set_yticks(range(len(groups)), list(groups))
    ax.set_ylim(len(groups) - 0.4, -0.6)
    if log:
        ax.set_xscale("log")
        if ax.get_xlim()[1] < 100 * ax.get_xlim()[0]:
            plain_log_ticks(ax.xaxis)
    ax.set_xlabel(f"{label} ({u.Unit(unit).to_string('unicode')})" if unit not in (None, u.one) else label)
    return ax


def plot_sample(table, *, radius="radius", snr=None, title=None, figure=None):
    """Put parallax, proper motion, radius and color-magnitude diagram of reference stars on one page.

    As Figure 1 of Deng et al. (2024).

    Parameters
    ----------
    table : `~astropy.table.Table`
        Reference stars: ``spectral_class``, ``parallax``, ``parallax_error``, ``pmra``, ``pmdec``,
        ``phot_g_mean_mag``, ``bp_rp`` and a radius.
    radius : str, optional
        Column of the radius.
    snr : array-like, shape (N,), optional
        As in `plot_gaia_cmd`.
    title : str, optional
        Heading.
    figure : `~matplotlib.figure.Figure`, optional
        Where to draw, best with a constrained layout; a new one if not given.

    Returns
    -------
    `~matplotlib.figure.Figure`
        A new one is not attached to any window; ``figure.savefig(path)`` writes it.
    """
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    figure = Figure(figsize=(7.2, 6.6), layout="constrained") if figure is None else figure
    axes = figure.subplots(2, 2).ravel()
    classes = class_names(table)
    pm = np.hypot(*(column_values(table, name, u.mas / u.yr) for name in ("pmra", "pmdec"))) * u.mas / u.yr
    columns = (
        (column_values(table, "parallax", u.mas) * u.mas, "Parallax"),
        (pm, "Total proper motion"),
        (column_values(table, radius, u.solRad) * u.solRad, "Radius"),
    )
    for ax, (values, label) in zip(axes, columns, strict=False):
        plot_distribution(values, classes, label=label, log=True, ax=ax)
    plot_gaia_cmd(table, snr=snr, ax=axes[_PANELS - 1])
    counts = {name: int(chosen.sum()) for name, chosen, _ in by_class(table)}
    handles = [
        Line2D([], [], linestyle="none", color=CLASS_COLORS[name], marker=CLASS_MARKERS[name], label=f"{name} ({n})")
        for name, n in counts.items()
    ]
    if handles:
        figure.legend(handles=handles, loc="outside upper right", ncols=len(handles), frameon=False)
    if title:
        figure.suptitle(title, x=0.02, ha="left", fontsize=12)
    return figure
