# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What a person types for a position or a file."""

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.table import Table
from hypothesis import given
from hypothesis import strategies as st

from stellarclass.cli.classify import parse_positions, read_targets
from stellarclass.exceptions import InputError


@pytest.mark.parametrize(
    ("arguments", "ra", "dec"),
    [
        (["323.34 -0.73"], 323.34, -0.73),
        (["323.34", "-0.73"], 323.34, -0.73),
        (["323.34,-0.73"], 323.34, -0.73),
        (["  323.34   +0.73 "], 323.34, 0.73),
        (["21:33:27.0 -00:49:24"], 323.3625, -0.8233333),
        (["21 33 27.0 -00 49 24"], 323.3625, -0.8233333),
        (["21h33m27s -0d49m24s"], 323.3625, -0.8233333),
        (["323.3625d -0d49m24s"], 323.3625, -0.8233333),
        (["3.2334e2 -7.3e-1"], 323.34, -0.73),
    ],
)
def test_one_position(arguments, ra, dec):
    found = parse_positions(arguments)
    assert found.shape == (1,)
    assert found.separation(SkyCoord(ra, dec, unit="deg")).arcsec[0] < 0.001


def test_several_positions():
    found = parse_positions(["323.34 -0.73", "10 20", "0:0:1 0:0:15"])
    np.testing.assert_allclose(found.ra.deg, [323.34, 10, 15 / 3600])
    np.testing.assert_allclose(found.dec.deg, [-0.73, 20, 15 / 3600])


@pytest.mark.parametrize(
    "arguments",
    [["323.34"], ["a b"], ["1 2 3"], ["10 95"], ["10 20", "30"], [""], ["nan nan"], ["inf 0"], ["1", "2", "3"]],
)
def test_what_is_no_position_is_an_input_error(arguments):
    with pytest.raises(InputError, match="position"):
        parse_positions(arguments)


@given(st.floats(0, 359.999), st.floats(-90, 90))
def test_degrees_come_back(ra, dec):
    found = parse_positions([f"{ra!r} {dec!r}"])
    assert found.ra.deg[0] == pytest.approx(ra, abs=1e-9)
    assert found.dec.deg[0] == pytest.approx(dec, abs=1e-9)


@pytest.mark.parametrize(
    ("name", "format"),
    [
        ("t.vot", "votable"),
        ("t.fits", "fits"),
        ("t.ecsv", "ascii.ecsv"),
        ("t.csv", "ascii.csv"),
        ("t.parquet", "parquet"),
    ],
)
def test_files_are_read_by_their_ending(tmp_path, name, format):
    table = Table({"objid": np.array([1237678617430032500, 2]), "ra": [323.34, 10.0], "dec": [-0.73, 20.0]})
    table.write(tmp_path / name, format=format)
    read, is_table = read_targets([str(tmp_path / name)])
    assert is_table
    assert read["objid"].dtype.kind == "i"
    assert list(read["objid"]) == [1237678617430032500, 2]


def test_input_format_overrules_the_ending(tmp_path):
    path = tmp_path / "stars.dat"
    path.write_text("ra dec\n323.34 -0.73\n")
    with pytest.raises(InputError, match="cannot tell the format"):
        read_targets([str(path)])
    read, _ = read_targets([str(path)], input_format="ascii")
    assert read["ra"][0] == 323.34


def test_a_missing_file_is_called_a_missing_file(tmp_path):
    with pytest.raises(InputError, match=r"there is no file .*stars\.csv"):
        read_targets([str(tmp_path / "stars.csv")])


def test_a_damaged_file_is_an_input_error_in_one_line(tmp_path):
    path = tmp_path / "stars.vot"
    path.write_text("<html>\n<body>no table</body>\n</html>")
    with pytest.raises(InputError, match=r"cannot read .*stars\.vot as votable"):
        read_targets([str(path)])
