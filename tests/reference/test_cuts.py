# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The rules and their values."""

import json

import numpy as np
import pytest
from astropy import units as u

from stellarclass.exceptions import InputError
from stellarclass.reference import STEPS, Cuts


def test_defaults_are_the_papers():
    """Deng et al. 2024, Section 2.1."""
    cuts = Cuts()
    assert cuts.parallax_over_error == 2
    assert cuts.pmra_error == cuts.pmdec_error == 0.2 * u.mas / u.yr
    assert cuts.ruwe == 1.4
    assert cuts.match_radius == 3 * u.arcsec
    assert cuts.reject_flags == ("saturated",)
    assert cuts.radius_flame
    assert cuts.quota == 46245 // 7


def test_every_rule_belongs_to_a_step_and_has_a_source():
    cuts = Cuts()
    settings = [cuts.settings(step) for step in STEPS]
    names = [name for step in settings for name in step]
    assert set(names) == set(Cuts.__dataclass_fields__)
    assert all(Cuts.source(name) for name in names)
    assert json.loads(json.dumps(settings)) == settings


def test_settings_are_in_fixed_units():
    cuts = Cuts(match_radius=0.05 * u.arcmin, pmra_error=200 * u.uas / u.yr, faint_limits=np.arange(5.0) * u.mag)
    assert cuts.settings("gaia")["match_radius"] == pytest.approx(3)
    assert cuts.settings("cuts")["pmra_error"] == pytest.approx(0.2)
    assert cuts.settings("photometry")["faint_limits"] == [0, 1, 2, 3, 4]
    assert Cuts(faint_limits=None).settings("photometry")["faint_limits"] is None


@pytest.mark.parametrize(
    ("values", "error", "words"),
    [
        ({"match_radius": 3.0}, TypeError, "must have a unit, such as arcsec"),
        ({"pmra_error": 0.2 * u.mas}, u.UnitsError, "mas"),
        ({"pmdec_error": -1 * u.mas / u.yr}, InputError, "pmdec_error must be one positive value"),
        ({"reject_flags": ("dusty",)}, InputError, "unknown photometric flag 'dusty'; known are bright, edge"),
        ({"reject_flags": "saturated"}, InputError, "must be a tuple of names"),
        ({"faint_limits": [22, 22] * u.mag}, InputError, "five magnitudes"),
        ({"quota": 0}, InputError, "quota must be a positive whole number or None, not 0"),
        ({"simbad": "ignore"}, InputError, "simbad = 'ignore' is none of drop, flag"),
        ({"ruwe": 0.0}, InputError, "ruwe must be positive"),
        ({"snr_min": np.nan}, InputError, "snr_min must be a finite number"),
    ],
)
def test_values_that_make_no_sense(values, error, words):
    with pytest.raises(error, match=words):
        Cuts(**values)
