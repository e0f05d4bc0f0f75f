# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What shines on a real field: where, and how brightly in each band, with all of it fitted at once."""

import numpy as np
from scipy import ndimage

__all__ = ["MOST_SOURCES", "aperture_fluxes", "detect", "fit_fluxes", "glare", "leftovers", "outshone", "paint"]

MOST_SOURCES = 20000
"""Of one frame; half a globular cluster has 15,000."""

_HALVES = (8, 16, 25, 45)
"""Half the side of the window that a source's profile fills ..."""
_HALF_LIMITS = (100.0, 1000.0, 30000.0)
"""... from these fluxes on, in units of the sky's noise per pixel."""
_CORE = 4.0  # pixels within which fluxes are fitted
_CHUNK = 400
_MODEL_ERROR = 0.1  # of a star's light that may be left beside its core: 3 % of its width, or 0.03 pixel


def detect(data, *, sigma, threshold=5.0, width=1.2):
    """Peaks of a frame above the noise.

    Parameters
    ----------
    data : ndarray, shape (ny, nx)
        Sky-subtracted frame.
    sigma : float
        Standard deviation of blank sky.
    threshold : float
        Peaks of the smoothed frame count from this many times its noise.
    width : float
        Sigma of the smoothing in pixels, that of the PSF for the deepest list.

    Returns
    -------
    x, y : ndarray, shape (N,)
        In pixels, brightest first, to about a tenth of a pixel.
    """
    smooth = ndimage.gaussian_filter(np.nan_to_num(data), width, truncate=3)
    noise = sigma / (2 * np.sqrt(np.pi) * width)
    peak = (smooth == ndimage.maximum_filter(smooth, 5)) & (smooth > threshold * noise)
    y, x = np.nonzero(peak)
    inner = (x > 0) & (x < data.shape[1] - 1) & (y > 0) & (y < data.shape[0] - 1)
    x, y = x[inner], y[inner]
    order = np.argsort(-smooth[y, x], kind="stable")
    x, y = x[order], y[order]
    shift = []
    for before, after in ((smooth[y, x - 1], smooth[y, x + 1]), (smooth[y - 1, x], smooth[y + 1, x])):
        curve = before - 2 * smooth[y, x] + after
        shift.append(np.where(curve < 0, 0.5 * (before - after) / np.where(curve < 0, curve, -1), 0).clip(-0.5, 0.5))
    return x + shift[0], y + shift[1]


def _windows(psf, x, y, size, jitter=None, color=None):
    """(index, slices of the frame, image of a unit star there) of each source, ``size`` its flux over the noise."""
    ny, nx = psf.shape
    which = np.digitize(np.nan_to_num(size), _HALF_LIMITS)
    found = []
    for number, half in enumerate(_HALVES):
        rows = np.flatnonzero(which == number)
        for start in range(0, len(rows), _CHUNK):
            chunk = rows[start : start + _CHUNK]
            own = (None if v is None else v[chunk] for v in (jitter, color))
            images, column, row = psf.star(x[chunk], y[chunk], half, *own)
            left, low = column - half, row - half
            x0, x1 = np.maximum(left, 0), np.minimum(left + 2 * half + 1, nx)
            y0, y1 = np.maximum(low, 0), np.minimum(low + 2 * half + 1, ny)
            for k in np.flatnonzero((x0 < x1) & (y0 < y1)):
                where = (slice(y0[k], y1[k]), slice(x0[k], x1[k]))
                image = images[k, y0[k] - low[k] : y1[k] - low[k], x0[k] - left[k] : x1[k] - left[k]]
                found.append((int(chunk[k]), where, image))
    return found


def paint(psf, x, y, flux, *, sigma, jitter=None, color=None):
    """Noise-free image of stars.

    Parameters
    ----------
    psf : `~stellarclass.simulate.framepsf.FramePsf`
    x, y, flux : ndarray, shape (M,)
        Pixels and flux; those off the frame light it as far as their windows reach.
    sigma : float
        Standard deviation of blank sky: how far a star's wings are drawn follows from its flux over this.
    jitter : ndarray, shape (M, 3), optional
    color : ndarray, shape (M,), optional
        See `stellarclass.simulate.framepsf.FramePsf.formula`.

    Returns
    -------
    ndarray, shape of the frame, float32
    """
    image = np.zeros(psf.shape, np.float32)
    x, y, flux = (np.asarray(v, float) for v in (x, y, flux))
    for i, where, star in _windows(psf, x, y, np.abs(flux) / sigma, jitter, color):
        image[where] += np.float32(flux[i]) * star
    return image


def fit_fluxes(data, psf, x, y, *, sigma, good=None, passes=3, move=None, color=None, anchors=None):
    """Fluxes of all sources of a frame, each fitted with the others taken out.

    Parameters
    ----------
    data : ndarray, shape (ny, nx)
        Sky-subtracted frame.
    psf : `~stellarclass.simulate.framepsf.FramePsf`
    x, y : ndarray, shape (M,)
        Places, brightest first.
    sigma : float
        Standard deviation of blank sky.
    good : ndarray of bool, shape (ny, nx), optional
        Pixels to be believed; saturated ones are not.
    passes : int
        Times that the list is gone through: neighbors' light moves from one to the other.
    move : str, optional
        ``"each"``: places of sources of S/N above 10 are refined one by one. ``"together"``: all are shifted by one
        smooth function of place and color, those of high S/N by their own light as well.
    anchors : ndarray of int, optional
        Sources that tell how all are shifted; by default the brightest.
    color : ndarray, shape (M,), optional
        Some color of each source, 0 where it is not known: the atmosphere shifts blue stars against red ones, and the
        PSF changes with it.

    Returns
    -------
    flux, error : ndarray, shape (M,)
        Error by sky noise only. NaN where no good pixel lies within the core.
    x, y : ndarray, shape (M,)
        Refined if asked for.
    left : ndarray, shape (ny, nx), float32
        The frame without its sources.
    """
    x, y = np.array(x, float), np.array(y, float)
    flux = aperture_fluxes(data, x, y)
    if move == "together":
        # Bright ones tell where their frame lies; in the first round their neighbors may pull at them.
        bright = (
            np.flatnonzero(flux > 60 * sigma)[:800] if anchors is None or len(anchors) < 20 else np.asarray(anchors)
        )
        for _ in range(2):
            hue = None if color is None else color[bright]
            own, error, _, _, left = fit_fluxes(
                data, psf, x[bright], y[bright], sigma=sigma, good=good, passes=2, color=hue
            )
            signal = own / np.where(error > 0, error, np.nan)
            shifts = np.full((len(x), 2), np.nan)
            shifts[bright] = _shifts(psf, left, x[bright], y[bright], own, signal > 20, good, hue)
            smooth = _smooth(psf, x, y, shifts, color)
            # Their own place counts as far as it is certain: bands are registered to each other to 0.03 pixel.
            share = 0.03**2 / (0.03**2 + (1.2 / signal) ** 2)
            off = np.nan_to_num((shifts - smooth)[bright]) * np.nan_to_num(share)[:, None]
            smooth[bright] += np.where(np.abs(off).max(1, keepdims=True) < 0.15, off, 0)
            x, y = x + smooth[:, 0], y + smooth[:, 1]
    elif move == "each":
        flux, error, left = _descend(data, psf, x, y, flux / sigma, good, 2, sigma, color)
        wanted = flux > 10 * np.nan_to_num(error, nan=np.inf)
        shifts = np.nan_to_num(_shifts(psf, left, x, y, flux, wanted, good, color))
        x, y = x + shifts[:, 0], y + shifts[:, 1]
    flux, error, left = _descend(data, psf, x, y, flux / sigma, good, passes, sigma, color)
    return np.where(np.isfinite(error), flux, np.nan), error, x, y, left


def glare(light, *, sigma, flux_per_electron, width):
    """What a source has to stand out of where others shine.

    Parameters
    ----------
    light : ndarray, shape (ny, nx)
        That of known sources.
    sigma, flux_per_electron, width : float
        See `leftovers`.

    Returns
    -------
    ndarray, shape (ny, nx)
        Noise of the sky, photon noise, and the PSF's error.
    """
    model = ndimage.gaussian_filter(np.maximum(light, 0), width)
    return np.sqrt(sigma**2 + flux_per_electron * model + (_MODEL_ERROR * model) ** 2)


def outshone(noise, psf, x, y, flux, *, sigma, width):
    """Whether sources would be found on blank sky, but not where they are.

    Parameters
    ----------
    noise : ndarray, shape (ny, nx)
        As `glare` returns it.
    psf : `~stellarclass.simulate.framepsf.FramePsf`
    x, y, flux : ndarray, shape (M,)
    sigma, width : float
        See `leftovers`.

    Returns
    -------
    ndarray of bool, shape (M,)
        False off the frame.
    """
    ny, nx = psf.shape
    image = psf.star([nx / 2], [ny / 2], 8)[0][0]
    peak = flux * ndimage.gaussian_filter(image, width)[8, 8]
    column, row = np.round(x).astype(int), np.round(y).astype(int)
    inside = (column >= 0) & (column < nx) & (row >= 0) & (row < ny)
    level = 5 * noise[row.clip(0, ny - 1), column.clip(0, nx - 1)] / (2 * np.sqrt(np.pi) * width)
    return inside & (peak > 5 * sigma / (2 * np.sqrt(np.pi) * width)) & (peak < level)


def leftovers(left, light, psf, *, sigma, flux_per_electron, width, good):
    """Sources that stand out when those of a list are gone: objects of this band's own, rims of galaxies.

    Parameters
    ----------
    left, light : ndarray, shape (ny, nx)
        The frame without the sources of the list, and what was taken out. Under a star stands its own photon noise,
        and what its PSF differs by from that of its place: only what is more than both counts. A twin that had these
        as sources would have them twice, and only those that are too bright.
    psf : `~stellarclass.simulate.framepsf.FramePsf`
    sigma : float
        Standard deviation of blank sky.
    flux_per_electron : float
        Units of ``left`` per photo-electron.
    width : float
        Sigma of the PSF in pixels.
    good : ndarray of bool, shape (ny, nx)
        Pixels to be believed.

    Returns
    -------
    sources : ndarray, shape (3, M)
        x, y, flux; at most `MOST_SOURCES`.
    left : ndarray, shape (ny, nx), float32
        The frame without these either.
    """
    noise = glare(light, sigma=sigma, flux_per_electron=flux_per_electron, width=width)
    usable = np.where(good, left, 0)
    x, y = detect(usable, sigma=sigma, width=width)
    column, row = np.round(x).astype(int), np.round(y).astype(int)
    certain = ndimage.gaussian_filter(usable / noise, width, truncate=3)[row, column] > 5 / (2 * np.sqrt(np.pi) * width)
    x, y = x[certain][:MOST_SOURCES], y[certain][:MOST_SOURCES]
    if not len(x):
        return np.zeros((3, 0)), left
    flux, _, x, y, left = fit_fluxes(left, psf, x, y, sigma=sigma, good=good, passes=2)
    return np.stack([x, y, np.nan_to_num(flux)]), left


def _smooth(psf, x, y, shifts, color):
    """Shifts of all sources as a polynomial of place through those that are known."""
    known = np.flatnonzero(np.isfinite(shifts).all(1))
    if len(known) < 4:
        return np.zeros_like(shifts)
    number = 6 if len(known) > 30 else 3 if len(known) > 10 else 1
    terms = psf.terms(x, y)[:number]
    if color is not None and len(known) > 20:
        terms = np.concatenate([terms, color[None]])
    terms = terms.T
    result = np.empty_like(shifts)
    for k in (0, 1):
        rows = known
        for _ in range(3):
            coefficients = np.linalg.lstsq(terms[rows], shifts[rows, k], rcond=None)[0]
            off = np.abs(shifts[known, k] - terms[known] @ coefficients)
            rows = known[off < 3 * 1.4826 * np.median(off) + 1e-3]
        result[:, k] = terms @ coefficients
    return result


def aperture_fluxes(data, x, y):
    """Rough fluxes of sources.

    Parameters
    ----------
    data : ndarray, shape (ny, nx)
        Sky-subtracted frame.
    x, y : ndarray, shape (M,)
        Places.

    Returns
    -------
    ndarray, shape (M,)
        Light within 5 by 5 pixels.
    """
    box = ndimage.uniform_filter(np.nan_to_num(data), 5) * 25
    ny, nx = data.shape
    return box[np.round(y).astype(int).clip(0, ny - 1), np.round(x).astype(int).clip(0, nx - 1)]


def _descend(data, psf, x, y, size, good, passes, sigma, color):
    """Least squares by going through the sources one by one, the brightest first."""
    windows = sorted(_windows(psf, x, y, size, color=color), key=lambda w: -size[w[0]])
    flux = np.zeros(len(x))
    error = np.full(len(x), np.nan)
    left = np.array(data, np.float32)
    steps = []
    for i, where, star in windows:
        inner = _inner(where, x[i], y[i])
        if inner is None:
            continue
        full = tuple(slice(w.start + n.start, w.start + n.stop) for w, n in zip(where, inner, strict=True))
        weight = star[inner] * _core(full, x[i], y[i])
        if good is not None:
            weight = weight * good[full]
        norm, whole = float((weight * star[inner]).sum()), float((star[inner] ** 2).sum())
        if norm > 0.02 * whole:
            error[i] = sigma * np.sqrt(float((weight * weight).sum())) / norm
            steps.append((i, where, star, full, weight / norm))
    for _ in range(passes):
        for i, where, star, full, weight in steps:
            change = float(np.vdot(weight, left[full]))
            flux[i] += change
            left[where] -= np.float32(change) * star
    return flux, error, left


def _inner(where, x, y):
    """The part of a window, in its own pixels, that holds the core; None if none does."""
    reach = int(_CORE) + 1
    slices = []
    for w, c in ((where[0], y), (where[1], x)):
        low, high = max(round(c) - reach, w.start), min(round(c) + reach + 1, w.stop)
        if low >= high:
            return None
        slices.append(slice(low - w.start, high - w.start))
    return tuple(slices)


def _core(where, x, y):
    rows, columns = where
    dx, dy = np.arange(columns.start, columns.stop) - x, np.arange(rows.start, rows.stop) - y
    return np.clip(_CORE + 0.5 - np.sqrt(dx**2 + (dy**2)[:, None]), 0, 1).astype(np.float32)


def _shifts(psf, left, x, y, flux, wanted, good, color):
    """How far sources stand from where they were taken out, by the dipoles that they left: shape (M, 2)."""
    result = np.full((len(x), 2), np.nan)
    rows = np.flatnonzero(wanted)
    hue = None if color is None else color[rows]
    for k, where, star in _windows(psf, x[rows], y[rows], np.zeros(len(rows)), color=hue):
        if min(star.shape) < 2 * _HALVES[0]:
            continue
        i = rows[k]
        by_y, by_x = np.gradient(star)
        weight = _core(where, x[i], y[i])
        if good is not None:
            weight = weight * good[where]
        wx, wy = (weight * by_x).ravel(), (weight * by_y).ravel()
        xx, yy, xy = wx @ by_x.ravel(), wy @ by_y.ravel(), wx @ by_y.ravel()
        px, py = wx @ left[where].ravel(), wy @ left[where].ravel()
        determinant = flux[i] * (xx * yy - xy * xy)
        if determinant <= 0:
            continue
        dx, dy = -(yy * px - xy * py) / determinant, -(xx * py - xy * px) / determinant
        if max(abs(dx), abs(dy)) < 0.7:
            result[i] = dx, dy
    return result
