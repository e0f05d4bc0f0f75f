# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Whether one method is better than another on the same stars, or was lucky."""

from dataclasses import dataclass

import numpy as np

__all__ = ["PairedDifference", "paired_bootstrap"]

_CHUNK = 250


@dataclass(frozen=True)
class PairedDifference:
    """Difference of two methods' mean scores on the same stars.

    Attributes
    ----------
    difference : float
        First minus second.
    error : float
        Its standard deviation over the resamples.
    low, high : float
        Interval that holds 95 % of the resamples.
    p_value : float
        Two-sided: how often stars drawn anew would put the difference on the other side of 0, at least
        ``1 / (resamples + 1)``.
    n : int
        Stars that took part.
    """

    difference: float
    error: float
    low: float
    high: float
    p_value: float
    n: int

    def __str__(self):
        return f"{self.difference:+.4f} +- {self.error:.4f} (p = {self.p_value:.4f})"


def paired_bootstrap(first, second, *, seed, groups=None, resamples=4000):
    """Compare two methods by their scores on the same stars.

    Parameters
    ----------
    first, second : array-like, shape (N,)
        Score of each star by each method: 1 and 0 for right and wrong, an absolute error, a logarithm of a
        probability. Stars for which either is NaN are left out.
    seed : int or `numpy.random.Generator`
        The same seed gives the same answer.
    groups : array-like, shape (N,), optional
        With it the mean is over the groups' means: with scores of 1 and 0 and the true classes, balanced accuracy.
    resamples : int
        Times that N stars are drawn anew with replacement.

    Returns
    -------
    PairedDifference

    Raises
    ------
    ValueError
        If lengths differ, there are fewer than two stars with both scores, or ``resamples`` is not positive.

    Notes
    -----
    Efron & Tibshirani (1993), *An Introduction to the Bootstrap*, chapter 16. Stars are drawn, never scores of one
    method alone: what makes a star hard for both cancels. With groups, stars are drawn within their group.

    Examples
    --------
    >>> import numpy as np
    >>> from stellarclass.evaluation.paired import paired_bootstrap
    >>> right = np.arange(1000) % 10 > 0
    >>> luckier = right | (np.arange(1000) % 50 == 0)
    >>> print(paired_bootstrap(luckier, right, seed=1).p_value < 0.01)
    True
    """
    first, second = np.asarray(first, float), np.asarray(second, float)
    groups = np.zeros(len(first), int) if groups is None else np.asarray(groups)
    if first.ndim != 1 or not first.shape == second.shape == groups.shape:
        raise ValueError(f"scores of shapes {first.shape}, {second.shape}, {groups.shape}: one a star is meant")
    if resamples < 1:
        raise ValueError(f"resamples = {resamples} is not positive")
    delta = first - second
    good = np.isfinite(delta)
    if good.sum() < 2:
        raise ValueError(f"{good.sum()} stars have both scores; a comparison takes at least two")
    delta, groups = delta[good], groups[good]
    rng = np.random.default_rng(seed)
    parts = [delta[groups == name] for name in np.unique(groups)]
    drawn = np.mean([_resampled_means(rng, part, resamples) for part in parts], axis=0)
    other = min((drawn <= 0).sum(), (drawn >= 0).sum())
    return PairedDifference(
        difference=float(np.mean([part.mean() for part in parts])),
        error=float(drawn.std()),
        low=float(np.percentile(drawn, 2.5)),
        high=float(np.percentile(drawn, 97.5)),
        p_value=float(min(1.0, (2 * other + 1) / (resamples + 1))),
        n=int(good.sum()),
    )


def _resampled_means(rng, values, resamples):
    """Means of so many resamples of the values, (resamples,)."""
    n = len(values)
    chunks = [min(_CHUNK, resamples - k) for k in range(0, resamples, _CHUNK)]
    return np.concatenate([values[rng.integers(0, n, (size, n))].mean(1) for size in chunks])
