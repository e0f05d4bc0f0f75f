# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What a real TAP service answers about bundles that it took as they are."""

import doctest
import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import pyvo
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.table import MaskedColumn, QTable, Table
from astropy.utils.masked import Masked
from pytest_doctestplus.output_checker import FLOAT_CMP, OutputChecker
from tablecompare import plain

from stellarclass import Classifier, vo
from stellarclass.archives import LocalAstrometry, LocalSAS

pytestmark = pytest.mark.filterwarnings(
    # DaCHS: units and words of its own about the query, in every answer.
    "ignore::astropy.io.votable.exceptions.VOWarning"
)

MANY = 100_000
M2_EDGE = SkyCoord(323.30 * u.deg, -0.75 * u.deg)


@pytest.fixture(scope="session")
def m2_stars(real_data, default_ensemble):
    """Real stars west of M2, classified: those within 1.5 arcmin of one place."""
    catalog = Table.read(real_data / "gaia" / "m2_west_gaia_edr3.ecsv")
    near = SkyCoord(catalog["ra"], catalog["dec"]).separation(M2_EDGE) < 1.5 * u.arcmin
    targets = catalog[near & (catalog["phot_g_mean_mag"] < 20)]["ra", "dec", "ref_epoch", "pmra", "pmdec"]
    classifier = Classifier(default_ensemble, images=LocalSAS(real_data / "sas"), astrometry=LocalAstrometry(catalog))
    table = classifier.classify(targets)
    table["objid"] = MaskedColumn(np.arange(len(table)) + 1237666301628060000, dtype=np.int64)
    table["objid"].info.meta = {"ucd": "meta.id;meta.main"}
    table["radius"].mask[0] = True  # missing in any case
    return table


@pytest.fixture(scope="session")
def odd():
    """Two rows of all that is unusual, but for characters beyond U+FFFF: DaCHS 2.7 counts those wrong in BINARY2."""
    table = QTable({"select": np.array([7, 2**62]), "size": [1.5, 2.5] * u.arcsec, "B-V": [0.5, np.nan] * u.mag})
    table["Text"] = ["Ω \N{BLACK STAR} <b>&amp;", "tab\tand 'quotes' \\ \"too\""]
    table["long"] = ["x" * 20_000, "é" * 20_000]
    table["nothing"] = Masked([1.0, 2.0], mask=True) * u.mas
    table["no_number"] = MaskedColumn([1, 2], mask=True)
    table["no_word"] = MaskedColumn(["", ""], mask=True)
    table["flag"] = MaskedColumn([True, False], mask=[False, True])
    table["small"] = MaskedColumn(np.array([-32768, 5], np.int16), mask=[False, True])
    table["order"] = np.array([1, 2], np.float32)
    for name in table.colnames:
        table[name].info.description = r"A <b>bold</b> & \backslashed description; größer"
    return table


def many():
    rng = np.random.default_rng(1)
    return QTable({"source_id": rng.integers(0, 2**62, MANY), "spectral_class": rng.choice(["A", "F", "GK"], MANY)})


@pytest.fixture(scope="session")
def service(dachs_gaia, m2_stars, odd, tmp_path_factory):
    """The service, with all of them brought in by their own descriptors."""
    folder = tmp_path_factory.mktemp("bundles")
    rights = {"creators": ["Doe, J.", 'O\'Neill & Sons <"x">'], "license": "CC-BY-4.0"}
    vo.write_tap_bundle(m2_stars, folder / "m2", name="m2.stars", title=r"M2 \west <real> & 'classified' {}", **rights)
    for schema, table in (("odd", odd), ("empty", m2_stars[:0]), ("one", m2_stars[:1]), ("many", many())):
        vo.write_tap_bundle(table, folder / schema, name=f"{schema}.stars", **rights)
    dachs_gaia.publish({path.name: path for path in sorted(folder.iterdir())}, register=["m2"])
    return pyvo.dal.TAPService(dachs_gaia.url)


def assert_answer(answer, expected):
    """An answer is the table: values, order of columns, units, UCDs, descriptions, masks, identifiers."""
    found = answer.to_table()
    assert found.colnames == expected.colnames
    assert len(found) == len(expected)
    for name, field in zip(expected.colnames, answer.votable.get_first_table().fields, strict=True):
        column = expected[name]
        assert (field.ucd or None) == (column.info.meta or {}).get("ucd"), name
        assert (field.unit or None) == column.info.unit, name
        assert (field.description or "").split() == (column.info.description or "").split(), name
        values, mask = plain(column)
        if values.dtype.kind == "f":
            mask = mask | np.isnan(values)
        got = np.ma.getdata(found[name].data)
        if values.dtype.kind == "U":
            # In an answer, as in all VOTables but ours, an empty text is none.
            np.testing.assert_array_equal(got.astype(str), np.where(mask, "", values), err_msg=name)
            continue
        np.testing.assert_array_equal(np.ma.getmaskarray(found[name].data), mask, err_msg=name)
        np.testing.assert_array_equal(got[~mask], values[~mask], err_msg=name)
        assert got.dtype == values.dtype, name


def test_what_comes_back_is_what_was_written(service, m2_stars):
    assert len(m2_stars) > 15 and plain(m2_stars["radius"])[1].any()
    answer = service.run_sync("SELECT * FROM m2.stars ORDER BY objid")
    assert_answer(answer, m2_stars)
    (system,) = answer.votable.resources[0].coordinate_systems
    assert (system.system, system.epoch) == ("ICRS", "J2016.0")


def test_asynchronous_queries_bring_the_same(service, m2_stars):
    assert_answer(service.run_async("SELECT * FROM m2.stars ORDER BY objid"), m2_stars)


def test_a_join_with_an_uploaded_table(service, m2_stars):
    mine = QTable({"source_id": m2_stars["source_id"][::2], "note": np.arange(len(m2_stars[::2]))})
    query = "SELECT s.*, m.note FROM m2.stars AS s JOIN TAP_UPLOAD.mine AS m USING (source_id) ORDER BY s.objid"
    answer = service.run_sync(query, uploads={"mine": mine}).to_table()
    assert answer["objid"].tolist() == m2_stars["objid"][::2].tolist()
    assert answer["note"].tolist() == mine["note"].tolist()


def test_odd_names_and_values(service, odd):
    listed = ", ".join(f'"{name}"' for name in odd.colnames)
    answer = service.run_sync(f'SELECT {listed} FROM odd.stars ORDER BY "select"')  # noqa: S608
    assert_answer(answer, odd)


def test_no_rows(service, m2_stars):
    assert_answer(service.run_sync("SELECT * FROM empty.stars"), m2_stars[:0])


def test_one_row(service, m2_stars):
    """The radius of the first is missing: a column of nothing but NULL, too."""
    assert plain(m2_stars["radius"])[1][0]
    assert_answer(service.run_sync("SELECT * FROM one.stars"), m2_stars[:1])


def test_many_rows(service):
    answer = service.run_sync("SELECT * FROM many.stars", maxrec=2 * MANY).to_table()
    expected = many()
    assert len(answer) == MANY
    order, wanted = np.argsort(answer["source_id"]), np.argsort(expected["source_id"])
    for name in expected.colnames:
        np.testing.assert_array_equal(np.asarray(answer[name]).astype(str)[order], expected[name].astype(str)[wanted])


def test_cone_search(service, dachs_gaia, m2_stars):
    address = dachs_gaia.url.removesuffix("/tap") + "/m2/q/cone/scs.xml"
    radius = 0.5 * u.arcmin
    found = pyvo.dal.SCSService(address).search(pos=M2_EDGE, radius=radius, verbosity=3).to_table()
    inside = SkyCoord(m2_stars["ra"].unmasked, m2_stars["dec"].unmasked).separation(M2_EDGE) < radius
    assert 0 < inside.sum() < len(m2_stars)
    assert sorted(map(int, found["objid"])) == sorted(m2_stars["objid"][inside].tolist())


def test_the_registry_record(service, dachs_gaia):
    """As registries harvest it: who, what, where on the sky, under which terms; user text unharmed."""
    import urllib.request

    address = dachs_gaia.url.removesuffix("/tap")

    def harvest(name):
        query = f"{address}/oai.xml?verb=GetRecord&metadataPrefix=ivo_vor&identifier=ivo://x-test/m2/q/{name}"
        with urllib.request.urlopen(query, timeout=60) as answer:
            return answer.read().decode("utf-8")

    record = harvest("stars")
    assert r"<title>M2 \west &lt;real&gt; &amp; 'classified' {}</title>" in record
    names = [re.sub(r"\s+", " ", name) for name in re.findall(r"<creator>\s*<name>(.*?)</name>", record, re.DOTALL)]
    assert names == ["Doe, J.", 'O\'Neill &amp; Sons &lt;"x"&gt;']
    assert "https://creativecommons.org/licenses/by/4.0/" in harvest("cone")  # DaCHS states it for services
    assert re.search(r"<spatial>\s*9/[0-9 ,-]+\s*</spatial>", record)
    assert {"stellar-classification", "stellar-radii"} <= {
        s.lower().replace(" ", "-") for s in re.findall(r"<subject>(.*?)</subject>", record)
    }


def test_columns_are_described_in_tap_schema(service, m2_stars):
    rows = service.run_sync(
        "SELECT column_name, unit, ucd, indexed FROM tap_schema.columns WHERE table_name = 'm2.stars'"
    ).to_table()
    assert sorted(rows["column_name"]) == sorted(m2_stars.colnames)
    indexed = {row["column_name"] for row in rows if row["indexed"]}
    assert {"objid", "source_id"} <= indexed


def test_the_examples_of_the_documentation(service, m2_stars):
    """Each query of the page about publishing runs, and finds something."""
    page = (Path(__file__).parents[2] / "docs" / "vo.rst").read_text("utf-8")
    blocks = re.findall(r"\.\. code-block:: sql\n\n((?:(?:    .*)?\n)+)", page)
    queries = ["\n".join(line[4:] for line in block.splitlines()).strip() for block in blocks]
    assert len(queries) >= 4
    uploads = {"mine": QTable({"source_id": m2_stars["source_id"][:3]})}
    for query in queries:
        answer = service.run_sync(query, uploads=uploads if "TAP_UPLOAD" in query else None)
        assert len(answer) > 0, query


def test_the_session_of_the_gallery_answers_what_it_says(service, dachs_gaia, capsys):
    """``examples/going_further/adql_session.py`` on this service; ``docs/tables/adql.txt`` is what it prints."""
    root = Path(__file__).parents[2]
    example = root / "examples" / "going_further" / "adql_session.py"
    script = example.read_text("utf-8").replace("https://dc.example.org/tap", dachs_gaia.url)
    assert dachs_gaia.url in script
    exec(compile(script, example, "exec"), {})  # noqa: S102
    printed = capsys.readouterr().out
    expected = (root / "docs" / "tables" / "adql.txt").read_text("utf-8")
    assert OutputChecker().check_output(expected, printed, FLOAT_CMP | doctest.NORMALIZE_WHITESPACE), printed


def test_taplint_finds_no_fault_of_ours(service, dachs_gaia):
    if shutil.which("stilts") is None:
        reason = "stilts is not installed (apt-get install stilts)"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    done = subprocess.run(
        ["stilts", "taplint", f"tapurl={dachs_gaia.url}", "stages=-EXA -LOC", "maxtable=20"],
        capture_output=True, text=True, timeout=580, check=False,
    )  # fmt: skip
    totals = re.search(r"Totals: Errors: (\d+); Warnings: \d+; .*Failures: (\d+)", done.stdout)
    assert totals, done.stdout[-2000:] + done.stderr
    faults = [line for line in done.stdout.splitlines() if re.match(r"[EF]-", line)]
    ours = [
        line
        for line in done.stdout.splitlines()
        if line.startswith("W-") and re.search(r"\b(m2|odd|empty|one|many)\.stars\b", line)
    ]
    assert (totals.groups(), faults, ours) == (("0", "0"), [], [])
