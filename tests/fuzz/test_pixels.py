# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Frames and spectra from an archive that sends anything."""

import bz2

import pytest
from fuzz.mutate import EXAMPLES, bounded, damaged, damaged_cards
from hypothesis import given
from skyframes import frame_bytes
from skyspectra import spec_bytes, star

from stellarclass import conf
from stellarclass.archives import FieldKey, SpectrumKey, read_frame, read_spectrum
from stellarclass.archives.frames import read_geometry, read_header
from stellarclass.exceptions import ArchiveError

KEY = FieldKey(2583, 301, 2, 136)
PLAIN = frame_bytes(KEY, "r", (323.34, -0.73), shape=(20, 24), compress=False)
SPECTRUM = spec_bytes(SpectrumKey(618, 52049, 372), star("G2"), redshift=1e-4)


def read(content, tmp_path):
    """As the pipeline does, and as who has a folder of such files."""
    path = tmp_path / "frame.fits.bz2"
    path.write_bytes(content)
    with bounded(ArchiveError):
        read_frame(content, band="r", key=KEY)
    with bounded(ArchiveError):
        read_frame(path)
    for reader in (read_header, read_geometry):
        with bounded(ArchiveError):
            reader(path)


@given(content=damaged(bz2.compress(PLAIN)))
@EXAMPLES
def test_damaged_bzip2(content, tmp_path):
    read(content, tmp_path)


@given(content=damaged(PLAIN))
@EXAMPLES
def test_damaged_frames(content, tmp_path):
    read(bz2.compress(content), tmp_path)


@given(content=damaged_cards(PLAIN))
@EXAMPLES
def test_frames_with_other_headers(content, tmp_path):
    read(content, tmp_path)


@pytest.mark.parametrize("streams", [1, 3])
def test_bombs(tmp_path, streams):
    """A thousandth of what it unpacks to; and bytes that are a header without end."""
    endless = bz2.compress(PLAIN[:2880].replace(b"END ", b"XND ") + b" " * 100_000_000, 1) * streams
    with conf.set_temp("max_frame_bytes", 20_000_000):
        read(endless, tmp_path)
    for reader in (read_frame, read_spectrum):
        with bounded(ArchiveError):
            reader(b"SIMPLE  =" + b" " * 3_000_000)


@given(content=damaged(SPECTRUM) | damaged_cards(SPECTRUM))
@EXAMPLES
def test_damaged_spectra(content):
    with bounded(ArchiveError):
        read_spectrum(content)
