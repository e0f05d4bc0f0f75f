# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Compare output tables cell by cell."""

import numpy as np

ANSWERS = ("prob_", "radius", "class_set")  # what passes through the networks, in float32


def plain(column):
    """Values and mask of a column, without its unit."""
    mask = np.broadcast_to(np.array(getattr(column, "mask", False)), column.shape)
    values = np.asarray(getattr(getattr(column, "unmasked", column), "value", np.ma.getdata(column)))
    return values, mask


def assert_same_rows(table, expected, *, answers=0.0, others=0.0, leave_out=()):
    """Same columns, units, masks and values.

    Parameters
    ----------
    table, expected : QTable
    answers, others : float
        Relative tolerance of the networks' answers, and of all other real numbers; 0 means equal bit for bit.
    leave_out : sequence of str
        Columns that are not compared.
    """
    assert table.colnames == expected.colnames
    assert len(table) == len(expected)
    radius = plain(expected["radius"])[0]
    for name in table.colnames:
        if name in leave_out:
            continue
        assert table[name].unit == expected[name].unit, name
        (values, mask), (right, right_mask) = plain(table[name]), plain(expected[name])
        np.testing.assert_array_equal(mask, right_mask, err_msg=f"mask of {name}")
        tolerance = answers if name.startswith(ANSWERS) else others
        if values.dtype.kind == "f" and tolerance:
            # A probability has no scale but 1; the spread of radii is a difference of them, exact to what they are.
            scale = {"prob": 1.0, "radius": radius}.get(name.partition("_")[0], np.abs(right))
            error = np.abs(values - right)[~mask] / np.broadcast_to(scale, mask.shape)[~mask]
            np.testing.assert_array_less(error, tolerance, err_msg=name)
        else:
            np.testing.assert_array_equal(values[~mask], right[~mask], err_msg=name)
