# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""A PSF that widens across the frame is found, and each star gets that of its place."""

from dataclasses import replace

import numpy as np
import pytest
from astropy import units as u

from stellarclass import simulate
from stellarclass.stamps.cutouts import cut_field, field_psf_trend
from stellarclass.stamps.photometry import measure
from stellarclass.stamps.psf_trend import fit_trend, width_terms


@pytest.fixture(scope="module")
def widening():
    """A field whose PSF is 8 % wider on its right side than on its left, in g alone, and its five-band stamps."""
    night = simulate.draw_conditions(1, seed=3)
    variation = np.zeros_like(night.variation)
    variation[0, 1, 0] = 0.04
    night = replace(night, variation=variation)
    return simulate.field(seed=5, n_stars=250, r_range=[15.0, 18.0] * u.mag, conditions=night)


def test_the_trend_is_found_where_it_is(widening):
    trend = field_psf_trend(widening.contents)
    assert trend[1, 0] == pytest.approx(0.04, abs=0.008)
    assert np.abs(np.delete(trend, 1, axis=0)).max() < 0.012
    assert np.abs(trend[1, 1:]).max() < 0.012


def test_fluxes_do_not_depend_on_the_place(widening):
    truth = widening.truth
    stamps = cut_field(widening.contents, truth["ra"].value, truth["dec"].value)
    x, _ = widening.contents.frames["g"].wcs.wcs_world2pix(truth["ra"].value, truth["dec"].value, 0)
    error = measure(stamps).magnitude[:, 1] - truth["g"].value
    good = np.isfinite(error) & (np.abs(error) < 0.2)

    def slope(values):
        return fit_trend((x[good] / 1023.5 - 1)[:, None], values[good], np.array([1.0]))[1]

    assert abs(slope(error)) < 0.008
    # With one PSF for all, a star on the right would be fainter than on the left.
    stamps.psf[:] = np.median(stamps.psf, axis=0)
    assert slope(measure(stamps).magnitude[:, 1] - truth["g"].value) > 0.02


def test_an_empty_frame_has_no_trend(widening):
    frame = widening.contents.frames["g"]
    empty = replace(widening.contents, frames={"g": replace(frame, data=np.zeros_like(frame.data))})
    assert not field_psf_trend(empty).any()


def test_terms_are_zero_on_average():
    x, y = np.meshgrid(np.linspace(-1, 1, 201), np.linspace(-1, 1, 201))
    np.testing.assert_allclose(width_terms(x, y).mean((0, 1)), 0, atol=0.006)
