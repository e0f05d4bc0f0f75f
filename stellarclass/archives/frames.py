# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""SDSS corrected frames (``frame-r-002583-2-0136.fits.bz2``) as `Frame`, fast and distrustful.

A frame file holds the sky-subtracted image in nanomaggies (HDU 0), the calibration vector in nanomaggies per count
(HDU 1), and a table with the sky model in counts (HDU 2); see
https://data.sdss.org/datamodel/files/BOSS_PHOTOOBJ/frames/RERUN/RUN/CAMCOL/frame.html. Reading one is nearly all bzip2,
which releases the GIL, so threads scale; the few HDUs are walked here, which is several times faster than a general
reader. Nothing in the file is believed before it is checked: sizes, layout, and that it is the frame asked for.
"""

import bz2
import os

import numpy as np
from astropy.wcs import WCS

from .._config import conf
from ..exceptions import BadAnswerError
from ._fitsbytes import BLOCK, DAMAGE, MAX_HEADER, data_size, header_at, header_end, read_limited, what_it_is
from .base import BANDS, Frame

__all__ = ["celestial_wcs", "epoch_of", "read_frame", "read_geometry", "read_header"]

_PIECE = 65536
_MOST_STREAMS = 200  # of bzip2 in a file, each of which costs a copy of the rest; one a block makes 125 at most
_CAMERA_ROWS = "riuzg"  # in the order in which a star crosses them


def read_frame(source, *, band=None, key=None, name=None):
    """Read one corrected frame.

    Parameters
    ----------
    source : bytes or path-like
        The file's bytes, or where it lies: FITS, plain or compressed with bzip2 (told by its first bytes).
    band : str, optional
        Band that the frame must be of.
    key : FieldKey, optional
        Field that the frame must be of.
    name : str, optional
        What error messages call the file, such as the address it came from; the path by default.

    Returns
    -------
    Frame

    Raises
    ------
    stellarclass.exceptions.NotInArchiveError
        If there is no such file.
    stellarclass.exceptions.BadAnswerError
        If it is damaged, cut short, larger than ``conf.max_frame_bytes``, no SDSS frame, or not the one asked for.
    """
    if isinstance(source, (bytes, bytearray, memoryview)):
        raw, name = bytes(source), name or f"{len(source)} bytes in memory"
    else:
        name = name or os.fspath(source)
        raw = read_limited(source, name, setting="max_frame_bytes")
    content = _decompress(raw, name)
    del raw
    try:
        return _parse(content, band, key, name)
    except DAMAGE as err:
        raise BadAnswerError(f"not an SDSS frame: {err}", name) from err


def read_header(path):
    """Primary header of a frame, at the cost of its first bzip2 block only.

    Parameters
    ----------
    path : path-like
        A frame on disk, plain or compressed with bzip2.

    Returns
    -------
    `~astropy.io.fits.Header`

    Raises
    ------
    stellarclass.exceptions.BadAnswerError
        If the file does not begin with a FITS header.
    """
    name = os.fspath(path)
    content = b""
    with open(path, "rb") as file:
        piece = file.read(_PIECE)
        decompress = bz2.BZ2Decompressor().decompress if piece[:3] == b"BZh" else (lambda data, length: data)
        while piece and len(content) < MAX_HEADER:
            try:
                content += decompress(piece, MAX_HEADER)
            except (OSError, EOFError) as err:
                raise BadAnswerError(f"damaged bzip2 data: {err}", name) from err
            if content and header_end(content, 0):
                break
            piece = file.read(_PIECE)
    if content[:9] != b"SIMPLE  =":
        raise BadAnswerError(what_it_is(content), name)
    return header_at(content, 0, name)[0]


def read_geometry(path):
    """Where and when a frame was taken, from its header alone.

    Parameters
    ----------
    path : path-like
        A frame on disk, plain or compressed with bzip2.

    Returns
    -------
    wcs : `~astropy.wcs.WCS`
        As `celestial_wcs` makes it.
    epoch : float
        As `epoch_of` makes it.

    Raises
    ------
    stellarclass.exceptions.BadAnswerError
        If the file does not begin with the header of an SDSS frame.
    """
    header = read_header(path)
    try:
        return celestial_wcs(header), epoch_of(header)
    except DAMAGE as err:
        raise BadAnswerError(f"not an SDSS frame: {err}", os.fspath(path)) from err


def celestial_wcs(header):
    """The celestial WCS of a frame, from the keywords that define it and no others.

    Built by hand because the frames carry keywords that the WCS standard has since deprecated (``RADECSYS``,
    ``DATE-OBS`` without a time scale): each would be repaired with a warning, and warnings cannot be silenced safely
    in threads.

    Parameters
    ----------
    header : `~astropy.io.fits.Header`
        A frame's primary header.

    Returns
    -------
    `~astropy.wcs.WCS`

    Raises
    ------
    KeyError, ValueError
        If a keyword is missing or no number, or the projection is not TAN.
    """
    ctype = [str(header[f"CTYPE{i}"]).strip() for i in (1, 2)]
    if ctype != ["RA---TAN", "DEC--TAN"]:
        raise ValueError(f"the projection is {ctype}, expected RA---TAN, DEC--TAN")
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ctype
    wcs.wcs.cunit = [str(header.get(f"CUNIT{i}", "deg")).strip() for i in (1, 2)]
    wcs.wcs.crpix = _floats(header, "CRPIX1", "CRPIX2")
    wcs.wcs.crval = _floats(header, "CRVAL1", "CRVAL2")
    wcs.wcs.cd = np.reshape(_floats(header, "CD1_1", "CD1_2", "CD2_1", "CD2_2"), (2, 2))
    wcs.wcs.radesys = str(header.get("RADESYS", header.get("RADECSYS", "ICRS"))).strip()
    if wcs.wcs.radesys != "ICRS":
        wcs.wcs.equinox = float(header.get("EQUINOX", 2000.0))
    if np.linalg.det(wcs.wcs.cd) == 0:
        raise ValueError("the WCS matrix is singular")
    wcs.pixel_shape = (int(header["NAXIS1"]), int(header["NAXIS2"]))
    wcs.wcs.set()
    return wcs


def epoch_of(header):
    """Mid-exposure time of a frame as Julian year.

    ``TAI`` counts seconds since MJD 0, when the first row was read; the drift scan's exposure takes 54 s, the rows of
    a frame 39 s, so that half of ``EXPTIME`` later is right to within a minute for every row.

    Parameters
    ----------
    header : `~astropy.io.fits.Header`
        A frame's primary header.

    Returns
    -------
    float

    Raises
    ------
    KeyError, ValueError
        If a keyword is missing or no number, or the date is not within SDSS's imaging (1998 to 2009).
    """
    tai, exposure = _floats(header, "TAI", "EXPTIME")
    year = 2000.0 + ((tai + exposure / 2) / 86400.0 - 51544.5) / 365.25
    if not 1990.0 < year < 2050.0:
        raise ValueError(f"TAI = {tai} is the year {year:.1f}, no date on which SDSS observed")
    return year


def _floats(header, *names):
    # EXPTIME is a string in the frames ('53.907456'), hence float() rather than a check of the type.
    values = [float(header[name]) for name in names]
    if not np.all(np.isfinite(values)):
        raise ValueError(f"{', '.join(names)} must be finite, got {values}")
    return values


def _decompress(raw, name):
    """The FITS bytes; bounded, so that a small file cannot fill the memory."""
    if raw[:3] != b"BZh":
        return raw
    limit = conf.max_frame_bytes
    parts, length = [], 0
    while raw[:3] == b"BZh":  # several streams in one file: parallel bzip2 writes them
        stream = bz2.BZ2Decompressor()
        try:
            parts.append(stream.decompress(raw, max_length=limit - length + 1))
        except (OSError, ValueError) as err:
            raise BadAnswerError(f"damaged bzip2 data: {err}", name) from err
        length += len(parts[-1])
        if length > limit:
            raise BadAnswerError(f"unpacks to more than conf.max_frame_bytes = {limit} bytes", name)
        if not stream.eof:
            raise BadAnswerError(f"truncated: the bzip2 data ends early, after {len(raw)} bytes", name)
        if len(parts) == _MOST_STREAMS:
            raise BadAnswerError(f"more than {_MOST_STREAMS} bzip2 streams in one file", name)
        raw = stream.unused_data
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _parse(content, band, key, name):
    if content[:9] != b"SIMPLE  =":
        raise BadAnswerError(what_it_is(content), name)
    header, start = header_at(content, 0, name)
    data, start = _image(content, header, start, 2, name)
    nx = data.shape[1]
    found = str(header["FILTER"]).strip()
    if found not in BANDS:
        raise ValueError(f"FILTER is {found!r}, expected one of {', '.join(BANDS)}")
    if band is not None and found != band:
        raise BadAnswerError(f"this is a frame in {found}, asked for was {band}", name)
    if key is not None:
        _check_field(header, key, name)
    wcs, epoch = celestial_wcs(header), epoch_of(header)

    header, start = header_at(content, start, name)
    calibration, start = _image(content, header, start, 1, name)
    if calibration.shape != (nx,):
        raise ValueError(f"HDU 1 has {calibration.size} calibration values for {nx} columns")
    header, start = header_at(content, start, name)
    sky = _sky_model(content, header, start, name)
    return Frame(band=found, data=data, wcs=wcs, epoch=epoch, nanomaggies_per_count=calibration, sky=sky)


def _check_field(header, key, name):
    run, camcol, count = (int(header[k]) for k in ("RUN", "CAMCOL", "FRAME"))
    # FRAME counts along each CCD: the sky passes them in the order r, i, u, z, g, two frames apart. Files that are
    # made to look like SDSS's may count fields instead.
    field = count - 2 * _CAMERA_ROWS.index(str(header["FILTER"]).strip())
    if (run, camcol) != (key.run, key.camcol) or key.field not in (field, count):
        raise BadAnswerError(f"this is a frame of field {run}-{camcol}-{field}, asked for was {key}", name)
    if "RERUN" in header and str(header["RERUN"]).strip() != str(key.rerun):
        raise BadAnswerError(f"this is rerun {str(header['RERUN']).strip()}, asked for was {key.rerun}", name)


def _image(content, header, start, ndim, name):
    """A float32 image in native byte order, and where the next HDU begins."""
    if int(header["BITPIX"]) != -32 or int(header["NAXIS"]) != ndim:
        raise ValueError(f"BITPIX, NAXIS = {header['BITPIX']}, {header['NAXIS']}, expected -32, {ndim}")
    if float(header.get("BSCALE", 1)) != 1 or float(header.get("BZERO", 0)) != 0:
        raise ValueError("scaled floats (BSCALE, BZERO) are not part of the frame format")
    shape = tuple(int(header[f"NAXIS{i}"]) for i in range(ndim, 0, -1))
    if min(shape) < 1:
        raise ValueError(f"the image has no pixels: {shape}")
    size = data_size(header)
    return _floats_at(content, start, shape, name), start + -(-size // BLOCK) * BLOCK


def _floats_at(content, start, shape, name):
    count = int(np.prod(shape, dtype=object))
    if start + 4 * count > len(content):
        raise BadAnswerError(f"truncated: {len(content)} bytes, the header promises at least {start + 4 * count}", name)
    return np.frombuffer(content, ">f4", count, start).reshape(shape).astype(np.float32)


def _sky_model(content, header, start, name):
    """``ALLSKY``, the first column of the one-row table in HDU 2, as (rows, columns)."""
    if str(header["XTENSION"]).strip() != "BINTABLE" or str(header["TTYPE1"]).strip() != "ALLSKY":
        raise ValueError("HDU 2 is not the sky model (a table whose first column is ALLSKY)")
    form = str(header["TFORM1"]).strip()
    dim = [int(n) for n in str(header["TDIM1"]).strip(" ()").split(",")]
    if not form.endswith("E") or len(dim) < 2 or min(dim) < 1 or int(form[:-1] or 1) != np.prod(dim, dtype=object):
        raise ValueError(f"ALLSKY has TFORM {form!r} and TDIM {header['TDIM1']!r}, expected floats on a grid")
    return _floats_at(content, start, tuple(dim[::-1][-2:]), name)
