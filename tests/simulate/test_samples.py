# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The reference sample has the class mix and keeps the cuts of the one it stands for."""

import numpy as np
import pytest
from astropy import units as u

from stellarclass.exceptions import InputError
from stellarclass.simulate import reference_sample
from stellarclass.simulate.samples import REFERENCE_COUNTS


@pytest.fixture(scope="module")
def sample():
    return reference_sample(918, seed=1)


def test_the_class_mix_is_the_published_one(sample):
    assert sum(REFERENCE_COUNTS.values()) == 9180
    assert len(sample) == 918
    for name, count in REFERENCE_COUNTS.items():
        assert abs((sample["label"] == name).sum() - count / 10) < 1


def test_every_star_passes_the_cuts(sample):
    assert (sample["gaia_parallax"] > 2 * sample["gaia_parallax_error"]).all()
    for name in ("gaia_pmra_error", "gaia_pmdec_error"):
        assert (sample[name] < 0.2 * u.mas / u.yr).all()
    assert (np.asarray(sample["gaia_ruwe"]) < 1.4).all()
    assert sample["g_mag"].value.max() < 18.4
    assert sample["r"].value.min() > 14.5


def test_classes_run_from_hot_to_cool(sample):
    a, f, g, k, m = (np.median(sample["teff"][sample["label"] == name].value) for name in REFERENCE_COUNTS)
    # SDSS's F and G lie side by side: metal-poor stars are F for it at the colors of G (no order between these two).
    assert 9000 > a > 7000 > f > 5500 > k > 4000 > m > 3000
    assert 6200 > g > 5500


def test_a_seed_is_a_sample(sample):
    again = reference_sample(918, seed=1)
    for name in sample.colnames:
        if sample[name].dtype.kind == "f":
            assert np.array_equal(sample[name], again[name], equal_nan=True)
        else:
            assert np.array_equal(sample[name], again[name])
    assert not np.array_equal(reference_sample(50, seed=2)["r"], reference_sample(50, seed=3)["r"])


@pytest.mark.parametrize("n", [1, 2, 7])
def test_small_samples_are_whole(n):
    assert len(reference_sample(n, seed=1)) == n


def test_none_is_refused():
    with pytest.raises(InputError):
        reference_sample(0, seed=1)
