# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Isolated stars of a real field and their stamps, cut in the same way from the field and from its twin."""

import numpy as np
from astropy import units as u
from scipy.spatial import cKDTree

from ..archives.base import BANDS
from ..simulate.moments import adaptive_moments
from ..stamps.cutouts import cut_field
from ..stamps.photometry import measure
from .tellapart import center_pixels

__all__ = ["ISOLATION", "isolated_stars", "lonely"]

ISOLATION = 8.0
"""Arcsec around an isolated star within which nothing is brighter than 3 mag fainter than itself."""

_PIXEL = 0.396  # arcsec
_FAINTER = 3.0
_MAGNITUDES = (14.5, 20.8)  # of isolated stars, in the reference band
_SIGNAL = 20.0
_REFERENCES = "rigzu"
_MOST_STARS = 500


def lonely(x, y, flux, rows, *, radius):
    """Choose sources without a neighbor that is brighter than 3 mag fainter than they are.

    Parameters
    ----------
    x, y, flux : ndarray, shape (N,)
        Of all sources, in pixels; NaN where a flux is not known.
    rows : ndarray of int, shape (M,)
        Those that are asked for.
    radius : float
        In pixels.

    Returns
    -------
    ndarray of int
        Those of ``rows`` that are alone.
    """
    places = np.stack([x, y], 1)
    near = cKDTree(places).query_ball_point(places[rows], radius)
    limit = flux * 10 ** (-0.4 * _FAINTER)
    alone = [not (flux[[j for j in group if j != i]] > limit[i]).any() for i, group in zip(rows, near, strict=True)]
    return rows[np.array(alone, bool)]


def isolated_stars(real, simulated):
    """Stamps of isolated stars, real and simulated.

    Parameters
    ----------
    real : `~stellarclass.archives.base.Field`
    simulated : `~stellarclass.simulate.twins.Twin`
        Its twin.

    Returns
    -------
    coordinates : ndarray, shape (N, 2)
        Right ascension and declination in degrees.
    stamps : tuple of `~stellarclass.stamps.Stamps`
        Real and simulated, centered on where each star was found on its own frame in the reference band (r if there is
        one), at most 500.
    known : ndarray of bool
        Sources of the twin's truth that are neither saturated nor near the edge.

    Notes
    -----
    A star has 14.5 < r < 20.8 and S/N > 20, no neighbor within ``ISOLATION`` brighter than 3 mag fainter, is as
    concentrated as a star on both sides, and is nowhere saturated. The same is asked of both, so that no choice gives
    the simulation away.
    """
    reference = next(b for b in _REFERENCES if b in real.frames)
    k = BANDS.index(reference)
    truth, frame = simulated.truth, real.frames[reference]
    flux, error = truth["measured"][:, k], truth["measured_err"][:, k]
    ra, dec = truth["ra"].to_value(u.deg), truth["dec"].to_value(u.deg)
    x, y = frame.wcs.wcs_world2pix(ra, dec, 0)
    ny, nx = frame.data.shape
    with np.errstate(invalid="ignore", divide="ignore"):
        magnitude = 22.5 - 2.5 * np.log10(np.maximum(flux, 1e-9))
    inner = (x > 34) & (x < nx - 35) & (y > 34) & (y < ny - 35) & np.isfinite(flux)
    rows = np.flatnonzero(
        inner & (magnitude > _MAGNITUDES[0]) & (magnitude < _MAGNITUDES[1]) & (flux > _SIGNAL * error)
    )
    rows = lonely(x, y, flux, rows, radius=ISOLATION / _PIXEL)[:_MOST_STARS]
    # Each side has the PSF of its own: a twin whose stars are too wide is to be told by it, not to lose them here.
    stamps = [cut_field(f, ra[rows], dec[rows]) for f in (real, simulated.contents)]
    good = np.ones(len(rows), bool)
    for side in stamps:
        side.offsets[:] += _own_center(side, k)[:, None, :]
        measured = measure(side)
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio = measured.apertures[:, k, 2] / measured.flux[:, k]
        good &= (np.abs(ratio - 1) < 0.12) & (side.masks[:, k] == 0).all((1, 2))
    return np.stack([ra[rows], dec[rows]], 1)[good], tuple(s[good] for s in stamps), inner


def _own_center(stamps, k):
    """Where the star of each stamp is from where it should be, in pixels: by its own light in band number k."""
    images, offsets = stamps.images[:, k].astype(float), stamps.offsets[:, k]
    crop, center = center_pixels(images, offsets, 10)
    found, _ = adaptive_moments(crop)
    return np.nan_to_num(found - center)
