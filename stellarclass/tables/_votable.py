# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""VOTable 1.4 with BINARY2 data, the one serialization that can mark missing strings."""

import warnings

import numpy as np
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.io import votable as vot
from astropy.table import Column, MaskedColumn, QTable, Table
from astropy.time import Time

from ..exceptions import InputError
from ._plain import from_yaml, plain_column, split_mask, to_text, to_yaml

_WIDER = {"u2": "i4", "u4": "i8", "u8": "i8", "i1": "i2", "f2": "f4"}
"""VOTable's numbers: unsigned bytes, signed integers of 16 to 64 bits, floats of 32 and 64."""


def write(table, path):
    """Write a QTable; the metadata become INFO elements, those that are not text as YAML with ``xtype="yaml"``."""
    parts = [part for column in table.itercols() for part in _columns(column)]
    names = [part.name for part in parts]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"several columns would be called {', '.join(twice)} in the VOTable; rename some")
    with warnings.catch_warnings():
        # It makes up XML IDs for names that cannot be one, like B-V; names are what we and others read.
        warnings.simplefilter("ignore", vot.exceptions.W03)
        file = vot.from_table(Table(parts, copy=False))
    for key, value in table.meta.items():
        plain = isinstance(value, str) and value.isprintable()
        text = value if plain else to_yaml(value)
        info = vot.tree.Info(ID="info", name=key, value=text, config={"version_1_2_or_later": True})
        info.ID = None  # nobody refers to it, and it would have to differ from all others
        if not plain:
            info.xtype = "yaml"
        file.resources[0].infos.append(info)
    file.to_xml(str(path), tabledata_format="binary2")


def _columns(column):
    """A column as the one or more that VOTable can hold."""
    if isinstance(column, SkyCoord):
        return _split_skycoord(column)
    if isinstance(column, Time):
        return [_timestamps(column)]
    if not isinstance(column, (Column, u.Quantity)) or column.dtype.names:
        kind = type(column).__name__
        raise InputError(f"VOTable cannot hold column {column.info.name!r}, a {kind}; write ECSV, or remove the column")
    values, mask = split_mask(column)
    if values.dtype.kind in "USO" and values.ndim == 1:
        return [_text(column, to_text(values), mask)]
    code = f"{values.dtype.kind}{values.dtype.itemsize}"
    if code == "u8" and values.size and values.max() > np.iinfo(np.int64).max:
        return [_text(column, values.astype(str), mask)]
    return [plain_column(column, values.astype(_WIDER.get(code, code), copy=False), mask)]


def _text(column, values, mask):
    """Text of variable length: char where ASCII will do, else unicodeChar."""
    meta = dict(column.info.meta or {})
    meta["_votable_string_dtype"] = "char" if all(value.isascii() for value in values.tolist()) else "unicodeChar"
    meta.pop("_votable_arraysize", None)
    return plain_column(column, values.astype(object), mask, meta=meta)


def _timestamps(column):
    mask = np.array(column.mask)
    times = Time(column.unmasked, format="isot", precision=9)
    texts = np.where(mask, "", times.value)
    meta = {"ucd": "time.epoch", **(column.info.meta or {}), "xtype": "timestamp"}
    note = f"{column.info.description or column.info.name}; ISO 8601, time scale {column.scale}"
    return _text(MaskedColumn(texts, name=column.info.name, description=note, meta=meta), texts, mask)


def _split_skycoord(column):
    """A SkyCoord as ICRS right ascension and declination, and proper motion where it has one."""
    name, icrs = column.info.name, column.icrs
    parts = {"ra": (icrs.ra, u.deg, "pos.eq.ra"), "dec": (icrs.dec, u.deg, "pos.eq.dec")}
    if hasattr(icrs.data.differentials.get("s"), "d_lat"):
        parts["pmra"] = (icrs.pm_ra_cosdec, u.mas / u.yr, "pos.pm;pos.eq.ra")
        parts["pmdec"] = (icrs.pm_dec, u.mas / u.yr, "pos.pm;pos.eq.dec")
    result = []
    for part, (quantity, unit, ucd) in parts.items():
        values = np.array(getattr(quantity, "unmasked", quantity).to_value(unit))
        mask = ~np.isfinite(values) | np.array(getattr(quantity, "mask", False))
        note = f"{part} of {name}, ICRS" + (f": {column.info.description}" if column.info.description else "")
        attributes = {"name": f"{name}_{part}", "unit": unit, "description": note, "meta": {"ucd": ucd}}
        result.append(MaskedColumn(values, mask=mask, **attributes))
    return result


def read(path):
    """Read the one table of a VOTable of any version and serialization."""
    file = vot.parse(str(path), verify="ignore")
    tables = list(file.iter_tables())
    if len(tables) != 1:
        raise ValueError(f"it holds {len(tables)} tables; expected one")
    table = tables[0].to_table(use_names_over_ids=True)
    for column in table.itercols():
        if column.description:
            column.description = " ".join(column.description.split())  # astropy's writer folds lines
    meta = {}
    for info in [*(info for resource in file.resources for info in resource.infos), *file.infos, *tables[0].infos]:
        meta.setdefault(info.name, from_yaml(info.value) if info.xtype == "yaml" else info.value)
    if table.meta.get("description"):
        meta.setdefault("description", table.meta["description"])
    table.meta.clear()
    table.meta.update(meta)
    return QTable(table)
