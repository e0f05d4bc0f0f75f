# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The label map's fit: recovers labels that were drawn from a known map, and the table in the package from its data."""

import json
from importlib import resources

import numpy as np
import pytest
from astropy.table import Table

from stellarclass.physics import CLASSES
from stellarclass.simulate import draw_stars, label_probabilities
from stellarclass.simulate.labels import _features
from stellarclass.training.label_map import MAGNITUDE_LIMITS, PRIOR_EXPONENT, fit_label_map, main


@pytest.fixture(scope="module")
def drawn():
    """Stars whose labels are drawn from the package's map: magnitudes (N, 5), labels, true probabilities."""
    stars = draw_stars(6000, seed=1, r_range=MAGNITUDE_LIMITS * draw_stars(1, seed=1)["r"].unit)
    magnitudes = np.stack([stars[b].value for b in "ugriz"], axis=1)
    true = label_probabilities(magnitudes[:, :-1] - magnitudes[:, 1:], label_system="sdss")
    index = (np.random.default_rng(2).random((6000, 1)) > true.cumsum(1)).sum(1).clip(0, 4)
    return magnitudes, np.array(CLASSES)[index], true


def _probabilities(colors, coefficients, intercept):
    scores = _features(colors) @ coefficients + intercept
    p = np.exp(scores - scores.max(1, keepdims=True))
    return p / p.sum(1, keepdims=True)


def test_a_known_map_is_found_again(drawn):
    magnitudes, labels, true = drawn
    colors = magnitudes[:, :-1] - magnitudes[:, 1:]
    coefficients, intercept, log_loss = fit_label_map(colors, labels)
    assert coefficients.shape == (_features(colors[:1]).shape[1], 5) and intercept.shape == (5,)
    found = _probabilities(colors, coefficients, intercept)
    assert np.abs(found - true).mean() < 0.01
    # As likely as the truth makes the labels, a little more since it was fitted to them.
    entropy = -(true * np.log(true.clip(1e-12))).sum(1).mean()
    assert log_loss == pytest.approx(entropy, abs=0.03)


def test_the_penalty_shrinks_what_the_labels_do_not_ask_for(drawn):
    magnitudes, labels, _ = drawn
    colors = (magnitudes[:, :-1] - magnitudes[:, 1:])[:1000]
    sizes = [np.abs(fit_label_map(colors, labels[:1000], penalty=p)[0]).sum() for p in (0.01, 1.0, 100.0)]
    assert sizes[0] > sizes[1] > sizes[2]


def test_the_command_writes_a_table_that_the_package_reads(drawn, tmp_path, capsys):
    magnitudes, labels, _ = drawn
    table = Table(magnitudes, names=list("ugriz"))
    table["label"] = labels
    # Neither bright, faint, unmeasured nor other stars take part.
    for row, (column, value) in enumerate([("r", 10.0), ("r", 22.0), ("u", np.nan), ("label", "Q")]):
        table[column][row] = value
    table.write(tmp_path / "labels.ecsv")
    main([str(tmp_path / "labels.ecsv"), "-o", str(tmp_path / "map.json")])
    written = json.loads((tmp_path / "map.json").read_text())
    shipped = json.loads(resources.files("stellarclass.simulate").joinpath("tables/sdss_label_map.json").read_text())
    assert written.keys() == shipped.keys()
    assert sum(written["stars"].values()) == 5996
    assert "5996 stars" in capsys.readouterr().out
    # The intercept has the class mix taken out, in part.
    colors = (magnitudes[:, :-1] - magnitudes[:, 1:])[4:]
    _, raw, _ = fit_label_map(colors, labels[4:])
    share = np.array([written["stars"][c] for c in CLASSES]) / 5996
    np.testing.assert_allclose(written["intercept"], raw - PRIOR_EXPONENT * np.log(share), atol=1e-3)


def test_the_shipped_map_comes_from_the_labels_it_names(real_data, tmp_path):
    main([str(real_data / "labels" / "sdss_subclass_ugriz.ecsv"), "-o", str(tmp_path / "map.json")])
    fitted = json.loads((tmp_path / "map.json").read_text())
    shipped = json.loads(resources.files("stellarclass.simulate").joinpath("tables/sdss_label_map.json").read_text())
    assert {k: fitted[k] for k in ("stars", "r_limits", "classes", "prior_exponent")} == {
        k: shipped[k] for k in ("stars", "r_limits", "classes", "prior_exponent")
    }
    stars = draw_stars(2000, seed=3)
    magnitudes = np.stack([stars[b].value for b in "ugriz"], axis=1)
    colors = magnitudes[:, :-1] - magnitudes[:, 1:]
    p = [_probabilities(colors, np.array(m["coefficients"]), np.array(m["intercept"])) for m in (fitted, shipped)]
    assert np.abs(p[0] - p[1]).max() < 0.02
