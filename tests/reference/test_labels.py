# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Classes out of the surveys' texts."""

import numpy as np
import pytest
from astropy.table import MaskedColumn, Table

from stellarclass.reference.labels import CONTRADICTING_TYPES, classes_of_lamost, classes_of_sdss, judge_simbad


@pytest.mark.parametrize(
    ("subclass", "name"),
    [
        ("A0", "A"), ("F9 (115617)", "F"), ("G2 (G_21.1)", "G"), ("K3V (1234)", "K"), ("M6:e", "M"), ("A0p", "A"),
        ("B9 (B_1)", "B"), ("O9.5 (O)", "O"), ("OB (2)", "O"), ("M0III (168720)", "M"), (" K1 ", "K"), ("F", "F"),
        ("WD (2244125)", ""), ("WDhotter", ""), ("CV (1)", ""), ("Carbon_lines", ""), ("CarbonWD", ""),
        ("L5.5 (x)", ""), ("T2", ""), ("", ""), ("AGN BROADLINE", ""), ("BROADLINE", ""), ("Gamma", ""), ("k1", ""),
    ],
)  # fmt: skip
def test_sdss_subclasses(subclass, name):
    assert classes_of_sdss([subclass]).tolist() == [name]


@pytest.mark.parametrize(
    ("subclass", "name"),
    [("A7V", "A"), ("G5", "G"), ("dM3", "M"), ("gM1", "M"), ("sdM2", "M"), ("F0", "F"), ("DA", ""), ("Non", ""),
     ("CV", ""), ("Carbon", ""), ("WD", ""), ("", ""), ("DoubleStar", "")],
)  # fmt: skip
def test_lamost_subclasses(subclass, name):
    assert classes_of_lamost([subclass]).tolist() == [name]


def test_real_labels_have_the_class_that_their_table_gives(real_data):
    """Two thousand texts of SDSS's own, read by somebody else."""
    table = Table.read(real_data / "labels" / "sdss_subclass_ugriz.ecsv")
    assert (classes_of_sdss(table["subclass"]) == np.asarray(table["label"])).all()


def test_real_lamost_labels(real_data):
    table = Table.read(real_data / "labels" / "lamost_subclass_ugriz.ecsv")
    assert (classes_of_lamost(table["subclass"]) == np.asarray(table["label"])).mean() == 1


def test_masked_texts_are_no_class():
    column = MaskedColumn(["A0", "F5"], mask=[True, False])
    assert classes_of_sdss(column).tolist() == ["", "F"]
    assert classes_of_lamost(column).tolist() == ["", "F"]
    assert judge_simbad(MaskedColumn(["QSO", "*"], mask=[True, False])).tolist() == ["", "agrees"]


def test_simbad_verdicts():
    types = ["*", "PM*", "EB*", "LM*", "RG*", "X", "QSO", "WD*", "CV*", "G", "WD?", "QSO?", "G?", "EB?", "?", ""]
    verdicts = judge_simbad(types)
    assert verdicts[:6].tolist() == ["agrees"] * 6
    assert verdicts[6:10].tolist() == ["contradicts"] * 4
    assert verdicts[10:13].tolist() == ["doubtful"] * 3  # QSO? is a candidate too
    assert verdicts[13:].tolist() == ["agrees", "agrees", ""]
    assert not CONTRADICTING_TYPES & {"*", "V*", "**", "SB*", "HB*", "RR*", "Em*", "Pe*"}
