# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`ReferenceSet`: stars with known classes and radii, their pixels and their astrometry, to train and to judge by."""

import os
import shutil
from concurrent.futures import ProcessPoolExecutor
from dataclasses import fields
from pathlib import Path
from tokenize import TokenError

import numpy as np
from astropy import units as u
from astropy.table import MaskedColumn, QTable, vstack

from .._html import summary
from ..astrometry import Astrometry
from ..exceptions import InputError
from ..physics import CLASSES
from ..simulate import draw_conditions, label_probabilities, reference_sample, render_stars
from ..simulate.optics import flux_from_pogson
from ..stamps.base import Stamps
from ..stamps.photometry import asinh_magnitude

__all__ = ["COLUMNS", "SUBSETS", "ReferenceSet", "split"]

SUBSETS = ("train", "test")
"""What the column ``subset`` says: to learn from (validation included), or untouched until the end."""

COLUMNS = {
    "objid": (np.int64, None),
    "source_id": (np.int64, None),
    "spectral_class": (str, None),
    "lamost_class": (str, None),
    "radius": (float, u.solRad),
    "parallax": (float, u.mas),
    "parallax_error": (float, u.mas),
    "pmra": (float, u.mas / u.yr),
    "pmra_error": (float, u.mas / u.yr),
    "pmdec": (float, u.mas / u.yr),
    "pmdec_error": (float, u.mas / u.yr),
    "subset": (str, None),
}
"""Columns that every reference set has, with kind and unit; those from the archives have many more."""

_BLOCK = 1000
_TEST_SHARE = 0.2  # Deng et al. (2024), Section 3.2
_LAMOST_SHARE = 768 / 9180  # of their stars, those that LAMOST DR9 observed as well
_FORMAT = 1
_NUMBERS = ("offsets", "sky_sigma", "flux_per_electron", "psf", "epoch", "flags")
# What a damaged file, or one never meant well, can raise: NumPy reads the header of an array as Python's tokens.
_DAMAGED = (OSError, ValueError, TypeError, EOFError, SyntaxError, TokenError, MemoryError, OverflowError)
_MOST_STARS = 10_000_000


class ReferenceSet:
    """Labeled stars: a table, their stamps and their astrometry.

    Parameters
    ----------
    table : `~astropy.table.QTable`
        N rows with at least the columns `COLUMNS`. ``spectral_class`` is in the system of SDSS's pipeline; ``radius``
        is Gaia's ``radius_flame``, masked or NaN where there is none, and so is ``lamost_class``. Simulated sets have
        the true radius as ``radius_true`` besides.
    stamps : `~stellarclass.stamps.Stamps`
        Of the same N stars. Images may be float16.

    Raises
    ------
    stellarclass.exceptions.InputError
        If a column is missing, a class or subset is unknown, an ``objid`` stands twice, or the lengths differ.

    Examples
    --------
    >>> from stellarclass.reference import ReferenceSet
    >>> reference = ReferenceSet.simulated(20, seed=1)
    >>> reference
    <ReferenceSet: 20 stars (A 2, F 6, G 3, K 7, M 2), 13 train, 7 test, simulated>
    >>> reference.stamps(reference.rows("test"))
    <Stamps: 7 stars, 5 bands, 64 x 64 pixels>
    """

    def __init__(self, table, stamps):
        missing = [name for name in COLUMNS if name not in table.colnames]
        if missing:
            raise InputError(f"a reference set lacks the columns {', '.join(missing)}")
        if len(table) != len(stamps):
            raise InputError(f"{len(table)} rows of the table and {len(stamps)} stamps: one for each is meant")
        for name, known in (("spectral_class", CLASSES), ("subset", SUBSETS)):
            strange = sorted(set(np.ma.filled(np.ma.asarray(table[name]).astype(str), "")) - set(known))
            if strange:
                raise InputError(f"{name} {str(strange[0])!r} is none of {', '.join(known)}")
        if len(np.unique(table["objid"])) != len(table):
            raise InputError("an objid stands twice in a reference set: the split by star would not hold")
        self.table, self._stamps = table, stamps
        self.astrometry = Astrometry.from_table(table)

    def __len__(self):
        return len(self.table)

    def __repr__(self):
        classes = ", ".join(f"{c} {(self.table['spectral_class'] == c).sum()}" for c in CLASSES)
        subsets = ", ".join(f"{len(self.rows(s))} {s}" for s in SUBSETS)
        kind = ", simulated" if self.table.meta.get("simulated") else ""
        return f"<ReferenceSet: {len(self)} stars ({classes}), {subsets}{kind}>"

    def _repr_html_(self):
        classes = np.asarray(self.table["spectral_class"]).astype(str)
        rows = {"stars": len(self), "simulated": "yes" if self.table.meta.get("simulated") else None}
        for subset in SUBSETS:
            here = classes[self.rows(subset)]
            rows[subset] = f"{len(here)} (" + ", ".join(f"{c} {(here == c).sum()}" for c in CLASSES) + ")"
        rows["columns"] = ", ".join(map(str, self.table.colnames))
        return summary("Reference set", rows)

    def rows(self, subset):
        """Rows of one subset.

        Parameters
        ----------
        subset : {"train", "test"}

        Returns
        -------
        ndarray of int
            In ascending order.
        """
        if subset not in SUBSETS:
            raise InputError(f"subset {subset!r} is none of {', '.join(SUBSETS)}")
        return np.flatnonzero(self.table["subset"] == subset)

    def stamps(self, rows=None):
        """Stamps of some stars, read from disk if that is where they are.

        Parameters
        ----------
        rows : slice or array of int, optional
            By default all, which takes 0.1 MB a star.

        Returns
        -------
        `~stellarclass.stamps.Stamps`
            Images in float32.
        """
        chosen = self._stamps[slice(None) if rows is None else rows]
        values = {f.name: np.array(getattr(chosen, f.name)) for f in fields(Stamps)}
        return Stamps(**(values | {"images": values["images"].astype(np.float32)}))

    def take(self, rows):
        """A reference set of some of the stars.

        Parameters
        ----------
        rows : slice, mask or array of int

        Returns
        -------
        ReferenceSet
        """
        return type(self)(self.table[rows], self._stamps[rows])

    @classmethod
    def join(cls, parts):
        """One set of several.

        Parameters
        ----------
        parts : sequence of ReferenceSet
            At least one; no star in two of them.

        Returns
        -------
        ReferenceSet
        """
        parts = list(parts)
        table = vstack([p.table for p in parts], metadata_conflicts="silent")
        return cls(table, Stamps.concatenate([p._stamps for p in parts]))

    def write(self, folder, *, overwrite=False):
        """Write to a folder: ``table.ecsv`` and a few ``.npy`` files, images as float16.

        Parameters
        ----------
        folder : path-like
            Appears as a whole or not at all.
        overwrite : bool
            Replace a reference set that is there.

        Raises
        ------
        stellarclass.exceptions.InputError
            If the folder exists and is not to be replaced, or is no reference set.
        """
        folder = Path(folder)
        if folder.exists() and not (overwrite and (folder / "table.ecsv").is_file()):
            raise InputError(f"{folder} is already there; remove it, choose another folder, or replace a set of before")
        part = folder.with_name(folder.name + ".part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        # Half precision: 0.05 % of a pixel's flux, far below its photon noise, and half the disk.
        # Block by block, as a large set has no room for a second copy.
        images = self._stamps.images
        with open(part / "images.npy", "wb") as file:
            header = {"descr": "<f2", "fortran_order": False, "shape": images.shape}
            np.lib.format.write_array_header_1_0(file, header)
            for start in range(0, len(images), _BLOCK):
                block = np.clip(images[start : start + _BLOCK], -6e4, 6e4)
                file.write(np.ascontiguousarray(block, "<f2").tobytes())
        np.save(part / "masks.npy", self._stamps.masks)
        for name in _NUMBERS:
            np.save(part / f"{name}.npy", getattr(self._stamps, name))
        table = self.table.copy(copy_data=False)
        table.meta = {**self.table.meta, "reference_format": _FORMAT}
        table.write(part / "table.ecsv", format="ascii.ecsv", serialize_method="data_mask")
        if folder.exists():
            shutil.rmtree(folder)
        os.replace(part, folder)

    @classmethod
    def read(cls, folder):
        """Read what `write` wrote. Images stay on disk until asked for.

        Parameters
        ----------
        folder : path-like
            The set's own, or that of the run of ``stellarclass reference`` that made it, where it is called ``set``.

        Returns
        -------
        ReferenceSet

        Raises
        ------
        stellarclass.exceptions.InputError
            If it is no reference set, or a damaged one.
        """
        folder = Path(folder)
        if (folder / "set" / "table.ecsv").is_file():
            folder = folder / "set"
        if not (folder / "table.ecsv").is_file():
            raise InputError(f"no reference set in {str(folder)!r} (no table.ecsv); `stellarclass reference` makes one")
        try:
            table = QTable.read(folder / "table.ecsv", format="ascii.ecsv")
            if table.meta.get("reference_format") != _FORMAT:
                raise ValueError(f"reference_format {table.meta.get('reference_format')!r} is not {_FORMAT}")
            arrays = {}
            for name in ("images", "masks", *_NUMBERS):
                mode = "r" if name in ("images", "masks") else None
                arrays[name] = np.load(folder / f"{name}.npy", mmap_mode=mode, allow_pickle=False)
            return cls(table, Stamps(**arrays))
        except _DAMAGED as err:
            raise InputError(f"the reference set in {str(folder)!r} cannot be read: {err}") from err

    @classmethod
    def simulated(cls, n=9180, *, seed, processes=1, progress=None):
        """A reference set of the simulated sky, with the cuts and the class mix of Deng et al. (2024).

        Parameters
        ----------
        n : int
            Number of stars.
        seed : int
            The same seed gives the same set, whatever ``processes`` is.
        processes : int
            Worker processes that draw the pixels.
        progress : callable, optional
            Called with the number of stars drawn so far.

        Returns
        -------
        ReferenceSet
            ``radius`` is Gaia's simulated ``radius_flame``, ``radius_true`` the radius that the star's light implies;
            one star in twelve has a ``lamost_class``, as in the paper.

        Raises
        ------
        stellarclass.exceptions.InputError
            If ``n`` or ``processes`` is not positive.
        """
        if not 1 <= n <= _MOST_STARS or processes < 1:
            raise InputError(f"{n} stars by {processes} processes: 1 to {_MOST_STARS} stars, at least one process")
        sample = reference_sample(n, seed=seed)
        seeds = np.random.SeedSequence([seed, 1]).spawn(-(-n // _BLOCK))
        jobs = [(sample[k * _BLOCK : (k + 1) * _BLOCK]["u", "g", "r", "i", "z"], s) for k, s in enumerate(seeds)]
        if processes == 1:
            parts = _collect(map(_render, jobs), progress, n)
        else:
            with ProcessPoolExecutor(processes) as pool:
                parts = _collect(pool.map(_render, jobs), progress, n)
        return cls(_simulated_table(sample, seed), Stamps.concatenate(parts))


def _collect(results, progress, n):
    parts = []
    for part in results:
        parts.append(part)
        if progress is not None:
            progress(min(_BLOCK * len(parts), n))
    return parts


def _render(job):
    """Stamps of stars with true, logarithmic magnitudes, images as float16."""
    stars, seed = job
    rng = np.random.default_rng(seed)
    true = np.stack([stars[b].to_value(u.mag) for b in "ugriz"], axis=1)
    catalog = asinh_magnitude(flux_from_pogson(true))  # what render_stars takes
    conditions = draw_conditions(len(stars), seed=rng, calibration_errors=True)
    stamps = render_stars({b: catalog[:, k] for k, b in enumerate("ugriz")}, seed=rng, conditions=conditions)
    values = {f.name: getattr(stamps, f.name) for f in fields(Stamps)}
    return Stamps(**(values | {"images": np.clip(stamps.images, -6e4, 6e4).astype(np.float16)}))


def _simulated_table(sample, seed):
    n = len(sample)
    rng = np.random.default_rng([seed, 2])
    table = QTable()
    table["objid"] = np.arange(1, n + 1, dtype=np.int64)
    table["source_id"] = np.arange(1, n + 1, dtype=np.int64)
    table["spectral_class"] = np.asarray(sample["label"]).astype("U1")
    magnitudes = np.stack([sample[b].to_value(u.mag) for b in "ugriz"], axis=1)
    likely = label_probabilities(magnitudes[:, :-1] - magnitudes[:, 1:], label_system="lamost")
    code = (rng.random(n)[:, None] > np.cumsum(likely, axis=1)).sum(1).clip(0, len(CLASSES) - 1)
    observed = rng.random(n) < _LAMOST_SHARE
    table["lamost_class"] = MaskedColumn(np.array(CLASSES)[code], mask=~observed)
    table["radius"] = sample["gaia_radius_flame"]
    table["radius_true"] = sample["radius_light"]
    table["teff"] = sample["teff"]
    for k, band in enumerate("ugriz"):
        table[f"psfmag_{band}"] = magnitudes[:, k] * u.mag
    for name in sample.colnames:
        column = name.removeprefix("gaia_")
        if name.startswith("gaia_") and column != "radius_flame":
            table[column] = sample[name]
    table["subset"] = split(table["spectral_class"], seed=seed)
    table.meta = {"simulated": True, "seed": seed, "sample": "Deng et al. (2024), cuts and class mix"}
    return table


def split(classes, *, seed, share=_TEST_SHARE):
    """Put a share of each class aside for testing.

    Parameters
    ----------
    classes : array-like of str, shape (N,)
        Class of each star; every star stands once.
    seed : int
        The same seed gives the same split.
    share : float
        Of each class, between 0 and 1, rounded up to whole stars.

    Returns
    -------
    ndarray of str, shape (N,)
        ``"train"`` or ``"test"``.

    Examples
    --------
    >>> from stellarclass.reference import split
    >>> print(*split(list("FFFFFKKKKK"), seed=1))
    test train train train train train train train test train
    """
    if not 0 < share < 1:
        raise InputError(f"share = {share}: a number between 0 and 1 is meant")
    classes = np.asarray(classes).astype(str)
    rng = np.random.default_rng([seed, 3])
    subset = np.full(len(classes), "train", "U5")
    for name in sorted(set(classes)):
        rows = rng.permutation(np.flatnonzero(classes == name))
        subset[rows[: int(np.ceil(share * len(rows)))]] = "test"
    return subset
