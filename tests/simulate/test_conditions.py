# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Observing conditions: what is drawn, what is measured on fields, and calibration errors."""

from dataclasses import fields, replace

import numpy as np
import pytest
from astropy import units as u

from stellarclass import simulate
from stellarclass.archives import LocalSAS
from stellarclass.archives.base import Field, FieldKey
from stellarclass.exceptions import InputError
from stellarclass.simulate import Conditions, conditions_from_field, draw_conditions, render_stars
from stellarclass.stamps.photometry import measure
from stellarclass.stamps.psf import fwhm


def _same(one, other):
    return all(np.array_equal(getattr(one, f.name), getattr(other, f.name)) for f in fields(Conditions))


def test_a_seed_is_a_night():
    assert _same(draw_conditions(4, seed=1), draw_conditions(4, seed=np.random.default_rng(1)))


def test_without_shape_a_psf_is_round_and_everywhere_the_same():
    drawn = draw_conditions(2, seed=1)
    plain = Conditions(drawn.psf, drawn.sky, drawn.per_count, drawn.camcol)
    assert not plain.shape.any() and not plain.variation.any() and not plain.zero_point.any()
    assert (plain.noise == 1).all()
    assert plain.shape.shape == (2, 5, 7) and plain[1].variation.shape == (5, 9) and plain[:1].noise.shape == (1, 5, 2)


def test_seeing_is_that_of_dr7():
    """Median 1.32 arcsec in r (Abazajian et al. 2009), hardly ever beyond 2."""
    width = 0.396 * fwhm(draw_conditions(4000, seed=2).psf)
    assert np.median(width[:, 2]) == pytest.approx(1.32, abs=0.02)
    assert (width[:, 2] > 2.0).mean() < 0.02 and (width[:, 2] < 0.8).mean() < 0.01
    assert (np.median(width, axis=0)[:2] > 1.38).all()  # bluer is wider
    assert np.corrcoef(np.log(width).T)[np.triu_indices(5, 1)].min() > 0.8


def test_real_nights_are_among_those_drawn(real_data):
    drawn = draw_conditions(4000, seed=3)
    local_images = LocalSAS(real_data / "sas")
    # Two nights; a third field is a globular cluster, where everything takes long.
    for key in (FieldKey(2188, 301, 2, 37), FieldKey(4510, 301, 4, 30)):
        (field,) = local_images.fields([key])
        night = conditions_from_field(field)
        assert night.camcol[0] == key.camcol
        for k, band in enumerate("ugriz"):
            if band not in field.frames:
                continue
            low, high = np.quantile(drawn.sky_sigma[:, k], [0.0, 1.0])
            assert low < night.sky_sigma[0, k] < high
            size, sizes = (np.hypot(*c.shape[:, k, :2].T) for c in (night, drawn))
            assert size[0] < np.quantile(sizes, 0.999)
            assert 0.8 < night.noise[0, k].min() and night.noise[0, k].max() < 1.15


def test_calibration_errors_are_drawn_on_request_and_shared_by_a_field():
    assert not draw_conditions(3, seed=1).zero_point.any()
    drawn = draw_conditions(5000, seed=1, calibration_errors=True).zero_point
    np.testing.assert_allclose(drawn.std(0), [0.02, 0.01, 0.01, 0.01, 0.01], rtol=0.05)
    night = draw_conditions(1, seed=1)
    fainter = replace(night, zero_point=np.full((1, 5), 0.5))
    stars = {band: np.full(40, 17.0) for band in "ugriz"}
    shift = [np.median(measure(render_stars(stars, seed=1, conditions=c, neighbor_density=0.0)).magnitude, 0)
             for c in (night, fainter)]  # fmt: skip
    np.testing.assert_allclose(shift[1] - shift[0], 0.5, atol=0.01)
    # A field has its own errors; given conditions are taken as they are.
    assert simulate.field(seed=1, n_stars=0, bands="r").conditions.zero_point.all()
    assert not simulate.field(seed=1, n_stars=0, bands="r", conditions=night).conditions.zero_point.any()


def test_conditions_come_back_from_a_field_s_own_frames():
    night = draw_conditions(1, seed=8)
    sky = simulate.field(seed=8, n_stars=300, r_range=[14.8, 18.0] * u.mag, conditions=night)
    found = conditions_from_field(sky.contents)
    np.testing.assert_allclose(fwhm(found.psf), fwhm(night.psf), rtol=0.03)
    np.testing.assert_allclose(found.sky, night.sky, rtol=0.005)
    np.testing.assert_allclose(found.per_count, night.per_count, rtol=0.01)
    np.testing.assert_allclose(found.noise, night.noise, rtol=0.02)
    np.testing.assert_allclose(found.shape[..., :2], night.shape[..., :2], atol=0.02)
    # Slopes of the width, of which stars tell enough.
    assert np.abs(found.variation[0, 1:, :2] - night.variation[0, 1:, :2]).max() < 0.008
    assert not found.zero_point.any()


def test_a_missing_band_is_typical_and_no_frames_are_refused():
    sky = simulate.field(seed=9, n_stars=60, r_range=[15, 18] * u.mag, bands="gr")
    night = conditions_from_field(sky.contents)
    assert np.isfinite(night.psf).all() and not night.shape[0, 4].any() and (night.noise[0, 4] == 1).all()
    with pytest.raises(InputError, match="1-2-3 has no frames"):
        conditions_from_field(Field(FieldKey(1, 301, 2, 3)))
