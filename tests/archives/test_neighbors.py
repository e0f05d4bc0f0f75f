# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""SIMBAD and LAMOST around positions, on loopback."""

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from loopback.tap import MicroTAP
from skyarchives import VIZIER_LAMOST, vizier_tables

from stellarclass import conf
from stellarclass.archives import Lamost, Simbad, _tap
from stellarclass.archives._neighbors import read_numbers
from stellarclass.exceptions import (
    ArchiveError,
    ArchiveTimeoutError,
    BadAnswerError,
    InputError,
    TruncatedAnswerError,
)

RADIUS = 1 * u.arcsec


def objects(**options):
    return Simbad(**{"retries": 0, **options}).objects


def spectra(**options):
    return Lamost(**{"retries": 0, **options}).spectra


@pytest.fixture
def places(survey):
    """All positions, a little off."""
    ra, dec = np.asarray(survey.truth["ra"]), np.asarray(survey.truth["dec"])
    return ra + 0.2 / 3600, dec - 0.3 / 3600


@pytest.mark.parametrize("chunk", [None, 7])
def test_simbad(survey, places, chunk):
    with survey.configured():
        found = objects(chunk=chunk)(*places, radius=RADIUS)
    there = np.flatnonzero(survey.truth["main_id"] != "")
    truth = survey.truth[there]
    assert found["target"].tolist() == there.tolist()
    assert found["target"].dtype == np.int64
    assert found["main_id"].tolist() == truth["main_id"].tolist()
    assert found["otype"].tolist() == truth["otype"].tolist()
    assert found["sp_type"].filled("").tolist() == truth["sp_type"].tolist()
    assert 0 < found["sp_type"].mask.sum() < len(found)
    here = SkyCoord(*(p[there] for p in places), unit="deg")
    separation = here.separation(SkyCoord(truth["ra"], truth["dec"], unit="deg"))
    np.testing.assert_allclose(found["separation"].quantity.to_value(u.arcsec), separation.arcsec, rtol=1e-7)
    assert found["ra"].unit == u.deg


@pytest.mark.parametrize("vizier", [False, True])
def test_lamost(survey, places, vizier):
    """In ESA's names, and in VizieR's, which have slashes and capital letters and are looked up."""
    with survey.configured():
        source = Lamost(table=VIZIER_LAMOST if vizier else None, retries=0)
        found = source.spectra(*places, radius=RADIUS)
        assert source.name == ("LAMOST DR7" if vizier else "LAMOST DR9")
    there = np.flatnonzero(survey.truth["obsid"])
    truth = survey.truth[there]
    assert found["target"].tolist() == there.tolist()
    assert found["obsid"].tolist() == truth["obsid"].tolist()
    assert found["obsid"].dtype == np.int64
    assert set(found["class"]) == {"STAR"}
    assert found["subclass"].filled("").tolist() == truth["lamost_subclass"].tolist()
    assert found["subclass"].mask.any()
    np.testing.assert_array_equal(found["snr_g"], truth["snrg"])
    np.testing.assert_allclose(found["separation"], np.hypot(0.2, 0.3), rtol=1e-3)


def test_nearest_first_and_the_better_spectrum_of_one_star(survey):
    truth = survey.truth[survey.truth["obsid"] != 0][:1]
    rows = truth[[0, 0, 0]]
    rows["obsid"], rows["snrg"] = [11, 12, 13], [5.0, 50.0, 90.0]
    rows["dec"][2] += 0.5 / 3600
    with MicroTAP(vizier_tables(rows), parse=False) as tap:
        found = spectra(url=tap.url, table=VIZIER_LAMOST)(truth["ra"], truth["dec"], radius=2 * u.arcsec)
        assert found["obsid"].tolist() == [12, 11, 13]
        nobody = spectra(url=tap.url, table=VIZIER_LAMOST)(truth["ra"], truth["dec"] + 1, radius=2 * u.arcsec)
    assert len(nobody) == 0
    assert nobody.colnames == found.colnames


def test_names(survey):
    assert Simbad().name == "SIMBAD"
    assert repr(Lamost()) == "<Lamost external.lamost_dr9_lrs at https://gea.esac.esa.int/tap-server/tap>"
    assert Lamost(url="http://127.0.0.1/tap/", table="my.spectra").name == "my.spectra at http://127.0.0.1/tap"
    with conf.set_temp("simbad_table", "public.basic"):
        assert Simbad().table == "public.basic"


def test_no_positions_no_request(spoiled_survey):
    found = objects()(np.zeros(0), np.zeros(0), radius=RADIUS)
    assert len(found) == 0
    assert found.colnames == ["target", "main_id", "otype", "sp_type", "ra", "dec", "separation"]
    assert found["main_id"].dtype.kind == "U"
    assert spoiled_survey.tap.requests == []


def test_positions_go_up_and_never_into_the_query(spoiled_survey):
    objects()(np.array([30.123456789]), np.array([-0.5]), radius=RADIUS)
    (request,) = spoiled_survey.tap.requests
    assert "30.12" not in request.parameters["QUERY"]
    assert request.uploads["targets"]["target_ra"].tolist() == [30.123456789]
    assert request.parameters["MAXREC"] == str(_tap.MAX_ROWS)


@pytest.mark.parametrize(
    "table", ["basic; DROP TABLE x", 'a"b', "a b", "", "V/156/dr7'", "V/156/dr 7", "/dr7", "a" * 200]
)
def test_a_table_is_a_name_and_nothing_else(survey, table):
    with survey.configured(), pytest.raises(InputError, match=r"not (the name of a table|a name of VizieR's)"):
        spectra(table=table)([30.0], [0.5], radius=RADIUS)
    with survey.configured(), pytest.raises(InputError, match="not the name of a table"):
        objects(table=table)([30.0], [0.5], radius=RADIUS)


@pytest.mark.parametrize(
    ("radius", "error", "words"),
    [
        (3, TypeError, r"3 \* u.arcsec, not 3"),
        (0 * u.arcsec, InputError, "at most 6 arcmin, not 0.0 arcsec"),
        (1 * u.deg, InputError, "at most 6 arcmin"),
        (np.nan * u.deg, InputError, "at most 6 arcmin"),
        (3 * u.s, u.UnitConversionError, "not convertible"),
    ],
)
def test_radii(radius, error, words):
    with pytest.raises(error, match=words):
        objects()([30.0], [0.5], radius=radius)


# --- what goes wrong


@pytest.mark.parametrize("ask", [objects, spectra])
@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        ("html", BadAnswerError, "an HTML page titled 'Down for maintenance'"),
        ("truncated", BadAnswerError, "not a whole VOTable"),
        ("hang", ArchiveTimeoutError, "no answer for 0.3 s"),
        ("500", ArchiveError, "HTTP 500"),
        ("columns", BadAnswerError, "lacks the columns"),
        ("targets", BadAnswerError, "targets that were not asked for"),
        ("elsewhere", BadAnswerError, "not in it but elsewhere"),
        ("late error", ArchiveError, "the database went away"),
    ],
)
def test_faults(spoiled_survey, ask, fault, kind, words):
    """Each is named, after all else was tried; one that passes costs nothing."""
    truth = spoiled_survey.truth[[1, 5]]  # which both archives know
    patient = {"timeout": (0.3 if fault == "hang" else 30) * u.s}
    spoiled_survey.tap.faults.extend([fault] * 20)
    with pytest.raises(kind) as caught:
        ask(**patient)(truth["ra"], truth["dec"], radius=RADIUS)
    assert words in str(caught.value)
    assert spoiled_survey.tap.url in str(caught.value)
    assert caught.value.failed.tolist() == [0, 1]
    assert len(caught.value.partial) == 0
    if fault in ("html", "truncated", "500"):
        spoiled_survey.tap.faults.clear()
        spoiled_survey.tap.faults.append(fault)
        assert len(ask(retries=1)(truth["ra"], truth["dec"], radius=RADIUS)) > 0


def test_one_bad_position_costs_no_other(spoiled_survey):
    truth = spoiled_survey.truth[:8]
    spoiled_survey.tap.poison = truth["ra"][5], "500"
    with pytest.raises(ArchiveError, match="1 of 8 positions remain without an answer") as caught:
        objects()(truth["ra"], truth["dec"], radius=RADIUS)
    assert caught.value.failed.tolist() == [5]
    assert caught.value.partial["target"].tolist() == [1, 3, 7]


def test_overflow(spoiled_survey, monkeypatch):
    monkeypatch.setattr(_tap, "MAX_ROWS", 5)
    truth = spoiled_survey.truth
    found = objects()(truth["ra"], truth["dec"], radius=RADIUS)
    assert len(found) == 30  # by halves
    with pytest.raises(TruncatedAnswerError, match="split it into smaller ones"):
        objects()(truth["ra"][:1], truth["dec"][:1], radius=5 * u.arcmin)


@pytest.mark.parametrize(
    ("column", "values", "words"),
    [
        ("ObsID", np.array([1.5e18]), "column obsid cannot be read"),
        ("snrg", np.array(["much"]), "column snr_g cannot be read"),
    ],
)
def test_columns_of_another_type(survey, column, values, words):
    truth = survey.truth[survey.truth["obsid"] != 0][:1]
    tables = vizier_tables(truth)
    tables[f'"{VIZIER_LAMOST}"'][column] = values
    with MicroTAP(tables, parse=False) as tap, pytest.raises(BadAnswerError, match=words):
        spectra(url=tap.url, table=VIZIER_LAMOST)(truth["ra"], truth["dec"], radius=RADIUS)


def test_an_identifier_has_no_gaps():
    with pytest.raises(ValueError, match="an identifier is missing"):
        read_numbers(np.ma.array([1, 2], mask=[False, True]), np.int64)
    assert read_numbers(np.array([1.0, np.nan]), np.float64).mask.tolist() == [False, True]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda columns: columns[columns["column_name"] != "SubClass"], "V/156/dr7lrs lacks subclass"),
        (lambda columns: columns[:0], "it is not there"),
    ],
)
def test_a_vizier_without_the_table(survey, change, words):
    tables = vizier_tables(survey.truth)
    tables["tap_schema.columns"] = change(tables["tap_schema.columns"])
    with MicroTAP(tables, parse=False) as tap, pytest.raises(BadAnswerError, match=words):
        spectra(url=tap.url, table=VIZIER_LAMOST)([30.0], [0.5], radius=RADIUS)


def test_a_service_cannot_slip_words_into_a_query(survey):
    """Its names of columns are put into the query, between quotes: one that would end them is no name."""
    tables = vizier_tables(survey.truth)
    columns = tables["tap_schema.columns"]
    columns["column_name"] = [
        'SubClass" FROM x; DROP TABLE y --' if name == "SubClass" else name for name in columns["column_name"]
    ]
    with MicroTAP(tables, parse=False) as tap:
        with pytest.raises(BadAnswerError, match="lacks subclass"):
            spectra(url=tap.url, table=VIZIER_LAMOST)([30.0], [0.5], radius=RADIUS)
        assert len(tap.requests) == 1
