# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`to_regions`: what was looked at on the sky, to lay over an image in DS9, Aladin or a notebook."""

import numpy as np
from astropy import units as u
from astropy.coordinates import SkyCoord

from ..exceptions import InputError
from ..targets import parse_targets

__all__ = ["to_regions"]

_R = 2  # the band that the region of interest grows on


def to_regions(table, *, coords=None, match_radius=None, images=None, wcs=None, progress=None):
    """Regions of the stars of an output table, in the colors of their classes.

    Each star with a position is a point, labeled with its class; around it is the circle in which its Gaia source was
    looked for. With ``images`` there is in addition the box that the network looks at (the region of interest of
    `stellarclass.stamps.roi`), where the pixels of the r frame are on the sky. Colors are those of
    `stellarclass.plotting.CLASS_COLORS`; stars without a class are gray.

    Parameters
    ----------
    table : `~astropy.table.Table`
        N rows; an output table, or any with positions.
    coords : str or tuple of str, optional
        Its position columns, see `~stellarclass.columns.find_positions`.
    match_radius : `~astropy.units.Quantity`, optional
        Radius of the circles, an angle; by default that of the table's metadata. Without either there are no circles.
    images : `~stellarclass.archives.ImageSource`, optional
        Where the pixels came from, to draw the boxes; every field is opened again.
    wcs : `~astropy.wcs.WCS`, optional
        Of an image: then the regions are in its pixels, which the FITS format of regions asks for.
    progress : bool, optional
        Whether to show a progress bar over the fields; by default on a terminal only.

    Returns
    -------
    `~regions.Regions`
        Their ``meta["tag"]`` says what each is: ``star``, ``match`` or ``box``, and its class. Their method ``write``
        makes files for DS9 (``format="ds9"``) and, of pixel regions, FITS (``format="fits"``).

    Raises
    ------
    TypeError, `~astropy.units.UnitsError`
        If ``match_radius`` is not an angle.
    stellarclass.exceptions.InputError
        If there are no positions, or ``match_radius`` is not positive.

    Examples
    --------
    >>> from astropy import units as u
    >>> from astropy.table import QTable
    >>> from stellarclass import vo
    >>> table = QTable({"ra": [10.0] * u.deg, "dec": [20.0] * u.deg, "spectral_class": ["G"]})
    >>> star, circle = vo.to_regions(table, match_radius=3 * u.arcsec)
    >>> star.meta["text"], circle.radius
    ('G', <Quantity 3. arcsec>)
    """
    from regions import CircleSkyRegion, PointSkyRegion, PolygonSkyRegion, Regions

    targets = parse_targets(table, coords=coords)
    epoch = table.meta.get("position_epoch")
    if isinstance(epoch, (int, float)):
        targets.ref_epoch[np.isnan(targets.ref_epoch)] = epoch
    radius = _radius(table, match_radius)
    boxes = {} if images is None else _boxes(targets, images, progress)
    result = []
    for row, (label, color) in enumerate(_classes(table)):
        if not (np.isfinite(targets.ra[row]) and np.isfinite(targets.dec[row])):
            continue
        center = SkyCoord(targets.ra[row] * u.deg, targets.dec[row] * u.deg)
        shapes = {"star": PointSkyRegion(center)}
        if radius is not None:
            shapes["match"] = CircleSkyRegion(center, radius)
        if row in boxes:
            shapes["box"] = PolygonSkyRegion(boxes[row])
        for what, shape in shapes.items():
            shape.meta.update({"tag": [what, f"class {label}"] if label else [what]})
            if label and what == "star":
                shape.meta["text"] = label
            shape.visual["color"] = color
            if what == "star":
                shape.visual["marker"] = "x"
            result.append(shape)
    return Regions(result if wcs is None else [shape.to_pixel(wcs) for shape in result])


def _radius(table, given):
    if given is None:
        given = table.meta.get("match_radius")
        return None if not isinstance(given, (int, float)) else given * u.arcsec
    if not isinstance(given, u.Quantity):
        raise TypeError(f"match_radius is {given!r}; it needs a unit, such as 3 * u.arcsec")
    given = given.to(u.arcsec)
    if not (given.isscalar and given > 0):
        raise InputError(f"match_radius is {given}; expected one positive angle")
    return given


def _classes(table):
    """Class and color of each row, "" and gray where there is none."""
    from ..plotting._style import CLASS_COLORS, UNKNOWN_COLOR, result_name

    name = result_name(table.colnames, "spectral_class")
    if name not in table.colnames:
        return [("", UNKNOWN_COLOR)] * len(table)
    column = table[name]
    labels = np.where(getattr(column, "mask", np.zeros(len(table), bool)), "", np.ma.getdata(column)).astype(str)
    return [(label, CLASS_COLORS.get(label[:1].upper(), UNKNOWN_COLOR)) for label in labels.tolist()]


def _boxes(targets, images, progress):
    """Corners of the region of interest of each star that has pixels in r, by row."""
    from ..astrometry import propagate
    from ..lookup import field_epoch, image_source, open_fields
    from ..stamps.base import STAMP_SIZE
    from ..stamps.cutouts import cut_field
    from ..stamps.roi import roi_boxes

    images = image_source(images)
    if (targets.run < 0).any():
        targets = images.locate(targets, progress=progress)
    corners = {}
    for field, rows in open_fields(images, targets, progress=progress):
        frame = field.frames.get("r")
        if frame is None:
            continue
        motion = (getattr(targets, name)[rows] for name in ("ra", "dec", "pmra", "pmdec", "ref_epoch"))
        ra, dec = propagate(*motion, field_epoch(field))
        stamps = cut_field(field, ra, dec, psf=np.full((5, 6), np.nan, np.float32))
        x, y = frame.wcs.wcs_world2pix(ra, dec, 0)
        # Where the first pixel of the stamp is in the frame.
        first = np.stack([x, y], axis=1) - (STAMP_SIZE - 1) / 2 - stamps.offsets[:, _R]
        y0, y1, x0, x1 = roi_boxes(stamps.images[:, _R]).T
        for k in np.flatnonzero(np.isfinite(stamps.sky_sigma[:, _R])):
            edge_x = first[k, 0] + np.array([x0[k], x1[k], x1[k], x0[k]]) - 0.5
            edge_y = first[k, 1] + np.array([y0[k], y0[k], y1[k], y1[k]]) - 0.5
            corners[int(rows[k])] = SkyCoord(*frame.wcs.wcs_pix2world(edge_x, edge_y, 0), unit="deg")
    return corners
