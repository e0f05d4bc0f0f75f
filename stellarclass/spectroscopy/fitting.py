# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The fit under everything: a spectrum as template times smooth curve, for many templates and velocities at once.

The smooth curve is a polynomial in log wavelength, the best one of its order for each template and velocity, by linear
least squares. So whatever changes a spectrum smoothly (distance, dust, flux calibration, the unit) changes the curve
and not the fit. Products of Chebyshev polynomials are sums of them, ``2 T_j T_k = T_(j+k) + T_|j-k|``, hence all
normal equations follow from ``2 ORDER + 1`` moments, and these are one matrix product.
"""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import uniform_filter1d

__all__ = ["ORDER", "RANGE", "SPEED_OF_LIGHT", "Pixels", "curve_values", "fit", "shifted", "smooth_continuum"]

SPEED_OF_LIGHT = 299792.458  # km/s

RANGE = (3800.0, 9200.0)
"""Vacuum wavelengths in Å that are compared: what all of SDSS's spectrographs cover."""

ORDER = 8
"""Order of the smooth curve: nothing narrower than about 600 Å is taken for calibration or dust."""


@dataclass(frozen=True)
class Pixels:
    """P usable pixels of a spectrum.

    Attributes
    ----------
    log_wavelength : ndarray, shape (P,)
        log10 of the wavelength in Å, ascending.
    flux : ndarray, shape (P,)
        In units of its own median.
    weight : ndarray, shape (P,)
        Inverse variance of `flux`.
    """

    log_wavelength: np.ndarray
    flux: np.ndarray
    weight: np.ndarray

    def basis(self, order):
        """Chebyshev polynomials, shape (P, order + 1)."""
        low, high = np.log10(RANGE)
        return np.polynomial.chebyshev.chebvander((2 * self.log_wavelength - low - high) / (high - low), order)


def shifted(log_wavelength, template_log_wavelength, templates, velocity):
    """Templates as they look at a velocity, on the pixels of a spectrum.

    Parameters
    ----------
    log_wavelength : ndarray, shape (P,)
    template_log_wavelength : ndarray, shape (Q,)
    templates : ndarray, shape (T, Q)
    velocity : float
        In km/s, c times redshift.

    Returns
    -------
    ndarray, shape (T, P)
        Linear between the templates' pixels, constant beyond their ends.
    """
    rest = log_wavelength - np.log10(1 + velocity / SPEED_OF_LIGHT)
    right = np.clip(np.searchsorted(template_log_wavelength, rest), 1, len(template_log_wavelength) - 1)
    left = right - 1
    step = template_log_wavelength[right] - template_log_wavelength[left]
    part = np.clip((rest - template_log_wavelength[left]) / step, 0, 1)
    return templates[:, left] * (1 - part) + templates[:, right] * part


def fit(pixels, models):
    """Least chi-squared of a spectrum against each model times a smooth curve.

    Parameters
    ----------
    pixels : Pixels
    models : ndarray, shape (M, P)

    Returns
    -------
    chi2 : ndarray, shape (M,)
    coefficients : ndarray, shape (M, ORDER + 1)
        Of the curve.
    """
    basis = pixels.basis(2 * ORDER)
    weighted = models * pixels.weight
    moments = (weighted * models) @ basis  # (M, 2 ORDER + 1)
    right = (weighted * pixels.flux) @ basis[:, : ORDER + 1]
    k = np.arange(ORDER + 1)
    normal = (moments[:, np.abs(k[:, None] - k)] + moments[:, k[:, None] + k]) / 2
    # A template that is zero over part of the range leaves the curve free there.
    normal[:, k, k] += 1e-12 * np.trace(normal, axis1=1, axis2=2)[:, None]
    coefficients = np.linalg.solve(normal, right[..., None])[..., 0]
    total = np.sum(pixels.weight * pixels.flux**2)
    return np.maximum(total - np.sum(coefficients * right, axis=1), 0.0), coefficients


def curve_values(pixels, coefficients):
    """The smooth curve on the spectrum's pixels, shape (P,)."""
    return pixels.basis(ORDER) @ coefficients


def smooth_continuum(log_wavelength, flux, weight):
    """A positive smooth curve through a spectrum: the polynomial through the logarithm of its running mean.

    Parameters
    ----------
    log_wavelength, flux, weight : ndarray, shape (P,)
        ``weight`` 0 where a pixel is not to be used.

    Returns
    -------
    ndarray, shape (P,)
    """
    used = (weight > 0).astype(float)
    mean = uniform_filter1d(flux * used, 101) / np.maximum(uniform_filter1d(used, 101), 1e-3)
    floor = 0.01 * np.median(flux[weight > 0])
    pixels = Pixels(log_wavelength, flux, weight)
    basis = pixels.basis(ORDER)
    coefficients, *_ = np.linalg.lstsq(basis * used[:, None], used * np.log(np.maximum(mean, floor)), rcond=None)
    return np.exp(basis @ coefficients)
