# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`publish`: a table of one's own on a TAP service that lets its users make tables."""

import io
import re

import numpy as np

from ..exceptions import ArchiveError, InputError
from .votable import to_votable

__all__ = ["publish"]


def publish(table, service, *, name):
    """Create a table on a TAP service, and load its rows.

    The service has to offer VOSI tables that may be created and loaded, as those of the Canadian Astronomy Data Centre
    do (YouCat); pyvo makes the requests. The definition goes out as a VOTable with units, UCDs and descriptions,
    the rows as tab-separated text with all digits, missing values empty. If the rows are refused, the empty table is
    removed again.

    Parameters
    ----------
    table : `~astropy.table.Table`
        Not changed.
    service : str or object
        Address of the service, or a ``pyvo.dal.TAPService`` with credentials in its session.
    name : str
        Of the new table as the service wants it, such as ``"my_schema.stars"``.

    Raises
    ------
    stellarclass.exceptions.InputError
        If the name is none, or a column holds arrays, or text with tabs or line breaks.
    stellarclass.exceptions.ArchiveError
        If the service refuses, with its address and words.

    Examples
    --------
    >>> from stellarclass import vo
    >>> vo.publish(table, "https://ws.cadc-ccda.hia-iha.nrc-cnrc.gc.ca/youcat", name="me.stars")  # doctest: +SKIP
    """
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*){0,2}", name):
        raise InputError(
            f"table name {name!r} has to be of letters, digits and underscores, with its schema before a dot"
        )
    service = _service(service)
    votable = to_votable(table)
    rows = _tab_separated(votable.get_first_table())
    definition = _definition(votable)

    from pyvo.utils import activate_features

    activate_features("cadc-tb-upload")
    _call("create", service, name, lambda: service.create_table(name, definition, format="VOTable"))
    try:
        _call("load", service, name, lambda: service.load_table(name, rows, format="tsv"))
    except ArchiveError as err:
        try:
            _call("remove", service, name, lambda: service.remove_table(name))
        except ArchiveError as again:
            err.add_note(f"the table is still there, without rows: {again}")
        raise


def _service(service):
    from pyvo.dal import TAPService

    if not isinstance(service, str):
        return service
    if not re.match(r"https?://[^\s/]", service):
        raise InputError(f"service {service!r} is no address; expected http://... or https://...")
    return TAPService(service)


def _call(verb, service, name, ask):
    """One request, its failures as ours."""
    from requests import RequestException

    try:
        ask()
    except RequestException as err:
        words = getattr(err.response, "text", "") or ""
        detail = " ".join(re.sub(r"<[^>]*>", " ", words[:5000]).split())[:300]
        raise ArchiveError(
            f"could not {verb} table {name}: {err}" + (f": {detail}" if detail else ""), service.baseurl
        ) from err


def _definition(votable):
    """The VOTable without its rows."""
    buffer = io.BytesIO()
    element = votable.get_first_table()
    element.array = element.array[:0]
    votable.to_xml(buffer)
    return io.BytesIO(buffer.getvalue())


def _tab_separated(element):
    """The rows as a stream of text, names first."""
    columns = []
    for field, name in zip(element.fields, element.array.dtype.names, strict=True):
        values, mask = element.array.data[name], np.ma.getmaskarray(element.array)[name]
        if values.ndim > 1 or (values.dtype.kind == "O" and field.datatype not in ("char", "unicodeChar")):
            raise InputError(f"column {field.name!r} holds arrays, which cannot be loaded; remove it or split it up")
        if values.dtype.kind == "c":
            raise InputError(f"column {field.name!r} is complex, which cannot be loaded; remove it or split it up")
        if values.dtype.kind in "f":
            mask = mask | np.isnan(values)
        plain = [str(v) for v in values.tolist()] if values.dtype.kind != "f" else [repr(float(v)) for v in values]
        if values.dtype == np.float32:
            plain = [str(v) for v in values]
        cells = ["" if hidden else text for text, hidden in zip(plain, mask.tolist(), strict=True)]
        if any(re.search(r"[\t\r\n]", cell) for cell in cells) or re.search(r"[\t\r\n]", field.name):
            raise InputError(f"column {field.name!r} has tabs or line breaks in its text, which cannot be loaded")
        columns.append([field.name, *cells])
    lines = ["\t".join(row) for row in zip(*columns, strict=True)]
    return io.BytesIO(("\n".join(lines) + "\n").encode())
