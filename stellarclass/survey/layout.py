# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Where everything of a survey lies, and how a file comes to lie there: whole, or not at all.

::

    survey/
    ├── plan.json               what was planned; written last, so that a plan is there whole or not at all
    ├── fields.parquet          the fields, their stars, and the unit of work that each belongs to
    ├── units.parquet           the units of work: stars, fields, checksum of their targets
    ├── targets/0000/unit-0000000.parquet    the targets of a unit
    ├── frames/                 frames of the units under way, as the cache has them
    ├── stamps/0000/unit-0000000.parquet     their pixels, if they were to be kept
    └── results/
        ├── run.json            what decides the answers: ensemble, sources, versions
        ├── parts/0000/part-0000000.parquet     the answers of a unit; together a plain Parquet data set
        ├── manifests/0000/part-0000000.json    what vouches for a part: rows, checksum, what failed and why
        ├── catalog/            the same as a HATS catalog
        └── stars.parquet       the same as one file, in the order of the list
"""

import contextlib
import hashlib
import json
import os
import tempfile
from pathlib import Path

from ..exceptions import InputError

__all__ = ["RESULTS", "Layout", "digest", "read_json", "write_bytes", "write_json"]

RESULTS = "results"
"""Name of the folder of answers that is used if none is given."""

FORMAT = 1
"""Version of this layout."""

_TAKEN = ("", "targets", "stamps", "frames")
_UNFINISHED = ".unfinished-"
_PER_FOLDER = 1000


class Layout:
    """Paths of one survey.

    Parameters
    ----------
    root : path-like
        Its folder.
    results : str
        Name of the folder of answers in it: one for each ensemble that is to answer.

    Raises
    ------
    stellarclass.exceptions.InputError
        If ``results`` is no plain name, or that of something else in the folder.

    Examples
    --------
    >>> from stellarclass.survey.layout import Layout
    >>> print(Layout("mine").part(1234))
    mine/results/parts/0001/part-0001234.parquet
    """

    def __init__(self, root, *, results=RESULTS):
        self.root = Path(root).expanduser()
        if Path(results).name != results or results.startswith(".") or results in _TAKEN:
            raise InputError(f"results go to a folder of one name in the survey's own, not {results!r}")
        self.results = self.root / results

    @property
    def plan(self):
        """What was planned."""
        return self.root / "plan.json"

    @property
    def fields(self):
        """Table of fields."""
        return self.root / "fields.parquet"

    @property
    def units(self):
        """Table of units of work."""
        return self.root / "units.parquet"

    @property
    def frames(self):
        """Cache of the frames of units that are not done."""
        return self.root / "frames"

    @property
    def run(self):
        """What decides the answers."""
        return self.results / "run.json"

    @property
    def catalog(self):
        """The HATS catalog."""
        return self.results / "catalog"

    @property
    def table(self):
        """One file with all rows."""
        return self.results / "stars.parquet"

    def targets(self, unit):
        """Targets of a unit."""
        return self.root / "targets" / _folder(unit) / f"unit-{unit:07d}.parquet"

    def stamps(self, unit):
        """Pixels of a unit."""
        return self.root / "stamps" / _folder(unit) / f"unit-{unit:07d}.parquet"

    def part(self, unit):
        """Answers of a unit."""
        return self.results / "parts" / _folder(unit) / f"part-{unit:07d}.parquet"

    def manifest(self, unit):
        """Manifest of a unit's answers."""
        return self.results / "manifests" / _folder(unit) / f"part-{unit:07d}.json"

    @contextlib.contextmanager
    def alone(self):
        """Keep others out of the answers; the system lets go of the lock however this process ends.

        Raises
        ------
        stellarclass.exceptions.InputError
            If somebody is at work on them.
        """
        try:
            import fcntl
        except ImportError:  # Windows: nothing is broken by two runs, which only do the same work twice
            yield
            return
        self.results.mkdir(parents=True, exist_ok=True)
        with open(self.results / ".lock", "a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as err:
                raise InputError(f"another run is at work on {self.results}; wait for it, or stop it") from err
            yield

    def sweep(self):
        """Remove what processes that were killed have left unfinished; nobody else may be at work here."""
        for folder in (self.results / "parts", self.results / "manifests", self.root / "stamps"):
            for parent, _, names in os.walk(folder):
                for name in names:
                    if name.startswith(_UNFINISHED):
                        with contextlib.suppress(OSError):
                            os.unlink(os.path.join(parent, name))


def _folder(unit):
    return f"{unit // _PER_FOLDER:04d}"


@contextlib.contextmanager
def unfinished(path, *, durable=True):
    """A file to write in place of ``path``, which it becomes at the end, whole and on the disk.

    Parameters
    ----------
    path : `~pathlib.Path`
    durable : bool
        Whether it must have reached the disk; many small files are brought there together by one `os.sync`.

    Yields
    ------
    `~pathlib.Path`
        In the same folder, so that the renaming is atomic. It is removed if an exception comes.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=_UNFINISHED, dir=path.parent)
    os.close(handle)
    try:
        yield Path(temporary)
        # A name must not reach the disk before the content does: the machine may fail in between.
        if durable:
            _sync(temporary)
        os.chmod(temporary, 0o644)  # mkstemp makes private files; workers may be other users of a cluster
        os.replace(temporary, path)
        if durable:
            _sync(path.parent)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def _sync(path):
    windows = os.name == "nt"  # opens no folders, and brings to the disk only what could be written
    if windows and os.path.isdir(path):
        return
    handle = os.open(path, os.O_RDWR if windows else os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_bytes(path, content, *, durable=True):
    """Write a file that appears whole.

    Parameters
    ----------
    path : `~pathlib.Path`
    content : bytes
    durable : bool
        Whether it must have reached the disk.
    """
    with unfinished(path, durable=durable) as temporary:
        temporary.write_bytes(content)


def write_json(path, content):
    """Write JSON, the same bytes for the same content.

    Parameters
    ----------
    path : `~pathlib.Path`
    content : dict
    """
    write_bytes(path, (json.dumps(content, indent=1, sort_keys=True, allow_nan=False) + "\n").encode())


def read_json(path):
    """Read what `write_json` wrote.

    Parameters
    ----------
    path : `~pathlib.Path`

    Returns
    -------
    dict or None
        None if there is no such file, or it is damaged: then it says nothing.
    """
    try:
        content = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def digest(path):
    """SHA-256 of a file, or of bytes, in hexadecimal digits.

    Parameters
    ----------
    path : `~pathlib.Path` or bytes

    Returns
    -------
    str
    """
    if isinstance(path, bytes):
        return hashlib.sha256(path).hexdigest()
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
