# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What has to be changed in a PSF and in noise for a twin to be measured as the real frame is.

Whatever is measured on a crowded frame is off by something: neighbors are taken out imperfectly, noise widens, the
formula does not fit. But the same measurement on the twin is off by as much, so that the difference of the two tells
what has to be changed (indirect inference: Gourieroux, Monfort & Renault 1993, Journal of Applied Econometrics 8, S85).
"""

from dataclasses import replace

import numpy as np
from scipy import ndimage

from .framenoise import BLOCK, REACH, FrameNoise, pixel_shape
from .framepsf import fit_over_frame, residual_image
from .moments import MEASURED_HALF, adaptive_moments, mode, moment_shapes, star_windows

__all__ = ["more_alike_noise", "more_alike_psf", "unseen_strength"]

_ROUNDS = 2
_DRAWS = 4  # of noise, for each star
_MIN_STARS = 12


def more_alike_psf(psf, real, twin, x, y, flux, *, sigma, flux_per_electron, color, residual=True):
    """Change a PSF by what stars differ by that were painted with it.

    Parameters
    ----------
    psf : `~stellarclass.simulate.framepsf.FramePsf`
    real : ndarray, shape (ny, nx)
        Frame without its background.
    twin : ndarray, shape (ny, nx)
        What was painted for it, without noise; the same sources.
    x, y, flux : ndarray, shape (M,)
        Stars with little near them, at least 21 pixels from the edge, and the fluxes that they were painted with.
    sigma : float
        Standard deviation of blank sky.
    flux_per_electron : float
        Units of the frames per photo-electron.
    color : ndarray, shape (M,)
        See `~stellarclass.simulate.framepsf.FramePsf.formula`.
    residual : bool
        Whether to change the image of what stars have beyond the formula as well.

    Returns
    -------
    `~stellarclass.simulate.framepsf.FramePsf`
        The same if there are fewer than a dozen stars.
    """
    if len(x) < _MIN_STARS:
        return psf
    column, row = np.round(x).astype(int), np.round(y).astype(int)
    stack, painted = (star_windows(frame, column, row, MEASURED_HALF) for frame in (real, twin))
    own = psf.star(x, y, MEASURED_HALF, color=color)[0] * flux[:, None, None]
    others = painted - own
    for _ in range(_ROUNDS):
        psf, keep = _shape_alike(psf, stack, others + own, x, y, sigma, flux_per_electron, color)
        own = psf.star(x, y, MEASURED_HALF, color=color)[0] * flux[:, None, None]
        if residual and keep.sum() >= _MIN_STARS:
            known = (x, y, column, row, keep, color, sigma, flux_per_electron)
            images = (residual_image(psf, s, *known) for s in (stack, others + own))
            psf = replace(psf, residual=psf.residual + np.subtract(*images))
            own = psf.star(x, y, MEASURED_HALF, color=color)[0] * flux[:, None, None]
    return _shape_alike(psf, stack, others + own, x, y, sigma, flux_per_electron, color)[0]


def _shape_alike(psf, stack, painted, x, y, sigma, flux_per_electron, color):
    # Always the same noise, so that a frame always has the same PSF.
    rng = np.random.default_rng(len(x))
    spread = np.sqrt(sigma**2 + flux_per_electron * np.maximum(painted, 0))
    noisy = [painted + spread * rng.standard_normal(spread.shape) for _ in range(_DRAWS)]
    seen = [moment_shapes(adaptive_moments(images)[1]) for images in (stack, *noisy)]
    for shapes in seen:
        shapes[0] = np.log(shapes[0])
    drawn = np.array(seen[1:])
    off = seen[0] - drawn.mean(0)
    axis = np.arange(-MEASURED_HALF, MEASURED_HALF + 1)
    total = (painted * (np.hypot(axis, axis[:, None]) < 6)).sum((1, 2))
    noise = 10 * sigma / np.maximum(total, sigma)
    keep = np.isfinite(off).all(0) & (noise < 0.1)
    if keep.sum() < _MIN_STARS:
        return psf, keep
    # Galaxies are wider than what was painted for them.
    keep &= np.abs(off[0] - mode(off[0][keep])) < 0.05 + 1.5 * noise
    if keep.sum() < _MIN_STARS:
        return psf, keep
    terms = np.concatenate([psf.terms(x, y), color[None]])
    weight = 1 / (noise**2 + 0.01**2)
    fits, kept = zip(*(fit_over_frame(terms, v, weight, keep, scale=1.0) for v in off), strict=True)
    fits = np.array(fits)
    bright = keep & (noise < 0.015)
    scatter = psf.scatter
    if bright.sum() >= 10:
        spread = [
            [_robust(v - fit_over_frame(terms, v, weight, keep, scale=1.0)[0] @ terms, bright) for v in shapes]
            for shapes in (seen[0], *drawn)
        ]
        scatter = np.sqrt(np.maximum(np.square(spread[0]) - np.square(spread[1:]).mean(0), 0))
    changed = replace(
        psf,
        size=psf.size * (1 + fits[0, 0]) + psf.size[0] * np.append(0, fits[0, 1:9]),
        ellipticity=psf.ellipticity + fits[1:, :9],
        chromatic=psf.chromatic + fits[:, 9] * [psf.size[0], 1, 1],
        scatter=scatter,
    )
    return changed, np.logical_and.reduce(kept)


def _robust(values, rows):
    return 1.4826 * np.nanmedian(np.abs(values[rows] - np.nanmedian(values[rows])))


def more_alike_noise(noise, real, trial, blank):
    """Change noise by what blank sky differs by that it was added to.

    Parameters
    ----------
    noise : FrameNoise
    real, trial : ndarray, shape (ny, nx)
        Frames in counts without sky, background and all sources found: the real one, and one with this noise and with
        sources too faint to be found.
    blank : ndarray of bool, shape (ny, nx)
        Pixels without a source.

    Returns
    -------
    FrameNoise
        The median block of 128 pixels counts, so that neither clear nor crowded parts decide.
    """
    middle = real.shape[1] // 2
    variance, kernels = noise.variance.copy(), []
    for half, kernel in zip((slice(0, middle), slice(middle, None)), noise.kernels, strict=True):
        parts = [(v[:, half], blank[:, half]) for v in (real, trial)]
        squares = [_block_means(v * v, b) for v, b in parts]
        usable = np.isfinite(squares[0]) & np.isfinite(squares[1])
        kernel = kernel.copy()
        if usable.sum() >= 10:
            variance[half] *= np.clip(np.median(squares[0][usable] / squares[1][usable]), 0.95, 1.05)
            for dy in range(REACH + 1):
                for dx in range(-REACH, REACH + 1):
                    if dy == 0 and dx <= 0:
                        continue
                    lags = [_block_means(*_lagged(*p, dy, dx)) / s for p, s in zip(parts, squares, strict=True)]
                    off = (lags[0] - lags[1])[usable]
                    # To first order a kernel of half the correlation does it, as in `measure_noise`.
                    change = 0.5 * np.clip(np.median(off[np.isfinite(off)]), -0.05, 0.05) if off.size else 0.0
                    kernel[REACH + dy, REACH + dx] += change
                    kernel[REACH - dy, REACH - dx] += change
            kernel /= np.sqrt((kernel**2).sum())
        kernels.append(kernel)
    spread = np.sqrt(noise.variance).astype(np.float32)
    none = np.zeros(1)
    shapes = [pixel_shape((v / spread)[blank], none) for v in (real, trial)] if blank.any() else np.zeros((2, 2))
    skewness, kurtosis = np.array([noise.skewness, noise.kurtosis]) + np.subtract(*shapes)
    return FrameNoise(variance, float(skewness), float(kurtosis), tuple(kernels))


def _lagged(values, blank, dy, dx):
    """Products of pixels and those so far from them, and where both are blank: shape (ny, nx)."""
    both = blank & np.roll(blank, (dy, dx), (0, 1))
    both[:dy] = False  # these are of the other edge
    both[:, : max(dx, 0)] = False
    both[:, values.shape[1] + min(dx, 0) :] = False
    return values * np.roll(values, (dy, dx), (0, 1)), both


def _block_means(values, good):
    """Means of the good pixels of each whole block; NaN where fewer than a third are good."""
    ny, nx = (n // BLOCK for n in values.shape)
    if not ny or not nx:
        return np.full((1, 1), np.nan)
    total, number = (
        v[: ny * BLOCK, : nx * BLOCK].reshape(ny, BLOCK, nx, BLOCK).sum((1, 3), dtype=float)
        for v in (np.where(good, values, 0), good)
    )
    return np.where(number > 0.3 * BLOCK**2, total / np.maximum(number, 1), np.nan)


def unseen_strength(real, simulated, unseen, good, *, sigma):
    """How much stronger than assumed sources are that are too faint to be found.

    Parameters
    ----------
    real, simulated : ndarray, shape (ny, nx)
        Frames with all their sources.
    unseen : ndarray, shape (ny, nx)
        What sources too faint to be found add to the simulated one, on average nothing.
    good : ndarray of bool, shape (ny, nx)
        Pixels that are not saturated.
    sigma : float
        Standard deviation of blank sky.

    Returns
    -------
    ndarray, shape (ny, nx), float32
        Factor by place: with it pixels scatter as much as the real ones do, compared in blocks of 128 pixels and
        believed as far as the difference stands out of chance.
    """
    shape = tuple(-(-n // BLOCK) for n in real.shape)
    number, change, drawn, whole = (np.zeros(shape) for _ in range(4))
    for j, i in np.ndindex(shape):
        part = (slice(j * BLOCK, (j + 1) * BLOCK), slice(i * BLOCK, (i + 1) * BLOCK))
        use = good[part]
        if np.count_nonzero(use) > 2000:
            spread = [_clipped_variance(v[part][use], 5 * sigma) for v in (real, simulated)]
            number[j, i], change[j, i], whole[j, i] = np.count_nonzero(use), spread[0] - spread[1], spread[0]
            drawn[j, i] = _clipped_variance(unseen[part][use], 5 * sigma)
    total = ndimage.gaussian_filter(number, 0.7)
    if not drawn.any():
        return np.ones(real.shape, np.float32)
    change, drawn, whole = (
        ndimage.gaussian_filter(number * v, 0.7) / np.maximum(total, 1) for v in (change, drawn, whole)
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        error = whole * np.sqrt(4 / (2 * total)) / drawn  # of the difference; smoothing takes in two blocks or so
        share = 1 / (1 + (error / 0.5) ** 2)
        factor = np.sqrt(np.clip(1 + np.nan_to_num(share * change / drawn), 0, 3))
    grid = np.meshgrid(*((np.arange(n) + 0.5) / BLOCK - 0.5 for n in real.shape), indexing="ij")
    return ndimage.map_coordinates(np.where(drawn > 0, factor, 1), grid, order=1, mode="nearest").astype(np.float32)


def _clipped_variance(values, limit):
    return np.clip(values - np.median(values), -limit, limit).var()
