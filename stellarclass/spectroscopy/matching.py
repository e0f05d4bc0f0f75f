# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`classify_spectrum`: the template that a spectrum resembles most, at which velocity, and how far to believe it.

Template matching is how Deng et al. (2024) name the classical way to a spectral class (their reference: Duan et al.
2009, RAA 9, 341): the class is that of the template with the least chi-squared. Here the continuum is no part of the
comparison (see `stellarclass.spectroscopy.fitting`), the velocity is searched together with the type, and a spectrum
that no template explains is called no star.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from astropy import units as u
from scipy.ndimage import uniform_filter1d

from ..exceptions import InputError
from .fitting import ORDER, RANGE, SPEED_OF_LIGHT, Pixels, curve_values, fit, shifted
from .subclasses import subclass_number

__all__ = ["MAX_VELOCITY", "MIN_QUALITY", "NO_STAR_QUALITY", "SpectrumResult", "classify_spectrum"]

MAX_VELOCITY = 600.0
"""Largest radial velocity of a star, in km/s; faster ones are unbound from the Galaxy."""

MIN_QUALITY = 0.5
"""A star's spectrum is explained by its template at least to this part."""

NO_STAR_QUALITY = 0.3
"""What is explained to a smaller part than this is no star; between the two limits it is unsure."""

_LEAST_MISMATCH = 0.01  # of the flux: what calibration and the sky leave even at the highest S/N
_STEP = 75.0  # km/s: about one pixel of SDSS
_FINE = np.arange(-75.0, 76.0, 7.5)
_MIN_PIXELS = 500
_MIN_STRUCTURE = 10.0  # standard deviations
_MIN_CONTRAST = 0.05
_MAX_CLIPPED = 0.03  # of the pixels
_CLIP = 6.0  # standard deviations
_NEARLY = 0.3  # of the misfit beyond the noise: what systematic differences between stars of a subclass amount to
_STRENGTHS = (0.4, 1.6)  # of lines, relative to the templates', before a spectrum is called no star
_TELLURIC = (7585.0, 7705.0)  # the A band of oxygen, in the observer's frame, imperfectly corrected


@dataclass(frozen=True, eq=False)
class SpectrumResult:
    """What a spectrum says.

    Attributes
    ----------
    verdict : str
        ``"star"``; ``"no star"`` if the spectrum has features that no template explains at any velocity of a star;
        ``"unsure"`` if it does not say enough: too noisy, too short, without features, or between the classes.
    reason : str
        Why not ``"star"``; else empty.
    spectral_class : str
        Class of the best template (``"G"``); empty where none explains the spectrum.
    subclass : str
        Its subclass (``"G2"``).
    alternatives : tuple of str
        Subclasses that fit nearly as well, the best among them, hot to cool: chi-squared larger by at most 9 plus
        0.3 of the best template's excess over the noise. The span is the honest error of the subclass.
    quality : float
        Part of the spectrum's structure (all that is not smooth continuum and not noise) that the best template
        explains: ``(chi2_smooth - chi2_best) / (chi2_smooth - dof)``, where chi2_smooth is that of the best smooth
        curve alone, and both are taken with the quoted noise plus 1 % of the flux. 1 for a perfect match, whatever the
        S/N; about 0 for what is no star; NaN without significant structure.
    radial_velocity, radial_velocity_error : `~astropy.units.Quantity`
        c times redshift, in km/s, in the frame of the wavelengths (SDSS: heliocentric). The error is statistical;
        zero points of templates add 10 to 20 km/s, those of the default ones up to 50 km/s for M.
    chi2, dof : float, int
        Of the best template, noise as quoted (or as the scatter of neighboring pixels shows, if larger) plus the
        templates' `~Templates.mismatch`.
    runner_up : str
        Best template of another subclass.
    margin : float
        By how much the runner-up's chi-squared is larger, relative to the best.
    structure : float
        Significance of the structure, in standard deviations.
    snr : float
        Median signal-to-noise ratio a pixel.
    templates : str
        Name of the templates.
    model : `~specutils.Spectrum` or None
        Best template times smooth curve, on the pixels that were used.
    """

    verdict: str
    reason: str
    spectral_class: str
    subclass: str
    alternatives: tuple
    quality: float
    radial_velocity: u.Quantity
    radial_velocity_error: u.Quantity
    chi2: float
    dof: int
    runner_up: str
    margin: float
    structure: float
    snr: float
    templates: str
    model: object = field(default=None, repr=False)

    @property
    def redshift(self):
        """Radial velocity over c, a float."""
        return float(self.radial_velocity.to_value(u.km / u.s)) / SPEED_OF_LIGHT


def classify_spectrum(spectrum, templates=None):
    """Spectral class of a star from its spectrum.

    Parameters
    ----------
    spectrum : `~specutils.Spectrum`
        One spectrum of P pixels: a spectral axis in wavelengths (vacuum) or anything equivalent, a flux density in any
        unit, or none. Pixels where ``mask`` is true or the uncertainty is not positive are left out. Without an
        uncertainty, the noise is taken from the scatter of neighboring pixels. The resolution should be SDSS's
        (R about 2000) or similar.
    templates : Templates, optional
        What to compare with; those of `default_templates` if not given.

    Returns
    -------
    SpectrumResult

    Raises
    ------
    stellarclass.exceptions.InputError
        If it is not one spectrum, or hardly any of it lies between 3800 and 9200 Å.
    TypeError
        If it is no `~specutils.Spectrum`.

    Examples
    --------
    A simulated G2 star that recedes at 100 km/s, behind dust:

    >>> import numpy as np
    >>> from astropy import units as u
    >>> from specutils import Spectrum
    >>> from stellarclass.spectroscopy import classify_spectrum, default_templates
    >>> templates = default_templates()
    >>> wavelength = templates.wavelength * (1 + 100 / 299792.458)
    >>> flux = templates.flux[templates.subclasses.index("G2")] * (wavelength.value / 5000)**1.5
    >>> flux += np.random.default_rng(1).normal(0, 0.02, len(flux))
    >>> result = classify_spectrum(Spectrum(flux=flux * u.Jy, spectral_axis=wavelength))
    >>> result.verdict, result.subclass
    ('star', 'G2')
    >>> bool(abs(result.radial_velocity - 100 * u.km / u.s) < 5 * u.km / u.s)
    True
    """
    if templates is None:
        from .linemodel import default_templates

        templates = default_templates()
    pixels, scale, snr = _pixels(spectrum, templates.mismatch)
    if len(pixels.ranking.flux) < _MIN_PIXELS:
        reason = f"only {len(pixels.ranking.flux)} usable pixels between {RANGE[0]:.0f} and {RANGE[1]:.0f} Å"
        return _nothing(reason, snr, templates)
    library = np.log10(templates.wavelength.to_value(u.AA)), templates.flux
    match = _match(pixels, *library)
    clipped = _clipped(pixels, match.values)
    if clipped is not None:
        pixels = clipped
        match = _match(pixels, *library, around=match.velocity)
    return _result(pixels, match, snr, templates, scale)


class _Pair(NamedTuple):
    """A spectrum's pixels with two kinds of weights."""

    ranking: Pixels  # with the templates' mismatch: which of them is best
    judging: Pixels  # with the least that any calibration has: whether the best is good


@dataclass(frozen=True)
class _Match:
    """The templates against a spectrum: chi-squared of each at its best, and the best one's velocity and values."""

    chi2: np.ndarray  # (T,)
    smooth: float  # chi-squared of the smooth curve alone ...
    judged: float  # ... and of the best template, by the weights for judging
    velocity: float
    error: float
    values: np.ndarray  # (P,)


def _pixels(spectrum, mismatch):
    """The usable pixels of a spectrum, what its flux was divided by, and its median S/N."""
    from specutils import Spectrum

    if not isinstance(spectrum, Spectrum):
        raise TypeError(f"spectrum must be a specutils.Spectrum, not {type(spectrum).__name__}; see read_spectrum")
    if spectrum.flux.ndim != 1:
        raise InputError(f"spectrum holds an array of shape {spectrum.flux.shape}; classify_spectra takes several")
    wavelength = spectrum.spectral_axis.to_value(u.AA, u.spectral())
    flux = np.array(spectrum.flux.value, float)
    masked = np.zeros(flux.shape, bool) if spectrum.mask is None else np.broadcast_to(spectrum.mask, flux.shape)
    good = ~masked & np.isfinite(flux) & np.isfinite(wavelength) & (wavelength > RANGE[0]) & (wavelength < RANGE[1])
    weight = None
    if spectrum.uncertainty is not None:
        weight = _inverse_variance(spectrum.uncertainty)
        good &= np.isfinite(weight) & (weight > 0)
    order = np.flatnonzero(good)
    order = order[np.argsort(wavelength[order])]
    wavelength, flux = wavelength[order], flux[order]
    if len(flux) < 10 or np.ptp(wavelength) < 500:
        raise InputError(
            f"spectrum has {len(flux)} usable pixels within {RANGE[0]:.0f} to {RANGE[1]:.0f} Å; at least 500 Å of that "
            "range are needed"
        )
    weight = np.ones(len(flux)) if weight is None else weight[order]
    scale = np.median(np.abs(flux)) or 1.0
    flux, weight = flux / scale, weight * scale**2
    # Errors that are too small, or not there at all, show in how neighboring pixels differ. The other way around
    # proves nothing: resampled spectra have neighbors that resemble each other.
    difference = (flux[:-2] + flux[2:]) / 2 - flux[1:-1]
    expected = (1 / weight[:-2] + 1 / weight[2:]) / 4 + 1 / weight[1:-1]
    scatter = 1.4826 * np.median(np.abs(difference) / np.sqrt(expected))
    weight = weight / (max(scatter, 1.0) if spectrum.uncertainty is not None else max(scatter, 1e-6)) ** 2
    snr = float(np.median(flux * np.sqrt(weight)))
    level = np.abs(uniform_filter1d(flux, 101))
    used = (wavelength < _TELLURIC[0]) | (wavelength > _TELLURIC[1])
    plain, weight = (1 / (1 / weight + (part * level) ** 2) for part in (_LEAST_MISMATCH, mismatch))
    return (
        _Pair(*(Pixels(np.log10(wavelength[used]), flux[used], w[used]) for w in (weight, plain))),
        scale * spectrum.flux.unit,
        snr,
    )


def _inverse_variance(uncertainty):
    """Inverse variances as floats, 0 where the uncertainty is not positive (nddata's own conversion divides by it)."""
    power = {"ivar": 1, "var": -1, "std": -2}.get(uncertainty.uncertainty_type)
    if power is None:
        raise InputError(f"uncertainty of type {uncertainty.uncertainty_type!r}; std, var and ivar are understood")
    values = np.array(uncertainty.array, float)
    answer = np.zeros(values.shape)
    usable = np.isfinite(values) & (values > 0)
    answer[usable] = values[usable] ** power
    return answer


def _match(pair, log_wavelength, templates, around=None):
    """Compare with all templates at all velocities, or ``around`` one only."""
    pixels = pair.ranking
    coarse = np.arange(-MAX_VELOCITY - _STEP, MAX_VELOCITY + _STEP + 1, _STEP)
    if around is not None:
        coarse = coarse[np.abs(coarse - around) < 2 * _STEP]
    chi2 = _chi2(pixels, log_wavelength, templates, coarse)
    best, place = np.unravel_index(chi2.argmin(), chi2.shape)
    velocities = coarse[place] + _FINE
    fine = _chi2(pixels, log_wavelength, templates[[best]], velocities)[0]
    velocity, error = _vertex(velocities, fine, max(1.0, fine.min() / _dof(pixels)))
    # Now every template at this velocity, or nearly so: templates have zero points of their own.
    chi2 = _chi2(pixels, log_wavelength, templates, velocity + np.array([-30.0, 0.0, 30.0])).min(axis=1)
    model = shifted(pixels.log_wavelength, log_wavelength, templates[[chi2.argmin()]], velocity)
    _, coefficients = fit(pixels, model)
    (judged, smooth), _ = fit(pair.judging, np.concatenate([model, np.ones_like(model)]))
    return _Match(chi2, float(smooth), float(judged), velocity, error, model[0] * curve_values(pixels, coefficients[0]))


def _chi2(pixels, log_wavelength, templates, velocities):
    """Chi-squared of each template at each velocity, shape (T, V)."""
    # One velocity at a time: then everything stays in the processor's cache.
    return np.stack(
        [fit(pixels, shifted(pixels.log_wavelength, log_wavelength, templates, v))[0] for v in velocities], 1
    )


def _vertex(velocities, chi2, scale):
    """Where the parabola through the least values has its vertex, and the statistical error of that."""
    place = int(np.clip(chi2.argmin(), 2, len(chi2) - 3))
    near = slice(place - 2, place + 3)
    a, b, _ = np.polyfit(velocities[near] - velocities[place], chi2[near] / scale, 2)
    if a <= 0:
        return float(velocities[place]), np.inf
    offset = np.clip(-b / (2 * a), velocities[0] - velocities[place], velocities[-1] - velocities[place])
    return float(velocities[place] + offset), float(a**-0.5)


def _dof(pixels):
    return len(pixels.flux) - ORDER - 1


def _clipped(pair, values):
    """The pixels without the few that stick out: cosmic rays, sky lines, a star's own emission lines."""
    pixels = pair.ranking
    residual = (pixels.flux - values) * np.sqrt(pixels.weight)
    limit = _CLIP * max(1.0, 1.4826 * np.median(np.abs(residual)))
    limit = max(limit, np.quantile(np.abs(residual), 1 - _MAX_CLIPPED))
    keep = np.abs(residual) <= limit
    if keep.all():
        return None
    return _Pair(*(Pixels(p.log_wavelength[keep], p.flux[keep], p.weight[keep]) for p in pair))


def _nothing(reason, snr, templates):
    nan = np.nan * u.km / u.s
    return SpectrumResult(
        "unsure", reason, "", "", (), np.nan, nan, nan, np.nan, 0, "", np.nan, np.nan, snr, templates.name
    )


def _result(pair, match, snr, templates, scale):
    pixels = pair.ranking
    dof, labels = _dof(pixels), templates.subclasses
    order = np.argsort(match.chi2)
    best = order[0]
    chi2, subclass = float(match.chi2[best]), labels[best]
    excess = match.smooth - dof
    structure = excess / np.sqrt(2 * dof)
    featureless = structure < _MIN_STRUCTURE or excess < _MIN_CONTRAST * dof
    quality = np.nan if featureless else min(1.0, (match.smooth - match.judged) / excess)
    if quality < MIN_QUALITY:
        other = max(_quality_with(pair, match, templates, strength) for strength in _STRENGTHS)
    limit = chi2 + 9.0 * max(1.0, chi2 / dof) + _NEARLY * max(0.0, chi2 - dof)
    near = sorted({labels[k] for k in order if match.chi2[k] <= limit}, key=subclass_number)
    runner_up = next((k for k in order if labels[k] != subclass), None)
    span = subclass_number(near[-1]) - subclass_number(near[0])

    verdict, reason = "star", ""
    if featureless:
        verdict, reason = "unsure", "no features above the noise"
    elif quality < MIN_QUALITY and other >= MIN_QUALITY:
        verdict, reason = (
            "unsure",
            f"its lines are much weaker or stronger than those of any template (quality {max(quality, 0):.2f})",
        )
    elif quality < NO_STAR_QUALITY:
        verdict, reason = "no star", f"no template explains its features (quality {max(quality, 0):.2f})"
    elif quality < MIN_QUALITY:
        verdict, reason = "unsure", f"no template explains its features well (quality {max(quality, 0):.2f})"
    elif abs(match.velocity) > MAX_VELOCITY:
        verdict, reason = "unsure", f"the best velocity is at the end of the range, {MAX_VELOCITY:.0f} km/s"
    elif span > 10:
        verdict, reason = "unsure", f"anything from {near[0]} to {near[-1]} fits about as well"
    known = not featureless and quality >= NO_STAR_QUALITY
    speed = np.array([match.velocity, match.error]) if known else np.array([np.nan, np.nan])
    return SpectrumResult(
        verdict=verdict,
        reason=reason,
        spectral_class=subclass[0] if known else "",
        subclass=subclass if known else "",
        alternatives=tuple(near) if known else (),
        quality=quality,
        radial_velocity=speed[0] * u.km / u.s,
        radial_velocity_error=speed[1] * u.km / u.s,
        chi2=chi2,
        dof=dof,
        runner_up=labels[runner_up] if known and runner_up is not None else "",
        margin=float(match.chi2[runner_up] / chi2 - 1) if known and runner_up is not None else np.nan,
        structure=float(structure),
        snr=snr,
        templates=templates.name,
        model=_model(pixels, match.values * scale),
    )


def _quality_with(pair, match, templates, strength):
    """The quality that templates with weaker or stronger lines would have, as of stars of another metallicity."""
    flux = np.maximum(templates.flux, 0.01) ** strength  # what this does to the continuum is smooth, so it is no matter
    again = _match(pair, np.log10(templates.wavelength.to_value(u.AA)), flux)
    return (match.smooth - again.judged) / (match.smooth - _dof(pair.judging))


def _model(pixels, values):
    from specutils import Spectrum

    return Spectrum(flux=u.Quantity(values), spectral_axis=10**pixels.log_wavelength * u.AA)
