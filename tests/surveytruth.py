# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""A small survey with one case of everything that its archives must tell apart."""

import numpy as np
from astropy.table import Table

N = 60
ARCSEC = 1 / 3600


def survey_truth():
    """Sixty stars half a degree around (30, 0.5), at least 10 arcsec apart, in no order of their identifiers.

    Not all are in all catalogs; the first few are what a query must leave out, and number 7 moves fast.
    """
    rng = np.random.default_rng(1)
    k = np.arange(N)
    truth = Table({"ra": 30 + (k % 8) * 40 * ARCSEC + rng.uniform(0, 20, N) * ARCSEC})
    truth["dec"] = 0.5 + (k // 8) * 40 * ARCSEC + rng.uniform(0, 20, N) * ARCSEC
    truth["run"], truth["camcol"], truth["field"] = 2583, 2, 136 + k % 3
    truth["plate"] = rng.integers(266, 12000, N)
    truth["fiberid"] = rng.integers(1, 1000, N)
    truth["subclass"] = rng.choice(["A0", "F5", "K3 (14092)", "K7", "M1"], N)
    truth["class"] = np.where(k == 0, "GALAXY", "STAR")
    truth["zwarning"] = np.where(k == 1, 4, 0)
    truth["sn_median"] = np.where(k == 2, 3.0, rng.uniform(12, 60, N))
    for j, band in enumerate("ugriz"):
        truth[f"psfmag_{band}"] = rng.uniform(16, 20, N) - j
        truth[f"psfmagerr_{band}"] = rng.uniform(0.01, 0.1, N)
    truth["psfmag_u"][3] = truth["psfmagerr_u"][3] = -9999.0
    truth["photo_flags"] = np.where(k % 7 == 0, 0x10000000 | 0x40000, 0x10000000)
    truth["clean"] = (k % 7 != 0).astype(int)
    truth["source_id"] = np.where(k % 10 == 9, 0, 4472832130942575000 + k)
    truth["parallax"], truth["parallax_error"] = rng.uniform(0.5, 5, N), 0.05
    truth["pmra"], truth["pmdec"] = np.where(k == 7, -800.0, 5.0), np.where(k == 7, 1000.0, -5.0)
    truth["gaia_ra"], truth["gaia_dec"] = truth["ra"], truth["dec"]
    truth["gaia_ra"][7] -= 800 * 0.012 * ARCSEC
    truth["gaia_dec"][7] += 1000 * 0.012 * ARCSEC
    truth["phot_g_mean_mag"], truth["bp_rp"] = rng.uniform(14, 18, N), rng.uniform(0.5, 2, N)
    truth["phot_bp_mean_mag"], truth["phot_rp_mean_mag"] = (
        truth["phot_g_mean_mag"] + 0.3,
        truth["phot_g_mean_mag"] - 0.5,
    )
    truth["teff_gspphot"] = np.where(k % 3 == 0, np.nan, rng.uniform(3500, 9000, N))
    for name in ("radius_flame", "radius_flame_lower", "radius_flame_upper", "lum_flame"):
        truth[name] = np.where(k % 3 == 0, np.nan, rng.uniform(0.4, 2, N))
    truth["radius_flame"][4] = np.nan  # a temperature alone
    truth["main_id"] = [f"* {j} Psc" if j % 2 else "" for j in k]
    truth["otype"] = np.where(k % 5 == 0, "QSO", "PM*")
    truth["sp_type"] = [f"F{j % 10}V" if j % 3 else "" for j in k]
    truth["obsid"] = np.where(k % 3 == 0, 0, 101001 + k)
    truth["lamost_subclass"] = [f"G{j % 10}" if j % 5 else "" for j in k]
    truth["snrg"] = rng.uniform(5, 100, N)
    truth["class_prob_star"] = np.where(k % 4 == 0, np.nan, rng.uniform(0.5, 1, N))
    return truth
