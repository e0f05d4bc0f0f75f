# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Steps on disk: each leaves a table and a record of how it came about, whole or not at all.

A folder of a run::

    run.json                  when it was begun, and by which version
    1-spectra/step.json       settings, sources, counts, what was removed, checksum of the table
    1-spectra/table.fits
    2-photometry/...

While a step is under way it keeps its chunks in a folder ``chunks`` beside its record. Everything appears under its
name by a rename when it is complete, so that a run may be killed at any moment and started again.
"""

import hashlib
import json
import os
import re
import shutil
import tempfile
import warnings
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from .. import __version__
from ..exceptions import InputError, StellarclassWarning
from ..tables import read_table, write_table

__all__ = ["Chunks", "Sieve", "Step", "Workspace", "write_whole"]

RUN, RECORD, TABLE = "run.json", "step.json", "table.fits"
_FORMAT = 1


def write_whole(path, content):
    """Write a file that appears when it is complete.

    Parameters
    ----------
    path : `~pathlib.Path`
        An older file of that name is replaced.
    content : bytes or str or callable
        What to write, or a function that is called with the open binary file.
    """
    path = Path(path)
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}-", suffix=".part", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            if callable(content):
                content(file)
            else:
                file.write(content.encode("utf-8") if isinstance(content, str) else content)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


class Sieve:
    """A table that loses rows rule by rule, and the account of it.

    Parameters
    ----------
    step : str
        Name of the step.
    table : `~astropy.table.Table`
        With a column ``spectral_class``.

    Attributes
    ----------
    table : `~astropy.table.Table`
        What is left.
    removals : list of dict
        One for each rule: ``step``, ``rule``, ``source``, ``applied``, ``before``, ``removed``, ``after``, and how many
        of each class are left, ``classes``.
    """

    def __init__(self, step, table):
        self.step, self.table, self.removals = step, table, []

    def start(self, rule, source):
        """Note how the rows came to be here: what was asked of an archive."""
        self._note(rule, source, True, None, None)

    def keep(self, mask, rule, source, *, applied=True):
        """Keep the rows of a mask.

        Parameters
        ----------
        mask : ndarray of bool, shape (N,)
        rule, source : str
            What it asks for, and where it is from.
        applied : bool
            Whether rows go; otherwise it is only counted how many would.
        """
        mask = np.asarray(mask, bool)
        before, failing = len(self.table), int((~mask).sum())
        if applied:
            self.table = self.table[mask]
        self._note(rule, source, bool(applied), before, failing)

    def _note(self, rule, source, applied, before, removed):
        names = np.ma.filled(np.ma.asarray(self.table["spectral_class"]).astype(str), "")
        self.removals.append(
            {
                "step": self.step,
                "rule": rule,
                "source": source,
                "applied": applied,
                "before": before,
                "removed": removed,
                "after": len(self.table),
                "classes": {str(n): int((names == n).sum()) for n in sorted(set(names.tolist()) - {""})},
            }
        )


class Chunks:
    """Parts of a step that are done.

    Parameters
    ----------
    folder : `~pathlib.Path`
        Made when the first one is written.
    """

    def __init__(self, folder):
        self.folder = Path(folder)

    def path(self, name):
        """Where a chunk is, or will be, `~pathlib.Path`."""
        return self.folder / name

    def table(self, name, make):
        """A chunk that is a table: read if it is there, else made and written.

        Parameters
        ----------
        name : str
            File name without its ending.
        make : callable
            Returns the table.

        Returns
        -------
        `~astropy.table.QTable`
            As it reads back, so that the answer is the same whether it was made now or by an earlier run.
        """
        path = self.path(f"{name}.fits")
        if not path.exists():
            table = make()
            self.folder.mkdir(exist_ok=True)
            write_table(table, path)
        return read_table(path)


class Step:
    """One step of a run.

    Parameters
    ----------
    folder : `~pathlib.Path`
        Its own.
    name : str
    settings : dict
        What its result depends on, beside its input; ready for JSON.
    """

    def __init__(self, folder, name, settings):
        self.folder, self.name, self.settings = Path(folder), name, settings
        self.chunks = Chunks(self.folder / "chunks")

    @property
    def record(self):
        """What the last run left in ``step.json``; None if the step was never begun."""
        try:
            return json.loads((self.folder / RECORD).read_text("utf-8"))
        except FileNotFoundError:
            return None
        except ValueError as err:
            raise InputError(f"{self.folder / RECORD} is damaged ({err}); remove {self.folder} to do it again") from err

    @property
    def done(self):
        """Whether its table is there."""
        record = self.record
        return record is not None and record["state"] == "done"

    def check(self):
        """Compare the settings with those that the step was begun with.

        Raises
        ------
        stellarclass.exceptions.InputError
            If they differ; the message names the setting, both values and the way out.
        """
        record = self.record
        if record is None:
            return
        wanted = json.loads(json.dumps(self.settings))
        for name in sorted({*wanted, *record["settings"]}):
            old, new = record["settings"].get(name), wanted.get(name)
            if old != new:
                raise InputError(
                    f"step {self.name!r} in {self.folder} was begun with {name} = {old!r}, and now it is {new!r}; "
                    "choose another folder, or give the value of before"
                )

    def run(self, work, before=None):
        """Do the step, unless it is done.

        Parameters
        ----------
        work : callable
            Called with the step and the table of the one before (None for the first); returns a table, the removals,
            and a dict of notes for the record.
        before : Step, optional
            The step whose table is the input. It is read only if there is something to do.

        Raises
        ------
        stellarclass.exceptions.InputError
            If the step was begun with another input.
        """
        source = None if before is None else before.record["table_sha256"]
        record = self.record
        if record is not None and record["input_sha256"] != source:
            raise InputError(
                f"step {self.name!r} in {self.folder} was begun with another table than {before.name!r} now has; "
                f"remove {self.folder} and those after it to do them again"
            )
        if record is None or record["state"] != "done":
            self.folder.mkdir(exist_ok=True)
            begun = {"step": self.name, "state": "begun", "settings": self.settings, "input_sha256": source}
            write_whole(self.folder / RECORD, _json(begun))
            table, removals, notes = work(self, None if before is None else before.table())
            write_table(table, self.folder / TABLE, overwrite=True)
            done = {
                **begun,
                "state": "done",
                "rows": len(table),
                "table_sha256": _checksum(self.folder / TABLE),
                "removals": removals,
                "notes": notes,
            }
            write_whole(self.folder / RECORD, _json(done))

    def table(self):
        """The table that the step left.

        Returns
        -------
        `~astropy.table.QTable`

        Raises
        ------
        stellarclass.exceptions.InputError
            If it is not the one that the step wrote.
        """
        path = self.folder / TABLE
        if not path.is_file() or _checksum(path) != self.record["table_sha256"]:
            raise InputError(f"{path} is missing or was changed; remove {self.folder} to do that step again")
        return read_table(path)

    def tidy(self):
        """Remove the chunks of a step whose table holds all that was in them."""
        if self.done:
            shutil.rmtree(self.chunks.folder, ignore_errors=True)


class Workspace:
    """The folder of a run, for one process at a time.

    Parameters
    ----------
    folder : path-like
        Made if there is none; otherwise empty, or that of an earlier run.

    Raises
    ------
    stellarclass.exceptions.InputError
        If it holds something else, or another process works in it.
    """

    def __init__(self, folder):
        self.folder = Path(folder)
        if self.folder.exists() and not self.folder.is_dir():
            raise InputError(f"{self.folder} is a file; a folder is needed")
        self._lock = None

    def __enter__(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock = _locked(self.folder / ".lock")
        try:
            self._open()
        except BaseException:
            self._lock.close()
            raise
        return self

    def __exit__(self, *exc):
        self._lock.close()

    def _open(self):
        strangers = [p.name for p in self.folder.iterdir() if not p.name.startswith(".")]
        if not (self.folder / RUN).is_file():
            if strangers:
                raise InputError(f"{self.folder} is not empty, and not the folder of a run; name a new one")
            now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            write_whole(self.folder / RUN, _json({"format": _FORMAT, "started": now, "stellarclass": __version__}))
        try:
            self.about = json.loads((self.folder / RUN).read_text("utf-8"))
            if self.about["format"] != _FORMAT:
                raise ValueError(f"format {self.about['format']!r} is not {_FORMAT}")
            _, version = self.about["started"], self.about["stellarclass"]
        except (ValueError, KeyError, TypeError) as err:
            raise InputError(f"{self.folder / RUN} is not of a run that can be gone on with: {err}") from err
        if version != __version__:
            message = f"{self.folder} was begun by stellarclass {version}, and this is {__version__}: steps may differ"
            warnings.warn(message, StellarclassWarning, stacklevel=4)
        # What a killed process left half-written. Nobody else works here, and no whole file has such a name.
        for path in [*self.folder.glob(".*"), *self.folder.glob("*/.*"), *self.folder.glob("*/chunks/.*")]:
            if path.is_dir() and re.match(r"\.stellarclass-", path.name):
                shutil.rmtree(path, ignore_errors=True)
            elif path.is_file() and re.match(r"\..+\.part$", path.name):
                path.unlink(missing_ok=True)


def _locked(path):
    """An open file that no other process can lock; the lock goes with the process, however it ends."""
    file = open(path, "ab")  # open as long as the workspace is
    try:
        import fcntl
    except ImportError:  # no such locks on Windows: there the user sees to it
        return file
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as err:
        file.close()
        raise InputError(f"another process works in {path.parent}; wait for it, or name another folder") from err
    return file


def _json(content):
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def _checksum(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
