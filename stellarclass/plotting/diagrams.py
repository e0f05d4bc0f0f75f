# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Diagrams of a result: color and magnitude, radii, counts, and all of them on one page."""

import numpy as np
from astropy import units as u

from ..physics import gaia_from_sdss, temperature_from_color
from ._style import (
    CLASS_COLORS,
    UNKNOWN_COLOR,
    by_class,
    class_names,
    class_probabilities,
    column_values,
    current_axes,
    plain_log_ticks,
    result_column,
)
from .fields import plot_field

__all__ = ["plot_classes", "plot_cmd", "plot_hr", "plot_overview", "plot_radius"]

_SUN = 5772.0  # K, IAU 2015 Resolution B3
_TEFF_TICKS = (3000, 4000, 5000, 6000, 8000, 10_000)


def plot_cmd(table, *, min_parallax_snr=5.0, ax=None):
    """Draw absolute r magnitude against g - i, in the colors of the classes.

    Parameters
    ----------
    table : `~astropy.table.Table`
        Output table.
    min_parallax_snr : float, optional
        Stars whose parallax is fewer standard errors above zero are left out, for they have no useful distance; the
        picture says how many.
    ax : `~matplotlib.axes.Axes`, optional
        Where to draw; the current axes if not given.

    Returns
    -------
    `~matplotlib.axes.Axes`
    """
    ax = current_axes(ax)
    g, r, i = (column_values(table, f"psfmag_{band}", u.mag) for band in "gri")
    parallax, error = column_values(table, "parallax", u.mas), column_values(table, "parallax_error", u.mas)
    with np.errstate(invalid="ignore", divide="ignore"):
        absolute = r + 5 * np.log10(np.where(parallax > 0, parallax, np.nan) / 100)
        shown = (parallax > min_parallax_snr * error) & np.isfinite(absolute) & np.isfinite(g - i)
    for _, chosen, style in by_class(table):
        chosen = chosen & shown
        ax.scatter((g - i)[chosen], absolute[chosen], s=22, linewidth=0.4, edgecolor="white", **style)
    ax.invert_yaxis()
    ax.set_xlabel(r"$g - i$ (mag)")
    ax.set_ylabel(r"$M_r$ (mag)")
    note = f"{shown.sum()} of {len(table)} stars have\nparallax S/N > {min_parallax_snr:g}"
    ax.text(0.97, 0.97, note, transform=ax.transAxes, ha="right", va="top", fontsize="small", color="0.35")
    return ax


def plot_hr(table, *, ax=None):
    r"""Draw luminosity against effective temperature, in the colors of the classes, with lines of equal radius.

    The temperature is that of a dwarf of the star's g - i (`stellarclass.physics.temperature_from_color`), the
    luminosity follows from it and from the table's ``radius`` by the law of Stefan and Boltzmann. So stars without a
    parallax are there, too; their error bars say how little is known of them.

    Parameters
    ----------
    table : `~astropy.table.Table`
        Output table; stars without a radius or without magnitudes in g, r and i are left out, and the picture says how
        many are shown.
    ax : `~matplotlib.axes.Axes`, optional
        Where to draw; the current axes if not given.

    Returns
    -------
    `~matplotlib.axes.Axes`

    Notes
    -----
    Temperatures are those of reddened colors, between 2810 and 9700 K, and have no error bars of their own.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from stellarclass import classify, plotting, simulate
    >>> sky = simulate.field(seed=1, n_stars=3)
    >>> table = classify(sky.coords, images=sky.images, astrometry=sky.astrometry)
    >>> plotting.plot_hr(table, ax=Figure().add_subplot()).get_ylabel()
    'Luminosity ($L_\\odot$)'
    """
    from matplotlib.ticker import FixedLocator, NullFormatter, StrMethodFormatter

    ax = current_axes(ax)
    g, r, i = (column_values(table, f"psfmag_{band}", u.mag) * u.mag for band in "gri")
    radius, error = column_values(table, "radius", u.solRad), column_values(table, "radius_err", u.solRad)
    _, bp_rp = gaia_from_sdss(g, r, i)
    teff = temperature_from_color(bp_rp).to_value(u.K)
    with np.errstate(invalid="ignore"):
        shown = (radius > 0) & np.isfinite(teff)
    if shown.any():
        # Before the stars, so that the lines reach from edge to edge and do not stretch the axes.
        hot, cool = teff[shown].max() * 1.1, teff[shown].min() / 1.1
        luminosity = _luminosity(radius[shown], teff[shown])
        low, high = luminosity.min() / 3, luminosity.max() * 3
        ends = np.array([hot, cool])
        for line in (0.1, 0.3, 1.0, 3.0, 10.0, 30.0):
            ax.plot(ends, _luminosity(line, ends), color="0.75", linewidth=0.8, zorder=1)
            at = _luminosity(line, cool * 1.03)
            if low < at < high:
                text = {"ha": "right", "va": "bottom", "fontsize": "x-small", "color": "0.45"}
                ax.annotate(rf"{line:g} $R_\odot$", (cool * 1.03, at), **text)
        ax.set_xlim(hot, cool)
        ax.set_ylim(low, high)
    ax.set_xscale("log")
    ax.set_yscale("log")
    for _, chosen, style in by_class(table):
        chosen = chosen & shown
        x, y, yerr = teff[chosen], radius[chosen], error[chosen]
        lower, upper = _luminosity(np.maximum(y - yerr, 0.02 * y), x), _luminosity(y + yerr, x)
        ax.vlines(x, lower, upper, color=style["color"], alpha=0.3, zorder=2)
        ax.scatter(x, _luminosity(y, x), s=22, linewidth=0.4, edgecolor="white", zorder=3, **style)
    note = f"{shown.sum()} of {len(table)} stars"
    ax.text(0.03, 0.03, note, transform=ax.transAxes, ha="left", va="bottom", fontsize="small", color="0.35")
    if shown.any():
        ax.xaxis.set_major_locator(FixedLocator([t for t in _TEFF_TICKS if cool <= t <= hot]))
    ax.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.set_xlabel("Effective temperature by color (K)")
    ax.set_ylabel(r"Luminosity ($L_\odot$)")
    return ax


def _luminosity(radius, teff):
    """Of a star, in solar luminosities, from solar radii and kelvin."""
    return radius**2 * (teff / _SUN) ** 4


def plot_radius(table, truth=None, *, min_parallax_snr=5.0, ax=None):
    """Draw the radius and its standard error against a reference, with the line where both agree.

    Stars without a useful parallax are open symbols, and left out of the numbers in the corner. ``ax.legend()`` names
    the classes.

    Parameters
    ----------
    table : `~astropy.table.Table`
        Output table.
    truth : `~astropy.units.Quantity`, optional
        True radius of each row, where it is known (a simulation). By default the reference is the table's own
        ``radius_sb``, the radius by the law of Stefan and Boltzmann.
    min_parallax_snr : float, optional
        Parallax over its standard error from which a parallax is useful.
    ax : `~matplotlib.axes.Axes`, optional
        Where to draw; the current axes if not given.

    Returns
    -------
    `~matplotlib.axes.Axes`

    Raises
    ------
    ValueError
        If ``truth`` does not have one value a row.
    """
    ax = current_axes(ax)
    if truth is None:
        reference, label = column_values(table, "radius_sb", u.solRad), "Stefan-Boltzmann radius"
    else:
        reference, label = u.Quantity(truth).to_value(u.solRad), "True radius"
        if reference.shape != (len(table),):
            raise ValueError(f"truth has shape {reference.shape}, expected one radius for each of {len(table)} rows")
    radius, error = column_values(table, "radius", u.solRad), column_values(table, "radius_err", u.solRad)
    parallax, parallax_error = column_values(table, "parallax", u.mas), column_values(table, "parallax_error", u.mas)
    with np.errstate(invalid="ignore"):
        shown = (radius > 0) & (reference > 0)
        useful = shown & (parallax > min_parallax_snr * parallax_error)
    ax.set_xscale("log")
    ax.set_yscale("log")
    for _, chosen, style in by_class(table):
        x, y, yerr = (values[chosen & shown] for values in (reference, radius, error))
        # An error bar that reaches below zero has no place on a logarithmic axis: it ends just above.
        ax.vlines(x, np.maximum(y - yerr, 0.02 * y), y + yerr, color=style["color"], alpha=0.3)
        for part, faces, name in (
            (chosen & useful, style["color"], style["label"]),
            (chosen & shown & ~useful, "white", None),
        ):
            edges = "white" if faces != "white" else style["color"]
            ax.scatter(
                reference[part],
                radius[part],
                s=22,
                linewidth=0.5,
                c=faces,
                edgecolor=edges,
                marker=style["marker"],
                label=name,
                zorder=3,
            )
    outside = 0
    if shown.any():
        # A reference that rests on a parallax of next to nothing can be any number: it must not set the scale.
        both = np.concatenate([reference[useful if useful.any() else shown], radius[shown]])
        limits = np.array([both.min() / 1.3, both.max() * 1.3])
        if not useful.any():
            limits = np.clip(limits, 0.01, 1000)
        outside = int((shown & ((reference < limits[0]) | (reference > limits[1]))).sum())
        ax.plot(limits, limits, color="0.4", linewidth=0.9, zorder=1)
        ax.set_xlim(limits)
        ax.set_ylim(limits)
    note = f"{useful.sum()} stars with\nparallax S/N > {min_parallax_snr:g}"
    if useful.any():
        difference = np.log10(radius[useful] / reference[useful])
        robust = 1.4826 * np.median(np.abs(difference - np.median(difference)))
        note += f":\nmedian {np.median(difference):+.3f} dex\nscatter {robust:.3f} dex"
    note += f"\n(open: {(shown & ~useful).sum()} others"
    note += f", {outside} beyond the axes)" if outside else ")"
    ax.text(0.03, 0.97, note, transform=ax.transAxes, ha="left", va="top", fontsize="small", color="0.35")
    for axis in (ax.xaxis, ax.yaxis):
        plain_log_ticks(axis)
    ax.set_xlabel(rf"{label} ($R_\odot$)")
    ax.set_ylabel(r"Radius ($R_\odot$)")
    return ax


def plot_classes(table, *, ax=None):
    """Draw how many stars there are of each class, and how many of them the class set leaves open.

    Parameters
    ----------
    table : `~astropy.table.Table`
        Output table.
    ax : `~matplotlib.axes.Axes`, optional
        Where to draw; the current axes if not given.

    Returns
    -------
    `~matplotlib.axes.Axes`
    """
    ax = current_axes(ax)
    classes = class_names(table)
    known = class_probabilities(table)[0] or list("AFGKM")
    column = result_column(table, "class_set") if "class_set" in table.colnames else classes
    certain = np.char.str_len(np.asarray(getattr(column, "unmasked", column)).astype(str)) == 1
    for place, name in enumerate(known):
        chosen = classes == name
        color = CLASS_COLORS.get(name, UNKNOWN_COLOR)
        sure = int((chosen & certain).sum())
        ax.bar(place, sure, color=color)
        ax.bar(place, chosen.sum() - sure, bottom=sure, facecolor="white", edgecolor=color, hatch="////", linewidth=1)
        ax.annotate(
            str(chosen.sum()),
            (place, chosen.sum()),
            xytext=(0, 2),
            textcoords="offset points",
            ha="center",
            va="bottom",
        )
    nothing = int((classes == "").sum())
    if nothing:
        ax.bar(len(known), nothing, color=UNKNOWN_COLOR)
        ax.annotate(
            str(nothing), (len(known), nothing), xytext=(0, 2), textcoords="offset points", ha="center", va="bottom"
        )
    names = known + (["none"] if nothing else [])
    ax.set_xticks(range(len(names)), names)
    ax.set_xlabel("Spectral class")
    ax.set_ylabel("Stars")
    # Room for the numbers; margins would not do, as a bar of no height on top of another makes its edge stick.
    ax.set_ylim(0, 1.15 * max([1, *(patch.get_y() + patch.get_height() for patch in ax.patches)]))
    from matplotlib.patches import Patch

    handles = [
        Patch(facecolor="0.5", label="one class in the set"),
        Patch(facecolor="white", edgecolor="0.5", hatch="////", label="several"),
    ]
    ax.legend(handles=handles, frameon=False, fontsize="small", loc="best")
    return ax


def plot_overview(table, field=None, *, truth=None, title=None, figure=None):
    """Put the four pictures of a result side by side.

    Parameters
    ----------
    table : `~astropy.table.Table`
        Output table.
    field : `~stellarclass.archives.Field`, optional
        Frames for the picture of the field, which is left out without them.
    truth : `~astropy.units.Quantity`, optional
        True radius of each row, see `plot_radius`.
    title : str, optional
        Heading.
    figure : `~matplotlib.figure.Figure`, optional
        Where to draw, best with a constrained layout; a new one if not given.

    Returns
    -------
    `~matplotlib.figure.Figure`
        A new one is not attached to any window; ``figure.savefig(path)`` writes it.
    """
    import matplotlib as mpl
    from astropy.visualization.wcsaxes import WCSAxes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    with mpl.rc_context({"font.size": 10, "axes.spines.top": True, "axes.spines.right": True}):
        figure = Figure(figsize=(11, 9.2), layout="constrained") if figure is None else figure
        grid = figure.add_gridspec(2, 2)
        if field is not None:
            plot_field(table, field, size=5 * u.arcmin, ax=figure.add_subplot(grid[0, 0], axes_class=WCSAxes))
        plot_cmd(table, ax=figure.add_subplot(grid[0, :] if field is None else grid[0, 1]))
        plot_radius(table, truth, ax=figure.add_subplot(grid[1, 0]))
        plot_classes(table, ax=figure.add_subplot(grid[1, 1]))
        handles = [
            Line2D([], [], linestyle="none", color=style["color"], marker=style["marker"], label=name)
            for name, _, style in by_class(table)
        ]
        if handles:
            figure.legend(handles=handles, loc="outside upper right", ncols=len(handles), frameon=False)
        if title:
            figure.suptitle(title, x=0.02, ha="left", fontsize=13)
    return figure
