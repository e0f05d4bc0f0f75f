# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""A frame's bright stars, found, cut out and centered once for all that is measured on them."""

from dataclasses import dataclass

import numpy as np

__all__ = ["HALF", "BrightStars", "find_bright_stars", "masked_median"]

HALF = 20
"""Half the side in pixels of the window around a bright star: it has ``2 * HALF + 1`` rows and columns."""

_MOST_PIXELS = 20_000  # that are looked at: bounds the time that a frame full of nonsense takes
_ALONE = 6  # a peak is the highest pixel so far around
_CORE = 1.8  # width in pixels of the Gaussian under which stars are centered


@dataclass(frozen=True)
class BrightStars:
    """N bright, unsaturated objects of a frame, brightest first.

    Attributes
    ----------
    x, y : ndarray, shape (N,), int
        Column and row of the peaks.
    images : ndarray, shape (N, 41, 41), float
        Pixels around them, background and all; 0 where the frame has no finite value.
    center : ndarray, shape (N, 2), float64
        Gaussian-weighted center x, y relative to the peak's pixel.
    frame_shape : tuple of int
        Rows and columns of the frame.
    """

    x: np.ndarray
    y: np.ndarray
    images: np.ndarray
    center: np.ndarray
    frame_shape: tuple

    def __len__(self):
        return len(self.x)


def find_bright_stars(data, *, sigma, limit, most=300):
    """Find the bright, unsaturated objects of a frame.

    Parameters
    ----------
    data : ndarray, shape (ny, nx), float32
        Sky-subtracted frame; NaN allowed.
    sigma : float
        Standard deviation of blank sky in the units of ``data``.
    limit : float
        Brightest pixel value that is certainly linear.
    most : int
        The brightest so many are returned.

    Returns
    -------
    BrightStars
        Galaxies, blends and cosmic rays among them.
    """
    x, y = _peaks(data, 40 * sigma, limit, most)
    steps = np.arange(-HALF, HALF + 1)
    images = data[y[:, None, None] + steps[:, None], x[:, None, None] + steps]
    images[~np.isfinite(images)] = 0.0
    return BrightStars(x, y, images, _centers(images), data.shape)


def _peaks(data, least, limit, most):
    """Columns and rows of the highest pixels around, brightest first."""
    ny, nx = data.shape
    y, x = np.divmod(np.flatnonzero(data > least), nx)
    inner = (x >= HALF) & (x < nx - HALF) & (y >= HALF) & (y < ny - HALF)
    x, y = x[inner], y[inner]
    height = data[y, x]
    linear = height < limit
    x, y, height = x[linear], y[linear], height[linear]
    # A peak is the highest pixel within 6 pixels: this throws out flanks, and cores that are cut off by the limit. Most
    # pixels fall already to one of the four that touch them.
    for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1)):
        higher = height >= data[y + dy, x + dx]
        x, y, height = x[higher], y[higher], height[higher]
    order = np.argsort(height)[::-1][:_MOST_PIXELS]
    x, y, height = x[order], y[order], height[order]
    steps = np.arange(-_ALONE, _ALONE + 1)
    found = np.zeros(0, int)
    for start in range(0, len(x), 2 * most):
        rows = np.arange(start, min(start + 2 * most, len(x)))
        around = data[y[rows, None, None] + steps[:, None], x[rows, None, None] + steps]
        found = np.append(found, rows[height[rows] >= around.max((1, 2))])
        if len(found) >= most:
            break
    return x[found[:most]], y[found[:most]]


def _centers(images):
    """Gaussian-weighted centers of star images, relative to the middle pixel: shape (N, 2) x, y."""
    axis = np.arange(-HALF, HALF + 1.0)
    light = np.maximum(images, 0).astype(float)
    center = np.zeros((len(images), 2))
    for _ in range(6):
        offset = axis - center[:, :, None]  # (N, 2, 41)
        weight = np.exp(offset**2 * (-0.5 / _CORE**2))  # the Gaussian is one in x times one in y
        x, y = (np.stack([weight[:, k], weight[:, k] * offset[:, k]], axis=1) for k in (0, 1))  # (N, 2, 41)
        sums = y @ (light @ x.swapaxes(1, 2))  # (N, 2, 2): moments 0 and 1 in y, in x
        center += 2 * np.stack([sums[:, 0, 1], sums[:, 1, 0]], axis=1) / sums[:, 0, :1] * 0.7
        center = np.clip(center, -2, 2)
    return center


def masked_median(values, mask):
    """Median of the chosen pixels of each image, without a loop over images.

    Parameters
    ----------
    values : ndarray, shape (N, ...), float
        No NaN among them.
    mask : ndarray, shape (N, ...), bool
        The same shape: which to choose.

    Returns
    -------
    ndarray, shape (N,)
        NaN where none is chosen.

    Examples
    --------
    >>> import numpy as np
    >>> from stellarclass.stamps.bright_stars import masked_median
    >>> masked_median(np.array([[1.0, 2.0, 9.0]]), np.array([[True, True, False]]))
    array([1.5])
    """
    n = len(values)
    values, mask = values.reshape(n, -1), mask.reshape(n, -1)
    count = mask.sum(1)
    # What is not chosen is sorted to the end.
    ordered = np.sort(np.where(mask, values, np.asarray(np.inf, values.dtype)), axis=1)
    low = ordered[np.arange(n), np.maximum((count - 1) // 2, 0)]
    high = ordered[np.arange(n), np.minimum(count // 2, values.shape[1] - 1)]
    return np.where(count > 0, (low.astype(float) + high) / 2, np.nan)
