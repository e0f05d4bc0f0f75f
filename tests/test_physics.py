# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Radii, temperatures and classes against values that anyone can look up."""

import numpy as np
import pytest
from astropy import units as u
from astropy.table import Table
from hypothesis import given
from hypothesis import strategies as st

from stellarclass.physics import (
    CLASSES,
    gaia_from_sdss,
    spectral_class_from_color,
    stefan_boltzmann_radius,
    temperature_from_color,
)


def test_radius_of_the_sun():
    # G = 4.67 at 10 pc, BP-RP = 0.82: Casagrande & VandenBerg (2018, MNRAS 479, L102).
    radius = stefan_boltzmann_radius(4.67 * u.mag, 0.82 * u.mag, 100 * u.mas)
    assert radius.unit == u.solRad
    assert abs(radius.value - 1) < 0.03


def test_radius_of_a_giant_needs_no_dwarf():
    # Arcturus: G = -0.05 - 0.26, BP-RP = 1.39, 88.83 mas, interferometric radius 25.4 (Ramirez & Allende Prieto 2011).
    radius = stefan_boltzmann_radius(-0.31 * u.mag, 1.39 * u.mag, 88.83 * u.mas)
    assert 0.8 < radius.value / 25.4 < 1.25


@given(st.floats(10, 20), st.floats(0, 3), st.floats(0.1, 50), st.floats(1.1, 10))
def test_radius_scales_with_distance(g_mag, color, parallax, factor):
    near, far = (
        stefan_boltzmann_radius(g_mag * u.mag, color * u.mag, p * u.mas) for p in (parallax * factor, parallax)
    )
    assert np.isclose(far / near, factor)


def test_parallax_that_is_not_positive_gives_nan():
    radius = stefan_boltzmann_radius([15, 15] * u.mag, [1, 1] * u.mag, [0, -1] * u.mas)
    assert np.isnan(radius).all()


@pytest.mark.parametrize("function", [temperature_from_color, spectral_class_from_color])
def test_bare_numbers_raise(function):
    with pytest.raises(TypeError):
        function(1.0)
    with pytest.raises(u.UnitsError):
        function(1.0 * u.m)


def test_colors_run_through_all_classes_in_order():
    classes = spectral_class_from_color(np.linspace(-0.1, 4, 500) * u.mag)
    order = [CLASSES.index(c) for c in classes]
    assert order == sorted(order)
    assert set(classes) == set(CLASSES)
    assert spectral_class_from_color(np.nan * u.mag) == ""


def test_temperature_falls_with_color():
    temperatures = temperature_from_color(np.linspace(-0.03, 4, 200) * u.mag).value
    assert (np.diff(temperatures) < 0).all()


def test_transformation_to_gaia_of_a_solar_twin():
    # The Sun in SDSS: g = 5.11, r = 4.65, i = 4.53 absolute (Willmer 2018, ApJS 236, 47); G = 4.67, BP-RP = 0.82.
    g_mag, color = gaia_from_sdss(5.11 * u.mag, 4.65 * u.mag, 4.53 * u.mag)
    assert abs(g_mag.value - 4.67) < 0.03
    assert abs(color.value - 0.82) < 0.06


def test_transformation_to_gaia_of_a_cluster(real_data):
    """Main sequence and giants of M67, with SDSS and Gaia photometry of their own: no color is off by 0.1 mag."""
    table = Table.read(real_data / "labels" / "gaia_sdss_special.ecsv")
    table = table[np.char.endswith(np.ma.filled(table["source"], "").astype(str), "NGC_2682.fits")]
    g, r, i, g_mag = (
        np.ma.filled(np.ma.asarray(table[c]).astype(float), np.nan) for c in ("g", "r", "i", "phot_g_mean_mag")
    )
    predicted, _ = gaia_from_sdss(g * u.mag, r * u.mag, i * u.mag)
    for blue in np.arange(0.0, 3.0, 0.5):
        inside = (g - i > blue) & (g - i < blue + 0.5) & np.isfinite(g_mag) & np.isfinite(predicted.value)
        assert inside.sum() > 30
        assert abs(np.median(g_mag[inside] - predicted.value[inside])) < 0.1
