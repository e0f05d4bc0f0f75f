# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Dust of the simulated sky: how much of it lies before a star, and what it does in each band.

The law is Fitzpatrick (1999, PASP 111, 63) with R_V = 3.1, the one that the reddening of SDSS stars prefers (Schlafly &
Finkbeiner 2011, ApJ 737, 103). Bands are wide, so a red star is dimmed less than a blue one, in Gaia's G above all.
"""

import numpy as np

__all__ = ["EXTINCTION_BANDS", "band_extinction", "column_extinction", "share_in_front"]

EXTINCTION_BANDS = ("u", "g", "r", "i", "z", "G", "BP", "RP")
"""Bands of `band_extinction`, in this order."""

# A_band / A_V against intrinsic BP-RP, for A_V = 0.3: the law (`dust_extinction.parameter_averages.F99(Rv=3.1)`) on
# spectra through the filter curves of speclite (sdss2010-*, gaiadr3-*), photons counted:
# -2.5 log10(sum(f w r 10^(-0.4 A(w))) / sum(f w r)). Spectra: black bodies of 30,000 and 15,000 K, then the PyHammer
# templates A0 F0 F5 G0 G5 K3 K5 M0 M2 M4 M6 (Kesseli et al. 2017, ApJS 230, 16).
_NODES = np.array([
    [-0.387, 1.555, 1.232, 0.842, 0.624, 0.469, 1.016, 1.180, 0.624],
    [-0.106, 1.551, 1.224, 0.840, 0.623, 0.468, 0.972, 1.150, 0.618],
    [0.006, 1.546, 1.222, 0.840, 0.622, 0.467, 0.953, 1.126, 0.613],
    [0.440, 1.543, 1.211, 0.837, 0.621, 0.466, 0.888, 1.089, 0.605],
    [0.554, 1.542, 1.205, 0.835, 0.620, 0.466, 0.868, 1.074, 0.603],
    [0.722, 1.541, 1.198, 0.833, 0.620, 0.465, 0.843, 1.056, 0.600],
    [0.910, 1.540, 1.191, 0.832, 0.619, 0.464, 0.816, 1.037, 0.596],
    [1.144, 1.538, 1.183, 0.830, 0.618, 0.463, 0.783, 1.011, 0.590],
    [1.428, 1.527, 1.177, 0.828, 0.616, 0.462, 0.746, 0.981, 0.584],
    [1.773, 1.510, 1.171, 0.824, 0.613, 0.461, 0.708, 0.960, 0.573],
    [2.175, 1.490, 1.164, 0.820, 0.609, 0.460, 0.670, 0.946, 0.559],
    [2.608, 1.470, 1.160, 0.817, 0.604, 0.459, 0.635, 0.945, 0.542],
    [3.262, 1.425, 1.147, 0.811, 0.599, 0.456, 0.592, 0.932, 0.525],
])  # fmt: skip

# A_V through the half layer toward the pole in mag and the scatter of ln A_V from place to place. The median A_g over
# SDSS's imaging is about 0.12 in the maps of Schlegel et al. (1998, ApJ 500, 525), which is A_V = 0.10 at |b| = 50 deg.
_POLAR_A_V, _CLUMPINESS = 0.075, 0.5
# Between neighbors in one field of 10' dust varies by a tenth, as the maps do at their own resolution of 6'.
_FIELD_CLUMPINESS = 0.1
_SCALE_HEIGHT_KPC = 0.11  # of the dust layer: between Marshall et al. (2006, A&A 453, 635), 0.125, and Li et al. (2018)
_LOWEST_LATITUDE, _MOST_A_V = np.radians(5), 5.0  # the cosecant law means nothing in the plane


def band_extinction(bp_rp):
    """Extinction in each band over A_V.

    Parameters
    ----------
    bp_rp : ndarray, shape (N,)
        Intrinsic BP-RP in mag; held at the ends of the table (-0.39 and 3.26).

    Returns
    -------
    ndarray, shape (8, N)
        A_band / A_V for the bands of `EXTINCTION_BANDS`.

    Examples
    --------
    >>> import numpy as np
    >>> from stellarclass.simulate.dust import band_extinction
    >>> print(band_extinction(np.array([0.82]))[[1, 2, 5], 0].round(2))  # g, r and Gaia's G for the Sun
    [1.19 0.83 0.83]
    """
    return np.stack([np.interp(bp_rp, _NODES[:, 0], _NODES[:, k]) for k in range(1, 9)])


def column_extinction(rng, latitude, *, one_field=False):
    """A_V in mag through the whole dust layer toward galactic latitudes (radians): cosecant law with clumps.

    ``one_field`` says that all lie in one field, behind the same clump.
    """
    n = len(latitude)
    smooth = _POLAR_A_V / np.sin(np.maximum(np.abs(latitude), _LOWEST_LATITUDE))
    clump = _CLUMPINESS * rng.normal() + _FIELD_CLUMPINESS * rng.normal(size=n) if one_field else (
        _CLUMPINESS * rng.normal(size=n)
    )  # fmt: skip
    return np.minimum(smooth * np.exp(clump), _MOST_A_V)


def share_in_front(distance_kpc, latitude):
    """Share of the column of `column_extinction` that lies before stars at these distances: an exponential layer."""
    steepness = np.sin(np.maximum(np.abs(latitude), _LOWEST_LATITUDE))
    return 1 - np.exp(-distance_kpc * steepness / _SCALE_HEIGHT_KPC)
