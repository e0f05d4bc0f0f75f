# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Find the columns of a table that name its stars, and read them."""

import re
import warnings

import numpy as np
from astropy import units as u
from astropy.coordinates import Angle, IllegalMinuteWarning, IllegalSecondWarning, SkyCoord
from astropy.time import Time

from .exceptions import AmbiguousColumnsError, InputError

__all__ = [
    "POSITION_NAMES",
    "POSITION_UCDS",
    "find_column",
    "find_positions",
    "read_angle",
    "read_integers",
    "read_numbers",
]

POSITION_NAMES = (
    ("ra", "dec"),  # Gaia, SDSS, and most others
    ("raj2000", "dej2000"),  # VizieR
    ("_raj2000", "_dej2000"),  # computed by VizieR
    ("raj2000", "decj2000"),
    ("ra_icrs", "de_icrs"),  # VizieR's Gaia tables
    ("ra_icrs", "dec_icrs"),
    ("_ra_icrs", "_de_icrs"),  # computed by VizieR
    ("_ra", "_dec"),
    ("_ra", "_de"),  # computed by VizieR
    ("_ra.icrs", "_de.icrs"),  # computed by VizieR
    ("radeg", "dedeg"),  # VizieR
    ("ra_deg", "dec_deg"),
    ("ramean", "decmean"),  # Pan-STARRS1 mean objects
    ("rastack", "decstack"),  # Pan-STARRS1 stacks
    ("alpha_j2000", "delta_j2000"),  # SExtractor
    ("alphawin_j2000", "deltawin_j2000"),  # SExtractor, windowed
    ("s_ra", "s_dec"),  # ObsCore
    ("plug_ra", "plug_dec"),  # SDSS spectra
)
"""Column names that archives give to positions, lower case, right ascension and declination. All are taken as ICRS:
FK5 J2000 differs from it by less than 0.03 arcsec."""

POSITION_UCDS = (
    {"pos.eq.ra;meta.main", "pos_eq_ra_main"},
    {"pos.eq.dec;meta.main", "pos_eq_dec_main"},
)
"""UCDs of the main position, right ascension and declination: UCD1+ and the older UCD1, lower case."""

_RA_RANGE = (-360.0, 720.0)


def find_column(table, name):
    """The column with a name, whatever its case.

    Parameters
    ----------
    table : `~astropy.table.Table`
    name : str
        Lower case.

    Returns
    -------
    str or None
        The name as the table spells it; `None` if there is none. A column in just this case wins over its look-alikes.

    Raises
    ------
    stellarclass.exceptions.AmbiguousColumnsError
        If several columns differ from the name in case only.
    """
    matches = [column for column in table.colnames if column.lower() == name]
    if len(matches) > 1 and name not in matches:
        raise AmbiguousColumnsError(f"columns {_listed(matches)} differ in case only; rename all but one of them")
    return (name if name in matches else matches[0]) if matches else None


def find_positions(table, *, coords=None):
    """Find the columns that hold a table's positions.

    The first of these that is there decides: the columns named by ``coords``; a SkyCoord column; the columns with the
    UCDs ``pos.eq.ra;meta.main`` and ``pos.eq.dec;meta.main``; a pair of `POSITION_NAMES`, in any case.

    Parameters
    ----------
    table : `~astropy.table.Table`
        Any table.
    coords : str or tuple of str, optional
        Name of a SkyCoord column, or names of the right ascension and declination columns.

    Returns
    -------
    names : tuple of str
        One name (a SkyCoord column) or two (right ascension, declination).
    archival : bool
        Whether name or UCD mark two columns as an archive's: those are in degrees even if they do not say so.

    Raises
    ------
    stellarclass.exceptions.AmbiguousColumnsError
        If one step has several answers; the message lists them.
    stellarclass.exceptions.InputError
        If there is no answer, or ``coords`` names columns that are not there.
    TypeError
        If ``coords`` is neither a name nor a pair of names.

    Examples
    --------
    >>> from astropy.table import Table
    >>> from stellarclass.columns import find_positions
    >>> table = Table(names=["RAJ2000", "DEJ2000", "e_RAJ2000"])
    >>> find_positions(table)
    (('RAJ2000', 'DEJ2000'), True)
    """
    if coords is not None:
        return _explicit(table, coords)

    skycoords = [name for name in table.colnames if isinstance(table[name], SkyCoord)]
    if skycoords:
        return (_only(skycoords, "SkyCoord columns"),), False

    by_ucd = [[name for name in table.colnames if _ucd(table[name]) in ucds] for ucds in POSITION_UCDS]
    if all(by_ucd):
        kinds = ("right ascension columns (UCD pos.eq.ra;meta.main)", "declination columns (UCD pos.eq.dec;meta.main)")
        return tuple(_only(names, kind) for names, kind in zip(by_ucd, kinds, strict=True)), True

    present = {}
    for name in table.colnames:
        present.setdefault(name.lower(), []).append(name)
    pairs = [
        (ra, dec) for names in POSITION_NAMES for ra in present.get(names[0], ()) for dec in present.get(names[1], ())
    ]
    if pairs:
        return _only(pairs, "pairs of position columns"), True

    looked_for = ", ".join("/".join(pair) for pair in POSITION_NAMES)
    there = _listed(table.colnames) if table.colnames else "no columns at all"
    raise InputError(
        f"no positions in the table; it has {there}. Looked for a SkyCoord column, columns with the UCDs "
        f"pos.eq.ra;meta.main and pos.eq.dec;meta.main, and the names {looked_for} (in any case). "
        'Name the columns with coords=("ra column", "dec column"), on the command line with --columns. '
        "Identifiers alone (objid, source_id, run/camcol/field) do not say where a star is."
    )


def _explicit(table, coords):
    names = (coords,) if isinstance(coords, str) else coords
    if not isinstance(names, (tuple, list)) or not all(isinstance(n, str) for n in names) or len(names) not in (1, 2):
        raise TypeError(f"coords must be the name of a SkyCoord column or a pair of column names, got {coords!r}")
    names = tuple(names)
    absent = [name for name in names if name not in table.colnames]
    if absent:
        raise InputError(f"coords names {_listed(absent)}, but the table has {_listed(table.colnames)}")
    if len(names) == 1:
        if not isinstance(table[names[0]], SkyCoord):
            raise InputError(
                f"column {names[0]!r} is a {type(table[names[0]]).__name__}, not a SkyCoord; "
                "name a pair of columns, right ascension and declination"
            )
        return names, False
    if names[0] == names[1]:
        raise InputError(f"coords names {names[0]!r} twice; it takes right ascension and declination")
    archival = tuple(name.lower() for name in names) in POSITION_NAMES or all(
        _ucd(table[name]) in ucds for name, ucds in zip(names, POSITION_UCDS, strict=True)
    )
    return names, archival


def _ucd(column):
    """UCD of a column in lower case without blanks; "" if it has none."""
    ucd = (column.info.meta or {}).get("ucd")
    return ucd.replace(" ", "").lower() if isinstance(ucd, str) else ""


def _only(candidates, what):
    if len(candidates) > 1:
        listed = ", ".join("/".join(c) if isinstance(c, tuple) else c for c in candidates)
        raise AmbiguousColumnsError(f"several {what}: {listed}. Choose with coords=...")
    return candidates[0]


def _listed(names):
    names = list(names)
    shown = ", ".join(repr(name) for name in names[:30])
    return shown + (f" and {len(names) - 30} more" if len(names) > 30 else "")


def read_angle(table, name, *, kind, archival):
    """A position column in degrees, NaN where it is masked, unreadable or not on the sky.

    Parameters
    ----------
    table : `~astropy.table.Table`
    name : str
        A column of N numbers with an angular unit, or of N strings: sexagesimal (right ascension in hours unless the
        column's unit or the text says otherwise) or decimal degrees.
    kind : {"ra", "dec"}
        Right ascension must lie within -360 to 720 degrees, and is wrapped to 0 to 360; declination within -90 to 90.
    archival : bool
        Whether numbers without a unit are degrees.

    Returns
    -------
    ndarray, shape (N,), float64

    Raises
    ------
    stellarclass.exceptions.InputError
        If the column has no unit, or none that is an angle; if no string of it can be read.
    """
    column = table[name]
    values, masked = _plain(column, name)
    if values.dtype.kind in "USO":
        degrees = _parse_angles(values, masked, column, name, kind)
    else:
        unit = _unit(column)
        if unit is None:
            if not archival:
                raise InputError(
                    f'column {name!r} has no unit; say what it is in, e.g. table[{name!r}].unit = "deg" '
                    "(only columns with an archive's own names or UCDs are taken as degrees)"
                )
            unit = u.deg
        degrees = _scaled(values, unit, u.deg, name, "an angle")
    degrees[masked] = np.nan
    low, high = _RA_RANGE if kind == "ra" else (-90.0, 90.0)
    with np.errstate(invalid="ignore"):
        degrees[~((degrees >= low) & (degrees <= high))] = np.nan
        if kind == "ra":
            degrees %= 360.0
            degrees[degrees == 360.0] = 0.0  # what -1e-15 wraps to
    return degrees


def read_numbers(table, name, *, unit):
    """A column as float64 in a unit, NaN where it is masked or not finite.

    Parameters
    ----------
    table : `~astropy.table.Table`
    name : str
        A column of N numbers, or of strings of numbers. Without a unit of its own it is taken to be in ``unit``; a
        `~astropy.time.Time` column becomes Julian years.
    unit : `~astropy.units.Unit`

    Returns
    -------
    ndarray, shape (N,), float64

    Raises
    ------
    stellarclass.exceptions.InputError
        If the column's unit cannot be converted, or it holds no numbers.
    """
    column = table[name]
    if isinstance(column, Time):
        values, masked = np.array(column.unmasked.jyear, dtype=float), np.asarray(column.mask)
        own_unit = u.yr
    else:
        values, masked = _plain(column, name)
        own_unit = _unit(column)
    if values.dtype.kind in "USO":
        values = np.array([_number(text) for text in _texts(values, masked)])
    values = _scaled(values, unit if own_unit is None else own_unit, unit, name, f"convertible to {unit}")
    values[masked | ~np.isfinite(values)] = np.nan
    return values


def read_integers(table, name, *, missing):
    """A column of identifiers as int64.

    Parameters
    ----------
    table : `~astropy.table.Table`
    name : str
        A column of N integers, signed or not, of strings of digits, or of whole floats up to 2**53: beyond, a float
        has lost digits, so that its value is not the identifier any more.
    missing : int
        Stands where the column is masked, negative, or holds no such integer.

    Returns
    -------
    ndarray, shape (N,), int64

    Raises
    ------
    stellarclass.exceptions.InputError
        If the column does not have one value per row, or holds floats that have lost digits.
    """
    column = table[name]
    values, masked = _plain(column, name)
    result = np.full(len(values), missing, np.int64)
    if values.dtype.kind in "USO":
        for i, text in enumerate(_texts(values, masked)):
            if re.fullmatch(r"\+?[0-9]{1,19}", text) and int(text) <= np.iinfo(np.int64).max:
                result[i] = int(text)
        return result
    if values.dtype.kind == "f":
        if np.any(np.abs(values[~masked & np.isfinite(values)]) > 2**53):
            raise InputError(
                f"column {name!r} holds 64-bit identifiers as {values.dtype}, which cannot keep their last digits; "
                "read it as int64 or as text, or remove the column"
            )
        good = ~masked & (values >= 0) & (values == np.floor(values)) & np.isfinite(values)
    elif values.dtype.kind in "iu":
        good = ~masked & (values >= 0) & (values <= np.iinfo(np.int64).max)
    else:
        return result
    result[good] = values[good].astype(np.int64)
    return result


def _plain(column, name):
    """Values of a column as a plain array without unit or mask, and its mask."""
    if getattr(column, "ndim", None) != 1:
        raise InputError(f"column {name!r} has shape {getattr(column, 'shape', None)}; expected one value per row")
    mask = np.array(np.broadcast_to(getattr(column, "mask", False), column.shape), dtype=bool)
    values = getattr(column, "unmasked", column)
    if isinstance(values, u.Quantity):
        values = values.value
    elif isinstance(values, np.ma.MaskedArray):
        values = values.data
    values = np.asarray(values)
    return values, mask


def _unit(column):
    """Unit of a column, or None. Units that FITS and VOTable readers leave unparsed are tried once more."""
    unit = column.info.unit
    if unit is None or unit == u.dimensionless_unscaled:
        return None
    text = str(unit).strip().lower()
    return {"degrees": u.deg, "degree": u.deg, "hours": u.hourangle, "hour": u.hourangle}.get(text, unit)


def _scaled(values, unit, target, name, meaning):
    """Numbers in another unit; a copy."""
    if values.dtype.kind not in "iuf":
        raise InputError(f"column {name!r} holds {values.dtype}; expected numbers or text")
    try:
        # An hour of right ascension is often written as a plain hour of time.
        unit = u.hourangle if unit == u.hour and target == u.deg else u.Unit(getattr(unit, "function_unit", unit))
        return np.array(values, dtype=float) * unit.to(target)
    except (u.UnitConversionError, ValueError, TypeError) as err:
        raise InputError(f"column {name!r} is in {unit}, which is not {meaning}") from err


def _texts(values, masked):
    """Strings of a text column, "" where masked or None."""
    for value, hidden in zip(values.tolist(), masked.tolist(), strict=True):
        if isinstance(value, bytes):
            value = value.decode("utf-8", "replace")
        yield "" if hidden or value is None else str(value).strip()


def _number(text):
    try:
        return float(text)
    except ValueError:
        return np.nan


def _parse_angles(values, masked, column, name, kind):
    unit = _unit(column)
    hours = kind == "ra" and unit not in (u.deg, u.rad, u.arcmin, u.arcsec)
    degrees = np.full(len(values), np.nan)
    texts = 0
    for i, text in enumerate(_texts(values, masked)):
        if not text or text.lower() in ("nan", "null", "--"):
            continue
        texts += 1
        number = _number(text)
        if np.isfinite(number):
            degrees[i] = number * (15.0 if unit in (u.hourangle, u.hour) else 1.0)
            continue
        with warnings.catch_warnings():
            # 59.99 s rounds to 60 s in many a catalog; astropy reads it as meant.
            warnings.simplefilter("ignore", IllegalSecondWarning)
            warnings.simplefilter("ignore", IllegalMinuteWarning)
            try:
                degrees[i] = Angle(text, unit=u.hourangle if hours else u.deg).deg
            except (ValueError, u.UnitsError):
                continue
    if texts and not np.isfinite(degrees).any():
        first = next(text for text in _texts(values, masked) if text)
        raise InputError(f"column {name!r} holds text that is no angle, e.g. {first!r}; expected 12:34:56.7 or degrees")
    return degrees
