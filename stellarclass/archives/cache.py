# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Our cache of frames and spectra: a file is in it whole and checked, or not at all.

The layout of frames is SDSS's own, so that a cache can be read with `LocalSAS` like any other copy of the archive.
"""

import contextlib
import errno
import hashlib
import logging
import os
import tempfile
import time
from functools import partial
from pathlib import Path

from astropy.config import get_cache_dir

from .._config import conf
from ..exceptions import ArchiveError, BadAnswerError, CacheError, NotInArchiveError
from .frames import read_frame
from .objid import check_key

__all__ = ["FileCache", "FrameCache"]

log = logging.getLogger(__name__)

_STALE = 86_400.0
"""Seconds since its last byte after which an unfinished file is nobody's: longer than any time budget."""


_MAY_WRITE = "; set conf.cache_dir to a folder that you may write to"


class FileCache:
    """Files of one archive on disk.

    Any number of threads and processes may share one folder: files appear by an atomic rename, under names that are
    made of checked integers only. What processes that were killed have left unfinished is removed a day later, by
    whoever opens the cache next.

    Parameters
    ----------
    folder : path-like, optional
        Where to keep them; ``conf.cache_dir``, or a folder in astropy's cache, by default.
    kind : str
        Name of the folder for files of this kind.
    archive : str
        Base address of the archive. Copies of different archives are kept apart: the frames of a simulated sky have
        the same names as real ones.
    data_release : int
        Data release.

    Raises
    ------
    stellarclass.exceptions.CacheError
        If no folder is given and there is no place for astropy's.
    """

    def __init__(self, folder=None, *, kind, archive, data_release):
        folder = Path(folder or conf.cache_dir or _astropy_folder()).expanduser()
        mark = hashlib.sha256(archive.rstrip("/").encode()).hexdigest()[:12]
        self.folder = folder / kind / mark / f"dr{int(data_release)}"
        # Beside the files, so that the rename stays within one file system and therefore is atomic.
        self._unfinished = self.folder / "unfinished"
        self._sweep()

    def _sweep(self):
        """Remove what was never finished. Tidying only: whatever stands in the way stays there."""
        with contextlib.suppress(OSError), os.scandir(self._unfinished) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    age = time.time() - entry.stat(follow_symlinks=False).st_mtime
                    if age > _STALE and entry.name.endswith(".part") and entry.is_file(follow_symlinks=False):
                        os.unlink(entry.path)

    def load(self, path, read):
        """Read a file from the cache; a damaged one is removed, as if it had never been there.

        Parameters
        ----------
        path : `~pathlib.Path`
            In this cache's folder.
        read : callable
            Takes the path; raises a `~stellarclass.exceptions.BadAnswerError` for a file that is damaged.

        Returns
        -------
        object or None
            What ``read`` returned; None if the cache does not have the file.
        """
        try:
            return read(path)
        except NotInArchiveError:
            return None
        except BadAnswerError as err:
            log.warning("removed a damaged file from the cache: %s", err)
            with contextlib.suppress(OSError):  # where we may not write: `store` will say so
                path.unlink()
            return None

    def store(self, path, pieces, read):
        """Store a file as it arrives, if it can be read.

        Parameters
        ----------
        path : `~pathlib.Path`
            In this cache's folder.
        pieces : iterable of bytes
            Its content. An exception on the way leaves no trace in the cache.
        read : callable
            Takes the path of the finished file; raises for one that is not whole, or not the one asked for.

        Returns
        -------
        object
            What ``read`` returned.

        Raises
        ------
        stellarclass.exceptions.CacheError
            If the disk is full, or does not take the file for another reason.
        """
        try:
            return self._store(path, pieces, read)
        except ArchiveError:
            raise
        except OSError as err:  # `pieces` and `read` have none but those
            reason = f"the cache cannot take the file: {type(err).__name__}: {err.strerror or err}"
            if err.errno in (errno.ENOSPC, errno.EDQUOT):
                reason += "; make room, or set conf.cache_dir to a folder on another disk"
            elif err.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
                reason += _MAY_WRITE
            raise CacheError(reason, path) from err

    def _store(self, path, pieces, read):
        path.parent.mkdir(parents=True, exist_ok=True)
        self._unfinished.mkdir(exist_ok=True)
        # The ending keeps the file out of everyone's sight, should this process be killed.
        handle, temporary = tempfile.mkstemp(prefix=f"{path.name}-", suffix=".part", dir=self._unfinished)
        try:
            with os.fdopen(handle, "wb") as file:
                for piece in pieces:
                    file.write(piece)
            content = read(temporary)
            os.chmod(temporary, 0o644)  # mkstemp makes private files; a cache folder may be shared
            os.replace(temporary, path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
        return content


def _astropy_folder():
    try:
        return Path(get_cache_dir()) / "stellarclass"
    except OSError as err:  # it is made on the way, where the home folder lets it be
        reason = f"astropy's cache folder cannot be made: {err.strerror or err}{_MAY_WRITE}"
        raise CacheError(reason, err.filename) from err


class FrameCache(FileCache):
    """Frames of one archive on disk.

    Parameters
    ----------
    folder : path-like, optional
        Where to keep them; ``conf.cache_dir``, or a folder in astropy's cache, by default.
    archive : str
        Base address of the archive.
    data_release : int
        Data release.
    """

    def __init__(self, folder=None, *, archive, data_release):
        super().__init__(folder, kind="frames", archive=archive, data_release=data_release)

    def path(self, key, band):
        """Where a frame is, or will be.

        Parameters
        ----------
        key : FieldKey
        band : str

        Returns
        -------
        `~pathlib.Path`

        Raises
        ------
        stellarclass.exceptions.NotInArchiveError
            If the numbers cannot name an SDSS field.
        ValueError
            If there is no such band.
        """
        key = check_key(key, band)
        name = f"frame-{band}-{key.run:06d}-{key.camcol}-{key.field:04d}.fits.bz2"
        return self.folder / str(key.rerun) / str(key.run) / str(key.camcol) / name

    def get(self, key, band):
        """Read a frame from the cache.

        A damaged file is removed, as if it had never been there.

        Parameters
        ----------
        key : FieldKey
        band : str

        Returns
        -------
        Frame or None
            None if the cache does not have it.
        """
        return self.load(self.path(key, band), partial(read_frame, band=band, key=check_key(key, band)))

    def put(self, key, band, pieces, *, url):
        """Store a frame as it arrives, if it proves to be the one asked for.

        Parameters
        ----------
        key : FieldKey
        band : str
        pieces : iterable of bytes
            The compressed file. An exception on the way leaves no trace in the cache.
        url : str
            Where it comes from, for the error message.

        Returns
        -------
        Frame

        Raises
        ------
        stellarclass.exceptions.BadAnswerError
            If it is not whole, or not that frame.
        stellarclass.exceptions.CacheError
            If the disk does not take it.
        """
        read = partial(read_frame, band=band, key=check_key(key, band), name=url)
        return self.store(self.path(key, band), pieces, read)
