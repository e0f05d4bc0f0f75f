# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The first half of the pipeline on its own: pixels and astrometry of stars, without a classification."""

import numpy as np
from astropy import units as u
from astropy.table import MaskedColumn, QTable
from astropy.time import Time
from astropy.utils.masked import Masked

from . import flags as _flags
from ._config import conf
from .astrometry import match, propagate
from .stamps.base import Stamps
from .stamps.cutouts import cut_field
from .targets import NO_ID, parse_targets

__all__ = ["fetch_astrometry", "fetch_stamps"]

_ASTROMETRY_UNITS = {
    "ra": u.deg,
    "dec": u.deg,
    "parallax": u.mas,
    "parallax_error": u.mas,
    "pmra": u.mas / u.yr,
    "pmra_error": u.mas / u.yr,
    "pmdec": u.mas / u.yr,
    "pmdec_error": u.mas / u.yr,
    "ruwe": None,
    "g_mag": u.mag,
    "bp_rp": u.mag,
    "match_separation": u.arcsec,
}


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

    Examples
    --------
    Stars of a simulated field; a copy of SDSS's archive (`stellarclass.archives.LocalSAS`) goes the same way:

    >>> from stellarclass import fetch_stamps, simulate
    >>> sky = simulate.field(seed=1, n_stars=3)
    >>> stamps = fetch_stamps(sky.coords, images=sky.images)
    >>> stamps.images.shape
    (3, 5, 64, 64)
    """
    from .archives.base import FieldKey

    if images is None:
        from .archives import SDSS

        images = SDSS()
    targets = images.locate(parse_targets(coords), progress=progress)
    flags = np.array(targets.flags)
    located = (flags & _flags.FATAL) == 0
    keys = np.stack([targets.run, targets.rerun, targets.camcol, targets.field], axis=1)
    wanted = list(dict.fromkeys(FieldKey(*map(int, key)) for key in keys[located]))
    rows, parts = [], []
    for field in images.fields(wanted, progress=progress):
        chosen = np.flatnonzero(located & (keys == np.array(field.key)).all(axis=1))
        if not field.frames:
            flags[chosen] |= _flags.IMAGE_FAILURE if field.errors else _flags.NO_IMAGE
            continue
        epoch = next(iter(field.frames.values())).epoch
        ra, dec = propagate(
            *(getattr(targets, name)[chosen] for name in ("ra", "dec", "pmra", "pmdec", "ref_epoch")), epoch
        )
        rows.append(chosen)
        parts.append(cut_field(field, ra, dec))
    return _in_order(len(targets), flags, rows, parts)


def _in_order(n, flags, rows, parts):
    """Stamps of all targets in the order of the input, those without pixels empty."""
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
        If the archive did not answer for all of them.

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
    if radius is None:
        radius = conf.match_radius * u.arcsec
    elif not isinstance(radius, u.Quantity):
        raise TypeError(f"radius must be an angle with a unit, such as 3 * u.arcsec, not {radius!r}")
    if astrometry is None:
        from .archives import Gaia

        astrometry = Gaia()
    targets = parse_targets(coords)
    usable = np.flatnonzero((targets.flags & _flags.FATAL) == 0)
    candidates = astrometry.candidates(targets.ra[usable], targets.dec[usable], radius=radius, progress=progress)
    candidates = candidates.copy(copy_data=False)
    candidates["target"] = usable[np.asarray(candidates["target"])]
    found = match(targets, candidates, np.nan if epoch is None else epoch.jyear, radius=radius)
    return _as_table(found, targets.flags | found.flags)


def _as_table(found, flags):
    table = QTable()
    table["source_id"] = MaskedColumn(found.source_id, mask=found.source_id == NO_ID)
    for name, unit in _ASTROMETRY_UNITS.items():
        values = getattr(found, name)
        missing = ~np.isfinite(values)
        if unit is None:
            table[name] = MaskedColumn(values, mask=missing)
        else:
            table[name] = Masked(values << unit, mask=missing) if missing.any() else values << unit
    table["match_count"] = found.match_count
    table["flags"] = flags
    return table
