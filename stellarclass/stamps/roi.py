# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The region of interest around each star, grown on one band, and its resize to a network's input size.

Section 2.2 of Deng et al. (2024) lets the region grow while the share of *invalid* pixels (intensity at or below alpha)
is *above* beta. Taken literally that stops at once for a bright star and never for a faint one. So the region grows
here while the share of invalid pixels in its outermost ring is *at or below* beta: as long as the ring still shows
the star. The first ring in which background takes over is the outermost of the region. Two rules do that:

``"ring"`` (the default)
    Boxes symmetric about the stamp's center: 6 x 6 pixels first, then one ring more each time, up to the whole stamp.

``"published"``
    As the authors' own crops were made: 12 x 12 pixels first (their 6 is half a side), its pixels held to 0.11
    nanomaggies; then one row and one column more each time, alternating between the lower left and the upper right
    corner and held to 0.05 nanomaggies, up to 62 x 62. Every other box is off center by half a pixel.
"""

from functools import cache

import numpy as np

from .base import STAMP_SIZE

__all__ = ["ALPHA", "BETA", "ROI_RULES", "resize", "resize_weights", "roi_boxes", "roi_start"]

ROI_RULES = ("ring", "published")
"""Names of the rules."""

ALPHA = 0.05
"""Intensity in nanomaggies per pixel at or below which a pixel is invalid (Deng et al. 2024, Section 2.2)."""

BETA = 0.2
"""Largest share of invalid pixels at which the region still grows (Deng et al. 2024, Section 2.2)."""

_ALPHA_FIRST = {"ring": ALPHA, "published": 0.11}
_BLOCK = 256  # stamps worked on at a time: bounds the memory of the intermediates


@cache
def _nested_boxes(rule):
    """The boxes that a region can grow through, smallest first: int array (K, 4) of y0, y1, x0, x1."""
    if rule == "ring":
        sides = np.arange(6, STAMP_SIZE + 1, 2)
        low, high = (STAMP_SIZE - sides) // 2, (STAMP_SIZE + sides) // 2
    else:
        steps = np.arange(62 - 12 + 1)
        low, high = 26 - (steps + 1) // 2, 38 + steps // 2
    boxes = np.stack([low, high, low, high], axis=1)
    boxes.setflags(write=False)
    return boxes


@cache
def _rings(rule):
    """Membership of each pixel of the stamp in each ring, float32 (64 * 64, K), and the rings' pixel counts (K,)."""
    boxes = _nested_boxes(rule)
    y, x = np.mgrid[:STAMP_SIZE, :STAMP_SIZE].reshape(2, -1, 1)
    inside = (y >= boxes[:, 0]) & (y < boxes[:, 1]) & (x >= boxes[:, 2]) & (x < boxes[:, 3])
    inside[:, 1:] &= ~inside[:, :-1]
    members = inside.astype(np.float32)
    members.setflags(write=False)
    return members, inside.sum(axis=0)


def roi_start(rule="ring"):
    """Box that every region grows from.

    Parameters
    ----------
    rule : {"ring", "published"}
        How the box grows, see the module's docstring.

    Returns
    -------
    ndarray, shape (4,), int64
        ``y0, y1, x0, x1``, as in `roi_boxes`.

    Raises
    ------
    ValueError
        If the rule is unknown.

    Examples
    --------
    >>> from stellarclass.stamps.roi import roi_start
    >>> roi_start("published")
    array([26, 38, 26, 38])
    """
    if rule not in ROI_RULES:
        raise ValueError(f"unknown ROI rule {rule!r}; known are {', '.join(map(repr, ROI_RULES))}")
    return _nested_boxes(rule)[0].copy()


def roi_boxes(image, *, rule="ring"):
    """Box that holds the star, for each of N stamps.

    Parameters
    ----------
    image : ndarray, shape (N, 64, 64), float
        The band that decides, r in the paper, in nanomaggies per pixel. A pixel that is not finite is invalid.
    rule : {"ring", "published"}
        How the box grows, see the module's docstring.

    Returns
    -------
    ndarray, shape (N, 4), int64
        ``y0, y1, x0, x1``: the box is ``image[n, y0:y1, x0:x1]``, always square.

    Raises
    ------
    ValueError
        If the rule is unknown or the stamps are not 64 x 64.

    Examples
    --------
    >>> import numpy as np
    >>> from stellarclass.stamps.roi import roi_boxes
    >>> y, x = np.mgrid[:64, :64] - 31.5
    >>> star = np.exp(-(x**2 + y**2) / 8)[None]
    >>> roi_boxes(star), roi_boxes(0.01 * star)
    (array([[27, 37, 27, 37]]), array([[29, 35, 29, 35]]))
    """
    if rule not in ROI_RULES:
        raise ValueError(f"unknown ROI rule {rule!r}; known are {', '.join(map(repr, ROI_RULES))}")
    image = np.asarray(image)
    if image.ndim != 3 or image.shape[1:] != (STAMP_SIZE, STAMP_SIZE):
        raise ValueError(f"stamps have shape {image.shape}, expected (N, {STAMP_SIZE}, {STAMP_SIZE})")
    boxes = _nested_boxes(rule)
    members, counts = _rings(rule)
    chosen = np.empty(len(image), np.int64)
    for start in range(0, len(image), _BLOCK):
        flat = image[start : start + _BLOCK].reshape(-1, STAMP_SIZE * STAMP_SIZE)
        # Whole numbers below 4096: exact in float32 whatever the order of summation.
        valid = (flat > ALPHA).astype(np.float32) @ members  # (n, K)
        if _ALPHA_FIRST[rule] != ALPHA:
            valid[:, 0] = (flat > _ALPHA_FIRST[rule]).astype(np.float32) @ members[:, 0]
        background = counts - valid > BETA * counts
        background[:, -1] = True  # nothing lies beyond the largest box
        chosen[start : start + _BLOCK] = background.argmax(axis=1)
    return boxes[chosen]


@cache
def resize_weights(old, new):
    """Matrix that resizes one axis: bilinear to enlarge, area-weighted to shrink (Deng et al. 2024, Section 4.3.2).

    Bilinear takes pixel centers as ``torch.nn.functional.interpolate(mode="bilinear", align_corners=False)`` and
    OpenCV do, and repeats the edge. Area means that each new pixel is the mean of what it covers, pixels that it
    covers in part included.

    Parameters
    ----------
    old, new : int
        Number of pixels before and after, at least 1.

    Returns
    -------
    ndarray, shape (new, old), float32
        Rows sum to 1. Shared between callers, hence read-only.

    Examples
    --------
    >>> from stellarclass.stamps.roi import resize_weights
    >>> resize_weights(4, 2)
    array([[0.5, 0.5, 0. , 0. ],
           [0. , 0. , 0.5, 0.5]], dtype=float32)
    """
    if new >= old:
        center = np.clip((np.arange(new) + 0.5) * old / new - 0.5, 0, old - 1)[:, None]
        weights = np.clip(1 - np.abs(center - np.arange(old)), 0, None)
    else:
        edges = np.arange(new + 1) * old / new
        pixel = np.arange(old)
        weights = np.minimum(edges[1:, None], pixel + 1) - np.maximum(edges[:-1, None], pixel)
        weights = np.clip(weights, 0, None) * new / old
    weights = weights.astype(np.float32)
    weights.setflags(write=False)
    return weights


def resize(images, size):
    """Resize N square images of one size: two small matrix products, see `resize_weights`.

    Parameters
    ----------
    images : ndarray, shape (N, C, s, s)
        Any real type.
    size : int
        New side in pixels.

    Returns
    -------
    ndarray, shape (N, C, size, size)
        Of the same type as the input; unsigned 8-bit images are rounded to the nearest count.

    Examples
    --------
    >>> import numpy as np
    >>> from stellarclass.stamps.roi import resize
    >>> resize(np.array([[[[0, 100], [0, 100]]]], np.uint8), 4)[0, 0, 0]
    array([  0,  25,  75, 100], dtype=uint8)
    """
    images = np.asarray(images)
    n, c, side, width = images.shape
    if side != width:
        raise ValueError(f"images of shape {images.shape} are not square")
    if side == size:
        return images.copy()
    weights = resize_weights(side, size)
    if images.dtype == np.float64:
        weights = weights.astype(float)
    out = np.empty((n, c, size, size), images.dtype)
    for start in range(0, n, _BLOCK):
        # One product per image, so that no rounding depends on the number of images.
        work = images[start : start + _BLOCK].astype(weights.dtype)
        work = np.matmul(work, weights.T)  # columns: (n, C, s, size)
        work = np.matmul(weights, work)  # rows: (n, C, size, size)
        if images.dtype == np.uint8:
            np.rint(work, out=work)
        out[start : start + _BLOCK] = work
    return out
