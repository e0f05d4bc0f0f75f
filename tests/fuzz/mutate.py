# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What the fuzzing tests share: damage to bytes and to JSON, and bounds on what a reader may take.

``with bounded(Allowed, ...):`` lets nothing out of a reader but the errors named, within seconds and megabytes.
"""

import copy
import json
import resource
import signal
import warnings
from contextlib import contextmanager
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

SECONDS = 20  # on a busy machine; what hangs, hangs for longer
MEMORY = 400_000_000  # bytes beyond what the process has

EXAMPLES = settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)

NUMBERS = [0, -1, 1, 3, 255, 2**31 - 1, -(2**31), 2**31, 2**63 - 1, 2**63, 10**30, -0.5, 1e308, float("nan")]
TEXTS = ["", "x", "T", "é\U0001f600", "x" * 5000]
VALUES = [*NUMBERS, *TEXTS, float("inf"), None, True, [], {}, [[[]]], {"a": {"a": 1}}]
CARDS = ["'x'", "T", "", "'", "(1,2)", "'9999999999E'", "'QJ(9)'", "'(1,-1)'", "'0A'", "'E30.99'"]
PIECES = [b"\0", b"\xff" * 8, b"-1", b"1e999", b"nan", b"99999999999999999999", b"<", b'"', b"\n", b"END", b"[" * 300]


class Hang(BaseException):
    """A reader took too long; no reader catches it by accident."""


@contextmanager
def bounded(*allowed, seconds=SECONDS, memory=MEMORY):
    """Whatever is raised inside is of the types allowed, comes in time, and needed no more memory."""
    now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    limits = resource.getrlimit(resource.RLIMIT_AS)

    def hang(*args):
        raise Hang(f"no end after {seconds} s")

    before = signal.signal(signal.SIGALRM, hang)
    resource.setrlimit(resource.RLIMIT_AS, (now + memory, limits[1]))
    signal.alarm(seconds)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # as most users have it, so that readers go on to what comes after
            yield
    except allowed as err:
        while err is not None:  # readers that turn everything into one of ours turn that as well
            assert not isinstance(err, MemoryError), repr(err)
            err = err.__cause__ or err.__context__
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
        resource.setrlimit(resource.RLIMIT_AS, limits)


@st.composite
def damaged(draw, content):
    """Bytes with some of them changed, cut out, doubled, or cut off."""
    content = bytearray(content)
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, max(0, len(content) - 1)))
        length = draw(st.sampled_from([1, 1, 2, 8, 80, 2880]))
        kind = draw(st.sampled_from(["set", "set", "replace", "cut", "double", "end"]))
        if kind == "set":
            content[start : start + 1] = bytes([draw(st.integers(0, 255))])
        elif kind == "replace":
            piece = draw(st.sampled_from(PIECES))
            content[start : start + len(piece)] = piece
        elif kind == "cut":
            del content[start : start + length]
        elif kind == "double":
            content[start:start] = content[start : start + length]
        else:
            del content[start:]
    return bytes(content)


@st.composite
def damaged_cards(draw, content):
    """A FITS file in whose headers some keywords have other values."""
    content = bytearray(content)
    cards = [at for at in range(0, len(content) - 79, 80) if content[at + 8 : at + 10] == b"= "]
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.sampled_from(cards))
        value = draw(st.sampled_from(NUMBERS) | st.sampled_from(CARDS))
        content[at + 10 : at + 80] = f"{value!s:>20}".encode().ljust(70)[:70]
    return bytes(content)


@st.composite
def damaged_json(draw, content):
    """JSON in which some values are others, are missing, or stand under another name."""
    values = json.loads(content)
    for _ in range(draw(st.integers(1, 3))):
        places = list(_places(values))
        if not places:
            break
        holder, key = draw(st.sampled_from(places))
        kind = draw(st.sampled_from(["set", "set", "delete", "rename"]))
        if kind == "set":
            holder[key] = copy.deepcopy(draw(st.sampled_from(VALUES)))
        elif kind == "delete":
            del holder[key]
        elif isinstance(holder, dict):
            holder[draw(st.sampled_from(["", "x", "__class__", "../x", "self"]))] = holder.pop(key)
    return json.dumps(values).encode()


def _places(values):
    pairs = values.items() if isinstance(values, dict) else enumerate(values) if isinstance(values, list) else ()
    for key, value in list(pairs):
        yield values, key
        yield from _places(value)
