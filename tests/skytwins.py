# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Parts of a simulated field that play the real one, for tests of twins and of the fidelity report."""

from dataclasses import replace
from functools import cache

import numpy as np
from astropy import units as u

from stellarclass import simulate
from stellarclass.archives import Field
from stellarclass.simulate import SimulatedField
from stellarclass.simulate.framenoise import shorten

SIDE = 800


@cache
def simulated():
    """A field with many stars, in g and r; not to be written to."""
    return simulate.field(seed=11, n_stars=700, r_range=(15, 20.5) * u.mag, bands="gr")


def cut(frame, x0=700, y0=300, side=SIDE):
    """A square of a frame, as if it had been read like that."""
    rows, columns = slice(y0, y0 + side), slice(x0, x0 + side)
    wcs = frame.wcs.deepcopy()
    wcs.wcs.crpix = wcs.wcs.crpix - [x0, y0]
    wcs.pixel_shape = (side, side)
    ny, nx = frame.sky.shape
    height, width = frame.data.shape
    sky = frame.sky[y0 * ny // height : (y0 + side) * ny // height, x0 * nx // width : (x0 + side) * nx // width]
    return replace(
        frame,
        data=shorten(frame.data[rows, columns]),
        wcs=wcs,
        nanomaggies_per_count=frame.nanomaggies_per_count[columns],
        sky=np.ascontiguousarray(sky),
    )


def parts(contents, bands, **square):
    """Squares of some frames of a field, see `cut`."""
    return Field(contents.key, {b: cut(contents.frames[b], **square) for b in bands}, contents.missing)


@cache
def small_field(bands="gr", side=SIDE):
    """Its middle, in as many bands; not to be written to."""
    return parts(simulated().contents, bands, side=side)


def small_simulated(bands="gr", side=SIDE):
    """The same with Gaia's rows and the truth, to be written to disk."""
    sky = simulated()
    return SimulatedField(sky.truth, sky.gaia, small_field(bands, side), sky.conditions)
