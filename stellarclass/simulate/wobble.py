# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What two stars in one image do to an astrometric solution that was made for one: plain arrays."""

from dataclasses import dataclass

import numpy as np

__all__ = ["BASELINE_YEARS", "Wobble", "wobble"]

BASELINE_YEARS = 2.83
"""Time between the first and last observations of Gaia DR3: 34 months (Gaia Collaboration 2021, A&A 649, A1)."""

# Pairs closer than this, in mas, are one image that moves with the light; wider ones distort it; beyond about the next
# they have a source each (Lindegren 2022, GAIA-C3-TN-LU-LL-136; Fabricius et al. 2021, A&A 649, A5, Fig. 6).
_DISTORTED, _RESOLVED, _FADE = 100.0, 600.0, 200.0
# Scatter of the image's location over separation times share of light: so that as many stars have a ruwe above 1.4 as
# in the real rows that `gaia` cites (9 % at G 13 to 15, 4 % at 15 to 17, 2 % at 18 to 19).
_DISTORTION = 0.006
_LARGEST = 1000.0  # mas, so that an absurd pair stays a number


@dataclass(frozen=True)
class Wobble:
    """What a companion adds, for N systems; zero for single stars.

    Attributes
    ----------
    noise : ndarray, shape (N,)
        Scatter of the observations along the scan about the best single-star solution, in mas.
    parallax, pmra, pmdec : ndarray, shape (N,)
        What the orbit feigns, in mas and mas/yr.
    light : ndarray, shape (N,)
        Light of the companion over that of its primary, in G.
    """

    noise: np.ndarray
    parallax: np.ndarray
    pmra: np.ndarray
    pmdec: np.ndarray
    light: np.ndarray


def wobble(rng, *, separation, mass_ratio, parallax, radius):
    """Effect of unresolved companions on single-star solutions.

    The light's center moves about the center of mass by the separation times ``q/(1+q) - l/(1+l)``, with the mass
    ratio q and the light ratio l (Penoyre, Belokurov & Evans 2022, MNRAS 513, 2437, Sect. 2). Kepler's third law gives
    the period. Orbits shorter than the observations scatter them; of longer ones the linear part goes into the proper
    motion and the curvature, ``(baseline / period)**2``, remains; those of nearly a year feign parallax.

    Parameters
    ----------
    rng : numpy.random.Generator
        Inclinations, phases and directions are drawn from it.
    separation : ndarray, shape (N,)
        Projected, in arcsec; NaN for single stars.
    mass_ratio : ndarray, shape (N,)
        Secondary over primary, 0 for single stars.
    parallax : ndarray, shape (N,)
        In mas.
    radius : ndarray, shape (N,)
        Of the primary in solar radii: its mass is taken to be as many solar masses (0.1 to 1.7) for dwarfs, 1 beyond
        2.5 solar radii and where unknown.

    Returns
    -------
    Wobble

    Examples
    --------
    A companion of half the mass of a Sun at 100 pc, 2 au away:

    >>> import numpy as np
    >>> from stellarclass.simulate.wobble import wobble
    >>> one = {"separation": [0.02], "mass_ratio": [0.5], "parallax": [10.0], "radius": [1.0]}
    >>> bool(1 < wobble(np.random.default_rng(0), **{k: np.array(v) for k, v in one.items()}).noise[0] < 7)
    True
    """
    n = len(parallax)
    # Drawn for every star, so that one star's numbers do not depend on whether another has a companion.
    projection, direction = rng.uniform(0.35, 0.85, n), rng.uniform(0, 2 * np.pi, n)
    feigned = rng.normal(0, 0.5, n)
    double = np.isfinite(separation) & (separation > 0) & (mass_ratio > 0) & (parallax > 0)
    s = np.where(double, separation, 1.0) * 1000  # mas
    q = np.where(double, mass_ratio, 0.0)
    size = np.where(np.isfinite(radius), radius, 1.0)
    mass = np.where(size > 2.5, 1.0, np.clip(size, 0.1, 1.7))
    # Light against mass in G: 4.3 mag between 1 and 0.5 solar masses (Pecaut & Mamajek 2013, ApJS 208, 9).
    light = q**5.7 * np.where(size > 2.5, size**-2.0, 1.0)
    center = s * np.abs(q / (1 + q) - light / (1 + light))
    au = s / np.where(double, parallax, 1.0)
    years = np.sqrt(au**3 / (mass * (1 + q)))

    one_image = double & (s < _RESOLVED)
    center = np.where(one_image, np.minimum(center, _LARGEST), 0.0)
    # Half of (2 pi T/P)^2/2 times the scatter of t^2 about a line, over 1/sqrt(2) of an orbit: equal near P = 1.7 T.
    seen = np.minimum(1.0, 2.9 * (BASELINE_YEARS / years) ** 2)
    noise = center * projection * seen
    share = light / (1 + light)
    fade = np.exp(-np.maximum(s - _RESOLVED, 0) / _FADE)
    distorted = np.where(double & (s > _DISTORTED), _DISTORTION * np.minimum(s, _LARGEST) * share * fade, 0.0)

    speed = 2 * np.pi * center * projection / years * np.minimum(years / BASELINE_YEARS, 1.0) ** 2
    feigned = feigned * center * seen * np.exp(-0.5 * (BASELINE_YEARS * (1 / years - 1)) ** 2)
    return Wobble(np.hypot(noise, distorted), feigned, speed * np.cos(direction), speed * np.sin(direction), light)
