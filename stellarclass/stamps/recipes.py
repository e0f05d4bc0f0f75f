# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Recipes: named, serializable ways from stamps and astrometry to the arrays that a network takes.

A recipe is a frozen dataclass of plain numbers with a ``name`` and a call::

    inputs = recipe(stamps, astrometry)      # dict of str to ndarray, first axis N

The model card stores ``{"name": ..., **parameters}``; training and inference both go through `from_dict`, so they
cannot drift apart.
"""

from dataclasses import asdict

__all__ = ["from_dict", "register", "to_dict"]

_RECIPES = {}


def register(cls):
    """Class decorator that makes a recipe known under its ``name``."""
    _RECIPES[cls.name] = cls
    return cls


def to_dict(recipe):
    """A recipe as plain JSON-ready values, its name first."""
    return {"name": recipe.name, **asdict(recipe)}


def from_dict(values):
    """The recipe that `to_dict` described.

    Raises
    ------
    ValueError
        If the name or a parameter is unknown.
    """
    from . import mescr, photometric  # noqa: F401  (they register themselves)

    values = dict(values)
    name = values.pop("name", None)
    if name not in _RECIPES:
        raise ValueError(f"unknown input recipe {name!r}; this version knows {', '.join(sorted(_RECIPES))}")
    try:
        return _RECIPES[name](**values)
    except TypeError as err:
        raise ValueError(f"recipe {name!r} does not take these parameters: {err}") from err
