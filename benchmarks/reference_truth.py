# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What a simulated survey's truth says must come out of ``stellarclass reference``, and whether it did."""

from pathlib import Path

import numpy as np
from astropy import units as u
from astropy.table import QTable, Table

from stellarclass.archives import LocalSAS
from stellarclass.astrometry import propagate
from stellarclass.physics import CLASSES
from stellarclass.reference import ReferenceSet
from stellarclass.reference.labels import classes_of_lamost
from stellarclass.stamps.cutouts import cut_field
from stellarclass.tables import read_table
from stellarclass.zeropoint import ecliptic_latitude, five_parameter_zero_point

LIMITS = dict(zip("ugriz", (22.0, 22.2, 22.2, 21.3, 20.5), strict=True))
FIELDS_COMPARED = 4  # pixel by pixel


def corrected_parallax(truth):
    """Gaia's parallaxes without their zero point."""
    color, g_mag = (np.asarray(truth[n], float) for n in ("nu_eff_used_in_astrometry", "phot_g_mean_mag"))
    latitude = ecliptic_latitude(np.asarray(truth["gaia_ra"]), np.asarray(truth["gaia_dec"]))
    zero_point = five_parameter_zero_point(g_mag, color, latitude)
    return np.asarray(truth["parallax"]) - np.where(np.isfinite(zero_point), zero_point, -0.017)


def criteria(truth):
    """The paper's criteria, in the order in which they are asked: dict of masks."""
    with np.errstate(invalid="ignore"):
        return {
            "parallax_over_error > 2": corrected_parallax(truth) / np.asarray(truth["parallax_error"], float) > 2,
            "pmra_error < 0.2 mas/yr": np.asarray(truth["pmra_error"], float) < 0.2,
            "pmdec_error < 0.2 mas/yr": np.asarray(truth["pmdec_error"], float) < 0.2,
            "ruwe < 1.4": np.asarray(truth["ruwe"], np.float32) < np.float32(1.4),
            "a radius_flame": np.isfinite(truth["radius_flame"]),
        }


def asked(truth):
    """Spectra that SkyServer has to give."""
    given = np.asarray(truth["spectrum"]) & (truth["class"] == "STAR") & (truth["zwarning"] == 0)
    return given & (truth["sn_median"] >= 5)


def with_photometry(truth):
    """Spectra that are left before the quota."""
    letters = np.array([s[0] for s in truth["subclass"]])
    good = asked(truth) & np.isin(letters, CLASSES) & ((truth["photo_flags"] & 0x40000) == 0)
    for band, limit in LIMITS.items():
        good &= truth[f"psfmag_{band}"] < limit
    # Of two spectra of one object the better one.
    best = np.zeros(len(truth), bool)
    order = np.lexsort((-truth["sn_median"], truth["objid"]))
    best[order[np.unique(truth["objid"][order], return_index=True)[1]]] = True
    return good & best


def matched(truth):
    """Stars whose Gaia source is within 3 arcsec where Gaia's own motion puts it on the day of the image."""
    epoch = 2000.0 + (np.asarray(truth["photo_mjd"]) - 51_544.5) / 365.25
    motion = (np.nan_to_num(np.asarray(truth[n], float)) for n in ("pmra", "pmdec"))
    ra, dec = propagate(*(np.asarray(truth[n], float) for n in ("gaia_ra", "gaia_dec")), *motion, 2016.0, epoch)
    east = (ra - truth["ra"]) * np.cos(np.radians(dec))
    return (truth["source_id"] != 0) & (np.hypot(east, dec - truth["dec"]) * 3600 <= 3)


def check(folder, truth, tree, *, quota):
    """Compare a run with the truth.

    Parameters
    ----------
    folder : path-like
        Of the run.
    truth : `~astropy.table.Table`
        As `simulated_survey.build` gives it.
    tree : path-like
        With the frames.
    quota : int

    Returns
    -------
    `~astropy.table.Table`
        ``what``, ``truth``, ``run``: the same where all is well.
    """
    folder, rows = Path(folder), []

    def compare(what, theirs, ours):
        rows.append((what, str(theirs), str(ours)))

    funnel = Table.read(folder / "funnel.ecsv")
    after = {f"{row['step']}: {row['rule']}": int(row["after"]) for row in funnel}
    removed = {row["rule"]: 0 if np.ma.is_masked(row["removed"]) else int(row["removed"]) for row in funnel}
    compare("spectra that SkyServer gives", asked(truth).sum(), funnel["after"][0])
    ready = truth[with_photometry(truth)]
    ready.sort("objid")
    compare(
        "stars with good photometry", *_same(ready["objid"], read_table(folder / "2-photometry/table.fits")["objid"])
    )
    chosen = set(np.asarray(read_table(folder / "3-quota/table.fits")["objid"]).tolist())
    ready["letter"] = [s[0] for s in ready["subclass"]]
    drawn = ready[np.isin(ready["objid"], list(chosen))]
    for name in CLASSES:
        n = int((ready["letter"] == name).sum())
        compare(f"class {name} after the quota, of {n}", min(n, quota), (drawn["letter"] == name).sum())
    drawn = drawn[matched(drawn)]
    compare("with a Gaia source", len(drawn), after[next(k for k in after if k.startswith("gaia: one object"))])
    strange = drawn["otype"] == "QSO"
    compare("strangers to SIMBAD", strange.sum(), removed["to SIMBAD no galaxy, quasar, white dwarf or the like"])
    drawn = drawn[~strange]
    for name in list(criteria(drawn)):
        good = criteria(drawn)[name]
        compare(f"removed by {name}", (~good).sum(), removed[name])
        drawn = drawn[good]
    reference = ReferenceSet.read(folder)
    table = reference.table
    compare("stars of the set", *_same(drawn["objid"], table["objid"]))
    for name in CLASSES:
        compare(f"class {name}", (drawn["letter"] == name).sum(), (table["spectral_class"] == name).sum())
    if len(drawn) == len(table):
        compare("their Gaia sources", *_same(drawn["source_id"], table["source_id"]))
        compare("their classes", *_same(drawn["letter"], table["spectral_class"]))
        compare("their radii, bit by bit", *_same(np.asarray(drawn["radius_flame"], np.float32), table["radius"].value))
        off = np.abs(corrected_parallax(drawn) - table["parallax"].value).max()
        compare("their parallaxes within 1e-9 mas", True, off < 1e-9)
        lamost = np.where((drawn["obsid"] != 0) & (drawn["lamost_class"] == "STAR"), drawn["lamost_subclass"], "")
        theirs = np.ma.filled(np.ma.asarray(table["lamost_class"]).astype("U1"), "")
        compare("their LAMOST classes", *_same(classes_of_lamost(lamost), theirs))
        compare("pixels of fields that differ from their frames", *_pixels(reference, drawn, tree))
    return Table(rows=rows, names=("what", "truth", "run"))


def _same(theirs, ours):
    """Two lists in two words, which are the same only if the lists are."""
    theirs, ours = np.asarray(theirs), np.asarray(ours)
    same = len(theirs) == len(ours) and (theirs == ours).all()
    return len(theirs), len(ours) if same else f"{len(ours)}, others"


def _pixels(reference, drawn, tree):
    """How many of a few fields have stamps that are not what their frames hold: none is meant."""
    images, table, wrong = LocalSAS(tree), reference.table, 0
    keys = [key for key in images.keys() if (table["run"] == key.run).any()]
    for field in images.fields(keys[:: max(1, len(keys) // FIELDS_COMPARED)][:FIELDS_COMPARED], progress=False):
        rows = np.flatnonzero(table["run"] == field.key.run)
        stars = drawn[rows]
        columns = (np.asarray(stars[n], float) for n in ("gaia_ra", "gaia_dec", "pmra", "pmdec"))
        direct = cut_field(field, *propagate(*columns, 2016.0, field.frames["r"].epoch))
        same = reference.stamps(rows).images == direct.images.astype(np.float16).astype(np.float32)
        wrong += not same.all()
    return 0, wrong


def add_true_radii(folder, truth):
    """Give a set the radii that no archive has, as the column ``radius_true``, and call it simulated."""
    folder = Path(folder) / "set"
    table = QTable.read(folder / "table.ecsv", format="ascii.ecsv")
    row = {int(objid): k for k, objid in reversed(list(enumerate(truth["objid"])))}
    rows = [row[int(objid)] for objid in table["objid"]]
    table["radius_true"] = np.asarray(truth["radius_true"])[rows] * u.solRad
    table.meta["simulated"] = True
    table.write(folder / "table.part", format="ascii.ecsv", serialize_method="data_mask", overwrite=True)
    (folder / "table.part").replace(folder / "table.ecsv")
