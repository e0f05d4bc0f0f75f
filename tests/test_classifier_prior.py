# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Another mix of classes, from the functions to the table: what changes, what does not, and what is refused."""

import dataclasses

import numpy as np
import pytest
from astropy import units as u
from astropy.table import QTable
from regions import CircleSkyRegion
from tablecompare import plain

from stellarclass import Classifier, classify, classify_region, classify_table, simulate
from stellarclass.exceptions import EnsembleError, InputError
from stellarclass.nets.combination import apply_class_prior
from stellarclass.nets.ensemble import Ensemble

MIX = (0.2, 0.25, 0.1, 0.15, 0.3)
PRIOR = {"A": 1, "F": 5, "G": 30, "K": 20, "M": 44}
ANSWERS = ("prob_a", "prob_f", "prob_g", "prob_k", "prob_m")


@pytest.fixture(scope="module")
def sky():
    return simulate.field(seed=8, n_stars=12, r_range=(15, 20) * u.mag)


@pytest.fixture(scope="module")
def ensemble(default_ensemble):
    """The default ensemble with a known mix on its card, and one label system without."""
    systems = {
        name: {k: v for k, v in entry.items() if k != "class_mix"}
        | ({} if name == "pecaut_mamajek" else {"class_mix": list(MIX)})
        for name, entry in default_ensemble.card.label_systems.items()
    }
    card = dataclasses.replace(default_ensemble.card, label_systems=systems)
    return Ensemble(default_ensemble.members, card, device="cpu")


@pytest.fixture(scope="module")
def sources(sky):
    return {"images": sky.images, "astrometry": sky.astrometry}


@pytest.fixture(scope="module")
def before(sky, ensemble, sources):
    return Classifier(ensemble, **sources).classify(sky.coords)


@pytest.fixture(scope="module")
def after(sky, ensemble, sources):
    return Classifier(ensemble, class_prior=PRIOR, **sources).classify(sky.coords)


def probabilities(table):
    return np.stack([plain(table[name])[0] for name in ANSWERS], axis=1)


def test_probabilities_are_those_of_the_new_mix(before, after):
    expected = apply_class_prior(probabilities(before), mix=MIX, prior=list(PRIOR.values()))
    np.testing.assert_allclose(probabilities(after), expected, atol=1e-6)
    assert np.abs(probabilities(after) - probabilities(before)).max() > 0.05
    assert list(after["spectral_class"]) == ["AFGKM"[k] for k in expected.argmax(axis=1)]


def test_class_sets_hold_the_answer_and_what_is_probable(after):
    p = probabilities(after)
    for row, members in enumerate(after["class_set"]):
        chosen = ["AFGKM".index(name) for name in members]
        assert p[row].argmax() in chosen
        assert min(p[row, chosen]) >= max((p[row, k] for k in range(5) if k not in chosen), default=0)


def test_nothing_else_changes(before, after):
    for name in set(before.colnames) - {*ANSWERS, "spectral_class", "class_set"}:
        a, b = plain(before[name]), plain(after[name])
        np.testing.assert_array_equal(a[1], b[1], err_msg=name)
        np.testing.assert_array_equal(a[0][~a[1]], b[0][~b[1]], err_msg=name)


def test_the_mix_of_the_calibration_changes_nothing(sky, ensemble, sources, before):
    same = Classifier(ensemble, class_prior=dict(zip("AFGKM", np.array(MIX) * 1000, strict=True)), **sources)
    np.testing.assert_allclose(probabilities(same.classify(sky.coords)), probabilities(before), atol=1e-6)


def test_the_table_says_which_mix_it_is_for(before, after):
    assert "class_prior" not in before.meta
    assert after.meta["class_prior"] == "A=0.01,F=0.05,G=0.3,K=0.2,M=0.44"


def test_every_function_takes_it(sky, ensemble, sources, after):
    options = {"ensemble": ensemble, "class_prior": PRIOR, **sources}
    np.testing.assert_allclose(probabilities(classify(sky.coords, **options)), probabilities(after), atol=1e-6)
    table = QTable({"star": np.arange(12), "where": sky.coords})
    np.testing.assert_allclose(probabilities(classify_table(table, **options)), probabilities(after), atol=1e-6)
    region = CircleSkyRegion(sky.coords[0], radius=5 * u.arcmin)
    assert classify_region(region, **options).meta["class_prior"] == after.meta["class_prior"]


def test_pixels_in_hand_too(ensemble):
    stars = QTable({band: [m] * u.mag for band, m in zip("ugriz", (18.4, 17.0, 16.5, 16.3, 16.2), strict=True)})
    stamps = simulate.render_stars(stars, seed=1)
    one, even = (Classifier(ensemble, class_prior=p).classify_stamps(stamps) for p in (None, "even"))
    expected = apply_class_prior(probabilities(one), mix=MIX, prior=np.ones(5))
    np.testing.assert_allclose(probabilities(even), expected, atol=1e-6)
    assert even.meta["class_prior"] == "A=0.2,F=0.2,G=0.2,K=0.2,M=0.2"


def test_what_cannot_be_meant_is_refused_before_the_work(ensemble, sources):
    with pytest.raises(InputError, match="class_prior lacks G, K, M"):
        Classifier(ensemble, class_prior={"A": 1, "F": 2}, **sources)
    with pytest.raises(InputError, match="class_prior has O; the ensemble's classes are A, F, G, K, M"):
        Classifier(ensemble, class_prior=PRIOR | {"O": 1}, **sources)
    with pytest.raises(InputError, match=r"class_prior\['K'\] = 0 is not a positive"):
        Classifier(ensemble, class_prior=PRIOR | {"K": 0}, **sources)
    with pytest.raises(TypeError, match="must be a dict"):
        Classifier(ensemble, class_prior=[1, 1, 1, 1, 1], **sources)
    with pytest.raises(EnsembleError, match=r"'pecaut_mamajek' probabilities were.*class_mix"):
        Classifier(ensemble, label_system="pecaut_mamajek", class_prior="even", **sources)


def test_a_star_without_an_answer_stays_without(ensemble):
    from stellarclass.stamps import Stamps

    table = Classifier(ensemble, class_prior="even").classify_stamps(Stamps.empty(2))
    assert all(plain(table[name])[1].all() for name in (*ANSWERS, "spectral_class"))
