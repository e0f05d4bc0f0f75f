# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What Gaia DR3 would have measured: parallax, proper motion, their errors, ruwe, G, BP-RP and ``radius_flame``."""

import numpy as np
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.table import QTable

from ..exceptions import InputError
from ..zeropoint import effective_wavenumber, five_parameter_zero_point
from . import gaiaerrors
from .gaiaphotometry import observe_color, observe_g, observe_radius
from .wobble import wobble

__all__ = ["observe_astrometry"]

FAINT_LIMIT = 21.0
"""G beyond which Gaia has positions only (Lindegren et al. 2021, A&A 649, A2, Sect. 4.4)."""

# Where half of the stars of a sparse field are in Gaia DR3, and how steeply the share falls (Cantat-Gaudin et al. 2023,
# A&A 669, A55: complete to G = 20, half at 21 where Gaia has passed often).
_DETECTION_LIMIT, _DETECTION_WIDTH = 21.05, 0.08

# Measured on 8,301 field stars of Gaia DR3 in 30 directions (public repository tmtsoftware/dms-irgsc), after median
# and scanning law: scatter of ln(parallax error) from field to field and, by G, from star to star.
_FIELD_SCATTER, _CELL = 0.06, 2.0  # degrees
_STAR_G, _STAR_SCATTER = [13.0, 14.0, 17.0, 18.5, 19.5, 20.5], [0.120, 0.090, 0.090, 0.105, 0.140, 0.220]
# How much ln(parallax error) grows with 100 sources per square arcminute, by G: 2' to 8' from the center of M2, over
# the field farther out (EDR3 rows of Vasiliev & Baumgardt 2021, MNRAS 505, 5978); its scatter grows by half.
_CROWDED_G, _CROWDED = [14.0, 16.0, 17.0, 18.0, 19.0, 20.0], [0.0, 0.10, 0.20, 0.35, 0.50, 0.65]
_RUWE_MEDIAN, _RUWE_SCATTER = 1.010, 0.052
# Stars in a hundred that are disturbed by what is not simulated (spikes, chance neighbors, triples), by G, and the
# mean of ln(ruwe) that they gain: what remains of the same rows' tail beyond the binaries.
_DISTURBED, _DISTURBANCE = ([14.0, 16.0, 18.0, 20.0], [0.020, 0.012, 0.016, 0.035]), 0.28

# Parallaxes of one field have an error in common, in mas: the angular covariance at zero separation, 106 square
# microarcsec (Maiz Apellaniz, Pantaleoni Gonzalez & Barba 2021, A&A 649, A13).
_COMMON = 0.0103

_POSITION_ONLY = [15.0, 19.0, 20.0, 20.7, 21.0], [0.003, 0.010, 0.05, 0.20, 0.40]
# 19 % of all sources, nearly all of them fainter than 20.5 (A&A 649, A1 and A2).
_COLORLESS = [18.0, 19.0, 20.0, 21.0], [0.000, 0.003, 0.005, 0.05]
_OBSERVATIONS = 9.0  # error of one observation along the scan over that of the parallax: 2.08 / sqrt(9 CCDs * 40)
# Stars with a good solution are quoted to sigma5d_max < 1.2 mas * gamma(G), the rest has positions only (A&A 649, A2,
# Sect. 4.4); sigma5d_max is about 1.3 times the parallax error.
_WORST = 1.2 / 1.3


@u.quantity_input(density=u.arcmin**-2)
def observe_astrometry(stars, *, seed, density=0 / u.arcmin**2, mismatched=0.001, corrected=True):
    """Give stars their Gaia measurements.

    Parameters
    ----------
    stars : `~astropy.table.QTable`
        As `stellarclass.simulate.draw_stars` returns it: ``g_mag``, ``bp_rp``, ``parallax``, ``pmra``, ``pmdec``,
        ``radius``, ``teff``, and, where there are such columns, ``binary_separation`` and ``mass_ratio`` of unresolved
        companions, ``half_light_radius`` of galaxies, and ``ra``, ``dec`` (without them each star lies somewhere else,
        evenly over the sky).
    seed : int or `numpy.random.Generator`
        The same seed gives the same measurements.
    density : `~astropy.units.Quantity`, scalar or shape (N,)
        Gaia sources per square arcminute: in crowded fields errors are larger, more sources have positions only or
        no color, and more are mistaken for a neighbor. A field at high galactic latitude has 1 to 3.
    mismatched : float
        Share of stars, 0 to 1, that carry the measurements of another star of about their G, beyond the share that
        ``density`` brings: what a match by position gets wrong.
    corrected : bool
        Whether the parallaxes have their zero point taken off, as the default ensemble was taught; otherwise they are
        as Gaia publishes them, 0.02 to 0.05 mas too small.

    Returns
    -------
    `~astropy.table.QTable`
        N rows: ``parallax``, ``parallax_error`` [mas], ``pmra``, ``pmra_error``, ``pmdec``, ``pmdec_error`` [mas/yr],
        ``ruwe``, ``phot_g_mean_mag``, ``bp_rp`` [mag], ``radius_flame`` [solRad]. NaN throughout where Gaia has no
        source (few beyond G = 21, none of a large galaxy); all but the photometry NaN for positions only, as are all
        beyond G = 21.

    Raises
    ------
    TypeError, `~astropy.units.UnitsError`
        If ``density`` is not a number per solid angle.
    stellarclass.exceptions.InputError
        If it is negative or ``mismatched`` is no share.

    Notes
    -----
    Quoted errors are the product of the median at their magnitude, the factor of Gaia's scanning law at their ecliptic
    latitude, scatter from field to field (6 %) and from star to star, and the ruwe that a companion causes: so it is
    in real rows. Real errors are 1.05 to 1.3 times as large (Fabricius et al. 2021, A&A 649, A5; El-Badry, Rix &
    Heintz 2021, MNRAS 506, 2269). To them come the zero point of Lindegren et al. (2021, A&A 649, A4), by G, color and
    ecliptic latitude (unless ``corrected``), an error of 0.01 mas common to a field, and the parallax and motion that
    an orbit feigns (Penoyre, Belokurov & Evans 2022, MNRAS 513, 2437). ``radius_flame`` is good to 4-5 % and the error
    of the parallax, ends at G = 18.25, and is missing for a tenth of the brighter stars.

    Examples
    --------
    >>> from stellarclass.simulate import draw_stars, observe_astrometry
    >>> seen = observe_astrometry(draw_stars(10, seed=1), seed=2)
    >>> seen["parallax_error"].unit
    Unit("mas")
    """
    rng = np.random.default_rng(seed)
    n = len(stars)
    crowd = np.broadcast_to(density.to_value(u.arcmin**-2), n)
    if not (np.isfinite(crowd) & (crowd >= 0)).all():
        raise InputError(f"density = {density}: a number of sources per square arcminute, 0 or more, is meant")
    if not 0 <= mismatched <= 1:
        raise InputError(f"mismatched = {mismatched} is no share between 0 and 1")
    truth = {name: _plain(stars, name, unit) for name, unit in _COLUMNS.items()}
    g_mag = truth["g_mag"]
    latitude, common, field = _sky(rng, stars, n)
    companion = wobble(
        rng,
        separation=truth["binary_separation"],
        mass_ratio=truth["mass_ratio"],
        parallax=truth["parallax"],
        radius=truth["radius"],
    )

    single = gaiaerrors.median_parallax_error(g_mag) * gaiaerrors.scan_factor(latitude) * field
    single *= _star_scatter(rng, g_mag, crowd)
    core = _RUWE_MEDIAN * np.exp(rng.normal(0, _RUWE_SCATTER, n) * np.interp(g_mag, [13, 15], [1.4, 1.0]))
    excess = companion.noise / (_OBSERVATIONS * single)
    extent = np.nan_to_num(truth["half_light_radius"], nan=0.0)
    hit = rng.random(n) < np.interp(g_mag, *_DISTURBED)
    gain = np.where(hit, np.exp(rng.exponential(_DISTURBANCE, n)), 1.0) * (1 + extent / 0.5)
    ruwe = np.hypot(core, excess) * gain
    quoted = single * ruwe / core  # real rows: parallax errors grow as ruwe does

    if not corrected:
        wavenumber = effective_wavenumber(np.nan_to_num(truth["bp_rp"], nan=0.8))
        common = common + five_parameter_zero_point(g_mag, wavenumber, latitude)
    measured = _measure(rng, truth, quoted, latitude, companion, common)
    detected = rng.random(n) < 1 / (1 + np.exp(np.clip((g_mag - _DETECTION_LIMIT) / _DETECTION_WIDTH, -50, 50)))
    # Gaia's windows hold 0.7" and its detection wants a point: of larger galaxies few are sources (de Souza et al.
    # 2014, A&A 568, A124).
    detected &= rng.random(n) < np.exp(-((extent / 0.7) ** 2))
    position_only = rng.random(n) < np.interp(g_mag, *_POSITION_ONLY) * (1 + crowd / 30)
    position_only |= (g_mag > FAINT_LIMIT) | (quoted > _WORST * np.maximum(1, 10 ** (0.2 * (g_mag - 18))))
    colorless = np.interp(g_mag, *_COLORLESS) + crowd / 100 * np.interp(
        g_mag, [17, 18, 19, 20], [0.03, 0.05, 0.13, 0.3]
    )
    measured["ruwe"] = ruwe
    for name in measured:
        measured[name] = np.where(position_only, np.nan, measured[name])
    measured["phot_g_mean_mag"] = observe_g(rng, g_mag)
    color = observe_color(rng, g_mag, truth["bp_rp"])
    measured["bp_rp"] = np.where(rng.random(n) < colorless, np.nan, color)
    measured["radius_flame"] = observe_radius(
        rng,
        radius=truth["radius"] * np.sqrt(1 + companion.light),  # the pipeline knows of one star
        teff=truth["teff"],
        g_mag=g_mag,
        parallax=measured["parallax"],
        parallax_error=measured["parallax_error"],
        true_parallax=truth["parallax"],
    )
    source = _mismatches(rng, g_mag, detected, mismatched + 1 - np.exp(-crowd * np.pi * (0.5 / 60) ** 2))
    table = QTable()
    for name, unit in _UNITS.items():
        table[name] = np.where(detected, measured[name], np.nan)[source] * unit
    return table


_COLUMNS = {
    "g_mag": u.mag,
    "bp_rp": u.mag,
    "parallax": u.mas,
    "pmra": u.mas / u.yr,
    "pmdec": u.mas / u.yr,
    "radius": u.solRad,
    "teff": u.K,
    "binary_separation": u.arcsec,
    "mass_ratio": u.one,
    "half_light_radius": u.arcsec,
}

_UNITS = {
    "parallax": u.mas,
    "parallax_error": u.mas,
    "pmra": u.mas / u.yr,
    "pmra_error": u.mas / u.yr,
    "pmdec": u.mas / u.yr,
    "pmdec_error": u.mas / u.yr,
    "ruwe": u.one,
    "phot_g_mean_mag": u.mag,
    "bp_rp": u.mag,
    "radius_flame": u.solRad,
}


def _plain(stars, name, unit):
    """A column as float64 in this unit; NaN where the table has no such column."""
    if name not in stars.colnames:
        return np.full(len(stars), np.nan)
    return np.array(u.Quantity(stars[name], unit).value, float)


def _sky(rng, stars, n):
    """Ecliptic latitude in radians, the parallax error [mas] and the error factor that a field has in common: (N,)."""
    if "ra" in stars.colnames and "dec" in stars.colnames:
        ecliptic = SkyCoord(stars["ra"], stars["dec"], unit=u.deg).barycentrictrueecliptic
        cells = np.stack([ecliptic.lon.deg * np.cos(ecliptic.lat.rad), ecliptic.lat.deg]) // _CELL
        _, cell = np.unique(cells, axis=1, return_inverse=True)
        cell, latitude = cell.reshape(n), ecliptic.lat.rad
    else:
        cell, latitude = np.arange(n), np.arcsin(rng.uniform(-1, 1, n))
    count = cell.max(initial=-1) + 1
    return latitude, rng.normal(0, _COMMON, count)[cell], np.exp(rng.normal(0, _FIELD_SCATTER, count))[cell]


def _star_scatter(rng, g_mag, crowd):
    """Factor by which the error of one star differs from that of its magnitude and field: a longer tail upward."""
    crowding = np.sqrt(crowd / 100)
    x = rng.normal(0, 1, len(g_mag)) * np.interp(g_mag, _STAR_G, _STAR_SCATTER) * (1 + 0.5 * crowding)
    return np.exp(x * np.where(x > 0, 1.15, 0.85) + crowding * np.interp(g_mag, _CROWDED_G, _CROWDED))


def _measure(rng, truth, quoted, latitude, companion, offset):
    """Parallax (off by ``offset``, in mas), proper motion and their quoted errors, by column name."""
    n = len(quoted)
    bias = {"parallax": companion.parallax + offset, "pmra": companion.pmra, "pmdec": companion.pmdec}
    east, north = gaiaerrors.proper_motion_scales(latitude)
    real = gaiaerrors.error_underestimate(truth["g_mag"])
    spread = np.interp(truth["g_mag"], [15, 19], [0.08, 0.16])  # of the ratios of errors, near M2
    measured = {}
    for name, scale in (("parallax", 1.0), ("pmra", east), ("pmdec", north)):
        error = quoted * scale * (1.0 if name == "parallax" else np.exp(rng.normal(0, 1, n) * spread))
        measured[name] = truth[name] + bias[name] + rng.normal(0, 1, n) * real * error
        measured[name + "_error"] = error
    return measured


def _mismatches(rng, g_mag, detected, share):
    """Row whose measurements each star gets: nearly always its own, else another of nearly its G."""
    source = np.arange(len(g_mag))
    chosen = (rng.random(len(g_mag)) < share) & detected
    order = np.argsort(np.where(detected, g_mag, np.inf), kind="stable")[: detected.sum()]
    step = rng.integers(1, 20, len(g_mag)) * rng.choice([-1, 1], len(g_mag))
    if len(order) > 1 and chosen.any():
        place = np.empty(len(g_mag), int)
        place[order] = np.arange(len(order))
        source[chosen] = order[np.clip(place[chosen] + step[chosen], 0, len(order) - 1)]
    return source
