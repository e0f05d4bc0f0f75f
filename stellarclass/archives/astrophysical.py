# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`GaiaParameters`: Gaia's sources with the parameters that its Apsis pipeline found for them."""

import numpy as np
from astropy import units as u

from .._config import conf
from ._candidates import COLUMNS
from ._tap import checked_table
from .gaia import Gaia

__all__ = ["GaiaParameters"]

PHOTOMETRY = {
    "phot_bp_mean_mag": (np.float32, u.mag, "BP magnitude"),
    "phot_rp_mean_mag": (np.float32, u.mag, "RP magnitude"),
}

# Gravity and metallicity without a unit: VOTable has none for their logarithms that comes back.
PARAMETERS = {
    "teff_gspphot": (np.float32, u.K, "Effective temperature from BP/RP spectra (GSP-Phot)"),
    "logg_gspphot": (np.float32, None, "Surface gravity from BP/RP spectra (GSP-Phot), log10 of cm/s2"),
    "mh_gspphot": (np.float32, None, "Metallicity from BP/RP spectra (GSP-Phot), [M/H]"),
    "ag_gspphot": (np.float32, u.mag, "Extinction in G from BP/RP spectra (GSP-Phot)"),
    "radius_flame": (np.float32, u.solRad, "Radius from luminosity and temperature (FLAME)"),
    "radius_flame_lower": (np.float32, u.solRad, "16th percentile of radius_flame"),
    "radius_flame_upper": (np.float32, u.solRad, "84th percentile of radius_flame"),
    "lum_flame": (np.float32, u.solLum, "Luminosity (FLAME)"),
}

ALL_COLUMNS = {**COLUMNS, **PHOTOMETRY, **PARAMETERS}

# An outer join: most sources have no parameters, and are candidates of a match all the same.
JOIN = "\nLEFT OUTER JOIN {table} AS a ON g.source_id = a.source_id"


class GaiaParameters(Gaia):
    """Gaia's source table joined with its table of astrophysical parameters.

    What `Gaia` is and takes, and one name more. Every argument left out, but ``zero_point``, is read from
    `stellarclass.conf` when it is needed.

    Parameters
    ----------
    url : str, optional
        Address of the TAP service; ``conf.gaia_tap_url`` (ESA's archive).
    table : str, optional
        Table of sources on that service; ``conf.gaia_table``.
    parameters_table : str, optional
        Table of parameters on that service; ``conf.gaia_parameters_table``.
    chunk, timeout, time_budget, retries, zero_point : optional
        As of `Gaia`.

    Raises
    ------
    stellarclass.exceptions.InputError
        If ``zero_point`` is unknown, a table's name is none, or another option is out of range.
    `~astropy.units.UnitsError`
        If ``timeout`` or ``time_budget`` is not a time with a unit.

    Notes
    -----
    ``radius_flame`` is Stefan-Boltzmann from G, extinction, bolometric correction and distance (Creevey et al. 2023,
    A&A 674, A26; Fouesneau et al. 2023, A&A 674, A28), for sources of G < 18.25.

    Examples
    --------
    >>> from stellarclass.archives import GaiaParameters
    >>> gaia = GaiaParameters()
    >>> gaia.parameters_table
    'gaiadr3.astrophysical_parameters'
    """

    _columns = ALL_COLUMNS

    def __init__(
        self,
        *,
        url=None,
        table=None,
        parameters_table=None,
        chunk=None,
        timeout=None,
        time_budget=None,
        retries=None,
        zero_point="lindegren",
    ):
        super().__init__(
            url=url, table=table, chunk=chunk, timeout=timeout, time_budget=time_budget, retries=retries,
            zero_point=zero_point,
        )  # fmt: skip
        self._parameters_table = None if parameters_table is None else checked_table(parameters_table)

    @property
    def parameters_table(self):
        """Name of the table of parameters."""
        return checked_table(conf.gaia_parameters_table if self._parameters_table is None else self._parameters_table)

    def _qualified(self, column):
        # The source table has the temperature and its like as well, the radius it has not.
        return f"a.{column}" if column in PARAMETERS else f"g.{column}"

    def _joined(self):
        return JOIN.format(table=self.parameters_table)

    def candidates(self, ra, dec, *, radius, progress=None):
        """Every source that may lie within ``radius`` of a position, as `Gaia.candidates`, with its parameters.

        Parameters
        ----------
        ra, dec : ndarray, shape (N,)
            ICRS positions in degrees, all finite.
        radius : `~astropy.units.Quantity`
            Match radius, an angle of at most 6 arcmin; widened here for proper motion.
        progress : bool, optional
            Whether to show a progress bar; by default only on a terminal.

        Returns
        -------
        `~astropy.table.Table`
            The columns of `~stellarclass.archives.base.AstrometrySource`, then ``phot_bp_mean_mag``,
            ``phot_rp_mean_mag`` [mag], ``teff_gspphot`` [K], ``logg_gspphot``, ``mh_gspphot``, ``ag_gspphot`` [mag],
            ``radius_flame``, ``radius_flame_lower``, ``radius_flame_upper`` [solRad], ``lum_flame`` [solLum]; masked
            where Gaia has none.

        Raises
        ------
        stellarclass.exceptions.ArchiveError
            As of `Gaia.candidates`.
        """
        return super().candidates(ra, dec, radius=radius, progress=progress)
