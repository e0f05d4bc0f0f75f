# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Fit the simulated sky's model of a label system, P(label | colors), to a table of real labels.

    python -m stellarclass.training.label_map TABLE -o stellarclass/simulate/tables/sdss_label_map.json

TABLE has columns u, g, r, i, z and ``label`` (A, F, G, K or M), in any format that astropy reads. The model is three
small networks on the colors; what cross-validation says of it is printed and kept with the numbers.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from ..physics import CLASSES
from ..simulate.labels import color_features, label_scores
from .label_systems import class_figures
from .labeled import MAGNITUDE_LIMITS, LabelTable

__all__ = ["fit_label_map"]

_LEARNING_RATE, _WEIGHT_DECAY, _BATCH, _DROPOUT = 5e-3, 1e-2, 256, 0.3
_NOISE = 0.01  # mag: colors of a catalog are no better, and steps finer than this are its accidents


def fit_label_map(colors, labels, *, members=3, width=24, epochs=150, seed=0):
    """Fit class probabilities to labels.

    Parameters
    ----------
    colors : ndarray, shape (N, 4)
        u-g, g-r, r-i, i-z in mag.
    labels : ndarray of str, shape (N,)
        One of A, F, G, K, M each.
    members : int
        Networks, whose probabilities are averaged.
    width : int
        Hidden units of each.
    epochs : int
        Passes over the stars.
    seed : int
        The same seed gives the same numbers on one machine.

    Returns
    -------
    list of list of ndarray
        For each network the weights and biases that `stellarclass.simulate.labels.label_scores` takes.
    """
    targets = torch.from_numpy(np.array([CLASSES.index(label) for label in labels]))
    colors = torch.from_numpy(np.asarray(colors, np.float64))
    features = color_features(colors.numpy())
    center, scale = features.mean(0), features.std(0) + 1e-3
    fitted = []
    for k in range(members):
        generator = torch.Generator().manual_seed(1000 * seed + k)
        layers = []
        for n_in, n_out in ((features.shape[1], width), (width, width), (width, len(CLASSES))):
            bound = n_in**-0.5
            layers.append((torch.rand(n_out, n_in, generator=generator) * 2 - 1) * bound)
            layers.append((torch.rand(n_out, generator=generator) * 2 - 1) * bound)
        layers = [p.requires_grad_() for p in layers]
        optimizer = torch.optim.AdamW(layers, lr=_LEARNING_RATE, weight_decay=_WEIGHT_DECAY)
        batch = min(_BATCH, len(targets))
        steps, step = epochs * (len(targets) // batch), 0
        for _ in range(epochs):
            order = torch.randperm(len(targets), generator=generator)
            noisy = colors + _NOISE * torch.randn(colors.shape, generator=generator)
            x = torch.from_numpy((color_features(noisy.numpy()) - center) / scale).float()
            for b in range(len(targets) // batch):
                rows = order[b * batch : (b + 1) * batch]
                for group in optimizer.param_groups:
                    group["lr"] = _LEARNING_RATE * (0.005 + 0.5 * (1 + np.cos(np.pi * step / steps)))
                hidden = _drop(F.silu(F.linear(x[rows], layers[0], layers[1])), generator)
                hidden = _drop(hidden + F.silu(F.linear(hidden, layers[2], layers[3])), generator)
                loss = F.cross_entropy(F.linear(hidden, layers[4], layers[5]), targets[rows])
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                optimizer.step()
                step += 1
        weights = [p.detach().double().numpy() for p in layers]
        # The scaling of the features goes into the first layer.
        weights[0] = weights[0] / scale
        weights[1] = weights[1] - weights[0] @ center
        fitted.append([w.round(5) for w in weights])
    return fitted


def _drop(x, generator):
    keep = torch.rand(x.shape, generator=generator) >= _DROPOUT
    return x * keep / (1 - _DROPOUT)


def cross_validate(table, *, folds=5, **options):
    """Probabilities (N, 5) of each star by maps that did not see it."""
    fold = np.random.default_rng(5).permutation(len(table)) % folds
    p = np.empty((len(table), len(CLASSES)))
    for k in range(folds):
        seen = fold != k
        p[~seen] = label_scores(table.colors[~seen], fit_label_map(table.colors[seen], table.labels[seen], **options))
    return p


def main(argv=None):
    """Command line of this module."""
    parser = argparse.ArgumentParser(description="Fit a label map of the simulated sky.")
    parser.add_argument("table")
    parser.add_argument("-o", "--output", required=True)
    parser.add_argument("--source", default="", help="where the labels came from, for the file")
    parser.add_argument("--anchors", help="table of another system, see LabelTable.anchored")
    args = parser.parse_args(argv)
    table = LabelTable.read(args.table)
    if args.anchors:
        table = table.anchored(LabelTable.read(args.anchors))
    # A few hundred labels cannot carry as many units as some thousands.
    options = {"width": 24 if len(table) > 1500 else 12}
    targets = np.array([CLASSES.index(label) for label in table.labels])
    figures = class_figures(cross_validate(table, **options)[table.own], targets[table.own], 0.9, CLASSES)
    figures = {
        name: figures[name] for name in ("accuracy", "balanced_accuracy", "within_one_class", "log_loss", "recall")
    }
    fitted = fit_label_map(table.colors, table.labels, **options)
    result = {
        "source": args.source,
        "stars": {c: int((table.own & (table.labels == c)).sum()) for c in CLASSES},
        "anchors": int((~table.own).sum()),
        "r_limits": MAGNITUDE_LIMITS,
        "cross_validated": figures,
        "classes": CLASSES,
        "members": [[w.tolist() for w in weights] for weights in fitted],
    }
    Path(args.output).write_text(json.dumps(result) + "\n")
    print(f"{args.output}: {table}; cross-validated {figures}")


if __name__ == "__main__":
    main()
