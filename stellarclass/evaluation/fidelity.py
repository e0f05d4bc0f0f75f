# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""How true the simulated sky is: a real field beside its simulated twin, measured in the same way."""

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from astropy import units as u
from scipy import ndimage

from ..archives.base import BANDS, FieldKey
from ..simulate.framesources import aperture_fluxes, detect
from ..simulate.moments import adaptive_moments
from ..simulate.twins import Twin, twin
from ..stamps.cutouts import cut_field, field_psf
from ..stamps.photometry import asinh_magnitude, asinh_magnitude_error, measure
from .isolated import isolated_stars, lonely
from .tellapart import FEATURES, Verdict, center_pixels, stamp_features, tell_apart

__all__ = [
    "WING_RINGS",
    "BandFidelity",
    "Fidelity",
    "compare_field",
    "magnitudes",
    "pooled_verdict",
]

PIXEL = 0.396
"""Arcsec per pixel."""
WING_RINGS = (2.0, 3.0, 4.0, 5.0, 6.5, 8.0, 10.0, 12.5)
"""Edges in pixels of the rings in which a star's wings are compared."""

_FWHM = 2 * np.sqrt(2 * np.log(2)) * PIXEL
_REFERENCES = "rigzu"


@dataclass(frozen=True)
class BandFidelity:
    """One band of a real field and its twin; of each pair the real one comes first.

    Attributes
    ----------
    noise : tuple of float
        Standard deviation of blank sky in nanomaggies per pixel.
    fwhm : tuple of ndarray, shape (N,)
        Full width at half maximum of stars in arcsec, as of a Gaussian.
    wings : ndarray, shape (2, 7)
        Median surface brightness in `WING_RINGS` over the flux within 5 pixels, per pixel.
    counts : ndarray, shape (2, M)
        Sources per half magnitude, by aperture magnitude.
    edges : ndarray, shape (M + 1,)
        Of these magnitudes.
    verdict : Verdict or None
        Whether isolated stars could be told apart; None with fewer than 20.
    """

    noise: tuple
    fwhm: tuple
    wings: np.ndarray
    counts: np.ndarray
    edges: np.ndarray
    verdict: Verdict | None

    @property
    def noise_ratio(self):
        """Twin over real."""
        return self.noise[1] / self.noise[0]

    @property
    def fwhm_ratio(self):
        """Medians, twin over real; NaN without stars."""
        return float(np.median(self.fwhm[1]) / np.median(self.fwhm[0])) if len(self.fwhm[0]) else float("nan")

    @property
    def fwhm_quantiles(self):
        """Twin over real at the 10th, 50th and 90th percentile of the stars' widths, shape (3,)."""
        if not len(self.fwhm[0]):
            return np.full(3, np.nan)
        return np.percentile(self.fwhm[1], [10, 50, 90]) / np.percentile(self.fwhm[0], [10, 50, 90])


@dataclass
class Fidelity:
    """A real field beside its twin.

    Attributes
    ----------
    key : FieldKey
    real : `~stellarclass.archives.base.Field`
    twin : `~stellarclass.simulate.twins.Twin`
    bands : dict of str to BandFidelity
    verdict : Verdict or None
        Of all bands together.
    stars : int
        Isolated stars.
    stamps : tuple of `~stellarclass.stamps.Stamps`
        Theirs, real and simulated.
    photometry : dict of str to ndarray
        Of lonely point sources: ``real``, ``real_err``, ``twin``, ``twin_err``, ``truth``, all fluxes (N, 5).
    inputs : dict of str to tuple
        What the classifiers saw, real and simulated, by band: to be pooled over fields.
    """

    key: FieldKey
    real: object
    twin: Twin
    bands: dict
    verdict: Verdict | None
    stars: int
    stamps: tuple
    photometry: dict
    inputs: dict = field(default_factory=dict)


def compare_field(real, *, seed=0, empirical=True, simulated=None, permutations=0):
    """Make a twin of a real field and measure both.

    Parameters
    ----------
    real : `~stellarclass.archives.base.Field`
        At least one frame.
    seed : int
        Of the twin and of the classifiers.
    empirical : bool
        See `stellarclass.simulate.twins.twin`.
    simulated : `~stellarclass.simulate.twins.Twin`, optional
        A twin that has been made already.
    permutations : int
        See `stellarclass.evaluation.tellapart.tell_apart`.

    Returns
    -------
    Fidelity
    """
    simulated = twin(real, seed=seed, empirical=empirical) if simulated is None else simulated
    reference = next(b for b in _REFERENCES if b in real.frames)
    _, stamps, known = isolated_stars(real, simulated)
    inputs, bands = {}, {}
    for band in (b for b in BANDS if b in real.frames):
        k = BANDS.index(band)
        whole = np.all([(s.masks[:, k] == 0).all((1, 2)) for s in stamps], axis=0)
        pair = tuple(_classifier_inputs(s[whole], k, stamps[0].sky_sigma[whole, k]) for s in stamps)
        inputs[band] = (*pair, np.flatnonzero(whole))
        verdict = tell_apart(*pair, seed=seed, permutations=permutations) if whole.sum() >= 20 else None
        bands[band] = _compare_band(real.frames[band], simulated.contents.frames[band], stamps, k, verdict)
    photometry = _photometry(real, simulated, BANDS.index(reference), known)
    result = Fidelity(real.key, real, simulated, bands, None, len(stamps[0]), stamps, photometry, inputs)
    result.verdict = pooled_verdict([result], seed=seed, permutations=permutations)
    return result


def pooled_verdict(results, *, seed=0, permutations=0):
    """Whether isolated stars of all fields and in all their bands can be told apart.

    Parameters
    ----------
    results : list of Fidelity
        Only bands that all fields have take part.
    seed : int
        Of the classifiers.
    permutations : int
        See `stellarclass.evaluation.tellapart.tell_apart`.

    Returns
    -------
    Verdict or None
        None with fewer than 20 stars.
    """
    common = [b for b in BANDS if all(b in r.inputs for r in results)]
    if not common:
        return None
    pairs = ([], [])
    for result in results:
        rows = set.intersection(*(set(result.inputs[b][2].tolist()) for b in common))
        for k in (0, 1):
            parts = []
            for band in common:
                chosen = np.isin(result.inputs[band][2], sorted(rows))
                parts.append({name: values[chosen] for name, values in result.inputs[band][k].items()})
            pairs[k].append({name: np.hstack([p[name] for p in parts]) for name in parts[0]})
    real, simulated = ({name: np.concatenate([p[name] for p in side]) for name in side[0]} for side in pairs)
    if len(real["features"]) < 20:
        return None
    names = [f"{band} {name}" for band in common for name in FEATURES]
    return tell_apart(real, simulated, seed=seed, permutations=permutations, names=names)


def _classifier_inputs(stamps, k, sigma):
    sigma = np.asarray(sigma, float)
    crop, _ = center_pixels(stamps.images[:, k].astype(float), stamps.offsets[:, k], 9)
    return {
        "features": stamp_features(stamps.images[:, k], stamps.offsets[:, k], sigma=sigma),
        "pixels": np.arcsinh(crop / sigma[:, None, None] / 2).reshape(len(crop), 19 * 19),
    }


def _blank(data, sigma):
    smooth = ndimage.gaussian_filter(data, 1.5)
    level = np.median(smooth[::7, ::7])
    bright = smooth > level + 3.5 * sigma / (2 * np.sqrt(np.pi) * 1.5)
    return ~ndimage.binary_dilation(bright, iterations=6)


def _clipped_std(values):
    spread = values.std()
    for _ in range(5):
        values = values[np.abs(values - values.mean()) < 4 * spread]
        spread = values.std()
    return float(spread)


def _compare_band(real, simulated, stamps, k, verdict):
    images = [np.nan_to_num(f.data) for f in (real, simulated)]
    rough = [float(np.subtract(*np.percentile(i[::5, ::5], [50, 15.87]))) for i in images]
    blank = _blank(images[0], rough[0]) & _blank(images[1], rough[1])
    if np.count_nonzero(blank) < 10_000:  # so crowded that there is no blank sky
        blank = np.ones_like(blank)
    noise = tuple(_clipped_std(i[blank]) for i in images)
    counts, edges = [], np.arange(13, 25.01, 0.5)
    for image in images:
        x, y = detect(image, sigma=noise[0], threshold=6.0)
        flux = np.maximum(aperture_fluxes(image, x, y), 1e-9)
        counts.append(np.histogram(22.5 - 2.5 * np.log10(flux), edges)[0])
    fwhm, wings = _shapes(stamps, k)
    return BandFidelity(noise, fwhm, wings, np.array(counts), edges, verdict)


def _shapes(stamps, k):
    """FWHM of the stars that are bright enough on both sides, and their mean wings."""
    widths, profiles, bright = [], [], np.ones(len(stamps[0]), bool)
    for side in stamps:
        crop, center = center_pixels(side.images[:, k].astype(float), side.offsets[:, k], 20)
        axis = np.arange(-20, 21)
        radius = np.hypot(axis - center[:, 0, None, None], axis[:, None] - center[:, 1, None, None])
        sky = np.array([np.median(c[(r > 16)]) for c, r in zip(crop, radius, strict=True)])
        crop = crop - sky[:, None, None]
        flux = (crop * (radius < 5)).sum((1, 2))
        moments = adaptive_moments(crop[:, 8:-8, 8:-8])[1]
        with np.errstate(invalid="ignore"):
            widths.append(_FWHM * np.sqrt(moments[:, :2].mean(1)))
        bright &= (flux > 300 * side.sky_sigma[:, k]) & np.isfinite(widths[-1])
        bright &= (side.masks[:, k] == 0).all((1, 2))
        rings = [(radius >= a) & (radius < b) for a, b in pairwise(WING_RINGS)]
        profiles.append(np.stack([_ring_median(crop, r) for r in rings], 1) / np.where(flux > 0, flux, np.nan)[:, None])
    wings = [np.median(p[bright], axis=0) if bright.any() else np.full(len(WING_RINGS) - 1, np.nan) for p in profiles]
    return tuple(w[bright] for w in widths), np.array(wings)


def _ring_median(crop, ring):
    return np.array([np.median(c[r]) if r.any() else np.nan for c, r in zip(crop, ring, strict=True)])


def _photometry(real, simulated, k, known):
    """Fluxes of the list's lonely point sources through the package's own photometry."""
    truth, frame = simulated.truth, real.frames[BANDS[k]]
    flux = truth["measured"][:, k]
    rows = np.flatnonzero(known & (flux > 5 * truth["measured_err"][:, k]))
    x, y = frame.wcs.wcs_world2pix(truth["ra"].value, truth["dec"].value, 0)
    rows = lonely(x, y, flux, rows, radius=12)
    rows = rows[:: max(1, len(rows) // 1500)]
    ra, dec = truth["ra"][rows].to_value(u.deg), truth["dec"][rows].to_value(u.deg)
    result = {"truth": np.asarray(truth["flux"][rows])}
    psf = field_psf(real)
    point = np.ones(len(rows), bool)
    for name, contents in (("real", real), ("twin", simulated.contents)):
        measured = measure(cut_field(contents, ra, dec, psf=psf))
        result[name], result[name + "_err"] = measured.flux, measured.flux_err
        excess = measured.apertures[:, k, 1] - measured.flux[:, k]
        with np.errstate(invalid="ignore"):
            point &= np.abs(excess) < 0.1 * np.abs(measured.flux[:, k]) + 4 * measured.flux_err[:, k]
    return {name: values[point] for name, values in result.items()}


def magnitudes(photometry, name):
    """Magnitudes and errors of `Fidelity.photometry`.

    Parameters
    ----------
    photometry : dict
    name : str
        ``"real"`` or ``"twin"``.

    Returns
    -------
    magnitude, error : ndarray, shape (N, 5)
    """
    flux, error = photometry[name], photometry[name + "_err"]
    return asinh_magnitude(flux), asinh_magnitude_error(flux, error)
