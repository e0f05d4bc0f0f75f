# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Measured fluxes against the magnitudes that were rendered."""

import numpy as np
import pytest
from astropy.table import Table
from hypothesis import given, settings
from hypothesis import strategies as st

from stellarclass import flags
from stellarclass.simulate import render_stars
from stellarclass.simulate.optics import flux_from_magnitude
from stellarclass.stamps.base import MASK_SATURATED, Stamps
from stellarclass.stamps.photometry import asinh_magnitude, measure


def _stars(n, magnitude, color=0.0):
    offsets = np.array([1.5, 0.5, 0, -0.2, -0.3]) * color
    return Table({b: np.full(n, magnitude) + o for b, o in zip("ugriz", offsets, strict=True)})


@pytest.mark.parametrize("magnitude", [15.5, 18.0, 20.0])
def test_fluxes_are_right_and_their_errors_honest(magnitude):
    stamps = render_stars(_stars(300, magnitude), seed=1, neighbor_density=0.0)
    photometry = measure(stamps)
    flux = flux_from_magnitude(np.full(5, magnitude))
    ratio = photometry.flux / flux
    assert np.all(np.abs(np.median(ratio, 0) - 1) < np.maximum(0.01, 0.3 * np.median(photometry.flux_err, 0) / flux))
    # The PSF handed over misses the width of the true one by 0.9 %, which adds 1.15 % to the flux error.
    pull = (photometry.flux - flux) / np.hypot(photometry.flux_err, 0.0115 * flux)
    assert np.all(np.abs(1.4826 * np.median(np.abs(pull), 0) - 1) < 0.25)


def test_apertures_agree_with_each_other_on_lonely_stars():
    photometry = measure(render_stars(_stars(200, 16.5), seed=2, neighbor_density=0.0))
    ratio = photometry.apertures / photometry.flux[..., None]
    assert np.all(np.abs(np.median(ratio[:, 1:4], axis=0) - 1) < 0.02)


def test_asinh_magnitude_and_flux_are_inverse():
    magnitude = np.linspace(10, 24, 50)[:, None] * np.ones(5)
    np.testing.assert_allclose(asinh_magnitude(flux_from_magnitude(magnitude)), magnitude, atol=1e-9)
    # Where the flux is large it is the ordinary magnitude.
    assert np.allclose(asinh_magnitude(np.full(5, 1e4)), 12.5, atol=1e-3)


@given(st.integers(1, 700), st.integers(0, 100))
@settings(max_examples=8, deadline=None)
def test_a_star_is_measured_alone(n, seed):
    stamps = render_stars(_stars(3, 18.0), seed=seed)
    many = stamps[np.arange(n) % 3]
    one, all_of_them = measure(stamps), measure(many)
    np.testing.assert_allclose(all_of_them.flux, one.flux[np.arange(n) % 3], rtol=1e-5)
    assert np.array_equal(all_of_them.flags, one.flags[np.arange(n) % 3])


def test_what_cannot_be_trusted_is_not_used():
    stamps = render_stars(_stars(4, 17.0), seed=3, neighbor_density=0.0)
    stamps.masks[0, 2, 30:34, 30:34] = MASK_SATURATED
    stamps.masks[1, :4, 30:34, 30:34] = MASK_SATURATED
    photometry = measure(stamps)
    assert photometry.used.sum(1).tolist() == [4, 1, 5, 5]
    assert [flags.decode(v) for v in photometry.flags] == [["saturated"], ["no_usable_band", "saturated"], [], []]


def test_neighbors_are_noticed():
    stars = _stars(40, 18.0)
    alone = render_stars(stars, seed=4, neighbor_density=0.0)
    beside = Stamps(**{**alone.__dict__, "images": alone.images + 0.5 * np.roll(alone.images, 5, axis=3)})
    blended = [(measure(s).flags & flags.BLENDED > 0).mean() for s in (alone, beside)]
    assert blended[0] < 0.05
    assert blended[1] > 0.9


def test_blank_sky_is_not_detected():
    photometry = measure(render_stars(_stars(100, 27.0), seed=5, neighbor_density=0.0))
    assert (photometry.flags & flags.NOT_DETECTED > 0).mean() > 0.9
    assert len(measure(Stamps.empty(0))) == 0
    assert (measure(Stamps.empty(2)).flags == flags.NO_USABLE_BAND).all()
