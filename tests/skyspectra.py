# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Simulated spectra: stars made of the default templates, what is no star, and files like SDSS's of them."""

import io

import numpy as np
from astropy import units as u
from astropy.io import fits
from astropy.nddata import InverseVariance
from specutils import Spectrum

from stellarclass.spectroscopy import default_templates

LOGLAM = np.arange(3.5806, 3.9640, 1e-4)
WAVELENGTH = 10**LOGLAM

# Rest wavelength [Å], equivalent width [Å], standard deviation [Å] of the strongest emission lines of the composite
# quasar of Vanden Berk et al. (2001, AJ 122, 549, Table 2).
QUASAR_LINES = (
    (1216, 92.9, 19.5), (1397, 8.1, 14.2), (1549, 23.8, 14.3), (1909, 21.2, 23.6), (2799, 32.3, 35.0), (3729, 1.6, 3.3),
    (4103, 5.1, 18.6), (4342, 12.6, 20.3), (4863, 46.2, 40.4), (4960, 3.5, 3.9), (5008, 13.2, 6.0), (6565, 194.5, 47.4),
)  # fmt: skip


def star(subclass, *, velocity=0.0, dust=0.0):
    """Flux of a star on `WAVELENGTH`; ``dust`` is E(B-V) or so."""
    templates = default_templates()
    flux = templates.flux[templates.subclasses.index(subclass)]
    rest = WAVELENGTH / (1 + velocity / 299792.458)
    return np.interp(rest, templates.wavelength.value, flux) * 10 ** (-0.4 * 3.1 * dust * (5500 / WAVELENGTH) ** 1.3)


def quasar(redshift):
    """Flux of a quasar on `WAVELENGTH`."""
    rest = WAVELENGTH / (1 + redshift)
    lines = sum(w / (s * np.sqrt(2 * np.pi)) * np.exp(-0.5 * ((rest - c) / s) ** 2) for c, w, s in QUASAR_LINES)
    return (WAVELENGTH / 4000) ** -1.56 * (1 + lines) * np.where(rest < 1216, 0.6, 1.0)


def observed(flux, snr, *, seed=1, **options):
    """A spectrum with white noise of the given median S/N."""
    sigma = np.median(np.abs(flux)) / snr
    noisy = flux + np.random.default_rng(seed).normal(0, sigma, len(flux))
    return Spectrum(
        flux=noisy * u.Jy,
        spectral_axis=WAVELENGTH * u.AA,
        uncertainty=InverseVariance(np.full(len(flux), sigma**-2.0)),
        **options,
    )


def spec_bytes(key, flux, *, snr=30.0, subclass="G2", redshift=0.0, kind="SPECOBJ", seed=1):
    """A file ``spec-*.fits``, lite, as SDSS writes it."""
    sigma = np.median(np.abs(flux)) / snr
    noisy = flux + np.random.default_rng(seed).normal(0, sigma, len(flux))
    and_mask = np.zeros(len(flux), np.int32)
    and_mask[10] = 1 << 23  # BRIGHTSKY: not to be used
    and_mask[20] = 1 << 16  # NEARBADPIXEL: to be used
    ivar = np.full(len(flux), sigma**-2.0)
    ivar[30] = 0
    coadd = fits.BinTableHDU.from_columns(
        [
            fits.Column("flux", "E", array=noisy),
            fits.Column("loglam", "E", array=LOGLAM),
            fits.Column("ivar", "E", array=ivar),
            fits.Column("and_mask", "J", array=and_mask),
        ],
        name="COADD",
    )
    row = fits.BinTableHDU.from_columns(
        [
            fits.Column("SURVEY", "6A", array=["sdss"]),
            fits.Column("PLATE", "J", array=[key[0]]),
            fits.Column("MJD", "J", array=[key[1]]),
            fits.Column("FIBERID", "J", array=[key[2]]),
            fits.Column("RUN2D", "6A", array=["26"]),
            fits.Column("PLUG_RA", "D", array=[150.1]),
            fits.Column("PLUG_DEC", "D", array=[2.2]),
            fits.Column("THETA", "5E", array=[np.zeros(5)]),
            fits.Column("CLASS", "6A", array=["STAR"]),
            fits.Column("SUBCLASS", "21A", array=[subclass]),
            fits.Column("Z", "E", array=[redshift]),
            fits.Column("ZWARNING", "J", array=[0]),
        ],
        name=kind,
    )
    buffer = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), coadd, row]).writeto(buffer)
    return buffer.getvalue()
