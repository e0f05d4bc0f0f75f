# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Every Gaia source of a real field: rows, flags, and agreement with what Gaia alone says."""

import numpy as np
import pytest
from astropy import units as u
from tablecompare import plain

from stellarclass import flags, physics


@pytest.fixture(scope="module")
def masked(m2):
    return plain(m2.table["spectral_class"])[1]


@pytest.fixture(scope="module")
def clean(m2):
    """Away from the cluster, neither saturated nor faint, without a neighbor, with a color."""
    g_mag = m2.gaia["phot_g_mean_mag"]
    return (m2.distance > 4 * u.arcmin) & (g_mag > 14.3) & (g_mag < 19.5) & m2.lonely & np.isfinite(m2.gaia["bp_rp"])


def test_one_row_for_every_source(m2):
    assert len(m2.table) == len(m2.gaia) > 1400
    np.testing.assert_allclose(plain(m2.table["ra"])[0], m2.gaia["ra"], rtol=0, atol=1e-12)
    np.testing.assert_allclose(plain(m2.table["dec"])[0], m2.gaia["dec"], rtol=0, atol=1e-12)


def test_every_star_finds_itself_in_gaia(m2):
    seen = (np.asarray(m2.table["flags"]) & (flags.NO_IMAGE | flags.IMAGE_FAILURE)) == 0
    assert seen.mean() > 0.995
    assert (plain(m2.table["source_id"])[0] == m2.gaia["source_id"])[seen].all()
    assert (plain(m2.table["match_separation"])[0][seen] < 1e-4).all()


def test_few_are_masked_and_each_says_why(m2, masked):
    outside = m2.distance > 2.5 * u.arcmin
    assert outside.sum() > 700
    assert masked[outside].mean() <= 0.10
    assert ((np.asarray(m2.table["flags"]) & flags.FATAL) != 0).tolist() == masked.tolist()


def test_classes_agree_with_gaias_colors(m2, masked, clean):
    chosen = clean & ~masked
    assert chosen.sum() > 190
    by_color = physics.spectral_class_from_color(m2.gaia["bp_rp"][chosen].quantity)
    agreement = (plain(m2.table["spectral_class"])[0][chosen] == by_color).mean()
    assert agreement >= 0.80, f"{agreement:.3f} of {chosen.sum()}"


def test_radii_agree_with_gaias_own_photometry(m2, masked, clean):
    """Field stars: members of the cluster have no useful parallax."""
    chosen = clean & ~masked & (m2.gaia["memberprob"] < 0.5) & (m2.gaia["parallax"] > 5 * m2.gaia["parallax_error"])
    assert chosen.sum() > 30
    expected = physics.stefan_boltzmann_radius(
        *(m2.gaia[name][chosen].quantity for name in ("phot_g_mean_mag", "bp_rp", "parallax"))
    )
    difference = np.log10(plain(m2.table["radius"])[0][chosen] / expected.to_value(u.solRad))
    offset = np.median(difference)
    scatter = 1.4826 * np.median(np.abs(difference - offset))
    assert abs(offset) < 0.06, f"offset {offset:.3f} dex"
    assert scatter < 0.06, f"scatter {scatter:.3f} dex"


def test_intervals_hold_most_of_these_radii(m2, masked, clean):
    """Stefan-Boltzmann is not the truth, yet close to it: intervals at level 0.9 that hold 3 of 4 are not far off."""
    chosen = clean & ~masked & (m2.gaia["memberprob"] < 0.5) & (m2.gaia["parallax"] > 5 * m2.gaia["parallax_error"])
    expected = physics.stefan_boltzmann_radius(
        *(m2.gaia[name][chosen].quantity for name in ("phot_g_mean_mag", "bp_rp", "parallax"))
    ).to_value(u.solRad)
    lower, upper = (plain(m2.table[name])[0][chosen] for name in ("radius_lower", "radius_upper"))
    assert ((lower < expected) & (expected < upper)).mean() > 0.75


def test_brightness_agrees_with_gaias(m2, masked, clean):
    """Measured on the stamps, turned into G: the zero point of a real frame, and the transformation, are right."""
    chosen = clean & ~masked
    g, r, i = (plain(m2.table[f"psfmag_{band}"])[0][chosen] * u.mag for band in "gri")
    g_mag, _ = physics.gaia_from_sdss(g, r, i)
    difference = g_mag.value - m2.gaia["phot_g_mean_mag"][chosen]
    known = np.isfinite(difference)
    assert known.mean() > 0.9
    assert abs(np.median(difference[known])) < 0.05
