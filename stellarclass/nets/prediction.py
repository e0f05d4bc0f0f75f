# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`Prediction`: what an ensemble says of N stars, in NumPy."""

from dataclasses import dataclass

import numpy as np

__all__ = ["Prediction"]


@dataclass(frozen=True)
class Prediction:
    """Calibrated answer of an ensemble for N stars.

    Attributes
    ----------
    classes : tuple of str
        Names of the C classes that the ensemble knows, e.g. ``("A", "F", "G", "K", "M")``.
    probabilities : ndarray, shape (N, C), float64
        Class probabilities; rows sum to 1.
    class_sets : ndarray, shape (N, C), bool
        Conformal set at the card's level; never empty.
    radius : ndarray, shape (N,), float64
        Ensemble mean in solar radii.
    radius_err : ndarray, shape (N,), float64
        Total standard deviation in solar radii, spread between members included.
    radius_lower, radius_upper : ndarray, shape (N,), float64
        Interval at the card's level, in solar radii.
    radius_spread : ndarray, shape (N,), float64
        Standard deviation of the members' means, in solar radii.
    domain_score : ndarray, shape (N,), float64
        Distance from the training domain in units of its limit: above 1 is out of domain; NaN if the card has none.
    """

    classes: tuple
    probabilities: np.ndarray
    class_sets: np.ndarray
    radius: np.ndarray
    radius_err: np.ndarray
    radius_lower: np.ndarray
    radius_upper: np.ndarray
    radius_spread: np.ndarray
    domain_score: np.ndarray
