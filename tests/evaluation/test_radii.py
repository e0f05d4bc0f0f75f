# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Scores of radii and of their intervals."""

import numpy as np
import pytest
from astropy import units as u
from astropy.utils.masked import Masked
from hypothesis import given
from hypothesis import strategies as st

from stellarclass.evaluation.radii import PARALLAX_BINS, coverage, one_sigma_interval, parallax_bin, radius_errors


def test_errors_in_three_measures():
    truth = np.array([0.5, 1.0, 10.0]) * u.solRad
    errors = radius_errors(truth, truth * 1.1)
    assert errors.mae.to_value(u.solRad) == pytest.approx(0.1 * 11.5 / 3)
    assert errors.mae_percent == pytest.approx(10)
    assert errors.mae_dex == pytest.approx(np.log10(1.1)) == errors.offset_dex
    assert errors.robust_sigma_dex == pytest.approx(0, abs=1e-12)
    assert (errors.n, errors.answered) == (3, 1.0)


def test_sigma_is_of_a_gaussian_and_the_robust_one_survives_outliers():
    rng = np.random.default_rng(1)
    truth = np.full(20_000, 5.0)
    answer = truth + rng.normal(0, 0.2, len(truth))
    clean = radius_errors(truth * u.solRad, answer * u.solRad)
    assert clean.sigma.value == pytest.approx(0.2, rel=0.03) == pytest.approx(clean.robust_sigma.value, rel=0.03)
    answer[::50] = 100
    spoiled = radius_errors(truth * u.solRad, answer * u.solRad)
    assert spoiled.sigma.value > 10
    assert spoiled.robust_sigma.value == pytest.approx(0.2, rel=0.06)


@given(st.floats(0.01, 100))
def test_any_length_will_do(scale):
    truth, answer = np.array([1.0, 2.0]) * scale * u.solRad, np.array([1.2, 1.9]) * scale * u.solRad
    assert radius_errors(truth.to(u.km), answer.to(u.m)).mae_dex == pytest.approx(radius_errors(truth, answer).mae_dex)


def test_stars_without_an_answer_are_counted():
    truth = np.array([1.0, 2.0, 3.0, np.nan]) * u.solRad
    answer = Masked(np.array([1.0, 2.0, 99.0, 4.0]) * u.solRad, mask=[False, False, True, False])
    errors = radius_errors(truth, answer)
    assert (errors.n, errors.answered) == (2, pytest.approx(2 / 3))
    assert errors.mae == 0 * u.solRad
    with pytest.raises(ValueError, match="no star"):
        radius_errors(truth, np.full(4, np.nan) * u.solRad)


@pytest.mark.parametrize("bad", [np.ones(2), np.ones(2) * u.K])
def test_bare_numbers_and_wrong_units_are_refused(bad):
    good = np.ones(2) * u.solRad
    for call in (
        lambda: radius_errors(good, bad),
        lambda: coverage(good, bad, good),
        lambda: one_sigma_interval(good, bad),
        lambda: parallax_bin(bad, np.ones(2) * u.mas),
    ):
        with pytest.raises((TypeError, u.UnitsError)):
            call()


def test_coverage_of_honest_intervals():
    rng = np.random.default_rng(2)
    n = 40_000
    answer = 10 ** rng.normal(0, 0.3, n)
    sigma = rng.choice([0.05, 0.2], n)
    truth = answer * (1 + sigma * rng.normal(size=n))
    lower, upper = one_sigma_interval(answer * u.solRad, answer * sigma * u.solRad)
    bins = np.where(sigma > 0.1, "wide", "narrow")
    table = coverage(truth * u.solRad, lower, upper, groups={"width": bins})
    assert list(table["group"]) == ["all", "narrow", "wide"]
    assert np.all(np.abs(table["coverage"] - 0.6827) < 4 * table["error"])
    assert table["n"][0] == n == table["n"][1:].sum()
    # Intervals half as wide as said cover 38 %.
    lower, upper = one_sigma_interval(answer * u.solRad, answer * sigma / 2 * u.solRad)
    assert coverage(truth * u.solRad, lower, upper)["coverage"][0] == pytest.approx(0.383, abs=0.01)


def test_coverage_leaves_out_what_has_no_interval():
    truth = np.array([1.0, 2.0, np.nan]) * u.solRad
    table = coverage(truth, [0.5, np.nan, 0.5] * u.solRad, [2.0, 3.0, 2.0] * u.solRad, groups={"class": list("AGA")})
    assert list(table["n"]) == [1, 1, 0]
    assert table["coverage"][0] == 1 and np.isnan(table["coverage"][2])
    with pytest.raises(ValueError, match="one each"):
        coverage(truth, truth, truth[:2])


def test_parallax_bins():
    error = np.ones(7) * u.mas
    parallax = [-50, 2.99, 3, 10, 29.9, 30, np.nan] * u.mas
    assert list(parallax_bin(parallax, error)) == ["< 3", "< 3", "3-10", "10-30", "10-30", "> 30", "none"]
    assert set(parallax_bin(parallax, error)) == set(PARALLAX_BINS)
    masked = Masked([1.0, 2.0] * u.mas, mask=[True, False])
    assert list(parallax_bin(masked, [0.1, 50] * u.uas)) == ["none", "> 30"]
