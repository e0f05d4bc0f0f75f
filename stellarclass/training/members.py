# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""From trained members to one ensemble: weights, calibration, card."""

import warnings

import numpy as np

from ..exceptions import StellarclassWarning
from ..nets.card import Card, Member
from ..nets.combination import PAPER_WEIGHTS, mean_log_probabilities
from ..nets.ensemble import Ensemble
from ..physics import CLASSES
from ..stamps import recipes
from .calibrate import fit_classes

__all__ = ["combine_members", "fit_linear_radius", "learn_weights"]

_SIGMA_LEVEL = 0.6826895
_LEVELS = {"class_set": 0.9, "radius_interval": 0.9}
_DESCRIPTION = "Classes of SDSS's spectroscopic pipeline, as the reference set has them"


def learn_weights(likelihoods, *, steps=300):
    """Weights of the members with which the true classes of some stars are most probable.

    Parameters
    ----------
    likelihoods : ndarray, shape (M, N)
        Probability that each member gives to the true class of each star.
    steps : int
        Of expectation maximization, each of which makes the classes more probable.

    Returns
    -------
    ndarray, shape (M,)
        Not negative, sum 1.

    Examples
    --------
    A member that knows, and one that guesses:

    >>> import numpy as np
    >>> from stellarclass.training.members import learn_weights
    >>> learn_weights(np.array([[0.9, 0.8, 0.9], [0.2, 0.2, 0.2]])).round(3)
    array([1., 0.])
    """
    likelihoods = np.asarray(likelihoods, float).clip(1e-12)
    weights = np.full(len(likelihoods), 1 / len(likelihoods))
    for _ in range(steps):
        weights = (weights[:, None] * likelihoods / (weights @ likelihoods)).mean(axis=1)
    return weights / weights.sum()


def fit_linear_radius(residual, sigma, *, level):
    """Scale of the standard deviation and ends of the interval, for radii in solar radii.

    Parameters
    ----------
    residual : ndarray, shape (N,)
        True minus predicted radius.
    sigma : ndarray, shape (N,)
        Predicted standard deviation.
    level : float
        Coverage of the interval.

    Returns
    -------
    dict
        ``scale``, ``lower``, ``upper`` for the card's ``radius_calibration``, as
        `stellarclass.training.calibrate.fit_radius` gives them for logarithms.

    Examples
    --------
    >>> import numpy as np
    >>> from stellarclass.training.members import fit_linear_radius
    >>> residual = np.random.default_rng(1).normal(0, 0.2, 100_000)
    >>> fitted = fit_linear_radius(residual, np.full(100_000, 0.1), level=0.9)
    >>> {name: round(value, 1) for name, value in fitted.items()}
    {'scale': 2.0, 'lower': -1.6, 'upper': 1.6}
    """
    scale = float(np.clip(np.quantile(np.abs(residual) / sigma, _SIGMA_LEVEL), 1e-3, 1e3))
    lower, upper = np.quantile(residual / sigma / scale, [(1 - level) / 2, (1 + level) / 2]).clip(-100, 100)
    return {"scale": scale, "lower": float(min(lower, 0)), "upper": float(max(upper, 0))}


def combine_members(config, networks, data, *, rows, recipe, members=None, training=None, device="cpu"):
    """An ensemble of trained members, its weights and calibration learned on stars that are new to all of them.

    Parameters
    ----------
    config : `~stellarclass.training.config.MescrConfig`
        Its name, network and combination are used.
    networks : sequence of torch.nn.Module
        Trained, one a member.
    data : dict of str to ndarray or Tensor
        Set of `stellarclass.training.mescr.make_mescr_data`.
    rows : ndarray of int
        Rows of the data to learn on, each star once: the validation stars of
        `stellarclass.training.sampling.split_stars`.
    recipe : `~stellarclass.stamps.mescr.MescrRecipe`
        With the ranges that the data were made with.
    members : sequence of str, optional
        Names of the networks; by default those of the configuration.
    training : dict, optional
        For the card.
    device : str or torch.device
        Where to compute.

    Returns
    -------
    `~stellarclass.nets.ensemble.Ensemble`

    Warns
    -----
    stellarclass.exceptions.StellarclassWarning
        If a member gives all stars the same answer.

    Notes
    -----
    Weights are those that make the classes of these stars most probable (`learn_weights`), or the paper's; then one
    temperature and an offset per class, the threshold of the class sets, and the scale of radius errors are fitted to
    the same stars: a dozen numbers to more than a thousand stars.
    """
    members = tuple(config.sampling.members if members is None else members)
    card = Card(
        name=config.name,
        version="1",
        description=(
            "MESCR (Deng et al. 2024): two 8-bit composites of five SDSS bands, parallax and proper motion, in "
            f"{len(networks)} MMSCNet of width {config.network.width:g}"
        ),
        architecture="mmscnet",
        architecture_kwargs=network_kwargs(config),
        recipe=recipes.to_dict(recipe),
        classes=CLASSES,
        label_systems={"sdss": {"description": _DESCRIPTION}},
        default_label_system="sdss",
        members=tuple(Member(name) for name in members),
        combination={"rule": "mescr", "weights": dict.fromkeys(members, 1.0)},
        radius_space="linear",
        levels=_LEVELS,
        training=training or {},
        citation="Deng et al. (2024), Ensemble Learning for Stellar Classification and Radius Estimation",
    )
    fitted = {}
    stars = {name: _take(value, rows) for name, value in data.items() if not name.startswith("target_")}
    target = _take(data["target_sdss"], rows).astype(float)
    each = [_one(network, card, name).predict(stars) for network, name in zip(networks, members, strict=True)]
    probabilities = np.stack([answer.probabilities for answer in each])
    stuck = [
        name
        for name, answer in zip(members, probabilities, strict=True)
        if len(rows) > 1 and not np.ptp(answer, 0).any()
    ]
    if stuck:
        warnings.warn(
            f"{len(stuck)} of {len(members)} members ({', '.join(stuck)}) give all of {len(rows)} stars the same "
            "classes: their units died in training; lower training.learning_rate or raise network.dense_width",
            StellarclassWarning,
            stacklevel=2,
        )
    if config.combination.weights == "paper":
        weights = np.array([PAPER_WEIGHTS[name] for name in members])
    else:
        weights = learn_weights((probabilities * target).sum(axis=2))
    fitted["combination"] = {"rule": "mescr", "weights": dict(zip(members, weights.round(4).tolist(), strict=True))}
    if config.combination.calibrate:
        log_p = mean_log_probabilities(np.log(probabilities.clip(1e-12)), weights)
        rng = np.random.default_rng([config.seed, 7])
        entry, _, _ = fit_classes(log_p, target, level=card.levels["class_set"], rng=rng)
        fitted["label_systems"] = {"sdss": card.label_systems["sdss"] | entry}
        fitted["radius_calibration"] = _radius(networks, card, stars, _take(data["target_radius"], rows))
    else:
        fitted["label_systems"] = {
            "sdss": card.label_systems["sdss"] | {"class_mix": target.mean(0).clip(1e-6).tolist()}
        }
    return Ensemble(networks, _changed(card, **fitted), device=device)


def network_kwargs(config):
    """What `stellarclass.nets.mmscnet.MMSCNet` is called with.

    Parameters
    ----------
    config : `~stellarclass.training.config.MescrConfig`

    Returns
    -------
    dict
    """
    kwargs = {
        "width": config.network.width,
        "classes": len(CLASSES),
        "image_size": config.recipe.size,
        "numeric": len(config.recipe.inputs) - 1,
    }
    given = {name: getattr(config.network, name) for name in ("pool", "dense_width")}
    return kwargs | {name: value for name, value in given.items() if value}


def _radius(networks, card, stars, truth):
    """Calibration of the radius on the stars whose radius is known; none where they are too few to say anything."""
    answer = Ensemble(networks, card, device=_device(networks[0])).predict(stars)
    known = np.isfinite(truth) & np.isfinite(answer.radius)
    if known.sum() < 20:
        return {}
    residual = truth[known] - answer.radius[known]
    return fit_linear_radius(residual, answer.radius_err[known], level=card.levels["radius_interval"])


def _one(network, card, name):
    """An ensemble of one member."""
    alone = _changed(card, members=(Member(name),), combination={"rule": "mescr", "weights": {name: 1.0}})
    return Ensemble([network], alone, device=_device(network))


def _changed(card, **values):
    return Card.from_dict(card.to_dict() | values)


def _device(network):
    return next(network.parameters()).device


def _take(value, rows):
    return np.asarray(value[rows] if isinstance(value, np.ndarray) else value.cpu().numpy()[rows])
