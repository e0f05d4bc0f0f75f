# Licensed under a 3-clause BSD style license - see LICENSE.rst
import numpy as np
import pytest
from astropy import units as u
from astropy.table import MaskedColumn, QTable, Table
from hypothesis import given
from hypothesis import strategies as st
from loopback.tap import MicroTAP

from stellarclass import flags
from stellarclass.archives import LocalSAS, encode_objid
from stellarclass.archives.footprint import from_great_circle
from stellarclass.exceptions import InputError, TruncatedAnswerError
from stellarclass.survey import FieldList, TapQuery, load_plan, plan_survey
from stellarclass.survey.fieldlist import great_circle
from stellarclass.survey.layout import Layout, write_json
from stellarclass.survey.reading import read_list
from stellarclass.survey.targetfile import read_targets


def random_list(n=500, *, seed=1):
    rng = np.random.default_rng(seed)
    field = rng.integers(20, 40, n)
    objid = encode_objid(rng.choice([2583, 4510], n), rng.integers(1, 7, n), field, rng.integers(1, 900, n))
    table = Table({"objid": objid, "ra": rng.uniform(0, 360, n), "dec": rng.uniform(-5, 60, n)})
    table["source_id"] = MaskedColumn(rng.integers(1, 2**62, n), mask=rng.random(n) < 0.3)
    return table


def units_of(folder):
    plan, _ = load_plan(folder)
    return plan, [read_targets(Layout(folder).targets(unit)) for unit in range(plan.units)]


def test_every_target_is_in_one_unit_with_all_that_is_known_of_it(tmp_path):
    table = random_list()
    table["ra"][7] = np.nan
    plan_survey(table, tmp_path / "s", fields_per_unit=5, progress=False)
    plan, units = units_of(tmp_path / "s")
    numbers = np.concatenate([numbers for numbers, _ in units])
    assert sorted(numbers) == list(range(500)) and plan.targets == 500 and plan.placed == 499
    for numbers, targets in units:
        assert np.array_equal(targets.ra, table["ra"][numbers], equal_nan=True)
        assert (targets.objid == table["objid"][numbers]).all()
        assert (targets.source_id == table["source_id"].filled(-1)[numbers]).all()
        keys = np.stack([targets.run, targets.camcol, targets.field], axis=1)
        assert len(np.unique(keys, axis=0)) <= 5
    last = units[-1][1]  # that without a place
    assert len(last) == 1 and last.flags[0] == flags.BAD_COORDINATE


def test_a_field_is_in_one_unit_unless_it_has_too_many_stars(tmp_path):
    table = random_list(60)
    table["objid"][:30] = encode_objid(2583, 2, 33, np.arange(1, 31))
    plan_survey(table, tmp_path / "s", stars_per_unit=12, progress=False)
    _, units = units_of(tmp_path / "s")
    assert max(len(numbers) for numbers, _ in units) == 12
    homes = {}
    for unit, (_, targets) in enumerate(units):
        for key in zip(targets.run, targets.camcol, targets.field, strict=True):
            homes.setdefault(tuple(map(int, key)), set()).add(unit)
    crowded = homes.pop((2583, 2, 33))
    assert len(crowded) >= 3 and all(len(found) == 1 for found in homes.values())


@pytest.mark.parametrize("kind", ["parquet", "hats", "ecsv", "csv"])
def test_the_same_list_gives_the_same_plan_wherever_it_lies(kind, tmp_path):
    table = random_list(200)
    known = plan_survey(table, tmp_path / "table", progress=False)
    if kind == "csv":
        path = tmp_path / "stars.csv"
        table.write(path, format="ascii.csv")
    elif kind == "ecsv":
        path = tmp_path / "stars.ecsv"
        table.write(path)
    else:
        pa = pytest.importorskip("pyarrow")
        from pyarrow import parquet

        masked = [np.ma.getmaskarray(table[c]) for c in table.colnames]
        arrays = [pa.array(np.ma.getdata(table[c]), mask=m) for c, m in zip(table.colnames, masked, strict=True)]
        whole = pa.table([*arrays, pa.array([[1.0]] * 200)], names=[*table.colnames, "spectrum"])
        path = tmp_path / "stars.parquet"
        if kind == "parquet":
            parquet.write_table(whole, path, row_group_size=64)
        else:
            path = tmp_path / "catalog"
            (path / "dataset").mkdir(parents=True)
            whole = whole.rename_columns(["objid", "where_ra", "where_dec", "source_id", "spectrum"])
            for number in range(2):
                parquet.write_table(whole.slice(100 * number, 100), path / "dataset" / f"Npix={number}.parquet")
            parquet.write_metadata(whole.schema, path / "dataset" / "_common_metadata")
            (path / "hats.properties").write_text("#HATS\nhats_col_ra=where_ra\nhats_col_dec=where_dec\n")
    plan = plan_survey(path, tmp_path / "again", progress=False)
    assert plan.units_sha256 == known.units_sha256


def test_a_list_is_read_in_pieces(tmp_path):
    import pyarrow as pa
    from pyarrow import parquet

    parquet.write_table(pa.table({"ra": np.arange(1000.0) / 10, "dec": np.zeros(1000)}), tmp_path / "s.parquet")
    sizes = [len(targets) for targets in read_list(tmp_path / "s.parquet", chunk=300)]
    assert sum(sizes) == 1000 and max(sizes) <= 300


def test_targets_of_a_tap_query(tmp_path):
    table = random_list(40)["objid", "ra", "dec"]
    with MicroTAP({"sky.stars": table}, parse=False) as tap:
        plan = plan_survey(TapQuery(tap.url, "SELECT * FROM sky.stars"), tmp_path / "s", progress=False)
        assert plan.targets == 40 and "sky.stars" in plan.source
    from stellarclass.archives import tapquery

    with MicroTAP({"sky.stars": table}, parse=False) as tap, pytest.raises(TruncatedAnswerError, match="cut after"):
        tapquery.fetch_table(tap.url, "SELECT * FROM sky.stars", max_rows=10)


def test_positions_alone_need_somebody_who_knows_the_fields(sky, undisturbed, tmp_path):
    bare = sky.targets["ra", "dec"]
    with pytest.raises(InputError, match="--field-list"):
        plan_survey(bare, tmp_path / "s", progress=False)
    plan = plan_survey(bare, tmp_path / "tree", images=LocalSAS(sky.root), progress=False)
    assert plan.placed == 25 and plan.fields == 5  # the tree does not have the sixth
    again = plan_survey(bare, tmp_path / "list", field_list=field_list(sky), progress=False)
    assert again.placed == 30 and again.fields == 6


def field_list(sky):
    """The fields of `surveysky` on the equator's great circle: inclination 0."""
    from skyframes import SCALE, SHAPE
    from surveysky import CAMCOL, FIRST, ORIGIN, RUN

    k = np.arange(6)
    middle = ORIGIN[0] + k * SHAPE[0] * SCALE
    table = Table({"RUN": np.full(6, RUN), "CAMCOL": np.full(6, CAMCOL), "FIELD": FIRST + k})
    half = SHAPE[0] * SCALE / 2, SHAPE[1] * SCALE / 2
    table["MU_START"], table["MU_END"] = middle - half[0], middle + half[0]
    table["NU_START"], table["NU_END"] = ORIGIN[1] - half[1], ORIGIN[1] + half[1]
    table["NODE"], table["INCL"] = 95.0, 0.0
    return table


def test_the_field_list_takes_the_field_in_which_a_star_lies_deepest():
    from stellarclass.targets import parse_targets

    rows = [(1, 10, 9.9, 10.1), (2, 10, 10.05, 10.25), (3, 10, 10.24, 10.44)]
    table = Table(rows=[(r, 3, f, a, b, -0.1, 0.1, 95.0, 20.0) for r, f, a, b in rows])
    names = ("run", "camcol", "field", "mu_start", "mu_end", "nu_start", "nu_end", "node", "incl")
    table.rename_columns(table.colnames, names)
    ra, dec = from_great_circle(np.array([10.0, 10.06, 10.09, 10.3, 12.0]), np.zeros(5), 95.0, 20.0)
    targets = parse_targets(QTable({"ra": ra * u.deg, "dec": dec * u.deg}))
    FieldList(table).locate(targets, np.arange(5))
    assert targets.run.tolist() == [1, 1, 2, 3, -1] and (targets.rerun[:4] == 301).all()
    assert targets.flags.tolist() == [0, 0, 0, 0, flags.NO_IMAGE]


@given(st.floats(0, 360), st.floats(-89, 89), st.floats(0, 360), st.floats(-90, 90))
def test_great_circle_coordinates_come_back(ra, dec, node, incl):
    again_ra, again_dec = from_great_circle(*great_circle(ra, dec, node, incl), node, incl)
    assert abs((again_ra - ra + 180) % 360 - 180) * np.cos(np.radians(dec)) < 1e-9 and abs(again_dec - dec) < 1e-9


def test_bad_lists_and_plans_are_refused(tmp_path):
    with pytest.raises(InputError, match="no targets"):
        plan_survey(random_list(1)[:0], tmp_path / "s", progress=False)
    with pytest.raises(InputError, match="no list"):
        plan_survey(tmp_path / "absent.parquet", tmp_path / "s", progress=False)
    (tmp_path / "junk.parquet").write_bytes(b"PAR1 not at all")
    with pytest.raises(InputError, match="as Parquet"):
        plan_survey(tmp_path / "junk.parquet", tmp_path / "s", progress=False)
    with pytest.raises(InputError, match="no plan"):
        load_plan(tmp_path / "s")
    with pytest.raises(InputError, match="nu_start"):
        FieldList(Table({"run": [1], "camcol": [1], "field": [11], "mu_start": [1.0], "mu_end": [2.0]}))
    plan_survey(random_list(5), tmp_path / "s", progress=False)
    with pytest.raises(InputError, match="has a plan already"):
        plan_survey(random_list(5), tmp_path / "s", progress=False)
    write_json(Layout(tmp_path / "s").plan, {"format": 99})
    with pytest.raises(InputError, match="format 99"):
        load_plan(tmp_path / "s")
    with pytest.raises(InputError, match="one name"):
        Layout(tmp_path / "s", results="../elsewhere")


def test_a_plan_that_was_interrupted_is_begun_anew(tmp_path):
    known = plan_survey(random_list(50), tmp_path / "known", progress=False)
    folder = tmp_path / "s"
    (folder / "targets" / "0000").mkdir(parents=True)
    (folder / "targets" / "0000" / "unit-0000099.parquet").write_bytes(b"half")
    (folder / ".plan-killed").mkdir()
    plan = plan_survey(random_list(50), folder, progress=False)
    assert plan.units_sha256 == known.units_sha256 and not (folder / "targets/0000/unit-0000099.parquet").exists()
    assert not list(folder.glob(".plan-*"))


def test_what_is_not_of_a_plan_is_not_removed(tmp_path):
    """A folder of one's own may have lists in ``targets``, this very one perhaps."""
    path = tmp_path / "s" / "targets" / "stars.ecsv"
    path.parent.mkdir(parents=True)
    random_list(5).write(path)
    with pytest.raises(InputError, match=r"stars\.ecsv is not of a plan"):
        plan_survey(path, tmp_path / "s", progress=False)
    assert path.is_file()
