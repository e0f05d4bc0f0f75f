# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""One small sky and one undisturbed run of it for all tests of surveys. Nobody writes to either."""

from types import SimpleNamespace

import pytest
from surveysky import write_sky

from stellarclass.survey import RunSettings, plan_survey, run_survey

pytest.importorskip("pyarrow")


@pytest.fixture(scope="session")
def sky(tmp_path_factory):
    """Six fields with five stars each; the last one has no frames."""
    root = tmp_path_factory.mktemp("sky")
    targets = write_sky(root, 6, 5, missing=[5])
    settings = RunSettings(images=str(root), astrometry=str(root / "gaia.ecsv"))
    return SimpleNamespace(root=root, targets=targets, settings=settings)


@pytest.fixture(scope="session")
def undisturbed(sky, tmp_path_factory):
    """The sky planned in units of two fields, and run by this process."""
    folder = tmp_path_factory.mktemp("undisturbed") / "survey"
    plan = plan_survey(sky.targets, folder, fields_per_unit=2, progress=False)
    summary = run_survey(folder, sky.settings, workers=0, progress=False)
    return SimpleNamespace(folder=folder, plan=plan, summary=summary)


@pytest.fixture
def planned(sky, tmp_path):
    """The sky planned, and nothing done."""
    plan_survey(sky.targets, tmp_path / "survey", fields_per_unit=2, progress=False)
    return tmp_path / "survey"
