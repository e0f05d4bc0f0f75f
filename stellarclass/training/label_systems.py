# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Teach an ensemble another label system: a small map from its physical outputs to the classes that someone prints."""

import dataclasses

import numpy as np
import torch
from torch.func import functional_call, stack_module_state
from torch.nn import functional as F

from .. import metrics
from ..astrometry import Astrometry
from ..exceptions import EnsembleError, InputError
from ..nets.combination import calibrate, class_sets, conformal_threshold, mean_log_probabilities
from ..nets.compact import CompactNet
from ..nets.ensemble import Ensemble
from ..nets.label_map import LabelMap
from ..stamps.base import Stamps
from .calibrate import fit_scaling

__all__ = ["LabelSystemFit", "add_label_system", "class_figures"]

_EPOCHS, _BATCH, _LEARNING_RATE, _WEIGHT_DECAY = 75, 256, 5e-3, 1e-2
_FORWARD = 2048
_MIN_PER_CLASS = 10


@dataclasses.dataclass(frozen=True)
class LabelSystemFit:
    """What `add_label_system` returns.

    Attributes
    ----------
    ensemble : `~stellarclass.nets.Ensemble`
        A new one that speaks the system beside all that it spoke before; `stellarclass.nets.save_ensemble` writes it.
    figures : dict
        Cross-validated: ``accuracy``, ``balanced_accuracy``, ``within_one_class``, ``log_loss``, ``recall`` (by class),
        ``class_set_coverage``, ``class_set_size``, and ``stars`` (by class).
    probabilities : ndarray, shape (N, C)
        Class probabilities of each stamp by maps that did not see its star.
    """

    ensemble: Ensemble
    figures: dict
    probabilities: np.ndarray


def add_label_system(
    ensemble,
    stamps,
    labels,
    *,
    name,
    description="",
    astrometry=None,
    stars=None,
    folds=5,
    seed=0,
    epochs=_EPOCHS,
    progress=None,
):
    """Teach an ensemble of compact networks to speak the classes of your own labels.

    The networks stay as they are; each gets a small map from its physical outputs (colors and their uncertainties) to
    the classes. How right the maps are is found by cross-validation over stars, which also calibrates them.

    Parameters
    ----------
    ensemble : `~stellarclass.nets.Ensemble`
        Of `~stellarclass.nets.compact.CompactNet`, such as the default one.
    stamps : `~stellarclass.stamps.Stamps` or iterable of them
        N images of labeled stars: fetched (`stellarclass.fetch_stamps`) or rendered from their magnitudes
        (`stellarclass.simulate.render_stars`), several of one star if you like. An iterable of several is gone through
        once, and only one of them is in memory at a time.
    labels : array-like of str, shape (N,)
        The class of each, among ``ensemble.classes``; every class at least ten times.
    name : str
        Name of the label system, as ``label_system=`` will take it; one that is there is replaced.
    description : str
        What its classes mean, for the card.
    astrometry : `~stellarclass.astrometry.Astrometry`, optional
        Of the same N stars; by default there is none.
    stars : array-like of int, shape (N,), optional
        Which star each stamp shows, if some show the same one: it is then never on both sides of the cross-validation.
    folds : int
        Parts of the cross-validation, at least 2.
    seed : int
        The same seed gives the same maps on one machine.
    epochs : int
        Passes over the stamps.
    progress : callable, optional
        Called with the number of epochs done.

    Returns
    -------
    LabelSystemFit
        The new ensemble, the cross-validated figures, which are on its card, too, and the probabilities behind them.

    Raises
    ------
    stellarclass.exceptions.InputError
        If the labels do not fit the stamps or the classes, or there are too few of one, or the name is taken by a
        system that is not learned.
    TypeError
        If the ensemble is not of compact networks.

    Examples
    --------
    With a table of magnitudes and labels, in a few minutes::

        from stellarclass import load_ensemble
        from stellarclass.nets import save_ensemble
        from stellarclass.simulate import render_stars
        from stellarclass.training import add_label_system

        fit = add_label_system(load_ensemble("default"), render_stars(table), table["class"], name="mine")
        print(fit.figures["accuracy"])
        save_ensemble(fit.ensemble, "my-ensemble")
    """
    if not all(isinstance(member, CompactNet) for member in ensemble.members):
        raise TypeError(f"ensemble {ensemble.name!r} is not of compact networks, whose physical outputs a map needs")
    if name == "pecaut_mamajek":
        raise InputError("label system 'pecaut_mamajek' follows from BP-RP and cannot be taught; choose another name")
    try:  # what would only come to light at the end
        with torch.random.fork_rng(devices=[]):
            CompactNet(label_systems=(name,))
        _with_entry(ensemble.card, name, {"description": description})
    except (ValueError, EnsembleError) as err:
        raise InputError(f"name = {name!r} of a label system: {err}") from err
    if folds < 2:
        raise InputError(f"folds = {folds}: cross-validation needs two at least")
    targets, stars = _checked(ensemble, labels, stars)
    if astrometry is not None and len(astrometry) != len(targets):
        raise InputError(f"astrometry of {len(astrometry)} stars for {len(targets)} labels")
    outputs = _physical(ensemble, [stamps] if isinstance(stamps, Stamps) else stamps, astrometry, len(targets))
    fold = _folds(targets, stars, folds, seed)
    with torch.random.fork_rng(devices=[]):  # the caller's random numbers stay as they are
        torch.manual_seed(seed)
        maps = _fit(ensemble, outputs, targets, fold, folds, seed, epochs, progress)

    classes = len(ensemble.classes)
    held_out = np.empty((len(ensemble.members), len(targets), classes))
    for i, (member_outputs, member_maps) in enumerate(zip(outputs, maps, strict=True)):
        for k in range(folds):
            rows = torch.from_numpy(np.flatnonzero(fold == k))
            with torch.no_grad():
                held_out[i, rows] = member_maps[k]({n: v[rows] for n, v in member_outputs.items()}).double().numpy()
    log_p = mean_log_probabilities(held_out, ensemble.class_weights)
    temperature, _ = fit_scaling(log_p, np.eye(classes)[targets], biased=False)
    p = calibrate(log_p, temperature=temperature)
    level = ensemble.card.levels["class_set"]
    threshold = conformal_threshold(p, targets, level=level)
    share = np.bincount(targets, minlength=classes) / len(targets)
    figures = class_figures(p, targets, threshold, ensemble.classes)
    figures["stars"] = {c: len(np.unique(stars[targets == k])) for k, c in enumerate(ensemble.classes)}
    entry = {
        "description": description,
        "calibration": {"temperature": temperature, "threshold": threshold},
        "class_mix": share.tolist(),
        "fit": {"cross_validated": figures, "folds": folds, "seed": seed, "epochs": epochs},
    }
    return LabelSystemFit(_with_maps(ensemble, name, [m[-1] for m in maps], entry), figures, p)


def _checked(ensemble, labels, stars):
    labels = np.asarray(labels).astype(str)
    if labels.ndim != 1:
        raise InputError(f"labels of shape {labels.shape}: one for each stamp is meant")
    strange = sorted(set(labels) - set(ensemble.classes))
    if strange:
        raise InputError(f"labels {', '.join(strange[:5])} are not among the classes {', '.join(ensemble.classes)}")
    targets = np.array([ensemble.classes.index(label) for label in labels])
    stars = np.arange(len(labels)) if stars is None else np.asarray(stars)
    if stars.shape != labels.shape:
        raise InputError(f"stars of shape {stars.shape} for {len(labels)} stamps: one number for each is meant")
    for k, c in enumerate(ensemble.classes):
        count = len(np.unique(stars[targets == k]))
        if count < _MIN_PER_CLASS:
            raise InputError(f"{count} stars of class {c}; at least {_MIN_PER_CLASS} of each class are needed")
    return targets, stars


def _physical(ensemble, parts, astrometry, n):
    """What each member says of the n stars, classes aside: list of dicts of tensors on the CPU."""
    answers, done = [[] for _ in ensemble.members], 0
    for stamps in parts:
        for start in range(0, len(stamps), _FORWARD):
            chunk = stamps[start : start + _FORWARD]
            known = Astrometry.empty(len(chunk)) if astrometry is None else astrometry[done : done + len(chunk)]
            inputs = ensemble.recipe(chunk, known)
            batch = {k: torch.from_numpy(np.array(v)).float().to(ensemble.device) for k, v in inputs.items()}
            with torch.no_grad():
                for answer, member in zip(answers, ensemble.members, strict=True):
                    outputs = member.eval()(batch)
                    answer.append({k: outputs[k].cpu() for k in LabelMap.inputs})
            done += len(chunk)
    if done != n:
        raise InputError(f"{done} stamps and {n} labels: one label for each is meant")
    return [{k: torch.cat([part[k] for part in answer]) for k in LabelMap.inputs} for answer in answers]


def _folds(targets, stars, folds, seed):
    """A fold for each stamp: stars are dealt out class by class, all stamps of a star together."""
    rng = np.random.default_rng([seed, 77])
    _, first, which = np.unique(stars, return_index=True, return_inverse=True)
    order = rng.permutation(len(first))
    order = order[np.argsort(targets[first][order], kind="stable")]
    fold = np.empty(len(first), int)
    fold[order] = np.arange(len(first)) % folds
    return fold[which]


def _fit(ensemble, outputs, targets, fold, folds, seed, epochs, progress):
    """Train the maps of all members, one per fold and one on all stars, side by side: list of lists of LabelMap."""
    template = LabelMap(len(ensemble.classes))
    features = [template.features(o) for o in outputs]
    maps, scaled = [], []
    for x in features:
        center, scale = x.mean(0), x.std(0) + 1e-3
        scaled.append((x - center) / scale)
        for _ in range(folds + 1):
            one = LabelMap(len(ensemble.classes))
            one.center.copy_(center)
            one.scale.copy_(scale)
            maps.append(one.train())
    x = torch.stack(scaled)  # (M, N, n)
    y = torch.from_numpy(targets)
    # Map k of a member does not see fold k; the last one sees all.
    seen = torch.from_numpy(np.stack([fold != k for k in range(folds + 1)])).float()  # (folds + 1, N)
    parameters, buffers = stack_module_state(maps)
    optimizer = torch.optim.AdamW(parameters.values(), lr=_LEARNING_RATE, weight_decay=_WEIGHT_DECAY)

    def scores(state, rest, inputs):
        return functional_call(template, (state, rest), (inputs,), {"standardized": True})

    spread = torch.vmap(scores, randomness="different")
    generator = torch.Generator().manual_seed(seed)
    batch = min(_BATCH, max(len(y) // 8, 8))  # some hundred labels need steps, too
    steps, step = epochs * (len(y) // batch), 0
    template.train()
    for epoch in range(epochs):
        order = torch.randperm(len(y), generator=generator)
        for k in range(len(y) // batch):
            rows = order[k * batch : (k + 1) * batch]
            for group in optimizer.param_groups:
                group["lr"] = _LEARNING_RATE * (0.005 + 0.5 * (1 + np.cos(np.pi * step / steps)))
            inputs = x[:, rows].repeat_interleave(folds + 1, dim=0)  # (M (folds + 1), B, n)
            logits = spread(parameters, buffers, inputs)
            loss = F.cross_entropy(logits.flatten(0, 1), y[rows].repeat(len(maps)), reduction="none")
            weight = seen[:, rows].repeat(len(outputs), 1).flatten()
            optimizer.zero_grad(set_to_none=True)
            # Each map has its own mean: the sum over maps keeps their gradients apart.
            shares = weight.view(len(maps), -1).sum(1).clamp_min(1)
            ((loss * weight).view(len(maps), -1).sum(1) / shares).sum().backward()
            optimizer.step()
            step += 1
        if progress is not None:
            progress(epoch + 1)
    for k, one in enumerate(maps):
        one.load_state_dict({n: v[k].detach() for n, v in {**parameters, **buffers}.items() if n in one.state_dict()})
        one.eval()
    return [maps[i * (folds + 1) : (i + 1) * (folds + 1)] for i in range(len(outputs))]


def class_figures(probabilities, targets, threshold, classes):
    """How right class probabilities are.

    Parameters
    ----------
    probabilities : ndarray, shape (N, C)
    targets : ndarray of int, shape (N,)
        True classes.
    threshold : float
        Of the class sets.
    classes : sequence of str, length C

    Returns
    -------
    dict
        As the attribute ``figures`` of `LabelSystemFit`, without ``stars``; a class without a star has no recall.
    """
    names = np.array(list(classes))
    truth, answer = names[targets], names[probabilities.argmax(1)]
    scores = metrics.class_scores(truth, answer, classes=classes)
    sets = class_sets(probabilities, threshold)
    return {
        "accuracy": metrics.accuracy(truth, answer),
        "balanced_accuracy": scores.balanced_accuracy,
        "within_one_class": metrics.within_one_class(truth, answer, classes=classes),
        "log_loss": metrics.log_loss(truth, probabilities, classes=classes),
        "class_set_coverage": float(sets[np.arange(len(targets)), targets].mean()),
        "class_set_size": float(sets.sum(1).mean()),
        "recall": {c: float(r) for c, r in zip(classes, scores.recall, strict=True) if np.isfinite(r)},
    }


def _with_maps(ensemble, name, maps, entry):
    """The ensemble whose members have these maps for this system."""
    kwargs = dict(ensemble.card.architecture_kwargs)
    systems = list(kwargs.get("label_systems", []))
    kwargs["label_systems"] = systems if name in systems else [*systems, name]
    members = []
    for member, one in zip(ensemble.members, maps, strict=True):
        with torch.random.fork_rng(devices=[]):
            new = CompactNet(**kwargs)
        state = {f"label_maps.{name}.{k}": v for k, v in one.state_dict().items()}
        new.load_state_dict({k: v.cpu() for k, v in member.state_dict().items()} | state)
        members.append(new)
    blank = tuple(dataclasses.replace(m, file="", sha256="") for m in ensemble.card.members)
    card = dataclasses.replace(_with_entry(ensemble.card, name, entry), architecture_kwargs=kwargs, members=blank)
    return Ensemble(members, card, device=ensemble.device)


def _with_entry(card, name, entry):
    return dataclasses.replace(card, label_systems={**card.label_systems, name: entry})
