# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What the writers of all formats share: plain columns, and metadata as text."""

import numpy as np
from astropy import units as u
from astropy.io.misc import yaml
from astropy.table import Column, MaskedColumn
from astropy.utils.masked import Masked

BLANKS = {"f": np.nan, "c": np.nan, "i": -1, "u": 0, "U": "", "S": b"", "b": False}
"""What lies under a mask in a file, by kind of dtype: readers that do not know masks see it."""


def split_mask(column):
    """Values of a Column or Quantity as a plain array, and its mask as a plain array, or None if it has none."""
    if isinstance(column, u.Quantity):
        return np.asarray(getattr(column, "unmasked", column).value), (
            np.array(column.mask) if isinstance(column, Masked) else None
        )
    return np.asarray(column), np.array(column.mask) if isinstance(column, MaskedColumn) else None


def plain_column(column, values, mask, **changed):
    """A plain column with another's attributes but for those changed; masked if ``mask`` is not None."""
    info = {"name": column.info.name, "unit": column.info.unit, "format": column.info.format}
    info |= {"description": column.info.description, "meta": dict(column.info.meta or {})} | changed
    return Column(values, **info) if mask is None else MaskedColumn(values, mask=mask, **info)


def is_text(values):
    """Whether an array of objects holds nothing but strings and None."""
    return all(value is None or isinstance(value, str) for value in values.flat)


def to_text(values):
    """An array of strings, bytes (UTF-8) or objects as str; None becomes ""."""
    if values.dtype.kind == "S":
        return np.char.decode(values, "utf-8", "replace")
    texts = ["" if value is None else str(value) for value in values.ravel().tolist()]
    return np.array(texts, dtype=str).reshape(values.shape)


def to_yaml(value):
    """One line of ASCII that `astropy.io.misc.yaml.load`, which builds no foreign objects, turns into the value."""
    return yaml.dump(value, default_flow_style=True, width=2**31, allow_unicode=False).removesuffix("\n...\n").strip()


def from_yaml(text):
    """The value that `to_yaml` wrote."""
    return yaml.load(text)
