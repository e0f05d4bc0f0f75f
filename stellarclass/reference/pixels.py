# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The stamps of the reference set: each field opened once, its stamps in a file as soon as they are cut."""

from dataclasses import fields as dataclass_fields

import numpy as np
from astropy import units as u

from .. import flags
from .._progress import progress_bar
from ..archives.base import FieldKey
from ..exceptions import ArchiveError, InputError
from ..lookup import field_epoch
from ..stamps.base import Stamps
from ..stamps.cutouts import cut_field
from .catalogs import gaia_position
from .columns import integers, quantity
from .cuts import Cuts
from .steps import Sieve, write_whole

__all__ = ["load_stamps", "stamps"]

_LARGEST = 6e4  # of half precision


def stamps(step, table, sources, cuts, *, skip_failed=False, on_field=None, progress=None):
    """Cut the stamps of all stars.

    Parameters
    ----------
    step : `~stellarclass.reference.steps.Step`
        Its chunks get one file per field.
    table : `~astropy.table.QTable`
        N stars with ``run``, ``rerun``, ``camcol``, ``field`` and their Gaia source.
    sources : `~stellarclass.reference.sources.Sources`
    cuts : `~stellarclass.reference.cuts.Cuts`
    skip_failed : bool
        Go on without the stars of fields that could not be fetched.
    on_field : callable, optional
        Called with the key of each field whose stamps are safe on disk.
    progress : bool, optional

    Returns
    -------
    table, removals, notes
        As every step. Position and epoch are those of the frame.

    Raises
    ------
    stellarclass.exceptions.ArchiveError
        If some fields could not be had, after all the others were done.
    """
    rows = _by_field(table)
    waiting = [key for key in rows if not step.chunks.path(_name(key)).exists()]
    step.chunks.folder.mkdir(exist_ok=True)
    failed = {}
    with progress_bar(len(rows), enabled=progress, desc="Fields", unit="field") as bar:
        bar.update(len(rows) - len(waiting))
        for field in sources.images.fields(waiting, progress=False):
            key = FieldKey(*map(int, field.key))
            if key not in rows:
                continue
            if field.errors:  # may be there another day: nothing is written that would say otherwise
                failed[key] = "; ".join(field.errors.values())
            else:
                _write(step.chunks.path(_name(key)), _cut(field, table[rows[key]]))
                if on_field is not None:
                    on_field(key)
            bar.update()
    for key in waiting:
        if key not in failed and not step.chunks.path(_name(key)).exists():
            failed[key] = f"{sources.images.name} was asked for it and gave nothing"
    if failed and not skip_failed:
        key, reason = next(iter(failed.items()))
        few = f"{len(failed)} of {len(rows)} fields could not be had, such as {key}"
        raise ArchiveError(f"{few}: {reason}", sources.images.name)

    table = table.copy()
    cuts_found = np.full(len(table), flags.IMAGE_FAILURE, np.int64)
    epoch = np.full(len(table), np.nan)
    for key, here in rows.items():
        if key not in failed:
            with np.load(step.chunks.path(_name(key)), allow_pickle=False) as arrays:
                cuts_found[here], epoch[here] = arrays["flags"], arrays["epoch"]
    table["ra"], table["dec"] = (v << u.deg for v in gaia_position(table, epoch))
    table["epoch"], table["stamp_flags"] = quantity(epoch, u.yr), cuts_found
    sieve = Sieve(step.name, table)
    had = (cuts_found & flags.IMAGE_FAILURE) == 0
    if failed:
        sieve.keep(had, "frames that could be had", "skipped by --skip-failed")
    inside = (integers(sieve.table, "stamp_flags") & flags.NO_IMAGE) == 0
    sieve.keep(inside, "on the frames of its field", "ours")
    if cuts.five_bands:
        whole = (integers(sieve.table, "stamp_flags") & flags.MISSING_BAND) == 0
        sieve.keep(whole, "frames in all five bands", Cuts.source("five_bands"))
    notes = {"source": sources.images.name, "fields": len(rows), "fields failed": len(failed)}
    return sieve.table, sieve.removals, notes


def load_stamps(step, table):
    """Read the stamps of stars that `stamps` has cut.

    Parameters
    ----------
    step : `~stellarclass.reference.steps.Step`
    table : `~astropy.table.QTable`
        N rows of the step's own table, in any order.

    Returns
    -------
    `~stellarclass.stamps.Stamps`
        Of the N stars in order; images in half precision, as a reference set keeps them.
    """
    objid, whole = integers(table, "objid"), {}
    for key, rows in _by_field(table).items():
        path = step.chunks.path(_name(key))
        try:
            with np.load(path, allow_pickle=False) as arrays:
                place = {int(name): k for k, name in enumerate(arrays["objid"])}
                chosen = [place[int(name)] for name in objid[rows]]
                for name in (f.name for f in dataclass_fields(Stamps)):
                    values = arrays[name][chosen]
                    # Each field straight into its place: of a large set there is room for one copy, not for three.
                    if name not in whole:
                        whole[name] = np.empty((len(table), *values.shape[1:]), values.dtype)
                    whole[name][rows] = values
        except (OSError, ValueError, KeyError) as err:
            message = f"{path} is missing or damaged ({err}); remove {step.folder} to do that step again"
            raise InputError(message) from err
    return Stamps(**whole) if whole else Stamps.empty(0)


def _by_field(table):
    """Rows of each field, the fields in ascending order."""
    keys = np.stack([integers(table, name) for name in FieldKey._fields], axis=1)
    if not len(keys):
        return {}
    unique, inverse = np.unique(keys, axis=0, return_inverse=True)
    return {FieldKey(*map(int, key)): np.flatnonzero(inverse.ravel() == k) for k, key in enumerate(unique)}


def _name(key):
    """A chunk's file name, of checked numbers only."""
    run, rerun, camcol, field = (int(n) for n in key)
    return f"{run:06d}-{rerun}-{camcol}-{field:04d}.npz"


def _cut(field, table):
    """The stamps of a field's stars, cut where they were when it was imaged, as the classifier does."""
    epoch = field_epoch(field) if field.frames else np.nan
    cut = cut_field(field, *gaia_position(table, epoch))
    arrays = {f.name: getattr(cut, f.name) for f in dataclass_fields(Stamps)}
    arrays["images"] = np.clip(arrays["images"], -_LARGEST, _LARGEST).astype(np.float16)
    return arrays | {"objid": integers(table, "objid")}


def _write(path, arrays):
    write_whole(path, lambda file: np.savez(file, **arrays))
