# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Tables of results, and results beside photometric ones."""

import numpy as np
import pytest
from astropy import units as u
from astropy.table import QTable, Table
from astropy.utils.masked import Masked
from skyspectra import observed, quasar, spec_bytes, star
from specutils import Spectrum

from stellarclass.exceptions import InputError, NotInArchiveError
from stellarclass.spectroscopy import (
    Templates,
    classify_spectra,
    classify_spectrum,
    compare_with,
    default_templates,
    read_spectrum,
)


@pytest.fixture(scope="module")
def few():
    full = default_templates()
    return Templates(full.subclasses[1::4], full.wavelength, full.flux[1::4])


@pytest.fixture(scope="module")
def result(few):
    return classify_spectrum(observed(star("G5"), 40), few)


def test_one_row_an_item_in_order(few, tmp_path):
    narrow = Spectrum(flux=np.ones(20) * u.Jy, spectral_axis=np.linspace(100, 200, 20) * u.AA)
    items = [
        read_spectrum(spec_bytes((618, 52049, 372), star("K2", velocity=100), subclass="K1")),
        NotInArchiveError("no such file", "http://127.0.0.1/spec"),
        observed(quasar(2.0), 20),
        narrow,
    ]
    table = classify_spectra(iter(items), few)
    assert isinstance(table, QTable)
    assert table["verdict"].tolist() == ["star", "failed", "no star", "failed"]
    assert table["plate"].tolist() == [618, None, None, None]
    assert table["sdss_subclass"][0] == "K1"
    assert table["subclass"].mask.tolist() == [False, True, True, True]
    assert table["radial_velocity"].unit == u.km / u.s
    assert table["radial_velocity"].unmasked[0].to_value("km/s") == pytest.approx(100, abs=60)
    assert np.all(np.isfinite(table["radial_velocity"].unmasked.value))
    assert "no such file" in table["reason"][1] and "usable pixels" in table["reason"][3]
    for ending in ("ecsv", "fits"):
        table.write(tmp_path / f"table.{ending}")
    again = QTable.read(tmp_path / "table.ecsv")
    assert again.colnames == table.colnames
    assert again["subclass"].mask.tolist() == [False, True, True, True]


def test_no_spectra_make_an_empty_table():
    table = classify_spectra([])
    assert len(table) == 0
    assert "radial_velocity" in table.colnames


def test_comparison_with_a_row(result):
    assert result.spectral_class == "G"
    table = QTable({
        "spectral_class": Masked(np.array(["G", "K", "F", ""]), mask=[False, False, False, True]),
        "class_set": ["G", "GK", "F", ""],
        "prob_g": Masked([0.9, 0.4, 0.1, 0.0], mask=[False, False, False, True]),
    })  # fmt: skip
    same, cooler, hotter, unknown = (compare_with(result, row) for row in table)
    assert (same.agree, same.steps, same.in_set, same.probability) == (True, 0, True, 0.9)
    assert (cooler.agree, cooler.steps, cooler.in_set) == (False, 1, True)
    assert (hotter.agree, hotter.steps, hotter.in_set) == (False, -1, False)
    assert (unknown.agree, unknown.steps, unknown.photometric, unknown.in_set) == (None, None, "", None)
    assert np.isnan(unknown.probability)
    assert str(same) == "both G (probability by photometry 0.90)"
    assert "photometry K" in str(cooler)
    assert str(unknown) == "spectrum G, photometry without a class"


def test_our_columns_behind_a_users_own(result):
    table = Table({"spectral_class": ["M"], "spectral_class_stellarclass": ["G"], "prob_g": [0.7]})
    assert compare_with(result, table[0]).agree


def test_what_cannot_be_compared(result, few):
    quasars = classify_spectrum(observed(quasar(2.0), 20), few)
    comparison = compare_with(quasars, {"spectral_class": "A", "class_set": "A", "prob_a": 0.9})
    assert comparison.agree is None and comparison.spectral == ""
    with pytest.raises(InputError, match="spectral_class"):
        compare_with(result, {"class": "G"})
