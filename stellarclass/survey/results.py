# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The answers of a survey as an astropy table, for those that fit into memory."""

import numpy as np
from astropy import units as u
from astropy.table import Column, MaskedColumn, QTable
from astropy.utils.masked import Masked

from .. import schema as _schema
from ..exceptions import InputError
from . import part
from .layout import RESULTS, Layout
from .plan import load_plan
from .settings import load_run

__all__ = ["read_results"]

_FROM_RUN = (
    *("stellarclass_version", "ensemble", "ensemble_sha256", "label_system", "class_set_level", "radius_level"),
    *("image_release", "astrometry_release", "match_radius"),
)


def read_results(folder, *, results=RESULTS, columns=None):
    """Read all answers that a survey has so far, in the order of the target list.

    Parameters
    ----------
    folder : path-like
        The survey.
    results : str, optional
        Name of the folder of answers.
    columns : sequence of str, optional
        Some of the columns; the number of the target always comes along.

    Returns
    -------
    `~astropy.table.QTable`
        ``target``, the row of the list from 0, and the columns of `stellarclass.schema`; what is missing is masked.

    Raises
    ------
    stellarclass.exceptions.InputError
        If there are no answers, or they are those of another plan, or there is no such column.
    """
    import pyarrow as pa
    from pyarrow import parquet

    layout = Layout(folder, results=results)
    plan, units = load_plan(layout.root)
    run = load_run(layout, plan)
    paths = [path for unit in units["unit"].tolist() if (path := layout.part(unit)).is_file()]
    if not paths:
        raise InputError(f"there are no answers in {layout.results}; stellarclass survey run makes them")
    kinds = part.schema(run["classes"])
    wanted = list(kinds.names if columns is None else dict.fromkeys([part.NUMBER, *columns]))
    if absent := set(wanted) - set(kinds.names):
        raise InputError(f"there is no column {', '.join(sorted(absent))}; there are {', '.join(kinds.names)}")
    table = pa.concat_tables([parquet.read_table(path, columns=wanted) for path in paths]).sort_by(part.NUMBER)
    meta = {name: run[name] for name in _FROM_RUN if run.get(name) is not None}
    made = QTable(meta=_schema.order_meta(meta))
    about = {column.name: column for column in _schema.columns(run["classes"])}
    for name in wanted:
        made[name] = _column(table[name], about.get(name))
    return made


def _column(values, about):
    mask = np.asarray(values.is_null())
    if about is None or about.dtype == "int64":
        plain = values.fill_null(-1).to_numpy().astype(np.int64)
    elif about.dtype == "float64":
        plain = values.fill_null(np.nan).to_numpy().astype(np.float64)
    else:
        plain = values.fill_null("").to_numpy(zero_copy_only=False).astype(str)
        plain = plain.astype(f"U{max(2, plain.dtype.itemsize // 4)}")
    if about is None:
        return Column(plain, description="Row of the target list, from 0")
    column = Masked(plain, mask=mask) << u.Unit(about.unit) if about.unit else MaskedColumn(plain, mask=mask)
    if about.name in ("flags", "inputs_used"):
        column = Column(plain)
    column.info.description = about.description
    column.info.meta = {"ucd": about.ucd}
    column.info.format = about.format or None
    return column
