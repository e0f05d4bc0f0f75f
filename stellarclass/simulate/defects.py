# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What goes wrong on a CCD, and what SDSS's pipeline makes of it: saturation, bleeding, bad columns, cosmic rays."""

import numpy as np
from scipy.ndimage import binary_dilation

__all__ = ["FULL_WELL", "add_cosmic_rays", "interpolate_columns", "saturate"]

FULL_WELL = np.array([54_000.0, 60_000.0, 47_500.0, 47_000.0, 55_000.0])
"""Counts at which pixels saturate in u g r i z: the highest in M2's frames (camcol 2); chips differ by a tenth."""

BAD_COLUMNS = 0.006
"""Share of columns that SDSS interpolates over: 12 of a chip's 2048, as three fields' frames have them."""
COSMIC_RAYS = 3e-7
"""Hits per pixel that SDSS's pipeline leaves: about one in a frame."""

# Around saturated pixels SDSS grows its mask by some pixels before it interpolates.
_GROWTH = np.array([[0, 1, 1, 1, 0], [1, 1, 1, 1, 1], [1, 1, 1, 1, 1], [1, 1, 1, 1, 1], [0, 1, 1, 1, 0]], bool)
# Rows are interpolated one by one from single, steep pixels: stripes of this relative height.
_STRIPES = 0.12


def saturate(rng, counts, full_well, sky):
    """Let charge bleed along columns, then interpolate over what was saturated, as SDSS's frames are.

    Parameters
    ----------
    rng : `numpy.random.Generator`
    counts : ndarray, shape (ny, nx)
        Counts with the sky, as a chip without limits would have them; changed in place.
    full_well : float
        Counts at which pixels saturate.
    sky : float
        Level of the sky in counts.

    Returns
    -------
    ndarray of bool, shape (ny, nx)
        Pixels that were interpolated over.

    Notes
    -----
    Charge above the full well fills the column up and down until all of it has found room. The mask is grown by two
    pixels; each row is then bridged linearly between the pixels left and right of it: a bright star becomes a crater
    with horizontal stripes, fainter by 0.5 to 3.4 mag.
    """
    full = counts > full_well
    if not full.any():
        return full
    for column in np.flatnonzero(full.any(0)):
        _bleed(full[:, column], counts[:, column], full_well)
    mask = binary_dilation(full, _GROWTH)
    # Only rows with masked pixels are touched: for each pixel the nearest good ones to its left and right.
    rows = np.flatnonzero(mask.any(1))
    bad, light = mask[rows], counts[rows]
    columns = np.arange(counts.shape[1])
    left = np.maximum.accumulate(np.where(bad, -1, columns), axis=1)
    right = np.minimum.accumulate(np.where(bad, len(columns), columns)[:, ::-1], axis=1)[:, ::-1]
    here, column = np.nonzero(bad)
    left, right = left[bad], right[bad]
    left, right = np.where(left < 0, right, left), np.where(right >= len(columns), left, right)
    # A row without a good pixel keeps what it has.
    left, right = left.clip(0, len(columns) - 1), right.clip(0, len(columns) - 1)
    part = (column - left) / np.maximum(right - left, 1)
    bridge = light[here, left] * (1 - part) + light[here, right] * part
    stripe = rng.normal(1, _STRIPES, len(rows))[here]
    counts[rows[here], column] = np.minimum(sky + stripe * (bridge - sky), full_well)
    return mask


def _bleed(full, column, full_well):
    """Mark in ``full`` (ny,) the pixels of a column that the charge of its saturated ones flows into."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], full, [0]]).astype(np.int8))).reshape(-1, 2)
    for first, last in edges:
        charge = column[first:last].sum() - full_well * (last - first)
        room = np.maximum(full_well - column, 0)
        # Equally far up and down, as far as the charge needs.
        up, down = np.cumsum(room[last:]), np.cumsum(room[:first][::-1])
        reach = max(len(up), len(down))
        taken = np.pad(up, (0, reach - len(up)), "edge" if len(up) else "constant")
        taken = taken + np.pad(down, (0, reach - len(down)), "edge" if len(down) else "constant")
        steps = int(np.searchsorted(taken, charge)) + 1 if charge > 0 else 0
        full[max(first - steps, 0) : last + steps] = True


def interpolate_columns(counts, columns):
    """Replace bad columns by the mean of their neighbors, in whole counts.

    Parameters
    ----------
    counts : ndarray, shape (..., ny, nx)
        Changed in place.
    columns : ndarray of int
        Bad columns, none at the edge.
    """
    for column in columns:
        counts[..., column] = np.round((counts[..., column - 1] + counts[..., column + 1]) / 2)


def add_cosmic_rays(rng, counts, rate=COSMIC_RAYS):
    """Add the few hits that SDSS's pipeline overlooks: short, sharp tracks.

    Parameters
    ----------
    rng : `numpy.random.Generator`
    counts : ndarray, shape (ny, nx)
        Changed in place.
    rate : float
        Hits per pixel.

    Returns
    -------
    int
        Number of hits.
    """
    ny, nx = counts.shape
    hits = rng.poisson(rate * counts.size)
    for _ in range(hits):
        x, y, angle = rng.uniform(0, nx), rng.uniform(0, ny), rng.uniform(0, 2 * np.pi)
        steps = np.arange(0, rng.exponential(3.0) + 1, 0.5)
        rows, columns = (y + steps * np.sin(angle)).astype(int), (x + steps * np.cos(angle)).astype(int)
        inside = (rows >= 0) & (rows < ny) & (columns >= 0) & (columns < nx)
        np.add.at(counts, (rows[inside], columns[inside]), np.round(rng.exponential(60.0)))
    return hits
