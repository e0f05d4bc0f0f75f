# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`build_reference`: the reference set from the archives, step by step, in a folder that keeps what is done."""

import operator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from .. import __version__
from ..exceptions import ArchiveError, InputError
from . import catalogs
from .columns import integers, text
from .cuts import Cuts
from .pixels import load_stamps, stamps
from .report import write_report
from .sets import ReferenceSet, split
from .sources import Sources
from .steps import Step, Workspace

__all__ = ["SET", "STEPS", "build_reference"]

STEPS = ("spectra", "photometry", "quota", "gaia", "simbad", "cuts", "lamost", "stamps", "set")
"""The steps, in order; the folder of each is its number and its name."""

SET = "set"
"""Folder of the `~stellarclass.reference.ReferenceSet` within that of the run."""

_ASKED = {"spectra": "spectra", "gaia": "gaia", "simbad": "simbad", "lamost": "lamost", "stamps": "images"}


def build_reference(
    folder,
    *,
    sources=None,
    cuts=None,
    seed=1,
    page=10_000,
    chunk=2_000,
    skip_failed=False,
    on_field=None,
    progress=None,
):
    """Build the reference set of Deng et al. (2024) from the archives.

    Steps that are done are read, not done again, and within a step so are its chunks: a run that was stopped, in
    whatever way, is gone on with by the same call, and the result is that of a run that was not.

    Parameters
    ----------
    folder : path-like
        Folder of the run: empty, not there yet, or that of an earlier run with the same settings.
    sources : `~stellarclass.reference.Sources`, optional
        Whom to ask; the live archives by default.
    cuts : `~stellarclass.reference.Cuts`, optional
        The rules; those of the paper by default.
    seed : int
        Of the draw by quota and of the split into training and test stars.
    page : int
        Spectra per query.
    chunk : int
        Positions per chunk, which is what is asked again after an interruption.
    skip_failed : bool
        Do without the stars of fields that could not be fetched, in place of an error.
    on_field : callable, optional
        Called with the `~stellarclass.archives.FieldKey` of each field whose stamps are on disk, as its frames are not
        needed any more.
    progress : bool, optional
        Whether to show progress bars; by default on a terminal and in a notebook only.

    Returns
    -------
    `~stellarclass.reference.ReferenceSet`
        Also in ``folder/set``; the report is ``folder/report.html``.

    Raises
    ------
    stellarclass.exceptions.InputError
        If the folder is another run's or was begun with other settings, or if no star is left.
    stellarclass.exceptions.ArchiveError
        If an archive did not answer. What is done is kept.
    """
    cuts = Cuts() if cuts is None else cuts
    sources = Sources() if sources is None else sources
    page, chunk, seed = _whole("page", page, 1), _whole("chunk", chunk, 1), _whole("seed", seed, 0)
    extra = {
        "spectra": {"page": page},
        "quota": {"seed": seed},
        **{name: {"chunk": chunk} for name in ("gaia", "simbad", "lamost")},
        "set": {"seed": seed},
    }
    names = sources.names()
    with Workspace(Path(folder)) as work:
        steps = {}
        for number, name in enumerate(STEPS, 1):
            asked = {"source": names[_ASKED[name]]} if name in _ASKED else {}
            settings = asked | cuts.settings(name) | extra.get(name, {})
            steps[name] = Step(work.folder / f"{number}-{name}", name, settings)
        for step in steps.values():
            step.check()
        _run(steps, sources, cuts, seed, skip_failed=skip_failed, on_field=on_field, progress=progress)
        table = steps["set"].table()
        about = {**work.about, "sources": names, "seed": seed}
        if len(table):
            reference = _reference_set(work.folder / SET, steps["stamps"], table, _provenance(about, steps))
            steps["stamps"].tidy()
        write_report(work.folder, [s.record for s in steps.values()], about, table, background=steps["gaia"].table())
        if not len(table):
            raise InputError(f"no star is left; {work.folder / 'report.html'} says which rules removed them")
    return reference


def _run(steps, sources, cuts, seed, *, skip_failed, on_field, progress):
    """Do all steps that are not done."""
    ask = {"sources": sources, "cuts": cuts, "progress": progress}
    work = {
        "spectra": lambda step, _: catalogs.spectra(step, **ask),
        "photometry": lambda step, table: catalogs.photometry(step, table, cuts),
        "quota": lambda step, table: catalogs.quota(step, table, cuts, seed=seed),
        "gaia": lambda step, table: catalogs.gaia(step, table, **ask),
        "simbad": lambda step, table: catalogs.simbad(step, table, **ask),
        "cuts": lambda step, table: catalogs.cut(step, table, cuts),
        "lamost": lambda step, table: catalogs.lamost(step, table, **ask),
        "stamps": lambda step, table: stamps(step, table, **ask, skip_failed=skip_failed, on_field=on_field),
        "set": lambda step, table: _with_subsets(table, seed),
    }
    before = None
    for name, step in steps.items():
        with _what_to_do(name):
            step.run(work[name], before)
        if name != "stamps":  # whose chunks hold the pixels until the set is written
            step.tidy()
        before = step


@contextmanager
def _what_to_do(name):
    """An archive's failure, with the step and the way out."""
    try:
        yield
    except ArchiveError as err:
        reason = f"step {name!r}: {err.reason}; what is done is kept, and the same command goes on from there"
        raise type(err)(reason, err.url, failed=err.failed, partial=err.partial) from err


def _with_subsets(table, seed):
    """The table with the split into training and test stars."""
    table = table.copy()
    table["subset"] = split(text(table, "spectral_class"), seed=seed) if len(table) else np.zeros(0, "U5")
    return table, [], {s: int((table["subset"] == s).sum()) for s in ("train", "test")}


def _reference_set(folder, step, table, meta):
    """The set on disk; written if it is not there."""
    if not (folder / "table.ecsv").is_file():
        table = table.copy(copy_data=False)
        table.meta = meta
        ReferenceSet(table, load_stamps(step, table)).write(folder)
    reference = ReferenceSet.read(folder)
    if not np.array_equal(integers(reference.table, "objid"), integers(table, "objid")):
        raise InputError(f"{folder} holds other stars than the steps now say; remove it, and {step.folder} with it")
    return reference


def _provenance(about, steps):
    settings = {name: {k: v for k, v in step.settings.items() if k != "source"} for name, step in steps.items()}
    return {
        "sample": "Deng et al. (2024), from the archives",
        "archives": about["sources"],
        "date": about["started"],
        "seed": about["seed"],
        "settings": {name: values for name, values in settings.items() if values},
        "stellarclass_version": __version__,
    }


def _whole(name, value, least):
    try:
        value = operator.index(value)
    except TypeError as err:
        raise InputError(f"{name} must be a whole number, got {value!r}") from err
    if value < least:
        raise InputError(f"{name} must be at least {least}, got {value}")
    return value
