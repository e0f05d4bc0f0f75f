# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The Milky Way of the simulated sky: density, metallicity and motion of thin disk, thick disk and halo by place.

Populations are coded 0 (thin disk), 1 (thick disk) and 2 (halo). Places are galactocentric, in kpc.
"""

import numpy as np

__all__ = ["density", "metallicity", "place", "proper_motion", "velocity"]

SUN_RADIUS_KPC, SUN_HEIGHT_KPC = 8.0, 0.025
"""Galactocentric position of the Sun: Juric et al. (2008, ApJ 673, 864)."""

# Juric et al. (2008): scale lengths and heights in kpc, local normalizations of thick disk and halo, halo flattening
# and index (their Table 10, bias corrected).
_THIN, _THICK = (2.6, 0.30), (3.6, 0.90)
_THICK_FRACTION, _HALO_FRACTION, _HALO_FLATTENING, _HALO_INDEX = 0.12, 0.0051, 0.64, 2.77

# Beyond the break the halo falls more steeply: Deason et al. (2011, MNRAS 416, 2903).
_HALO_BREAK_KPC, _HALO_OUTER_INDEX = 27.0, 4.6

# Hot stars are young and lie closer to the plane: scale height over that of G and later dwarfs against g-i, after
# Bovy (2017, MNRAS 470, 1360), who finds a third for A and two thirds for F stars.
_YOUNG_G_I, _YOUNG_HEIGHT = (-0.4, 0.25, 0.6), (0.33, 0.66, 1.0)

# [Fe/H] of disk stars falls with height, mu(Z) = mu_far + rise exp(-|Z| / 0.5 kpc), two Gaussians about it: Ivezic et
# al. (2008, ApJ 684, 287), Eqs. 17-18. Far up their -0.82 is -0.76 here, toward the -0.6 that spectra of G dwarfs have
# (Lee et al. 2011, ApJ 738, 187); in the plane it is theirs. Halo: their Section 4.3.
_DISK_FE_H, _DISK_FE_H_RISE, _DISK_FE_H_KPC = -0.76, 0.49, 0.5
_HALO_FE_H, _HALO_FE_H_SIGMA = -1.46, 0.30

# Motion of disk stars against |Z| in kpc, a + b |Z|^c in km/s: Bond et al. (2010, ApJ 716, 1), Table 1 and Eq. 15; the
# azimuthal dispersion is that of their two Gaussians taken together, the radial one in the plane between their 30 and
# the 38 of red dwarfs nearby (Dehnen & Binney 1998, MNRAS 298, 387). Halo dispersions (their Section 5): spherical.
_ROTATION = (205.0, -19.2, 1.25)
_SIGMA_R, _SIGMA_PHI, _SIGMA_Z = (35.0, 3.0, 2.0), (25.0, 2.5, 2.0), (25.0, 4.0, 1.5)
# Stars of one place are of all ages, and so not one Gaussian: a quarter is 1.36 times as fast as the whole, the rest
# 0.85 times (Bond et al. put the same quarter at 34 and the rest at 12 km/s in rotation).
_OLD_SHARE, _OLD_FACTOR, _YOUNG_FACTOR = 0.25, 1.36, 0.85
_HALO_SIGMA = np.array([141.0, 85.0, 75.0])
# Of the Sun, toward the center, rotation and pole. U and W: Schonrich et al. (2010, MNRAS 403, 1829). Of rotation only
# the difference to the stars is ever measured: 225 is what Bond et al. took (220 for the LSR and 5 for the Sun); with
# Schonrich's 12.24 the LSR, and the rotation above with it, would be 213 instead.
_SUN_KMS = np.array([11.1, 225.0, 7.25])

_KMS_PER_MAS_KPC = 4.740470  # one au per year
# Galactic to equatorial (ICRS) coordinates: ESA (1997), The Hipparcos Catalogue, Vol. 1, Eq. 1.5.11.
_GALACTIC_TO_ICRS = np.array([
    [-0.0548755604, 0.4941094279, -0.8676661490],
    [-0.8734370902, -0.4448296300, -0.1980763734],
    [-0.4838350155, 0.7469822445, 0.4559837762],
])  # fmt: skip


def place(distance, longitude, latitude):
    """Galactocentric x (from the center toward the Sun), y and height z in kpc; angles in radians."""
    x = SUN_RADIUS_KPC - distance * np.cos(latitude) * np.cos(longitude)
    y = distance * np.cos(latitude) * np.sin(longitude)
    return x, y, SUN_HEIGHT_KPC + distance * np.sin(latitude)


def density(population, radius, height, g_i=None):
    """Number density of a population at cylindrical radius and height, over the thin disk's at the Sun.

    ``g_i`` are the intrinsic colors of thin-disk dwarfs, whose layer is thinner the bluer they are.
    """
    if population == 2:
        r = np.sqrt(radius**2 + (height / _HALO_FLATTENING) ** 2)
        # Flat within 2 kpc: nothing seen at high latitude comes from there, and the power law would diverge.
        inner = _HALO_FRACTION * (SUN_RADIUS_KPC / np.clip(r, 2.0, _HALO_BREAK_KPC)) ** _HALO_INDEX
        return inner * (_HALO_BREAK_KPC / np.maximum(r, _HALO_BREAK_KPC)) ** _HALO_OUTER_INDEX
    length, scale = (_THIN, _THICK)[population]
    if population == 0 and g_i is not None:
        scale = scale * np.interp(g_i, _YOUNG_G_I, _YOUNG_HEIGHT)
    norm = (1.0, _THICK_FRACTION)[population]
    return norm * np.exp((SUN_RADIUS_KPC - radius) / length - (np.abs(height) - SUN_HEIGHT_KPC) / scale)


def metallicity(rng, n):
    """Draw what decides [Fe/H] apart from the place: a function from population and height to [Fe/H] of n stars."""
    deviate = rng.normal(size=n)
    rich = rng.random(n) < 0.37
    spread = 0.2 * deviate + np.where(rich, 0.14, 0.0) - 0.067

    def fe_h(population, height):
        if population == 2:
            return _HALO_FE_H + _HALO_FE_H_SIGMA * deviate
        return _DISK_FE_H + _DISK_FE_H_RISE * np.exp(-np.abs(height) / _DISK_FE_H_KPC) + spread

    return fe_h


def velocity(rng, population, x, y, z):
    """Velocity relative to the Sun in km/s, (3, n), along galactic x (toward the center), y (rotation) and z."""
    n = len(population)
    deviates = rng.normal(size=(3, n))
    height = np.minimum(np.abs(z), 4.0)  # as far as Bond et al. followed the disk
    radial, azimuthal, vertical = (a + b * height**c for a, b, c in (_SIGMA_R, _SIGMA_PHI, _SIGMA_Z))
    a, b, c = _ROTATION
    hotter = deviates * np.where(rng.random(n) < _OLD_SHARE, _OLD_FACTOR, _YOUNG_FACTOR)
    disk = np.stack([radial * hotter[0], a + b * height**c + azimuthal * hotter[1], vertical * hotter[2]])
    halo = _HALO_SIGMA[:, None] * deviates
    cylinder = np.maximum(np.hypot(x, y), 1e-6)
    sphere = np.maximum(np.hypot(cylinder, z), 1e-6)
    sin, cos = cylinder / sphere, z / sphere
    halo = np.stack([halo[0] * sin + halo[2] * cos, halo[1], halo[0] * cos - halo[2] * sin])
    v_r, v_phi, v_z = np.where(population == 2, halo, disk)
    # x points from the center to the Sun here, velocities toward the center: hence the signs.
    v_x = (-v_r * x + v_phi * y) / cylinder
    v_y = (v_r * y + v_phi * x) / cylinder
    return np.stack([v_x, v_y, v_z]) - _SUN_KMS[:, None]


def proper_motion(relative, longitude, latitude, distance):
    """Proper motion (pmra*, pmdec) in mas/yr, (2, n), of velocities relative to the Sun (`velocity`) in a direction."""
    toward = np.stack([np.cos(latitude) * np.cos(longitude), np.cos(latitude) * np.sin(longitude), np.sin(latitude)])
    sky, motion = _GALACTIC_TO_ICRS @ toward, _GALACTIC_TO_ICRS @ relative
    flat = np.maximum(np.hypot(sky[0], sky[1]), 1e-12)
    east = (-sky[1] * motion[0] + sky[0] * motion[1]) / flat
    north = -sky[2] * (sky[0] * motion[0] + sky[1] * motion[1]) / flat + flat * motion[2]
    return np.stack([east, north]) / (_KMS_PER_MAS_KPC * distance)
