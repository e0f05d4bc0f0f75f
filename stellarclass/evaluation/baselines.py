# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Methods to compare an ensemble with: each answers from stamps and astrometry, so that all can be judged alike.

A *method* has a ``name`` and ``predict(stamps, astrometry, *, label_system=None, photometry=None)``, which returns a
`~stellarclass.nets.prediction.Prediction` for the N stars; what the method cannot say is NaN. There are

* `EnsembleMethod`: an ensemble, with a part of its inputs withheld if wanted (image only; no proper motion). The
  multi-aperture baseline, ``stellarclass.training.aperture_mlp``, is an ensemble too;
* `StefanBoltzmann`: what a textbook says of the radius;
* `ColorForest`: a random forest on four colors, with neither magnitude nor parallax.
"""

from dataclasses import replace
from statistics import NormalDist

import numpy as np
from astropy import units as u

from .. import physics
from ..exceptions import InputError
from ..nets.combination import apply_class_prior, class_sets
from ..nets.prediction import Prediction
from ..physics import CLASSES
from ..stamps.photometric import FEATURES
from ..stamps.photometry import asinh_magnitude_error, measure
from ..training.calibrate import fit_radius

__all__ = ["INPUTS", "ColorForest", "EnsembleMethod", "StefanBoltzmann", "withhold"]

INPUTS = {
    "image": (),
    "image + parallax": ("parallax", "parallax_error"),
    "image + proper motion": ("pmra", "pmra_error", "pmdec", "pmdec_error"),
    "all": ("parallax", "parallax_error", "pmra", "pmra_error", "pmdec", "pmdec_error"),
}
"""Sets of inputs that a method may be given, and what each takes of the astrometry."""

_ASTROMETRIC = INPUTS["all"]
_LN10 = np.log(10.0)
_LEVEL = 0.9  # of intervals and class sets, as ensembles have it
_GAUSSIAN = NormalDist().inv_cdf(0.5 + _LEVEL / 2)


def withhold(astrometry, inputs):
    """Astrometry without what is not to be used.

    Parameters
    ----------
    astrometry : `~stellarclass.astrometry.Astrometry`
        Of N stars; not changed.
    inputs : str
        Key of `INPUTS`.

    Returns
    -------
    `~stellarclass.astrometry.Astrometry`

    Raises
    ------
    stellarclass.exceptions.InputError
        If there is no such set of inputs.

    Examples
    --------
    >>> import numpy as np
    >>> from stellarclass.astrometry import Astrometry
    >>> from stellarclass.evaluation.baselines import withhold
    >>> known = Astrometry.empty(1)
    >>> known.parallax[:], known.pmra[:] = 2.0, 5.0
    >>> withheld = withhold(known, "image + proper motion")
    >>> print(withheld.parallax, withheld.pmra)
    [nan] [5.]
    """
    if inputs not in INPUTS:
        raise InputError(f"inputs {inputs!r} are none of {', '.join(map(repr, INPUTS))}")
    gone = [name for name in _ASTROMETRIC if name not in INPUTS[inputs]]
    return replace(astrometry, **{name: np.full(len(astrometry), np.nan) for name in gone})


class EnsembleMethod:
    """An ensemble as a method.

    Parameters
    ----------
    ensemble : `~stellarclass.nets.ensemble.Ensemble`
        Any.
    inputs : str
        Key of `INPUTS`: what it is given.
    class_prior : dict of str to float, optional
        Share of each class among the stars, if it differs from that of the calibration.
    name : str, optional
        By default that of the ensemble and its inputs.

    Examples
    --------
    >>> from stellarclass import load_ensemble
    >>> from stellarclass.evaluation.baselines import EnsembleMethod
    >>> EnsembleMethod(load_ensemble("default"), inputs="image").name
    'default, image'
    """

    def __init__(self, ensemble, *, inputs="all", class_prior=None, name=None):
        if inputs not in INPUTS:
            raise InputError(f"inputs {inputs!r} are none of {', '.join(map(repr, INPUTS))}")
        self.ensemble, self.inputs, self.class_prior = ensemble, inputs, class_prior
        self.name = name or (ensemble.name if inputs == "all" else f"{ensemble.name}, {inputs}")

    def predict(self, stamps, astrometry, *, label_system=None, photometry=None):
        """What the ensemble says of N stars.

        Parameters
        ----------
        stamps : `~stellarclass.stamps.Stamps`
            N stamps.
        astrometry : `~stellarclass.astrometry.Astrometry`
            Of the same stars.
        label_system : str, optional
            By default the ensemble's.
        photometry : `~stellarclass.stamps.photometry.Photometry`, optional
            Measured on these stamps; saves measuring them again.

        Returns
        -------
        `~stellarclass.nets.prediction.Prediction`
        """
        inputs = self.ensemble.recipe(stamps, withhold(astrometry, self.inputs), photometry=photometry)
        prior = {} if self.class_prior is None else {"class_prior": self.class_prior}
        return self.ensemble.predict(inputs, label_system=label_system, **prior)


class StefanBoltzmann:
    """Radius by the law of Stefan and Boltzmann alone: from g, r, i and the parallax, with propagated errors.

    Stars whose parallax is not positive, or that lack one of the three bands, get no radius; nothing gets a class.
    Reddening is not removed: nothing at hand says how much there is.

    Attributes
    ----------
    name : str
        "Stefan-Boltzmann".

    Notes
    -----
    `stellarclass.physics.stefan_boltzmann_radius` with G and BP-RP from `stellarclass.physics.gaia_from_sdss`. The
    error of log10 R has three parts: parallax (``error / parallax / ln 10``), photometry (the formula's slope in each
    band times the error of the magnitude), and 0.03 dex for the width of the relations themselves.
    """

    name = "Stefan-Boltzmann"
    _RELATION_DEX = 0.03

    def predict(self, stamps, astrometry, *, label_system=None, photometry=None):
        """Radii of N stars.

        Parameters
        ----------
        stamps : `~stellarclass.stamps.Stamps`
            N stamps.
        astrometry : `~stellarclass.astrometry.Astrometry`
            Of the same stars.
        label_system : str, optional
            Taken for the sake of the interface: there are no classes.
        photometry : `~stellarclass.stamps.photometry.Photometry`, optional
            Measured on these stamps; saves measuring them again.

        Returns
        -------
        `~stellarclass.nets.prediction.Prediction`
            Probabilities are NaN.

        Examples
        --------
        >>> import numpy as np
        >>> from astropy.table import Table
        >>> from stellarclass.astrometry import Astrometry
        >>> from stellarclass.evaluation.baselines import StefanBoltzmann
        >>> from stellarclass.simulate import render_stars
        >>> sun = Table({"u": [16.9], "g": [15.46], "r": [15.0], "i": [14.89], "z": [14.86]})  # at 1.2 kpc
        >>> gaia = Astrometry.empty(1)
        >>> gaia.parallax[:], gaia.parallax_error[:] = 0.84, 0.03
        >>> answer = StefanBoltzmann().predict(render_stars(sun, seed=1), gaia)
        >>> bool(abs(answer.radius[0] - 1.0) < 2 * answer.radius_err[0])
        True
        """
        photometry = measure(stamps) if photometry is None else photometry
        magnitude = photometry.magnitude[:, 1:4]  # (N, 3): g, r, i
        error = asinh_magnitude_error(photometry.flux, photometry.flux_err)[:, 1:4]
        parallax = np.where(astrometry.parallax > 0, astrometry.parallax, np.nan)
        log_radius = _log_radius(magnitude, parallax)
        variance = self._RELATION_DEX**2 + (astrometry.parallax_error / parallax / _LN10) ** 2
        for band in range(3):
            # Half a standard deviation to each side: the relations are broken lines, and a magnitude may be poor.
            step = np.zeros_like(magnitude)
            step[:, band] = error[:, band] / 2
            variance = (
                variance + (_log_radius(magnitude + step, parallax) - _log_radius(magnitude - step, parallax)) ** 2
            )
        n = len(parallax)
        return _prediction(
            np.full((n, len(CLASSES)), np.nan), log_radius, np.sqrt(variance), lower=-_GAUSSIAN, upper=_GAUSSIAN
        )


def _log_radius(gri, parallax):
    """log10 of the radius in R_sun for magnitudes (N, 3) and parallaxes in mas (N,); NaN where there is none."""
    g_mag, bp_rp = physics.gaia_from_sdss(*(gri.T * u.mag))
    return np.log10(physics.stefan_boltzmann_radius(g_mag, bp_rp, parallax * u.mas).to_value(u.solRad))


def _prediction(probabilities, log_radius, sigma, *, lower, upper):
    """A `Prediction` of log-normal radii: sigma in dex, ends of the interval in units of it."""
    n = len(log_radius)
    answered = np.isfinite(probabilities).all(1)
    sets = np.ones(probabilities.shape, bool)
    sets[answered] = class_sets(probabilities[answered], _LEVEL)
    radius = 10**log_radius
    return Prediction(
        classes=CLASSES,
        probabilities=probabilities,
        class_sets=sets,
        radius=radius,
        radius_err=_LN10 * radius * sigma,
        radius_lower=10 ** (log_radius + lower * sigma),
        radius_upper=10 ** (log_radius + upper * sigma),
        radius_spread=np.full(n, np.nan),
        domain_score=np.full(n, np.nan),
    )


class ColorForest:
    """Random forests on u-g, g-r, r-i and i-z: what colors alone say of class and radius.

    Made by `ColorForest.train`.

    Attributes
    ----------
    name : str
        "colors only (random forest)".
    class_mix : dict of str to ndarray, shape (5,)
        For each label system, the shares of the classes that it was trained on.
    """

    name = "colors only (random forest)"

    def __init__(self, classifiers, radius, spread, calibration, class_mix, *, class_prior=None):
        self._classifiers, self._radius, self._spread = classifiers, radius, spread
        self._calibration, self.class_mix, self.class_prior = calibration, class_mix, class_prior

    @classmethod
    def train(cls, data, *, seed, label_systems=("sdss",), class_prior=None, trees=60, stars=25_000, processes=1):
        """Train on the colors of stars of the simulated sky.

        Parameters
        ----------
        data : dict of str to ndarray
            Set of ``stellarclass.training.simulated.make_training_set``; only the magnitudes among its features and its
            targets are used.
        seed : int
            The same seed gives the same forests.
        label_systems : sequence of str
            Those that it is to speak.
        class_prior : dict of str to float, optional
            Share of each class among the stars to be classified, if it differs from that of ``data``.
        trees : int
            Trees in each forest.
        stars : int
            Stars to learn from, at most; a fifth as many more calibrate the radius.
        processes : int
            Threads.

        Returns
        -------
        ColorForest

        Raises
        ------
        ImportError
            If scikit-learn is not installed.
        """
        try:
            from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
        except ImportError as err:
            raise ImportError("random forests need scikit-learn: pip install 'stellarclass[train]'") from err
        rng = np.random.default_rng(seed)
        colors, log_radius = _colors_of_features(data["features"]), data["target_log_radius"].astype(float)
        rows = rng.permutation(np.flatnonzero(np.isfinite(log_radius)))[: stars + stars // 5]
        learn, rest = np.split(rows, [len(rows) * 5 // 6])
        options = {"n_estimators": trees, "n_jobs": processes, "max_features": 2}
        state = iter(rng.integers(2**31, size=2 + len(label_systems)).tolist())
        radius = RandomForestRegressor(**options, min_samples_leaf=8, oob_score=True, random_state=next(state))
        radius.fit(colors[learn], log_radius[learn])
        spread = RandomForestRegressor(**options, min_samples_leaf=40, random_state=next(state))
        spread.fit(colors[learn], (log_radius[learn] - radius.oob_prediction_) ** 2)
        sigma = np.sqrt(spread.predict(colors[rest]))
        calibration = fit_radius(log_radius[rest] - radius.predict(colors[rest]), sigma, level=_LEVEL)
        classifiers, mix = {}, {}
        for system in label_systems:
            share = data[f"target_{system}"][learn].astype(float)
            labels = (rng.random((len(share), 1)) > np.cumsum(share, 1)).sum(1).clip(0, len(CLASSES) - 1)
            forest = RandomForestClassifier(**options, min_samples_leaf=8, random_state=next(state))
            classifiers[system] = forest.fit(colors[learn], labels)
            mix[system] = np.bincount(labels, minlength=len(CLASSES)) / len(labels)
        return cls(classifiers, radius, spread, calibration, mix, class_prior=class_prior)

    def predict(self, stamps, astrometry, *, label_system=None, photometry=None):
        """What colors say of N stars.

        Parameters
        ----------
        stamps : `~stellarclass.stamps.Stamps`
            N stamps.
        astrometry : `~stellarclass.astrometry.Astrometry`
            Taken for the sake of the interface, and not used.
        label_system : str, optional
            One of those that it was trained for; by default the first.
        photometry : `~stellarclass.stamps.photometry.Photometry`, optional
            Measured on these stamps; saves measuring them again.

        Returns
        -------
        `~stellarclass.nets.prediction.Prediction`

        Raises
        ------
        stellarclass.exceptions.InputError
            If it was not trained for the label system.
        """
        system = next(iter(self._classifiers)) if label_system is None else label_system
        if system not in self._classifiers:
            raise InputError(f"this forest speaks {', '.join(self._classifiers)}, not {system!r}")
        photometry = measure(stamps) if photometry is None else photometry
        magnitude = photometry.magnitude
        colors = magnitude[:, :-1] - magnitude[:, 1:]
        probabilities = np.zeros((len(colors), len(CLASSES)))
        forest = self._classifiers[system]
        probabilities[:, forest.classes_] = forest.predict_proba(colors)
        if self.class_prior is not None:
            prior = [self.class_prior[name] for name in CLASSES]
            probabilities = apply_class_prior(probabilities, mix=self.class_mix[system], prior=prior)
        sigma = self._calibration["scale"] * np.sqrt(self._spread.predict(colors))
        ends = {name: self._calibration[name] for name in ("lower", "upper")}
        return _prediction(probabilities, self._radius.predict(colors), sigma, **ends)


def _colors_of_features(features):
    """u-g ... i-z (N, 4) of the columns of the photometric recipe; NaN where a band is missing."""
    place = {name: k for k, name in enumerate(FEATURES)}
    relative, used = (features[:, [place[f"{what}_{b}"] for b in "ugriz"]] for what in ("color", "used"))
    relative = np.where(used > 0, relative, np.nan).astype(float)
    return relative[:, :-1] - relative[:, 1:]
