# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Images of point sources through a PSF that is neither circular nor the same everywhere."""

import numpy as np

from ..stamps.psf import encircled, profile
from ..stamps.psf_trend import width_terms

__all__ = ["flux_scale", "local_psf", "star_images", "true_profile"]

# Sigmas beyond which the core and the fainter Gaussian are less than a count in any star that is not saturated.
_REACH, _WIDE_REACH = 4.8, 4.2
_BLOCK_PIXELS = 60_000
_APERTURE = 5.0


# What `measure_psf` makes of a PSF is not the PSF: its profile has no room for a core of two widths, and the ring that
# it takes for sky lies on the wings. Rows: ln of true over measured sigma1, difference of sigma2 / sigma1, ln of true
# over measured b and p0; columns: a constant, the measured profile (ln sigma1, sigma2 / sigma1 - 2, ln b + 2.5,
# ln p0 + 4.6), 10 core^2, its products with the profile, e^2. Fitted to 260 noise-free frames.
_TRUTH = np.array([
    [-0.009, 0.001, 0.010, -0.005, -0.020, 0.257, 0.024, -0.177, 0.066, 0.031, -0.112],
    [-0.072, -0.082, 0.078, 0.029, -0.206, 0.615, 0.034, -0.813, -0.681, 0.240, 0.109],
    [0.103, -0.067, -0.123, 0.083, 0.181, -2.455, -0.056, 3.827, 0.667, -0.424, 0.662],
    [0.210, 0.886, -0.003, -0.034, 0.618, -1.552, -0.513, 0.615, 0.398, -0.204, 0.598],
])  # fmt: skip


def true_profile(psf, shape):
    """Profile of the PSF that is measured as this one.

    Parameters
    ----------
    psf : ndarray, shape (..., 6)
        Circular composite profile as `stellarclass.stamps.psf.measure_psf` finds it.
    shape : ndarray, shape (..., 7)
        As in `stellarclass.simulate.Conditions`.

    Returns
    -------
    ndarray, shape (..., 6)
        Profile for `star_images`: sigma1 is right to 1 %, the wings to 20 %.
    """
    psf = np.array(psf, float)
    core2 = 10 * np.minimum(shape[..., 6], 0.3) ** 2
    with np.errstate(divide="ignore"):
        terms = [np.log(psf[..., 0]).clip(-0.3, 1.0), (psf[..., 1] / psf[..., 0]).clip(1.6, 2.6) - 2]
        terms += [np.log(psf[..., 2]).clip(-3.5, -1) + 2.5, np.log(psf[..., 3]).clip(-5.6, -3.4) + 4.6]
    terms = [
        np.ones(psf.shape[:-1]),
        *terms,
        core2,
        *(core2 * v for v in terms),
        (shape[..., :2] ** 2).sum(-1).clip(0, 0.1),
    ]
    change = np.stack(terms, axis=-1) @ _TRUTH.T
    ratio = np.maximum(psf[..., 1] / psf[..., 0] + change[..., 1], 1.3)
    psf[..., [0, 5]] *= np.exp(change[..., :1])
    psf[..., 1] = psf[..., 0] * ratio
    psf[..., 2] *= np.exp(change[..., 2].clip(-2, 1))
    psf[..., 3] *= np.exp(change[..., 3].clip(-1.5, 1.5))
    return psf


def flux_scale(psf, shape):
    """Total flux of the PSF's true profile for a unit of catalog flux.

    Parameters
    ----------
    psf, shape : ndarray, shape (..., 6), (..., 7)
        As in `true_profile`.

    Returns
    -------
    ndarray, shape (...)
        Such that what lies within 5 pixels agrees with the measured profile: catalogs tie PSF fluxes to apertures, and
        wings that no frame measures are in neither.
    """
    return encircled(psf, _APERTURE) / encircled(true_profile(psf, shape), _APERTURE)


def local_psf(psf, shape, variation, x, y):
    """PSF at places on the frame.

    Parameters
    ----------
    psf : ndarray, shape (..., 6)
        Mean circular profile of the frame, as measured.
    shape : ndarray, shape (..., 7)
        Its departure from a circle in the middle of the frame.
    variation : ndarray, shape (..., 9)
        Its change over the frame, all three as in `stellarclass.simulate.Conditions`.
    x, y : ndarray, shape (...)
        Column and row, from -1 to 1 across the frame.

    Returns
    -------
    psf, shape : ndarray, shape (..., 6), (..., 7)
        At these places; the profile is the true one (`true_profile`).
    """
    psf = true_profile(psf, shape)
    width = np.exp((variation[..., :5] * width_terms(x, y)).sum(-1))
    psf, shape = (
        np.array(np.broadcast_to(psf, (*width.shape, 6))),
        np.array(np.broadcast_to(shape, (*width.shape, 7))),
    )
    psf[..., [0, 1, 5]] *= width[..., None]
    shape[..., 0] += variation[..., 5] * x + variation[..., 6] * y
    shape[..., 1] += variation[..., 7] * x + variation[..., 8] * y
    return psf, shape


def star_images(psf, shape, dx, dy, *, flux=None):
    """Images of point sources.

    Parameters
    ----------
    psf : ndarray, shape (M, 6)
        Circular composite profiles.
    shape : ndarray, shape (M, 7)
        Departures from them, see `stellarclass.simulate.Conditions`.
    dx : ndarray, shape (M, W)
        Pixel columns relative to each star, a step of 1 apart.
    dy : ndarray, shape (M, H)
        Pixel rows, likewise.
    flux : ndarray, shape (M,), optional
        By default 1.

    Returns
    -------
    ndarray, shape (M, H, W), float32
        Flux per pixel; what departs from the circle carries no flux of its own.
    """
    psf, shape = np.asarray(psf, np.float32), np.asarray(shape, np.float32)
    dx, dy = np.asarray(dx, np.float32), np.asarray(dy, np.float32)
    norm = profile(psf, np.zeros(len(psf), np.float32)) / (1 + psf[:, 2] + psf[:, 3])
    if flux is not None:
        norm = norm * np.asarray(flux, np.float32)
    image = np.empty((len(psf), dy.shape[1], dx.shape[1]), np.float32)
    # Blocks that stay in the processor's cache, of stars whose windows are about as large.
    order = np.argsort(psf[:, 1], kind="stable")
    step = max(1, _BLOCK_PIXELS // max(image[:1].size, 1))
    for k in range(0, len(psf), step):
        rows = order[k : k + step]
        image[rows] = _draw(norm[rows, None, None], psf[rows], shape[rows], dx[rows], dy[rows])
    return image


def _draw(norm, psf, shape, dx, dy):
    """`star_images` of one block; norm (M, 1, 1) is the flux over what the profile of peak 1 would have."""
    s1, s2, b, p0, _, wing_scale = (psf[:, k, None, None] for k in range(6))
    e1, e2, coma_x, coma_y, trefoil_x, trefoil_y, core = (shape[:, k, None, None] for k in range(7))
    scale = 3 * wing_scale[:, 0] ** 2
    image = (1 + dy**2 / scale)[:, :, None] + (dx**2 / scale)[:, None, :]
    image *= np.sqrt(image)
    np.divide(norm * p0, image, out=image)
    # Both Gaussians are stretched alike, their areas kept: r2 is the elliptical radius squared.
    area = np.sqrt(1 - np.minimum(e1**2 + e2**2, 0.5))
    rows, columns = (_window(steps, _WIDE_REACH * float(s2.max())) for steps in (dy, dx))
    near_x, near_y = dx[:, None, columns], dy[:, rows, None]
    r2 = near_y**2 * ((1 + e1) / area) + near_x**2 * ((1 - e1) / area)
    r2 -= (2 * e2 / area * near_y) * near_x
    light = np.exp(r2 * (-0.5 / s2**2))
    light *= norm * b
    image[:, rows, columns] += light
    narrow, broad = s1 * (1 - core), s1 * (1 + core)
    inner_rows, inner_columns = (
        _window(steps, _REACH * float(broad.max())) for steps in (near_y[..., 0], near_x[:, 0])
    )
    r2, x, y = r2[:, inner_rows, inner_columns], near_x[:, :, inner_columns] / s1, near_y[:, inner_rows] / s1
    light = (0.5 * norm * (s1 / narrow) ** 2) * np.exp(r2 * (-0.5 / narrow**2))
    light += (0.5 * norm * (s1 / broad) ** 2) * np.exp(r2 * (-0.5 / broad**2))
    # Orthogonal to the star's own center under its own weight: what a centroid finds is the star's place.
    x2, y2 = x**2, y**2
    odd = (x2 + y2).clip(max=8) - 2
    odd = odd * (coma_x * x + coma_y * y) + (x2 - 3 * y2) * (trefoil_x * x) + (3 * x2 - y2) * (trefoil_y * y)
    odd += 1
    light *= np.maximum(odd, 0, out=odd)
    image[:, rows, columns][:, inner_rows, inner_columns] += light
    return image


def _window(steps, reach):
    """Pixels (a slice) that lie within reach of any of the stars; steps (M, W)."""
    near = np.flatnonzero((np.abs(steps) <= reach).any(0))
    return slice(near[0], near[-1] + 1) if near.size else slice(0, 0)
