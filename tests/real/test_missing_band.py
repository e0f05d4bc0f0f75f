# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Field 2188-2-37 has no i frame: its stars are classified from the other four."""

from tablecompare import plain

from stellarclass import Classifier, flags

BANDS = flags.USED_U | flags.USED_G | flags.USED_R | flags.USED_I | flags.USED_Z


def test_stars_are_classified_from_four_bands(four_band_stars, local_images, default_ensemble):
    assert 30 < len(four_band_stars) < 1000
    table = Classifier(default_ensemble, images=local_images, astrometry=False).classify(four_band_stars)
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
