# Licensed under a 3-clause BSD style license - see LICENSE.rst
import dataclasses
import json

import pytest

from stellarclass.exceptions import InputError
from stellarclass.survey import estimate_cost, load_rates
from stellarclass.survey.estimate import Rates

ROUND = Rates(
    measured="2026-01-01", machine="a core", command="a command", bytes_per_frame=2e6, decode_per_frame=1.0,
    field=1.0, pixels_per_star=0.01, network_per_star=0.01, gpu_per_star=None, answer_bytes_per_star=100,
    stamp_bytes_per_star=1000,
)  # fmt: skip


def test_cost_is_the_sum_of_its_parts():
    cost = estimate_cost(36_000, 720, rates=ROUND, cores=10)
    assert cost.core_hours == pytest.approx({"decoding": 1.0, "fields": 0.2, "pixels": 0.1, "networks": 0.1})
    assert (cost.download_bytes, cost.answer_bytes, cost.stamp_bytes) == (720 * 5 * 2e6, 3.6e6, 36e6)
    days, limit = cost.days(1e9, 1)
    assert limit == "cores" and days == pytest.approx(1.4 / 10 / 24)
    days, limit = cost.days(1e9, 100)
    assert limit == "link" and days == pytest.approx(7.2e9 * 8 / 1e9 / 86_400)
    assert "GPU-hours     not measured" in cost.text() and "(link)" in cost.text()
    with_gpu = estimate_cost(36_000, 720, rates=dataclasses.replace(ROUND, gpu_per_star=1e-4))
    assert with_gpu.gpu_hours == pytest.approx(1e-3)


def test_fields_default_to_those_of_the_paper():
    cost = estimate_cost(50_871_534)
    assert cost.fields == 938_046 and 14e12 < cost.download_bytes < 17e12
    assert estimate_cost(1).fields == 1 and estimate_cost(0).fields == 0
    with pytest.raises(InputError, match="no such survey"):
        estimate_cost(5, 6)


def test_bad_rates_are_refused(tmp_path):
    path = tmp_path / "rates.json"
    for content in ("{", "[1]", json.dumps(dataclasses.asdict(ROUND) | {"field": -1.0}), '{"field": 1}'):
        path.write_text(content)
        with pytest.raises(InputError, match="cannot read rates"):
            load_rates(path)
    path.write_text(json.dumps(dataclasses.asdict(ROUND)))
    assert load_rates(path) == ROUND
