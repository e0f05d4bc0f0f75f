# Licensed under a 3-clause BSD style license - see LICENSE.rst
import errno
import logging
import multiprocessing
import os
import signal
import tempfile
import threading
import time

import numpy as np
import pytest
from skyframes import frame_bytes

from stellarclass import conf
from stellarclass.archives import FieldKey, LocalSAS
from stellarclass.archives.cache import FrameCache
from stellarclass.exceptions import BadAnswerError, CacheError, NotInArchiveError

KEY = FieldKey(2583, 301, 2, 136)
URL = "http://127.0.0.1/frame"
CONTENT = frame_bytes(KEY, "r", (323.34, -0.73))


@pytest.fixture
def cache(tmp_path):
    return FrameCache(tmp_path, archive="http://127.0.0.1/sas", data_release=17)


def files(cache):
    return [path for path in cache.folder.rglob("*") if path.is_file()]


def test_what_goes_in_comes_out(cache):
    assert cache.get(KEY, "r") is None
    stored = cache.put(KEY, "r", [CONTENT[:1000], CONTENT[1000:]], url=URL)
    assert files(cache) == [cache.path(KEY, "r")]
    assert cache.path(KEY, "r").read_bytes() == CONTENT
    again = cache.get(KEY, "r")
    np.testing.assert_array_equal(again.data, stored.data)
    assert cache.get(KEY, "g") is None


def test_a_cache_is_a_sas_tree(cache, tmp_path):
    cache.put(KEY, "r", [CONTENT], url=URL)
    assert LocalSAS(tmp_path).keys() == [KEY]


@pytest.mark.parametrize(
    "content",
    [CONTENT[:-100], b"<html></html>", b"", CONTENT[:4000] + CONTENT[4001:]],
    ids=["cut", "html", "none", "hole"],
)
def test_nothing_broken_goes_in(cache, content):
    with pytest.raises(BadAnswerError, match=URL):
        cache.put(KEY, "r", [content], url=URL)
    assert files(cache) == []


def test_no_other_frame_goes_in(cache):
    with pytest.raises(BadAnswerError, match="asked for was"):
        cache.put(KEY, "g", [CONTENT], url=URL)
    assert files(cache) == []


def test_an_interrupted_download_leaves_nothing(cache):
    def pieces():
        yield CONTENT[:1000]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache.put(KEY, "r", pieces(), url=URL)
    assert files(cache) == []


def _put_and_die(folder):
    def pieces():
        yield CONTENT[:1000]
        os.kill(os.getpid(), signal.SIGKILL)

    FrameCache(folder, archive="http://127.0.0.1/sas", data_release=17).put(KEY, "r", pieces(), url=URL)


def test_what_a_killed_process_leaves_is_removed_a_day_later(cache, tmp_path):
    process = multiprocessing.get_context("fork").Process(target=_put_and_die, args=[tmp_path])
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    (rest,) = files(cache)
    assert rest.suffix == ".part"
    assert cache.get(KEY, "r") is None

    def open_again(age):
        os.utime(rest, (time.time() - age,) * 2)
        FrameCache(tmp_path, archive="http://127.0.0.1/sas", data_release=17)
        return rest.exists()

    assert open_again(age=3600)  # another process may be at it
    cache.put(KEY, "r", [CONTENT], url=URL)
    os.utime(cache.path(KEY, "r"), (0, 0))
    assert not open_again(age=25 * 3600)
    assert files(cache) == [cache.path(KEY, "r")]


def test_tidying_touches_nothing_else(cache, tmp_path):
    cache.put(KEY, "r", [CONTENT], url=URL)
    elsewhere = tmp_path / "mine.part"
    elsewhere.write_bytes(b"mine")
    unfinished = cache.folder / "unfinished"
    (unfinished / "link.part").symlink_to(elsewhere)
    (unfinished / "folder.part").mkdir()
    (unfinished / "notes.txt").write_text("mine")
    for path in (elsewhere, unfinished / "notes.txt", unfinished / "folder.part"):
        os.utime(path, (0, 0))
    os.utime(unfinished / "link.part", (0, 0), follow_symlinks=False)
    FrameCache(tmp_path, archive="http://127.0.0.1/sas", data_release=17)
    assert sorted(p.name for p in unfinished.iterdir()) == ["folder.part", "link.part", "notes.txt"]
    assert elsewhere.read_bytes() == b"mine"


def test_a_cache_that_is_a_file_is_no_obstacle_yet(tmp_path):
    (tmp_path / "file").write_text("no folder")
    FrameCache(tmp_path / "file", archive="x", data_release=17)


def test_a_good_file_survives_a_bad_successor(cache):
    cache.put(KEY, "r", [CONTENT], url=URL)
    with pytest.raises(BadAnswerError):
        cache.put(KEY, "r", [b"<html>"], url=URL)
    assert cache.get(KEY, "r") is not None


def test_a_damaged_file_is_removed(cache, caplog):
    cache.put(KEY, "r", [CONTENT], url=URL)
    path = cache.path(KEY, "r")
    path.write_bytes(CONTENT[:500])
    with caplog.at_level(logging.WARNING):
        assert cache.get(KEY, "r") is None
    assert "truncated" in caplog.text
    assert str(path) in caplog.text
    assert files(cache) == []


@pytest.mark.parametrize("key", [KEY._replace(run="../../etc"), KEY._replace(camcol=7), KEY._replace(field=-1)])
def test_paths_are_made_of_checked_integers(cache, key):
    with pytest.raises((NotInArchiveError, ValueError)):
        cache.path(key, "r")


def test_archives_and_releases_are_kept_apart(tmp_path):
    folders = {
        FrameCache(tmp_path, archive=archive, data_release=release).folder
        for archive in ("https://data.sdss.org/sas", "http://127.0.0.1:8000/sas")
        for release in (17, 18)
    }
    assert len(folders) == 4
    assert all(folder.is_relative_to(tmp_path) for folder in folders)
    slash = FrameCache(tmp_path, archive="https://data.sdss.org/sas/", data_release=17).folder
    assert slash in folders


def test_the_configured_folder(own_cache):
    assert FrameCache(archive="x", data_release=17).folder.is_relative_to(own_cache)


def test_a_home_that_cannot_be_written(monkeypatch):
    def refuse():
        raise OSError(errno.EROFS, "Read-only file system", "/home/me/.cache")

    monkeypatch.setattr("stellarclass.archives.cache.get_cache_dir", refuse)
    with (
        conf.set_temp("cache_dir", ""),
        pytest.raises(CacheError, match=r"Read-only.*set conf\.cache_dir.*/me/\.cache"),
    ):
        FrameCache(archive="http://127.0.0.1/sas", data_release=17)


def test_a_folder_that_cannot_be_written(cache, monkeypatch):
    cache.put(KEY, "r", [CONTENT], url=URL)
    cache.path(KEY, "r").write_bytes(CONTENT[:-100])

    def refuse(*args, **options):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(tempfile, "mkstemp", refuse)
    monkeypatch.setattr(os, "unlink", refuse)
    assert cache.get(KEY, "r") is None  # damaged, and there to stay
    with pytest.raises(CacheError, match=r"Permission denied; set conf\.cache_dir"):
        cache.put(KEY, "r", [CONTENT], url=URL)


def test_many_threads_one_file(cache):
    """Each puts and gets the same frame; nobody ever sees half of it."""
    seen = []

    def work():
        for _ in range(5):
            cache.put(KEY, "r", [CONTENT[i : i + 5000] for i in range(0, len(CONTENT), 5000)], url=URL)
            seen.append(cache.get(KEY, "r"))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 20
    assert all(frame is not None for frame in seen)
    assert files(cache) == [cache.path(KEY, "r")]


def _put_and_get(folder):
    cache = FrameCache(folder, archive="http://127.0.0.1/sas", data_release=17)
    for _ in range(5):
        cache.put(KEY, "r", [CONTENT], url=URL)
        if cache.get(KEY, "r") is None:
            return False
    return True


def test_several_processes_one_file(cache, tmp_path):
    with multiprocessing.get_context("fork").Pool(2) as pool:
        assert all(pool.map(_put_and_get, [tmp_path] * 2))
        pool.close()
        pool.join()
    assert files(cache) == [cache.path(KEY, "r")]
