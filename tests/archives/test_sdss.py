# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Frames from SDSS, and everything that can go wrong with them, on loopback."""

import threading
import time

import numpy as np
import pytest
from astropy import units as u
from loopback.sas import SASServer
from skycatalog import STARS, at, key_of
from skyframes import FIELDS, NO_I_BAND, frame_path

from stellarclass import conf, flags
from stellarclass.archives import SDSS, FieldKey, ImageSource, LocalSAS
from stellarclass.exceptions import InputError, StellarclassWarning

FIRST, SECOND, _ = FIELDS


def read(source, keys):
    return {field.key: field for field in source.fields(keys, progress=False)}


def cached(tmp_path):
    return sorted(path.name for path in (tmp_path / "frames").rglob("*") if path.is_file())


# ---- what it is


def test_it_is_an_image_source(sdss):
    assert isinstance(sdss, ImageSource)
    assert sdss.name == "SDSS DR17"
    with conf.set_temp("sdss_data_release", 18), conf.set_temp("sas_url", "http://127.0.0.1:8000/sas"):
        assert SDSS().name == "SDSS DR18"
        assert repr(SDSS()) == f"<SDSS DR18 at http://127.0.0.1:8000/sas and {conf.skyserver_url}>"


@pytest.mark.parametrize(
    ("option", "error"),
    [
        ({"data_release": 7}, InputError),
        ({"data_release": "17"}, InputError),
        ({"connections": 0}, InputError),
        ({"retries": -1}, InputError),
        ({"timeout": 30}, u.UnitsError),
        ({"timeout": 3 * u.m}, u.UnitsError),
        ({"timeout": 0 * u.s}, InputError),
        ({"time_budget": 600}, u.UnitsError),
        ({"time_budget": -1 * u.min}, InputError),
    ],
)
def test_options_are_checked(option, error):
    with pytest.raises(error):
        SDSS(**option)


@pytest.mark.parametrize(
    ("release", "folder"),
    [
        (9, "dr9/boss"),
        (12, "dr12/boss"),
        (13, "dr13/eboss"),
        (17, "dr17/eboss"),
        (18, "dr18/prior-surveys/sdss4-dr17-eboss"),
    ],
)
def test_addresses(release, folder):
    url = SDSS(data_release=release).frame_url(FIRST, "z")
    assert url == f"https://data.sdss.org/sas/{folder}/photoObj/frames/301/2583/2/frame-z-002583-2-0136.fits.bz2"


# ---- frames


def test_the_same_field_as_from_disk(server, sdss, sas_tree):
    remote, local = read(sdss, FIELDS), read(LocalSAS(sas_tree), FIELDS)
    assert list(sorted(remote)) == list(sorted(local))
    for key, field in remote.items():
        assert set(field.frames) == set(local[key].frames)
        assert set(field.missing) == set(local[key].missing)
        for band, frame in field.frames.items():
            other = local[key].frames[band]
            np.testing.assert_array_equal(frame.data, other.data)
            np.testing.assert_array_equal(frame.sky, other.sky)
            np.testing.assert_array_equal(frame.nanomaggies_per_count, other.nanomaggies_per_count)
            assert frame.epoch == other.epoch
            assert frame.wcs.wcs.compare(other.wcs.wcs)


def test_the_same_real_frame_as_from_disk(real_data, tmp_path):
    key = FieldKey(4510, 301, 4, 30)
    tree = tmp_path / "sas"  # with one band only: decoding a real frame takes a second
    copy = frame_path(tree, key, "g")
    copy.parent.mkdir(parents=True)
    copy.write_bytes(frame_path(real_data / "sas", key, "g").read_bytes())
    with SASServer(tree) as server, server.configured():
        remote = read(SDSS(cache_dir=tmp_path / "frames"), [key])[key]
    local = read(LocalSAS(tree), [key])[key]
    assert set(remote.frames) == set(local.frames) == {"g"}
    assert set(remote.missing) == set(local.missing) == set("uriz")
    np.testing.assert_array_equal(remote.frames["g"].data, local.frames["g"].data)
    np.testing.assert_array_equal(remote.frames["g"].sky, local.frames["g"].sky)


def test_each_frame_once_for_200_stars_of_one_field(server, sdss, catalog):
    targets = sdss.locate(at(catalog["ra"], catalog["dec"]), progress=False)
    assert not targets.flags.any()
    stars = [key_of(targets, row) for row in range(STARS)]
    assert set(stars) == {FIRST}
    fields = read(sdss, stars)
    assert list(fields) == [FIRST]
    asked = [r.path for r in server.requests("/sas/")]
    assert len(asked) == 5
    assert len(set(asked)) == 5
    read(sdss, stars)  # from the cache
    assert len(server.requests("/sas/")) == 5


def test_a_404_is_a_fact(server, sdss, tmp_path):
    field = read(sdss, [NO_I_BAND])[NO_I_BAND]
    assert sorted(field.frames) == sorted("ugrz")
    assert field.errors == {}
    assert field.missing["i"] == f"HTTP 404 Not Found ({sdss.frame_url(NO_I_BAND, 'i')})"
    assert len(server.requests("frame-i-")) == 1  # asking again would not help
    assert len(cached(tmp_path)) == 4


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("truncated", "truncated"),
        ("short", "truncated: the bzip2 data ends early"),
        ("html", "not a FITS file but an HTML or XML page"),
        ("hang", "no answer for 0.5 s"),
        ("close", "connection failed"),
        (500, "HTTP 500"),
        (503, "HTTP 503"),
        (429, "HTTP 429"),
        (b"BZh9 what follows is no bzip2 data", "damaged bzip2 data"),
    ],
)
def test_faults_that_stay(server, sdss, tmp_path, fault, reason):
    """Address and reason of the band that failed; the other bands and fields arrive; nothing broken stays."""
    server.fail("frame-r-002583-2-0136", fault)
    fields = read(sdss, [FIRST, SECOND])
    assert len(fields) == 2
    assert sorted(fields[SECOND].frames) == sorted("ugriz")
    assert sorted(fields[FIRST].frames) == sorted("ugiz")
    assert fields[FIRST].missing == {}
    message = fields[FIRST].errors["r"]
    assert reason in message
    assert sdss.frame_url(FIRST, "r") in message
    assert "given up after 3 tries" in message
    assert len(server.requests("frame-r-002583-2-0136")) == 3
    assert len(cached(tmp_path)) == 9
    assert not any("frame-r-002583-2-0136" in name for name in cached(tmp_path))


@pytest.mark.parametrize("fault", ["truncated", "short", "html", "hang", "close", 500, 502, 503, 429])
def test_faults_that_pass(server, sdss, tmp_path, fault):
    server.fail("frame-r-002583-2-0136", fault, times=2)
    field = read(sdss, [FIRST])[FIRST]
    assert sorted(field.frames) == sorted("ugriz")
    assert field.errors == {}
    assert len(server.requests("frame-r-")) == 3
    assert len(cached(tmp_path)) == 5


@pytest.mark.parametrize(("fault", "reason"), [(403, "HTTP 403"), (400, "HTTP 400"), ("loop", "redirects")])
def test_refusals_are_not_tried_again(server, sdss, fault, reason):
    server.fail("frame-r-", fault)
    field = read(sdss, [FIRST])[FIRST]
    assert reason in field.errors["r"]
    assert len({r.path for r in server.requests("frame-r-")}) == 1
    assert "given up" not in field.errors["r"]


def test_redirects_are_followed(server, sdss):
    server.fail("frame-", "redirect")
    assert len(read(sdss, [FIRST])[FIRST].frames) == 5


@pytest.mark.parametrize("fault", ["trickle", "trickle headers"])
def test_a_server_that_trickles(server, tmp_path, fault):
    """Every byte comes in time, the file, or even its headers, never do."""
    server.fail("frame-r-002583-2-0136", fault)
    start = time.monotonic()
    sdss = SDSS(cache_dir=tmp_path / "frames", timeout=30 * u.s, time_budget=1 * u.s)
    field = read(sdss, [FIRST])[FIRST]
    assert time.monotonic() - start < 20
    assert "not complete within the time budget of 1 s" in field.errors["r"]
    assert len(field.frames) == 4
    assert len(cached(tmp_path)) == 4


@pytest.mark.parametrize("fault", ["hang", "trickle", "trickle headers"])
def test_who_stops_early_need_not_wait(server, tmp_path, fault):
    """A frame that never comes holds nobody up who has what he wanted."""
    server.fail("frame-r-002583-2-0136", fault)
    fields = SDSS(cache_dir=tmp_path, timeout=(0.3 if fault == "hang" else 30) * u.s).fields([FIRST, SECOND])
    assert next(fields).key == SECOND
    fields.close()
    threads = [t for t in threading.enumerate() if t.name.startswith("stellarclass-frames")]
    for thread in threads:
        thread.join(5)
    assert not any(thread.is_alive() for thread in threads)


def test_too_large_is_refused(server, sdss, tmp_path, sas_tree):
    size = frame_path(sas_tree, FIRST, "r").stat().st_size
    server.fail("frame-r-", b"BZh" + bytes(20 * size))
    with conf.set_temp("max_frame_bytes", 10 * size):
        field = read(sdss, [FIRST])[FIRST]
    assert f"more than the {10 * size} accepted" in field.errors["r"]
    assert len(server.requests("frame-r-")) == 1
    assert len(cached(tmp_path)) == 4


def test_the_wrong_frame(server, sdss, sas_tree):
    server.fail("frame-r-002583-2-0136", frame_path(sas_tree, SECOND, "r").read_bytes())
    field = read(sdss, [FIRST])[FIRST]
    assert "field 2583-2-137, asked for was 2583-2-136" in field.errors["r"]


def test_a_damaged_file_in_the_cache_is_fetched_once_more(server, sdss, tmp_path):
    read(sdss, [FIRST])
    damaged = next((tmp_path / "frames").rglob("frame-r-*"))
    whole = damaged.read_bytes()
    damaged.write_bytes(whole[:1000])
    field = read(sdss, [FIRST])[FIRST]
    assert len(field.frames) == 5
    assert damaged.read_bytes() == whole
    assert len(server.requests("frame-r-")) == 2
    assert len(server.requests("frame-")) == 6


def test_nobody_listens(tmp_path):
    with SASServer(tmp_path) as server:
        url = server.url
    with conf.set_temp("sas_url", url), conf.set_temp("skyserver_url", url):
        sdss = SDSS(cache_dir=tmp_path, retries=0, time_budget=1 * u.min)
        field = read(sdss, [FIRST])[FIRST]
        assert set(field.errors) == set("ugriz")
        assert "refused" in field.errors["u"]
        assert url in field.errors["u"]
        with pytest.warns(StellarclassWarning, match=f"1 target could not be.*refused.*{url}"):
            targets = sdss.locate(at(10, 0), progress=False)
    assert targets.flags.tolist() == [flags.IMAGE_FAILURE]


def test_a_cache_that_cannot_be_written(server, tmp_path):
    (tmp_path / "file").write_text("no folder")
    field = read(SDSS(cache_dir=tmp_path / "file"), [FIRST])[FIRST]
    assert "NotADirectoryError" in field.errors["r"]
    assert str(tmp_path / "file") in field.errors["r"]


@pytest.mark.parametrize("connections", [1, 3])
def test_downloads_at_a_time(server, tmp_path, connections):
    read(SDSS(cache_dir=tmp_path, connections=connections), FIELDS)
    assert server.most_at_a_time <= connections


def test_look_ahead_is_bounded(server, sdss):
    """Whoever takes one field and stops has not asked for the whole survey; nor do its threads stay."""
    wanted = [FieldKey(2583, 301, 2, 136 + k) for k in range(100)]
    fields = sdss.fields(wanted, progress=False)
    next(fields)
    time.sleep(0.3)
    assert len(server.requests("/sas/")) <= 15
    fields.close()
    for thread in threading.enumerate():
        if thread.name.startswith("stellarclass-frames"):
            thread.join(5)
    assert not any(t.name.startswith("stellarclass-frames") for t in threading.enumerate())


def test_keys_that_cannot_be(server, sdss):
    (field,) = sdss.fields([FieldKey(2583, 301, 9, 136)], progress=False)
    assert set(field.missing) == set("ugriz")
    assert "no such field" in field.missing["r"]
    assert server.log == []


def test_nothing_to_do(server, sdss):
    assert len(sdss.locate(at([], []), progress=False)) == 0
    assert list(sdss.fields([], progress=False)) == []
    assert server.log == []
