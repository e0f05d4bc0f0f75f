# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Stars of the simulated sky: who they are and how bright they look.

A star is drawn by its apparent magnitude, color and direction first; its kind (dwarf of thin disk, thick disk or halo,
red giant, blue horizontal branch) follows with the odds that the Milky Way gives a star of that color and brightness
in that direction: number density at the distance that its luminosity implies, times the volume there. Radius and
temperature then follow from color and absolute magnitude by `stellarclass.physics`, so all truths agree.
"""

import numpy as np
from astropy import units as u
from astropy.table import QTable

from .. import physics
from .locus import LOCUS_LIMITS, locus_colors

__all__ = ["KINDS", "draw_stars"]

KINDS = ("thin_dwarf", "thick_dwarf", "halo_dwarf", "thin_giant", "thick_giant", "halo_giant", "horizontal_branch")
"""Kinds of stars, in the order of the ``kind`` codes."""

SUN_RADIUS_KPC, SUN_HEIGHT_KPC = 8.0, 0.025
"""Galactocentric position of the Sun: Juric et al. (2008, ApJ 673, 864)."""

# Juric et al. (2008): scale lengths and heights in kpc, local normalizations of thick disk and halo, halo flattening
# and index (their Table 10, bias corrected).
_THIN, _THICK = (2.6, 0.30), (3.6, 0.90)
_THICK_FRACTION, _HALO_FRACTION, _HALO_FLATTENING, _HALO_INDEX = 0.12, 0.0051, 0.64, 2.77

# Beyond the break the halo falls more steeply: Deason et al. (2011, MNRAS 416, 2903).
_HALO_BREAK_KPC, _HALO_OUTER_INDEX = 27.0, 4.6

# Stars at the foot of the giant branch (M_r = 3) per dwarf of the same color and population in a volume, rounded from
# globular-cluster luminosity functions; upward the branch thins by _GIANT_SLOPE dex per magnitude, as evolution speeds.
_GIANT_PER_DWARF = (0.02, 0.02, 0.02)
_GIANT_SLOPE = 0.3
# Horizontal-branch stars per halo dwarf of the same color among A stars (most halo "dwarfs" that hot are stragglers).
_HORIZONTAL_PER_STRAGGLER = 1.0

# A_band / A_V for R_V = 3.1: Schlafly & Finkbeiner (2011, ApJ 737, 103), Table 6.
_EXTINCTION = np.array([4.239, 3.303, 2.285, 1.698, 1.263]) / 3.1
_EXTINCTION_G = 0.84  # Gaia G, for a G star: Casagrande & VandenBerg (2018, MNRAS 479, L102)


def _density(kind_disk, radius, height):
    """Relative number density of thin disk (0), thick disk (1) or halo (2) at galactocentric cylinder kpc."""
    if kind_disk == 2:
        r = np.sqrt(radius**2 + (height / _HALO_FLATTENING) ** 2)
        # Flat within 2 kpc: nothing seen at high latitude comes from there, and the power law would diverge.
        inner = _HALO_FRACTION * (SUN_RADIUS_KPC / np.clip(r, 2.0, _HALO_BREAK_KPC)) ** _HALO_INDEX
        return inner * (_HALO_BREAK_KPC / np.maximum(r, _HALO_BREAK_KPC)) ** _HALO_OUTER_INDEX
    length, scale = (_THIN, _THICK)[kind_disk]
    norm = (1.0, _THICK_FRACTION)[kind_disk]
    return norm * np.exp((SUN_RADIUS_KPC - radius) / length - (np.abs(height) - SUN_HEIGHT_KPC) / scale)


def _dwarf_magnitude(g_i, fe_h):
    """M_r of a dwarf: Ivezic et al. (2008, ApJ 684, 287), Eqs. A2 and A7, with the hot end from Pecaut & Mamajek."""
    x = np.clip(g_i, 0.2, 4.0)
    m = -5.06 + 14.32 * x - 12.97 * x**2 + 6.127 * x**3 - 1.267 * x**4 + 0.0967 * x**5
    m = m + 4.50 - 1.11 * fe_h - 0.18 * fe_h**2
    # Their fit holds for g-i > 0.2; hotter stars follow the dwarf sequence from A0 (g-i = -0.48, M_r = 1.2).
    hot = np.interp(g_i, [-0.55, -0.48, -0.24, -0.05, 0.1, 0.2], [0.9, 1.2, 1.7, 2.2, 2.6, 3.0])
    blend = np.clip((g_i - 0.1) / 0.2, 0, 1)
    return np.where(g_i < 0.3, (1 - blend) * hot + blend * m, m)


def _giant_magnitude(g_i, fe_h):
    """M_r on the giant branch: hand-drawn through globular-cluster fiducials (An et al. 2008, ApJS 179, 326)."""
    x = g_i - 0.14 * (fe_h + 1.5)  # metal-rich branches are redder
    return np.interp(x, [0.55, 0.62, 0.72, 0.85, 1.0, 1.2, 1.5, 2.0], [3.4, 2.6, 1.5, 0.4, -0.6, -1.6, -2.4, -2.9])


def _colors(rng, n):
    """Intrinsic g-i: half spread evenly over the locus, half as a field at high latitude has them."""
    even = rng.uniform(LOCUS_LIMITS[0], 3.6, n)
    peaks = rng.choice(4, n, p=[0.12, 0.40, 0.23, 0.25])
    center, width = np.array([0.0, 0.5, 1.0, 2.3])[peaks], np.array([0.20, 0.14, 0.30, 0.40])[peaks]
    field = rng.normal(center, width)
    return np.clip(np.where(rng.random(n) < 0.5, even, field), LOCUS_LIMITS[0], 3.8)


def _direction(rng, n):
    """Galactic longitude and latitude in radians, even over the sky at |b| > 20 deg, as SDSS imaging mostly is."""
    longitude = rng.uniform(0, 2 * np.pi, n)
    latitude = np.arcsin(rng.uniform(np.sin(np.radians(20)), 1, n)) * rng.choice([-1, 1], n)
    return longitude, latitude


def draw_stars(n, *, seed, r_range=(13.5, 22.0) * u.mag, direction=None):
    """Draw stars of the simulated sky.

    Parameters
    ----------
    n : int
        Number of stars.
    seed : int or `numpy.random.Generator`
        The same seed gives the same stars.
    r_range : `~astropy.units.Quantity`, shape (2,)
        Limits of the apparent r magnitude; within them 70 % are spread evenly and 30 % rise toward the faint end.
    direction : `~astropy.coordinates.SkyCoord`, optional
        One direction for all; by default all of the sky at galactic latitudes beyond 20 degrees.

    Returns
    -------
    `~astropy.table.QTable`
        ``u`` ... ``z`` (observed magnitudes, noise-free, reddened) and ``g_mag``, ``bp_rp`` [mag], ``parallax`` [mas],
        ``pmra``, ``pmdec`` [mas/yr], ``radius`` [solRad], ``teff`` [K], ``fe_h``, ``distance`` [kpc], ``a_v`` [mag],
        ``kind`` (index into `KINDS`).

    Examples
    --------
    >>> from stellarclass.simulate import draw_stars
    >>> stars = draw_stars(100, seed=1)
    >>> bool((stars["radius"].value > 0).all())
    True
    """
    rng = np.random.default_rng(seed)
    faint, bright = r_range.to_value(u.mag)[1], r_range.to_value(u.mag)[0]
    fraction = np.where(rng.random(n) < 0.7, rng.random(n), np.sqrt(rng.random(n)))
    r_apparent = bright + (faint - bright) * fraction
    g_i = _colors(rng, n)
    if direction is None:
        longitude, latitude = _direction(rng, n)
    else:
        galactic = direction.galactic
        longitude, latitude = (np.full(n, x.rad) for x in (galactic.l, galactic.b))

    # [Fe/H] by population: thin disk near solar, thick -0.7 (Juric), halo -1.46 (Ivezic et al. 2008).
    fe_h = np.stack([rng.normal(m, s, n) for m, s in ((-0.2, 0.2), (-0.7, 0.25), (-1.46, 0.35))])
    a_v_total = np.clip(rng.lognormal(np.log(0.12), 0.6, n), 0, 1.5)
    magnitudes = np.stack(
        [_dwarf_magnitude(g_i, fe_h[k]) + rng.normal(0, 0.30, n) for k in range(3)]
        + [_giant_magnitude(g_i, fe_h[k]) + rng.normal(0, 0.35, n) for k in range(3)]
        + [0.6 + rng.normal(0, 0.12, n) + np.clip(-0.2 - g_i, 0, 1) * 3.0]  # BHB: Sirko et al. (2004, AJ 127, 899)
    )  # (7, n)
    population = np.array([0, 1, 2, 0, 1, 2, 2])
    distance = 10 ** (0.2 * (r_apparent - _EXTINCTION[2] * a_v_total - magnitudes) - 2)  # kpc
    x = SUN_RADIUS_KPC - distance * np.cos(latitude) * np.cos(longitude)
    y = distance * np.cos(latitude) * np.sin(longitude)
    z = SUN_HEIGHT_KPC + distance * np.sin(latitude)
    cylinder = np.hypot(x, y)
    odds = np.stack([_density(population[k], cylinder[k], z[k]) for k in range(7)]) * distance**3
    odds[3:6] *= np.array(_GIANT_PER_DWARF)[:, None] * 10 ** (_GIANT_SLOPE * (magnitudes[3:6] - 3.0))
    odds[3:6] *= (g_i > 0.55) & (g_i < 2.2)
    odds[6] *= _HORIZONTAL_PER_STRAGGLER * (g_i < 0.15)
    # Old populations have no main sequence hotter than the turn-off; what is there are stragglers, rarer by far.
    turn_off = np.array([-1.0, 0.42, 0.28])
    for k in range(3):
        odds[k] *= np.where(g_i < turn_off[k], (1.0, 0.03, 0.03)[k], 1.0)
    odds[6] *= 0.03
    odds = np.maximum(odds, 1e-300)
    cumulative = np.cumsum(odds / odds.sum(0), axis=0)
    kind = (rng.random(n) > cumulative).sum(0).clip(0, 6)
    pick = (kind, np.arange(n))

    star_fe_h = fe_h[population[kind], np.arange(n)]
    # The dust layer is thin: what lies within 100 pc of height sees only part of it.
    a_v = a_v_total * (1 - np.exp(-np.abs(z[pick]) / 0.1))
    distance = 10 ** (0.2 * (r_apparent - _EXTINCTION[2] * a_v - magnitudes[pick]) - 2)
    colors = locus_colors(g_i, star_fe_h)
    # Width of the locus perpendicular to itself: Ivezic et al. (2004, AN 325, 583); u-g carries gravity and binaries.
    width = np.where(g_i[:, None] < 1.8, [0.03, 0.012, 0.0, 0.012], [0.10, 0.03, 0.0, 0.02])
    colors = colors + rng.normal(size=(n, 4)) * width
    colors[:, 2] = g_i - colors[:, 1]
    intrinsic_bp_rp = physics._bp_rp(g_i) + rng.normal(0, 0.01, n)
    g_abs = magnitudes[pick] + physics._g_minus_r(g_i)
    log_radius = physics._log_radius(g_abs, intrinsic_bp_rp)

    absolute = np.stack(
        [colors[:, 0] + colors[:, 1], colors[:, 1], 0 * g_i, -colors[:, 2], -colors[:, 2] - colors[:, 3]]
    )
    observed = absolute + r_apparent + (_EXTINCTION - _EXTINCTION[2])[:, None] * a_v
    g_mag = g_abs + 5 * np.log10(distance) + 10 + _EXTINCTION_G * a_v
    parallax = 1 / distance
    # Velocity dispersions and lag of the three populations, isotropic enough for proper motions: Bond et al. (2010).
    sigma, lag = np.array([30.0, 50.0, 130.0])[population[kind]], np.array([10.0, 45.0, 200.0])[population[kind]]
    motion = (rng.normal(0, 1, (2, n)) * sigma + lag * np.sin(rng.uniform(0, 2 * np.pi, n))) / 4.74 * parallax

    table = QTable({b: m * u.mag for b, m in zip("ugriz", observed, strict=True)})
    table["g_mag"] = g_mag * u.mag
    reddened_g_i = (observed[1] - observed[3]) - g_i  # reddening moves BP-RP as much as g-i, nearly
    table["bp_rp"] = (intrinsic_bp_rp + 0.82 * reddened_g_i) * u.mag
    table["parallax"] = parallax * u.mas
    table["pmra"], table["pmdec"] = motion * u.mas / u.yr
    table["radius"] = 10**log_radius * u.solRad
    table["teff"] = 10 ** physics._log_teff(intrinsic_bp_rp) * u.K
    table["fe_h"] = star_fe_h
    table["distance"] = distance * u.kpc
    table["a_v"] = a_v * u.mag
    table["kind"] = kind
    return table
