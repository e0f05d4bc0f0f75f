# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Training sets from the simulated sky: what the recipe makes of rendered stars, beside their exact truth."""

from concurrent.futures import ProcessPoolExecutor

import numpy as np
from astropy import units as u

from .. import physics
from ..astrometry import Astrometry
from ..simulate import (
    KINDS,
    LABEL_SYSTEMS,
    draw_stars,
    label_probabilities,
    observe_astrometry,
    reference_sample,
    render_stars,
)
from ..simulate.blends import add_neighbors
from ..simulate.contaminants import INTRUDERS
from ..simulate.optics import flux_from_pogson
from ..stamps import recipes
from ..stamps.photometry import asinh_magnitude

__all__ = ["make_training_set"]

_BLOCK = 1000

# How often a modality is withheld, so that the networks know how to answer without it.
_DROP_PARALLAX, _DROP_PROPER_MOTION, _DROP_BAND, _DROP_TWO_BANDS, _DROP_PSF = 0.12, 0.05, 0.07, 0.03, 0.15

# Share of what is no star of the classes: enough to learn what they look like, too few to rule anything else.
_INTRUDERS = 0.08

# Share of stars that stand within 1 to 5 arcsec of another one, from 0.5 mag brighter to 2.5 mag fainter: chance alone
# makes hardly any, and a network that never saw one is as sure of its answer as ever.
_TWINS, _TWIN_ARCSEC, _TWIN_FAINTER = 0.06, (1.0, 5.0), (-0.5, 2.5)


def make_training_set(n, *, seed, recipe, sample="sky", processes=1, progress=None):
    """Draw, render and measure stars of the simulated sky.

    Parameters
    ----------
    n : int
        Number of stars; rounded up to a whole thousand.
    seed : int
        The same seed gives the same set, whatever ``processes`` is.
    recipe : dict
        Input recipe, as `stellarclass.stamps.recipes.to_dict` writes it.
    sample : {"sky", "reference"}
        Stars and intruders as the sky has them, or `stellarclass.simulate.reference_sample`: the bright stars, some of
        each class, that radii are known of.
    processes : int
        Worker processes.
    progress : callable, optional
        Called with the number of stars done so far.

    Returns
    -------
    dict of str to ndarray, first axis N
        The recipe's inputs (images as float16), and the targets ``target_colors`` (N, 4) and ``target_bp_rp``
        (N,) [mag], ``target_log_teff``, ``target_log_radius`` (N,), ``target_<label system>`` (N, 5) probabilities, and
        ``target_intruder`` (N,): 1 for what is no star of the classes, whose other targets are NaN. The radius is the
        ``radius_light`` of `stellarclass.simulate.draw_stars`.

    Raises
    ------
    ValueError
        If ``n`` or ``processes`` is not positive, or the recipe is unknown.

    Notes
    -----
    Among the stars a known share has no parallax, no proper motion, one or two bands missing or no PSF, so that the
    networks learn to answer without; 8 % are white dwarfs, hotter stars, quasars and compact galaxies, and
    6 % stand close beside another star.
    """
    if n < 1 or processes < 1:
        raise ValueError(f"{n} stars by {processes} processes: at least one of each is needed")
    if sample not in _SAMPLES:
        raise ValueError(f"sample {sample!r} is none of {', '.join(map(repr, _SAMPLES))}")
    recipes.from_dict(recipe)  # what is wrong with it shows here, not in a worker
    seeds = np.random.SeedSequence(seed).spawn(-(-n // _BLOCK))
    jobs = [(s, recipe, sample) for s in seeds]
    if processes == 1:
        blocks = _collect(map(_make_block, jobs), progress)
    else:
        with ProcessPoolExecutor(processes) as pool:
            blocks = _collect(pool.map(_make_block, jobs), progress)
    return {name: np.concatenate([b[name] for b in blocks]) for name in blocks[0]}


def _collect(results, progress):
    blocks = []
    for block in results:
        blocks.append(block)
        if progress is not None:
            progress(_BLOCK * len(blocks))
    return blocks


def _add_twins(rng, stamps, magnitudes):
    """Put some stars beside another of the block, made about as bright."""
    rows = np.flatnonzero(rng.random(_BLOCK) < _TWINS)
    other = magnitudes[rng.integers(0, _BLOCK, rows.size)]
    other = other + (magnitudes[rows, 2] + rng.uniform(*_TWIN_FAINTER, rows.size) - other[:, 2])[:, None]
    twins = stamps[rows]
    add_neighbors(twins, other, arcsec=rng.uniform(*_TWIN_ARCSEC, rows.size), seed=rng)
    stamps.images[rows] = twins.images


def _sky(rng):
    stars = draw_stars(_BLOCK, seed=rng, intruders=_INTRUDERS)
    return stars, observe_astrometry(stars, seed=rng)


def _reference(rng):
    stars = reference_sample(_BLOCK, seed=rng)
    return stars, {name.removeprefix("gaia_"): stars[name] for name in stars.colnames if name.startswith("gaia_")}


_SAMPLES = {"sky": _sky, "reference": _reference}


def _make_block(job):
    """The next thousand stars: (seed, recipe, sample) to inputs and targets."""
    seed, recipe, sample = job
    rng = np.random.default_rng(seed)
    stars, gaia = _SAMPLES[sample](rng)
    truth = np.stack([stars[b].to_value(u.mag) for b in "ugriz"], axis=1)
    # Calibration errors of SDSS: 1 % in g r i z, 2 % in u (Padmanabhan et al. 2008, ApJ 674, 1217).
    seen = truth + rng.normal(size=truth.shape) * [0.02, 0.01, 0.01, 0.01, 0.012]
    for share, count in ((_DROP_BAND, 1), (_DROP_TWO_BANDS, 2)):
        for row in np.flatnonzero(rng.random(_BLOCK) < share):
            seen[row, rng.choice(5, count, replace=False)] = np.nan
    asinh = asinh_magnitude(flux_from_pogson(seen))  # as a catalog would print them
    visible = stars.copy(copy_data=False)
    for k, band in enumerate("ugriz"):
        visible[band] = asinh[:, k] * u.mag
    known = rng.random(_BLOCK) >= _DROP_PSF
    stamps = render_stars(visible, seed=rng)
    _add_twins(rng, stamps, truth)
    stamps.psf[~known] = np.nan

    astrometry = Astrometry.empty(_BLOCK)
    for name in ("parallax", "parallax_error", "pmra", "pmra_error", "pmdec", "pmdec_error", "ruwe"):
        getattr(astrometry, name)[:] = gaia[name].value
    for names, share in (
        (("parallax", "parallax_error"), _DROP_PARALLAX),
        (("pmra", "pmra_error", "pmdec", "pmdec_error"), _DROP_PROPER_MOTION),
    ):
        gone = rng.random(_BLOCK) < share
        for name in names:
            getattr(astrometry, name)[gone] = np.nan

    block = recipes.from_dict(recipe)(stamps, astrometry)
    block = {k: v.astype(np.float16) if v.ndim > 2 and v.dtype.kind == "f" else v for k, v in block.items()}
    colors = truth[:, :-1] - truth[:, 1:]
    bp_rp = stars["bp_rp"].to_value(u.mag)
    targets = {
        "target_colors": colors,
        "target_bp_rp": bp_rp,
        "target_log_teff": np.log10(stars["teff"].to_value(u.K)),
        "target_log_radius": np.log10(stars["radius_light"].to_value(u.solRad)),
    }
    for system in LABEL_SYSTEMS:
        targets[f"target_{system}"] = label_probabilities(colors, label_system=system)
    # By the star's own BP-RP; companions and dust set it a little apart from what g-i makes of it.
    targets["target_pecaut_mamajek"] = np.eye(len(physics.CLASSES))[physics._class_index(bp_rp)]
    intruder = np.isin(np.array(KINDS)[stars["kind"]], INTRUDERS)
    for name, value in targets.items():
        value = value.astype(np.float32)
        value[intruder] = np.nan
        block[name] = value
    block["target_intruder"] = intruder.astype(np.float32)
    return block
