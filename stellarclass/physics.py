# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Textbook relations between colors, temperature, brightness and radius, with units at the edge.

Two calibrations carry everything here:

* the mean dwarf sequence of Pecaut & Mamajek (2013, ApJS 208, 9), in its version 2024.05.15, of which every second or
  third type is kept below: BP-RP, effective temperature, radius and absolute G;
* the color transformation from SDSS to Gaia, measured on stars of M67 and of the field of M2 (medians in bins of g-i;
  scatter 0.03 mag in G-r and 0.04 mag in BP-RP for g-i < 2.5, extrapolated along the dwarf sequence beyond).

At a fixed color the surface brightness hardly depends on luminosity class, so a radius from color, magnitude and
parallax holds for giants as for dwarfs: ``log R = S(BP-RP) - 0.2 M_G``, where S comes from the dwarf sequence. That is
the Stefan-Boltzmann law with temperature and bolometric correction read off the color.
"""

import numpy as np
from astropy import units as u

__all__ = [
    "CLASSES",
    "CLASS_EDGES",
    "gaia_from_sdss",
    "spectral_class_from_color",
    "stefan_boltzmann_radius",
    "temperature_from_color",
]

CLASSES = ("A", "F", "G", "K", "M")
"""The classes of Deng et al. 2024, hot to cool."""

# BP-RP, Teff [K], R [R_sun], M_G: Pecaut & Mamajek (2013), version 2024.05.15. Rows: A0 A2 A5 A7 F0 F2 F5 F8 G0 G2 G5
# G8 K0 K2 K3 K4 K5 K7 M0 M1 M2 M3 M3.5 M4 M5 M6
_SEQUENCE = np.array([
    [-0.037, 9700, 2.193, 1.00],
    [0.068, 8840, 2.117, 1.345],
    [0.194, 8100, 1.785, 1.98],
    [0.263, 7760, 1.750, 2.19],
    [0.377, 7220, 1.728, 2.51],
    [0.490, 6820, 1.622, 2.89],
    [0.587, 6550, 1.473, 3.26],
    [0.694, 6180, 1.221, 3.90],
    [0.784, 5930, 1.100, 4.325],
    [0.823, 5770, 1.012, 4.635],
    [0.850, 5660, 0.977, 4.801],
    [0.900, 5480, 0.914, 5.098],
    [0.983, 5290, 0.813, 5.553],
    [1.100, 5100, 0.783, 5.83],
    [1.190, 4870, 0.755, 6.22],
    [1.340, 4600, 0.710, 6.59],
    [1.430, 4440, 0.701, 6.85],
    [1.700, 4090, 0.630, 7.57],
    [1.840, 3850, 0.588, 8.10],
    [2.090, 3660, 0.501, 8.82],
    [2.230, 3560, 0.446, 9.29],
    [2.500, 3430, 0.361, 10.05],
    [2.780, 3270, 0.300, 10.82],
    [2.940, 3210, 0.274, 11.21],
    [3.350, 3060, 0.196, 12.45],
    [4.160, 2810, 0.137, 14.26],
])  # fmt: skip

CLASS_EDGES = (0.352, 0.7755, 0.9665, 1.815)
"""BP-RP between A9 and F0, F9.5 and G0, G9 and K0, K9 and M0: halfway between neighbors of Pecaut & Mamajek (2013)."""

# g-i against BP-RP and G-r. Below g-i = 1.7 and around 2.3 these are medians of stars with SDSS and Gaia photometry
# (see the module docstring); the ends follow the dwarf sequence.
_SDSS_TO_GAIA = np.array([
    [-0.60, -0.12, -0.13],
    [-0.45, -0.02, -0.11],
    [-0.30, 0.09, -0.08],
    [-0.10, 0.28, -0.045],
    [0.10, 0.44, -0.02],
    [0.30, 0.62, 0.003],
    [0.50, 0.785, 0.020],
    [0.70, 0.935, 0.025],
    [0.90, 1.060, 0.030],
    [1.10, 1.205, 0.035],
    [1.30, 1.345, 0.030],
    [1.50, 1.470, 0.022],
    [1.70, 1.610, -0.010],
    [1.90, 1.765, -0.065],
    [2.10, 1.940, -0.150],
    [2.30, 2.130, -0.245],
    [2.50, 2.330, -0.350],
    [2.70, 2.560, -0.460],
    [3.00, 2.960, -0.630],
    [3.40, 3.400, -0.880],
    [3.80, 4.000, -1.150],
])  # fmt: skip


def _surface(bp_rp):
    """log10 R + 0.2 M_G of a star of this color."""
    return np.interp(bp_rp, _SEQUENCE[:, 0], np.log10(_SEQUENCE[:, 2]) + 0.2 * _SEQUENCE[:, 3])


def _bp_rp(g_i):
    return np.interp(g_i, _SDSS_TO_GAIA[:, 0], _SDSS_TO_GAIA[:, 1])


def _g_minus_r(g_i):
    return np.interp(g_i, _SDSS_TO_GAIA[:, 0], _SDSS_TO_GAIA[:, 2])


def _log_radius(g_abs, bp_rp):
    """log10 of the radius in R_sun for absolute G and color (plain floats)."""
    return _surface(bp_rp) - 0.2 * np.asarray(g_abs)


def _log_teff(bp_rp):
    return np.interp(bp_rp, _SEQUENCE[:, 0], np.log10(_SEQUENCE[:, 1]))


def _class_index(bp_rp):
    """0 for A ... 4 for M; NaN colors give 4, mask them before."""
    return np.searchsorted(CLASS_EDGES, bp_rp, side="right")


@u.quantity_input(g=u.mag, r=u.mag, i=u.mag)
def gaia_from_sdss(g, r, i):
    """Gaia G and BP-RP of a star from its SDSS magnitudes.

    Parameters
    ----------
    g, r, i : `~astropy.units.Quantity`, shape (N,) or scalar
        SDSS magnitudes.

    Returns
    -------
    g_mag, bp_rp : `~astropy.units.Quantity`
        In mag, same shape. Colors beyond the table are held at its ends.

    Examples
    --------
    >>> import astropy.units as u
    >>> from stellarclass.physics import gaia_from_sdss
    >>> g_mag, bp_rp = gaia_from_sdss(15.46 * u.mag, 15.0 * u.mag, 14.89 * u.mag)
    >>> print(f"{g_mag:.2f} {bp_rp:.2f}")
    15.02 mag 0.84 mag
    """
    g, r, i = (np.asarray(x.to_value(u.mag), float) for x in (g, r, i))
    return (r + _g_minus_r(g - i)) * u.mag, _bp_rp(g - i) * u.mag


@u.quantity_input(bp_rp=u.mag)
def temperature_from_color(bp_rp):
    """Effective temperature of a dwarf of this Gaia color.

    Parameters
    ----------
    bp_rp : `~astropy.units.Quantity`, shape (N,) or scalar
        Gaia BP-RP, free of reddening.

    Returns
    -------
    `~astropy.units.Quantity`
        In kelvin, interpolated in the sequence of Pecaut & Mamajek (2013); held at its ends (A0, M6).

    Examples
    --------
    >>> import astropy.units as u
    >>> from stellarclass.physics import temperature_from_color
    >>> print(f"{temperature_from_color(0.823 * u.mag):.0f}")
    5770 K
    """
    return 10 ** _log_teff(np.asarray(bp_rp.to_value(u.mag), float)) * u.K


@u.quantity_input(bp_rp=u.mag)
def spectral_class_from_color(bp_rp):
    """Class of a star by its Gaia color alone, on the edges `CLASS_EDGES`.

    Parameters
    ----------
    bp_rp : `~astropy.units.Quantity`, shape (N,) or scalar
        Gaia BP-RP.

    Returns
    -------
    ndarray of str, shape (N,) or ()
        One of `CLASSES`; an empty string where the color is not finite.

    Examples
    --------
    >>> import astropy.units as u
    >>> from stellarclass.physics import spectral_class_from_color
    >>> print(spectral_class_from_color([0.1, 0.82, 2.5] * u.mag))
    ['A' 'G' 'M']
    """
    values = np.asarray(bp_rp.to_value(u.mag), float)
    return np.where(np.isfinite(values), np.array(CLASSES)[_class_index(np.nan_to_num(values))], "")


@u.quantity_input(g_mag=u.mag, bp_rp=u.mag, parallax=u.mas)
def stefan_boltzmann_radius(g_mag, bp_rp, parallax):
    """Radius from Gaia magnitude, color and parallax by the Stefan-Boltzmann law.

    Parameters
    ----------
    g_mag, bp_rp : `~astropy.units.Quantity`, shape (N,) or scalar
        Gaia G magnitude and BP-RP, free of extinction.
    parallax : `~astropy.units.Quantity`
        Parallax; where it is not positive the answer is NaN.

    Returns
    -------
    `~astropy.units.Quantity`
        In solar radii.

    Notes
    -----
    ``log10(R / R_sun) = S(BP-RP) - 0.2 M_G`` with ``M_G = G + 5 log10(parallax / mas) - 10`` and S from the dwarf
    sequence of Pecaut & Mamajek (2013); see the module's docstring.

    Examples
    --------
    >>> import astropy.units as u
    >>> from stellarclass.physics import stefan_boltzmann_radius
    >>> print(f"{stefan_boltzmann_radius(4.635 * u.mag, 0.823 * u.mag, 100 * u.mas):.2f}")
    1.01 solRad
    """
    g_mag, bp_rp = (np.asarray(x.to_value(u.mag), float) for x in (g_mag, bp_rp))
    parallax = np.asarray(parallax.to_value(u.mas), float)
    distance_term = np.log10(np.where(parallax > 0, parallax, np.nan))
    return 10 ** _log_radius(g_mag + 5 * distance_term - 10, bp_rp) * u.solRad
