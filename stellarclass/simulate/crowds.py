# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What else stands on a stamp or a frame: field stars, faint galaxies, the crowds of clusters."""

import numpy as np

__all__ = ["FAINT_LIMIT", "STAR_DENSITY", "draw_densities", "draw_galaxies", "draw_neighbors"]

STAR_DENSITY = 0.8
"""Stars brighter than r = 22 per square arcmin at the galactic pole (SDSS run 4510, camcol 4)."""
FAINT_LIMIT = 22.7
"""r magnitude of the faintest neighbors that are drawn one by one."""

_STAR_SLOPE = 0.20  # dex per magnitude, same run
# Galaxies brighter than r = 22 per square arcmin, and the slope of their counts: Yasuda et al. (2001, AJ 122, 1104).
_GALAXY_DENSITY, _GALAXY_SLOPE = 4.2, 0.43
# Half-light radius in arcsec at r = 21, its decline per magnitude and its scatter, in dex: as COSMOS's galaxies.
_GALAXY_RADIUS, _RADIUS_SLOPE, _RADIUS_SCATTER = 0.75, -0.12, 0.18


def draw_densities(rng, n):
    """Densities of stars (r < 22, per square arcmin) around n stars: mostly a field's, some a cluster's; shape (n,)."""
    field = STAR_DENSITY * 10 ** np.abs(rng.normal(0, 0.35, n))
    return np.where(rng.random(n) < 0.15, STAR_DENSITY * 10 ** rng.uniform(0.3, 2.5, n), field)


def _magnitudes(rng, n, slope, limit):
    """Draw r magnitudes (n,) whose counts rise by ``slope`` dex per magnitude up to the limit."""
    return limit + np.log10(rng.random(n).clip(1e-7)) / slope


def draw_galaxies(rng, n):
    """Magnitudes (n, 5), half-light radii [arcsec], axis ratios and angles [rad] (n,) of field galaxies."""
    r = _magnitudes(rng, n, _GALAXY_SLOPE, FAINT_LIMIT)
    red = rng.random(n) < 0.35
    g_r, u_g = np.where(red, 1.1, 0.55) + rng.normal(0, 0.25, n), np.where(red, 1.6, 0.9) + rng.normal(0, 0.35, n)
    r_i = 0.15 + 0.35 * g_r + rng.normal(0, 0.08, n)
    i_z = 0.7 * r_i + rng.normal(0, 0.08, n)
    radius = _GALAXY_RADIUS * 10 ** (_RADIUS_SLOPE * (r - 21) + rng.normal(0, _RADIUS_SCATTER, n))
    magnitudes = np.stack([r + g_r + u_g, r + g_r, r, r - r_i, r - r_i - i_z], axis=1)
    return magnitudes, radius.clip(0.1, 8.0), rng.uniform(0.3, 1.0, n), rng.uniform(0, np.pi, n)


def draw_neighbors(rng, density, side):
    """Sources in squares around stars.

    Parameters
    ----------
    rng : `numpy.random.Generator`
    density : ndarray, shape (N,)
        Stars brighter than r = 22 per square arcmin; 0 draws no galaxies either.
    side : float
        Of the squares, in arcmin.

    Returns
    -------
    star : ndarray of int, shape (M,)
        In whose square each source lies.
    place : ndarray, shape (M, 2)
        Where, from -0.5 to 0.5.
    magnitudes : ndarray, shape (M, 5)
        u g r i z; the faintest have r = `FAINT_LIMIT`.
    radius, axis_ratio, angle : ndarray, shape (M,)
        Half-light radius in arcsec (0 for stars), axis ratio, angle of the major axis in radians.
    """
    density = np.asarray(density, float)
    deeper = FAINT_LIMIT - 22
    stars = rng.poisson(density * side**2 * 10 ** (_STAR_SLOPE * deeper))
    galaxies = rng.poisson(np.where(density > 0, _GALAXY_DENSITY * 10 ** (_GALAXY_SLOPE * deeper), 0) * side**2)
    n_stars, n_galaxies = stars.sum(), galaxies.sum()
    r = _magnitudes(rng, n_stars, _STAR_SLOPE, FAINT_LIMIT)
    # Colors of the stars: a coarse locus is enough, only their light matters.
    g_i = np.where(rng.random(n_stars) < 0.5, rng.normal(0.6, 0.25, n_stars), rng.normal(2.2, 0.5, n_stars))
    of_stars = np.stack([r + 0.7 * g_i + 1.1, r + 0.65 * g_i, r, r - 0.35 * g_i, r - 0.5 * g_i], axis=1)
    of_galaxies, radius, axis_ratio, angle = draw_galaxies(rng, n_galaxies)
    around = np.arange(len(density))
    star = np.concatenate([np.repeat(around, stars), np.repeat(around, galaxies)])
    points = np.zeros(n_stars)
    return (
        star,
        rng.uniform(-0.5, 0.5, (len(star), 2)),
        np.concatenate([of_stars, of_galaxies]),
        np.concatenate([points, radius]),
        np.concatenate([points + 1, axis_ratio]),
        np.concatenate([points, angle]),
    )
