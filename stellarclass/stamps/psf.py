# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The point-spread function of a frame: SDSS's composite profile, measured on the frame's own stars.

    I(r) ~ exp(-r^2 / 2 sigma1^2) + b exp(-r^2 / 2 sigma2^2) + p0 (1 + r^2 / (beta sigmap^2))^(-beta / 2)

the form and the names of SDSS's ``psField`` files. Two Gaussians are the seeing, the power law the telescope's wings.
"""

import math

import numpy as np
from scipy.optimize import least_squares

from .bright_stars import HALF, find_bright_stars, masked_median

__all__ = ["TOTAL_RADIUS", "TYPICAL_PSF", "encircled", "fit_psf", "fwhm", "measure_psf", "profile"]

TOTAL_RADIUS = 16.0
"""Radius in pixels within which a star's flux counts as total.

As far as single frames let the profile be measured; SDSS nominally corrects to 7.43 arcsec (18.8 pixels). With this
radius PSFFLUX is recovered to 3 % in every band (run 4510, camcol 4, field 30)."""

TYPICAL_PSF = np.array(
    [
        [1.56, 3.0, 0.08, 0.004, 3.0, 2.6],
        [1.45, 2.8, 0.09, 0.004, 3.0, 2.6],
        [1.33, 2.6, 0.09, 0.004, 3.0, 2.5],
        [1.25, 2.5, 0.09, 0.004, 3.0, 2.4],
        [1.27, 2.6, 0.09, 0.004, 3.0, 2.4],
    ],
    dtype=np.float32,
)
"""Composite profile of a frame in median seeing (1.4 arcsec in g, 1.3 in r), for frames too empty to measure one."""

_MIN_STARS = 4
# Amplitude of the wings in psField files, and how far (in ln) a frame may pull away from it.
_WING, _WING_SPREAD = 0.0095, 0.3
_NEAR = 8  # half the side of the window that holds 6.5 pixels around any center


def profile(psf, r2):
    """Surface brightness of a star of unit total flux.

    Parameters
    ----------
    psf : ndarray, shape (..., 6)
        sigma1, sigma2, b, p0, beta, sigmap; lengths in pixels, beta above 2.
    r2 : ndarray, shape (..., ny, nx)
        Squared distance from the star in pixels squared; leading axes as those of ``psf``.

    Returns
    -------
    ndarray
        Shape of ``r2``: flux per pixel, the pixel's own blur included, such that the flux within `TOTAL_RADIUS` is 1.
    """
    psf = np.asarray(psf)
    r2 = np.asarray(r2)
    extra = (1,) * (r2.ndim - (psf.ndim - 1))
    s1, s2, b, p0, beta, sp = (psf[..., k].reshape(psf.shape[:-1] + extra) for k in range(6))
    shape = np.exp(r2 * (-0.5 / s1**2))
    shape += b * np.exp(r2 * (-0.5 / s2**2))
    wing = 1 + r2 / (beta * sp**2)
    # beta = 3 is what we fit and simulate; the general power costs ten times as much.
    shape += p0 / (wing * np.sqrt(wing)) if np.all(psf[..., 4] == 3) else p0 * wing ** (-beta / 2)
    return shape / _integral(psf, TOTAL_RADIUS).reshape(psf.shape[:-1] + extra)


def _integral(psf, radius):
    s1, s2, b, p0, beta, sp = np.moveaxis(np.asarray(psf), -1, 0)
    r2 = radius**2
    total = s1**2 * (1 - np.exp(-0.5 * r2 / s1**2)) + b * s2**2 * (1 - np.exp(-0.5 * r2 / s2**2))
    scale = beta * sp**2
    return 2 * np.pi * (total + p0 * scale / (beta - 2) * (1 - (1 + r2 / scale) ** (1 - beta / 2)))


def encircled(psf, radius):
    """Fraction of a star's total flux within a circle.

    Parameters
    ----------
    psf : ndarray, shape (..., 6)
        Profile parameters.
    radius : float
        In pixels.

    Returns
    -------
    ndarray, shape (...)
        Fraction; 1 at `TOTAL_RADIUS`.

    Examples
    --------
    >>> from stellarclass.stamps.psf import TYPICAL_PSF, encircled
    >>> print(encircled(TYPICAL_PSF[2], 5.0).round(2))
    0.95
    """
    return _integral(psf, radius) / _integral(psf, TOTAL_RADIUS)


def fwhm(psf):
    """Full width at half maximum of a profile.

    Parameters
    ----------
    psf : ndarray, shape (..., 6)
        Profile parameters.

    Returns
    -------
    ndarray, shape (...)
        In pixels, to 0.001 pixel; at most 40.

    Examples
    --------
    >>> from stellarclass.stamps.psf import TYPICAL_PSF, fwhm
    >>> print((0.396 * fwhm(TYPICAL_PSF[2])).round(1))  # arcsec
    1.3
    """
    psf = np.asarray(psf, float)
    low, high = np.zeros(psf.shape[:-1]), np.full(psf.shape[:-1], 20.0)
    peak = profile(psf, np.zeros(psf.shape[:-1]))
    for _ in range(16):
        middle = (low + high) / 2
        above = profile(psf, middle**2) > peak / 2
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    return low + high


def measure_psf(data, *, sigma, limit):
    """Measure the PSF of a frame on its own bright, unsaturated stars.

    Parameters
    ----------
    data : ndarray, shape (ny, nx), float32
        Sky-subtracted frame; NaN allowed.
    sigma : float
        Standard deviation of blank sky in the units of ``data``.
    limit : float
        Brightest pixel value that is certainly linear.

    Returns
    -------
    ndarray, shape (6,), float32
        Profile parameters, NaN if fewer than four stars could be used.
    """
    return fit_psf(find_bright_stars(data, sigma=sigma, limit=limit))


def fit_psf(stars):
    """Fit the PSF of a frame to its bright stars.

    Parameters
    ----------
    stars : `~stellarclass.stamps.bright_stars.BrightStars`
        As they were found.

    Returns
    -------
    ndarray, shape (6,), float32
        Profile parameters, NaN if fewer than four stars could be used.

    Notes
    -----
    Stars are stacked as radial profiles, scaled to their flux within 5 pixels. The median over stars in rings resists
    neighbors and galaxies; stars whose core is far from the others' are left out in a second pass.
    """
    unknown = np.full(6, np.nan, np.float32)
    if len(stars) < _MIN_STARS:
        return unknown
    radius, octant = _places(stars.center)
    ring = (radius > 16) & (radius < HALF)
    stack = stars.images - masked_median(stars.images, ring)[:, None, None]
    lonely = _lonely(stack, radius, octant)
    stack, center, radius = stack[lonely], stars.center[lonely], radius[lonely]
    near = slice(HALF - _NEAR, HALF + _NEAR + 1)
    close, near_radius = stack[:, near, near], radius[:, near, near]
    flux5 = (close * np.clip(5.5 - near_radius, 0, 1)).sum((1, 2))
    core = (close * np.clip(2.5 - near_radius, 0, 1)).sum((1, 2)) / np.where(flux5 > 0, flux5, np.nan)
    # Galaxies have fluffy cores, cosmic rays sharp ones: keep the crowd.
    middle = np.nanmedian(core)
    spread = max(1.4826 * np.nanmedian(np.abs(core - middle)), 0.01)
    keep = (np.abs(core - middle) < 2.5 * spread) & (flux5 > 0) & (np.abs(center) < 1.5).all(1)
    if keep.sum() < _MIN_STARS:
        return unknown
    flux5 = flux5[keep]
    psf = _fit_rings(*_rings(radius[keep], stack[keep] / flux5[:, None, None]))
    return _tie_to_aperture(psf, close[keep], near_radius[keep], flux5).astype(np.float32)


def _places(center):
    """Distance of each pixel from its star, and in which of eight sectors around it the pixel lies: (N, 41, 41)."""
    steps = np.arange(-HALF, HALF + 1)
    dx, dy = steps - center[:, 0, None], steps - center[:, 1, None]
    radius = np.sqrt((dx**2)[:, None, :] + (dy**2)[:, :, None])
    octant = (np.abs(dx)[:, None, :] > np.abs(dy)[:, :, None]).astype(np.uint8)
    octant += (2 * (dx > 0)).astype(np.uint8)[:, None, :]
    octant += (4 * (dy > 0)).astype(np.uint8)[:, :, None]
    return radius, octant


def _lonely(stack, radius, octant):
    """Rows of the less disturbed half of the stars: a neighbor makes one of eight sectors stand out from the others."""
    n = len(stack)
    rows, *pixels = np.nonzero((radius > 3) & (radius < 13))
    light = np.bincount(8 * rows + octant[rows, *pixels], stack[rows, *pixels], 8 * n).reshape(n, 8)
    flux = (stack * (radius < 5)).sum((1, 2))
    excess = (light.max(1) - np.median(light, 1)) / np.where(flux > 0, flux, np.nan)
    order = np.argsort(np.where(np.isfinite(excess), excess, np.inf))
    return np.sort(order[: max(n // 2, min(n, 8))])


def _rings(radius, value):
    """Mean squared radius and median brightness of rings half a pixel wide, one pixel beyond 6; empty ones left out."""
    inside = radius < 16
    radius, value = radius[inside], value[inside]
    which = np.where(radius < 6, 2 * radius, radius + 6).astype(np.int16)
    order = np.argsort(which, kind="stable")
    ends = np.cumsum(np.bincount(which, minlength=22))[:-1]
    rings = [(r, v) for r, v in zip(*(np.split(a[order], ends) for a in (radius, value)), strict=True) if len(r) > 5]
    return np.array([np.mean(r**2) for r, _ in rings]), np.array([np.median(v) for _, v in rings])


def _fit_rings(mean_r2, level):
    """Profile whose brightness, relative to the flux within 5 pixels, comes closest to that of the rings."""
    floor = 1e-4 * level.max()
    weight = 1 / (0.03 * level.clip(floor) + floor)

    # Far wings are a per cent of the light and drown in a single frame's sky: lean on what psField files have.
    def residuals(p):
        return np.append((_brightness(p, mean_r2)[0] - level) * weight, (p[3] - math.log(_WING)) / _WING_SPREAD)

    def slopes(p):
        return np.vstack([_brightness(p, mean_r2)[1] * weight[:, None], [0, 0, 0, 1 / _WING_SPREAD]])

    bounds = np.log([0.5, 0.05, 1e-3, 1e-5]), np.log([4, 3, 1.0, 0.05])
    start = np.log([1.3, 0.7, 0.08, _WING])
    return np.array(_parameters(least_squares(residuals, start, jac=slopes, bounds=bounds).x))


def _parameters(p):
    """The profile's six parameters, of which four are fitted: logarithms of sigma1, sigma2 / sigma1 - 1.3, b, p0."""
    s1, ratio, b, p0 = (math.exp(v) for v in p)
    return s1, s1 * (1.3 + ratio), b, p0, 3.0, s1 * 1.9


def _brightness(p, r2):
    """``profile`` over ``encircled`` at 5 pixels, (N,), and its derivatives by p, (N, 4).

    Written out for single numbers, which makes a fit five times as fast.
    """
    s1, s2, b, p0, beta, sp = _parameters(p)
    r2 = np.append(r2, 25.0)
    k1, k2, k3 = 1 / s1**2, 1 / s2**2, 1 / (beta * sp**2)
    core, wide, far = np.exp(-0.5 * k1 * r2), b * np.exp(-0.5 * k2 * r2), 1 + k3 * r2
    wing = p0 / (far * np.sqrt(far))
    shape = core + wide + wing
    # Half the integral over r^2 within 5 pixels.
    wide_flux, wing_flux = (b - wide[-1]) / k2, p0 * (1 - far[-1] ** -0.5) / k3
    flux = (1 - core[-1]) / k1 + wide_flux + wing_flux
    # What all lengths, or sigma2 alone, change as they grow by a factor e.
    grow2 = wide * (k2 * r2)
    grow = core * (k1 * r2) + grow2 + 3 * k3 * r2 * wing / far
    stretch = (s2 / s1 - 1.3) / (s2 / s1)
    by_p = np.stack([grow, stretch * grow2, wide, wing], axis=1)
    flux_by_p = [2 * flux - 25 * shape[-1], stretch * (2 * wide_flux - 25 * wide[-1]), wide_flux, wing_flux]
    scale = 1 / (2 * math.pi * flux)
    shape, by_p = shape[:-1] * scale, by_p[:-1] * scale
    return shape, by_p - shape[:, None] * (np.array(flux_by_p) / flux)


def _tie_to_aperture(psf, stack, radius, flux5):
    """Stretch the core until fluxes through the PSF and through 5 pixels agree on the median star.

    A sum of Gaussians never fits the core to better than some per cent, differently in each band: without this, colors
    through the PSF would be off by as much.
    """
    near, r2 = np.clip(6.5 - radius, 0, 1), radius**2
    for _ in range(4):
        star = profile(psf, r2)
        weight = star * near
        ratio = np.median((weight * stack).sum((1, 2)) / (weight * star).sum((1, 2)) * encircled(psf, 5.0) / flux5)
        # PSF flux goes roughly as the area of the core, half of it by way of the weights.
        psf = psf * [ratio**-0.75, ratio**-0.75, 1, 1, 1, 1]
    return psf
