# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""How a user says which mix of classes to expect. Loads no torch."""

import math
from collections.abc import Mapping

import numpy as np

from ..exceptions import EnsembleError, InputError

__all__ = ["EVEN", "class_shares", "format_shares", "mix_and_prior"]

EVEN = "even"
"""Name of the mix in which each class is as frequent as any other."""


def class_shares(class_prior, classes):
    """Understand a mix of classes.

    Parameters
    ----------
    class_prior : dict of str to float, or "even"
        How frequent each class is, on any scale: shares, percentages, counts. Every class needs a number above 0, for
        a class of share 0 could not be answered however much a star looks like it; a tiny number says "hardly ever".
    classes : sequence of str
        Names of the C classes of the ensemble.

    Returns
    -------
    ndarray, shape (C,)
        Shares, sum 1.

    Raises
    ------
    stellarclass.exceptions.InputError
        If a class is missing or unknown, or a number is not positive and finite; the message names it.
    TypeError
        If ``class_prior`` is neither a dict nor a name.

    Examples
    --------
    >>> from stellarclass.nets.classprior import class_shares
    >>> class_shares({"F": 30, "G": 50, "K": 20}, ("F", "G", "K"))
    array([0.3, 0.5, 0.2])
    """
    if isinstance(class_prior, str):
        if class_prior != EVEN:
            raise InputError(f"class_prior = {class_prior!r}: {EVEN!r} or a number for each of {', '.join(classes)}")
        return np.full(len(classes), 1 / len(classes))
    if not isinstance(class_prior, Mapping):
        raise TypeError(f"class_prior must be a dict of class to number or {EVEN!r}, not {type(class_prior).__name__}")
    unknown = [str(name) for name in class_prior if name not in classes]
    if unknown:
        raise InputError(f"class_prior has {', '.join(unknown)}; the ensemble's classes are {', '.join(classes)}")
    missing = [name for name in classes if name not in class_prior]
    if missing:
        raise InputError(
            f"class_prior lacks {', '.join(missing)}; it needs a number above 0 for each class (a tiny one for a class "
            "that there should be hardly any of)"
        )
    shares = []
    for name in classes:
        value = class_prior[name]
        try:
            number = math.nan if isinstance(value, (bool, np.bool_, str)) else float(value)
        except (TypeError, ValueError, OverflowError):
            number = math.nan
        if not (math.isfinite(number) and number > 0):
            raise InputError(f"class_prior[{name!r}] = {value!r} is not a positive, finite number")
        shares.append(number)
    scaled = np.array(shares) / max(shares)  # their sum might be too large for a float, or one too small beside it
    if not (scaled > 0).all():
        raise InputError(f"class_prior spans too many orders of magnitude: {dict(class_prior)!r}")
    return scaled / scaled.sum()


def mix_and_prior(class_prior, card, label_system):
    """The mix that an ensemble was calibrated on, and the one wanted.

    Parameters
    ----------
    class_prior : dict of str to float, or "even"
        See `class_shares`.
    card : stellarclass.nets.card.Card
        Of the ensemble.
    label_system : str
        One of its label systems.

    Returns
    -------
    mix, prior : ndarray, shape (C,)
        For `stellarclass.nets.combination.apply_class_prior`; the prior's sum is 1.

    Raises
    ------
    stellarclass.exceptions.EnsembleError
        If the card does not name the mix.
    stellarclass.exceptions.InputError, TypeError
        As `class_shares`.
    """
    prior = class_shares(class_prior, card.classes)
    mix = card.label_systems[label_system].get("class_mix")
    if mix is None:
        raise EnsembleError(
            f"ensemble {card.name!r} does not say on which mix of classes its {label_system!r} probabilities were "
            "calibrated (class_mix in its card), so that they cannot be corrected for another: leave class_prior out"
        )
    return np.array(mix, float), prior


def format_shares(shares, classes):
    """A mix as text, as the command line takes it.

    Parameters
    ----------
    shares : array-like, shape (C,)
        Of the classes.
    classes : sequence of str
        Their names.

    Returns
    -------
    str

    Examples
    --------
    >>> from stellarclass.nets.classprior import format_shares
    >>> format_shares([0.3, 0.5, 0.2], ("F", "G", "K"))
    'F=0.3,G=0.5,K=0.2'
    """
    return ",".join(f"{name}={share:.6g}" for name, share in zip(classes, shares, strict=True))
