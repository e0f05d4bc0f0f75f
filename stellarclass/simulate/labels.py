# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Which class a survey would print on a star: P(label | colors), one model per label system.

A spectral class is a class *of a system*: SDSS's pipeline, LAMOST's and a temperature scale disagree for a tenth to a
half of all F, G and K stars. The simulated sky therefore knows its stars' true colors first and asks a label system
for the class second.
"""

import json
from importlib import resources

import numpy as np

from ..physics import CLASSES, _bp_rp, _class_index

__all__ = ["LABEL_SYSTEMS", "label_probabilities"]

LABEL_SYSTEMS = {
    "sdss": "Class of the SDSS spectroscopic pipeline (subclass), in a class mix between its own and an even one",
    "pecaut_mamajek": "Class of the observed BP-RP on the dwarf sequence of Pecaut & Mamajek (2013)",
}
"""Label systems that the simulated sky speaks, with their meaning."""

_KNOTS = np.array([-0.2, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0, 1.3, 1.6, 1.8, 2.0, 2.2])


def _features(colors):
    """Design matrix of the SDSS label map: piecewise linear in g-i, and the metal lines' colors for hot stars."""
    u_g, g_r, r_i, i_z = np.moveaxis(np.asarray(colors, float), -1, 0)
    g_i = np.clip(g_r + r_i, -0.8, 3.2)
    u_g = np.clip(u_g, 0.0, 2.2) - 1.1
    hot = 1 / (1 + np.exp((g_i - 1.0) / 0.1))
    i_z = np.clip(i_z, -0.4, 1.2)
    columns = [g_i, *(np.maximum(g_i - k, 0) for k in _KNOTS)]
    columns += [hot * u_g, hot * u_g * (g_i - 0.4), hot * u_g**2, hot * (g_r - 0.74 * g_i)]
    columns += [i_z - 0.15 * g_i, hot * (i_z - 0.05)]
    return np.stack(columns, axis=-1)


def _sdss_probabilities(colors):
    table = json.loads(resources.files(__package__).joinpath("tables/sdss_label_map.json").read_text())
    scores = _features(colors) @ np.array(table["coefficients"]) + np.array(table["intercept"])
    scores = np.exp(scores - scores.max(-1, keepdims=True))
    return scores / scores.sum(-1, keepdims=True)


def label_probabilities(colors, *, label_system):
    """Probability that a label system gives a star of these colors each class.

    Parameters
    ----------
    colors : ndarray, shape (N, 4)
        Observed (reddened, noise-free) u-g, g-r, r-i, i-z in mag.
    label_system : {"sdss", "pecaut_mamajek"}
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
    ``sdss`` is a multinomial logistic regression on spline features, fitted by
    ``stellarclass.training.label_map.fit_label_map`` to SDSS subclasses; its table names the data.
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
    if label_system == "sdss":
        return _sdss_probabilities(colors)
    if label_system == "pecaut_mamajek":
        return np.eye(len(CLASSES))[_class_index(_bp_rp(colors[..., 1] + colors[..., 2]))]
    raise ValueError(f"unknown label system {label_system!r}; the simulated sky speaks {', '.join(LABEL_SYSTEMS)}")
