# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What the pipeline asks of an archive: three protocols and the plain objects they hand over.

Anything with the right methods is a source; nothing has to be inherited. `SDSS` and `Gaia` speak to the live archives,
`LocalSAS` and `LocalAstrometry` read the same things from disk, `stellarclass.simulate` makes them up.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from astropy.table import Table
from astropy.wcs import WCS

__all__ = [
    "BANDS",
    "AstrometrySource",
    "Field",
    "FieldKey",
    "Frame",
    "ImageSource",
    "SpectrumKey",
    "SpectrumSource",
]

BANDS = ("u", "g", "r", "i", "z")
"""The SDSS bands, in the order of every array that has a band axis."""


class FieldKey(NamedTuple):
    """What names an SDSS field: one 10' x 13' piece of one drift-scan column."""

    run: int
    rerun: int
    camcol: int
    field: int

    def __str__(self):
        return f"{self.run}-{self.camcol}-{self.field}"


class SpectrumKey(NamedTuple):
    """What names an SDSS spectrum: a fiber of a plate on a night, and the reduction of it.

    Attributes
    ----------
    plate, mjd, fiber : int
        As SDSS counts them.
    run2d : str
        Version of the reduction, such as ``"26"`` or ``"v5_13_2"``; empty if the archive is to be asked for whichever
        it has.
    """

    plate: int
    mjd: int
    fiber: int
    run2d: str = ""

    def __str__(self):
        return f"{self.plate}-{self.mjd}-{self.fiber}"


@dataclass(frozen=True)
class Frame:
    """One band of one field, as SDSS's corrected frames have it.

    Attributes
    ----------
    band : str
        One of `BANDS`.
    data : ndarray, shape (ny, nx), float32, native byte order
        Sky-subtracted flux in nanomaggies per pixel.
    wcs : `~astropy.wcs.WCS`
        This band's own celestial WCS.
    epoch : float
        Mid-exposure time as Julian year (TAI, to well within a day).
    nanomaggies_per_count : ndarray, shape (nx,), float32
        Calibration vector (HDU 1): one value per column.
    sky : ndarray, shape (ny, nx) or coarser, float32
        Sky model in counts (HDU 2); its shape is the model's own coarse grid.
    """

    band: str
    data: np.ndarray
    wcs: WCS
    epoch: float
    nanomaggies_per_count: np.ndarray
    sky: np.ndarray


@dataclass(frozen=True)
class Field:
    """The frames of one field.

    Attributes
    ----------
    key : FieldKey
    frames : dict of str to Frame
        Bands that were read.
    missing : dict of str to str
        Bands that the archive does not have, with its answer: a fact about the sky survey.
    errors : dict of str to str
        Bands that failed (network, damage), with URL and reason: may be tried again another day.
    unavailable : set of str
        Those of them that failed only for the moment (the archive is down, busy or slow, the disk is full): worth
        being put back and tried again when it has passed.
    """

    key: FieldKey
    frames: dict = field(default_factory=dict)
    missing: dict = field(default_factory=dict)
    errors: dict = field(default_factory=dict)
    unavailable: set = field(default_factory=set)


@runtime_checkable
class ImageSource(Protocol):
    """Where pixels come from."""

    name: str
    """Name and release for the table's provenance, e.g. ``"SDSS DR17"``."""

    def locate(self, targets, *, progress=None):
        """Find the field of each target.

        Parameters
        ----------
        targets : stellarclass.targets.Targets
            N targets; rows with a fatal flag are left alone, rows that already know their field are kept.

        Returns
        -------
        stellarclass.targets.Targets
            A copy with run, rerun, camcol, field (and objid, psfmag where the source has them) filled in, and
            ``no_image`` or ``image_failure`` in its flags where there is none.
        """
        ...

    def fields(self, keys: Iterable[FieldKey], *, progress=None) -> Iterator[Field]:
        """Yield each field once, in any order, all five bands together.

        A field that fails is yielded with its ``errors`` filled, never raised.
        """
        ...


@runtime_checkable
class AstrometrySource(Protocol):
    """Where parallax and proper motion come from."""

    name: str
    """Name and release for the table's provenance, e.g. ``"Gaia DR3"``."""

    def candidates(self, ra, dec, *, radius, progress=None) -> Table:
        """Every source that may lie within ``radius`` of a position at any epoch from 1998 to 2030.

        Parameters
        ----------
        ra, dec : ndarray, shape (N,), float64
            ICRS positions in degrees, all finite.
        radius : `~astropy.units.Quantity`
            Match radius, an angle. The source widens it for proper motion.

        Returns
        -------
        `~astropy.table.Table`
            Column ``target`` (int64, index into ``ra``) and Gaia's own columns, named, typed and with units as Gaia
            has them: ``source_id`` (int64), ``ra``, ``dec`` [deg], ``ref_epoch`` [yr], ``parallax``,
            ``parallax_error`` [mas], ``pmra``, ``pmra_error``, ``pmdec``, ``pmdec_error`` [mas/yr], ``ruwe``,
            ``phot_g_mean_mag``, ``bp_rp`` [mag]; masked where Gaia has none. A target may have none or many rows.

        Raises
        ------
        stellarclass.exceptions.ArchiveError
            If a chunk cannot be answered whole; its ``failed`` attribute, if set, holds the indices of ``ra`` that
            remain unanswered and ``partial`` the table of those that were.
        """
        ...


@runtime_checkable
class SpectrumSource(Protocol):
    """Where spectra come from."""

    name: str
    """Name and release for provenance, e.g. ``"SDSS DR17"``."""

    def spectrum(self, key: SpectrumKey):
        """One spectrum.

        Parameters
        ----------
        key : SpectrumKey

        Returns
        -------
        `~specutils.Spectrum`
            As `stellarclass.archives.read_spectrum` makes it: vacuum wavelengths, flux density, inverse variance, mask.

        Raises
        ------
        stellarclass.exceptions.ArchiveError
            If there is none, or the archive failed.
        """
        ...

    def spectra(self, keys: Iterable[SpectrumKey], *, progress=None) -> Iterator:
        """Yield one item a key, in the order of the keys.

        One that fails is yielded as the `~stellarclass.exceptions.ArchiveError` that says why, never raised.
        """
        ...
