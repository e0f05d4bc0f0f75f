# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Real fields beside their simulated twins: noise, widths, and whether stamps can be told apart.

What describes a field is measured on it; but a few constants of the method were chosen with all three in view.
"""

import numpy as np
import pytest

from stellarclass.archives import FieldKey
from stellarclass.evaluation.fidelity import compare_field

pytest.importorskip("sklearn")


@pytest.fixture(scope="module")
def other_field(local_images):
    (field,) = local_images.fields([FieldKey(2188, 301, 2, 37)], progress=False)
    return compare_field(field, seed=1)


def test_noise_of_blank_sky_is_right_to_3_percent(other_field):
    assert set(other_field.bands) == set("ugrz")
    for band, measured in other_field.bands.items():
        assert measured.noise_ratio == pytest.approx(1, abs=0.03), band


def test_widths_of_stars_are_right_to_3_percent(other_field):
    for band, measured in other_field.bands.items():
        assert len(measured.fwhm[0]) > 50
        assert measured.fwhm_quantiles == pytest.approx(1, abs=0.03), band


def test_stamps_of_isolated_stars_cannot_be_told_apart(other_field):
    assert other_field.stars > 150
    for band, measured in other_field.bands.items():
        assert measured.verdict.auc < 0.60, band
    assert other_field.verdict.auc < 0.60


def test_magnitude_errors_quoted_are_alike_and_true(other_field):
    fluxes = other_field.photometry
    for k in (1, 2, 4):
        quoted = np.median(fluxes["twin_err"][:, k] / fluxes["real_err"][:, k])
        assert quoted == pytest.approx(1, abs=0.03)
        off = (fluxes["twin"][:, k] - fluxes["truth"][:, k]) / fluxes["twin_err"][:, k]
        assert 1.4826 * np.nanmedian(np.abs(off - np.nanmedian(off))) < 1.6
