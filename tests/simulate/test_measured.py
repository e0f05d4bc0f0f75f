# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Stamps come with what one would measure on their frames: checked on frames."""

import numpy as np
import pytest
from astropy import units as u

from stellarclass import simulate
from stellarclass.archives.base import BANDS
from stellarclass.simulate.measured import measured_psf, measured_sigma
from stellarclass.stamps.cutouts import field_psf, sky_sigma
from stellarclass.stamps.psf import fwhm


@pytest.fixture(scope="module")
def night_and_frames():
    night = simulate.draw_conditions(1, seed=3)
    sky = simulate.field(seed=5, n_stars=250, r_range=[14.8, 18.5] * u.mag, conditions=night)
    return night, sky.contents


def test_noise_is_what_the_frames_give(night_and_frames):
    """Whole counts make the estimate jump by a tenth; most frames must come out right all the same."""
    night, contents = night_and_frames
    found = np.array([sky_sigma(contents.frames[band].data) for band in BANDS])
    np.testing.assert_allclose(np.median(measured_sigma(night)[0] / found), 1, atol=0.03)
    np.testing.assert_allclose(measured_sigma(night)[0], found, rtol=0.16)


def test_the_psf_is_what_the_frames_give(night_and_frames):
    night, contents = night_and_frames
    found = field_psf(contents)
    np.testing.assert_allclose(fwhm(found), fwhm(night.psf[0]), rtol=0.03)
    drawn = measured_psf(np.random.default_rng(1), night[np.zeros(500, int)])
    scatter = np.std(fwhm(drawn) / fwhm(night.psf), axis=0)
    np.testing.assert_allclose(scatter, 0.006, rtol=0.15)


def test_of_no_stars_nothing_is_measured():
    none = simulate.draw_conditions(0, seed=1)
    assert measured_sigma(none).shape == (0, 5) and measured_psf(np.random.default_rng(1), none).shape == (0, 5, 6)
