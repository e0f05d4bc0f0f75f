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
from ..exceptions import InputError
from .locus import LOCUS_LIMITS, locus_colors

__all__ = ["KINDS", "draw_stars"]

KINDS = ("thin_dwarf", "thick_dwarf", "halo_dwarf", "thin_giant", "thick_giant", "halo_giant", "horizontal_branch")
"""Kinds of stars, in the order of the ``kind`` codes."""

_POPULATION = np.array([0, 1, 2, 0, 1, 2, 2])  # thin disk, thick disk or halo: of each kind

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

# Old populations have no main sequence bluer than the turn-off (g-i); what is there are stragglers, rarer by far.
_TURN_OFF, _STRAGGLERS = (-1.0, 0.42, 0.28), (1.0, 0.03, 0.03)

# Mean and width of [Fe/H]: thin disk near solar, thick disk -0.7 (Juric et al.), halo -1.46 (Ivezic et al. 2008).
_METALLICITY = ((-0.2, 0.2), (-0.7, 0.25), (-1.46, 0.35))
# Velocity dispersion and lag behind the Sun in km/s: Bond et al. (2010, ApJ 716, 1).
_VELOCITY_SIGMA, _VELOCITY_LAG = np.array([30.0, 50.0, 130.0]), np.array([10.0, 45.0, 200.0])

# Shares of stars whose scatter about the locus is so many times the normal one: as in SDSS's spectroscopic sample.
_OUTLIER_WIDTHS, _OUTLIER_SHARES = (1.0, 3.0, 10.0), (0.85, 0.12, 0.03)

# A_band / A_V for R_V = 3.1: Schlafly & Finkbeiner (2011, ApJ 737, 103), Table 6.
_EXTINCTION = np.array([4.239, 3.303, 2.285, 1.698, 1.263]) / 3.1
_BP_RP_PER_G_I = 0.82  # reddening in BP-RP over reddening in g-i
_EXTINCTION_G = 0.84  # Gaia G, for a G star: Casagrande & VandenBerg (2018, MNRAS 479, L102)


def _density(population, radius, height):
    """Relative number density of thin disk (0), thick disk (1) or halo (2) at galactocentric cylinder kpc."""
    if population == 2:
        r = np.sqrt(radius**2 + (height / _HALO_FLATTENING) ** 2)
        # Flat within 2 kpc: nothing seen at high latitude comes from there, and the power law would diverge.
        inner = _HALO_FRACTION * (SUN_RADIUS_KPC / np.clip(r, 2.0, _HALO_BREAK_KPC)) ** _HALO_INDEX
        return inner * (_HALO_BREAK_KPC / np.maximum(r, _HALO_BREAK_KPC)) ** _HALO_OUTER_INDEX
    length, scale = (_THIN, _THICK)[population]
    norm = (1.0, _THICK_FRACTION)[population]
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


def _directions(rng, n):
    """Galactic longitude and latitude in radians, even over the sky at |b| > 20 deg, as SDSS imaging mostly is."""
    longitude = rng.uniform(0, 2 * np.pi, n)
    latitude = np.arcsin(rng.uniform(np.sin(np.radians(20)), 1, n)) * rng.choice([-1, 1], n)
    return longitude, latitude


@u.quantity_input(r_range=u.mag)
def draw_stars(n, *, seed, r_range=(13.5, 22.0) * u.mag, direction=None):
    """Draw stars of the simulated sky.

    Parameters
    ----------
    n : int
        Number of stars.
    seed : int or `numpy.random.Generator`
        The same seed gives the same stars, bit for bit on one machine.
    r_range : `~astropy.units.Quantity`, shape (2,)
        Limits of the apparent r magnitude; within them 70 % are spread evenly and 30 % rise toward the faint end.
    direction : `~astropy.coordinates.SkyCoord`, optional
        One direction for all; by default all of the sky at galactic latitudes beyond 20 degrees.

    Returns
    -------
    `~astropy.table.QTable`
        N rows: ``u`` ... ``z`` (observed magnitudes, noise-free, reddened) and ``g_mag``, ``bp_rp`` (the same in
        Gaia's bands) [mag], ``parallax`` [mas], ``pmra``, ``pmdec`` [mas/yr], ``radius`` [solRad], ``teff`` [K] (held
        at the ends of `stellarclass.physics.temperature_from_color`), ``fe_h``, ``distance`` [kpc], ``a_v`` [mag],
        ``kind`` (index into `KINDS`).

    Raises
    ------
    TypeError, `~astropy.units.UnitsError`
        If ``r_range`` is not in magnitudes.
    stellarclass.exceptions.InputError
        If ``r_range`` is not two magnitudes, bright and faint.

    Examples
    --------
    >>> from stellarclass.simulate import draw_stars
    >>> stars = draw_stars(100, seed=1)
    >>> bool((stars["radius"].value > 0).all())
    True
    """
    limits = r_range.to_value(u.mag)
    if limits.shape != (2,) or not limits[0] <= limits[1]:
        raise InputError(f"r_range = {r_range} is not two magnitudes, the brighter one first")
    rng = np.random.default_rng(seed)
    r_apparent = _apparent_magnitudes(rng, n, *limits)
    g_i = _colors(rng, n)
    if direction is None:
        longitude, latitude = _directions(rng, n)
    else:
        galactic = direction.galactic
        longitude, latitude = (np.full(n, x.rad) for x in (galactic.l, galactic.b))
    fe_h = np.stack([rng.normal(mean, sigma, n) for mean, sigma in _METALLICITY])  # (3, n)
    a_v_total = np.clip(rng.lognormal(np.log(0.12), 0.6, n), 0, 1.5)

    # What each star would be like as each kind (7, n), and the kind that it is.
    magnitudes = _absolute_magnitudes(rng, g_i, fe_h)
    distance = _distance_kpc(r_apparent, magnitudes, a_v_total)
    odds, height = _kind_odds(g_i, magnitudes, distance, longitude, latitude)
    cumulative = np.cumsum(odds / odds.sum(0), axis=0)
    kind = (rng.random(n) > cumulative).sum(0).clip(0, 6)
    chosen = (kind, np.arange(n))
    population, magnitude = _POPULATION[kind], magnitudes[chosen]
    star_fe_h = fe_h[population, np.arange(n)]

    # The dust layer is thin: what lies within 100 pc of height sees only part of it.
    a_v = a_v_total * (1 - np.exp(-np.abs(height[chosen]) / 0.1))
    distance = _distance_kpc(r_apparent, magnitude, a_v)
    colors = _scattered_locus(rng, g_i, star_fe_h)
    bp_rp = physics._bp_rp(g_i) + rng.normal(0, 0.01, n)
    g_abs = magnitude + physics._g_minus_r(g_i)
    ugriz = _observed_magnitudes(r_apparent, colors, a_v)
    reddened_g_i = (ugriz[1] - ugriz[3]) - g_i  # reddening moves BP-RP as much as g-i, nearly
    parallax = 1 / distance

    table = QTable({b: m * u.mag for b, m in zip("ugriz", ugriz, strict=True)})
    table["g_mag"] = (g_abs + 5 * np.log10(distance) + 10 + _EXTINCTION_G * a_v) * u.mag
    table["bp_rp"] = (bp_rp + _BP_RP_PER_G_I * reddened_g_i) * u.mag
    table["parallax"] = parallax * u.mas
    table["pmra"], table["pmdec"] = _proper_motions(rng, population, parallax) * u.mas / u.yr
    table["radius"] = 10 ** physics._log_radius(g_abs, bp_rp) * u.solRad
    table["teff"] = 10 ** physics._log_teff(bp_rp) * u.K
    table["fe_h"] = star_fe_h
    table["distance"] = distance * u.kpc
    table["a_v"] = a_v * u.mag
    table["kind"] = kind
    return table


def _apparent_magnitudes(rng, n, bright, faint):
    fraction = np.where(rng.random(n) < 0.7, rng.random(n), np.sqrt(rng.random(n)))
    return bright + (faint - bright) * fraction


def _absolute_magnitudes(rng, g_i, fe_h):
    """M_r of n stars of these colors if they were of each kind: fe_h (3, n) by population, answer (7, n)."""
    n = len(g_i)
    return np.stack(
        [_dwarf_magnitude(g_i, fe_h[k]) + rng.normal(0, 0.30, n) for k in range(3)]
        + [_giant_magnitude(g_i, fe_h[k]) + rng.normal(0, 0.35, n) for k in range(3)]
        + [0.6 + rng.normal(0, 0.12, n) + np.clip(-0.2 - g_i, 0, 1) * 3.0]  # BHB: Sirko et al. (2004, AJ 127, 899)
    )


def _distance_kpc(r_apparent, r_absolute, a_v):
    return 10 ** (0.2 * (r_apparent - _EXTINCTION[2] * a_v - r_absolute) - 2)


def _kind_odds(g_i, magnitudes, distance, longitude, latitude):
    """Relative odds of the kinds (7, n), and the height above the plane in kpc that each implies (7, n)."""
    x = SUN_RADIUS_KPC - distance * np.cos(latitude) * np.cos(longitude)
    y = distance * np.cos(latitude) * np.sin(longitude)
    z = SUN_HEIGHT_KPC + distance * np.sin(latitude)
    cylinder = np.hypot(x, y)
    odds = np.stack([_density(_POPULATION[k], cylinder[k], z[k]) for k in range(7)]) * distance**3
    odds[3:6] *= np.array(_GIANT_PER_DWARF)[:, None] * 10 ** (_GIANT_SLOPE * (magnitudes[3:6] - 3.0))
    odds[3:6] *= (g_i > 0.55) & (g_i < 2.2)
    odds[6] *= _HORIZONTAL_PER_STRAGGLER * (g_i < 0.15)
    for k, (turn_off, stragglers) in enumerate(zip(_TURN_OFF, _STRAGGLERS, strict=True)):
        odds[k] *= np.where(g_i < turn_off, stragglers, 1.0)
    odds[6] *= _STRAGGLERS[2]
    return np.maximum(odds, 1e-300), z


def _scattered_locus(rng, g_i, fe_h):
    """Intrinsic colors (n, 4) with the width of the locus; g-i stays what it is."""
    colors = locus_colors(g_i, fe_h)
    # Width of the locus perpendicular to itself: Ivezic et al. (2004, AN 325, 583); u-g carries gravity and binaries.
    width = np.where(g_i[:, None] < 1.8, [0.05, 0.015, 0.0, 0.014], [0.10, 0.03, 0.0, 0.02])
    # Unresolved companions (white dwarfs above all), emission lines and spots: a few stars lie far off the locus. A
    # network that never saw any would pull such colors back onto it, against what it measured.
    tail = rng.choice(_OUTLIER_WIDTHS, len(g_i), p=_OUTLIER_SHARES)[:, None]
    colors = colors + rng.normal(size=colors.shape) * width * tail
    colors[:, 2] = g_i - colors[:, 1]
    return colors


def _observed_magnitudes(r_apparent, colors, a_v):
    """Reddened u g r i z of stars with this observed r and these intrinsic colors (n, 4): shape (5, n)."""
    relative = np.stack(
        [colors[:, 0] + colors[:, 1], colors[:, 1], 0 * r_apparent, -colors[:, 2], -colors[:, 2] - colors[:, 3]]
    )
    return relative + r_apparent + (_EXTINCTION - _EXTINCTION[2])[:, None] * a_v


def _proper_motions(rng, population, parallax):
    """Two components in mas/yr, (2, n): isotropic enough velocities of the three populations."""
    sigma, lag = _VELOCITY_SIGMA[population], _VELOCITY_LAG[population]
    velocity = rng.normal(0, 1, (2, len(parallax))) * sigma + lag * np.sin(rng.uniform(0, 2 * np.pi, len(parallax)))
    return velocity / 4.74 * parallax
