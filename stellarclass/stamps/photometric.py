# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The default ensemble's input recipe.

Calibrated fluxes, what the star's own profile leaves over, and astrometry in a form that stays finite at zero and
negative parallax.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from .. import physics
from .photometry import APERTURES, WINDOW, asinh_magnitude, asinh_magnitude_error, measure
from .psf import TYPICAL_PSF, fwhm
from .recipes import register

__all__ = ["FEATURES", "PhotometricRecipe"]

_BANDS = "ugriz"

FEATURES = (
    "ref_mag",
    *(f"color_{b}" for b in _BANDS),
    *(f"used_{b}" for b in _BANDS),
    *(f"log_err_{b}" for b in _BANDS),
    *(f"aperture{radius:.0f}_{b}" for b in _BANDS for radius in APERTURES),
    *(f"fwhm_{b}" for b in _BANDS),
    "psf_known",
    "has_parallax",
    "parallax_luminosity",
    "parallax_luminosity_err",
    "parallax_snr",
    "log_luminosity",
    "has_proper_motion",
    "log_proper_motion",
    "reduced_proper_motion",
    "log_proper_motion_err",
)
"""Names of the columns of the input ``features``, in order."""

# Mean color of the population relative to r, to stand in for r where r itself is missing.
_TYPICAL_COLOR = np.array([2.6, 0.8, 0.0, -0.35, -0.55])
_MIN_RELATIVE_ERROR = 0.005


@register
@dataclass(frozen=True)
class PhotometricRecipe:
    """Recipe ``photometric``.

    Called with N stamps and their astrometry it returns

    ``features`` : (N, F) float32
        The columns of `FEATURES`. Magnitudes are SDSS asinh magnitudes through the PSF, colors are relative to the
        reference band (r, or the nearest one used), ``aperture*`` are aperture minus PSF magnitudes: what neighbors and
        a wrong PSF leave. With ``x = parallax * 10**(0.2 m - 2)``, which is ``10**(0.2 M)`` for magnitude m and
        absolute magnitude M, ``parallax_luminosity`` is ``asinh(x)``, finite for any measured parallax.
    ``residual`` : (N, 5, size, size) float32
        ``asinh`` of the middle of the stamp in units of noise, the star subtracted.
    ``bp_rp_base`` : (N,) float32
        Gaia BP-RP by the color g-i alone; that of a middling star where g or i is not used.
    ``radius_base`` : (N,) float32
        log10 of a first guess of the radius in R_sun: Stefan-Boltzmann where the parallax is good, the dwarf sequence
        where it is not, a smooth mean between. The network learns the rest.

    Attributes
    ----------
    size : int
        Side of ``residual`` in pixels, even, at most 24.
    """

    name: ClassVar[str] = "photometric"
    size: int = 16

    def __call__(self, stamps, astrometry, *, photometry=None):
        """Network inputs of N stars.

        Parameters
        ----------
        stamps : `~stellarclass.stamps.Stamps`
            N stamps.
        astrometry : `~stellarclass.astrometry.Astrometry`
            Of the same stars; NaN where there is none.
        photometry : `~stellarclass.stamps.photometry.Photometry`, optional
            Measured on these stamps; saves measuring them again.

        Returns
        -------
        dict of str to ndarray
            The arrays above, all finite.
        """
        photometry = measure(stamps) if photometry is None else photometry
        used = photometry.used
        n = len(used)
        magnitude = np.where(used, asinh_magnitude(np.nan_to_num(photometry.flux)), np.nan)
        error = asinh_magnitude_error(np.nan_to_num(photometry.flux), np.nan_to_num(photometry.flux_err, nan=1.0))
        order = np.array([2, 3, 1, 4, 0])
        first = order[used[:, order].argmax(1)]
        reference = magnitude[np.arange(n), first] - _TYPICAL_COLOR[first]
        reference = np.where(used.any(1), reference, 20.0)
        color = np.where(used, magnitude - reference[:, None], 0.0)
        with np.errstate(invalid="ignore"):
            apertures = asinh_magnitude(np.moveaxis(photometry.apertures, 2, 0)) - magnitude  # (3, N, 5)
        apertures = np.nan_to_num(np.clip(np.moveaxis(apertures, 0, 2), -1, 1)).reshape(n, 5 * len(APERTURES))
        known = np.isfinite(stamps.psf).all(-1)
        width = np.log(fwhm(photometry.psf) / fwhm(TYPICAL_PSF))
        columns = [
            (reference[:, None] - 18) / 3,
            color,
            used,
            np.where(used, np.log10(error.clip(_MIN_RELATIVE_ERROR, 3)), 0.0),
            apertures,
            np.where(used, width, 0.0),
            known.any(1)[:, None],
        ]
        g_i = np.where(used[:, 1] & used[:, 3], color[:, 1] - color[:, 3], 0.9)
        astro, radius_base = self._astrometry(astrometry, reference, g_i)
        features = np.concatenate([np.asarray(c, np.float32) for c in (*columns, astro)], axis=1)
        edge = (WINDOW - self.size) // 2
        middle = slice(edge, edge + self.size)
        return {
            "features": features,
            "residual": np.arcsinh(photometry.residual[:, :, middle, middle]),
            "bp_rp_base": physics._bp_rp(g_i).astype(np.float32),
            "radius_base": radius_base.astype(np.float32),
        }

    @staticmethod
    def _astrometry(astrometry, reference, g_i):
        parallax, error = astrometry.parallax, astrometry.parallax_error
        has = np.isfinite(parallax) & np.isfinite(error)
        factor = 10 ** (0.2 * np.clip(reference, 8, 24) - 2)
        x = np.where(has, parallax, 0.0) * factor
        sigma = np.where(has, np.maximum(error, 1e-3), 1.0) * factor
        snr = x / sigma
        # A positive stand-in for x: x itself where it is well measured, of the order of sigma where it is not.
        log_x = np.log10(0.5 * (x + np.hypot(x, 2 * sigma)))
        bp_rp = physics._bp_rp(g_i)
        dwarf = np.interp(bp_rp, physics._SEQUENCE[:, 0], np.log10(physics._SEQUENCE[:, 2]))
        measured = physics._surface(bp_rp) - 0.2 * physics._g_minus_r(g_i) - log_x
        weight = np.where(has & (snr > 0), snr**2 / (snr**2 + 9), 0.0)
        base = np.clip(weight * measured + (1 - weight) * dwarf, -1.5, 2.5)

        pm = np.hypot(astrometry.pmra, astrometry.pmdec)
        has_pm = np.isfinite(pm)
        log_pm = np.log10(np.where(has_pm, pm, 1.0) + 0.1)
        pm_error = np.where(has_pm, np.hypot(astrometry.pmra_error, astrometry.pmdec_error), 1.0)
        pm_error = np.log10(np.nan_to_num(pm_error, nan=1.0).clip(0.01, 10))
        columns = [
            has,
            np.where(has, np.arcsinh(x), 0.0),
            np.where(has, np.log10(sigma), 0.0),
            np.where(has, np.arcsinh(snr), 0.0),
            np.where(has, log_x, 0.0),
            has_pm,
            np.where(has_pm, log_pm, 0.0),
            np.where(has_pm, log_pm + 0.2 * (reference - 18), 0.0),
            np.where(has_pm, pm_error, 0.0),
        ]
        return np.stack(columns, axis=1), base
