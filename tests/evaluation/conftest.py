# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""A small set of stars of the simulated sky, made once."""

import pytest

from stellarclass.stamps import recipes
from stellarclass.stamps.photometric import PhotometricRecipe
from stellarclass.training.aperture_mlp import with_labels
from stellarclass.training.simulated import make_training_set


@pytest.fixture(scope="session")
def star_set():
    """Features and targets of 2,000 stars."""
    return with_labels(make_training_set(2000, seed=5, recipe=recipes.to_dict(PhotometricRecipe())))
