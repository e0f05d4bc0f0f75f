# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""SDSS's CCDs: gain and dark variance per camera column and band."""

import numpy as np

__all__ = ["dark_variance", "gain"]

# Rows camcol 1-6, columns u g r i z, electrons per count. SDSS data model of ``frame`` files (DR8 and later), except
# camcol 2 in i: the data model's 6.565 contradicts both the psField files (5.195) and the frames' own noise.
_GAIN = np.array([
    [1.620, 3.320, 4.710, 5.165, 4.745],
    [1.825, 3.855, 4.600, 5.195, 5.155],
    [1.590, 3.845, 4.720, 4.860, 4.885],
    [1.600, 3.995, 4.760, 4.885, 4.775],
    [1.470, 4.050, 4.725, 4.640, 3.480],
    [2.170, 4.035, 4.895, 4.760, 4.690],
])  # fmt: skip

# The same for the variance of dark current and read noise, counts squared.
_DARK_VARIANCE = np.array([
    [9.6100, 15.6025, 1.8225, 7.8400, 0.8100],
    [12.6025, 1.4400, 1.0000, 6.2500, 1.0000],
    [8.7025, 1.3225, 1.3225, 4.6225, 1.0000],
    [12.6025, 1.9600, 1.3225, 7.5625, 12.6025],
    [9.3025, 1.1025, 0.8100, 7.8400, 2.1025],
    [7.0225, 1.8225, 0.9025, 5.0625, 1.2100],
])  # fmt: skip


def gain(run, camcol):
    """Gain of a camera column.

    Parameters
    ----------
    run : int
        SDSS run; camcol 2's u amplifier changed after run 1100.
    camcol : int
        1 to 6.

    Returns
    -------
    ndarray, shape (5,)
        Electrons per count in u g r i z.

    Raises
    ------
    ValueError
        If there is no such camera column.

    Examples
    --------
    >>> from stellarclass.stamps.detector import gain
    >>> print(gain(2583, 2)[2])
    4.6
    """
    values = _row(_GAIN, camcol)
    if camcol == 2 and run < 1100:
        values[0] = 1.595
    return values


def dark_variance(run, camcol):
    """Variance of dark current and read noise of a camera column.

    Parameters
    ----------
    run : int
        SDSS run; some i and z amplifiers changed at run 1500.
    camcol : int
        1 to 6.

    Returns
    -------
    ndarray, shape (5,)
        Counts squared in u g r i z.

    Raises
    ------
    ValueError
        If there is no such camera column.

    Examples
    --------
    >>> from stellarclass.stamps.detector import dark_variance
    >>> print(dark_variance(2583, 2)[2])
    1.0
    """
    values = _row(_DARK_VARIANCE, camcol)
    if run < 1500:
        early = {2: {3: 5.76}, 4: {3: 6.25, 4: 9.61}, 5: {4: 1.8225}}
        for band, value in early.get(camcol, {}).items():
            values[band] = value
    return values


def _row(table, camcol):
    if not 1 <= camcol <= 6:
        raise ValueError(f"camcol = {camcol}: SDSS's camera has columns 1 to 6")
    return table[camcol - 1].copy()
