# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What a notebook shows of our objects, and of a long job."""

import re
import sys
import xml.etree.ElementTree as ET
from types import ModuleType

import numpy as np
import pytest

from stellarclass import Classifier, simulate
from stellarclass._html import summary
from stellarclass._progress import progress_bar
from stellarclass.reference import ReferenceSet
from stellarclass.stamps import Stamps


def shown(thing):
    """Heading, and the table's text by the names of its rows; the HTML has to be well-formed."""
    tree = ET.fromstring(thing._repr_html_())  # noqa: S314
    return tree.findtext("strong"), {row.findtext("th"): row.findtext("td") for row in tree.iter("tr")}


def test_what_is_shown_is_escaped():
    html = summary("<script>", {"a & b": "<b>", "none": None, "nothing": "", "zero": 0})
    assert "<script>" not in html and "<b>" not in html
    assert re.findall(r"<th[^>]*>(.*?)</th>", html) == ["a &amp; b", "zero"]


def test_an_ensemble(default_ensemble):
    title, rows = shown(default_ensemble)
    assert title == "Ensemble default 1"
    assert rows["classes"] == "A, F, G, K, M" and "sdss (default)" in rows["label systems"]
    assert rows["SHA-256"] == default_ensemble.card.sha256


def test_a_classifier(default_ensemble):
    sky = simulate.field(seed=1, n_stars=2, bands="gri")
    _, rows = shown(Classifier(default_ensemble, images=sky.images, astrometry=False))
    assert rows["astrometry"] == "none" and rows["match radius"] == "3.0 arcsec" and "class prior" not in rows
    _, rows = shown(Classifier(default_ensemble, images=sky.images, astrometry=False, class_prior="even"))
    assert rows["class prior"].count("0.2") == 5
    title, rows = shown(sky)
    assert title.startswith("Simulated field") and rows["frames"] == "gri" and rows["stars"].startswith("2,")
    assert repr(sky).startswith("<SimulatedField") and len(repr(sky)) < 100
    _, rows = shown(Classifier(default_ensemble, images=sky.images, astrometry=sky.astrometry))
    assert rows["images"] == repr(sky.images) == f"<SimulatedImages 'simulated SDSS': {sky.contents.key}>"


def test_stamps_and_reference_sets():
    reference = ReferenceSet.simulated(12, seed=1)
    _, rows = shown(reference)
    counts = [int(n) for n in re.findall(r" (\d+)[,)]", rows["train"] + rows["test"])]
    assert sum(counts) == 12 == int(rows["stars"]) and rows["simulated"] == "yes"
    stamps = reference.stamps()
    _, rows = shown(stamps)
    assert rows["stars with pixels"] == "u 12, g 12, r 12, i 12, z 12"
    assert "epochs" not in shown(Stamps.empty(2))[1]


def test_an_evaluation(default_ensemble):
    from stellarclass.evaluation.evaluate import evaluate

    reference = ReferenceSet.simulated(12, seed=1)
    found = evaluate(default_ensemble, reference, rows="all", members=False, baselines=False, resamples=10)
    title, rows = shown(found)
    assert title == "Evaluation of default" and "12 stars" in rows["on"]
    accuracy = float(re.search(r"accuracy (\S+),", rows["default, spectral_class as sdss"]).group(1))
    assert accuracy == pytest.approx(found.scores["accuracy"][0], abs=6e-4)
    assert np.isfinite(accuracy) and "solRad" in rows["default, spectral_class as sdss"]
    assert repr(found) == "<Evaluation of default on 12 stars>"


def test_a_notebook_has_bars(monkeypatch):
    """Standard error is no terminal there, and the bar is tqdm's choice for notebooks where ipywidgets are."""
    monkeypatch.setitem(sys.modules, "ipykernel", ModuleType("ipykernel"))
    with progress_bar(2) as bar:
        assert not bar.disable
    assert type(bar).__module__.startswith("tqdm")
