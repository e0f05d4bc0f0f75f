# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Tables of real labels with magnitudes, and an ensemble taught by their stars, rendered."""

from dataclasses import dataclass, fields

import numpy as np
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.table import Table

from ..exceptions import InputError
from ..nets.combination import conformal_threshold
from ..physics import CLASSES
from ..simulate import render_stars
from ..tables import check_table_file
from .calibrate import class_mix
from .label_systems import add_label_system, class_figures

__all__ = ["MAGNITUDE_LIMITS", "LabelTable", "teach"]

MAGNITUDE_LIMITS = (14.3, 20.5)
"""r of the stars used: SDSS saturates above, u and z become noise below."""

# How often each star is rendered, and in how many of these its PSF is unknown or one of its bands is missing: maps must
# hold there, too.
_RENDERINGS, _UNKNOWN_PSF, _MISSING_BAND = 10, 2, 2
# Stars whose dust had to be guessed weigh less: they sit out one of the renderings.
_SAT_OUT = 1
_ANCHORS = 100
_EPOCHS = 25  # each star is seen ten times in each of them

# What SDSS's own corrections for dust took per E(B-V): Stoughton et al. (2002, AJ 123, 485), Table 22.
_EXTINCTION = np.array([5.155, 3.793, 2.751, 2.086, 1.479])
_MEDIAN_A_G = 0.12  # of SDSS's spectroscopic stars
_A_G_SCATTER = 0.3  # relative, of the dust about a plane layer


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
    a_g : ndarray, shape (N,), optional
        Extinction in g [mag] that the magnitudes were corrected for and that is to be put back; by default none.
    """

    magnitudes: np.ndarray
    labels: np.ndarray
    own: np.ndarray = None
    a_g: np.ndarray = None

    def __post_init__(self):
        if self.own is None:
            object.__setattr__(self, "own", np.ones(len(self.labels), bool))
        if self.a_g is None:
            object.__setattr__(self, "a_g", np.zeros(len(self.labels)))

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

    def observed(self, rng):
        """Magnitudes as observed, dust put back where it was taken off.

        Parameters
        ----------
        rng : `numpy.random.Generator`
            Scatters each star's extinction by 30 % about ``a_g``, since what was taken off is not known.

        Returns
        -------
        ndarray, shape (N, 5)
        """
        a_g = self.a_g * np.exp(rng.normal(0, _A_G_SCATTER, len(self)))
        return self.magnitudes + a_g[:, None] * _EXTINCTION / _EXTINCTION[1]

    @classmethod
    def join(cls, tables):
        """One table of several, for a system whose labels come from more than one.

        Parameters
        ----------
        tables : sequence of LabelTable
            At least one.

        Returns
        -------
        LabelTable
        """
        tables = list(tables)
        return cls(*(np.concatenate([getattr(t, f.name) for t in tables]) for f in fields(cls)))

    @classmethod
    def read(cls, path, *, dereddened=False):
        """Read a table with columns u, g, r, i, z and ``label``; stars beyond `MAGNITUDE_LIMITS` are left out.

        Parameters
        ----------
        path : path-like
            In any format that astropy reads.
        dereddened : bool
            The magnitudes are corrected for extinction, which is put back as by a plane layer of dust, csc |b|, with
            the median of SDSS's spectroscopic stars: the columns ``ra`` and ``dec`` [deg] are needed, too.

        Returns
        -------
        LabelTable

        Raises
        ------
        stellarclass.exceptions.InputError
            If a column is missing or no star is left.
        """
        check_table_file(path)
        table = Table.read(path)
        needed = (*"ugriz", "label", *(("ra", "dec") if dereddened else ()))
        missing = [name for name in needed if name not in table.colnames]
        if missing:
            raise InputError(f"{path} has no column {', '.join(missing)}; it has {', '.join(table.colnames)}")
        magnitudes = np.stack([np.ma.filled(np.ma.asarray(table[b]).astype(float), np.nan) for b in "ugriz"], axis=1)
        labels = np.asarray(table["label"]).astype(str)
        use = (magnitudes[:, 2] > MAGNITUDE_LIMITS[0]) & (magnitudes[:, 2] < MAGNITUDE_LIMITS[1])
        use &= np.isfinite(magnitudes).all(1) & np.isin(labels, CLASSES)
        if not use.any():
            raise InputError(f"{path} has no star of classes {', '.join(CLASSES)} with r in {MAGNITUDE_LIMITS}")
        return cls(magnitudes[use], labels[use], a_g=_plane_layer(table[use]) if dereddened else None)

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
        anchors = LabelTable(other.magnitudes[rows], other.labels[rows], np.zeros(len(rows), bool), other.a_g[rows])
        return LabelTable.join([self, anchors])


def _plane_layer(table):
    """Extinction in g toward each star through a plane layer of dust, its median that of SDSS's stars."""
    coords = SkyCoord(np.asarray(table["ra"]) * u.deg, np.asarray(table["dec"]) * u.deg)
    column = 1 / np.sin(np.abs(coords.galactic.b.rad).clip(np.radians(5)))
    return _MEDIAN_A_G * column / np.median(column)


def teach(ensemble, table, *, name, description, seed, sky=None, progress=None):
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
    sky : dict of str to ndarray, optional
        Set of `stellarclass.training.simulated.make_training_set`: the class mix that goes on the card is what the
        ensemble finds there. By default it is that of the table, which is how spectrographs were pointed.
    progress : callable, optional
        Called with the number of epochs done.

    Returns
    -------
    `~stellarclass.nets.Ensemble`
    dict of str to dict
        Cross-validated figures (see `stellarclass.training.LabelSystemFit`) of images with their PSF measured (``psf
        measured``), without (``psf unknown``) and with a band missing (``band missing``), of stars as observed; and of
        stars whose magnitudes were dereddened, PSF measured (``dust put back``). They go on the card.
    """
    kinds = np.array(
        ["psf measured"] * (_RENDERINGS - _UNKNOWN_PSF - _MISSING_BAND)
        + ["psf unknown"] * _UNKNOWN_PSF
        + ["band missing"] * _MISSING_BAND
    )
    # Which stars are rendered the k-th time, one after the other.
    rows = [np.flatnonzero((table.a_g == 0) | (k >= _SAT_OUT)) for k in range(len(kinds))]
    stars = np.concatenate(rows)
    labels = table.labels[stars]
    fit = add_label_system(
        ensemble,
        _rendered(table, rows, kinds, np.random.default_rng(seed)),
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
    own = table.own[stars]
    level = ensemble.card.levels["class_set"]
    threshold = conformal_threshold(fit.probabilities[own], targets[own], level=level)
    fit.ensemble.card.label_systems[name]["calibration"]["threshold"] = threshold
    which = np.repeat(kinds, [len(r) for r in rows]).astype("U16")
    corrected = table.a_g[stars] > 0
    which[corrected] = np.where(which[corrected] == "psf measured", "dust put back", "")
    which[~own] = ""
    figures = {
        kind: class_figures(fit.probabilities[which == kind], targets[which == kind], threshold, CLASSES)
        for kind in (*dict.fromkeys(kinds.tolist()), "dust put back")
        if (which == kind).any()
    }
    entry = fit.ensemble.card.label_systems[name]
    entry["fit"] |= {"cross_validated": figures, "stars": fit.figures["stars"]}
    if sky is not None:
        entry["class_mix"] = class_mix(fit.ensemble, sky, label_system=name).round(5).tolist()
    return fit.ensemble, figures


def _rendered(table, rows, kinds, rng):
    """Stamps of stars of the table, some rows for each kind."""
    for chosen, kind in zip(rows, kinds, strict=True):
        magnitudes = table.observed(rng)[chosen]
        if kind == "band missing":
            magnitudes[np.arange(len(chosen)), rng.integers(0, 5, len(chosen))] = np.nan
        stamps = render_stars(Table(magnitudes, names=list("ugriz")), seed=rng)
        if kind == "psf unknown":
            stamps.psf[:] = np.nan
        yield stamps
