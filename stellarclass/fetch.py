# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The first half of the pipeline on its own: pixels and astrometry of stars, without a classification."""

import numpy as np
from astropy import units as u
from astropy.table import MaskedColumn, QTable
from astropy.time import Time
from astropy.utils.masked import Masked

from . import flags as _flags
from . import lookup
from .astrometry import UNITS, match, propagate
from .exceptions import InputError
from .stamps.base import Stamps
from .stamps.cutouts import cut_field
from .targets import NO_ID, parse_targets

__all__ = ["fetch_astrometry", "fetch_stamps"]


def fetch_stamps(coords, *, images=None, progress=None):
    """Cut the five-band images of stars out of their fields.

    Parameters
    ----------
    coords : `~astropy.coordinates.SkyCoord` or `~astropy.table.Table`
        N targets; the position columns of a table are found as `~stellarclass.targets.parse_targets` says.
    images : `~stellarclass.archives.ImageSource`, optional
        Where pixels come from; SDSS over the network if not given.
    progress : bool, optional
        Whether to show progress bars; by default on a terminal only.

    Returns
    -------
    `~stellarclass.stamps.Stamps`
        One row per target, in order. Its ``flags`` say why a star has no pixels. A target with proper motion and epoch
        is cut where it was at the epoch of the frame.

    Raises
    ------
    stellarclass.exceptions.InputError
        If the targets cannot be understood.

    Warns
    -----
    stellarclass.exceptions.StellarclassWarning
        If an archive failed, with address and reason; the stars concerned are flagged.

    Examples
    --------
    Stars of a simulated field; a copy of SDSS's archive (`stellarclass.archives.LocalSAS`) goes the same way:

    >>> from stellarclass import fetch_stamps, simulate
    >>> sky = simulate.field(seed=1, n_stars=3)
    >>> stamps = fetch_stamps(sky.coords, images=sky.images)
    >>> stamps.images.shape
    (3, 5, 64, 64)
    """
    images = lookup.image_source(images)
    targets = images.locate(parse_targets(coords), progress=progress)
    rows, parts = [], []
    for field, here in lookup.open_fields(images, targets, progress=progress):
        motion = (getattr(targets, name)[here] for name in ("ra", "dec", "pmra", "pmdec", "ref_epoch"))
        rows.append(here)
        parts.append(cut_field(field, *propagate(*motion, lookup.field_epoch(field))))
    return _in_order(targets.flags, rows, parts)


def _in_order(flags, rows, parts):
    """Stamps of all targets in the order of the input, those without pixels empty."""
    n = len(flags)
    cut = np.concatenate(rows) if rows else np.zeros(0, np.int64)
    without = np.setdiff1d(np.arange(n), cut)
    stamps = Stamps.concatenate([*parts, Stamps.empty(len(without))])[np.argsort(np.concatenate([cut, without]))]
    stamps.flags[:] |= flags
    return stamps


def fetch_astrometry(coords, *, astrometry=None, radius=None, epoch=None, progress=None):
    """Find the Gaia source of each star.

    Parameters
    ----------
    coords : `~astropy.coordinates.SkyCoord` or `~astropy.table.Table`
        N targets; the position columns of a table are found as `~stellarclass.targets.parse_targets` says.
    astrometry : `~stellarclass.archives.AstrometrySource`, optional
        Where astrometry comes from; Gaia over the network if not given.
    radius : `~astropy.units.Quantity`, optional
        Largest separation of a match at the epoch, an angle; ``conf.match_radius`` (3 arcsec) if not given.
    epoch : `~astropy.time.Time`, optional
        When the positions of the targets hold, and for which the positions that come back are computed. Gaia's own
        epoch if not given.
    progress : bool, optional
        Whether to show progress bars; by default on a terminal only.

    Returns
    -------
    `~astropy.table.QTable`
        One row per target, in order: ``source_id``, position at the epoch, parallax, proper motion, their errors,
        ``ruwe``, ``g_mag``, ``bp_rp``, ``match_separation``, ``match_count``, ``flags``. Missing is masked.

    Raises
    ------
    TypeError
        If ``radius`` is not a Quantity or ``epoch`` not a Time.
    stellarclass.exceptions.InputError
        If the targets cannot be understood.
    stellarclass.exceptions.ArchiveError
        If the archive did not answer for all of them: ``failed`` are the rows that remain without an answer.

    Examples
    --------
    >>> from stellarclass import fetch_astrometry, simulate
    >>> sky = simulate.field(seed=1, n_stars=3)
    >>> stars = fetch_astrometry(sky.coords, astrometry=sky.astrometry)
    >>> stars["parallax"].unit
    Unit("mas")
    """
    if epoch is not None and not isinstance(epoch, Time):
        raise TypeError(f"epoch must be an astropy Time, such as Time(2001.7, format='jyear'), not {epoch!r}")
    radius = lookup.match_limit(radius)
    astrometry = lookup.astrometry_source(astrometry)
    if astrometry is False:
        raise InputError("astrometry=False leaves nobody to ask; None asks Gaia")
    targets = parse_targets(coords)
    candidates = lookup.find_candidates(astrometry, targets, radius=radius, progress=progress)
    found = match(targets, candidates, np.nan if epoch is None else epoch.jyear, radius=radius)
    return _as_table(found, targets.flags | found.flags)


def _as_table(found, flags):
    table = QTable()
    table["source_id"] = MaskedColumn(found.source_id, mask=found.source_id == NO_ID)
    for name, unit in UNITS.items():
        values = getattr(found, name)
        missing = ~np.isfinite(values)
        if unit == u.dimensionless_unscaled:
            table[name] = MaskedColumn(values, mask=missing)
        else:
            table[name] = Masked(values << unit, mask=missing) if missing.any() else values << unit
    table["match_count"] = MaskedColumn(found.match_count, mask=(flags & _flags.FATAL) != 0)
    table["flags"] = flags
    return table
