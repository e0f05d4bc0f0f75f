# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""One unit of work, as a worker does it: targets in, one part of the output out, with a note of what failed.

Doing a unit twice gives the same bytes. What failed for the moment is tried again later, and of a unit that is tried
again only the fields that failed are opened.
"""

import contextlib
import re
import time
import warnings

import numpy as np
from astropy import units as u

from .. import flags
from .._config import conf
from ..archives.base import BANDS, FieldKey
from ..astrometry import Astrometry
from ..classifier import Classifier
from ..exceptions import ArchiveError, InputError, StellarclassWarning
from ..nets.threads import limited_threads
from ..results import Results
from ..stamps.base import Stamps
from . import part, stampstore, targetfile
from .layout import Layout, digest, read_json
from .settings import check_stamps, observed_with

__all__ = ["UnitClassifier", "forget_classifier", "reason_of", "run_unit", "worker_classifier"]

_GPU_POOL = 1024  # stars: a field's fifty do not fill a GPU
_classifiers = {}  # of this process: an ensemble is loaded once


class _Watched:
    """An image source that takes note of the fields that failed, and why."""

    def __init__(self, images):
        self._images, self.failed = images, {}

    @property
    def name(self):
        return self._images.name

    def locate(self, targets, *, progress=None):
        return self._images.locate(targets, progress=progress)

    def fields(self, keys, *, progress=None):
        keys = list(keys)
        # What never comes has failed as well.
        self.failed.update(dict.fromkeys(keys, ("the source was asked for the field and gave nothing", False)))
        for field in self._images.fields(keys, progress=progress):
            key = FieldKey(*field.key)
            if field.errors:
                reason = "; ".join(f"{band}: {reason}" for band, reason in field.errors.items())
                self.failed[key] = reason, bool(field.unavailable)
            else:
                self.failed.pop(key, None)
            yield field


class _WatchedAstrometry:
    """A source of astrometry that takes note of why it failed."""

    def __init__(self, astrometry):
        self._astrometry, self.failed = astrometry, None

    @property
    def name(self):
        return self._astrometry.name

    def candidates(self, ra, dec, *, radius, progress=None):
        try:
            return self._astrometry.candidates(ra, dec, radius=radius, progress=progress)
        except ArchiveError as err:
            self.failed = str(err)
            raise


class UnitClassifier(Classifier):
    """A classifier that starts from targets, notes what failed, keeps stamps, and asks about several fields at once.

    Parameters
    ----------
    settings : `~stellarclass.survey.settings.RunSettings`
        How it is to be done.
    """

    def __init__(self, settings):
        images, astrometry = settings.sources()
        super().__init__(images=images, astrometry=astrometry, **settings.classifier_options())
        on_gpu = str(self.ensemble.device).startswith("cuda")
        self.pool = (_GPU_POOL if on_gpu else 0) if settings.pool is None else settings.pool
        self._sources = self.images, self.astrometry
        self._store = None

    def classify_targets(self, targets, *, store=None):
        """Answers for targets from the archives.

        Parameters
        ----------
        targets : `~stellarclass.targets.Targets`
            N targets, sorted by field.
        store : `~stellarclass.survey.stampstore.StampWriter`, optional
            Keeps their stamps.

        Returns
        -------
        table : `~astropy.table.QTable`
            N rows.
        failures : list of dict
            ``kind`` ("image" or "astrometry"), ``reason``, ``rows``, the ``field`` of an image, and whether it is
            ``passing``: worth waiting for.
        """
        images, astrometry = self._sources
        self.images, self._store = _Watched(images), store
        watched = astrometry if astrometry is False else _WatchedAstrometry(astrometry)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", StellarclassWarning)  # they are noted, with their reasons
                table = self._classify(targets, watched, False)
            failures = _image_failures(self.images.failed, table)
            if watched is not False and watched.failed is not None:
                rows = int(np.count_nonzero(np.asarray(table["flags"]) & flags.ASTROMETRY_FAILURE))
                failures.append({"kind": "astrometry", "reason": watched.failed, "rows": rows, "passing": True})
        finally:
            self.images, self._store = images, None
        return table, failures

    def classify_stored(self, targets, path):
        """Answers for targets from stamps that were kept; no archive is asked.

        Parameters
        ----------
        targets : `~stellarclass.targets.Targets`
            N targets of one unit.
        path : path-like
            Their stamps.

        Returns
        -------
        table, failures
            As `classify_targets` returns them.
        """
        targets.flags, known = stampstore.stored_flags(path, len(targets))
        if not known.all():
            raise InputError(f"{path} does not hold the stamps of these {len(targets)} targets")
        results = Results(targets, self.ensemble.classes)
        for rows, stamps, gaia in self._pooled(stampstore.read_stamps(path)):
            self._file(rows, stamps, gaia, results)
        used = {"match_radius": self.match_radius.to_value(u.arcsec)} if self.astrometry is not False else {}
        return results.table(self._meta(image_release=self.images.name, **used)), []

    def _observe(self, targets, candidates, progress):
        batches = super()._observe(targets, candidates, progress)
        if self._store is not None:
            batches = self._kept(targets, batches)
        yield from self._pooled(batches)

    def _kept(self, targets, batches):
        for rows, stamps, gaia in batches:
            self._store.add(rows, targets, stamps, gaia)
            yield rows, stamps, gaia
        self._store.finish(targets)

    def _pooled(self, batches):
        """Batches as they are; or joined across fields, in an order that does not depend on which came first."""
        if not self.pool:
            yield from batches
            return
        early, waiting, count, following = {}, [], 0, 0
        for batch in batches:
            early[int(batch[0][0])] = batch
            # Rows are sorted by field: the batch that begins where the last one ended is the next, if none failed.
            while following in early:
                batch = early.pop(following)
                following = int(batch[0][-1]) + 1
                waiting.append(batch)
                count += len(batch[0])
                if count >= self.pool:
                    yield _joined(waiting)
                    waiting, count = [], 0
        for first in sorted(early):
            waiting.append(early[first])
            count += len(waiting[-1][0])
            if count >= self.pool:
                yield _joined(waiting)
                waiting, count = [], 0
        if waiting:
            yield _joined(waiting)


def _joined(batches):
    rows, stamps, gaia = zip(*batches, strict=True)
    names = gaia[0].__dataclass_fields__
    joined = Astrometry(**{name: np.concatenate([getattr(g, name) for g in gaia]) for name in names})
    return np.concatenate(rows), Stamps.concatenate(stamps), joined


def _image_failures(failed, table):
    failures = []
    key = np.stack([np.asarray(table[name].filled(-1)) for name in FieldKey._fields], axis=1)
    for field, (reason, passing) in failed.items():
        rows = int(np.count_nonzero((key == np.array(field)).all(axis=1)))
        about = {"kind": "image", "field": list(field), "reason": reason, "rows": rows, "passing": passing}
        failures.append(about)
    # Positions that could not be cross-identified have no field, only the flag.
    nowhere = (np.asarray(table["flags"]) & flags.IMAGE_FAILURE) != 0
    nowhere &= (key < 0).any(axis=1)
    if nowhere.any():
        about = {"kind": "image", "field": None, "reason": "no field: the archive did not answer", "passing": True}
        failures.append(about | {"rows": int(np.count_nonzero(nowhere))})
    return sorted(failures, key=lambda f: (f["kind"], str(f.get("field")), f["reason"]))


def worker_classifier(settings, key):
    """The classifier of this process, made when it is first needed.

    Parameters
    ----------
    settings : `~stellarclass.survey.settings.RunSettings`
    key : str
        What tells these settings from others.

    Returns
    -------
    UnitClassifier
    """
    if key not in _classifiers:
        _classifiers.clear()
        _classifiers[key] = UnitClassifier(settings)
    return _classifiers[key]


def forget_classifier():
    """Let go of the classifier of this process."""
    _classifiers.clear()


def run_unit(root, results, unit, targets_sha256, settings, key, *, keep_stamps=False):
    """Do one unit of work: leave its part and manifest on disk, and say what failed.

    Parameters
    ----------
    root : str
        Folder of the survey.
    results : str
        Name of the folder of answers.
    unit : int
        Number of the unit.
    targets_sha256 : str
        Digest of its targets, by the plan.
    settings : `~stellarclass.survey.settings.RunSettings`
    key : str
        As `worker_classifier` takes it.
    keep_stamps : bool
        Whether its stamps are to be kept, if they are not yet.

    Returns
    -------
    dict
        The manifest.
    """
    layout, start, cpu = Layout(root, results=results), time.perf_counter(), time.process_time()
    path = layout.targets(unit)
    if digest(path) != targets_sha256:
        raise InputError(f"{path} is not the file that was planned; plan anew")
    manifest = part.read_manifest(layout, unit)
    whole = part.is_whole(layout, unit, manifest, targets_sha256)
    if whole and not manifest["failures"]:
        return manifest
    with contextlib.ExitStack() as stack:
        for name, value in settings.settings.items():
            stack.enter_context(conf.set_temp(name, value))
        own_frames = settings.images is None and not settings.keep_frames
        if own_frames:
            stack.enter_context(conf.set_temp("cache_dir", str(layout.frames)))
        stack.enter_context(limited_threads(1))
        classifier = worker_classifier(settings, key)
        numbers, targets = targetfile.read_targets(path)
        stored = settings.pixels != "archive" and layout.stamps(unit).is_file()
        if not stored and settings.pixels == "stamps":
            raise InputError(f"no stamps of unit {unit} were kept; pixels='both' asks the archive for them")
        todo = np.arange(len(numbers))
        if stored:
            check_stamps(layout.stamps(unit), stampstore.read_about(layout.stamps(unit)), read_json(layout.run))
            table, failures = classifier.classify_stored(targets, layout.stamps(unit))
        elif whole:
            todo = _to_do_again(layout, unit, manifest, targets)
            table, failures = classifier.classify_targets(targets[todo])
        elif keep_stamps and not layout.stamps(unit).is_file():
            about = observed_with(classifier)
            with contextlib.suppress(_NotKept), stampstore.StampWriter(layout.stamps(unit), about) as store:
                table, failures = classifier.classify_targets(targets, store=store)
                if failures:
                    raise _NotKept  # kept stamps are those of a unit without failures
        else:
            table, failures = classifier.classify_targets(targets)
        if own_frames and not failures:
            _forget_frames(targets)
    answers = part.to_arrow(numbers[todo], table, classifier.ensemble.classes)
    if len(todo) < len(numbers):
        answers = _merged(layout, unit, numbers, answers)
    manifest = {
        "targets_sha256": targets_sha256,
        "failures": failures,
        "tries": (manifest.get("tries", 0) if whole else 0) + 1,
        "seconds": round((manifest.get("seconds", 0) if whole else 0) + time.perf_counter() - start, 3),
        "cpu_seconds": round((manifest.get("cpu_seconds", 0) if whole else 0) + time.process_time() - cpu, 3),
        "finished": time.time(),
        "stamps_bytes": layout.stamps(unit).stat().st_size if layout.stamps(unit).is_file() else 0,
    }
    return part.write_part(layout, unit, answers, manifest)


class _NotKept(Exception):
    """Leaves the writer of stamps without a file."""


def _forget_frames(targets):
    """Remove the frames of a unit from the survey's own cache: nobody will ask for them again."""
    from ..archives.cache import FrameCache

    cache = FrameCache(archive=conf.sas_url, data_release=conf.sdss_data_release)
    placed = targets[targetfile.is_placed(targets)]
    for key in np.unique(np.stack([getattr(placed, name) for name in FieldKey._fields], axis=1), axis=0):
        for band in BANDS:
            with contextlib.suppress(OSError):
                cache.path(FieldKey(*map(int, key)), band).unlink()


def _to_do_again(layout, unit, manifest, targets):
    """Rows of the fields that something failed in; whole fields, so that a batch is what it was."""
    from pyarrow import parquet

    failed = {tuple(f["field"]) for f in manifest["failures"] if f.get("field")}
    table = parquet.read_table(layout.part(unit), columns=["flags", *FieldKey._fields])
    keys = np.stack([table[name].fill_null(-1).to_numpy() for name in FieldKey._fields], axis=1)
    again = (table["flags"].to_numpy() & (flags.IMAGE_FAILURE | flags.ASTROMETRY_FAILURE)) != 0
    failed |= {tuple(map(int, key)) for key in np.unique(keys[again], axis=0)}
    of_failed = np.array([tuple(map(int, key)) in failed for key in keys], bool)
    return np.flatnonzero(again | of_failed)


def _merged(layout, unit, numbers, answers):
    """The old answers with the new ones in their place."""
    import pyarrow as pa
    from pyarrow import parquet

    old = parquet.read_table(layout.part(unit)).cast(answers.schema)
    fresh = np.isin(old[part.NUMBER].to_numpy(), answers[part.NUMBER].to_numpy())
    merged = pa.concat_tables([old.filter(pa.array(~fresh)), answers])
    place = np.empty(len(numbers), np.int64)
    # Both are permutations of the unit's numbers: sort one, and look the other up in it.
    order = np.argsort(merged[part.NUMBER].to_numpy())
    place[np.argsort(numbers)] = order
    return merged.take(pa.array(place))


def reason_of(text):
    """What an archive's complaint has in common with others of its kind: without addresses, numbers and bands.

    Parameters
    ----------
    text : str
        As the manifests have it.

    Returns
    -------
    str

    Examples
    --------
    >>> from stellarclass.survey.unit import reason_of
    >>> reason_of("u: HTTP status 500 (https://data.sdss.org/sas/a); g: HTTP status 500 (https://data.sdss.org/sas/b)")
    'HTTP status 500'
    """
    first = re.split(r"; [ugriz]: ", re.sub(r"^[ugriz]: ", "", text))[0]
    first = re.sub(r"\s*\([^()]*[/\\][^()]*\)", "", first)
    first = re.sub(r"\S*[/\\]\S+", "...", first)
    return re.sub(r"\d{4,}", "N", first).strip()[:160]
