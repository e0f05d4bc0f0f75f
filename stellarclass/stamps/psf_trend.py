# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""How the PSF changes over a frame: moments of its bright stars, and the smooth trend of their width."""

import numpy as np

from .bright_stars import HALF, find_bright_stars, masked_median

__all__ = [
    "bright_star_moments",
    "fit_trend",
    "measure_trend",
    "moments_of_stars",
    "star_moments",
    "trend_of_stars",
    "width_terms",
]

# ln(width) varies by so much over a frame, term by term: standard deviations over the frames of three fields and the
# PSF models of 31 fields of SDSS run 4510. A frame's own stars must outweigh them.
WIDTH_SPREAD = np.array([0.018, 0.018, 0.012, 0.014, 0.015])
# Scatter of one star's ln(width) or ellipticity around the smooth trend: what the trend is weighed against.
_STAR_SCATTER = 0.02
_MIN_STARS = 4
_WINDOW = 12  # half the side of what moments are taken of, in pixels


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
    return trend_of_stars(find_bright_stars(data, sigma=sigma, limit=limit))


def trend_of_stars(stars):
    """Measure how the width of a PSF changes over a frame, on the frame's bright stars.

    Parameters
    ----------
    stars : `~stellarclass.stamps.bright_stars.BrightStars`
        As they were found.

    Returns
    -------
    ndarray, shape (5,)
        As `measure_trend`.
    """
    x, y, width, _ = moments_of_stars(stars)
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
    return moments_of_stars(find_bright_stars(data, sigma=sigma, limit=limit))


def moments_of_stars(stars):
    """Widths and shapes of a frame's bright stars.

    Parameters
    ----------
    stars : `~stellarclass.stamps.bright_stars.BrightStars`
        As they were found.

    Returns
    -------
    x, y, width, shape
        As `bright_star_moments`.
    """
    nothing = np.zeros(0), np.zeros(0), np.zeros(0), np.zeros((0, 6))
    if len(stars) < _MIN_STARS:
        return nothing
    steps = np.arange(-HALF, HALF + 1)
    dx, dy = steps - stars.center[:, 0, None], steps - stars.center[:, 1, None]
    far = (dx**2)[:, None, :] + (dy**2)[:, :, None] > 14**2
    images = stars.images - masked_median(stars.images, far)[:, None, None]
    width, moments = star_moments(images, stars.center)
    middle = np.nanmedian(width) if np.isfinite(width).any() else np.nan
    # Galaxies and blends are wide, cosmic rays narrow; both are oddly shaped.
    with np.errstate(invalid="ignore"):
        odd = np.abs(moments[:, :2] - np.median(moments[np.isfinite(width), :2], axis=0)) >= 0.15
        keep = (np.abs(width / middle - 1) < 0.15) & ~odd.any(1)
    if keep.sum() < _MIN_STARS:
        return nothing
    ny, nx = stars.frame_shape
    return stars.x[keep] / (nx - 1) * 2 - 1, stars.y[keep] / (ny - 1) * 2 - 1, width[keep], moments[keep]


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
    middle = stack.shape[-1] // 2
    window = slice(middle - _WINDOW, middle + _WINDOW + 1)
    # Pixels in single precision: a star's own noise is a thousand times larger than what that rounds off.
    stack = stack[:, window, window].astype(np.float32)
    axis = np.arange(-_WINDOW, _WINDOW + 1.0)
    powers = np.stack([np.ones_like(axis), axis, axis**2], axis=1)  # (25, 3)
    x, y = center[:, 0].copy(), center[:, 1].copy()
    sxx, syy, sxy = (np.full(len(stack), value) for value in (1.7, 1.7, 0.0))
    light = np.empty_like(stack)
    with np.errstate(all="ignore"):
        for _ in range(steps):
            dx, dy = axis - x[:, None], axis - y[:, None]  # (N, 25)
            scale = (-0.5 / (sxx * syy - sxy**2))[:, None]
            cross, a, b = -2 * sxy[:, None] * scale * dy, syy[:, None] * scale * dx**2, sxx[:, None] * scale * dy**2
            np.multiply(cross.astype(np.float32)[:, :, None], dx.astype(np.float32)[:, None, :], out=light)
            light += a.astype(np.float32)[:, None, :]
            light += b.astype(np.float32)[:, :, None]
            np.exp(light, out=light)
            light *= stack
            # Moments about the middle pixel are two matrix products; then they are moved to the star.
            rows = light.reshape(-1, len(axis)) @ powers.astype(np.float32)
            raw = rows.reshape(*light.shape[:2], 3).swapaxes(1, 2) @ powers  # (N, 3, 3): powers of x, of y
            raw /= raw[:, :1, :1]
            old_x, old_y, mean_x, mean_y = x, y, raw[:, 1, 0], raw[:, 0, 1]
            x = np.clip(x + 2 * (mean_x - old_x), -3, 3)
            y = np.clip(y + 2 * (mean_y - old_y), -3, 3)
            sxx = 2 * (raw[:, 2, 0] - 2 * old_x * mean_x + old_x**2)
            syy = 2 * (raw[:, 0, 2] - 2 * old_y * mean_y + old_y**2)
            sxy = 2 * (raw[:, 1, 1] - old_x * mean_y - old_y * mean_x + old_x * old_y)
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
