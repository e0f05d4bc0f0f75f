# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The resource descriptor (RD) with which DaCHS, the server of many data centers, imports and publishes a table.

See https://docs.g-vo.org/DaCHS/ref.html for its elements. It is built as an XML tree, so that no text of a user can
become markup; and DaCHS's own macros, which begin with a backslash, are escaped as well.
"""

import re
from dataclasses import dataclass, field
from xml.etree import ElementTree

import numpy as np

from ..exceptions import InputError
from .names import is_regular

__all__ = ["Resource", "column_type", "main_position", "resource_descriptor"]

_TYPES = {
    "boolean": "boolean",
    "unsignedByte": "smallint",
    "short": "smallint",
    "int": "integer",
    "long": "bigint",
    "float": "real",
    "double": "double precision",
    "char": "text",
    "unicodeChar": "unicode",
}
"""Types of VOTable in DaCHS's words. There is no unsigned byte in SQL."""

_INTEGERS = {"smallint": np.int16, "integer": np.int32, "bigint": np.int64}

_GROUPS = (
    ("position", "Where the star is", r"ra|dec"),
    ("photometry", "SDSS PSF magnitudes", r"psfmag_\w+"),
    ("classification", "Spectral class and its probabilities", r"spectral_class|class_set|prob_\w+"),
    ("size", "Stellar radius", r"radius\w*"),
    ("astrometry", "Gaia's astrometry, as used", r"parallax\w*|pm|pmra|pmdec|ruwe|match_\w+|source_id"),
    ("imaging", "SDSS field of the pixels", r"run|rerun|camcol|field"),
)

_LICENSES = {
    "CC0-1.0": "https://creativecommons.org/publicdomain/zero/1.0/",
    "CC-BY-4.0": "https://creativecommons.org/licenses/by/4.0/",
    "CC-BY-SA-4.0": "https://creativecommons.org/licenses/by-sa/4.0/",
}

_NUMBERED = "\nyield {'c%d' % k: value for k, value in enumerate(row.values())}\n"


@dataclass(frozen=True)
class Resource:
    """What a resource descriptor says of a table beyond its columns.

    Attributes
    ----------
    schema, table : str
        Names as `stellarclass.vo.names.parse_table_name` returns them.
    title, description : str
    creators, subjects : tuple of str
        Names of people; keywords of the Unified Astronomy Thesaurus.
    license : str or None
        An SPDX identifier, an address, or words.
    date : str
        ISO 8601, UTC.
    data : str
        Path of the data, a VOTable or a FITS file, beside the descriptor.
    coverage : str
        A MOC in its ASCII form; empty if there is none.
    sources : tuple of str
        Bibcodes or citations of what the table was made with.
    """

    schema: str
    table: str
    title: str
    description: str
    creators: tuple
    subjects: tuple
    license: str | None
    date: str
    data: str
    coverage: str = ""
    sources: tuple = field(default=())


def column_type(column):
    """The SQL type of a column of a VOTable.

    Parameters
    ----------
    column : `~astropy.io.votable.tree.Field`

    Returns
    -------
    str

    Raises
    ------
    stellarclass.exceptions.InputError
        If a TAP service has no such type.
    """
    kind = _TYPES.get(column.datatype)
    size = column.arraysize
    if (
        kind is None
        or (size not in (None, "*") and not re.fullmatch("[0-9]+", size))
        or (size == "*" and kind not in ("text", "unicode"))
    ):
        shape = f"[{size}]" if size else ""
        raise InputError(
            f"a TAP service cannot hold column {column.name!r}, {column.datatype}{shape}; remove it or split it up"
        )
    return kind if size in (None, "*") else f"{kind}[{size}]"


def main_position(fields):
    """The columns of the main position in degrees.

    Parameters
    ----------
    fields : sequence of `~astropy.io.votable.tree.Field`

    Returns
    -------
    tuple of `~astropy.io.votable.tree.Field` or None
        Right ascension and declination, named by their UCDs; `None` where there is not just one of each.
    """
    found = []
    for axis in ("ra", "dec"):
        named = [f for f in fields if f.ucd == f"pos.eq.{axis};meta.main" and str(f.unit) == "deg" and not f.arraysize]
        if len(named) != 1:
            return None
        found += named
    return tuple(found)


def resource_descriptor(resource, votable):
    """The descriptor of a table, as the text of a file ``q.rd``.

    Parameters
    ----------
    resource : Resource
    votable : `~astropy.io.votable.tree.VOTableFile`
        With the one table, as `stellarclass.vo.to_votable` makes it.

    Returns
    -------
    str
        XML.

    Raises
    ------
    stellarclass.exceptions.InputError
        If a TAP service cannot hold a column.
    """
    element = votable.get_first_table()
    fields, array = element.fields, element.array
    root = ElementTree.Element("resource", schema=resource.schema)
    _add_metadata(root, resource)
    if resource.coverage:
        ElementTree.SubElement(ElementTree.SubElement(root, "coverage"), "spatial").text = resource.coverage

    position = main_position(fields)
    table = ElementTree.SubElement(root, "table", id=resource.table, onDisk="True", adql="True")
    if position:
        table.set("mixin", "//scs#q3cindex")
    ElementTree.SubElement(table, "publish", sets="ivo_managed,local")
    _meta(table, "description", resource.description)
    if position and all(is_regular(f.name) for f in position):
        _add_system(table, position, votable)
    for name in [f.name for f in fields if f.ucd in ("meta.id;meta.main", "meta.id.cross") and is_regular(f.name)]:
        ElementTree.SubElement(table, "index", columns=name)
    for f, name in zip(fields, array.dtype.names, strict=True):
        _add_column(table, f, array[name])
    _add_groups(table, fields)
    _add_data(root, resource, fields, len(array))
    if position:
        _add_cone_search(root, resource, position, array, fields)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=False) + "\n"


def _meta(parent, name, text):
    """A META element; None or an empty text is none."""
    if not text:
        return None
    element = ElementTree.SubElement(parent, "meta", name=name)
    # Macros are expanded in such texts; two backslashes are one.
    element.text = " ".join(_legal(text).split()).replace("\\", "\\\\")
    return element


def _legal(text):
    """Without what XML 1.0 cannot hold."""
    return re.sub("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\N{REPLACEMENT CHARACTER}", str(text))


def _add_metadata(root, resource):
    _meta(root, "title", resource.title)
    _meta(root, "creationDate", resource.date)
    _meta(root, "description", resource.description)
    for creator in resource.creators:
        element = ElementTree.SubElement(root, "meta", name="creator")
        _meta(element, "name", creator)
    for subject in resource.subjects:
        _meta(root, "subject", subject)
    for source in resource.sources:
        _meta(root, "source", source)
    if resource.license:
        _meta(root, "rights", resource.license)
        address = _LICENSES.get(resource.license, resource.license)
        if re.match(r"https?://\S+$", address):
            _meta(root, "rights.rightsURI", address)
    _meta(root, "type", "Catalog")
    _meta(root, "contentLevel", "Research")
    _meta(root, "coverage.waveband", "Optical")


def _add_system(table, position, votable):
    """Frame and epoch of the position, where the VOTable states them."""
    systems = {s.ID: s for r in votable.resources for s in r.coordinate_systems}
    system = systems.get(position[0].ref)
    if system is not None:
        epoch = f" Epoch {system.epoch}" if system.epoch else ""
        names = " ".join(f'"{f.name}"' for f in position)
        ElementTree.SubElement(table, "stc").text = f"Position {system.system}{epoch} {names}"


def _column_name(name):
    return name if is_regular(name) else f"quoted/{name}"


def _add_column(table, f, values):
    kind = column_type(f)
    unit = "" if f.unit is None else f.unit.to_string("vounit")
    attributes = {"name": _column_name(f.name), "type": kind, "unit": unit, "ucd": f.ucd or ""}
    attributes["tablehead"] = attributes["description"] = ""
    attributes["tablehead"], attributes["description"] = f.name, _legal(f.description or "")
    if f.utype:
        attributes["utype"] = f.utype
    if f.xtype:
        attributes["xtype"] = f.xtype
    element = ElementTree.SubElement(
        table, "column", {k: v for k, v in attributes.items() if v or k in ("ucd", "unit")}
    )
    if len(values) and not np.ma.getmaskarray(values).any() and (kind in _INTEGERS or kind == "boolean"):
        element.set("required", "True")
    elif kind in _INTEGERS:
        # A missing integer needs a number of its own where the answer has no flags.
        ElementTree.SubElement(element, "values", nullLiteral=str(_free_number(values, kind)))


def _free_number(values, kind):
    limits = np.iinfo(_INTEGERS[kind])
    taken = set(np.unique(values.compressed()).tolist())
    for number in (limits.min, limits.max):
        if number not in taken:
            return number
    return next(k for k in range(int(limits.min), int(limits.max)) if k not in taken)


def _add_groups(table, fields):
    names = [f.name for f in fields if is_regular(f.name)]
    for group, description, pattern in _GROUPS:
        members = [name for name in names if re.fullmatch(pattern, name)]
        if len(members) > 1:
            element = ElementTree.SubElement(table, "group", name=f"{group}_columns", description=description)
            for name in members:
                ElementTree.SubElement(element, "columnRef", dest=name)


def _add_data(root, resource, fields, rows):
    data = ElementTree.SubElement(root, "data", id="import")
    if not rows:
        # An empty table is made, not read: DaCHS takes a VOTable without DATA for none at all.
        ElementTree.SubElement(data, "make", table=resource.table)
        return
    ElementTree.SubElement(data, "sources").text = resource.data
    grammar = ElementTree.SubElement(data, "voTableGrammar")
    # By number: delimited names, and some words of Python, are no names there.
    numbering = ElementTree.SubElement(grammar, "rowfilter", name="number_columns")
    ElementTree.SubElement(numbering, "code").text = _NUMBERED
    maker = ElementTree.SubElement(ElementTree.SubElement(data, "make", table=resource.table), "rowmaker")
    for k, f in enumerate(fields):
        ElementTree.SubElement(maker, "map", key=_column_name(f.name), source=f"c{k}")


def _add_cone_search(root, resource, position, array, fields):
    if sum(f.ucd == "meta.id;meta.main" for f in fields) != 1:
        return  # the protocol wants just one name of each star
    service = ElementTree.SubElement(root, "service", id="cone", allowed="scs.xml,form")
    _meta(service, "shortName", f"{resource.table} cone"[:16])
    _meta(service, "title", f"{resource.title}: cone search")
    ra, dec = (array[f.name] for f in position)
    known = np.flatnonzero(~np.ma.getmaskarray(ra) & ~np.ma.getmaskarray(dec))
    if known.size:
        test = ElementTree.SubElement(service, "meta", name="testQuery")
        for key, value in (("ra", ra[known[0]]), ("dec", dec[known[0]]), ("sr", 0.01)):
            _meta(test, key, f"{float(value):.6f}")
    ElementTree.SubElement(service, "publish", render="scs.xml", sets="ivo_managed,local")
    core = ElementTree.SubElement(service, "scsCore", queriedTable=resource.table)
    ElementTree.SubElement(core, "FEED", source="//scs#coreDescs")
