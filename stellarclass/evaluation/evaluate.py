# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Judge an ensemble on a reference set: `evaluate` makes an `Evaluation`, which holds every number as a table."""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from astropy import units as u
from astropy.table import QTable, Table

from .. import __version__
from .._html import summary
from ..exceptions import InputError
from ..nets.weights import load_ensemble
from ..tables import read_table
from .answers import answers
from .contenders import contenders, spoken_system
from .judged import Judged
from .truth import class_column, radius_column_of, rows_of

__all__ = ["Evaluation", "evaluate"]

_BARE = re.compile(r"[A-Za-z0-9_-]+")  # a name, not a folder: see load_ensemble


@dataclass(frozen=True)
class Evaluation:
    """What `evaluate` found.

    Attributes
    ----------
    scores : `~astropy.table.QTable`
        A row for each method, label system and label column: ``method``, ``kind``
        (see `stellarclass.evaluation.contenders.KINDS`), ``label_system``, ``label``, ``stars``, and the scores of
        `stellarclass.evaluation.intervals.SCORES`, each with ``..._low`` and ``..._high``.
    classes : `~astropy.table.Table`
        Precision, recall and F1 of each class, with intervals, for the same rows.
    confusion : `~astropy.table.Table`
        Stars of each ``truth`` that got each ``answer``, and their share of ``truth`` with its interval.
    coverage : `~astropy.table.Table`
        Share of the reference radii in the intervals at 68 and 90 %, by class and by parallax S/N.
    by_snr : `~astropy.table.QTable`
        Mean uncertainty, spread of the members and error of the radius in bins of the S/N in r, with intervals.
    differences : `~astropy.table.QTable`
        The ensemble against each other method on the same stars, by paired bootstrap.
    stars : `~astropy.table.QTable`
        A row for each star: labels, reference radius, S/N, and the ensemble's answer in the names of the output table.
    predictions : dict of (str, str) to `~stellarclass.nets.prediction.Prediction`
        By method and label system.
    reference : `~stellarclass.reference.ReferenceSet`
        What it was judged on.
    rows : ndarray of int
        Which rows of it.
    ensembles : tuple of `~stellarclass.nets.ensemble.Ensemble`
        The ensemble in question, then those beside it.
    meta : dict
        Versions, digests, date, options.
    losses : `~astropy.table.Table` or None
        Losses of the ensemble's members while it was trained, where ``stellarclass train`` left them in its folder.
    """

    scores: QTable
    classes: Table
    confusion: Table
    coverage: Table
    by_snr: QTable
    differences: QTable
    stars: QTable
    predictions: dict = field(repr=False)
    reference: object = field(repr=False)
    rows: np.ndarray = field(repr=False)
    ensembles: tuple = field(repr=False)
    meta: dict = field(repr=False)
    losses: Table | None = field(default=None, repr=False)

    TABLES = ("scores", "classes", "confusion", "coverage", "by_snr", "differences", "stars")
    """Names of the attributes that are tables."""

    def __repr__(self):
        judged = ", ".join(ensemble.name for ensemble in self.ensembles)
        return f"<Evaluation of {judged} on {len(self.rows)} stars>"

    def _repr_html_(self):
        rows = {"on": f"{len(self.rows)} stars of {self.reference!r}"}
        for row in self.scores:
            name = f"{row['method']}, {row['label']} as {row['label_system']}"
            scores = {score: u.Quantity(row[score]) for score in ("accuracy", "mae", "mae_dex")}
            known = (f"{score} {value:.3f}".rstrip() for score, value in scores.items() if np.isfinite(value))
            rows[name] = ", ".join(known)
        return summary(f"Evaluation of {', '.join(ensemble.name for ensemble in self.ensembles)}", rows)

    def write_report(self, folder, *, star=None):
        """Write the tables and a report to look at.

        Parameters
        ----------
        folder : path-like
            Made if there is none; files of the same names in it are replaced.
        star : int, optional
            Row of the reference set whose pixels the report shows; by default a well-seen M star.

        Returns
        -------
        list of `~pathlib.Path`
            ``report.html``, with all pictures in it; ``evaluation.json``, with all numbers but those of single stars;
            and each table as ``<name>.ecsv``.
        """
        from .report import write_report

        return write_report(self, folder, star=star)


def evaluate(
    ensemble,
    reference,
    *,
    rows="test",
    label_column="spectral_class",
    second_label="lamost_class",
    radius_column="radius",
    label_system=None,
    beside=(),
    members=True,
    baselines=True,
    class_prior=None,
    resamples=1000,
    seed=1,
    work=None,
    device=None,
    progress=None,
):
    """Judge an ensemble, and what it has to beat, on the stars of a reference set.

    Parameters
    ----------
    ensemble : str, path-like or `~stellarclass.nets.ensemble.Ensemble`
        By name, by folder, or as it is.
    reference : `~stellarclass.reference.ReferenceSet`
        Stars with known classes and radii.
    rows : {"test", "train", "all"} or array-like
        Which of its stars.
    label_column : str
        Column of the classes.
    second_label : str or None
        Column of the classes of another survey, known for some of the stars; ``<system>_class`` is judged in label
        system ``<system>``, too, by ensembles that speak it. Left out where there is none.
    radius_column : str
        Column of the radii.
    label_system : str, optional
        Label system of the answers: by default ``sdss`` where an ensemble speaks it, else the ensemble's own.
    beside : sequence of str, path-like or `~stellarclass.nets.ensemble.Ensemble`
        Other ensembles, judged on the same stars.
    members : bool
        Whether to judge each member alone.
    baselines : bool
        Whether to judge what the ensemble has to beat: itself on images alone and with a part of Gaia's numbers, a
        random forest on the colors of the set's training stars, the law of Stefan and Boltzmann.
    class_prior : dict of str to float, "even", "train", or None
        Mix of classes that ensembles are told, those that know for which they were calibrated: ``"train"`` is that of
        the set's training stars.
    resamples : int
        Draws of the bootstrap.
    seed : int
        Of the bootstrap.
    work : path-like, optional
        Folder to keep answers in: interrupted, the same call goes on.
    device : str, optional
        Where ensembles given by name compute.
    progress : callable, optional
        Called with the number of answers there so far, and of all.

    Returns
    -------
    Evaluation

    Raises
    ------
    stellarclass.exceptions.InputError
        If rows or columns are not there, or no star has a label of the ensemble's classes.
    stellarclass.exceptions.EnsembleError
        If an ensemble cannot be loaded or does not speak the label system.

    Warns
    -----
    stellarclass.exceptions.StellarclassWarning
        If the color forest is left out, for want of scikit-learn or of training stars.

    Examples
    --------
    >>> from stellarclass.evaluation.evaluate import evaluate
    >>> from stellarclass.reference import ReferenceSet
    >>> reference = ReferenceSet.simulated(60, seed=4)
    >>> found = evaluate("default", reference, rows="all", members=False, baselines=False, resamples=50)
    >>> row = found.scores[0]
    >>> print(row["method"], row["stars"], bool(row["accuracy_low"] < row["accuracy"] < row["accuracy_high"]))
    default 60 True
    """
    whole = [_loaded(one, device) for one in (ensemble, *beside)]
    if label_system is not None:
        _check_system(whole[0], label_system)
    chosen = rows_of(reference, rows)
    labels = {label_column: class_column(reference.table, label_column)[chosen]}
    if second_label is not None and second_label in reference.table.colnames:
        labels[second_label] = class_column(reference.table, second_label)[chosen]
    radius = radius_column_of(reference.table, radius_column)[chosen]
    if not np.isin(labels[label_column], whole[0].classes).any():
        raise InputError(f"no star has a {label_column} among {', '.join(whole[0].classes)}")
    prior = _train_mix(reference, label_column, whole[0].classes) if class_prior == "train" else class_prior

    judged = contenders(
        whole[0],
        reference,
        label_system=label_system,
        second_system=str(second_label).removesuffix("_class"),
        beside=whole[1:],
        members=members,
        baselines=baselines,
        class_prior=prior,
        label_column=label_column,
        radius_column=radius_column,
    )
    total = len(judged) * len(chosen)
    report = None if progress is None else lambda done: progress(done, total)
    predictions, snr = answers(judged, reference, chosen, work=work, progress=report)

    names = dict.fromkeys(c.name for c in judged if c.kind == "ensemble")
    found = Judged(judged, predictions, labels=labels, radius=radius, snr=snr, resamples=resamples, seed=seed)
    astrometry = reference.astrometry[chosen]
    meta = {
        "stellarclass": __version__,
        "date": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "ensembles": {name: one.sha256 for name, one in zip(names, whole, strict=True)},
        "reference": {k: v for k, v in reference.table.meta.items() if not k.startswith("__")},
        "simulated": bool(reference.table.meta.get("simulated", False)),
        "rows": rows if isinstance(rows, str) else "chosen",
        "stars": len(chosen),
        "label_column": label_column,
        "second_label": second_label if second_label in labels else None,
        "radius_column": radius_column,
        "class_prior": class_prior,
        "resamples": resamples,
        "seed": seed,
        "label_systems": {name: spoken_system(one, label_system) for name, one in zip(names, whole, strict=True)},
        "interval": 0.95,
    }
    return Evaluation(
        scores=found.scores(),
        classes=found.classes(),
        confusion=found.confusion(),
        coverage=found.coverage(astrometry),
        by_snr=found.by_snr(),
        differences=found.differences(),
        stars=found.stars(reference.table[chosen], astrometry, level=whole[0].card.levels["radius_interval"]),
        predictions={(c.name, c.label_system): p for c, p in zip(judged, predictions, strict=True)},
        reference=reference,
        rows=chosen,
        ensembles=tuple(whole),
        meta=meta,
        losses=_losses_of(ensemble),
    )


def _loaded(ensemble, device):
    return ensemble if hasattr(ensemble, "predict") else load_ensemble(ensemble, device=device)


def _losses_of(ensemble):
    """What `stellarclass.training.loop.write_losses` left beside the weights; None if nothing."""
    if hasattr(ensemble, "predict") or _BARE.fullmatch(str(ensemble)):
        return None
    path = Path(ensemble) / "losses.ecsv"
    try:
        table = Table(read_table(path)) if path.is_file() else None
    except (InputError, OSError, ValueError):
        return None  # a picture fewer; the weights themselves are checked elsewhere
    wanted = {"member", "epoch", "train", "validation"}
    return table if table is not None and wanted <= set(table.colnames) else None


def _check_system(ensemble, label_system):
    """An ensemble that is only set beside may speak another one; the one in question may not."""
    if label_system not in ensemble.label_systems:
        raise InputError(
            f"ensemble {ensemble.name!r} does not speak label system {label_system!r}; it speaks "
            f"{', '.join(ensemble.label_systems)}"
        )


def _train_mix(reference, label_column, classes):
    labels = class_column(reference.table, label_column)[reference.rows("train")]
    counts = {name: int((labels == name).sum()) for name in classes}
    if not all(counts.values()):
        absent = ", ".join(name for name, count in counts.items() if not count)
        raise InputError(f"the training stars' mix is no class prior: there is none of class {absent}")
    return {name: count / sum(counts.values()) for name, count in counts.items()}
