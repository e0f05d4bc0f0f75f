# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Observing conditions: PSF and how it varies, sky, throughput, the CCDs' noise, calibration errors."""

from dataclasses import dataclass, fields

import numpy as np

from ..stamps import detector
from ..stamps.psf import TYPICAL_PSF

__all__ = ["SHAPE_NAMES", "VARIATION_NAMES", "Conditions", "draw_conditions"]

SHAPE_NAMES = ("e1", "e2", "coma_x", "coma_y", "trefoil_x", "trefoil_y", "core")
"""What the last axis of `Conditions.shape` holds."""
VARIATION_NAMES = ("width_x", "width_y", "width_xx", "width_xy", "width_yy", "e1_x", "e1_y", "e2_x", "e2_y")
"""What the last axis of `Conditions.variation` holds."""

# Sky level in counts and nanomaggies per count: medians of the frames of six runs.
_SKY_COUNTS = np.array([28.0, 90.0, 135.0, 195.0, 130.0])
_PER_COUNT = np.array([0.0113, 0.0043, 0.0052, 0.0072, 0.0365])

# The CCDs as they have been since run 1500 (see `stellarclass.stamps.detector`), by camera column and band.
_GAIN, _DARK = (np.stack([f(2000, column) for column in range(1, 7)]) for f in (detector.gain, detector.dark_variance))

# Errors of the photometric calibration in mag, shared by all stars of a frame: Padmanabhan et al. (2008, ApJ 674,
# 1217).
_CALIBRATION_ERROR = np.array([0.02, 0.01, 0.01, 0.01, 0.01])

# Composite profiles as measured on the fourteen frames of three fields: sigma2 / sigma1, b and p0.
_SIGMA_RATIO = np.array([1.90, 1.95, 2.08, 2.15, 2.15])
_WIDE_PART = np.array([0.097, 0.089, 0.076, 0.066, 0.057])
_WING = np.array([0.007, 0.009, 0.011, 0.015, 0.016])

# Standard deviations over frames, from the three fields' own stars and the PSF models of 31 fields of run 4510:
# ellipticity, coma and trefoil; slopes and curvature of ln(width) from the middle to the rim; slopes of ellipticity.
_SHAPE_SPREAD = np.array([0.07, 0.07, 0.015, 0.015, 0.010, 0.010])
_VARIATION_SPREAD = np.array([0.018, 0.018, 0.012, 0.014, 0.015, 0.015, 0.020, 0.015, 0.015])
_CORE = (0.20, 0.04)
# Noise of blank sky over what sky, gain and dark variance say, amplifier by amplifier.
_NOISE_SPREAD = np.array([0.05, 0.01, 0.015, 0.03, 0.03])


@dataclass(frozen=True)
class Conditions:
    """Observing conditions of N stars or fields, per band.

    Attributes
    ----------
    psf : ndarray, shape (N, 5, 6)
        Circular composite profile, the mean of the frame, as `stellarclass.stamps.psf.measure_psf` finds it.
    sky : ndarray, shape (N, 5)
        Sky level in counts per pixel.
    per_count : ndarray, shape (N, 5)
        Nanomaggies per count.
    camcol : ndarray of int, shape (N,)
        Camera column, 1 to 6: which CCDs.
    shape : ndarray, shape (N, 5, 7), optional
        How the PSF in the middle of the frame departs from the circular profile, in the order of
        `stellarclass.simulate.conditions.SHAPE_NAMES`: ellipticity ``e1 = (Sxx - Syy) / (Sxx + Syy)``,
        ``e2 = 2 Sxy / (Sxx + Syy)`` of both Gaussians' second moments; coma and trefoil as third-order terms of the
        core; ``core``, the relative amount by which two halves of the core are narrower and wider than sigma1. All 0,
        the default, is circular.
    variation : ndarray, shape (N, 5, 9), optional
        How the PSF changes over the frame, in the order of `stellarclass.simulate.conditions.VARIATION_NAMES`: ln of
        its width and its ellipticity as polynomials of x (column) and y (row), both from -1 to 1 across the frame,
        curvatures of zero mean (``x^2 - 1/3``). All 0, the default, is the same PSF everywhere.
    noise : ndarray, shape (N, 5, 2), optional
        Blank-sky noise of the left and right half of the chip (each has an amplifier of its own), over what sky, gain
        and dark variance say; 1 by default.
    zero_point : ndarray, shape (N, 5), optional
        Error of the photometric calibration in mag: stars appear that much fainter in frames and stamps. 0 by default.
    """

    psf: np.ndarray
    sky: np.ndarray
    per_count: np.ndarray
    camcol: np.ndarray
    shape: np.ndarray | None = None
    variation: np.ndarray | None = None
    noise: np.ndarray | None = None
    zero_point: np.ndarray | None = None

    def __post_init__(self):
        leading = np.shape(self.sky)
        defaults = {
            "shape": (0.0, (len(SHAPE_NAMES),)),
            "variation": (0.0, (len(VARIATION_NAMES),)),
            "noise": (1.0, (2,)),
            "zero_point": (0.0, ()),
        }
        for name, (value, trailing) in defaults.items():
            if getattr(self, name) is None:
                object.__setattr__(self, name, np.full(leading + trailing, value))

    @property
    def gain(self):
        """Electrons per count, shape (N, 5)."""
        return _GAIN[self.camcol - 1]

    @property
    def dark(self):
        """Variance of dark current and read noise in counts squared, shape (N, 5)."""
        return _DARK[self.camcol - 1]

    @property
    def sky_sigma(self):
        """Standard deviation of blank sky in nanomaggies per pixel, shape (N, 5), mean of both halves of the chip."""
        return np.sqrt((self.sky / self.gain + self.dark) * np.mean(self.noise**2, axis=-1)) * self.per_count

    def __len__(self):
        return len(self.psf)

    def __getitem__(self, item):
        """Conditions of the chosen rows; an integer gives those of one star, without the first axis."""
        return Conditions(**{f.name: getattr(self, f.name)[item] for f in fields(self)})


def draw_conditions(n, *, seed, calibration_errors=False):
    """Draw seeing, sky, throughput, camera column and what is wrong with the PSF.

    Parameters
    ----------
    n : int
        Number of independent draws.
    seed : int or `numpy.random.Generator`
        The same seed gives the same draws.
    calibration_errors : bool
        Whether to draw ``zero_point`` (1 % in g r i z, 2 % in u); by default it is 0.

    Returns
    -------
    Conditions
        N rows. Seeing has a median of 1.32 arcsec in r and varies by 18 %, sky by 30 %, throughput by 7 %.

    Examples
    --------
    >>> from stellarclass.simulate import draw_conditions
    >>> nights = draw_conditions(3, seed=1)
    >>> nights.sky_sigma.shape
    (3, 5)
    """
    rng = np.random.default_rng(seed)
    # Median seeing 1.32 arcsec in r (the typical profile has 1.29), log-normal; bands follow each other to 5 %
    # (Abazajian et al. 2009, ApJS 182, 543).
    seeing = 1.022 * np.exp(rng.normal(0, 0.17, (n, 1)) + rng.normal(0, 0.05, (n, 5)))
    psf = np.repeat(TYPICAL_PSF[None].astype(float), n, axis=0)
    psf[..., 0] *= seeing
    psf[..., 1] = psf[..., 0] * rng.normal(_SIGMA_RATIO, 0.12, (n, 5)).clip(1.7, 2.5)
    psf[..., 2] = np.exp(rng.normal(np.log(_WIDE_PART), 0.25, (n, 5)))
    psf[..., 3] = np.exp(rng.normal(np.log(_WING), 0.3, (n, 5)))
    psf[..., 4] = 3.0
    psf[..., 5] = psf[..., 0] * 1.9
    camcol = rng.integers(1, 7, n)
    # Tracking and optics distort all bands alike to some degree, good seeing shows it more.
    shape = np.empty((n, 5, len(SHAPE_NAMES)))
    shape[..., :6] = rng.normal(0, 1, (n, 5, 6)) * _SHAPE_SPREAD * (psf[..., :1] / 1.2) ** -0.7
    shape[..., 6] = np.abs(rng.normal(*_CORE, (n, 5)))
    return Conditions(
        psf=psf,
        sky=_SKY_COUNTS * 10 ** (rng.normal(0, 0.10, (n, 1)) + rng.normal(0, 0.05, (n, 5))),
        per_count=_PER_COUNT * 10 ** rng.normal(0, 0.03, (n, 5)),
        camcol=camcol,
        shape=shape,
        variation=rng.normal(0, 1, (n, 5, len(VARIATION_NAMES))) * _VARIATION_SPREAD,
        noise=np.exp(rng.normal(0, 1, (n, 5, 2)) * _NOISE_SPREAD[:, None]),
        zero_point=rng.normal(0, 1, (n, 5)) * _CALIBRATION_ERROR * bool(calibration_errors),
    )
