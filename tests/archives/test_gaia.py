# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Gaia's TAP service, and everything that can go wrong with it, on loopback."""

import sys
import time
import types

import numpy as np
import pytest
from astropy import units as u
from astropy.table import MaskedColumn, Table
from loopback.tap import MicroTAP

from stellarclass import conf
from stellarclass.archives import AstrometrySource, Gaia, LocalAstrometry
from stellarclass.archives import gaia as gaia_module
from stellarclass.astrometry import match, propagate
from stellarclass.exceptions import (
    ArchiveError,
    ArchiveTimeoutError,
    BadAnswerError,
    InputError,
    TruncatedAnswerError,
)
from stellarclass.targets import Targets

RADIUS = 3 * u.arcsec
BARNARD = {"ra": 269.44850252543836, "dec": 4.739420051112412, "pmra": -801.551, "pmdec": 10362.394}
PLACES = {"ra": np.array([10.0, 20.0, 30.0, 40.0]), "dec": np.array([0.0, 80.0, -45.0, 5.0])}


@pytest.fixture(scope="module")
def rows():
    """A few stars at each of `PLACES`, Barnard's star, and one that has a position only."""
    rng = np.random.default_rng(5)
    ra, dec = (np.repeat(PLACES[c], 3) for c in ("ra", "dec"))
    dec = dec + rng.uniform(-2, 2, 12) / 3600
    n = len(ra) + 1
    table = Table({"source_id": 4472832130942570000 + np.arange(n), "ra": [*ra, BARNARD["ra"]]})
    table["dec"] = [*dec, BARNARD["dec"]]
    table["ref_epoch"] = 2016.0
    for name in ("parallax", "pmra", "pmdec"):
        table[name] = MaskedColumn(rng.normal(0, 5, n), mask=np.arange(n) == 4)
    table["pmra"][-1], table["pmdec"][-1] = BARNARD["pmra"], BARNARD["pmdec"]
    for name in ("parallax_error", "pmra_error", "pmdec_error", "ruwe", "phot_g_mean_mag", "bp_rp"):
        table[name] = MaskedColumn(rng.uniform(1, 2, n).astype(np.float32), mask=np.arange(n) == 7)
    table["nu_eff_used_in_astrometry"] = MaskedColumn(np.full(n, 1.5), mask=np.arange(n) == 4)
    table["pseudocolour"] = MaskedColumn(np.zeros(n), mask=True)
    table["ecl_lat"] = rng.uniform(-90, 90, n)
    table["astrometric_params_solved"] = np.where(np.arange(n) == 4, 3, 31).astype(np.int16)
    return table


@pytest.fixture
def service(rows):
    with MicroTAP({"gaiadr3.gaia_source": rows}) as tap:
        yield tap


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(gaia_module, "BACKOFF", 0.01)


def ask(source, places=PLACES, **options):
    return source.candidates(places["ra"], places["dec"], radius=RADIUS, **options)


def assert_same(one, other):
    assert one.colnames == other.colnames
    assert one.dtype == other.dtype
    for name in one.colnames:
        assert one[name].unit == other[name].unit
        np.testing.assert_array_equal(np.ma.getmaskarray(one[name]), np.ma.getmaskarray(other[name]), err_msg=name)
        np.testing.assert_array_equal(np.ma.filled(one[name], 0), np.ma.filled(other[name], 0), err_msg=name)


# --- what is asked, what comes back


@pytest.mark.parametrize("chunk", [1, 3, 100])
def test_same_candidates_as_from_a_local_table(service, rows, chunk):
    found = ask(Gaia(url=service.url, chunk=chunk))
    assert_same(found, ask(LocalAstrometry(rows)))
    assert len(found) == 12
    assert found["parallax"].mask.sum() == 1
    assert len(service.requests) == -(-4 // chunk)


def test_barnards_star(service):
    ra, dec = (np.array([x]) for x in propagate(*BARNARD.values(), 2016.0, 2002.0))
    found = Gaia(url=service.url).candidates(ra, dec, radius=RADIUS)
    matched = match(Targets(ra=ra, dec=dec), found, 2002.0, radius=RADIUS)
    assert matched.match_separation[0] < 1e-6
    assert matched.pmdec[0] == BARNARD["pmdec"]


def test_positions_go_up_as_they_are_and_never_into_the_query(service):
    ask(Gaia(url=service.url))
    (request,) = service.requests
    assert request.path == "/tap/sync"
    assert request.parameters["MAXREC"] == str(gaia_module.MAX_ROWS)
    assert request.parameters["LANG"] == "ADQL"
    upload = request.uploads["targets"]
    assert upload["target_ra"].tolist() == PLACES["ra"].tolist()
    assert upload["target_id"].tolist() == [0, 1, 2, 3]
    assert request.parameters["QUERY"] == Gaia().adql(radius=RADIUS)


def test_an_upload_of_a_whole_chunk_is_small_enough_for_dachs():
    rng = np.random.default_rng(0)
    n = conf.gaia_chunk
    table = Table(
        {"target_id": np.arange(n), "target_ra": rng.uniform(0, 360, n), "target_dec": rng.uniform(-90, 90, n)}
    )
    assert len(gaia_module._votable(table)) < 500_000


def test_query():
    adql = Gaia(table="gaiaedr3.gaia_source").adql(radius=0.05 * u.arcmin)
    assert "JOIN gaiaedr3.gaia_source AS g" in adql
    assert f"{(3 + 10.4 * 18) / 3600:.10f}" in adql
    assert f"{(3 + 0.3 * 18) / 3600:.10f}" in adql
    assert "EPOCH_PROP" not in adql
    assert "pseudocolour" not in adql


def test_no_positions_no_request(service):
    found = Gaia(url=service.url).candidates(np.zeros(0), np.zeros(0), radius=RADIUS)
    assert len(found) == 0
    assert found["source_id"].dtype == np.int64
    assert service.requests == []


def test_configuration_is_read_when_asked(service):
    source = Gaia()
    with conf.set_temp("gaia_tap_url", service.url + "/"), conf.set_temp("gaia_chunk", 3):
        assert len(ask(source)) == 12
    assert len(service.requests) == 2


def test_is_a_source_with_a_name():
    assert isinstance(Gaia(), AstrometrySource)
    assert Gaia().name == "Gaia DR3"
    assert Gaia(table="gaiaedr3.gaia_source").name == "Gaia EDR3"
    assert Gaia(url="http://127.0.0.1/tap", table="my.stars").name == "my.stars at http://127.0.0.1/tap"


@pytest.mark.parametrize("table", ["gaia_source; DROP TABLE x", "a.b.c.d", "a--b", "a b", "", "1a", 'a"b', "a\n"])
def test_a_table_is_a_name_and_nothing_else(table):
    with pytest.raises(InputError, match="not the name of a table"):
        Gaia(table=table)
    with conf.set_temp("gaia_table", table), pytest.raises(InputError, match="not the name of a table"):
        Gaia().adql(radius=RADIUS)


def test_options_that_make_no_sense():
    with pytest.raises(InputError, match="chunk"):
        Gaia(chunk=0)
    with pytest.raises(InputError, match="'none', 'global', 'lindegren'"):
        Gaia(zero_point="some")
    with pytest.raises(TypeError, match=r"3 \* u.arcsec"):
        Gaia().candidates(PLACES["ra"], PLACES["dec"], radius=3)


def test_progress_only_where_asked(service, capsys):
    ask(Gaia(url=service.url))
    assert capsys.readouterr() == ("", "")
    ask(Gaia(url=service.url), progress=True)
    out, err = capsys.readouterr()
    assert out == ""
    assert "Gaia DR3" in err
    assert "4/4" in err


# --- parallax zero point


def test_global_zero_point(service, rows):
    plain, corrected = (ask(Gaia(url=service.url, zero_point=z)) for z in ("none", "global"))
    difference = corrected["parallax"] - plain["parallax"]
    assert difference.mask.sum() == 1
    assert difference.compressed() == pytest.approx(0.017)


def test_recipe_zero_point(service, monkeypatch):
    asked = []

    def get_zpt(g, nu_eff, pseudocolour, ecl_lat, solved, _warnings):
        asked.append((nu_eff, pseudocolour, ecl_lat, solved))
        return np.where(np.arange(len(g)) == 0, np.nan, -0.03)  # NaN: outside its range

    package = types.ModuleType("zero_point")
    package.zpt = types.SimpleNamespace(g_5=0, get_zpt=get_zpt)
    monkeypatch.setitem(sys.modules, "zero_point", package)
    source = Gaia(url=service.url, zero_point="lindegren")
    found = ask(source)
    difference = found["parallax"] - ask(Gaia(url=service.url))["parallax"]
    assert sorted(difference.compressed()) == pytest.approx([0.017] + [0.03] * 10)
    assert (asked[0][0] == 1.5).all()
    assert np.isnan(asked[0][1]).all()
    assert (asked[0][3] == 31).all()  # the source without a parallax is not asked for
    assert "ecl_lat" not in found.colnames
    assert source.name == "Gaia DR3 (parallax zero point: lindegren)"


def test_recipe_of_the_real_package(service):
    pytest.importorskip("zero_point", reason="the extra 'zeropoint' is not installed")
    difference = ask(Gaia(url=service.url, zero_point="lindegren"))["parallax"] - ask(Gaia(url=service.url))["parallax"]
    assert difference.mask.sum() == 1
    assert ((difference.compressed() > -0.05) & (difference.compressed() < 0.1)).all()


def test_recipe_without_its_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "zero_point", None)
    with pytest.raises(InputError, match=r"stellarclass\[zeropoint\]"):
        Gaia(zero_point="lindegren")


# --- what goes wrong


@pytest.mark.parametrize("fault", ["500", "503", "hang", "drip", "truncated", "reset"])
def test_what_passes_is_tried_again(service, fault):
    service.faults.append(fault)
    # The server that drips is cut off by the budget of its chunk, so that one is not tried again.
    if fault == "drip":
        with pytest.raises(ArchiveTimeoutError, match="time budget"):
            ask(Gaia(url=service.url, time_budget=0.3))
    else:
        assert len(ask(Gaia(url=service.url, timeout=0.3))) == 12
        assert len(service.requests) == 2


@pytest.mark.parametrize(
    ("fault", "kind", "words", "tries"),
    [
        ("500", ArchiveError, "HTTP status 500: something broke", 3),
        ("hang", ArchiveTimeoutError, "nothing heard for 0.2 s", 3),
        ("truncated", BadAnswerError, "not a whole VOTable", 3),
        ("reset", ArchiveError, "IncompleteRead", 3),
        ("html", BadAnswerError, "an HTML page titled 'Down for maintenance'", 1),
        ("huge", BadAnswerError, "larger than 1000000 bytes", 1),
        ("error", ArchiveError, "the service says: Column not found: parallaxe", 1),
        ("late error", ArchiveError, "the service says: the database went away", 1),
        ("columns", BadAnswerError, "lacks the columns ra, dec", 1),
        ("targets", BadAnswerError, "targets that were not asked for", 1),
    ],
)
def test_what_does_not_pass_is_named(service, monkeypatch, fault, kind, words, tries):
    monkeypatch.setattr(gaia_module, "MAX_BYTES", 1_000_000)
    service.faults.extend([fault] * 3)
    with pytest.raises(kind) as caught:
        ask(Gaia(url=service.url, timeout=0.2, retries=2))
    assert type(caught.value) is kind
    assert words in str(caught.value)
    assert service.url in str(caught.value)
    assert len(service.requests) == tries
    assert caught.value.failed.tolist() == [0, 1, 2, 3]
    assert len(caught.value.partial) == 0


def test_nobody_there():
    with pytest.raises(ArchiveError, match=r"refused.*\(http://127.0.0.1:1/tap"):
        ask(Gaia(url="http://127.0.0.1:1/tap", retries=1))


@pytest.mark.parametrize("url", ["file:///etc/passwd", "127.0.0.1/tap", "http://"])
def test_addresses_that_are_none(url):
    started = time.monotonic()
    with pytest.raises(ArchiveError):
        ask(Gaia(url=url, retries=50, timeout=1))
    assert time.monotonic() - started < 1  # not tried again


def test_wrong_path(service):
    with pytest.raises(ArchiveError, match="HTTP status 404"):
        ask(Gaia(url=service.url + "/tap"))


def test_the_budget_includes_retries(service, monkeypatch):
    monkeypatch.setattr(gaia_module, "BACKOFF", 0.2)
    service.faults.extend(["500"] * 100)
    started = time.monotonic()
    with pytest.raises(ArchiveTimeoutError, match="time budget used up: HTTP status 500"):
        ask(Gaia(url=service.url, retries=100, time_budget=0.5))
    assert time.monotonic() - started < 1.5


def test_other_chunks_are_answered(service, rows):
    service.faults.extend(["none", "error"])
    with pytest.raises(ArchiveError, match="1 of 4 positions remain without an answer: the service says") as caught:
        ask(Gaia(url=service.url, chunk=1))
    assert caught.value.failed.tolist() == [1]
    assert set(caught.value.partial["target"]) == {0, 2, 3}


def test_an_archive_that_is_down_is_not_asked_for_ever(service):
    service.faults.extend(["none", *["500"] * 100])
    with pytest.raises(ArchiveError, match="3 of 4 positions") as caught:
        ask(Gaia(url=service.url, chunk=1, retries=0))
    assert caught.value.failed.tolist() == [1, 2, 3]
    assert set(caught.value.partial["target"]) == {0}
    assert len(service.requests) == 3


# --- overflow


def test_an_overflow_halves_the_chunk(rows):
    with MicroTAP({"gaiadr3.gaia_source": rows}, hard_limit=6) as service:
        assert_same(ask(Gaia(url=service.url)), ask(LocalAstrometry(rows)))
        assert [len(r.uploads["targets"]) for r in service.requests] == [4, 2, 2]


def test_an_overflow_that_is_not_told(service, rows, monkeypatch):
    monkeypatch.setattr(gaia_module, "MAX_ROWS", 7)
    service.faults.append("silent")
    assert_same(ask(Gaia(url=service.url)), ask(LocalAstrometry(rows)))


def test_one_position_too_many(rows):
    crowd = rows[[0, 1, 2, 3, 4, 5, 6, 7, 9]]  # 3, 3, 2 and 1 at the four places
    with MicroTAP({"gaiadr3.gaia_source": crowd}, hard_limit=2) as service:
        with pytest.raises(TruncatedAnswerError, match=r"2 of 4 positions remain .* cut after 2 rows") as caught:
            ask(Gaia(url=service.url))
    assert caught.value.failed.tolist() == [0, 1]
    assert caught.value.partial["target"].tolist() == [2, 2, 3]
