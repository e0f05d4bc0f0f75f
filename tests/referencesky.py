# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""A small survey with a known fate for every star, and sources in memory that tell of it.

The fields are those of `skyframes.FIELDS`, whose third one has no i band. Every fate but "kept" names the rule that
has to remove the star.
"""

from dataclasses import dataclass, field

import numpy as np
from astropy import units as u
from astropy.table import MaskedColumn, Table
from skyframes import FIELDS, NO_I_BAND, SCALE

from stellarclass.archives import LocalAstrometry, encode_objid
from stellarclass.astrometry import propagate, unit_vectors
from stellarclass.reference import Sources

EPOCH, MJD = 2001.7207, 52172  # of the frames of skyframes, 2001-09-20
FATES = (
    "white dwarf", "class O", "class B", "warning", "second spectrum", "saturated", "faint", "no gaia", "far gaia",
    "quasar", "parallax", "pmra error", "pmdec error", "ruwe", "no radius", "no band",
)  # fmt: skip
"""Fates of stars that do not come into the set."""

CLASSES = "AFGKM"
SUBCLASS = {"A": "A0 (25642)", "F": "F5 (30743)", "G": "G2 (G_21.1)", "K": "K3 (11936)", "M": "M2:e"}


def make_survey(each=4, *, extra=FATES):
    """The truth: for each class so many stars that stay, and for each fate one that goes.

    Returns
    -------
    `~astropy.table.Table`
        With ``fate``, ``spectral_class`` and all that the archives know.
    """
    fates = ["kept"] * (each * len(CLASSES)) + list(extra) + ["fast", "simbad candidate", "planet host"]
    n = len(fates)
    k = np.arange(n)
    keys = list(FIELDS)
    which = np.where(np.array(fates) == "no band", keys.index(NO_I_BAND), k % 2)
    # Stars on a grid of 6" within each field, its edges left alone.
    place = k // 2
    x, y = (place % 10 - 4.5) * 15, (place // 10 - 2) * 20
    centers = np.array([FIELDS[key] for key in keys])[which]
    truth = Table({"fate": fates, "k": k})
    # The frames' columns run north, their rows east.
    truth["ra"] = centers[:, 0] + y * SCALE / np.cos(np.radians(centers[:, 1]))
    truth["dec"] = centers[:, 1] + x * SCALE
    for name in ("run", "rerun", "camcol", "field"):
        truth[name] = [getattr(keys[w], name) for w in which]
    truth["objid"] = encode_objid(truth["run"], truth["camcol"], truth["field"], k + 100)
    truth["specobjid"] = np.uint64(2**63) + np.uint64(1000) * (n - k).astype(np.uint64)  # in another order than objid
    truth["spectral_class"] = [CLASSES[i % 5] for i in k]
    truth["psfmag"] = np.stack([18.0 + k / 100 + c for c in (1.5, 0.5, 0.0, -0.1, -0.2)], axis=1)
    truth["source_id"] = 4_000_000_000_000_000_000 + 7 * k
    truth["pmra"], truth["pmdec"] = 10.0 + k, -5.0 - k
    fast = truth["fate"] == "fast"
    truth["pmdec"][fast] = 900.0  # 13" from the frame's epoch to Gaia's
    truth["parallax"], truth["parallax_error"] = 2.0 + k / 10, np.full(n, 0.05)
    truth["radius"] = 0.5 + k / 20
    return truth


@dataclass
class MemorySpectra:
    """`stellarclass.archives.SpectroscopicStars` in memory."""

    truth: Table
    name: str = "spectra in memory"
    asked: list = field(default_factory=list)

    def page(self, after, *, snr_min, size):
        self.asked.append(after)
        rows = spectra_rows(self.truth)
        rows = rows[np.argsort(rows["specobjid"])]
        rows = rows[(rows["sn_median"] >= snr_min) & (rows["specobjid"] > np.uint64(after or 0))]
        return rows[:size]


def spectra_rows(truth):
    """What SkyServer has, with a second spectrum of one star."""
    n = len(truth)
    rows = Table({name: truth[name] for name in ("specobjid", "objid", "ra", "dec", "run", "rerun", "camcol", "field")})
    fate = truth["fate"]
    rows["plate"], rows["mjd"], rows["fiberid"] = np.full(n, 9000), np.full(n, 55000), truth["k"] + 1
    subclass = np.array([SUBCLASS[c] for c in truth["spectral_class"]], "U20")
    for name, text in (("white dwarf", "WD (2244125)"), ("class O", "OB (7)"), ("class B", "B9 (8)")):
        subclass[fate == name] = text
    rows["subclass"] = subclass
    rows["sn_median"] = np.where(fate == "second spectrum", 6.0, 20.0 + truth["k"])
    rows["zwarning"] = np.where(fate == "warning", 4, 0)
    for j, band in enumerate("ugriz"):
        rows[f"psfmag_{band}"] = MaskedColumn(truth["psfmag"][:, j], unit=u.mag)
        rows[f"psfmagerr_{band}"] = MaskedColumn(np.full(n, 0.02), unit=u.mag)
    rows["psfmag_u"][fate == "faint"] = 22.5
    rows["photo_flags"] = np.where(fate == "saturated", 0x40000 | 0x10000000, 0x10000000)
    rows["photo_flags"][0] |= 0x8  # BLENDED: counted, not removed
    rows["photo_type"], rows["clean"] = np.full(n, 6), np.ones(n, np.int64)
    rows["photo_mjd"] = np.full(n, MJD)
    # The worse spectrum is of the first star: not a star of its own.
    second = np.flatnonzero(fate == "second spectrum")
    for name in ("objid", "ra", "dec", "run", "rerun", "camcol", "field"):
        rows[name][second] = rows[name][0]
    rows["ra"].unit = rows["dec"].unit = u.deg
    return rows


def gaia_rows(truth):
    """Gaia's table at epoch 2016, with a neighbor of the first star that is no match."""
    fate = truth["fate"]
    ra, dec = propagate(truth["ra"], truth["dec"], truth["pmra"], truth["pmdec"], EPOCH, 2016.0)
    rows = Table({"source_id": truth["source_id"], "ra": ra, "dec": dec, "ref_epoch": np.full(len(truth), 2016.0)})
    rows["dec"][fate == "far gaia"] += 3.5 / 3600
    for name in ("parallax", "parallax_error", "pmra", "pmdec"):
        rows[name] = truth[name]
    rows["pmra_error"], rows["pmdec_error"], rows["ruwe"] = 0.06, 0.07, 1.02
    rows["parallax"][fate == "parallax"] = 0.0999
    rows["pmra_error"][fate == "pmra error"] = 0.2
    rows["pmdec_error"][fate == "pmdec error"] = 0.31
    rows["ruwe"][fate == "ruwe"] = 1.4
    rows["phot_g_mean_mag"] = truth["psfmag"][:, 2]
    rows["bp_rp"] = np.full(len(truth), 0.9)
    rows["radius_flame"] = np.where(fate == "no radius", np.nan, truth["radius"])
    rows["teff_gspphot"] = np.where(truth["k"] % 7 == 0, np.nan, 5000.0 + truth["k"])
    return rows[fate != "no gaia"]


class MemoryGaia:
    """`stellarclass.archives.GaiaParameters` in memory."""

    def __init__(self, truth):
        self._rows = gaia_rows(truth)
        self._source = LocalAstrometry(self._rows)
        self.name, self.asked = "Gaia in memory", 0

    def candidates(self, ra, dec, *, radius, progress=None):
        self.asked += len(ra)
        found = self._source.candidates(ra, dec, radius=radius)
        place = {int(s): i for i, s in enumerate(self._rows["source_id"])}
        rows = [place[int(s)] for s in found["source_id"]]
        for name, unit in (("radius_flame", u.solRad), ("teff_gspphot", u.K)):
            values = np.asarray(self._rows[name])[rows]
            found[name] = MaskedColumn(values, mask=np.isnan(values), unit=unit)
        return found


def _around(truth, ra, dec, radius, rows):
    """(target, row of truth, separation in arcsec) of all pairs."""
    at = propagate(truth["ra"], truth["dec"], truth["pmra"], truth["pmdec"], EPOCH, 2000.0)
    apart = np.linalg.norm(unit_vectors(ra, dec)[:, None] - unit_vectors(*at)[None, rows], axis=-1)
    apart = np.degrees(2 * np.arcsin(apart / 2)) * 3600
    target, which = np.nonzero(apart <= radius.to_value(u.arcsec))
    return target, rows[which], apart[target, which]


@dataclass
class MemorySimbad:
    """`stellarclass.archives.Simbad` in memory: knows every second star, and all whose fate it decides."""

    truth: Table
    name: str = "SIMBAD in memory"

    def objects(self, ra, dec, *, radius, progress=None):
        fate = self.truth["fate"]
        special = np.isin(fate, ["quasar", "simbad candidate", "planet host"])
        known = np.flatnonzero((self.truth["k"] % 2 == 0) | special)
        target, row, apart = _around(self.truth, ra, dec, radius, known)
        answer = Table({"target": target, "main_id": [f"SIM {k}" for k in row] or np.zeros(0, "U5")})
        types = {"quasar": "QSO", "simbad candidate": "WD?", "planet host": "Pl"}
        answer["otype"] = [types.get(fate[k], "PM*" if k % 4 else "*") for k in row] or np.zeros(0, "U3")
        answer["sp_type"] = MaskedColumn(["G2V" for _ in row], mask=row % 4 != 0, dtype="U4")
        answer["separation"] = apart * u.arcsec
        return answer


@dataclass
class MemoryLamost:
    """`stellarclass.archives.Lamost` in memory: two spectra of every third star, the worse one of another class."""

    truth: Table
    name: str = "LAMOST in memory"

    def spectra(self, ra, dec, *, radius, progress=None):
        target, row, apart = _around(self.truth, ra, dec, radius, np.flatnonzero(self.truth["k"] % 3 == 0))
        classes = self.truth["spectral_class"][row]
        good = {"A": "A7V", "F": "F0", "G": "G5", "K": "K3", "M": "dM1"}
        answer = Table({"target": np.repeat(target, 2), "obsid": np.stack([row, row + 1000], 1).ravel()})
        answer["class"] = np.full(len(answer), "STAR")
        answer["subclass"] = [s for c in classes for s in (good[c], "gM0")] or np.zeros(0, "U3")
        answer["snr_g"] = np.tile([30.0, 8.0], len(row))
        answer["separation"] = np.repeat(apart, 2) * u.arcsec
        return answer


def memory_sources(truth, images):
    """All of them."""
    return Sources(
        spectra=MemorySpectra(truth),
        gaia=MemoryGaia(truth),
        simbad=MemorySimbad(truth),
        lamost=MemoryLamost(truth),
        images=images,
    )
