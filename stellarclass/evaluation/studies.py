# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What a study found: scores of each variant with the scatter of its seeds, and paired tests between variants."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from astropy import units as u
from astropy.table import QTable

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
        Each variant against the baseline: gain in accuracy (``accuracy_gain``) and decrease of the radius error in dex
        (``radius_gain``), each with its standard error over the seeds (``_seed_error``; same seed, same validation
        stars) and the two-sided p value of a paired bootstrap over the test stars (``_p``).
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
        against = f"Gain over {BASELINES[self.name]!r}, standard error over the seeds, and p over the test stars:"
        lines += [*_columns(rows), "", against]
        rows = [["", "accuracy", "p", "MAE [dex]", "p"]]
        for row in self.pairs:
            rows.append([
                str(row["variant"]),
                f"{row['accuracy_gain']:+.4f} ±{row['accuracy_seed_error']:.4f}",
                f"{row['accuracy_p']:.4f}",
                f"{row['radius_gain']:+.4f} ±{row['radius_seed_error']:.4f}",
                f"{row['radius_p']:.4f}",
            ])  # fmt: skip
        return "\n".join([*lines, *_columns(rows)]) + "\n"

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
    right = {n: [] for n in names}
    error = {n: [] for n in names}
    for cell, answer in zip(cells, answers, strict=True):
        right[cell.variant].append((answered_class(answer) == label).astype(float))
        with np.errstate(invalid="ignore", divide="ignore"):
            error[cell.variant].append(np.abs(np.log10(answer.radius / radius.to_value(u.solRad))))
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
    for each in (table, summary := _summary(table, names), pairs := _pairs(names, right, error, BASELINES[study])):
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


def _pairs(names, right, error, baseline):
    rows = []
    for name in names if baseline in names else ():
        if name == baseline:
            continue
        row = {"variant": name}
        for what, mine, theirs in (
            ("accuracy", right[name], right[baseline]),
            ("radius", error[baseline], error[name]),
        ):
            found = paired_bootstrap(np.mean(mine, axis=0), np.mean(theirs, axis=0), seed=1)
            by_seed = [np.nanmean(a) - np.nanmean(b) for a, b in zip(mine, theirs, strict=True)]
            spread = np.std(by_seed, ddof=1) / np.sqrt(len(by_seed)) if len(by_seed) > 1 else np.nan
            row |= {f"{what}_gain": found.difference, f"{what}_seed_error": spread, f"{what}_p": found.p_value}
        rows.append(row)
    columns = ["variant", *(f"{w}_{k}" for w in ("accuracy", "radius") for k in ("gain", "seed_error", "p"))]
    return QTable(rows=rows) if rows else QTable(names=columns, dtype=[str, *[float] * 6])


def _pm(row, name, form):
    value, spread = (getattr(row[n], "value", row[n]) for n in (name, f"{name}_spread"))
    return f"{value:{form}} ±{spread:{form}}"


def _columns(rows):
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [c.ljust(w) if k == 0 else c.rjust(w) for k, (c, w) in enumerate(zip(row, widths, strict=True))]
        lines.append("  ".join(cells).rstrip())
    return lines
