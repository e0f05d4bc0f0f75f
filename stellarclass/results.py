# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`Results`: the answers of N stars, filed as they come in, made a table in the end."""

from dataclasses import fields

import numpy as np
from astropy import units as u

from . import flags, physics, schema
from .astrometry import Astrometry
from .nets.prediction import Prediction
from .targets import NO_ID

__all__ = ["Results"]

_USED_BAND = np.array([flags.USED_U, flags.USED_G, flags.USED_R, flags.USED_I, flags.USED_Z])


class Results:
    """Answers of N stars, empty at first.

    Parameters
    ----------
    targets : `~stellarclass.targets.Targets`
        The N stars. Their flags become flags of the table, those that are set later too.
    classes : sequence of str
        Names of the C classes of the ensemble.
    """

    def __init__(self, targets, classes):
        n = len(targets)
        self._targets = targets
        self._flags = np.zeros(n, np.int64)
        self._inputs_used = np.zeros(n, np.int64)
        self._radius_sb = np.full(n, np.nan)
        self._psfmag = targets.psfmag.copy()
        self._astrometry = Astrometry.empty(n)
        radii = ("radius", "radius_err", "radius_lower", "radius_upper", "radius_spread")
        self._prediction = Prediction(
            classes=tuple(classes),
            probabilities=np.full((n, len(classes)), np.nan),
            class_sets=np.ones((n, len(classes)), bool),
            domain_score=np.full(n, np.nan),
            **{name: np.full(n, np.nan) for name in radii},
        )

    def file(self, rows, *, stamps, photometry, astrometry, prediction):
        """File the answers of some stars.

        Parameters
        ----------
        rows : ndarray of int, shape (M,)
            Which stars.
        stamps, photometry, astrometry, prediction
            What was found of these M.
        """
        for field in fields(Astrometry):
            getattr(self._astrometry, field.name)[rows] = getattr(astrometry, field.name)
        for field in fields(Prediction):
            if field.name != "classes":
                getattr(self._prediction, field.name)[rows] = getattr(prediction, field.name)
        # An answer that is no number comes of inputs beyond all bounds; it is masked, and the flag says why.
        strange = (prediction.domain_score > 1) | ~np.isfinite(prediction.radius)
        found = stamps.flags | photometry.flags | astrometry.flags
        self._flags[rows] |= found | np.where(strange, flags.OUT_OF_DOMAIN, 0)
        self._inputs_used[rows] = _inputs_used(photometry, astrometry)
        magnitude = photometry.magnitude
        self._psfmag[rows] = np.where(np.isnan(self._psfmag[rows]), magnitude, self._psfmag[rows])
        _, g, r, i, _ = magnitude.T * u.mag
        g_mag, bp_rp = physics.gaia_from_sdss(g, r, i)
        radius_sb = physics.stefan_boltzmann_radius(g_mag, bp_rp, astrometry.parallax * u.mas)
        self._radius_sb[rows] = radius_sb.to_value(u.solRad)

    def table(self, meta):
        """The output table.

        Parameters
        ----------
        meta : dict
            Its metadata, see `stellarclass.schema.META`.

        Returns
        -------
        `~astropy.table.QTable`
        """
        every = self._targets.flags | self._flags
        # A star about which Gaia could not be asked keeps the name that it came with.
        unasked = (self._astrometry.match_count < 0) | ((every & flags.ASTROMETRY_FAILURE) != 0)
        unnamed = unasked & (self._astrometry.source_id == NO_ID)
        self._astrometry.source_id[unnamed] = self._targets.source_id[unnamed]
        return schema.build_table(
            self._targets,
            astrometry=self._astrometry,
            prediction=self._prediction,
            flags=every,
            inputs_used=np.where((every & flags.FATAL) == 0, self._inputs_used, 0),
            radius_sb=self._radius_sb,
            psfmag=self._psfmag,
            meta=meta,
        )


def _inputs_used(photometry, astrometry):
    """The bit mask of what answers rest on."""
    parallax = np.isfinite(astrometry.parallax) & np.isfinite(astrometry.parallax_error)
    motion = np.isfinite(astrometry.pmra) & np.isfinite(astrometry.pmdec)
    used = (photometry.used * _USED_BAND).sum(axis=1)
    return used | np.where(parallax, flags.USED_PARALLAX, 0) | np.where(motion, flags.USED_PROPER_MOTION, 0)
