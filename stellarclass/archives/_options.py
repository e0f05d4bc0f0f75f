# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Options that the archives have in common, checked; None stays None and means the configuration."""

import operator

import numpy as np
from astropy import units as u

from ..exceptions import InputError

__all__ = ["patience", "seconds", "whole"]


def whole(name, value, *, least):
    """A whole number that is at least so large, as int."""
    if value is None:
        return None
    try:
        value = operator.index(value)
    except TypeError as err:
        raise InputError(f"{name} must be a whole number, got {value!r}") from err
    if value < least:
        raise InputError(f"{name} must be at least {least}, got {value}")
    return value


def seconds(name, value):
    """A time as float, in the seconds of the configuration."""
    if value is None:
        return None
    if not (isinstance(value, u.Quantity) and value.unit.is_equivalent(u.s)):
        raise u.UnitTypeError(f"{name} must be a time with a unit, such as 30 * u.s, not {value!r}")
    value = value.to(u.s)
    if not (value.isscalar and 0 < value.value < np.inf):
        raise InputError(f"{name} must be one time longer than nothing, got {value}")
    return float(value.value)


def patience(timeout, time_budget, retries):
    """The arguments of a `Transport`, as an archive's user gives them."""
    return {
        "timeout": seconds("timeout", timeout),
        "time_budget": seconds("time_budget", time_budget),
        "retries": whole("retries", retries, least=0),
    }
