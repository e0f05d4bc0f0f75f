# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""All scores of one method on one set of stars, and how several sets scatter."""

from dataclasses import dataclass

import numpy as np
from astropy import units as u

from ..metrics import accuracy, class_scores, expected_calibration_error, log_loss, within_one_class
from .radii import coverage, one_sigma_interval, radius_errors

__all__ = ["Scores", "answered_class", "judge", "mean_and_spread"]

_NAN = float("nan")


@dataclass(frozen=True)
class Scores:
    """What `judge` says of a method. What the method does not answer is NaN.

    Attributes
    ----------
    accuracy, balanced_accuracy, within_one_class : float
        Shares, from 0 to 1.
    f1 : ndarray, shape (C,)
        By class, in the order of the prediction's classes.
    log_loss, ece : float
        Of the probabilities: log loss in nats, expected calibration error in 15 bins.
    mae : `~astropy.units.Quantity`
        Mean absolute error of the radius in solar radii.
    sigma : `~astropy.units.Quantity`
        Standard deviation of the radius residuals in solar radii.
    mae_dex, mae_percent, sigma_dex, sigma_percent, robust_sigma_dex, offset_dex : float
        Of the radius, see `stellarclass.evaluation.radii.RadiusErrors`.
    coverage_68, coverage_90 : float
        Share of the true radii within ``radius_err``, and within the interval at 90 %.
    answered : float
        Share of the stars with a radius.
    """

    accuracy: float
    balanced_accuracy: float
    within_one_class: float
    f1: np.ndarray
    log_loss: float
    ece: float
    mae: u.Quantity
    sigma: u.Quantity
    mae_dex: float
    mae_percent: float
    sigma_dex: float
    sigma_percent: float
    robust_sigma_dex: float
    offset_dex: float
    coverage_68: float
    coverage_90: float
    answered: float


def answered_class(prediction):
    """Most probable class of each star.

    Parameters
    ----------
    prediction : `~stellarclass.nets.prediction.Prediction`
        Of N stars.

    Returns
    -------
    ndarray of str, shape (N,)
        Empty where there are no probabilities.
    """
    p = prediction.probabilities
    known = np.isfinite(p).all(1)
    return np.where(known, np.array(prediction.classes)[np.where(known[:, None], p, 0).argmax(1)], "")


@u.quantity_input(radius=u.solRad)
def judge(prediction, *, label, radius):
    """Score a prediction.

    Parameters
    ----------
    prediction : `~stellarclass.nets.prediction.Prediction`
        Of N stars.
    label : array-like of str, shape (N,)
        True classes.
    radius : `~astropy.units.Quantity`, shape (N,)
        True radii; NaN or masked where unknown.

    Returns
    -------
    Scores
        Classes are scored over all N stars, probabilities and radii over those that have them.

    Raises
    ------
    TypeError, `~astropy.units.UnitsError`
        If ``radius`` is a bare number or no length.
    ValueError
        If lengths differ.

    Examples
    --------
    >>> import numpy as np
    >>> from astropy import units as u
    >>> from stellarclass.astrometry import Astrometry
    >>> from stellarclass.evaluation.baselines import StefanBoltzmann
    >>> from stellarclass.evaluation.scores import judge
    >>> from stellarclass.simulate import draw_stars, observe_astrometry, render_stars
    >>> stars = draw_stars(50, seed=1, r_range=(15, 17) * u.mag)
    >>> gaia = Astrometry.from_table(observe_astrometry(stars, seed=2))
    >>> answer = StefanBoltzmann().predict(render_stars(stars, seed=3), gaia)
    >>> scores = judge(answer, label=np.full(50, "G"), radius=stars["radius"])
    >>> scores.mae.unit, bool(np.isnan(scores.accuracy))
    (Unit("solRad"), True)
    """
    label = np.asarray(label).astype(str)
    known = np.isfinite(prediction.probabilities).all(1)
    classes, options = answered_class(prediction), {"classes": prediction.classes}
    found = dict.fromkeys(("accuracy", "balanced_accuracy", "within_one_class", "log_loss", "ece"), _NAN)
    found["f1"] = np.full(len(prediction.classes), _NAN)
    if known.any():
        by_class = class_scores(label, classes, **options)
        found |= {
            "accuracy": accuracy(label, classes),
            "balanced_accuracy": by_class.balanced_accuracy,
            "within_one_class": within_one_class(label, classes, **options),
            "f1": by_class.f1,
            "log_loss": log_loss(label[known], prediction.probabilities[known], **options),
            "ece": expected_calibration_error(label[known], prediction.probabilities[known], **options),
        }
    return Scores(**found, **_radius_scores(prediction, radius))


def _radius_scores(prediction, radius):
    answer, error = prediction.radius * u.solRad, prediction.radius_err * u.solRad
    ends = prediction.radius_lower * u.solRad, prediction.radius_upper * u.solRad
    found = {
        "coverage_68": float(coverage(radius, *one_sigma_interval(answer, error))["coverage"][0]),
        "coverage_90": float(coverage(radius, *ends)["coverage"][0]),
    }
    names = ("mae_dex", "mae_percent", "sigma_dex", "sigma_percent", "robust_sigma_dex", "offset_dex")
    try:
        radii = radius_errors(radius, answer)
    except ValueError:  # no radius is known, or none was answered
        nothing = {"mae": _NAN * u.solRad, "sigma": _NAN * u.solRad, "answered": 0.0}
        return found | nothing | dict.fromkeys(names, _NAN)
    return found | {name: getattr(radii, name) for name in ("mae", "sigma", "answered", *names)}


def mean_and_spread(scores, name):
    """Mean of one score over several sets of stars, and their standard deviation.

    Parameters
    ----------
    scores : sequence of Scores
        One for each set (each seed), at least one.
    name : str
        Attribute of `Scores`.

    Returns
    -------
    mean, spread : float, ndarray or `~astropy.units.Quantity`
        The spread is that of one set (with n - 1), NaN for a single set.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> from stellarclass.evaluation.scores import mean_and_spread
    >>> mean, spread = mean_and_spread([SimpleNamespace(ece=0.01), SimpleNamespace(ece=0.03)], "ece")
    >>> round(float(mean), 3), round(float(spread), 3)
    (0.02, 0.014)
    """
    values = [getattr(s, name) for s in scores]
    values = u.Quantity(values) if isinstance(values[0], u.Quantity) else np.array(values, float)
    spread = values.std(0, ddof=1) if len(values) > 1 else values[0] * _NAN
    return values.mean(0), spread
