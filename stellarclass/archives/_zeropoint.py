# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Taking the zero point off the parallaxes of Gaia rows, with whatever columns they have."""

import numpy as np

from ..exceptions import InputError
from ..zeropoint import (
    GLOBAL_ZERO_POINT,
    ecliptic_latitude,
    effective_wavenumber,
    five_parameter_zero_point,
    six_parameter_zero_point,
)

__all__ = ["RECIPE_COLUMNS", "ZERO_POINTS", "check_zero_point", "correct_parallax", "with_zero_point"]

ZERO_POINTS = ("none", "global", "lindegren")

RECIPE_COLUMNS = ("nu_eff_used_in_astrometry", "pseudocolour", "astrometric_params_solved")
"""What the recipe takes beyond the columns of every candidate; it can do without."""

SIX_PARAMETERS = 95
"""Of ``astrometric_params_solved``."""


def check_zero_point(name):
    """Return ``name`` if it is one of `ZERO_POINTS`.

    Raises
    ------
    stellarclass.exceptions.InputError
        If it is not.
    """
    if name not in ZERO_POINTS:
        raise InputError(f"zero_point must be one of {', '.join(map(repr, ZERO_POINTS))}, not {name!r}")
    return name


def with_zero_point(name, zero_point):
    """Name of a source, with what was done to its parallaxes."""
    return name if zero_point == "none" else f"{name} (parallax zero point: {zero_point})"


def correct_parallax(name, rows):
    """Subtract the zero point from the parallaxes of Gaia rows.

    Parameters
    ----------
    name : str
        ``"none"``; ``"global"``, the one median value; or ``"lindegren"``, the recipe by magnitude, color and
        ecliptic latitude. Its color is the one that was used in the astrometry, else that of BP-RP; where there is
        neither, or no G, the global value stands in.
    rows : dict of str to array_like
        Gaia's columns by name and in Gaia's units: ``parallax``, and what there is of ``ra``, ``dec``,
        ``phot_g_mean_mag``, ``bp_rp`` and `RECIPE_COLUMNS`. Masked and NaN are missing.

    Returns
    -------
    masked array
        Parallaxes in mas.
    """
    parallax = np.ma.masked_invalid(np.ma.asarray(rows["parallax"]).astype(float))
    if name == "none":
        return parallax
    if name == "global":
        return parallax - GLOBAL_ZERO_POINT
    recipe = _recipe(rows, len(parallax))
    return parallax - np.where(np.isfinite(recipe), recipe, GLOBAL_ZERO_POINT)


def _recipe(rows, n):
    """Zero points of Lindegren et al. (2021, A&A 649, A4) in mas, NaN where too little is known."""

    def column(name):
        if name not in rows:
            return np.full(n, np.nan)
        return np.ma.filled(np.ma.asarray(rows[name]).astype(float), np.nan)

    wavenumber, pseudocolor, solved = map(column, RECIPE_COLUMNS)
    g_mag, latitude = column("phot_g_mean_mag"), ecliptic_latitude(column("ra"), column("dec"))
    # Gaia gives each source one of the two colors: whose pseudocolor is known was solved for six parameters.
    six = np.where(np.isfinite(solved), solved == SIX_PARAMETERS, np.isnan(wavenumber) & np.isfinite(pseudocolor))
    photometric = effective_wavenumber(column("bp_rp"))
    color = np.where(six, pseudocolor, wavenumber)
    color = np.where(np.isfinite(color), color, photometric)
    return np.where(
        six, six_parameter_zero_point(g_mag, color, latitude), five_parameter_zero_point(g_mag, color, latitude)
    )
