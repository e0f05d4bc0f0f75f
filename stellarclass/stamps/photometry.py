# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Fluxes of the star in each stamp: through its PSF and through apertures, corrected to SDSS's total flux."""

from dataclasses import dataclass, fields

import numpy as np

from .. import flags
from .base import MASK_MISSING, MASK_NAN, MASK_OFF_FRAME, MASK_SATURATED, STAMP_SIZE
from .psf import TYPICAL_PSF, encircled, profile
from .seeing import own_psf

__all__ = ["APERTURES", "SOFTENING", "WINDOW", "Photometry", "asinh_magnitude", "asinh_magnitude_error", "measure"]

APERTURES = (3.0, 5.0, 7.0)
"""Radii of the apertures in pixels."""

WINDOW = 24
"""Side of the middle part of a stamp that is measured, in pixels."""

SOFTENING = np.array([1.4e-10, 0.9e-10, 1.2e-10, 1.8e-10, 7.4e-10])
"""Softening b of SDSS's asinh magnitudes, u g r i z, in maggies (Lupton et al. 1999, AJ 118, 1406)."""

_FIT_RADIUS = 6.0
_CHUNK = 512


@dataclass(frozen=True)
class Photometry:
    """Measured fluxes of N stars in nanomaggies.

    Attributes
    ----------
    flux : ndarray, shape (N, 5), float64
        PSF flux; NaN where the band is not used.
    flux_err : ndarray, shape (N, 5), float64
        Its standard deviation by sky noise and the star's own photons.
    apertures : ndarray, shape (N, 5, 3), float64
        Flux within each of `APERTURES`, corrected to total by the PSF; NaN where the band is not used.
    background : ndarray, shape (N, 5), float64
        Median around the star that was subtracted, nanomaggies per pixel.
    residual : ndarray, shape (N, 5, 24, 24), float32
        Middle of the stamp after the star itself is subtracted, in units of its noise; 0 where masked.
    used : ndarray, shape (N, 5), bool
        Bands that can be trusted at the star's place.
    flags : ndarray, shape (N,), int64
        Of `stellarclass.flags`: ``bad_pixels``, ``saturated``, ``blended``, ``not_detected``, ``no_usable_band``.
    psf : ndarray, shape (N, 5, 6), float32
        The PSF that was used: the stamps' own, or where it is not known one as wide as the star.
    """

    flux: np.ndarray
    flux_err: np.ndarray
    apertures: np.ndarray
    background: np.ndarray
    residual: np.ndarray
    used: np.ndarray
    flags: np.ndarray
    psf: np.ndarray

    def __len__(self):
        return len(self.flux)

    @property
    def magnitude(self):
        """SDSS asinh magnitudes of the PSF fluxes, shape (N, 5); NaN where the band is not used."""
        return asinh_magnitude(self.flux)


def asinh_magnitude(flux):
    """SDSS's asinh magnitude, finite at zero and negative flux.

    Parameters
    ----------
    flux : ndarray, shape (..., 5)
        Flux in nanomaggies, bands u g r i z.

    Returns
    -------
    ndarray, shape (..., 5)
        Magnitudes: Lupton et al. (1999), with `SOFTENING`.

    Examples
    --------
    >>> import numpy as np
    >>> from stellarclass.stamps.photometry import asinh_magnitude
    >>> print(asinh_magnitude(np.array([100.0, 100.0, 100.0, 100.0, 0.0])).round(2))
    [17.5  17.5  17.5  17.5  22.83]
    """
    maggies = np.asarray(flux, float) * 1e-9
    return -2.5 / np.log(10) * (np.arcsinh(maggies / (2 * SOFTENING)) + np.log(SOFTENING))


def asinh_magnitude_error(flux, flux_err):
    """Standard deviation of `asinh_magnitude`.

    Parameters
    ----------
    flux, flux_err : ndarray, shape (..., 5)
        In nanomaggies.

    Returns
    -------
    ndarray, shape (..., 5)
        In mag.
    """
    x = np.asarray(flux, float) * 1e-9 / (2 * SOFTENING)
    return 2.5 / np.log(10) * np.asarray(flux_err, float) * 1e-9 / (2 * SOFTENING) / np.sqrt(1 + x**2)


def measure(stamps):
    """Measure the star in the middle of each stamp.

    Parameters
    ----------
    stamps : `~stellarclass.stamps.Stamps`
        N stamps.

    Returns
    -------
    Photometry
        Of N stars. Each star's numbers depend on its own stamp alone.
    """
    n = len(stamps)
    if n == 0:
        parts = [_measure_chunk(stamps)]
    else:
        parts = [_measure_chunk(stamps[k : k + _CHUNK]) for k in range(0, n, _CHUNK)]
    return Photometry(
        **{name: np.concatenate([getattr(p, name) for p in parts]) for name in (f.name for f in fields(Photometry))}
    )


def _annulus():
    axis = np.arange(STAMP_SIZE) - (STAMP_SIZE - 1) / 2
    radius = np.hypot(axis, axis[:, None])
    rows, columns = np.nonzero((radius > 12) & (radius < 26))
    return rows[::3], columns[::3]  # a third of the pixels gives the median to 4 % of the sky's sigma


_ANNULUS = _annulus()


def _background(stamps):
    """Median of the good pixels around each star, shape (N, 5); 0 where hardly any are good."""
    pixels = stamps.images[:, :, _ANNULUS[0], _ANNULUS[1]]
    good = stamps.masks[:, :, _ANNULUS[0], _ANNULUS[1]] == 0
    count = good.sum(-1)
    # Masked pixels are sorted to the end, then the middle of the good ones is read off.
    ordered = np.sort(np.where(good, pixels, np.inf), axis=-1)
    low = np.take_along_axis(ordered, np.maximum((count - 1) // 2, 0)[..., None], -1)[..., 0]
    high = np.take_along_axis(ordered, np.minimum(count // 2, pixels.shape[-1] - 1)[..., None], -1)[..., 0]
    return np.where(count > 50, (low + high) / 2, 0.0)


def _measure_chunk(stamps):
    n = len(stamps)
    background = _background(stamps)
    edge = (STAMP_SIZE - WINDOW) // 2
    window = slice(edge, edge + WINDOW)
    masks = stamps.masks[:, :, window, window]
    good = masks == 0
    images = np.where(good, stamps.images[:, :, window, window] - background[..., None, None].astype(np.float32), 0)
    axis = (np.arange(WINDOW) - (WINDOW - 1) / 2).astype(np.float32)
    dx = axis - stamps.offsets[..., 0, None]  # (N, 5, W)
    dy = axis - stamps.offsets[..., 1, None]
    r2 = (dx**2)[..., None, :] + (dy**2)[..., :, None]
    radius = np.sqrt(r2)
    psf = _complete_psf(stamps, images, radius)
    star = profile(psf, r2).astype(np.float32)

    present = ~((masks & MASK_MISSING) > 0).any((2, 3)) & np.isfinite(stamps.sky_sigma)
    near = radius < APERTURES[-1]
    defects = {
        bit: ((masks & bit > 0) & near).any((2, 3)) & present for bit in (MASK_NAN, MASK_SATURATED, MASK_OFF_FRAME)
    }
    used = present & ~defects[MASK_NAN] & ~defects[MASK_SATURATED] & ~defects[MASK_OFF_FRAME]

    weight = star * np.clip(_FIT_RADIUS + 0.5 - radius, 0, 1) * good
    norm = (weight * star).sum((2, 3))
    with np.errstate(divide="ignore", invalid="ignore"):
        flux = (weight * images).sum((2, 3)) / norm
        sky_variance = stamps.sky_sigma.astype(float) ** 2
        poisson = np.maximum(flux, 0) * (weight**2 * star).sum((2, 3)) * stamps.flux_per_electron
        flux_err = np.sqrt((weight**2).sum((2, 3)) * sky_variance + poisson) / norm
    apertures = np.stack(
        [(images * np.clip(r + 0.5 - radius, 0, 1)).sum((2, 3)) / encircled(psf, r) for r in APERTURES], axis=-1
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        model = flux[..., None, None].astype(np.float32) * star
        noise = np.sqrt(
            stamps.sky_sigma[..., None, None] ** 2
            + np.maximum(model, 0) * stamps.flux_per_electron[..., None, None]
            + (0.03 * model) ** 2  # the profile is only an average over the frame
        )
        residual = np.where(good & used[..., None, None], (images - model) / noise, 0).astype(np.float32)

    flux = np.where(used, flux, np.nan).astype(float)
    flux_err = np.where(used, flux_err, np.nan).astype(float)
    found = np.zeros(n, np.int64)
    found |= np.where(defects[MASK_NAN].any(1), flags.BAD_PIXELS, 0)
    found |= np.where(defects[MASK_SATURATED].any(1), flags.SATURATED, 0)
    found |= np.where(used.sum(1) < 2, flags.NO_USABLE_BAND, 0)
    with np.errstate(invalid="ignore"):
        detected = (flux > 3 * flux_err).any(1)
    found |= np.where((used.sum(1) >= 2) & ~detected, flags.NOT_DETECTED, 0)
    apertures = np.where(used[..., None], apertures, np.nan).astype(float)
    found |= np.where(_blended(apertures, flux_err, used), flags.BLENDED, 0)
    psf = psf.astype(np.float32)
    return Photometry(flux, flux_err, apertures, background.astype(float), residual, used, found, psf)


def _complete_psf(stamps, images, radius):
    """The stamps' PSF, (N, 5, 6), with one as wide as the star where it is not known."""
    known = np.isfinite(stamps.psf).all(-1)
    psf = np.where(known[..., None], stamps.psf, TYPICAL_PSF)
    rows = (~known & np.isfinite(stamps.sky_sigma)).any(1)
    if rows.any():
        noise = {name: getattr(stamps, name)[rows] for name in ("sky_sigma", "flux_per_electron")}
        psf[rows] = np.where(known[rows][..., None], psf[rows], own_psf(images[rows], radius[rows], **noise))
    return psf


def _blended(apertures, flux_err, used):
    """Whether light beyond the star's own profile is a tenth of what 7 pixels hold, in r or the next best band."""
    order = [2, 3, 1, 4, 0]
    first = np.array(order)[used[:, order].argmax(1)]
    rows = np.arange(len(used))
    small, large = apertures[rows, first, 0], apertures[rows, first, 2]
    with np.errstate(invalid="ignore"):
        return (large - small > 0.1 * np.abs(large)) & (large - small > 5 * flux_err[rows, first])
