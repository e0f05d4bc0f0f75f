# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Dust reddens as the law says, and lies where the Galaxy has it."""

import numpy as np
import pytest

from stellarclass.simulate.dust import EXTINCTION_BANDS, band_extinction, column_extinction, share_in_front


def test_extinction_falls_from_the_blue_to_the_red():
    ratios = dict(zip(EXTINCTION_BANDS, band_extinction(np.array([0.0, 0.8, 2.5])), strict=True))
    for blue, red in zip("ugri", "griz", strict=True):
        assert (ratios[blue] > ratios[red]).all()
    assert (ratios["BP"] > ratios["G"]).all() and (ratios["G"] > ratios["RP"]).all()
    # A red star is dimmed less, in Gaia's wide G above all.
    for name in ("g", "G", "BP"):
        assert (np.diff(ratios[name]) < 0).all()
    assert np.ptp(ratios["G"]) > 3 * np.ptp(ratios["g"])


def test_it_is_the_published_law():
    sun = dict(zip(EXTINCTION_BANDS, band_extinction(np.array([0.82]))[:, 0], strict=True))
    # Schlafly & Finkbeiner (2011), Table 6 for R_V = 3.1, over their Landolt V of 2.742.
    for band, value in zip("ugriz", (4.239, 3.303, 2.285, 1.698, 1.263), strict=True):
        assert sun[band] == pytest.approx(value / 2.742, rel=0.015)
    # Casagrande & VandenBerg (2018, MNRAS 479, L102) for the Sun, with another law: 2.74, 3.37 and 2.04 over 3.1.
    for band, value in (("G", 0.865), ("BP", 1.07), ("RP", 0.65)):
        assert sun[band] == pytest.approx(value, rel=0.10)


def test_it_is_what_the_law_makes_of_the_filters(real_data):
    """The table once more from its ingredients."""
    filters = pytest.importorskip("speclite.filters")
    averages = pytest.importorskip("dust_extinction.parameter_averages")
    from astropy import units as u
    from astropy.io import fits

    wave = np.arange(3200, 11000, 2.0)
    dimmed = averages.F99(Rv=3.1).extinguish(wave * u.AA, Av=0.3)
    with fits.open(real_data / "calibration" / "pyhammer_templates_solar.fits") as hdus:
        template = {row["spectral_type"]: row["flux"].astype(float) for row in hdus[1].data}["G5"]
        flux = np.interp(wave, hdus["WAVELENGTH"].data, template)
    for name, ours in zip(EXTINCTION_BANDS, band_extinction(np.array([0.91]))[:, 0], strict=True):
        band = filters.load_filter(f"gaiadr3-{name}" if name in ("G", "BP", "RP") else f"sdss2010-{name}")
        weight = flux * wave * np.interp(wave, band.wavelength, band.response, 0, 0)
        value = -2.5 * np.log10(np.sum(weight * dimmed) / np.sum(weight)) / 0.3
        assert ours == pytest.approx(value, abs=0.006)


def test_the_sky_of_sdss_is_as_dusty_as_the_maps_say():
    rng = np.random.default_rng(1)
    for latitude, low, high in ((90, 0.05, 0.10), (50, 0.08, 0.13), (20, 0.18, 0.30)):
        column = column_extinction(rng, np.full(5000, np.radians(latitude)))
        assert low < np.median(column * 1.2) < high * 1.3  # A_g
        assert np.quantile(column, 0.9) / np.median(column) == pytest.approx(np.exp(1.28 * 0.5), rel=0.1)
    assert column_extinction(rng, np.zeros(2000)).max() <= 5.0


def test_one_field_lies_behind_one_clump():
    latitude = np.full(500, np.radians(60))
    fields = [column_extinction(np.random.default_rng(seed), latitude, one_field=True) for seed in range(40)]
    within = np.median([np.std(np.log(f)) for f in fields])
    assert within == pytest.approx(0.1, abs=0.01)
    assert np.std([np.log(np.median(f)) for f in fields]) > 3 * within


def test_near_stars_have_little_of_it_in_front():
    pole, slant = np.radians([90, -30])
    share = share_in_front(np.array([0.0, 0.11, 0.22, 8.0]), np.array([pole, pole, slant, pole]))
    np.testing.assert_allclose(share, [0, 1 - np.exp(-1), 1 - np.exp(-1), 1], atol=1e-7)


def test_nearby_dust_is_as_thick_in_every_direction():
    """0.7 mag per kpc from the Sun on, down to the plane: it is a layer, not a screen."""
    for degrees in (0, 5, 30, 90):
        latitude = np.full(400, np.radians(degrees))
        column = np.median(column_extinction(np.random.default_rng(4), latitude))
        near = column * share_in_front(0.01, latitude[0])
        assert near / 0.01 == pytest.approx(0.68, rel=0.15)
