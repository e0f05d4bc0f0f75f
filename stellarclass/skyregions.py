# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Regions of the sky as something an archive can be asked for: the circles that cover one, and the positions inside it.

An archive answers a cone search fastest, so that a region is fetched as `cover_region` and cut with `inside_region`.
"""

import operator

import numpy as np
from astropy import units as u
from astropy.coordinates import Angle, CartesianRepresentation, SkyCoord
from astropy.wcs.utils import celestial_frame_to_wcs
from regions import (
    CircleAnnulusSkyRegion,
    CircleSkyRegion,
    CompoundSkyRegion,
    EllipseAnnulusSkyRegion,
    EllipseSkyRegion,
    PolygonSkyRegion,
    RectangleAnnulusSkyRegion,
    RectangleSkyRegion,
    SkyRegion,
)

from .exceptions import InputError
from .mocs import inside_moc, is_moc, moc_circle, moc_circles

__all__ = ["cover_circle", "cover_region", "inside_region", "region_circle"]

_CIRCLES = (CircleSkyRegion, CircleAnnulusSkyRegion)
_FLAT_SHAPES = (EllipseSkyRegion, EllipseAnnulusSkyRegion, RectangleSkyRegion, RectangleAnnulusSkyRegion)
_MAX_RADIUS = 45 * u.deg
"""Beyond, a shape drawn on the tangent plane is no more what its sizes say."""


def region_circle(region):
    """The smallest circle around a region.

    Parameters
    ----------
    region : `~regions.SkyRegion` or mocpy.MOC
        A circle, ellipse, rectangle or annulus of these, a polygon, or a combination of them; or a MOC.

    Returns
    -------
    center : `~astropy.coordinates.SkyCoord`
        ICRS, scalar.
    radius : `~astropy.coordinates.Angle`
        Every position inside the region lies within. For a combination, the smallest circle around the circles of
        its parts; for a MOC, the circle around its barycenter.

    Raises
    ------
    TypeError
        If ``region`` is neither a SkyRegion nor a MOC.
    stellarclass.exceptions.InputError
        If the region has no area, is not finite, or reaches further than 45 degrees from its center without being a
        circle or a MOC.

    Examples
    --------
    >>> from astropy import units as u
    >>> from astropy.coordinates import SkyCoord
    >>> from regions import RectangleSkyRegion
    >>> from stellarclass.skyregions import region_circle
    >>> center, radius = region_circle(RectangleSkyRegion(SkyCoord("10d 20d"), width=6 * u.arcmin, height=8 * u.arcmin))
    >>> center, radius.to("arcmin")
    (<SkyCoord (ICRS): (ra, dec) in deg
        (10., 20.)>, <Angle 5. arcmin>)
    """
    _check(region)
    if is_moc(region):
        return moc_circle(region)
    if isinstance(region, CompoundSkyRegion):
        return _circle_of_two(region)
    if isinstance(region, PolygonSkyRegion):
        center, radius = _enclosing_cap(_vectors(region.vertices))
        if not radius <= _MAX_RADIUS.to_value(u.rad):
            raise InputError(_too_large("polygon", radius * u.rad))
        return _from_vector(center), Angle(radius * u.rad).to(u.deg)
    center = _icrs(region.center)
    if isinstance(region, _CIRCLES):
        radius = region.radius if isinstance(region, CircleSkyRegion) else region.outer_radius
        if not 0 * u.deg <= radius <= 180 * u.deg:
            raise InputError(f"the region has radius {radius}; expected 0 to 180 deg")
        return center, Angle(radius).to(u.deg)
    annulus = isinstance(region, (EllipseAnnulusSkyRegion, RectangleAnnulusSkyRegion))
    width, height = (region.outer_width, region.outer_height) if annulus else (region.width, region.height)
    round_shape = isinstance(region, (EllipseSkyRegion, EllipseAnnulusSkyRegion))
    radius = max(width, height) / 2 if round_shape else np.hypot(width, height) / 2
    if not radius <= _MAX_RADIUS:
        raise InputError(_too_large(type(region).__name__, radius))
    return center, Angle(radius).to(u.deg)


def cover_circle(center, radius, small):
    """Small circles that together cover a large one.

    Parameters
    ----------
    center : `~astropy.coordinates.SkyCoord`
        Of the large circle, scalar.
    radius, small : `~astropy.units.Quantity`
        Angular radius of the large circle, and of each small one.

    Returns
    -------
    `~astropy.coordinates.SkyCoord`, shape (N,)
        Centers of the small circles, ICRS; the center alone if one is enough.

    Examples
    --------
    >>> from astropy import units as u
    >>> from astropy.coordinates import SkyCoord
    >>> from stellarclass.skyregions import cover_circle
    >>> len(cover_circle(SkyCoord("10d 20d"), 10 * u.arcmin, 5 * u.arcmin))
    13
    """
    radius, small = (angle.to_value(u.rad) for angle in (radius, small))
    if radius <= small:
        return center.reshape(1).icrs
    # Cells, each inside its small circle, in rows along the parallels of a frame that has the center on its equator.
    side = 1.4 * small  # a little less than sqrt(2)
    middle = side * np.arange(-np.ceil(radius / side), np.ceil(radius / side) + 1)
    middle = middle[np.abs(middle) <= min(radius + small, np.pi / 2 + side)]
    longitudes, latitudes = [], []
    for latitude in middle:
        # On the edge that is nearer to the equator a cell is widest.
        width = side / np.cos(np.clip(np.abs(latitude) - side / 2, 0, np.pi / 2 - side))
        half = min(np.pi, (radius + small) / np.cos(np.clip(np.abs(latitude), 0, np.pi / 2 - side)))
        steps = width * np.arange(-np.ceil(half / width), np.ceil(half / width) + 1)
        longitudes.append(steps)
        latitudes.append(np.full(len(steps), np.clip(latitude, -np.pi / 2, np.pi / 2)))
    frame = center.icrs.skyoffset_frame()
    grid = SkyCoord(np.concatenate(longitudes) * u.rad, np.concatenate(latitudes) * u.rad, frame=frame).icrs
    return grid[grid.separation(center).rad <= radius + small]


def cover_region(region, *, margin, most):
    """Small circles that together cover a region, and what is near it.

    Parameters
    ----------
    region : `~regions.SkyRegion` or mocpy.MOC
        See `region_circle`.
    margin : `~astropy.units.Quantity`
        Angle around the region to cover as well.
    most : `~astropy.units.Quantity`
        Largest radius of a circle.

    Returns
    -------
    centers : `~astropy.coordinates.SkyCoord`, shape (N,)
        ICRS. For a MOC they follow its cells, however far apart its parts are.
    radius : `~astropy.units.Quantity`
        Of every circle.

    Raises
    ------
    TypeError, stellarclass.exceptions.InputError
        As `region_circle`; or the margin leaves no room in a circle.
    """
    _check(region)
    if is_moc(region):
        return moc_circles(region, margin=margin, most=most)
    center, radius = region_circle(region)
    small = min(radius + margin, most)
    return cover_circle(center, radius + margin, small), small


def inside_region(region, coords):
    """Which positions lie inside a region.

    Circles and the sides of polygons (great circles) are exact. Ellipses and rectangles are drawn on the plane that
    touches the sphere at their center, in the frame that the region was given in, as on an image: their angle
    counts from west to north, as in DS9.

    Parameters
    ----------
    region : `~regions.SkyRegion` or mocpy.MOC
        See `region_circle`.
    coords : `~astropy.coordinates.SkyCoord`, shape (N,)
        Positions in any frame.

    Returns
    -------
    ndarray, shape (N,), bool
        False for a position that is NaN.

    Raises
    ------
    TypeError, stellarclass.exceptions.InputError
        As `region_circle`.

    Examples
    --------
    >>> from astropy import units as u
    >>> from astropy.coordinates import SkyCoord
    >>> from regions import CircleSkyRegion
    >>> from stellarclass.skyregions import inside_region
    >>> circle = CircleSkyRegion(SkyCoord("0d 0d"), radius=1 * u.deg)
    >>> inside_region(circle, SkyCoord([359.5, 1.5], [0.0, 0.0], unit="deg"))
    array([ True, False])
    """
    _check(region)
    if is_moc(region):
        return inside_moc(region, coords)
    if isinstance(region, CompoundSkyRegion):
        return region.operator(inside_region(region.region1, coords), inside_region(region.region2, coords))
    center, radius = region_circle(region)
    separation = center.separation(coords.icrs)
    separation = Angle(getattr(separation, "unmasked", separation))
    with np.errstate(invalid="ignore"):
        inside = separation <= radius
        if isinstance(region, CircleAnnulusSkyRegion):
            inside &= separation >= region.inner_radius
    inside = np.array(inside & ~np.broadcast_to(getattr(coords, "mask", False), coords.shape))
    if isinstance(region, _CIRCLES) or not inside.any():
        return inside
    frame = region.vertices.frame if isinstance(region, PolygonSkyRegion) else region.center.frame
    middle = center.transform_to(frame.replicate_without_data())
    wcs = celestial_frame_to_wcs(middle.frame.replicate_without_data(), projection="TAN")
    wcs.wcs.crval = [middle.spherical.lon.deg, middle.spherical.lat.deg]
    wcs.wcs.crpix = [1.0, 1.0]
    wcs.wcs.cdelt = np.array([-1.0, 1.0]) * radius.deg / 1000.0
    inside[inside] = region.contains(coords[inside].transform_to(middle.frame.replicate_without_data()), wcs)
    return inside


def _check(region):
    if is_moc(region):
        return
    if not isinstance(region, SkyRegion):
        raise TypeError(
            f"expected a regions.SkyRegion (celestial coordinates) or a mocpy.MOC, got {type(region).__name__}"
        )
    known = (*_CIRCLES, *_FLAT_SHAPES, PolygonSkyRegion, CompoundSkyRegion)
    if not isinstance(region, known):
        raise InputError(
            f"cannot look for stars inside a {type(region).__name__}; supported are "
            + ", ".join(shape.__name__ for shape in known)
        )


def _too_large(what, radius):
    return f"the {what} reaches {Angle(radius).to(u.deg):.3g} from its center; at most 45 deg, or use a circle"


def _icrs(coord):
    coord = SkyCoord(coord).icrs
    coord = SkyCoord(coord.ra, coord.dec)
    if not (coord.isscalar and np.isfinite(coord.ra) and np.isfinite(coord.dec)):
        raise InputError(f"the region's center is {coord}; expected one position")
    return coord


def _vectors(coords):
    """Unit vectors of the corners of a polygon, shape (N, 3), repeated ones once."""
    coords = SkyCoord(coords).icrs
    vectors = coords.represent_as("unitspherical").to_cartesian().xyz.value.T
    if not np.isfinite(vectors).all():
        raise InputError("a corner of the polygon is not finite")
    vectors = np.unique(vectors, axis=0)
    if len(vectors) < 3:
        raise InputError(f"the polygon has {len(vectors)} different corners; at least 3 make an area")
    return vectors


def _from_vector(vector):
    coord = SkyCoord(CartesianRepresentation(*vector), frame="icrs")
    return SkyCoord(coord.spherical.lon, coord.spherical.lat, frame="icrs")


def _angle(a, b):
    """Angle between unit vectors in radians, exact when small."""
    return np.arctan2(np.linalg.norm(np.cross(a, b), axis=-1), np.sum(a * b, axis=-1))


def _enclosing_cap(points):
    """Smallest cap around points on the sphere: center (3,) and radius in radians.

    Welzl's incremental algorithm, as on the plane: the cap has two of the points as a diameter or three on its rim,
    and a point outside the cap of those before it lies on the rim of the cap with it. Caps up to a hemisphere.
    """
    # Any order is right; a shuffled one is fast. No generator of the user is touched.
    points = np.random.default_rng(0).permutation(points)

    def outside(center, radius, several):
        return np.flatnonzero(_angle(center, several) > radius + 1e-14)

    def through_two(a, b):
        center = a + b
        length = np.linalg.norm(center)
        if length < 1e-9:
            raise InputError(_too_large("polygon", 90 * u.deg))
        center = center / length
        return center, max(_angle(center, a), _angle(center, b))

    def through_three(a, b, c):
        center = np.cross(b - a, c - a)
        length = np.linalg.norm(center)
        if length == 0:
            return through_two(a, b)
        center = center / length
        center = center if np.dot(center, a + b + c) >= 0 else -center
        return center, max(_angle(center, p) for p in (a, b, c))

    center, radius = through_two(points[0], points[1])
    i = 2
    while (out := i + outside(center, radius, points[i:])).size:
        i = out[0]
        center, radius = points[i], 0.0
        j = 0
        while (out := j + outside(center, radius, points[j:i])).size:
            j = out[0]
            center, radius = through_two(points[i], points[j])
            k = 0
            while (out := k + outside(center, radius, points[k:j])).size:
                k = out[0]
                center, radius = through_three(points[i], points[j], points[k])
                k += 1
            j += 1
        i += 1
    # Corners an arcsecond apart leave the center uncertain by some 1e-11; the radius covers that.
    return center, _angle(center, points).max()


def _circle_of_two(region):
    (center1, radius1), (center2, radius2) = region_circle(region.region1), region_circle(region.region2)
    if region.operator is operator.and_:
        return (center1, radius1) if radius1 <= radius2 else (center2, radius2)
    apart = center1.separation(center2)
    if apart + radius2 <= radius1:
        return center1, radius1
    if apart + radius1 <= radius2:
        return center2, radius2
    radius = (apart + radius1 + radius2) / 2
    if radius >= 180 * u.deg:
        return center1, Angle(180 * u.deg)
    return center1.directional_offset_by(center1.position_angle(center2), radius - radius1), Angle(radius).to(u.deg)
