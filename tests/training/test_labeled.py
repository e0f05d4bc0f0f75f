# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Tables of real labels: which stars take part, what anchors are, and an ensemble taught by rendered stars."""

import numpy as np
import pytest
import torch
from astropy.table import MaskedColumn, Table
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from stellarclass.astrometry import Astrometry
from stellarclass.exceptions import InputError
from stellarclass.nets import CompactNet
from stellarclass.nets.card import Card, Member
from stellarclass.nets.ensemble import Ensemble
from stellarclass.physics import CLASSES
from stellarclass.stamps import recipes
from stellarclass.stamps.photometric import FEATURES, PhotometricRecipe
from stellarclass.training import labeled
from stellarclass.training.labeled import MAGNITUDE_LIMITS, LabelTable, teach


def _magnitudes(g_i, r=17.0):
    g_i = np.asarray(g_i, float)
    colors = np.stack([1.0 + 0.5 * g_i, 0.7 * g_i, 0.3 * g_i, 0.15 * g_i], axis=1)
    steps = np.pad(-np.cumsum(colors, axis=1), ((0, 0), (1, 0)))
    return steps - steps[:, 2:3] + r


def _write(path, g_i, labels, **columns):
    table = Table(_magnitudes(g_i), names=list("ugriz"))
    table["label"] = labels
    for name, values in columns.items():
        table[name] = values
    table.write(path, overwrite=True)


def test_reading_leaves_out_what_cannot_be_used(tmp_path):
    """Too bright, too faint, unmeasured, masked, of other classes; on the limit is out."""
    low, high = MAGNITUDE_LIMITS
    r = [17.0, low, high, low + 1e-6, high - 1e-6, 17.0, 17.0, 17.0]
    u = MaskedColumn([19.0, 19, 19, 19, 19, np.nan, 19, 19], mask=[0, 0, 0, 0, 0, 0, 1, 0])
    labels = ["A", "F", "F", "G", "M", "K", "K", "L"]
    _write(tmp_path / "labels.ecsv", np.full(8, 0.5), labels, r=r, u=u)
    table = LabelTable.read(tmp_path / "labels.ecsv")
    assert table.labels.tolist() == ["A", "G", "M"]
    np.testing.assert_array_equal(table.magnitudes[:, 2], [17.0, low + 1e-6, high - 1e-6])
    assert table.own.all() and len(table) == 3
    assert str(table) == "3 stars (A 1, F 0, G 1, K 0, M 1)"


def test_colors_are_differences_of_neighbors(tmp_path):
    _write(tmp_path / "labels.csv", [0.5, 1.0], ["F", "K"])
    table = LabelTable.read(tmp_path / "labels.csv")
    np.testing.assert_allclose(table.colors, [[1.25, 0.35, 0.15, 0.075], [1.5, 0.7, 0.3, 0.15]])


def test_a_table_without_what_is_needed_is_refused_by_name(tmp_path):
    Table({"u": [1.0], "g": [1.0], "r": [17.0], "z": [1.0]}).write(tmp_path / "short.ecsv")
    with pytest.raises(InputError, match="no column i, label; it has u, g, r, z"):
        LabelTable.read(tmp_path / "short.ecsv")
    _write(tmp_path / "faint.ecsv", [0.5], ["F"], r=[25.0])
    with pytest.raises(InputError, match="no star of classes A, F, G, K, M with r in"):
        LabelTable.read(tmp_path / "faint.ecsv")


def _table(g_i, labels):
    return LabelTable(_magnitudes(g_i), np.asarray(labels))


@settings(max_examples=30, deadline=None)
@given(
    g_i=arrays(float, st.integers(1, 400), elements=st.floats(-0.5, 3)),
    seed=st.integers(0, 99),
)
def test_anchors_are_what_no_pipeline_could_call_otherwise(g_i, seed):
    labels = np.random.default_rng(seed).choice(list(CLASSES), len(g_i))
    other, own = _table(g_i, labels), _table([0.5, 0.6], ["F", "G"])
    table = own.anchored(other)
    np.testing.assert_array_equal(table.magnitudes[:2], own.magnitudes)
    assert table.own.tolist() == [True, True] + [False] * (len(table) - 2)
    anchors = table.colors[2:, 1] + table.colors[2:, 2]
    hot = table.labels[2:] == "A"
    assert set(table.labels[2:]) <= {"A", "M"}
    assert (anchors[hot] < -0.1).all() and (anchors[~hot] > 2.0).all()
    seen = other.magnitudes[:, 1] - other.magnitudes[:, 3]
    assert hot.sum() == min(100, ((labels == "A") & (seen < -0.1)).sum())
    assert (~hot).sum() == min(100, ((labels == "M") & (seen > 2.0)).sum())
    again = own.anchored(other)
    np.testing.assert_array_equal(again.magnitudes, table.magnitudes)
    assert len(np.unique(table.magnitudes[2:], axis=0)) <= len(np.unique(other.magnitudes, axis=0))


def test_a_table_says_which_stars_are_anchors():
    table = _table([0.5], ["F"]).anchored(_table([-0.3, 2.3, 2.3], ["A", "M", "K"]))
    assert str(table) == "1 stars (A 0, F 1, G 0, K 0, M 0) and 2 anchors"


EDGES = (0.2, 0.6, 1.0, 1.7)


@pytest.fixture(scope="module")
def taught():
    """An untrained ensemble, which says colors as measured, taught by 48 stars, none an M, and 30 anchors."""
    g_i = np.random.default_rng(0).uniform(np.repeat([-0.4, *EDGES[:-1]], 12), np.repeat(EDGES, 12))
    table = _table(g_i, np.repeat(list(CLASSES[:-1]), 12))
    table = table.anchored(_table(np.repeat([-0.3, 2.3], 15), np.repeat(["A", "M"], 15)))
    size = 8
    kwargs = {"features": len(FEATURES), "size": size, "width": 8, "channels": 2}
    card = Card(
        name="raw", version="1", description="", architecture="compact", architecture_kwargs=kwargs,
        recipe=recipes.to_dict(PhotometricRecipe(size=size)), classes=CLASSES, label_systems={"pecaut_mamajek": {}},
        default_label_system="pecaut_mamajek", members=(Member("one"),), radius_space="log10",
    )  # fmt: skip
    torch.manual_seed(0)
    seen, renderings = [], []

    def render(stars, seed):
        stamps = labeled_render(stars, seed=seed)
        renderings.append((np.stack([stars[b] for b in "ugriz"], axis=1), stamps))
        return stamps

    labeled_render = labeled.render_stars
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(labeled, "_RENDERINGS", 4)
        patch.setattr(labeled, "_UNKNOWN_PSF", 1)
        patch.setattr(labeled, "_MISSING_BAND", 1)
        patch.setattr(labeled, "_EPOCHS", 80)
        patch.setattr(labeled, "render_stars", render)
        ensemble = Ensemble([CompactNet(**kwargs)], card, device="cpu")
        result = teach(ensemble, table, name="mine", description="By color.", seed=1, progress=seen.append)
    return table, *result, renderings


def test_each_star_is_rendered_under_each_condition(taught):
    table, _, _, renderings = taught
    assert len(renderings) == 4
    known = [np.isfinite(stamps.psf).all() for _, stamps in renderings]
    missing = [np.isnan(magnitudes).sum(1) for magnitudes, _ in renderings]
    for k in (0, 1):
        assert known[k] and (missing[k] == 0).all()
        np.testing.assert_array_equal(renderings[k][0], table.magnitudes)
    assert np.isnan(renderings[2][1].psf).all() and (missing[2] == 0).all()
    assert (missing[3] == 1).all()
    # Each band is missing here and there, and the pixels are others each time.
    assert np.isnan(renderings[3][0]).any(0).all()
    assert not np.array_equal(renderings[0][1].images, renderings[1][1].images)


def test_the_figures_are_of_each_condition_and_of_own_stars(taught):
    table, ensemble, figures, _ = taught
    assert set(figures) == {"psf measured", "psf unknown", "band missing"}
    for kind in figures:
        assert set(figures[kind]["recall"]) == {"A", "F", "G", "K"}  # all M stars are anchors
    assert figures["psf measured"]["accuracy"] > 0.5
    assert figures["psf measured"]["accuracy"] > figures["band missing"]["accuracy"]
    entry = ensemble.card.label_systems["mine"]
    assert entry["description"] == "By color."
    assert entry["fit"]["cross_validated"] == figures
    # A star counts once, however often it is rendered.
    assert entry["fit"]["stars"] == {c: int((table.labels == c).sum()) for c in CLASSES}


def test_it_then_speaks_the_system(taught):
    table, ensemble, _, renderings = taught
    stamps = renderings[0][1]
    inputs = ensemble.recipe(stamps, Astrometry.empty(len(stamps)))
    p = ensemble.predict(inputs, label_system="mine").probabilities
    assert (np.array(CLASSES)[p.argmax(1)] == table.labels).mean() > 0.5
    assert ensemble.card.sha256 == ""


def test_dust_is_put_back_by_its_law(tmp_path):
    n = 500
    rng = np.random.default_rng(1)
    where = {"ra": rng.uniform(120, 240, n), "dec": rng.uniform(0, 60, n)}
    _write(tmp_path / "labels.ecsv", np.full(n, 0.5), ["F"] * n, **where)
    table = LabelTable.read(tmp_path / "labels.ecsv", dereddened=True)
    assert np.median(table.a_g) == pytest.approx(0.12) and table.a_g.min() > 0
    added = table.observed(np.random.default_rng(2)) - table.magnitudes
    np.testing.assert_allclose(added[:, 3] / added[:, 1], 2.086 / 3.793)
    scatter = np.log(added[:, 1] / table.a_g)
    assert abs(scatter.mean()) < 0.05 and scatter.std() == pytest.approx(0.3, rel=0.1)
    # As observed, nothing is added; joined, each table keeps its own.
    plain = LabelTable.read(tmp_path / "labels.ecsv")
    both = LabelTable.join([plain, table])
    np.testing.assert_array_equal(both.observed(rng)[:n], plain.magnitudes)
    np.testing.assert_array_equal(both.a_g[n:], table.a_g)
    _write(tmp_path / "nowhere.ecsv", [0.5], ["F"])
    with pytest.raises(InputError, match="no column ra, dec"):
        LabelTable.read(tmp_path / "nowhere.ecsv", dereddened=True)
