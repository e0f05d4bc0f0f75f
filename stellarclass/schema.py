# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The output table: every column and every metadata entry once, and `build_table`, which fills them.

FITS, VOTable, the docs and the tests all read this registry. Missing is masked, never 0 or -999; identifiers are int64
without a unit and named as their archive names them, so that they join.
"""

from dataclasses import dataclass

import numpy as np
from astropy import units as u
from astropy.table import Column as TableColumn
from astropy.table import MaskedColumn, QTable, Table
from astropy.utils.masked import Masked

from . import flags as _flags

__all__ = ["DEFAULT_CLASSES", "META", "Column", "MetaEntry", "build_table", "columns", "describe", "order_meta"]

DEFAULT_CLASSES = ("A", "F", "G", "K", "M")
"""Classes that the documentation shows; a table has one probability column per class of the ensemble that made it."""

_BAND_UCD = {"u": "em.opt.U", "g": "em.opt.B", "r": "em.opt.R", "i": "em.opt.I", "z": "em.opt.I"}


@dataclass(frozen=True)
class Column:
    """One column of the output table.

    Attributes
    ----------
    name : str
        Lower case, legal in ADQL without quotes.
    dtype : str
        NumPy type: ``"int64"``, ``"float64"`` or ``"str"``.
    unit : str
        Unit in a spelling that VOTable and FITS share; empty if there is none.
    ucd : str
        IVOA Unified Content Descriptor (UCD 1+, controlled vocabulary).
    description : str
        What it means.
    format : str
        How it prints; the stored value keeps its full precision.
    """

    name: str
    dtype: str
    unit: str
    ucd: str
    description: str
    format: str = ""


@dataclass(frozen=True)
class MetaEntry:
    """One entry of the output table's metadata.

    Attributes
    ----------
    name : str
        Key in ``table.meta``; name of the INFO element in a VOTable.
    dtype : type
        `str` or `float`.
    description : str
        What it means.
    """

    name: str
    dtype: type
    description: str


META = (
    MetaEntry("stellarclass_version", str, "Version of stellarclass that made the table."),
    MetaEntry("ensemble", str, "Name of the ensemble."),
    MetaEntry("ensemble_sha256", str, "SHA-256 of the ensemble's weights and card."),
    MetaEntry("label_system", str, "System that the classes belong to, e.g. sdss or pecaut_mamajek."),
    MetaEntry("class_prior", str, "Mix of classes that the probabilities are for; absent: that of the calibration."),
    MetaEntry("class_set_level", float, "Probability that class_set holds the star's class (conformal coverage)."),
    MetaEntry("radius_level", float, "Probability that radius_lower to radius_upper holds the star's radius."),
    MetaEntry("image_release", str, "Where the pixels came from, e.g. SDSS DR17."),
    MetaEntry("astrometry_release", str, "Where the astrometry came from, e.g. Gaia DR3."),
    MetaEntry("match_radius", float, "Largest separation of an astrometric match at the frame's epoch, in arcsec."),
    MetaEntry("position_epoch", float, "Julian year of ra and dec; absent: unknown, or not the same for all."),
    MetaEntry("date", str, "UTC date and time of the classification, ISO 8601."),
)
"""Entries of ``table.meta``, in order; one that does not apply is absent."""


def columns(classes=DEFAULT_CLASSES):
    """The columns of an output table, in order.

    Parameters
    ----------
    classes : sequence of str, optional
        Classes that the ensemble knows; each has a probability column.

    Returns
    -------
    tuple of Column

    Examples
    --------
    >>> from stellarclass.schema import columns
    >>> [c.name for c in columns(classes=("F", "G")) if c.name.startswith("prob_")]
    ['prob_f', 'prob_g']
    """
    classes = tuple(classes)
    names = ", ".join(classes)
    return (
        Column("objid", "int64", "", "meta.id;meta.main", "SDSS object identifier (DR8 and later)"),
        Column("source_id", "int64", "", "meta.id.cross", "Gaia source identifier of the match"),
        Column("ra", "float64", "deg", "pos.eq.ra;meta.main", "Right ascension of the target, ICRS", ".6f"),
        Column("dec", "float64", "deg", "pos.eq.dec;meta.main", "Declination of the target, ICRS", ".6f"),
        Column(
            "match_separation",
            "float64",
            "arcsec",
            "pos.angDistance",
            "Separation of target and Gaia source at the epoch of the image",
            ".3f",
        ),
        Column("match_count", "int64", "", "meta.number", "Gaia sources within the match radius; masked if none asked"),
        *(
            Column(
                f"psfmag_{band}",
                "float64",
                "mag",
                f"phot.mag;{_BAND_UCD[band]}",
                f"SDSS {band} PSF magnitude, of the catalog or else of the stamp",
                ".3f",
            )
            for band in _BAND_UCD
        ),
        Column("spectral_class", "str", "", "src.spType", f"Most probable class of {names}"),
        *(
            Column(
                f"prob_{name.lower()}",
                "float64",
                "",
                "stat.probability;src.spType",
                f"Calibrated probability of class {name}; the classes sum to 1",
                ".3f",
            )
            for name in classes
        ),
        Column(
            "class_set",
            "str",
            "",
            "meta.code;src.spType",
            "Classes not ruled out at class_set_level (conformal set)",
        ),
        Column("radius", "float64", "solRad", "phys.size.radius", "Stellar radius, mean of the ensemble", ".3f"),
        Column(
            "radius_err",
            "float64",
            "solRad",
            "stat.error;phys.size.radius",
            "Total standard deviation of radius, calibrated",
            ".3f",
        ),
        Column(
            "radius_lower",
            "float64",
            "solRad",
            "phys.size.radius;stat.min",
            "Lower end of the interval at radius_level",
            ".3f",
        ),
        Column(
            "radius_upper",
            "float64",
            "solRad",
            "phys.size.radius;stat.max",
            "Upper end of the interval at radius_level",
            ".3f",
        ),
        Column(
            "radius_spread",
            "float64",
            "solRad",
            "stat.stdev;phys.size.radius",
            "Standard deviation of radius between members",
            ".3f",
        ),
        Column(
            "radius_sb",
            "float64",
            "solRad",
            "phys.size.radius;meta.modelled",
            "Radius by the Stefan-Boltzmann law, for comparison",
            ".3f",
        ),
        Column("parallax", "float64", "mas", "pos.parallax.trig", "Gaia parallax, as used", ".4f"),
        Column("parallax_error", "float64", "mas", "stat.error;pos.parallax.trig", "Standard error of parallax", ".4f"),
        Column(
            "pmra",
            "float64",
            "mas/yr",
            "pos.pm;pos.eq.ra",
            "Gaia proper motion in right ascension times cos(dec)",
            ".3f",
        ),
        Column("pmdec", "float64", "mas/yr", "pos.pm;pos.eq.dec", "Gaia proper motion in declination", ".3f"),
        Column("pm", "float64", "mas/yr", "pos.pm", "Gaia total proper motion", ".3f"),
        Column("ruwe", "float64", "", "stat.fit.goodness", "Gaia renormalized unit weight error", ".3f"),
        Column("run", "int64", "", "meta.id;obs.field", "SDSS imaging run of the pixels"),
        Column("rerun", "int64", "", "meta.id;obs.field", "SDSS processing rerun of the pixels"),
        Column("camcol", "int64", "", "meta.id;obs.field", "SDSS camera column of the pixels"),
        Column("field", "int64", "", "meta.id;obs.field", "SDSS field number of the pixels"),
        Column("inputs_used", "int64", "", "meta.code", "What the answer rests on; bits of stellarclass.flags.INPUTS"),
        Column("flags", "int64", "", "meta.code.qual", "Quality of the answer; bits of stellarclass.flags.FLAGS"),
    )


def describe(*, classes=DEFAULT_CLASSES):
    """The columns of the output table as a table: name, type, unit, UCD and meaning.

    Parameters
    ----------
    classes : sequence of str, optional
        Classes that the ensemble knows.

    Returns
    -------
    `~astropy.table.Table`

    Examples
    --------
    >>> from stellarclass.schema import describe
    >>> table = describe()
    >>> print(table[table["name"] == "radius"]["unit", "ucd"][0])
     unit        ucd
    ------ ----------------
    solRad phys.size.radius
    """
    fields = ("name", "dtype", "unit", "ucd", "description")
    return Table([[getattr(c, field) for c in columns(classes)] for field in fields], names=fields)


def order_meta(meta):
    """Check the metadata of a table and put it in the order of `META`.

    Parameters
    ----------
    meta : mapping
        Values by name. `None` stands for one that does not apply.

    Returns
    -------
    dict

    Raises
    ------
    ValueError
        If a name is not in `META`.
    TypeError
        If a value has the wrong type.

    Examples
    --------
    >>> from stellarclass.schema import order_meta
    >>> order_meta({"label_system": "sdss", "ensemble": "default"})
    {'ensemble': 'default', 'label_system': 'sdss'}
    """
    unknown = set(meta) - {entry.name for entry in META}
    if unknown:
        raise ValueError(
            f"metadata {', '.join(sorted(unknown))} not in the schema; add an entry to stellarclass.schema.META"
        )
    ordered = {}
    for entry in META:
        value = meta.get(entry.name)
        if value is None:
            continue
        if isinstance(value, str) is not (entry.dtype is str):
            raise TypeError(f"metadata {entry.name} is {value!r}; expected {entry.dtype.__name__}")
        ordered[entry.name] = entry.dtype(value)
    return ordered


def build_table(targets, *, astrometry, prediction, flags, inputs_used, radius_sb, psfmag, meta):
    """Put the results of N stars into the output table.

    Parameters
    ----------
    targets : stellarclass.targets.Targets
        The N targets, their fields located. Negative identifiers are missing ones.
    astrometry : stellarclass.astrometry.Astrometry
        The N matches.
    prediction : stellarclass.nets.prediction.Prediction
        The N answers; a star without an answer has NaN in it.
    flags, inputs_used : ndarray, shape (N,), int
        Bits of `stellarclass.flags`. Stars with one of the bits in ``stellarclass.flags.FATAL`` get no result.
    radius_sb : ndarray, shape (N,), float
        Stefan-Boltzmann radius in solar radii; NaN where unknown.
    psfmag : ndarray, shape (N, 5), float
        PSF magnitudes ugriz; NaN where unknown.
    meta : mapping
        Provenance, see `META`.

    Returns
    -------
    `~astropy.table.QTable`
        One row per target, in order, with units; what is missing is masked.

    Raises
    ------
    ValueError
        If an array does not have N rows, or a metadata name is unknown.
    TypeError
        If a metadata value has the wrong type.
    """
    n = len(targets.ra)
    classes = tuple(prediction.classes)
    flags = np.asarray(flags)
    values = {
        "objid": targets.objid,
        "source_id": astrometry.source_id,
        "ra": targets.ra,
        "dec": targets.dec,
        "match_separation": astrometry.match_separation,
        "match_count": astrometry.match_count,
        **{f"psfmag_{band}": np.asarray(psfmag)[:, i] for i, band in enumerate(_BAND_UCD)},
        **_classification(prediction),
        "radius": prediction.radius,
        "radius_err": prediction.radius_err,
        "radius_lower": prediction.radius_lower,
        "radius_upper": prediction.radius_upper,
        "radius_spread": prediction.radius_spread,
        "radius_sb": radius_sb,
        "parallax": astrometry.parallax,
        "parallax_error": astrometry.parallax_error,
        "pmra": astrometry.pmra,
        "pmdec": astrometry.pmdec,
        "pm": np.hypot(astrometry.pmra, astrometry.pmdec),
        "ruwe": astrometry.ruwe,
        "run": targets.run,
        "rerun": targets.rerun,
        "camcol": targets.camcol,
        "field": targets.field,
        "inputs_used": inputs_used,
        "flags": flags,
    }
    for name, value in values.items():
        if np.shape(value) != (n,):
            raise ValueError(f"{name} has shape {np.shape(value)}, expected ({n},): one value per target")

    failed = (flags & _flags.FATAL) != 0
    # Nobody was asked for a match where there was no epoch to match at, or no archive to ask: 0 would be a lie.
    unasked = _flags.BAD_COORDINATE | _flags.NO_IMAGE | _flags.IMAGE_FAILURE | _flags.ASTROMETRY_FAILURE
    count = np.asarray(astrometry.match_count)
    masks = {"match_count": (count < 0) | ((count == 0) & ((flags & unasked) != 0))}

    table = QTable(meta=order_meta({"position_epoch": _common_epoch(targets), **meta}))
    for column in columns(classes):
        value = values[column.name]
        mask = masks.get(column.name, _missing(value, column.dtype))
        if column.name in _RESULTS or column.name.startswith("prob_"):
            mask = mask | failed
        table[column.name] = _column(value, mask, column)
    return table


_RESULTS = {
    "spectral_class",
    "class_set",
    "radius",
    "radius_err",
    "radius_lower",
    "radius_upper",
    "radius_spread",
    "radius_sb",
}
_NEVER_MISSING = {"flags", "inputs_used"}


def _common_epoch(targets):
    """Julian year that all positions share; None if one is of another, or of an unknown one."""
    epochs = np.unique(targets.ref_epoch[np.isfinite(targets.ra) & np.isfinite(targets.dec)])
    return float(epochs[0]) if len(epochs) == 1 and np.isfinite(epochs[0]) else None


def _classification(prediction):
    """Class columns of a prediction, "" where it has no finite probabilities."""
    classes = np.array(prediction.classes, dtype=str)
    probabilities = np.asarray(prediction.probabilities, dtype=float).reshape(-1, len(classes))
    answered = np.isfinite(probabilities).all(axis=1)
    # At least two characters wide: VOTable readers warn about one-character string columns.
    best = np.full(len(probabilities), "", dtype=f"U{max(2, *map(len, classes))}")
    best[answered] = classes[np.argmax(probabilities[answered], axis=1)]
    sets = np.full(len(probabilities), "", dtype=f"U{max(2, sum(map(len, classes)))}")
    for i, name in enumerate(classes):
        sets = np.where(answered & np.asarray(prediction.class_sets)[:, i], np.strings.add(sets, name), sets)
    return {
        "spectral_class": best,
        **{f"prob_{name.lower()}": np.where(answered, probabilities[:, i], np.nan) for i, name in enumerate(classes)},
        "class_set": sets,
    }


def _missing(value, dtype):
    """Where a value stands for none: NaN, infinity, a negative identifier, an empty string."""
    value = np.asarray(value)
    if dtype == "float64":
        return ~np.isfinite(value)
    if dtype == "int64":
        return value < 0
    return value == ""


def _column(value, mask, column):
    """One column of the table, with its unit, mask, UCD, format and description."""
    value = np.array(value) if column.dtype == "str" else np.array(value, dtype=column.dtype)
    if column.name in _NEVER_MISSING:
        result = TableColumn(value)
    else:
        # Nothing may shine through the mask, whoever reads the file.
        value[mask] = {"float64": np.nan, "int64": -1, "str": ""}[column.dtype]
        result = Masked(value, mask=mask) << u.Unit(column.unit) if column.unit else MaskedColumn(value, mask=mask)
    result.info.description = column.description
    result.info.meta = {"ucd": column.ucd}
    result.info.format = column.format or None
    return result
