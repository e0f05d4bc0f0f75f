# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Second moments of star images."""

import numpy as np

__all__ = ["MEASURED_HALF", "adaptive_moments", "mode", "moment_shapes", "star_windows"]

MEASURED_HALF = 12
"""Half the side in pixels of the windows that stars are measured in."""


def adaptive_moments(images, *, iterations=15):
    """Second moments of star images under a Gaussian weight of their own shape.

    Parameters
    ----------
    images : ndarray, shape (M, W, W)
        Background-subtracted, W odd, stars within a pixel or two of the middle.
    iterations : int
        As many are done for each.

    Returns
    -------
    center : ndarray, shape (M, 2)
        x, y relative to the middle pixel.
    moments : ndarray, shape (M, 3)
        xx, yy, xy of the Gaussian in pixels squared (Bernstein & Jarvis 2002, AJ 123, 583); NaN where none fits.
    """
    half = images.shape[-1] // 2
    axis = np.arange(-half, half + 1, dtype=float)
    center = np.zeros((len(images), 2))
    moments = np.tile([2.5, 2.5, 0.0], (len(images), 1))
    with np.errstate(all="ignore"):
        for step in range(iterations):
            dx, dy = axis - center[:, :1], axis - center[:, 1:]
            xx, yy, xy = moments.T[..., None, None]
            x, y = dx[:, None, :], dy[:, :, None]
            weight = images * np.exp(-0.5 * (yy * x**2 - 2 * xy * x * y + xx * y**2) / (xx * yy - xy**2))
            total = weight.sum((1, 2))
            by_x, by_y = weight.sum(1), weight.sum(2)
            center += 1.6 * np.stack([(by_x * dx).sum(1), (by_y * dy).sum(1)], 1) / total[:, None]
            if step:
                new = [(by_x * dx**2).sum(1), (by_y * dy**2).sum(1), ((weight * x).sum(2) * dy).sum(1)]
                moments = 2 * np.stack(new, 1) / total[:, None]
            lost = ~((moments[:, :2] > 0.2).all(1) & (moments[:, :2] < 40).all(1) & (np.abs(center) < 3).all(1))
            lost |= moments[:, 0] * moments[:, 1] <= moments[:, 2] ** 2
            moments[lost] = np.nan
    return center, moments


def mode(values):
    """Find where values lie densest: stars all have the same size, galaxies any larger one.

    Parameters
    ----------
    values : ndarray, shape (N,)

    Returns
    -------
    float
        Median of the densest third of the values.
    """
    ordered = np.sort(values)
    width = max(len(ordered) // 3, 2)
    spans = ordered[width - 1 :] - ordered[: len(ordered) - width + 1]
    start = int(np.argmin(spans))
    return float(np.median(ordered[start : start + width]))


def moment_shapes(moments):
    """Size and ellipticity of stars.

    Parameters
    ----------
    moments : ndarray, shape (M, 3)
        As `adaptive_moments` returns them.

    Returns
    -------
    ndarray, shape (3, M)
        Size in pixels, ellipticity along the axes and along the diagonals.

    Examples
    --------
    >>> import numpy as np
    >>> from stellarclass.simulate.moments import moment_shapes
    >>> moment_shapes(np.array([[2.5, 1.5, 0.5]])).ravel()
    array([1.41421356, 0.25      , 0.25      ])
    """
    total = moments[:, 0] + moments[:, 1]
    return np.stack([np.sqrt(total / 2), (moments[:, 0] - moments[:, 1]) / total, 2 * moments[:, 2] / total])


def star_windows(data, column, row, half):
    """Cut windows out of a frame.

    Parameters
    ----------
    data : ndarray, shape (ny, nx)
    column, row : ndarray of int, shape (M,)
        Middle pixels, at least ``half`` from the edge.
    half : int
        Half the side of the windows.

    Returns
    -------
    ndarray, shape (M, 2 half + 1, 2 half + 1)
    """
    steps = np.arange(-half, half + 1)
    return data[row[:, None, None] + steps[:, None], column[:, None, None] + steps].astype(float)
