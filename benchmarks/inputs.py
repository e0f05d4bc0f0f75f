# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What parallax, proper motion and temperature are worth to boosted trees: a measure for `stellarclass study inputs`.

    python benchmarks/inputs.py --reference stars

Trees do not mind how a number is scaled, and learn in seconds what a network may not find in hours. They are trained on
the training stars of a reference set and judged on its test stars, once with a few numbers of the paper's composites in
place of the images, once with the catalog's five magnitudes. Classes by `HistGradientBoostingClassifier`, the logarithm
of the radius by `HistGradientBoostingRegressor`.
"""

import argparse
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from astropy import units as u

from stellarclass.evaluation.paired import paired_bootstrap
from stellarclass.reference import ReferenceSet
from stellarclass.stamps.mescr import MescrRecipe

_BANDS = "ugriz"
_GIANT = 3.0
"""Radius in solar radii from which a star counts as a giant here."""


def image_numbers(reference, rows, *, size):
    """Per channel of both composites: sum, scatter, middle, edge, saturated pixels: (N, 30)."""
    parts = []
    for k in range(0, len(rows), 1024):
        made = MescrRecipe(size=size, inputs=("image",))(reference.stamps(rows[k : k + 1024]))
        pixels = np.concatenate([made["image_a"], made["image_b"]], axis=1).astype(float)  # (N, 6, S, S)
        half = slice(size // 2 - 1, size // 2 + 1)
        middle, edge = pixels[:, :, half, half].mean((2, 3)), pixels[:, :, 0].mean(2)
        parts.append(np.c_[pixels.sum((2, 3)), pixels.std((2, 3)), middle, edge, (pixels > 250).sum((2, 3))])
    return np.concatenate(parts)


def number(column, unit):
    """A column without its unit, NaN where masked, (N, 1)."""
    mask = np.broadcast_to(getattr(column, "mask", False), len(column))
    return np.where(mask, np.nan, getattr(column, "unmasked", column).to_value(unit))[:, None]


def feature_sets(reference, *, size):
    """Numbers of all stars by what they come from, in two groups; the first of each is what the others add to."""
    table, rows = reference.table, np.arange(len(reference))
    further = {"parallax": number(table["parallax"], u.mas)}
    motions = [number(table[name], u.mas / u.yr) for name in ("pmra", "pmdec")]
    further["pm"] = np.hypot(*motions)
    further["all"] = np.hstack([further["parallax"], further["pm"]])
    if "teff" in table.colnames:
        further["all + Teff"] = np.hstack([further["all"], number(table["teff"], u.K)])
    groups = {"image": image_numbers(reference, rows, size=size)}
    if all(f"psfmag_{b}" in table.colnames for b in _BANDS):
        groups["magnitudes"] = np.hstack([number(table[f"psfmag_{b}"], u.mag) for b in _BANDS])
        groups["magnitudes"][:, :-1] -= groups["magnitudes"][:, 1:]  # colors, and z
    return {
        base: {base: numbers} | {f"{base} + {name}": np.hstack([numbers, more]) for name, more in further.items()}
        for base, numbers in groups.items()
    }


def judged(features, reference):
    """For each test star whether its class is right, its errors of the radius [R_sun] and in dex."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    options = {"max_leaf_nodes": 15, "random_state": 1, "early_stopping": False}
    train, test = reference.rows("train"), reference.rows("test")
    label = np.asarray(reference.table["spectral_class"]).astype(str)
    radius = number(reference.table["radius"], u.solRad)[:, 0]
    known = train[np.isfinite(radius[train])]
    classes = HistGradientBoostingClassifier(max_iter=60, **options).fit(features[train], label[train])
    radii = HistGradientBoostingRegressor(max_iter=150, **options).fit(features[known], np.log10(radius[known]))
    dex = radii.predict(features[test]) - np.log10(radius[test])
    right = classes.predict(features[test]) == label[test]
    return right.astype(float), np.abs(10**dex - 1) * radius[test], np.abs(dex), radius[test] > _GIANT


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--reference", type=Path, required=True, metavar="DIR", help="reference set")
    parser.add_argument("--size", type=int, default=16, help="side of the composites in pixels (%(default)s)")
    args = parser.parse_args()
    reference = ReferenceSet.read(args.reference)
    simulated = "SIMULATED " if reference.table.meta.get("simulated") else ""
    print(f"benchmarks/inputs.py, {datetime.now(UTC):%Y-%m-%d}, boosted trees, composites of {args.size} pixels")
    print(f"{simulated}reference set of {len(reference)} stars, {len(reference.rows('test'))} of them to test on")
    print(f"p: paired bootstrap over the test stars, against the first row; giants: above {_GIANT:g} R_sun\n")
    print(f"{'':24}accuracy       p  MAE [R_sun]  MAE [dex]       p  dwarfs [dex]  giants [dex]")
    for variants in feature_sets(reference, size=args.size).values():
        first, found = None, {}
        for name, features in variants.items():
            right, error, dex, giant = judged(features, reference)
            first = first or (right, dex)
            found[name.split(" + ", 1)[-1]] = dex
            p = ["", ""]
            if first[0] is not right:
                p = [f"{paired_bootstrap(a, b, seed=1).p_value:.4f}" for a, b in zip((right, dex), first, strict=True)]
            parts = f"{np.nanmean(dex[~giant]):14.4f}{np.nanmean(dex[giant]):14.4f}"
            line = f"{name:24}{right.mean():8.3f}{p[0]:>8}{np.nanmean(error):13.3f}{np.nanmean(dex):11.4f}{p[1]:>8}"
            print(line + parts, flush=True)
        more = paired_bootstrap(found["parallax"], found["all"], seed=1)
        share = more.difference / np.nanmean(found["parallax"])
        print(
            f"gain of proper motion beside parallax: {more.difference:+.4f} dex, {share:.1%}, p = {more.p_value:.4f}\n"
        )


if __name__ == "__main__":
    main()
