# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The width of a PSF that no frame told, read off the star."""

import numpy as np
import pytest
from astropy.table import Table

from stellarclass.simulate import draw_conditions, render_stars
from stellarclass.stamps.photometry import measure
from stellarclass.stamps.psf import TYPICAL_PSF, fwhm


def _stamps(magnitude, n=200):
    stars = Table({b: np.full(n, magnitude) for b in "ugriz"})
    conditions = draw_conditions(n, seed=1)
    return render_stars(stars, seed=2, conditions=conditions, neighbor_density=0.0), conditions


def test_a_bright_star_tells_its_own_seeing():
    stamps, conditions = _stamps(16.0)
    stamps.psf[:] = np.nan
    ratio = fwhm(measure(stamps).psf) / fwhm(conditions.psf)
    # A circle of the typical shape is no true PSF: a few per cent remain.
    assert np.abs(np.median(np.log(ratio), axis=0)).max() < 0.06
    assert np.std(np.log(ratio), axis=0).max() < 0.10
    # The typical PSF alone would miss by the spread of the seeing.
    assert np.std(np.log(fwhm(TYPICAL_PSF) / fwhm(conditions.psf)), axis=0).min() > 0.12


def test_too_faint_to_tell_it_stays_typical():
    stamps, _ = _stamps(26.0, 50)
    stamps.psf[:] = np.nan
    assert fwhm(measure(stamps).psf) == pytest.approx(np.broadcast_to(fwhm(TYPICAL_PSF), (50, 5)), rel=0.25)


def test_bands_with_a_psf_keep_it():
    stamps, _ = _stamps(16.0, 5)
    known = stamps.psf[:, :4].copy()
    stamps.psf[:, 4] = np.nan
    found = measure(stamps).psf
    assert np.array_equal(found[:, :4], known)
    assert np.isfinite(found).all()


def test_fluxes_of_an_unknown_psf():
    stamps, _ = _stamps(16.0)
    stamps.psf[:] = np.nan
    color = np.diff(measure(stamps).magnitude, axis=1)
    assert np.abs(np.median(color, axis=0)).max() < 0.02
    assert (1.4826 * np.median(np.abs(color), axis=0)).max() < 0.04
