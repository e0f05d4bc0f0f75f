# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""From positions to the output table: the one module that knows every stage of the pipeline."""

import warnings
from datetime import UTC, datetime

import numpy as np
from astropy import units as u

from . import __version__, flags, lookup
from ._html import summary
from .astrometry import Astrometry, propagate
from .combine import combine
from .exceptions import ArchiveError, EnsembleError, InputError, StellarclassWarning
from .nets.classprior import format_shares, mix_and_prior
from .results import Results
from .stamps.base import Stamps
from .stamps.cutouts import cut_field, field_shape
from .stamps.photometry import measure
from .targets import NO_ID, Targets, parse_targets
from .usertable import as_table

__all__ = ["Classifier"]

_BATCH = 1024
_FORWARD = 256  # stars that pass through the networks at once: larger gains nothing on a CPU


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
        Where the networks run; by default a CUDA device if there is one, else the CPU. An ensemble that is loaded
        stays where it is.
    batch_size : int, optional
        Stars in one batch; bounds the memory, never changes the answer.
    match_radius : `~astropy.units.Quantity`, optional
        Largest separation of a Gaia match at the epoch of the star's own frame; ``conf.match_radius`` if not given.
    class_prior : dict of str to float, or "even", optional
        How frequent each class is among the stars at hand, on any scale and for every class of the ensemble; "even"
        is the same for each. The probabilities are then for this mix, where by default they are for the mix that the
        ensemble was calibrated on; radii do not depend on it. See :ref:`class-prior`.

    Raises
    ------
    stellarclass.exceptions.EnsembleError
        If the ensemble is not found, damaged, does not speak the label system, or there is a ``class_prior`` and its
        card does not say which mix it was calibrated on.
    stellarclass.exceptions.InputError
        If ``batch_size`` or ``match_radius`` is not positive, ``device`` is not that of an ensemble that is loaded, or
        ``class_prior`` lacks a class or has a number that is not positive.
    TypeError
        If ``images`` or ``astrometry`` is no source, ``match_radius`` a bare number, or ``class_prior`` no dict.

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
        class_prior=None,
    ):
        # What is quickly found wrong comes before weights are read.
        self.images = lookup.image_source(images)
        self.astrometry = lookup.astrometry_source(astrometry)
        self.match_radius = lookup.match_limit(match_radius)
        self.batch_size = _positive(_BATCH if batch_size is None else batch_size, "batch_size")
        self.ensemble = _ensemble(ensemble, device)
        self.label_system = self.ensemble.card.default_label_system if label_system is None else label_system
        if self.label_system not in self.ensemble.label_systems:
            raise EnsembleError(
                f"ensemble {self.ensemble.name!r} does not speak label system {label_system!r}; it speaks "
                f"{', '.join(self.ensemble.label_systems)}"
            )
        self.class_prior = None
        if class_prior is not None:
            _, shares = mix_and_prior(class_prior, self.ensemble.card, self.label_system)
            self.class_prior = dict(zip(self.ensemble.classes, shares.tolist(), strict=True))

    def __repr__(self):
        sources = f"images={self.images!r}, astrometry={self.astrometry!r}"
        return f"Classifier({self.ensemble.name!r}, label_system={self.label_system!r}, {sources})"

    def _repr_html_(self):
        rows = {
            "ensemble": f"{self.ensemble.name}, on {self.ensemble.device}",
            "label system": self.label_system,
            "class prior": self.class_prior and format_shares(self.class_prior.values(), self.class_prior),
            "images": repr(self.images),
            "astrometry": "none" if self.astrometry is False else repr(self.astrometry),
            "match radius": self.match_radius,
        }
        return summary("Classifier", rows)

    def classify(self, targets, *, coords=None, progress=None):
        """Classify stars by position.

        Parameters
        ----------
        targets : `~astropy.coordinates.SkyCoord`, `~astropy.table.Table`, pandas.DataFrame or path-like
            N stars, see `~stellarclass.targets.parse_targets`.
        coords : str or tuple of str, optional
            For a table: name of its SkyCoord column, or of its right ascension and declination columns.
        progress : bool or callable, optional
            Whether to show progress bars; by default on a terminal and in a notebook only. A callable is told instead,
            with what is being done, the steps taken, and their number or `None`.

        Returns
        -------
        `~astropy.table.QTable`
            N rows in the order of the targets; its columns are those of `stellarclass.schema.columns`. A star that
            fails is a row with masked results and a flag that says why.

        Raises
        ------
        TypeError, stellarclass.exceptions.InputError
            If the targets cannot be understood.

        Warns
        -----
        stellarclass.exceptions.StellarclassWarning
            If an archive failed, with address and reason; the stars concerned are flagged.
        """
        return self._classify(parse_targets(targets, coords=coords), self.astrometry, progress)

    def classify_table(self, table, *, coords=None, progress=None):
        """Augment a table with spectral classes and radii.

        Parameters
        ----------
        table : `~astropy.table.Table`, pandas.DataFrame, str or path-like
            N stars, or the file that holds them, see `~stellarclass.usertable.as_table`. It is not changed.
        coords : str or tuple of str, optional
            Name of its SkyCoord column, or of its right ascension and declination columns.
        progress : bool or callable, optional
            Whether to show progress bars; by default on a terminal and in a notebook only. A callable is told instead,
            with what is being done, the steps taken, and their number or `None`.

        Returns
        -------
        `~astropy.table.QTable`
            The columns of ``table``, then those of `classify`, see `stellarclass.combine.combine`. Where the table has
            a column of that name already, ours ends in ``_stellarclass``.

        Raises
        ------
        TypeError
            If ``table`` is no table.
        stellarclass.exceptions.InputError
            If its positions cannot be understood.
        """
        table = as_table(table)
        return combine(table, self.classify(table, coords=coords, progress=progress))

    def classify_region(self, region, *, progress=None):
        """Classify every Gaia source in a region of the sky.

        Parameters
        ----------
        region : `~regions.SkyRegion` or mocpy.MOC
            Circle, ellipse, rectangle, annulus, polygon or a combination of them; or a MOC.
        progress : bool or callable, optional
            Whether to show progress bars; by default on a terminal and in a notebook only. A callable is told instead,
            with what is being done, the steps taken, and their number or `None`.

        Returns
        -------
        `~astropy.table.QTable`
            One row per source whose catalog position lies inside, by ``source_id``; see `classify`.

        Raises
        ------
        stellarclass.exceptions.ArchiveError
            If the astrometric archive cannot list the sources.
        stellarclass.exceptions.InputError
            If there is no astrometric source, or the region is not one of those above.
        """
        if self.astrometry is False:
            raise InputError("a region's stars are listed by the astrometric source; astrometry=False leaves it none")
        inside, around = lookup.sources_inside(region, self.astrometry, margin=self.match_radius, progress=progress)
        return self._classify(inside, around, progress)

    def classify_stamps(self, stamps, *, astrometry=None):
        """Classify stars whose pixels are in hand; no archive is asked.

        Parameters
        ----------
        stamps : `~stellarclass.stamps.Stamps`
            Images of N stars.
        astrometry : `~astropy.table.Table` or `~stellarclass.astrometry.Astrometry`, optional
            Of the same N stars: columns ``parallax``, ``parallax_error`` [mas], ``pmra``, ``pmra_error``, ``pmdec``,
            ``pmdec_error`` [mas/yr] with units, masked or NaN where missing, and ``source_id`` and ``ruwe`` if known,
            as `stellarclass.fetch_astrometry` returns them.

        Returns
        -------
        `~astropy.table.QTable`
            N rows, columns of `stellarclass.schema.columns`; positions are masked.

        Raises
        ------
        stellarclass.exceptions.InputError
            If there are not as many rows in ``astrometry`` as stamps, or it has no column of use.
        `~astropy.units.UnitsError`
            If a column of ``astrometry`` lacks its unit.

        Examples
        --------
        >>> import astropy.units as u
        >>> from astropy.table import QTable
        >>> from stellarclass import Classifier, simulate
        >>> stars = QTable({b: [m] * u.mag for b, m in zip("ugriz", (18.4, 17.0, 16.5, 16.3, 16.2))})
        >>> table = Classifier().classify_stamps(simulate.render_stars(stars, seed=1))
        >>> print(table["spectral_class"][0], table["ra"].mask[0])
        F True
        """
        if not isinstance(stamps, Stamps):
            raise TypeError(f"expected Stamps, as fetch_stamps returns them, got {type(stamps).__name__}")
        n = len(stamps)
        gaia = _astrometry_of(astrometry, n)
        nowhere = np.full(n, np.nan)
        results = Results(Targets(nowhere, nowhere, flags=np.zeros(n, np.int64)), self.ensemble.classes)
        for part in self._batches(n):
            self._file(np.arange(n)[part], stamps[part], gaia[part], results)
        return results.table(self._meta())

    def _classify(self, targets, astrometry, progress):
        """Everything from parsed targets to the table."""
        targets = self.images.locate(targets, progress=progress)
        candidates = None
        if astrometry is not False:
            candidates = self._candidates(targets, astrometry, progress)
        results = Results(targets, self.ensemble.classes)
        for rows, stamps, gaia in self._observe(targets, candidates, progress):
            self._file(rows, stamps, gaia, results)
        used = {"image_release": self.images.name}
        if astrometry is not False:
            used |= {"astrometry_release": astrometry.name, "match_radius": self.match_radius.to_value(u.arcsec)}
        return results.table(self._meta(**used))

    def _candidates(self, targets, astrometry, progress):
        """All Gaia sources that may be one of the targets; those that could not be asked about are flagged."""
        try:
            return lookup.find_candidates(astrometry, targets, radius=self.match_radius, progress=progress)
        except ArchiveError as err:
            targets.flags[err.failed] |= flags.ASTROMETRY_FAILURE
            stars = "1 star goes" if len(err.failed) == 1 else f"{len(err.failed)} stars go"
            warnings.warn(f"{stars} without astrometry: {err}", StellarclassWarning, stacklevel=4)
            return err.partial

    def _observe(self, targets, candidates, progress):
        """Pixels and astrometry in batches, each of one field: (rows of the targets, stamps, astrometry)."""
        for field, rows in lookup.open_fields(self.images, targets, progress=progress):
            here, epoch = targets[rows], lookup.field_epoch(field)
            ra, dec = propagate(here.ra, here.dec, here.pmra, here.pmdec, here.ref_epoch, epoch)
            if candidates is None:
                gaia = Astrometry.empty(len(rows))
            else:
                gaia = lookup.match_field(targets, candidates, rows, epoch, radius=self.match_radius)
                matched = gaia.source_id != NO_ID
                ra, dec = np.where(matched, gaia.ra, ra), np.where(matched, gaia.dec, dec)
            shape = field_shape(field)
            for part in self._batches(len(rows)):
                yield rows[part], cut_field(field, ra[part], dec[part], **shape), gaia[part]

    def _file(self, rows, stamps, gaia, results):
        """Measure one batch of stars, ask the ensemble, and file the answers of the targets ``rows``."""
        photometry = measure(stamps)
        inputs = self.ensemble.recipe(stamps, gaia, photometry=photometry)
        prior = {} if self.class_prior is None else {"class_prior": self.class_prior}
        prediction = self.ensemble.predict(inputs, label_system=self.label_system, batch_size=_FORWARD, **prior)
        results.file(rows, stamps=stamps, photometry=photometry, astrometry=gaia, prediction=prediction)

    def _batches(self, n):
        return [slice(start, start + self.batch_size) for start in range(0, n, self.batch_size)]

    def _meta(self, **used):
        card = self.ensemble.card
        return {
            "stellarclass_version": __version__,
            "ensemble": card.name,
            "ensemble_sha256": self.ensemble.sha256 or None,
            "label_system": self.label_system,
            "class_prior": None if self.class_prior is None else format_shares(self.class_prior.values(), card.classes),
            "class_set_level": card.levels["class_set"],
            "radius_level": card.levels["radius_interval"],
            "date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            **used,
        }


def _ensemble(ensemble, device):
    from .nets.ensemble import Ensemble
    from .nets.weights import load_ensemble

    if not isinstance(ensemble, Ensemble):
        return load_ensemble(ensemble, device=device)
    if device is not None and not str(ensemble.device).startswith(str(device)):
        raise InputError(f"the ensemble is on {ensemble.device}; load_ensemble(name, device={device!r}) moves it")
    return ensemble


def _positive(value, name):
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise InputError(f"{name} = {value!r} is not a positive whole number")
    return int(value)


def _astrometry_of(astrometry, n):
    """Astrometry of n stars from a table with units, from the real thing, or from nothing."""
    if astrometry is None:
        return Astrometry.empty(n)
    known = astrometry if isinstance(astrometry, Astrometry) else Astrometry.from_table(astrometry)
    if len(known) != n:
        raise InputError(f"astrometry has {len(known)} rows for {n} stamps; it takes one for each, masked if unknown")
    return known
