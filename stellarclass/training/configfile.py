# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Read a configuration from TOML: one that comes with the package, or a file of your own.

A file holds what `stellarclass.training.config` lists, and may start from another: ``base = "mescr"`` takes everything
from there that the file does not set itself.
"""

import re
import tomllib
from dataclasses import fields
from pathlib import Path

from ..exceptions import InputError
from ..stamps.mescr import MescrRecipe
from .config import FITTED, KINDS, SECTIONS

__all__ = ["SHIPPED", "read_config"]

SHIPPED = ("default", "mescr", "mescr-small", "mescr-study")
"""Configurations that come with the package."""

_FOLDER = Path(__file__).parent / "configurations"
_BARE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_MAX_BYTES = 100_000
_MOST_PARTS = 20
_PART = rb"""(?:[A-Za-z0-9_-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+"""
_LONG_KEY = re.compile(rb"(?<![A-Za-z0-9_-])(?:%s){%d}" % (_PART, _MOST_PARTS))  # possessive: in linear time


def read_config(name_or_path):
    """Read a configuration that comes with the package, or one from a file.

    Parameters
    ----------
    name_or_path : str or path-like
        A bare name (letters, digits, ``_``, ``-``) is one of `SHIPPED`; anything else is the path of a TOML file.

    Returns
    -------
    MescrConfig or DefaultConfig
        By the file's ``kind``.

    Raises
    ------
    stellarclass.exceptions.InputError
        If there is no such configuration, or anything in it is unknown, of the wrong type or beyond its limits.

    Examples
    --------
    >>> from stellarclass.training.configfile import read_config
    >>> config = read_config("mescr")
    >>> config.training.epochs, config.training.batch_size, config.training.learning_rate
    (200, 256, 0.001)
    """
    path = _path(name_or_path)
    try:
        return _build(_load(path, seen=()))
    except InputError as err:
        raise InputError(f"{err} (in {path})") from None


def _path(name_or_path):
    text = str(name_or_path)
    if isinstance(name_or_path, str) and _BARE.fullmatch(text):
        if text not in SHIPPED:
            raise InputError(
                f"no configuration {text!r} comes with the package, which has {', '.join(SHIPPED)}; for a file of your "
                f"own give a path such as './{text}.toml'"
            )
        return _FOLDER / f"{text}.toml"
    return Path(text)


def _load(path, *, seen):
    """The values of a file over those of its base."""
    try:
        raw = path.read_bytes()
    except OSError as err:
        raise InputError(f"no configuration can be read: {err.strerror or err}: {path}") from err
    if len(raw) > _MAX_BYTES:
        raise InputError(f"{path.name} has {len(raw)} bytes; a configuration has at most {_MAX_BYTES}")
    if _LONG_KEY.search(raw):  # which the parser would take the square of its length for
        raise InputError(f"{path.name} has a key of more than {_MOST_PARTS} parts")
    try:
        values = tomllib.loads(raw.decode("utf-8"))
    except (ValueError, RecursionError) as err:
        raise InputError(f"{path.name} is not TOML: {err}") from err
    if "base" not in values:
        return values
    base = values.pop("base")
    if not isinstance(base, str):
        raise InputError(f"base = {base!r} is not the name of a configuration")
    below = _path(base)
    below = below if below.is_absolute() else path.parent / below
    if below.resolve() in seen or len(seen) > 10:
        raise InputError(f"base = {base!r} goes in a circle")
    merged = _load(below, seen=(*seen, path.resolve()))
    for name, value in values.items():
        both = isinstance(value, dict) and isinstance(merged.get(name), dict)
        merged[name] = merged[name] | value if both else value
    return merged


def _build(values):
    values = dict(values)
    kind = values.pop("kind", None)
    if not isinstance(kind, str) or kind not in KINDS:
        raise InputError(f"kind = {kind!r} is none of {', '.join(map(repr, KINDS))}")
    known = {f.name for f in fields(KINDS[kind])}
    _only(values, known, f"a configuration of kind {kind!r}")
    for name, section in SECTIONS[kind].items():
        if name in values:
            values[name] = _section(section, values[name], name)
    return KINDS[kind](**values)


def _section(cls, values, name):
    if not isinstance(values, dict):
        raise InputError(f"{name} = {values!r} is not a table; write [{name}] and its settings below")
    if cls is not MescrRecipe:
        _only(values, {f.name for f in fields(cls)}, f"[{name}]")
        return cls(**values)
    _only(values, {f.name for f in fields(cls)} - set(FITTED), f"[{name}]")
    try:
        return MescrRecipe(**values)
    except (TypeError, ValueError) as err:
        raise InputError(f"[{name}]: {err}") from err


def _only(values, known, where):
    strange = sorted(set(values) - known)
    if strange:
        hint = " (set from the training stars)" if strange[0] in FITTED else ""
        raise InputError(
            f"{where} does not know {', '.join(map(repr, strange))}{hint}; it knows {', '.join(sorted(known))}"
        )
