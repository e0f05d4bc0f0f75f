# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The sky that a survey has imaged, as a MOC (IVOA Multi-Order Coverage map): from lists of fields, and from files.

A star off it need not be asked about. A footprint made here is never too small: it has every HEALPix cell that a field
touches, and fields are widened by 30 arcsec.
"""

from pathlib import Path

import numpy as np
from astropy import units as u
from astropy.table import Table

from ..columns import find_column, read_numbers
from ..exceptions import InputError

__all__ = [
    "DEFAULT_ORDER",
    "field_footprint",
    "from_great_circle",
    "inside_footprint",
    "polygon_footprint",
    "read_footprint",
]

__doctest_requires__ = {"field_footprint": ["mocpy"]}

DEFAULT_ORDER = 11
"""HEALPix order with cells of 1.7 arcmin: a sixth of a field's side."""

MARGIN = 30.0
"""Arcsec that fields are widened by. SDSS's lists end 64 pixels (25 arcsec) inside a frame, where the next begins."""

_GREAT_CIRCLE = ("mu_start", "mu_end", "nu_start", "nu_end", "node", "incl")
_BOX = ("ramin", "ramax", "decmin", "decmax")
_LARGEST = 2.0  # degrees; a field has 0.23
_CHUNK = 20_000  # polygons that are joined at once, to bound the memory


def field_footprint(fields, *, order=DEFAULT_ORDER):
    """The sky that the fields of a list cover.

    Parameters
    ----------
    fields : `~astropy.table.Table`
        One row per field, with columns in degrees, their names in any case: ``mu_start``, ``mu_end``, ``nu_start``,
        ``nu_end``, ``node``, ``incl``, as in SDSS's ``window_flist.fits`` (great-circle coordinates, exact); or
        ``ramin``, ``ramax``, ``decmin``, ``decmax``, as in SkyServer's table ``Field`` (boxes around the fields).
    order : int, optional
        Finest HEALPix order, 5 to 15; the higher, the larger the file.

    Returns
    -------
    mocpy.MOC

    Raises
    ------
    TypeError
        If ``fields`` is no table.
    stellarclass.exceptions.InputError
        If the columns are not there, there are no rows, or one is no field.
    ModuleNotFoundError
        If mocpy is not installed (``pip install stellarclass[vo]``).

    Notes
    -----
    Great-circle coordinates are those of Pier et al. (2003, AJ 125, 1559): ``node`` is the right ascension at which the
    circle that was scanned crosses the equator northward, ``incl`` its inclination to the equator.

    Examples
    --------
    >>> from astropy.table import Table
    >>> from stellarclass.archives import field_footprint
    >>> field = Table({"ramin": [323.23], "ramax": [323.46], "decmin": [-0.84], "decmax": [-0.62]})
    >>> moc = field_footprint(field)
    >>> round(moc.sky_fraction * 41253, 2)  # square degrees
    0.08
    """
    if not isinstance(fields, Table):
        raise TypeError(f"expected an astropy Table with a row per field, got {type(fields).__name__}")
    names, circles = _columns(fields)
    lon0, lon1, lat0, lat1, *circle = (read_numbers(fields, name, unit=u.deg) for name in names)
    node, incl = circle if circles else (np.zeros(len(fields)), np.zeros(len(fields)))
    width = (lon1 - lon0) % 360
    # Minimum and maximum of a field on both sides of 0 h are its ends the other way round.
    swapped = width > 180
    lon0, width = np.where(swapped, lon1, lon0), np.where(swapped, 360 - width, width)
    widest = width * np.cos(np.radians(np.min(np.abs([lat0, lat1]), axis=0)))
    known = np.isfinite(width) & np.isfinite(lat0) & np.isfinite(lat1) & np.isfinite(node) & np.isfinite(incl)
    with np.errstate(invalid="ignore"):
        good = known & (lat0 <= lat1) & (np.abs([lat0, lat1]) < 89).all(axis=0)
        good &= (widest < _LARGEST) & (lat1 - lat0 < _LARGEST)
    if not good.all():
        row = int(np.flatnonzero(~good)[0])
        values = ", ".join(f"{name} = {fields[name][row]}" for name in names[:4])
        raise InputError(f"row {row} is no field of at most {_LARGEST:g} degrees: {values}")

    # The sides of a polygon are great circles; a parallel of latitude bends away from them.
    margin = MARGIN / 3600 + np.degrees(np.radians(width / 2) ** 2 * np.abs(np.sin(2 * np.radians(lat0))) / 4)
    lat = np.stack([lat0 - margin, lat0 - margin, lat1 + margin, lat1 + margin], axis=1)
    side = np.stack([-margin, margin, margin, -margin], axis=1) / np.cos(np.radians(lat))
    lon = np.stack([lon0, lon0 + width, lon0 + width, lon0], axis=1) + side
    return polygon_footprint(*from_great_circle(lon, lat, node[:, None], incl[:, None]), order=order)


def polygon_footprint(ra, dec, *, order=DEFAULT_ORDER):
    """The cells that polygons touch.

    Parameters
    ----------
    ra, dec : ndarray, shape (N, K)
        Corners of N polygons in degrees (ICRS), their sides great circles.
    order : int, optional
        Finest HEALPix order, 5 to 15.

    Returns
    -------
    mocpy.MOC

    Raises
    ------
    stellarclass.exceptions.InputError
        If there are none, or the order is out of range.
    ModuleNotFoundError
        If mocpy is not installed.
    """
    moc = _moc()
    if not 5 <= order <= 15:
        raise InputError(f"order is {order}; expected 5 (110 arcmin) to 15 (6 arcsec)")
    if not len(ra):
        raise InputError("no fields: there is no footprint of nothing")
    whole = moc.new_empty(order)
    for start in range(0, len(ra), _CHUNK):
        corners = np.stack([ra[start : start + _CHUNK] % 360, dec[start : start + _CHUNK]], axis=1)
        parts = moc.from_polygons(list(corners.reshape(-1, corners.shape[-1])), max_depth=int(order))
        whole = whole.union(*parts)
    return whole


def read_footprint(path):
    """Read a footprint from a file.

    Parameters
    ----------
    path : str or path-like
        A MOC as FITS, ASCII or JSON, told by its first bytes.

    Returns
    -------
    mocpy.MOC

    Raises
    ------
    OSError
        If the file cannot be opened.
    stellarclass.exceptions.InputError
        If it is no MOC of the sky, or covers nothing.
    ModuleNotFoundError
        If mocpy is not installed (``pip install stellarclass[vo]``).
    """
    moc, path = _moc(), Path(path)
    with path.open("rb") as file:
        start = file.read(80).lstrip()
    format = "fits" if start.startswith(b"SIMPLE") else "json" if start.startswith(b"{") else "ascii"
    try:
        found = moc.load(path, format)
    except (KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as err:  # the readers have many ways to say no; mocpy's panic, which is no Exception, is one
        reason = " ".join(str(err).split())[:200]
        raise InputError(f"{path} is no MOC ({format}): {reason}") from err
    if not isinstance(found, moc):
        raise InputError(f"{path} is a {type(found).__name__}; expected a MOC of the sky")
    if found.empty():
        raise InputError(f"{path} is a MOC that covers nothing")
    return found


def inside_footprint(footprint, ra, dec):
    """Which positions lie in a footprint.

    Parameters
    ----------
    footprint : mocpy.MOC
    ra, dec : ndarray, shape (N,)
        ICRS, degrees.

    Returns
    -------
    ndarray, shape (N,), bool
        False where a position is NaN.
    """
    inside = np.isfinite(ra) & np.isfinite(dec)
    if inside.any():
        inside[inside] = footprint.contains_lonlat(ra[inside] * u.deg, dec[inside] * u.deg)
    return inside


def _moc():
    try:
        from mocpy import MOC
    except ModuleNotFoundError as err:
        raise ModuleNotFoundError("footprints take mocpy: python -m pip install 'stellarclass[vo]'") from err
    return MOC


def _columns(fields):
    """Names of the columns that say where fields are, and whether these are great-circle coordinates."""
    for wanted in (_GREAT_CIRCLE, _BOX):
        names = [find_column(fields, name) for name in wanted]
        if all(names):
            return names, wanted is _GREAT_CIRCLE
    raise InputError(
        f"a list of fields has the columns {', '.join(_GREAT_CIRCLE)} (window_flist.fits) or {', '.join(_BOX)} "
        f"(SkyServer's Field), in degrees; this table has {', '.join(fields.colnames[:30]) or 'none'}"
    )


def from_great_circle(mu, nu, node, incl):
    """Positions given along and across a great circle; those of inclination 0 are right ascension and declination.

    Parameters
    ----------
    mu, nu : ndarray
        In degrees.
    node, incl : ndarray
        Right ascension of the ascending node, and inclination, in degrees.

    Returns
    -------
    ra, dec : ndarray
        In degrees, ``ra`` from 0 to 360.
    """
    mu, nu, incl = np.radians(mu - node), np.radians(nu), np.radians(incl)
    x, y, z = np.cos(mu) * np.cos(nu), np.sin(mu) * np.cos(nu), np.sin(nu)
    ra = np.arctan2(y * np.cos(incl) - z * np.sin(incl), x)
    dec = np.arcsin(np.clip(y * np.sin(incl) + z * np.cos(incl), -1, 1))
    return (np.degrees(ra) + node) % 360, np.degrees(dec)
