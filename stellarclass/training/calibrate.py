# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Calibrate an ensemble on stars it was not trained on: probabilities, class sets, radius intervals, domain."""

import dataclasses

import numpy as np
from scipy.optimize import minimize

from ..nets.combination import calibrate, class_sets, conformal_threshold
from ..nets.ensemble import Ensemble

__all__ = ["DOMAIN_FALSE_ALARM", "calibrate_ensemble", "fit_domain", "fit_radius", "fit_scaling"]

_SIGMA_LEVEL = 0.6826895
DOMAIN_FALSE_ALARM = 0.005
"""Share of in-domain stars that are flagged as out of domain."""


def fit_scaling(log_probabilities, targets, *, biased=True):
    """Temperature and class biases that make probabilities most likely (vector scaling with one temperature).

    Parameters
    ----------
    log_probabilities : ndarray, shape (N, C)
        Logarithms of the ensemble's uncalibrated probabilities.
    targets : ndarray, shape (N, C)
        True class as 0 and 1, or its probabilities.
    biased : bool
        Whether each class has its own offset; else the biases are 0.

    Returns
    -------
    temperature : float
    bias : ndarray, shape (C,)
        Sums to 0.

    Notes
    -----
    Guo et al. (2017, ICML 70, 1321), with the scale of all classes tied.

    Examples
    --------
    Probabilities whose logarithms are twice too large:

    >>> import numpy as np
    >>> from stellarclass.training.calibrate import fit_scaling
    >>> true = np.array([[0.8, 0.2], [0.3, 0.7], [0.5, 0.5]])
    >>> temperature, bias = fit_scaling(2 * np.log(true), true)
    >>> round(temperature, 1)
    2.0
    """
    n_classes = log_probabilities.shape[1]

    def loss(p):
        q = calibrate(log_probabilities, temperature=np.exp(p[0]), bias=p[1:] - p[1:].mean() if biased else 0.0)
        return -(targets * np.log(q.clip(1e-12))).sum(1).mean() + 1e-4 * (p**2).sum()

    p = minimize(loss, np.zeros(n_classes + 1), method="L-BFGS-B").x
    return float(np.exp(p[0])), (p[1:] - p[1:].mean()) * biased


def fit_radius(residual, sigma, *, level):
    """Scale of the standard deviation and ends of the interval.

    Parameters
    ----------
    residual : ndarray, shape (N,)
        True minus predicted, in the ensemble's radius space.
    sigma : ndarray, shape (N,)
        Predicted standard deviation there.
    level : float
        Coverage of the interval.

    Returns
    -------
    dict
        ``scale``, ``lower``, ``upper`` for the card's ``radius_calibration``: 68 % of the stars lie within the scaled
        sigma, and half of what is left over by ``level`` beyond each end.

    Examples
    --------
    >>> import numpy as np
    >>> from stellarclass.training.calibrate import fit_radius
    >>> residual = np.random.default_rng(1).normal(0, 0.2, 100_000)
    >>> fitted = fit_radius(residual, np.full(100_000, 0.1), level=0.9)
    >>> {name: round(value, 1) for name, value in fitted.items()}
    {'scale': 2.0, 'lower': -1.6, 'upper': 1.6}
    """
    z = residual / sigma
    scale = float(np.quantile(np.abs(z), _SIGMA_LEVEL))
    lower, upper = np.quantile(z / scale, [(1 - level) / 2, (1 + level) / 2])
    return {"scale": scale, "lower": float(min(lower, 0)), "upper": float(max(upper, 0))}


def fit_domain(features):
    """Center, precision and limit of the training domain in feature space.

    Parameters
    ----------
    features : ndarray, shape (N, F)
        Of calibration stars, all finite.

    Returns
    -------
    dict
        For the card's ``domain``; the limit leaves `DOMAIN_FALSE_ALARM` of these stars outside.
    """
    features = features.astype(float)
    center = features.mean(0)
    covariance = np.cov(features.T)
    # Columns that hardly vary (indicators) would make tiny denominators: each gets a floor of a percent.
    covariance[np.diag_indices_from(covariance)] += 1e-4 + 1e-3 * np.diag(covariance)
    precision = np.linalg.inv(covariance)
    offset = features - center
    distance = np.sqrt(np.einsum("nd,de,ne->n", offset, precision, offset))
    limit = float(np.quantile(distance, 1 - DOMAIN_FALSE_ALARM))
    digits = np.vectorize(lambda v: float(f"{v:.6g}"))
    return {
        "input": "features",
        "center": digits(center).tolist(),
        "precision": digits(precision).tolist(),
        "limit": limit,
    }


def calibrate_ensemble(ensemble, data, *, seed):
    """A new ensemble of the same networks whose card holds calibrations fitted to ``data``.

    Parameters
    ----------
    ensemble : `~stellarclass.nets.ensemble.Ensemble`
        Radius in log10 space. Calibrations that its card may hold are replaced, not added to.
    data : dict of str to ndarray
        Set of `stellarclass.training.simulated.make_training_set` that no member has seen.
    seed : int
        Draws labels from their probabilities for the class sets.

    Returns
    -------
    `~stellarclass.nets.ensemble.Ensemble`
    dict
        Figures measured on ``data`` after calibration, for the card: per label system ``accuracy``, ``log_loss``,
        ``class_set_coverage``, ``class_set_size``; for the ``radius`` ``mae_dex``, ``robust_sigma_dex``.

    Raises
    ------
    ValueError
        If the ensemble's radius is not in log10 space.
    """
    if ensemble.card.radius_space != "log10":
        raise ValueError(f"radius space {ensemble.card.radius_space!r}; only 'log10' can be calibrated here")
    rng = np.random.default_rng(seed)
    inputs = {k: v for k, v in data.items() if not k.startswith("target_")}
    card = dataclasses.replace(
        ensemble.card,
        label_systems={k: {**v, "calibration": {}} for k, v in ensemble.card.label_systems.items()},
        radius_calibration={},
        domain=None,
    )
    ensemble = Ensemble(ensemble.members, card, device=ensemble.device)
    metrics, systems = {}, {}
    for system, entry in card.label_systems.items():
        targets = data[f"target_{system}"].astype(float)
        raw = ensemble.predict(inputs, label_system=system)
        log_p = np.log(raw.probabilities.clip(1e-12))
        temperature, bias = fit_scaling(log_p, targets)
        p = calibrate(log_p, temperature=temperature, bias=bias)
        labels = (rng.random((len(p), 1)) > np.cumsum(targets, 1)).sum(1).clip(0, p.shape[1] - 1)
        threshold = conformal_threshold(p, labels, level=card.levels["class_set"])
        systems[system] = {
            **entry,
            "calibration": {"temperature": temperature, "bias": bias.tolist(), "threshold": threshold},
        }
        members = class_sets(p, threshold)
        metrics[system] = {
            "accuracy": float((p.argmax(1) == labels).mean()),
            "log_loss": float(-np.log(p[np.arange(len(p)), labels].clip(1e-12)).mean()),
            "class_set_coverage": float(members[np.arange(len(p)), labels].mean()),
            "class_set_size": float(members.sum(1).mean()),
        }
    mean, sigma = np.log10(raw.radius), raw.radius_err / (np.log(10) * raw.radius)
    residual = data["target_log_radius"] - mean
    radius = fit_radius(residual, sigma, level=card.levels["radius_interval"])
    metrics["radius"] = {
        "mae_dex": float(np.abs(residual).mean()),
        "robust_sigma_dex": float(1.4826 * np.median(np.abs(residual))),
    }
    card = dataclasses.replace(
        card, label_systems=systems, radius_calibration=radius, domain=fit_domain(data["features"])
    )
    return Ensemble(ensemble.members, card, device=ensemble.device), metrics
