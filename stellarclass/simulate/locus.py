# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The stellar locus in SDSS colors as a function of g-i and metallicity: node tables and their interpolation."""

import numpy as np

__all__ = ["LOCUS_LIMITS", "locus_colors"]

# g-i, g-r, i-z, u-g and d(u-g)/d[Fe/H] of stars at [Fe/H] = -0.6.
# g-i >= 0.6: Davenport et al. (2014, MNRAS 440, 3430), Table 1, re-binned to the g-i that their own g-r and r-i add up
# to. Below: medians of 2,000 SDSS spectroscopic A and F stars (halo and blue horizontal branch), moved from
# [Fe/H] = -1.5 with the slope given. Slopes: derivative of the photometric metallicity of Bond et al. (2010, ApJ 716,
# 1, Eq. A1), tapered to 0 where it does not apply. u-g of M dwarfs, 0.04 bluer than theirs,
# is a mean of theirs and of the same stars.
_NODES = np.array([
    [-0.65, -0.345, -0.215, 0.450, 0.00],
    [-0.55, -0.305, -0.192, 0.850, 0.00],
    [-0.45, -0.235, -0.140, 1.110, 0.00],
    [-0.35, -0.194, -0.100, 1.190, 0.00],
    [-0.25, -0.134, -0.080, 1.235, 0.00],
    [-0.15, -0.066, -0.064, 1.226, 0.00],
    [-0.05, 0.003, -0.055, 1.166, 0.00],
    [0.05, 0.064, -0.043, 1.120, 0.02],
    [0.15, 0.129, -0.022, 1.110, 0.05],
    [0.25, 0.193, 0.000, 1.090, 0.12],
    [0.35, 0.258, 0.019, 1.085, 0.22],
    [0.45, 0.329, 0.039, 1.140, 0.26],
    [0.60, 0.447, 0.057, 1.304, 0.30],
    [0.70, 0.521, 0.082, 1.486, 0.32],
    [0.80, 0.591, 0.105, 1.654, 0.30],
    [1.00, 0.737, 0.147, 1.972, 0.25],
    [1.20, 0.886, 0.182, 2.241, 0.20],
    [1.40, 1.026, 0.213, 2.430, 0.12],
    [1.60, 1.158, 0.255, 2.530, 0.08],
    [1.80, 1.268, 0.314, 2.560, 0.05],
    [2.00, 1.356, 0.372, 2.580, 0.03],
    [2.20, 1.394, 0.446, 2.580, 0.00],
    [2.40, 1.403, 0.536, 2.540, 0.00],
    [2.60, 1.400, 0.630, 2.530, 0.00],
    [2.80, 1.412, 0.737, 2.530, 0.00],
    [3.00, 1.456, 0.839, 2.540, 0.00],
    [3.30, 1.533, 0.965, 2.560, 0.00],
    [3.70, 1.598, 1.150, 2.560, 0.00],
    [4.30, 1.660, 1.445, 2.560, 0.00],
])  # fmt: skip

LOCUS_LIMITS = (_NODES[0, 0], _NODES[-1, 0])
"""Bluest and reddest g-i of the tables."""


def locus_colors(g_i, fe_h):
    """Mean SDSS colors of stars.

    Parameters
    ----------
    g_i : ndarray, shape (N,)
        Intrinsic g-i in mag.
    fe_h : ndarray, shape (N,)
        Metallicity [Fe/H].

    Returns
    -------
    ndarray, shape (N, 4)
        u-g, g-r, r-i and i-z in mag; g-r and r-i add up to ``g_i``.

    Examples
    --------
    >>> import numpy as np
    >>> from stellarclass.simulate.locus import locus_colors
    >>> print(locus_colors(np.array([0.6]), np.array([-0.6])).round(2))
    [[1.3  0.45 0.15 0.06]]
    """
    g_r, i_z, u_g, slope = (np.interp(g_i, _NODES[:, 0], _NODES[:, k]) for k in range(1, 5))
    u_g = u_g + slope * (np.clip(fe_h, -2.5, 0.5) + 0.6)
    return np.stack([u_g, g_r, g_i - g_r, i_z], axis=-1)
