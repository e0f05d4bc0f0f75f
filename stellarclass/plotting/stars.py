# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Pictures of single stars: what the networks were shown of each."""

import numpy as np

from ..archives.base import BANDS
from .pixels import plot_composite

__all__ = ["plot_stars"]


def plot_stars(images, titles=None, *, figure=None):
    """Show stars one below the other: in color, with i, r and g as red, green and blue, and in each of the five bands.

    Parameters
    ----------
    images : ndarray, shape (N, 5, H, W), float
        Flux in nanomaggies per pixel, bands ugriz; NaN where there is nothing.
    titles : sequence of str, optional
        One for each star.
    figure : `~matplotlib.figure.Figure`, optional
        Where to draw, best with a constrained layout; a new one if not given.

    Returns
    -------
    `~matplotlib.figure.Figure`
        A new one is none of pyplot's, so that it can be made in any thread. Its ``savefig`` writes it.

    Raises
    ------
    ValueError
        If the images have another shape, or there are not as many titles.

    Examples
    --------
    >>> from astropy import units as u
    >>> from astropy.table import QTable
    >>> from stellarclass import simulate
    >>> from stellarclass.plotting import plot_stars
    >>> stars = QTable({b: [m] * u.mag for b, m in zip("ugriz", (18.4, 17.0, 16.5, 16.3, 16.2))})
    >>> figure = plot_stars(simulate.render_stars(stars, seed=1).images, ["an F star"])
    >>> len(figure.axes)
    6
    """
    from matplotlib.figure import Figure

    images = np.asarray(images, float)
    if images.ndim != 4 or images.shape[1] != len(BANDS):
        raise ValueError(f"images of shape {images.shape}: (N, {len(BANDS)}, H, W) are meant")
    titles = [""] * len(images) if titles is None else list(titles)
    if len(titles) != len(images):
        raise ValueError(f"{len(titles)} titles for {len(images)} stars")
    n = max(1, len(images))
    figure = Figure(figsize=(9.6, 1.9 * n + 0.2), layout="constrained") if figure is None else figure
    axes = figure.subplots(n, 1 + len(BANDS), squeeze=False)
    for row, image, title in zip(axes, images, titles, strict=False):
        plot_composite(np.nan_to_num(image), "irg", title="", ax=row[0])
        row[0].set_title(title, fontsize="small", loc="left")
        row[0].set_xlabel("i, r, g", fontsize="small")
        for ax, band, pixels in zip(row[1:], BANDS, image, strict=True):
            _plot_band(ax, pixels, band)
    for ax in axes[len(images) :].flat:
        ax.axis("off")
    return figure


def _plot_band(ax, pixels, band):
    known = np.isfinite(pixels)
    ax.set_xticks([])
    ax.set_yticks([])
    ax.set_xlabel(band, fontsize="small")
    if not known.any() or not np.any(pixels[known]):
        ax.text(0.5, 0.5, "none", transform=ax.transAxes, ha="center", va="center", fontsize="small")
        return
    center = np.median(pixels[known])
    noise = 1.4826 * np.median(np.abs(pixels[known] - center))
    ax.imshow(np.arcsinh((pixels - center) / max(2 * noise, 1e-6)), origin="lower", cmap="gray_r",
              interpolation="nearest")  # fmt: skip
