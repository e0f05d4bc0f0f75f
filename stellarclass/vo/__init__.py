# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Results in the Virtual Observatory: VOTables, regions, and tables that a TAP service publishes.

Only this package and ``stellarclass.archives`` open sockets. Its names are loaded when they are first used, so that
importing it loads neither pyvo nor regions.
"""

from importlib import import_module

_HOME = {
    "Answer": "samp",
    "Listener": "listener",
    "publish": "upload",
    "send": "samp",
    "to_regions": "footprints",
    "to_votable": "votable",
    "write_tap_bundle": "bundle",
}

__all__ = sorted(_HOME)


def __getattr__(name):
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f".{_HOME[name]}", __name__), name)
    return value


def __dir__():
    return sorted({*globals(), *_HOME})
