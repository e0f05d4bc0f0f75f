# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Stars of the simulated sky: who they are and how bright they look.

A star is drawn by its apparent magnitude, color and direction first; its kind (dwarf, subgiant, giant ... of thin disk,
thick disk or halo) follows with the odds that the Milky Way gives a star of that color and brightness in that
direction: number density at the distance that its luminosity implies, times the volume there. Metallicity and motion
follow from the population and the height above the plane, radius and temperature from color and absolute magnitude,
and a companion within an arcsecond adds its light, so all truths agree.
"""

import numpy as np
from astropy import units as u
from astropy.table import QTable

from .. import physics
from ..exceptions import InputError
from . import galaxy, sequences
from .binaries import COMPANION_LIMIT, add_bands, companions, gaia_bands, separation, ugriz_from_colors
from .contaminants import INTRUDERS, draw_intruders
from .dust import band_extinction, column_extinction, share_in_front
from .locus import LOCUS_LIMITS, locus_colors

__all__ = ["KINDS", "draw_stars"]

_STARS = (
    "thin_dwarf", "thick_dwarf", "halo_dwarf", "thin_giant", "thick_giant", "halo_giant", "horizontal_branch",
    "thin_subgiant", "thick_subgiant", "halo_subgiant", "red_clump", "blue_straggler",
)  # fmt: skip
KINDS = (*_STARS, *INTRUDERS)
"""Kinds of stars, then of intruders, in the order of the ``kind`` codes."""

# What a star may be: three populations each of dwarf, giant and subgiant, the blue horizontal branch, and the red clump
# of both disks; kind code and population of each.
_DWARFS, _GIANTS, _HORIZONTAL, _SUBGIANTS, _CLUMPS = (0, 1, 2), (3, 4, 5), 6, (7, 8, 9), (10, 11)
_KIND = np.array([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 10])
_POPULATION = np.array([0, 1, 2, 0, 1, 2, 2, 0, 1, 2, 0, 1])
_STRAGGLER = KINDS.index("blue_straggler")

# Stars at the foot of the giant branch (M_r = 3) per dwarf of the same color and population in a volume: set so that
# giants and subgiants are as frequent among bright stars as in Gaia's parallaxes of Pan-STARRS1's and LAMOST's stars
# (a quarter at g-i = 0.7 to 1 and r = 14.5, |b| > 43 deg). Upward the branch thins by _GIANT_SLOPE dex per magnitude,
# as in the luminosity functions of globular clusters.
_GIANT_PER_DWARF, _GIANT_SLOPE = (0.04, 0.04, 0.04), 0.3
_GIANT_G_I = (0.55, 2.2)
# Subgiants per dwarf of the same color, set likewise: they cross the gap in a tenth of the time that dwarfs stay.
_SUBGIANT_PER_DWARF = (0.06, 0.10, 0.10)
# Red-clump stars at the clump's own color per dwarf there: 1.4e-4 per cubic parsec (Hipparcos, within 100 pc) over
# 0.004 dwarfs per cubic parsec and magnitude is 0.06; a little more, as LAMOST's giants have it.
_CLUMP_PER_DWARF = 0.08
# Horizontal-branch stars per straggler of the halo: Deason et al. (2011, MNRAS 416, 2903) find 1.5 stragglers each.
_HORIZONTAL_PER_STRAGGLER = 0.67

# Old populations have no main sequence bluer than the turn-off (g-i); what is there are stragglers, rarer by far: as
# few as make the 1 to 3 % of stars at g-i < 0.2 and r = 16 to 19 that a high-latitude stripe of SDSS has (run 4510).
_TURN_OFF, _STRAGGLERS = (-1.0, 0.42, 0.28), 0.01
# Twice the turn-off's mass makes 8,500 K: there are none as hot as A0 (g-i, and their share of the rest).
_HOTTEST_STRAGGLERS = (-0.40, -0.25), (0.0, 1.0)

# Scatter of M_r about each sequence in mag: ages, and what color leaves open. Dwarfs of F and G type brighten by up to
# a magnitude while they stay dwarfs: mean of an exponential against g-i.
_SIGMA_DWARF = (1.2, 2.0), (0.20, 0.30)  # g-i, and mag
_SIGMA_GIANT, _SIGMA_HORIZONTAL, _SIGMA_SUBGIANT, _SIGMA_CLUMP = 0.35, 0.12, 0.20, 0.20
_EVOLVED_G_I, _EVOLVED = (-0.4, -0.1, 0.45, 0.8), (0.25, 0.35, 0.35, 0.0)

# Width of the locus perpendicular to itself, in u-g, g-r and i-z at two g-i: Ivezic et al. (2004, AN 325, 583), and a
# little less, as companions have theirs to add.
_WIDTH_BLUE, _WIDTH_RED, _WIDTH_G_I = (0.05, 0.008, 0.0, 0.010), (0.10, 0.025, 0.0, 0.02), 1.8
# Shares of stars whose scatter about the locus is so many times the normal one: variables, emission lines, spots and
# blends that no model here makes. A network that never saw any would pull such colors back onto the locus, against
# what it measured. SDSS's spectroscopic sample has 3-10 % beyond three widths, companions included.
_OUTLIER_WIDTHS, _OUTLIER_SHARES = (1.0, 3.0, 8.0), (0.90, 0.08, 0.02)
_SIGMA_BP_RP = 0.01
# A and early F stars of the main sequence have a smaller Balmer jump than the horizontal branch, whose color the locus
# has there: Sirko et al. (2004, AJ 127, 899), Fig. 7. Against g-i, in u-g.
_GRAVITY_G_I, _GRAVITY = (-0.45, -0.30, 0.10, 0.28), (0.0, -0.08, -0.08, 0.0)

# Dwarfs per cubic parsec and magnitude of g-i near the Sun, times 1000: luminosity function of Bochanski et al. (2010,
# AJ 139, 2679) for M_r > 7 and of Jahreiss & Wielen (1997, ESA SP-402, 675) before, times dM_r / d(g-i), and then
# a tenth down for G and K and a third up for M dwarfs, as 1,300 stars of one high-latitude stripe of SDSS have it.
_COUNT_G_I = (-0.65, -0.4, 0.0, 0.2, 0.3, 0.45, 0.6, 0.8, 1.0, 1.2, 1.4, 1.8, 2.2, 2.4, 2.6, 2.8, 3.0, 3.3, 3.8)
_COUNT = (0.1, 0.4, 1.6, 4.5, 8.0, 11.0, 11.0, 8.0, 6.5, 6.2, 6.2, 11.0, 24.0, 34.0, 42.0, 48.0, 42.0, 28.0, 12.0)
# Old populations: as many at every bluer color as at the turn-off's (stragglers are counted against them), and fewer K
# dwarfs, again as the stripe has it.
_COUNT_OLD = (11.0, 11.0, 11.0, 11.0, 11.0, 11.0, 9.0, 5.5, 4.5, 4.5, *_COUNT[10:])
_COLOR_CHOICES = 8


def _colors(rng, r_clear, longitude, latitude, even_colors):
    """Intrinsic g-i: a share evenly over the locus, the rest as the Galaxy has them at this magnitude and direction."""
    n = len(r_clear)
    blue, red = LOCUS_LIMITS[0], 3.8
    g_i = rng.uniform(blue, red, n)
    rows = np.flatnonzero(rng.random(n) >= even_colors)
    # The Galaxy picks one of a few colors spread evenly, by the stars that it has of each.
    steps = (np.arange(_COLOR_CHOICES)[:, None] + rng.random(len(rows))) / _COLOR_CHOICES
    choices = blue + (red - blue) * steps
    where = (np.tile(x[rows], _COLOR_CHOICES) for x in (r_clear, longitude, latitude))
    _, _, odds = _odds(rng, choices.ravel(), *where)
    count = np.interp(choices, _COUNT_G_I, _COUNT), np.interp(choices, _COUNT_G_I, _COUNT_OLD)
    odds = odds.reshape(len(_KIND), _COLOR_CHOICES, len(rows))
    young = _POPULATION == 0
    weight = np.cumsum(odds[young].sum(0) * count[0] + odds[~young].sum(0) * count[1], axis=0)
    picked = (rng.random(len(rows)) * weight[-1] > weight).sum(0).clip(0, _COLOR_CHOICES - 1)
    g_i[rows] = choices[picked, np.arange(len(rows))]
    return g_i


def _directions(rng, n, direction):
    """Galactic longitude and latitude in radians; by default even over |b| > 20 deg, as SDSS imaging mostly is."""
    if direction is not None:
        galactic = direction.galactic
        return tuple(np.broadcast_to(x.rad, n).astype(float) for x in (galactic.l, galactic.b))
    longitude = rng.uniform(0, 2 * np.pi, n)
    return longitude, np.arcsin(rng.uniform(np.sin(np.radians(20)), 1, n)) * rng.choice([-1, 1], n)


@u.quantity_input(r_range=u.mag)
def draw_stars(n, *, seed, r_range=(13.5, 22.0) * u.mag, direction=None, intruders=0.0, even_colors=0.5):
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
        One direction for all, anywhere on the sky, behind the same dust, or N directions; by default all of the sky
        at galactic latitudes beyond 20 degrees.
    intruders : float
        Share of the rows (0 to 1) that are no A to M stars but white dwarfs, O and B stars, hot subdwarfs, quasars and
        compact galaxies.
    even_colors : float
        Share of the stars (0 to 1) whose g-i is drawn evenly over the locus, so that rare classes are there to learn
        from; the others have the colors that the Galaxy's stars have at their magnitude in their direction.

    Returns
    -------
    `~astropy.table.QTable`
        N rows: ``u`` ... ``z`` (observed magnitudes, noise-free, reddened, of the whole unresolved system) and
        ``g_mag``, ``bp_rp`` (the same in Gaia's bands) [mag], ``parallax`` [mas] (0 for quasars and galaxies),
        ``pmra``, ``pmdec`` [mas/yr], ``radius`` [solRad] and ``teff`` [K] (of the brighter component; NaN for what is
        no star; below the M6 of `stellarclass.physics.temperature_from_color` held there), ``radius_light`` [solRad]
        (that of one star with the light of both components, as Gaia's FLAME would have it), ``fe_h``, ``distance``
        [kpc], ``a_v`` [mag], ``kind`` (index into `KINDS`), ``binary_separation`` [arcsec] (of companions that are not
        resolved; NaN for single stars), ``mass_ratio`` (companion over primary; 0 for single stars), and for galaxies
        ``half_light_radius`` [arcsec], ``axis_ratio``, ``position_angle`` [deg] (north through east) and
        ``sersic_index`` (0, 1, 0 and 0 for points).

    Raises
    ------
    TypeError, `~astropy.units.UnitsError`
        If ``r_range`` is not in magnitudes.
    stellarclass.exceptions.InputError
        If ``r_range`` is not two magnitudes, bright and faint, or ``intruders`` or ``even_colors`` no share.

    Notes
    -----
    Densities: Juric et al. (2008), with the halo's break of Deason et al. (2011). Metallicities: Ivezic et al. (2008).
    Motions: Bond et al. (2010). Companions: Duchene & Kraus (2013). Dust: the law of Fitzpatrick (1999) on a cosecant
    layer. Colors: `stellarclass.simulate.locus`. Every constant is cited beside it in the source.

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
    for name, share in (("intruders", intruders), ("even_colors", even_colors)):
        if not 0 <= share <= 1:
            raise InputError(f"{name} = {share} is no share of the rows: give a number from 0 to 1")
    rng = np.random.default_rng(seed)
    r_apparent = _apparent_magnitudes(rng, n, *limits)
    longitude, latitude = _directions(rng, n, direction)
    column = column_extinction(rng, latitude, one_field=direction is not None and direction.isscalar)

    found = _draw_stars(rng, r_apparent, longitude, latitude, column, even_colors)
    if intruders:
        rows = np.flatnonzero(rng.random(n) < intruders)
        others = _draw_intruders(rng, r_apparent[rows], longitude[rows], latitude[rows], column[rows])
        for name, values in others.items():
            found[name][..., rows] = values
    return _table(found)


def _apparent_magnitudes(rng, n, bright, faint):
    fraction = np.where(rng.random(n) < 0.7, rng.random(n), np.sqrt(rng.random(n)))
    return bright + (faint - bright) * fraction


def _draw_stars(rng, r_apparent, longitude, latitude, column, even_colors):
    """All columns but the units: a dict of arrays, ``bands`` (8, n) of them u g r i z G BP RP."""
    n = len(r_apparent)
    # Before the color is known, the dust is that before an F star; and all of it.
    g_i = _colors(rng, r_apparent - 0.83 * column, longitude, latitude, even_colors)
    bp_rp = physics._bp_rp(g_i) + rng.normal(0, _SIGMA_BP_RP, n)
    extinction = band_extinction(bp_rp)  # (8, n) over A_V
    choice, magnitude, fe_h = _choose(rng, g_i, r_apparent - extinction[2] * column, longitude, latitude)
    kind, population = _KIND[choice], _POPULATION[choice]

    primary = np.concatenate([
        ugriz_from_colors(magnitude, _scattered_locus(rng, g_i, fe_h, choice == _HORIZONTAL)),
        gaia_bands(magnitude + physics._g_minus_r(g_i), bp_rp),
    ])  # fmt: skip
    ratio, companion = companions(rng, g_i, fe_h, magnitude)
    au = separation(rng, g_i)
    # A pair is one source if it is close enough on the sky, at the distance that its own light implies.
    system = add_bands(primary, companion)
    distance, a_v = _distance(r_apparent, system[2], column, extinction[2], latitude)
    apart = au / distance / 1000  # arcsec
    pair = (ratio > 0) & (apart < COMPANION_LIMIT)
    system = np.where(pair, system, primary)
    distance, a_v = _distance(r_apparent, system[2], column, extinction[2], latitude)

    dwarfs = np.isin(choice, _DWARFS[1:])
    blue = np.array(_TURN_OFF)[population] - 0.03
    kind = np.where(dwarfs & (g_i < blue), _STRAGGLER, kind)
    x, y, z = galaxy.place(distance, longitude, latitude)
    motion = galaxy.velocity(rng, population, x, y, z)
    teff = sequences.temperature(g_i, bp_rp, choice == _HORIZONTAL)
    radius = 10 ** sequences.log_radius(primary[5], bp_rp, teff)
    more = physics._log_radius(system[5], system[6] - system[7]) - physics._log_radius(primary[5], bp_rp)
    shift = r_apparent - system[2] - extinction[2] * a_v
    return {
        "bands": system + shift + extinction * a_v,
        "parallax": 1 / distance,
        "proper_motion": galaxy.proper_motion(motion, longitude, latitude, distance),
        "radius": radius,
        "radius_light": radius * 10 ** np.where(pair, more, 0.0),
        "teff": teff,
        "fe_h": fe_h,
        "distance": distance,
        "a_v": a_v,
        "kind": kind,
        "binary_separation": np.where(pair, apart, np.nan),
        "mass_ratio": np.where(pair, ratio, 0.0),
        "half_light_radius": np.zeros(n),
        "axis_ratio": np.ones(n),
        "position_angle": np.zeros(n),
        "sersic_index": np.zeros(n),
    }


def _choose(rng, g_i, r_clear, longitude, latitude):
    """What each star is (index into `_KIND`), its M_r and [Fe/H], by the odds of everything that it might be."""
    magnitudes, metallicities, odds = _odds(rng, g_i, r_clear, longitude, latitude)
    cumulative = np.cumsum(odds / odds.sum(0), axis=0)
    choice = (rng.random(len(g_i)) > cumulative).sum(0).clip(0, len(_KIND) - 1)
    chosen = (choice, np.arange(len(g_i)))
    return choice, magnitudes[chosen], metallicities[chosen]


def _odds(rng, g_i, r_clear, longitude, latitude):
    """M_r, [Fe/H] and relative odds, each (12, n), of everything that stars of these colors and magnitudes may be."""
    n = len(g_i)
    metals = galaxy.metallicity(rng, n)
    scatter = rng.normal(size=n)
    evolved = np.interp(g_i, _EVOLVED_G_I, _EVOLVED) * rng.exponential(1.0, n)
    g_r = locus_colors(g_i, np.full(n, -1.5))[:, 1]
    horizontal, straggler = sequences.horizontal_magnitude(g_r), sequences.straggler_magnitude(g_r)
    magnitudes, metallicities, odds = (np.zeros((len(_KIND), n)) for _ in range(3))
    for k, population in enumerate(_POPULATION):
        fe_h = metals(population, 0.5)
        for _ in range(2):  # [Fe/H] goes with height, height with M_r, and M_r a little with [Fe/H]
            share = 1.0
            if k in _DWARFS:
                m = sequences.dwarf_magnitude(g_i, fe_h) - (evolved if population == 0 else 0.0)
                if population:
                    blue = g_i < _TURN_OFF[population]
                    m = np.where(blue, np.minimum(m, straggler), m)
                    share = np.where(blue, _STRAGGLERS * np.interp(g_i, *_HOTTEST_STRAGGLERS), 1.0)
                m = m + np.interp(g_i, *_SIGMA_DWARF) * scatter
            elif k in _GIANTS:
                m = sequences.giant_magnitude(g_i, fe_h) + _SIGMA_GIANT * scatter
                share = _GIANT_PER_DWARF[population] * 10 ** (_GIANT_SLOPE * (m - 3.0))
                share = np.where((g_i > _GIANT_G_I[0]) & (g_i < _GIANT_G_I[1]), share, 0.0)
            elif k in _SUBGIANTS:
                m, there = sequences.subgiant_magnitude(g_i, fe_h)
                m = m + _SIGMA_SUBGIANT * scatter
                share = np.where(there, _SUBGIANT_PER_DWARF[population], 0.0)
            elif k in _CLUMPS:
                m, share = sequences.clump_magnitude(g_i, fe_h)
                m, share = m + _SIGMA_CLUMP * scatter, _CLUMP_PER_DWARF * share
            else:
                m = horizontal + _SIGMA_HORIZONTAL * scatter
                share = np.where(g_i < 0.15, _HORIZONTAL_PER_STRAGGLER * _STRAGGLERS, 0.0)
            distance = 10 ** (0.2 * (r_clear - m) - 2)
            x, y, z = galaxy.place(distance, longitude, latitude)
            fe_h = metals(population, z)
        young = g_i if k == 0 else None
        odds[k] = galaxy.density(population, np.hypot(x, y), z, young) * distance**3 * share
        magnitudes[k], metallicities[k] = m, fe_h
    return magnitudes, metallicities, np.maximum(odds, 1e-300)


def _distance(r_apparent, r_absolute, column, extinction_r, latitude):
    """Distance in kpc and A_V on the way there of stars of these magnitudes behind these columns of dust."""
    a_v = column
    for _ in range(3):
        distance = 10 ** (0.2 * (r_apparent - extinction_r * a_v - r_absolute) - 2)
        a_v = column * share_in_front(distance, latitude)
    return 10 ** (0.2 * (r_apparent - extinction_r * a_v - r_absolute) - 2), a_v


def _scattered_locus(rng, g_i, fe_h, horizontal):
    """Intrinsic colors (n, 4) with the width of the locus; g-i stays what it is."""
    colors = locus_colors(g_i, fe_h)
    colors[:, 0] += np.where(horizontal, 0.0, np.interp(g_i, _GRAVITY_G_I, _GRAVITY))
    width = np.where(g_i[:, None] < _WIDTH_G_I, _WIDTH_BLUE, _WIDTH_RED)
    tail = rng.choice(_OUTLIER_WIDTHS, len(g_i), p=_OUTLIER_SHARES)[:, None]
    colors = colors + rng.normal(size=colors.shape) * width * tail
    colors[:, 2] = g_i - colors[:, 1]
    return colors


def _draw_intruders(rng, r_apparent, longitude, latitude, column):
    """Columns of intruders, as `_draw_stars` has them."""
    # Dust by the color of an A star: most of them are as blue. What is outside the Galaxy has all of it in front.
    extinction = band_extinction(np.full(len(r_apparent), 0.2))
    found = draw_intruders(rng, r_apparent - extinction[2] * column)
    star = np.isfinite(found["distance"])
    distance = np.where(star, found["distance"], 1.0)
    a_v = np.where(star, column * share_in_front(distance, latitude), column)
    distance = distance * 10 ** (0.2 * extinction[2] * (column - a_v))
    disk = np.zeros(len(distance), int)
    motion = galaxy.velocity(rng, disk, *galaxy.place(distance, longitude, latitude))
    found["proper_motion"] = np.where(star, galaxy.proper_motion(motion, longitude, latitude, distance), 0.0)
    found["parallax"] = np.where(star, 1 / distance, 0.0)
    found["distance"] = np.where(star, distance, np.inf)
    found["bands"] = found["bands"] + (extinction - extinction[2]) * a_v + extinction[2] * column
    found["a_v"] = a_v
    found["kind"] = found["kind"] + len(_STARS)
    none = np.full(len(distance), np.nan)
    found["radius_light"] = found["radius"]
    return found | {"fe_h": none, "binary_separation": none, "mass_ratio": np.zeros(len(distance))}


_UNITS = {
    "parallax": u.mas, "pmra": u.mas / u.yr, "pmdec": u.mas / u.yr, "radius": u.solRad, "radius_light": u.solRad,
    "teff": u.K, "fe_h": None,
    "distance": u.kpc, "a_v": u.mag, "kind": None, "binary_separation": u.arcsec, "mass_ratio": None,
    "half_light_radius": u.arcsec, "axis_ratio": None, "position_angle": u.deg, "sersic_index": None,
}  # fmt: skip


def _table(found):
    bands = dict(zip(("u", "g", "r", "i", "z", "g_mag", "bp", "rp"), found["bands"], strict=True))
    found = found | {"pmra": found["proper_motion"][0], "pmdec": found["proper_motion"][1]}
    table = QTable({name: bands[name] * u.mag for name in ("u", "g", "r", "i", "z", "g_mag")})
    table["bp_rp"] = (bands["bp"] - bands["rp"]) * u.mag
    for name, unit in _UNITS.items():
        table[name] = found[name] if unit is None else found[name] * unit
    return table
