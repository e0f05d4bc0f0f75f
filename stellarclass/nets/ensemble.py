# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`Ensemble`: several networks and one card. `Ensemble.predict` is the only place where torch becomes NumPy."""

import contextlib
from functools import cached_property
from statistics import NormalDist

import numpy as np
import torch

from .._html import summary
from ..exceptions import EnsembleError
from ..stamps import recipes
from . import combination as _combine
from .classprior import mix_and_prior
from .prediction import Prediction

__all__ = ["Ensemble"]

_BATCH = 256
_LN10 = np.log(10.0)


class Ensemble:
    """Networks that answer together.

    A member is a `torch.nn.Module` that takes a dict of tensors, first axis B, and returns a dict with
    ``"logits_<system>"`` (B, C) for each label system of the card, ``"radius_mean"`` and ``"radius_variance"`` (B,),
    the last two in the card's radius space; and, if the card's domain has an ``intruder_limit``, ``"intruder"`` (B,),
    the logit of being no star of these classes.

    Parameters
    ----------
    members : sequence of torch.nn.Module
        As many as the card names, in its order. They are moved to the device and put into evaluation mode.
    card : stellarclass.nets.card.Card
        What they are, how they are combined and calibrated.
    device : str or torch.device, optional
        Where to compute; by default a CUDA device if there is one, else the CPU.

    Raises
    ------
    stellarclass.exceptions.EnsembleError
        If there are not as many members as the card names, or the device is not there.
    """

    def __init__(self, members, card, *, device=None):
        self.card = card
        self.device = _device(device)
        self.members = tuple(member.to(self.device).eval() for member in members)
        if len(self.members) != len(card.members):
            raise EnsembleError(f"{len(self.members)} networks for the {len(card.members)} members that the card names")

    def __repr__(self):
        return f"<Ensemble {self.name!r}: {len(self.members)} {self.card.architecture} on {self.device}>"

    def _repr_html_(self):
        card = self.card
        systems = (name + " (default)" * (name == card.default_label_system) for name in self.label_systems)
        rows = {
            "what it is": card.description,
            "members": f"{len(self.members)} × {card.architecture}, on {self.device}",
            "classes": ", ".join(self.classes),
            "label systems": ", ".join(systems),
            "input recipe": card.recipe["name"],
            "SHA-256": card.sha256,
        }
        return summary(f"Ensemble {self.name} {card.version}", rows)

    @property
    def name(self):
        """Name on the card."""
        return self.card.name

    @property
    def classes(self):
        """Names of the classes, in the order of the probabilities."""
        return self.card.classes

    @property
    def label_systems(self):
        """Names of the label systems that the ensemble speaks."""
        return tuple(self.card.label_systems)

    @property
    def sha256(self):
        """Digest of all that decides an answer; empty for an ensemble that was never saved."""
        return self.card.sha256

    @cached_property
    def recipe(self):
        """The way from stamps and astrometry to the inputs of `predict`, as the card names it.

        Raises
        ------
        stellarclass.exceptions.EnsembleError
            If this version of stellarclass does not know the recipe.
        """
        try:
            return recipes.from_dict(self.card.recipe)
        except ValueError as err:
            raise EnsembleError(f"model card of {self.name!r}: {err}") from err

    def predict(self, inputs, *, label_system=None, class_prior=None, batch_size=None):
        """Classes and radii of N stars.

        A star's answer depends neither on the batch size nor on the order or company of the stars, up to rounding in
        float32 (1e-5 in a probability, relative 1e-5 in a radius, on one device). A star for which any member's answer
        is not finite has NaN everywhere and every class in its set; the others are not touched.

        Parameters
        ----------
        inputs : dict of str to ndarray, first axis N
            What the recipe made.
        label_system : str, optional
            Whose classes to speak; by default the card's.
        class_prior : dict of str to float or "even", optional
            Mix of classes that the probabilities are to be for, see
            `stellarclass.nets.classprior.class_shares`; by default that of the calibration.
        batch_size : int, optional
            Stars that go through the networks at a time, 256 by default: memory, not the answer, depends on it.

        Returns
        -------
        stellarclass.nets.prediction.Prediction
            In linear space the radius is the members' mean. In log10 space it is 10 to the mean of their logarithms,
            a median; ``radius_err`` is then ``ln(10) * radius * sigma`` with sigma in dex, and the interval, which is
            not symmetric, is the better description of a large uncertainty. A lower end below 0 is raised to 0. A star
            outside the training domain gets an answer as far drawn towards ignorance as it is outside: the mix of the
            classes, and a radius with a wider error.

        Raises
        ------
        stellarclass.exceptions.EnsembleError
            If the label system is unknown or a network does not answer as the card says, or a class prior is given and
            the card does not say for which mix it is calibrated.
        stellarclass.exceptions.InputError
            If the class prior does not give a positive number for each class.
        ValueError
            If the inputs do not have the same length or the batch size is not positive.
        """
        system = self._system(label_system)
        prior = None if class_prior is None else mix_and_prior(class_prior, self.card, system)
        inputs, n = _checked(inputs)
        batch_size = _BATCH if batch_size is None else batch_size
        if batch_size < 1:
            raise ValueError(f"batch_size = {batch_size} is not positive")

        groups = self.card.radius_calibration.get("groups")
        wanted = [f"logits_{system}", "radius_mean", "radius_variance"]
        if groups is not None and groups["label_system"] != system:
            wanted.append(f"logits_{groups['label_system']}")
        if "intruder_limit" in (self.card.domain or {}):
            wanted.append("intruder")
        answers = {}
        for name in wanted:
            shape = (n, len(self.classes)) if name.startswith("logits_") else (n,)
            answers[name] = np.empty((len(self.members), *shape))
        for start in range(0, n, batch_size):
            rows = slice(start, start + batch_size)
            batch = {name: value[rows] for name, value in inputs.items()}
            self._forward(batch, {name: value[:, rows] for name, value in answers.items()})

        good = (answers["radius_variance"] > 0).all(axis=0)
        for value in answers.values():
            good &= np.isfinite(value).all(axis=tuple(k for k in range(value.ndim) if k != 1))
        answers = {name: value[:, good] for name, value in answers.items()}
        score, outside = self._domain(inputs, n, answers.get("intruder"), good)
        probabilities, sets = self._classes(answers[f"logits_{system}"], system, prior, outside[good])
        bins = None if groups is None else self._groups(groups, inputs, answers, good)
        radii = self._radii(answers["radius_mean"], answers["radius_variance"], bins, outside[good])
        return Prediction(
            classes=self.classes,
            probabilities=_spread(probabilities, good, np.nan),
            class_sets=_spread(sets, good, True),
            **{name: _spread(values, good, np.nan) for name, values in radii.items()},
            domain_score=score,
        )

    def _system(self, label_system):
        system = self.card.default_label_system if label_system is None else label_system
        if system not in self.card.label_systems:
            raise EnsembleError(
                f"ensemble {self.name!r} does not speak label system {system!r}; it speaks "
                f"{', '.join(self.label_systems)}"
            )
        return system

    def _forward(self, batch, answers):
        """Fill the members' answers for one batch into arrays (M, B, ...)."""
        with torch.inference_mode(), _full_precision(self.device):
            # A copy: torch must not see strides or read-only memory that it does not know.
            tensors = {k: torch.from_numpy(np.array(v, order="C")).to(self.device) for k, v in batch.items()}
            for i, member in enumerate(self.members):
                outputs = member.eval()(tensors)
                for name, out in answers.items():
                    if name not in outputs or outputs[name].shape != out[i].shape:
                        shape = tuple(outputs[name].shape) if name in outputs else "nothing"
                        raise EnsembleError(
                            f"member {self.card.members[i].name!r} of {self.name!r} gives {shape} for {name}, "
                            f"expected {out[i].shape}"
                        )
                    out[i] = outputs[name].double().cpu().numpy()

    @property
    def class_weights(self):
        """Weights of the members for the classes, shape (M,), sum 1."""
        return self._weights()[0]

    def _weights(self):
        """Weights of the members for the classes and for the radius, each with sum 1."""
        rule, weights = self.card.combination["rule"], self.card.combination.get("weights")
        equal = np.full(len(self.members), 1 / len(self.members))
        if weights is None:
            weights = _combine.PAPER_WEIGHTS if rule == "mescr" else None
        if weights is None:
            return equal, equal
        given = np.array([weights[m.name] for m in self.card.members], float)
        given /= given.sum()
        return given, equal if rule == "mescr" else given

    def _classes(self, logits, system, prior, outside):
        calibration = self.card.label_systems[system].get("calibration", {})
        probabilities = _combine.calibrate(
            _combine.mean_log_probabilities(logits, self._weights()[0]),
            temperature=calibration.get("temperature", 1.0),
            bias=calibration.get("bias", 0.0),
        )
        mix = self.card.label_systems[system].get("class_mix", np.ones(len(self.classes)))
        if prior is not None:
            probabilities = _combine.apply_class_prior(probabilities, mix=prior[0], prior=prior[1])
            mix = prior[1]
        share = np.asarray(mix) / np.sum(mix)
        probabilities = (1 - outside[:, None]) * probabilities + outside[:, None] * share
        threshold = calibration.get("threshold", self.card.levels["class_set"])
        return probabilities, _combine.class_sets(probabilities, threshold)

    def _groups(self, groups, inputs, answers, good):
        """Bin and class of each star, by which its radius is calibrated."""
        values = inputs.get(groups["input"])
        if values is None or values.ndim != 2 or values.shape[1] <= max(groups["column"], groups["present"]):
            raise EnsembleError(
                f"the radii of {self.name!r} are calibrated by input {groups['input']!r}, which is absent"
            )
        values = values[good]
        bins = 1 + np.searchsorted(groups["edges"], values[:, groups["column"]], side="right")
        log_p = _combine.mean_log_probabilities(answers[f"logits_{groups['label_system']}"], self._weights()[0])
        return np.where(values[:, groups["present"]] > 0.5, bins, 0), log_p.argmax(axis=1)

    def _radii(self, means, variances, bins, outside):
        weights = self._weights()[1]
        mean, variance, spread = _combine.total_variance(means, variances, weights)
        gaussian = NormalDist().inv_cdf(0.5 + self.card.levels["radius_interval"] / 2)
        calibration = {"scale": 1.0, "lower": -gaussian, "upper": gaussian} | self.card.radius_calibration
        scale, lower, upper = (np.asarray(calibration[name], float) for name in ("scale", "lower", "upper"))
        if bins is not None:
            scale, lower, upper = scale[bins], lower[bins], upper[bins]
        sigma = np.sqrt(scale**2 * variance + outside * (self.card.domain or {}).get("radius_sigma", 0.0) ** 2)
        lower, upper = mean + lower * sigma, mean + upper * sigma
        if self.card.radius_space == "linear":
            values = (mean, sigma, np.maximum(lower, 0), upper, spread)
        else:
            with np.errstate(over="ignore", invalid="ignore"):  # an absurd answer becomes inf, and is seen
                radius = 10.0**mean
                spread = _combine.total_variance(10.0**means, variances, weights)[2]
                values = (radius, _LN10 * radius * sigma, 10.0**lower, 10.0**upper, spread)
        return dict(zip(("radius", "radius_err", "radius_lower", "radius_upper", "radius_spread"), values, strict=True))

    def _domain(self, inputs, n, intruder, good):
        """Distance from the training domain (N,), and how much of the answer is ignorance (N,), 0 inside."""
        domain = self.card.domain
        if domain is None:
            return np.full(n, np.nan), np.zeros(n)
        features = inputs.get(domain["input"])
        if features is None or features.shape != (n, len(domain["center"])):
            raise EnsembleError(
                f"the training domain of {self.name!r} is about input {domain['input']!r} of shape "
                f"(N, {len(domain['center'])}), which is not among the inputs {', '.join(inputs)}"
            )
        score = _combine.domain_score(
            features, center=domain["center"], precision=domain["precision"], limit=domain["limit"]
        )
        outside = 1 - 1 / np.fmax(score, 1.0)
        if intruder is not None:
            probability = np.zeros(n)
            probability[good] = self._weights()[0] @ (1 / (1 + np.exp(-np.clip(intruder, -50, 50))))
            score = np.fmax(score, probability / domain["intruder_limit"])
            outside = np.where(probability > domain["intruder_limit"], np.maximum(outside, probability), outside)
        return score, outside


def _device(device):
    if device is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(device)
    except (RuntimeError, TypeError) as err:
        raise EnsembleError(f"{device!r} names no device; try 'cpu' or 'cuda'") from err
    count = torch.cuda.device_count()
    if device.type == "cuda" and (device.index or 0) >= count:
        raise EnsembleError(f"device {str(device)!r} is not there: torch sees {count} CUDA devices; try 'cpu'")
    return device


def _full_precision(device):
    """On CUDA, convolutions in true float32: TF32 would change the third digit of an answer between machines."""
    if device.type != "cuda":
        return contextlib.nullcontext()
    return torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False)


def _checked(inputs):
    """The inputs as arrays that torch takes, and their common length."""
    arrays = {name: np.asarray(value) for name, value in inputs.items()}
    lengths = {name: len(value) if value.ndim else None for name, value in arrays.items()}
    if len(set(lengths.values())) != 1 or None in lengths.values():
        raise ValueError(f"inputs must be arrays with a common first axis; theirs are {lengths}")
    with np.errstate(over="ignore"):  # beyond float32 is infinite to a network
        arrays = {k: v.astype(np.float32) if v.dtype.kind == "f" else v for k, v in arrays.items()}
    return arrays, next(iter(lengths.values()))


def _spread(values, rows, fill):
    """Put the values of the chosen rows back to their places among all."""
    out = np.full((len(rows), *values.shape[1:]), fill, dtype=values.dtype)
    out[rows] = values
    return out
