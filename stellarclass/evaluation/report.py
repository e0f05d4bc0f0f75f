# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The report of an evaluation: one HTML file with all pictures in it, one JSON file with all numbers, and tables."""

import json
from pathlib import Path

import numpy as np

from ..tables import write_table
from . import report_figures as figures
from .page import Page, with_interval
from .truth import class_column

__all__ = ["HTML_NAME", "JSON_NAME", "numbers", "text_table", "write_report"]

HTML_NAME, JSON_NAME = "report.html", "evaluation.json"
"""Names of the files."""

_CLASS_COLUMNS = {
    "accuracy": ("Accuracy", ".3f"),
    "balanced_accuracy": ("Balanced accuracy", ".3f"),
    "within_one_class": ("Within one class", ".3f"),
    "log_loss": ("Log loss", ".3f"),
    "ece": ("ECE", ".3f"),
}
_RADIUS_COLUMNS = {
    "mae": ("MAE (R☉)", ".3f"),
    "mae_dex": ("MAE (dex)", ".3f"),
    "mae_percent": ("MAE (%)", ".1f"),
    "sigma": ("σ (R☉)", ".3f"),
    "sigma_dex": ("σ (dex)", ".3f"),
    "sigma_percent": ("σ (%)", ".1f"),
    "robust_sigma_dex": ("robust σ (dex)", ".3f"),
    "coverage_68": ("in ±1σ", ".3f"),
    "coverage_90": ("in interval", ".3f"),
    "answered": ("answered", ".3f"),
}
_GAINS = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "log_loss": "log loss",
    "mae": "MAE (R☉)",
    "mae_dex": "MAE (dex)",
    "mae_percent": "MAE (%)",
}


def numbers(evaluation):
    """Everything that was measured, ready for JSON.

    Parameters
    ----------
    evaluation : `~stellarclass.evaluation.evaluate.Evaluation`

    Returns
    -------
    dict
        ``meta``, and each table but that of single stars as a list of rows; what is not known is None. ``units`` are
        those of the columns that have one.
    """
    content = {"meta": evaluation.meta, "units": {}}
    for name in evaluation.TABLES:
        if name == "stars":
            continue
        table = getattr(evaluation, name)
        columns = {}
        for column in table.colnames:
            unit = getattr(table[column], "unit", None)
            values = table[column].value if unit is not None else np.asarray(table[column])
            if unit is not None and str(unit):
                content["units"].setdefault(name, {})[column] = str(unit)
            columns[column] = [_json_value(value) for value in values.tolist()]
        content[name] = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    return content


def _json_value(value):
    if not isinstance(value, float):
        return value
    return round(value, 6) if np.isfinite(value) else None


def _rows_of_label(table, column):
    return [row for row in table if row["label"] == column]


def _who(row, evaluation):
    """Name of a method, with its label system where that is not the one that all are judged in."""
    usual = evaluation.stars.meta["label_system"]
    return row["method"] if row["label_system"] == usual else f"{row['method']} (as {row['label_system']})"


def _cells(row, columns):
    return [with_interval(_plain(row[n]), _plain(row[f"{n}_low"]), _plain(row[f"{n}_high"]), form=form)
            for n, (_, form) in columns.items()]  # fmt: skip


def _plain(value):
    return float(getattr(value, "value", value))


def text_table(evaluation):
    """Summarize in a few lines.

    Parameters
    ----------
    evaluation : `~stellarclass.evaluation.evaluate.Evaluation`

    Returns
    -------
    list of str
    """
    columns = ("accuracy", "balanced_accuracy", "ece", "mae", "mae_dex", "sigma", "coverage_68", "coverage_90")
    head = ("", "stars", "accuracy", "balanced", "ECE", "MAE [R_sun]", "MAE [dex]", "sigma [R_sun]", "68 %", "90 %")
    lines = []
    for column in dict.fromkeys(evaluation.scores["label"].tolist()):
        rows = [(f"against {column}", *head[1:])]
        for row in _rows_of_label(evaluation.scores, column):
            values = (_plain(row[name]) for name in columns)
            cells = (f"{v:.4f}" if n == "mae_dex" else f"{v:.3f}" for n, v in zip(columns, values, strict=True))
            rows.append((_who(row, evaluation), str(row["stars"]), *(c.replace("nan", "-") for c in cells)))
        widths = [max(len(row[k]) for row in rows) for k in range(len(head))]
        lines += ["  ".join(f"{c:<{w}}" if k == 0 else f"{c:>{w}}" for k, (c, w) in
                  enumerate(zip(row, widths, strict=True))).rstrip() for row in rows]  # fmt: skip
        lines.append("")
    return lines[:-1]


def write_report(evaluation, folder, *, star=None):
    """Write the tables, the numbers and the page.

    Parameters
    ----------
    evaluation : `~stellarclass.evaluation.evaluate.Evaluation`
    folder : path-like
        Made if there is none; files of the same names in it are replaced.
    star : int, optional
        Row of the reference set whose pixels are shown; by default a well-seen M star.

    Returns
    -------
    list of `~pathlib.Path`
        The page, the JSON file, the tables.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / HTML_NAME, folder / JSON_NAME]
    for name in evaluation.TABLES:
        paths.append(folder / f"{name}.ecsv")
        write_table(getattr(evaluation, name), paths[-1], overwrite=True)
    paths[1].write_text(json.dumps(numbers(evaluation), indent=1, allow_nan=False, default=str) + "\n", "utf-8")
    paths[0].write_text(_page(evaluation, star).html(), "utf-8")
    return paths


def _page(evaluation, star):
    meta = evaluation.meta
    page = Page(f"{evaluation.stars.meta['ensemble']} on {meta['stars']} reference stars")
    _opening(page, evaluation)
    _classes(page, evaluation)
    _radii(page, evaluation)
    _comparisons(page, evaluation)
    _sample(page, evaluation, star)
    page.section("How it was made")
    page.facts({k: _words(v) for k, v in meta.items()})
    return page


def _words(value):
    if isinstance(value, dict):
        return "; ".join(f"{k}: {_words(v)}" for k, v in value.items())
    return "–" if value in (None, "") else str(value)


def _opening(page, evaluation):
    meta = evaluation.meta
    if meta["simulated"]:
        page.text("The stars of this reference set are simulated: labels, radii, pixels and astrometry.", kind="banner")
    if meta["rows"] != "test":
        page.text(
            f"Judged on rows '{meta['rows']}': whatever was trained on some of them has seen the answers.",
            kind="banner",
        )
    page.text(
        f"{meta['stars']} stars. Small numbers are intervals that hold {100 * meta['interval']:.0f} % of "
        f"{meta['resamples']} bootstrap draws of these stars: what scores would be for other stars of the same kind."
    )


def _classes(page, evaluation):
    page.section("Spectral classes")
    for column in dict.fromkeys(evaluation.scores["label"].tolist()):
        rows = [row for row in _rows_of_label(evaluation.scores, column) if np.isfinite(row["accuracy"])]
        page.heading(f"Against {column}")
        left_out = max((row["left_out"] for row in rows), default=0)
        note = f" {left_out} stars with other labels are left out." if left_out else ""
        page.table(
            ("Method", "Stars", *(title for title, _ in _CLASS_COLUMNS.values())),
            [(_who(row, evaluation), str(row["stars"]), *_cells(row, _CLASS_COLUMNS)) for row in rows],
            note="ECE is the expected calibration error in 15 bins; log loss in nats." + note,
        )
    page.figure(
        figures.figure_confusion(evaluation),
        alt="Confusion matrices",
        caption="Confusion matrices of the ensemble (Fig. 3 of Deng et al. 2024): stars, and their share of the label.",
    )
    page.heading("Each class")
    table = evaluation.classes
    mine = [row for row in table if row["method"] == evaluation.stars.meta["ensemble"]]
    scores = {name: (name, ".3f") for name in ("precision", "recall", "f1")}
    page.table(
        ("Label", "Answers as", "Class", "Stars", "Precision", "Recall", "F1"),
        [(row["label"], row["label_system"], row["class"], str(row["stars"]), *_cells(row, scores)) for row in mine],
    )


def _radii(page, evaluation):
    page.section("Radii")
    column = evaluation.meta["label_column"]
    rows = [row for row in _rows_of_label(evaluation.scores, column) if np.isfinite(_plain(row["mae"]))]
    if not rows:
        page.text("No reference radius is known.")
        return
    page.table(
        ("Method", *(title for title, _ in _RADIUS_COLUMNS.values())),
        [(_who(row, evaluation), *_cells(row, _RADIUS_COLUMNS)) for row in rows],
        note=(
            f"Against {evaluation.meta['radius_column']}. MAE: mean absolute error; σ: standard deviation of answer "
            "minus reference; each in solar radii, in dex and in per cent of the reference. Coverage: share of "
            "reference radii within radius ± radius_err (68.3 % is meant) and between radius_lower and radius_upper "
            f"({100 * evaluation.stars.meta['radius_level']:.0f} % is meant); errors of the reference itself count."
        ),
    )
    page.figure(
        figures.figure_radius(evaluation),
        alt="Radii against the reference, residuals, and uncertainty against signal-to-noise ratio",
        caption=(
            "Above: radius minus reference, in solar radii and in dex; outermost bins hold what lies beyond. Below: "
            "radius against reference; mean predicted uncertainty, mean spread between the members and error against "
            "the S/N of the r-band image (Fig. 4 of Deng et al. 2024). The error is 1.25 times the mean absolute one, "
            "which is the mean uncertainty if errors are normal and the uncertainty is right."
        ),
    )
    table = evaluation.by_snr
    columns = {name: (name, ".3f") for name in ("radius_err", "radius_spread", "error", "accuracy")}
    page.table(
        ("Ensemble", "S/N in r", "Stars", "Uncertainty (R☉)", "Spread (R☉)", "Error (R☉)", "Accuracy"),
        [
            (row["method"], _range(row["snr_low"], row["snr_high"]), str(row["stars"]), *_cells(row, columns))
            for row in table
        ],
    )
    page.heading("Coverage")
    cells = {}
    for row in evaluation.coverage:
        if row["n"]:
            group = f"{row['by']} {row['group']}" if row["by"] != "all" else "all"
            share = f"{row['coverage']:.3f}", f"± {row['error']:.3f}"
            cells.setdefault((row["method"], group, str(row["n"])), []).append(share)
    page.table(
        ("Ensemble", "Stars", "Number", "in radius ± radius_err", "in radius_lower to radius_upper"),
        [(*names, *shares) for names, shares in cells.items()],
        note="± is what the number of stars allows, by the binomial law.",
    )
    calibration = figures.figure_calibration(evaluation)
    if calibration is not None:
        page.figure(
            calibration,
            alt="Reliability of the probabilities and coverage of the intervals",
            caption="How often an answer is right against how probable it is said to be; share of reference radii "
            "inside intervals of every level. On the diagonal an answer is what it says.",
        )


def _range(low, high):
    return f"> {low:g}" if np.isinf(high) else f"{low:g}–{high:g}"


def _comparisons(page, evaluation):
    page.section("Side by side")
    table = evaluation.differences
    if not len(table):
        page.text("Nothing was set beside the ensemble.")
        return
    for label in (evaluation.meta["label_column"], evaluation.meta["second_label"]):
        chosen = [row for row in table if row["label"] == label]
        rows = []
        for first, second in dict.fromkeys((row["first"], row["second"]) for row in chosen):
            found = {row["score"]: row for row in chosen if (row["first"], row["second"]) == (first, second)}
            rows.append((second, *(_gain(found.get(score)) for score in _GAINS)))
        if rows:
            page.heading(f"{evaluation.stars.meta['ensemble']} against others, by {label}")
            page.table(
                ("against", *_GAINS.values()),
                rows,
                note=(
                    "What the ensemble gains on the same stars, positive where it is the better one: difference, its "
                    f"interval, and the two-sided p value of a paired bootstrap, which is not below "
                    f"{1 / (evaluation.meta['resamples'] + 1):.3f}. MAE is of the stars that both answer."
                ),
            )


def _gain(row):
    if row is None:
        return "–"
    form = "+.1f" if row["score"] == "mae_percent" else "+.3f"
    return f"{row['gain']:{form}}", f"{row['low']:{form}} to {row['high']:{form}}", f"p {row['p_value']:.3f}"


def _sample(page, evaluation, star):
    reference = evaluation.reference
    page.section("The reference set")
    sample = figures.figure_sample(evaluation)
    if sample is not None:
        page.figure(
            sample,
            alt="Distributions of parallax, proper motion and radius, and the color-magnitude diagram",
            caption=f"All {len(reference)} stars of the set, training and test (Fig. 1 of Deng et al. 2024).",
        )
    rows, shown = _examples(evaluation, star)
    practice = figures.Practice.of(evaluation.ensembles[0])
    page.figure(
        figures.figure_composites(reference, rows, practice),
        alt="Two composites of each of some stars",
        caption="What the paper's network sees: both composites of one star of each class (Fig. A1).",
    )
    page.figure(
        figures.figure_roi(reference, shown),
        alt="Region of interest on the r band",
        caption="The region of interest on the r band, first box and last, by both rules (Fig. A2).",
    )
    page.figure(
        figures.figure_augmentation(reference, shown, practice),
        alt="Augmented images of a star",
        caption="The augmentations of the training set, alike on both composites (Fig. A3).",
    )
    if len(reference.rows("train")) >= _FEWEST_TRAINING:
        page.figure(
            figures.figure_set_classes(reference, practice),
            alt="Classes in the weighted sets",
            caption=f"Classes in the weighted sets of {practice.sampling.draws} draws from the training stars of this "
            "reference set: training filled, validation hatched; lines are what the formula means (Fig. A4).",
        )
        page.figure(
            figures.figure_set_values(reference, practice, radius_column=evaluation.meta["radius_column"]),
            alt="Parallax, proper motion and radius in the weighted sets",
            caption="Values in these sets: median, middle half, 5 to 95 % (Fig. A5).",
        )
    if evaluation.losses is not None:
        page.figure(
            figures.figure_losses(evaluation.losses),
            alt="Losses of the members by epoch",
            caption=f"How the members of {evaluation.stars.meta['ensemble']} were trained: loss on the training set "
            "and on the stars kept back (Fig. A6).",
        )


_FEWEST_TRAINING = 50


def _examples(evaluation, star):
    """One well-seen star of each class, and the one that single pictures show."""
    classes = class_column(evaluation.reference.table, evaluation.meta["label_column"])[evaluation.rows]
    rows = []
    for name in dict.fromkeys(evaluation.ensembles[0].classes):
        inside = np.flatnonzero(classes == name)
        if len(inside):
            seen = np.nan_to_num(evaluation.stars["snr_r"][inside], nan=-1)
            rows.append(int(evaluation.rows[inside[np.argsort(-seen, kind="stable")[len(seen) // 4]]]))
    return rows, rows[-1] if star is None else int(star)
