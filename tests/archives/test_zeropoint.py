# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Zero points of Gaia rows: which solution, which color, and what is done without."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stellarclass.archives._zeropoint import RECIPE_COLUMNS, ZERO_POINTS, check_zero_point, correct_parallax
from stellarclass.exceptions import InputError
from stellarclass.zeropoint import (
    GLOBAL_ZERO_POINT,
    ecliptic_latitude,
    effective_wavenumber,
    five_parameter_zero_point,
    six_parameter_zero_point,
)

MISSING = np.nan
LATITUDE = ecliptic_latitude(40.0, -20.0)


def zero_point(**columns):
    """What is taken off the parallax of one source of G = 18 and BP-RP = 1."""
    row = {"parallax": 2.0, "ra": 40.0, "dec": -20.0, "phot_g_mean_mag": 18.0, "bp_rp": 1.0} | columns
    (corrected,) = correct_parallax("lindegren", {name: np.ma.masked_invalid([value]) for name, value in row.items()})
    return 2.0 - corrected


def five(color):
    return pytest.approx(float(five_parameter_zero_point(18.0, color, LATITUDE)), abs=1e-12)


def six(color):
    return pytest.approx(float(six_parameter_zero_point(18.0, color, LATITUDE)), abs=1e-12)


@pytest.mark.parametrize(
    ("wavenumber", "pseudocolor", "solved", "expected"),
    [
        (1.4, MISSING, 31, five(1.4)),
        (MISSING, 1.6, 95, six(1.6)),
        (1.4, 1.6, 31, five(1.4)),
        (1.4, 1.6, 95, six(1.6)),
        (1.4, MISSING, MISSING, five(1.4)),
        (MISSING, 1.6, MISSING, six(1.6)),
        (MISSING, MISSING, 31, five(effective_wavenumber(1.0))),
        (MISSING, MISSING, 95, six(effective_wavenumber(1.0))),
        (MISSING, MISSING, MISSING, five(effective_wavenumber(1.0))),
    ],
)
def test_solution_and_color(wavenumber, pseudocolor, solved, expected):
    columns = dict(zip(RECIPE_COLUMNS, (wavenumber, pseudocolor, solved), strict=True))
    assert zero_point(**columns) == expected
    # A column that is not there is one that is missing throughout.
    assert zero_point(**{name: value for name, value in columns.items() if np.isfinite(value)}) == expected


def test_where_too_little_is_known_the_global_value_stands_in():
    assert zero_point(bp_rp=MISSING) == pytest.approx(GLOBAL_ZERO_POINT)
    assert zero_point(phot_g_mean_mag=MISSING) == pytest.approx(GLOBAL_ZERO_POINT)
    assert zero_point(bp_rp=MISSING, nu_eff_used_in_astrometry=1.4) == five(1.4)


@pytest.mark.parametrize("name", ZERO_POINTS)
def test_what_has_no_parallax_gets_none(name):
    rows = {"parallax": np.ma.masked_array([1.0, 2.0, np.nan], [False, True, False]), "ra": np.zeros(3)}
    rows |= {"dec": np.zeros(3), "phot_g_mean_mag": np.full(3, 15.0), "bp_rp": np.ones(3)}
    before = rows["parallax"].copy()
    assert np.ma.getmaskarray(correct_parallax(name, rows)).tolist() == [False, True, True]
    assert rows["parallax"].mask.tolist() == before.mask.tolist()
    assert rows["parallax"][0] == before[0]


def test_none_and_global():
    rows = {"parallax": np.array([1.0, -0.5])}
    assert correct_parallax("none", rows).tolist() == [1.0, -0.5]
    assert correct_parallax("global", rows).tolist() == pytest.approx([1.017, -0.483])


@settings(max_examples=100, deadline=None)
@given(
    g_mag=st.floats(2, 22),
    bp_rp=st.one_of(st.just(MISSING), st.floats(-1, 6)),
    wavenumber=st.one_of(st.just(MISSING), st.floats(0.9, 2.1)),
    pseudocolor=st.one_of(st.just(MISSING), st.floats(0.5, 3)),
)
def test_it_is_never_large(g_mag, bp_rp, wavenumber, pseudocolor):
    """Whatever an archive has in its columns, a parallax moves by no more than the recipe's own extremes."""
    columns = {"nu_eff_used_in_astrometry": wavenumber, "pseudocolour": pseudocolor}
    assert abs(zero_point(phot_g_mean_mag=g_mag, bp_rp=bp_rp, **columns)) < 0.2


def test_names():
    assert [check_zero_point(name) for name in ZERO_POINTS] == ["none", "global", "lindegren"]
    with pytest.raises(InputError, match="must be one of 'none', 'global', 'lindegren', not 'quasars'"):
        check_zero_point("quasars")
