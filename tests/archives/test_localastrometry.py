# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""A Gaia table on disk as a source."""

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.table import MaskedColumn, QTable, Table
from hypothesis import given, settings
from hypothesis import strategies as st

from stellarclass.archives import AstrometrySource, LocalAstrometry
from stellarclass.archives._candidates import COLUMNS
from stellarclass.astrometry import match, propagate
from stellarclass.exceptions import ArchiveError, InputError
from stellarclass.targets import Targets
from stellarclass.zeropoint import ecliptic_latitude, five_parameter_zero_point

RADIUS = 3 * u.arcsec
BARNARD = {"ra": 269.44850252543836, "dec": 4.739420051112412, "pmra": -801.551, "pmdec": 10362.394}


def stars(**columns):
    n = len(columns["ra"])
    return Table({"source_id": np.arange(1, n + 1), **columns})


def find(source, ra, dec, radius=RADIUS):
    return source.candidates(np.atleast_1d(ra), np.atleast_1d(dec), radius=radius)


def test_is_a_source():
    source = LocalAstrometry(stars(ra=[1.0], dec=[2.0]), name="mine")
    assert isinstance(source, AstrometrySource)
    assert (source.name, len(source)) == ("mine", 1)
    assert repr(source) == "<LocalAstrometry 'mine': 1 sources>"


@pytest.mark.parametrize("year", [1998.0, 2002.0, 2030.0])
def test_barnards_star_is_found_and_matched(year):
    ra, dec = propagate(*BARNARD.values(), 2016.0, year)
    source = LocalAstrometry(stars(**{k: [v] for k, v in BARNARD.items()}))
    found = find(source, ra, dec)
    assert found["target"].tolist() == [0]
    matched = match(Targets(ra=np.array([ra]), dec=np.array([dec])), found, year, radius=RADIUS)
    assert matched.match_separation[0] < 1e-6


def test_slow_stars_are_not_looked_for_that_far_out():
    source = LocalAstrometry(stars(ra=[0.0, 0.0], dec=[100 / 3600, 8.3 / 3600], pmra=[299.0, 299.0], pmdec=[0.0, 0.0]))
    assert find(source, 0.0, 0.0)["source_id"].tolist() == [2]


def test_columns_types_and_units():
    found = find(LocalAstrometry(stars(ra=[10.0], dec=[20.0])), 10.0, 20.0)
    assert found.colnames == ["target", *COLUMNS]
    for name, (dtype, unit, _) in COLUMNS.items():
        assert found[name].dtype == dtype
        assert found[name].unit == unit
    assert found["ref_epoch"].tolist() == [2016.0]
    for name in set(COLUMNS) - {"source_id", "ra", "dec", "ref_epoch"}:
        assert found[name].mask.tolist() == [True]


def test_missing_is_masked_however_it_is_written():
    table = stars(ra=[10.0] * 3, dec=[20.0] * 3, parallax=MaskedColumn([1.0, 2.0, np.nan], mask=[False, True, False]))
    found = find(LocalAstrometry(table), 10.0, 20.0)
    assert found["parallax"].mask.tolist() == [False, True, True]
    assert find(LocalAstrometry(stars(ra=[np.nan, 10.0], dec=[20.0, 20.0])), 10.0, 20.0)["source_id"].tolist() == [2]


def test_units_are_converted_and_the_input_is_left_alone():
    table = QTable({"SOURCE_ID": [7]})
    table["RA"], table["dec"] = [np.pi / 18] * u.rad, [20.0] * u.deg
    table["parallax"] = [0.002] * u.arcsec
    before = table.copy()
    found = find(LocalAstrometry(table), 10.0, 20.0)
    assert found["source_id"].tolist() == [7]
    assert found["parallax"][0] == pytest.approx(2.0)
    assert found["parallax"].unit == u.mas
    found["parallax"] = 0.0
    assert table.colnames == before.colnames
    assert table["parallax"][0] == before["parallax"][0]


# --- parallax zero point


def published(**columns):
    """A source as Gaia's archive gives it."""
    known = {"parallax": [1.0], "phot_g_mean_mag": [17.5], "bp_rp": [0.8], "nu_eff_used_in_astrometry": [1.62]}
    return stars(**({"ra": [10.0], "dec": [20.0]} | known | columns))


def test_a_table_is_taken_to_be_corrected():
    source = LocalAstrometry(published(), name="mine")
    assert find(source, 10.0, 20.0)["parallax"][0] == 1.0
    assert source.name == "mine"


def test_zero_points():
    source = LocalAstrometry(published(), name="mine", zero_point="lindegren")
    expected = five_parameter_zero_point(17.5, 1.62, ecliptic_latitude(10.0, 20.0))
    assert find(source, 10.0, 20.0)["parallax"][0] == pytest.approx(1.0 - expected)
    assert source.name == "mine (parallax zero point: lindegren)"
    source = LocalAstrometry(published(), zero_point="global")
    assert find(source, 10.0, 20.0)["parallax"][0] == pytest.approx(1.017)


def test_zero_points_in_other_units_and_cases():
    table = QTable(published(PSEUDOCOLOUR=[np.nan], astrometric_params_solved=[31]))
    table["parallax"], table["nu_eff_used_in_astrometry"] = [0.001] * u.arcsec, [0.00162] / u.nm
    expected = find(LocalAstrometry(published(), zero_point="lindegren"), 10.0, 20.0)["parallax"][0]
    found = find(LocalAstrometry(table, zero_point="lindegren"), 10.0, 20.0)
    assert found["parallax"][0] == pytest.approx(expected)
    assert found.colnames == ["target", *COLUMNS]


@pytest.mark.parametrize(
    ("zero_point", "lacking", "words"),
    [
        ("global", ["parallax"], "needs parallax, which mine lacks; 'none' needs nothing"),
        ("lindegren", ["parallax"], "needs parallax, which mine lacks"),
        (
            "lindegren",
            ["phot_g_mean_mag", "bp_rp", "nu_eff_used_in_astrometry"],
            r"needs phot_g_mean_mag, nu_eff_used_in_astrometry \(or bp_rp\), which mine lacks; 'global' needs parallax",
        ),
    ],
)
def test_columns_that_a_zero_point_needs(zero_point, lacking, words):
    table = published()
    table.remove_columns(lacking)
    with pytest.raises(InputError, match=words):
        LocalAstrometry(table, name="mine", zero_point=zero_point)
    LocalAstrometry(table, name="mine")


def test_a_zero_point_that_is_none_of_them():
    with pytest.raises(InputError, match="'none', 'global', 'lindegren'"):
        LocalAstrometry(published(), zero_point="some")


# --- files


@pytest.mark.parametrize("suffix", ["ecsv", "fits", "vot"])
def test_reads_files(tmp_path, suffix):
    path = tmp_path / f"rows.{suffix}"
    stars(ra=[10.0], dec=[20.0], parallax=[np.nan]).write(path, **({"format": "votable"} if suffix == "vot" else {}))
    source = LocalAstrometry(path)
    assert source.name == path.name
    assert find(source, 10.0, 20.0)["parallax"].mask.tolist() == [True]


def test_files_that_are_no_tables(tmp_path):
    with pytest.raises(ArchiveError, match=r"nothing\.fits"):
        LocalAstrometry(tmp_path / "nothing.fits")
    (tmp_path / "page.ecsv").write_text("<html>")
    with pytest.raises(ArchiveError, match=r"page\.ecsv"):
        LocalAstrometry(tmp_path / "page.ecsv")


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"ra": [1.0], "dec": [1.0]}, "lacks source_id; it has ra, dec"),
        ({"source_id": [1.0], "ra": [1.0], "dec": [1.0]}, "integer"),
        ({"source_id": MaskedColumn([1], mask=[True]), "ra": [1.0], "dec": [1.0]}, "masked"),
        ({"source_id": [5, 5], "ra": [1.0, 2.0], "dec": [1.0, 1.0]}, "source_id 5 2 times; astropy.table.unique"),
        ({"source_id": [1], "ra": [1.0], "RA": [1.0], "dec": [1.0]}, "both 'ra' and 'RA'"),
        ({"source_id": [1], "ra": ["1h"], "dec": [1.0]}, "must be a number in deg"),
        ({"source_id": [1], "ra": [1.0], "dec": [1.0], "parallax": [1.0] * u.km}, "must be a number in mas"),
    ],
)
def test_tables_that_cannot_be_used(table, message):
    with pytest.raises(InputError, match=message):
        LocalAstrometry(QTable(table))


@pytest.mark.parametrize("radius", [0 * u.arcsec, -1 * u.arcsec, 1 * u.deg, np.nan * u.deg])
def test_radii_that_make_no_sense(radius):
    with pytest.raises(InputError, match="6 arcmin"):
        find(LocalAstrometry(stars(ra=[1.0], dec=[1.0])), 1.0, 1.0, radius=radius)


def test_radius_has_a_unit():
    with pytest.raises(TypeError, match=r"3 \* u.arcsec"):
        find(LocalAstrometry(stars(ra=[1.0], dec=[1.0])), 1.0, 1.0, radius=3)


def test_nothing_in_nothing_out():
    some, none = stars(ra=[1.0], dec=[1.0]), stars(ra=np.zeros(0), dec=np.zeros(0))
    for table, n in ((some, 0), (none, 2), (none, 0)):
        found = find(LocalAstrometry(table), np.full(n, 50.0), np.zeros(n))
        assert len(found) == 0
        assert found.colnames == ["target", *COLUMNS]


angles = st.floats(0, 360), st.sampled_from([-90.0, -89.999, 0.0, 60.0, 89.999, 90.0])
offsets = st.floats(-0.08, 0.08)


@settings(max_examples=40)
@given(
    *angles,
    st.lists(st.tuples(offsets, offsets, st.sampled_from([0.0, 299.0, 301.0, 5000.0, np.nan])), max_size=20),
    st.lists(st.tuples(offsets, offsets), max_size=5),
)
def test_agrees_with_separations_one_by_one(ra, dec, some_stars, some_targets):
    centre = SkyCoord(ra, dec, unit="deg")
    star = centre.spherical_offsets_by(*np.array([s[:2] for s in some_stars]).reshape(-1, 2).T * u.deg)
    target = centre.spherical_offsets_by(*np.array(some_targets).reshape(-1, 2).T * u.deg)
    pm = np.array([s[2] for s in some_stars])
    source = LocalAstrometry(stars(ra=star.ra.deg, dec=star.dec.deg, pmra=np.zeros(len(pm)), pmdec=pm))
    found = find(source, target.ra.deg, target.dec.deg)
    reach = np.where(pm > 300, 3 + 10.4 * 18, 3 + 0.3 * 18)
    separation = target[:, None].separation(star[None, :]).arcsec
    expected = np.argwhere(separation <= reach)
    if not np.isclose(separation, reach, rtol=0, atol=1e-6).any():  # either answer is right on the edge
        assert list(zip(found["target"], found["source_id"] - 1, strict=True)) == [tuple(e) for e in expected]


def test_real_rows_find_themselves(real_data):
    path = real_data / "gaia" / "m2_west_gaia_edr3.ecsv"
    table = Table.read(path)
    source = LocalAstrometry(path)
    found = source.candidates(table["ra"].data, table["dec"].data, radius=RADIUS)
    every = Targets(ra=np.array(table["ra"]), dec=np.array(table["dec"]), ref_epoch=np.array(table["ref_epoch"]))
    matched = match(every, found, 2001.72, radius=RADIUS)
    assert (matched.source_id == table["source_id"]).all()
    assert (matched.match_separation == 0).all()
    assert np.isnan(matched.ruwe).all()
    assert found["ruwe"].mask.all()
