# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Requests that end in time and within their bytes, whatever a server does to the bytes of HTTP itself."""

import gzip
import itertools
import socket
import threading
import time
from contextlib import contextmanager

import pytest

from stellarclass import conf
from stellarclass.archives.transport import Transport, page_title
from stellarclass.exceptions import (
    ArchiveError,
    ArchiveTimeoutError,
    ArchiveUnavailableError,
    ArchiveUnreachableError,
    BadAnswerError,
    NotInArchiveError,
)

OK = b"HTTP/1.1 200 OK\r\n"


@contextmanager
def serving(*scripts):
    """A server that sends each connection the bytes of the next script, as slowly as that is iterated."""
    over, left, requests = threading.Event(), iter(scripts), []
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.05)

    def answer(connection, pieces):
        with connection:
            try:
                requests.append(connection.recv(65536))
                for piece in pieces:
                    connection.sendall(piece)
                    if over.is_set():
                        break
            except OSError:  # the client has had enough
                pass

    def listen():
        while not over.is_set():
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                continue
            connection.settimeout(10)
            threads.append(threading.Thread(target=answer, args=[connection, next(left)]))
            threads[-1].start()

    threads = [threading.Thread(target=listen)]
    threads[0].start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/thing", requests
    finally:
        over.set()
        for thread in threads:
            thread.join()
        listener.close()


def slowly(start, piece, pause=0.02):
    yield start
    while True:
        time.sleep(pause)
        yield piece


def whole(body, *headers):
    return [b"\r\n".join([OK.rstrip(), b"Content-Length: %d" % len(body), b"Connection: close", *headers, b"", body])]


def fetch(url, *, limit=1_000_000, timeout=10.0, time_budget=30.0, retries=0, **options):
    return Transport(timeout=timeout, time_budget=time_budget, retries=retries).fetch(
        url, b"".join, limit=limit, **options
    )


@pytest.mark.parametrize(
    "script",
    [
        slowly(b"HTTP/1.1 ", b"2"),
        slowly(OK, b"X: y\r\n", pause=0.2),
        slowly(OK + b"X: ", b"y"),
        slowly(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nz\r\n"),
        slowly(OK + b"Content-Length: 100000\r\n\r\n", b"z"),
        slowly(b"HTTP/1.1 302 Found\r\nLocation: /other\r\nContent-Length: 100000\r\n\r\n", b"z"),
        slowly(b"HTTP/1.1 500 No\r\nContent-Length: 100000\r\n\r\n", b"z"),
        slowly(b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
    ids=["status", "headers", "header", "chunks", "body", "redirect", "error", "continue"],
)
def test_the_time_budget_bounds_all_that_a_server_can_send_slowly(script):
    start = time.monotonic()
    with serving(script) as (url, _), pytest.raises(ArchiveError) as caught:
        fetch(url, time_budget=0.4, explain=lambda status, body: None)
    assert time.monotonic() - start < 3
    assert isinstance(caught.value, ArchiveTimeoutError) or "HTTP 500" in str(caught.value)
    assert url in str(caught.value)


@pytest.mark.parametrize(
    "script",
    [
        itertools.chain([OK, b"X: "], itertools.repeat(b"y" * 65536)),
        itertools.chain([OK], itertools.repeat(b"X: y\r\n" * 1000)),
        itertools.chain([OK, b"\r\n"], itertools.repeat(b"z" * 65536)),
        itertools.chain([b"HTTP/1.1 302 Found\r\nLocation: /other\r\n\r\n"], itertools.repeat(b"z" * 65536)),
        whole(gzip.compress(bytes(10_000_000), mtime=0), b"Content-Encoding: gzip"),
        [OK + b"Content-Length: 99999999\r\n\r\n"],
    ],
    ids=["header", "headers", "body", "redirect", "bomb", "promise"],
)
def test_nothing_endless_is_read(script):
    start = time.monotonic()
    with serving(script) as (url, _), pytest.raises((BadAnswerError, ArchiveUnreachableError)):
        fetch(url)
    assert time.monotonic() - start < 5


def test_an_answer_of_just_the_size():
    with serving(whole(bytes(1000))) as (url, requests):
        assert fetch(url, limit=1000) == bytes(1000)
    assert b"Accept-Encoding: identity" in requests[0]
    assert b"User-Agent: stellarclass/" in requests[0]
    with serving(whole(bytes(1001))) as (url, _), pytest.raises(BadAnswerError, match="1001 bytes, more than the 1000"):
        fetch(url, limit=1000)


def test_an_answer_that_is_compressed_unasked():
    with serving(whole(gzip.compress(b"text", mtime=0), b"Content-Encoding: gzip")) as (url, _):
        assert fetch(url) == b"text"


@pytest.mark.parametrize("start", [OK + b"Content-Length: 10\r\n\r\n", OK + b"Transfer-Encoding: chunked\r\n\r\nA\r\n"])
def test_an_answer_that_breaks_off(start):
    with serving([start + b"1234"]) as (url, _), pytest.raises(BadAnswerError, match="truncated: "):
        fetch(url)


def test_retry_after_is_waited_for():
    busy = b"HTTP/1.1 503 Busy\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    with serving([busy], whole(b"text")) as (url, _):
        start = time.monotonic()
        assert fetch(url, retries=1) == b"text"
    assert time.monotonic() - start >= 1


def test_retry_after_beyond_the_budget_is_not_waited_for():
    busy = b"HTTP/1.1 503 Busy\r\nRetry-After: 3600\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    with (
        serving([busy]) as (url, _),
        pytest.raises(ArchiveUnavailableError, match="wait for 3600 s, more than") as error,
    ):
        fetch(url, retries=1, time_budget=5.0)
    assert error.value.retry_after == 3600
    with (
        conf.set_temp("longest_retry_after", 4000.0),
        serving([busy]) as (url, _),
        pytest.raises(ArchiveTimeoutError, match="HTTP 503 Busy; the time budget of 5 s"),
    ):
        fetch(url, retries=1, time_budget=5.0)


def test_explanations_are_quoted():
    body = b"HTTP/1.1 404 No\r\nContent-Length: 5\r\nConnection: close\r\n\r\nsorry"
    with serving([body]) as (url, _), pytest.raises(NotInArchiveError, match="HTTP 404 No: b'sorry'"):
        fetch(url, retries=3, explain=lambda status, body: repr(body))


def test_an_explanation_may_settle_the_matter():
    def explain(status, body):
        raise BadAnswerError("settled", "there")

    body = b"HTTP/1.1 500 No\r\nContent-Length: 5\r\nConnection: close\r\n\r\nsorry"
    with serving([body]) as (url, _), pytest.raises(BadAnswerError, match="settled"):
        fetch(url, retries=3, explain=explain)  # a second try would find no script


def test_several_requests_may_share_a_deadline():
    transport = Transport(timeout=10.0, time_budget=0.3, retries=0)
    deadline = transport.deadline()
    with serving(whole(b"text"), whole(b"text")) as (url, _):
        assert transport.fetch(url, b"".join, limit=100, deadline=deadline) == b"text"
        time.sleep(0.3)
        with pytest.raises(ArchiveTimeoutError, match=r"time budget of 0\.3 s"):
            transport.fetch(url, b"".join, limit=100, deadline=deadline)


def test_once_is_once():
    with serving([b""]) as (url, _), pytest.raises(ArchiveUnreachableError) as caught:
        fetch(url, retries=5, once=True)
    assert "given up" not in str(caught.value)


@pytest.mark.parametrize("start", [OK + b"X: ", b""], ids=["trickling", "silent"])
def test_closing_ends_what_is_under_way(start):
    transport = Transport(timeout=10.0, time_budget=30.0, retries=5)
    with serving(slowly(start, start and b"y")) as (url, _):
        threading.Timer(0.2, transport.close).start()
        start = time.monotonic()
        with pytest.raises(ArchiveError, match="given up before the answer was complete"):
            transport.fetch(url, b"".join, limit=100)
    assert time.monotonic() - start < 5


def test_the_configuration_fills_in():
    with conf.set_temp("timeout", 7.0), conf.set_temp("time_budget", 8.0), conf.set_temp("retries", 9):
        transport = Transport(time_budget=1.5)
    assert (transport.timeout, transport.time_budget, transport.retries) == (7.0, 1.5, 9)


@pytest.mark.parametrize(
    ("body", "title"),
    [
        (b"\n <!DOCTYPE html><HEAD><TITLE> Back\tsoon </TITLE>", "an HTML page titled 'Back\\tsoon'"),
        (b"<html><title></title>", "an HTML page"),
        (b"<html>" + bytes(100), "an HTML page"),
        (b"<?xml version='1.0'?><VOTABLE/>", None),
        (b"ra,dec\n<html>", None),
        (b"", None),
    ],
)
def test_titles_of_pages(body, title):
    assert page_title(body) == title
