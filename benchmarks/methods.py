# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The methods that the benchmarks compare: an ensemble, what it says with less, and the baselines."""

from pathlib import Path

from stellarclass import conf, load_ensemble
from stellarclass.evaluation.baselines import INPUTS, ColorForest, EnsembleMethod, StefanBoltzmann
from stellarclass.nets.weights import save_ensemble
from stellarclass.stamps import recipes
from stellarclass.stamps.photometric import PhotometricRecipe
from stellarclass.training.aperture_mlp import read_set, train_aperture_ensemble, with_labels
from stellarclass.training.simulated import make_training_set

MLP, FOREST, STEFAN_BOLTZMANN = "multi-aperture MLP", "colors only (forest)", "Stefan-Boltzmann alone"
_OWN_STARS, _OWN_SEED = 24_000, 31_415


def add_arguments(parser):
    parser.add_argument("--ensemble", default=None, help="name or folder (default: the default ensemble)")
    parser.add_argument(
        "--training",
        type=Path,
        default=None,
        help="--work of `stellarclass train default`, so that the baselines learn from the very stars that the "
        f"networks learned from; without it they get {_OWN_STARS} of their own",
    )
    parser.add_argument("--work", type=Path, default=Path("runs/benchmarks"), help="what is kept (%(default)s)")


def training_sets(args):
    """Stars to train the baselines on, and stars to calibrate them."""
    if args.training is not None:
        return read_set(args.training, "train"), read_set(args.training, "calibration")
    data = make_training_set(_OWN_STARS, seed=_OWN_SEED, recipe=recipes.to_dict(PhotometricRecipe()), processes=2)
    data = with_labels({k: v for k, v in data.items() if k != "residual"})
    cut = len(data["features"]) * 5 // 6
    return tuple({k: v[rows] for k, v in data.items()} for rows in (slice(cut), slice(cut, None)))


def where_trained(args):
    return f"those of {args.training.name}" if args.training is not None else f"{_OWN_STARS} of their own"


class Methods:
    """The methods by name, trained when they are first needed."""

    def __init__(self, args, *, class_prior=None):
        self.args, self.class_prior = args, class_prior
        self.ensemble = load_ensemble(conf.ensemble if args.ensemble is None else args.ensemble)
        self._sets = self._mlp = None

    @property
    def names(self):
        return [*(self.title(i) for i in INPUTS), MLP, FOREST, STEFAN_BOLTZMANN]

    @staticmethod
    def title(inputs):
        return f"network, {inputs}"

    def _training(self):
        if self._sets is None:
            self._sets = training_sets(self.args)
        return self._sets

    def mlp(self):
        """The multi-aperture MLP as an ensemble; kept in the work folder."""
        if self._mlp is None:
            source = "own" if self.args.training is None else self.args.training.name
            folder = self.args.work / f"mlp-{source}"
            if not (folder / "card.json").is_file():
                folder.parent.mkdir(parents=True, exist_ok=True)
                save_ensemble(train_aperture_ensemble(*self._training(), seed=0), folder)
            self._mlp = load_ensemble(folder)
        return self._mlp

    def make(self, name):
        """The method of this name."""
        if name == MLP:
            return EnsembleMethod(self.mlp(), class_prior=self._prior(self.mlp()))
        if name == FOREST:
            return ColorForest.train(self._training()[0], seed=0, class_prior=self.class_prior, processes=2)
        if name == STEFAN_BOLTZMANN:
            return StefanBoltzmann()
        inputs = next(i for i in INPUTS if name == self.title(i))
        return EnsembleMethod(self.ensemble, inputs=inputs, class_prior=self._prior(self.ensemble))

    def _prior(self, ensemble):
        """The class mix, for an ensemble that knows the one that it was calibrated on."""
        knows = all(entry.get("class_mix") is not None for entry in ensemble.card.label_systems.values())
        return self.class_prior if knows else None

    @property
    def told(self):
        """Whether the ensemble is told the class mix, in words."""
        return "is told the class mix" if self._prior(self.ensemble) else "is not told the class mix"

    def tag(self, name):
        """What tells one version of a method from another, in a file name."""
        source = "own" if self.args.training is None else self.args.training.name
        if name.startswith("network"):
            source = self.ensemble.sha256[:12]
        elif name == MLP:
            source = self.mlp().sha256[:12]
        return source if self.class_prior is None else f"{source}-prior"
