# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""A field in color, with its stars."""

import numpy as np
from astropy import units as u

from ._style import UNKNOWN_COLOR, by_class, class_names, column_values, current_axes

__all__ = ["plot_field"]


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
    ax = current_axes(ax)
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
    x, y = wcs.wcs_world2pix(column_values(table, "ra", u.deg), column_values(table, "dec", u.deg), 0)
    side = len(rgb)
    inside = (x > 0) & (x < side - 1) & (y > 0) & (y < side - 1)
    ring = {"s": 70, "facecolor": "none", "linewidth": 1.4, "marker": "o"}
    for name, chosen, style in by_class(table):
        chosen = chosen & inside
        ax.scatter(x[chosen], y[chosen], **ring, edgecolor=style["color"], label=name)
    unknown = inside & (class_names(table) == "")
    ax.scatter(x[unknown], y[unknown], **{**ring, "linewidth": 0.8}, edgecolor=UNKNOWN_COLOR, linestyle=":")
    ax.set_xlim(-0.5, side - 0.5)
    ax.set_ylim(-0.5, side - 0.5)
    return ax
