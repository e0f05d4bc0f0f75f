# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What the archives know of some targets: their fields, each opened once, and the Gaia sources near them.

What goes wrong on the way becomes a flag of the targets and a warning that names address and reason. Both
`stellarclass.fetch` and `stellarclass.classifier` go through here.
"""

import warnings

import numpy as np
from astropy import units as u
from astropy.table import Table

from . import flags
from ._config import conf
from ._progress import progress_bar
from .archives._candidates import COLUMNS, GAIA_EPOCH
from .archives.base import AstrometrySource, FieldKey, ImageSource
from .astrometry import match, propagate
from .exceptions import ArchiveError, InputError, StellarclassWarning
from .targets import parse_targets

__all__ = [
    "astrometry_source",
    "field_epoch",
    "find_candidates",
    "image_source",
    "match_field",
    "match_limit",
    "open_fields",
    "sources_inside",
]


_LISTED_CIRCLE = 5 * u.arcmin
"""A region is listed in circles of at most this size: archives take no larger match radius."""


def image_source(images):
    """The image source that a user means; SDSS over the network for None.

    Raises
    ------
    TypeError
        If it has not the methods of `~stellarclass.archives.ImageSource`.
    """
    if images is None:
        from .archives import SDSS

        return SDSS()
    if not isinstance(images, ImageSource):
        raise TypeError(
            f"images must have name, locate() and fields(), as LocalSAS(folder) has; {type(images).__name__} has not"
        )
    return images


def astrometry_source(astrometry):
    """The astrometric source that a user means; Gaia over the network for None, none at all for False.

    Raises
    ------
    TypeError
        If it has not the methods of `~stellarclass.archives.AstrometrySource`.
    """
    if astrometry is None:
        from .archives import Gaia

        return Gaia()
    if astrometry is not False and not isinstance(astrometry, AstrometrySource):
        raise TypeError(
            "astrometry must be False, or have name and candidates(), as LocalAstrometry(table) has; "
            f"{type(astrometry).__name__} has not"
        )
    return astrometry


def match_limit(radius):
    """A match radius as an angle; ``conf.match_radius`` for None.

    Raises
    ------
    TypeError
        If it is a bare number.
    `~astropy.units.UnitsError`
        If it is not an angle.
    stellarclass.exceptions.InputError
        If it is not positive.
    """
    if radius is None:
        return conf.match_radius * u.arcsec
    if not isinstance(radius, u.Quantity):
        raise TypeError(f"the match radius must be an angle with a unit, such as 3 * u.arcsec, not {radius!r}")
    radius = radius.to(u.arcsec)
    if not (radius.isscalar and 0 < radius.value < np.inf):
        raise InputError(f"the match radius must be one positive angle, not {radius}")
    return radius


def open_fields(images, targets, *, progress=None):
    """Open each field that targets lie in.

    Parameters
    ----------
    images : `~stellarclass.archives.ImageSource`
        Where fields come from.
    targets : `~stellarclass.targets.Targets`
        N targets, located by that source. Those without a field, or whose field has not one frame, are flagged
        ``no_image`` or ``image_failure``, in place, as this goes on.
    progress : bool, optional
        Whether to show a progress bar; by default on a terminal and in a notebook only.

    Yields
    ------
    field : `~stellarclass.archives.Field`
        With at least one frame.
    rows : ndarray of int
        The targets in it, ascending.

    Warns
    -----
    stellarclass.exceptions.StellarclassWarning
        For each field with a frame that could not be had; it names the addresses and reasons.
    """
    unlocated = (targets.run < 0) | (targets.rerun < 0) | (targets.camcol < 0) | (targets.field < 0)
    targets.flags[unlocated & ((targets.flags & flags.FATAL) == 0)] |= flags.NO_IMAGE
    waiting = _rows_by_field(targets)
    if not waiting:
        return
    with progress_bar(len(waiting), enabled=progress, desc="Fields", unit="field") as bar:
        for field in images.fields(list(waiting), progress=False):
            rows = waiting.pop(FieldKey(*field.key), None)
            if rows is None:  # not asked for, or for the second time
                continue
            if field.errors:
                _warn(_trouble(field, len(rows)))
            if field.frames:
                yield field, rows
            else:
                targets.flags[rows] |= flags.IMAGE_FAILURE if field.errors else flags.NO_IMAGE
            bar.update()
    for key, rows in waiting.items():
        targets.flags[rows] |= flags.IMAGE_FAILURE
        _warn(f"field {key}: {images.name} was asked for it and gave nothing; {_stars(len(rows))} without an image")


def _rows_by_field(targets):
    """Rows without a fatal flag by field, the fields in the order in which they first appear."""
    rows = np.flatnonzero((targets.flags & flags.FATAL) == 0)
    if rows.size == 0:
        return {}
    keys = np.stack([getattr(targets, name)[rows] for name in FieldKey._fields], axis=1)
    unique, first, inverse = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(inverse.ravel(), kind="stable")
    parts = np.split(rows[order], np.cumsum(np.bincount(inverse.ravel()))[:-1])
    return {FieldKey(*map(int, unique[k])): parts[k] for k in np.argsort(first)}


def _trouble(field, count):
    loss = f"without band {', '.join(field.errors)}" if field.frames else "without an image"
    return f"field {field.key}: {_stars(count)} {loss}: {'; '.join(field.errors.values())}"


def _warn(message):
    warnings.warn(message, StellarclassWarning, stacklevel=3)


def _stars(count):
    return f"{count} {'star' if count == 1 else 'stars'}"


def field_epoch(field):
    """When a field was observed, as Julian year: the time of its r frame, or of the next best.

    The bands follow each other by 72 s: no star moves between them.
    """
    return next(field.frames[band].epoch for band in "rigzu" if band in field.frames)


def find_candidates(source, targets, *, radius, progress=None):
    """Gaia sources that may be one of the targets.

    Parameters
    ----------
    source : `~stellarclass.archives.AstrometrySource`
        Whom to ask.
    targets : `~stellarclass.targets.Targets`
        N targets; those with a fatal flag are not asked about. One with an epoch and a proper motion is looked for
        where it is at Gaia's own epoch.
    radius : `~astropy.units.Quantity`
        Match radius, an angle.
    progress : bool, optional
        Whether to show a progress bar; by default on a terminal and in a notebook only.

    Returns
    -------
    `~astropy.table.Table`
        As `~stellarclass.archives.AstrometrySource` says, sorted by ``target``, which counts all N targets.

    Raises
    ------
    stellarclass.exceptions.ArchiveError
        If the archive did not answer for all; ``failed`` are rows of the N targets that remain unanswered, ``partial``
        holds the candidates of the others.
    """
    rows = np.flatnonzero((targets.flags & flags.FATAL) == 0)
    if rows.size == 0:
        return _none()
    motion = (getattr(targets, name)[rows] for name in ("ra", "dec", "pmra", "pmdec", "ref_epoch"))
    ra, dec = propagate(*motion, GAIA_EPOCH)
    try:
        return _by_row(source.candidates(ra, dec, radius=radius, progress=progress), rows)
    except ArchiveError as err:
        if err.failed is None or err.partial is None:
            err.failed, err.partial = rows, _none()
        else:
            err.failed, err.partial = rows[np.asarray(err.failed, np.int64)], _by_row(err.partial, rows)
        raise


def match_field(targets, candidates, rows, epoch, *, radius):
    """Match the targets ``rows`` to their candidates at one epoch, see `~stellarclass.astrometry.match`.

    Parameters
    ----------
    targets : `~stellarclass.targets.Targets`
        N targets.
    candidates : `~astropy.table.Table`
        Of all N, as `find_candidates` returns them.
    rows : ndarray of int, shape (M,)
        Which targets to match.
    epoch : float
        Julian year.
    radius : `~astropy.units.Quantity`
        Match radius, an angle.

    Returns
    -------
    `~stellarclass.astrometry.Astrometry`
        Of the M targets.
    """
    # The candidates of each target are one run of the sorted table: no search through all of them for every field.
    target = np.asarray(candidates["target"], np.int64)
    start, stop = np.searchsorted(target, rows), np.searchsorted(target, rows, side="right")
    owner = np.repeat(np.arange(len(rows)), stop - start)
    runs = [np.arange(a, b) for a, b in zip(start, stop, strict=True)]
    here = candidates[np.concatenate([*runs, np.zeros(0, np.int64)])]
    here["target"] = owner
    return match(targets[rows], here, epoch, radius=radius)


def sources_inside(region, source, *, margin, progress=None):
    """All Gaia sources in a region of the sky, as targets, and all that may be confused with them.

    Parameters
    ----------
    region : `~regions.SkyRegion` or mocpy.MOC
        See `stellarclass.skyregions.region_circle`.
    source : `~stellarclass.archives.AstrometrySource`
        Whom to ask.
    margin : `~astropy.units.Quantity`
        Angle around the region to look at as well.
    progress : bool, optional
        Whether to show a progress bar; by default on a terminal and in a notebook only.

    Returns
    -------
    targets : `~stellarclass.targets.Targets`
        The sources whose catalog position is inside, by ``source_id``.
    around : `~stellarclass.archives.LocalAstrometry`
        The answer of the archive as a source of its own, so that it need not be asked again.

    Raises
    ------
    stellarclass.exceptions.ArchiveError
        If the archive cannot list them all.
    """
    from astropy.coordinates import SkyCoord

    from .archives import LocalAstrometry
    from .skyregions import cover_region, inside_region

    circles, reach = cover_region(region, margin=margin, most=_LISTED_CIRCLE)
    found = source.candidates(circles.ra.deg, circles.dec.deg, radius=reach, progress=progress)
    found = found[np.unique(np.asarray(found["source_id"]), return_index=True)[1]]
    around = LocalAstrometry(found, name=source.name)
    within = inside_region(region, SkyCoord(np.asarray(found["ra"]), np.asarray(found["dec"]), unit="deg"))
    return parse_targets(found[within], coords=("ra", "dec")), around


def _by_row(table, rows):
    """A copy whose ``target`` counts all targets instead of those that were asked about, sorted by it."""
    table = table.copy()
    table["target"] = rows[np.asarray(table["target"], np.int64)]
    table.sort("target")
    return table


def _none():
    return Table({"target": np.zeros(0, np.int64), **{name: np.zeros(0, kind[0]) for name, kind in COLUMNS.items()}})
