# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Unresolved companions of the simulated sky: how many, how faint, how close, and what they do to colors."""

import numpy as np

from .. import physics
from .locus import locus_colors
from .sequences import dwarf_color, dwarf_magnitude, dwarf_mass
from .whitedwarfs import white_dwarf_bands

__all__ = ["COMPANION_LIMIT", "add_bands", "companions", "gaia_bands", "separation"]

COMPANION_LIMIT = 1.0
"""Separation in arcsec below which a pair is one source: SDSS's seeing is 1.3 arcsec, and Gaia resolves half of the
pairs at 0.7 arcsec (Lindegren et al. 2021, A&A 649, A2)."""

# Share of primaries with a companion against log10 of their mass: Duchene & Kraus (2013, ARA&A 51, 269), Table 1.
_LOG_MASS, _FRACTION = np.log10([0.12, 0.3, 0.75, 1.0, 2.0]), (0.22, 0.26, 0.38, 0.44, 0.60)
# Mass ratios q >= 0.1 fall as q^gamma (their Table 1, and text for M dwarfs); of solar-type pairs a tenth are twins
# with q > 0.95 (Raghavan et al. 2010, ApJS 190, 1).
_GAMMA_LOG_MASS, _GAMMA, _TWINS, _LEAST_RATIO = np.log10([0.2, 0.5, 1.0, 2.0]), (0.8, 0.4, 0.3, -0.5), 0.10, 0.1
# Median separation in au and its scatter in dex: M dwarfs Winters et al. (2019, AJ 157, 216), solar-type Raghavan et
# al. (2010), A stars De Rosa et al. (2014, MNRAS 437, 1216), widened for the close pairs that imaging does not see.
_AU_LOG_MASS, _LOG_AU, _LOG_AU_SIGMA = np.log10([0.3, 1.0, 2.0]), (1.3, 1.7, 2.2), (1.2, 1.5, 1.5)
# Share of dwarfs with a white dwarf beside them. A quarter of the 0.0045 white dwarfs per cubic parsec have a
# main-sequence companion (Holberg et al. 2016, MNRAS 462, 2295), among 0.07 dwarfs there.
_WHITE_DWARFS, _WHITE_DWARF_MASS = 0.016, 0.6

# G-RP against BP-RP on the dwarf sequence: Pecaut & Mamajek (2013, version 2024.05.15).
_BP_RP = (-0.45, -0.037, 0.194, 0.377, 0.587, 0.784, 0.900, 1.10, 1.34, 1.70, 1.84, 2.23, 2.78, 3.35, 4.16)
_G_RP = (-0.24, -0.020, 0.130, 0.230, 0.329, 0.439, 0.499, 0.60, 0.70, 0.86, 0.92, 1.06, 1.19, 1.33, 1.43)


def gaia_bands(g_mag, bp_rp):
    """G, BP and RP, (3, n), of stars of these G and BP-RP."""
    rp = g_mag - np.interp(bp_rp, _BP_RP, _G_RP)
    return np.stack([g_mag, rp + bp_rp, rp])


def add_bands(one, other):
    """Magnitudes of two sources taken together."""
    return one - 2.5 * np.log10(1 + 10 ** (-0.4 * (other - one)))


def companions(rng, g_i, fe_h, magnitude):
    """Draw a companion for each star, whether or not it turns out close enough to matter.

    Parameters
    ----------
    rng : `numpy.random.Generator`
    g_i, fe_h, magnitude : ndarray, shape (N,)
        Of the primaries: intrinsic g-i, [Fe/H] and M_r. What is no dwarf has the mass of one of its color.

    Returns
    -------
    mass_ratio : ndarray, shape (N,)
        0 where there is none. A white dwarf may weigh more than its M dwarf.
    bands : ndarray, shape (8, N)
        Absolute magnitudes u g r i z, G, BP, RP of the companion; infinite where there is none.
    """
    n = len(g_i)
    mass = dwarf_mass(g_i)
    log_mass = np.log10(mass)
    gamma = np.interp(log_mass, _GAMMA_LOG_MASS, _GAMMA) + 1
    ratio = (_LEAST_RATIO**gamma + rng.random(n) * (1 - _LEAST_RATIO**gamma)) ** (1 / gamma)
    ratio = np.where(rng.random(n) < _TWINS, rng.uniform(0.95, 1.0, n), ratio)
    has = rng.random(n)
    fraction = np.interp(log_mass, _LOG_MASS, _FRACTION)
    white = (has > 1 - _WHITE_DWARFS) & (magnitude > dwarf_magnitude(g_i, fe_h) - 1.0)
    stars = (has < fraction) & ~white

    color = np.maximum(dwarf_color(ratio * mass), g_i)
    faint = dwarf_magnitude(color, fe_h) - dwarf_magnitude(g_i, fe_h)
    r = np.maximum(magnitude, dwarf_magnitude(g_i, fe_h)) + faint
    bands = np.concatenate([
        ugriz_from_colors(r, locus_colors(color, fe_h)),
        gaia_bands(r + physics._g_minus_r(color), physics._bp_rp(color)),
    ])  # fmt: skip
    rows = np.flatnonzero(white)
    bands[:, rows] = white_dwarf_bands(rng, len(rows))[0]
    white &= bands[2] > magnitude  # where it outshines the dwarf, the pair is a white dwarf: an intruder, not here
    ratio = np.where(white, _WHITE_DWARF_MASS / mass, np.where(stars, ratio, 0.0))
    bands[:, ratio == 0] = np.inf
    return ratio, bands


def ugriz_from_colors(r, colors):
    """Magnitudes u g r i z, (5, n), from r and the four colors (n, 4)."""
    u_g, g_r, r_i, i_z = colors.T
    return np.stack([r + g_r + u_g, r + g_r, r, r - r_i, r - r_i - i_z])


def separation(rng, g_i):
    """Draw separations in au of pairs whose primaries have these colors."""
    log_mass = np.log10(dwarf_mass(g_i))
    center, sigma = np.interp(log_mass, _AU_LOG_MASS, _LOG_AU), np.interp(log_mass, _AU_LOG_MASS, _LOG_AU_SIGMA)
    return 10 ** rng.normal(center, sigma)
