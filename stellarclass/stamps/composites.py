# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Lupton RGB composites of many stamps at once, for any of the paper's 26 band combinations."""

import re

import numpy as np

from ..archives.base import BANDS

__all__ = ["BAND_COMBINATIONS", "composites", "lupton_rgb", "parse_combination"]

BAND_COMBINATIONS = (
    *("gri+urz", "giu+grz", "giu+riz", "giu+ruz", "giz+riu", "giz+ruz", "gri+guz", "gri+iuz", "gri+ruz"),
    *("gru+giz", "gru+iuz", "gru+riz", "guz+riu", "guz+riz", "iuz+grz", "riu+grz"),
    *("gri+uz", "giu+rz", "giz+ru", "gru+iz", "grz+iu", "guz+ri", "iuz+gr", "riu+gz", "riz+gu", "ruz+gi"),
)
"""The band combinations of Deng et al. 2024, Table A1, in its order."""

_WORD = re.compile(rf"[{''.join(BANDS)}]{{2,3}}")
_BLOCK = 64  # stamps worked on at a time: the intermediates then stay in the processor's cache


def parse_combination(combination):
    """Say which bands feed which channel.

    Three letters feed red, green and blue in that order. Of two letters the first feeds red, the second blue, and the
    mean of both green, after Wu & Boada (2019, MNRAS, 484, 4683) as described in Section 4.3.1 of Deng et al. (2024).
    (The training code that those authors published gives the second band to green and the mean to blue.)

    Parameters
    ----------
    combination : str
        One composite such as ``"gri"``, or several joined by ``+`` such as ``"gru+iz"``.

    Returns
    -------
    tuple of tuple of str
        For each composite its three channels, each a string of the bands that are averaged.

    Raises
    ------
    ValueError
        If a composite is not two or three different letters of ``ugriz``.

    Examples
    --------
    >>> from stellarclass.stamps.composites import parse_combination
    >>> parse_combination("gru+iz")
    (('g', 'r', 'u'), ('i', 'iz', 'z'))
    """
    parsed = []
    for word in str(combination).split("+"):
        if not _WORD.fullmatch(word) or len(set(word)) != len(word):
            raise ValueError(
                f"{word!r} in band combination {combination!r} is not two or three different letters of "
                f"{''.join(BANDS)}; the paper's combinations are {', '.join(BAND_COMBINATIONS)}"
            )
        parsed.append(tuple(word) if len(word) == 3 else (word[0], word, word[1]))
    return tuple(parsed)


def lupton_rgb(images, channels="gri", *, q=8.0, stretch=0.5):
    """Map three bands to red, green and blue as Lupton et al. (2004, PASP, 116, 133) do, for N stamps.

    Equal to ``astropy.visualization.make_lupton_rgb(red, green, blue, minimum=0, stretch=stretch, Q=q)`` pixel for
    pixel, stamp by stamp; non-finite pixels become black without a warning.

    Parameters
    ----------
    images : ndarray, shape (N, 5, H, W), float
        Flux in nanomaggies per pixel, bands ugriz.
    channels : str
        One composite, see `parse_combination`.
    q : float
        Softening parameter of the asinh, above 0.
    stretch : float
        Linear stretch in nanomaggies, above 0.

    Returns
    -------
    ndarray, shape (N, 3, H, W), uint8
        Channels red, green, blue.

    Raises
    ------
    ValueError
        If ``channels`` cannot be understood or is more than one composite, or ``q`` or ``stretch`` is not positive.

    Examples
    --------
    >>> import numpy as np
    >>> from stellarclass.stamps.composites import lupton_rgb
    >>> pixel = np.array([0.1, 0.5, 1.0, 1.0, 0.5]).reshape(1, 5, 1, 1)
    >>> lupton_rgb(pixel, "gri").ravel()
    array([ 68, 137, 137], dtype=uint8)
    """
    parsed = parse_combination(channels)
    if len(parsed) != 1:
        raise ValueError(f"{channels!r} is {len(parsed)} composites; use `composites` for several at once")
    if not (0 < q < np.inf and 0 < stretch < np.inf):
        raise ValueError(f"q = {q} and stretch = {stretch} must both be positive and finite")
    images = np.asarray(images)
    if images.ndim != 4 or images.shape[1] != len(BANDS):
        raise ValueError(f"images have shape {images.shape}, expected (N, {len(BANDS)}, H, W)")
    if not np.issubdtype(images.dtype, np.floating):
        images = images.astype(float)

    out = np.empty((len(images), 3, *images.shape[2:]), np.uint8)
    for start in range(0, len(images), _BLOCK):
        block = slice(start, start + _BLOCK)
        out[block] = _to_uint8(_channels(images[block], parsed[0]), q, stretch)
    return out


def composites(images, combination="gri+urz", *, q=8.0, stretch=0.5):
    """All composites of a band combination; see `lupton_rgb`.

    Parameters
    ----------
    images : ndarray, shape (N, 5, H, W), float
        Flux in nanomaggies per pixel, bands ugriz.
    combination : str
        One of `BAND_COMBINATIONS`, or anything else that `parse_combination` understands.
    q, stretch : float
        See `lupton_rgb`.

    Returns
    -------
    tuple of ndarray, each of shape (N, 3, H, W), uint8
        One array per composite, in the combination's order.

    Raises
    ------
    ValueError
        As `lupton_rgb`.
    """
    parse_combination(combination)
    return tuple(lupton_rgb(images, word, q=q, stretch=stretch) for word in combination.split("+"))


def _channels(images, channels):
    """Three planes as a fresh array, each the mean of its bands: (N, 5, H, W) -> (3, N, H, W)."""
    rgb = np.empty((3, len(images), *images.shape[2:]), images.dtype)
    for plane, bands in zip(rgb, channels, strict=True):
        np.copyto(plane, images[:, BANDS.index(bands[0])])
        if len(bands) == 2:
            plane += images[:, BANDS.index(bands[1])]
            plane /= 2
    return rgb


def _to_uint8(rgb, q, stretch):
    """The arithmetic of astropy, step by step and type by type: one rounding done elsewhere costs a count."""
    slope = 0.1 / np.arcsinh(0.1 * q)  # unit gradient at a tenth of the stretch
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        intensity = (rgb[0] + rgb[1] + rgb[2]) / 3.0  # (N, H, W)
        factor = np.multiply(intensity, q / float(stretch))
        np.arcsinh(factor, out=factor)
        np.multiply(factor, slope, out=factor)  # a float64 scalar: computed in double, then rounded
        np.divide(factor, intensity, out=factor)
        factor[intensity <= 0] = 0
        rgb *= factor
        np.clip(rgb, 0.0, None, out=rgb)
        brightest = rgb.max(axis=0)
        np.divide(rgb, brightest, out=rgb, where=brightest > 1.0)  # keeps the color of overexposed pixels
        rgb *= 255.0
    rgb[np.isnan(rgb)] = 0
    return rgb.astype(np.uint8).swapaxes(0, 1)
