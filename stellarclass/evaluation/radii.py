# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Scores of radii and of their uncertainties."""

from dataclasses import dataclass

import numpy as np
from astropy import units as u
from astropy.table import Table
from astropy.utils.masked import Masked

__all__ = ["PARALLAX_BINS", "RadiusErrors", "coverage", "one_sigma_interval", "parallax_bin", "radius_errors"]

PARALLAX_BINS = ("< 3", "3-10", "10-30", "> 30", "none")
"""Names of the bins of `parallax_bin`."""

_BIN_EDGES = (3.0, 10.0, 30.0)


@dataclass(frozen=True)
class RadiusErrors:
    """How far radii are from the truth. Over the stars that have both.

    Attributes
    ----------
    n : int
        Stars with an answer and a true radius, both above 0.
    answered : float
        Their share among the stars with a true radius.
    mae : `~astropy.units.Quantity`
        Mean absolute error in solar radii.
    sigma : `~astropy.units.Quantity`
        Standard deviation of answer minus truth, in solar radii.
    robust_sigma : `~astropy.units.Quantity`
        1.4826 times the median absolute deviation of the same: what is left of sigma without outliers.
    mae_percent : float
        Mean of ``|answer - truth| / truth`` in per cent.
    mae_dex : float
        Mean of ``|log10(answer / truth)|``.
    sigma_percent, sigma_dex : float
        Standard deviations of ``answer / truth``, in per cent, and of ``log10(answer / truth)``.
    offset_dex, robust_sigma_dex : float
        Median of ``log10(answer / truth)`` and 1.4826 times its median absolute deviation.
    """

    n: int
    answered: float
    mae: u.Quantity
    sigma: u.Quantity
    robust_sigma: u.Quantity
    mae_percent: float
    mae_dex: float
    sigma_percent: float
    sigma_dex: float
    offset_dex: float
    robust_sigma_dex: float


def _solar_radii(quantity):
    """Plain numbers in solar radii, NaN where masked."""
    values = quantity.to(u.solRad)
    if isinstance(values, Masked):
        values = values.filled(np.nan)
    return np.atleast_1d(values.value.astype(float))


def _robust_sigma(values):
    return 1.4826 * np.median(np.abs(values - np.median(values)))


@u.quantity_input(truth=u.solRad, answer=u.solRad)
def radius_errors(truth, answer):
    """Compare radii with the truth.

    Parameters
    ----------
    truth, answer : `~astropy.units.Quantity`, shape (N,)
        True radii and answers; NaN or masked where there is none.

    Returns
    -------
    RadiusErrors
        In solar radii, in per cent and in dex: they weigh giants and dwarfs differently.

    Raises
    ------
    TypeError, `~astropy.units.UnitsError`
        If a radius is a bare number or no length.
    ValueError
        If the two differ in length, or no star has both.

    Examples
    --------
    >>> import astropy.units as u
    >>> from stellarclass.evaluation.radii import radius_errors
    >>> errors = radius_errors([1.0, 2.0] * u.solRad, [1.1, 2.2] * u.solRad)
    >>> print(f"{errors.mae:.2f} {errors.mae_percent:.0f} % {errors.mae_dex:.3f} dex")
    0.15 solRad 10 % 0.041 dex
    """
    truth, answer = _solar_radii(truth), _solar_radii(answer)
    if truth.shape != answer.shape:
        raise ValueError(f"{len(truth)} true radii and {len(answer)} answers: one each is meant")
    known = np.isfinite(truth) & (truth > 0)
    both = known & np.isfinite(answer) & (answer > 0)
    if not both.any():
        raise ValueError("no star has both a true radius and an answer")
    t, a = truth[both], answer[both]
    residual, log = a - t, np.log10(a / t)
    return RadiusErrors(
        n=int(both.sum()),
        answered=float(both.sum() / known.sum()),
        mae=np.abs(residual).mean() * u.solRad,
        sigma=residual.std() * u.solRad,
        robust_sigma=_robust_sigma(residual) * u.solRad,
        mae_percent=float(100 * np.abs(residual / t).mean()),
        mae_dex=float(np.abs(log).mean()),
        sigma_percent=float(100 * (residual / t).std()),
        sigma_dex=float(log.std()),
        offset_dex=float(np.median(log)),
        robust_sigma_dex=float(_robust_sigma(log)),
    )


@u.quantity_input(radius=u.solRad, radius_err=u.solRad)
def one_sigma_interval(radius, radius_err):
    """The interval that a radius and its standard deviation mean to who reads a table: 68.3 % of the stars lie in it.

    Parameters
    ----------
    radius, radius_err : `~astropy.units.Quantity`, shape (N,)
        As in the output table.

    Returns
    -------
    lower, upper : `~astropy.units.Quantity`, shape (N,)
        ``radius -/+ radius_err``, not below 0.

    Raises
    ------
    TypeError, `~astropy.units.UnitsError`
        If a radius is a bare number or no length.

    Examples
    --------
    >>> import astropy.units as u
    >>> from stellarclass.evaluation.radii import one_sigma_interval
    >>> one_sigma_interval(2.0 * u.solRad, 0.2 * u.solRad)
    (<Quantity [1.8] solRad>, <Quantity [2.2] solRad>)
    """
    radius, radius_err = _solar_radii(radius), _solar_radii(radius_err)
    return np.maximum(radius - radius_err, 0) * u.solRad, (radius + radius_err) * u.solRad


@u.quantity_input(truth=u.solRad, lower=u.solRad, upper=u.solRad)
def coverage(truth, lower, upper, *, groups=None):
    """Share of the stars whose true radius lies in its interval, for all and for groups of stars.

    Parameters
    ----------
    truth, lower, upper : `~astropy.units.Quantity`, shape (N,)
        True radii and the ends of the intervals; stars where one is NaN or masked are left out.
    groups : dict of str to ndarray of str, shape (N,), optional
        Name of each star's group, in as many ways as there are keys: class, bin of parallax S/N.

    Returns
    -------
    `~astropy.table.Table`
        Columns ``by`` (key of ``groups``; "all" in the first row), ``group``, ``n``, ``coverage`` and ``error`` (the
        standard deviation that the number of stars allows, by the binomial law).

    Raises
    ------
    TypeError, `~astropy.units.UnitsError`
        If a radius is a bare number or no length.
    ValueError
        If lengths differ.

    Examples
    --------
    >>> import astropy.units as u
    >>> from stellarclass.evaluation.radii import coverage
    >>> truth = [1.0, 1.0, 2.0, 2.0] * u.solRad
    >>> table = coverage(truth, 0.9 * truth, [1.1, 0.95, 2.1, 2.1] * u.solRad, groups={"class": ["G", "G", "A", "A"]})
    >>> print(table["by", "group", "n", "coverage"])
      by  group  n  coverage
    ----- ----- --- --------
      all   all   4     0.75
    class     A   2      1.0
    class     G   2      0.5
    """
    truth, lower, upper = (_solar_radii(q) for q in (truth, lower, upper))
    groups = {k: np.asarray(v).astype(str) for k, v in (groups or {}).items()}
    lengths = {len(v) for v in (truth, lower, upper, *groups.values())}
    if len(lengths) != 1:
        raise ValueError(f"radii, ends and groups of {sorted(lengths)} stars: one each is meant")
    good = np.isfinite(truth) & np.isfinite(lower) & np.isfinite(upper)
    inside = (truth >= lower) & (truth <= upper)
    rows = [("all", "all", good)]
    for by, names in groups.items():
        rows += [(by, name, good & (names == name)) for name in np.unique(names)]
    table = Table(names=("by", "group", "n", "coverage", "error"), dtype=("U32", "U32", int, float, float))
    for by, name, where in rows:
        n = int(where.sum())
        share = inside[where].mean() if n else np.nan
        table.add_row((by, name, n, share, np.sqrt(share * (1 - share) / n) if n else np.nan))
    return table


@u.quantity_input(parallax=u.mas, parallax_error=u.mas)
def parallax_bin(parallax, parallax_error):
    """Bin of the signal-to-noise ratio of parallaxes.

    Parameters
    ----------
    parallax, parallax_error : `~astropy.units.Quantity`, shape (N,)
        Parallax, which may be negative, and its error; NaN or masked where there is none.

    Returns
    -------
    ndarray of str, shape (N,)
        One of `PARALLAX_BINS`.

    Raises
    ------
    TypeError, `~astropy.units.UnitsError`
        If a parallax is a bare number or no angle.

    Examples
    --------
    >>> import astropy.units as u
    >>> from stellarclass.evaluation.radii import parallax_bin
    >>> print(parallax_bin([-0.2, 1.0, float("nan")] * u.mas, [0.1, 0.1, 0.1] * u.mas))
    ['< 3' '10-30' 'none']
    """
    ratio = parallax / parallax_error
    if isinstance(ratio, Masked):
        ratio = ratio.filled(np.nan)
    ratio = np.atleast_1d(ratio.to_value(u.dimensionless_unscaled))
    place = np.searchsorted(_BIN_EDGES, np.nan_to_num(ratio), side="right")
    return np.array(PARALLAX_BINS)[np.where(np.isfinite(ratio), place, len(PARALLAX_BINS) - 1)]
