# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Surveys: lists of targets of any size, planned, run on many workers, each target answered exactly once.

Everything needs pyarrow; workers need Dask, the finished catalog needs hats: ``pip install stellarclass[survey]``.
"""

from importlib import import_module

_HOME = {
    "CostEstimate": "estimate",
    "FieldList": "fieldlist",
    "Finished": "catalog",
    "Rates": "estimate",
    "RunSettings": "settings",
    "RunSummary": "run",
    "SurveyPlan": "plan",
    "SurveyStatus": "status",
    "TapQuery": "reading",
    "Verification": "verify",
    "estimate_cost": "estimate",
    "finish_survey": "catalog",
    "load_plan": "plan",
    "load_rates": "estimate",
    "plan_survey": "plan",
    "read_results": "results",
    "run_survey": "run",
    "survey_status": "status",
    "verify_survey": "verify",
}

__all__ = sorted(_HOME)


def __getattr__(name):
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f".{_HOME[name]}", __name__), name)
    return value


def __dir__():
    return sorted({*globals(), *_HOME})
