# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""SDSS's spectroscopic stars through SkyServer's SQL, on loopback: the server runs the query that it is sent."""

import re
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from astropy import units as u
from skyarchives import SkyArchives
from surveytruth import survey_truth

from stellarclass import conf
from stellarclass.archives import PHOTO_FLAGS, SpectroscopicStars, decode_objid
from stellarclass.archives.spectroscopic import _parse
from stellarclass.exceptions import (
    ArchiveError,
    ArchiveTimeoutError,
    ArchiveUnreachableError,
    BadAnswerError,
    InputError,
)


@pytest.fixture
def stars(survey):
    with survey.configured():
        yield SpectroscopicStars(retries=0)


def all_pages(stars, **options):
    pages, after = [], None
    while len(page := stars.page(after, **options)):
        pages.append(page)
        after = int(page["specobjid"][-1])
    return pages


def wanted(truth, snr_min=0, prefix=""):
    """Rows of the truth that a query must bring, in its order."""
    good = (truth["class"] == "STAR") & (truth["zwarning"] == 0) & (truth["sn_median"] >= snr_min)
    good &= [subclass.startswith(prefix) for subclass in truth["subclass"]]
    rows = truth[np.asarray(good)]
    return rows[np.argsort(rows["specobjid"])]


# --- what is asked, what comes back


@pytest.mark.parametrize("size", [1, 7, 100])
def test_pages_bring_every_star_once(survey, stars, size):
    pages = all_pages(stars, size=size)
    assert {len(page) for page in pages[:-1]} <= {size}
    truth = wanted(survey.truth)
    assert len(truth) == 58
    ids = np.concatenate([page["specobjid"] for page in pages])
    assert ids.dtype == np.uint64
    assert ids.tolist() == truth["specobjid"].tolist()
    assert (ids > 2**63).sum() > 5  # as those of the newest plates are


def test_every_column_is_the_truth(survey, stars):
    page, truth = stars.page(None), wanted(survey.truth)
    for name in page.colnames:
        values, missing = np.ma.getdata(page[name]), np.ma.getmaskarray(page[name])
        np.testing.assert_array_equal(values[~missing], np.asarray(truth[name])[~missing], err_msg=name)
        assert missing.sum() == (name in ("psfmag_u", "psfmagerr_u")), name
    assert page["objid"].dtype == np.int64
    assert (decode_objid(np.asarray(page["objid"])).field == page["field"]).all()
    assert page["psfmag_r"].unit == u.mag
    assert page["ra"].unit == u.deg
    assert "K3 (14092)" in page["subclass"]


def test_cuts_are_made_by_the_server(survey, stars):
    page = stars.page(None, subclass_prefix="K", snr_min=30)
    truth = wanted(survey.truth, 30, "K")
    assert 0 < len(truth) < 30
    assert page["specobjid"].tolist() == truth["specobjid"].tolist()
    assert stars.page(None, subclass_prefix="K7")["subclass"].tolist() == ["K7"] * len(wanted(survey.truth, 0, "K7"))


def test_what_goes_over_the_wire(survey, stars):
    stars.page(12345, subclass_prefix="M", snr_min=2.5, size=10)
    path = survey.sas.requests("x_results")[-1].path
    assert urlsplit(path).path == "/dr17/en/tools/search/x_results.aspx"
    form = parse_qs(urlsplit(path).query)
    assert form["format"] == ["csv"]
    assert form["searchtool"] == ["SQL"]
    asked = re.sub(r"\s+", " ", form["cmd"][0]).strip()
    assert asked == re.sub(r"\s+", " ", stars.sql(12345, subclass_prefix="M", snr_min=2.5, size=10))
    assert "specObjID > 12345 AND s.subClass LIKE 'M%' ORDER BY s.specObjID" in asked
    assert "snMedian >= 2.5" in asked
    assert "TOP 10 " in asked


def test_another_release(survey):
    with survey.configured():
        SpectroscopicStars(data_release=16).page(None, size=1)
    assert survey.sas.requests("x_results")[-1].path.startswith("/dr16/")
    assert SpectroscopicStars(data_release=16).name == "SDSS DR16 SpecObj"
    with conf.set_temp("sdss_data_release", 14), conf.set_temp("skyserver_url", "http://127.0.0.1:9"):
        assert repr(SpectroscopicStars()) == "<SDSS DR14 SpecObj at http://127.0.0.1:9>"


def test_a_server_with_a_limit_of_its_own_ends_nothing(sas_tree):
    """A page may be shorter than asked for; only an empty one is the end."""
    with SkyArchives(survey_truth(), sas_tree, most_rows=20) as archives, archives.configured():
        pages = all_pages(SpectroscopicStars(retries=0), size=50)
    assert [len(page) for page in pages] == [20, 20, 18]


def test_nothing_at_all(stars):
    page = stars.page(2**64 - 1)
    assert len(page) == 0
    assert page["specobjid"].dtype == np.uint64
    assert page["subclass"].dtype.kind == "U"
    assert len(stars.page(None, subclass_prefix="O")) == 0


@pytest.mark.parametrize(
    ("after", "options", "words"),
    [
        ("0 OR 1=1", {}, "after must be the specobjid"),
        (-1, {}, "after must be within 0"),
        (2**64, {}, "after must be within 0"),
        (1.5, {}, "after must be the specobjid"),
        (None, {"subclass_prefix": "K%' OR '1'='1"}, "1 to 10 letters and digits"),
        (None, {"subclass_prefix": ""}, "1 to 10 letters and digits"),
        (None, {"subclass_prefix": "K\n"}, "1 to 10 letters and digits"),
        (None, {"subclass_prefix": b"K"}, "1 to 10 letters and digits"),
        (None, {"snr_min": "5; DROP TABLE SpecObj"}, "snr_min must be a number"),
        (None, {"snr_min": np.nan}, "snr_min must be within"),
        (None, {"snr_min": -1}, "snr_min must be within"),
        (None, {"size": 0}, "size must be at least 1"),
        (None, {"size": 100_001}, "at most 100000, got 100001; ask for several pages"),
        (None, {"size": "10"}, "size must be a whole number"),
    ],
)
def test_nothing_but_numbers_and_letters_gets_into_a_query(survey, stars, after, options, words):
    asked = len(survey.sas.log)
    with pytest.raises(InputError, match=words):
        stars.page(after, **options)
    assert len(survey.sas.log) == asked


def test_options_are_checked():
    with pytest.raises(InputError, match="data_release must be at least 8"):
        SpectroscopicStars(data_release=7)
    with pytest.raises(u.UnitsError, match="timeout must be a time"):
        SpectroscopicStars(timeout=30)


def test_flags_make_the_mask_that_sdss_recommends():
    """SDSS's own example of clean photometry of stars tests ``(flags & 0x8100000c00a4) = 0``."""
    names = "EDGE PEAKCENTER NOPROFILE SATURATED NOTCHECKED BAD_COUNTS_ERROR PSF_FLUX_INTERP".split()
    assert sum(PHOTO_FLAGS[name] for name in names) == 0x8100000C00A4
    assert PHOTO_FLAGS["INTERP_CENTER"] == 0x100000000000
    assert PHOTO_FLAGS["DEBLEND_NOPEAK"] == 0x400000000000
    assert all(bit.bit_count() == 1 for bit in PHOTO_FLAGS.values())
    with pytest.raises(TypeError):
        PHOTO_FLAGS["EDGE"] = 1


# --- what goes wrong


HEADER = (
    b"#Table1\n"
    + ",".join(line.split(" AS ")[1] for line in SpectroscopicStars().sql(None).split("\nFROM")[0].split(", ")).encode()
)
MAGNITUDES = b"18," * 5 + b"0.1," * 5
GOOD = b"300,1237656567579934724,30,0.5,1000,53000,1,F5,20,0,2583,301,2,136,52172," + MAGNITUDES + b"0,6,1\n"


def test_the_answers_below_would_be_good(spoiled_survey):
    """Each of the bad answers is a small change of this one."""
    spoiled_survey.sas.fail("x_results", HEADER + b"\n" + GOOD)
    assert SpectroscopicStars(retries=0).page(200)["specobjid"].tolist() == [300]
    spoiled_survey.sas._faults[0][1] = HEADER + b"\n"
    assert len(SpectroscopicStars(retries=0).page(200)) == 0


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("html", "SkyServer sent an HTML page titled 'Maintenance' instead of a table"),
        ("truncated", "truncated: "),
        (500, "HTTP 500"),
        (b"", "lacks the columns specobjid, objid"),
        (b"#Table1\nerror_message\nThe query timed out", "SkyServer reports an error: #Table1 error_message The query"),
        (b"\x00\xff\x00", "SkyServer's answer"),
        (HEADER.replace(b",clean", b"") + b"\n", "lacks the columns clean"),
        (HEADER + b"\n" + GOOD + GOOD[:60], "breaks off at 300,"),
        (HEADER + b"\n" + GOOD[:-2], "breaks off at 300,"),
        (HEADER + b"\n" + GOOD.replace(b"1237656567579934724", b"1.23e18"), "cannot be read"),
        (HEADER + b"\n" + GOOD.replace(b"1237656567579934724", b"9237656567579934724"), "cannot be read"),
        (HEADER + b"\n" + GOOD.replace(b"300,", b"-5,", 1), "cannot be read"),
        (HEADER + b"\n" + GOOD + GOOD, "identifiers that do not ascend"),
        (HEADER + b"\n" + GOOD.replace(b"300,", b"200,", 1), "identifiers that do not ascend"),
        (HEADER + b"\n" + GOOD.replace(b",F5,", b",G5,"), "subclasses that do not begin with F"),
        (HEADER + b"\n" + GOOD.replace(b",20,0,", b",20,4,"), "a warning or too little signal"),
        (HEADER + b"\n" + GOOD.replace(b",20,0,", b",null,0,"), "a warning or too little signal"),
        (HEADER + b"\n" + GOOD.replace(b",30,0.5,", b",30,95,"), "positions off the sky"),
        (HEADER + b"\n" + GOOD.replace(b",2583,", b",999999,"), "fields that SDSS cannot have"),
        (
            HEADER + b"\n" + GOOD + GOOD.replace(b"300,", b"301,", 1) + GOOD.replace(b"300,", b"302,", 1),
            "3 rows, where",
        ),
    ],
)
def test_what_is_no_answer_is_named(spoiled_survey, fault, words):
    spoiled_survey.sas.fail("x_results", fault)
    with pytest.raises(ArchiveError) as caught:
        SpectroscopicStars(retries=0).page(200, subclass_prefix="F", snr_min=10, size=2)
    assert words in str(caught.value)
    assert spoiled_survey.sas.url + "/dr17/en/tools/search/x_results.aspx" in str(caught.value)
    assert isinstance(caught.value, BadAnswerError) == (fault != 500)


def test_an_answer_cut_anywhere_is_none_or_its_first_rows():
    """Where no length was promised, that is the only sign of a connection that ended early."""
    rows = [GOOD.replace(b"300,", b"%d," % k, 1) for k in (300, 301, 302)]
    text = (HEADER + b"\n" + b"".join(rows)).decode()
    whole, lengths = _parse(text, "here"), set()
    assert len(whole) == 3
    for end in range(len(text)):
        try:
            part = _parse(text[:end], "here")
        except BadAnswerError:
            continue
        lengths.add(len(part))
        assert all(part[name].tolist() == whole[name][: len(part)].tolist() for name in whole.colnames)
    assert lengths == {0, 1, 2, 3}  # 3 without the last line's end


@pytest.mark.parametrize(
    "fault", [503, "html", "truncated", "close", HEADER + b"\n" + GOOD[:60]], ids=lambda v: str(v)[:9]
)
def test_what_passes_is_tried_again(spoiled_survey, fault):
    spoiled_survey.sas.fail("x_results", fault, times=1)
    assert len(SpectroscopicStars(retries=1).page(None)) == 58
    assert len(spoiled_survey.sas.requests("x_results")) == 2


def test_a_server_that_is_silent(spoiled_survey):
    spoiled_survey.sas.fail("x_results", "hang")
    with pytest.raises(ArchiveTimeoutError, match=r"no answer for 0\.2 s"):
        SpectroscopicStars(retries=0, timeout=200 * u.ms).page(None)


def test_a_server_that_trickles(spoiled_survey):
    spoiled_survey.sas.fail("x_results", "trickle")
    with pytest.raises(ArchiveTimeoutError, match=r"within the time budget of 0\.3 s"):
        SpectroscopicStars(time_budget=0.3 * u.s).page(None)


def test_an_answer_without_end(spoiled_survey, monkeypatch):
    monkeypatch.setattr("stellarclass.archives._skyserver._MAX_ANSWER", 1000)
    with pytest.raises(BadAnswerError, match="more than the 1000 accepted"):
        SpectroscopicStars().page(None)


def test_nobody_there():
    with conf.set_temp("skyserver_url", "http://127.0.0.1:1"), pytest.raises(ArchiveUnreachableError, match="refused"):
        SpectroscopicStars(retries=0).page(None)
