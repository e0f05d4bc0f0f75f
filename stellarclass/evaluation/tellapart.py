# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Can real stamps be told from simulated ones? Classifiers that try, and how well they do."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy import stats

from ..simulate.moments import adaptive_moments

__all__ = ["FEATURES", "Verdict", "center_pixels", "chance_limit", "stamp_features", "tell_apart"]

_HALF = 20  # pixels: the part of a stamp that is looked at, 8 arcsec to each side
_RINGS = (0.0, 1.0, 1.6, 2.3, 3.2, 4.2, 5.5, 7.5, 10.0, 14.0, 20.0)

FEATURES = (
    *(f"profile_{a:g}_{b:g}" for a, b in pairwise(_RINGS)),
    *("log_flux", "size", "e1", "e2", "center_x", "center_y", "asymmetry", "core_scatter", "wing_scatter"),
    *(
        "background",
        "noise",
        "noise_mad",
        "skewness",
        "kurtosis",
        "correlation_x",
        "correlation_y",
        "lowest",
        "highest",
    ),
    *("distinct", "low_bits", "rim_light"),
)
"""Names of what is measured on each stamp of one band."""


@dataclass(frozen=True)
class Verdict:
    """How well real and simulated were told apart.

    Attributes
    ----------
    auc : float
        Area under the ROC curve of the best classifier: 0.5 is guessing, 1 certainty.
    low, high : float
        68 % interval of it by bootstrap over stars.
    by_classifier : dict of str to float
        AUC of each.
    importance : dict of str to float
        Features that tell most on their own: the AUC of each, the worst first.
    n_stars : int
        Pairs of a real and a simulated star.
    by_chance : tuple of float
        What ``auc`` would be if there were nothing to find: the same done again with real and simulated swapped in
        pairs drawn at random. See `chance_limit`.
    """

    auc: float
    low: float
    high: float
    by_classifier: dict
    importance: dict
    n_stars: int
    by_chance: tuple = ()


def stamp_features(images, offsets, *, sigma):
    """Measure everything that might give a simulation away on stamps of one band.

    Parameters
    ----------
    images : ndarray, shape (N, 64, 64)
        Stamps in nanomaggies.
    offsets : ndarray, shape (N, 2)
        Where the stars are, relative to the middle of the stamps.
    sigma : ndarray, shape (N,)
        Standard deviation of blank sky: that of the *real* frame for both, a scale only.

    Returns
    -------
    ndarray, shape (N, F)
        In the order of `FEATURES`; NaN where something could not be measured.
    """
    images, offsets = np.asarray(images, float), np.asarray(offsets, float)
    sigma = np.broadcast_to(np.asarray(sigma, float), len(images))
    size, steps = images.shape[-1], np.arange(-_HALF, _HALF + 1)
    crop, given = center_pixels(images, offsets, _HALF)
    near = slice(_HALF - 10, _HALF + 11)
    center, moments = adaptive_moments(crop[:, near, near])
    bright = (crop[:, near, near].sum((1, 2)) > 100 * sigma) & np.isfinite(moments).all(1)
    center = np.where(bright[:, None], center, given)
    dx, dy = steps - center[:, 0, None, None], steps[:, None] - center[:, 1, None, None]
    radius = np.hypot(dx, dy)
    ring = (radius > 10) & (radius < _HALF)
    sky = np.array([np.median(c[r]) for c, r in zip(crop, ring, strict=True)])
    flat = crop - sky[:, None, None]
    flux = (flat * np.clip(5.5 - radius, 0, 1)).sum((1, 2))
    scale = np.where(np.abs(flux) > 5 * sigma, np.abs(flux), 5 * sigma)
    found = {}
    model = np.zeros_like(flat)
    for name, a, b in zip(FEATURES, _RINGS[:-1], _RINGS[1:], strict=False):
        part = (radius >= a) & (radius < b)
        mean = (flat * part).sum((1, 2)) / np.maximum(part.sum((1, 2)), 1)
        found[name] = mean / scale * max(a, 0.5) ** 2
        model += part * mean[:, None, None]
    with np.errstate(all="ignore"):
        total = moments[:, 0] + moments[:, 1]
        found["log_flux"] = np.arcsinh(flux / sigma)
        found["size"] = np.where(bright, np.sqrt(total / 2), np.nan)
        found["e1"] = np.where(bright, (moments[:, 0] - moments[:, 1]) / total, np.nan)
        found["e2"] = np.where(bright, 2 * moments[:, 2] / total, np.nan)
        found["center_x"], found["center_y"] = np.where(bright[:, None], center - given, np.nan).T
        poisson = np.sqrt(sigma[:, None, None] ** 2 + 0.02 * np.maximum(model, 0) * sigma[:, None, None])
        turned = flat[:, ::-1, ::-1]
        inner, halo = radius < 4, (radius > 4) & (radius < 9)
        found["asymmetry"] = (np.abs(flat - turned) * inner).sum((1, 2)) / scale
        found["core_scatter"] = (np.abs(flat - model) * inner).sum((1, 2)) / scale
        found["wing_scatter"] = ((flat - model) ** 2 / poisson**2 * halo).sum((1, 2)) / halo.sum((1, 2))
        found["background"] = sky / sigma
    rows = [_noise_features(c, r, s) for c, r, s in zip(crop, ring, sigma, strict=True)]
    for k, name in enumerate(_NOISE):
        found[name] = np.array([r[k] for r in rows])
    bits = np.ascontiguousarray(crop, np.float32).view(np.uint32)
    found["low_bits"] = ((bits & 0x3FFF) == 0).mean((1, 2))
    found["rim_light"] = np.arcsinh((images.sum((1, 2)) - crop.sum((1, 2))) / sigma / size)
    return np.stack([found[name] for name in FEATURES], 1)


_NOISE = (
    "noise",
    "noise_mad",
    "skewness",
    "kurtosis",
    "correlation_x",
    "correlation_y",
    "lowest",
    "highest",
    "distinct",
)


def _noise_features(crop, ring, sigma):
    values = crop[ring]
    middle = np.median(values)
    z = np.clip((values - middle) / sigma, -5, 5)
    whole = np.where(ring, np.clip((crop - middle) / sigma, -5, 5), 0)
    across = (whole[:, 1:] * whole[:, :-1]).sum() / ring.sum()
    along = (whole[1:] * whole[:-1]).sum() / ring.sum()
    mad = np.median(np.abs(z))
    return (
        *(z.std(), mad, stats.skew(z), stats.kurtosis(z), across, along),
        *((values.min() - middle) / sigma, np.arcsinh((values.max() - middle) / sigma)),
        len(np.unique(np.round((values - middle) / sigma, 3))) / len(values),
    )


def center_pixels(images, offsets, half):
    """Middles of stamps.

    Parameters
    ----------
    images : ndarray, shape (N, S, S)
    offsets : ndarray, shape (N, 2)
        Where the stars are, relative to the middle of the stamps.
    half : int
        Half the side of what is cut; the star's own pixel is in the middle.

    Returns
    -------
    crop : ndarray, shape (N, 2 half + 1, 2 half + 1)
    center : ndarray, shape (N, 2)
        Where the star is in its middle pixel.
    """
    middle = (images.shape[-1] - 1) / 2
    column, row = (np.round(middle + offsets[:, k]).astype(int) for k in (0, 1))
    steps = np.arange(-half, half + 1)
    crop = images[
        np.arange(len(images))[:, None, None], row[:, None, None] + steps[:, None], column[:, None, None] + steps
    ]
    return crop, middle + offsets - np.stack([column, row], 1)


def _classifiers(seed):
    from sklearn.decomposition import PCA
    from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import QuantileTransformer, StandardScaler

    def impute():
        return SimpleImputer(strategy="median", keep_empty_features=True)

    return {
        "boosting": (
            "features",
            HistGradientBoostingClassifier(
                max_iter=80, learning_rate=0.08, max_leaf_nodes=8, min_samples_leaf=10, l2_regularization=1.0,
                max_features=0.5, random_state=seed,
            ),
        ),
        "forest": (
            "features",
            make_pipeline(
                impute(),
                ExtraTreesClassifier(n_estimators=200, min_samples_leaf=3, max_features=0.3, random_state=seed),
            ),
        ),
        "linear": (
            "features",
            make_pipeline(
                impute(),
                QuantileTransformer(n_quantiles=50, output_distribution="normal", random_state=seed),
                LogisticRegression(C=0.03, max_iter=500),
            ),
        ),
        "pixels": (
            "pixels",
            make_pipeline(
                PCA(n_components=40, svd_solver="randomized", random_state=seed),
                StandardScaler(),
                LogisticRegression(C=0.03, max_iter=500),
            ),
        ),
    }  # fmt: skip


def tell_apart(real, simulated, *, groups=None, seed=0, folds=5, repeats=1, permutations=0, names=FEATURES):
    """Train classifiers to tell real stamps from simulated ones, and test them on stars they have not seen.

    Parameters
    ----------
    real, simulated : dict of str to ndarray
        ``features`` (N, F) and ``pixels`` (N, P), row by row of the same stars.
    groups : ndarray of int, shape (N,), optional
        Stars with the same number are never split between training and test; by default each stands for itself. Both
        stamps of a star are always on the same side.
    seed : int
        Of folds, classifiers, bootstrap and permutations.
    folds : int
        Parts of the cross-validation.
    repeats : int
        Times that it is done, each with other parts.
    permutations : int
        Times that all is done again with nothing to find, for ``by_chance`` of the verdict.
    names : sequence of str, shape (F,)
        Of the features.

    Returns
    -------
    Verdict
    """
    n = len(real["features"])
    rng = np.random.default_rng(seed)
    groups = np.arange(n) if groups is None else np.asarray(groups)
    label = np.repeat([1, 0], n)
    both = {name: np.concatenate([real[name], simulated[name]]) for name in real}
    scores = _scores(both, groups, rng, seed, folds, repeats)
    aucs = {name: _auc(label, s) for name, s in scores.items()}
    best = max(aucs, key=aucs.get)
    drawn = []
    for _ in range(200):
        rows = rng.integers(0, n, n)
        drawn.append(_auc(label, scores[best][np.concatenate([rows, rows + n])]))
    low, high = np.percentile(drawn, [16, 84])
    single = {}
    for k, name in enumerate(names):
        values = both["features"][:, k]
        ok = np.isfinite(values)
        if ok.sum() > 10 and len(set(label[ok])) == 2:
            single[name] = _auc(label[ok], values[ok])
    order = sorted(single, key=lambda name: -abs(single[name] - 0.5))
    chance = []
    for _ in range(permutations):
        rows = np.arange(n) + n * (rng.random(n) < 0.5)
        rows = np.concatenate([rows, (rows + n) % (2 * n)])
        nothing = _scores({k: v[rows] for k, v in both.items()}, groups, rng, seed, folds, repeats)
        chance.append(max(_auc(label, s) for s in nothing.values()))
    importance = {name: single[name] for name in order}
    return Verdict(aucs[best], float(low), float(high), aucs, importance, n, tuple(chance))


def _auc(label, score):
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(label, score))


def _scores(both, groups, rng, seed, folds, repeats):
    """Cross-validated scores of each classifier: the first half of the rows is real, the second simulated."""
    from sklearn.base import clone

    n = len(groups)
    label = np.repeat([1, 0], n)
    scores = {}
    for name, (kind, model) in _classifiers(seed).items():
        if kind not in both:
            continue
        x = both[kind]
        total = np.zeros(2 * n)
        for _ in range(repeats):
            unique = rng.permutation(np.unique(groups))
            fold_of = dict(zip(unique.tolist(), (np.arange(len(unique)) % folds).tolist(), strict=True))
            fold = np.tile([fold_of[g] for g in groups.tolist()], 2)
            for k in range(folds):
                train, test = fold != k, fold == k
                fitted = clone(model)
                if name == "linear":
                    fitted.set_params(quantiletransformer__n_quantiles=min(50, train.sum()))
                if name == "pixels":
                    fitted.set_params(pca__n_components=min(40, train.sum() // 2, x.shape[1]))
                total[test] += fitted.fit(x[train], label[train]).predict_proba(x[test])[:, 1]
        scores[name] = total
    return scores


def chance_limit(verdicts, n_stars, *, share=0.95):
    """AUC that so many stars stay below by chance in most cases, the best of all classifiers taken.

    Parameters
    ----------
    verdicts : list of Verdict
        Whose permutations are to be used. An AUC with nothing to find scatters as one over the root of the number of
        stars, which puts those of all fields and bands on one scale.
    n_stars : int
        Pairs of stars.
    share : float
        Of the cases.

    Returns
    -------
    float
        By mean and standard deviation of the permutations, as of a normal distribution; NaN with fewer than three.
    """
    excess = np.array([(auc - 0.5) * np.sqrt(v.n_stars) for v in verdicts for auc in v.by_chance])
    if len(excess) < 3:
        return float("nan")
    return float(0.5 + (excess.mean() + stats.norm.ppf(share) * excess.std(ddof=1)) / np.sqrt(n_stars))
