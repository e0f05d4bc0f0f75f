# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What a study found: scores of each variant with the scatter of its seeds, and paired tests between variants."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from astropy import units as u
from astropy.table import QTable
from scipy import stats

from .. import __version__
from ..exceptions import InputError
from ..physics import CLASSES
from ..plotting.studies import plot_study
from ..reference.sets import ReferenceSet
from ..training.study import default_variants, read_answers, run_cells, study_cells
from .paired import paired_bootstrap
from .scores import answered_class, judge

__all__ = ["BASELINES", "Study", "run_study"]

BASELINES = {"inputs": "image", "bands": "gri+urz", "resolution": "64"}
"""The variant of each study that the others are compared with."""

_FURTHER = {"inputs": "image + parallax"}
"""A variant that those after it are compared with besides: does proper motion add to parallax?"""

_GAINS = {"accuracy": "accuracy", "mae": "MAE [R_sun]", "radius": "MAE [dex]"}

_SCORES = ("accuracy", "macro_f1", "mae", "mae_dex", "mae_percent", "sigma")


@dataclass(frozen=True)
class Study:
    """Results of a study.

    Attributes
    ----------
    name : str
        Key of `stellarclass.training.study.STUDIES`.
    cells : `~astropy.table.QTable`
        A row for each variant and seed: ``variant``, ``seed``, ``accuracy``, ``macro_f1``, ``f1_a`` ... ``f1_m``,
        ``mae`` and ``sigma`` [solRad], ``mae_dex``, ``mae_percent``.
    summary : `~astropy.table.QTable`
        A row for each variant: the means over its seeds, and with the suffix ``_spread`` their standard deviation
        (of one seed; NaN if there is one only).
    pairs : `~astropy.table.QTable`
        Each variant against the baseline, and in ``inputs`` all further ones against parallax: gain in accuracy
        (``accuracy_gain``), decrease of the radius error in solar radii (``mae_gain``) and in dex (``radius_gain``).
        Each has its standard error over the seeds (``_seed_error``; same seed, same validation stars), the two-sided p
        value of a paired t test over the seeds (``_seed_p``: would other seeds find it?) and that of a paired
        bootstrap over the test stars (``_p``: would other stars?).
    meta : dict
        Configuration, reference set, date, version.
    """

    name: str
    cells: QTable
    summary: QTable
    pairs: QTable
    meta: dict

    def text(self):
        """The summary and the tests as plain text.

        Returns
        -------
        str
        """
        lines = [
            f"stellarclass study {self.name}, {self.meta['date']}, configuration {self.meta['config']}, "
            f"{self.meta['members']} network(s) a cell, {self.meta['epochs']} epochs, width {self.meta['width']:g}",
            f"{'SIMULATED ' if self.meta['simulated'] else ''}reference set of {self.meta['stars']} stars, "
            f"{self.meta['test_stars']} of them to test on; ± is the spread of {self.meta['seeds']} seeds",
            "",
        ]
        head = ["", "accuracy", *(f"F1 {c}" for c in CLASSES), "MAE [R_sun]", "MAE [dex]", "MAE [%]", "sigma [R_sun]"]
        rows = [head]
        radius = (("mae", ".3f"), ("mae_dex", ".4f"), ("mae_percent", ".1f"), ("sigma", ".3f"))
        for row in self.summary:
            f1 = [f"{row[f'f1_{c.lower()}']:.3f}" for c in CLASSES]
            errors = [_pm(row, name, form) for name, form in radius]
            rows.append([str(row["variant"]), _pm(row, "accuracy", ".3f"), *f1, *errors])
        lines += _columns(rows)
        for against in dict.fromkeys(self.pairs["against"].tolist()):
            lines += ["", f"Gain over {against!r}: standard error and p over the seeds, p over the test stars"]
            rows = [["", *(word for head in _GAINS.values() for word in (head, "p", "p"))]]
            for row in self.pairs[self.pairs["against"] == against]:
                cells = [str(row["variant"])]
                for what in _GAINS:
                    cells.append(f"{row[f'{what}_gain']:+.4f} ±{row[f'{what}_seed_error']:.4f}")
                    cells += [_p_value(row[f"{what}_{p}"]) for p in ("seed_p", "p")]
                rows.append(cells)
            lines += _columns(rows)
        return "\n".join(lines) + "\n"

    def write(self, folder):
        """Write ``cells.ecsv``, ``summary.ecsv``, ``pairs.ecsv``, ``study.txt`` and ``study.png``.

        Parameters
        ----------
        folder : path-like
            Made if it is not there; files of the same names are replaced.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("cells", "summary", "pairs"):
            getattr(self, name).write(folder / f"{name}.ecsv", format="ascii.ecsv", overwrite=True)
        (folder / "study.txt").write_text(self.text())
        plot_study(self.summary, ordered=self.name == "resolution").savefig(folder / "study.png", dpi=150)


def run_study(
    study, config, reference, *, folder, seeds=3, variants=None, members=None, processes=1, device="cpu", progress=None
):
    """Run a study, or go on where it was interrupted.

    Parameters
    ----------
    study : {"inputs", "bands", "resolution"}
        Table 2, Table A1 or Figure 5 of Deng et al. (2024).
    config : `~stellarclass.training.config.MescrConfig`
        What all variants have in common.
    reference : path-like
        Folder of a `~stellarclass.reference.ReferenceSet`. Learned from its training stars, judged on its test stars.
    folder : path-like
        For the cells.
    seeds, members
        See `stellarclass.training.study.study_cells`.
    variants : sequence of str, optional
        By default `stellarclass.training.study.default_variants`.
    processes : int
        Cells at a time.
    device : str
        Where to train.
    progress : callable, optional
        Called with the number of cells done.

    Returns
    -------
    Study

    Raises
    ------
    stellarclass.exceptions.InputError
        If something is unknown, there are fewer than two test stars, or the folder holds another study's cells.
    """
    known = ReferenceSet.read(reference)
    variants = default_variants(study, known) if variants is None else variants
    cells = study_cells(study, config, folder=folder, seeds=seeds, variants=variants, members=members)
    rows = known.rows("test")
    if len(rows) < 2:
        raise InputError(f"{len(rows)} test stars in {reference}; a study needs some hundred to tell anything")
    run_cells(cells, reference, processes=processes, device=device, progress=progress)
    return _study(study, cells, known, rows)


def _study(study, cells, reference, rows):
    truth = reference.table[rows]
    label = np.asarray(truth["spectral_class"]).astype(str)
    radius = truth["radius"]
    radius = getattr(radius, "filled", lambda _: radius)(np.nan)
    answers = [read_answers(cell) for cell in cells]
    table = QTable(rows=[_row(c, judge(a, label=label, radius=radius)) for c, a in zip(cells, answers, strict=True)])
    names = list(dict.fromkeys(c.variant for c in cells))
    good = {what: {n: [] for n in names} for what in _GAINS}  # star by star, the more the better
    known = radius.to_value(u.solRad)
    for cell, answer in zip(cells, answers, strict=True):
        good["accuracy"][cell.variant].append((answered_class(answer) == label).astype(float))
        good["mae"][cell.variant].append(-np.abs(answer.radius - known))
        with np.errstate(invalid="ignore", divide="ignore"):
            good["radius"][cell.variant].append(-np.abs(np.log10(answer.radius / known)))
    config = cells[0].config
    meta = {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "version": __version__,
        "config": config.name,
        "members": len(config.sampling.members),
        "epochs": config.training.epochs,
        "width": config.network.width,
        "seeds": max(c.seed for c in cells),
        "stars": len(reference),
        "test_stars": len(rows),
        "simulated": bool(reference.table.meta.get("simulated")),
    }
    for each in (table, summary := _summary(table, names), pairs := _pairs(study, names, good)):
        each.meta = dict(meta)
    return Study(study, table, summary, pairs, meta)


def _row(cell, scores):
    row = {"variant": cell.variant, "seed": cell.seed, "accuracy": scores.accuracy, "macro_f1": scores.f1.mean()}
    row |= {f"f1_{c.lower()}": float(v) for c, v in zip(CLASSES, scores.f1, strict=True)}
    return row | {name: getattr(scores, name) for name in ("mae", "mae_dex", "mae_percent", "sigma")}


def _summary(cells, names):
    rows = []
    for name in names:
        own = cells[cells["variant"] == name]
        row = {"variant": name}
        for column in cells.colnames[2:]:
            row[column] = own[column].mean()
            if column in _SCORES:
                row[f"{column}_spread"] = own[column].std(ddof=1) if len(own) > 1 else own[column][0] * np.nan
        rows.append(row)
    return QTable(rows=rows)


def _pairs(study, names, good):
    further = _FURTHER.get(study)
    after = names[names.index(further) + 1 :] if further in names else []
    compared = [(BASELINES[study], n) for n in names if n != BASELINES[study]] if BASELINES[study] in names else []
    rows = []
    for against, name in [*compared, *((further, n) for n in after)]:
        row = {"variant": name, "against": against}
        for what, answers in good.items():
            mine, theirs = answers[name], answers[against]
            found = paired_bootstrap(np.mean(mine, axis=0), np.mean(theirs, axis=0), seed=1)
            by_seed = np.array([np.nanmean(a) - np.nanmean(b) for a, b in zip(mine, theirs, strict=True)])
            row |= {f"{what}_gain": found.difference, f"{what}_p": found.p_value}
            row |= dict(zip((f"{what}_seed_error", f"{what}_seed_p"), _over_seeds(by_seed), strict=True))
        rows.append(row)
    columns = ["variant", "against", *(f"{w}_{k}" for w in good for k in ("gain", "p", "seed_error", "seed_p"))]
    return QTable(rows=rows) if rows else QTable(names=columns, dtype=[str, str, *[float] * 4 * len(good)])


def _over_seeds(gains):
    """Standard error of a mean gain, and the two-sided p value of the t test that it is none; NaN of a single seed."""
    if len(gains) < 2:
        return np.nan, np.nan
    error = gains.std(ddof=1) / np.sqrt(len(gains))
    if not error:
        return error, float(not gains.any())
    return error, 2 * stats.t.sf(abs(gains.mean() / error), len(gains) - 1)


def _pm(row, name, form):
    value, spread = (getattr(row[n], "value", row[n]) for n in (name, f"{name}_spread"))
    return f"{value:{form}} ±{spread:{form}}"


def _p_value(p):
    return "<0.0001" if p < 5e-5 else f"{p:.4f}"


def _columns(rows):
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [c.ljust(w) if k == 0 else c.rjust(w) for k, (c, w) in enumerate(zip(row, widths, strict=True))]
        lines.append("  ".join(cells).rstrip())
    return lines
