# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Images of galaxies: Sersic profiles as mixtures of Gaussians, seen through the PSF."""

import numpy as np

from ..stamps.psf import encircled
from .pointspread import star_images

__all__ = ["galaxy_images", "widen"]

# Exponential and de Vaucouleurs profiles of half-light radius 1 as Gaussians (amplitude, variance): Hogg & Lang (2013,
# PASP 125, 719), the mixtures of six and eight.
_EXPONENTIAL = np.array([
    [2.34853813e-03, 1.20078965e-03], [3.07995260e-02, 8.84526493e-03], [2.23364214e-01, 3.91463084e-02],
    [1.17949102e00, 1.39976817e-01], [4.33873750e00, 4.60962500e-01], [5.99820770e00, 1.50159566e00],
])  # fmt: skip
_DE_VAUCOULEURS = np.array([
    [4.26347652e-02, 2.23759216e-04], [2.40127183e-01, 1.00220099e-03], [6.85907632e-01, 4.18731126e-03],
    [1.51937350e00, 1.69432589e-02], [2.83627243e00, 6.84850479e-02], [4.46467501e00, 2.87207080e-01],
    [5.72440830e00, 1.33320254e00], [5.60989349e00, 8.40215071e00],
])  # fmt: skip
_MIXTURES = tuple(m / [m[:, 0].sum(), 1.0] for m in (_EXPONENTIAL, _DE_VAUCOULEURS))


def widen(psf, shape, variance, axis_ratio, angle):
    """Convolve PSFs with Gaussians.

    Parameters
    ----------
    psf, shape : ndarray, shape (M, 6), (M, 7)
        As in `stellarclass.simulate.pointspread.star_images`.
    variance : ndarray, shape (M,)
        Product of the Gaussian's major and minor sigma, pixels squared.
    axis_ratio : ndarray, shape (M,)
        Minor over major axis, above 0.
    angle : ndarray, shape (M,)
        Of the major axis in radians, from the columns' (x) toward the rows' (y) direction.

    Returns
    -------
    psf, shape : ndarray
        Of the blurred sources. The core is exact in its second moments; the fainter Gaussian and the wings, wide
        beside it already, are blurred as if round.
    """
    psf, shape = psf.astype(float), shape.astype(float)
    s1, s2, b, p0, _, wing = psf.T
    e1, e2 = shape[:, 0], shape[:, 1]
    round_part = variance * (1 / axis_ratio + axis_ratio) / 2
    long_part = variance * (1 / axis_ratio - axis_ratio) / 2
    own = s1**2 / np.sqrt(1 - np.minimum(e1**2 + e2**2, 0.5))
    mean = own + round_part
    d1, d2 = own * e1 + long_part * np.cos(2 * angle), own * e2 + long_part * np.sin(2 * angle)
    new1 = np.maximum(mean**2 - d1**2 - d2**2, 1e-6) ** 0.25
    new2, new_wing = np.sqrt(s2**2 + round_part), np.sqrt(wing**2 + round_part)
    grown = (new1 / s1) ** 2
    # The parts keep their shares of the light, and the wings what they are far out: what they lose near the middle is
    # in the fainter Gaussian.
    inner = 3 * p0 * wing**2 * (1 - wing / new_wing)
    psf[:, 0], psf[:, 1], psf[:, 5] = new1, new2, new_wing
    psf[:, 2], psf[:, 3] = (b * s2**2 + inner) * grown / new2**2, p0 * grown * (wing / new_wing) ** 3
    shape[:, 0], shape[:, 1] = d1 / mean, d2 / mean
    shape[:, 2:6] /= grown[:, None] ** 1.5
    shape[:, 6] /= grown
    return psf, shape


def galaxy_images(psf, shape, radius, axis_ratio, angle, sersic_index, dx, dy):
    """Images of galaxies of unit flux.

    Parameters
    ----------
    psf, shape, dx, dy : ndarray
        As in `stellarclass.simulate.pointspread.star_images`.
    radius : ndarray, shape (M,)
        Half-light radius in pixels, of a circle of the same area.
    axis_ratio, angle : ndarray, shape (M,)
        As in `widen`.
    sersic_index : ndarray, shape (M,)
        1 is an exponential disk, 4 a de Vaucouleurs profile; in between the two are mixed.

    Returns
    -------
    ndarray, shape (M, H, W), float32
        Flux per pixel.
    """
    image = np.zeros((len(psf), dy.shape[1], dx.shape[1]), np.float32)
    bulge = np.clip((np.asarray(sersic_index, float) - 1) / 3, 0, 1)
    for share, mixture in zip((1 - bulge, bulge), _MIXTURES, strict=True):
        rows = np.flatnonzero(share > 0)
        for amplitude, variance in mixture if rows.size else ():
            part = widen(psf[rows], shape[rows], variance * radius[rows] ** 2, axis_ratio[rows], angle[rows])
            # Profiles are normalized within a radius that a galaxy may outgrow: all of its light counts.
            beyond = encircled(psf[rows], np.inf) / encircled(part[0], np.inf)
            image[rows] += star_images(*part, dx[rows], dy[rows], flux=amplitude * share[rows] * beyond)
    return image
