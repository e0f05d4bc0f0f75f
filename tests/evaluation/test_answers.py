# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Answers are kept and taken up again: nothing is asked twice, nothing stale is believed."""

from dataclasses import replace

import numpy as np
import pytest

from stellarclass.evaluation import answers as module
from stellarclass.evaluation.answers import answers
from stellarclass.evaluation.contenders import Contender
from stellarclass.nets.prediction import Prediction
from stellarclass.reference import ReferenceSet


class Counting:
    """A method that says how often it was asked; the radius is the star's parallax."""

    def __init__(self):
        self.asked = 0

    def predict(self, stamps, astrometry, *, label_system=None, photometry=None):
        n = len(stamps)
        self.asked += n
        assert len(photometry) == n
        nothing = np.zeros(n)
        return Prediction(
            tuple("FG"), np.full((n, 2), 0.5), np.ones((n, 2), bool), astrometry.parallax,
            nothing, nothing, nothing, nothing, nothing,
        )  # fmt: skip


@pytest.fixture
def method(monkeypatch):
    monkeypatch.setattr(module, "CHUNK", 25)
    return Counting()


def contender(method, tag="abc"):
    return Contender("a method", "baseline", "sdss", lambda: method, tag)


def test_interrupted_it_goes_on(tmp_path, method, reference_set):
    rows = reference_set.rows("test")

    def interrupt(done):
        if done >= 50:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        answers([contender(method)], reference_set, rows, work=tmp_path, progress=interrupt)
    assert method.asked == 50
    (prediction,), snr = answers([contender(method)], reference_set, rows, work=tmp_path)
    assert method.asked == len(rows)  # each star once, in both runs together
    np.testing.assert_array_equal(prediction.radius, reference_set.astrometry.parallax[rows])
    assert prediction.classes == ("F", "G")

    class Refuses:
        def predict(self, *args, **kwargs):
            raise AssertionError("asked although everything is there")

    (again,), snr_again = answers([contender(Refuses())], reference_set, rows, work=tmp_path)
    np.testing.assert_array_equal(again.radius, prediction.radius)
    np.testing.assert_array_equal(snr_again, snr)


def test_nothing_stale_is_believed(tmp_path, method, reference_set):
    rows = reference_set.rows("test")[:20]
    answers([contender(method)], reference_set, rows, work=tmp_path)
    stamps = reference_set.stamps()
    brighter = ReferenceSet(reference_set.table, replace(stamps, images=stamps.images * 2))
    for other, tag in ((brighter, "abc"), (reference_set, "another ensemble")):
        before = method.asked
        answers([contender(method, tag)], other, rows, work=tmp_path)
        assert method.asked == before + 20


def test_damaged_files_are_made_anew(tmp_path, method, reference_set):
    rows = reference_set.rows("test")[:20]
    answers([contender(method)], reference_set, rows, work=tmp_path)
    files = list(tmp_path.rglob("*.npz"))
    assert len(files) == 2  # photometry and answers
    for file in files:
        file.write_bytes(file.read_bytes()[:100])
    (prediction,), _ = answers([contender(method)], reference_set, rows, work=tmp_path)
    assert method.asked == 40
    assert len(prediction.radius) == 20


def test_what_has_no_digest_is_not_kept(tmp_path, method, reference_set):
    rows = reference_set.rows("test")[:20]
    for _ in range(2):
        answers([contender(method, tag="")], reference_set, rows, work=tmp_path)
    assert method.asked == 40
    assert all("photometry" in str(path) for path in tmp_path.rglob("*.npz"))


def test_signal_to_noise_is_that_of_the_pixels(method, reference_set):
    rows = reference_set.rows("test")
    _, snr = answers([contender(method)], reference_set, rows)
    magnitude = reference_set.table["psfmag_r"][rows].value
    order = np.argsort(magnitude)
    assert np.nanmedian(snr[order[:15]]) > 2 * np.nanmedian(snr[order[-15:]]) > 0
