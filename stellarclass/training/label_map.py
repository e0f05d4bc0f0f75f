# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Fit the simulated sky's SDSS label map to a table of spectroscopic labels.

    python -m stellarclass.training.label_map TABLE -o stellarclass/simulate/tables/sdss_label_map.json

TABLE has columns u, g, r, i, z and ``label`` (A, F, G, K or M), in any format that astropy reads.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from astropy.table import Table
from scipy.optimize import minimize

from ..physics import CLASSES
from ..simulate.labels import _features

__all__ = ["fit_label_map"]

MAGNITUDE_LIMITS = (14.3, 20.5)
"""r of the stars used: SDSS saturates above, u and z become noise below."""


PRIOR_EXPONENT = 0.25
"""The class mix f of the table is tempered by ``f**-0.25``.

Spectroscopic targets are a matter of what was chosen; untempered, the rare class G would hardly ever be answered.
"""


def fit_label_map(colors, labels, *, penalty=0.1):
    """Multinomial logistic regression of labels on colors.

    Parameters
    ----------
    colors : ndarray, shape (N, 4)
        u-g, g-r, r-i, i-z in mag.
    labels : ndarray of str, shape (N,)
        One of A, F, G, K, M each.
    penalty : float
        Weight of the squared coefficients (of standardized features) in the summed loss.

    Returns
    -------
    coefficients : ndarray, shape (F, 5)
        For the raw features.
    intercept : ndarray, shape (5,)
    log_loss : float
        Mean negative log-likelihood on the data themselves.
    """
    features = _features(colors)
    center, scale = features.mean(0), features.std(0)
    x = np.column_stack([(features - center) / scale, np.ones(len(features))])
    y = np.asarray(labels)[:, None] == np.array(CLASSES)

    def loss(flat):
        weights = flat.reshape(x.shape[1], len(CLASSES))
        scores = x @ weights
        scores -= scores.max(1, keepdims=True)
        log_p = scores - np.log(np.exp(scores).sum(1, keepdims=True))
        gradient = x.T @ (np.exp(log_p) - y)
        gradient[:-1] += penalty * weights[:-1]
        return -log_p[y].sum() + 0.5 * penalty * (weights[:-1] ** 2).sum(), gradient.ravel()

    fit = minimize(loss, np.zeros(x.shape[1] * len(CLASSES)), jac=True, method="L-BFGS-B", options={"maxiter": 5000})
    weights = fit.x.reshape(x.shape[1], len(CLASSES))
    coefficients = weights[:-1] / scale[:, None]
    return coefficients, weights[-1] - center @ coefficients, float(fit.fun / len(x))


def main(argv=None):
    """Command line of this module."""
    parser = argparse.ArgumentParser(description="Fit the SDSS label map of the simulated sky.")
    parser.add_argument("table")
    parser.add_argument("-o", "--output", required=True)
    args = parser.parse_args(argv)
    table = Table.read(args.table)
    magnitudes = np.stack([np.asarray(table[b], float) for b in "ugriz"], axis=1)
    labels = np.asarray(table["label"]).astype(str)
    r = magnitudes[:, 2]
    use = (
        (r > MAGNITUDE_LIMITS[0])
        & (r < MAGNITUDE_LIMITS[1])
        & np.isfinite(magnitudes).all(1)
        & np.isin(labels, CLASSES)
    )
    coefficients, intercept, log_loss = fit_label_map((magnitudes[:, :-1] - magnitudes[:, 1:])[use], labels[use])
    share = np.array([(labels[use] == c).mean() for c in CLASSES])
    intercept = intercept - PRIOR_EXPONENT * np.log(share)
    result = {
        "source": "SDSS spectroscopic pipeline subclasses with ugriz model magnitudes, public data releases",
        "stars": {c: int((labels[use] == c).sum()) for c in CLASSES},
        "r_limits": MAGNITUDE_LIMITS,
        "log_loss": round(log_loss, 4),
        "prior_exponent": PRIOR_EXPONENT,
        "classes": CLASSES,
        "coefficients": coefficients.round(4).tolist(),
        "intercept": intercept.round(4).tolist(),
    }
    Path(args.output).write_text(json.dumps(result, indent=1) + "\n")
    print(f"{args.output}: {use.sum()} stars, log-loss {log_loss:.4f}")


if __name__ == "__main__":
    main()
