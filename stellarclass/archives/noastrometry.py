# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The source of astrometry for those who want none."""

import numpy as np

from ._candidates import COLUMNS, candidate_table

__all__ = ["NoAstrometry"]


class NoAstrometry:
    """A source that knows no star: every answer rests on the images alone.

    Examples
    --------
    >>> import numpy as np
    >>> from astropy import units as u
    >>> from stellarclass.archives import NoAstrometry
    >>> len(NoAstrometry().candidates(np.array([10.0]), np.array([20.0]), radius=3 * u.arcsec))
    0
    """

    name = "none"
    """Name for the provenance of results."""

    def __repr__(self):
        return "NoAstrometry()"

    def candidates(self, ra, dec, *, radius, progress=None):
        """Give no candidates.

        Parameters
        ----------
        ra, dec : ndarray, shape (N,)
            ICRS positions in degrees.
        radius : `~astropy.units.Quantity`
            Match radius.
        progress : bool, optional
            Taken for the sake of the protocol.

        Returns
        -------
        `~astropy.table.Table`
            No rows; see `~stellarclass.archives.AstrometrySource`.
        """
        rows = {name: np.zeros(0, dtype) for name, (dtype, _, _) in COLUMNS.items()}
        return candidate_table(np.zeros(0, np.int64), rows)
