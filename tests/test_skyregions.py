# Licensed under a 3-clause BSD style license - see LICENSE.rst
import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from hypothesis import given, settings
from hypothesis import strategies as st
from regions import (
    CircleAnnulusSkyRegion,
    CirclePixelRegion,
    CircleSkyRegion,
    EllipseAnnulusSkyRegion,
    EllipseSkyRegion,
    LineSkyRegion,
    PixCoord,
    PolygonSkyRegion,
    RectangleSkyRegion,
)

from stellarclass.exceptions import InputError
from stellarclass.skyregions import cover_circle, inside_region, region_circle

CENTER = SkyCoord(359.99 * u.deg, 60 * u.deg)


def around(center, radius, n=4000, seed=1):
    """Positions spread over a cap, and their offsets east and north on the tangent plane in units of radius."""
    rng = np.random.default_rng(seed)
    angle, r = rng.uniform(0, 2 * np.pi, n), radius * np.sqrt(rng.uniform(0, 1, n))
    coords = center.directional_offset_by(angle * u.rad, r)
    plane = np.tan(r.to_value(u.rad)) / radius.to_value(u.rad)
    return coords, plane * np.sin(angle), plane * np.cos(angle)


@pytest.mark.parametrize("radius", [1 * u.arcsec, 0.5 * u.deg, 60 * u.deg, 180 * u.deg])
def test_circle_is_itself(radius):
    region = CircleSkyRegion(CENTER, radius=radius)
    center, found = region_circle(region)
    assert center.separation(CENTER) < 1e-6 * u.arcsec
    assert u.isclose(found, radius, rtol=1e-12)
    coords = CENTER.directional_offset_by(70 * u.deg, radius * [0, 0.999, 0.9999999])
    assert inside_region(region, coords).all()
    if radius < 180 * u.deg:
        assert not inside_region(region, CENTER.directional_offset_by(70 * u.deg, radius * [1.0000001, 1.5])).any()


def test_circle_in_another_frame_and_positions_in_another():
    region = CircleSkyRegion(CENTER.galactic, radius=1 * u.deg)
    coords, *_ = around(CENTER, 2 * u.deg)
    assert (inside_region(region, coords.fk5) == (coords.separation(CENTER) <= 1 * u.deg)).all()


def test_annulus_has_a_hole():
    region = CircleAnnulusSkyRegion(CENTER, inner_radius=1 * u.deg, outer_radius=2 * u.deg)
    assert region_circle(region)[1] == 2 * u.deg
    coords = CENTER.directional_offset_by(10 * u.deg, [0.5, 1.5, 2.5] * u.deg)
    assert inside_region(region, coords).tolist() == [False, True, False]


@pytest.mark.parametrize("angle", [0, 30, 90, 135] * u.deg)
def test_rectangle_turns_from_west_to_north(angle):
    # As in regions and DS9: counterclockwise on an image that has north up and east to the left.
    region = RectangleSkyRegion(CENTER, width=30 * u.arcmin, height=10 * u.arcmin, angle=angle)
    radius = np.hypot(15, 5) * u.arcmin
    center, found = region_circle(region)
    assert center.separation(CENTER) < 1e-6 * u.arcsec
    assert u.isclose(found, radius)
    coords, east, north = around(CENTER, 1.3 * radius)
    east, north = east * 1.3 * radius.value, north * 1.3 * radius.value
    along, across = (
        -east * np.cos(angle) + north * np.sin(angle),
        north * np.cos(angle) + east * np.sin(angle),
    )
    margin = np.minimum(np.abs(np.abs(along) - 15), np.abs(np.abs(across) - 5))
    clear = margin > 1e-3
    expected = (np.abs(along) < 15) & (np.abs(across) < 5)
    assert (inside_region(region, coords)[clear] == expected[clear]).all()


def test_galactic_ellipse_turns_in_its_own_frame():
    center = SkyCoord(120 * u.deg, 10 * u.deg, frame="galactic")
    region = EllipseSkyRegion(center, width=2 * u.deg, height=0.2 * u.deg, angle=0 * u.deg)
    along_longitude = SkyCoord([120.8, 120] * u.deg, [10, 10.8] * u.deg, frame="galactic")
    assert inside_region(region, along_longitude.icrs).tolist() == [True, False]
    assert region_circle(region)[1] == 1 * u.deg


def test_ellipse_annulus():
    region = EllipseAnnulusSkyRegion(
        CENTER, inner_width=1 * u.deg, outer_width=2 * u.deg, inner_height=0.5 * u.deg, outer_height=1 * u.deg
    )
    assert region_circle(region)[1] == 1 * u.deg
    coords = CENTER.directional_offset_by(0 * u.deg, [0.1, 0.4, 0.6] * u.deg)
    assert inside_region(region, coords).tolist() == [False, True, False]


@settings(max_examples=30, deadline=None)
@given(
    lon=st.floats(0, 360),
    lat=st.floats(-89, 89),
    size=st.sampled_from([1e-2, 1.0, 30.0]),
    corners=st.lists(st.tuples(st.floats(0, 360), st.floats(0.05, 1)), min_size=3, max_size=12, unique=True),
)
def test_polygon_circle_holds_every_corner_and_is_smallest(lon, lat, size, corners):
    middle = SkyCoord(lon * u.deg, lat * u.deg)
    angles, lengths = np.array(corners).T
    vertices = middle.directional_offset_by(angles * u.deg, lengths * size * u.deg)
    vectors = np.unique(vertices.cartesian.xyz.value.T, axis=0)
    if len(vectors) < 3:
        return
    center, radius = region_circle(PolygonSkyRegion(vertices))
    apart = center.separation(vertices)
    rounding = 1e-6 * u.arcsec
    assert (apart <= radius + rounding).all()
    # Not larger than needed: no circle around any nearby center is smaller.
    assert radius <= size * u.deg + rounding
    for turn in np.arange(0, 360, 30) * u.deg:
        other = center.directional_offset_by(turn, 0.01 * radius)
        assert other.separation(vertices).max() >= radius - rounding


def test_polygon_with_many_corners():
    vertices = CENTER.directional_offset_by(np.linspace(0, 360, 1000, endpoint=False) * u.deg, 3 * u.deg)
    center, radius = region_circle(PolygonSkyRegion(vertices))
    assert center.separation(CENTER) < 1e-5 * u.arcsec
    assert u.isclose(radius, 3 * u.deg, rtol=1e-9)
    coords = CENTER.directional_offset_by([0, 100, 200] * u.deg, [2.99, 3.01, 170] * u.deg)
    assert inside_region(PolygonSkyRegion(vertices), coords).tolist() == [True, False, False]


def test_polygon_across_ra_zero_has_great_circle_sides():
    region = PolygonSkyRegion(SkyCoord([350, 10, 10, 350] * u.deg, [50, 50, 60, 60] * u.deg))
    # The great circle between two points of one declination bulges toward the pole: at RA 0 it runs at 50.43 and 60.37.
    coords = SkyCoord([0, 0, 0, 0] * u.deg, [50.42, 50.45, 60.36, 60.39] * u.deg)
    assert inside_region(region, coords).tolist() == [False, True, True, False]


def test_combined_regions():
    left = CircleSkyRegion(SkyCoord("10d 0d"), radius=1 * u.deg)
    right = CircleSkyRegion(SkyCoord("11d 0d"), radius=1 * u.deg)
    coords = SkyCoord([9.5, 10.5, 11.5, 13] * u.deg, [0, 0, 0, 0] * u.deg)
    assert inside_region(left | right, coords).tolist() == [True, True, True, False]
    assert inside_region(left & right, coords).tolist() == [False, True, False, False]
    assert inside_region(left ^ right, coords).tolist() == [True, False, True, False]
    center, radius = region_circle(left | right)
    assert center.separation(SkyCoord("10.5d 0d")) < 1e-6 * u.arcsec
    assert u.isclose(radius, 1.5 * u.deg)
    small = CircleSkyRegion(SkyCoord("10d 0.1d"), radius=0.1 * u.deg)
    assert region_circle(small | left)[1] == region_circle(left | small)[1] == 1 * u.deg
    assert region_circle(small & left)[1] == 0.1 * u.deg


def test_positions_that_are_nan_are_outside():
    region = CircleSkyRegion(CENTER, radius=180 * u.deg)
    assert inside_region(region, SkyCoord([np.nan, 1] * u.deg, [0, 1] * u.deg)).tolist() == [False, True]


def test_no_positions():
    empty = SkyCoord([] * u.deg, [] * u.deg)
    assert inside_region(RectangleSkyRegion(CENTER, 1 * u.deg, 1 * u.deg), empty).shape == (0,)


@pytest.mark.parametrize(
    "region",
    [
        LineSkyRegion(CENTER, SkyCoord("1d 1d")),
        RectangleSkyRegion(CENTER, width=100 * u.deg, height=1 * u.deg),
        PolygonSkyRegion(SkyCoord([1, 1, 2] * u.deg, [0, 0, 0] * u.deg)),
        PolygonSkyRegion(SkyCoord([0, 120, 240] * u.deg, [0, 0, 0] * u.deg)),
        PolygonSkyRegion(SkyCoord([0, 180, 90] * u.deg, [0, 0, 0] * u.deg)),
    ],
)
def test_regions_that_cannot_be_searched(region):
    with pytest.raises(InputError):
        region_circle(region)
    with pytest.raises(InputError):
        inside_region(region, CENTER.reshape(1))


def test_only_regions_of_the_sky():
    with pytest.raises(TypeError, match="CirclePixelRegion"):
        region_circle(CirclePixelRegion(PixCoord(1, 1), 2))
    with pytest.raises(TypeError, match="SkyCoord"):
        inside_region(CENTER, CENTER)


@pytest.mark.parametrize("declination", [0, 75, -90])
@pytest.mark.parametrize(("radius", "small"), [(0.5, 1), (6, 5), (40, 5), (600, 60), (4800, 600)])
def test_small_circles_cover_a_large_one(declination, radius, small):
    """Everywhere, without holes, and with not many more than it takes."""
    center = SkyCoord(123.4, declination, unit="deg")
    circles = cover_circle(center, radius * u.arcmin, small * u.arcmin)
    inside, _, _ = around(center, radius * u.arcmin)
    _, nearest, _ = inside.match_to_catalog_sky(circles)
    assert nearest.max() <= small * u.arcmin
    assert len(circles) <= 2 * (1 + 1.5 * radius / small) ** 2
    if radius <= small:
        assert len(circles) == 1


def test_small_circles_cover_the_sphere():
    circles = cover_circle(CENTER, 180 * u.deg, 10 * u.deg)
    rng = np.random.default_rng(2)
    sky = SkyCoord(rng.uniform(0, 360, 5000), np.degrees(np.arcsin(rng.uniform(-1, 1, 5000))), unit="deg")
    assert sky.match_to_catalog_sky(circles)[1].max() <= 10 * u.deg
