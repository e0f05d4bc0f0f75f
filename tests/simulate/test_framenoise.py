# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The sky of a frame: where SDSS's model of it has to be read."""

import numpy as np
import pytest
from astropy.time import Time
from astropy.wcs import WCS
from scipy import ndimage

from stellarclass.archives.base import Frame
from stellarclass.simulate.framenoise import sky_in_counts

NY, NX = 1489, 2048


@pytest.mark.parametrize(
    ("y", "x"),
    [
        ((np.arange(NY) + 0.5) / 8 + 0.5, (np.arange(NX) + 0.5) / 8 - 0.5),
        (np.linspace(0, 191, NY), np.linspace(0, 255, NX)),
    ],
    ids=["as SDSS", "edge to edge"],
)
def test_with_the_sky_put_back_counts_are_whole(y, x):
    rng = np.random.default_rng(4)
    grid = 130 + 0.02 * np.arange(192)[:, None] + 0.01 * np.arange(256) + rng.normal(0, 0.05, (192, 256))
    places = np.meshgrid(y, x.clip(0, 255), indexing="ij")
    sky = ndimage.map_coordinates(grid.astype(np.float32), places, order=1)
    scale = np.full(NX, 0.005, np.float32)
    data = ((rng.poisson(130, (NY, NX)) - sky) * scale).astype(np.float32)
    frame = Frame(band="r", data=data, wcs=WCS(naxis=2), epoch=Time("J2005"), nanomaggies_per_count=scale,
                  sky=grid.astype(np.float32))  # fmt: skip
    counts = data / scale + sky_in_counts(frame)
    assert np.abs(counts - np.round(counts)).max() < 0.002
