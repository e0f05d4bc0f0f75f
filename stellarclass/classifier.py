# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""From positions to the output table: the one module that knows every stage of the pipeline."""

import logging
import warnings
from dataclasses import fields
from datetime import UTC, datetime

import numpy as np
from astropy import units as u
from astropy.table import Table

from . import __version__, flags, physics, schema
from ._config import conf
from ._progress import progress_bar
from .archives.base import FieldKey
from .astrometry import Astrometry, match, propagate
from .exceptions import ArchiveError, EnsembleError, InputError, StellarclassWarning
from .nets.prediction import Prediction
from .stamps.cutouts import cut_field, field_psf
from .stamps.photometry import measure
from .targets import NO_ID, Targets, parse_targets

__all__ = ["Classifier", "classify", "classify_region", "classify_table"]

log = logging.getLogger(__name__)

_BATCH = 1024
_FORWARD = 256  # stars that pass through the networks at once: larger gains nothing on a CPU

_ASTROMETRY_UNITS = {
    "parallax": u.mas,
    "parallax_error": u.mas,
    "pmra": u.mas / u.yr,
    "pmra_error": u.mas / u.yr,
    "pmdec": u.mas / u.yr,
    "pmdec_error": u.mas / u.yr,
    "ruwe": u.one,
}
_CANDIDATE_COLUMNS = (
    ("target", np.int64),
    ("source_id", np.int64),
    *((name, float) for name in ("ra", "dec", "ref_epoch", *_ASTROMETRY_UNITS, "phot_g_mean_mag", "bp_rp")),
)
_NO_CANDIDATES = Table({name: np.zeros(0, dtype) for name, dtype in _CANDIDATE_COLUMNS})


class Classifier:
    """Classify stars: fetch their images and astrometry, run an ensemble, fill the output table.

    Parameters
    ----------
    ensemble : str, path-like or `~stellarclass.nets.Ensemble`, optional
        Name or folder of an ensemble, or one that is loaded; ``conf.ensemble`` if not given.
    label_system : str, optional
        Whose classes to speak, one of the ensemble's label systems; by default the ensemble's own choice.
    images : `~stellarclass.archives.ImageSource`, optional
        Where pixels come from; by default SDSS over the network.
    astrometry : `~stellarclass.archives.AstrometrySource` or `False`, optional
        Where parallax and proper motion come from; by default Gaia over the network. `False` does without.
    device : str or `torch.device`, optional
        Where the networks run; by default a CUDA device if there is one, else the CPU.
    batch_size : int, optional
        Stars in one batch; bounds the memory, never changes the answer.
    match_radius : `~astropy.units.Quantity`, optional
        Largest separation of a Gaia match at the epoch of the star's own frame; ``conf.match_radius`` if not given.

    Raises
    ------
    stellarclass.exceptions.EnsembleError
        If the ensemble is not found, damaged, or does not speak the label system.

    Examples
    --------
    A simulated field stands in for the archives; leave ``images`` and ``astrometry`` out to ask SDSS and Gaia:

    >>> from stellarclass import Classifier, simulate
    >>> sky = simulate.field(seed=1, n_stars=5)
    >>> classifier = Classifier(images=sky.images, astrometry=sky.astrometry)
    >>> table = classifier.classify(sky.coords)
    >>> len(table), str(table["radius"].unit)
    (5, 'solRad')
    """

    def __init__(
        self,
        ensemble=None,
        *,
        label_system=None,
        images=None,
        astrometry=None,
        device=None,
        batch_size=None,
        match_radius=None,
    ):
        from .nets.ensemble import Ensemble
        from .nets.weights import load_ensemble

        if not isinstance(ensemble, Ensemble):
            ensemble = load_ensemble(conf.ensemble if ensemble is None else ensemble, device=device)
        self.ensemble = ensemble
        self.label_system = ensemble.card.default_label_system if label_system is None else label_system
        if self.label_system not in ensemble.label_systems:
            raise EnsembleError(
                f"ensemble {ensemble.name!r} does not speak label system {label_system!r}; it speaks "
                f"{', '.join(ensemble.label_systems)}"
            )
        self.images = _default_images() if images is None else images
        self.astrometry = _default_astrometry() if astrometry is None else astrometry
        self.batch_size = _positive(_BATCH if batch_size is None else batch_size, "batch_size")
        self.match_radius = conf.match_radius * u.arcsec if match_radius is None else u.Quantity(match_radius)

    def __repr__(self):
        sources = f"images={self.images!r}, astrometry={self.astrometry!r}"
        return f"Classifier({self.ensemble.card.name!r}, label_system={self.label_system!r}, {sources})"

    def classify(self, targets, *, coords=None, progress=None):
        """Classify stars by position.

        Parameters
        ----------
        targets : `~astropy.coordinates.SkyCoord` or `~astropy.table.Table`
            N stars, see `~stellarclass.targets.parse_targets`.
        coords : str or tuple of str, optional
            For a table: name of its SkyCoord column, or of its right ascension and declination columns.
        progress : bool, optional
            Whether to show progress bars; by default on a terminal and in a notebook only.

        Returns
        -------
        `~astropy.table.QTable`
            N rows in the order of the targets; its columns are those of `stellarclass.schema.columns`. A star that
            fails is a row with masked results and a flag that says why.

        Raises
        ------
        TypeError, stellarclass.exceptions.InputError
            If the targets cannot be understood.
        """
        targets = targets if isinstance(targets, Targets) else parse_targets(targets, coords=coords)
        targets = self.images.locate(targets, progress=progress)
        results = _Results(targets, self.ensemble.classes)
        candidates = self._candidates(targets, results, progress)
        wanted = (targets.flags & flags.FATAL) == 0
        keys = np.stack([targets.run, targets.rerun, targets.camcol, targets.field], axis=1)
        groups = _group(keys, wanted)
        if groups:
            fields = self.images.fields(list(groups), progress=False)
            with progress_bar(len(groups), enabled=progress, desc="fields", unit="field") as bar:
                for field in fields:
                    self._classify_field(field, groups[field.key], targets, candidates, results)
                    bar.update()
        return results.table(self._meta())

    def classify_stamps(self, stamps, *, astrometry=None):
        """Classify stars whose pixels are in hand; no archive is asked.

        Parameters
        ----------
        stamps : `~stellarclass.stamps.Stamps`
            Images of N stars.
        astrometry : `~stellarclass.astrometry.Astrometry` or `~astropy.table.Table`, optional
            Of the same N stars: columns ``parallax``, ``parallax_error`` [mas], ``pmra``, ``pmra_error``, ``pmdec``,
            ``pmdec_error`` [mas/yr] with units, masked or NaN where missing, and ``source_id`` and ``ruwe`` if known.

        Returns
        -------
        `~astropy.table.QTable`
            N rows, columns of `stellarclass.schema.columns`; positions are masked.

        Raises
        ------
        ValueError
            If there are not as many rows in ``astrometry`` as stamps.
        """
        n = len(stamps)
        nowhere = np.full(n, np.nan)
        targets = Targets(nowhere, nowhere.copy(), flags=np.zeros(n, np.int64))
        results = _Results(targets, self.ensemble.classes)
        gaia = _astrometry_of(astrometry, n)
        results.flags |= np.where(np.isnan(gaia.parallax), flags.NO_ASTROMETRY, 0)
        self._predict(stamps, gaia, np.arange(n), results)
        return results.table(self._meta())

    def _candidates(self, targets, results, progress):
        """All Gaia sources that may be one of the targets; those that could not be asked are flagged."""
        if self.astrometry is False:
            return None
        rows = np.flatnonzero((targets.flags & flags.FATAL) == 0)
        if rows.size == 0:
            return None
        try:
            table = self.astrometry.candidates(
                targets.ra[rows], targets.dec[rows], radius=self.match_radius, progress=progress
            )
        except ArchiveError as err:
            failed = np.arange(rows.size) if err.failed is None else np.asarray(err.failed, np.int64)
            results.flags[rows[failed]] |= flags.ASTROMETRY_FAILURE
            targets.flags[rows[failed]] |= flags.ASTROMETRY_FAILURE
            warnings.warn(f"{failed.size} stars go without astrometry: {err}", StellarclassWarning, stacklevel=3)
            table = err.partial
            if table is None:
                return None
        table = table.copy()
        table["target"] = rows[np.asarray(table["target"], np.int64)]
        table.sort("target")
        return table

    def _classify_field(self, field, rows, targets, candidates, results):
        """Everything for the targets ``rows`` of one field."""
        for band, reason in field.errors.items():
            log.warning("field %s, band %s: %s", field.key, band, reason)
        if not field.frames:
            results.flags[rows] |= flags.IMAGE_FAILURE if field.errors else flags.NO_IMAGE
            return
        here = _take(targets, rows)
        epoch = next(field.frames[b].epoch for b in "rgizu" if b in field.frames)
        gaia = _match_field(here, rows, candidates, epoch, self.match_radius)
        if self.astrometry is False:
            gaia.flags[:] = 0
        ra, dec = propagate(here.ra, here.dec, here.pmra, here.pmdec, here.ref_epoch, epoch)
        matched = gaia.source_id != NO_ID
        ra, dec = np.where(matched, gaia.ra, ra), np.where(matched, gaia.dec, dec)
        results.flags[rows] |= gaia.flags
        psf = field_psf(field)
        for start in range(0, len(rows), self.batch_size):
            part = slice(start, start + self.batch_size)
            stamps = cut_field(field, ra[part], dec[part], psf=psf)
            self._predict(stamps, gaia[part], rows[part], results)

    def _predict(self, stamps, gaia, rows, results):
        """Measure, run the ensemble and file the answers of the targets ``rows``, in batches."""
        for start in range(0, len(rows), self.batch_size):
            part = slice(start, start + self.batch_size)
            photometry = measure(stamps[part])
            inputs = self.ensemble.recipe(stamps[part], gaia[part], photometry=photometry)
            prediction = self.ensemble.predict(
                inputs, label_system=self.label_system, batch_size=min(self.batch_size, _FORWARD)
            )
            results.fill(rows[part], stamps[part], photometry, gaia[part], prediction)

    def _meta(self):
        card = self.ensemble.card
        return {
            "stellarclass_version": __version__,
            "ensemble": card.name,
            "ensemble_sha256": self.ensemble.sha256 or None,
            "label_system": self.label_system,
            "class_set_level": card.levels["class_set"],
            "radius_level": card.levels["radius_interval"],
            "image_release": getattr(self.images, "name", None),
            "astrometry_release": getattr(self.astrometry, "name", None),
            "match_radius": self.match_radius.to_value(u.arcsec),
            "date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }


class _Results:
    """Arrays of N answers, filled piece by piece as fields come in."""

    def __init__(self, targets, classes):
        n = len(targets)
        self.targets = targets
        self.astrometry = Astrometry.empty(n)
        self.flags = targets.flags.copy()
        self.inputs_used = np.zeros(n, np.int64)
        self.radius_sb = np.full(n, np.nan)
        self.psfmag = targets.psfmag.copy()
        one = {f: np.full(n, np.nan) for f in ("radius", "radius_err", "radius_lower", "radius_upper", "radius_spread")}
        self.prediction = Prediction(
            classes=tuple(classes),
            probabilities=np.full((n, len(classes)), np.nan),
            class_sets=np.ones((n, len(classes)), bool),
            domain_score=np.full(n, np.nan),
            **one,
        )

    def fill(self, rows, stamps, photometry, gaia, prediction):
        """File the answers of the targets ``rows``."""
        for field in fields(Astrometry):
            getattr(self.astrometry, field.name)[rows] = getattr(gaia, field.name)
        for field in fields(Prediction):
            if field.name != "classes":
                getattr(self.prediction, field.name)[rows] = getattr(prediction, field.name)
        self.flags[rows] |= stamps.flags | photometry.flags
        self.flags[rows] |= np.where(prediction.domain_score > 1, flags.OUT_OF_DOMAIN, 0)
        used = (photometry.used * [flags.USED_U, flags.USED_G, flags.USED_R, flags.USED_I, flags.USED_Z]).sum(1)
        used |= np.where(np.isfinite(gaia.parallax), flags.USED_PARALLAX, 0)
        used |= np.where(np.isfinite(gaia.pmra) & np.isfinite(gaia.pmdec), flags.USED_PROPER_MOTION, 0)
        self.inputs_used[rows] = used
        measured = photometry.magnitude
        self.psfmag[rows] = np.where(np.isnan(self.psfmag[rows]), measured, self.psfmag[rows])
        _, g, r, i, _ = np.moveaxis(measured, 1, 0) * u.mag
        g_mag, bp_rp = physics.gaia_from_sdss(g, r, i)
        self.radius_sb[rows] = physics.stefan_boltzmann_radius(g_mag, bp_rp, gaia.parallax * u.mas).to_value(u.solRad)

    def table(self, meta):
        """The output table."""
        return schema.build_table(
            self.targets,
            astrometry=self.astrometry,
            prediction=self.prediction,
            flags=self.flags,
            inputs_used=self.inputs_used,
            radius_sb=self.radius_sb,
            psfmag=self.psfmag,
            meta=meta,
        )


def classify(
    coords,
    *,
    ensemble=None,
    label_system=None,
    images=None,
    astrometry=None,
    device=None,
    batch_size=None,
    progress=None,
):
    """Spectral classes and radii of the stars at given positions.

    Parameters
    ----------
    coords : `~astropy.coordinates.SkyCoord` or `~astropy.table.Table`
        N positions.
    ensemble, label_system, images, astrometry, device, batch_size
        See `Classifier`.
    progress : bool, optional
        Whether to show progress bars; by default on a terminal and in a notebook only.

    Returns
    -------
    `~astropy.table.QTable`
        One row per position, in order, see `Classifier.classify`.

    Examples
    --------
    >>> from stellarclass import classify, simulate
    >>> sky = simulate.field(seed=1, n_stars=5)
    >>> table = classify(sky.coords, images=sky.images, astrometry=sky.astrometry)
    >>> set(table["spectral_class"].filled("?")) <= set("AFGKM?")
    True
    """
    classifier = Classifier(
        ensemble,
        label_system=label_system,
        images=images,
        astrometry=astrometry,
        device=device,
        batch_size=batch_size,
    )
    return classifier.classify(coords, progress=progress)


def classify_table(
    table,
    *,
    coords=None,
    ensemble=None,
    label_system=None,
    images=None,
    astrometry=None,
    device=None,
    batch_size=None,
    progress=None,
):
    """Augment a table with spectral classes and radii.

    Parameters
    ----------
    table : `~astropy.table.Table`
        N stars. It is not changed.
    coords : str or tuple of str, optional
        Name of its SkyCoord column, or of its right ascension and declination columns, where they are not obvious.
    ensemble, label_system, images, astrometry, device, batch_size
        See `Classifier`.
    progress : bool, optional
        Whether to show progress bars; by default on a terminal and in a notebook only.

    Returns
    -------
    `~astropy.table.QTable`
        The columns of ``table``, then ours, see `stellarclass.combine.combine`.
    """
    from .combine import combine

    classifier = Classifier(
        ensemble,
        label_system=label_system,
        images=images,
        astrometry=astrometry,
        device=device,
        batch_size=batch_size,
    )
    return combine(table, classifier.classify(table, coords=coords, progress=progress))


def classify_region(
    region,
    *,
    ensemble=None,
    label_system=None,
    images=None,
    astrometry=None,
    device=None,
    batch_size=None,
    progress=None,
):
    """Classify every Gaia source in a region of the sky.

    Parameters
    ----------
    region : `~regions.SkyRegion`
        Circle, ellipse, rectangle, annulus, polygon or a combination of them.
    ensemble, label_system, images, astrometry, device, batch_size
        See `Classifier`.
    progress : bool, optional
        Whether to show progress bars; by default on a terminal and in a notebook only.

    Returns
    -------
    `~astropy.table.QTable`
        One row per source inside, by ``source_id``; see `Classifier.classify`.

    Raises
    ------
    stellarclass.exceptions.ArchiveError
        If the astrometric archive cannot list the sources.
    stellarclass.exceptions.InputError
        If ``astrometry`` is `False`, or the region is not one of those above.
    """
    from astropy.coordinates import SkyCoord
    from astropy.table import QTable

    from .skyregions import inside_region, region_circle

    classifier = Classifier(
        ensemble,
        label_system=label_system,
        images=images,
        astrometry=astrometry,
        device=device,
        batch_size=batch_size,
    )
    if classifier.astrometry is False:
        raise InputError("classify_region lists its stars from the astrometric source; astrometry=False leaves it none")
    center, radius = region_circle(region)
    found = classifier.astrometry.candidates(
        np.array([center.ra.deg]), np.array([center.dec.deg]), radius=radius, progress=progress
    )
    inside = inside_region(region, SkyCoord(np.asarray(found["ra"]), np.asarray(found["dec"]), unit="deg"))
    found = found[inside]
    found.sort("source_id")
    targets = QTable({name: found[name] for name in ("source_id", "ra", "dec", "ref_epoch", "pmra", "pmdec")})
    return classifier.classify(targets, coords=("ra", "dec"), progress=progress)


def _default_images():
    from .archives import SDSS

    return SDSS()


def _default_astrometry():
    from .archives import Gaia

    return Gaia()


def _positive(value, name):
    if not isinstance(value, (int, np.integer)) or value < 1:
        raise InputError(f"{name} = {value!r} is not a positive whole number")
    return int(value)


def _group(keys, wanted):
    """Rows of each field: dict of FieldKey to index arrays, in the order in which the fields first appear."""
    rows = np.flatnonzero(wanted)
    if rows.size == 0:
        return {}
    unique, first, inverse = np.unique(keys[rows], axis=0, return_index=True, return_inverse=True)
    order = np.argsort(inverse, kind="stable")
    parts = np.split(rows[order], np.searchsorted(inverse[order], np.arange(1, len(unique))))
    return {FieldKey(*map(int, unique[k])): parts[k] for k in np.argsort(first)}


def _take(targets, rows):
    return Targets(**{f.name: getattr(targets, f.name)[rows] for f in fields(Targets)})


def _match_field(here, rows, candidates, epoch, radius):
    """Match the targets of one field, ``rows`` of all, whose candidates lie in one run of the sorted table."""
    if candidates is None or len(candidates) == 0:
        candidates = _NO_CANDIDATES
    else:
        target = np.asarray(candidates["target"], np.int64)
        start, stop = np.searchsorted(target, rows), np.searchsorted(target, rows, side="right")
        count = stop - start
        index = np.repeat(start - np.concatenate([[0], np.cumsum(count)[:-1]]), count) + np.arange(count.sum())
        candidates = candidates[index]
        candidates["target"] = np.repeat(np.arange(len(rows)), count)
    return match(here, candidates, epoch, radius=radius)


def _astrometry_of(table, n):
    """Astrometry of n stars from a table with units, or from the real thing, or from nothing."""
    if table is None:
        return Astrometry.empty(n)
    if len(table) != n:
        raise ValueError(f"astrometry has {len(table)} rows for {n} stamps")
    if isinstance(table, Astrometry):
        return table
    result = Astrometry.empty(n)
    for name, unit in _ASTROMETRY_UNITS.items():
        if name in table.colnames:
            values = u.Quantity(np.ma.filled(table[name], np.nan) if np.ma.isMaskedArray(table[name]) else table[name])
            getattr(result, name)[:] = values.to_value(unit)
    return result
