# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Towards archives: turns, waits that are asked for, outages, mirrors, files gone on with, a bandwidth."""

import errno
import socket
import threading
import time
from collections import Counter
from contextlib import ExitStack

import pytest
from astropy import units as u
from loopback.faults import Faults, full_disk
from loopback.sas import SASServer
from skyframes import FIELDS, frame_bytes, frame_path

from stellarclass import conf
from stellarclass.archives import SDSS, FieldKey, SDSSSpectra, SpectrumKey
from stellarclass.archives._hosts import Host, Pace, host_of
from stellarclass.archives._resume import Kept
from stellarclass.archives.cache import FileCache
from stellarclass.archives.transport import Transport
from stellarclass.exceptions import (
    ArchiveError,
    ArchiveTimeoutError,
    ArchiveUnavailableError,
    ArchiveUnreachableError,
    BadAnswerError,
    CacheError,
    NotInArchiveError,
)

BODY = bytes(range(256)) * 4000
URL = "http://archive.test/file"


@pytest.fixture
def tree(tmp_path):
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "file").write_bytes(BODY)
    return tmp_path / "tree"


@pytest.fixture
def archive(tree):
    with SASServer(tree) as server:
        yield server


def set_conf(**items):
    stack = ExitStack()
    for name, value in items.items():
        stack.enter_context(conf.set_temp(name, value))
    return stack


def fetch(urls, *, consume=b"".join, timeout=5.0, time_budget=20.0, retries=3, jitter=lambda: 1.0):
    urls = [f"{url}/sas/file" for url in ([urls] if isinstance(urls, str) else urls)]
    return Transport(timeout=timeout, time_budget=time_budget, retries=retries, jitter=jitter).fetch(
        urls, consume, limit=2_000_000
    )


def closed_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


# ---- waits between tries


def test_each_wait_is_a_share_of_twice_the_one_before(archive):
    """Full jitter: the drawn share of 0.05, 0.1, 0.2 and, at the limit, 0.2 seconds."""
    archive.fail("file", 500)
    shares = iter([1.0, 0.5, 0.0, 1.0])
    start = time.monotonic()
    with set_conf(retry_delay=0.05, longest_delay=0.2), pytest.raises(ArchiveUnavailableError, match="after 5 tries"):
        fetch(archive.url, retries=4, jitter=lambda: next(shares))
    assert 0.3 <= time.monotonic() - start < 3
    assert next(shares, None) is None


def test_what_is_down_now_and_what_is_not_there(archive, tree):
    archive.fail("file", 503)
    with pytest.raises(ArchiveUnavailableError):
        fetch(archive.url, retries=0)
    (tree / "file").unlink()
    archive._faults.clear()
    with pytest.raises(NotInArchiveError) as caught:
        fetch(archive.url)
    assert not isinstance(caught.value, ArchiveUnavailableError)
    assert issubclass(ArchiveTimeoutError, ArchiveUnavailableError)
    assert issubclass(ArchiveUnreachableError, ArchiveUnavailableError)


@pytest.mark.parametrize("by_date", [False, True])
def test_a_busy_archive_is_waited_for_by_all_and_uses_up_no_tries(tree, by_date):
    faults = Faults(seed=0, too_many=1.0, by_date=by_date, retry_after=1 + by_date)
    with SASServer(tree, faults=faults) as archive:
        first = threading.Thread(target=fetch, args=[archive.url], kwargs={"retries": 0})
        first.start()
        while not faults.count[429]:
            time.sleep(0.01)
        faults.too_many = 0.0
        time.sleep(0.1)
        start = time.monotonic()
        assert fetch(archive.url, retries=0) == BODY  # another request waits as well
        assert time.monotonic() - start > 0.5
        first.join()
    assert len(archive.requests("file")) == 3


@pytest.mark.parametrize(
    ("words", "seconds"),
    [
        ("7", 7),
        (" 7 ", 7),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0),  # over
        ("Wed, 21 Oct 2065 07:28:00 GMT", 1e9),
        ("Wed, 21 Oct 2065 07:28:00", 1e9),
        ("soon", 0),
        ("-5", 0),
        ("9" * 5000, 999_999_999),
        ("Wed, 99 Oct 9999 99:99:99 GMT", 0),
        ("²", 0),
    ],
)
def test_what_retry_after_may_say(words, seconds):
    from stellarclass.archives._words import retry_after

    class Response:
        status_code, headers = 429, {"Retry-After": words}

    assert retry_after(Response) == pytest.approx(seconds, rel=0.5)
    Response.status_code = 500
    assert retry_after(Response) == 0


# ---- turns


def test_a_host_has_so_many_connections(archive):
    archive.fail("file", "hang", times=4)
    threads = [
        threading.Thread(target=lambda: fetch(archive.url, timeout=0.2, retries=9, jitter=lambda: 0.0))
        for _ in range(8)
    ]
    with set_conf(host_connections=2, outage_failures=100):
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert archive.most_at_a_time <= 2 + 4  # what hangs is counted by the server until it ends
    assert len(archive.requests("file")) == 12


def test_no_turn_in_time():
    host, never = Host("h"), threading.Event()
    with set_conf(host_connections=1):
        host.enter(URL, time.monotonic() + 1, never)
        with pytest.raises(ArchiveTimeoutError, match="no turn among the requests to h"):
            host.enter(URL, time.monotonic() + 0.05, never)
        host.leave()
        assert host.enter(URL, time.monotonic() + 1, never) is False


def test_who_waits_may_be_given_up():
    host, closed = Host("h"), threading.Event()
    host.asked_to_wait(30)
    threading.Timer(0.1, closed.set).start()
    start = time.monotonic()
    with pytest.raises(TimeoutError):
        host.enter(URL, time.monotonic() + 60, closed)
    assert time.monotonic() - start < 5


# ---- outages


def down(host, **options):
    for _ in range(conf.outage_failures):
        host.failed("broken", probe=False, jitter=lambda: 1.0, **options)


def test_one_at_a_time_probes_a_host_that_is_down():
    host, never, log = Host("h"), threading.Event(), []
    soon = time.monotonic() + 5

    def request():
        probe = host.enter(URL, soon, never)
        log.append(("in", probe))
        time.sleep(0.05)
        if len(log) < 3:
            host.failed("still", probe=probe, jitter=lambda: 1.0)
        else:
            host.succeeded(probe=probe)
        host.leave()
        log.append(("out", probe))

    with set_conf(retry_delay=0.05):
        down(host)
        threads = [threading.Thread(target=request) for _ in range(4)]
        start = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert time.monotonic() - start > 0.1 + 0.2  # two pauses, the second twice the first
    assert log[:2] == [("in", True), ("out", True)]
    assert log[2] == ("in", True)
    assert Counter(log)["in", True] == 2  # the other two go when the second one has found it up


def test_a_host_that_stays_down_is_not_waited_for():
    host, never = Host("h"), threading.Event()
    with set_conf(retry_delay=0.05, outage_wait=0.2):
        down(host)
        with pytest.raises(ArchiveUnreachableError, match=r"h has been down for .* s: broken") as caught:
            host.enter(URL, time.monotonic() + 0.02, never)  # before it may probe
        assert 0 < caught.value.retry_after <= 0.1
        assert host.enter(URL, time.monotonic() + 5, never) is True
        time.sleep(0.2)
        with pytest.raises(ArchiveUnreachableError, match="has been down"):
            host.enter(URL, time.monotonic() + 5, never)  # the probe is out
        host.no_news(probe=True)
        host.leave()
        assert host.enter(URL, time.monotonic() + 5, never) is True  # it went without news: the next one probes
        host.succeeded(probe=True)
        assert host.enter(URL, time.monotonic() + 5, never) is False


def test_a_server_that_is_down_for_a_while(tree):
    """Every request is answered in the end, and hardly any goes out meanwhile."""
    faults = Faults(down_at=20, down_for=1.0)
    with SASServer(tree, faults=faults) as archive, set_conf(retry_delay=0.05):
        answers = []

        def work():
            for _ in range(10):
                answers.append(fetch(archive.url, retries=4))

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert answers == [BODY] * 40
    assert 10 <= faults.count["down"] < 25


def test_a_dead_server_is_given_up_soon(tmp_path):
    """After the outage's patience, what remains fails at once: 40 fields, few requests."""
    keys = [FieldKey(2583, 301, 2, 11 + n) for n in range(40)]
    start = time.monotonic()
    with set_conf(sas_url=closed_port() + "/sas", outage_wait=0.5, put_backs=1):
        fields = list(SDSS(cache_dir=tmp_path, retries=2).fields(keys, progress=False))
    assert time.monotonic() - start < 10
    assert len(fields) == 40
    assert all(field.unavailable == set("ugriz") == set(field.errors) for field in fields)
    assert "has been down for" in fields[-1].errors["u"] and "refused" in fields[-1].errors["u"]


def test_a_name_that_nobody_knows_fails_at_once(monkeypatch):
    asked = []

    def nobody(*args, **kwargs):
        asked.append(args[0])
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nobody)
    start = time.monotonic()
    with set_conf(retry_delay=5.0):
        for _ in range(3):
            with pytest.raises(ArchiveUnreachableError, match="Name or service not known"):
                fetch("http://nowhere.invalid")
    assert time.monotonic() - start < 2
    assert asked == ["nowhere.invalid"]  # nor is it looked up again for the next request


def test_an_answer_that_is_no_good_is_no_outage(archive):
    """A file that is damaged in the archive, or not there, says nothing about the others."""
    with set_conf(outage_failures=3):
        for _ in range(5):
            with pytest.raises(NotInArchiveError):
                Transport().fetch(archive.url + "/sas/nothing", b"".join, limit=10)
        assert fetch(archive.url) == BODY


def test_an_address_that_is_none_has_a_host():
    assert host_of("http://[half/").name == "?"
    assert host_of("https://user:secret@Data.test:444/x").name == "https://data.test:444"
    assert host_of("http://a/1") is host_of("http://a/2")


# ---- mirrors


def test_a_mirror_helps_out(archive, tree):
    with SASServer(tree) as mirror:
        archive.fail("file", 500)
        assert fetch([archive.url, mirror.url]) == BODY
        assert len(archive.requests()) == len(mirror.requests()) == 1
        assert fetch([closed_port(), mirror.url], consume=lambda answer: (answer.url, b"".join(answer))) == (
            mirror.url + "/sas/file",
            BODY,
        )


def test_the_archive_itself_says_what_is_not_there(archive, tree, tmp_path):
    with SASServer(tree) as mirror, pytest.raises(NotInArchiveError) as caught:
        (tmp_path / "nothing").mkdir()
        archive.root = tmp_path / "nothing"
        fetch([archive.url, mirror.url])
    assert archive.url in str(caught.value) and not mirror.requests()
    archive.root = tree
    with SASServer(tmp_path / "nothing") as mirror:  # a mirror with gaps, while the archive has trouble once
        archive.fail("file", 500, times=1)
        assert fetch([archive.url, mirror.url]) == BODY
        assert len(mirror.requests()) == 1
        archive.fail("file", 500)
        with pytest.raises(ArchiveUnavailableError, match=r"HTTP 500 .* after 2 tries; from .*HTTP 404"):
            fetch([archive.url, mirror.url], retries=1)


def test_a_mirror_is_asked_at_once_while_the_archive_is_down(archive, tree):
    with SASServer(tree) as mirror, set_conf(retry_delay=5.0):
        down(host_of(archive.url))
        start = time.monotonic()
        assert fetch([archive.url, mirror.url]) == BODY
        assert time.monotonic() - start < 3
        assert not archive.requests()


def test_frames_and_spectra_come_from_mirrors(sas_tree, tmp_path):
    key = next(iter(FIELDS))
    with SASServer(sas_tree) as mirror, set_conf(sas_url=closed_port(), sas_mirrors=[mirror.url + "/sas/"]):
        (field,) = SDSS(cache_dir=tmp_path, retries=0).fields([key], progress=False)
        assert sorted(field.frames) == sorted("ugriz")
        with pytest.raises(ArchiveError, match=r"refused.*from .*HTTP 404"):
            SDSSSpectra(cache_dir=tmp_path, retries=0).spectrum(SpectrumKey(3586, 55181, 1, "v5_13_2"))
        with conf.set_temp("sas_mirrors", []):  # one cache for the archive and its mirrors
            (field,) = SDSS(cache_dir=tmp_path, retries=0).fields([key], progress=False)
            assert sorted(field.frames) == sorted("ugriz")


# ---- files gone on with


def test_only_the_rest_is_asked_for(archive):
    archive.fail("file", "truncated", times=2)
    assert fetch(archive.url) == BODY
    piece = 65536
    first = len(BODY) // 2 // piece * piece  # what did not fill a piece is lost
    second = first + (len(BODY) - first) // 2 // piece * piece
    assert [r.range for r in archive.requests()] == [None, f"bytes={first}-", f"bytes={second}-"]


def test_a_file_that_changed_is_read_from_the_start(archive, tree):
    archive.fail("file", "truncated", times=1)
    other = BODY[::-1]

    def consume(answer):
        try:
            return b"".join(answer)
        finally:
            (tree / "file").write_bytes(other)

    assert fetch(archive.url, consume=consume) == other
    assert archive.requests()[1].range is not None


def test_a_server_without_ranges(archive):
    archive.ranges = False
    archive.fail("file", "truncated", times=1)
    assert fetch(archive.url) == BODY
    assert [r.range for r in archive.requests()] == [None, None]


def test_what_was_whole_but_wrong_is_not_gone_on_with(archive):
    wrong = iter([True, False])

    def consume(answer):
        body = b"".join(answer)
        if next(wrong):
            raise BadAnswerError("damaged", answer.url)
        return body

    assert fetch(archive.url, consume=consume) == BODY
    assert [r.range for r in archive.requests()] == [None, None]


@pytest.mark.parametrize(
    ("headers", "right"),
    [
        ({"Content-Range": "bytes 4-9/10"}, True),
        ({"Content-Range": "bytes 4-9/10", "ETag": '"a"'}, True),
        ({"Content-Range": "bytes 4-9/10", "ETag": '"b"'}, False),
        ({"Content-Range": "bytes 5-9/10"}, False),
        ({"Content-Range": "bytes 4-8/10"}, False),
        ({"Content-Range": "bytes 4-9/11"}, False),
        ({"Content-Range": "bytes 4-9/*"}, False),
        ({"Content-Range": "bytes 4-9/10", "Content-Encoding": "gzip"}, False),
        ({}, False),
    ],
)
def test_the_rest_must_fit(headers, right):
    kept = Kept()
    kept.begin({"ETag": '"a"'}, 10)
    kept.add(b"1234")
    assert kept.headers() == {"Range": "bytes=4-", "If-Range": '"a"'}
    assert kept.continued_by(headers) is right


@pytest.mark.parametrize(
    ("headers", "promised"),
    [
        ({}, 10),
        ({"ETag": 'W/"a"'}, 10),
        ({"ETag": '"a"'}, None),
        ({"ETag": '"a"\r\nX: y'}, 10),
        ({"ETag": '"a"'}, 10**9),
    ],
)
def test_no_beginning_is_kept_of_what_cannot_be_gone_on_with(headers, promised):
    kept = Kept()
    kept.begin(headers, promised)
    kept.add(b"1234")
    assert kept.headers() == {} and kept.pieces == []


# ---- bandwidth, disk


def test_the_bandwidth_is_shared(archive):
    start = time.monotonic()
    with set_conf(bandwidth=4 * len(BODY)):
        threads = [threading.Thread(target=fetch, args=[archive.url]) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert 0.9 < time.monotonic() - start < 6
    assert Pace().delay(1_000_000) == 0  # no limit by default


def test_a_full_disk(tmp_path):
    cache = FileCache(tmp_path, kind="frames", archive="a", data_release=17)
    path = cache.folder / "file"
    with (
        full_disk(),
        pytest.raises(CacheError, match=r"No space left on device; make room, or set conf\.cache_dir") as err,
    ):
        cache.store(path, [BODY], read=lambda path: None)
    assert err.value.url == str(path) and err.value.__cause__.errno == errno.ENOSPC
    assert not [p for p in cache.folder.rglob("*") if p.is_file()]
    cache.store(path, [BODY], read=lambda path: None)
    assert path.read_bytes() == BODY


# ---- all of it


def test_a_bad_day(tmp_path):
    """Sixteen fields through every fault at once: each frame arrives, and nothing broken is in the cache."""
    keys, content = [FieldKey(2583, 301, 2, 11 + n) for n in range(16)], {}
    for key in keys:
        for band in "ugriz":
            path = frame_path(tmp_path / "sas", key, band)
            path.parent.mkdir(parents=True, exist_ok=True)
            content[path.name] = frame_bytes(key, band, (10.0, 0.5), shape=(20, 24))
            path.write_bytes(content[path.name])
    faults = Faults(
        seed=32, p500=0.05, hang=0.02, truncated=0.02, html=0.01, too_many=0.02, close=0.01,
        retry_after=1, hang_for=2.0, down_at=50, down_for=1.0,
    )  # fmt: skip
    with SASServer(tmp_path / "sas", faults=faults) as archive, archive.configured(), full_disk():
        with set_conf(retry_delay=0.05, timeout=0.4, put_backs=1):
            fields = list(SDSS(cache_dir=tmp_path / "cache").fields(keys, progress=False))
    assert sorted(field.key for field in fields) == keys
    assert [field.key for field in fields if field.errors or field.missing or len(field.frames) < 5] == []
    cached = {p.name: p.read_bytes() for p in (tmp_path / "cache").rglob("*") if p.is_file()}
    assert cached == content
    assert all(faults.count[fault] for fault in (500, "hang", "truncated", "html", 429, "down")), faults.count


def test_put_back_fields_come_last(tmp_path, sas_tree):
    first, *_ = FIELDS
    with SASServer(sas_tree) as archive, archive.configured(), conf.set_temp("put_backs", 1):
        archive.fail(f"frame-r-{first.run:06d}-2-{first.field:04d}", 500, times=3)
        source = SDSS(cache_dir=tmp_path, retries=1, timeout=30 * u.s)
        fields = {field.key: field for field in source.fields(FIELDS, progress=False)}
        assert len(archive.requests("frame-r-")) == 2 + 2 + 2
    assert list(fields)[-1] == first
    assert not any(field.errors or field.unavailable for field in fields.values())
