# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Configurations of training: every setting with its meaning and its limits, checked before any work is done."""

import math
import re
from dataclasses import MISSING, dataclass, field, fields

from ..exceptions import InputError
from ..nets.combination import PAPER_WEIGHTS
from ..stamps.mescr import MescrRecipe

__all__ = [
    "FITTED",
    "KINDS",
    "OPERATIONS",
    "SECTIONS",
    "AugmentationConfig",
    "CombinationConfig",
    "DefaultConfig",
    "MescrConfig",
    "NetworkConfig",
    "SamplingConfig",
    "StarsConfig",
    "TrainingConfig",
    "config_to_dict",
]

OPERATIONS = ("rotation", "flip", "noise", "cutout", "erasing")
"""The five augmentations."""

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
FITTED = ("parallax_range", "pm_range", "teff_range")
"""Settings of the recipe that no file has: they are set from the training stars."""


def _setting(meaning, default=MISSING, *, low=None, high=None, choices=None):
    """A field with limits, which its class checks and the documentation prints."""
    return field(default=default, metadata={"meaning": meaning, "low": low, "high": high, "choices": choices})


class _Section:
    """Checks every field of a dataclass against its limits. In a file its fields stand in a table of this name."""

    _table = ""

    def __post_init__(self):
        for f in fields(self):
            if f.metadata:
                object.__setattr__(self, f.name, _checked(getattr(self, f.name), f, self._table))


def _checked(value, f, table):
    name, limits = f"{table}.{f.name}".lstrip("."), f.metadata
    if f.type is tuple:
        return _checked_list(value, limits, name)
    if limits["choices"] is not None:
        if not isinstance(value, str) or value not in limits["choices"]:
            raise InputError(f"{name} = {value!r} is none of {', '.join(map(repr, limits['choices']))}")
        return value
    if f.type is bool:
        if not isinstance(value, bool):
            raise InputError(f"{name} = {value!r} is neither true nor false")
        return value
    if f.type is int and type(value) is not int:
        raise InputError(f"{name} = {value!r} is not a whole number")
    return _number(value, limits, name, whole=f.type is int)


def _number(value, limits, name, *, whole=False):
    good = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    if not good or not limits["low"] <= value <= limits["high"]:
        raise InputError(f"{name} = {value!r} is not a number from {limits['low']:g} to {limits['high']:g}")
    return value if whole else float(value)


def _checked_list(value, limits, name):
    if not isinstance(value, (list, tuple)):
        raise InputError(f"{name} = {value!r} is not a list")
    if limits["choices"] is None:
        value = tuple(_number(v, limits, name) for v in value)
        if len(value) != 2 or value[0] > value[1]:
            raise InputError(f"{name} = {list(value)} is not two numbers, the smaller first")
        return value
    for item in value:
        if not isinstance(item, str) or item not in limits["choices"]:
            raise InputError(f"{name} has {item!r}, which is none of {', '.join(map(repr, limits['choices']))}")
    if len(set(value)) != len(value):
        raise InputError(f"{name} = {list(value)} names one of them twice")
    return tuple(value)


@dataclass(frozen=True)
class TrainingConfig(_Section):
    """How a network is trained; by default, how the members of the default ensemble are.

    Attributes
    ----------
    epochs : int
        Passes over the training set.
    batch_size : int
        Stars a step; those left over at the end of an epoch wait for the next one's order.
    loss : {"physical", "mescr"}
        One of `stellarclass.training.losses.LOSSES`.
    optimizer : {"adamw", "sgd"}
        SGD is with Nesterov momentum.
    momentum : float
        Of SGD.
    learning_rate : float
        The highest.
    schedule : {"one_cycle", "warmup_cosine"}
        One-cycle moves from step to step: a linear rise over the first tenth, a cosine to a hundredth. The other moves
        from epoch to epoch, see `stellarclass.training.optimizers.warmup_cosine`.
    warmup_epochs : int
        Of ``warmup_cosine``.
    final_learning_rate : float
        Of ``warmup_cosine``: the rate of the last epoch.
    weight_decay : float
        Of either optimizer.
    weight_decay_on : {"all", "weights"}
        Whether biases and batch normalization decay too.
    clip_norm : float
        The gradient is shortened to this length; 0 leaves it as it is.
    precision : {"float32", "mixed", "auto"}
        Mixed precision computes the network in half precision with scaled losses; ``"auto"`` does so on CUDA only.
    checkpoint_every : int
        Epochs from one checkpoint to the next.
    """

    _table = "training"
    epochs: int = _setting("passes over the training set", 12, low=1, high=100_000)
    batch_size: int = _setting("stars a step", 512, low=2, high=100_000)
    loss: str = _setting("what is made small", "physical", choices=("physical", "mescr"))
    optimizer: str = _setting("AdamW, or SGD with Nesterov momentum", "adamw", choices=("adamw", "sgd"))
    momentum: float = _setting("of SGD", 0.9, low=1e-6, high=0.9999)
    learning_rate: float = _setting("the highest", 3e-3, low=1e-9, high=10.0)
    schedule: str = _setting("how the rate moves", "one_cycle", choices=("one_cycle", "warmup_cosine"))
    warmup_epochs: int = _setting("epochs that the rate rises, of warmup_cosine", 0, low=0, high=1000)
    final_learning_rate: float = _setting("rate of the last epoch, of warmup_cosine", 0.0, low=0.0, high=10.0)
    weight_decay: float = _setting("decay of the weights", 1e-3, low=0.0, high=1.0)
    weight_decay_on: str = _setting("whether biases decay too", "all", choices=("all", "weights"))
    clip_norm: float = _setting("longest gradient; 0: any", 1.0, low=0.0, high=1e9)
    precision: str = _setting("auto: mixed on CUDA", "float32", choices=("float32", "mixed", "auto"))
    checkpoint_every: int = _setting("epochs between checkpoints", 1, low=1, high=10_000)

    def __post_init__(self):
        super().__post_init__()
        if self.schedule == "warmup_cosine":
            if self.warmup_epochs >= self.epochs:
                raise InputError(
                    f"training.warmup_epochs = {self.warmup_epochs} leaves none of {self.epochs} epochs for the "
                    "cosine; choose fewer"
                )
            if self.final_learning_rate > self.learning_rate:
                raise InputError(
                    f"training.final_learning_rate = {self.final_learning_rate:g} is above "
                    f"learning_rate = {self.learning_rate:g}"
                )


@dataclass(frozen=True)
class NetworkConfig(_Section):
    """Size of an MMSCNet; its image size and numbers are those of the recipe.

    Attributes
    ----------
    width : float
        Factor on the paper's widths.
    pool : int
        Side of the grid that the last feature map is averaged to; 0: its own side, at most 4.
    dense_width : float
        Factor on the widths of the dense layers; 0: ``width``.
    """

    _table = "network"
    width: float = _setting("factor on the paper's widths", 1.0, low=1e-3, high=4.0)
    pool: int = _setting("side of the last feature map; 0: its own, at most 4", 0, low=0, high=32)
    dense_width: float = _setting("factor on those of the dense layers; 0: width", 0.0, low=0.0, high=4.0)


@dataclass(frozen=True)
class SamplingConfig(_Section):
    """What each member learns from, see `stellarclass.training.sampling.draw_set`.

    Attributes
    ----------
    members : tuple of str
        Of `stellarclass.training.sampling.MEMBERS`.
    draws : int
        Draws of each member's set, validation included.
    validation : float
        Share for validation.
    leaky_split : bool
        Split draws, as the paper does, not stars.
    """

    _table = "sampling"
    members: tuple = _setting("sets to draw, a network each", tuple(PAPER_WEIGHTS), choices=tuple(PAPER_WEIGHTS))
    draws: int = _setting("draws of each set", 9000, low=10, high=10_000_000)
    validation: float = _setting("share of them for validation", 0.2, low=0.01, high=0.9)
    leaky_split: bool = _setting("split draws, not stars", False)

    def __post_init__(self):
        super().__post_init__()
        if not self.members:
            raise InputError("sampling.members is empty; at least one is needed")


@dataclass(frozen=True)
class AugmentationConfig(_Section):
    """How images are changed in training, see `stellarclass.training.augment.augment`.

    Attributes
    ----------
    operations : tuple of str
        Of `OPERATIONS`, in the order in which they are applied.
    probability : float
        Of each of them for each star of a batch; stars that the set holds several times get one at least.
    rotation : float
        Largest angle in degrees.
    noise : float
        Standard deviation in counts of 0 to 255.
    cutout : float
        Side of the black square, as a share of the image's.
    erasing : tuple of float
        Smallest and largest area of the erased box, as shares of the image's.
    """

    _table = "augmentation"
    operations: tuple = _setting("what may be done", OPERATIONS, choices=OPERATIONS)
    probability: float = _setting("of each, for each star", 0.2, low=0.0, high=1.0)
    rotation: float = _setting("largest angle in degrees", 180.0, low=0.0, high=180.0)
    noise: float = _setting("standard deviation in counts of 255", 5.0, low=0.0, high=255.0)
    cutout: float = _setting("side of the black square, of the image's", 0.25, low=0.0, high=1.0)
    erasing: tuple = _setting(
        "least and largest area of the erased box, of the image's", (0.02, 0.2), low=0.0, high=1.0
    )


@dataclass(frozen=True)
class CombinationConfig(_Section):
    """How the members become one answer, see `stellarclass.training.members.combine_members`.

    Attributes
    ----------
    weights : {"learned", "paper"}
        Of the members, for the classes: learned on validation stars, or the paper's.
    calibrate : bool
        Whether probabilities and intervals are calibrated on validation stars.
    """

    _table = "combination"
    weights: str = _setting("of the members, for the classes", "learned", choices=("learned", "paper"))
    calibrate: bool = _setting("calibrate on validation stars", True)


@dataclass(frozen=True)
class MescrConfig(_Section):
    """The paper's ensemble: `~stellarclass.nets.mmscnet.MMSCNet` members on weighted sets of a reference set.

    Attributes
    ----------
    name : str
        What the ensemble is called.
    seed : int
        Of the split, the draws, the first weights, the order and the augmentations.
    range_quantile : float
        Share of the training stars that lie beyond either end of the ranges of parallax and proper motion; 0 is the
        paper's min-max scaling.
    recipe : `~stellarclass.stamps.mescr.MescrRecipe`
        How the inputs are made; its ranges are set from the training stars.
    network, sampling, augmentation, training, combination
        See the other classes.
    """

    name: str = "mescr"
    seed: int = _setting("of everything that is drawn", 1, low=0, high=2**32 - 1)
    range_quantile: float = _setting("share of stars beyond either end of a range", 0.0, low=0.0, high=0.25)
    recipe: MescrRecipe = field(default_factory=MescrRecipe)
    network: NetworkConfig = field(default_factory=NetworkConfig)
    sampling: SamplingConfig = field(default_factory=SamplingConfig)
    augmentation: AugmentationConfig = field(default_factory=AugmentationConfig)
    training: TrainingConfig = field(default_factory=lambda: TrainingConfig(loss="mescr"))
    combination: CombinationConfig = field(default_factory=CombinationConfig)

    def __post_init__(self):
        super().__post_init__()
        _check_name(self.name)
        if self.training.loss != "mescr":
            raise InputError(f"training.loss = {self.training.loss!r} is not for this network; choose 'mescr'")
        if self.combination.weights == "paper" and set(self.sampling.members) != set(PAPER_WEIGHTS):
            raise InputError(
                f"combination.weights = 'paper' are for members {', '.join(PAPER_WEIGHTS)}, not for "
                f"{', '.join(self.sampling.members)}; choose 'learned'"
            )
        if self.sampling.leaky_split and (self.combination.weights == "learned" or self.combination.calibrate):
            raise InputError(
                "with sampling.leaky_split = true hardly a validation star is new to the networks: nothing can be "
                "learned on them; set combination.weights = 'paper' and combination.calibrate = false"
            )


@dataclass(frozen=True)
class StarsConfig(_Section):
    """How many simulated stars the default ensemble is made of.

    Attributes
    ----------
    train, validation, calibration, radii : int
        To learn from, to watch the loss on, to calibrate on, and stars in the paper's mix for the radii besides;
        rounded up to whole thousands.
    """

    _table = "stars"
    train: int = _setting("simulated stars to train on", 110_000, low=1, high=100_000_000)
    validation: int = _setting("simulated stars to watch the loss on", 8_000, low=1, high=10_000_000)
    calibration: int = _setting("simulated stars to calibrate on", 20_000, low=1, high=10_000_000)
    radii: int = _setting("more of them to calibrate radii on", 40_000, low=1, high=10_000_000)


@dataclass(frozen=True)
class DefaultConfig(_Section):
    """The default ensemble: `~stellarclass.nets.compact.CompactNet` members on the simulated sky.

    Attributes
    ----------
    name : str
        What the ensemble is called.
    members : int
        Networks.
    stars : StarsConfig
        How many stars they are made of.
    training : TrainingConfig
        How they are trained.
    """

    name: str = "default"
    members: int = _setting("networks in the ensemble", 6, low=1, high=64)
    stars: StarsConfig = field(default_factory=StarsConfig)
    training: TrainingConfig = field(default_factory=lambda: TrainingConfig(epochs=14))

    def __post_init__(self):
        super().__post_init__()
        _check_name(self.name)
        if self.training.loss != "physical":
            raise InputError(f"training.loss = {self.training.loss!r} is not for this network; choose 'physical'")


SECTIONS = {
    "mescr": {
        "recipe": MescrRecipe,
        "network": NetworkConfig,
        "sampling": SamplingConfig,
        "augmentation": AugmentationConfig,
        "training": TrainingConfig,
        "combination": CombinationConfig,
    },
    "default": {"stars": StarsConfig, "training": TrainingConfig},
}
"""Sections of a configuration file, by its ``kind``."""

KINDS = {"mescr": MescrConfig, "default": DefaultConfig}
"""What a configuration may be of, by its ``kind``."""


def _check_name(name):
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InputError(f"name = {name!r} is not lower-case letters, digits, '_' and '-', 64 at most")


def config_to_dict(config):
    """A configuration as plain JSON-ready values, as a file holds them.

    Parameters
    ----------
    config : MescrConfig or DefaultConfig
        What to write down.

    Returns
    -------
    dict
        With ``kind`` first.
    """
    kind = next(name for name, cls in KINDS.items() if isinstance(config, cls))
    return {"kind": kind, **{f.name: _plain(getattr(config, f.name)) for f in fields(config)}}


def _plain(value):
    if isinstance(value, tuple):
        return list(value)
    if hasattr(value, "__dataclass_fields__"):
        hidden = FITTED if isinstance(value, MescrRecipe) else ()
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value) if f.name not in hidden}
    return value
