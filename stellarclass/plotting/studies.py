# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Scores of the variants of a study, with the spread of their seeds."""

import numpy as np
from astropy import units as u

from ._style import CLASS_COLORS

__all__ = ["plot_study"]

_PANELS = (
    ("accuracy", "Accuracy", CLASS_COLORS["A"], "o"),
    ("macro_f1", "Macro F1", CLASS_COLORS["G"], "D"),
    ("mae", r"Radius MAE [$R_\odot$]", CLASS_COLORS["M"], "s"),
    ("mae_dex", "Radius MAE [dex]", CLASS_COLORS["K"], "^"),
)


def plot_study(summary, *, ordered=False, figure=None):
    """Draw accuracy, F1 and radius errors of each variant, as Figure 5 of Deng et al. (2024) does for resolutions.

    Parameters
    ----------
    summary : `~astropy.table.Table`
        ``variant``, and ``accuracy``, ``macro_f1``, ``mae`` [solRad], ``mae_dex``, each with a column ``..._spread``:
        the attribute ``summary`` of `stellarclass.evaluation.studies.Study`.
    ordered : bool
        The variants are numbers, to be drawn along a logarithmic axis and joined by a line; else each has a line of
        its own.
    figure : `~matplotlib.figure.Figure`, optional
        Where to draw; a new one if not given.

    Returns
    -------
    `~matplotlib.figure.Figure`
    """
    from matplotlib.figure import Figure

    names = [str(name) for name in summary["variant"]]
    if figure is None:
        size = (7.2, 5.2) if ordered else (8.0, 1.6 + 0.42 * len(names))
        figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(2, 2, sharex=True) if ordered else figure.subplots(1, 4, sharey=True)
    for ax, (name, title, color, marker) in zip(np.ravel(axes), _PANELS, strict=True):
        value, spread = _plain(summary[name]), np.nan_to_num(_plain(summary[f"{name}_spread"]))
        style = {"color": color, "marker": marker, "capsize": 3, "markersize": 5}
        if ordered:
            size = np.array([float(n) for n in names])
            ax.errorbar(size, value, yerr=spread, lw=1.2, **style)
            ax.set_xscale("log", base=2)
            ax.set_xticks(size, names)
            ax.set_ylabel(title)
        else:
            place = np.arange(len(names))[::-1]
            ax.errorbar(value, place, xerr=spread, ls="none", **style)
            ax.set_yticks(place, names)
            ax.set_xlabel(title)
            ax.grid(axis="y", color="0.9")
            ax.locator_params(axis="x", nbins=4)
    if ordered:
        for ax in axes[1]:
            ax.set_xlabel("Image side [pixel]")
    return figure


def _plain(column):
    return np.asarray(column.to_value(u.solRad) if getattr(column, "unit", None) else column, float)
