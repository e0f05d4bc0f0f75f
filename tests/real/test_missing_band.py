# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Field 2188-2-37 has no i frame: its stars are classified from the other four."""

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from scipy import ndimage
from tablecompare import plain

from stellarclass import Classifier, flags
from stellarclass.archives import FieldKey
from stellarclass.stamps.cutouts import sky_sigma

BANDS = flags.USED_U | flags.USED_G | flags.USED_R | flags.USED_I | flags.USED_Z


@pytest.fixture(scope="module")
def field(local_images):
    (field,) = local_images.fields([FieldKey(2188, 301, 2, 37)])
    return field


@pytest.fixture(scope="module")
def stars(field):
    """Peaks of the r frame, as bright as stars of r = 16 to 19.5."""
    frame = field.frames["r"]
    smooth = ndimage.gaussian_filter(frame.data, 1.5)
    peak = (smooth == ndimage.maximum_filter(smooth, 25)) & (smooth > 20 * sky_sigma(smooth)) & (smooth < 20)
    y, x = np.nonzero(peak[40:-40, 40:-40])
    return SkyCoord(*frame.wcs.wcs_pix2world(x + 40, y + 40, 0), unit="deg")


def test_the_field_says_what_it_lacks(field):
    assert set(field.frames) == set("ugrz")
    assert set(field.missing) == {"i"}
    assert not field.errors


def test_stars_are_classified_from_four_bands(stars, local_images, default_ensemble):
    assert 30 < len(stars) < 1000
    table = Classifier(default_ensemble, images=local_images, astrometry=False).classify(stars)
    assert (plain(table["run"])[0] == 2188).all()
    assert (table["flags"] & flags.MISSING_BAND != 0).all()
    assert not (table["inputs_used"] & flags.USED_I).any()
    assert plain(table["psfmag_i"])[1].all()
    answered = ~plain(table["spectral_class"])[1]
    assert answered.mean() > 0.9
    assert ((table["flags"][~answered] & flags.FATAL) != 0).all()
    assert (table["inputs_used"][answered] & BANDS == BANDS - flags.USED_I).mean() > 0.8
    # High latitude, r = 16 to 19.5: no class is all there is, and none of these is hot.
    assert len(set(plain(table["spectral_class"])[0][answered])) >= 3
    assert (plain(table["spectral_class"])[0][answered] == "A").mean() < 0.2
