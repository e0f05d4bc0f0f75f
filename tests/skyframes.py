# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Small files with the layout of SDSS's corrected frames, for tests of what reads them."""

import bz2
import io

import numpy as np
from astropy.io import fits

from stellarclass.archives import FieldKey

SHAPE = (149, 205)  # a tenth of a real frame's side: everything but the size is as in the archive
SCALE = 0.396 / 3600
TREE = "dr17/eboss/photoObj/frames"
TAI = 4507683881.19  # 2001-09-20


def frame_bytes(key, band, center, *, shape=SHAPE, stars=(), compress=True, **cards):
    """A frame file.

    Parameters
    ----------
    key : FieldKey
    band : str
    center : tuple of float
        RA and Dec of the middle, in degrees.
    stars : iterable of (x, y, flux)
        Single bright pixels, in nanomaggies.
    cards : any
        Header keywords that are set in the end; None deletes one.
    """
    ny, nx = shape
    rng = np.random.default_rng([*key, ord(band)])
    data = np.round(rng.normal(0, 0.02, shape), 2).astype(np.float32)
    for x, y, flux in stars:
        data[y, x] += flux
    image = fits.PrimaryHDU(data)
    row = "riuzg".index(band)
    image.header.update(
        {
            "TAI": TAI + 72 * row, "EXPTIME": "53.907456", "DATE-OBS": "2001-09-20", "BUNIT": "nanomaggy",
            "RUN": key.run, "FRAME": key.field + 2 * row, "CAMCOL": key.camcol, "FILTER": band, "RERUN": str(key.rerun),
            "RADECSYS": "ICRS", "EQUINOX": 2000.0, "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN",
            "CUNIT1": "deg", "CUNIT2": "deg", "CRPIX1": nx / 2 + 0.5, "CRPIX2": ny / 2 + 0.5,
            "CRVAL1": center[0], "CRVAL2": center[1],
            # The columns run north and the rows east, as in a frame of the equatorial stripe; bands are a little apart.
            "CD1_1": 0.0, "CD1_2": SCALE, "CD2_1": SCALE * (1 + 1e-4 * row), "CD2_2": 0.0,
        }
    )  # fmt: skip
    for name, value in cards.items():
        if value is None:
            del image.header[name]
        else:
            image.header[name] = value
    calibration = fits.ImageHDU(np.full(nx, 0.0055 + 0.0001 * row, np.float32))
    model = np.full((1, 24, 32), 100.0 + row, np.float32)
    sky = fits.BinTableHDU.from_columns(
        [
            fits.Column("ALLSKY", f"{24 * 32}E", dim="(32, 24)", array=model),
            fits.Column("XINTERP", f"{nx}E", array=np.zeros((1, nx), np.float32)),
            fits.Column("YINTERP", f"{ny}E", array=np.zeros((1, ny), np.float32)),
        ]
    )
    buffer = io.BytesIO()
    fits.HDUList([image, calibration, sky]).writeto(buffer)
    return bz2.compress(buffer.getvalue(), 1) if compress else buffer.getvalue()


def frame_path(root, key, band, *, ending=".fits.bz2"):
    """Where the archive has a frame."""
    name = f"frame-{band}-{key.run:06d}-{key.camcol}-{key.field:04d}{ending}"
    return root / TREE / str(key.rerun) / str(key.run) / str(key.camcol) / name


# Two fields that overlap by 40 rows (they share the stars there), and a third far away without an i band.
FIELDS = {
    FieldKey(2583, 301, 2, 136): (323.34, -0.73),
    FieldKey(2583, 301, 2, 137): (323.34 + (SHAPE[0] - 40) * SCALE, -0.73),
    FieldKey(2188, 301, 2, 37): (30.0, 0.5),
}
NO_I_BAND = FieldKey(2188, 301, 2, 37)


def write_tree(root):
    """A small SAS tree."""
    for key, center in FIELDS.items():
        for band in "ugrz" if key == NO_I_BAND else "ugriz":
            path = frame_path(root, key, band)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(frame_bytes(key, band, center, stars=[(50, 70, 30.0)]))
    return root
