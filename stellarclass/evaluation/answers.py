# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Answers of many methods about many stars, kept on disk as they come, so that an interrupted run goes on."""

import hashlib
import os
import re
import tempfile
import zipfile
from dataclasses import fields
from pathlib import Path

import numpy as np

from .. import __version__
from ..nets.prediction import Prediction
from ..stamps.photometry import measure

__all__ = ["CHUNK", "answers", "join_predictions"]

CHUNK = 500
"""Stars that are worked on, and kept, at a time."""

_R = 2
_ARRAYS = tuple(f.name for f in fields(Prediction) if f.name != "classes")


def answers(contenders, reference, rows, *, work=None, progress=None):
    """What each method says of each star, and how well the star is seen.

    Parameters
    ----------
    contenders : sequence of `~stellarclass.evaluation.contenders.Contender`
        M methods.
    reference : `~stellarclass.reference.ReferenceSet`
        Stamps and astrometry.
    rows : ndarray of int, shape (N,)
        Rows of it.
    work : path-like, optional
        Folder to keep answers in. What is there and belongs to the same method, pixels and astrometry is not computed
        again; a file appears when it is complete.
    progress : callable, optional
        Called with the number of answers, N M in the end, that are there so far.

    Returns
    -------
    list of `~stellarclass.nets.prediction.Prediction`
        In the order of the contenders.
    snr : ndarray, shape (N,)
        Signal-to-noise ratio of the PSF flux in r; NaN where r cannot be used.
    """
    store = _Store(work)
    methods, parts, snr, done = {}, [[] for _ in contenders], [], 0
    for start in range(0, len(rows), CHUNK):
        chosen = rows[start : start + CHUNK]
        stamps, astrometry = reference.stamps(chosen), reference.astrometry[chosen]
        key = _digest(stamps, astrometry)
        measured = _Once(measure, stamps)
        signal = store.read("photometry", __version__, key)
        if signal is None:
            signal = {"snr": _signal_to_noise(measured())}
            store.write("photometry", __version__, key, signal)
        snr.append(signal["snr"])
        for k, contender in enumerate(contenders):
            values = store.read(contender.name, contender.tag, key, names=("classes", *_ARRAYS))
            if values is None:
                if k not in methods:
                    methods[k] = contender.make()
                prediction = methods[k].predict(
                    stamps, astrometry, label_system=contender.label_system, photometry=measured()
                )
                values = {"classes": np.array(prediction.classes)} | {n: getattr(prediction, n) for n in _ARRAYS}
                store.write(contender.name, contender.tag, key, values)
            classes = tuple(values["classes"].astype(str).tolist())
            parts[k].append(Prediction(classes=classes, **{n: values[n] for n in _ARRAYS}))
            done += len(chosen)
            if progress is not None:
                progress(done)
    return [join_predictions(part) for part in parts], np.concatenate(snr)


def join_predictions(parts):
    """Predictions of several sets of stars as one.

    Parameters
    ----------
    parts : sequence of `~stellarclass.nets.prediction.Prediction`
        At least one, all of the same classes.

    Returns
    -------
    `~stellarclass.nets.prediction.Prediction`
    """
    parts = list(parts)
    return Prediction(classes=parts[0].classes, **{n: np.concatenate([getattr(p, n) for p in parts]) for n in _ARRAYS})


def _signal_to_noise(photometry):
    with np.errstate(invalid="ignore", divide="ignore"):
        return photometry.flux[:, _R] / photometry.flux_err[:, _R]


class _Once:
    """Calls a function when it is first needed."""

    def __init__(self, function, argument):
        self.function, self.argument, self.value = function, argument, None

    def __call__(self):
        if self.value is None:
            self.value = self.function(self.argument)
        return self.value


def _digest(stamps, astrometry):
    """Digest of what answers follow from: a sample of the pixels, and all numbers."""
    digest = hashlib.sha256()
    middle = slice(20, 44, 3)
    values = {"images": stamps.images[:, :, middle, middle], "masks": stamps.masks[:, :, middle, middle]}
    values |= {n: getattr(stamps, n) for n in ("offsets", "sky_sigma", "flux_per_electron", "psf")}
    values |= {f.name: getattr(astrometry, f.name) for f in fields(astrometry)}
    for name, value in values.items():
        value = np.ascontiguousarray(value)
        digest.update(f"{name} {value.dtype} {value.shape}".encode())
        digest.update(value.tobytes())
    return digest.hexdigest()[:20]


class _Store:
    """Arrays on disk by method and chunk; without a folder, and for methods without a tag, nothing is kept."""

    def __init__(self, folder):
        self.folder = None if folder is None else Path(folder)

    def _path(self, name, tag, key):
        if self.folder is None or not tag:
            return None
        slug = re.sub(r"[^a-z0-9.]+", "-", name.lower()).strip("-.")
        return self.folder / f"{slug}-{tag}" / f"{key}.npz"

    def read(self, name, tag, key, *, names=("snr",)):
        path = self._path(name, tag, key)
        if path is None or not path.is_file():
            return None
        try:
            with open(path, "rb") as stream, np.load(stream, allow_pickle=False) as values:
                return {n: values[n] for n in names}
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return None  # damaged: computed again

    def write(self, name, tag, key, values):
        path = self._path(name, tag, key)
        if path is None:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".part-") as part:
            np.savez(Path(part) / path.name, **values)
            os.replace(Path(part) / path.name, path)
