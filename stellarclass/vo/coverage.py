# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Where on the sky the stars of a table are, as a MOC (IVOA Multi-Order Coverage map)."""

import numpy as np
from astropy import units as u

__doctest_requires__ = {"table_coverage": ["mocpy"]}

__all__ = ["table_coverage"]

_FINEST, _COARSEST = 9, 6
"""HEALPix orders, 7 arcmin and 55 arcmin: the finest one of which few enough cells are needed."""

_CELLS = 5000


def table_coverage(ra, dec):
    """Cells of the sky that have stars in them.

    Parameters
    ----------
    ra, dec : `~astropy.units.Quantity`, shape (N,)
        ICRS positions; those that are NaN are left out.

    Returns
    -------
    mocpy.MOC or None
        `None` if there is no star.

    Raises
    ------
    ModuleNotFoundError
        If mocpy is not installed (``pip install stellarclass[vo]``).

    Examples
    --------
    >>> from astropy import units as u
    >>> from stellarclass.vo.coverage import table_coverage
    >>> table_coverage([10.0] * u.deg, [20.0] * u.deg).to_string()
    '9/1271256'
    """
    known = np.isfinite(ra) & np.isfinite(dec)
    if not known.any():
        return None
    from mocpy import MOC

    moc = MOC.from_lonlat(u.Quantity(ra[known], u.deg), u.Quantity(dec[known], u.deg), max_norder=_FINEST)
    for order in range(_FINEST - 1, _COARSEST - 1, -1):
        if len(moc.flatten()) <= _CELLS:
            break
        moc = moc.degrade_to_order(order)
    return moc
