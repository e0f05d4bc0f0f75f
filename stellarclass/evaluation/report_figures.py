# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Pictures of an evaluation, each a figure put together from the functions of `stellarclass.plotting`."""

from dataclasses import dataclass

import numpy as np
from astropy import units as u

from .. import plotting
from ..exceptions import InputError
from ..stamps.mescr import MescrRecipe
from ..training.config import AugmentationConfig, SamplingConfig
from ..training.examples import augmented_examples
from ..training.sampling import draw_set, expected_shares
from .judged import SNR_EDGES
from .truth import class_column, radius_column_of

__all__ = [
    "Practice",
    "figure_augmentation",
    "figure_calibration",
    "figure_composites",
    "figure_confusion",
    "figure_losses",
    "figure_radius",
    "figure_roi",
    "figure_sample",
    "figure_set_classes",
    "figure_set_values",
]

_WIDE = 7.2  # inches: at 110 dpi a little more than a phone is wide, so that text stays legible
_MIN_CALIBRATED = 30


def _figure(height):
    from matplotlib.figure import Figure

    return Figure(figsize=(_WIDE, height), layout="constrained")


def figure_sample(evaluation):
    """Figure 1: parallax, proper motion, radius and color-magnitude diagram of all stars of the reference set.

    Parameters
    ----------
    evaluation : `~stellarclass.evaluation.evaluate.Evaluation`

    Returns
    -------
    `~matplotlib.figure.Figure` or None
        None if the set has no Gaia photometry.
    """
    table = evaluation.reference.table
    radius = evaluation.meta["radius_column"]
    if {"phot_g_mean_mag", "bp_rp"} <= set(table.colnames):
        return plotting.plot_sample(table, radius=radius)
    return None


def figure_confusion(evaluation):
    """Figure 3: the ensemble's confusion matrix for each label column, in the label system that is meant for it.

    Parameters
    ----------
    evaluation : `~stellarclass.evaluation.evaluate.Evaluation`

    Returns
    -------
    `~matplotlib.figure.Figure`
    """
    table = evaluation.confusion
    panels = []
    first, *second = (c for c in (evaluation.meta["label_column"], evaluation.meta["second_label"]) if c)
    name = evaluation.stars.meta["ensemble"]
    for column in (first, *second):
        rows = table[(table["label"] == column) & (table["method"] == name)]
        for system in dict.fromkeys(rows["label_system"].tolist()):
            panels.append((column, system, rows[rows["label_system"] == system]))
    columns = min(len(panels), 2)
    figure = _figure(3.7 * -(-len(panels) // 2) if columns > 1 else 5.5)
    axes = figure.subplots(-(-len(panels) // columns), columns, squeeze=False).ravel()
    for ax in axes[len(panels) :]:
        ax.remove()
    for ax, (column, system, rows) in zip(axes, panels, strict=False):
        classes = list(dict.fromkeys(rows["truth"].tolist()))
        matrix = np.array(rows["stars"]).reshape(len(classes), len(classes))
        plotting.plot_confusion(matrix, classes, ax=ax)
        ax.set_title(f"{column}, answers as {system}", fontsize="medium")
    return figure


def figure_radius(evaluation):
    """Figure 4: radii against the reference with the residuals above, and uncertainty against S/N.

    Parameters
    ----------
    evaluation : `~stellarclass.evaluation.evaluate.Evaluation`

    Returns
    -------
    `~matplotlib.figure.Figure`
    """
    stars = evaluation.stars
    truth, answer = stars["radius_reference"], stars["radius"]
    figure = _figure(6.6)
    axes = figure.subplot_mosaic([["linear", "dex"], ["density", "snr"]], height_ratios=[1, 2])
    plotting.plot_residuals(truth, answer, ax=axes["linear"])
    plotting.plot_residuals(truth, answer, relative=True, ax=axes["dex"])
    plotting.plot_radius_density(truth, answer, ax=axes["density"])
    plotting.plot_uncertainty(
        stars["snr_r"],
        stars["radius_err"],
        spread=stars["radius_spread"] if len(evaluation.ensembles[0].members) > 1 else None,
        off=answer - truth,
        edges=SNR_EDGES,
        ax=axes["snr"],
    )
    return figure


def figure_calibration(evaluation):
    """How often answers are right that are said to be so probable, and how many radii intervals of each level hold.

    Parameters
    ----------
    evaluation : `~stellarclass.evaluation.evaluate.Evaluation`

    Returns
    -------
    `~matplotlib.figure.Figure` or None
        None if too few reference radii are known.
    """
    stars = evaluation.stars
    known = np.isfinite(stars["radius_reference"].value)
    if known.sum() < _MIN_CALIBRATED:
        return None
    figure = _figure(3.7)
    left, right = figure.subplots(1, 2)
    plotting.plot_reliability(stars, stars["label"], ax=left)
    plotting.plot_coverage(stars, stars["radius_reference"], by="parallax", ax=right)
    return figure


@dataclass(frozen=True)
class Practice:
    """How an ensemble of the paper's kind was trained: by its card, else as the paper has it.

    Attributes
    ----------
    recipe : `~stellarclass.stamps.mescr.MescrRecipe`
    sampling : `~stellarclass.training.config.SamplingConfig`
    augmentation : `~stellarclass.training.config.AugmentationConfig`
    seed : int
    """

    recipe: MescrRecipe
    sampling: SamplingConfig
    augmentation: AugmentationConfig
    seed: int

    @classmethod
    def of(cls, ensemble):
        """What the card of an ensemble says; what it does not, or not so that it can be understood, is the paper's."""
        recipe = ensemble.recipe if isinstance(ensemble.recipe, MescrRecipe) else MescrRecipe()
        try:
            config = ensemble.card.training["config"]
            sampling, augmentation = SamplingConfig(**config["sampling"]), AugmentationConfig(**config["augmentation"])
            return cls(recipe, sampling, augmentation, abs(int(config["seed"])))
        except (KeyError, TypeError, ValueError, InputError):
            return cls(recipe, SamplingConfig(), AugmentationConfig(), 1)


def figure_composites(reference, rows, practice):
    """Figure A1: both composites of some stars.

    Parameters
    ----------
    reference : `~stellarclass.reference.ReferenceSet`
    rows : sequence of int
        Rows of the reference set.
    practice : Practice

    Returns
    -------
    `~matplotlib.figure.Figure`
    """
    figure = _figure(3.2 if len(rows) > 2 else 4.5)
    axes = figure.subplots(2, len(rows), squeeze=False)
    stamps = reference.stamps(np.asarray(rows))
    classes = class_column(reference.table, "spectral_class")[rows]
    for k, name in enumerate(classes):
        for line, channels in enumerate(practice.recipe.combination.split("+")):
            plotting.plot_composite(stamps.images[k], channels, title=f"{name}, {channels}", ax=axes[line, k])
    return figure


def figure_roi(reference, row):
    """Figure A2: how the region of interest grows on a star, by both rules.

    Parameters
    ----------
    reference : `~stellarclass.reference.ReferenceSet`
    row : int
        Row of the reference set.

    Returns
    -------
    `~matplotlib.figure.Figure`
    """
    figure = _figure(3.8)
    images = reference.stamps(np.array([row])).images[0]
    for ax, rule in zip(figure.subplots(1, 2), ("ring", "published"), strict=True):
        plotting.plot_roi(images, rule=rule, ax=ax)
        ax.set_title(f"rule {rule!r}", fontsize="medium")
    return figure


def figure_augmentation(reference, row, practice):
    """Figure A3: the augmentations on both composites of a star.

    Parameters
    ----------
    reference : `~stellarclass.reference.ReferenceSet`
    row : int
        Row of the reference set.
    practice : Practice

    Returns
    -------
    `~matplotlib.figure.Figure`
    """
    inputs = practice.recipe(reference.stamps(np.array([row])))
    examples = augmented_examples(
        inputs["image_a"][0], inputs["image_b"][0], config=practice.augmentation, seed=practice.seed
    )
    figure = _figure(2.9)
    axes = figure.subplots(2, len(examples), squeeze=False)
    for k, (name, images) in enumerate(examples.items()):
        for line, (image, channels) in enumerate(zip(images, practice.recipe.combination.split("+"), strict=True)):
            plotting.plot_image(image, title=name if line == 0 else "", ax=axes[line, k])
            if k == 0:
                axes[line, k].set_ylabel(channels)
    return figure


def figure_losses(losses):
    """Figure A6: training and validation loss of each member by epoch.

    Parameters
    ----------
    losses : `~astropy.table.Table`
        As `stellarclass.plotting.plot_losses` takes it.

    Returns
    -------
    `~matplotlib.figure.Figure`
    """
    figure = _figure(3.4)
    for ax, column in zip(figure.subplots(1, 2), ("train", "validation"), strict=True):
        plotting.plot_losses(losses, column=column, ax=ax)
    return figure


def _sets(reference, practice):
    """Training stars, and the draws of each member among them."""
    rows = reference.rows("train")
    classes = class_column(reference.table, "spectral_class")[rows]
    how = practice.sampling
    options = {"draws": how.draws, "validation": how.validation, "leaky_split": how.leaky_split}
    return rows, classes, {m: draw_set(classes, member=m, seed=practice.seed, **options) for m in how.members}


def figure_set_classes(reference, practice):
    """Figure A4: classes in the weighted sets; lines are the shares that the formula means.

    Parameters
    ----------
    reference : `~stellarclass.reference.ReferenceSet`
    practice : Practice

    Returns
    -------
    `~matplotlib.figure.Figure`
    """
    _, classes, sets = _sets(reference, practice)
    names, counts = np.unique(classes, return_counts=True)
    shares = dict(zip(names.tolist(), (counts / counts.sum()).tolist(), strict=True))
    figure = _figure(2.1 * -(-len(sets) // 3))
    axes = figure.subplots(-(-len(sets) // 3), 3, sharey=True, squeeze=False).ravel()
    for ax in axes[len(sets) :]:
        ax.remove()
    for ax, (member, draws) in zip(axes, sets.items(), strict=False):
        parts = {"training": classes[draws.train], "validation": classes[draws.validation]}
        plotting.plot_class_counts(parts, expected=expected_shares(shares, member=member), ax=ax)
        ax.set_title(member, fontsize="medium")
        ax.label_outer()
    return figure


def figure_set_values(reference, practice, *, radius_column="radius"):
    """Figure A5: parallax, proper motion and radius in the weighted sets and among the test stars.

    Parameters
    ----------
    reference : `~stellarclass.reference.ReferenceSet`
    practice : Practice
    radius_column : str
        Column of the radii.

    Returns
    -------
    `~matplotlib.figure.Figure`
    """
    rows, _, sets = _sets(reference, practice)
    test = reference.rows("test")
    groups = {f"{m}, {part}": rows[getattr(d, part)] for m, d in sets.items() for part in ("train", "validation")}
    groups["all, train"] = rows
    groups |= {"test": test} if len(test) else {}
    astrometry = reference.astrometry
    columns = {
        "Parallax": astrometry.parallax * u.mas,
        "Proper motion": np.hypot(astrometry.pmra, astrometry.pmdec) * u.mas / u.yr,
        "Radius": radius_column_of(reference.table, radius_column) * u.solRad,
    }
    figure = _figure(4.4)
    for ax, (label, values) in zip(figure.subplots(1, 3, sharey=True), columns.items(), strict=True):
        plotting.plot_quantiles({name: values[r] for name, r in groups.items()}, label=label, log=True, ax=ax)
        ax.tick_params(axis="y", labelsize="small")
    return figure
