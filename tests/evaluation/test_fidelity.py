# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""A field beside its twin: alike where it is right, caught where it is not. A simulated field plays the real one."""

import json
from dataclasses import replace

import numpy as np
import pytest
from astropy import units as u
from astropy.table import QTable
from scipy import ndimage
from skytwins import small_field

from stellarclass.archives import Field
from stellarclass.evaluation.fidelity import compare_field, pooled_verdict
from stellarclass.evaluation.fidelity_gaia import compare_gaia
from stellarclass.evaluation.fidelity_report import numbers, text_table, write_report
from stellarclass.evaluation.isolated import isolated_stars
from stellarclass.simulate import draw_stars, observe_astrometry
from stellarclass.simulate.twins import Twin, twin

pytest.importorskip("sklearn")


@pytest.fixture(scope="module")
def simulation():
    return twin(small_field(), seed=5)


@pytest.fixture(scope="module")
def result(simulation):
    return compare_field(small_field(), seed=5, simulated=simulation)


def compare_changed(simulation, change):
    """The field beside its twin in r alone, with the twin's frame changed."""
    frame = simulation.contents.frames["r"]
    wrong = Field(simulation.contents.key, {"r": replace(frame, data=change(frame.data).astype(np.float32))})
    return compare_field(small_field("r"), seed=5, simulated=Twin(wrong, simulation.truth, simulation.psfs))


def test_a_good_twin_is_hard_to_tell(result):
    assert set(result.bands) == set("gr")
    assert result.stars > 30
    for measured in result.bands.values():
        assert measured.noise_ratio == pytest.approx(1, abs=0.03)
        assert measured.fwhm_ratio == pytest.approx(1, abs=0.03)
        assert measured.fwhm_quantiles == pytest.approx(1, abs=0.05)
    # 40 stars give an AUC to 0.06, and it is the worst of four.
    assert np.mean([m.verdict.auc for m in result.bands.values()]) < 0.68


def test_counts_and_wings_agree(result):
    for measured in result.bands.values():
        # The faintest are noise and galaxies in part.
        real, simulated = measured.counts[:, measured.edges[1:] < 21].sum(1)
        assert simulated == pytest.approx(real, rel=0.2)
        np.testing.assert_allclose(measured.wings[1][:3], measured.wings[0][:3], rtol=0.1)


def test_a_twin_whose_stars_are_too_wide_is_caught(simulation):
    wrong = compare_changed(simulation, lambda data: ndimage.gaussian_filter(data, 1.4))
    assert wrong.bands["r"].fwhm_ratio > 1.1
    assert wrong.verdict.auc > 0.95


def test_a_twin_with_too_much_noise_is_caught(simulation):
    rng = np.random.default_rng(0)
    sigma = 0.5 * np.std(np.clip(simulation.contents.frames["r"].data, -0.1, 0.1))
    noisy = compare_changed(simulation, lambda data: data + rng.normal(0, sigma, data.shape))
    assert noisy.bands["r"].noise_ratio > 1.05
    assert noisy.bands["r"].verdict.auc > 0.85


def test_real_and_simulated_stamps_are_of_the_same_stars(simulation):
    coordinates, stamps, _ = isolated_stars(small_field(), simulation)
    assert len(coordinates) == len(stamps[0]) == len(stamps[1])
    light = [s.images[:, 2, 26:38, 26:38].sum((1, 2)) for s in stamps]
    np.testing.assert_allclose(light[1], light[0], rtol=0.15)
    # Each is centered on its own light: neither side knows its place better than the other.
    assert np.abs(stamps[0].offsets[:, 2] - stamps[1].offsets[:, 2]).max() < 0.3


def test_a_field_without_stars_has_no_verdict():
    frame = small_field().frames["r"]
    data = np.random.default_rng(1).normal(0, 0.03, frame.data.shape).astype(np.float32)
    empty = compare_field(Field(small_field().key, {"r": replace(frame, data=data)}), seed=1)
    assert empty.verdict is None
    assert empty.bands["r"].verdict is None
    assert np.isnan(empty.bands["r"].fwhm_ratio)
    assert "too few stars" in "\n".join(text_table([empty]))
    assert json.loads(json.dumps(numbers([empty])))["fields"][str(empty.key)]["told_apart"] is None


def test_fields_are_pooled_star_by_star(result):
    one = replace(result, bands={}, inputs={"r": result.inputs["r"]})
    both = pooled_verdict([one, one])
    assert both.n_stars == 2 * result.bands["r"].verdict.n_stars


def test_report_holds_pictures_and_numbers_and_asks_for_nothing(result, tmp_path):
    paths = write_report(tmp_path / "new", [result], seed=5)
    assert sorted(p.name for p in paths) == ["fidelity.html", "fidelity.json", "fidelity.txt"]
    page = (tmp_path / "new" / "fidelity.html").read_text("utf-8")
    assert page.count("data:image/png;base64,") == 8
    assert "http" not in page
    content = json.loads((tmp_path / "new" / "fidelity.json").read_text("utf-8"))
    field = content["fields"][str(result.key)]
    assert field["missing_bands"] == ["i", "u", "z"]
    assert field["bands"]["r"]["noise_ratio"] == pytest.approx(result.bands["r"].noise_ratio, abs=1e-4)
    assert field["told_apart"]["auc"] == max(field["told_apart"]["by_classifier"].values())
    assert f"{result.verdict.auc:.3f}" in (tmp_path / "new" / "fidelity.txt").read_text("utf-8")


@pytest.fixture(scope="module")
def gaia():
    stars = draw_stars(800, seed=3)
    seen = observe_astrometry(stars, seed=4)
    return QTable(seen[np.isfinite(seen["parallax"])])


def test_gaia_errors_are_compared_in_bins_of_magnitude(gaia):
    table = compare_gaia(gaia, seed=1)
    assert table["n_stars"].sum() <= len(gaia)
    assert (np.diff(table["g_mag"].value) > 0).all()
    ratio = (table["parallax_simulated"] / table["parallax_real"]).to_value(u.one)
    np.testing.assert_allclose(ratio, 1, atol=0.35)


def test_gaia_errors_that_are_half_as_large_show(gaia):
    better = gaia.copy()
    better["parallax_error"] /= 2
    ratio = compare_gaia(better)["parallax_simulated"] / compare_gaia(better)["parallax_real"]
    assert np.median(ratio.to_value(u.one)) == pytest.approx(2, rel=0.2)


def test_gaia_bins_have_units(gaia):
    with pytest.raises(TypeError):
        compare_gaia(gaia, width=1)
