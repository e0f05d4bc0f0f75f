# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""MOCs as regions: circles that cover them, positions inside."""

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.utils.masked import Masked
from hypothesis import given, settings
from hypothesis import strategies as st
from mocpy import MOC, TimeMOC

from stellarclass.exceptions import InputError
from stellarclass.mocs import _cell_centers, _cells
from stellarclass.skyregions import cover_region, inside_region, region_circle

MARGIN, MOST = 3 * u.arcsec, 5 * u.arcmin


@settings(max_examples=60, deadline=None)
@given(order=st.integers(0, 15), cell=st.floats(0, 1, exclude_max=True))
def test_centers_lie_in_their_cells(order, cell):
    cell = int(cell * 12 * 4**order)
    center = _cell_centers(np.array([cell]), order)
    assert MOC.from_lonlat(center.ra, center.dec, max_norder=order) == MOC.from_string(f"{order}/{cell}")
    # And in their middle: the corners of a MOC of this cell are all near.
    moc = MOC.from_healpix_cells(np.array([cell], np.uint64), np.array([order], np.uint8), max_depth=order)
    reach = moc.largest_distance_from_coo_to_vertices(center[0]).to_value(u.arcmin)
    assert reach < 3.5842 * 2.0 ** (10 - order) * (1.05 if order < 4 else 1)


def scattered(seed, order):
    """A few cells in three places, one of them at a pole."""
    rng = np.random.default_rng(seed)
    places = SkyCoord([10.0, 200.0, 0.0] * u.deg, [5.0, -40.0, 90.0] * u.deg)
    lon = (places.ra.deg[:, None] + rng.uniform(-0.2, 0.2, (3, 6))).ravel()
    lat = np.clip(places.dec.deg[:, None] + rng.uniform(-0.2, 0.2, (3, 6)), -90, 90).ravel()
    return MOC.from_lonlat(lon * u.deg, lat * u.deg, max_norder=order)


@pytest.mark.parametrize("order", [7, 10, 12])
@pytest.mark.parametrize("margin", [MARGIN, 3 * u.arcmin])
def test_circles_cover_it_and_its_surroundings(order, margin):
    moc = scattered(1, order)
    before = moc.to_string()
    centers, radius = cover_region(moc, margin=margin, most=MOST)
    assert radius <= MOST and moc.to_string() == before
    cells = _cells(moc, order + 3)
    inside = _cell_centers(cells, order + 3)
    assert inside_region(moc, inside).all()
    near = inside.directional_offset_by(np.random.default_rng(2).uniform(0, 360, len(inside)) * u.deg, margin * 0.999)
    _, apart, _ = near.match_to_catalog_sky(centers)
    assert (apart <= radius).all()
    # As many circles as there are cells, wherever they are.
    assert len(centers) < 20 + 4 * moc.sky_fraction * 41253 * 3600 / radius.to_value(u.arcmin) ** 2 * 4


def test_too_wide_a_margin():
    with pytest.raises(InputError, match="too wide"):
        cover_region(scattered(1, 9), margin=4.95 * u.arcmin, most=MOST)


def test_the_circle_around():
    moc = MOC.from_cone(lon=10 * u.deg, lat=20 * u.deg, radius=1 * u.deg, max_depth=9)
    center, radius = region_circle(moc)
    assert center.separation(SkyCoord("10d 20d")) < 0.1 * u.deg and 1 * u.deg < radius < 1.3 * u.deg
    cells = _cell_centers(_cells(moc, 11), 11)
    assert (cells.separation(center) <= radius).all()
    for wide in ("0/0-11", "1/0 1/40"):
        assert region_circle(MOC.from_string(wide))[1] == 180 * u.deg


def test_positions_in_other_frames_and_missing_ones():
    moc = MOC.from_cone(lon=10 * u.deg, lat=20 * u.deg, radius=1 * u.deg, max_depth=9)
    coords = SkyCoord([10, 15, np.nan] * u.deg, [20, 20, 20] * u.deg)
    assert inside_region(moc, coords).tolist() == [True, False, False]
    assert inside_region(moc, coords[:2].galactic).tolist() == [True, False]
    hidden = SkyCoord(Masked([10, 10] * u.deg, mask=[False, True]), [20, 20] * u.deg)
    assert inside_region(moc, hidden).tolist() == [True, False]
    assert inside_region(moc, coords[:0]).shape == (0,)


def test_what_is_no_region():
    with pytest.raises(InputError, match="covers nothing"):
        region_circle(MOC.new_empty(5))
    with pytest.raises(InputError, match="covers nothing"):
        cover_region(MOC.new_empty(5), margin=MARGIN, most=MOST)
    with pytest.raises(TypeError, match="TimeMOC"):
        region_circle(TimeMOC.from_string("10/1"))
