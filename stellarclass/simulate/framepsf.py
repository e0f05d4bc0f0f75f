# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The point-spread function of one real frame in full: its shape, how that varies over the frame, what no formula has.

The composite profile of `stellarclass.stamps.psf` is round and the same everywhere. Real frames are neither: stars are
drawn out by up to 15 %, their width changes by some per cent from edge to edge, and the profile of the median star
differs from two Gaussians and a power law by some per cent of its peak. For a twin of a frame that nobody can tell
from it all three have to be measured.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from ..stamps.psf import TYPICAL_PSF, encircled, profile

__all__ = ["OVERSAMPLING", "RESIDUAL_HALF", "FramePsf", "adaptive_moments", "measure_frame_psf"]

OVERSAMPLING = 4
"""Steps per pixel of the residual image."""
RESIDUAL_HALF = 9
"""Half its side in pixels."""

_WING_HALF = 20  # half the side of those in which the wings are
_HALF = 12  # half the side of the windows that are measured
_SIDE = (RESIDUAL_HALF + 1) * OVERSAMPLING  # steps from the middle of the residual image to its rim
_KERNEL = 1.2  # sigma of the smoothing of the residual image in steps
_MIN_STARS = 5


@dataclass(frozen=True)
class FramePsf:
    """The PSF of one frame, different at each place.

    Attributes
    ----------
    profile : ndarray, shape (6,)
        Round composite profile (see `stellarclass.stamps.psf`).
    size : ndarray, shape (9,)
        Factor on its lengths as a polynomial of place, see `terms`.
    ellipticity : ndarray, shape (2, 9)
        (a^2 - b^2) / (a^2 + b^2) along the axes and along the diagonals, likewise.
    scatter : ndarray, shape (3,)
        By how much single stars differ from both: relative in size, absolute in ellipticity.
    residual : ndarray, shape (3, G, G)
        What stars have beyond the formula, per unit flux, on a grid of `OVERSAMPLING` steps per pixel: in the middle,
        change to the right, change upward.
    shape : tuple of int
        Rows and columns of the frame.
    """

    profile: np.ndarray
    size: np.ndarray
    ellipticity: np.ndarray
    scatter: np.ndarray
    residual: np.ndarray
    shape: tuple

    def terms(self, x, y):
        """Polynomials of place: 1, x, y, x^2, xy, y^2, and more of y; x and y from -1 to 1: shape (9, ...).

        Rows were exposed one after the other, so that the PSF changes fastest along the columns.
        """
        ny, nx = self.shape
        x, y = 2 * np.asarray(x, float) / (nx - 1) - 1, 2 * np.asarray(y, float) / (ny - 1) - 1
        x, y = x.clip(-1.05, 1.05), y.clip(-1.05, 1.05)
        legendre = [np.polynomial.legendre.legval(y, np.eye(6)[n]) for n in (3, 4, 5)]
        return np.stack([np.ones_like(x), x, y, x * x - 1 / 3, x * y, y * y - 1 / 3, *legendre])

    def formula(self, x, y, dx, dy, jitter=None):
        """Images of unit stars at x, y (M,) by the formula alone: dx, dy (M, ny, nx) are pixels from each star.

        ``jitter`` (M, 3) are departures in size and ellipticity in units of `scatter`.
        """
        t = self.terms(x, y)
        shape = np.stack([self.size @ t, *(e @ t for e in self.ellipticity)])
        if jitter is not None:
            shape = shape + self.scatter[:, None] * np.asarray(jitter).T
        size, e1, e2 = (v[:, None, None] for v in shape)
        e1, e2 = e1.clip(-0.6, 0.6), e2.clip(-0.6, 0.6)
        # Along the axes of the ellipse lengths are stretched and shrunk such that its area stays.
        r2 = ((1 - e1) * dx**2 - 2 * e2 * dx * dy + (1 + e1) * dy**2) / np.sqrt(1 - e1**2 - e2**2)
        one = np.broadcast_to(self.profile.astype(np.float32), (len(size), 6))
        return (profile(one, (r2 / size**2).astype(np.float32)) / size**2).astype(np.float32)

    def star(self, x, y, half, jitter=None):
        """Images of unit stars, and the pixels in their middles.

        Parameters
        ----------
        x, y : ndarray, shape (M,)
            Places in pixels of the frame.
        half : int
            Half the side of the images.
        jitter : ndarray, shape (M, 3), optional
            See `formula`.

        Returns
        -------
        images : ndarray, shape (M, 2 half + 1, 2 half + 1), float32
        column, row : ndarray of int, shape (M,)
        """
        x, y = np.atleast_1d(x).astype(float), np.atleast_1d(y).astype(float)
        column, row = np.round(x).astype(int), np.round(y).astype(int)
        axis = np.arange(-half, half + 1)
        dx = np.broadcast_to((column - x)[:, None, None] + axis, (len(x), len(axis), len(axis)))
        dy = np.broadcast_to((row - y)[:, None, None] + axis[:, None], dx.shape)
        images = self.formula(x, y, dx, dy, jitter)
        reach = min(half, RESIDUAL_HALF)
        inner = slice(half - reach, half + reach + 1)
        images[:, inner, inner] += self._residual_at(x, y, column, row, reach)
        return images, column, row

    def _residual_at(self, x, y, column, row, reach):
        if not self.residual.any():
            return np.zeros((len(x), 2 * reach + 1, 2 * reach + 1), np.float32)
        start = np.round(OVERSAMPLING * np.stack([column - x, row - y])).astype(int) + _SIDE - OVERSAMPLING * reach
        steps = OVERSAMPLING * np.arange(2 * reach + 1)
        rows, columns = start[1][:, None] + steps, start[0][:, None] + steps
        t = self.terms(x, y)[:3]
        return sum(
            t[k][:, None, None] * self.residual[k][rows[:, :, None], columns[:, None, :]] for k in range(3)
        ).astype(np.float32)


def adaptive_moments(images, *, iterations=15):
    """Second moments of star images under a Gaussian weight of their own shape.

    Parameters
    ----------
    images : ndarray, shape (M, W, W)
        Background-subtracted, W odd, stars within a pixel or two of the middle.
    iterations : int
        As many are done for each.

    Returns
    -------
    center : ndarray, shape (M, 2)
        x, y relative to the middle pixel.
    moments : ndarray, shape (M, 3)
        xx, yy, xy of the Gaussian in pixels squared (Bernstein & Jarvis 2002, AJ 123, 583); NaN where none fits.
    """
    half = images.shape[-1] // 2
    axis = np.arange(-half, half + 1, dtype=float)
    center = np.zeros((len(images), 2))
    moments = np.tile([2.5, 2.5, 0.0], (len(images), 1))
    with np.errstate(all="ignore"):
        for step in range(iterations):
            dx, dy = axis - center[:, :1], axis - center[:, 1:]
            xx, yy, xy = moments.T[..., None, None]
            x, y = dx[:, None, :], dy[:, :, None]
            weight = images * np.exp(-0.5 * (yy * x**2 - 2 * xy * x * y + xx * y**2) / (xx * yy - xy**2))
            total = weight.sum((1, 2))
            by_x, by_y = weight.sum(1), weight.sum(2)
            center += 1.6 * np.stack([(by_x * dx).sum(1), (by_y * dy).sum(1)], 1) / total[:, None]
            if step:
                new = [(by_x * dx**2).sum(1), (by_y * dy**2).sum(1), ((weight * x).sum(2) * dy).sum(1)]
                moments = 2 * np.stack(new, 1) / total[:, None]
            lost = ~((moments[:, :2] > 0.2).all(1) & (moments[:, :2] < 40).all(1) & (np.abs(center) < 3).all(1))
            lost |= moments[:, 0] * moments[:, 1] <= moments[:, 2] ** 2
            moments[lost] = np.nan
    return center, moments


def _windows(data, column, row, half):
    steps = np.arange(-half, half + 1)
    return data[row[:, None, None] + steps[:, None], column[:, None, None] + steps].astype(float)


def measure_frame_psf(data, x, y, *, sigma, flux_per_electron, profile):
    """Measure how the PSF varies over a frame and what it has beyond the formula.

    Parameters
    ----------
    data : ndarray, shape (ny, nx)
        Frame without sky and background; light of everything but the stars named should be taken out, too.
    x, y : ndarray, shape (M,)
        Unsaturated, isolated objects at least 21 pixels from the edge; galaxies among them are left out here.
    sigma : float
        Standard deviation of blank sky.
    flux_per_electron : float
        Units of ``data`` per photo-electron.
    profile : ndarray, shape (6,)
        Composite profile of the median star; NaN if not known.

    Returns
    -------
    psf : FramePsf
        Without variation and residual if there are fewer than five stars.
    used : ndarray of bool, shape (M,)
        The stars that it was measured on.
    """
    base = np.asarray(profile if np.isfinite(profile).all() else TYPICAL_PSF[2], float)
    grid = 2 * _SIDE + 1
    psf = FramePsf(base, np.eye(9)[0], np.zeros((2, 9)), np.zeros(3), np.zeros((3, grid, grid)), data.shape)
    used = np.zeros(len(x), bool)
    if len(x) < _MIN_STARS:
        return psf, used
    column, row = np.round(x).astype(int), np.round(y).astype(int)
    stack = _windows(data, column, row, _HALF)
    center, moments = adaptive_moments(stack)
    cx, cy = column + center[:, 0], row + center[:, 1]
    size = np.sqrt(moments[:, :2].mean(1))
    axis = np.arange(-_HALF, _HALF + 1)
    radius = np.hypot(axis - center[:, 0, None, None], axis[:, None] - center[:, 1, None, None])
    total = (stack * (radius < 6)).sum((1, 2))
    noise = 10 * sigma / np.where(total > 0, total, np.nan)  # of size, relative
    keep = np.isfinite(size) & (noise < 0.5)
    if keep.sum() < _MIN_STARS:
        return psf, used
    # The mode of the sizes is the stars': galaxies are larger, hardly anything is smaller.
    typical = _mode(size[keep])
    keep &= np.abs(size / typical - 1) < 0.08 + 2 * noise
    if keep.sum() < _MIN_STARS:
        return psf, used
    terms = psf.terms(cx, cy)
    weight = 1 / (noise**2 + 0.01**2)
    size_fit, good = _fit(terms, size / typical, weight, keep, scale=1.0)
    shapes = np.stack([moments[:, 0] - moments[:, 1], 2 * moments[:, 2]]) / (moments[:, 0] + moments[:, 1])
    ellipticity = np.stack([_fit(terms, e, weight, good, scale=1.0)[0] for e in shapes])
    scatter = np.array([_scatter(v - c @ terms, noise, good) for v, c in ((size / typical, size_fit),
                        (shapes[0], ellipticity[0]), (shapes[1], ellipticity[1]))])  # fmt: skip
    size_fit = size_fit * typical
    # What the same moments make of the formula itself: the profile is the median star's, its moments need not be.
    image = psf.star([100.0], [100.0], _HALF)[0]
    model_size = np.sqrt(adaptive_moments(image.astype(float))[1][0, :2].mean())
    factor = size_fit / model_size
    factor = np.where(np.isfinite(factor), factor, np.eye(9)[0])
    psf = replace(psf, size=factor, ellipticity=ellipticity, scatter=scatter)
    base = _wings(psf, data, cx, cy, good, sigma)
    residual = psf.residual
    for _ in range(5):
        psf = replace(psf, profile=base, residual=residual)
        residual = residual + _residual(psf, stack, cx, cy, column, row, good, sigma, flux_per_electron)
    psf = replace(psf, residual=residual)
    # The grid of the residual blurs by some thousandths: as wide as the stars are is what the images have to be.
    model = adaptive_moments(psf.star(cx[good], cy[good], _HALF)[0].astype(float))[1]
    excess = np.nanmedian(size[good] / np.sqrt(model[:, :2].mean(1)))
    tilt = np.stack([model[:, 0] - model[:, 1], 2 * model[:, 2]]) / (model[:, 0] + model[:, 1])
    ellipticity = psf.ellipticity.copy()
    ellipticity[:, 0] += np.nanmedian(shapes[:, good] - tilt, axis=1)
    if 0.97 < excess < 1.03:
        psf = replace(psf, size=psf.size * excess, ellipticity=ellipticity)
    return psf, good


def _mode(values):
    """Middle of the densest third of the values."""
    ordered = np.sort(values)
    width = max(len(ordered) // 3, 2)
    spans = ordered[width - 1 :] - ordered[: len(ordered) - width + 1]
    start = int(np.argmin(spans))
    return float(np.median(ordered[start : start + width]))


_PRIORS = np.array([0.03, 0.03, 0.02, 0.02, 0.02, 0.015, 0.015, 0.015])
"""How much size (relative) and ellipticity change over a frame, for each polynomial but the first."""


def _fit(terms, values, weight, keep, *, scale):
    """Coefficients of `FramePsf.terms`, all but the first held to zero within `_PRIORS`. Also who was not clipped."""
    keep = keep & np.isfinite(values)
    ridge = np.diag(np.concatenate([[0], 1 / (_PRIORS * scale) ** 2]))
    for _ in range(5):
        a = terms[:, keep]
        middle = np.median(values[keep])
        w = weight[keep] / (1 + weight[keep] * 0.015**2)  # stars differ by a per cent or two among themselves
        coefficients = np.linalg.solve((a * w) @ a.T + ridge, (a * w) @ (values[keep] - middle))
        coefficients[0] += middle
        off = values - coefficients @ terms
        spread = 1.4826 * np.median(np.abs(off[keep])) + 1e-6
        tighter = keep & (np.abs(off) < 3.5 * np.maximum(spread, np.sqrt(1 / weight)))
        if tighter.sum() < _MIN_STARS or (tighter == keep).all():
            break
        keep = tighter
    return coefficients, keep


def _scatter(off, noise, good):
    """Scatter of stars beyond their noise (that of size is taken for all)."""
    rows = np.flatnonzero(good & (noise < 0.012) & np.isfinite(off))
    if len(rows) < 10:
        return 0.008
    total = 1.4826 * np.median(np.abs(off[rows]))
    return float(np.sqrt(max(total**2 - np.median(noise[rows]) ** 2, 0)))


def _wings(psf, data, cx, cy, good, sigma):
    """The round profile with its power law made as strong as it is around the brightest stars."""
    rows = np.flatnonzero(good)
    column, row = np.round(cx[rows]).astype(int), np.round(cy[rows]).astype(int)
    ny, nx = psf.shape
    inner = (column >= _WING_HALF) & (column < nx - _WING_HALF) & (row >= _WING_HALF) & (row < ny - _WING_HALF)
    rows, column, row = rows[inner], column[inner], row[inner]
    stack = _windows(data, column, row, _WING_HALF)
    axis = np.arange(-_WING_HALF, _WING_HALF + 1)
    radius = np.hypot(axis + (column - cx[rows])[:, None, None], axis[:, None] + (row - cy[rows])[:, None, None])
    flux = (stack * np.clip(5.5 - radius, 0, 1)).sum((1, 2)) / encircled(psf.profile, 5.0)
    bright = flux > 1500 * sigma
    if bright.sum() < _MIN_STARS:
        return psf.profile
    base, change = psf.profile.copy(), psf.profile * [1, 1, 1, 1.02, 1, 1]
    for _ in range(2):
        top = bottom = 0.0
        for a, b in ((7, 9), (9, 11), (11, 13), (13, 16), (16, 20)):
            ring = (radius >= a) & (radius < b)
            middle = np.array([np.median(w[r]) / f for w, r, f in zip(stack, ring, flux, strict=True) if f > 0])
            weight = (np.minimum(flux[flux > 0], 2e4 * sigma) ** 2) * bright[flux > 0] * (b * b - a * a)
            order = np.argsort(middle)
            share = np.cumsum(weight[order])
            level = middle[order][np.searchsorted(share, 0.5 * share[-1])]  # weighted median over stars
            r2 = np.array(((a + b) / 2) ** 2)
            now = float(profile(base, r2))
            slope = (float(profile(change, r2)) - now) / 0.02
            error = 0.1 * now + sigma / np.sqrt((weight**2).sum() / (weight**2 / flux[flux > 0] ** 2).sum() * 50)
            top, bottom = top + slope * (level - now) / error**2, bottom + slope**2 / error**2
        factor = np.clip(1 + top / (bottom + 1 / 0.5**2), 0.5, 2)
        base = base * [1, 1, 1, factor, 1, 1]
        change = base * [1, 1, 1, 1.02, 1, 1]
    return base


def _residual(psf, stack, cx, cy, column, row, good, sigma, flux_per_electron):
    """Weighted mean of what is left of the stars, as a linear function of place, on the fine grid."""
    grid = 2 * _SIDE + 1
    sums, products = np.zeros((3, 3, grid, grid)), np.zeros((3, grid, grid))
    rows = np.flatnonzero(good)
    images, columns, lines = psf.star(cx[rows], cy[rows], _HALF)
    # The rounded center may be a pixel off the window's middle; these are few and are left out.
    same = (columns == column[rows]) & (lines == row[rows])
    rows, images = rows[same], images[same]
    terms = psf.terms(cx[rows], cy[rows])[:3]
    axis = np.arange(-_HALF, _HALF + 1)
    inside = np.abs(axis) <= RESIDUAL_HALF
    for k, (i, star) in enumerate(zip(rows, images, strict=True)):
        dx, dy = axis + column[i] - cx[i], axis + row[i] - cy[i]
        radius = np.hypot(dx, dy[:, None])
        core = radius < 5
        w = star * core
        flux = (w * stack[i]).sum() / (w * star).sum()
        model = flux * star
        variance = sigma**2 + np.maximum(model, 0) * flux_per_electron + (0.02 * model) ** 2
        left = stack[i] - model
        ok = (np.abs(left) < 5 * np.sqrt(variance) + 0.1 * model) & inside & inside[:, None]
        gx = np.round(OVERSAMPLING * dx).astype(int) + _SIDE
        gy = np.round(OVERSAMPLING * dy).astype(int) + _SIDE
        yy, xx = np.nonzero(ok)
        place = gy[yy] * grid + gx[xx]
        w = flux**2 / variance[yy, xx]
        value = left[yy, xx] / flux
        t = terms[:, k]
        per = np.bincount(place, w, grid * grid).reshape(grid, grid)
        val = np.bincount(place, w * value, grid * grid).reshape(grid, grid)
        sums += t[:, None, None, None] * t[None, :, None, None] * per
        products += t[:, None, None] * val
    blur = 4 * np.pi * _KERNEL**2
    sums = ndimage.gaussian_filter(sums, (0, 0, _KERNEL, _KERNEL)) * blur
    products = ndimage.gaussian_filter(products, (0, _KERNEL, _KERNEL)) * blur
    # Believed only as far as it stands out of the noise: the formula is right to some per cent of itself.
    fine = (np.arange(grid) - _SIDE) / OVERSAMPLING
    dx = np.broadcast_to(fine, (1, grid, grid))
    ny, nx = psf.shape
    middle = psf.formula(np.array([nx / 2]), np.array([ny / 2]), dx, np.swapaxes(dx, 1, 2))[0]
    expected = 0.05 * middle + 0.01 * middle.max() * np.exp(-0.5 * np.hypot(dx[0], dx[0].T) ** 2 / 3.0**2) + 2e-6
    matrix = np.moveaxis(sums, (0, 1), (-2, -1)).copy()
    for k, share in enumerate((1.0, 0.4, 0.4)):
        matrix[..., k, k] += 1 / (share * expected) ** 2
    solution = np.moveaxis(np.linalg.solve(matrix, np.moveaxis(products, 0, -1)[..., None])[..., 0], -1, 0)
    edge = np.clip(RESIDUAL_HALF + 0.5 - np.hypot(dx[0], dx[0].T), 0, 1)
    return solution * edge
