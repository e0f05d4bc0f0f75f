# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The point-spread function of a frame: SDSS's composite profile, measured on the frame's own stars.

    I(r) ~ exp(-r^2 / 2 sigma1^2) + b exp(-r^2 / 2 sigma2^2) + p0 (1 + r^2 / (beta sigmap^2))^(-beta / 2)

the form and the names of SDSS's ``psField`` files. Two Gaussians are the seeing, the power law the telescope's wings.
"""

import numpy as np
from scipy.optimize import least_squares

__all__ = ["TOTAL_RADIUS", "TYPICAL_PSF", "encircled", "fwhm", "measure_psf", "profile"]

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
_HALF = 20


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


def _bright_stars(data, sigma, limit, most=300):
    """Peaks (x, y) of bright, unsaturated objects, brightest first."""
    inner = data[_HALF:-_HALF, _HALF:-_HALF]
    y, x = np.nonzero((inner > 40 * sigma) & (inner < limit))
    order = np.argsort(inner[y, x])[::-1][:20000]
    y, x = y[order] + _HALF, x[order] + _HALF
    # A peak is the highest pixel within 6 pixels: this throws out flanks, and cores that are cut off by the limit.
    steps = np.arange(-6, 7)
    stars = []
    for start in range(0, len(x), 2000):
        xs, ys = x[start : start + 2000], y[start : start + 2000]
        around = data[ys[:, None, None] + steps[:, None], xs[:, None, None] + steps]
        peak = data[ys, xs] >= around.reshape(len(xs), -1).max(1)
        stars.extend(zip(xs[peak], ys[peak], strict=True))
        if len(stars) >= most:
            break
    return np.array(stars[:most], int).reshape(-1, 2)


def _centers(stack):
    """Gaussian-weighted centers of star images, relative to the middle pixel: shape (N, 2) x, y."""
    axis = np.arange(-_HALF, _HALF + 1)
    center = np.zeros((len(stack), 2))
    for _ in range(6):
        dx, dy = axis[None, None, :] - center[:, 0, None, None], axis[None, :, None] - center[:, 1, None, None]
        weight = np.exp(-(dx**2 + dy**2) / (2 * 1.8**2)) * np.maximum(stack, 0)
        total = weight.sum((1, 2))
        center += 2 * np.stack([(weight * dx).sum((1, 2)), (weight * dy).sum((1, 2))], 1) / total[:, None] * 0.7
        center = np.clip(center, -2, 2)
    return center


def _lonely(stack, center):
    """Rows of the less disturbed half of the stars: a neighbor makes one of eight sectors stand out from the others."""
    steps = np.arange(-_HALF, _HALF + 1)
    dx, dy = steps[None, None, :] - center[:, 0, None, None], steps[None, :, None] - center[:, 1, None, None]
    radius = np.hypot(dx, dy)
    sector = np.floor((np.arctan2(dy, dx) / np.pi + 1) * 4).astype(int) % 8
    ring = (radius > 3) & (radius < 13)
    light = np.stack([np.where(ring & (sector == k), stack, 0).sum((1, 2)) for k in range(8)], axis=1)
    flux = (stack * (radius < 5)).sum((1, 2))
    excess = (light.max(1) - np.median(light, 1)) / np.where(flux > 0, flux, np.nan)
    order = np.argsort(np.where(np.isfinite(excess), excess, np.inf))
    return np.sort(order[: max(len(order) // 2, min(len(order), 8))])


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

    Notes
    -----
    Stars are stacked as radial profiles, scaled to their flux within 5 pixels. The median over stars in rings resists
    neighbors and galaxies; stars whose core is far from the others' are left out in a second pass.
    """
    unknown = np.full(6, np.nan, np.float32)
    stars = _bright_stars(data, sigma, limit)
    if len(stars) < _MIN_STARS:
        return unknown
    steps = np.arange(-_HALF, _HALF + 1)
    stack = data[stars[:, 1, None, None] + steps[:, None], stars[:, 0, None, None] + steps].astype(float)
    stack = np.where(np.isfinite(stack), stack, 0.0)
    center = _centers(stack)
    radius = np.hypot(steps[None, None, :] - center[:, 0, None, None], steps[None, :, None] - center[:, 1, None, None])
    ring = (radius > 16) & (radius < _HALF)
    background = np.array([np.median(s[m]) for s, m in zip(stack, ring, strict=True)])
    stack -= background[:, None, None]
    lonely = _lonely(stack, center)
    stack, center, radius = stack[lonely], center[lonely], radius[lonely]
    inside = np.clip(5.5 - radius, 0, 1)
    flux5 = (stack * inside).sum((1, 2))
    core = (stack * np.clip(2.5 - radius, 0, 1)).sum((1, 2)) / np.where(flux5 > 0, flux5, np.nan)
    # Galaxies have fluffy cores, cosmic rays sharp ones: keep the crowd.
    middle = np.nanmedian(core)
    spread = max(1.4826 * np.nanmedian(np.abs(core - middle)), 0.01)
    keep = (np.abs(core - middle) < 2.5 * spread) & (flux5 > 0) & (np.abs(center) < 1.5).all(1)
    if keep.sum() < _MIN_STARS:
        return unknown
    edges = np.concatenate([np.arange(0, 6, 0.5), np.arange(6, 16.1, 1.0)])
    r, value = radius[keep].ravel(), (stack[keep] / flux5[keep][:, None, None]).ravel()
    which = np.digitize(r, edges) - 1
    rings = [which == k for k in range(len(edges) - 1)]
    mean_r2 = np.array([np.mean(r[m] ** 2) if m.any() else np.nan for m in rings])
    level = np.array([np.median(value[m]) if m.sum() > 5 else np.nan for m in rings])
    good = np.isfinite(level) & np.isfinite(mean_r2)
    mean_r2, level = mean_r2[good], level[good]
    floor = 1e-4 * level.max()

    def model(p):
        s1, ratio, b, p0 = np.exp(p)
        psf = np.array([s1, s1 * (1.3 + ratio), b, p0, 3.0, s1 * 1.9])
        shape = profile(psf, mean_r2)
        return psf, shape / encircled(psf, 5.0)

    def residuals(p):
        # Far wings are a per cent of the light and drown in a single frame's sky: lean on what psField files have.
        prior = (p[3] - np.log(_WING)) / _WING_SPREAD
        return np.append((model(p)[1] - level) / (0.03 * level.clip(floor) + floor), prior)

    bounds = np.log([0.5, 0.05, 1e-3, 1e-5]), np.log([4, 3, 1.0, 0.05])
    psf = model(least_squares(residuals, np.log([1.3, 0.7, 0.08, _WING]), bounds=bounds).x)[0]
    return _tie_to_aperture(psf, stack[keep], radius[keep], flux5[keep]).astype(np.float32)


def _tie_to_aperture(psf, stack, radius, flux5):
    """Stretch the core until fluxes through the PSF and through 5 pixels agree on the median star.

    A sum of Gaussians never fits the core to better than some per cent, differently in each band: without this, colors
    through the PSF would be off by as much.
    """
    near = np.clip(6.5 - radius, 0, 1)
    for _ in range(4):
        star = profile(np.broadcast_to(psf, (len(stack), 6)), radius**2)
        weight = star * near
        ratio = np.median((weight * stack).sum((1, 2)) / (weight * star).sum((1, 2)) * encircled(psf, 5.0) / flux5)
        # PSF flux goes roughly as the area of the core, half of it by way of the weights.
        psf = psf * [ratio**-0.75, ratio**-0.75, 1, 1, 1, 1]
    return psf
