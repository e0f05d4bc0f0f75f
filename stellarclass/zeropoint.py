# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Gaia's parallaxes are a few hundredths of a mas too small: by how much, after Lindegren et al. (2021, A&A 649, A4).

The zero point is what Gaia EDR3 and DR3 measure, on average, for the parallax of a source infinitely far away; to
subtract it is to correct a parallax. It depends on magnitude, color and ecliptic latitude, with one set of coefficients
for sources whose color was known when their astrometry was solved (five parameters) and one for those whose color was a
sixth unknown. Plain arrays, angles in radians; NaN in, NaN out.
"""

import numpy as np

__all__ = [
    "GLOBAL_ZERO_POINT",
    "ecliptic_latitude",
    "effective_wavenumber",
    "five_parameter_zero_point",
    "six_parameter_zero_point",
]

GLOBAL_ZERO_POINT = -0.017
"""Median parallax of quasars in mas (Lindegren et al. 2021, A&A 649, A4, section 4)."""

# Coefficients q_jk in microarcseconds: Table 9 for five parameters, Table 10 for six, both against G. The terms
# are (j, k): which element of `_color_basis` times which one of `_latitude_basis`.
_FIVE_TERMS = ((0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (2, 0), (3, 0), (4, 0))
_FIVE = np.array([
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
])  # fmt: skip
_SIX_TERMS = ((0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (2, 0))
_SIX = np.array([
    [6.0, -27.85, -7.78, 27.47, -32.1, 14.4, 9.5, -67],
    [10.8, -28.91, -3.57, 22.92, 7.7, 12.6, 1.6, -572],
    [11.2, -26.72, -8.74, 9.36, -30.3, 5.6, 17.2, -1104],
    [11.8, -29.04, -9.69, 13.63, -49.4, 36.3, 17.7, -1129],
    [12.2, -12.39, -2.16, 10.23, -92.6, 19.8, 27.6, -365],
    [12.9, -18.99, -1.93, 15.90, -57.2, -8.0, 19.9, -554],
    [13.1, -38.29, 2.59, 16.20, -10.5, 1.4, 0.4, -960],
    [15.9, -36.83, 4.20, 15.76, 22.3, 11.1, 10.0, -1367],
    [16.1, -28.37, 1.99, 9.28, 50.4, 17.2, 13.7, -1351],
    [17.5, -24.68, -1.37, 3.52, 86.8, 19.8, 21.3, -1380],
    [19.0, -15.32, 4.01, -6.03, 29.2, 14.1, 0.4, -563],
    [20.0, -13.73, -10.92, -8.30, -74.4, 196.4, -42.0, 536],
    [21.0, -29.53, -20.34, -18.74, -39.5, 326.8, -262.3, 1598],
])  # fmt: skip

_OBLIQUITY = np.radians(84381.411 / 3600)  # of Gaia's ecliptic coordinates; their origin, 0.06 arcsec off, is left out


def five_parameter_zero_point(g_mag, wavenumber, latitude):
    """Zero point of parallaxes that were solved with a known color, in mas.

    Lindegren et al. (2021, A&A 649, A4), Eqs. 3-5 with Table 9.

    Parameters
    ----------
    g_mag : array_like, float
        Gaia's G; below 6 and above 21, where the recipe ends, its values at 6 and 21 hold.
    wavenumber : array_like, float
        Effective wavenumber in 1/micrometer, Gaia's ``nu_eff_used_in_astrometry`` or what `effective_wavenumber`
        gives; held within 1.1 to 1.9, where the recipe ends.
    latitude : array_like, float
        Ecliptic latitude in radians.

    Returns
    -------
    ndarray
        To be subtracted from a parallax; of the arguments' common shape.

    Examples
    --------
    >>> from stellarclass.zeropoint import five_parameter_zero_point
    >>> five_parameter_zero_point([15.0, 18.0, 20.0], 1.6, 0.0).round(3)
    array([-0.044, -0.025, -0.01 ])
    """
    return _zero_point(_FIVE, _FIVE_TERMS, g_mag, np.clip(wavenumber, 1.1, 1.9), latitude)


def six_parameter_zero_point(g_mag, pseudocolor, latitude):
    """Zero point of parallaxes that were solved together with the source's color, in mas.

    Lindegren et al. (2021, A&A 649, A4), Eqs. 3-5 with Table 10.

    Parameters
    ----------
    g_mag : array_like, float
        Gaia's G; below 6 and above 21, where the recipe ends, its values at 6 and 21 hold.
    pseudocolor : array_like, float
        Gaia's ``pseudocolour`` in 1/micrometer; below 1.24 and above 1.72 the correction stays what it is there.
    latitude : array_like, float
        Ecliptic latitude in radians.

    Returns
    -------
    ndarray
        To be subtracted from a parallax; of the arguments' common shape.

    Examples
    --------
    >>> from stellarclass.zeropoint import six_parameter_zero_point
    >>> six_parameter_zero_point([15.0, 18.0, 20.0], 1.6, 0.0).round(3)
    array([-0.041, -0.014, -0.018])
    """
    return _zero_point(_SIX, _SIX_TERMS, g_mag, np.clip(pseudocolor, 1.24, 1.72), latitude)


def effective_wavenumber(bp_rp):
    """Photon-weighted effective wavenumber in 1/micrometer of a source of this color.

    Lindegren et al. (2021, A&A 649, A2), Eq. 3.

    Parameters
    ----------
    bp_rp : array_like, float
        Gaia's BP-RP.

    Examples
    --------
    >>> from stellarclass.zeropoint import effective_wavenumber
    >>> effective_wavenumber([0.0, 0.8, 2.5]).round(3)
    array([1.817, 1.612, 1.328])
    """
    c = np.asarray(bp_rp, float)
    return 2.0 - 1.8 / np.pi * np.arctan(0.331 + 0.572 * c - 0.014 * c**2 + 0.045 * c**3)


def ecliptic_latitude(ra, dec):
    """Ecliptic latitude in radians, as Gaia's ``ecl_lat`` has it to a tenth of an arcsecond.

    Parameters
    ----------
    ra, dec : array_like, float
        ICRS, in degrees.

    Examples
    --------
    >>> import numpy as np
    >>> from stellarclass.zeropoint import ecliptic_latitude
    >>> float(np.degrees(ecliptic_latitude(270.0, 0.0)).round(2))
    23.44
    """
    ra, dec = np.radians(ra), np.radians(dec)
    sine = np.sin(dec) * np.cos(_OBLIQUITY) - np.cos(dec) * np.sin(_OBLIQUITY) * np.sin(ra)
    return np.arcsin(np.clip(sine, -1, 1))


def _zero_point(table, terms, g_mag, color, latitude):
    """Sum of the terms, with coefficients interpolated in G."""
    colors, latitudes = _color_basis(color), _latitude_basis(latitude)
    coefficients = (np.interp(g_mag, table[:, 0], q) for q in table[:, 1:].T)
    return sum(q * colors[j] * latitudes[k] for q, (j, k) in zip(coefficients, terms, strict=True)) / 1000


def _color_basis(color):
    color = np.asarray(color, float)
    return (
        np.ones_like(color),
        np.clip(color - 1.48, -0.24, 0.24),
        np.clip(1.48 - color, 0, 0.24) ** 3,
        np.minimum(color - 1.24, 0),
        np.maximum(color - 1.72, 0),
    )


def _latitude_basis(latitude):
    sine = np.sin(latitude)
    return np.ones_like(sine), sine, sine**2 - 1 / 3
