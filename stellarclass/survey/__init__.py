# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Surveys: lists of targets of any size, planned, run on many workers, each target answered exactly once.

Everything needs pyarrow; workers need Dask, the finished catalog needs hats: ``pip install stellarclass[survey]``.
"""

from .._lazy import lazy_names

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

__all__, __getattr__, __dir__ = lazy_names(__name__, _HOME)
