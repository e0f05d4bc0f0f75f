# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Gaia's parallaxes are a little too small: the corrections of Lindegren et al. 2021 (A&A 649, A4)."""

import numpy as np

from ..exceptions import InputError

__all__ = ["ZERO_POINTS", "check_zero_point", "correct_parallax", "zero_point_columns"]

ZERO_POINTS = ("none", "global", "lindegren")

GLOBAL_ZERO_POINT = -0.017
"""Median parallax of quasars in mas (Lindegren et al. 2021, section 4)."""

RECIPE_COLUMNS = ("nu_eff_used_in_astrometry", "pseudocolour", "ecl_lat", "astrometric_params_solved")


def check_zero_point(name):
    """Return ``name`` if it is one of `ZERO_POINTS` and can be applied here.

    Raises
    ------
    stellarclass.exceptions.InputError
        If it is not, or needs a package that is not installed.
    """
    if name not in ZERO_POINTS:
        raise InputError(f"zero_point must be one of {', '.join(map(repr, ZERO_POINTS))}, not {name!r}")
    if name == "lindegren":
        _recipe()
    return name


def zero_point_columns(name):
    """Columns of Gaia that a correction needs beyond those of every candidate."""
    return RECIPE_COLUMNS if name == "lindegren" else ()


def correct_parallax(name, rows):
    """Subtract the zero point from the parallaxes of Gaia rows.

    Parameters
    ----------
    name : str
        ``"none"``; ``"global"``, the one median value; or ``"lindegren"``, the recipe by magnitude, color and
        ecliptic latitude. Where the recipe does not reach (G outside 6 to 21, color outside its range or missing)
        the global value stands in.
    rows : mapping of str to array_like
        With ``parallax`` and what `zero_point_columns` and G need.

    Returns
    -------
    masked array
        Parallaxes in mas.
    """
    parallax = np.ma.masked_invalid(np.ma.asarray(rows["parallax"]).astype(float))
    if name == "none":
        return parallax
    zero_point = np.full(len(parallax), GLOBAL_ZERO_POINT)
    if name == "lindegren":
        columns = [np.ma.asarray(rows[c]).astype(float).filled(np.nan) for c in ("phot_g_mean_mag", *RECIPE_COLUMNS)]
        known = np.isin(columns[-1], (31, 95))  # five- and six-parameter solutions
        if known.any():
            recipe = _recipe().get_zpt(*(c[known] for c in columns), _warnings=False)
            zero_point[known] = np.where(np.isfinite(recipe), recipe, GLOBAL_ZERO_POINT)
    return parallax - zero_point


def _recipe():
    try:
        from zero_point import zpt
    except ImportError as error:
        raise InputError(
            "zero_point='lindegren' needs the package gaiadr3-zeropoint: pip install 'stellarclass[zeropoint]'; "
            "zero_point='global' needs nothing"
        ) from error
    if not hasattr(zpt, "g_5"):
        zpt.load_tables()
    return zpt
