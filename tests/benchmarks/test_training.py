# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The benchmark of training: where the time of an epoch goes."""

import importlib.util
from pathlib import Path

import pytest
import torch

from stellarclass.training.configfile import read_config

_PATH = Path(__file__).resolve().parents[2] / "benchmarks/training.py"


@pytest.fixture(scope="module")
def benchmark_training():
    spec = importlib.util.spec_from_file_location("benchmark_training", _PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_device_is_kept_busy(benchmark_training):
    """At least 90 % of the time is the network's. It is the processor's time: other programs do not count."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        spent = benchmark_training.measure(read_config("mescr-small"), batches=2, stars=600, device=torch.device("cpu"))
    finally:
        torch.set_num_threads(threads)
    assert set(spent) == {"batches", "network", "checkpoint"} and all(v > 0 for v in spent.values())
    assert spent["network"] / sum(spent.values()) >= 0.9
