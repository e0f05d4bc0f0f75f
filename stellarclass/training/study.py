# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Ablation studies: the same ensemble trained again and again with one thing changed, each with several seeds.

A *cell* is one variant with one seed. Cells are independent: they run in parallel processes, each in a folder of its
own, and those that are done are not done again.
"""

import json
import shutil
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from ..exceptions import InputError
from ..nets.prediction import Prediction
from ..reference.sets import ReferenceSet
from ..stamps.composites import BAND_COMBINATIONS
from .config import config_to_dict
from .mescr import fit_recipe, make_mescr_data, train_mescr

__all__ = ["STUDIES", "Cell", "default_variants", "read_answers", "run_cells", "study_cells"]

STUDIES = {
    "inputs": {
        "image": {"inputs": ("image",)},
        "image + parallax": {"inputs": ("image", "parallax")},
        "image + pm": {"inputs": ("image", "pm")},
        "all": {"inputs": ("image", "parallax", "pm")},
        "all + Teff": {"inputs": ("image", "parallax", "pm", "teff")},
    },
    "bands": {combination: {"combination": combination} for combination in BAND_COMBINATIONS},
    "resolution": {str(size): {"size": size} for size in (8, 16, 32, 64, 128, 224)},
}
"""Variants of each study and what they change of the recipe: Table 2, Table A1 and Figure 5 of Deng et al. (2024).

The temperature as a further input is in the text of their Section 4.4, without a number.
"""

# "We tested each band combination and resolution using a single MMSCNet, retraining with the D_base data set" (Section
# 4.3); Table 2 is of whole ensembles (Section 4.4).
_SINGLE = {"bands": ("Base",), "resolution": ("Base",)}

_ANSWERS, _STATE = "answers.npz", "cell.json"


@dataclass(frozen=True)
class Cell:
    """One variant with one seed.

    Attributes
    ----------
    variant : str
        Key of the study in `STUDIES`.
    config : `~stellarclass.training.config.MescrConfig`
        Its seed is the cell's.
    folder : `~pathlib.Path`
        For checkpoints while it trains and for its answers in the end.
    """

    variant: str
    config: object
    folder: Path

    @property
    def seed(self):
        """Seed of the cell."""
        return self.config.seed

    def description(self, reference):
        """What its answers follow from, JSON-ready."""
        return {
            "config": json.loads(json.dumps(config_to_dict(self.config))),
            "reference": [len(reference), int(np.sum(reference.table["objid"]) % (1 << 53))],
        }


def default_variants(study, reference):
    """Variants of a study that can be trained on a reference set.

    Parameters
    ----------
    study : str
        Key of `STUDIES`.
    reference : `~stellarclass.reference.ReferenceSet`
        What they are to be trained on.

    Returns
    -------
    list of str
        All of them; those with the temperature only if the set has a column ``teff``.

    Raises
    ------
    stellarclass.exceptions.InputError
        If the study is unknown.
    """
    if study not in STUDIES:
        raise InputError(f"no study {study!r}; there are {', '.join(STUDIES)}")
    known = "teff" in reference.table.colnames
    return [name for name, change in STUDIES[study].items() if known or "teff" not in change.get("inputs", ())]


def study_cells(study, config, *, folder, seeds=3, variants=None, members=None):
    """All cells of a study.

    Parameters
    ----------
    study : str
        Key of `STUDIES`.
    config : `~stellarclass.training.config.MescrConfig`
        What all variants have in common; batch and rate are the same for all.
    folder : path-like
        Cells are folders in it.
    seeds : int
        How often each variant is trained, with seeds 1, 2, ...: networks, draws and validation stars differ.
    variants : sequence of str, optional
        By default all of the study.
    members : sequence of str, optional
        Networks of each cell: by default one on the balanced set for ``bands`` and ``resolution``, as in the paper,
        else those of the configuration.

    Returns
    -------
    list of Cell
        Seed by seed, so that a study that is cut short has few seeds of all variants.

    Raises
    ------
    stellarclass.exceptions.InputError
        If the study or a variant is unknown, or there is no seed.

    Examples
    --------
    >>> from stellarclass.training.configfile import read_config
    >>> from stellarclass.training.study import study_cells
    >>> cells = study_cells("inputs", read_config("mescr-study"), folder="runs", seeds=2)
    >>> len(cells), cells[1].variant, cells[1].config.recipe.inputs, cells[1].seed
    (10, 'image + parallax', ('image', 'parallax'), 1)
    """
    if study not in STUDIES:
        raise InputError(f"no study {study!r}; there are {', '.join(STUDIES)}")
    if seeds < 1:
        raise InputError(f"seeds = {seeds}: at least one is needed, three to see how they scatter")
    chosen = list(STUDIES[study]) if variants is None else list(variants)
    strange = [v for v in chosen if v not in STUDIES[study]]
    if strange:
        raise InputError(f"study {study!r} has no variant {strange[0]!r}; it has {', '.join(STUDIES[study])}")
    members = tuple(members or _SINGLE.get(study, config.sampling.members))
    sampling = replace(config.sampling, members=members)
    cells = []
    for seed in range(1, seeds + 1):
        for variant in chosen:
            own = replace(
                config, seed=seed, sampling=sampling, recipe=replace(config.recipe, **STUDIES[study][variant])
            )
            name = "".join(c if c.isalnum() else "-" for c in variant)
            cells.append(Cell(variant, own, Path(folder) / f"{study}-{name}-{seed}"))
    return cells


def run_cells(cells, reference, *, processes=1, device="cpu", progress=None):
    """Train each cell and keep what it answers for the test stars; done cells are left as they are.

    Parameters
    ----------
    cells : sequence of Cell
        Of `study_cells`.
    reference : path-like
        Folder of a `~stellarclass.reference.ReferenceSet`.
    processes : int
        Cells at a time; each then computes with one thread.
    device : str
        Where to train.
    progress : callable, optional
        Called with the number of cells done.

    Raises
    ------
    stellarclass.exceptions.InputError
        If a cell's folder holds answers of another configuration or reference set.
    """
    known = ReferenceSet.read(reference)
    todo = [cell for cell in cells if not _is_done(cell, known)]
    done = len(cells) - len(todo)
    if progress is not None:
        progress(done)
    run = partial(_run_cell, reference=Path(reference), device=device, alone=processes == 1)
    if processes == 1:
        for cell in todo:
            run(cell)
            done += 1
            if progress is not None:
                progress(done)
        return
    # Not forked: a process that has already computed with several threads may not be.
    import multiprocessing

    with ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn")) as pool:
        futures = [pool.submit(run, cell) for cell in todo]
        try:
            for future in as_completed(futures):
                future.result()
                done += 1
                if progress is not None:
                    progress(done)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def read_answers(cell):
    """What a cell that is done answers for the test stars.

    Parameters
    ----------
    cell : Cell

    Returns
    -------
    `~stellarclass.nets.prediction.Prediction`
        Rows as ``reference.rows("test")``.
    """
    with np.load(cell.folder / _ANSWERS, allow_pickle=False) as values:
        return Prediction(classes=tuple(values["classes"].tolist()), **{k: values[k] for k in _FIELDS})


_FIELDS = [f.name for f in fields(Prediction) if f.name != "classes"]


def _is_done(cell, reference):
    if not (cell.folder / _STATE).is_file():
        return False
    if json.loads((cell.folder / _STATE).read_text()) != cell.description(reference):
        raise InputError(
            f"{cell.folder} holds answers of another configuration or reference set; remove it or choose another folder"
        )
    return True


def _run_cell(cell, *, reference, device, alone):
    if not alone:
        torch.set_num_threads(1)
    reference = ReferenceSet.read(reference)
    work = cell.folder / "work"
    ensemble, _ = train_mescr(cell.config, reference, folder=work, device=device, log=_silent)
    rows = reference.rows("train")
    recipe = fit_recipe(reference, rows, cell.config.recipe, quantile=cell.config.range_quantile)
    answer = ensemble.predict(make_mescr_data(reference, reference.rows("test"), recipe))
    values = {name: getattr(answer, name) for name in _FIELDS}
    part = cell.folder / "part.npz"
    np.savez_compressed(part, classes=np.array(answer.classes), **values)
    part.replace(cell.folder / _ANSWERS)
    part = cell.folder / "cell.part"
    part.write_text(json.dumps(cell.description(reference)))
    part.replace(cell.folder / _STATE)
    shutil.rmtree(work, ignore_errors=True)  # a hundred checkpoints of the paper's width would be 20 GB


def _silent(line):
    """Cells say nothing: many run at a time."""
