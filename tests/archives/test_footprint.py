# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The sky that SDSS has imaged: never too small, and nobody is asked for stars off it."""

import sys

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.coordinates.matrix_utilities import rotation_matrix
from astropy.table import Table
from hypothesis import given, settings
from hypothesis import strategies as st
from loopback.sas import SASServer
from loopback.skysql import SkySQL
from mocpy import MOC, TimeMOC
from skycatalog import at, key_of
from skyframes import FIELDS

from stellarclass import Classifier, conf, flags
from stellarclass.archives import SDSS, FieldKey, LocalSAS, fetch_fields, field_footprint, fieldlist, read_footprint
from stellarclass.archives.footprint import inside_footprint
from stellarclass.archives.frames import read_header
from stellarclass.exceptions import BadAnswerError, InputError
from stellarclass.targets import NO_ID

FIRST = next(iter(FIELDS))


def box(ramin, ramax, decmin, decmax, **more):
    return Table({"raMin": [ramin], "raMax": [ramax], "decMin": [decmin], "decMax": [decmax], **more})


def great_circle(mu, nu, node, incl):
    """Positions of great-circle coordinates, by rotations of axes."""
    turn = rotation_matrix(-node * u.deg, "z") @ rotation_matrix(-incl * u.deg, "x")
    circle = SkyCoord((mu - node) * u.deg, nu * u.deg)
    return SkyCoord(circle.cartesian.transform(turn), representation_type="cartesian").represent_as("unitspherical")


# --- lists of fields


@settings(max_examples=25, deadline=None)
@given(
    ra=st.floats(0, 360), dec=st.floats(-85, 85), width=st.floats(0.05, 0.5), height=st.floats(0.05, 0.3),
    order=st.integers(9, 13),
)  # fmt: skip
def test_boxes_are_covered_and_little_else(ra, dec, width, height, order):
    half = width / 2 / np.cos(np.radians(dec))
    moc = field_footprint(box((ra - half) % 360, (ra + half) % 360, dec - height / 2, dec + height / 2), order=order)
    x, y = np.random.default_rng(1).uniform(-1, 1, (2, 500))
    x, y = np.concatenate([x, [-1, -1, 1, 1]]), np.concatenate([y, [-1, 1, -1, 1]])
    assert inside_footprint(moc, (ra + x * half) % 360, dec + y * height / 2).all()
    far = SkyCoord(ra * u.deg, dec * u.deg).directional_offset_by(np.arange(0, 360, 5) * u.deg, 1 * u.deg)
    assert not inside_footprint(moc, far.ra.deg, far.dec.deg).any()


def test_fields_on_both_sides_of_0_hours():
    """SkyServer gives the least and the largest right ascension, whatever lies between."""
    ends = field_footprint(box(359.9, 0.1, -0.1, 0.1))
    assert field_footprint(box(0.1, 359.9, -0.1, 0.1)) == ends
    assert inside_footprint(ends, np.array([359.91, 0.0, 0.09, 0.5, 180.0]), np.zeros(5)).tolist() == [1, 1, 1, 0, 0]


@pytest.mark.parametrize(("node", "incl"), [(95.0, 0.0), (95.0, 22.5), (275.0, 57.5), (95.0, 82.5)])
def test_great_circles(node, incl):
    mu, nu = np.random.default_rng(2).uniform([180, -1.2], [180.16, -1.0], (500, 2)).T
    circle = {"MU_START": [180.0], "MU_END": [180.16], "NU_START": [-1.2], "NU_END": [-1.0]}
    moc = field_footprint(Table(circle | {"NODE": [node], "INCL": [incl]}))
    inside = great_circle(mu, nu, node, incl)
    assert inside_footprint(moc, inside.lon.deg % 360, inside.lat.deg).all()
    off = great_circle(mu + 0.4, nu, node, incl)
    assert not inside_footprint(moc, off.lon.deg % 360, off.lat.deg).any()
    assert moc.sky_fraction * 41253 < 3 * 0.16 * 0.2


def test_great_circles_are_those_along_which_sdss_scanned(real_data):
    """The sides of real frames are lines of constant mu and nu, for the node and inclination in their headers."""
    images = LocalSAS(real_data / "sas")
    for footprint in images._footprints:
        path = images._files[footprint.key]["r"]
        header = read_header(path)
        ra, dec = footprint.wcs.wcs_pix2world([[0, 0], [2047, 0], [2047, 1488], [0, 1488]], 0).T
        back = great_circle_inverse(ra, dec, float(header["NODE"]), float(header["INCL"]))
        along, across = np.ptp(back, axis=1)
        assert along == pytest.approx(1488 * 0.396 / 3600, rel=2e-3)
        assert across == pytest.approx(2047 * 0.396 / 3600, rel=2e-3)


def great_circle_inverse(ra, dec, node, incl):
    turn = rotation_matrix(incl * u.deg, "x") @ rotation_matrix(node * u.deg, "z")
    circle = SkyCoord(ra * u.deg, dec * u.deg).cartesian.transform(turn)
    found = SkyCoord(circle, representation_type="cartesian").represent_as("unitspherical")
    return np.stack([(found.lon.deg + node) % 360, found.lat.deg])


def test_more_fields_than_are_joined_at_once(monkeypatch):
    monkeypatch.setattr("stellarclass.archives.footprint._CHUNK", 3)
    ra = np.arange(10.0)
    fields = Table({"ramin": ra, "ramax": ra + 0.2, "decmin": ra * 0, "decmax": ra * 0 + 0.2})
    moc = field_footprint(fields)
    assert inside_footprint(moc, ra + 0.1, np.full(10, 0.1)).all()
    assert not inside_footprint(moc, ra + 0.5, np.full(10, 0.1)).any()


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        (Table({"ra": [1.0], "dec": [2.0]}), "window_flist.fits"),
        (box(1.0, 1.2, 0.0, -0.2), "row 0"),
        (box(1.0, 5.0, 0.0, 0.2), "2 degrees"),
        (box(np.nan, 1.2, 0.0, 0.2), "row 0"),
        (box(0.0, 0.2, 89.5, 89.9), "row 0"),
        (box(1.0, 1.2, 0.0, 0.2)[:0], "no fields"),
    ],
)
def test_what_is_no_list_of_fields(fields, word):
    with pytest.raises(InputError, match=word):
        field_footprint(fields)


def test_other_mistakes():
    with pytest.raises(InputError, match="order is 30"):
        field_footprint(box(1.0, 1.2, 0.0, 0.2), order=30)
    with pytest.raises(TypeError, match="dict"):
        field_footprint({"ramin": [1.0]})


# --- frames on disk


def test_frames_cover_what_is_found_on_them(sas_tree):
    images = LocalSAS(sas_tree)
    moc = images.footprint(order=13)
    for ra, dec in FIELDS.values():
        x, y = np.random.default_rng(3).uniform(-0.05, 0.05, (2, 2000))
        found = images.locate(at(ra + x, dec + y), progress=False).run != NO_ID
        assert 0 < found.sum() < 2000
        assert inside_footprint(moc, ra + x, dec + y)[found].all()
    # Nine tenths of the fields are covered by cells and margins alone: they are small here.
    assert moc.sky_fraction * 41253 < 10 * 3 * 149 * 205 * (0.396 / 3600) ** 2
    assert not inside_footprint(moc, np.array([200.0, 323.34]), np.array([0.5, -0.6])).any()


def test_a_folder_without_a_readable_frame(tmp_path):
    (tmp_path / "frame-r-002583-2-0136.fits").write_bytes(b"nothing")
    with pytest.warns(match="left out"), pytest.raises(InputError, match="no fields"):
        LocalSAS(tmp_path).footprint()


# --- files


@pytest.mark.parametrize("format", ["fits", "ascii", "json"])
def test_files(format, tmp_path):
    moc = MOC.from_string("8/1-3 9/2000")
    moc.save(tmp_path / "a.moc", format=format)
    assert read_footprint(tmp_path / "a.moc") == moc
    assert SDSS(footprint=str(tmp_path / "a.moc"))._footprint == moc


@pytest.mark.parametrize("content", [b"", b"nonsense", b"{1", b"SIMPLE  = nonsense", b"<html>", bytes(range(256))])
def test_files_that_are_none(content, tmp_path):
    (tmp_path / "a.moc").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.moc"):
        read_footprint(tmp_path / "a.moc")


def test_files_of_other_kinds(tmp_path):
    TimeMOC.from_string("10/1-3").save(tmp_path / "t.fits", format="fits")
    with pytest.raises(InputError, match=r"t\.fits"):
        read_footprint(tmp_path / "t.fits")
    MOC.new_empty(5).save(tmp_path / "e.fits", format="fits")
    with pytest.raises(InputError, match="covers nothing"):
        SDSS(footprint=tmp_path / "e.fits")
    with pytest.raises(FileNotFoundError):
        read_footprint(tmp_path / "absent.fits")
    with pytest.raises(TypeError, match=r"mocpy\.MOC"):
        SDSS(footprint=5)


def test_without_mocpy(monkeypatch, tmp_path):
    """What to install is said; who has no footprint needs none."""
    monkeypatch.setitem(sys.modules, "mocpy", None)
    for make in (lambda: field_footprint(box(1.0, 1.2, 0.0, 0.2)), lambda: SDSS(footprint=tmp_path / "a.fits")):
        with pytest.raises(ModuleNotFoundError, match="pip install"):
            make()
    assert SDSS(cache_dir=tmp_path).locate(at([np.nan], [0.0]), progress=False).flags.tolist() == [flags.BAD_COORDINATE]


# --- stars off it


@pytest.fixture(scope="module")
def footprint(sas_tree):
    return LocalSAS(sas_tree).footprint()


def test_nobody_is_asked_for_stars_off_it(server, catalog, footprint, tmp_path):
    sdss = SDSS(footprint=footprint, cache_dir=tmp_path)
    found = sdss.locate(at([200.0, 10.0], [20.0, -80.0]), progress=False)
    assert found.flags.tolist() == [flags.OFF_FOOTPRINT] * 2
    assert found.run.tolist() == [NO_ID] * 2
    assert server.log == []
    ra, dec = np.insert(np.array(catalog["ra"][:2]), 1, 200.0), np.insert(np.array(catalog["dec"][:2]), 1, 20.0)
    found = sdss.locate(at(ra, dec), progress=False)
    assert found.flags.tolist() == [0, flags.OFF_FOOTPRINT, 0]
    assert found.objid.tolist() == [catalog["objid"][0], NO_ID, catalog["objid"][1]]
    (post,) = (request for request in server.log if request.method == "POST")
    assert b" 200.0" not in post.body and str(ra[0]).encode() in post.body


def test_the_configuration_names_one(server, footprint, tmp_path):
    footprint.save(tmp_path / "sdss.fits", format="fits")
    with conf.set_temp("sdss_footprint", str(tmp_path / "sdss.fits")):
        assert SDSS().locate(at([200.0], [20.0]), progress=False).flags.tolist() == [flags.OFF_FOOTPRINT]
    assert server.log == []
    assert SDSS().locate(at([200.0], [20.0]), progress=False).flags.tolist() == [flags.NO_IMAGE]
    assert len([request for request in server.log if request.method == "POST"]) == 1


def test_stars_that_name_their_field_are_taken_at_their_word(server, footprint):
    found = SDSS(footprint=footprint).locate(at([200.0], [20.0], run=2583, camcol=2, field=136), progress=False)
    assert (found.flags.tolist(), key_of(found)) == ([0], FIRST)


def test_moving_stars_are_looked_for_where_they_were(footprint):
    """Off it now, on it when SDSS came by; the request is what counts, the server knows nothing."""
    ra, dec = FIELDS[FIRST]
    with SASServer("/nonexistent") as server, server.configured():
        motion = {"pmra": 0.0, "pmdec": 100_000.0}  # 100 arcsec a year
        sdss = SDSS(footprint=footprint, retries=0)
        found = sdss.locate(at([ra] * 2, [dec + 0.5] * 2, ref_epoch=[2022.0, np.nan], **motion), progress=False)
    assert found.flags.tolist() == [flags.NO_IMAGE, flags.OFF_FOOTPRINT]


def test_rows_off_it_are_masked_and_gaia_is_not_asked(server, catalog, footprint, default_ensemble, tmp_path):
    asked = []

    class Astrometry:
        name = "nothing"

        def candidates(self, ra, dec, *, radius, progress=None):
            asked.extend(ra)
            from stellarclass.lookup import _none

            return _none()

    classifier = Classifier(
        default_ensemble, images=SDSS(footprint=footprint, cache_dir=tmp_path), astrometry=Astrometry()
    )
    table = classifier.classify(SkyCoord([200.0], [20.0], unit="deg"))
    assert (flags.decode(table["flags"][0]), server.log, asked) == (["off_footprint"], [], [])
    assert table["spectral_class"].mask.all() and table["radius"].mask.all() and table["inputs_used"][0] == 0
    ra, dec = [catalog["ra"][0], 200.0], [catalog["dec"][0], 20.0]
    table = classifier.classify(SkyCoord(ra, dec, unit="deg"))
    assert flags.decode(table["flags"][1]) == ["off_footprint"]
    assert "off_footprint" not in flags.decode(table["flags"][0])
    assert asked == ra[:1]
    assert len(server.requests("frame-")) == 5


# --- the archive's list of fields


def field_table():
    keys = [*FIELDS, *(FieldKey(1000, 301, k % 6 + 1, k) for k in range(11, 20))]
    centers = np.array([*FIELDS.values(), *((k * 1.0, 10.0) for k in range(11, 20))])
    table = Table({"fieldID": np.arange(len(keys)) * 1000 + 1237640000000000000})
    for name in FieldKey._fields:
        table[name] = [getattr(key, name) for key in keys]
    for name, column, side in (("ra", 0, 0.1), ("dec", 1, 0.08)):
        table[f"{name}Min"], table[f"{name}Max"] = centers[:, column] - side, centers[:, column] + side
    return table


@pytest.fixture
def skyserver():
    with SASServer("/nonexistent", sql=SkySQL(fields=field_table())) as server, server.configured():
        yield server


@pytest.mark.parametrize("page", [1, 5, 100])
def test_pages_bring_every_field_once(skyserver, monkeypatch, page):
    monkeypatch.setattr(fieldlist, "_PAGE", page)
    fields, truth = fetch_fields(progress=False), field_table()
    assert fields["fieldid"].tolist() == truth["fieldID"].tolist()
    for name in ("run", "rerun", "camcol", "field", "raMin", "raMax", "decMin", "decMax"):
        assert np.array(fields[name.lower()]).tolist() == truth[name].tolist()
    assert fields["ramin"].unit == u.deg
    assert len(skyserver.log) == -(-len(truth) // page) + 1
    assert field_footprint(fields) == field_footprint(truth)


HEAD = b"#Table1\nfieldID,raMin,raMax,decMin,decMax,run,rerun,field,camcol\n"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"#Table1\nfieldID,raMin\n1,2\n", "lacks the columns ramax"),
        (HEAD + b"1,1.0,1.2,0.0,0.2,1000,301,12\n", "cannot be read"),
        (HEAD + b"1,1.0,1.2,0.0,0.2,1000,301,12,\n", "cannot be read"),
        (HEAD + b"1,1.0,1.2,0.0,null,1000,301,12,2\n", "cannot be read"),
        (HEAD + b"1,1.0,1.2,0.0,nan,1000,301,12,2\n", "without a place"),
        (HEAD + b"1,1.0,1.2,0.0,0.2,1000,301,12,9\n", "cannot have"),
        (HEAD + b"-5,1.0,1.2,0.0,0.2,1000,301,12,2\n", "do not ascend"),
        (HEAD + b"5,1.0,1.2,0.0,0.2,1000,301,12,2\n" * 2, "do not ascend"),
    ],
)
def test_answers_that_are_none(skyserver, answer, reason):
    skyserver.fail("x_results", answer)
    with pytest.raises(BadAnswerError, match=reason):
        fetch_fields(retries=0, progress=False)


def test_a_server_that_never_ends(skyserver, monkeypatch):
    """One that goes on and on is not listened to for ever."""
    monkeypatch.setattr(fieldlist, "_MOST", 7)
    monkeypatch.setattr(fieldlist, "_PAGE", 5)
    with pytest.raises(BadAnswerError, match="10 fields"):
        fetch_fields(progress=False)
