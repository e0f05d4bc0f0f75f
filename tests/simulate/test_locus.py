# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The stellar locus against its own definition and against the survey that it was read from."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stellarclass.simulate.locus import LOCUS_LIMITS, locus_colors

COLORS = st.lists(st.floats(-0.55, 4.3), min_size=1, max_size=20).map(np.array)


@given(COLORS, st.floats(-3, 1))
def test_colors_add_up(g_i, fe_h):
    colors = locus_colors(g_i, np.full(len(g_i), fe_h))
    assert colors.shape == (len(g_i), 4)
    np.testing.assert_allclose(colors[:, 1] + colors[:, 2], g_i, atol=1e-12)


def test_redder_stars_are_redder_in_every_color_but_u_g():
    g_i = np.linspace(*LOCUS_LIMITS, 300)
    colors = locus_colors(g_i, np.full(300, -0.6))
    for k in (2, 3):
        assert (np.diff(colors[:, k]) > -0.002).all()
    assert np.ptp(colors[g_i > 2.2, 1]) < 0.3  # molecular bands: g-r hardly knows M dwarfs apart


def test_metals_block_the_u_band_of_sunlike_stars_only():
    g_i = np.array([-0.3, 0.5, 2.5])
    poor, rich = (locus_colors(g_i, np.full(3, fe_h)) for fe_h in (-2.0, 0.0))
    assert rich[1, 0] - poor[1, 0] > 0.3
    np.testing.assert_array_equal(rich[[0, 2]], poor[[0, 2]])
    np.testing.assert_array_equal(rich[:, 1:], poor[:, 1:])


def test_the_sun_lies_on_it():
    # g-r = 0.46, r-i = 0.12, i-z = 0.03: Willmer (2018, ApJS 236, 47).
    sun = locus_colors(np.array([0.58]), np.array([0.0]))[0]
    np.testing.assert_allclose(sun[1:], [0.46, 0.12, 0.03], atol=0.03)


def test_it_is_the_locus_that_was_published(real_data):
    """Davenport et al. (2014), Table 1: mean colors of a million stars, [Fe/H] about -0.6 as a mean of the disks."""
    path = real_data / "calibration" / "davenport2014_stellar_locus_table1.txt"
    rows = [line.split() for line in path.read_text().splitlines()]
    table = np.array([row for row in rows if len(row) == 16 and row[0].replace(".", "").isdigit()], float)
    assert len(table) > 30
    u_g, g_r, r_i, i_z = table[:, 2], table[:, 4], table[:, 6], table[:, 8]
    g_i = g_r + r_i
    rows = (g_i > 0.6) & (g_i < 3.5)
    colors = locus_colors(g_i[rows], np.full(rows.sum(), -0.6))
    for k, value in ((1, g_r), (2, r_i)):
        assert np.abs(colors[:, k] - value[rows]).max() < 0.03
    # In i-z it follows other photometry of SDSS, 0.02 redder (the module says which), and theirs beyond g-i = 2.5.
    redder = colors[:, 3] - i_z[rows]
    assert redder.min() > -0.015 and redder.max() < 0.045
    assert np.abs(redder[g_i[rows] > 2.5]).max() < 0.02
    warm = g_i[rows] < 1.4
    assert np.abs(colors[:, 0] - u_g[rows])[warm].max() < 0.05
