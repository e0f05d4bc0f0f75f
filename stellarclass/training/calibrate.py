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
    "calibrate_radii",
    "class_mix",
    "fit_classes",
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
_GROUP_SYSTEM = "pecaut_mamajek"  # whose classes radii are calibrated by: by color, whatever the labels


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


def fit_classes(log_probabilities, targets, *, level, rng):
    """All that the card holds of the calibration of a label system.

    Parameters
    ----------
    log_probabilities : ndarray, shape (N, C)
        Logarithms of the ensemble's uncalibrated probabilities.
    targets : ndarray, shape (N, C)
        Probabilities of the true classes.
    level : float
        Coverage of the class sets.
    rng : `numpy.random.Generator`
        Draws labels from their probabilities for the class sets.

    Returns
    -------
    dict
        ``calibration`` and ``class_mix`` for the card's entry of the system.
    probabilities : ndarray, shape (N, C)
        Calibrated.
    labels : ndarray of int, shape (N,)
        The labels drawn.
    """
    temperature, bias = fit_scaling(log_probabilities, targets)
    p = calibrate(log_probabilities, temperature=temperature, bias=bias)
    labels = (rng.random((len(p), 1)) > np.cumsum(targets, 1)).sum(1).clip(0, p.shape[1] - 1)
    threshold = conformal_threshold(p, labels, level=level)
    fitted = {
        "calibration": {"temperature": temperature, "bias": bias.tolist(), "threshold": threshold},
        "class_mix": targets.mean(0).clip(1e-6).tolist(),
    }
    return fitted, p, labels


def class_mix(ensemble, data, *, label_system):
    """Share of each class among simulated stars, as an ensemble sees it.

    Parameters
    ----------
    ensemble : `~stellarclass.nets.ensemble.Ensemble`
        Its probabilities calibrated.
    data : dict of str to ndarray
        Set of ``stellarclass.training.simulated.make_training_set``.
    label_system : str
        One of the ensemble's.

    Returns
    -------
    ndarray, shape (C,)
        Mean probability of each class among the stars proper.

    Notes
    -----
    Probabilities that were learned as P(class | colors) hold for stars however they were chosen by color or magnitude,
    but not for a sample with a set number of each class. There they are off by the shares in the sample over those in
    the sky that it was taken from, which are these (Saerens, Latinne & Decaestecker 2002, Neural Computation 14, 21).
    """
    inputs = {k: v for k, v in data.items() if not k.startswith("target_")}
    star = data["target_intruder"] < 0.5
    return ensemble.predict(inputs, label_system=label_system).probabilities[star].mean(0).clip(1e-6)


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


def calibrate_ensemble(ensemble, data, *, seed=0):
    """A new ensemble of the same networks whose card holds calibrations fitted to ``data``.

    Parameters
    ----------
    ensemble : `~stellarclass.nets.ensemble.Ensemble`
        On the recipe ``photometric``, radius in log10 space. Calibrations of the radius, of the domain and of the label
        systems that ``data`` has targets for are replaced, not added to.
    data : dict of str to ndarray
        Set of ``stellarclass.training.simulated.make_training_set`` that no member has seen.
    seed : int
        Draws labels from their probabilities for the class sets.

    Returns
    -------
    `~stellarclass.nets.ensemble.Ensemble`
    dict
        Figures measured on these very stars, for the card: per label system ``accuracy``, ``log_loss``,
        ``class_set_coverage``, ``class_set_size``; for the ``radius`` ``mae_dex``, ``robust_sigma_dex``; for
        ``intruders``, if the networks know of any, the share of them that are ``found``.

    Raises
    ------
    ValueError
        If the ensemble's radius is not in log10 space.
    """
    if ensemble.card.radius_space != "log10":
        raise ValueError(f"radius space {ensemble.card.radius_space!r}; only 'log10' can be calibrated here")
    rng = np.random.default_rng(seed)
    inputs = {k: v for k, v in data.items() if not k.startswith("target_")}
    star = data["target_intruder"] < 0.5 if "target_intruder" in data else np.ones(len(data["features"]), bool)
    features = data["features"][star]
    knows = all(getattr(member, "knows_intruders", False) for member in ensemble.members)
    systems = {name: v for name, v in ensemble.card.label_systems.items() if f"target_{name}" in data}
    plain = {name: {**entry, "calibration": {}} for name, entry in systems.items()}
    # With limits like these the domain score is how likely an intruder each star is, and answers stay as they are.
    domain = fit_domain(features) | {"limit": 1e30} | ({"intruder_limit": 1.0} if knows else {})
    bare = _recard(ensemble, plain, domain=domain)
    metrics, entries, raw, log_p = {}, {}, None, {}
    for name, entry in plain.items():
        raw = bare.predict(inputs, label_system=name)
        log_p[name] = np.log(raw.probabilities[star].clip(1e-12))
        targets = data[f"target_{name}"][star].astype(float)
        fitted, p, labels = fit_classes(log_p[name], targets, level=ensemble.card.levels["class_set"], rng=rng)
        entries[name] = entry | fitted
        members, rows = class_sets(p, fitted["calibration"]["threshold"]), np.arange(len(p))
        metrics[name] = {
            "accuracy": float((p.argmax(1) == labels).mean()),
            "log_loss": float(-np.log(p[rows, labels].clip(1e-12)).mean()),
            "class_set_coverage": float(members[rows, labels].mean()),
            "class_set_size": float(members.sum(1).mean()),
        }
    if raw is None:
        raw = bare.predict(inputs)
    truth = data["target_log_radius"][star]
    mean, sigma = np.log10(raw.radius[star]), (raw.radius_err / (np.log(10) * raw.radius))[star]
    level = ensemble.card.levels["radius_interval"]
    if _GROUP_SYSTEM in log_p and features.shape[1] == len(FEATURES):
        radius = _grouped(truth - mean, sigma, features, log_p[_GROUP_SYSTEM], label_system=_GROUP_SYSTEM, level=level)
    else:
        radius = fit_radius(truth - mean, sigma, level=level)
    metrics["radius"] = {
        "mae_dex": float(np.abs(truth - mean).mean()),
        "robust_sigma_dex": float(1.4826 * np.median(np.abs(truth - mean))),
    }
    domain = fit_domain(features, raw.domain_score[star] if knows else None)
    domain["radius_sigma"] = round(float(np.std(truth)), 3)
    if knows and not star.all():
        found = raw.domain_score[~star] > domain["intruder_limit"]
        metrics["intruders"] = {"found": float(found.mean())}
    return _recard(ensemble, entries, radius_calibration=radius, domain=domain), metrics


def calibrate_radii(ensemble, sets, *, label_system):
    """A new ensemble whose radius errors are calibrated by parallax S/N and class of a label system.

    Parameters
    ----------
    ensemble : `~stellarclass.nets.ensemble.Ensemble`
        On the recipe ``photometric``, radius in log10 space; it speaks ``label_system``.
    sets : sequence of dict of str to ndarray
        Sets of ``stellarclass.training.simulated.make_training_set`` that no member has seen, taken together.
    label_system : str
        By whose classes: radii err differently by class, and who reads the table sees these.

    Returns
    -------
    `~stellarclass.nets.ensemble.Ensemble`
    """
    plain = {name: {**entry, "calibration": {}} for name, entry in ensemble.card.label_systems.items()}
    bare = _recard(ensemble, plain, domain=None)
    parts = []
    for data in sets:
        star = data["target_intruder"] < 0.5
        inputs = {k: v for k, v in data.items() if not k.startswith("target_")}
        raw = bare.predict(inputs, label_system=label_system)
        mean, sigma = np.log10(raw.radius), raw.radius_err / (np.log(10) * raw.radius)
        log_p = np.log(raw.probabilities.clip(1e-12))
        parts.append([v[star] for v in (data["target_log_radius"] - mean, sigma, data["features"], log_p)])
    columns = (np.concatenate(column) for column in zip(*parts, strict=True))
    level = ensemble.card.levels["radius_interval"]
    radius = _grouped(*columns, label_system=label_system, level=level)
    return _recard(ensemble, {}, radius_calibration=radius, domain=ensemble.card.domain)


def _grouped(residual, sigma, features, log_p, *, label_system, level):
    """Calibration of the radius by bins of parallax S/N and classes, for the card."""
    groups = {
        "input": "features",
        "column": FEATURES.index("parallax_snr"),
        "present": FEATURES.index("has_parallax"),
        "edges": [round(float(np.arcsinh(v)), 4) for v in PARALLAX_SNR_EDGES],
        "label_system": label_system,
    }
    bins = 1 + np.searchsorted(groups["edges"], features[:, groups["column"]], side="right")
    bins = np.where(features[:, groups["present"]] > 0.5, bins, 0)
    shape = (len(PARALLAX_SNR_EDGES) + 2, log_p.shape[1])
    # Grouped by the class as `Ensemble.predict` finds it there, before calibration.
    tables = fit_radius_groups(residual, sigma, bins=bins, classes=log_p.argmax(1), shape=shape, level=level)
    return {**tables, "groups": groups}


def _recard(ensemble, systems, *, radius_calibration=None, domain=None):
    """The same networks with other calibrations on the card."""
    card = dataclasses.replace(
        ensemble.card,
        label_systems={**ensemble.card.label_systems, **systems},
        radius_calibration=radius_calibration or {},
        domain=domain,
    )
    return Ensemble(ensemble.members, card, device=ensemble.device)
