# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Tables of real labels with magnitudes, and an ensemble taught by their stars, rendered."""

from dataclasses import dataclass

import numpy as np
from astropy.table import Table

from ..exceptions import InputError
from ..nets.combination import conformal_threshold
from ..physics import CLASSES
from ..simulate import render_stars
from .label_systems import add_label_system, class_figures

__all__ = ["MAGNITUDE_LIMITS", "LabelTable", "teach"]

MAGNITUDE_LIMITS = (14.3, 20.5)
"""r of the stars used: SDSS saturates above, u and z become noise below."""

# How often each star is rendered, and in how many of these its PSF is unknown or one of its bands is missing: maps must
# hold there, too.
_RENDERINGS, _UNKNOWN_PSF, _MISSING_BAND = 10, 2, 2
_ANCHORS = 100
_EPOCHS = 25  # each star is seen ten times in each of them


@dataclass(frozen=True)
class LabelTable:
    """Stars of one label system.

    Attributes
    ----------
    magnitudes : ndarray, shape (N, 5)
        u g r i z, SDSS asinh magnitudes as observed.
    labels : ndarray of str, shape (N,)
        Class of each, one of `stellarclass.physics.CLASSES`.
    own : ndarray of bool, shape (N,), optional
        Whether each is the system's own label; the others are anchors, see `anchored`. By default all are.
    """

    magnitudes: np.ndarray
    labels: np.ndarray
    own: np.ndarray = None

    def __post_init__(self):
        if self.own is None:
            object.__setattr__(self, "own", np.ones(len(self.labels), bool))

    def __len__(self):
        return len(self.labels)

    def __str__(self):
        counts = ", ".join(f"{c} {(self.own & (self.labels == c)).sum()}" for c in CLASSES)
        anchors = (~self.own).sum()
        return f"{self.own.sum()} stars ({counts})" + (f" and {anchors} anchors" if anchors else "")

    @property
    def colors(self):
        """u-g, g-r, r-i, i-z, shape (N, 4)."""
        return self.magnitudes[:, :-1] - self.magnitudes[:, 1:]

    @classmethod
    def read(cls, path):
        """Read a table with columns u, g, r, i, z and ``label``; stars beyond `MAGNITUDE_LIMITS` are left out.

        Parameters
        ----------
        path : path-like
            In any format that astropy reads.

        Returns
        -------
        LabelTable

        Raises
        ------
        stellarclass.exceptions.InputError
            If a column is missing or no star is left.
        """
        table = Table.read(path)
        missing = [name for name in (*"ugriz", "label") if name not in table.colnames]
        if missing:
            raise InputError(f"{path} has no column {', '.join(missing)}; it has {', '.join(table.colnames)}")
        magnitudes = np.stack([np.ma.filled(np.ma.asarray(table[b]).astype(float), np.nan) for b in "ugriz"], axis=1)
        labels = np.asarray(table["label"]).astype(str)
        use = (magnitudes[:, 2] > MAGNITUDE_LIMITS[0]) & (magnitudes[:, 2] < MAGNITUDE_LIMITS[1])
        use &= np.isfinite(magnitudes).all(1) & np.isin(labels, CLASSES)
        if not use.any():
            raise InputError(f"{path} has no star of classes {', '.join(CLASSES)} with r in {MAGNITUDE_LIMITS}")
        return cls(magnitudes[use], labels[use])

    def anchored(self, other):
        """The table and some stars of another system's that no pipeline could call otherwise.

        Parameters
        ----------
        other : LabelTable
            With A and M stars.

        Returns
        -------
        LabelTable
            With at most 100 A stars bluer than g-i = -0.1 and 100 M stars redder than 2.0 from ``other``, for a system
            whose own table has hardly any of these classes: without, it would never answer them.
        """
        g_i = other.magnitudes[:, 1] - other.magnitudes[:, 3]
        rng = np.random.default_rng(6)
        rows = [
            rng.permutation(np.flatnonzero((other.labels == c) & where))[:_ANCHORS]
            for c, where in (("A", g_i < -0.1), ("M", g_i > 2.0))
        ]
        rows = np.sort(np.concatenate(rows))
        return LabelTable(
            np.concatenate([self.magnitudes, other.magnitudes[rows]]),
            np.concatenate([self.labels, other.labels[rows]]),
            np.concatenate([self.own, np.zeros(len(rows), bool)]),
        )


def teach(ensemble, table, *, name, description, seed, progress=None):
    """Teach an ensemble the label system of a table, on its stars rendered under many conditions.

    Parameters
    ----------
    ensemble : `~stellarclass.nets.Ensemble`
        Of compact networks.
    table : LabelTable
        Real labels and magnitudes.
    name, description : str
        Of the label system.
    seed : int
        For the pixels and the maps.
    progress : callable, optional
        Called with the number of epochs done.

    Returns
    -------
    `~stellarclass.nets.Ensemble`
    dict of str to dict
        Cross-validated figures (see `stellarclass.training.LabelSystemFit`) of images with their PSF measured (``psf
        measured``), without (``psf unknown``) and with a band missing (``band missing``). They go on the card.
    """
    kinds = np.array(
        ["psf measured"] * (_RENDERINGS - _UNKNOWN_PSF - _MISSING_BAND)
        + ["psf unknown"] * _UNKNOWN_PSF
        + ["band missing"] * _MISSING_BAND
    )
    labels = np.tile(table.labels, len(kinds))
    stars = np.tile(np.arange(len(table)), len(kinds))
    fit = add_label_system(
        ensemble,
        _rendered(table, kinds, np.random.default_rng(seed)),
        labels,
        name=name,
        description=description,
        stars=stars,
        seed=seed,
        epochs=_EPOCHS,
        progress=progress,
    )
    targets = np.array([CLASSES.index(label) for label in labels])
    # Anchors are easy; what a class set promises is for the system's own stars.
    own = np.tile(table.own, len(kinds))
    level = ensemble.card.levels["class_set"]
    threshold = conformal_threshold(fit.probabilities[own], targets[own], level=level)
    fit.ensemble.card.label_systems[name]["calibration"]["threshold"] = threshold
    which = np.where(own, np.repeat(kinds, len(table)), "anchor")
    figures = {
        kind: class_figures(fit.probabilities[which == kind], targets[which == kind], threshold, CLASSES)
        for kind in dict.fromkeys(kinds.tolist())
    }
    fit.ensemble.card.label_systems[name]["fit"] |= {"cross_validated": figures, "stars": fit.figures["stars"]}
    return fit.ensemble, figures


def _rendered(table, kinds, rng):
    """Stamps of all stars of the table, once for each kind."""
    for kind in kinds:
        magnitudes = table.magnitudes.copy()
        if kind == "band missing":
            magnitudes[np.arange(len(table)), rng.integers(0, 5, len(table))] = np.nan
        stamps = render_stars(Table(magnitudes, names=list("ugriz")), seed=rng)
        if kind == "psf unknown":
            stamps.psf[:] = np.nan
        yield stamps
