# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The six weighted sets of Deng et al. (2024), Section 3.2.1: which stars each member of the ensemble learns from."""

from dataclasses import dataclass

import numpy as np

from ..exceptions import InputError
from ..nets.combination import PAPER_WEIGHTS

__all__ = ["MEMBERS", "Draws", "draw_set", "expected_shares", "sampling_probabilities", "split_stars"]

MEMBERS = tuple(PAPER_WEIGHTS)
"""Names of the members: the balanced one, and one for each class that it favors."""


@dataclass(frozen=True)
class Draws:
    """Rows of the stars that one member learns from and is watched on; a star may stand in one of them many times.

    Attributes
    ----------
    train, validation : ndarray of int
        In random order.
    """

    train: np.ndarray
    validation: np.ndarray

    @property
    def repeated(self):
        """Whether the star of each draw in ``train`` was drawn more than once, shape (D,), bool."""
        _, place, count = np.unique(self.train, return_inverse=True, return_counts=True)
        return count[place] > 1


def _member(name):
    """A member's name as the paper writes it, and the class that it favors."""
    for member in MEMBERS:
        if str(name).casefold() == member.casefold():
            return member, None if member == "Base" else member
    raise InputError(f"{name!r} is no member of the ensemble; they are {', '.join(MEMBERS)}")


def expected_shares(shares, *, member="Base"):
    """Shares of the classes in a member's set.

    Parameters
    ----------
    shares : dict of str to float
        Shares f of the classes among the stars, on any scale.
    member : str
        One of `MEMBERS`.

    Returns
    -------
    dict of str to float
        Proportional to f times the weight of a star: ``1/f``, or ``1/f**2`` for the class that the member favors.

    Examples
    --------
    >>> from stellarclass.training.sampling import expected_shares
    >>> counts = {"A": 918, "F": 2918, "G": 1350, "K": 3368, "M": 626}
    >>> {name: round(share, 3) for name, share in expected_shares(counts, member="A").items()}
    {'A': 0.714, 'F': 0.071, 'G': 0.071, 'K': 0.071, 'M': 0.071}
    """
    _, favored = _member(member)
    total = sum(shares.values())
    weights = {name: total / share if name == favored else 1.0 for name, share in shares.items() if share > 0}
    return {name: weight / sum(weights.values()) for name, weight in weights.items()}


def sampling_probabilities(classes, *, member="Base"):
    """Probability of each star to be drawn for a member's set.

    Parameters
    ----------
    classes : array-like of str, shape (N,)
        Class of each star.
    member : str
        One of `MEMBERS`.

    Returns
    -------
    ndarray, shape (N,)
        Sums to 1. Proportional to 1/f, where f is the share of the star's class; squared for the class that the member
        favors. With a count in place of f the favored class would all but vanish.

    Examples
    --------
    >>> from stellarclass.training.sampling import sampling_probabilities
    >>> sampling_probabilities(["F", "F", "F", "A"], member="Base").round(3)
    array([0.167, 0.167, 0.167, 0.5  ])
    >>> sampling_probabilities(["F", "F", "F", "A"], member="A").round(3)
    array([0.067, 0.067, 0.067, 0.8  ])
    """
    _, favored = _member(member)
    names, place, count = np.unique(np.asarray(classes).astype(str), return_inverse=True, return_counts=True)
    share = count / count.sum()
    weight = np.where(names == favored, share**-2, 1 / share)[place]
    return weight / weight.sum()


def split_stars(classes, *, seed, validation=0.2, stars=None):
    """Put a share of the stars of each class aside for validation.

    Parameters
    ----------
    classes : array-like of str, shape (N,)
        Class of each row.
    seed : int
        The same seed gives the same split.
    validation : float
        Share of the stars, above 0 and below 1.
    stars : array-like, shape (N,), optional
        Which star each row is, if some rows are of the same one; it then counts as its first row's class.

    Returns
    -------
    train, validation : ndarray of int
        Rows in ascending order; together all of them, and no star in both. A class of a single star is for training.

    Raises
    ------
    stellarclass.exceptions.InputError
        If the share is no share.

    Examples
    --------
    >>> from stellarclass.training.sampling import split_stars
    >>> split_stars(list("FFFFFKKKKK"), seed=1)
    (array([0, 1, 2, 3, 5, 6, 7, 9]), array([4, 8]))
    """
    if not 0 < validation < 1:
        raise InputError(f"validation = {validation!r}: a share above 0 and below 1 is meant")
    classes = np.asarray(classes).astype(str)
    stars = np.arange(len(classes)) if stars is None else np.asarray(stars)
    _, first, star = np.unique(stars, return_index=True, return_inverse=True)
    class_of_star = classes[first]
    rng = np.random.default_rng([seed, 0])
    held_back = np.zeros(len(first), bool)
    for name in np.unique(class_of_star):
        chosen = rng.permutation(np.flatnonzero(class_of_star == name))
        count = min(max(round(validation * len(chosen)), 1), len(chosen) - 1)
        held_back[chosen[:count]] = True
    return np.flatnonzero(~held_back[star]), np.flatnonzero(held_back[star])


def draw_set(classes, *, member="Base", seed, draws=9000, validation=0.2, leaky_split=False, stars=None):
    """Draw a member's set with replacement, split into training and validation.

    Parameters
    ----------
    classes : array-like of str, shape (N,)
        Class of each star to learn from; test stars are not among them.
    member : str
        One of `MEMBERS`: ``"Base"`` draws all classes alike, the others favor the class of their name.
    seed : int
        The same seed gives the same sets. All members of an ensemble have the seed, hence the split, in common: the
        validation stars are then new to each of them.
    draws : int
        In all; the paper's 9,000 are 7,200 to train on and 1,800 to watch the loss on.
    validation : float
        Share of the stars, and of the draws, that are for validation.
    leaky_split : bool
        Draw first and split the draws, as the paper does: most validation stars are then training stars as well.
        Otherwise stars are split first, by `split_stars`.
    stars : array-like, shape (N,), optional
        Which star each row is, see `split_stars`.

    Returns
    -------
    Draws
        Of rows, drawn with `sampling_probabilities`.

    Raises
    ------
    stellarclass.exceptions.InputError
        If there are too few stars or draws for both parts, or the member is unknown.

    Examples
    --------
    >>> import numpy as np
    >>> from stellarclass.training.sampling import draw_set
    >>> classes = np.repeat(list("AFGKM"), [918, 2918, 1350, 3368, 626])
    >>> drawn = draw_set(classes, member="M", seed=1)
    >>> len(drawn.train), len(drawn.validation), bool((classes[drawn.train] == "M").mean() > 0.75)
    (7200, 1800, True)
    """
    name, _ = _member(member)
    classes = np.asarray(classes).astype(str)
    held_back = round(draws * validation)
    if not 0 < held_back < draws:
        raise InputError(f"{draws} draws, of which {validation:g} are for validation: each part needs one at least")
    rng = np.random.default_rng([seed, 1 + MEMBERS.index(name)])
    if leaky_split:
        drawn = rng.choice(len(classes), draws, p=sampling_probabilities(classes, member=name))
        return Draws(drawn[held_back:], drawn[:held_back])
    parts = split_stars(classes, seed=seed, validation=validation, stars=stars)
    if not all(len(rows) for rows in parts):
        raise InputError(f"{len(classes)} stars are too few to keep some of them for validation")
    counts = (draws - held_back, held_back)
    drawn = [
        rng.choice(rows, count, p=sampling_probabilities(classes[rows], member=name))
        for rows, count in zip(parts, counts, strict=True)
    ]
    return Draws(*drawn)
