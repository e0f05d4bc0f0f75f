# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""A classifier without networks or pixels: the command line's own tests need neither."""

from types import SimpleNamespace

import numpy as np

from stellarclass import schema
from stellarclass.astrometry import Astrometry
from stellarclass.nets.prediction import Prediction
from stellarclass.targets import parse_targets


def fake_classifier(*, flags=0, error=None):
    """A stand-in for the module `stellarclass.classifier`; ``calls`` keeps what it was called with.

    Star i is of class AFGKM[i % 5] and has a radius of i + 1 solar radii.
    """
    calls = []

    class Classifier:
        def __init__(self, **options):
            self.options = options

        def classify(self, targets, *, coords=None, progress=None):
            calls.append((targets, {"coords": coords, "progress": progress, **self.options}))
            if error is not None:
                raise error
            return answer(parse_targets(targets, coords=coords))

    def answer(targets):
        n = len(targets)
        index = np.arange(n)
        one = index + 1.0
        hot = np.eye(5)[index % 5].reshape(n, 5)
        prediction = Prediction(
            classes=tuple("AFGKM"),
            probabilities=0.1 + 0.5 * hot,
            class_sets=hot > 0,
            radius=one,
            radius_err=0.1 * one,
            radius_lower=0.8 * one,
            radius_upper=1.2 * one,
            radius_spread=0.05 * one,
            domain_score=np.zeros(n),
        )
        return schema.build_table(
            targets,
            astrometry=Astrometry.empty(n),
            prediction=prediction,
            flags=targets.flags | flags,
            inputs_used=np.full(n, 31),
            radius_sb=one,
            psfmag=np.full((n, 5), 17.0),
            meta={"ensemble": "fake", "label_system": "sdss"},
        )

    return SimpleNamespace(Classifier=Classifier, calls=calls)
