# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Simulated frames as files, named and laid out as those of SDSS's archive."""

import bz2
from io import BytesIO
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.time import Time

__all__ = ["write_frames"]


def write_frames(contents, root, *, compress=True):
    """Write the frames of a field as a copy of SDSS's archive would have them on disk.

    Parameters
    ----------
    contents : `~stellarclass.archives.base.Field`
        The frames.
    root : path-like
        Folder; it gets ``dr17/eboss/photoObj/frames/301/...`` with one file per band.
    compress : bool
        Whether the files are ``.fits.bz2`` (some seconds a field) or plain ``.fits``.

    Returns
    -------
    list of `~pathlib.Path`
        The files.
    """
    key = contents.key
    folder = Path(root, "dr17", "eboss", "photoObj", "frames", str(key.rerun), str(key.run), str(key.camcol))
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for band, frame in contents.frames.items():
        path = folder / f"frame-{band}-{key.run:06d}-{key.camcol}-{key.field:04d}.fits"
        content = _frame_bytes(key, frame)
        if compress:
            path, content = path.with_suffix(".fits.bz2"), bz2.compress(content, 1)
        path.write_bytes(content)
        paths.append(path)
    return paths


def _frame_bytes(key, frame):
    """A frame as SDSS's ``frame`` files lay it out: image, calibration vector, sky model."""
    header = frame.wcs.to_header()
    # SDSS writes a CD matrix; astropy splits it into PC and CDELT.
    for name in ("PC1_1", "PC1_2", "PC2_1", "PC2_2", "CDELT1", "CDELT2"):
        header.pop(name, None)
    for (i, j), value in np.ndenumerate(frame.wcs.wcs.cd):
        header[f"CD{i + 1}_{j + 1}"] = value
    tai = (Time(frame.epoch, format="jyear", scale="tai").mjd * 86400) - 53.907456 / 2
    header.update(RUN=key.run, RERUN=str(key.rerun), CAMCOL=key.camcol, FRAME=key.field, FILTER=frame.band)
    header.update(TAI=round(tai, 2), EXPTIME="53.907456", BUNIT="nanomaggy", SYS_SCN="mean")
    header.update(NMGY=float(np.median(frame.nanomaggies_per_count)), ORIGIN="stellarclass simulated sky")
    rows, columns = frame.sky.shape
    coordinates = [np.linspace(0, n - 1, m, dtype=np.float32) for n, m in ((columns, 2048), (rows, 1489))]
    sky = fits.BinTableHDU.from_columns(
        [
            fits.Column("ALLSKY", f"{frame.sky.size}E", dim=f"({columns}, {rows})", array=frame.sky[None]),
            fits.Column("XINTERP", "2048E", array=coordinates[0][None]),
            fits.Column("YINTERP", "1489E", array=coordinates[1][None]),
        ]
    )
    hdus = fits.HDUList([fits.PrimaryHDU(frame.data, header), fits.ImageHDU(frame.nanomaggies_per_count), sky])
    buffer = BytesIO()
    hdus.writeto(buffer)
    return buffer.getvalue()
