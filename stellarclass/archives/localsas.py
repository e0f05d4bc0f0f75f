# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`LocalSAS`: SDSS frames on disk as a source of images."""

import os
import re
import warnings
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from astropy.wcs import WCS
from astropy.wcs.utils import proj_plane_pixel_scales

from .. import flags
from .._progress import progress_bar
from ..astrometry import propagate, unit_vectors
from ..exceptions import InputError, NotInArchiveError, StellarclassWarning
from ._options import whole
from .base import BANDS, FieldKey
from .footprint import DEFAULT_ORDER, MARGIN, polygon_footprint
from .frames import read_frame, read_geometry
from .objid import DEFAULT_RERUN, check_key, known_fields
from .prefetch import load_fields

__all__ = ["LocalSAS"]

_FRAME_NAME = re.compile(r"frame-([ugriz])-(\d{6})-([1-6])-(\d{4})\.fits(\.bz2)?", re.ASCII)
_MARGIN = 0.1  # degrees that a field's circle is widened by: no star moves further between 1998 and 2030
_BEST_BANDS = "rigzu"  # the r frame stands for its field: the others are offset by a few pixels only


@dataclass(frozen=True)
class _Footprint:
    """Where a field lies."""

    key: FieldKey
    wcs: WCS
    epoch: float
    center: np.ndarray  # unit vector
    radius: float  # radians


class LocalSAS:
    """A copy of SDSS's Science Archive Server, or any folder with frames in it, as a source of images.

    Files are told by their names, ``frame-<band>-<run>-<camcol>-<field>.fits``, plain or with ``.bz2``, however deep
    they lie. Which sky they cover is read from their own headers when it is first needed.

    Parameters
    ----------
    root : path-like
        The archive's root, ``dr17`` in it, or any other folder above the frames.
    threads : int, optional
        Frames that are decoded at a time; by default one a band, as far as there are cores.

    Raises
    ------
    stellarclass.exceptions.InputError
        If there is no such folder, or ``threads`` is not positive.

    Examples
    --------
    >>> from stellarclass.archives import LocalSAS
    >>> images = LocalSAS("sas")  # doctest: +SKIP
    >>> images.keys()  # doctest: +SKIP
    [FieldKey(run=2583, rerun=301, camcol=2, field=136)]
    """

    def __init__(self, root, *, threads=None):
        self._threads = whole("threads", threads, least=1)
        self.root = Path(root).expanduser()
        if not self.root.is_dir():
            raise InputError(f"LocalSAS needs a folder with SDSS frames; there is no folder {self.root}")

    @property
    def name(self):
        """Name for the provenance of results."""
        return f"SDSS frames in {self.root}"

    def __repr__(self):
        """The folder; what lies in it is not looked at for this."""
        return f"<LocalSAS {str(self.root)!r}>"

    def keys(self):
        """Fields that have at least one frame here.

        Returns
        -------
        list of FieldKey
            In ascending order.
        """
        return sorted(self._files)

    @cached_property
    def _files(self):
        """Field to band to path."""
        found = {}
        for folder, subfolders, names in os.walk(self.root):
            subfolders.sort()  # the same choice among copies on every machine
            for name in sorted(names):  # plain files come first
                match = _FRAME_NAME.fullmatch(name)
                if match:
                    band, *numbers = match.groups()[:4]
                    run, camcol, field = (int(n) for n in numbers)
                    key = FieldKey(run, _rerun(folder, run, camcol), camcol, field)
                    found.setdefault(key, {}).setdefault(band, Path(folder, name))
        if not found:
            raise NotInArchiveError("no frame-<band>-<run>-<camcol>-<field>.fits(.bz2) in this folder", self.root)
        return found

    @cached_property
    def _footprints(self):
        return [f for key, paths in sorted(self._files.items()) if (f := _footprint(key, paths)) is not None]

    def footprint(self, *, order=DEFAULT_ORDER):
        """The sky that the frames cover, widened by 30 arcsec.

        Parameters
        ----------
        order : int, optional
            Finest HEALPix order, 5 to 15.

        Returns
        -------
        mocpy.MOC

        Raises
        ------
        stellarclass.exceptions.InputError
            If the order is out of range, or no frame can be read.
        ModuleNotFoundError
            If mocpy is not installed (``pip install stellarclass[vo]``).
        """
        corners = [_corners(footprint.wcs, margin=MARGIN) for footprint in self._footprints]
        ra, dec = np.stack(corners, axis=-1) if corners else np.zeros((2, 4, 0))
        return polygon_footprint(ra.T, dec.T, order=order)

    def locate(self, targets, *, progress=None):
        """Find the field of each target: the one in which the target lies farthest from the edge.

        A target that names its field (run, camcol, field; rerun 301 unless given) or has an SDSS ``objid`` keeps that
        field. The others are looked for by position, moved to each field's own epoch where proper motion and epoch are
        known.

        Parameters
        ----------
        targets : stellarclass.targets.Targets
            N targets.
        progress : bool, optional
            Whether to show a progress bar; by default on a terminal only.

        Returns
        -------
        stellarclass.targets.Targets
            A copy with run, rerun, camcol and field; flagged ``no_image`` where no frame here holds the target.

        Raises
        ------
        stellarclass.exceptions.NotInArchiveError
            If the folder holds no frames at all.
        """
        targets, todo = known_fields(targets)
        named = ((targets.flags & flags.FATAL) == 0) & ~todo
        for row in np.flatnonzero(named):
            if FieldKey(*(int(getattr(targets, name)[row]) for name in FieldKey._fields)) not in self._files:
                targets.flags[row] |= flags.NO_IMAGE

        rows = np.flatnonzero(todo)
        if not len(rows):
            return targets
        here = unit_vectors(targets.ra[rows], targets.dec[rows])
        best = np.full(len(rows), -1)
        depth = np.full(len(rows), -0.5)  # pixels from the edge; the edge is half a pixel beyond the outermost centers
        with progress_bar(len(self._footprints), enabled=progress, desc="Fields on disk", unit="field") as bar:
            for number, footprint in enumerate(self._footprints):
                near = np.flatnonzero(here @ footprint.center > np.cos(footprint.radius))
                if len(near):
                    inside = _pixels_from_edge(footprint, targets, rows[near])
                    deeper = inside > depth[near]
                    depth[near[deeper]] = inside[deeper]
                    best[near[deeper]] = number
                bar.update()
        targets.flags[rows[best < 0]] |= flags.NO_IMAGE
        found = best >= 0
        if found.any():
            keys = np.array([footprint.key for footprint in self._footprints], np.int64)[best[found]]
            for column, name in enumerate(FieldKey._fields):
                getattr(targets, name)[rows[found]] = keys[:, column]
        return targets

    def fields(self, keys, *, progress=None):
        """Yield each field once, as soon as its frames are read.

        Parameters
        ----------
        keys : iterable of FieldKey
            Fields; doubles are dropped.
        progress : bool, optional
            Whether to show a progress bar; by default on a terminal only.

        Yields
        ------
        Field
            In the order in which they become ready. A frame that is not here is in ``missing``, a damaged one in
            ``errors``, with path and reason.
        """

        def load(key, band):
            key = check_key(key, band)
            path = self._files.get(key, {}).get(band)
            if path is None:
                raise NotInArchiveError(f"no frame of field {key} in {band}", self.root)
            return read_frame(path, band=band, key=key)

        _ = self._files  # found here, not by five threads at once
        workers = min(len(BANDS), os.cpu_count() or 1) if self._threads is None else self._threads
        yield from load_fields(keys, load, workers=workers, progress=progress)


def _rerun(folder, run, camcol):
    """The rerun that the archive's layout, ``<rerun>/<run>/<camcol>/``, names."""
    parts = Path(folder).parts[-3:]
    if parts[1:] == (str(run), str(camcol)) and re.fullmatch(r"\d{1,4}", parts[0], re.ASCII):
        return int(parts[0])
    return DEFAULT_RERUN


def _footprint(key, paths):
    reasons = []
    for band in sorted(paths, key=_BEST_BANDS.index):
        try:
            wcs, epoch = read_geometry(paths[band])
        except OSError as err:
            reasons.append(str(err))
            continue
        corners = unit_vectors(*_corners(wcs))
        center = corners.sum(axis=0) / np.linalg.norm(corners.sum(axis=0))
        radius = np.arccos(np.clip(corners @ center, -1, 1)).max() + np.radians(_MARGIN)
        return _Footprint(key, wcs, epoch, center, radius)
    warnings.warn(f"field {key} is left out: {'; '.join(reasons)}", StellarclassWarning, stacklevel=2)
    return None


def _corners(wcs, *, margin=0.0):
    """Right ascensions and declinations of the four corners of a frame, further out by a margin in arcsec."""
    (nx, ny), (x, y) = wcs.pixel_shape, margin / 3600 / proj_plane_pixel_scales(wcs)
    corners = [[-x, -y], [nx + x, -y], [nx + x, ny + y], [-x, ny + y]]
    return wcs.wcs_pix2world(np.array(corners) - 0.5, 0).T


def _pixels_from_edge(footprint, targets, rows):
    """Distance of targets from the nearest outermost row or column of pixels; negative outside."""
    ra, dec = propagate(
        targets.ra[rows], targets.dec[rows], targets.pmra[rows], targets.pmdec[rows],
        targets.ref_epoch[rows], footprint.epoch,
    )  # fmt: skip
    x, y = footprint.wcs.wcs_world2pix(ra, dec, 0)
    nx, ny = footprint.wcs.pixel_shape
    return np.min([x, nx - 1 - x, y, ny - 1 - y], axis=0)
