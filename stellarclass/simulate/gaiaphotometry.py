# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Gaia's G and BP-RP, and the radius of its FLAME pipeline, as they would be measured: plain arrays."""

import numpy as np
from scipy.special import ndtr

__all__ = ["FLAME_LIMIT", "observe_color", "observe_g", "observe_radius"]

FLAME_LIMIT = 18.25
"""G beyond which Gaia DR3 has no ``radius_flame`` (Gaia DR3 documentation, 11.3.6)."""

_SMALLEST = 0.05  # solar radii: between white dwarfs and the least of the stars that burn hydrogen

_ZERO_POINT = {"bp": 25.3385, "rp": 24.7479}  # Vega magnitudes of 1 electron/s: Riello et al. (2021, A&A 649, A3)
_TRANSITS = 35

# Noise of one transit in electrons/s: background, photon and calibration part. They give the medians of Gaia DR3's
# contents page (Gaia Collaboration, Vallenari et al. 2023, A&A 674, A1): BP 0.9, 12 and 108 mmag, RP 0.6, 6 and
# 52 mmag at G < 13, 17 and 20.
_TRANSIT_NOISE = {"bp": (50.0, 6.0, 0.005), "rp": (45.0, 1.0, 0.0035)}


def observe_g(rng, g_mag):
    """G with its error: 0.3, 1 and 6 mmag at G < 13, 17 and 20 (A&A 674, A1), and 2 mmag of systematics.

    Parameters
    ----------
    rng : numpy.random.Generator
    g_mag : ndarray, shape (N,)

    Returns
    -------
    ndarray, shape (N,)
    """
    sigma = 10 ** np.interp(g_mag, [13, 17, 20, 21], np.log10([0.0003, 0.001, 0.006, 0.013]))
    return g_mag + rng.normal(0, 1, len(g_mag)) * np.hypot(sigma, 0.002)


def observe_color(rng, g_mag, bp_rp):
    """BP-RP with its errors, and with the bias of faint BP.

    Transits with less than 1 electron/s were left out of the means (Riello et al. 2021, A&A 649, A3, Sect. 8.1). So
    the faint ones that noise made bright remain: BP levels off near 21, and faint red stars look too blue.

    Parameters
    ----------
    rng : numpy.random.Generator
    g_mag, bp_rp : ndarray, shape (N,)
        True G and color.

    Returns
    -------
    ndarray, shape (N,)
    """
    # Share of the light: G - RP of the dwarf sequence against BP-RP (Riello et al. 2021, Fig. 20), good to 0.03 mag.
    g_rp = np.interp(bp_rp, [-0.5, 0.0, 0.5, 0.8, 1.2, 2.0, 3.0, 4.0], [-0.23, 0.0, 0.31, 0.46, 0.65, 0.95, 1.25, 1.50])
    rp = g_mag - g_rp
    magnitudes = {"bp": _observe_transits(rng, rp + bp_rp, "bp"), "rp": _observe_transits(rng, rp, "rp")}
    return magnitudes["bp"] - magnitudes["rp"]


def _observe_transits(rng, magnitude, band):
    """Mean magnitude of the transits that were kept."""
    background, photons, calibration = _TRANSIT_NOISE[band]
    flux = 10 ** (-0.4 * (np.clip(magnitude, 0, 30) - _ZERO_POINT[band]))
    sigma = np.sqrt(background**2 + photons * flux + (calibration * flux) ** 2)
    # Mean and variance of a normal distribution that is cut at 1 electron/s.
    low = (1.0 - flux) / sigma
    hazard = np.exp(-0.5 * low**2) / np.sqrt(2 * np.pi) / ndtr(-low)
    mean, variance = flux + sigma * hazard, sigma**2 * (1 + low * hazard - hazard**2)
    seen = mean + rng.normal(0, 1, len(flux)) * np.sqrt(variance / _TRANSITS)
    return _ZERO_POINT[band] - 2.5 * np.log10(np.maximum(seen, 1.0))


def observe_radius(rng, *, radius, teff, g_mag, parallax, parallax_error, true_parallax):
    """Gaia's ``radius_flame``: a radius by Stefan-Boltzmann from the temperature of GSP-Phot.

    ``radius_flame`` is ``sqrt(lum_flame) * (5772 K / teff_gspphot)**2`` (Gaia DR3 documentation, 11.3.6; so it is to
    0.011 dex in 3,647 real rows), so its errors are those of its temperature and luminosity:

    * temperature: 2 % (110 K for the Sun: Andrae et al. 2023, A&A 674, A27, Table 1, clean samples), which is 4 % in
      radius, and 2 % of luminosity from the bolometric correction and extinction: 4-5 % together, as in the comparison
      of Creevey et al. (2023, A&A 674, A26) with interferometry and asteroseismology;
    * distance: the parallax's own error where its S/N is above 20, the prior's 5 % below it;
    * an offset of +1 %.

    Parameters
    ----------
    rng : numpy.random.Generator
    radius, teff, g_mag : ndarray, shape (N,)
        The truth, in solar radii, K and mag; NaN where it is no star.
    parallax, parallax_error, true_parallax : ndarray, shape (N,)
        In mas; the measured ones NaN where there are none.

    Returns
    -------
    ndarray, shape (N,)
        In solar radii; NaN for G > 18.25, without a parallax or with one of S/N below 0.5, for temperatures outside
        2500 to 20000 K (Gaia DR3 documentation, 11.4.2), for what has no radius, for white dwarfs (no models), and for
        one in ten of the rest, in which the pipeline did not converge.
    """
    n = len(radius)
    temperature, luminosity, distance = rng.normal(0, 0.02, n), rng.normal(0, 0.02, n), rng.normal(0, 0.05, n)
    failed = rng.random(n) < 0.10
    with np.errstate(invalid="ignore", divide="ignore"):
        signal = parallax / parallax_error
        by_parallax = np.where(signal > 20, true_parallax / parallax - 1, distance)
        seen = radius * 1.01 * (1 - 2 * temperature + luminosity / 2) * (1 + by_parallax)
        there = (g_mag <= FLAME_LIMIT) & (signal >= 0.5) & (radius > _SMALLEST) & ~failed
        measured = teff * (1 + temperature)
        there &= (measured >= 2500) & (measured <= 20000)
    return np.where(there, seen, np.nan)
