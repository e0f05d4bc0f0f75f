# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Samples of the simulated sky with the cuts and the class mix of a published one."""

import numpy as np
from astropy import units as u
from astropy.table import QTable, hstack, vstack

from ..exceptions import InputError
from ..physics import CLASSES
from .gaia import observe_astrometry
from .labels import label_probabilities
from .population import draw_stars

__all__ = ["REFERENCE_COUNTS", "reference_sample"]

REFERENCE_COUNTS = {"A": 918, "F": 2918, "G": 1350, "K": 3368, "M": 626}
"""Stars of each class in the reference sample of Deng et al. (2024): 9180 in all."""

# Their cuts: significant parallax, proper motion known, no sign of a second star; a radius in Gaia's FLAME catalog
# ends at G = 18.25 (Creevey et al. 2023, A&A 674, A26), and what saturates in r is brighter than 14.3.
_PARALLAX_OVER_ERROR, _PM_ERROR, _RUWE, _FLAME_LIMIT = 2.0, 0.2, 1.4, 18.25
_R_RANGE = (14.5, 20.0)  # SDSS's spectra are of r > 14.5, nearly all; G = 18.25 is r = 19.4 for the reddest
_BLOCK, _MOST_BLOCKS = 4000, 400


def reference_sample(n=9180, *, seed):
    """Draw the reference sample of Deng et al. (2024) from the simulated sky.

    Stars are drawn, measured by Gaia and given a class by SDSS's pipeline until each class is full.

    Parameters
    ----------
    n : int
        Number of stars; the classes' shares are those of `stellarclass.simulate.samples.REFERENCE_COUNTS`.
    seed : int or `numpy.random.Generator`
        The same seed gives the same sample.

    Returns
    -------
    `~astropy.table.QTable`
        N rows in random order: the columns of `stellarclass.simulate.draw_stars`, those of
        `stellarclass.simulate.observe_astrometry` with the prefix ``gaia_``, and ``label`` (class in the system
        ``sdss``).

    Raises
    ------
    stellarclass.exceptions.InputError
        If ``n`` is not positive.

    Notes
    -----
    The cuts: ``parallax_over_error`` > 2, ``pmra_error`` and ``pmdec_error`` < 0.2 mas/yr, ``ruwe`` < 1.4, no
    saturation, and a ``radius_flame``.

    Examples
    --------
    >>> from stellarclass.simulate import reference_sample
    >>> sample = reference_sample(50, seed=1)
    >>> print(len(sample), (sample["label"] == "K").sum())
    50 18
    """
    if n < 1:
        raise InputError(f"n = {n}: at least one star is needed")
    rng = np.random.default_rng(seed)
    wanted = _counts(n)
    missing, blocks = wanted.copy(), []
    for _ in range(_MOST_BLOCKS * max(1, n // sum(REFERENCE_COUNTS.values()))):
        stars = _labeled(rng)
        code = stars["label"]
        # The first so many of each class: rows of a block come in no order.
        rank = np.zeros(len(code), int)
        for k in range(len(CLASSES)):
            rank[code == k] = np.arange((code == k).sum())
        blocks.append(stars[rank < missing[code]])
        missing = missing - np.minimum(missing, np.bincount(code, minlength=len(CLASSES)))
        if not missing.any():
            break
    else:
        raise RuntimeError(f"classes {dict(zip(CLASSES, missing, strict=True))} stay incomplete")
    sample = vstack(blocks, metadata_conflicts="silent")
    sample = sample[rng.permutation(len(sample))]
    sample["label"] = np.array(CLASSES)[sample["label"]]
    return sample


def _counts(n):
    """How many of each class make n, by the largest remainders."""
    exact = n * np.array(list(REFERENCE_COUNTS.values())) / sum(REFERENCE_COUNTS.values())
    counts = np.floor(exact).astype(int)
    counts[np.argsort(counts - exact, kind="stable")[: n - counts.sum()]] += 1
    return counts


def _labeled(rng):
    """A block of stars that pass the cuts, with the index of their class as ``label``."""
    stars = draw_stars(_BLOCK, seed=rng, r_range=_R_RANGE * u.mag)
    gaia = observe_astrometry(stars, seed=rng)
    with np.errstate(invalid="ignore"):
        keep = (
            (gaia["parallax"] / gaia["parallax_error"] > _PARALLAX_OVER_ERROR)
            & (gaia["pmra_error"].value < _PM_ERROR)
            & (gaia["pmdec_error"].value < _PM_ERROR)
            & (np.asarray(gaia["ruwe"]) < _RUWE)
        )
    if "radius_flame" in gaia.colnames:
        keep &= np.isfinite(gaia["radius_flame"].value)
    else:
        keep &= stars["g_mag"].value < _FLAME_LIMIT
    stars, gaia = stars[keep], gaia[keep]
    magnitudes = np.stack([stars[b].value for b in "ugriz"], axis=-1)
    likely = label_probabilities(magnitudes[:, :-1] - magnitudes[:, 1:], label_system="sdss")
    gaia = QTable({f"gaia_{name}": gaia[name] for name in gaia.colnames})
    table = hstack([stars, gaia], metadata_conflicts="silent")
    table["label"] = (rng.random(len(table))[:, None] > np.cumsum(likely, axis=1)).sum(1).clip(0, len(CLASSES) - 1)
    return table
