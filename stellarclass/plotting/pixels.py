# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Pictures of a star's pixels: composites, the region of interest."""

import numpy as np

from ..archives.base import BANDS
from ..stamps.composites import lupton_rgb
from ..stamps.roi import roi_boxes, roi_start
from ._style import current_axes

__all__ = ["plot_composite", "plot_image", "plot_roi"]

_PIXEL_ARCSEC = 0.396


def plot_image(image, *, title="", scale=None, ax=None):
    """Show an image as it is, without axes.

    Parameters
    ----------
    image : ndarray, shape (3, H, W), uint8
        Red, green and blue; the first row of pixels is drawn at the bottom, as FITS images are.
    title : str, optional
        What it is.
    scale : float, optional
        Arcseconds a pixel; with it a bar shows how much a quarter of the side is.
    ax : `~matplotlib.axes.Axes`, optional
        Where to draw; the current axes if not given.

    Returns
    -------
    `~matplotlib.axes.Axes`

    Raises
    ------
    ValueError
        If the image does not have three planes.
    """
    image = np.asarray(image)
    if image.ndim != 3 or image.shape[0] != 3:
        raise ValueError(f"image of shape {image.shape}: three planes, (3, H, W), are meant")
    ax = current_axes(ax)
    ax.imshow(np.moveaxis(image, 0, -1), origin="lower", interpolation="nearest")
    if scale is not None:
        side = image.shape[2]
        arcsec = max(round(side * scale / 4), 1)
        left, bottom = 0.06 * side, 0.07 * side
        ax.plot([left, left + arcsec / scale], [bottom, bottom], color="white", linewidth=2)
        ax.text(left, bottom + 0.03 * side, f'{arcsec}"', color="white", fontsize="small", va="bottom")
    ax.set_xticks([])
    ax.set_yticks([])
    if title:
        ax.set_title(title, fontsize="medium")
    return ax


def plot_composite(images, channels="gri", *, title=None, ax=None):
    """Show a star as a composite of three bands, as Deng et al. (2024) feed it to their network.

    Parameters
    ----------
    images : ndarray, shape (5, H, W), float
        Flux in nanomaggies per pixel, bands ugriz.
    channels : str, optional
        One composite, see `stellarclass.stamps.composites.parse_combination`.
    title : str, optional
        By default the channels.
    ax : `~matplotlib.axes.Axes`, optional
        Where to draw; the current axes if not given.

    Returns
    -------
    `~matplotlib.axes.Axes`

    Raises
    ------
    ValueError
        If the channels cannot be understood or the images have another shape.
    """
    rgb = lupton_rgb(np.asarray(images)[None], channels)[0]
    return plot_image(rgb, title=channels if title is None else title, scale=_PIXEL_ARCSEC, ax=ax)


def plot_roi(images, *, band="r", rule="ring", ax=None):
    """Show the region of interest of a star: the box that it starts from and the box that it grew to.

    Parameters
    ----------
    images : ndarray, shape (5, 64, 64), float
        Flux in nanomaggies per pixel, bands ugriz.
    band : str, optional
        The band that decides.
    rule : {"ring", "published"}, optional
        How the box grows, see `stellarclass.stamps.roi`.
    ax : `~matplotlib.axes.Axes`, optional
        Where to draw; the current axes if not given.

    Returns
    -------
    `~matplotlib.axes.Axes`

    Raises
    ------
    ValueError
        If the rule or the band is unknown.
    """
    from matplotlib.patches import Rectangle

    if band not in BANDS:
        raise ValueError(f"band {band!r} is none of {', '.join(BANDS)}")
    image = np.nan_to_num(np.asarray(images, float)[BANDS.index(band)])
    ax = current_axes(ax)
    noise = 1.4826 * np.median(np.abs(image - np.median(image)))
    ax.imshow(np.arcsinh(image / max(noise, 1e-6) / 2), origin="lower", cmap="gray_r", interpolation="nearest")
    boxes = ((roi_start(rule), "#E69F00", "--", "start"), (roi_boxes(image[None], rule=rule)[0], "#D55E00", "-", "end"))
    for (y0, y1, x0, x1), color, line, name in boxes:
        label = f"{name}: {x1 - x0} × {y1 - y0} pixels"
        ax.add_patch(Rectangle((x0 - 0.5, y0 - 0.5), x1 - x0, y1 - y0, fill=False, edgecolor=color, linestyle=line,
                               linewidth=1.6, label=label))  # fmt: skip
    ax.legend(loc="upper right", fontsize="small", framealpha=0.9)
    ax.set_xlabel("x (pixels)")
    ax.set_ylabel("y (pixels)")
    return ax
