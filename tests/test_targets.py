# Licensed under a 3-clause BSD style license - see LICENSE.rst
import copy

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import FK4, FK5, ICRS, AltAz, SkyCoord
from astropy.table import Column, MaskedColumn, QTable, Table
from astropy.time import Time
from astropy.utils.masked import Masked
from hypothesis import given, settings
from hypothesis import strategies as st

from stellarclass import flags
from stellarclass.columns import POSITION_NAMES, find_positions
from stellarclass.exceptions import AmbiguousColumnsError, InputError, StellarclassWarning
from stellarclass.targets import NO_ID, parse_targets

M2 = {"ra": [323.34], "dec": [-0.73]}


def table_with(**columns):
    return Table({**M2, **columns})


# SkyCoord


@pytest.mark.parametrize("coords", [SkyCoord("10d 20d"), SkyCoord(["10d"], ["20d"]), ICRS(10 * u.deg, 20 * u.deg)])
def test_one_position(coords):
    targets = parse_targets(coords)
    assert (targets.ra.tolist(), targets.dec.tolist(), targets.flags.tolist()) == ([10], [20], [0])
    assert np.isnan(targets.ref_epoch).all()
    assert (targets.objid == NO_ID).all()


@pytest.mark.parametrize("frame", ["galactic", FK5(equinox="J1975"), FK4, "barycentrictrueecliptic"])
def test_any_frame_becomes_icrs(frame):
    there = SkyCoord([10, 200] * u.deg, [20, -80] * u.deg).transform_to(frame)
    targets = parse_targets(
        SkyCoord(there.spherical.lon, there.spherical.lat, frame=there.frame.replicate_without_data())
    )
    np.testing.assert_allclose(targets.ra, [10, 200], atol=1e-8)
    np.testing.assert_allclose(targets.dec, [20, -80], atol=1e-8)


def test_epoch_and_proper_motion_are_kept():
    motion = {"pm_ra_cosdec": [3, np.nan] * u.arcsec / u.yr, "pm_dec": [-4, 1] * u.arcsec / u.yr}
    coords = SkyCoord([10, 11] * u.deg, [20, 21] * u.deg, obstime=Time([2016, 2015.5], format="jyear"), **motion)
    targets = parse_targets(coords)
    assert targets.ref_epoch.tolist() == [2016, 2015.5]
    np.testing.assert_allclose(targets.pmra, [3000, np.nan])
    np.testing.assert_allclose(targets.pmdec, [-4000, np.nan])
    rotated = parse_targets(coords[:1].galactic)
    np.testing.assert_allclose([rotated.pmra[0], rotated.pmdec[0]], [3000, -4000])
    assert rotated.ref_epoch[0] == 2016


def test_a_frames_default_time_is_not_an_epoch():
    assert np.isnan(parse_targets(SkyCoord("10d 20d", frame="fk4")).ref_epoch[0])
    assert parse_targets(SkyCoord("10d 20d", frame="fk4", obstime="J1983.5")).ref_epoch[0] == pytest.approx(1983.5)


def test_radial_velocity_alone_is_no_proper_motion():
    targets = parse_targets(SkyCoord("10d 20d", frame="galactic", radial_velocity=30 * u.km / u.s))
    assert np.isnan(targets.pmra).all()
    assert np.isfinite(targets.ra).all()


def test_proper_motion_that_cannot_be_converted_is_left_out_aloud():
    coords = SkyCoord(
        "10d 20d", frame="geocentrictrueecliptic", pm_lon_coslat=1 * u.mas / u.yr, pm_lat=1 * u.mas / u.yr
    )
    with pytest.warns(StellarclassWarning, match="proper motion"):
        targets = parse_targets(coords)
    assert np.isfinite(targets.ra).all()
    assert np.isnan(targets.pmra).all()


def test_bad_positions_are_flagged_not_raised():
    coords = SkyCoord(
        Masked([10, 11, np.nan], mask=[False, True, False]) * u.deg, [20, 21, 22] * u.deg, frame="galactic"
    )
    targets = parse_targets(coords)
    assert (targets.flags == [0, flags.BAD_COORDINATE, flags.BAD_COORDINATE]).all()
    assert np.isnan(targets.ra[1:]).all()
    assert np.isnan(targets.dec[1:]).all()


def test_frame_without_observer_is_an_input_error():
    with pytest.raises(InputError, match="altaz"):
        parse_targets(SkyCoord([1] * u.deg, [2] * u.deg, frame=AltAz()))


def test_coordinates_of_more_dimensions_are_an_input_error():
    with pytest.raises(InputError, match="ravel"):
        parse_targets(SkyCoord([[1, 2]] * u.deg, [[3, 4]] * u.deg))


@pytest.mark.parametrize("nothing", [ICRS(), SkyCoord([] * u.deg, [] * u.deg), Table({"ra": [], "dec": []})])
def test_nothing(nothing):
    if isinstance(nothing, ICRS):
        with pytest.raises(InputError, match="no positions"):
            parse_targets(nothing)
    else:
        targets = parse_targets(nothing)
        assert len(targets) == 0
        assert targets.psfmag.shape == (0, 5)


# What is not accepted


@pytest.mark.parametrize(
    ("thing", "hint"),
    [
        ([10.0, 20.0], "SkyCoord"),
        ((10.0, 20.0), "SkyCoord"),
        (np.zeros((3, 2)), "SkyCoord"),
        ([1, 2] * u.deg, r"SkyCoord\(ra, dec\)"),
        ("21h33m27s -00d49m24s", "SkyCoord"),
        (None, "NoneType"),
        (Table(M2)[0], "Row"),
    ],
)
def test_bare_numbers_are_a_type_error(thing, hint):
    with pytest.raises(TypeError, match=hint):
        parse_targets(thing)


def test_a_region_is_sent_to_its_own_function():
    regions = pytest.importorskip("regions")
    with pytest.raises(TypeError, match="classify_region"):
        parse_targets(regions.CircleSkyRegion(SkyCoord("1d 2d"), 1 * u.deg))


def test_coords_is_for_tables():
    with pytest.raises(TypeError, match="coords"):
        parse_targets(SkyCoord("1d 2d"), coords=("ra", "dec"))


# Which columns


@pytest.mark.parametrize("names", POSITION_NAMES)
@pytest.mark.parametrize("spell", [str.lower, str.upper, str.title])
def test_archive_names_are_degrees(names, spell):
    ra, dec = map(spell, names)
    targets = parse_targets(Table({"e_" + ra: [0.1], ra: [400.0], dec: [-5.0], ra + "_error": [0.2]}))
    assert (targets.ra[0], targets.dec[0]) == (40, -5)


def test_order_of_precedence():
    table = QTable({"RAJ2000": [1.0], "DEJ2000": [1.0]})
    assert parse_targets(table).ra[0] == 1
    table["alpha"], table["delta"] = [2] * u.deg, [2] * u.deg
    table["alpha"].info.meta, table["delta"].info.meta = {"ucd": "pos.eq.ra;meta.main"}, {"ucd": "POS_EQ_DEC_MAIN"}
    assert parse_targets(table).ra[0] == 2
    table["coord"] = SkyCoord([3] * u.deg, [3] * u.deg)
    assert parse_targets(table).ra[0] == 3
    assert parse_targets(table, coords=("alpha", "delta")).ra[0] == 2
    assert parse_targets(table, coords=("RAJ2000", "DEJ2000")).ra[0] == 1
    table["other"] = SkyCoord([4] * u.deg, [4] * u.deg)
    assert parse_targets(table, coords="other").ra[0] == 4


def test_half_a_ucd_pair_falls_back_to_names():
    table = Table(M2)
    table["x"] = Column([9.0], meta={"ucd": "pos.eq.ra;meta.main"})
    assert parse_targets(table).ra[0] == 323.34


@pytest.mark.parametrize(
    ("table", "candidates"),
    [
        (Table({**M2, "RAJ2000": [1.0], "DEJ2000": [1.0]}), "ra/dec.*RAJ2000/DEJ2000"),
        (Table({**M2, "RA": [1.0]}), "ra/dec.*RA/dec"),
        (QTable({"a": SkyCoord([1] * u.deg, [1] * u.deg), "b": SkyCoord([1] * u.deg, [1] * u.deg)}), "a, b"),
    ],
)
def test_ambiguity_lists_the_candidates(table, candidates):
    with pytest.raises(AmbiguousColumnsError, match=candidates):
        parse_targets(table)


def test_ambiguous_ucds():
    table = Table(M2)
    for name in ("ra1", "ra2", "dec1"):
        table[name] = Column([1.0], meta={"ucd": f"pos.eq.{name[:-1]};meta.main"})
    with pytest.raises(AmbiguousColumnsError, match="ra1, ra2"):
        parse_targets(table)


def test_no_positions_says_what_was_looked_for():
    with pytest.raises(InputError, match=r"'objid', 'mag'.*raj2000/dej2000.*coords="):
        parse_targets(Table({"objid": [1], "mag": [2.0]}))
    with pytest.raises(InputError, match="no columns"):
        parse_targets(Table())


@pytest.mark.parametrize("coords", [("ra", "nope"), "nope", ("ra", "ra"), "ra"])
def test_explicit_columns_that_do_not_work(coords):
    with pytest.raises(InputError):
        parse_targets(Table(M2), coords=coords)


@pytest.mark.parametrize("coords", [("ra", "dec", "z"), (1, 2), 3, ()])
def test_coords_that_name_nothing(coords):
    with pytest.raises(TypeError, match="coords"):
        parse_targets(Table(M2), coords=coords)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from([name for pair in POSITION_NAMES for name in pair]), unique=True))
def test_resolver_answers_or_says_why(names):
    pairs = [pair for pair in POSITION_NAMES if set(pair) <= set(names)]
    table = Table({name: [1.0] for name in names})
    if len(pairs) == 1:
        assert find_positions(table) == (pairs[0], True)
    else:
        with pytest.raises(AmbiguousColumnsError if pairs else InputError):
            find_positions(table)


# What is in them


@pytest.mark.parametrize(
    ("ra", "dec"),
    [
        ([11.25] * u.deg, [-45] * u.deg),
        ([0.75] * u.hourangle, [-45 * 60] * u.arcmin),
        ([0.75] * u.hour, [-np.pi / 4] * u.rad),
        (Column(["00:45:00"]), Column(["-45:00:00"])),
        (
            Column(["0 45 0.0"], unit="h:m:s", parse_strict="silent") if False else Column(["0 45 0.0"]),
            Column(["-45 0 0"]),
        ),
        (Column(["0h45m"]), Column([b"-45d"])),
        (Column(["11d15m"]), Column(["-45.0"])),
        (Column(["11:15:00"], unit="deg"), Column(["-45"])),
        (Column(["11.25"]), Column(["-45"])),
        (Column(["0.75"], unit="hourangle"), Column(["-45"])),
        (Column(["0:44:60"]), Column(["-44:59:60"])),
        (Column([11.25], unit="deg"), Column([-45], dtype=np.int32)),
    ],
)
def test_units_and_sexagesimal_text(ra, dec):
    targets = parse_targets(Table({"ra": ra, "dec": dec}))
    np.testing.assert_allclose([targets.ra[0], targets.dec[0]], [11.25, -45], rtol=1e-14)


def test_numbers_without_a_unit_need_an_archives_name():
    table = Table({"x": [1.0], "y": [2.0]})
    with pytest.raises(InputError, match=r'table\[.x.\]\.unit = "deg"'):
        parse_targets(table, coords=("x", "y"))
    assert parse_targets(Table({"ra": [1.0], "dec": [2.0], "c": [0]}), coords=("ra", "dec")).ra[0] == 1
    table["x"].unit = table["y"].unit = "deg"
    assert parse_targets(table, coords=("x", "y")).dec[0] == 2


@pytest.mark.parametrize("column", [[1.0] * u.mag, Column(["north"]), Column([[1.0, 2.0]]), Column([1j])])
def test_columns_that_hold_no_angles(column):
    with pytest.raises(InputError, match="'ra'"):
        parse_targets(QTable({"ra": column, "dec": [1.0]}))


def test_some_unreadable_text_is_flagged():
    table = Table({"ra": MaskedColumn(["1:0:0", "", "what", "2:0:0"], mask=[0, 0, 0, 1]), "dec": ["1", "1", "1", "1"]})
    assert parse_targets(table).flags.tolist() == [0, 1, 1, 1]


@pytest.mark.parametrize(
    ("ra", "dec"),
    [(np.nan, 0), (0, np.nan), (np.inf, 0), (0, 90.001), (0, -91), (-999, 0), (9999, 0), (-999, -999), (1e300, 0)],
)
def test_positions_off_the_sky_are_flagged(ra, dec):
    targets = parse_targets(Table({"ra": [float(ra), 1.0], "dec": [float(dec), 2.0]}))
    assert targets.flags.tolist() == [flags.BAD_COORDINATE, 0]
    assert np.isnan(targets.ra[0])
    assert np.isnan(targets.dec[0])


number = st.one_of(st.floats(), st.floats(-400, 800))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(number, number, st.booleans(), st.booleans()), max_size=8))
def test_one_target_per_row_never_an_exception(rows):
    ra, dec, hide_ra, hide_dec = (
        np.array([row[i] for row in rows], dtype=(float, float, bool, bool)[i]) for i in range(4)
    )
    table = Table({"ra": MaskedColumn(ra, mask=hide_ra), "dec": MaskedColumn(dec, mask=hide_dec)})
    before = copy.deepcopy(table)
    targets = parse_targets(table)
    assert len(targets) == len(rows)
    good = targets.flags == 0
    assert (np.isfinite(targets.ra) == good).all()
    assert (np.isfinite(targets.dec) == good).all()
    assert ((targets.ra[good] >= 0) & (targets.ra[good] < 360)).all()
    assert (np.abs(targets.dec[good]) <= 90).all()
    assert not good[hide_ra | hide_dec].any()
    assert (targets.dec[good] == dec[good]).all()
    # Rows are independent: the same alone.
    for i in range(len(rows)):
        alone = parse_targets(table[i : i + 1])
        assert np.array_equal([alone.ra[0], alone.dec[0]], [targets.ra[i], targets.dec[i]], equal_nan=True)
    assert (before["ra"].mask == table["ra"].mask).all()
    assert np.array_equal(before["ra"].data.data, table["ra"].data.data, equal_nan=True)


# What else is known


def test_identifiers():
    big = 1237653651835781245
    for column in (
        np.array([big], np.int64),
        np.array([big], np.uint64),
        [str(big)],
        [str(big).encode()],
        np.array([big], dtype=object),
    ):
        targets = parse_targets(table_with(objID=column, SOURCE_ID=column))
        assert targets.objid.dtype == targets.source_id.dtype == np.int64
        assert targets.objid[0] == targets.source_id[0] == big


def test_missing_identifiers():
    ids = MaskedColumn(np.array([5, 6, -9999, 0], np.int64), mask=[False, True, False, False])
    table = Table({"ra": [1.0] * 4, "dec": [1.0] * 4, "objid": ids, "source_id": ["7", "", "x8", "9" * 19]})
    targets = parse_targets(table)
    assert targets.objid.tolist() == [5, NO_ID, NO_ID, 0]
    assert targets.source_id.tolist() == [7, NO_ID, NO_ID, NO_ID]
    assert parse_targets(table_with(objid=np.array([2**63], np.uint64))).objid[0] == NO_ID


def test_identifiers_that_have_lost_digits_are_an_error():
    with pytest.raises(InputError, match=r"'objid'.*last digits"):
        parse_targets(table_with(objid=[1.237653651835781245e18]))
    assert parse_targets(table_with(objid=[12.0])).objid[0] == 12


def test_field_needs_run_camcol_and_field():
    targets = parse_targets(table_with(Run=[2583], CAMCOL=[2], field=["136"]))
    assert (targets.run[0], targets.rerun[0], targets.camcol[0], targets.field[0]) == (2583, NO_ID, 2, 136)
    assert parse_targets(table_with(run=[2583], camcol=[2], field=[136], rerun=["301"])).rerun[0] == 301
    # An everyday "field" or "run" column means nothing by itself, and nothing if only part of it is there.
    assert parse_targets(table_with(run=[3], field=["COSMOS"])).run[0] == NO_ID
    assert parse_targets(table_with(run=[3], camcol=[1], field=["COSMOS"])).run[0] == NO_ID


def test_magnitudes():
    table = QTable(M2)
    table["psfMag_u"] = [19.0] * u.mag
    table["PSFMAG_G"] = [18.0] * u.ABmag
    table["psfmag_r"] = ["17.5"]
    table["psfmag_i"] = [-9999.0]
    np.testing.assert_array_equal(parse_targets(table).psfmag, [[19.0, 18.0, 17.5, np.nan, np.nan]])
    with pytest.raises(InputError, match="psfmag_z"):
        parse_targets(table_with(psfmag_z=Column([1.0], unit="Jy")))


def test_epoch_and_motion_columns():
    table = QTable({"ra": [1.0, 1, 1], "dec": [2.0, 2, 2]})
    table["Ref_Epoch"] = [2016, 2016, -1] * u.yr
    table["pmra"] = Masked([1.0, 2.0, 3.0], mask=[False, True, False]) * u.arcsec / u.yr
    table["pmDec"] = [1.0, 2.0, np.nan]
    targets = parse_targets(table)
    np.testing.assert_array_equal(targets.ref_epoch, [2016, 2016, np.nan])
    np.testing.assert_allclose(targets.pmra, [1000, np.nan, np.nan])
    np.testing.assert_allclose(targets.pmdec, [1, np.nan, np.nan])
    times = QTable({"ra": [1.0], "dec": [2.0], "ref_epoch": Time([2010.5], format="jyear")})
    assert parse_targets(times).ref_epoch[0] == pytest.approx(2010.5)
    assert np.isnan(parse_targets(table["ra", "dec", "pmra"]).pmra).all()


def test_a_skycoord_columns_own_epoch_comes_first():
    coords = SkyCoord([1] * u.deg, [2] * u.deg)
    table = QTable({"c": coords, "ref_epoch": [2016.0] * u.yr, "objid": [5]})
    assert parse_targets(table).ref_epoch[0] == 2016
    assert parse_targets(table).objid[0] == 5
    table["c"] = SkyCoord([1] * u.deg, [2] * u.deg, obstime=Time(2000, format="jyear"))
    assert parse_targets(table).ref_epoch[0] == 2000


def test_names_that_differ_in_case_only():
    assert parse_targets(table_with(objid=[5], objID=[6])).objid[0] == 5
    with pytest.raises(AmbiguousColumnsError, match="objID"):
        parse_targets(table_with(OBJID=[5], objID=[6]))


def test_real_gaia_rows(real_data):
    table = QTable.read(real_data / "gaia" / "m2_west_gaia_edr3.ecsv")
    targets = parse_targets(table)
    assert len(targets) == len(table) == 4863
    assert not targets.flags.any()
    assert (targets.source_id == table["source_id"]).all()
    assert (targets.ref_epoch == 2016).all()
    assert np.isfinite(targets.pmra).all()
