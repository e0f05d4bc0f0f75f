# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Which class a survey would print on a star: P(label | colors), one model per label system.

A spectral class is a class *of a system*: SDSS's pipeline, LAMOST's and a temperature scale disagree for a tenth to a
half of all F, G and K stars. The simulated sky therefore knows its stars' true colors first and asks a label system
for the class second.
"""

import json
from functools import cache
from importlib import resources

import numpy as np

from ..physics import CLASSES, _bp_rp, _class_index

__all__ = ["LABEL_SYSTEMS", "color_features", "label_probabilities", "label_scores"]

LABEL_SYSTEMS = {
    "sdss": "Class of the SDSS spectroscopic pipeline (subclass)",
    "lamost": "Class of the LAMOST spectroscopic pipeline (subclass)",
    "pecaut_mamajek": "Class of the observed BP-RP on the dwarf sequence of Pecaut & Mamajek (2013)",
}
"""Label systems that the simulated sky speaks, with their meaning."""

_KNOTS = np.linspace(-0.4, 2.5, 30)


def color_features(colors):
    """What a label map sees of a star: steps along g-i, and combinations of colors that pipelines' classes hinge on.

    Parameters
    ----------
    colors : ndarray, shape (N, 4)
        u-g, g-r, r-i, i-z in mag.

    Returns
    -------
    ndarray, shape (N, 39)
    """
    u_g, g_r, r_i, i_z = np.moveaxis(np.clip(np.asarray(colors, float), -1, 4), -1, 0)
    g_i = g_r + r_i
    u_g = np.clip(u_g, 0, 2.6) - 1.1
    hot = _sigmoid(10 * (1 - g_i))
    shapes = [
        g_i,
        hot,
        3 * hot * u_g,
        6 * hot * u_g * (g_i - 0.4),
        4 * hot * u_g**2,
        15 * hot * (g_r - 0.74 * g_i),
        10 * hot * (i_z - 0.05),
        5 * (i_z - 0.15 * g_i),
        2 * u_g * _sigmoid(5 * (g_i - 0.8)),
    ]
    return np.concatenate([_sigmoid(15 * (g_i[..., None] - _KNOTS)), np.stack(shapes, axis=-1)], axis=-1)


def label_scores(colors, members):
    """Mean class probabilities of small networks.

    Parameters
    ----------
    colors : ndarray, shape (N, 4)
        u-g, g-r, r-i, i-z in mag.
    members : sequence of sequence of ndarray
        Weights and biases of the three layers of each network.

    Returns
    -------
    ndarray, shape (N, 5)
        Rows sum to 1.
    """
    features = color_features(colors)
    total = 0.0
    for w1, b1, w2, b2, w3, b3 in members:
        hidden = _silu(features @ np.transpose(w1) + b1)
        hidden = hidden + _silu(hidden @ np.transpose(w2) + b2)
        scores = hidden @ np.transpose(w3) + b3
        p = np.exp(scores - scores.max(-1, keepdims=True))
        total = total + p / p.sum(-1, keepdims=True)
    return total / len(members)


def _sigmoid(x):
    return 0.5 * (1 + np.tanh(0.5 * x))


def _silu(x):
    return x * _sigmoid(x)


@cache
def _members(label_system):
    table = json.loads(resources.files(__package__).joinpath(f"tables/{label_system}_label_map.json").read_text())
    return [[np.array(w) for w in weights] for weights in table["members"]]


def label_probabilities(colors, *, label_system):
    """Probability that a label system gives a star of these colors each class.

    Parameters
    ----------
    colors : ndarray, shape (N, 4)
        Observed (reddened, noise-free) u-g, g-r, r-i, i-z in mag.
    label_system : {"sdss", "lamost", "pecaut_mamajek"}
        Name of the system; see `LABEL_SYSTEMS`.

    Returns
    -------
    ndarray, shape (N, 5)
        Probabilities of A, F, G, K and M; rows sum to 1.

    Raises
    ------
    ValueError
        If the system is unknown.

    Notes
    -----
    ``sdss`` and ``lamost`` are means of three small networks on the colors, fitted to real labels by
    ``stellarclass.training.label_map``; their tables name the data and what cross-validation said. So they know a
    pipeline's scatter and where it piles up, in that survey's own mix of stars.
    ``pecaut_mamajek`` is exact: the edges of `stellarclass.physics.CLASS_EDGES`.

    Examples
    --------
    >>> import numpy as np
    >>> from stellarclass.simulate.labels import label_probabilities
    >>> sun_like = np.array([[1.43, 0.50, 0.12, 0.03]])
    >>> print(label_probabilities(sun_like, label_system="pecaut_mamajek"))
    [[0. 0. 1. 0. 0.]]
    """
    colors = np.asarray(colors, float)
    if label_system in ("sdss", "lamost"):
        return label_scores(colors, _members(label_system))
    if label_system == "pecaut_mamajek":
        return np.eye(len(CLASSES))[_class_index(_bp_rp(colors[..., 1] + colors[..., 2]))]
    raise ValueError(f"unknown label system {label_system!r}; the simulated sky speaks {', '.join(LABEL_SYSTEMS)}")
