# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The arrow of the pipeline never points back: who may import whom, and what an import may load."""

import ast
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import stellarclass

PACKAGE = Path(stellarclass.__file__).parent
BASE = ("__version__", "_config", "_html", "_lazy", "_progress", "exceptions", "flags")

# Module or folder -> what else of the package it may import (a name allows everything below it). Its own folder and
# BASE are always allowed, except to BASE itself.
ALLOWED = {
    "_config": (),
    "_html": (),
    "_lazy": (),
    "_progress": (),
    "exceptions": (),
    "flags": (),
    "schema": (),
    "tables": ("schema",),
    "columns": (),
    "combine": (),
    "mocs": (),
    "skyregions": ("mocs",),
    "zeropoint": (),
    "usertable": ("tables",),
    "targets": ("schema", "columns", "usertable"),
    "astrometry": ("targets", "physics"),
    "archives": ("targets", "columns", "astrometry", "zeropoint", "tables"),
    "stamps": ("targets", "astrometry", "archives.base", "physics"),
    "simulate": (
        "targets",
        "astrometry",
        "archives.base",
        "archives.localastrometry",
        "stamps",
        "physics",
        "zeropoint",
    ),
    "nets": ("stamps.recipes",),
    "physics": (),
    "metrics": ("physics",),
    "spectroscopy": ("physics", "archives.base", "archives.spectrumfile"),
    "lookup": ("targets", "astrometry", "archives", "skyregions"),
    "results": ("schema", "targets", "astrometry", "nets.prediction", "physics"),
    "classifier": ("results", "lookup", "targets", "astrometry", "stamps", "nets", "combine", "usertable"),
    "shortcuts": ("classifier",),
    "fetch": ("lookup", "targets", "astrometry", "stamps"),
    "plotting": ("schema", "stamps", "archives.base", "physics"),
    "reference": (
        "targets",
        "columns",
        "astrometry",
        "archives",
        "stamps",
        "simulate",
        "physics",
        "tables",
        "lookup",
        "fetch",
        "plotting",
    ),
    "training": (
        "reference.sets",
        "targets",
        "astrometry",
        "archives",
        "stamps",
        "simulate",
        "nets",
        "physics",
        "tables",
        "metrics",
    ),
    # What is judged, and what it is judged by: everything that an answer comes from.
    "evaluation": (
        "reference.sets",
        "tables",
        "targets",
        "astrometry",
        "archives",
        "stamps",
        "nets",
        "physics",
        "metrics",
        "plotting",
        "simulate",
        "training",
    ),
    # It answers other programs too: what they send is fetched and classified, and its stars are drawn.
    "vo": (
        "schema",
        "tables",
        "columns",
        "combine",
        "targets",
        "astrometry",
        "archives.transport",
        "lookup",
        "fetch",
        "stamps",
        "plotting",
        "classifier",
    ),
    # Its targets may come from an archive, its workers start from sources that were named, and stamps are kept.
    "survey": (
        "schema",
        "tables",
        "columns",
        "targets",
        "astrometry",
        "archives",
        "lookup",
        "stamps.base",
        "nets.threads",
        "results",
        "classifier",
    ),
    "cli": ("",),
    "__main__": ("cli",),
}

# Third-party or standard module -> the only parts of the package that may import it.
CONFINED = {
    "torch": ("nets", "training"),
    "safetensors": ("nets", "training"),
    "matplotlib": ("plotting", "evaluation"),
    **dict.fromkeys(
        "aiohttp astroquery ftplib http pyvo requests socket socketserver ssl urllib.request urllib3 xmlrpc "
        "astropy.samp astropy.utils.data".split(),
        ("archives", "vo"),
    ),
    # Never: what they read can run code.
    **dict.fromkeys(("pickle", "dill", "joblib", "marshal", "shelve"), ()),
}


def modules():
    return sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))


def dotted(relative):
    """`nets/weights.py` as ``stellarclass.nets.weights``."""
    parts = ["stellarclass", *relative.with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(source, relative, known=()):
    """Absolute dotted names of everything that a module's source imports, wherever in it the import stands."""
    package = ["stellarclass", *relative.parent.parts]
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            origin = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*origin, *([node.module] if node.module else [])])
            # `from package import module` imports the module; `from module import name` the module alone.
            found |= {
                f"{base}.{a.name}" if base == "stellarclass" or f"{base}.{a.name}" in known else base
                for a in node.names
            }
            if base.split(".")[0] != "stellarclass":
                found |= {f"{base}.{alias.name}" for alias in node.names}
    return found


def violations(source, relative, known=()):
    """What a module imports against the tables above, in words."""
    unit = "" if relative.name == "__init__.py" and relative.parent == Path() else relative.with_suffix("").parts[0]
    wrong = []
    for name in sorted(imported(source, relative, known)):
        head, _, rest = name.partition(".")
        if head == "stellarclass":
            inner = (() if unit in BASE else (unit, *BASE)) + ALLOWED.get(unit, ())
            if rest and not any(a == "" or rest == a or rest.startswith(a + ".") for a in inner):
                wrong.append(f"{dotted(relative)} imports {name}")
        for confined, homes in CONFINED.items():
            if (name == confined or name.startswith(confined + ".")) and unit not in homes:
                wrong.append(f"{dotted(relative)} imports {name}; only {', '.join(homes) or 'nobody'} may")
    return wrong


def test_every_module_keeps_to_the_table():
    known = {dotted(path) for path in modules()}
    wrong = [w for path in modules() for w in violations((PACKAGE / path).read_text("utf-8"), path, known)]
    assert wrong == []


def test_imports_name_modules_that_exist():
    """One inside a function would fail only when it is called."""
    known = {dotted(path) for path in modules()}
    names = {
        name
        for path in modules()
        for name in imported((PACKAGE / path).read_text("utf-8"), path, known)
        if name.startswith("stellarclass.")
    }
    public = {f"stellarclass.{name}" for name in stellarclass.__all__}
    assert names - known - public == set()


def test_every_module_is_in_the_table():
    units = {path.with_suffix("").parts[0] for path in modules()} - {"__init__"}
    assert units - set(ALLOWED) == set()


def test_no_computed_imports():
    """They would slip through the table. Packages load names, the command line its verbs, a card names its network."""
    allowed = {Path("_lazy.py"), Path("cli/__init__.py"), Path("nets/weights.py")}
    wrong = []
    for path in modules():
        nodes = list(ast.walk(ast.parse((PACKAGE / path).read_text("utf-8"))))
        names = {n.attr for n in nodes if isinstance(n, ast.Attribute)} | {
            n.id for n in nodes if isinstance(n, ast.Name)
        }
        if path not in allowed and names & {"import_module", "__import__"}:
            wrong.append(str(path))
    assert wrong == []


def test_networks_are_looked_up_in_nets_only():
    from stellarclass.nets.weights import ARCHITECTURES

    assert all(target.startswith("stellarclass.nets.") for target in ARCHITECTURES.values())


@pytest.mark.parametrize(
    ("path", "line", "caught"),
    [
        ("stamps/cutouts.py", "from ..nets import ensemble", True),
        ("stamps/cutouts.py", "from ..nets.ensemble import Ensemble", True),
        ("stamps/cutouts.py", "from stellarclass import classifier", True),
        ("stamps/cutouts.py", "from ..archives.base import Frame", False),
        ("stamps/cutouts.py", "from ..archives.sdss import SDSS", True),
        ("stamps/cutouts.py", "from .. import flags", False),
        ("stamps/cutouts.py", "def f():\n    import torch.nn as nn", True),
        ("nets/layers.py", "import torch.nn as nn", False),
        ("targets.py", "from urllib.request import urlopen", True),
        ("targets.py", "from urllib.parse import quote", False),
        ("archives/gaia.py", "import pyvo", False),
        ("flags.py", "from . import _config", True),
        ("cli.py", "from .training import loop", False),
        ("nets/weights.py", "import pickle", True),
    ],
)
def test_the_check_itself(path, line, caught):
    known = {"stellarclass.nets.ensemble", "stellarclass.archives.base"}
    assert bool(violations(line, Path(path), known)) is caught


def run(code):
    result = subprocess.run(
        [sys.executable, "-P", "-c", textwrap.dedent(code)],
        env=os.environ | {"PYTHONPATH": str(PACKAGE.parent)},  # the package under test, wherever it lies
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_import_loads_neither_torch_nor_a_socket():
    code = """
        import sys
        before = set(sys.modules)
        import stellarclass
        dir(stellarclass)
        print(*sorted({name.partition(".")[0] for name in set(sys.modules) - before}))
    """
    loaded = set(run(code).split())
    assert loaded - set(sys.stdlib_module_names) == {"stellarclass"}
    assert not {"socket", "ssl", "http", "urllib"} & loaded


def test_light_names_load_neither_torch_nor_a_socket():
    """Flags, schema, targets, tables and the exceptions are for programs that only read our tables."""
    code = """
        import sys
        import astropy.table, astropy.coordinates, astropy.io.votable
        before = set(sys.modules)
        from stellarclass import conf, exceptions, flags, schema, tables, targets
        print(*sorted({name.partition(".")[0] for name in set(sys.modules) - before}))
    """
    assert not {"torch", "requests", "urllib3", "astroquery", "pyvo", "socket", "http"} & set(run(code).split())


def test_no_module_connects_when_imported():
    code = """
        import pkgutil, sys, warnings

        def refuse(event, args):
            if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.bind"):
                raise RuntimeError(f"{event} {args[1:]} while importing")

        sys.addaudithook(refuse)
        import stellarclass
        for module in pkgutil.walk_packages(stellarclass.__path__, "stellarclass."):
            if not module.name.endswith("__main__"):
                __import__(module.name)
        print("ok")
    """
    assert run(code).strip() == "ok"


@pytest.mark.parametrize("name", stellarclass.__all__)
def test_public_names_resolve(name):
    assert getattr(stellarclass, name) is not None


def test_unknown_names_are_attribute_errors():
    with pytest.raises(AttributeError, match="no_such_name"):
        stellarclass.no_such_name  # noqa: B018
