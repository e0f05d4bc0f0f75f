# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""All the archives that a reference set is built from, on loopback, in front of one table of truth.

with SkyArchives(truth, tree) as archives, archives.configured():
    SpectroscopicStars().page(None); GaiaParameters().candidates(...); Simbad().objects(...); Lamost().spectra(...)

SkyServer (SQL and cross-identification) and the frames come from a `loopback.sas.SASServer`, the rest from a TAP
service: a `loopback.tap.MicroTAP`, or with ``dachs=`` (the fixture ``dachs_gaia``) from DaCHS, which takes the tables
in while it runs.
"""

import contextlib
import itertools

import numpy as np
from astropy.table import MaskedColumn, Table
from loopback.sas import SASServer
from loopback.skysql import SkySQL
from loopback.tap import MicroTAP

from stellarclass import conf
from stellarclass.archives import encode_objid

BANDS = "ugriz"
GAIA = {
    "ref_epoch": 2016.0, "parallax": np.nan, "parallax_error": np.nan, "pmra": np.nan, "pmra_error": np.nan,
    "pmdec": np.nan, "pmdec_error": np.nan, "ruwe": np.nan, "phot_g_mean_mag": np.nan, "bp_rp": np.nan,
    "nu_eff_used_in_astrometry": 1.5, "pseudocolour": np.nan, "astrometric_params_solved": 31,
    "phot_bp_mean_mag": np.nan, "phot_rp_mean_mag": np.nan,
}  # fmt: skip
PARAMETERS = (
    "teff_gspphot", "logg_gspphot", "mh_gspphot", "ag_gspphot",
    "radius_flame", "radius_flame_lower", "radius_flame_upper", "lum_flame",
)  # fmt: skip
DOUBLE = ("ref_epoch", "parallax", "pmra", "pmdec")
VIZIER_LAMOST, VIZIER_CLARKE = "V/156/dr7lrs", "J/A+A/639/A84/catalog"

# Column: what a truth without it is taken to say. ``ra``, ``dec``, ``run``, ``camcol``, ``field`` have no default.
DEFAULTS = {
    # SDSS's images; objid 0 is not in them
    "rerun": 301, "mode": 1, "photo_mjd": 53000, "photo_flags": 0x10000000, "photo_type": 6, "clean": 1,
    **{f"psfmag_{b}": 18.0 for b in BANDS}, **{f"psfmagerr_{b}": 0.02 for b in BANDS},
    # SDSS's spectra; specobjid 0 is none
    "class": "STAR", "subclass": "G2", "zwarning": 0, "sn_median": 30.0, "plate": 1000, "mjd": 53000, "fiberid": 1,
    # Gaia; source_id 0 is not in it. A star with any of its parameters is in their table
    "source_id": 0, **GAIA, **dict.fromkeys(PARAMETERS, np.nan),
    # SIMBAD; an empty main_id is not in it
    "main_id": "", "otype": "*", "sp_type": "",
    # LAMOST; obsid 0 is not in it
    "obsid": 0, "lamost_class": "STAR", "lamost_subclass": "", "snrg": 30.0,
    # Clarke et al.; NaN is not in it
    "class_prob_star": np.nan,
}  # fmt: skip


def complete(truth):
    """A truth with all columns.

    Parameters
    ----------
    truth : astropy.table.Table
        One row for each object: ``ra``, ``dec`` [deg] as SDSS has them, ``run``, ``camcol``, ``field``, and any of
        `DEFAULTS`, ``objid`` (numbered within the field by default), ``specobjid`` (from plate, mjd and fiberid),
        ``gaia_ra``, ``gaia_dec`` (at ref_epoch; by default where SDSS has it), ``old_ra``, ``old_dec`` (where SIMBAD
        and LAMOST have it, at epoch 2000; without these columns where SDSS has it).

    Returns
    -------
    astropy.table.Table
    """
    truth, n = Table(truth, copy=True), len(truth)
    for name in truth.colnames:
        if truth[name].dtype.kind == "f":
            truth[name] = np.ma.asarray(truth[name]).filled(np.nan)
    for name, value in DEFAULTS.items():
        if name not in truth.colnames:
            truth[name] = np.full(n, value)
    if "objid" not in truth.colnames:
        number = np.arange(1, n + 1)
        truth["objid"] = encode_objid(*(np.asarray(truth[c]) for c in ("run", "camcol", "field")), number)
    if "specobjid" not in truth.colnames:
        # As SDSS does: plate, fiber, mjd and reduction, from the highest bit to the lowest.
        plate, fiber, mjd = (np.asarray(truth[c]).astype(np.uint64) for c in ("plate", "fiberid", "mjd"))
        truth["specobjid"] = (plate << 50) | (fiber << 38) | ((mjd - 50000) << 24) | np.arange(n, dtype=np.uint64) << 10
    for name in ("ra", "dec"):
        if f"gaia_{name}" not in truth.colnames:
            truth[f"gaia_{name}"] = truth[name]
    return truth


def skyserver_tables(truth):
    """SpecObj, PhotoObj and what the cross-identification knows."""
    seen = truth[np.asarray(truth["objid"]) != 0]
    seen = seen[np.unique(np.asarray(seen["objid"]), return_index=True)[1]]
    objects = Table({"objID": seen["objid"], "flags": seen["photo_flags"], "type": seen["photo_type"]})
    for name in ("ra", "dec", "run", "rerun", "camcol", "field", "clean", "mode"):
        objects[name] = seen[name]
    objects["mjd"] = seen["photo_mjd"]
    for band in BANDS:
        objects[f"psfMag_{band}"], objects[f"psfMagErr_{band}"] = seen[f"psfmag_{band}"], seen[f"psfmagerr_{band}"]
    taken = truth[np.asarray(truth["specobjid"]) != 0]
    spectra = Table({"specObjID": taken["specobjid"], "bestObjID": taken["objid"], "subClass": taken["subclass"]})
    spectra["zWarning"], spectra["snMedian"] = taken["zwarning"], taken["sn_median"]
    spectra["fiberID"] = taken["fiberid"]
    for name in ("class", "plate", "mjd"):
        spectra[name] = taken[name]
    catalog = objects.copy()
    catalog.rename_column("objID", "objid")
    return spectra, objects, catalog


def gaia_tables(truth):
    """gaia_source and astrophysical_parameters."""
    there = truth[np.asarray(truth["source_id"]) != 0]
    source = Table({"source_id": there["source_id"], "ra": there["gaia_ra"], "dec": there["gaia_dec"]})
    for name in GAIA:
        wide = name in DOUBLE
        source[name] = _nan_is_missing(there[name], np.float64 if wide else np.float32)
    source["astrometric_params_solved"] = np.asarray(there["astrometric_params_solved"], np.int16)
    known = np.isfinite([np.asarray(there[name]) for name in PARAMETERS]).any(axis=0)
    parameters = Table({"source_id": there["source_id"][known]})
    for name in PARAMETERS:
        parameters[name] = _nan_is_missing(there[name][known], np.float32)
    return source, parameters


def simbad_table(truth):
    there = truth[np.asarray(truth["main_id"]) != ""]
    return _at_2000(there)["ra", "dec", "main_id", "otype", "sp_type"]


def lamost_table(truth):
    there = truth[np.asarray(truth["obsid"]) != 0]
    table = _at_2000(there)["obsid", "ra", "dec", "snrg"]
    table["class"], table["subclass"] = there["lamost_class"], there["lamost_subclass"]
    return table


def _at_2000(table):
    table = table.copy()
    for name in ("ra", "dec"):
        if f"old_{name}" in table.colnames:
            table[name] = table[f"old_{name}"]
    return table


def clarke_table(truth):
    return truth["objid", "ra", "dec", "class_prob_star"][np.isfinite(truth["class_prob_star"])]


def vizier_tables(truth):
    """The same as VizieR has them: other names, and the list of them."""
    lamost, clarke = lamost_table(truth), clarke_table(truth)
    old = ["obsid", "class", "subclass", "ra", "dec"]
    lamost.rename_columns(old, ["ObsID", "Class", "SubClass", "RAJ2000", "DEJ2000"])
    clarke.rename_columns(["objid", "ra", "dec", "class_prob_star"], ["objID", "RA_ICRS", "DE_ICRS", "PStar"])
    rows = []
    for name, table in ((VIZIER_LAMOST, lamost), (VIZIER_CLARKE, clarke)):
        for column in table.colnames:
            ucd = {"RA": "pos.eq.ra;meta.main", "DE": "pos.eq.dec;meta.main"}.get(column[:2], "meta.main")
            rows.append((name, column, ucd))
    listed = Table(rows=rows, names=("table_name", "column_name", "ucd"))
    return {f'"{VIZIER_LAMOST}"': lamost, f'"{VIZIER_CLARKE}"': clarke, "tap_schema.columns": listed}


def _nan_is_missing(values, dtype):
    data = np.asarray(values, dtype)
    return MaskedColumn(data, mask=~np.isfinite(data))


class SkyArchives:
    """Archives on loopback in front of a truth.

    Parameters
    ----------
    truth : astropy.table.Table
        As `complete` takes it.
    tree : path-like
        A SAS tree with the frames (`stellarclass.simulate` writes such).
    dachs : SimpleNamespace, optional
        What the fixture ``dachs_gaia`` gives; the TAP service is then DaCHS. VizieR's tables are not in it, as it has
        no names with slashes.
    most_rows : int, optional
        Rows that no SQL answer exceeds, whatever is asked for.
    schema : str, optional
        Of the tables behind TAP; by default one of its own.

    Attributes
    ----------
    truth : astropy.table.Table
        With all columns.
    sas : SASServer
    tap : MicroTAP or None
        None where DaCHS serves.
    """

    _number = itertools.count(1)

    def __init__(self, truth, tree, *, dachs=None, most_rows=500_000, schema=None):
        self.truth = complete(truth)
        spectra, objects, catalog = skyserver_tables(self.truth)
        self.sas = SASServer(tree, catalog=catalog, sql=SkySQL(spectra, objects, most_rows=most_rows))
        self._dachs = dachs
        source, parameters = gaia_tables(self.truth)
        self._tables = {
            "gaia_source": source, "astrophysical_parameters": parameters, "basic": simbad_table(self.truth),
            "lamost_dr9_lrs": lamost_table(self.truth),
        }  # fmt: skip
        self._schema = schema or (f"sky{next(self._number)}" if dachs else "sky")
        tables = {f"{self._schema}.{name}": table for name, table in self._tables.items()}
        self.tap = None if dachs else MicroTAP({**tables, **vizier_tables(self.truth)}, parse=False)

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            stack.enter_context(self.sas)
            if self.tap is None:
                self._dachs.load(self._schema, self._tables)
            else:
                stack.enter_context(self.tap)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exc_info):
        self._stack.close()

    @property
    def url(self):
        """Address of the TAP service."""
        return self._dachs.url if self.tap is None else self.tap.url

    def settings(self):
        """Items of `stellarclass.conf`, for a process of its own."""
        table = f"{self._schema}.{{}}".format
        return {
            "sas_url": self.sas.url + "/sas", "skyserver_url": self.sas.url,
            **dict.fromkeys(("gaia_tap_url", "simbad_tap_url", "lamost_tap_url", "vizier_tap_url"), self.url),
            "gaia_table": table("gaia_source"), "gaia_parameters_table": table("astrophysical_parameters"),
            "simbad_table": table("basic"), "lamost_table": table("lamost_dr9_lrs"),
        }  # fmt: skip

    @contextlib.contextmanager
    def configured(self):
        """The package's addresses and tables are these."""
        with contextlib.ExitStack() as stack:
            for name, value in self.settings().items():
                stack.enter_context(conf.set_temp(name, value))
            yield self
