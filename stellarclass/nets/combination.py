# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""From the members' answers to one calibrated answer: plain NumPy, one formula a function.

M is the number of members, N of stars, C of classes. Everything is float64, and weights sum to 1.
"""

import numpy as np

__all__ = [
    "PAPER_WEIGHTS",
    "apply_class_prior",
    "calibrate",
    "class_sets",
    "conformal_threshold",
    "domain_score",
    "mean_log_probabilities",
    "total_variance",
]

PAPER_WEIGHTS = {"Base": 0.10, "A": 0.20, "F": 0.10, "G": 0.20, "K": 0.15, "M": 0.25}
"""Weight of each member in the class probabilities (Deng et al. 2024, Section 3.2.2)."""


def mean_log_probabilities(logits, weights):
    """Logarithm of the weighted mean of the members' class probabilities.

    Parameters
    ----------
    logits : ndarray, shape (M, N, C)
        Class scores, softmax not yet taken.
    weights : ndarray, shape (M,)
        Non-negative, sum 1.

    Returns
    -------
    ndarray, shape (N, C)
        Stays finite where a probability is too small for a float.

    Examples
    --------
    >>> import numpy as np
    >>> from stellarclass.nets.combination import mean_log_probabilities
    >>> np.exp(mean_log_probabilities(np.log([[[0.9, 0.1]], [[0.5, 0.5]]]), np.array([0.25, 0.75])))
    array([[0.6, 0.4]])
    """
    log_p = logits - np.logaddexp.reduce(logits, axis=2, keepdims=True)
    used = weights > 0
    return np.logaddexp.reduce(log_p[used] + np.log(weights[used])[:, None, None], axis=0)


def total_variance(means, variances, weights):
    """Mean, total variance and spread of a mixture of Gaussians, by the law of total variance.

    With equal weights the total is Eq. 1 of Deng et al. (2024), read as ``mean(sigma_i^2 + mu_i^2) - mean(mu_i)^2``;
    it is computed as ``mean(sigma_i^2) + mean((mu_i - mean(mu_i))^2)``, which is the same and cannot become negative.

    Parameters
    ----------
    means, variances : ndarray, shape (M, N)
        What each member predicts.
    weights : ndarray, shape (M,)
        Non-negative, sum 1.

    Returns
    -------
    mean, variance, spread : ndarray, shape (N,)
        Mean, total variance, and standard deviation between the members' means.

    Examples
    --------
    >>> import numpy as np
    >>> from stellarclass.nets.combination import total_variance
    >>> total_variance(np.array([[1.0], [3.0]]), np.array([[0.5], [1.5]]), np.array([0.5, 0.5]))
    (array([2.]), array([2.]), array([1.]))
    """
    mean = weights @ means
    between = weights @ (means - mean) ** 2
    return mean, weights @ variances + between, np.sqrt(between)


def calibrate(log_probabilities, *, temperature=1.0, bias=0.0):
    """Vector scaling: class probabilities after one common temperature and one offset per class.

    Parameters
    ----------
    log_probabilities : ndarray, shape (N, C)
        Combined, see `mean_log_probabilities`.
    temperature : float
        Above 1 makes the answer less certain.
    bias : float or array-like, shape (C,)
        Added to the scaled logarithms.

    Returns
    -------
    ndarray, shape (N, C)
        Rows sum to 1.

    Examples
    --------
    >>> import numpy as np
    >>> from stellarclass.nets.combination import calibrate
    >>> calibrate(np.log([[0.8, 0.2]]), temperature=2.0)
    array([[0.66666667, 0.33333333]])
    """
    scaled = log_probabilities / temperature + np.asarray(bias, float)
    p = np.exp(scaled - np.logaddexp.reduce(scaled, axis=1, keepdims=True))
    return p / p.sum(axis=1, keepdims=True)


def apply_class_prior(probabilities, *, mix, prior):
    """Class probabilities for another mix of classes than the one that they were calibrated on.

    What the pixels say about a class is the ratio of its probability to its share in the mix; that times the share
    wanted, normalized, is the answer (Saerens, Latinne & Decaestecker 2002, Neural Computation 14, 21, Eq. 4). It holds
    where the mix alone differs: stars of one class must look alike in both.

    Parameters
    ----------
    probabilities : ndarray, shape (N, C)
        Calibrated on stars in the mix; rows sum to 1. Rows of NaN stay so.
    mix, prior : array-like, shape (C,)
        Shares of the classes, positive and finite, on any scale: those of the stars that the calibration is for, and
        those among the stars at hand.

    Returns
    -------
    ndarray, shape (N, C)
        Rows sum to 1.

    Raises
    ------
    ValueError
        If a share is not positive and finite or there is not one for each class.

    Examples
    --------
    A star as likely an A as an F where there are as many of each is rather an F where those are nine times as many:

    >>> import numpy as np
    >>> from stellarclass.nets.combination import apply_class_prior
    >>> apply_class_prior(np.array([[0.5, 0.5]]), mix=[1, 1], prior=[1, 9])
    array([[0.1, 0.9]])
    """
    probabilities = np.asarray(probabilities, float)
    log_shares = []
    for name, shares in (("mix", mix), ("prior", prior)):
        shares = np.asarray(shares, float)
        if shares.shape != probabilities.shape[1:] or not (np.isfinite(shares) & (shares > 0)).all():
            raise ValueError(f"{name} must be {probabilities.shape[1]} positive, finite shares, not {shares}")
        log_shares.append(np.log(shares))
    with np.errstate(divide="ignore"):  # a class that is ruled out stays so
        log_p = np.log(probabilities) + log_shares[1] - log_shares[0]
    log_p -= log_p.max(axis=1, keepdims=True)  # a tiny probability and a large ratio: no overflow
    p = np.exp(log_p)
    return p / p.sum(axis=1, keepdims=True)


def class_sets(probabilities, threshold):
    """Sets of the most probable classes, each class in the set while those before it hold no more than the threshold.

    So the set is the smallest one that holds more than the threshold, and never empty. With the threshold of
    `conformal_threshold` the true class is in it at the level asked for: adaptive prediction sets (Romano, Sesia &
    Candes 2020, NeurIPS 33, 3581) with a score that leaves the true class itself out, so that a set may hold one class.

    Parameters
    ----------
    probabilities : ndarray, shape (N, C)
        Calibrated class probabilities.
    threshold : float
        0 to 1.

    Returns
    -------
    ndarray, shape (N, C), bool
        Membership.

    Examples
    --------
    >>> import numpy as np
    >>> from stellarclass.nets.combination import class_sets
    >>> class_sets(np.array([[0.1, 0.6, 0.3], [0.0, 0.05, 0.95]]), 0.8)
    array([[False,  True,  True],
           [False, False,  True]])
    """
    order = np.argsort(-probabilities, axis=1, kind="stable")
    members = np.zeros(probabilities.shape, bool)
    np.put_along_axis(members, order, _before(probabilities, order) <= threshold, axis=1)
    return members


def conformal_threshold(probabilities, truth, *, level):
    """Threshold for `class_sets` with which the true class is in the set for a share ``level`` of stars.

    Parameters
    ----------
    probabilities : ndarray, shape (N, C)
        Calibrated class probabilities of stars that the networks were not trained on.
    truth : ndarray of int, shape (N,)
        Their true classes.
    level : float
        Share of stars, 0 to 1.

    Returns
    -------
    float
        0 where the most probable class alone suffices, 1 where there are too few stars to promise the level.

    Examples
    --------
    >>> import numpy as np
    >>> from stellarclass.nets.combination import conformal_threshold
    >>> conformal_threshold(np.array([[0.7, 0.3]] * 9), np.array([0, 0, 0, 0, 0, 0, 1, 1, 1]), level=0.8)
    0.7
    """
    order = np.argsort(-probabilities, axis=1, kind="stable")
    score = np.sort(_before(probabilities, order)[order == np.asarray(truth)[:, None]])
    rank = int(np.ceil((len(score) + 1) * level))
    return float(score[rank - 1]) if rank <= len(score) else 1.0


def _before(probabilities, order):
    """Summed probability of the classes before each, most probable first."""
    descending = np.take_along_axis(probabilities, order, axis=1)
    return np.cumsum(descending, axis=1) - descending


def domain_score(features, *, center, precision, limit):
    """Mahalanobis distance from the training set, in units of the largest that counts as inside.

    Parameters
    ----------
    features : array-like, shape (N, D)
        One of the ensemble's inputs.
    center : array-like, shape (D,)
        Mean of the training set.
    precision : array-like, shape (D, D)
        Inverse of its covariance.
    limit : float
        Distance at which the domain ends, above 0.

    Returns
    -------
    ndarray, shape (N,)
        Above 1 is outside; NaN where a feature is not finite.

    Examples
    --------
    >>> import numpy as np
    >>> from stellarclass.nets.combination import domain_score
    >>> domain_score([[3.0, 4.0], [0.0, np.nan]], center=[0, 0], precision=np.eye(2), limit=10.0)
    array([0.5, nan])
    """
    offset = np.asarray(features, float) - np.asarray(center, float)
    finite = np.isfinite(offset).all(axis=1)
    score = np.full(len(offset), np.nan)
    offset = offset[finite]
    square = np.sum(offset @ np.asarray(precision, float) * offset, axis=1)
    score[finite] = np.sqrt(np.maximum(square, 0)) / limit
    return score
