# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Calibrate an ensemble on stars it was not trained on: probabilities, class sets, radius intervals, domain."""

import dataclasses

import numpy as np
from scipy.optimize import minimize

from ..nets.combination import calibrate, class_sets, conformal_threshold
from ..nets.ensemble import Ensemble
from ..stamps.photometric import FEATURES

__all__ = [
    "DOMAIN_FALSE_ALARM",
    "PARALLAX_SNR_EDGES",
    "calibrate_ensemble",
    "fit_domain",
    "fit_radius",
    "fit_radius_groups",
    "fit_scaling",
]

_SIGMA_LEVEL = 0.6826895
DOMAIN_FALSE_ALARM = 0.005
"""Share of in-domain stars that each of the two tests (distance, intruder) flags as out of domain."""
PARALLAX_SNR_EDGES = (3.0, 10.0, 30.0)
"""Parallax S/N at which radii are calibrated anew; stars without a parallax are a group of their own."""
_MIN_GROUP = 100


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
        True minus predicted log10 of the radius.
    sigma : ndarray, shape (N,)
        Predicted standard deviation of it.
    level : float
        Coverage of the interval.

    Returns
    -------
    dict
        ``scale``, ``lower``, ``upper`` for the card's ``radius_calibration``: 68 % of the radii lie within the
        ``radius_err`` that the output table holds, ``ln(10) * radius * scale * sigma`` on either side of ``radius``,
        and half of what is left over by ``level`` beyond each end of the interval.

    Examples
    --------
    >>> import numpy as np
    >>> from stellarclass.training.calibrate import fit_radius
    >>> residual = np.random.default_rng(1).normal(0, 0.02, 100_000)
    >>> fitted = fit_radius(residual, np.full(100_000, 0.01), level=0.9)
    >>> {name: round(value, 1) for name, value in fitted.items()}
    {'scale': 2.0, 'lower': -1.6, 'upper': 1.6}
    """
    # In units of the radius itself, since that is how an error in solar radii is read.
    scale = float(np.quantile(np.abs(10**residual - 1) / (np.log(10) * sigma), _SIGMA_LEVEL))
    lower, upper = np.quantile(residual / sigma / scale, [(1 - level) / 2, (1 + level) / 2])
    return {"scale": scale, "lower": float(min(lower, 0)), "upper": float(max(upper, 0))}


def fit_radius_groups(residual, sigma, *, bins, classes, shape, level):
    """`fit_radius` for each bin of parallax S/N and each class.

    Parameters
    ----------
    residual, sigma : ndarray, shape (N,)
        As for `fit_radius`.
    bins, classes : ndarray of int, shape (N,)
        Group of each star.
    shape : tuple of int
        Number of bins and of classes.
    level : float
        Coverage of the interval.

    Returns
    -------
    dict
        ``scale``, ``lower``, ``upper``, each a table of that shape. A group of fewer than 100 stars takes the figures
        of its whole bin.
    """
    tables = {name: np.empty(shape) for name in ("scale", "lower", "upper")}
    for k in range(shape[0]):
        for c in range(shape[1]):
            chosen = (bins == k) & (classes == c)
            if chosen.sum() < _MIN_GROUP:
                chosen = bins == k
            if chosen.sum() < _MIN_GROUP:
                chosen = np.ones(len(bins), bool)
            for name, value in fit_radius(residual[chosen], sigma[chosen], level=level).items():
                tables[name][k, c] = value
    return {name: table.round(4).tolist() for name, table in tables.items()}


def fit_domain(features, intruder_probability=None):
    """Center, precision and limits of the training domain.

    Parameters
    ----------
    features : ndarray, shape (N, F)
        Of calibration stars, all finite.
    intruder_probability : ndarray, shape (N,), optional
        What the networks say of these same stars.

    Returns
    -------
    dict
        For the card's ``domain``; each limit leaves `DOMAIN_FALSE_ALARM` of these stars outside.
    """
    features = features.astype(float)
    center = features.mean(0)
    covariance = np.cov(features.T)
    # Columns that hardly vary (indicators) would make tiny denominators: each gets a floor of a percent.
    covariance[np.diag_indices_from(covariance)] += 1e-4 + 1e-3 * np.diag(covariance)
    precision = np.linalg.inv(covariance)
    offset = features - center
    distance = np.sqrt(np.einsum("nd,de,ne->n", offset, precision, offset))
    digits = np.vectorize(lambda v: float(f"{v:.6g}"))
    domain = {
        "input": "features",
        "center": digits(center).tolist(),
        "precision": digits(precision).tolist(),
        "limit": float(np.quantile(distance, 1 - DOMAIN_FALSE_ALARM)),
    }
    if intruder_probability is not None:
        domain["intruder_limit"] = float(np.quantile(intruder_probability, 1 - DOMAIN_FALSE_ALARM))
    return domain


def calibrate_ensemble(ensemble, data):
    """A new ensemble of the same networks whose card holds calibrations fitted to ``data``.

    Parameters
    ----------
    ensemble : `~stellarclass.nets.ensemble.Ensemble`
        Of compact networks on the recipe ``photometric``. Its system ``pecaut_mamajek``, radius and domain are
        calibrated; what it holds of these is replaced, not added to.
    data : dict of str to ndarray
        Set of `stellarclass.training.simulated.make_training_set` that no member has seen.

    Returns
    -------
    `~stellarclass.nets.ensemble.Ensemble`
    dict
        Figures measured on these very stars, for the card: for ``pecaut_mamajek`` ``accuracy``, ``log_loss``,
        ``class_set_coverage``, ``class_set_size``; for the ``radius`` ``mae_dex``, ``robust_sigma_dex``; for
        ``intruders`` the share of them that are ``found``.

    Raises
    ------
    ValueError
        If the ensemble's radius is not in log10 space.
    """
    if ensemble.card.radius_space != "log10":
        raise ValueError(f"radius space {ensemble.card.radius_space!r}; only 'log10' can be calibrated here")
    inputs = {k: v for k, v in data.items() if not k.startswith("target_")}
    star = data["target_intruder"] < 0.5
    system, level = "pecaut_mamajek", ensemble.card.levels["radius_interval"]
    plain = {**ensemble.card.label_systems[system], "calibration": {}}
    # With limits like these the domain score is how likely an intruder each star is, and answers stay as they are.
    domain = fit_domain(data["features"][star]) | {"limit": 1e30, "intruder_limit": 1.0}
    raw = _recard(ensemble, {system: plain}, domain=domain).predict(inputs, label_system=system)
    domain = fit_domain(data["features"][star], raw.domain_score[star])

    targets = data[f"target_{system}"][star].astype(float)
    labels = targets.argmax(1)
    log_p = np.log(raw.probabilities[star].clip(1e-12))
    temperature, bias = fit_scaling(log_p, targets)
    p = calibrate(log_p, temperature=temperature, bias=bias)
    threshold = conformal_threshold(p, labels, level=ensemble.card.levels["class_set"])
    members, rows = class_sets(p, threshold), np.arange(len(p))
    entry = {
        **plain,
        "calibration": {"temperature": temperature, "bias": bias.tolist(), "threshold": threshold},
        "class_mix": targets.mean(0).clip(1e-6).tolist(),
    }

    mean, sigma = np.log10(raw.radius[star]), (raw.radius_err / (np.log(10) * raw.radius))[star]
    residual = data["target_log_radius"][star] - mean
    groups = {
        "input": "features",
        "column": FEATURES.index("parallax_snr"),
        "present": FEATURES.index("has_parallax"),
        "edges": [round(float(np.arcsinh(v)), 4) for v in PARALLAX_SNR_EDGES],
        "label_system": system,
    }
    features = data["features"][star]
    bins = 1 + np.searchsorted(groups["edges"], features[:, groups["column"]], side="right")
    bins = np.where(features[:, groups["present"]] > 0.5, bins, 0)
    shape = (len(PARALLAX_SNR_EDGES) + 2, p.shape[1])
    # Grouped by the class as `Ensemble.predict` finds it there, before calibration.
    radius = fit_radius_groups(residual, sigma, bins=bins, classes=log_p.argmax(1), shape=shape, level=level)
    domain["radius_sigma"] = round(float(np.std(data["target_log_radius"][star])), 3)
    metrics = {
        system: {
            "accuracy": float((p.argmax(1) == labels).mean()),
            "log_loss": float(-np.log(p[rows, labels].clip(1e-12)).mean()),
            "class_set_coverage": float(members[rows, labels].mean()),
            "class_set_size": float(members.sum(1).mean()),
        },
        "radius": {
            "mae_dex": float(np.abs(residual).mean()),
            "robust_sigma_dex": float(1.4826 * np.median(np.abs(residual))),
        },
        "intruders": {"found": float((raw.domain_score[~star] > domain["intruder_limit"]).mean())},
    }
    return _recard(ensemble, {system: entry}, radius_calibration={**radius, "groups": groups}, domain=domain), metrics


def _recard(ensemble, systems, *, radius_calibration=None, domain=None):
    """The same networks with other calibrations on the card."""
    card = dataclasses.replace(
        ensemble.card,
        label_systems={**ensemble.card.label_systems, **systems},
        radius_calibration=radius_calibration or {},
        domain=domain,
    )
    return Ensemble(ensemble.members, card, device=ensemble.device)
