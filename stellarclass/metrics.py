# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Scores of spectral classes and of their probabilities.

Classes are arrays of names. A star without an answer has the empty string, or is masked, and counts as wrong: a method
cannot win by keeping silent.
"""

from dataclasses import dataclass

import numpy as np

from .physics import CLASSES

__all__ = [
    "ClassScores",
    "accuracy",
    "class_scores",
    "confusion_matrix",
    "expected_calibration_error",
    "log_loss",
    "within_one_class",
]

_SMALLEST_PROBABILITY = 1e-12


@dataclass(frozen=True)
class ClassScores:
    """Scores of a classification, class by class.

    Attributes
    ----------
    classes : tuple of str
        Names of the C classes.
    precision : ndarray, shape (C,)
        Of the stars that were called this, the share that are; NaN where none was.
    recall : ndarray, shape (C,)
        Of the stars that are this, the share that were called so; NaN where there are none.
    f1 : ndarray, shape (C,)
        Harmonic mean of the two: 0 where no star was called this rightly, NaN where there are none.
    support : ndarray of int, shape (C,)
        Stars of each class.
    """

    classes: tuple
    precision: np.ndarray
    recall: np.ndarray
    f1: np.ndarray
    support: np.ndarray

    @property
    def balanced_accuracy(self):
        """Mean of the recalls of the classes that there are."""
        return float(np.nanmean(self.recall))


def _labels(values):
    """Class names as plain strings; empty where masked."""
    return np.ma.filled(np.ma.asarray(values).astype(str), "")


def _indices(truth, answer, classes):
    """Numbers of the true classes and of the answers, the latter -1 where there is none."""
    truth, answer = _labels(truth), _labels(answer)
    if truth.ndim != 1 or truth.shape != answer.shape or not len(truth):
        raise ValueError(f"true classes of shape {truth.shape} and answers of shape {answer.shape}: one each is meant")
    place = {name: k for k, name in enumerate(classes)}
    unknown = sorted(({*truth.tolist()} | ({*answer.tolist()} - {""})) - {*place})
    if unknown:
        raise ValueError(f"{', '.join(map(repr, unknown))} is none of the classes {', '.join(classes)}")
    place[""] = -1
    return np.array([place[t] for t in truth.tolist()]), np.array([place[a] for a in answer.tolist()])


def accuracy(truth, answer):
    """Share of the stars whose class is right.

    Parameters
    ----------
    truth, answer : array-like of str, shape (N,)
        True class and answer; an answer that is masked or empty is wrong.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If the two differ in length, or are empty.

    Examples
    --------
    >>> from stellarclass.metrics import accuracy
    >>> accuracy(["A", "G", "M", "M"], ["A", "F", "M", ""])
    0.5
    """
    truth, answer = _labels(truth), _labels(answer)
    if truth.shape != answer.shape or not len(truth):
        raise ValueError(f"true classes of shape {truth.shape} and answers of shape {answer.shape}: one each is meant")
    return float((truth == answer).mean())


def confusion_matrix(truth, answer, *, classes=CLASSES):
    """Number of stars by true class and answer.

    Parameters
    ----------
    truth, answer : array-like of str, shape (N,)
        True class and answer.
    classes : sequence of str
        Names of the C classes.

    Returns
    -------
    ndarray of int, shape (C, C)
        Row: true class, column: answer. Stars without an answer are in none.

    Raises
    ------
    ValueError
        If a name is not among the classes, or the two differ in length.

    Examples
    --------
    >>> from stellarclass.metrics import confusion_matrix
    >>> print(confusion_matrix(["F", "G", "G"], ["F", "F", "G"], classes="FG"))
    [[1 0]
     [1 1]]
    """
    t, a = _indices(truth, answer, classes)
    matrix = np.zeros((len(classes), len(classes)), int)
    np.add.at(matrix, (t[a >= 0], a[a >= 0]), 1)
    return matrix


def class_scores(truth, answer, *, classes=CLASSES):
    """Precision, recall and F1 of every class.

    Parameters
    ----------
    truth, answer : array-like of str, shape (N,)
        True class and answer; an answer that is masked or empty is wrong.
    classes : sequence of str
        Names of the classes.

    Returns
    -------
    ClassScores

    Raises
    ------
    ValueError
        If a name is not among the classes, or the two differ in length.

    Examples
    --------
    >>> from stellarclass.metrics import class_scores
    >>> scores = class_scores(["F", "G", "G", "K"], ["F", "F", "G", "K"], classes="FGK")
    >>> print(scores.recall, round(scores.balanced_accuracy, 3))
    [1.  0.5 1. ] 0.833
    """
    t, a = _indices(truth, answer, classes)
    every = np.arange(len(classes))
    support, called = ((v[:, None] == every).sum(0) for v in (t, a))
    right = ((t == a)[:, None] & (t[:, None] == every)).sum(0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return ClassScores(
            classes=tuple(classes),
            precision=right / np.where(called, called, np.nan),
            recall=right / np.where(support, support, np.nan),
            f1=np.where(support, 2 * right / (support + called), np.nan),
            support=support,
        )


def within_one_class(truth, answer, *, classes=CLASSES):
    """Share of the stars whose answer is the true class or a neighbor of it.

    Parameters
    ----------
    truth, answer : array-like of str, shape (N,)
        True class and answer; an answer that is masked or empty is wrong.
    classes : sequence of str
        Names of the classes, in their order along the sequence of temperature.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If a name is not among the classes, or the two differ in length.

    Examples
    --------
    >>> from stellarclass.metrics import within_one_class
    >>> within_one_class(["A", "G", "K", "M"], ["F", "G", "F", ""])
    0.5
    """
    t, a = _indices(truth, answer, classes)
    return float(((a >= 0) & (np.abs(t - a) <= 1)).mean())


def _probabilities(probabilities, n, classes):
    p = np.asarray(probabilities, float)
    if p.shape != (n, len(classes)):
        raise ValueError(f"probabilities of shape {p.shape} for {n} stars and the classes {', '.join(classes)}")
    if not (np.isfinite(p).all() and (p >= 0).all() and np.allclose(p.sum(1), 1, atol=1e-4)):
        raise ValueError("probabilities are finite, not negative, and sum to 1; leave out stars without an answer")
    return p


def log_loss(truth, probabilities, *, classes=CLASSES):
    """Mean negative logarithm of the probability that was given to the true class, in nats.

    Parameters
    ----------
    truth : array-like of str, shape (N,)
        True classes.
    probabilities : ndarray, shape (N, C)
        Of the classes; rows sum to 1.
    classes : sequence of str
        Names of the C classes.

    Returns
    -------
    float
        Small is good; a probability below 1e-12 counts as 1e-12.

    Raises
    ------
    ValueError
        If a row holds no probabilities, or a name is not among the classes.

    Examples
    --------
    >>> from stellarclass.metrics import log_loss
    >>> round(log_loss(["F", "G"], [[0.5, 0.5], [0.2, 0.8]], classes="FG"), 4)
    0.4581
    """
    t, _ = _indices(truth, truth, classes)
    p = _probabilities(probabilities, len(t), classes)
    return float(-np.log(p[np.arange(len(t)), t].clip(_SMALLEST_PROBABILITY)).mean())


def expected_calibration_error(truth, probabilities, *, classes=CLASSES, bins=15):
    """Mean distance between how sure an answer is and how often it is right.

    Parameters
    ----------
    truth : array-like of str, shape (N,)
        True classes.
    probabilities : ndarray, shape (N, C)
        Of the classes; rows sum to 1.
    classes : sequence of str
        Names of the C classes.
    bins : int
        Bins of the probability of the most probable class, of equal width from 0 to 1.

    Returns
    -------
    float
        Mean over the bins, weighted by their stars, of ``|share right - mean probability|``.

    Raises
    ------
    ValueError
        If a row holds no probabilities, or a name is not among the classes.

    Notes
    -----
    Guo et al. (2017, ICML 70, 1321), Eq. 3. A perfectly calibrated answer for N stars does not reach 0 but about
    ``sqrt(bins / N) / 3``.

    Examples
    --------
    >>> from stellarclass.metrics import expected_calibration_error
    >>> p = [[0.9, 0.1]] * 10
    >>> round(expected_calibration_error(["F"] * 8 + ["G"] * 2, p, classes="FG"), 3)
    0.1
    """
    t, _ = _indices(truth, truth, classes)
    p = _probabilities(probabilities, len(t), classes)
    sure = p.max(1)
    place = np.minimum((sure * bins).astype(int), bins - 1)
    gap = np.bincount(place, (p.argmax(1) == t) - sure, minlength=bins)
    return float(np.abs(gap).sum() / len(t))
