# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The blank sky of a real frame: its level, its noise, how that is correlated, and what SDSS's pipeline did to it."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

__all__ = [
    "BLOCK",
    "REACH",
    "FrameNoise",
    "bad_columns",
    "blank_noise",
    "bridge",
    "clipped_std",
    "measure_noise",
    "mesh_background",
    "pixel_shape",
    "shorten",
    "sky_in_counts",
]

BLOCK = 128
"""Side in pixels of the blocks that are looked through for clear sky."""
REACH = 2
"""Pixels over which noise may be correlated."""

_SKY_CELL = 8  # pixels: side of those that the sky model is given for
_MESH = 64  # pixels: what varies more slowly is the sky model's error
_STRIPS = 16  # parts of a row with a noise of their own
_MANTISSA = 9  # bits that SDSS leaves of the 23 of a float32
_INTERPOLATION = (-0.27, 0.77, 0.77, -0.27)
"""What SDSS puts in place of a bad column: this of the two on either side, as the frames themselves show."""


@dataclass(frozen=True)
class FrameNoise:
    """The noise of a frame's blank sky, faint sources aside; in counts.

    Attributes
    ----------
    variance : ndarray, shape (nx,)
        By column: each half of a chip has an amplifier of its own.
    skewness, kurtosis : float
        Of single pixels; kurtosis is the excess over a normal distribution.
    kernels : tuple of ndarray
        What white noise has to be convolved with, for the left and right half.
    """

    variance: np.ndarray
    skewness: float
    kurtosis: float
    kernels: tuple

    def add(self, rng, counts, *, sky, gain):
        """Add noise to expected counts.

        Parameters
        ----------
        rng : `numpy.random.Generator`
        counts : ndarray, shape (ny, nx), float32
            Expected, sky included.
        sky : ndarray, shape (nx,)
            Level of the sky.
        gain : float
            Electrons per count.

        Returns
        -------
        ndarray, shape (ny, nx), float32
            Not yet rounded.
        """
        # Photons cannot be noisier than the sky is; what they do not explain is dark current and read noise.
        gain = np.maximum(gain, sky / self.variance).astype(np.float32)
        dark = np.maximum(self.variance - sky / gain, 0).astype(np.float32)
        noise = _skewed(rng, counts.shape, self.skewness, self.kurtosis)
        noise *= np.sqrt(np.maximum(counts, 0.5) / gain + dark)
        middle = counts.shape[1] // 2
        for half, kernel in zip((slice(0, middle), slice(middle, None)), self.kernels, strict=True):
            noise[:, half] = ndimage.convolve(noise[:, half], kernel, mode="wrap")
        return counts + noise


def measure_noise(flat, unseen, blank):
    """Measure the noise of blank sky.

    Parameters
    ----------
    flat : ndarray, shape (ny, nx)
        Frame in counts without sky, background and all sources found.
    unseen : ndarray, shape (ny, nx)
        What sources too faint to be found add to it, on average: their share is taken out.
    blank : ndarray of bool, shape (ny, nx)
        Pixels without a source.

    Returns
    -------
    FrameNoise
    """
    variance = _column_variance(flat, blank)
    clear = _clear(flat, blank, variance)
    if np.count_nonzero(clear) < 10_000:
        one = np.zeros((2 * REACH + 1, 2 * REACH + 1), np.float32)
        one[REACH, REACH] = 1
        return FrameNoise(variance, 0.0, 0.0, (one, one))
    variance = np.maximum(variance - unseen[clear].var(), 0.5 * variance)
    spread = np.sqrt(variance).astype(np.float32)
    middle = flat.shape[1] // 2
    halves = (slice(0, middle), slice(middle, None))
    kernels = tuple(_kernel(flat[:, h], unseen[:, h], clear[:, h]) for h in halves)
    return FrameNoise(variance, *pixel_shape((flat / spread)[clear], (unseen / spread)[clear]), kernels)


def clipped_std(values, limit=3.5):
    """Standard deviation without the outermost values.

    Parameters
    ----------
    values : ndarray
        NaN allowed.
    limit : float
        In standard deviations.

    Returns
    -------
    float
        NaN for fewer than ten values. No median is used at the end: pixels are whole counts, which makes medians jump.
    """
    values = values[np.isfinite(values)]
    if values.size < 10:
        return np.nan
    middle = np.median(values)
    spread = 1.4826 * np.median(np.abs(values - middle))
    for _ in range(3):
        inner = values[np.abs(values - middle) <= limit * spread]
        spread = inner.std() if inner.size else spread
    return float(spread)


def blank_noise(data):
    """Measure the noise of blank sky where there is least of anything else.

    Parameters
    ----------
    data : ndarray, shape (ny, nx)
        Sky-subtracted frame with all its sources.

    Returns
    -------
    float
        Clipped standard deviation of the clearest blocks of 128 by 128 pixels. Percentiles of the pixels will not do:
        in a globular cluster the whole distribution is of stars, and whole counts make percentiles jump by 10 %.
    """
    ny, nx = data.shape
    blocks = [data[y : y + BLOCK, x : x + BLOCK] for y in range(0, ny, BLOCK) for x in range(0, nx, BLOCK)]
    whole = [b for b in blocks if b.size == BLOCK**2] or [data]
    return float(np.percentile([clipped_std(block) for block in whole], 15))


def sky_in_counts(frame):
    """Sky model of a frame at each of its pixels, as SDSS interpolates it.

    Parameters
    ----------
    frame : `~stellarclass.archives.base.Frame`

    Returns
    -------
    ndarray, shape (ny, nx), float32
        In counts.
    """
    ny, nx = frame.data.shape
    rows, columns = frame.sky.shape
    some = np.arange(0, ny, 16)
    data = np.nan_to_num(frame.data[some])
    blank = np.abs(data) < 3 * np.median(np.abs(data)) + 1e-9
    fits = []
    # SDSS's own coordinates (the table's XINTERP and YINTERP) and those of a grid that ends where the frame does: right
    # is the one that leaves whole counts.
    for places in (
        ((np.arange(ny) + 0.5) / _SKY_CELL + 0.5, (np.arange(nx) + 0.5) / _SKY_CELL - 0.5),
        (np.linspace(0, rows - 1, ny), np.linspace(0, columns - 1, nx)),
    ):
        y, x = (v.clip(0, n - 1) for v, n in zip(places, (rows, columns), strict=True))
        level = ndimage.map_coordinates(frame.sky, np.meshgrid(y[some], x, indexing="ij"), order=1)
        counts = data / frame.nanomaggies_per_count + level
        fits.append((np.std((counts - np.round(counts))[blank]), y, x))
    _, y, x = min(fits, key=lambda fit: fit[0])
    return ndimage.map_coordinates(frame.sky, np.meshgrid(y, x, indexing="ij"), order=1).astype(np.float32)


def mesh_background(left, blank, *, sigma):
    """What varies slowly: means of meshes, smoothed and interpolated.

    Parameters
    ----------
    left : ndarray, shape (ny, nx)
        Frame without its sources.
    blank : ndarray of bool, shape (ny, nx)
        Pixels to be used.
    sigma : float
        Standard deviation of blank sky.

    Returns
    -------
    ndarray, shape (ny, nx), float32
    """
    ny, nx = left.shape
    my, mx = -(-ny // _MESH), -(-nx // _MESH)
    values, weight = np.zeros((my, mx)), np.zeros((my, mx))
    for j in range(my):
        for i in range(mx):
            part = (slice(j * _MESH, (j + 1) * _MESH), slice(i * _MESH, (i + 1) * _MESH))
            pixels = left[part][blank[part]]
            if pixels.size > 200:
                values[j, i], weight[j, i] = np.clip(pixels, -4 * sigma, 4 * sigma).mean(), pixels.size
    total = ndimage.gaussian_filter(weight, 0.8)
    smooth = ndimage.gaussian_filter(values * weight, 0.8) / np.maximum(total, 1e-9)
    middle = float((values * weight).sum() / max(weight.sum(), 1))
    smooth = np.where(total > 50, smooth, middle)
    grid = np.meshgrid((np.arange(ny) + 0.5) / _MESH - 0.5, (np.arange(nx) + 0.5) / _MESH - 0.5, indexing="ij")
    return ndimage.map_coordinates(smooth, grid, order=1, mode="nearest").astype(np.float32)


def bridge(counts):
    """Interpolate over columns as SDSS does.

    Parameters
    ----------
    counts : ndarray, shape (ny, nx)

    Returns
    -------
    ndarray, shape (ny, nx - 4)
        What each column but the outer two on either side would be if it were bad.
    """
    parts = (counts[:, :-4], counts[:, 1:-3], counts[:, 3:-1], counts[:, 4:])
    return sum(c * part for c, part in zip(_INTERPOLATION, parts, strict=True))


def bad_columns(counts):
    """Columns that SDSS has interpolated over: they agree with their neighbors to within rounding.

    Parameters
    ----------
    counts : ndarray, shape (ny, nx)
        Sky included.

    Returns
    -------
    ndarray of int
        About a dozen in a frame.
    """
    sample = counts[::4]
    off = np.median(np.abs(sample[:, 2:-2] - bridge(sample)), axis=0)
    return 2 + np.flatnonzero(off < 0.7)


def shorten(values):
    """Round floats to the few bits that SDSS's frames keep of them.

    Parameters
    ----------
    values : ndarray

    Returns
    -------
    ndarray, float32
        With 9 bits of mantissa, to the nearest.
    """
    cut = 23 - _MANTISSA
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    return ((bits + np.uint32(1 << (cut - 1))) & np.uint32((0xFFFFFFFF << cut) & 0xFFFFFFFF)).view(np.float32)


def _column_variance(left, blank):
    """Variance of blank sky by column: smooth within each amplifier's half, of the clearest stretch of each strip."""
    ny, nx = left.shape
    edges = np.linspace(0, nx, _STRIPS + 1).astype(int)
    rows = np.linspace(0, ny, 9).astype(int)
    strips = np.full(_STRIPS, np.nan)
    for k in range(_STRIPS):
        parts = [(slice(rows[j], rows[j + 1]), slice(edges[k], edges[k + 1])) for j in range(8)]
        blocks = [left[part][blank[part]] for part in parts if np.count_nonzero(blank[part]) > 2000]
        if blocks:
            # Where the sky is crowded its unresolved stars add to the noise.
            low = np.percentile([clipped_std(values) ** 2 for values in blocks], 15)
            # By chance the second lowest of eight is about one standard deviation below the truth.
            strips[k] = low * (1 + np.sqrt(2 / np.median([len(values) for values in blocks])))
    if not np.isfinite(strips).any():
        return np.full(nx, clipped_std(left) ** 2)
    strips = np.where(np.isfinite(strips), strips, np.nanmedian(strips))
    middles = (edges[1:] + edges[:-1]) / 2
    columns, result = np.arange(nx), np.empty(nx)
    for half in (slice(0, _STRIPS // 2), slice(_STRIPS // 2, _STRIPS)):
        where = slice(edges[half.start], edges[half.stop])
        result[where] = np.polyval(np.polyfit(middles[half], strips[half], 2), columns[where])
    return np.maximum(result, 0.25 * np.median(strips))


def _clear(flat, blank, variance):
    """Blank pixels in blocks that are no noisier than their columns are."""
    ny, nx = flat.shape
    clear = np.zeros_like(blank)
    for y in range(0, ny, BLOCK):
        for x in range(0, nx, BLOCK):
            part = (slice(y, y + BLOCK), slice(x, x + BLOCK))
            values = flat[part][blank[part]]
            if values.size > 2000 and values.var() < 1.05 * variance[part[1]].mean():
                clear[part] = blank[part]
    return clear if np.count_nonzero(clear) > 50_000 else blank


def pixel_shape(values, sources):
    """Measure how blank pixels are distributed.

    Parameters
    ----------
    values : ndarray, shape (N,)
    sources : ndarray, shape (N,)
        What sources too faint to be found add to them: their share is taken out.

    Returns
    -------
    skewness, kurtosis : float
        The latter is the excess over a normal distribution.
    """
    values = values - values.mean()
    spread = values.std()
    own = np.sqrt(max(spread**2 - sources.var(), 0.5 * spread**2))
    inner = values[np.abs(values) < 4.5 * spread]
    third = (inner**3).mean() - ((sources - sources.mean()) ** 3).mean()
    skewness = float(np.clip(third / own**3, -0.3, 0.3))
    # Sources are above the sky only: how the noise is distributed shows in the lower tail (Cornish & Fisher 1938).
    low = -np.percentile(values, 0.1) / own
    normal = 3.0902
    fourth = 24 * (low - normal + skewness / 6 * (normal**2 - 1)) / (normal**3 - 3 * normal)
    return skewness, float(np.clip(fourth, -0.1, 0.3))


def _skewed(rng, shape, skewness, kurtosis):
    """Noise of unit variance, normal but for these (Cornish & Fisher 1938, to first order)."""
    z = rng.standard_normal(shape, dtype=np.float32)
    z += np.float32(skewness / 6) * (z**2 - 1) + np.float32(kurtosis / 24) * (z**3 - 3 * z)
    return z / np.float32(np.sqrt(1 + skewness**2 / 18 + kurtosis**2 / 96))


def _kernel(flat, unseen, blank):
    """What white noise has to be convolved with: the readout leaves correlations of up to a few per cent."""
    ny, nx = flat.shape
    kernel = np.zeros((2 * REACH + 1, 2 * REACH + 1), np.float32)
    variance = flat[blank].var() if blank.any() else 0.0
    for dy in range(REACH + 1) if variance > 0 else ():
        for dx in range(-REACH, REACH + 1):
            a = (slice(dy, ny), slice(max(dx, 0), nx + min(dx, 0)))
            b = (slice(0, ny - dy), slice(max(-dx, 0), nx + min(-dx, 0)))
            both = blank[a] & blank[b]
            products = np.where(both, flat[a] * flat[b] - unseen[a] * unseen[b], 0)
            # To first order a kernel of half the correlation does it; correlations are a few per cent.
            value = 0.5 * np.clip(_low_block(products, both, variance) / variance, -0.1, 0.1)
            kernel[REACH + dy, REACH + dx] = kernel[REACH - dy, REACH - dx] = value
    kernel[REACH, REACH] = 1
    return kernel / np.sqrt((kernel**2).sum())


def _low_block(values, good, scale):
    """Mean of the good pixels in the blocks that have least, freed of chance: sources correlate where they are only."""
    ny, nx = (n // BLOCK for n in values.shape)
    blocks = [
        v[: ny * BLOCK, : nx * BLOCK].reshape(ny, BLOCK, nx, BLOCK).sum((1, 3), dtype=float) for v in (values, good)
    ]
    if not blocks[1].any():
        return 0.0
    usable = blocks[1] > 0.5 * blocks[1].max()
    quarter = np.percentile(blocks[0][usable] / blocks[1][usable], 25)
    return float(quarter + 0.674 * scale / np.sqrt(np.median(blocks[1][usable])))
