# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Fixtures for all tests: real data where it lies on this machine, and a home that tests may write to."""

import os
from pathlib import Path

import hypothesis
import pytest
from dachs.fixtures import dachs_gaia  # noqa: F401 - a fixture for all tests

try:
    from pytest_astropy_header.display import PYTEST_HEADER_MODULES, TESTED_VERSIONS
except ImportError:  # the header is a convenience
    PYTEST_HEADER_MODULES, TESTED_VERSIONS = {}, {}

os.environ.setdefault("MPLBACKEND", "agg")
if "PYTEST_XDIST_WORKER" in os.environ:  # there is a process to each core already
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# The same examples each time; and how long one takes is the machine's business.
hypothesis.settings.register_profile("stellarclass", deadline=None, derandomize=True)
hypothesis.settings.load_profile("stellarclass")


def pytest_configure(config):
    config.option.astropy_header = True
    for name in list(PYTEST_HEADER_MODULES):
        del PYTEST_HEADER_MODULES[name]
    for name in ("numpy", "astropy", "pyvo", "astroquery", "torch", "specutils", "regions", "safetensors", "scipy"):
        PYTEST_HEADER_MODULES[name] = name

    from stellarclass import __version__

    TESTED_VERSIONS["stellarclass"] = __version__


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist, which looks at the groups
def pytest_collection_modifyitems(items):
    """Under ``pytest -n``, a file's tests stay in one process, where their fixtures are made; so do all that ask DaCHS.

    The server takes a while to start and is not started twice: its files make one group, and the first one.
    """
    with_server = {item.path for item in items if "dachs_gaia" in getattr(item, "fixturenames", ())}
    items.sort(key=lambda item: item.path not in with_server)
    for item in items:
        group = "dachs" if item.path in with_server else str(item.path)
        item.add_marker(pytest.mark.xdist_group(group))


@pytest.fixture(scope="session")
def real_data():
    """Folder of real SDSS frames and Gaia rows; tests that need it skip where it is absent, and fail in CI."""
    given = os.environ.get("STELLARCLASS_REAL_DATA")
    folder = Path(given) if given else Path(__file__).resolve().parents[2] / "shared" / "data"
    if (folder / "sas").is_dir():
        return folder
    message = f"no real data in {folder}; STELLARCLASS_REAL_DATA names the folder that has them"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture(scope="session")
def sas_tree(tmp_path_factory):
    """Root of a small SAS tree: the fields of `skyframes.FIELDS`. Not to be written to."""
    from skyframes import write_tree

    return write_tree(tmp_path_factory.mktemp("archive") / "sas")


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory):
    """Downloads go to a folder of the tests' own: nobody's cache is read or written."""
    from stellarclass import conf

    folder = tmp_path_factory.mktemp("cache")
    with conf.set_temp("cache_dir", str(folder)):
        yield folder


@pytest.fixture(autouse=True)
def hasty():
    """Next to no waiting before the next try, no field put back; and a host is what it is to this test alone."""
    from stellarclass import conf
    from stellarclass.archives import _hosts

    _hosts.forget_hosts()
    with conf.set_temp("retry_delay", 0.01), conf.set_temp("put_backs", 0):
        yield
    _hosts.forget_hosts()


@pytest.fixture(scope="session")
def default_ensemble():
    """The ensemble that comes with the package, loaded once for all tests that only ask it."""
    from stellarclass import conf, load_ensemble

    return load_ensemble(conf.ensemble)
