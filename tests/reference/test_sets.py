# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Reference sets: what is written is read, no star is on both sides of the split, the simulated one is the paper's."""

import numpy as np
import pytest
from astropy import units as u
from hypothesis import given
from hypothesis import strategies as st

from stellarclass.exceptions import InputError
from stellarclass.reference import ReferenceSet, split
from stellarclass.simulate.samples import REFERENCE_COUNTS


@pytest.fixture(scope="module")
def reference():
    return ReferenceSet.simulated(120, seed=5)


def test_simulated_has_the_papers_mix(reference):
    total = sum(REFERENCE_COUNTS.values())
    for name, count in REFERENCE_COUNTS.items():
        assert abs((reference.table["spectral_class"] == name).sum() - 120 * count / total) < 1
    assert reference.table.meta["simulated"] is True
    assert (reference.table["parallax"] / reference.table["parallax_error"] > 2).all()
    assert reference.table["radius"].unit == u.solRad
    # Gaia's radius and the true one tell of the same star.
    ratio = (reference.table["radius"] / reference.table["radius_true"]).to_value("")
    assert abs(np.median(np.log10(ratio))) < 0.02


def test_same_seed_same_set_whatever_the_processes(reference):
    again = ReferenceSet.simulated(120, seed=5, processes=2)
    assert np.array_equal(again.stamps().images, reference.stamps().images)
    assert (again.table["subset"] == reference.table["subset"]).all()


def test_written_and_read(reference, tmp_path):
    reference.write(tmp_path / "set")
    found = ReferenceSet.read(tmp_path / "set")
    assert isinstance(found._stamps.images, np.memmap)
    assert found.table.colnames == reference.table.colnames
    for name in reference.table.colnames:
        mine, theirs = reference.table[name], found.table[name]
        assert np.array_equal(np.ma.getmaskarray(np.ma.asarray(mine)), np.ma.getmaskarray(np.ma.asarray(theirs))), name
        assert getattr(mine, "unit", None) == getattr(theirs, "unit", None), name
    assert np.array_equal(found.stamps([3, 1]).images, reference.stamps([3, 1]).images)
    assert np.array_equal(found.astrometry.parallax, reference.astrometry.parallax)
    with pytest.raises(InputError, match="already there"):
        reference.write(tmp_path / "set")
    reference.take(slice(0, 10)).write(tmp_path / "set", overwrite=True)
    assert len(ReferenceSet.read(tmp_path / "set")) == len(ReferenceSet.read(tmp_path)) == 10


def test_damaged_set(reference, tmp_path):
    with pytest.raises(InputError, match="no reference set"):
        ReferenceSet.read(tmp_path)
    reference.take(slice(0, 5)).write(tmp_path / "set")
    (tmp_path / "set" / "images.npy").write_bytes(b"\x93NUMPY")
    with pytest.raises(InputError, match="cannot be read"):
        ReferenceSet.read(tmp_path / "set")


def test_parts_joined(reference):
    joined = ReferenceSet.join([reference.take(slice(60, 120)), reference.take(slice(0, 60))])
    assert np.array_equal(joined.table["objid"], np.roll(reference.table["objid"], 60))
    with pytest.raises(InputError, match="stands twice"):
        ReferenceSet.join([reference, reference])


@pytest.mark.parametrize(
    ("column", "value", "words"), [("spectral_class", "O", "spectral_class 'O'"), ("subset", "validation", "subset")]
)
def test_unknown_values(reference, column, value, words):
    table = reference.table.copy()
    table[column] = [value] * len(table)
    with pytest.raises(InputError, match=words):
        ReferenceSet(table, reference.stamps())


@given(st.lists(st.sampled_from("AFGKM"), min_size=1, max_size=200), st.integers(0, 99))
def test_split_takes_a_fifth_of_each_class(classes, seed):
    subset = split(classes, seed=seed)
    for name in set(classes):
        mine = subset[np.array(classes) == name]
        assert (mine == "test").sum() == int(np.ceil(0.2 * len(mine)))
    assert np.array_equal(subset, split(classes, seed=seed))
