# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""SDSS's files of spectra: what is in them, and files that are not what they should be."""

import io

import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st
from skyspectra import LOGLAM, spec_bytes, star
from specutils import Spectrum

from stellarclass import conf
from stellarclass.archives import SpectrumKey, read_spectrum
from stellarclass.exceptions import BadAnswerError, NotInArchiveError

KEY = SpectrumKey(618, 52049, 372)
CONTENT = spec_bytes(KEY, star("G2"), redshift=1e-4)


def test_what_is_in_a_file(tmp_path):
    path = tmp_path / "spec.fits"
    path.write_bytes(CONTENT)
    spectrum = read_spectrum(path, key=KEY)
    assert isinstance(spectrum, Spectrum)
    with fits.open(path) as hdus:
        data = hdus[1].data
        np.testing.assert_array_equal(spectrum.flux.value, data["flux"])
        assert spectrum.flux.unit == u.Unit("1e-17 erg / (s cm2 Angstrom)")
        np.testing.assert_allclose(spectrum.spectral_axis.to_value(u.AA), 10 ** data["loglam"].astype(float))
        good = ~spectrum.mask
        np.testing.assert_array_equal(spectrum.uncertainty.array[good], data["ivar"][good])
    assert np.flatnonzero(spectrum.mask).tolist() == [10, 30]  # BRIGHTSKY and no inverse variance; not NEARBADPIXEL
    meta = spectrum.meta
    assert (meta["plate"], meta["mjd"], meta["fiber"], meta["run2d"]) == (618, 52049, 372, "26")
    assert (meta["sdss_class"], meta["sdss_subclass"], meta["ra"]) == ("STAR", "G2", 150.1)
    assert meta["sdss_redshift"] == pytest.approx(1e-4)
    assert meta["source"] == str(path)


def test_the_catalog_row_may_have_either_name_or_be_missing():
    assert read_spectrum(spec_bytes(KEY, star("G2"), kind="SPALL")).meta["plate"] == 618
    with fits.open(io.BytesIO(CONTENT)) as hdus:
        buffer = io.BytesIO()
        hdus[0].header["PLATEID"], hdus[0].header["MJD"], hdus[0].header["FIBERID"] = 618, 52049, 372
        fits.HDUList(hdus[:2]).writeto(buffer)
    spectrum = read_spectrum(buffer.getvalue(), key=KEY)
    assert "sdss_class" not in spectrum.meta


def test_another_spectrum_is_refused():
    with pytest.raises(BadAnswerError, match="this is spectrum 618-52049-372, asked for was 618-52049-373"):
        read_spectrum(CONTENT, key=SpectrumKey(618, 52049, 373))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b"<html>", "HTML"),
        (CONTENT[: len(CONTENT) // 2], "truncated"),
        (CONTENT[:3000], "truncated"),
        (CONTENT.replace(b"'loglam", b"'notlam"), "no column loglam"),
        (CONTENT.replace(b"XTENSION= 'BINTABLE'", b"XTENSION= 'IMAGE   '"), "not the binary table"),
    ],
)
def test_what_is_no_spectrum_is_refused(content, message):
    with pytest.raises(BadAnswerError, match=message):
        read_spectrum(content)


def test_sizes_are_bounded(tmp_path):
    rows = f"NAXIS2  = {len(LOGLAM):20d}".encode()
    assert rows in CONTENT
    with pytest.raises(BadAnswerError, match="rows"):
        read_spectrum(CONTENT.replace(rows, b"NAXIS2  =        2000000000000"[: len(rows)]))
    path = tmp_path / "spec.fits"
    path.write_bytes(CONTENT)
    with conf.set_temp("max_spectrum_bytes", 1000), pytest.raises(BadAnswerError, match="max_spectrum_bytes"):
        read_spectrum(path)
    with pytest.raises(NotInArchiveError, match="no such file"):
        read_spectrum(tmp_path / "none.fits")


@pytest.mark.parametrize("bad", [LOGLAM[::-1], LOGLAM * np.nan, 10**LOGLAM])
def test_wavelengths_are_checked(bad):
    with fits.open(io.BytesIO(CONTENT)) as hdus:
        hdus[1].data["loglam"] = bad
        buffer = io.BytesIO()
        hdus.writeto(buffer)
    with pytest.raises(BadAnswerError, match="loglam"):
        read_spectrum(buffer.getvalue())


@settings(max_examples=60, deadline=None)
@given(place=st.integers(0, 12_000), value=st.integers(0, 255), cut=st.integers(0, len(CONTENT)))
def test_damage_is_an_error_of_ours_or_harmless(place, value, cut):
    """Headers with any byte changed, files of any length: never another exception."""
    damaged = bytearray(CONTENT)
    damaged[place] = value
    for content in (bytes(damaged), CONTENT[:cut]):
        try:
            spectrum = read_spectrum(content)
        except BadAnswerError:
            continue
        assert spectrum.flux.shape == spectrum.mask.shape
