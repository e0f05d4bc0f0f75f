# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Positions to fields through SkyServer, and everything that can go wrong with it, on loopback."""

import numpy as np
import pytest
from astropy import units as u
from loopback.sas import SASServer
from skycatalog import ARCSEC, STARS, at, key_of
from skyframes import FIELDS, NO_I_BAND

from stellarclass import conf, flags
from stellarclass.archives import SDSS, decode_objid
from stellarclass.astrometry import propagate
from stellarclass.exceptions import StellarclassWarning
from stellarclass.targets import NO_ID

FIRST = next(iter(FIELDS))


def test_skyserver_answers(server, sdss, catalog):
    targets = sdss.locate(at(catalog["ra"][:3], catalog["dec"][:3]), progress=False)
    assert targets.objid.tolist() == catalog["objid"][:3].tolist()
    assert targets.objid.dtype == np.int64
    np.testing.assert_allclose(targets.psfmag[:, 0], catalog["psfMag_u"][:3], rtol=1e-12)
    np.testing.assert_allclose(targets.psfmag[:, 4], catalog["psfMag_z"][:3], rtol=1e-12)
    post, *more = [r for r in server.log if r.method == "POST"]
    assert more == []
    assert post.path == "/dr17/en/tools/search/X_Results.aspx"


def test_another_release_is_asked_for(server, tmp_path, catalog):
    SDSS(data_release=16).locate(at(catalog["ra"][:1], catalog["dec"][:1]), progress=False)
    assert {r.path.split("/")[1] for r in server.log} == {"dr16"}


def test_what_is_known_is_not_asked(server, sdss, catalog):
    targets = at(
        [10.0, 10.0, np.nan], [0.0, 0.0, 0.0], objid=[catalog["objid"][0], NO_ID, NO_ID],
        run=[NO_ID, 2188, NO_ID], camcol=[NO_ID, 2, NO_ID], field=[NO_ID, 37, NO_ID],
    )  # fmt: skip
    found = sdss.locate(targets, progress=False)
    assert [key_of(found, row) for row in (0, 1)] == [FIRST, NO_I_BAND]
    assert found.flags.tolist() == [0, 0, flags.BAD_COORDINATE]
    assert server.log == []


def test_rows_in_any_order(sas_tree, catalog, sdss):
    """Rows come without the name of their position, some positions have none, and neighbors are 2 arcsec apart."""
    with SASServer(sas_tree, catalog=catalog, scramble=True) as server, server.configured():
        order = np.random.default_rng(3).permutation(STARS)
        ra = np.insert(np.array(catalog["ra"][order]) + 0.3 * ARCSEC, [0, 100, STARS], 200.0)
        dec = np.insert(np.array(catalog["dec"][order]), [0, 100, STARS], 20.0)
        with conf.set_temp("skyserver_chunk", 64):
            found = sdss.locate(at(ra, dec), progress=False)
    nowhere = [0, 101, STARS + 2]
    assert np.flatnonzero(found.flags).tolist() == nowhere
    assert set(found.flags[nowhere]) == {flags.NO_IMAGE}
    assert np.delete(found.objid, nowhere).tolist() == catalog["objid"][order].tolist()
    assert len([r for r in server.log if r.method == "POST"]) == 4


def test_no_object_at_all(server, sdss):
    found = sdss.locate(at([200.0], [20.0]), progress=False)
    assert found.flags.tolist() == [flags.NO_IMAGE]
    assert found.run.tolist() == [NO_ID]


def test_several_objects_at_one_position(sas_tree, sdss, catalog):
    """A secondary detection is nearer: the primary is taken, and the row says that there was a choice."""
    catalog = catalog[:2]
    catalog["ra"][1] = catalog["ra"][0]
    catalog["dec"][1] = catalog["dec"][0] + 1 * ARCSEC
    catalog["mode"] = [2, 1]
    with SASServer(sas_tree, catalog=catalog, every=True) as server, server.configured():
        found = sdss.locate(at(catalog["ra"][0], catalog["dec"][0]), progress=False)
    assert found.objid.tolist() == [catalog["objid"][1]]
    assert found.flags.tolist() == [flags.AMBIGUOUS_FIELD]


def test_one_object_for_several_positions(server, sdss, catalog):
    ra, dec = np.repeat(catalog["ra"][0], 3), np.repeat(catalog["dec"][0], 3)
    found = sdss.locate(at(ra, dec), progress=False)
    assert set(found.objid) == {catalog["objid"][0]}
    assert not found.flags.any()


def test_magnitudes_that_are_none(sas_tree, sdss, catalog):
    catalog["psfMag_u"][0] = -9999.0
    with SASServer(sas_tree, catalog=catalog) as server, server.configured():
        mine = at(catalog["ra"][:2], catalog["dec"][:2])
        mine.psfmag[1, 2] = 15.0  # the user's own table counts for more
        found = sdss.locate(mine, progress=False)
    assert np.isnan(found.psfmag[0]).tolist() == [True, False, False, False, False]
    assert found.psfmag[1, 2] == 15.0


def test_moving_stars_are_looked_for_where_they_were(server, sdss, catalog):
    ra, dec = propagate(catalog["ra"][0], catalog["dec"][0], 3000.0, -5000.0, 2004.0, 2016.0)
    found = sdss.locate(at([ra] * 2, [dec] * 2, pmra=3000.0, pmdec=-5000.0, ref_epoch=[2016.0, np.nan]), progress=False)
    assert found.objid[0] == catalog["objid"][0]
    assert found.objid[1] != catalog["objid"][0]


def test_strange_objid_is_replaced(server, sdss, catalog):
    with pytest.warns(StellarclassWarning, match="names no SDSS field"):
        found = sdss.locate(at(catalog["ra"][:1], catalog["dec"][:1], objid=123), progress=False)
    assert found.objid.tolist() == catalog["objid"][:1].tolist()
    assert decode_objid(found.objid).run == found.run


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (500, "HTTP 500"),
        ("html", "an HTML page titled 'Maintenance'"),
        ("truncated", "truncated"),
        (b"#Table1\nerror_message\nsyntax", "reports an error"),
        (b"#Table1\nobjid,ra,dec\n1,2,3\n", "lacks the columns run, rerun"),
        (b"\x00\xff\x00", "SkyServer's"),
    ],
)
def test_one_bad_position_costs_no_other(server, tmp_path, catalog, fault, reason):
    """SkyServer chokes on one of thirty: found by halves; the warning names address and reason."""
    sdss = SDSS(cache_dir=tmp_path, retries=0, timeout=30 * u.s)
    sdss.locate(at(catalog["ra"][:1], catalog["dec"][:1]), progress=False)  # astroquery asks for column names once
    sizes = choke_on(server, catalog[13:14], fault)
    with conf.set_temp("skyserver_chunk", 10), pytest.warns(StellarclassWarning) as caught:
        found = sdss.locate(at(catalog["ra"][:30], catalog["dec"][:30]), progress=False)
    assert len(caught) == 1
    message = str(caught[0].message)
    assert "1 target could not be cross-identified" in message
    assert reason in message
    assert server.url + "/dr17/en/tools/search/X_Results.aspx" in message
    assert np.flatnonzero(found.flags).tolist() == [13]
    assert found.flags[13] == flags.IMAGE_FAILURE
    assert np.delete(found.objid, 13).tolist() == np.delete(catalog["objid"][:30], 13).tolist()
    assert sizes == [10, 10, 5, 5, 2, 3, 1, 2, 1, 1, 10]


def test_a_skyserver_that_is_silent(server, catalog):
    server.fail("X_Results", "hang")
    with pytest.warns(StellarclassWarning, match="1 target could not be cross-identified: no answer for 0.2 s"):
        found = SDSS(retries=0, timeout=200 * u.ms).locate(at(catalog["ra"][:1], catalog["dec"][:1]), progress=False)
    assert found.flags.tolist() == [flags.IMAGE_FAILURE]


def test_two_bad_positions_cost_no_other(server, sdss, catalog):
    sizes = choke_on(server, catalog[[3, 60]], 500)
    with pytest.warns(StellarclassWarning, match="2 targets could not"):
        found = sdss.locate(at(catalog["ra"][:64], catalog["dec"][:64]), progress=False)
    assert np.flatnonzero(found.flags).tolist() == [3, 60]
    assert len(sizes) < 64  # with retries even: far fewer than one by one


def test_a_skyserver_that_is_down_is_not_asked_for_ever(server, sdss, catalog):
    sizes = choke_on(server, catalog, 500)
    with conf.set_temp("skyserver_chunk", 20), pytest.warns(StellarclassWarning, match="given up after 3 tries"):
        found = sdss.locate(at(catalog["ra"], catalog["dec"]), progress=False)
    assert set(found.flags) == {flags.IMAGE_FAILURE}
    assert sizes == 2 * [20, 20, 20, 10, 10, 5, 5]  # two of ten chunks: three tries, then halves


def choke_on(server, stars, fault):
    """Let SkyServer fail whenever it is asked about one of the stars; returns a list of how many it is asked about."""
    answer, sizes = server.cross_identify, []

    def cross_identify(form):
        asked = {tuple(line.split()[1:]) for line in form["upload"].strip().split("\n")[1:]}
        sizes.append(len(asked))
        if asked & {(str(ra), str(dec)) for ra, dec in stars["ra", "dec"].iterrows()}:
            server.fail("X_Results", fault, times=1)
        return answer(form)

    server.cross_identify = cross_identify
    return sizes


def test_a_chunk_that_fails_at_first(server, sdss, catalog):
    server.fail("X_Results", 503, times=1)
    server.fail("X_Results", "html", times=1)
    found = sdss.locate(at(catalog["ra"][:5], catalog["dec"][:5]), progress=False)
    assert not found.flags.any()
    assert len(server.requests("X_Results")) == 3


def test_column_names_are_not_needed(server, sdss, catalog):
    """astroquery asks for them first; not every release has them."""
    server.fail("x_results", b"no JSON")
    found = sdss.locate(at(catalog["ra"][:5], catalog["dec"][:5]), progress=False)
    assert not found.flags.any()
