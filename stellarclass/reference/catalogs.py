# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The steps that ask catalogs: SDSS's spectra and photometry, Gaia, SIMBAD, LAMOST.

Each takes its `~stellarclass.reference.steps.Step`, a table, and what it needs, and returns the table that is left, the
account of what was removed, and notes for the record.
"""

import numpy as np
from astropy import units as u
from astropy.table import MaskedColumn, QTable, vstack

from .._progress import progress_bar
from ..archives.photoflags import PHOTO_FLAGS
from ..astrometry import match, propagate
from ..targets import NO_ID, Targets
from .columns import GAIA, SPECTRA, integers, numbers, picked, quantity, text
from .cuts import DROPPED_CLASSES, KEPT_CLASSES, Cuts
from .labels import GROUP_TYPES, classes_of_lamost, classes_of_sdss, judge_simbad
from .steps import Sieve

__all__ = ["cut", "gaia", "lamost", "photometry", "quota", "simbad", "spectra"]

BANDS = "ugriz"
_MEAN_EPOCH = 2004.0  # SDSS imaged from 1998 to 2009
_GAIA_EPOCH, _SIMBAD_EPOCH = 2016.0, 2000.0
_OURS = "ours"


def spectra(step, sources, cuts, *, progress=None):
    """SDSS's stars with a spectrum and a class from A to M."""
    size, source = step.settings["page"], sources.spectra
    kinds = dict(SPECTRA)

    def ask(after):
        answer = source.page(after, snr_min=cuts.snr_min, size=size)
        # When the image was taken, where the archive says so: proper motions are carried to that day.
        return picked(answer, kinds | ({"photo_mjd": u.d} if "photo_mjd" in answer.colnames else {}), source.name)

    def pages():
        after = None
        for number in range(1_000_000):
            page = step.chunks.table(f"{number:05d}", lambda after=after: ask(after))
            if not len(page):
                return
            yield page
            after = int(text(page, "specobjid")[-1])

    parts = list(progress_bar(pages(), enabled=progress, desc="SDSS spectra", unit="page"))
    table = vstack(parts, metadata_conflicts="silent") if parts else QTable(picked(_nothing(kinds), kinds, source.name))
    table["spectral_class"] = classes_of_sdss(text(table, "subclass"))
    sieve = Sieve(step.name, table)
    sieve.start(f"SDSS spectra of class STAR, median S/N at least {cuts.snr_min:g}", Cuts.source("snr_min"))
    sieve.keep(integers(sieve.table, "zwarning") == 0, "zWarning = 0", "SDSS's own advice; the paper gives none")
    known = np.isin(sieve.table["spectral_class"], [*DROPPED_CLASSES, *KEPT_CLASSES])
    sieve.keep(known, "a subclass from O to M", "Deng et al. 2024, Section 1")
    kept = np.isin(sieve.table["spectral_class"], KEPT_CLASSES)
    sieve.keep(kept, "not of class O or B", "Deng et al. 2024, Section 2.1")
    return sieve.table, sieve.removals, {"source": source.name}


def _nothing(kinds):
    return QTable({name: np.zeros(0, {int: np.int64, str: "U1"}.get(kind, float)) for name, kind in kinds.items()})


def photometry(step, table, cuts):
    """One row per star, with clean photometry and a field."""
    sieve = Sieve(step.name, table)
    # The best spectrum of each object, whatever order the archive has.
    objid, snr = integers(table, "objid"), np.nan_to_num(numbers(table, "sn_median"))
    order = np.lexsort((text(table, "specobjid"), -snr, objid))
    first = np.zeros(len(table), bool)
    first[order[np.unique(objid[order], return_index=True)[1]]] = True
    sieve.keep(first & (objid != NO_ID), "one spectrum per object, that of the highest S/N", _OURS)
    located = np.all([integers(sieve.table, name) > 0 for name in ("run", "camcol", "field")], axis=0)
    sieve.keep(located, "an image", "Deng et al. 2024, Section 2.1")
    for name in dict.fromkeys(["saturated", "edge", "blended", "nodeblend", *cuts.reject_flags]):
        applied = name in cuts.reject_flags
        bits = np.maximum(integers(sieve.table, "photo_flags"), 0)
        source = (Cuts.source("reject_flags") if name == "saturated" else _OURS) if applied else "counted only"
        sieve.keep((bits & PHOTO_FLAGS[name.upper()]) == 0, f"flag {name.upper()} not set", source, applied=applied)
    if cuts.faint_limits is not None:
        limits = cuts.faint_limits.to_value(u.mag)
        magnitudes = np.stack([numbers(sieve.table, f"psfmag_{b}", u.mag) for b in BANDS], axis=1)
        words = ", ".join(f"{b} < {limit:g}" for b, limit in zip(BANDS, limits, strict=True))
        with np.errstate(invalid="ignore"):
            sieve.keep((magnitudes < limits).all(axis=1), words, Cuts.source("faint_limits"))
    table = sieve.table[np.argsort(integers(sieve.table, "objid"), kind="stable")]
    return table, sieve.removals, {}


def quota(step, table, cuts, *, seed):
    """At most so many stars of each class, drawn at random."""
    sieve = Sieve(step.name, table)
    chosen = np.ones(len(table), bool)
    if cuts.quota is not None:
        rng = np.random.default_rng([seed, 1])
        classes = np.asarray(table["spectral_class"]).astype(str)
        for name in KEPT_CLASSES:  # in a fixed order, over rows sorted by objid: the draw is the same everywhere
            rows = rng.permutation(np.flatnonzero(classes == name))
            chosen[rows[cuts.quota :]] = False
    limit = "no limit" if cuts.quota is None else f"{cuts.quota} at most"
    sieve.keep(chosen, f"{limit} of each class, at random (seed {seed})", Cuts.source("quota"))
    return sieve.table, sieve.removals, {}


def gaia(step, table, sources, cuts, *, progress=None):
    """The Gaia source of each star at the epoch of its image, with its radius and temperature."""
    source = sources.gaia
    ra, dec = numbers(table, "ra", u.deg), numbers(table, "dec", u.deg)
    magnitudes = np.stack([numbers(table, f"psfmag_{b}", u.mag) for b in BANDS], axis=1)
    epoch = image_epoch(table)

    def ask(rows):
        candidates = source.candidates(ra[rows], dec[rows], radius=cuts.match_radius, progress=False)
        targets = Targets(ra[rows], dec[rows], psfmag=magnitudes[rows])
        found = match(targets, candidates, epoch[rows], radius=cuts.match_radius)
        part = QTable({"source_id": found.source_id, "match_count": found.match_count})
        here = _rows_of(candidates, found.source_id)
        for name, kind in (("gaia_ra", u.deg), ("gaia_dec", u.deg), ("ref_epoch", u.yr)):
            part[name] = quantity(_values(candidates, name.removeprefix("gaia_"), kind, here), kind)
        for name, kind in GAIA.items():
            values = found.g_mag if name == "phot_g_mean_mag" else getattr(found, name)
            part[name] = quantity(values, kind)
        part["radius"] = quantity(_values(candidates, "radius_flame", u.solRad, here), u.solRad)
        part["teff"] = quantity(_values(candidates, "teff_gspphot", u.K, here), u.K)
        return part

    table = _beside(table, _in_chunks(step, len(table), ask, progress=progress, desc=source.name))
    sieve = Sieve(step.name, table)
    limit = f"{cuts.match_radius.to_value(u.arcsec):g} arcsec at the image's epoch"
    sieve.keep(integers(table, "source_id") != NO_ID, f"a Gaia source within {limit}", Cuts.source("match_radius"))
    # Of several objects that are one Gaia source, the nearest.
    identifier, apart = integers(sieve.table, "source_id"), numbers(sieve.table, "match_separation", u.arcsec)
    order = np.lexsort((integers(sieve.table, "objid"), apart, identifier))
    first = np.zeros(len(order), bool)
    first[order[np.unique(identifier[order], return_index=True)[1]]] = True
    sieve.keep(first, "one object per Gaia source, the nearest", _OURS)
    return sieve.table, sieve.removals, {"source": source.name, "epochs": "photo_mjd" in table.colnames}


def image_epoch(table):
    """Julian year in which each star was imaged: its ``photo_mjd``, or SDSS's mean where there is none."""
    if "photo_mjd" not in table.colnames:
        return np.full(len(table), _MEAN_EPOCH)
    mjd = numbers(table, "photo_mjd", u.d)
    return np.where((mjd > 50_000) & (mjd < 60_000), 2000.0 + (mjd - 51_544.5) / 365.25, _MEAN_EPOCH)


def _rows_of(candidates, source_id):
    """Row of the candidate that each target was matched to; -1 where it was to none."""
    place = {
        (int(t), int(s)): row
        for row, (t, s) in enumerate(zip(candidates["target"], candidates["source_id"], strict=True))
    }
    return np.array([place.get((t, int(s)), -1) for t, s in enumerate(source_id)], np.int64)


def _values(candidates, name, unit, rows):
    if not len(candidates):
        return np.full(len(rows), np.nan)
    return np.where(rows >= 0, numbers(candidates, name, unit)[rows], np.nan)


def simbad(step, table, sources, cuts, *, progress=None):
    """What SIMBAD calls each star; where it contradicts, the star is dropped or marked."""
    source = sources.simbad
    ra, dec = gaia_position(table, _SIMBAD_EPOCH)

    def ask(rows):
        answer = source.objects(ra[rows], dec[rows], radius=cuts.match_radius, progress=False)
        nearest, target, otype = np.full(len(ra[rows]), -1), integers(answer, "target"), text(answer, "otype")
        for row in np.argsort(-numbers(answer, "separation", u.arcsec), kind="stable"):
            if otype[row] not in GROUP_TYPES:
                nearest[target[row]] = row
        columns = {"simbad_id": "main_id", "simbad_otype": "otype", "simbad_sptype": "sp_type"}
        return QTable({ours: _texts(text(answer, theirs), nearest) for ours, theirs in columns.items()})

    if source is False:
        known = QTable({n: _texts([], np.full(len(table), -1)) for n in ("simbad_id", "simbad_otype", "simbad_sptype")})
    else:
        known = _in_chunks(step, len(table), ask, progress=progress, desc=source.name)
    table = _beside(table, known)
    verdict = judge_simbad(text(table, "simbad_otype"))
    table["simbad_verdict"] = MaskedColumn(verdict, mask=verdict == "")
    sieve = Sieve(step.name, table)
    if source is not False:
        dropped = cuts.simbad == "drop"
        rule = "to SIMBAD no galaxy, quasar, white dwarf or the like"
        sieve.keep(verdict != "contradicts", rule, Cuts.source("simbad"), applied=dropped)
    notes = {"source": getattr(source, "name", "none")}
    notes |= {f"stars that SIMBAD {word}": int((verdict == word).sum()) for word in ("agrees", "doubtful")}
    return sieve.table, sieve.removals, notes


def gaia_position(table, epoch):
    """Right ascension and declination in degrees of the matched Gaia sources at an epoch."""
    motion = (numbers(table, name, u.mas / u.yr) for name in ("pmra", "pmdec"))
    position = (numbers(table, name, u.deg) for name in ("gaia_ra", "gaia_dec"))
    return propagate(*position, *motion, numbers(table, "ref_epoch", u.yr), epoch)


def cut(step, table, cuts):
    """The paper's criteria for astrometry, and the label of the radius."""
    sieve = Sieve(step.name, table)

    def each(name, rule, good):
        with np.errstate(invalid="ignore", divide="ignore"):
            sieve.keep(good(sieve.table), rule, Cuts.source(name))

    def error(name, label):
        limit = getattr(cuts, name).to_value(u.mas / u.yr)
        each(name, f"{label} < {limit:g} mas/yr", lambda t: numbers(t, name, u.mas / u.yr) < limit)

    least = cuts.parallax_over_error
    each(
        "parallax_over_error",
        f"parallax_over_error > {least:g}",
        lambda t: numbers(t, "parallax", u.mas) / numbers(t, "parallax_error", u.mas) > least,
    )
    error("pmra_error", "pmra_error")
    error("pmdec_error", "pmdec_error")
    # Gaia's ruwe is of single precision, and 1.4 is to be the same number there.
    each("ruwe", f"ruwe < {cuts.ruwe:g}", lambda t: numbers(t, "ruwe") < float(np.float32(cuts.ruwe)))
    if cuts.radius_flame:
        each("radius_flame", "a radius_flame", lambda t: numbers(t, "radius", u.solRad) > 0)
    return sieve.table, sieve.removals, {}


def lamost(step, table, sources, cuts, *, progress=None):
    """LAMOST's class where it observed the star as well."""
    source = sources.lamost
    ra, dec = gaia_position(table, _SIMBAD_EPOCH)

    def ask(rows):
        answer = source.spectra(ra[rows], dec[rows], radius=cuts.match_radius, progress=False)
        stars = np.char.upper(text(answer, "class")) == "STAR" if len(answer) else np.zeros(0, bool)
        best, snr = np.full(len(ra[rows]), -1), np.nan_to_num(numbers(answer, "snr_g"), nan=-1.0)
        target, obsid = integers(answer, "target"), integers(answer, "obsid")
        for row in np.lexsort((-obsid, snr)):  # the best of several, and of equals the first
            if stars[row]:
                best[target[row]] = row
        subclass = text(answer, "subclass")
        part = QTable({"lamost_subclass": _texts(subclass, best)})
        part["lamost_class"] = _texts(classes_of_lamost(subclass), best)
        part["lamost_obsid"] = MaskedColumn(_chosen(obsid, best, NO_ID), mask=best < 0)
        part["lamost_snr_g"] = quantity(_chosen(snr, best, np.nan), u.one)
        return part

    if source is False:
        nobody = np.full(len(table), -1)
        known = QTable({"lamost_subclass": _texts([], nobody), "lamost_class": _texts([], nobody)})
    else:
        known = _in_chunks(step, len(table), ask, progress=progress, desc=source.name)
    table = _beside(table, known)
    count = int((text(table, "lamost_class") != "").sum())
    return table, [], {"source": getattr(source, "name", "none"), "stars with a LAMOST class": count}


def _chosen(values, rows, missing):
    """Values at rows, ``missing`` where the row is -1."""
    values = np.asarray(values)
    if not len(values):
        return np.full(len(rows), missing)
    return np.where(rows >= 0, values[rows], missing)


def _texts(values, rows):
    """Texts at rows, masked where the row is -1 or the text empty."""
    chosen = np.array(["" if row < 0 else values[row] for row in rows], dtype=str if len(rows) else "U1")
    return MaskedColumn(chosen, mask=chosen == "")


def _in_chunks(step, number, ask, *, progress, desc):
    """Ask about rows in chunks that are kept on disk; one table of as many rows."""
    size, parts = step.settings["chunk"], []
    with progress_bar(number, enabled=progress, desc=desc, unit="star") as bar:
        for count, start in enumerate(range(0, max(number, 1), size)):
            rows = slice(start, min(start + size, number))
            parts.append(step.chunks.table(f"{count:05d}", lambda rows=rows: ask(rows)))
            bar.update(rows.stop - rows.start)
    return vstack(parts, metadata_conflicts="silent")


def _beside(table, more):
    """A table with the columns of another one of the same length."""
    table = table.copy(copy_data=False)
    for name in more.colnames:
        table[name] = more[name]
    return table
