# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""A small set of stars of the simulated sky, made once; a reference set, and an evaluation on it."""

import pytest

from stellarclass.evaluation.contenders import single_member
from stellarclass.evaluation.evaluate import evaluate
from stellarclass.reference import ReferenceSet
from stellarclass.stamps import recipes
from stellarclass.stamps.photometric import PhotometricRecipe
from stellarclass.training.aperture_mlp import with_labels
from stellarclass.training.simulated import make_training_set


@pytest.fixture(scope="session")
def star_set():
    """Features and targets of 2,000 stars."""
    return with_labels(make_training_set(2000, seed=5, recipe=recipes.to_dict(PhotometricRecipe())))


@pytest.fixture(scope="session")
def reference_set():
    """300 simulated reference stars, 62 of them for testing."""
    return ReferenceSet.simulated(300, seed=1)


@pytest.fixture(scope="session")
def evaluation(reference_set, default_ensemble, tmp_path_factory):
    """The default ensemble on the test stars, beside one of its own members that claims to be another ensemble."""
    return evaluate(
        default_ensemble,
        reference_set,
        beside=[single_member(default_ensemble, 0)],
        resamples=100,
        work=tmp_path_factory.mktemp("evaluation") / "answers",
    )
