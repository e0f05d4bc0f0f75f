# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""A SAMP hub and a client of it."""

import pytest
from samphub import Desktop, isolate, running_hub


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        lock = isolate(patch, tmp_path_factory.mktemp("hub"))
        with running_hub(lock) as hub:
            yield hub


@pytest.fixture
def desktop(hub, tmp_path):
    client = Desktop(folder=tmp_path)
    yield client
    client.close()
