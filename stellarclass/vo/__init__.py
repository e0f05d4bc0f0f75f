# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Results in the Virtual Observatory: VOTables, regions, and tables that a TAP service publishes.

Only this package and ``stellarclass.archives`` open sockets. Its names are loaded when they are first used, so that
importing it loads neither pyvo nor regions.
"""

from .._lazy import lazy_names

_HOME = {
    "Answer": "samp",
    "Listener": "listener",
    "publish": "upload",
    "send": "samp",
    "to_regions": "footprints",
    "to_votable": "votable",
    "write_tap_bundle": "bundle",
}

__all__, __getattr__, __dir__ = lazy_names(__name__, _HOME)
