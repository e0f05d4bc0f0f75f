# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""VOTable 1.4 with BINARY2 data, the one serialization that can mark missing strings."""

import re
import warnings

import numpy as np
from astropy.io import votable as vot
from astropy.table import QTable, Table

from .. import schema
from ..exceptions import InputError
from . import _origin
from ._binary2 import BinaryTable
from ._plain import from_yaml, split_mask, to_yaml
from ._votable_columns import EPOCH, TIMESYS, votable_columns

_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 cannot hold, not even escaped."""


def write(table, path):
    """Write a QTable; the metadata become INFO elements, those that are not text as YAML with ``xtype="yaml"``."""
    build(table).to_xml(str(path))


def build(table):
    """A QTable as a VOTable in memory, `~astropy.io.votable.tree.VOTableFile`."""
    parts = [part for column in table.itercols() for part in votable_columns(column)]
    names = [part.name for part in parts]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"several columns would be called {', '.join(twice)} in the VOTable; rename some")
    if unspeakable := [name for name in names if not name.strip() or _ILLEGAL.search(name)]:
        raise InputError(f"XML cannot hold column names {', '.join(map(repr, unspeakable))}; rename them")
    _origin.mark_positions(parts, table.meta)

    file = vot.tree.VOTableFile()  # version 1.4
    resource = vot.tree.Resource()
    file.resources.append(resource)
    with warnings.catch_warnings():
        # It makes up XML IDs for names that cannot be one, like B-V, and numbers those that come out equal, like Ä's
        # and ß's; names are what we and others read.
        warnings.simplefilter("ignore", vot.exceptions.W03)
        warnings.simplefilter("ignore", vot.exceptions.W32)
        ragged = any(part.dtype.kind == "O" and "_votable_string_dtype" not in part.meta for part in parts)
        # Without rows if it can be: astropy's own way of filling the array takes longer than all the rest.
        element = BinaryTable.from_table(file, Table(parts if ragged else [part[:0] for part in parts], copy=False))
        vot.tree.Field.uniqify_names(element.fields)
    resource.tables.append(element)
    for field in element.fields:
        if field.datatype == "bit":
            field.datatype = "boolean"  # which can be missing
        if field.description:
            field.description = _ILLEGAL.sub("\N{REPLACEMENT CHARACTER}", field.description)
    element.array = _array(parts, len(table))
    element.format = "binary2"
    _add_systems(resource, element.fields, parts)
    file.infos.extend(_origin.infos(table.meta))
    resource.infos.extend(_info(key, value) for key, value in table.meta.items())
    return file


def _array(parts, n):
    """All columns as the structured array that a TABLE element holds."""
    shapes = [(part.name, part.dtype.newbyteorder("="), part.shape[1:]) for part in parts]
    values = np.empty(n, dtype=shapes)
    masks = np.zeros(n, dtype=[(name, bool, shape) for name, _, shape in shapes])
    for part in parts:
        data, mask = split_mask(part)
        values[part.name] = data
        if mask is not None:
            masks[part.name] = mask
    return np.ma.MaskedArray(values, mask=masks)


def _add_systems(resource, fields, parts):
    """COOSYS and TIMESYS, where a column's system is known."""
    taken = {field.ID for field in fields}

    def free(name):
        while name in taken:
            name += "_"
        taken.add(name)
        return name

    config = {f"version_1_{minor}_or_later": True for minor in (1, 2, 3, 4)}
    frames, scales = {}, {}
    for field, part in zip(fields, parts, strict=True):
        meta = part.meta or {}
        if (epoch := meta.get(EPOCH)) is not None:
            if epoch not in frames:
                frames[epoch] = vot.tree.CooSys(ID=free("icrs"), system="ICRS", epoch=epoch or None, config=config)
            field.ref = frames[epoch].ID
        if (system := meta.get(TIMESYS)) is not None:
            if system not in scales:
                scale, place = system
                scales[system] = vot.tree.TimeSys(
                    ID=free("time"), timescale=scale, refposition=place, config={**config, "version": "1.4"}
                )
            field.ref = scales[system].ID
    resource.coordinate_systems.extend(frames.values())
    resource.time_systems.extend(scales.values())


_MEANING = {entry.name: entry.description for entry in schema.META}


def _info(key, value):
    plain = isinstance(value, str) and value.isprintable()
    info = _origin.info(key, value if plain else to_yaml(value), content=_MEANING.get(key))
    if not plain:
        info.xtype = "yaml"
    return info


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
    general = [] if _origin.is_ours(file.infos) else file.infos  # ours are made anew from the others
    for info in [*(info for resource in file.resources for info in resource.infos), *general, *tables[0].infos]:
        meta.setdefault(info.name, from_yaml(info.value) if info.xtype == "yaml" else info.value)
    if table.meta.get("description"):
        meta.setdefault("description", table.meta["description"])
    table.meta.clear()
    table.meta.update(meta)
    return QTable(table)
