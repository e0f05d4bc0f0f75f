# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""A small survey on disk: fields in a row, frames with the archive's layout and a few stars each, and Gaia's rows."""

import contextlib
import time

import numpy as np
from astropy import units as u
from astropy.table import QTable
from loopback.faults import fill_disk
from skyframes import SCALE, SHAPE, frame_bytes, frame_path

from stellarclass.archives import Field, FieldKey, encode_objid

RUN, CAMCOL, FIRST = 2583, 2, 100
ORIGIN = 150.0, 2.0  # degrees
EPOCH = 2001.72


def keys(n_fields):
    return [FieldKey(RUN, 301, CAMCOL, FIRST + k) for k in range(n_fields)]


def write_sky(root, n_fields=12, stars=4, *, missing=()):
    """Write a SAS tree and ``gaia.ecsv`` below ``root``; return the table of targets.

    The stars are Gaussians of 1.2 pixels, so bright that each has an answer. ``missing`` are numbers of fields without
    any frame.
    """
    rng = np.random.default_rng(5)
    rows = []
    for number, key in enumerate(keys(n_fields)):
        center = ORIGIN[0] + number * SHAPE[0] * SCALE, ORIGIN[1]
        x, y = _grid(stars)
        flux = rng.uniform(30, 300, stars)
        for band, factor in zip("ugriz", (0.2, 0.6, 1.0, 1.2, 1.3), strict=True):
            if number in missing:
                continue
            path = frame_path(root, key, band)
            path.parent.mkdir(parents=True, exist_ok=True)
            spots = [spot for k in range(stars) for spot in _disk(x[k], y[k], factor * flux[k])]
            path.write_bytes(frame_bytes(key, band, center, stars=spots))
        for k in range(stars):
            # CD matrix of `frame_bytes`: columns run north, rows run east.
            dec = center[1] + (x[k] - (SHAPE[1] - 1) / 2) * SCALE
            ra = center[0] + (y[k] - (SHAPE[0] - 1) / 2) * SCALE / np.cos(np.radians(dec))
            objid = encode_objid(RUN, CAMCOL, key.field, k + 1)
            rows.append((objid, 4_000_000_000_000_000_000 + len(rows), ra, dec))
    objid, source_id, ra, dec = (np.array(column) for column in zip(*rows, strict=True))
    targets = QTable({"objid": objid.astype(np.int64), "ra": ra * u.deg, "dec": dec * u.deg})
    n = len(targets)
    gaia = QTable({"source_id": source_id.astype(np.int64), "ra": ra * u.deg, "dec": dec * u.deg})
    gaia["ref_epoch"] = np.full(n, 2016.0) * u.yr
    gaia["parallax"], gaia["parallax_error"] = rng.uniform(0.3, 3, n) * u.mas, np.full(n, 0.03) * u.mas
    for name in ("pmra", "pmdec"):
        gaia[name], gaia[f"{name}_error"] = rng.normal(0, 3, n) * u.mas / u.yr, np.full(n, 0.03) * u.mas / u.yr
    gaia["ruwe"], gaia["phot_g_mean_mag"] = np.full(n, 1.0), rng.uniform(16, 18, n) * u.mag
    gaia["bp_rp"] = rng.uniform(0.5, 1.5, n) * u.mag
    gaia.write(root / "gaia.ecsv", overwrite=True)
    return targets[np.random.default_rng(6).permutation(n)]


def _grid(stars):
    """Places of stars: at least 45 pixels apart, nobody's neighbor, if they are nine or less; else as it comes."""
    k = np.arange(stars)
    if stars <= 9:
        return 40 + 55 * (k % 3), 35 + 40 * (k // 3)
    assert stars <= 12 * 8, f"{stars} stars do not fit into a frame of {SHAPE}"
    return 16 + 15 * (k % 12), 16 + 16 * (k // 12)


def _disk(x, y, flux, sigma=1.2, size=6):
    for dx in range(-size, size + 1):
        for dy in range(-size, size + 1):
            value = flux * np.exp(-(dx**2 + dy**2) / (2 * sigma**2)) / (2 * np.pi * sigma**2)
            yield int(x) + dx, int(y) + dy, value


class Faulty:
    """A tree of frames some of whose fields fail, the first so many times that they are asked for.

    Parameters
    ----------
    images : stellarclass.archives.ImageSource
        The tree.
    faults : dict of int to int
        Field number to failures still to come.
    passing : bool
        Whether they are said to be for the moment only.
    """

    def __init__(self, images, faults, *, passing=True):
        self.images, self.faults, self.passing, self.asked = images, dict(faults), passing, []

    @property
    def name(self):
        return self.images.name

    def locate(self, targets, *, progress=None):
        return self.images.locate(targets, progress=progress)

    def fields(self, keys, *, progress=None):
        keys = list(keys)
        self.asked += keys
        bad = [key for key in keys if self.faults.get(key.field, 0) > 0]
        for key in bad:
            self.faults[key.field] -= 1
            url = f"http://archive/{key}/frame.fits.bz2"
            errors = {band: f"HTTP status 503 ({url})" for band in "ugriz"}
            yield Field(key, errors=errors, unavailable=set("ugriz") if self.passing else set())
        yield from self.images.fields([key for key in keys if key not in bad], progress=progress)


class FullOnce:
    """Frames over the network, whose cache finds the disk full once in the whole survey.

    Parameters
    ----------
    images : stellarclass.archives.ImageSource
    marker : path-like
        File that says that it has happened.
    """

    def __init__(self, images, marker):
        self.images, self.marker = images, marker

    @property
    def name(self):
        return self.images.name

    def locate(self, targets, *, progress=None):
        return self.images.locate(targets, progress=progress)

    def fields(self, keys, *, progress=None):
        with contextlib.suppress(FileExistsError), open(self.marker, "x"):
            fill_disk(times=1)
        yield from self.images.fields(keys, progress=progress)


class Slow:
    """A tree of frames that takes its time, so that a test can act in the middle of a run."""

    def __init__(self, images, seconds):
        self.images, self.seconds = images, seconds

    @property
    def name(self):
        return self.images.name

    def locate(self, targets, *, progress=None):
        return self.images.locate(targets, progress=progress)

    def fields(self, keys, *, progress=None):
        for field in self.images.fields(keys, progress=progress):
            time.sleep(self.seconds)
            yield field
