# Licensed under a 3-clause BSD style license - see LICENSE.rst
import bz2
import io

import numpy as np
import pytest
from astropy.io import fits
from astropy.time import Time
from astropy.utils.exceptions import AstropyWarning
from astropy.wcs import WCS
from hypothesis import given, settings
from hypothesis import strategies as st
from skyframes import frame_bytes

from stellarclass import conf
from stellarclass.archives import FieldKey, read_frame
from stellarclass.archives.frames import read_header
from stellarclass.exceptions import BadAnswerError, NotInArchiveError

KEY = FieldKey(2583, 301, 2, 136)
CENTER = (323.34, -0.73)


@pytest.fixture(scope="module")
def packed():
    return frame_bytes(KEY, "r", CENTER, stars=[(50, 70, 30.0)])


@pytest.fixture
def real_frame(real_data):
    return real_data / "sas/dr17/eboss/photoObj/frames/301/2583/2/frame-u-002583-2-0136.fits.bz2"


def with_astropy(source):
    content = io.BytesIO(bz2.decompress(source.read_bytes()))
    with fits.open(content) as hdus, pytest.warns(AstropyWarning):  # the deprecated keywords that we step around
        return hdus[0].data, hdus[1].data, hdus[2].data["ALLSKY"][0], hdus[0].header, WCS(hdus[0].header)


def test_the_same_as_astropy(real_frame):
    frame = read_frame(real_frame, band="u", key=KEY)
    data, calibration, sky, header, wcs = with_astropy(real_frame)
    assert frame.band == "u"
    assert frame.data.shape == (1489, 2048)
    for mine, theirs in ((frame.data, data), (frame.nanomaggies_per_count, calibration), (frame.sky, sky)):
        assert mine.dtype == np.dtype(np.float32)
        assert mine.dtype.isnative
        np.testing.assert_array_equal(mine, theirs)
    x, y = np.meshgrid([0, 1000, 2047], [0, 700, 1488])
    np.testing.assert_array_equal(frame.wcs.wcs_pix2world(x, y, 0), wcs.wcs_pix2world(x, y, 0))
    assert frame.wcs.pixel_to_world(5, 6).separation(wcs.pixel_to_world(5, 6)).arcsec == 0
    assert frame.wcs.array_shape == frame.data.shape
    # The first row was read at 06:27:04.2 TAI, the middle of the exposure is 27 s later.
    start = Time(f"2001-09-20T{header['TAIHMS']}", scale="tai")
    assert frame.epoch == pytest.approx(start.jyear + 27 / 86400 / 365.25, abs=1e-8)


def test_bytes_path_and_uncompressed_are_one(packed, tmp_path):
    (tmp_path / "a.fits.bz2").write_bytes(packed)
    (tmp_path / "a.fits").write_bytes(bz2.decompress(packed))
    first = read_frame(packed, band="r", key=KEY)
    for source in (tmp_path / "a.fits.bz2", str(tmp_path / "a.fits"), bz2.decompress(packed)):
        frame = read_frame(source, band="r", key=KEY)
        np.testing.assert_array_equal(frame.data, first.data)
        np.testing.assert_array_equal(frame.sky, first.sky)
        assert frame.epoch == first.epoch
    assert first.data[70, 50] == pytest.approx(30, abs=0.2)
    frame.data[0, 0] = 1  # ours to change: not a view of somebody's bytes


def test_several_bzip2_streams(packed):
    plain = bz2.decompress(packed)
    parts = bz2.compress(plain[:50_000]) + bz2.compress(plain[50_000:])
    np.testing.assert_array_equal(read_frame(parts).data, read_frame(packed).data)
    with pytest.raises(BadAnswerError, match="more than 200 bzip2 streams"):  # a million would take hours
        read_frame(bz2.compress(b"") * 300)


def test_header_alone(packed, tmp_path, real_frame):
    for path, content in ((tmp_path / "a.fits.bz2", packed), (tmp_path / "a.fits", bz2.decompress(packed))):
        path.write_bytes(content)
        header = read_header(path)
        assert (header["RUN"], header["FILTER"]) == (2583, "r")
    # One bzip2 block of a real frame is enough: the rest of the file may be anything.
    (tmp_path / "cut.fits.bz2").write_bytes(real_frame.read_bytes()[:500_000])
    assert read_header(tmp_path / "cut.fits.bz2")["CAMCOL"] == 2


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "empty"), (b"<html>no</html>", "HTML"), (b"\x1f\x8bgzip", "begins with"), (b"BZh9garbage....", "bzip2")],
)
@pytest.mark.parametrize("read", [read_frame, read_header])
def test_what_is_no_frame(content, reason, read, tmp_path):
    path = tmp_path / "frame.fits.bz2"
    path.write_bytes(content)
    with pytest.raises(BadAnswerError, match=reason) as caught:
        read(path)
    assert str(path) in str(caught.value)


def test_no_file(tmp_path):
    with pytest.raises(NotInArchiveError, match="no such file"):
        read_frame(tmp_path / "nothing.fits")


@pytest.mark.parametrize("fraction", [0.01, 0.5, 0.9, 0.999])
def test_truncated(packed, fraction):
    for whole in (packed, bz2.decompress(packed)):
        if whole is not packed and fraction == 0.999:
            continue  # only the zeros after the last table are missing
        with pytest.raises(BadAnswerError, match="truncated"):
            read_frame(whole[: int(len(whole) * fraction)])


def test_a_flipped_bit(packed):
    damaged = bytearray(packed)
    damaged[len(damaged) // 2] ^= 1
    with pytest.raises(BadAnswerError, match=r"damaged bzip2|truncated"):
        read_frame(damaged)


def test_a_bomb_is_refused(packed, tmp_path):
    bomb = bz2.compress(b"SIMPLE  =" + bytes(10_000_000))
    assert len(bomb) < 1000
    with conf.set_temp("max_frame_bytes", 1_000_000), pytest.raises(BadAnswerError, match="max_frame_bytes = 1000000"):
        read_frame(bomb)
    path = tmp_path / "large.fits"
    path.write_bytes(packed)
    with conf.set_temp("max_frame_bytes", len(packed) - 1), pytest.raises(BadAnswerError, match="more than conf"):
        read_frame(path)


@pytest.mark.parametrize(
    ("key", "band", "reason"),
    [
        (KEY, "g", "frame in r, asked for was g"),
        (KEY._replace(run=2584), "r", "field 2583-2-136, asked for was 2584-2-136"),
        (KEY._replace(camcol=3), "r", "asked for was 2583-3-136"),
        (KEY._replace(field=137), "r", "asked for was 2583-2-137"),
        (KEY._replace(rerun=40), "r", "rerun 301, asked for was 40"),
    ],
)
def test_another_frame_than_asked_for(packed, key, band, reason):
    with pytest.raises(BadAnswerError, match=reason) as caught:
        read_frame(packed, key=key, band=band, name="http://archive/frame")
    assert "http://archive/frame" in str(caught.value)


@pytest.mark.parametrize("band", "ugriz")
def test_every_ccd_counts_its_own_frames(band):
    """FRAME is the field's number only in r; the other bands pass the sky two to eight frames later."""
    content = frame_bytes(KEY, band, CENTER, compress=False)
    assert fits.Header.fromstring(content[:2880])["FRAME"] == 136 + 2 * "riuzg".index(band)
    assert read_frame(content, band=band, key=KEY).band == band


@pytest.mark.parametrize(
    ("cards", "reason"),
    [
        ({"FILTER": "y"}, "FILTER is 'y'"),
        ({"CTYPE1": "GLON-TAN"}, "projection"),
        ({"CD1_1": None}, "CD1_1"),
        ({"CRVAL1": "east"}, "east"),
        ({"CD1_2": 0.0, "CD2_1": 0.0}, "singular"),
        ({"TAI": 0.0}, "no date on which SDSS observed"),
        ({"TAI": None}, "TAI"),
        ({"BSCALE": 2.0}, "scaled"),
        ({"NAXIS1": 204}, "calibration|HDU|header|KeyError|BITPIX"),
        ({"NAXIS2": 100_000_000}, "truncated"),
        ({"NAXIS2": -3}, "no pixels"),
        ({"BITPIX": 16}, "BITPIX"),
    ],
)
def test_headers_that_make_no_sense(cards, reason):
    content = bytearray(frame_bytes(KEY, "r", CENTER, compress=False))
    header = fits.Header.fromstring(bytes(content[:5760]).partition(b"END" + b" " * 77)[0] + b"END")
    for name, value in cards.items():
        header.remove(name) if value is None else header.set(name, value)
    content = header.tostring().encode() + bytes(content[5760 if len(header) > 35 else 2880 :])
    with pytest.raises(BadAnswerError, match=reason):
        read_frame(content)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_garbage_never_escapes(data):
    """Whatever is wrong with a file, the error is ours."""
    content = bytearray(PLAIN)
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, 2879))] = data.draw(st.integers(0, 255))
    content = bytes(content[: data.draw(st.integers(0, len(content)))]) if data.draw(st.booleans()) else bytes(content)
    try:
        read_frame(content, band="r", key=KEY)
    except BadAnswerError:
        pass  # warnings are errors in tests, so astropy's own about damaged cards come this way too


PLAIN = frame_bytes(KEY, "r", CENTER, shape=(16, 24), compress=False)
