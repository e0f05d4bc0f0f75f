# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What Gaia would have measured: parallax, proper motion and their errors, by magnitude."""

import numpy as np
from astropy import units as u
from astropy.table import QTable

__all__ = ["observe_astrometry"]

# Median parallax error in mas against G: Lindegren et al. (2021, A&A 649, A2), Table 4, five-parameter solutions.
_G = np.array([12.0, 14.0, 15.0, 16.0, 17.0, 18.0, 19.0, 20.0, 21.0])
_PARALLAX_ERROR = np.array([0.018, 0.018, 0.025, 0.040, 0.068, 0.120, 0.220, 0.460, 1.150])
FAINT_LIMIT = 21.0
"""G beyond which Gaia has no source."""


def observe_astrometry(stars, *, seed):
    """Give stars their Gaia measurements.

    Parameters
    ----------
    stars : `~astropy.table.QTable`
        As `stellarclass.simulate.draw_stars` returns it: ``g_mag``, ``parallax``, ``pmra``, ``pmdec``.
    seed : int or `numpy.random.Generator`
        The same seed gives the same measurements.

    Returns
    -------
    `~astropy.table.QTable`
        N rows: ``parallax``, ``parallax_error`` [mas], ``pmra``, ``pmra_error``, ``pmdec``, ``pmdec_error`` [mas/yr],
        ``ruwe``, ``phot_g_mean_mag``, ``bp_rp`` [mag]; NaN for stars fainter than G = 21 and for the few per cent with
        a position only (rising to a fifth at G = 20.7).

    Notes
    -----
    Errors scatter by 20 % around the median of their magnitude; proper-motion errors are 1.03 times the parallax
    error per year (Lindegren et al. 2021). The quoted errors are 5 % too small, as is found for faint sources
    (Fabricius et al. 2021, A&A 649, A5), and a zero point of 0.015 mas scatters from field to field.

    Examples
    --------
    >>> from stellarclass.simulate import draw_stars, observe_astrometry
    >>> seen = observe_astrometry(draw_stars(10, seed=1), seed=2)
    >>> seen["parallax_error"].unit
    Unit("mas")
    """
    rng = np.random.default_rng(seed)
    n = len(stars)
    g_mag = stars["g_mag"].to_value(u.mag)
    sigma = np.exp(np.interp(g_mag, _G, np.log(_PARALLAX_ERROR)) + rng.normal(0, 0.2, n))
    true = {name: stars[name].value for name in ("parallax", "pmra", "pmdec")}
    scale = {"parallax": 1.0, "pmra": 1.03, "pmdec": 0.95}
    lost = (g_mag > FAINT_LIMIT) | (rng.random(n) < np.interp(g_mag, [15, 19, 20.7, 21], [0.005, 0.02, 0.2, 0.4]))
    table = QTable()
    for name, unit in (("parallax", u.mas), ("pmra", u.mas / u.yr), ("pmdec", u.mas / u.yr)):
        error = sigma * scale[name] * np.exp(rng.normal(0, 0.08, n))
        value = true[name] + rng.normal(0, 1.05, n) * error + rng.normal(0, 0.015, n)
        table[name] = np.where(lost, np.nan, value) * unit
        table[name + "_error"] = np.where(lost, np.nan, error) * unit
    table["ruwe"] = np.where(lost, np.nan, np.exp(np.abs(rng.normal(0, 0.05, n))))
    table["phot_g_mean_mag"] = np.where(g_mag > FAINT_LIMIT, np.nan, g_mag + rng.normal(0, 0.005, n)) * u.mag
    colour_error = np.interp(g_mag, [15, 18, 20, 21], [0.003, 0.02, 0.10, 0.25])
    table["bp_rp"] = (
        np.where(g_mag > FAINT_LIMIT, np.nan, stars["bp_rp"].value + rng.normal(0, 1, n) * colour_error) * u.mag
    )
    return table
