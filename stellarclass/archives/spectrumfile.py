# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""SDSS's ``spec-PLATE-MJD-FIBER.fits``, full or lite, as `specutils.Spectrum`.

HDU 1 (``COADD``) is the co-added spectrum: ``flux`` in 1e-17 erg/s/cm2/Å, ``loglam`` (log10 of the heliocentric vacuum
wavelength in Å), ``ivar``, ``and_mask``. HDU 2 (``SPECOBJ``, or ``SPALL`` since BOSS) is one row with what SDSS's own
pipeline made of it. What follows (lines, single exposures) is not read. See
https://data.sdss.org/datamodel/files/BOSS_SPECTRO_REDUX/RUN2D/spectra/PLATE4/spec.html. Nothing in the file is believed
before it is checked: sizes, layout, wavelengths, and that it is the spectrum asked for.
"""

import os

import numpy as np
from astropy import units as u

from ..exceptions import BadAnswerError
from ._fitsbytes import BLOCK, DAMAGE, data_size, header_at, read_limited, what_it_is

__all__ = ["FLUX_UNIT", "read_spectrum"]

FLUX_UNIT = u.Unit(1e-17 * u.erg / u.s / u.cm**2 / u.AA)
"""Unit of the flux densities in SDSS's files."""

_MOST_PIXELS = 20_000  # SDSS's have up to 4,700
_MOST_COLUMNS = 999  # the FITS standard's limit
_LETTERS = {"L": "i1", "B": "u1", "I": ">i2", "J": ">i4", "K": ">i8", "E": ">f4", "D": ">f8"}

# Bits of SDSS's SPPIXMASK that leave nothing to use of a pixel: no fiber plugged in, rejected in every exposure, no
# sky to subtract, a sky line much brighter than its surroundings, no data.
_UNUSABLE = sum(1 << bit for bit in (0, 18, 22, 23, 24))

# Name in the spectrum's meta, name in HDU 2, type.
_CATALOG = (
    ("plate", "PLATE", int),
    ("mjd", "MJD", int),
    ("fiber", "FIBERID", int),
    ("run2d", "RUN2D", str),
    ("ra", "PLUG_RA", float),
    ("dec", "PLUG_DEC", float),
    ("sdss_class", "CLASS", str),
    ("sdss_subclass", "SUBCLASS", str),
    ("sdss_redshift", "Z", float),
    ("sdss_zwarning", "ZWARNING", int),
)


def read_spectrum(source, *, key=None, name=None):
    """Read one SDSS spectrum.

    Parameters
    ----------
    source : bytes or path-like
        A ``spec-*.fits`` file, full or lite: its bytes, or where it lies.
    key : SpectrumKey, optional
        Plate, MJD and fiber that it must be of.
    name : str, optional
        What error messages call the file, such as the address it came from; the path by default.

    Returns
    -------
    `~specutils.Spectrum`
        N pixels. ``spectral_axis`` in Å (vacuum, heliocentric), ``flux`` in 1e-17 erg/s/cm2/Å, ``uncertainty`` an
        `~astropy.nddata.InverseVariance`, ``mask`` true where a pixel is not to be used: no inverse variance, or a bit
        of ``and_mask`` that means no data (NOPLUG, FULLREJECT, NOSKY, BRIGHTSKY, NODATA). ``meta`` has ``plate``,
        ``mjd``, ``fiber``, ``run2d``, ``ra``, ``dec`` (degrees) and SDSS's own answer, ``sdss_class``,
        ``sdss_subclass``, ``sdss_redshift``, ``sdss_zwarning``, as far as the file has them, and ``source``.

    Raises
    ------
    stellarclass.exceptions.NotInArchiveError
        If there is no such file.
    stellarclass.exceptions.BadAnswerError
        If it is damaged, cut short, larger than ``conf.max_spectrum_bytes``, no SDSS spectrum, or not the one asked
        for.

    Examples
    --------
    >>> from stellarclass.spectroscopy import read_spectrum
    >>> spectrum = read_spectrum("spec-2942-54521-0124.fits")  # doctest: +SKIP
    >>> spectrum.meta["sdss_subclass"]  # doctest: +SKIP
    'G2'
    """
    if isinstance(source, (bytes, bytearray, memoryview)):
        content, name = bytes(source), name or f"{len(source)} bytes in memory"
    else:
        name = name or os.fspath(source)
        content = read_limited(source, name, setting="max_spectrum_bytes")
    try:
        return _parse(content, key, name)
    except DAMAGE as err:
        raise BadAnswerError(f"not an SDSS spectrum: {err}", name) from err


def _parse(content, key, name):
    if content[:9] != b"SIMPLE  =":
        raise BadAnswerError(what_it_is(content), name)
    primary, start = header_at(content, 0, name)
    start += -(-data_size(primary) // BLOCK) * BLOCK
    coadd, start = _table(content, start, name, ("flux", "loglam", "ivar", "and_mask"), most_rows=_MOST_PIXELS)
    for column in ("flux", "loglam", "ivar"):
        if column not in coadd:
            raise ValueError(f"HDU 1 has no column {column}; its columns are {', '.join(coadd['names'])}")
    meta = _meta(primary, content, start, name)
    if key is not None:
        found = tuple(meta.get(k) for k in ("plate", "mjd", "fiber"))
        if found != tuple(key[:3]):
            raise BadAnswerError(f"this is spectrum {'-'.join(map(str, found))}, asked for was {key}", name)
    return _spectrum(coadd, meta | {"source": name})


def _spectrum(coadd, meta):
    from astropy.nddata import InverseVariance
    from specutils import Spectrum

    with np.errstate(invalid="ignore"):  # damage may look like a signaling NaN, which is masked like any other
        flux, loglam, ivar = (coadd[column].astype(float) for column in ("flux", "loglam", "ivar"))
    if len(flux) < 2 or not np.all(np.isfinite(loglam)) or not np.all(np.diff(loglam) > 0):
        raise ValueError(f"loglam must be finite and ascend, over at least two pixels (there are {len(flux)})")
    if loglam[0] < 2 or loglam[-1] > 6:
        raise ValueError(f"loglam runs from {loglam[0]:.4g} to {loglam[-1]:.4g}, not the log10 of a wavelength in Å")
    masked = (coadd["and_mask"] & _UNUSABLE) != 0 if "and_mask" in coadd else np.zeros(len(flux), bool)
    masked |= ~np.isfinite(flux) | ~np.isfinite(ivar) | ~(ivar > 0)
    return Spectrum(
        flux=np.where(np.isfinite(flux), flux, 0.0) * FLUX_UNIT,
        spectral_axis=10**loglam * u.AA,
        uncertainty=InverseVariance(np.where(masked, 0.0, ivar), unit=FLUX_UNIT**-2),
        mask=masked,
        meta=meta,
    )


def _meta(primary, content, start, name):
    """What names the spectrum, and SDSS's own answer; from HDU 2 if there is one, else from the primary header."""
    row = {}
    if start < len(content):
        row, _ = _table(content, start, name, [column for _, column, _ in _CATALOG], most_rows=10)
    meta = {}
    for ours, column, kind in _CATALOG:
        values = row.get(column.lower())
        if values is not None and len(values):
            value = values[0]
        else:
            value = primary.get({"PLATE": "PLATEID"}.get(column, column))
        if value is None or isinstance(value, np.ndarray):
            continue
        value = value.decode("ascii", "replace") if isinstance(value, bytes) else value
        value = str(value).strip() if kind is str else kind(value)
        if value != "" and value == value:
            meta[ours] = value
    return meta


def _table(content, start, name, wanted, *, most_rows):
    """Some columns of the binary table at ``start`` (lower-case names; ``names`` lists all), and where it ends."""
    header, start = header_at(content, start, name)
    if str(header.get("XTENSION")).strip() != "BINTABLE" or int(header["NAXIS"]) != 2 or int(header["BITPIX"]) != 8:
        raise ValueError(f"an HDU is not the binary table it must be but {header.get('XTENSION')!r}")
    width, rows, fields = (int(header[keyword]) for keyword in ("NAXIS1", "NAXIS2", "TFIELDS"))
    if not (0 < width < 1_000_000 and 0 < rows <= most_rows and 0 < fields <= _MOST_COLUMNS):
        raise ValueError(f"a table of {rows} rows of {width} bytes in {fields} columns (rows: at most {most_rows})")
    if start + width * rows > len(content):
        reason = f"truncated: {len(content)} bytes, the header promises at least {start + width * rows}"
        raise BadAnswerError(reason, name)
    raw = np.frombuffer(content, np.uint8, width * rows, start).reshape(rows, width)
    columns, offset, wanted = {"names": []}, 0, {w.lower() for w in wanted}
    for number in range(1, fields + 1):
        form = str(header[f"TFORM{number}"]).strip()
        column = str(header.get(f"TTYPE{number}", "")).strip().lower()
        digits = form[: len(form) - len(form.lstrip("0123456789"))]
        repeat, letter = int(digits or 1), form[len(digits) : len(digits) + 1]
        size = _bytes_of(letter, repeat)
        if offset + size > width:
            raise ValueError(f"column {number} of a table goes beyond its {width} bytes a row")
        columns["names"].append(column)
        if column in wanted and repeat and (letter == "A" or (letter in _LETTERS and repeat == 1)):
            dtype = np.dtype(f"S{repeat}" if letter == "A" else _LETTERS[letter])
            values = np.ascontiguousarray(raw[:, offset : offset + size]).view(dtype)[:, 0]
            columns[column] = values.astype(dtype.newbyteorder("="))
        offset += size
    return columns, start + -(-data_size(header) // BLOCK) * BLOCK


def _bytes_of(letter, repeat):
    """Width of a column (FITS standard 4.0, table 18)."""
    if letter == "X":
        return -(-repeat // 8)
    each = {"A": 1, "C": 8, "M": 16, "P": 8, "Q": 16}.get(letter)
    if each is None:
        if letter not in _LETTERS:
            raise ValueError(f"a column of unknown type {letter!r}")
        each = np.dtype(_LETTERS[letter]).itemsize
    return each * repeat
