# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""A simulated survey on disk, as large as a reference set needs: SDSS's frames, and what every archive knows.

Of each class as many stars with a spectrum fulfil the criteria of Deng et al. (2024) as in their sample, and others do
not, as stars do not: too faint for a radius, too far for a parallax, two stars that look like one. There are more of
class F and K than the quota takes. Besides, every field has stars that an archive is wrong about or warns of, and stars
without a spectrum.
"""

import json
import os
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.table import Column, Table, vstack
from reference_truth import criteria

from stellarclass.archives import Field, FieldKey, encode_objid
from stellarclass.archives.base import BANDS
from stellarclass.astrometry import propagate
from stellarclass.physics import CLASSES
from stellarclass.simulate import (
    draw_conditions,
    draw_stars,
    label_probabilities,
    observe_astrometry,
)
from stellarclass.simulate.crowds import draw_galaxies
from stellarclass.simulate.framefiles import write_frames
from stellarclass.simulate.framenoise import shorten
from stellarclass.simulate.frames import FRAME_SHAPE, draw_frame
from stellarclass.simulate.optics import flux_from_pogson
from stellarclass.simulate.samples import REFERENCE_COUNTS
from stellarclass.simulate.survey import _frame_wcs
from stellarclass.stamps.photometry import asinh_magnitude
from stellarclass.zeropoint import effective_wavenumber

QUOTA = 6606
"""Stars of a class that go on to Gaia, where 9180 come out in the end."""
GOOD = np.array([2800, 6870, 3200, 6870, 780])
"""Stars of class A, F, G, K, M with good photometry, where 9180 come out: about so many as the simulated sky has beside
those that pass, but for F and K, of which there are more than the quota takes."""
FAINT = np.array([22.0, 22.2, 22.2, 21.3, 20.5])
SATURATED = np.array([12.0, 14.1, 14.1, 13.8, 12.3])  # Gunn et al. (1998, AJ 116, 3040)
R_RANGE = (14.0, 20.5) * u.mag
PER_FIELD = 130  # stars of the sample to come
CROWD, FAINT_STARS, FAINT_GALAXIES = 80, 120, 1500  # on a frame, without a spectrum; the faint ones in no catalog
APART, MARGIN = 15, 40  # pixels between any two listed stars (6 arcsec), and from the edge
LAMOST_SHARE = 768 / 9180
GAIA = ("parallax", "parallax_error", "pmra", "pmra_error", "pmdec", "pmdec_error", "ruwe", "phot_g_mean_mag", "bp_rp",
        "radius_flame")  # fmt: skip
DOUBLE = ("parallax", "pmra", "pmdec")  # the others are of single precision in Gaia's archive
WRONG = ("white dwarf", "hot", "warning", "noise", "saturated", "galaxy", "faint", "stranger", "twice")
EACH_WRONG = 2  # of each in a field


@dataclass(frozen=True)
class Plan:
    """What a survey is to be.

    Attributes
    ----------
    stars : int
        Of the reference sample that is to come out.
    seed : int
    fields : int
    """

    stars: int
    seed: int
    fields: int

    @property
    def quota(self):
        """Of the sample: `QUOTA` for the paper's size."""
        return round(QUOTA * self.stars / sum(REFERENCE_COUNTS.values()))

    def wanted(self, number):
        """Of each class, stars in this field with good photometry that pass the criteria, and that fail: (5, 2)."""
        scale = self.stars / sum(REFERENCE_COUNTS.values())
        # As many more as the quota leaves out and SIMBAD calls strangers.
        more = np.maximum(GOOD / QUOTA, 1) * (1 + EACH_WRONG * self.fields / self.stars)
        passing = scale * more * np.array(list(REFERENCE_COUNTS.values()))
        totals = np.stack([passing, np.maximum(scale * GOOD - passing, 0)], axis=1)
        before, after = (np.round(totals * count / self.fields).astype(int) for count in (number, number + 1))
        return after - before


def build(plan, folder, *, processes=1, on_field=None):
    """Draw the survey, or what is missing of it.

    Parameters
    ----------
    plan : Plan
    folder : path-like
        Gets ``sas`` with the frames and ``catalog`` with a table for each field; an earlier survey of the same plan is
        gone on with.
    processes : int
        Fields that are drawn at a time; the survey is the same.
    on_field : callable, optional
        Called with the number of fields that are there.

    Returns
    -------
    truth : `~astropy.table.Table`
        One row for each listed star, with the columns of `skyarchives.complete`, and besides ``wrong`` (one of
        `WRONG`, or empty) and ``radius_true``.
    tree : `~pathlib.Path`
    """
    folder = Path(folder)
    (folder / "catalog").mkdir(parents=True, exist_ok=True)
    written = folder / "plan.json"
    if written.exists() and json.loads(written.read_text()) != asdict(plan):
        raise SystemExit(f"{folder} holds another survey, {written.read_text()}; name another folder")
    written.write_text(json.dumps(asdict(plan)))
    paths = [folder / "catalog" / f"{number:04d}.fits" for number in range(plan.fields)]
    missing = [number for number, path in enumerate(paths) if not path.exists()]
    jobs = [(plan, number, folder / "sas", paths[number]) for number in missing]
    with ExitStack() as stack:
        pool = stack.enter_context(ProcessPoolExecutor(processes)) if processes > 1 else None
        for count, _ in enumerate((map if pool is None else pool.map)(_write_field, jobs), 1):
            if on_field is not None:
                on_field(len(paths) - len(missing) + count)
    truth = vstack([Table.read(path, character_as_bytes=False, mask_invalid=False) for path in paths])
    add_spectra(truth)
    add_old_positions(truth)
    return truth, folder / "sas"


def _write_field(job):
    plan, number, tree, path = job
    part = path.with_suffix(".part")
    draw_field(plan, number, tree).write(part, format="fits", overwrite=True)
    os.replace(part, path)


def add_spectra(truth):
    """Plate, fiber and day of each spectrum, and its identifier, in place."""
    rank = np.cumsum(truth["spectrum"]) - 1
    # Plates on either side of 8192, from which on identifiers are beyond int64.
    truth["plate"], truth["fiberid"], truth["mjd"] = 8170 + rank // 1000, 1 + rank % 1000, np.full(len(truth), 55000)
    plate, fiber = (np.asarray(truth[name]).astype(np.uint64) for name in ("plate", "fiberid"))
    identifier = (plate << 50) | (fiber << 38) | (np.uint64(5000) << np.uint64(24))
    truth["specobjid"] = np.where(truth["spectrum"], identifier, np.uint64(0))


def add_old_positions(truth):
    """Where the stars were in 2000, as SIMBAD and LAMOST have them (``old_ra``, ``old_dec``), in place."""
    epoch = 2000.0 + (np.asarray(truth["photo_mjd"]) - 51_544.5) / 365.25
    for name in ("ra", "dec"):
        then, later = np.asarray(truth[name]), np.asarray(truth[f"gaia_{name}"])
        truth[f"old_{name}"] = later + (then - later) * (2016 - 2000) / (2016 - epoch)


def draw_field(plan, number, tree):
    """Draw one field: frames into the tree, the listed stars as a table."""
    rng = np.random.default_rng([plan.seed, 11, number])
    center = SkyCoord(rng.uniform(130, 230) * u.deg, rng.uniform(5, 55) * u.deg)
    conditions = draw_conditions(1, seed=rng, calibration_errors=True)
    # Runs are told by the number, so that no two fields have one name.
    key = FieldKey(2000 + number, 301, int(conditions.camcol[0]), int(rng.integers(11, 800)))
    epoch = float(rng.uniform(2000.5, 2009.0))
    stars = choose(rng, plan.wanted(number), center)
    angle = rng.uniform(0, 2 * np.pi)
    wcs = {band: _frame_wcs(center, rng.uniform(-3, 3, 2), angle) for band in BANDS}
    x, y = places(rng, len(stars))
    ra, dec = wcs["r"].wcs_pix2world(x, y, 0)
    write_frames(draw_pixels(rng, key, epoch, wcs, (ra, dec), stars, conditions, center), tree)
    return catalog(rng, stars, key, epoch, ra, dec, number)


def choose(rng, wanted, center):
    """The listed stars of a field, with what Gaia measures of them (``gaia_...``)."""
    missing, parts = wanted.copy(), []
    wrong = dict.fromkeys(WRONG[:7], EACH_WRONG)
    while missing.any() or any(wrong.values()):
        pool = _pool(rng, center)
        magnitudes = _magnitudes(pool)
        faint = (magnitudes >= FAINT).any(axis=1)
        fit = ~faint & (magnitudes > SATURATED).all(axis=1)
        failing = (~meets_criteria(pool, center)).astype(int)
        taken = np.zeros(len(pool), bool)
        for k in range(len(CLASSES)):
            for j in (0, 1):
                rows = np.flatnonzero(fit & (pool["code"] == k) & (failing == j))[: missing[k, j]]
                taken[rows], missing[k, j] = True, missing[k, j] - len(rows)
        for kind, count in wrong.items():
            rows = np.flatnonzero(~taken & (faint if kind == "faint" else fit))[:count]
            pool["wrong"][rows], taken[rows], wrong[kind] = kind, True, count - len(rows)
        parts.append(pool[taken])
    stars = vstack(parts, metadata_conflicts="silent")
    # SIMBAD calls some of the good ones a quasar; and some have a second spectrum.
    for kind in WRONG[7:]:
        rows = np.flatnonzero((stars["wrong"] == "") & meets_criteria(stars, center))
        stars["wrong"][rng.choice(rows, min(EACH_WRONG, len(rows) // 4), replace=False)] = kind
    crowd = _pool(rng, center, n=CROWD, r_range=(14.0, 22.0) * u.mag, even_colors=0.0)
    crowd["spectrum"] = False
    stars = vstack([stars, crowd], metadata_conflicts="silent")
    return stars[rng.permutation(len(stars))]


def _pool(rng, center, *, n=4000, r_range=R_RANGE, even_colors=0.5):
    stars = draw_stars(n, seed=rng, r_range=r_range, direction=center, even_colors=even_colors)
    stars["ra"], stars["dec"] = np.full(n, center.ra.deg) * u.deg, np.full(n, center.dec.deg) * u.deg
    gaia = observe_astrometry(stars, seed=rng, corrected=False)  # as the archive publishes them
    for name in GAIA:
        values = np.asarray(u.Quantity(gaia[name]).value)
        stars[f"gaia_{name}"] = values if name in DOUBLE else values.astype(np.float32)
    magnitudes = _magnitudes(stars)
    for name, system in (("code", "sdss"), ("lamost", "lamost")):
        likely = np.cumsum(label_probabilities(magnitudes[:, :-1] - magnitudes[:, 1:], label_system=system), axis=1)
        stars[name] = (rng.random(n)[:, None] > likely).sum(1).clip(0, len(CLASSES) - 1)
    stars["wrong"], stars["spectrum"] = np.full(n, "", "U11"), np.full(n, True)
    return stars


def _magnitudes(stars):
    return np.stack([stars[b].to_value(u.mag) for b in BANDS], axis=1)


def meets_criteria(stars, center):
    """The paper's criteria for Gaia's columns, zero point of the parallax taken off."""
    columns = {name: np.asarray(stars[f"gaia_{name}"]) for name in GAIA}
    columns |= {"gaia_ra": np.full(len(stars), center.ra.deg), "gaia_dec": np.full(len(stars), center.dec.deg)}
    columns["nu_eff_used_in_astrometry"] = effective_wavenumber(columns["bp_rp"].astype(float)).astype(np.float32)
    return np.all(list(criteria(columns).values()), axis=0)


def places(rng, n):
    """Pixels of n stars, no two closer than `APART`."""
    ny, nx = FRAME_SHAPE
    found = np.empty((0, 2))
    while len(found) < n:
        place = rng.uniform((MARGIN, MARGIN), (nx - 1 - MARGIN, ny - 1 - MARGIN))
        if not len(found) or np.hypot(*(found - place).T).min() >= APART:
            found = np.concatenate([found, place[None]])
    return found.T


def draw_pixels(rng, key, epoch, wcs, where, stars, conditions, center):
    """The five frames, with what no catalog lists, as `stellarclass.simulate.field` draws them."""
    ny, nx = FRAME_SHAPE
    faint = draw_stars(FAINT_STARS, seed=rng, r_range=(22.0, 24.0) * u.mag, direction=center)
    galaxies, radius, axis_ratio, turned = draw_galaxies(rng, FAINT_GALAXIES)
    others = len(faint) + len(galaxies)
    there = wcs["r"].wcs_pix2world(rng.uniform(0, nx, others), rng.uniform(0, ny, others), 0)
    ra, dec = (np.concatenate(pair) for pair in zip(where, there, strict=True))
    flux = flux_from_pogson(np.concatenate([_magnitudes(stars), _magnitudes(faint), galaxies]))
    morphology = np.tile((0.0, 1.0, 0.0, 0.0), (len(flux), 1))
    disks = np.ones(len(galaxies))
    morphology[-len(galaxies) :] = np.stack([radius / 0.396, axis_ratio, turned, disks], axis=1)
    frames = {}
    for k, band in enumerate(BANDS):
        x, y = wcs[band].wcs_world2pix(ra, dec, 0)
        frame = draw_frame(rng, band, wcs[band], epoch, x, y, flux[:, k], conditions[0], morphology=morphology)
        # As few bits as SDSS's frames have, and so as few bytes.
        frames[band] = replace(frame, data=shorten(frame.data))
    return Field(key, frames)


def catalog(rng, stars, key, epoch, ra, dec, number):
    """What the archives know of a field's stars, one row each; see `skyarchives.complete` for the columns."""
    n = len(stars)
    table = Table({name: np.full(n, value) for name, value in key._asdict().items()})
    table["objid"] = encode_objid(*(np.asarray(table[c]) for c in ("run", "camcol", "field")), np.arange(1, n + 1))
    table["ra"], table["dec"] = ra, dec
    table["photo_mjd"] = np.full(n, int(np.floor((epoch - 2000) * 365.25 + 51544.5)))
    magnitudes = asinh_magnitude(flux_from_pogson(_magnitudes(stars)))
    for k, band in enumerate(BANDS):
        table[f"psfmag_{band}"] = magnitudes[:, k]
    wrong, letters = np.asarray(stars["wrong"]), np.array(CLASSES)[stars["code"]]
    table["spectrum"], table["wrong"] = np.asarray(stars["spectrum"]), wrong
    table["subclass"] = [f"{letter}{k % 10} ({k})" for k, letter in enumerate(letters)]
    table["subclass"] = np.where(wrong == "white dwarf", "WD (2244125)", table["subclass"])
    table["subclass"] = np.where(wrong == "hot", "B9 (7)", table["subclass"])
    table["class"] = np.where(wrong == "galaxy", "GALAXY", "STAR")
    table["zwarning"], table["sn_median"] = np.where(wrong == "warning", 4, 0), np.where(wrong == "noise", 4.0, 30.0)
    table["photo_flags"] = np.where(wrong == "saturated", 0x10040000, 0x10000000)

    there = np.isfinite(np.asarray(stars["gaia_phot_g_mean_mag"]))
    table["source_id"] = np.where(there, 4_000_000_000_000_000_000 + 1_000_000 * number + np.arange(n), 0)
    motion = (np.asarray(stars[name].value) for name in ("pmra", "pmdec"))
    table["gaia_ra"], table["gaia_dec"] = propagate(ra, dec, *motion, np.full(n, epoch), 2016.0)
    for name in GAIA:
        table[name] = np.asarray(stars[f"gaia_{name}"])
    color = np.asarray(table["bp_rp"], float)
    table["nu_eff_used_in_astrometry"] = effective_wavenumber(color).astype(np.float32)
    table["teff_gspphot"] = np.where(there, stars["teff"].value, np.nan).astype(np.float32)

    known = rng.random(n) < 0.5
    table["main_id"] = [f"SIM {number}-{k}" if yes else "" for k, yes in enumerate(known | (wrong == "stranger"))]
    table["otype"] = np.where(wrong == "stranger", "QSO", np.where(rng.random(n) < 0.2, "PM*", "*"))
    observed = rng.random(n) < LAMOST_SHARE
    table["obsid"] = np.where(observed, 1000 * number + np.arange(1, n + 1), 0)
    other = np.array(CLASSES)[stars["lamost"]]
    table["lamost_subclass"] = [f"{'d' if letter == 'M' else ''}{letter}{k % 10}" for k, letter in enumerate(other)]
    table["lamost_class"] = np.where(rng.random(n) < 0.02, "GALAXY", "STAR")
    table["radius_true"] = Column(stars["radius_light"].value, unit=u.solRad)
    return vstack([table, second_spectra(table[wrong == "twice"])], metadata_conflicts="silent")


def second_spectra(table):
    """Worse spectra of the same objects, with another class; in no other archive."""
    table = table.copy()
    table["wrong"] = ""
    table["sn_median"], table["subclass"] = 6.0, "F5 (30743)"
    for name in ("source_id", "obsid"):
        table[name] = 0
    table["main_id"] = ""
    return table
