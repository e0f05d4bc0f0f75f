# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Gaia's errors as the simulation draws them, beside those that real rows quote."""

from itertools import pairwise

import numpy as np
from astropy import units as u
from astropy.table import QTable
from scipy.spatial import cKDTree

from ..simulate import observe_astrometry

__all__ = ["compare_gaia"]


@u.quantity_input(width=u.mag)
def compare_gaia(table, *, seed=0, width=1 * u.mag):
    """Gaia's quoted errors beside those that the simulation gives the same stars.

    Parameters
    ----------
    table : `~astropy.table.Table`
        Real rows: ``phot_g_mean_mag``, ``parallax``, ``parallax_error``, ``pmra``, ``pmra_error``, ``pmdec``,
        ``pmdec_error``, if there are any also ``bp_rp``, ``ra``, ``dec``.
    seed : int
        Of the simulated errors.
    width : `~astropy.units.Quantity`
        Of the bins in G.

    Returns
    -------
    `~astropy.table.QTable`
        A row per bin with at least ten stars: ``g_mag`` (its middle), ``n_stars``, and for each of parallax, pmra,
        pmdec the median error ``..._real`` and ``..._simulated``.
    """
    g = _column(table, "phot_g_mean_mag", u.mag)
    usable = np.isfinite(g) & np.isfinite(_column(table, "parallax_error", u.mas)) & (g < 21)
    units = {"parallax": u.mas, "pmra": u.mas / u.yr, "pmdec": u.mas / u.yr}
    stars = QTable({"g_mag": g[usable] * u.mag})
    bp_rp = _column(table, "bp_rp", u.mag)[usable] if "bp_rp" in table.colnames else np.full(usable.sum(), np.nan)
    stars["bp_rp"] = np.where(np.isfinite(bp_rp), bp_rp, 0.9) * u.mag
    for name, unit in units.items():
        stars[name] = np.nan_to_num(_column(table, name, unit)[usable]) * unit
    stars["radius"], stars["teff"] = np.full(len(stars), 1.0) * u.solRad, np.full(len(stars), 5800.0) * u.K
    if {"ra", "dec"} <= set(table.colnames):
        for name in ("ra", "dec"):
            stars[name] = _column(table, name, u.deg)[usable] * u.deg
        density = _density(stars["ra"].value, stars["dec"].value)
    else:
        density = 2.0
    seen = observe_astrometry(stars, seed=seed, density=density / u.arcmin**2)
    step = width.to_value(u.mag)
    edges = np.arange(np.floor(g[usable].min(initial=21)), 21 + step, step)
    rows = []
    for low, high in pairwise(edges):
        part = (g[usable] >= low) & (g[usable] < high)
        if part.sum() < 10:
            continue
        row = {"g_mag": (low + high) / 2 * u.mag, "n_stars": int(part.sum())}
        for name, unit in units.items():
            row[name + "_real"] = np.nanmedian(_column(table, name + "_error", unit)[usable][part]) * unit
            row[name + "_simulated"] = np.nanmedian(seen[name + "_error"].to_value(unit)[part]) * unit
        rows.append(row)
    return QTable(rows) if rows else QTable()


def _density(ra, dec, neighbors=20):
    """Sources of the table per square arcminute around each of them."""
    if len(ra) <= neighbors:
        return np.full(len(ra), 2.0)
    places = 60 * np.stack([(ra - np.median(ra) + 180) % 360 * np.cos(np.radians(dec)), dec], 1)
    distance = cKDTree(places).query(places, k=neighbors + 1)[0][:, -1]
    return neighbors / (np.pi * np.maximum(distance, 0.05) ** 2)


def _column(table, name, unit):
    column = table[name]
    values = u.Quantity(np.ma.filled(np.ma.asarray(getattr(column, "value", column)).astype(float), np.nan))
    own = getattr(column, "unit", None)
    return (values.value * (own or unit)).to_value(unit)
