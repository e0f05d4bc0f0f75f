# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""How sure scores are: what each would be had other stars of the same kind been drawn.

Stars are drawn anew with replacement, and every score of `stellarclass.evaluation.scores` is computed for each draw: as
sums weighted by how often a star was drawn, all draws at a time.
"""

from dataclasses import dataclass

import numpy as np
from astropy import units as u

from .scores import answered_class

__all__ = ["SCORES", "Interval", "bootstrap_scores", "mean_interval"]

SCORES = {
    "accuracy": u.one,
    "balanced_accuracy": u.one,
    "within_one_class": u.one,
    "log_loss": u.one,
    "ece": u.one,
    "mae": u.solRad,
    "sigma": u.solRad,
    "mae_dex": u.one,
    "sigma_dex": u.one,
    "mae_percent": u.one,
    "sigma_percent": u.one,
    "robust_sigma_dex": u.one,
    "offset_dex": u.one,
    "coverage_68": u.one,
    "coverage_90": u.one,
    "answered": u.one,
}
"""Scores that are one number, with their units (dex and per cent are named by the score itself)."""

_ELEMENTS = 4_000_000  # of a block of draws: bounds the memory
_ECE_BINS = 15
_SMALLEST_PROBABILITY = 1e-12
_NAN = float("nan")


@dataclass(frozen=True)
class Interval:
    """Ends of the interval that holds a share of the draws.

    Attributes
    ----------
    low, high : float or ndarray
        NaN where a score is not defined in any draw.
    """

    low: np.ndarray
    high: np.ndarray


def _interval(draws, level):
    """Percentiles along the first axis; a score that a few draws do not define takes those that do."""
    draws = np.asarray(draws, float)
    low, high = np.full(draws.shape[1:], _NAN), np.full(draws.shape[1:], _NAN)
    defined = np.isfinite(draws).any(axis=0)
    if defined.any():
        ends = np.nanpercentile(draws[:, defined] if draws.ndim > 1 else draws, [50 - 50 * level, 50 + 50 * level], 0)
        low[defined], high[defined] = ends
    return Interval(low[()], high[()])


def _blocks(n, resamples, seed):
    """Rows drawn, (b, n), and how often each was, (b, n), for all resamples in blocks that fit the memory."""
    rng = np.random.default_rng(seed)
    size = max(1, min(resamples, _ELEMENTS // max(n, 1)))
    for start in range(0, resamples, size):
        rows = rng.integers(0, n, (min(size, resamples - start), n))
        counts = np.stack([np.bincount(row, minlength=n) for row in rows]).astype(float)
        yield rows, counts


def _checked(n, resamples, level):
    if n < 1 or resamples < 1:
        raise ValueError(f"{resamples} resamples of {n} stars: at least one of each is needed")
    if not 0 < level < 1:
        raise ValueError(f"level = {level} is not between 0 and 1")


def mean_interval(values, *, seed, resamples=1000, level=0.95):
    """Interval of a mean.

    Parameters
    ----------
    values : array-like, shape (N,)
        One a star; NaN is left out.
    seed : int
        The same seed gives the same interval.
    resamples : int
        Times that N stars are drawn anew.
    level : float
        Share of the draws within the interval.

    Returns
    -------
    Interval
        NaN where there is no value.

    Raises
    ------
    ValueError
        If there is no star, ``resamples`` is not positive, or ``level`` is not between 0 and 1.

    Examples
    --------
    >>> import numpy as np
    >>> from stellarclass.evaluation.intervals import mean_interval
    >>> interval = mean_interval(np.arange(101), seed=1)
    >>> bool(43 < interval.low < 50 < interval.high < 57)
    True
    """
    values = np.asarray(values, float)
    _checked(len(values), resamples, level)
    known = np.isfinite(values)
    draws = []
    for _, counts in _blocks(len(values), resamples, seed):
        with np.errstate(invalid="ignore"):
            draws.append(counts @ np.where(known, values, 0) / (counts @ known))
    return _interval(np.concatenate(draws), level)


@u.quantity_input(radius=u.solRad)
def bootstrap_scores(prediction, *, label, radius, seed, resamples=1000, level=0.95):
    """Intervals of all scores of a prediction.

    Parameters
    ----------
    prediction : `~stellarclass.nets.prediction.Prediction`
        Of N stars.
    label : array-like of str, shape (N,)
        True classes.
    radius : `~astropy.units.Quantity`, shape (N,)
        True radii; NaN or masked where unknown.
    seed : int
        The same seed draws the same stars, whatever the method.
    resamples : int
        Times that N stars are drawn anew.
    level : float
        Share of the draws within the interval.

    Returns
    -------
    dict of str to Interval
        `SCORES`; ``precision``, ``recall`` and ``f1`` with one number a class (C,); and ``confusion`` (C, C), the
        share of each true class, row, that got each answer. Radii are in solar radii where `SCORES` says so.

    Raises
    ------
    ValueError
        If lengths differ, ``resamples`` is not positive, or ``level`` is not between 0 and 1.

    Notes
    -----
    Percentile intervals: Efron & Tibshirani (1993), *An Introduction to the Bootstrap*, chapter 13.
    """
    label = np.asarray(label).astype(str)
    n = len(label)
    _checked(n, resamples, level)
    columns = _Columns(prediction, label, _plain(radius))
    draws = {}
    for rows, counts in _blocks(n, resamples, seed):
        for name, values in columns.scores(rows, counts).items():
            draws.setdefault(name, []).append(values)
    return {name: _interval(np.concatenate(values), level) for name, values in draws.items()}


def _plain(radius):
    values = np.asarray(getattr(radius, "unmasked", radius).to_value(u.solRad), float)
    return np.where(getattr(radius, "mask", False), _NAN, values)


class _Columns:
    """What each star adds to the sums that scores are made of."""

    def __init__(self, prediction, label, radius):
        classes = np.array(prediction.classes)
        if not len(label) == len(radius) == len(prediction.radius):
            raise ValueError(f"{len(label)} labels, {len(radius)} radii, {len(prediction.radius)} answers: one each")
        answer = answered_class(prediction)
        self.truth = (label[:, None] == classes).astype(float)  # (N, C)
        self.answer = (answer[:, None] == classes).astype(float)
        t, a = self.truth.argmax(1), self.answer.argmax(1)
        self.near = ((answer != "") & (np.abs(t - a) <= 1)).astype(float)
        p = prediction.probabilities
        known = np.isfinite(p).all(1)
        self.known = known.astype(float)
        p = np.where(known[:, None], p, 1 / len(classes))
        self.loss = np.where(known, -np.log(p[np.arange(len(p)), t].clip(_SMALLEST_PROBABILITY)), 0)
        sure = p.max(1)
        place = np.minimum((sure * _ECE_BINS).astype(int), _ECE_BINS - 1)
        gap = np.where(known, (p.argmax(1) == t) - sure, 0)
        self.gap = gap[:, None] * (place[:, None] == np.arange(_ECE_BINS))
        self._set_radii(prediction, radius)

    def _set_radii(self, prediction, radius):
        given, error = prediction.radius, prediction.radius_err
        with np.errstate(invalid="ignore", divide="ignore"):
            self.true_known = (np.isfinite(radius) & (radius > 0)).astype(float)
            both = (self.true_known > 0) & np.isfinite(given) & (given > 0)
            off = np.where(both, given - radius, 0)
            relative = np.where(both, off / np.where(both, radius, 1), 0)
            self.log = np.where(both, np.log10(np.where(both, given / radius, 1)), np.nan)
            ends = [(np.maximum(given - error, 0), given + error), (prediction.radius_lower, prediction.radius_upper)]
            inside = []
            for low, high in ends:
                good = np.isfinite(radius) & np.isfinite(low) & np.isfinite(high)
                inside.append((good & (radius >= low) & (radius <= high), good))
        self.both = both.astype(float)
        self.inside = np.stack([part.astype(float) for pair in inside for part in pair], axis=1)  # (N, 4)
        log = np.nan_to_num(self.log)
        self.off = np.stack([f(v) for v in (off, relative, log) for f in (np.abs, np.asarray, np.square)], axis=1)

    def scores(self, rows, counts):
        """Scores of b draws, first axis b."""
        with np.errstate(invalid="ignore", divide="ignore"):
            found = self._classes(counts)
            found |= self._radii(counts)
        found["offset_dex"], found["robust_sigma_dex"] = self._medians(rows)
        return found

    def _classes(self, counts):
        c = self.truth.shape[1]
        support, called = counts @ self.truth, counts @ self.answer
        pairs = (self.truth[:, :, None] * self.answer[:, None, :]).reshape(len(self.truth), c * c)
        cells = (counts @ pairs).reshape(len(counts), c, c)
        right = np.diagonal(cells, axis1=1, axis2=2)
        recall = right / support
        n, known = counts.sum(1), counts @ self.known
        answered = np.where(known > 0, 1.0, np.nan)  # a method without classes has no scores for them
        present = support > 0
        return {
            "accuracy": right.sum(1) / n * answered,
            "balanced_accuracy": np.where(present, recall, 0).sum(1) / present.sum(1) * answered,
            "within_one_class": counts @ self.near / n * answered,
            "log_loss": counts @ self.loss / known,
            "ece": np.abs(counts @ self.gap).sum(1) / known,
            "precision": right / called,
            "recall": recall * answered[:, None],
            "f1": np.where(present, 2 * right / (support + called), np.nan) * answered[:, None],
            "confusion": cells / support[:, :, None] * answered[:, None, None],
        }

    def _radii(self, counts):
        n = counts @ self.both
        sums = (counts @ self.off) / n[:, None]
        inside = counts @ self.inside
        found = {"answered": n / (counts @ self.true_known)}
        for k, (end, factor) in enumerate((("", 1), ("_percent", 100), ("_dex", 1))):
            size, mean, square = sums[:, 3 * k : 3 * k + 3].T
            found["mae" + end] = factor * size
            found["sigma" + end] = factor * np.sqrt(np.maximum(square - mean**2, 0))
        return found | {"coverage_68": inside[:, 0] / inside[:, 1], "coverage_90": inside[:, 2] / inside[:, 3]}

    def _medians(self, rows):
        """Median of the logarithmic residuals and robust scatter around it, of each draw."""
        middle, scatter = np.full(len(rows), _NAN), np.full(len(rows), _NAN)
        for k, row in enumerate(rows):
            values = self.log[row]
            values = values[np.isfinite(values)]
            if len(values):
                middle[k] = np.median(values)
                scatter[k] = 1.4826 * np.median(np.abs(values - middle[k]))
        return middle, scatter
