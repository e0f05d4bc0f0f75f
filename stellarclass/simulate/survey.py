# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Whole fields of the simulated sky: frames as SDSS's archive has them, Gaia's rows, and the truth."""

from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.table import QTable, Table
from astropy.time import Time
from astropy.wcs import WCS

from .. import flags
from .._html import summary
from ..archives.base import BANDS, Field, FieldKey
from ..archives.localastrometry import LocalAstrometry
from ..astrometry import propagate
from ..exceptions import InputError
from ..targets import NO_ID
from .conditions import Conditions, draw_conditions
from .crowds import draw_galaxies
from .framefiles import write_frames
from .frames import FRAME_SHAPE, draw_frame
from .gaia import observe_astrometry
from .optics import flux_from_pogson
from .population import draw_stars

__all__ = ["SimulatedField", "SimulatedImages", "field"]

PIXEL = 0.396 * u.arcsec
"""Side of a pixel."""

_MARGIN = 40  # pixels between the listed stars and the frame's edge
# Unlisted sources on a frame of 133 square arcmin: stars between r = 22 and 24, galaxies down to r = 23.2. They are
# what neighbors and a bumpy background are made of.
_FAINT_STARS, _FAINT_GALAXIES = 120, 1500


@dataclass
class SimulatedImages:
    """The frames of simulated fields as an image source.

    Attributes
    ----------
    contents : dict of FieldKey to Field
        Each with at least one frame.
    name : str
        For the provenance of results.
    """

    contents: dict
    name: str = "simulated SDSS"

    def __repr__(self):
        return f"<SimulatedImages {self.name!r}: {', '.join(map(str, self.contents))}>"  # of a dataclass: every pixel

    def locate(self, targets, *, progress=None):
        """Find the field of each target, see `stellarclass.archives.ImageSource`."""
        targets = deepcopy(targets)
        todo = ((targets.flags & flags.FATAL) == 0) & (targets.run == NO_ID)
        for key, sky in self.contents.items():
            rows = np.flatnonzero(todo)
            frame = next(iter(sky.frames.values()))
            ra, dec = propagate(
                *(getattr(targets, name)[rows] for name in ("ra", "dec", "pmra", "pmdec", "ref_epoch")), frame.epoch
            )
            x, y = frame.wcs.wcs_world2pix(ra, dec, 0)
            rows = rows[(x > -0.5) & (x < FRAME_SHAPE[1] - 0.5) & (y > -0.5) & (y < FRAME_SHAPE[0] - 0.5)]
            for name in key._fields:
                getattr(targets, name)[rows] = getattr(key, name)
            todo[rows] = False
        targets.flags[todo] |= flags.NO_IMAGE
        return targets

    def fields(self, keys, *, progress=None):
        """Yield the fields asked for, see `stellarclass.archives.ImageSource`."""
        for key in keys:
            yield self.contents.get(key, Field(key, missing={b: "no such simulated field" for b in BANDS}))


@dataclass
class SimulatedField:
    """One field of the simulated sky.

    Attributes
    ----------
    truth : `~astropy.table.QTable`
        N rows: what `stellarclass.simulate.draw_stars` drew, and ``ra``, ``dec`` [deg] at the epoch of the frames and
        ``source_id``.
    gaia : `~astropy.table.QTable`
        Gaia's rows at epoch 2016, named as the archive names them; stars fainter than G = 21 are absent.
    contents : `~stellarclass.archives.base.Field`
        The five frames.
    conditions : `~stellarclass.simulate.Conditions`
        Seeing, sky and camera that the frames were drawn with, one row; its ``zero_point`` is their calibration error.
    """

    truth: QTable
    gaia: QTable
    contents: Field
    conditions: Conditions

    def __repr__(self):
        return (
            f"<SimulatedField {self.contents.key}: {len(self.truth)} stars, {len(self.gaia)} of them in Gaia's table>"
        )

    def _repr_html_(self):
        r = self.truth["r"].value
        rows = {
            "stars": f"{len(self.truth)}, {len(self.gaia)} of them in Gaia's table",
            "r magnitudes": f"{r.min():.1f} to {r.max():.1f}" if len(r) else None,
            "frames": "".join(self.contents.frames),
            "epoch": f"{next(iter(self.contents.frames.values())).epoch:.2f}",
        }
        return summary(f"Simulated field {self.contents.key}", rows)

    @property
    def coords(self):
        """Positions of the stars at the epoch of the frames, `~astropy.coordinates.SkyCoord`, shape (N,)."""
        epoch = Time(next(iter(self.contents.frames.values())).epoch, format="jyear", scale="tai")
        return SkyCoord(self.truth["ra"], self.truth["dec"], obstime=epoch)

    @property
    def images(self):
        """The frames as an `~stellarclass.archives.ImageSource`."""
        return SimulatedImages({self.contents.key: self.contents})

    @property
    def astrometry(self):
        """Gaia's rows as an `~stellarclass.archives.AstrometrySource`."""
        return LocalAstrometry(self.gaia, name="simulated Gaia")

    def write(self, root, *, compress=True):
        """Write the field as a copy of the archives would lie on disk.

        Parameters
        ----------
        root : path-like
            Folder; it gets ``dr17/eboss/photoObj/frames/301/...`` with one frame per band, ``gaia.ecsv``,
            ``truth.ecsv``, and ``positions.csv`` with nothing but the stars' positions in degrees, a list of targets.
            `~stellarclass.archives.LocalSAS` and `~stellarclass.archives.LocalAstrometry` read frames and Gaia's rows.
        compress : bool
            Whether frames are ``.fits.bz2`` (some seconds a field) or plain ``.fits``.

        Returns
        -------
        list of `~pathlib.Path`
            The frames.
        """
        root = Path(root)
        paths = write_frames(self.contents, root, compress=compress)
        self.gaia.write(root / "gaia.ecsv", overwrite=True)
        self.truth.write(root / "truth.ecsv", overwrite=True)
        positions = {name: self.truth[name].to_value(u.deg) for name in ("ra", "dec")}
        Table(positions).write(root / "positions.csv", overwrite=True)
        return paths


@u.quantity_input(r_range=u.mag)
def field(*, seed=0, n_stars=150, center=None, r_range=(14.0, 21.5) * u.mag, conditions=None, bands=BANDS):
    """Make a field of the simulated sky: five frames with stars, Gaia's rows, and the truth.

    Parameters
    ----------
    seed : int
        The same seed gives the same field, bit for bit on one machine.
    n_stars : int
        Stars in the table of truth, all within the frame.
    center : `~astropy.coordinates.SkyCoord`, optional
        Middle of the field; by default a place at high galactic latitude that depends on the seed.
    r_range : `~astropy.units.Quantity`, shape (2,)
        Limits of their r magnitudes.
    conditions : `~stellarclass.simulate.Conditions`, optional
        Seeing, sky and camera, one row; by default drawn, calibration errors included.
    bands : sequence of str
        Bands that have a frame, at least one.

    Returns
    -------
    SimulatedField

    Raises
    ------
    TypeError, `~astropy.units.UnitsError`
        If ``r_range`` is not in magnitudes.
    stellarclass.exceptions.InputError
        If ``bands`` or ``conditions`` are not as said.

    Examples
    --------
    >>> from stellarclass import simulate
    >>> sky = simulate.field(seed=7, n_stars=20)
    >>> sky.contents.frames["r"].data.shape, len(sky.truth)
    ((1489, 2048), 20)
    """
    if not bands or not set(bands) <= set(BANDS):
        raise InputError(f"bands = {bands!r}: one or more of {', '.join(BANDS)} are meant")
    if conditions is not None and len(conditions) != 1:
        raise InputError(f"conditions of a field are one row, not {len(conditions)}")
    rng = np.random.default_rng([seed, 20240815])
    if center is None:
        center = SkyCoord(rng.uniform(130, 230) * u.deg, rng.uniform(5, 55) * u.deg)
    center = center.icrs
    if conditions is None:
        conditions = draw_conditions(1, seed=rng, calibration_errors=True)
    key = FieldKey(int(rng.integers(2000, 8000)), 301, int(conditions.camcol[0]), int(rng.integers(11, 800)))
    epoch = float(rng.uniform(2000.5, 2009.0))
    angle = rng.uniform(0, 2 * np.pi)
    wcs = {band: _frame_wcs(center, rng.uniform(-3, 3, 2), angle) for band in BANDS}

    truth = draw_stars(n_stars, seed=rng, r_range=r_range, direction=center)
    ny, nx = FRAME_SHAPE
    x = rng.uniform(_MARGIN, nx - 1 - _MARGIN, n_stars)
    y = rng.uniform(_MARGIN, ny - 1 - _MARGIN, n_stars)
    ra, dec = wcs["r"].wcs_pix2world(x, y, 0)
    truth["ra"], truth["dec"] = ra * u.deg, dec * u.deg
    truth["source_id"] = np.int64(4_000_000_000_000_000_000) + rng.choice(10**12, n_stars, replace=False)

    magnitudes = np.stack([truth[b].to_value(u.mag) for b in BANDS], axis=1)
    faint = draw_stars(_FAINT_STARS, seed=rng, r_range=(22.0, 24.0) * u.mag, direction=center)
    galaxies, radius, axis_ratio, turned = draw_galaxies(rng, _FAINT_GALAXIES)
    others = len(faint) + len(galaxies)
    other_ra, other_dec = wcs["r"].wcs_pix2world(rng.uniform(0, nx, others), rng.uniform(0, ny, others), 0)
    all_ra, all_dec = np.concatenate([ra, other_ra]), np.concatenate([dec, other_dec])
    of_faint = np.stack([faint[b].value for b in BANDS], axis=1)
    flux = flux_from_pogson(np.concatenate([magnitudes, of_faint, galaxies]))
    morphology = np.zeros((len(flux), 4))
    morphology[:, 1] = 1
    _listed_galaxies(morphology[:n_stars], truth, angle)
    disks = np.ones(len(galaxies))
    morphology[-len(galaxies) :] = np.stack([radius / PIXEL.value, axis_ratio, turned, disks], axis=1)
    frames = {}
    for k, band in enumerate(BANDS):
        px, py = wcs[band].wcs_world2pix(all_ra, all_dec, 0)
        frame = draw_frame(rng, band, wcs[band], epoch, px, py, flux[:, k], conditions[0], morphology=morphology)
        if band in bands:
            frames[band] = frame
    missing = {b: "not simulated" for b in BANDS if b not in frames}
    return SimulatedField(truth, _gaia_rows(rng, truth, epoch), Field(key, frames, missing), conditions)


def _frame_wcs(center, shift, angle):
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.cunit = ["deg", "deg"]
    wcs.wcs.crpix = [FRAME_SHAPE[1] / 2 + 0.5 + shift[0], FRAME_SHAPE[0] / 2 + 0.5 + shift[1]]
    wcs.wcs.crval = [center.ra.deg, center.dec.deg]
    scale = PIXEL.to_value(u.deg)
    wcs.wcs.cd = scale * np.array([[-np.cos(angle), np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return wcs


def _listed_galaxies(morphology, truth, angle):
    """Fill in the shapes of galaxies among the listed sources; morphology (N, 4) as `draw_frame` has it."""
    if "half_light_radius" not in truth.colnames:
        return
    morphology[:, 0] = np.nan_to_num(truth["half_light_radius"].to_value(u.arcsec)) / PIXEL.value
    morphology[:, 1] = np.clip(np.nan_to_num(truth["axis_ratio"], nan=1.0), 0.1, 1.0)
    # North lies at (sin, cos) of the frame's own angle, see _frame_wcs, and east a quarter turn on.
    morphology[:, 2] = np.pi / 2 - angle + np.radians(np.nan_to_num(truth["position_angle"].to_value(u.deg)))
    morphology[:, 3] = np.maximum(np.nan_to_num(truth["sersic_index"]), 1.0)


def _gaia_rows(rng, truth, epoch):
    """Gaia's table at epoch 2016."""
    measured = observe_astrometry(truth, seed=rng)
    ra, dec = propagate(
        *(truth[name].value for name in ("ra", "dec", "pmra", "pmdec")), np.full(len(truth), epoch), 2016.0
    )
    table = QTable({"source_id": truth["source_id"], "ra": ra * u.deg, "dec": dec * u.deg})
    table["ref_epoch"] = np.full(len(truth), 2016.0) * u.yr
    for name in measured.colnames:
        table[name] = measured[name]
    return table[np.isfinite(table["phot_g_mean_mag"])]
