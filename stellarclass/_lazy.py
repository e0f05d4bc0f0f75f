# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Packages whose names are loaded when they are first asked for, so that an import stays fast (PEP 562)."""

import sys
from importlib import import_module


def lazy_names(package, home):
    """Make what a package needs to offer names that lie in its modules.

    Parameters
    ----------
    package : str
        The package's ``__name__``.
    home : dict of str to str or None
        Module of each name, relative to the package; `None` where the name is that of a module itself.

    Returns
    -------
    names : list of str
        The package's ``__all__``.
    getter : callable
        Its ``__getattr__``.
    lister : callable
        Its ``__dir__``.

    Raises
    ------
    AttributeError
        By the getter, if the name is none of them.
    """
    names = sorted(home)

    def __getattr__(name):
        if name not in home:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        if home[name] is None:
            return import_module(f".{name}", package)
        value = getattr(import_module(f".{home[name]}", package), name)
        setattr(sys.modules[package], name, value)
        return value

    def __dir__():
        return sorted({*vars(sys.modules[package]), *names})

    return names, __getattr__, __dir__
