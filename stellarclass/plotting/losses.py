# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""How the losses of an ensemble's members fell while it was trained."""

import numpy as np

from ._style import CLASS_COLORS, UNKNOWN_COLOR, current_axes

__all__ = ["plot_losses"]

_FIRST = "0.15"
_SPARE = (("0.15", "--"), ("0.5", "-"), ("0.6", "-."), ("0.3", ":"), ("0.7", "--"), ("0.5", (0, (6, 2, 1, 2, 1, 2))))


def plot_losses(table, *, column="train", ax=None):
    """Draw the loss of each member against the epoch, as in Fig. A6 of Deng et al. (2024).

    Members that favor a class have its color; the balanced one is black. Those without a class are shades of gray, and
    dashed in ways of their own.

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
    spare = iter(_SPARE)
    for name in dict.fromkeys(names.tolist()):
        chosen = names == name
        color, dashes = CLASS_COLORS.get(name, _FIRST), "-"
        if name not in CLASS_COLORS and name != "Base":
            color, dashes = next(spare, (UNKNOWN_COLOR, "-"))
        epochs, losses = (np.asarray(table[key])[chosen] for key in ("epoch", column))
        ax.plot(epochs, losses, color=color, linestyle=dashes, lw=1.2, label=name)
    ax.set_xlabel("Epoch")
    ax.set_ylabel({"train": "Training loss", "validation": "Validation loss"}.get(column, f"Validation loss: {column}"))
    if len(table):
        ax.legend(frameon=False, fontsize="small")
    return ax
