# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Pictures of a result: the field, the color-magnitude diagram, the radii, the counts.

Every function takes the output table first, draws on one `~matplotlib.axes.Axes` and returns it, so that the pictures
can be put together and changed at will; `plot_overview` is one such putting together.
"""

import numpy as np
from astropy import units as u

__all__ = ["CLASS_COLORS", "CLASS_MARKERS", "plot_classes", "plot_cmd", "plot_field", "plot_overview", "plot_radius"]

CLASS_COLORS = {
    "O": "#CC79A7",
    "B": "#332288",
    "A": "#0072B2",
    "F": "#56B4E9",
    "G": "#009E73",
    "K": "#E69F00",
    "M": "#D55E00",
}
"""Color of each class, hot to cool: the set of Okabe & Ito (2008), told apart by color-blind readers too."""

CLASS_MARKERS = {"O": "*", "B": "p", "A": "o", "F": "s", "G": "D", "K": "^", "M": "v"}
"""Marker of each class, for readers without color."""

_UNKNOWN_COLOR = "#999999"


def _values(table, name, unit=None):
    """A column as float ndarray in the given unit, NaN where masked, whatever kind of table it comes from."""
    column = table[name]
    mask = np.broadcast_to(np.asarray(getattr(column, "mask", False)), len(table))
    column = getattr(column, "unmasked", column)
    if unit is not None and getattr(column, "unit", None) is not None:
        column = u.Quantity(column).to_value(unit)
    return np.where(mask, np.nan, np.ma.getdata(np.ma.asarray(column)).astype(float))


def _classes(table):
    """The class of each row as str, empty where masked."""
    column = table["spectral_class"]
    mask = np.broadcast_to(np.asarray(getattr(column, "mask", False)), len(table))
    return np.where(mask, "", np.asarray(getattr(column, "unmasked", column)).astype(str))


def _axes(ax):
    if ax is None:
        from matplotlib import pyplot as plt

        ax = plt.gca()
    return ax


def _by_class(table):
    """Yield (class, mask, style) of the classes that occur, hot to cool."""
    classes = _classes(table)
    for name, color in CLASS_COLORS.items():
        chosen = classes == name
        if chosen.any():
            yield name, chosen, {"color": color, "marker": CLASS_MARKERS[name], "label": name}


def _composite(field, bands, center, size):
    """RGB array (ny, nx, 3) cut from three frames around a sky position, and the WCS of its second band."""
    from astropy.visualization import make_lupton_rgb

    planes, wcs = [], None
    for band in bands:
        frame = field.frames[band]
        x, y = np.rint(frame.wcs.world_to_pixel(center)).astype(int)
        plane = np.full((2 * size, 2 * size), np.nan, np.float32)
        ny, nx = frame.data.shape
        rows = np.arange(max(y - size, 0), min(y + size, ny))
        columns = np.arange(max(x - size, 0), min(x + size, nx))
        if rows.size and columns.size:
            plane[np.ix_(rows - y + size, columns - x + size)] = frame.data[np.ix_(rows, columns)]
        planes.append(np.nan_to_num(plane) - _noise(frame.data))
        if band == bands[1]:
            wcs = frame.wcs.deepcopy()
            wcs.wcs.crpix = wcs.wcs.crpix - [x - size, y - size]
            wcs.pixel_shape = (2 * size, 2 * size)
    # It divides by an intensity that is zero on blank sky, and mends the result itself.
    with np.errstate(invalid="ignore", divide="ignore"):
        return make_lupton_rgb(*planes, stretch=0.5, Q=8), wcs


def _noise(data):
    """Standard deviation of blank sky; subtracted, it keeps the noise from showing as colored speckles."""
    sample = data[::11, ::11]
    sample = sample[np.isfinite(sample)]
    return 1.4826 * np.median(np.abs(sample - np.median(sample))) if sample.size else 0.0


def _cut(field, bands, center, size):
    from astropy.coordinates import SkyCoord

    missing = [band for band in bands if band not in field.frames]
    if len(bands) != 3 or missing:
        have = "".join(field.frames)
        raise ValueError(f"bands={bands!r} must be three of the bands that field {field.key} has ({have})")
    frame = field.frames[bands[1]]
    if center is None:
        ny, nx = frame.data.shape
        center = frame.wcs.pixel_to_world((nx - 1) / 2, (ny - 1) / 2)
    if not isinstance(center, SkyCoord):
        raise TypeError(f"center must be a SkyCoord, not {type(center).__name__}")
    scale = np.sqrt(np.abs(np.linalg.det(frame.wcs.pixel_scale_matrix))) * u.deg
    half = round(float((u.Quantity(size) / scale).to_value(u.one)) / 2)
    return _composite(field, bands, center.icrs, max(half, 8))


def plot_field(table, field, *, bands="irg", center=None, size=2.5 * u.arcmin, ax=None):
    """Show a part of a field in color, each star ringed in the color of its class.

    Parameters
    ----------
    table : `~astropy.table.Table`
        Output table; its stars outside the part shown are left out.
    field : `~stellarclass.archives.Field`
        Frames to show.
    bands : str, optional
        Three bands for red, green and blue.
    center : `~astropy.coordinates.SkyCoord`, optional
        Middle of the picture; the middle of the frame if not given.
    size : `~astropy.units.Quantity`, optional
        Side of the picture, an angle.
    ax : `~matplotlib.axes.Axes`, optional
        Where to draw; `~astropy.visualization.wcsaxes.WCSAxes` get sky coordinates on their edges if they were made
        without a projection of their own. The current axes if not given.

    Returns
    -------
    `~matplotlib.axes.Axes`

    Raises
    ------
    ValueError
        If the field lacks one of the bands.
    """
    rgb, wcs = _cut(field, bands, center, size)
    ax = _axes(ax)
    ax.imshow(rgb, origin="lower", interpolation="nearest")
    if hasattr(ax, "reset_wcs"):
        ax.reset_wcs(wcs)
        ax.coords[0].set_axislabel("Right ascension (ICRS)")
        ax.coords[1].set_axislabel("Declination (ICRS)", minpad=0.6)
        for axis in ax.coords:  # frames lie at any angle: labels of both axes may meet in a corner
            axis.set_ticklabel(exclude_overlapping=True)
            axis.set_ticks(number=4)
    else:
        ax.set_xticks([])
        ax.set_yticks([])
        ax.set_xlabel(f"{u.Quantity(size):g} on a side")
    x, y = wcs.wcs_world2pix(_values(table, "ra", u.deg), _values(table, "dec", u.deg), 0)
    side = len(rgb)
    inside = (x > 0) & (x < side - 1) & (y > 0) & (y < side - 1)
    ring = {"s": 70, "facecolor": "none", "linewidth": 1.4, "marker": "o"}
    for name, chosen, style in _by_class(table):
        chosen = chosen & inside
        ax.scatter(x[chosen], y[chosen], **ring, edgecolor=style["color"], label=name)
    unknown = inside & (_classes(table) == "")
    ax.scatter(x[unknown], y[unknown], **{**ring, "linewidth": 0.8}, edgecolor=_UNKNOWN_COLOR, linestyle=":")
    ax.set_xlim(-0.5, side - 0.5)
    ax.set_ylim(-0.5, side - 0.5)
    return ax


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
    ax = _axes(ax)
    g, r, i = (_values(table, f"psfmag_{band}", u.mag) for band in "gri")
    parallax, error = _values(table, "parallax", u.mas), _values(table, "parallax_error", u.mas)
    with np.errstate(invalid="ignore", divide="ignore"):
        absolute = r + 5 * np.log10(np.where(parallax > 0, parallax, np.nan) / 100)
        shown = (parallax > min_parallax_snr * error) & np.isfinite(absolute) & np.isfinite(g - i)
    for _, chosen, style in _by_class(table):
        chosen = chosen & shown
        ax.scatter((g - i)[chosen], absolute[chosen], s=22, linewidth=0.4, edgecolor="white", **style)
    ax.invert_yaxis()
    ax.set_xlabel(r"$g - i$ (mag)")
    ax.set_ylabel(r"$M_r$ (mag)")
    note = f"{shown.sum()} of {len(table)} stars have\nparallax S/N > {min_parallax_snr:g}"
    ax.text(0.97, 0.97, note, transform=ax.transAxes, ha="right", va="top", fontsize="small", color="0.35")
    return ax


def plot_radius(table, truth=None, *, min_parallax_snr=5.0, ax=None):
    """Draw the radius and its standard error against a reference, with the line where both agree.

    Stars without a useful parallax are open symbols, and left out of the numbers in the corner.

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
    ax = _axes(ax)
    if truth is None:
        reference, label = _values(table, "radius_sb", u.solRad), "Stefan-Boltzmann radius"
    else:
        reference, label = u.Quantity(truth).to_value(u.solRad), "True radius"
        if reference.shape != (len(table),):
            raise ValueError(f"truth has shape {reference.shape}, expected one radius for each of {len(table)} rows")
    radius, error = _values(table, "radius", u.solRad), _values(table, "radius_err", u.solRad)
    parallax, parallax_error = _values(table, "parallax", u.mas), _values(table, "parallax_error", u.mas)
    with np.errstate(invalid="ignore"):
        shown = (radius > 0) & (reference > 0)
        useful = shown & (parallax > min_parallax_snr * parallax_error)
    ax.set_xscale("log")
    ax.set_yscale("log")
    for _, chosen, style in _by_class(table):
        x, y, yerr = (values[chosen & shown] for values in (reference, radius, error))
        # An error bar that reaches below zero has no place on a logarithmic axis: it ends just above.
        ax.vlines(x, np.maximum(y - yerr, 0.02 * y), y + yerr, color=style["color"], alpha=0.3)
        for part, faces in ((chosen & useful, style["color"]), (chosen & shown & ~useful, "white")):
            edges = "white" if faces != "white" else style["color"]
            ax.scatter(
                reference[part],
                radius[part],
                s=22,
                linewidth=0.5,
                c=faces,
                edgecolor=edges,
                marker=style["marker"],
                zorder=3,
            )
    if shown.any():
        both = np.concatenate([reference[shown], radius[shown]])
        limits = np.array([both.min() / 1.3, both.max() * 1.3])
        ax.plot(limits, limits, color="0.4", linewidth=0.9, zorder=1)
        ax.set_xlim(limits)
        ax.set_ylim(limits)
    note = f"{useful.sum()} stars with\nparallax S/N > {min_parallax_snr:g}"
    if useful.any():
        difference = np.log10(radius[useful] / reference[useful])
        robust = 1.4826 * np.median(np.abs(difference - np.median(difference)))
        note += f":\nmedian {np.median(difference):+.3f} dex\nscatter {robust:.3f} dex"
    note += f"\n(open: {(shown & ~useful).sum()} others)"
    ax.text(0.03, 0.97, note, transform=ax.transAxes, ha="left", va="top", fontsize="small", color="0.35")
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_formatter(NullFormatter())
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
    ax = _axes(ax)
    classes = _classes(table)
    known = [name[len("prob_") :].upper() for name in table.colnames if name.startswith("prob_")] or list("AFGKM")
    column = table["class_set"] if "class_set" in table.colnames else classes
    certain = np.char.str_len(np.asarray(getattr(column, "unmasked", column)).astype(str)) == 1
    for place, name in enumerate(known):
        chosen = classes == name
        color = CLASS_COLORS.get(name, _UNKNOWN_COLOR)
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
        ax.bar(len(known), nothing, color=_UNKNOWN_COLOR)
        ax.annotate(
            str(nothing), (len(known), nothing), xytext=(0, 2), textcoords="offset points", ha="center", va="bottom"
        )
    names = known + (["none"] if nothing else [])
    ax.set_xticks(range(len(names)), names)
    ax.set_xlabel("Spectral class")
    ax.set_ylabel("Stars")
    ax.margins(y=0.15)
    from matplotlib.patches import Patch

    handles = [
        Patch(facecolor="0.5", label="one class in the set"),
        Patch(facecolor="white", edgecolor="0.5", hatch="////", label="several"),
    ]
    ax.legend(handles=handles, frameon=False, fontsize="small", loc="best")
    return ax


def plot_overview(table, field=None, *, truth=None, title=None):
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

    Returns
    -------
    `~matplotlib.figure.Figure`
        Not attached to any window; ``figure.savefig(path)`` writes it.
    """
    import matplotlib as mpl
    from astropy.visualization.wcsaxes import WCSAxes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    with mpl.rc_context({"font.size": 10, "axes.spines.top": True, "axes.spines.right": True}):
        figure = Figure(figsize=(11, 9.2), layout="constrained")
        grid = figure.add_gridspec(2, 2)
        if field is not None:
            plot_field(table, field, size=5 * u.arcmin, ax=figure.add_subplot(grid[0, 0], axes_class=WCSAxes))
        plot_cmd(table, ax=figure.add_subplot(grid[0, :] if field is None else grid[0, 1]))
        plot_radius(table, truth, ax=figure.add_subplot(grid[1, 0]))
        plot_classes(table, ax=figure.add_subplot(grid[1, 1]))
        handles = [
            Line2D([], [], linestyle="none", color=style["color"], marker=style["marker"], label=name)
            for name, _, style in _by_class(table)
        ]
        if handles:
            figure.legend(handles=handles, loc="outside upper right", ncols=len(handles), frameon=False)
        if title:
            figure.suptitle(title, x=0.02, ha="left", fontsize=13)
    return figure
