# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The numbers of an evaluation as tables: who answered what, how right that is, and how sure one can be of it."""

from itertools import pairwise

import numpy as np
from astropy import units as u
from astropy.table import MaskedColumn, QTable, Table, vstack

from ..metrics import class_scores, confusion_matrix
from .intervals import SCORES, bootstrap_scores, mean_interval
from .paired import paired_bootstrap
from .radii import coverage, one_sigma_interval, parallax_bin
from .scores import answered_class, judge

__all__ = ["SNR_EDGES", "Judged"]

SNR_EDGES = (0.0, 10.0, 30.0, 100.0, 200.0, 300.0, 500.0, 1000.0, np.inf)
"""Edges of the bins of the S/N in r."""

_CLASS_SCORES = ("precision", "recall", "f1")
_SECOND_KINDS = ("ensemble", "baseline")


class Judged:
    """Answers of several methods, and what they are held against.

    Parameters
    ----------
    contenders : sequence of `~stellarclass.evaluation.contenders.Contender`
        M methods, the ensemble in question first.
    predictions : sequence of `~stellarclass.nets.prediction.Prediction`
        Of N stars, one for each method.
    labels : dict of str to ndarray of str, shape (N,)
        Classes by column, empty where unknown; the first column is what the methods are judged by, the second, if
        there is one, that of another survey.
    radius : ndarray, shape (N,)
        Radii in solar radii, NaN where unknown.
    snr : ndarray, shape (N,)
        Signal-to-noise ratio in r.
    resamples, seed : int
        Of the bootstrap.
    """

    def __init__(self, contenders, predictions, *, labels, radius, snr, resamples=1000, seed=1):
        self.contenders, self.predictions = list(contenders), list(predictions)
        self.labels, self.radius, self.snr = labels, np.asarray(radius, float), np.asarray(snr, float)
        self.options = {"resamples": resamples, "seed": seed}
        self._bootstrapped = {}

    @property
    def main(self):
        """Number of the ensemble in question."""
        return 0

    def _pairs(self):
        """(number of the method, label column, rows that have such a label of the method's classes, rows left out)."""
        first, *second = self.labels
        systems = {}
        for k, contender in enumerate(self.contenders):
            primary = systems.setdefault(contender.name, contender.label_system) == contender.label_system
            columns = [first] if primary else []
            columns += second if contender.kind in _SECOND_KINDS else []
            for column in columns:
                label = self.labels[column]
                good = np.isin(label, self.predictions[k].classes)
                mute = np.isnan(self.predictions[k].probabilities).all()
                if good.any() and not (mute and column != first):
                    yield k, column, good, int(((label != "") & ~good).sum())

    def _draws(self, k, column, good):
        if (k, column) not in self._bootstrapped:
            self._bootstrapped[k, column] = bootstrap_scores(
                _take(self.predictions[k], good),
                label=self.labels[column][good],
                radius=self.radius[good] * u.solRad,
                **self.options,
            )
        return self._bootstrapped[k, column]

    def _who(self, k, column):
        contender = self.contenders[k]
        return {"method": contender.name, "kind": contender.kind, "label_system": contender.label_system,
                "label": column}  # fmt: skip

    def scores(self):
        """A row for each method, label system and label column.

        Returns
        -------
        `~astropy.table.QTable`
        """
        rows = []
        for k, column, good, left_out in self._pairs():
            values = {"stars": int(good.sum()), "left_out": left_out}
            found = judge(
                _take(self.predictions[k], good),
                label=self.labels[column][good],
                radius=self.radius[good] * u.solRad,
            )
            draws = self._draws(k, column, good)
            for name in SCORES:
                value = getattr(found, name)
                values[name] = value.value if SCORES[name] != u.one else value
                values[f"{name}_low"], values[f"{name}_high"] = float(draws[name].low), float(draws[name].high)
            rows.append(self._who(k, column) | values)
        return _with_units(rows, {f"{name}{end}": unit for name, unit in SCORES.items() for end in _ENDS})

    def classes(self):
        """Precision, recall and F1 of each class.

        Returns
        -------
        `~astropy.table.Table`
        """
        rows = []
        for k, column, good, _ in self._pairs():
            prediction = _take(self.predictions[k], good)
            if np.isnan(prediction.probabilities).all():
                continue
            names = prediction.classes
            found = class_scores(self.labels[column][good], answered_class(prediction), classes=names)
            draws = self._draws(k, column, good)
            for c, name in enumerate(names):
                row = self._who(k, column) | {"class": name, "stars": int(found.support[c])}
                for score in _CLASS_SCORES:
                    row[score] = float(getattr(found, score)[c])
                    row[f"{score}_low"], row[f"{score}_high"] = draws[score].low[c], draws[score].high[c]
                rows.append(row)
        return Table(rows)

    def confusion(self):
        """Stars by true class and answer.

        Returns
        -------
        `~astropy.table.Table`
        """
        rows = []
        for k, column, good, _ in self._pairs():
            prediction = _take(self.predictions[k], good)
            if np.isnan(prediction.probabilities).all():
                continue
            names = prediction.classes
            matrix = confusion_matrix(self.labels[column][good], answered_class(prediction), classes=names)
            draws = self._draws(k, column, good)["confusion"]
            for (i, j), count in np.ndenumerate(matrix):
                support = int((self.labels[column][good] == names[i]).sum())
                share = {"share": count / support if support else np.nan, "share_low": draws.low[i, j],
                         "share_high": draws.high[i, j]}  # fmt: skip
                rows.append(self._who(k, column) | {"truth": names[i], "answer": names[j], "stars": int(count)} | share)
        return Table(rows)

    def _ensembles(self):
        """Numbers of the whole ensembles, in their first label system."""
        first = next(iter(self.labels))
        return [k for k, column, _, _ in self._pairs() if self.contenders[k].kind == "ensemble" and column == first]

    def coverage(self, astrometry):
        """Share of the reference radii in intervals, by class and parallax S/N: `~astropy.table.Table`.

        Parameters
        ----------
        astrometry : `~stellarclass.astrometry.Astrometry`
            Of the N stars.
        """
        groups = {
            "class": next(iter(self.labels.values())),
            "parallax S/N": parallax_bin(astrometry.parallax * u.mas, astrometry.parallax_error * u.mas),
        }
        tables = []
        for k in self._ensembles():
            p = self.predictions[k]
            one_sigma = one_sigma_interval(p.radius * u.solRad, p.radius_err * u.solRad)
            for name, ends in (
                ("radius_err", one_sigma),
                ("radius_lower, radius_upper", (p.radius_lower * u.solRad, p.radius_upper * u.solRad)),
            ):
                table = coverage(self.radius * u.solRad, *ends, groups=groups)
                table.add_column([self.contenders[k].name] * len(table), 0, "method")
                table.add_column([name] * len(table), 1, "interval")
                tables.append(table)
        return vstack(tables)

    def by_snr(self):
        """Uncertainty, spread and error of the radius by S/N in r: `~astropy.table.QTable`.

        ``error`` is the mean absolute error times ``sqrt(pi / 2)``: if errors are normal and uncertainties right, it is
        the mean of ``radius_err``.
        """
        rows = []
        label = next(iter(self.labels.values()))
        for k in self._ensembles():
            p = self.predictions[k]
            right = np.where(label != "", (answered_class(p) == label).astype(float), np.nan)
            values = {"radius_err": p.radius_err, "radius_spread": p.radius_spread, "accuracy": right}
            # Of normal errors the mean absolute one, times this factor, is the mean of their standard deviations.
            values["error"] = np.sqrt(np.pi / 2) * np.abs(p.radius - self.radius)
            for low, high in pairwise(SNR_EDGES):
                inside = (self.snr >= low) & (self.snr < high)
                if not inside.any():
                    continue
                row = {"method": self.contenders[k].name, "snr_low": low, "snr_high": high, "stars": int(inside.sum())}
                for name, value in values.items():
                    row |= _mean(name, value[inside], self.options)
                rows.append(row)
        units = {f"{n}{end}": u.solRad for n in ("radius_err", "radius_spread", "error") for end in _ENDS}
        return _with_units(rows, units)

    def differences(self):
        """The ensemble against each other method, on the same stars: `~astropy.table.Table`.

        ``gain`` is above 0 where the ensemble is better; ``low`` and ``high`` hold 95 % of the draws.
        """
        rows = []
        pairs = {(k, column): good for k, column, good, _ in self._pairs()}
        for (k, column), good in pairs.items():
            if k == self.main or (self.main, column) not in pairs:
                continue
            label = self.labels[column]
            both = good & pairs[self.main, column]
            for score, unit, groups in (
                ("accuracy", "", None),
                ("balanced_accuracy", "", label[both]),
                ("log_loss", "", None),
                ("mae", "solRad", None),
                ("mae_dex", "", None),
                ("mae_percent", "", None),
            ):
                if score.startswith("mae") and self.contenders[k].name == self.contenders[self.main].name:
                    continue  # label systems differ in classes only
                mine, other = (self._each(m, label, score)[both] for m in (self.main, k))
                if (np.isfinite(mine) & np.isfinite(other)).sum() < 2:
                    continue
                # Errors and losses are better where they are smaller.
                first, second = (mine, other) if "accuracy" in score else (other, mine)
                found = paired_bootstrap(first, second, groups=groups, **self.options)
                row = {"label": column, "first": self._title(self.main, k), "second": self._title(k, self.main)}
                row |= {"score": score, "unit": unit, "gain": found.difference, "low": found.low, "high": found.high}
                rows.append(row | {"error": found.error, "p_value": found.p_value, "stars": found.n})
        names = ("label", "first", "second", "score", "unit", "gain", "low", "high", "error", "p_value", "stars")
        return Table(rows) if rows else Table(names=names, dtype=[str] * 5 + [float] * 5 + [int])

    def _title(self, k, other):
        contender = self.contenders[k]
        same = contender.name == self.contenders[other].name
        return f"{contender.name} ({contender.label_system})" if same else contender.name

    def _each(self, k, label, score):
        """Score of each star, NaN where the method has no answer of this kind."""
        p = self.predictions[k]
        if "accuracy" in score:
            mute = np.isnan(p.probabilities).all()
            return np.full(len(label), np.nan) if mute else (answered_class(p) == label).astype(float)
        with np.errstate(invalid="ignore", divide="ignore"):
            if score == "log_loss":
                place = (label[:, None] == np.array(p.classes)).argmax(1)
                return -np.log(p.probabilities[np.arange(len(label)), place].clip(1e-12))
            good = (p.radius > 0) & (self.radius > 0)
            off = {
                "mae": np.abs(p.radius - self.radius),
                "mae_dex": np.abs(np.log10(p.radius / self.radius)),
                "mae_percent": 100 * np.abs(p.radius / self.radius - 1),
            }[score]
        return np.where(good, off, np.nan)

    def stars(self, table, astrometry, *, level):
        """A row for each star: `~astropy.table.QTable`.

        Parameters
        ----------
        table : `~astropy.table.Table`
            Reference table of the N stars, for their names and places.
        astrometry : `~stellarclass.astrometry.Astrometry`
            Of the N stars.
        level : float
            Of the radius interval.
        """
        p = self.predictions[self.main]
        stars = QTable()
        for name in ("objid", "source_id", "ra", "dec"):
            if name in table.colnames:
                stars[name] = table[name]
        for column, name in zip(self.labels, ("label", "second_label"), strict=False):
            stars[name] = MaskedColumn(self.labels[column], mask=self.labels[column] == "")
        stars["radius_reference"] = self.radius * u.solRad
        stars["snr_r"] = self.snr
        stars["parallax"] = astrometry.parallax * u.mas
        stars["parallax_error"] = astrometry.parallax_error * u.mas
        answer = answered_class(p)
        stars["spectral_class"] = MaskedColumn(answer, mask=answer == "")
        for k, name in enumerate(p.classes):
            stars[f"prob_{name.lower()}"] = p.probabilities[:, k]
        sets = ["".join(c for c, inside in zip(p.classes, row, strict=True) if inside) for row in p.class_sets]
        stars["class_set"] = sets
        for name in ("radius", "radius_err", "radius_lower", "radius_upper", "radius_spread"):
            stars[name] = getattr(p, name) * u.solRad
        stars["domain_score"] = p.domain_score
        stars.meta = {"radius_level": level, "label_system": self.contenders[self.main].label_system,
                      "ensemble": self.contenders[self.main].name}  # fmt: skip
        return stars


_ENDS = ("", "_low", "_high")


def _mean(name, values, options):
    known = np.isfinite(values)
    interval = mean_interval(values, **options)
    mean = values[known].mean() if known.any() else np.nan
    return {name: mean, f"{name}_low": float(interval.low), f"{name}_high": float(interval.high)}


def _with_units(rows, units):
    table = QTable(rows)
    for name, unit in units.items():
        if unit != u.one and name in table.colnames:
            table[name] = np.asarray(table[name], float) * unit
    return table


def _take(prediction, rows):
    """The prediction of some of the stars."""
    values = {name: value[rows] for name, value in vars(prediction).items() if name != "classes"}
    return type(prediction)(classes=prediction.classes, **values)
