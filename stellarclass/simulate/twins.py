# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Twins of real fields: the same stars under the same sky through the same camera, with noise of their own.

A twin shows how true the simulated sky is: whatever tells a real frame from its twin is something that the simulation
does not know about.
"""

from dataclasses import dataclass, replace

import numpy as np
from astropy import units as u
from astropy.table import QTable
from scipy import ndimage
from scipy.spatial import cKDTree

from ..archives.base import BANDS, Field
from ..exceptions import InputError
from ..stamps import detector
from ..stamps.psf import measure_psf
from .framenoise import (
    bad_columns,
    blank_noise,
    bridge,
    measure_noise,
    mesh_background,
    shorten,
    sky_in_counts,
)
from .framepsf import FramePsf, measure_frame_psf
from .framesources import MOST_SOURCES, aperture_fluxes, detect, fit_fluxes, glare, leftovers, outshone, paint
from .likeness import more_alike_noise, more_alike_psf, unseen_strength

__all__ = ["Twin", "twin"]

LINEAR = 30_000.0
"""Counts below which every chip is linear."""
BLOOM_COUNTS = 55_000.0
"""Counts at which a pixel of a twin is full."""

_DETECTION_ORDER = "rigzu"
_MOST_NEIGHBORS = 2500
_CROWDED = 0.05  # share of blank pixels below which there is no sky to be seen
_FAINT_DEPTH, _FAINT_SLOPE = 2.5, 0.3  # magnitudes below the limit of detection, dex per mag
_LOST_WITHIN, _LOST_SHARE = 8.0, 0.1  # pixels from the nearest source, flux over its
_ALIKE = {"least": 200.0, "share": 0.05, "noise": 0.0, "reach": 20, "most": 500}  # see `_isolated`
_FAINT_SCATTER = 120.0  # pixels from a source that was found: there are more of them where there are more of these


@dataclass
class Twin:
    """The simulated twin of a real field.

    Attributes
    ----------
    contents : `~stellarclass.archives.base.Field`
        Frames of the same bands, calibration, sky model and astrometry as the real ones.
    truth : `~astropy.table.QTable`
        One row per source that was found on the real field: ``ra``, ``dec`` [deg], ``flux`` (N, 5) as it was put into
        the twin, ``measured`` and ``measured_err`` (N, 5) as fitted on the real frames, in nanomaggies (NaN where there
        is no frame).
    psfs : dict of str to `~stellarclass.simulate.framepsf.FramePsf`
        The PSF of each band.
    """

    contents: Field
    truth: QTable
    psfs: dict


def twin(field, *, seed, empirical=True):
    """Simulate a real field once more.

    Parameters
    ----------
    field : `~stellarclass.archives.base.Field`
        Real frames, one or more.
    seed : int
        The same seed gives the same twin.
    empirical : bool
        Whether the PSF includes what the frame's own stars have beyond the formula (see
        `stellarclass.simulate.framepsf`).

    Returns
    -------
    Twin

    Raises
    ------
    stellarclass.exceptions.InputError
        If the field has no frame.
    """
    if not field.frames:
        raise InputError(f"field {field.key} has no frame to make a twin of")
    rng = np.random.default_rng([seed, *field.key])
    first = next(b for b in _DETECTION_ORDER if b in field.frames)
    scenes = {first: _measure(field, first, None, empirical)}
    frame = field.frames[first]
    ra, dec = frame.wcs.wcs_pix2world(scenes[first].x, scenes[first].y, 0)
    for band in BANDS:
        if band in field.frames and band != first:
            scenes[band] = _measure(field, band, (ra, dec, scenes[first].flux), empirical)
    scenes = {band: _agree(field, scene, empirical) for band, scene in scenes.items()}
    measured = np.full((len(ra), len(BANDS)), np.nan)
    error = measured.copy()
    for band, scene in scenes.items():
        k = BANDS.index(band)
        measured[:, k], error[:, k] = scene.flux[: len(ra)], scene.error[: len(ra)]
    flux = _without_noise(rng, measured, error, BANDS.index(first))
    like, faint = _faint(rng, flux, error, BANDS.index(first))
    near = rng.normal(0, _FAINT_SCATTER, (2, len(faint)))
    faint_ra, faint_dec = frame.wcs.wcs_pix2world(scenes[first].x[like] + near[0], scenes[first].y[like] + near[1], 0)
    hidden_x, hidden_y, hidden = _hidden(rng, field, scenes[first], flux)
    hidden_ra, hidden_dec = frame.wcs.wcs_pix2world(hidden_x, hidden_y, 0)
    frames = {}
    for band in (b for b in BANDS if b in field.frames):
        k, wcs = BANDS.index(band), field.frames[band].wcs
        place = wcs.wcs_world2pix(faint_ra, faint_dec, 0)
        lost = wcs.wcs_world2pix(hidden_ra, hidden_dec, 0)
        frames[band] = _render(rng, field, scenes[band], flux[:, k], (*place, faint[:, k]), (*lost, hidden[:, k]))
    truth = QTable({"ra": ra * u.deg, "dec": dec * u.deg, "flux": flux, "measured": measured, "measured_err": error})
    missing = {b: field.missing.get(b, "not simulated") for b in BANDS if b not in frames}
    return Twin(Field(field.key, frames, missing), truth, {b: s.psf for b, s in scenes.items()})


@dataclass
class _Scene:
    """What was found on one frame."""

    band: str
    psf: FramePsf
    sigma: float
    x: np.ndarray
    y: np.ndarray
    flux: np.ndarray
    error: np.ndarray
    color: np.ndarray
    own: np.ndarray  # sources that only this band has: x, y, flux, shape (3, K)
    left: np.ndarray
    blank: np.ndarray
    glow: np.ndarray


def _measure(field, band, coordinates, empirical):
    frame = field.frames[band]
    data = np.nan_to_num(frame.data)
    k = BANDS.index(band)
    per_count = float(np.median(frame.nanomaggies_per_count))
    sky = float(np.mean(frame.sky)) if np.size(frame.sky) else 0.0
    sigma = blank_noise(data)
    limit = (LINEAR - sky) * per_count
    round_psf = measure_psf(data, sigma=sigma, limit=limit).astype(float)
    width = round_psf[0] if np.isfinite(round_psf[0]) else 1.3
    good = ~ndimage.binary_dilation(data > limit, iterations=3)
    if coordinates is None:
        x, y = (v[:MOST_SOURCES] for v in detect(data, sigma=sigma, width=width))
    else:
        x, y = frame.wcs.wcs_world2pix(*coordinates[:2], 0)
    rough = aperture_fluxes(data, x, y)
    color = np.zeros(len(x)) if coordinates is None else _color(rough, coordinates[2], 60 * sigma)
    chosen = _isolated(data.shape, x, y, rough, sigma, good)
    per_electron = per_count / detector.gain(field.key.run, field.key.camcol)[k]
    known = {"sigma": sigma, "flux_per_electron": per_electron, "profile": round_psf}
    dark = ndimage.uniform_filter(data, 7) < 1.5 * sigma
    background = mesh_background(data, good & dark, sigma=sigma)
    psf, _ = measure_frame_psf(data - background, x[chosen], y[chosen], color=color[chosen], **known)
    move = "each" if coordinates is None else "together"
    # Once more, with neighbors and background as well known as they are now.
    bright = np.sort(np.argsort(-rough)[:_MOST_NEIGHBORS])
    stars = np.isin(bright, chosen)
    flux, _, bx, by, left = fit_fluxes(data, psf, x[bright], y[bright], sigma=sigma, good=good, passes=2, move=move,
                                       color=color[bright], anchors=np.flatnonzero(stars))  # fmt: skip
    background = mesh_background(left, good & (np.abs(data - left) < sigma) & (left < 4 * sigma), sigma=sigma)
    hue = color[bright][stars]
    light = paint(psf, bx[stars], by[stars], np.nan_to_num(flux[stars]), sigma=sigma, color=hue)
    psf, _ = measure_frame_psf(left - background + light, bx[stars], by[stars], color=hue, **known)
    if not empirical:
        psf = replace(psf, residual=0 * psf.residual)
    flux, error, x, y, left = fit_fluxes(
        data, psf, x, y, sigma=sigma, good=good, move=move, color=color, anchors=chosen
    )
    own, left = leftovers(left, data - left, psf, sigma=sigma, flux_per_electron=per_electron, width=width, good=good)
    light = data - left
    blank = (np.abs(light) < 0.3 * sigma) & good & ~ndimage.binary_dilation(~good, iterations=20)
    blank &= np.abs(left) < 5 * sigma
    return _Scene(band, psf, sigma, x, y, flux, error, color, own, left, blank, _glow(left, blank, good))


def _agree(field, scene, empirical):
    """The scene with a PSF such that its stars are measured to be shaped as the real ones are."""
    data = np.nan_to_num(field.frames[scene.band].data)
    k = BANDS.index(scene.band)
    per_count = float(np.median(field.frames[scene.band].nanomaggies_per_count))
    flux = np.nan_to_num(scene.flux)
    background = mesh_background(scene.left, scene.blank, sigma=scene.sigma)
    image = paint(scene.psf, scene.x, scene.y, flux, sigma=scene.sigma, color=scene.color)
    image += paint(scene.psf, *scene.own, sigma=scene.sigma)
    sky = float(np.mean(field.frames[scene.band].sky)) if np.size(field.frames[scene.band].sky) else 0.0
    good = ~ndimage.binary_dilation(data > (LINEAR - sky) * per_count, iterations=3)
    rows = _isolated(data.shape, scene.x, scene.y, flux, scene.sigma, good, **_ALIKE)
    psf = more_alike_psf(
        scene.psf,
        data - background - scene.glow,
        image,
        scene.x[rows],
        scene.y[rows],
        flux[rows],
        sigma=scene.sigma,
        flux_per_electron=per_count / detector.gain(field.key.run, field.key.camcol)[k],
        color=scene.color[rows],
        residual=empirical,
    )
    # Fluxes as they would have been fitted with it.
    ny, nx = psf.shape
    before, after = (p.star([nx / 2], [ny / 2], 4)[0] for p in (scene.psf, psf))
    scale = float((before * after).sum() / (after * after).sum())
    own = scene.own * np.array([[1], [1], [scale]])
    return replace(scene, psf=psf, flux=scene.flux * scale, error=scene.error * scale, own=own)


def _glow(left, blank, good):
    """Smooth light where sources stand so close that there is no blank sky at all: cores of clusters, big galaxies."""
    crowded = np.clip(1 - ndimage.gaussian_filter(blank.astype(np.float32), 24) / _CROWDED, 0, 1)
    if not crowded.any():
        return np.zeros_like(left)
    share = ndimage.gaussian_filter(good.astype(np.float32), 16)
    light = ndimage.gaussian_filter(np.where(good, left, np.float32(0)), 16)
    return crowded * light / np.maximum(share, 0.05)


def _color(flux, reference, limit):
    """Logarithm of the ratio of fluxes of bright sources, its median taken out; 0 for the others."""
    color = np.zeros(len(flux))
    bright = np.flatnonzero((flux > limit) & (np.nan_to_num(reference) > 0))
    if len(bright):
        color[bright] = np.log(flux[bright] / reference[bright])
        color[bright] = (color[bright] - np.median(color[bright])).clip(-1.5, 1.5)
    return color


def _isolated(shape, x, y, flux, sigma, good, *, least=300.0, share=0.03, noise=15.0, reach=16, most=300):
    """Sources bright enough to show the PSF, unsaturated and without a neighbor of 3 % of their light in 16 pixels.

    ``least`` and ``noise`` (what a neighbor may have more) are fluxes over the noise of a pixel.
    """
    ny, nx = shape
    bright = (flux > least * sigma) & (x > 21) & (x < nx - 22) & (y > 21) & (y < ny - 22)
    rows = np.flatnonzero(bright)
    columns, lines = np.round(x[rows]).astype(int), np.round(y[rows]).astype(int)
    steps = np.arange(-8, 9)
    linear = good[lines[:, None, None] + steps[:, None], columns[:, None, None] + steps].all((1, 2))
    rows = rows[linear]
    if not len(rows):
        return rows
    tree = cKDTree(np.stack([x, y], 1))
    alone = []
    for i, near in zip(rows, tree.query_ball_point(np.stack([x[rows], y[rows]], 1), reach), strict=True):
        others = flux[[j for j in near if j != i]]
        alone.append(not (others > share * flux[i] + noise * sigma).any())
    rows = rows[np.array(alone)]
    return rows[np.argsort(-flux[rows], kind="stable")[:most]]


def _without_noise(rng, flux, error, reference):
    """Fluxes as they might be without their noise, by what sources of like colors have.

    Rendered with noise once more, measured fluxes would scatter by the square root of two too much.
    """
    result = np.nan_to_num(flux)
    base = flux[:, reference]
    usable = base > 6 * error[:, reference]
    rows = np.flatnonzero(usable)
    if len(rows) < 40:
        return result
    others = [k for k in range(flux.shape[1]) if k != reference and np.isfinite(flux[:, k]).any()]
    ratio = flux[rows][:, others] / base[rows, None]
    ratio_error = error[rows][:, others] / base[rows, None]
    # Similar are sources of like brightness and like colors, each color counted by how well it is known.
    score = np.arcsinh(ratio / np.nanmedian(np.abs(ratio), axis=0))
    quality = np.nanmedian(ratio_error / np.maximum(np.abs(ratio), 1e-6), axis=0)
    score = np.nan_to_num(score * np.clip(0.1 / quality, 0.02, 2))
    features = np.column_stack([score, 0.2 * np.log(base[rows])])
    near = cKDTree(features).query(features, k=25)[1]
    for column, k in enumerate(others):
        group, group_error = ratio[near, column], ratio_error[near, column]
        middle = _row_medians(group)
        spread = 1.4826 * _row_medians(np.abs(group - middle[:, None]))
        noise = _row_medians(group_error)
        prior = np.sqrt(np.maximum(spread**2 - noise**2, (0.1 * spread) ** 2 + 1e-12))
        own = ratio_error[:, column]
        share = prior**2 / (prior**2 + own**2)
        drawn = middle + share * (ratio[:, column] - middle) + np.sqrt(share) * own * rng.standard_normal(len(rows))
        faint = (ratio[:, column] < 10 * own) & np.isfinite(drawn)
        result[rows[faint], k] = np.maximum(drawn[faint], 0) * base[rows[faint]]
    return result


def _row_medians(values):
    """Median of each row's finite values; NaN where there is none."""
    result = np.full(len(values), np.nan)
    some = np.isfinite(values).any(1)
    result[some] = np.nanmedian(values[some], axis=1)
    return result


def _faint(rng, flux, error, reference):
    """Sources too faint to be found, by the counts and colors of the faintest that were.

    Returns which source each is like (M,), and fluxes (M, 5).
    """
    signal = flux[:, reference] / error[:, reference]
    last = np.flatnonzero((signal > 7) & (signal < 17.6))  # one magnitude
    if len(last) < 5:
        return np.zeros(0, int), np.zeros((0, flux.shape[1]))
    limit = 4.5
    bright = 2.5 * np.log10(12.0 / limit)
    steps = np.linspace(0, _FAINT_DEPTH, 26)
    growth = 10 ** (_FAINT_SLOPE * (bright + (steps[1:] + steps[:-1]) / 2)) * np.diff(steps)
    number = rng.poisson(len(last) * growth)
    fainter = np.concatenate([rng.uniform(a, b, n) for a, b, n in zip(steps[:-1], steps[1:], number, strict=True)])
    like = rng.choice(last, len(fainter))
    target = limit * np.median(error[last, reference]) * 10 ** (-0.4 * fainter)
    return like, np.maximum(flux[like], 0) * (target / flux[like, reference])[:, None]


def _hidden(rng, field, scene, flux):
    """Sources that could be seen but for the light of others: as many as there are around, where they would be lost.

    Returns columns and rows on the reference frame (M,), and fluxes (M, 5).
    """
    if not len(flux):
        return np.zeros(0), np.zeros(0), flux
    k = BANDS.index(scene.band)
    frame = field.frames[scene.band]
    per_electron = float(np.median(frame.nanomaggies_per_count)) / detector.gain(field.key.run, field.key.camcol)[k]
    width = _width(scene)
    light = np.nan_to_num(frame.data) - scene.left
    noise = glare(light, sigma=scene.sigma, flux_per_electron=per_electron, width=width)
    # Sources of this band's own have no colors: they get those of one that is about as bright.
    listed = flux[:, k]
    order = np.argsort(listed)
    place = np.searchsorted(listed[order], scene.own[2]) + rng.integers(-20, 21, len(scene.own[2]))
    like = np.concatenate([np.arange(len(flux)), order[place.clip(0, len(flux) - 1)]])
    bright = np.concatenate([listed, scene.own[2]])
    off = rng.normal(0, _FAINT_SCATTER, (2, len(like)))
    x, y = np.concatenate([scene.x, scene.own[0]]) + off[0], np.concatenate([scene.y, scene.own[1]]) + off[1]
    lost = outshone(noise, scene.psf, x, y, bright, sigma=scene.sigma, width=width)
    distance, near = cKDTree(np.stack([scene.x, scene.y], 1)).query(np.stack([x, y], 1))
    lost &= (distance < _LOST_WITHIN) & (bright < _LOST_SHARE * listed[near]) & (listed[like] > 0)
    like, bright = like[lost], bright[lost]
    return x[lost], y[lost], flux[like] * (bright / listed[like])[:, None]


def _width(scene):
    """Sigma of the PSF in pixels."""
    return float(scene.psf.profile[0] * scene.psf.size[0])


def _render(rng, field, scene, flux, faint, hidden):
    frame = field.frames[scene.band]
    k = BANDS.index(scene.band)
    per_count = frame.nanomaggies_per_count.astype(np.float32)[None, :]
    sky = sky_in_counts(frame)
    jitter = rng.standard_normal((len(flux), 3)).clip(-2.5, 2.5)
    image = paint(scene.psf, scene.x, scene.y, flux, sigma=scene.sigma, jitter=jitter, color=scene.color)
    image += paint(scene.psf, *scene.own, sigma=scene.sigma)
    image += paint(scene.psf, *hidden, sigma=scene.sigma)
    unseen = paint(scene.psf, *faint, sigma=scene.sigma)
    # Their mean is part of the background already.
    unseen -= mesh_background(unseen, np.ones(unseen.shape, bool), sigma=np.inf)
    background = mesh_background(scene.left, scene.blank, sigma=scene.sigma)
    image += background + scene.glow
    gain = detector.gain(field.key.run, field.key.camcol)[k]
    level = np.maximum(sky.mean(0), 1.0)
    flat = (scene.left - background) / per_count
    data = np.nan_to_num(frame.data)
    bad = bad_columns(data / per_count + sky)
    # Interpolated columns are like their neighbors, which is not how noise is.
    blank = scene.blank.copy()
    blank[:, (bad[:, None] + np.arange(-2, 3)).clip(0, blank.shape[1] - 1)] = False
    noise = measure_noise(flat, unseen / per_count, blank)
    # Once as a trial: what is measured on it in the same way shows what the measurement makes of the truth.
    expected = (image + unseen) / per_count + sky
    trial = noise.add(rng, expected, sky=level, gain=gain)
    noise = more_alike_noise(noise, flat, np.round(trial) - expected + unseen / per_count, blank)
    full = ndimage.binary_dilation(data > (LINEAR - sky) * per_count, iterations=3)
    unseen *= unseen_strength(data, (trial - sky) * per_count, unseen, ~full, sigma=scene.sigma)
    counts = noise.add(rng, (image + unseen) / per_count + sky, sky=level, gain=gain)
    counts = np.minimum(counts, BLOOM_COUNTS)
    counts[:, bad] = bridge(counts)[:, bad - 2]
    return replace(frame, data=shorten((np.round(counts) - sky) * per_count))
