# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Intruders of the simulated sky: what is no A to M star but lands in a list of them all the same."""

import numpy as np

from .. import physics
from .binaries import gaia_bands, ugriz_from_colors
from .whitedwarfs import white_dwarf_bands

__all__ = ["INTRUDERS", "draw_intruders"]

INTRUDERS = ("white_dwarf", "hot_star", "hot_subdwarf", "quasar", "galaxy")
"""Kinds of intruders, in the order of the codes that `draw_intruders` returns."""

# Their shares. At r = 19 and high latitude quasars and compact galaxies outnumber white dwarfs, O and B stars are rare
# (Abazajian et al. 2009, ApJS 182, 543, Table 5 for the spectra); even enough that each is there to learn from.
_SHARES = (0.25, 0.08, 0.12, 0.25, 0.30)

# O and B dwarfs: Teff, R, M_V of Pecaut & Mamajek (2013, version 2024.05.15), then u-g, g-r, r-i and i-z of the
# PyHammer templates (Kesseli et al. 2017, ApJS 230, 16; smoothed along the sequence). O5 O8 B0 B2 B5 B8 B9
_HOT = np.array([
    [41400, 11.45, -5.35, -0.40, -0.520, -0.360, -0.340],
    [35100, 8.47, -4.50, -0.38, -0.510, -0.358, -0.335],
    [31400, 7.16, -3.90, -0.32, -0.480, -0.345, -0.325],
    [20600, 4.06, -1.80, -0.10, -0.420, -0.310, -0.290],
    [15700, 3.36, -0.85, 0.18, -0.365, -0.290, -0.250],
    [12300, 2.86, 0.00, 0.40, -0.330, -0.265, -0.215],
    [10700, 2.49, 0.50, 0.75, -0.285, -0.235, -0.185],
])  # fmt: skip

# Hot subdwarfs: 20,000 to 40,000 K, 0.1 to 0.3 R_sun, M_V about 4.5 (Heber 2016, PASP 128, 082001).
_SUBDWARF_TEFF, _SUBDWARF_M_R, _SUBDWARF_COLORS = (28000.0, 4000.0), (4.5, 0.6), (-0.25, -0.45, -0.33, -0.32)

# Quasars against redshift: u-g, g-r, r-i, i-z, BP-RP, G-r of the composite spectrum (continuum slopes and equivalent
# widths of Vanden Berk et al. 2001, AJ 122, 549, Table 2; Lyman absorption of Madau 1995, ApJ 441, 18) through the
# filter curves of speclite.
_QUASAR = np.array([
    [0.2, 0.07, 0.25, 0.39, 0.12, 0.86, -0.16],
    [0.4, 0.04, 0.16, 0.17, 0.37, 0.73, -0.14],
    [0.6, 0.18, 0.05, 0.20, 0.13, 0.59, -0.15],
    [0.8, 0.19, 0.05, 0.10, 0.19, 0.52, -0.12],
    [1.0, 0.14, 0.12, 0.03, 0.15, 0.50, -0.07],
    [1.2, 0.10, 0.18, 0.02, 0.07, 0.47, -0.05],
    [1.4, 0.04, 0.22, 0.00, 0.05, 0.52, -0.02],
    [1.6, 0.07, 0.15, 0.10, 0.01, 0.55, -0.07],
    [1.8, -0.05, 0.08, 0.20, -0.02, 0.53, -0.15],
    [2.0, -0.05, 0.10, 0.15, 0.06, 0.52, -0.12],
    [2.2, 0.20, 0.05, 0.11, 0.12, 0.49, -0.12],
    [2.4, 0.51, -0.04, 0.05, 0.19, 0.46, -0.13],
    [2.6, 0.60, -0.03, 0.07, 0.17, 0.47, -0.14],
    [2.8, 0.95, 0.02, 0.08, 0.08, 0.49, -0.09],
    [3.0, 1.48, 0.09, 0.05, 0.05, 0.54, -0.05],
    [3.2, 2.50, 0.19, 0.04, 0.04, 0.64, 0.00],
    [3.5, 3.00, 0.81, 0.04, 0.09, 0.82, 0.09],
    [3.8, 3.00, 1.29, -0.05, 0.03, 1.05, 0.31],
    [4.2, 3.00, 1.85, 0.20, 0.02, 1.57, 0.26],
])  # fmt: skip
# Redshifts of SDSS's quasars: broad about 1.5 with a tail (Schneider et al. 2010, AJ 139, 2360); slopes of their
# continua scatter by 0.3 (Richards et al. 2001, AJ 121, 2308), which is so much in each color.
_SLOPE_SIGMA, _COLOR_PER_SLOPE = 0.3, np.array([0.31, 0.30, 0.21, 0.19])

# Galaxies, blue and red: share, mean u-g, g-r, r-i, i-z and their scatter at r = 16-20: Strateva et al. (2001, AJ 122,
# 1861), Figs. 2-7. Sersic index of each: Blanton et al. (2003, ApJ 594, 186).
_GALAXY_BLUE_SHARE = 0.6
_GALAXY_COLORS = np.array([[1.20, 0.55, 0.30, 0.18], [1.75, 1.00, 0.42, 0.32]])
_GALAXY_SIGMA = np.array([[0.25, 0.18, 0.10, 0.12], [0.25, 0.22, 0.08, 0.07]])
_GALAXY_SERSIC, _SERSIC_SIGMA = np.array([1.0, 3.5]), np.array([0.25, 0.7])
# Half-light radius in arcsec: median 2.0 at r = 17.5 and 0.8 at r = 20.5, a third of a dex scatter (Shen et al. 2003,
# MNRAS 343, 978); of them the compact half, which alone passes for a star.
_HALF_LIGHT_MEDIAN, _HALF_LIGHT_PER_MAG, _HALF_LIGHT_SIGMA, _HALF_LIGHT_LIMITS = 2.0, -0.13, 0.2, (0.2, 4.0)


def draw_intruders(rng, r):
    """Draw intruders of these intrinsic r magnitudes.

    Parameters
    ----------
    rng : `numpy.random.Generator`
    r : ndarray, shape (N,)
        Apparent r without dust.

    Returns
    -------
    dict of str to ndarray
        ``kind`` (N,) index into `INTRUDERS`; ``bands`` (8, N), u g r i z G BP RP without dust, with r as given;
        ``distance`` (N,) in kpc, infinite for quasars and galaxies; ``radius`` and ``teff`` (N,), NaN for those;
        ``half_light_radius``, ``axis_ratio``, ``position_angle``, ``sersic_index`` (N,).
    """
    n = len(r)
    kind = rng.choice(len(INTRUDERS), n, p=_SHARES)
    found = {name: np.full(n, np.nan) for name in ("radius", "teff")} | {"kind": kind, "bands": np.zeros((8, n))}
    found |= {"distance": np.full(n, np.inf), "half_light_radius": np.zeros(n), "axis_ratio": np.ones(n)}
    found |= {"position_angle": np.zeros(n), "sersic_index": np.zeros(n)}
    drawers = (_white_dwarfs, _hot_stars, _hot_subdwarfs, _quasars, _galaxies)
    for k, draw in enumerate(drawers):
        rows = np.flatnonzero(kind == k)
        for name, values in draw(rng, r[rows]).items():
            found[name][..., rows] = values
    return found


def _at_distance(r, bands):
    """Apparent bands with this r of a star with these absolute ones, and its distance in kpc."""
    modulus = r - bands[2]
    return {"bands": bands + modulus, "distance": 10 ** (0.2 * modulus - 2)}


def _hot_bands(m_r, colors):
    """Eight bands of hot stars; physics' relation between SDSS and Gaia goes on with its slope beyond B8."""
    g_i = colors[:, 1] + colors[:, 2]
    beyond = np.minimum(g_i + 0.60, 0.0)
    bp_rp = physics._bp_rp(g_i) + 1.0 * beyond  # O5: -0.39, as a black body of 30,000 K and more has it
    return np.concatenate([ugriz_from_colors(m_r, colors), gaia_bands(m_r + physics._g_minus_r(g_i), bp_rp)])


def _white_dwarfs(rng, r):
    bands, radius, teff = white_dwarf_bands(rng, len(r))
    return _at_distance(r, bands) | {"radius": radius, "teff": teff}


def _hot_stars(rng, r):
    # Even along the sequence: B9 and O5 alike are to be met.
    position = rng.uniform(0, len(_HOT) - 1, len(r))
    teff, radius, m_v, *colors = (np.interp(position, np.arange(len(_HOT)), _HOT[:, k]) for k in range(7))
    colors = np.stack(colors, axis=-1) + rng.normal(0, 0.02, (len(r), 4))
    m_r = m_v - 0.41 * colors[:, 1] + 0.01  # V = g - 0.59 (g-r) - 0.01: Jester et al. (2005, AJ 130, 873)
    m_r = m_r + 0.3 * rng.normal(size=len(r))
    return _at_distance(r, _hot_bands(m_r, colors)) | {"radius": radius, "teff": teff}


def _hot_subdwarfs(rng, r):
    n = len(r)
    teff = np.clip(rng.normal(*_SUBDWARF_TEFF, n), 20000, 40000)
    m_r = rng.normal(*_SUBDWARF_M_R, n)
    colors = np.array(_SUBDWARF_COLORS) + rng.normal(0, [0.10, 0.04, 0.03, 0.03], (n, 4))
    # Stefan and Boltzmann: 0.2 R_sun at 28,000 K and M_r = 4.5; in the optical L goes with Teff there, not its fourth
    # power (Rayleigh-Jeans), so R goes with its square root.
    radius = 0.2 * np.sqrt(28000 / teff) * 10 ** (-0.2 * (m_r - _SUBDWARF_M_R[0]))
    return _at_distance(r, _hot_bands(m_r, colors)) | {"radius": radius, "teff": teff}


def _quasars(rng, r):
    n = len(r)
    redshift = np.where(rng.random(n) < 0.85, rng.uniform(0.3, 2.3, n), rng.uniform(2.3, 4.2, n))
    columns = [np.interp(redshift, _QUASAR[:, 0], _QUASAR[:, k]) for k in range(1, 7)]
    slope = _SLOPE_SIGMA * rng.normal(size=n)
    colors = np.stack(columns[:4], axis=-1) + slope[:, None] * _COLOR_PER_SLOPE + rng.normal(0, 0.04, (n, 4))
    gaia = gaia_bands(r + columns[5], columns[4] + 0.55 * slope)
    return {"bands": np.concatenate([ugriz_from_colors(r, colors), gaia])}


def _galaxies(rng, r):
    n = len(r)
    red = (rng.random(n) > _GALAXY_BLUE_SHARE).astype(int)
    colors = _GALAXY_COLORS[red] + _GALAXY_SIGMA[red] * rng.normal(size=(n, 4))
    g_i = colors[:, 1] + colors[:, 2]
    bands = [ugriz_from_colors(r, colors), gaia_bands(r + physics._g_minus_r(g_i), physics._bp_rp(g_i))]
    median = _HALF_LIGHT_MEDIAN * 10 ** (_HALF_LIGHT_PER_MAG * (r - 17.5))
    compact = 10 ** (-np.abs(_HALF_LIGHT_SIGMA * rng.normal(size=n)))
    return {
        "bands": np.concatenate(bands),
        "half_light_radius": np.clip(median * compact, *_HALF_LIGHT_LIMITS),
        "axis_ratio": rng.uniform(0.3, 1.0, n),
        "position_angle": rng.uniform(0, 180, n),
        "sersic_index": np.clip(_GALAXY_SERSIC[red] + _SERSIC_SIGMA[red] * rng.normal(size=n), 0.5, 6.0),
    }
