# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""How the losses of an ensemble's members fell while it was trained."""

import numpy as np

from ._style import CLASS_COLORS, UNKNOWN_COLOR, current_axes

__all__ = ["plot_losses"]

_FIRST = "0.15"


def plot_losses(table, *, column="train", ax=None):
    """Draw the loss of each member against the epoch, as in Fig. A6 of Deng et al. (2024).

    Members that favor a class have its color; the balanced one is black.

    Parameters
    ----------
    table : `~astropy.table.Table`
        Columns ``member``, ``epoch`` and losses: the ``losses.ecsv`` that ``stellarclass train`` leaves beside the
        weights.
    column : str, optional
        Which loss: ``"train"``, ``"validation"`` or one of the parts of the latter, such as ``"classes"`` and
        ``"radius"``.
    ax : `~matplotlib.axes.Axes`, optional
        Where to draw; the current axes if not given.

    Returns
    -------
    `~matplotlib.axes.Axes`

    Raises
    ------
    ValueError
        If the table has no such column.
    """
    for name in ("member", "epoch", column):
        if name not in table.colnames:
            raise ValueError(f"the table has no column {name!r}; it has {', '.join(table.colnames)}")
    ax = current_axes(ax)
    names = np.asarray(table["member"]).astype(str)
    spare = iter(["0.15", "0.4", "0.55", "0.7", "0.8"])
    for name in dict.fromkeys(names.tolist()):
        chosen = names == name
        color = CLASS_COLORS.get(name) or (_FIRST if name == "Base" else next(spare, UNKNOWN_COLOR))
        ax.plot(np.asarray(table["epoch"])[chosen], np.asarray(table[column])[chosen], color=color, lw=1.2, label=name)
    ax.set_xlabel("Epoch")
    ax.set_ylabel({"train": "Training loss", "validation": "Validation loss"}.get(column, f"Validation loss: {column}"))
    if len(table):
        ax.legend(frameon=False, fontsize="small")
    return ax
