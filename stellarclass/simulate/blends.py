# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Stars that stand close to another one: blends made on purpose."""

import numpy as np

from ..stamps.psf import TYPICAL_PSF, profile

__all__ = ["add_neighbors"]

_PIXEL_ARCSEC = 0.396


def add_neighbors(stamps, magnitudes, *, arcsec, seed):
    """Add a second star to each stamp, in a direction of its own.

    Parameters
    ----------
    stamps : `~stellarclass.stamps.Stamps`
        N stamps, changed in place.
    magnitudes : ndarray, shape (N, 5)
        u g r i z of the second stars: ordinary, logarithmic magnitudes.
    arcsec : float or ndarray, shape (N,)
        How far off.
    seed : int or `numpy.random.Generator`
        For directions and photon noise.
    """
    rng = np.random.default_rng(seed)
    n = len(stamps)
    angle = rng.uniform(0, 2 * np.pi, n)
    shift = (np.broadcast_to(arcsec, n) / _PIXEL_ARCSEC)[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    axis = np.arange(stamps.images.shape[-1]) - (stamps.images.shape[-1] - 1) / 2
    for k in range(5):
        x, y = (axis - (stamps.offsets[:, k, i] + shift[:, i])[:, None] for i in (0, 1))
        r2 = x[:, None, :] ** 2 + y[:, :, None] ** 2
        psf = np.where(np.isfinite(stamps.psf[:, k]), stamps.psf[:, k], TYPICAL_PSF[k])
        light = 10 ** (0.4 * (22.5 - magnitudes[:, k]))[:, None, None] * profile(psf, r2)
        noise = np.sqrt(light * stamps.flux_per_electron[:, k, None, None]) * rng.standard_normal(light.shape)
        stamps.images[:, k] += np.where(stamps.masks[:, k] == 0, light + noise, 0).astype(np.float32)
