# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""How well Gaia DR3 measures a single star: errors by magnitude and position on the sky.

Plain arrays, one idea a function. Gaia DR3 has the astrometry of EDR3.
"""

import numpy as np

__all__ = ["error_underestimate", "median_parallax_error", "proper_motion_scales", "scan_factor"]

# Median parallax error in mas of well-behaved stars (ruwe < 1.2) against G, divided by `scan_factor`: 8,301 field
# stars of Gaia DR3 in 30 directions (public repository tmtsoftware/dms-irgsc) and, for G < 14, 935 stars common to
# LAMOST (lior-linho/gaia-lamost-galactic-archaeology). Within 6 % of the medians over the sky of Lindegren et al.
# (2021a, A&A 649, A2), Table 4, to G = 20: 0.025 mas at G = 15, 0.068 at 17, 0.46 at 20.
_G = [11.0, 12.0, 13.0, 14.0, 15.0, 16.0, 17.0, 18.0, 19.0, 20.0, 20.5, 21.0]
_PARALLAX_ERROR = [0.0185, 0.0135, 0.0138, 0.0180, 0.0264, 0.0415, 0.0690, 0.1207, 0.2260, 0.470, 0.775, 1.25]

# Errors against |sin(ecliptic latitude)|, relative to the mean over the sky, with the number of transits: ESA's Gaia
# science performance, as in PyGaia (Brown, github.com/agabrown/PyGaia, errorFactorVariationBeta...txt), for a mission
# of five years.
# fmt: off
_SCAN_PARALLAX = [
    1.180, 1.180, 1.169, 1.167, 1.158, 1.143, 1.136, 1.146, 1.098, 1.072,
    1.043, 1.009, 0.970, 0.922, 0.850, 0.808, 0.779, 0.755, 0.731, 0.713,
]
_SCAN_LONGITUDE = [  # proper motion
    0.725, 0.722, 0.710, 0.703, 0.689, 0.673, 0.662, 0.640, 0.614, 0.584,
    0.548, 0.500, 0.451, 0.381, 0.327, 0.386, 0.422, 0.447, 0.466, 0.481,
]
_SCAN_LATITUDE = [
    0.542, 0.542, 0.537, 0.539, 0.538, 0.533, 0.533, 0.525, 0.515, 0.506,
    0.493, 0.477, 0.461, 0.437, 0.423, 0.443, 0.456, 0.467, 0.473, 0.490,
]
# fmt: on
_SIN_LATITUDE = np.arange(0.025, 1, 0.05)
# Means over the sky of the two, and of DR3's errors per year over the parallax error after 34 months: the same sources.
_MEAN_LONGITUDE, _MEAN_LATITUDE = 0.556, 0.496
_DR3_LONGITUDE, _DR3_LATITUDE = 1.03, 0.89


def median_parallax_error(g_mag):
    """Median parallax error of well-behaved stars in mas, before `scan_factor`.

    Parameters
    ----------
    g_mag : array_like, float
        Gaia G.

    Examples
    --------
    >>> from stellarclass.simulate.gaiaerrors import median_parallax_error
    >>> median_parallax_error([15.0, 17.0]).round(4)
    array([0.0264, 0.069 ])
    """
    return np.exp(np.interp(g_mag, _G, np.log(_PARALLAX_ERROR)))


def scan_factor(ecliptic_latitude):
    """Parallax error over its mean over the sky: Gaia's scanning law sees the ecliptic least often and least well.

    Parameters
    ----------
    ecliptic_latitude : array_like, float
        Radians.

    Examples
    --------
    >>> import numpy as np
    >>> from stellarclass.simulate.gaiaerrors import scan_factor
    >>> scan_factor(np.radians([0.0, 45.0, 90.0])).round(2)
    array([1.18, 0.88, 0.71])
    """
    return np.interp(np.abs(np.sin(ecliptic_latitude)), _SIN_LATITUDE, _SCAN_PARALLAX)


def proper_motion_scales(ecliptic_latitude):
    """Errors of the two components of proper motion per year, over the parallax error there: two arrays.

    The longitude-like component is taken for right ascension. Near M2 (latitude 12 degrees) real rows have 1.11 and
    0.78, this gives 1.11 and 0.83.
    """
    sine = np.abs(np.sin(ecliptic_latitude))
    parallax = np.interp(sine, _SIN_LATITUDE, _SCAN_PARALLAX)
    longitude = np.interp(sine, _SIN_LATITUDE, _SCAN_LONGITUDE) * _DR3_LONGITUDE / _MEAN_LONGITUDE
    latitude = np.interp(sine, _SIN_LATITUDE, _SCAN_LATITUDE) * _DR3_LATITUDE / _MEAN_LATITUDE
    return longitude / parallax, latitude / parallax


def error_underestimate(g_mag):
    """Real error over quoted error.

    From wide binaries, whose two parallaxes should agree: El-Badry, Rix & Heintz (2021, MNRAS 506, 2269), Eq. 16; it
    reaches 1.3 at G = 13. For faint stars, where that fit falls to 1 and below, the 1.05 of quasars with
    five-parameter solutions (Fabricius et al. 2021, A&A 649, A5).

    Examples
    --------
    >>> from stellarclass.simulate.gaiaerrors import error_underestimate
    >>> error_underestimate([13.0, 16.0, 20.0]).round(2)
    array([1.27, 1.05, 1.05])
    """
    g_mag = np.asarray(g_mag, float)
    fit = 0.21 * np.exp(-(((g_mag - 12.65) / 0.90) ** 2)) + 1.141 + 0.0040 * g_mag - 0.00062 * g_mag**2
    return np.maximum(fit, 1.05)
