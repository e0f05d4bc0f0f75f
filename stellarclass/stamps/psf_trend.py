# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""How the PSF changes over a frame: moments of its bright stars, and the smooth trend of their width."""

import numpy as np

from .psf import _HALF, _bright_stars, _centers

__all__ = ["bright_star_moments", "fit_trend", "measure_trend", "star_moments", "width_terms"]

# ln(width) varies by so much over a frame, term by term: standard deviations over the frames of three fields and the
# PSF models of 31 fields of SDSS run 4510. A frame's own stars must outweigh them.
WIDTH_SPREAD = np.array([0.018, 0.018, 0.012, 0.014, 0.015])
# Scatter of one star's ln(width) or ellipticity around the smooth trend: what the trend is weighed against.
_STAR_SCATTER = 0.02
_MIN_STARS = 4


def width_terms(x, y):
    """Polynomials of place that ln(width) is a sum of.

    Parameters
    ----------
    x, y : ndarray, shape (...)
        Column and row, from -1 to 1 across the frame.

    Returns
    -------
    ndarray, shape (..., 5)
        x, y, x^2 - 1/3, xy, y^2 - 1/3: each has zero mean over the frame.
    """
    return np.stack([x, y, x**2 - 1 / 3, x * y, y**2 - 1 / 3], axis=-1)


def measure_trend(data, *, sigma, limit):
    """Measure how the width of a frame's PSF changes over the frame.

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
    ndarray, shape (5,)
        Coefficients of `width_terms` for ln(width) relative to the mean of the frame; 0 where too few stars tell.
    """
    x, y, width, _ = bright_star_moments(data, sigma=sigma, limit=limit)
    if len(x) < _MIN_STARS:
        return np.zeros(5)
    return fit_trend(width_terms(x, y), np.log(width / np.median(width)), WIDTH_SPREAD)[1:]


def bright_star_moments(data, *, sigma, limit):
    """Widths and shapes of a frame's bright stars.

    Parameters
    ----------
    data, sigma, limit
        As for `measure_trend`.

    Returns
    -------
    x, y : ndarray, shape (N,)
        Places, from -1 to 1 across the frame.
    width, shape : ndarray, shape (N,), (N, 6)
        As `star_moments` gives them; galaxies, blends and cosmic rays are left out.
    """
    nothing = np.zeros(0), np.zeros(0), np.zeros(0), np.zeros((0, 6))
    stars = _bright_stars(data, sigma, limit)
    if len(stars) < _MIN_STARS:
        return nothing
    steps = np.arange(-_HALF, _HALF + 1)
    stack = np.nan_to_num(data[stars[:, 1, None, None] + steps[:, None], stars[:, 0, None, None] + steps].astype(float))
    center = _centers(stack)
    radius = np.hypot(steps - center[:, 0, None, None], steps[:, None] - center[:, 1, None, None])
    stack -= np.array([np.median(s[r > 14]) for s, r in zip(stack, radius, strict=True)])[:, None, None]
    width, moments = star_moments(stack, center)
    middle = np.nanmedian(width) if np.isfinite(width).any() else np.nan
    # Galaxies and blends are wide, cosmic rays narrow; both are oddly shaped.
    with np.errstate(invalid="ignore"):
        odd = np.abs(moments[:, :2] - np.median(moments[np.isfinite(width), :2], axis=0)) >= 0.15
        keep = (np.abs(width / middle - 1) < 0.15) & ~odd.any(1)
    if keep.sum() < _MIN_STARS:
        return nothing
    x, y = (stars[keep] / (np.array(data.shape[::-1]) - 1) * 2 - 1).T
    return x, y, width[keep], moments[keep]


def star_moments(stack, center, *, steps=18):
    """Adaptive second moments of stars and third moments under the same weight.

    Parameters
    ----------
    stack : ndarray, shape (N, S, S)
        Star images, background subtracted.
    center : ndarray, shape (N, 2)
        First guess of x, y relative to the middle pixel.
    steps : int
        Iterations.

    Returns
    -------
    width, shape : ndarray, shape (N,), (N, 6)
        sqrt of half the sum of the second moments in pixels; ellipticity ``(Sxx - Syy) / (Sxx + Syy)`` and
        ``2 Sxy / (Sxx + Syy)``, coma and trefoil in x and y. NaN where the moments do not converge. Bernstein & Jarvis
        (2002, AJ 123, 583) describe the method.
    """
    half = min(_HALF, 12)
    middle = stack.shape[-1] // 2
    stack = stack[:, middle - half : middle + half + 1, middle - half : middle + half + 1]
    axis = np.arange(-half, half + 1.0)
    x, y = center[:, 0].copy(), center[:, 1].copy()
    sxx, syy, sxy = (np.full(len(stack), value) for value in (1.7, 1.7, 0.0))
    with np.errstate(all="ignore"):
        for _ in range(steps):
            dx, dy = axis - x[:, None, None], axis[:, None] - y[:, None, None]
            det = sxx * syy - sxy**2
            a, b, c = (v[:, None, None] for v in (syy / det, sxx / det, sxy / det))
            light = stack * np.exp(-0.5 * (a * dx**2 + b * dy**2 - 2 * c * dx * dy))
            total = light.sum((1, 2))
            x = np.clip(x + 2 * (light * dx).sum((1, 2)) / total, -3, 3)
            y = np.clip(y + 2 * (light * dy).sum((1, 2)) / total, -3, 3)
            sxx, syy = (2 * (light * d**2).sum((1, 2)) / total for d in (dx, dy))
            sxy = 2 * (light * dx * dy).sum((1, 2)) / total
        trace = sxx + syy
        s2 = trace / 2
        dx, dy = axis - x[:, None, None], axis[:, None] - y[:, None, None]
        r2 = dx**2 + dy**2
        light = stack * np.exp(-0.5 * r2 / s2[:, None, None])
        total = light.sum((1, 2)) * s2**1.5
        coma = [(light * d * r2).sum((1, 2)) / total for d in (dx, dy)]
        trefoil = [(light * d).sum((1, 2)) / total / 3 for d in (dx**3 - 3 * dx * dy**2, 3 * dx**2 * dy - dy**3)]
        shape = np.stack([(sxx - syy) / trace, 2 * sxy / trace, *coma, *trefoil], axis=-1)
        good = (s2 > 0.3) & (s2 < 30) & (sxx * syy > sxy**2) & np.isfinite(shape).all(-1)
        good &= (np.abs(x) < 2.5) & (np.abs(y) < 2.5)
    return np.where(good, np.sqrt(np.abs(s2)), np.nan), np.where(good[:, None], shape, np.nan)


def fit_trend(terms, value, spread):
    """Robust linear fit, held back by how much frames usually vary.

    Parameters
    ----------
    terms : ndarray, shape (N, T)
        Without the constant.
    value : ndarray, shape (N,)
    spread : ndarray, shape (T,)
        Usual size of each coefficient.

    Returns
    -------
    ndarray, shape (1 + T,)
        Constant and coefficients.
    """
    design = np.column_stack([np.ones(len(value)), terms])
    prior = np.diag(np.concatenate([[0.0], (_STAR_SCATTER / spread) ** 2]))
    weight = np.ones(len(value))
    for _ in range(8):
        weighted = design * weight[:, None]
        fit = np.linalg.solve(weighted.T @ design + prior, weighted.T @ value)
        off = np.abs(value - design @ fit)
        weight = (off <= 2.5 * 1.4826 * np.median(off) + 1e-9).astype(float)
    return fit
