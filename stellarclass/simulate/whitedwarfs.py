# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""White dwarfs of the simulated sky: colors, brightness and radius along the cooling sequence of DA stars."""

import numpy as np

__all__ = ["white_dwarf_bands"]

# Teff; u-g, g-r, r-i, i-z; M_g at log g = 8. Medians of 1,000 DA stars with Teff from SDSS spectra, dereddened, and
# with distances (Chandra et al. 2020, MNRAS 497, 2688, and the catalogs it draws on); M_g moved to log g = 8 by 1.8 mag
# per dex. Then BP-RP and G-r of DA stars of that g-r with Gaia photometry (Montreal White Dwarf Database). Last the
# radius in R_sun at log g = 8, 0.6 M_sun: Bedard et al. (2020, ApJ 901, 93).
_COOLING = np.array([
    [5500, 0.670, 0.250, 0.075, -0.005, 14.75, 0.600, -0.012, 0.0124],
    [6670, 0.530, 0.166, 0.035, -0.047, 13.85, 0.475, -0.026, 0.0125],
    [7400, 0.440, 0.088, -0.015, -0.075, 13.30, 0.385, -0.040, 0.0125],
    [8540, 0.400, -0.006, -0.070, -0.125, 12.75, 0.265, -0.058, 0.0126],
    [9430, 0.400, -0.062, -0.107, -0.166, 12.40, 0.185, -0.071, 0.0127],
    [10500, 0.410, -0.120, -0.147, -0.199, 12.05, 0.095, -0.085, 0.0128],
    [11630, 0.390, -0.193, -0.200, -0.230, 11.75, -0.010, -0.107, 0.0128],
    [13100, 0.354, -0.244, -0.235, -0.254, 11.45, -0.080, -0.122, 0.0129],
    [15130, 0.280, -0.280, -0.255, -0.268, 11.20, -0.120, -0.134, 0.0131],
    [16800, 0.198, -0.312, -0.270, -0.280, 10.95, -0.160, -0.145, 0.0132],
    [19400, 0.070, -0.344, -0.296, -0.285, 10.70, -0.200, -0.155, 0.0134],
    [22500, -0.052, -0.394, -0.312, -0.305, 10.45, -0.260, -0.178, 0.0136],
    [27400, -0.182, -0.433, -0.331, -0.320, 10.00, -0.315, -0.195, 0.0139],
    [32900, -0.300, -0.460, -0.345, -0.330, 9.70, -0.350, -0.207, 0.0142],
    [50000, -0.420, -0.485, -0.362, -0.342, 9.20, -0.390, -0.220, 0.0152],
])  # fmt: skip

# SDSS's spectroscopic DA stars: median 12,900 K, 7,100 to 28,500 K the middle 80 % (the same catalogs).
_LOG_TEFF, _LOG_TEFF_SIGMA = np.log10(12500.0), 0.23
# Masses scatter by 0.1 M_sun about 0.6, which is 0.15 in log g and 0.25 in magnitude (Bedard et al. 2020).
_MAGNITUDE_SIGMA, _COLOR_SIGMA = 0.25, np.array([0.04, 0.015, 0.015, 0.025])


def white_dwarf_bands(rng, n):
    """Draw n white dwarfs.

    Returns
    -------
    bands : ndarray, shape (8, N)
        Absolute magnitudes u g r i z, G, BP, RP.
    radius, teff : ndarray, shape (N,)
        In R_sun and K.
    """
    teff = 10 ** np.clip(rng.normal(_LOG_TEFF, _LOG_TEFF_SIGMA, n), np.log10(_COOLING[0, 0]), np.log10(_COOLING[-1, 0]))
    columns = [np.interp(np.log(teff), np.log(_COOLING[:, 0]), _COOLING[:, k]) for k in range(1, 9)]
    colors = np.stack(columns[:4]) + _COLOR_SIGMA[:, None] * rng.normal(size=(4, n))
    heavier = _MAGNITUDE_SIGMA * rng.normal(size=n)
    g = columns[4] + heavier
    u_g, g_r, r_i, i_z = colors
    r = g - g_r
    gaia = r + columns[6]
    # A white dwarf's spectrum is smooth: G-RP is 0.55 of BP-RP for blue stars (Pecaut & Mamajek's A and B dwarfs).
    rp = gaia - 0.55 * columns[5]
    bands = np.stack([g + u_g, g, r, r - r_i, r - r_i - i_z, gaia, rp + columns[5], rp])
    return bands, columns[7] * 10 ** (-0.2 * heavier), teff
