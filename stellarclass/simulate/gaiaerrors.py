# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""How well Gaia DR3 measures a single star, and how far it is off: errors by magnitude and sky position, zero point.

Plain arrays, one idea a function. Gaia DR3 has the astrometry of EDR3.
"""

import numpy as np

__all__ = ["error_underestimate", "median_parallax_error", "proper_motion_scales", "scan_factor", "zero_point"]

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


# Parallax zero point of five-parameter solutions: Lindegren et al. (2021b, A&A 649, A4), Table 9, in microarcseconds:
# G, then q00 q01 q02 q10 q11 q20 q30 q40.
_ZERO_POINT = np.array(
    [
        [6.0, -26.98, -9.62, 27.40, -25.1, -0.0, -1257, 0, 0],
        [10.8, -27.23, -3.07, 23.04, 35.3, 15.7, -1257, 0, 0],
        [11.2, -30.33, -9.23, 9.08, -88.4, -11.8, -1257, 0, 0],
        [11.8, -33.54, -10.08, 13.28, -126.7, 11.6, -1257, 0, 0],
        [12.2, -13.65, -0.07, 9.35, -111.4, 40.6, -1257, 0, 0],
        [12.9, -19.53, -1.64, 15.86, -66.8, 20.6, -1257, 0, 0],
        [13.1, -37.99, 2.63, 16.14, -5.7, 14.0, -1257, 107.9, 104.3],
        [15.9, -38.33, 5.61, 15.42, 0, 18.7, -1189, 243.8, 155.2],
        [16.1, -31.05, 2.83, 8.59, 0, 15.5, -1404, 105.5, 170.7],
        [17.5, -29.18, -0.09, 2.41, 0, 24.5, -1165, 189.7, 325.0],
        [19.0, -18.40, 5.98, -6.46, 0, 5.5, 0, 0, 276.6],
        [20.0, -12.65, -4.57, -7.46, 0, 97.9, 0, 0, 0],
        [21.0, -18.22, -15.24, -18.54, 0, 128.2, 0, 0, 0],
    ]
)


def zero_point(g_mag, bp_rp, ecliptic_latitude):
    """What Gaia's parallax is of a source infinitely far away, in mas.

    Lindegren et al. (2021b, A&A 649, A4), Eqs. 3-5 with Table 9 (five-parameter solutions; those with six differ by a
    hundredth of a mas, a tenth of a faint star's error and less), the color through the effective wavenumber of
    Lindegren et al. (2021a, A&A 649, A2), Eq. 3.

    Parameters
    ----------
    g_mag, bp_rp : array_like, float, shape (N,)
        Gaia G and BP-RP; held at the ends of the recipe's range, and a missing color counts as 0.8.
    ecliptic_latitude : array_like, float, shape (N,)
        Radians.

    Returns
    -------
    ndarray, shape (N,)

    Examples
    --------
    >>> from stellarclass.simulate.gaiaerrors import zero_point
    >>> zero_point([15.0, 18.0, 20.0], [0.8, 0.8, 0.8], [0.0, 0.0, 0.0]).round(3)
    array([-0.044, -0.025, -0.01 ])
    """
    c = np.nan_to_num(np.asarray(bp_rp, float), nan=0.8)
    wavenumber = 2.0 - 1.8 / np.pi * np.arctan(0.331 + 0.572 * c - 0.014 * c**2 + 0.045 * c**3)
    wavenumber = np.clip(wavenumber, 1.1, 1.9)
    sine = np.sin(ecliptic_latitude)
    color = (
        np.clip(wavenumber - 1.48, -0.24, 0.24),
        np.clip(1.48 - wavenumber, 0, 0.24) ** 3,
        np.minimum(wavenumber - 1.24, 0),
        np.maximum(wavenumber - 1.72, 0),
    )
    one = np.ones_like(color[0])
    basis = (one, sine * one, sine**2 - 1 / 3, color[0], color[0] * sine, *color[1:])
    coefficients = (np.interp(g_mag, _ZERO_POINT[:, 0], q) for q in _ZERO_POINT[:, 1:].T)
    return sum(q * b for q, b in zip(coefficients, basis, strict=True)) / 1000
