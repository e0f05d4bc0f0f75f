# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`write_tap_bundle`: a folder that a data center can take as it is, and publish by TAP and cone search."""

import re
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from astropy import units as u

from .. import schema as _schema
from ..exceptions import InputError
from .coverage import table_coverage
from .descriptor import Resource, column_type, main_position, resource_descriptor
from .names import is_regular, parse_table_name
from .votable import to_votable

__all__ = ["write_tap_bundle"]

_SUBJECTS = ("stellar-classification", "stellar-radii", "surveys")

_README = """\
# {title}

{description}

Creators: {creators}. License: {license}.

| file | what it is |
|---|---|
| `{data}` | the table: {rows} rows, {columns} columns (VOTable 1.4, BINARY2) |
| `q.rd` | resource descriptor for [DaCHS](https://docs.g-vo.org/DaCHS/): TAP{cone}, units, UCDs, groups, coverage |
{moc}
## Publish it

    cp -r {folder} "$(dachs config inputsDir)/{schema}"
    dachs imp {schema}/q
    dachs pub {schema}/q

The folder has to be called `{schema}` there. Then the service's TAP endpoint knows the table `{schema}.{table}`:

    SELECT TOP 10 * FROM {schema}.{table}
{cone_note}{quoted}
Other servers read the VOTable; `q.rd` is plain XML and tells them what else to declare.

## Where it comes from

{origin}
"""


def write_tap_bundle(
    table,
    folder,
    *,
    name,
    creators,
    title=None,
    description=None,
    subjects=_SUBJECTS,
    license=None,
    overwrite=False,
):
    """Write a table and what a data center needs to publish it.

    The folder holds ``data/<table>.vot``, as `to_votable` makes it; ``q.rd``, a resource descriptor for DaCHS that
    declares TAP, a cone search where there are positions and identifiers, the frame and epoch of the positions, units,
    UCDs, descriptions and groups of columns; ``coverage.moc``, the part of the sky with stars; and ``README.md``, which
    says how to bring it in.

    A column whose name ADQL could not take as it is (a reserved word such as ``size``, capital letters, signs) keeps
    it, to be written in double quotes; ``README.md`` lists them.

    Parameters
    ----------
    table : `~astropy.table.Table`
        Not changed. An output table of `~stellarclass.classify`, or any other.
    folder : str or path-like
        Folder to write; made if it is not there.
    name : str
        Of the table in the service: ``"table"`` or ``"schema.table"``, in lower case, no reserved word.
    creators : sequence of str
        Who made it, as in "Deng, Z.-J.".
    title, description : str, optional
        What it is, in a line and in a paragraph; made up from the metadata of an output table if not given.
    subjects : sequence of str, optional
        Keywords, of the Unified Astronomy Thesaurus if possible.
    license : str, optional
        Under what it may be used: an SPDX identifier such as "CC-BY-4.0", an address, or words.
    overwrite : bool, optional
        Whether a folder that is not empty may be written to.

    Returns
    -------
    `~pathlib.Path`
        The folder.

    Raises
    ------
    FileExistsError
        If the folder is not empty and ``overwrite`` is false.
    stellarclass.exceptions.InputError
        If the name is none for ADQL, nobody is named as creator, or a TAP service cannot hold a column.
    ModuleNotFoundError
        If there are positions, and mocpy is not installed (``pip install stellarclass[vo]``).

    Examples
    --------
    >>> import tempfile
    >>> from astropy.table import QTable
    >>> from stellarclass import vo
    >>> table = QTable({"source_id": [4472832130942575872], "spectral_class": ["M4"]})
    >>> with tempfile.TemporaryDirectory() as parent:
    ...     folder = vo.write_tap_bundle(table, f"{parent}/new", name="nearby.stars", creators=["Doe, J."])
    ...     sorted(path.name for path in folder.rglob("*.*"))
    ['README.md', 'q.rd', 'stars.vot']
    """
    folder = Path(folder)
    schema, table_name = parse_table_name(name)
    votable = to_votable(table)
    element = votable.get_first_table()
    _check_names(element.fields)
    for field in element.fields:
        column_type(field)
    position = main_position(element.fields)
    moc = _coverage(element.array, position) if position else None
    date, origin = _origin(table.meta)
    resource = Resource(
        schema=schema,
        table=table_name,
        title=_one_line(title, "title") or _default_title(table, table_name),
        description=description or _default_description(table),
        creators=_texts(creators, "creators"),
        subjects=_texts(subjects, "subjects"),
        license=_one_line(license, "license") or None,
        date=date,
        data=f"data/{table_name}.vot",
        coverage=moc.to_string() if moc is not None else "",
        sources=tuple(info.value for info in votable.infos if info.name == "is_derived_from"),
    )
    descriptor = resource_descriptor(resource, votable)

    if folder.exists() and (not folder.is_dir() or (any(folder.iterdir()) and not overwrite)):
        raise FileExistsError(f"{folder} exists and is not an empty folder; allow to overwrite it, or choose another")
    (folder / "data").mkdir(parents=True, exist_ok=True)
    votable.to_xml(str(folder / resource.data))
    (folder / "q.rd").write_text(descriptor, "utf-8")
    if moc is not None:
        (folder / "coverage.moc").write_text(resource.coverage + "\n", "utf-8")
    readme = _readme(resource, element, folder, origin, cone='id="cone"' in descriptor)
    (folder / "README.md").write_text(readme, "utf-8")
    return folder


def _check_names(fields):
    """Names have to be told apart whatever their case, and fit into double quotes."""
    lower = [f.name.lower() for f in fields]
    twice = sorted({f.name for f in fields if lower.count(f.name.lower()) > 1})
    if twice:
        raise InputError(f"columns {', '.join(map(repr, twice))} differ in case only; rename all but one of them")
    bad = [f.name for f in fields if not f.name.isascii() or re.search(r'["\\]', f.name) or not f.name.isprintable()]
    if bad or max(map(len, lower), default=0) > 63:
        listed = ", ".join(map(repr, bad or [f.name for f in fields if len(f.name) > 63]))
        raise InputError(
            f"columns {listed}: names in a TAP service are ASCII, have no double quote, backslash or control "
            "character, and at most 63 characters; rename them"
        )


def _texts(texts, what):
    if isinstance(texts, str) or not all(isinstance(text, str) for text in texts):
        raise TypeError(f"{what} is {texts!r}; expected a list of texts")
    texts = tuple(text.strip() for text in texts if text.strip())
    if not texts:
        raise InputError(f"{what} is empty; the registry of the Virtual Observatory wants at least one")
    return texts


def _one_line(text, what):
    if text is not None and not isinstance(text, str):
        raise TypeError(f"{what} is {text!r}; expected text")
    return " ".join((text or "").split())


def _coverage(array, position):
    ra, dec = (np.ma.filled(array[f.name].astype(float), np.nan) << u.deg for f in position)
    return table_coverage(ra, dec)


def _is_ours(table):
    return "stellarclass_version" in table.meta


def _default_title(table, name):
    return "Spectral classes and radii of stars from SDSS images and Gaia" if _is_ours(table) else name


def _default_description(table):
    if not _is_ours(table):
        return f"A table of {len(table)} rows."
    meta = table.meta
    made = f"the ensemble {meta['ensemble']} of " if "ensemble" in meta else ""
    system = f", label system {meta['label_system']}" if "label_system" in meta else ""
    releases = [str(meta[key]) for key in ("image_release", "astrometry_release") if key in meta]
    sources = " and ".join(text for text in releases if "/" not in text)  # a folder of one's own tells nobody anything
    return (
        f"Spectral classes with calibrated probabilities{system}, and radii with calibrated intervals, of {len(table)} "
        f"stars, by {made}stellarclass {meta['stellarclass_version']}" + (f", from {sources}." if sources else ".")
    )


def _origin(meta):
    """When the table was made, and the entries of its metadata, each with its meaning."""
    known = [(e.name, meta[e.name], e.description) for e in _schema.META if e.name in meta]
    try:
        date = datetime.fromisoformat(meta["date"]).replace(tzinfo=UTC)
    except (KeyError, TypeError, ValueError):
        date = datetime.now(UTC)
    return date.strftime("%Y-%m-%dT%H:%M:%SZ"), known


def _readme(resource, element, folder, origin, *, cone):
    quoted = [f.name for f in element.fields if not is_regular(f.name)]
    return _README.format(
        title=resource.title,
        description=resource.description,
        creators="; ".join(resource.creators),
        license=resource.license or "not stated",
        data=resource.data,
        rows=len(element.array),
        columns=len(element.fields),
        cone=" and cone search" if cone else "",
        moc="| `coverage.moc` | the part of the sky with stars (MOC) |\n" if resource.coverage else "",
        folder=folder.name,
        schema=resource.schema,
        table=resource.table,
        cone_note=f"\nIts cone search is at `/{resource.schema}/q/cone/scs.xml`.\n" if cone else "",
        quoted=(
            "\nIn ADQL these columns are written in double quotes: " + ", ".join(f'`"{n}"`' for n in quoted) + ".\n"
            if quoted
            else ""
        ),
        origin="\n".join(f"- `{key}`: {value}. {what}" for key, value, what in origin) or "Nothing is stated.",
    )
