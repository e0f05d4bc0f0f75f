# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""A MOC (IVOA Multi-Order Coverage map) as a region of the sky: the circles that cover it, and what lies inside.

mocpy is not imported here: whoever has a MOC has imported it.
"""

import sys

import numpy as np
from astropy import units as u
from astropy.coordinates import Angle, SkyCoord

from .exceptions import InputError

__all__ = ["inside_moc", "is_moc", "moc_circle", "moc_circles"]

_COARSEST, _FINEST = 10, 15
"""HEALPix orders of the cells that circles are drawn around."""

_CELL_RADIUS = 3.5842 * u.arcmin
"""Largest distance of a corner from the center of a cell of order 10; half of it for each order more."""

_FACE_ROW = np.array([2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4])
_FACE_COLUMN = np.array([1, 3, 5, 7, 0, 2, 4, 6, 1, 3, 5, 7])


def is_moc(thing):
    """Whether something is a MOC of the sky.

    Parameters
    ----------
    thing : object

    Returns
    -------
    bool
    """
    mocpy = sys.modules.get("mocpy")
    return mocpy is not None and isinstance(thing, mocpy.MOC)


def moc_circle(moc):
    """A circle around a MOC.

    Parameters
    ----------
    moc : mocpy.MOC

    Returns
    -------
    center : `~astropy.coordinates.SkyCoord`
    radius : `~astropy.coordinates.Angle`
        All of the MOC lies within; 180 deg where it is spread over the sky.

    Raises
    ------
    stellarclass.exceptions.InputError
        If it covers nothing.
    """
    _check(moc)
    center = moc.barycenter()
    if moc.sky_fraction < 0.5 and np.isfinite(center.ra) and np.isfinite(center.dec):
        radius = moc.largest_distance_from_coo_to_vertices(center)
        if radius < 90 * u.deg:
            return SkyCoord(center.ra, center.dec), Angle(radius).to(u.deg) + 1e-6 * u.deg
    return SkyCoord(0 * u.deg, 0 * u.deg), Angle(180 * u.deg)


def moc_circles(moc, *, margin, most):
    """Small circles that together cover a MOC, and what is near it.

    Parameters
    ----------
    moc : mocpy.MOC
    margin : `~astropy.units.Quantity`
        Angle around the MOC to cover as well.
    most : `~astropy.units.Quantity`
        Largest radius of a circle.

    Returns
    -------
    centers : `~astropy.coordinates.SkyCoord`, shape (N,)
    radius : `~astropy.units.Quantity`
        Of every circle.

    Raises
    ------
    stellarclass.exceptions.InputError
        If the MOC covers nothing, or the margin leaves no room for a cell in a circle.
    """
    _check(moc)
    for order in range(_COARSEST, _FINEST + 1):
        radius = _CELL_RADIUS / 2 ** (order - _COARSEST) + margin
        if radius <= most:
            break
    else:
        raise InputError(f"a margin of {margin} around a MOC is too wide for circles of {most}")
    return _cell_centers(_cells(moc, order), order), radius


def inside_moc(moc, coords):
    """Which positions lie in a MOC.

    Parameters
    ----------
    moc : mocpy.MOC
    coords : `~astropy.coordinates.SkyCoord`, shape (N,)
        Positions in any frame.

    Returns
    -------
    ndarray, shape (N,), bool
        False for a position that is NaN or masked.
    """
    _check(moc)
    icrs = coords.icrs
    ra, dec = (np.array(np.ma.getdata(getattr(a, "unmasked", a).deg)) for a in (icrs.ra, icrs.dec))
    inside = np.isfinite(ra) & np.isfinite(dec) & ~np.broadcast_to(getattr(coords, "mask", False), coords.shape)
    if inside.any():
        inside[inside] = moc.contains_lonlat(ra[inside] * u.deg, dec[inside] * u.deg)
    return inside


def _check(moc):
    if moc.empty():
        raise InputError("the MOC covers nothing")


def _cells(moc, order):
    """Numbers of the cells of an order that a MOC touches; ``refine_to_order`` would change it for its owner."""
    shift = 2 * (29 - order)
    start, stop = moc.to_depth29_ranges.astype(np.int64).T
    start, stop = start >> shift, -(-stop >> shift)
    counts = stop - start
    return np.unique(np.repeat(start - (np.cumsum(counts) - counts), counts) + np.arange(counts.sum()))


def _cell_centers(cells, order):
    """Centers of HEALPix cells in the nested scheme (Gorski et al. 2005, ApJ 622, 759)."""
    cells, side = np.asarray(cells).astype(np.int64), 1 << order
    face, x, y = cells >> 2 * order, np.zeros(len(cells), np.int64), np.zeros(len(cells), np.int64)
    for bit in range(order):
        x |= (cells >> 2 * bit & 1) << bit
        y |= (cells >> 2 * bit + 1 & 1) << bit
    ring = _FACE_ROW[face] * side - x - y - 1
    to_pole = np.minimum(ring, 4 * side - ring)
    polar = to_pole < side
    length = np.where(polar, to_pole, side)  # a quarter of the cells of this ring
    shift = np.where(polar, 0, ring - side & 1)
    z = np.where(polar, 1 - to_pole**2 / (3 * side**2), np.abs(2 * side - ring) * 2 / (3 * side))
    z = np.where(ring > 2 * side, -z, z)
    column = (_FACE_COLUMN[face] * length + x - y + 1 + shift) // 2
    longitude = (column - (shift + 1) / 2) * (np.pi / 2) / length
    # Near a pole arcsin(z) has lost the digits that count there.
    flat = np.where(polar, to_pole / (np.sqrt(3) * side) * np.sqrt(1 + np.abs(z)), np.sqrt(1 - z**2))
    return SkyCoord(longitude * u.rad, np.arctan2(z, flat) * u.rad)
