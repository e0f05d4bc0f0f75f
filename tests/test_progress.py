# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Bars where somebody looks at them, silence elsewhere."""

import io
import sys

import pytest

from stellarclass._progress import progress_bar


class Terminal(io.StringIO):
    def isatty(self):
        return True


def drawn(monkeypatch, stream, enabled):
    monkeypatch.setattr(sys, "stderr", stream)
    with progress_bar(2, enabled=enabled, desc="fields", unit="field") as bar:
        bar.update(2)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("stream", "enabled", "shown"),
    [(Terminal, None, True), (io.StringIO, None, False), (io.StringIO, True, True), (Terminal, False, False)],
)
def test_shown_on_a_terminal_or_on_request(monkeypatch, stream, enabled, shown):
    text = drawn(monkeypatch, stream(), enabled)
    assert bool(text) is shown
    assert ("fields: 100%" in text and "2/2" in text) is shown


def test_no_standard_error(monkeypatch):
    """As under pythonw, or in some services."""
    monkeypatch.setattr(sys, "stderr", None)
    assert list(progress_bar([1, 2], enabled=None)) == [1, 2]


def test_goes_through_an_iterable(capsys):
    assert list(progress_bar(iter("abc"), enabled=True, desc="letters")) == ["a", "b", "c"]
    assert "letters" in capsys.readouterr().err


def test_a_callable_is_told_instead(capsys):
    told = []
    with progress_bar(3, enabled=lambda *what: told.append(what), desc="fields") as bar:
        bar.update(2)
        bar.update()
    assert list(progress_bar(iter("ab"), enabled=lambda *what: told.append(what), desc="letters")) == ["a", "b"]
    assert told == [("fields", 2, 3), ("fields", 3, 3), ("letters", 1, None), ("letters", 2, None)]
    assert capsys.readouterr().err == ""
