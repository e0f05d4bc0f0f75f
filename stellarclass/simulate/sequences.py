# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Sequences of stars in the simulated sky: absolute magnitude, mass and temperature of each kind against color."""

import numpy as np

from .. import physics
from .locus import locus_colors

__all__ = [
    "clump_magnitude",
    "dwarf_color",
    "dwarf_magnitude",
    "dwarf_mass",
    "giant_magnitude",
    "horizontal_magnitude",
    "log_radius",
    "straggler_magnitude",
    "subgiant_magnitude",
    "temperature",
]

# Mass [M_sun] against g-i on the dwarf sequence: Pecaut & Mamajek (2013, version 2024.05.15) by BP-RP, turned into g-i
# with `stellarclass.physics`. A0 A2 A5 A7 F0 F2 F5 F8 G0 G5 G8 K0 K3 K5 K7 M0 M1 M2 M3 M3.5 M4 M5 M6
_MASS = np.array([
    [-0.47, 2.33], [-0.33, 2.06], [-0.19, 1.86], [-0.12, 1.76], [0.02, 1.60], [0.155, 1.43], [0.265, 1.32],
    [0.39, 1.16], [0.50, 1.07], [0.586, 0.98], [0.653, 0.93], [0.777, 0.86], [1.08, 0.76], [1.436, 0.70],
    [1.816, 0.64], [1.986, 0.585], [2.26, 0.51], [2.40, 0.45], [2.65, 0.36], [2.865, 0.29], [2.985, 0.24],
    [3.36, 0.155], [3.88, 0.105],
])  # fmt: skip

# Teff of blue horizontal-branch stars against g-r: up to -0.23 medians of 1,400 of them with SDSS spectra (SSPP scale),
# beyond toward Castelli & Kurucz (2003, IAU Symp. 210, A20) models at log g = 3.5, as SSPP's grid ends at 9,000 K.
_HORIZONTAL_G_R = (-0.37, -0.34, -0.31, -0.275, -0.225, -0.175, -0.125, -0.075, -0.025, 0.025, 0.10)
_HORIZONTAL_TEFF = (12500.0, 11300.0, 10200.0, 9200.0, 8670.0, 8390.0, 8120.0, 7820.0, 7690.0, 7600.0, 7200.0)

# Hot end of the dwarf sequence, beyond the A0 of `stellarclass.physics`: g-i, Teff, and log R + 0.2 M_G against Teff,
# types A0, B9.5, B9 and B8 of Pecaut & Mamajek, whose R and M_G give the last.
_HOT_G_I, _HOT_TEFF = (-0.65, -0.60, -0.55, -0.50, -0.47), (12300.0, 11500.0, 10800.0, 10200.0, 9700.0)
_SURFACE_TEFF, _SURFACE = (9700.0, 10400.0, 10700.0, 12300.0), (0.541, 0.512, 0.499, 0.454)


# M_r of the mean field dwarf (Pecaut & Mamajek) against g-i; B8 and B9 first, which `stellarclass.physics` leaves out.
_FIELD_G_I = np.array([-0.65, -0.55, -0.46, -0.3, -0.2, -0.1, 0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9])
_FIELD_M_R = np.concatenate([
    [0.15, 0.65],
    np.interp(physics._bp_rp(_FIELD_G_I[2:]), physics._SEQUENCE[:, 0], physics._SEQUENCE[:, 3])
    - physics._g_minus_r(_FIELD_G_I[2:]),
])  # fmt: skip

# Reddening of g-i along the giant branch with [Fe/H], from -1.5: medians of 230 giants of Gaia and LAMOST (log g < 3.6,
# A_V = 0.1 taken off) about the branch of `giant_magnitude`; below -0.65 fiducials of clusters (An et al. 2008).
_BRANCH_FE_H = (-2.3, -1.5, -0.65, -0.3, -0.1, 0.1, 0.35)
_BRANCH_SHIFT = (-0.06, 0.0, 0.19, 0.235, 0.28, 0.40, 0.55)


def dwarf_mass(g_i):
    """Mass in M_sun of a dwarf of this intrinsic color."""
    return np.interp(g_i, _MASS[:, 0], _MASS[:, 1])


def dwarf_color(mass):
    """Intrinsic g-i of a dwarf of this mass; held at 3.88 below 0.105 M_sun."""
    return np.interp(mass, _MASS[::-1, 1], _MASS[::-1, 0])


def dwarf_magnitude(g_i, fe_h):
    """M_r of a dwarf.

    Ivezic et al. (2008, ApJ 684, 287), Eqs. A2 and A7, with two amendments. Where their fit follows the turn-off of old
    clusters (g-i < 0.6, and fading out beyond) no dwarf is brighter than the mean one of the field of Pecaut & Mamajek
    (2013), which alone remains below 0.2. And M dwarfs, which their fit took from nearby stars, count from the
    metallicity of those.
    """
    x = np.clip(g_i, 0.2, 4.0)
    m = -5.06 + x * (14.32 + x * (-12.97 + x * (6.127 + x * (-1.267 + x * 0.0967))))
    # [Fe/H] of nearby M dwarfs is -0.2 in the mean (Casagrande et al. 2008, MNRAS 389, 585).
    metals = fe_h + 0.2 * np.clip((g_i - 1.2) / 0.6, 0, 1)
    m = m + 4.50 - metals * (1.11 + 0.18 * metals)
    field = np.interp(g_i, _FIELD_G_I, _FIELD_M_R)
    floor = field - 3.5 * np.maximum(g_i - 0.58, 0)  # fades out, so that no step is left
    return np.where(g_i < 0.2, field, np.where(g_i < 0.9, np.maximum(m, floor), m))


def straggler_magnitude(g_r):
    """M_r of a blue straggler of the halo: Deason et al. (2011, MNRAS 416, 2903), Eq. 8, here also up to g-r = 0.25."""
    return 3.108 + 5.495 * np.clip(g_r, -0.25, 0.25) - g_r


def _branch_color(g_i, fe_h):
    """Color on a branch of [Fe/H] = -1.5 that corresponds to this one: metal-rich branches are redder."""
    return g_i - np.interp(fe_h, _BRANCH_FE_H, _BRANCH_SHIFT)


def subgiant_magnitude(g_i, fe_h):
    """M_r between turn-off and giant branch, and whether a star of this color can be there.

    Hand-drawn through the fiducials of M92, M13 and M67 in SDSS's bands (An et al. 2008, ApJS 179, 326).
    """
    x = _branch_color(g_i, fe_h)
    return np.interp(x, [0.30, 0.40, 0.50, 0.58, 0.62], [3.75, 3.5, 3.35, 3.1, 2.7]), (x > 0.30) & (x < 0.62)


def giant_magnitude(g_i, fe_h):
    """M_r on the giant branch: hand-drawn through globular-cluster fiducials (An et al. 2008, ApJS 179, 326)."""
    x = _branch_color(g_i, fe_h)
    return np.interp(x, [0.55, 0.62, 0.72, 0.85, 1.0, 1.2, 1.5, 2.0], [3.4, 2.6, 1.5, 0.4, -0.6, -1.6, -2.4, -2.9])


def clump_magnitude(g_i, fe_h):
    """M_r of the red clump, and how strongly a star of this color may be in it (a Gaussian in color, 1 at its peak).

    Medians of 100 clump stars of Gaia and LAMOST, -0.6 < [Fe/H] < 0.2. M_I = -0.22 (Groenewegen 2008, A&A 488, 935) is
    the same, M_r = 0.6.
    """
    center = 1.05 + 0.33 * (fe_h + 0.15)
    return 0.62 + 0.10 * (fe_h + 0.25), np.exp(-0.5 * ((g_i - center) / 0.07) ** 2)


def horizontal_magnitude(g_r):
    """M_r of the blue horizontal branch: Deason et al. (2011, MNRAS 416, 2903), Eq. 7, held beyond -0.35 and 0.05."""
    x = np.clip(g_r, -0.35, 0.05)
    return 0.434 + x * (-0.169 + x * (2.319 + x * (20.449 + x * 94.517))) - g_r


def temperature(g_i, bp_rp, horizontal):
    """Teff in K for intrinsic colors; ``horizontal`` marks the blue horizontal branch, cooler at the same color."""
    teff = np.where(g_i < _HOT_G_I[-1], np.interp(g_i, _HOT_G_I, _HOT_TEFF), 10 ** physics._log_teff(bp_rp))
    g_r = locus_colors(g_i, np.full(g_i.shape, -1.5))[..., 1]
    return np.where(horizontal, np.interp(g_r, _HORIZONTAL_G_R, _HORIZONTAL_TEFF), teff)


def log_radius(g_abs, bp_rp, teff):
    """log10 R in R_sun from absolute G and color, as `stellarclass.physics` has it, and beyond A0 from Teff."""
    surface = np.where(teff > _SURFACE_TEFF[0], np.interp(teff, _SURFACE_TEFF, _SURFACE), physics._surface(bp_rp))
    return surface - 0.2 * g_abs
