# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Gaia's TAP service, and everything that can go wrong with it, on loopback."""

import logging
import time

import numpy as np
import pytest
from astropy import units as u
from astropy.table import MaskedColumn, Table
from loopback.tap import MicroTAP, translate

from stellarclass import conf
from stellarclass.archives import AstrometrySource, Gaia, LocalAstrometry, _tap
from stellarclass.astrometry import match, propagate
from stellarclass.exceptions import (
    ArchiveError,
    ArchiveTimeoutError,
    ArchiveUnavailableError,
    ArchiveUnreachableError,
    BadAnswerError,
    InputError,
    NotInArchiveError,
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
    table["astrometric_params_solved"] = np.where(np.arange(n) == 4, 3, 31).astype(np.int16)
    return table


@pytest.fixture
def service(rows):
    translate(Gaia().adql(radius=RADIUS))  # takes a second once; tests that are short of patience must not wait for it
    with MicroTAP({"gaiadr3.gaia_source": rows}) as tap:
        yield tap


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
    found = ask(Gaia(url=service.url, chunk=chunk, zero_point="none"))
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
    assert request.parameters["MAXREC"] == str(_tap.MAX_ROWS)
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
    assert len(_tap._votable(table)) < 500_000


def test_query():
    adql = Gaia(table="gaiaedr3.gaia_source").adql(radius=0.05 * u.arcmin)
    assert "JOIN gaiaedr3.gaia_source AS g" in adql
    assert f"{(3 + 10.4 * 18) / 3600:.10f}" in adql
    assert f"{(3 + 0.3 * 18) / 3600:.10f}" in adql
    assert "EPOCH_PROP" not in adql
    assert "g.pseudocolour" in adql
    assert "pseudocolour" not in Gaia(zero_point="global").adql(radius=RADIUS)


def test_no_positions_no_request(service):
    found = Gaia(url=service.url).candidates(np.zeros(0), np.zeros(0), radius=RADIUS)
    assert len(found) == 0
    assert found["source_id"].dtype == np.int64
    assert service.requests == []


def test_a_query_is_for_a_bounded_piece_of_sky(service):
    """Many wide circles in one upload would overflow, or take longer than a synchronous query may."""
    ra, dec = np.linspace(0, 300, 150), np.zeros(150)
    source = Gaia(url=service.url)
    source.candidates(ra, dec, radius=6 * u.arcmin)
    assert [len(r.uploads["targets"]) for r in service.requests] == [63, 63, 24]
    source.candidates(ra, dec, radius=RADIUS)
    assert len(service.requests[3].uploads["targets"]) == 150


def test_configuration_is_read_when_asked(service):
    source = Gaia()
    with conf.set_temp("gaia_tap_url", service.url + "/"), conf.set_temp("gaia_chunk", 3):
        assert len(ask(source)) == 12
    assert len(service.requests) == 2


def test_is_a_source_with_a_name():
    assert isinstance(Gaia(), AstrometrySource)
    assert Gaia().name == "Gaia DR3 (parallax zero point: lindegren)"
    assert Gaia(zero_point="global").name == "Gaia DR3 (parallax zero point: global)"
    assert Gaia(zero_point="none").name == "Gaia DR3"
    assert Gaia(table="gaiaedr3.gaia_source", zero_point="none").name == "Gaia EDR3"
    mine = Gaia(url="http://127.0.0.1/tap", table="my.stars", zero_point="none")
    assert mine.name == "my.stars at http://127.0.0.1/tap"


@pytest.mark.parametrize("table", ["gaia_source; DROP TABLE x", "a.b.c.d", "a--b", "a b", "", "1a", 'a"b', "a\n"])
def test_a_table_is_a_name_and_nothing_else(table):
    with pytest.raises(InputError, match="not the name of a table"):
        Gaia(table=table)
    with conf.set_temp("gaia_table", table), pytest.raises(InputError, match="not the name of a table"):
        Gaia().adql(radius=RADIUS)


@pytest.mark.parametrize(
    ("option", "error", "words"),
    [
        ({"chunk": 0}, InputError, "chunk must be at least 1, got 0"),
        ({"chunk": 1.5}, InputError, "chunk must be a whole number"),
        ({"retries": -1}, InputError, "retries must be at least 0"),
        ({"timeout": 30}, u.UnitsError, r"timeout must be a time with a unit, such as 30 \* u.s, not 30"),
        ({"timeout": 30}, TypeError, "timeout"),
        ({"timeout": 3 * u.m}, u.UnitsError, "timeout must be a time"),
        ({"timeout": 0 * u.s}, InputError, "timeout must be one time longer than nothing"),
        ({"timeout": [1, 2] * u.s}, InputError, "timeout must be one time"),
        ({"time_budget": 600.0}, u.UnitsError, "time_budget must be a time"),
        ({"time_budget": np.nan * u.s}, InputError, "time_budget must be one time"),
        ({"time_budget": np.inf * u.s}, InputError, "time_budget must be one time"),
    ],
)
def test_options_are_checked(option, error, words):
    with pytest.raises(error, match=words):
        Gaia(**option)


def test_times_in_any_unit(service):
    service.faults.append("hang")
    with pytest.raises(ArchiveTimeoutError, match=r"no answer for 0\.12 s"):
        ask(Gaia(url=service.url, timeout=0.002 * u.min, retries=0), {"ra": PLACES["ra"][:1], "dec": PLACES["dec"][:1]})


def test_patience_is_read_when_asked(service):
    source = Gaia(url=service.url)
    service.faults.extend(["500"] * 2)
    with conf.set_temp("retries", 2):
        assert len(ask(source)) == 12
    service.faults.append("hang")
    with conf.set_temp("retries", 1), conf.set_temp("timeout", 1.0):
        assert len(ask(source)) == 12


def test_how_it_looks():
    assert repr(Gaia(url="http://127.0.0.1/tap/", table="my.stars")) == "<Gaia my.stars at http://127.0.0.1/tap>"
    with conf.set_temp("gaia_table", "no table; at all"):
        assert "no table; at all" in repr(Gaia())  # whoever looks for the mistake can see it


def test_options_that_make_no_sense():
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


def test_recipe_zero_point(service, rows):
    """By default; the same as of the same rows on disk."""
    source = Gaia(url=service.url)
    found, plain = ask(source), ask(Gaia(url=service.url, zero_point="none"))
    difference = plain["parallax"] - found["parallax"]
    assert difference.mask.sum() == 1
    assert len(np.unique(difference.compressed())) == 11  # each its own
    assert (np.abs(difference.compressed()) < 0.1).all()
    assert_same(found, ask(LocalAstrometry(rows, zero_point="lindegren")))
    assert len(service.requests) == 2
    assert "pseudocolour" in service.requests[0].parameters["QUERY"]
    assert "pseudocolour" not in service.requests[1].parameters["QUERY"]


@pytest.mark.parametrize(
    ("lacking", "queries"),
    [
        (["pseudocolour"], 2),
        (["nu_eff_used_in_astrometry", "pseudocolour", "astrometric_params_solved"], 4),
    ],
)
def test_a_service_without_some_columns_of_the_recipe(rows, caplog, lacking, queries):
    """It is asked for what it has, and the color comes from BP-RP."""
    rows = rows.copy()
    rows.remove_columns(lacking)
    caplog.set_level(logging.INFO, logger="stellarclass")
    with MicroTAP({"gaiadr3.gaia_source": rows}) as service:
        found = ask(Gaia(url=service.url, chunk=2, retries=0))
    assert_same(found, ask(LocalAstrometry(rows, zero_point="lindegren")))
    assert len(service.requests) == queries + 1  # the second chunk is asked about once
    assert all(name in caplog.text for name in lacking)


def test_a_service_without_a_column_that_is_needed(rows):
    rows = rows.copy()
    rows.remove_columns(["bp_rp", "pseudocolour"])
    with (
        MicroTAP({"gaiadr3.gaia_source": rows}) as service,
        pytest.raises(ArchiveError, match=r"no such column.*bp_rp"),
    ):
        ask(Gaia(url=service.url, retries=0))


# --- what goes wrong


@pytest.mark.parametrize("fault", ["500", "503", "hang", "truncated", "reset", "html"])
def test_what_passes_is_tried_again(service, fault):
    service.faults.append(fault)
    assert len(ask(Gaia(url=service.url, timeout=(1 if fault == "hang" else 30) * u.s))) == 12
    assert len(service.requests) == 2


@pytest.mark.parametrize("fault", ["drip", "drip headers"])
def test_a_server_that_drips_is_cut_off_by_the_budget(service, fault):
    service.faults.append(fault)
    started = time.monotonic()
    with pytest.raises(ArchiveTimeoutError, match=r"not complete within the time budget of 0\.3 s") as caught:
        ask(Gaia(url=service.url, time_budget=0.3 * u.s))
    assert time.monotonic() - started < 5
    assert caught.value.failed.tolist() == [0, 1, 2, 3]
    assert len(service.requests) == 1


@pytest.mark.parametrize(
    ("fault", "kind", "words", "passing"),
    [
        (
            "500",
            ArchiveUnavailableError,
            "HTTP 500 Internal Server Error: something broke; given up after 3 tries",
            True,
        ),
        ("hang", ArchiveTimeoutError, "no answer for 0.2 s; given up after 3 tries", True),
        ("truncated", BadAnswerError, "not a whole VOTable", True),
        ("reset", BadAnswerError, "truncated: ", True),
        ("html", BadAnswerError, "an HTML page titled 'Down for maintenance' instead of a table; given up", True),
        ("huge", BadAnswerError, "longer than the 1000000 bytes accepted", False),
        ("error", ArchiveError, "HTTP 400 Bad Request: the service says: Column not found: parallaxe", False),
        ("error 500", ArchiveError, "the service says: Column not found: parallaxe", False),
        ("late error", ArchiveError, "the service says: the database went away", False),
        ("columns", BadAnswerError, "lacks the columns ra, dec", False),
        ("targets", BadAnswerError, "targets that were not asked for", False),
        ("elsewhere", BadAnswerError, "not in it but elsewhere", True),
    ],
)
def test_what_does_not_pass_is_named(service, monkeypatch, fault, kind, words, passing):
    monkeypatch.setattr(_tap, "MAX_BYTES", 1_000_000)
    service.faults.extend([fault] * 100)
    with pytest.raises(kind) as caught:
        ask(Gaia(url=service.url, timeout=(0.2 if fault == "hang" else 30) * u.s, retries=2))
    assert type(caught.value) is kind
    assert words in str(caught.value)
    assert service.url in str(caught.value)
    # All four, with retries where it may pass; then halves, each once, until five in a row have failed.
    assert [len(r.uploads["targets"]) for r in service.requests] == [4] * (3 if passing else 1) + [2, 2, 1, 1]
    assert caught.value.failed.tolist() == [0, 1, 2, 3]
    assert len(caught.value.partial) == 0


@pytest.mark.parametrize("fault", ["500", "error"])
def test_one_bad_position_costs_no_other(service, rows, fault):
    """What makes the service choke is found by halves."""
    service.poison = PLACES["ra"][2], fault
    with pytest.raises(ArchiveError, match="1 of 4 positions remain without an answer") as caught:
        ask(Gaia(url=service.url, retries=0, zero_point="none"))
    assert caught.value.failed.tolist() == [2]
    whole = ask(LocalAstrometry(rows))
    assert_same(caught.value.partial, whole[np.asarray(whole["target"]) != 2])
    assert [len(r.uploads["targets"]) for r in service.requests] == [4, 2, 2, 1, 1]


def test_nobody_there():
    with pytest.raises(ArchiveUnreachableError, match=r"refused.*2 tries \(http://127.0.0.1:1/tap") as caught:
        ask(Gaia(url="http://127.0.0.1:1/tap", retries=1))
    assert caught.value.failed.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("url", ["file:///etc/passwd", "127.0.0.1/tap", "http://"])
def test_addresses_that_are_none(url):
    started = time.monotonic()
    with pytest.raises(ArchiveUnreachableError, match="request failed"):
        ask(Gaia(url=url, retries=50))
    assert time.monotonic() - started < 1  # not tried again


def test_wrong_path(service):
    with pytest.raises(NotInArchiveError, match="HTTP 404 Not Found: no such resource"):
        ask(Gaia(url=service.url + "/tap"))


def test_the_budget_includes_retries(service):
    service.faults.extend(["500"] * 100)
    started, patient = time.monotonic(), conf.set_temp("outage_failures", 1000)
    with patient, pytest.raises(ArchiveTimeoutError, match=r"HTTP 500 .* time budget of 0\.5 s allows no other try"):
        ask(Gaia(url=service.url, retries=100, time_budget=0.5 * u.s))
    assert time.monotonic() - started < 1.5


def test_other_chunks_are_answered(service, rows):
    service.faults.extend(["none", "error"])
    with pytest.raises(ArchiveError, match=r"1 of 4 positions remain without an answer: .* the service says") as caught:
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
        assert_same(ask(Gaia(url=service.url, zero_point="none")), ask(LocalAstrometry(rows)))
        assert [len(r.uploads["targets"]) for r in service.requests] == [4, 2, 2]


def test_an_overflow_that_is_not_told(service, rows, monkeypatch):
    monkeypatch.setattr(_tap, "MAX_ROWS", 7)
    service.faults.append("silent")
    assert_same(ask(Gaia(url=service.url, zero_point="none")), ask(LocalAstrometry(rows)))


def test_one_position_too_many(rows):
    crowd = rows[[0, 1, 2, 3, 4, 5, 6, 7, 9]]  # 3, 3, 2 and 1 at the four places
    with MicroTAP({"gaiadr3.gaia_source": crowd}, hard_limit=2) as service:
        words = r"2 of 4 positions remain .* cut after 2 rows: the circle around 10\.00000 \+0\.00000 is too large or"
        with pytest.raises(TruncatedAnswerError, match=words) as caught:
            ask(Gaia(url=service.url))
    assert caught.value.failed.tolist() == [0, 1]
    assert caught.value.partial["target"].tolist() == [2, 2, 3]


def test_crowds_are_no_sign_of_an_archive_that_is_down(rows):
    crowd = rows[[0, 1, 2, 3, 4, 5, 6, 7, 9]]
    with MicroTAP({"gaiadr3.gaia_source": crowd}, hard_limit=2) as service:
        with pytest.raises(TruncatedAnswerError, match="2 of 4 positions") as caught:
            ask(Gaia(url=service.url, chunk=1))
    assert caught.value.failed.tolist() == [0, 1]
    assert caught.value.partial["target"].tolist() == [2, 2, 3]


def test_a_wide_circle_brings_what_it_must_and_no_more():
    """Slow stars within the circle and 5.4 arcsec more, fast ones within 3.1 arcmin more."""
    far = np.array([0.0, 299.0, 304.0, 307.0, 450.0, 500.0]) / 3600
    stars = Table({"source_id": np.arange(6), "ra": np.full(6, 10.0), "dec": far, "ref_epoch": np.full(6, 2016.0)})
    for name in ("pmra", "pmdec", "parallax", "parallax_error", "pmra_error", "pmdec_error", "ruwe", "bp_rp"):
        stars[name] = 0.0
    stars["pmdec"][4:] = 5000.0
    stars["phot_g_mean_mag"] = 15.0
    place, radius = {"ra": np.array([10.0]), "dec": np.array([0.0])}, 5 * u.arcmin
    with MicroTAP({"gaiadr3.gaia_source": stars}) as service:
        found = Gaia(url=service.url, zero_point="none").candidates(**place, radius=radius)
    assert found["source_id"].tolist() == [0, 1, 2, 4]
    assert_same(found, LocalAstrometry(stars).candidates(**place, radius=radius))
