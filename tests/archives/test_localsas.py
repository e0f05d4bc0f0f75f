# Licensed under a 3-clause BSD style license - see LICENSE.rst
import bz2
import shutil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skyframes import FIELDS, NO_I_BAND, SCALE, SHAPE, frame_bytes, frame_path

from stellarclass import flags
from stellarclass.archives import FieldKey, ImageSource, LocalSAS, encode_objid
from stellarclass.astrometry import propagate
from stellarclass.exceptions import InputError, NotInArchiveError, StellarclassWarning
from stellarclass.targets import NO_ID, Targets

FIRST, SECOND, _ = FIELDS


@pytest.fixture(scope="module")
def images(sas_tree):
    return LocalSAS(sas_tree)


def located(images, ra, dec, **columns):
    targets = Targets(ra=np.array(ra, float), dec=np.array(dec, float))
    for name, values in columns.items():
        getattr(targets, name)[:] = values
    return images.locate(targets, progress=False)


def keys(targets):
    columns = (getattr(targets, name).tolist() for name in FieldKey._fields)
    return [FieldKey(*row) for row in zip(*columns, strict=True)]


def test_it_is_an_image_source(images):
    assert isinstance(images, ImageSource)
    assert repr(images) == f"<LocalSAS {str(images.root)!r}>"
    assert str(images.root) in images.name


def test_real_fields(real_data):
    images = LocalSAS(real_data / "sas")
    assert images.keys() == [FieldKey(2188, 301, 2, 37), FieldKey(2583, 301, 2, 136), FieldKey(4510, 301, 4, 30)]
    found = located(images, [200.45, 323.34, 323.34, np.nan], [36.81, -0.73, 0.73, 0.0])
    assert keys(found)[:2] == [FieldKey(4510, 301, 4, 30), FieldKey(2583, 301, 2, 136)]
    assert found.flags.tolist() == [0, 0, flags.NO_IMAGE, flags.BAD_COORDINATE]


def test_real_field_without_i(real_data):
    (field,) = LocalSAS(real_data / "sas").fields([FieldKey(2188, 301, 2, 37)], progress=False)
    assert sorted(field.frames) == sorted("ugrz")
    assert list(field.missing) == ["i"]
    assert field.errors == {}
    assert all(frame.data.shape == (1489, 2048) for frame in field.frames.values())


def test_any_folder_above_the_frames_will_do(sas_tree):
    for root in (
        sas_tree.parent,
        sas_tree,
        str(sas_tree),
        sas_tree / "dr17",
        sas_tree / "dr17/eboss/photoObj/frames/301",
    ):
        assert set(LocalSAS(root).keys()) == set(FIELDS)


def test_flat_folder_plain_files_and_reruns(tmp_path):
    other = FieldKey(1000, 40, 3, 7)
    plain = bz2.decompress(frame_bytes(other, "r", (10.0, 10.0)))
    (tmp_path / "40/1000/3").mkdir(parents=True)
    (tmp_path / "40/1000/3/frame-r-001000-3-0007.fits").write_bytes(plain)
    (tmp_path / "frame-g-002583-2-0136.fits.bz2").write_bytes(frame_bytes(FIRST, "g", FIELDS[FIRST]))
    (tmp_path / "frame-g-002583-2-0136.fits").write_bytes(bz2.decompress(frame_bytes(FIRST, "g", FIELDS[FIRST])))
    (tmp_path / "frame-x-002583-2-0136.fits").write_bytes(b"not a band")
    images = LocalSAS(tmp_path)
    assert images.keys() == [other, FIRST]
    assert images._files[FIRST]["g"].suffix == ".fits"  # thirty times faster to read than its compressed twin
    field, *_ = [f for f in images.fields(images.keys(), progress=False) if f.key == other]
    assert list(field.frames) == ["r"]


def test_no_folder_and_no_frames(tmp_path):
    with pytest.raises(InputError, match="no folder"):
        LocalSAS(tmp_path / "nowhere")
    with pytest.raises(NotInArchiveError, match="no frame-"):
        LocalSAS(tmp_path).keys()


def test_the_field_in_which_a_star_lies_deepest(images):
    """Along the overlap of two fields the choice changes in its middle."""
    width = (SHAPE[0] - 40) * SCALE  # from center to center
    ra = FIELDS[FIRST][0] + np.array([0.0, 0.45, 0.55, 1.0]) * width
    found = located(images, ra, np.full(4, -0.73))
    assert keys(found) == [FIRST, FIRST, SECOND, SECOND]
    assert not found.flags.any()


def test_edges(images):
    ra, dec = FIELDS[FIRST]
    half = SHAPE[1] / 2 * SCALE  # columns run along declination
    inside, outside = half - 0.1 * SCALE, half + 0.1 * SCALE
    found = located(images, [ra] * 4, [dec + inside, dec - inside, dec + outside, dec - outside])
    assert found.flags.tolist() == [0, 0, flags.NO_IMAGE, flags.NO_IMAGE]
    corner = located(images, [ra - (SHAPE[0] / 2 - 1) * SCALE], [dec - (SHAPE[1] / 2 - 1) * SCALE])
    assert keys(corner) == [FIRST]


def test_opposite_sky(images):
    """A TAN projection maps the antipode onto the frame as well."""
    found = located(images, [FIELDS[FIRST][0] - 180], [0.73])
    assert found.flags.tolist() == [flags.NO_IMAGE]


def test_known_fields_are_kept(images):
    ra, dec = FIELDS[FIRST]
    found = located(
        images, [ra] * 4, [dec] * 4,
        objid=[encode_objid(2583, 2, 137, 5), NO_ID, encode_objid(94, 1, 11, 5), NO_ID],
        run=[NO_ID, 2188, NO_ID, NO_ID], camcol=[NO_ID, 2, NO_ID, NO_ID], field=[NO_ID, 37, NO_ID, NO_ID],
    )  # fmt: skip
    assert keys(found) == [SECOND, NO_I_BAND, FieldKey(94, 301, 1, 11), FIRST]
    assert found.flags.tolist() == [0, 0, flags.NO_IMAGE, 0]


def test_moving_stars_are_looked_for_where_they_were(images):
    """Outside the field in 2016, well inside when SDSS looked: Barnard's star moves 148 arcsec between the two."""
    ra, dec = FIELDS[FIRST]
    motion = {"pmra": 0.0, "pmdec": 10_000.0}
    now = propagate(ra, dec, motion["pmra"], motion["pmdec"], 2001.7, 2016.0)
    found = located(images, [now[0]] * 2, [now[1]] * 2, ref_epoch=[2016.0, np.nan], **motion)
    assert found.flags.tolist() == [0, flags.NO_IMAGE]


@settings(max_examples=50, deadline=None)
@given(x=st.floats(-20, SHAPE[1] + 20), y=st.floats(-20, SHAPE[0] + 20))
def test_located_means_on_the_frame(images, x, y):
    """For any position near a lone field: found exactly if its pixel is on the frame."""
    wcs = next(f.wcs for f in images._footprints if f.key == NO_I_BAND)
    ra, dec = wcs.wcs_pix2world([[x, y]], 0)[0]
    x, y = wcs.wcs_world2pix([[ra, dec]], 0)[0]
    on_frame = -0.5 < x < SHAPE[1] - 0.5 and -0.5 < y < SHAPE[0] - 0.5
    assert (located(images, [ra], [dec]).flags[0] == 0) == on_frame


def test_order_and_company_do_not_matter(images):
    rng = np.random.default_rng(1)
    ra, dec = 323.34 + rng.uniform(-0.03, 0.03, 300), -0.73 + rng.uniform(-0.03, 0.03, 300)
    together = keys(located(images, ra, dec))
    shuffled = rng.permutation(300)
    assert keys(located(images, ra[shuffled], dec[shuffled])) == [together[k] for k in shuffled]
    assert [keys(located(images, [r], [d]))[0] for r, d in zip(ra[:30], dec[:30], strict=True)] == together[:30]


def test_none_and_many(images):
    assert len(located(images, [], [])) == 0
    rng = np.random.default_rng(2)
    ra, dec = rng.uniform(0, 360, 100_000), np.degrees(np.arcsin(rng.uniform(-1, 1, 100_000)))
    ra[[5, 50_000, 99_999]], dec[[5, 50_000, 99_999]] = 323.34, -0.73
    found = located(images, ra, dec)
    assert np.flatnonzero(found.flags == 0).tolist() == [5, 50_000, 99_999]


def test_input_is_left_alone(images):
    targets = Targets(ra=np.array([323.34]), dec=np.array([-0.73]))
    images.locate(targets, progress=False)
    assert targets.run.tolist() == [NO_ID]


def test_fields_once_each(images):
    fields = list(images.fields([FIRST, SECOND, FIRST, NO_I_BAND], progress=False))
    assert sorted(field.key for field in fields) == sorted(FIELDS)
    for field in fields:
        assert set(field.frames) | set(field.missing) == set("ugriz")
        assert field.errors == {}
        assert all(frame.band == band for band, frame in field.frames.items())
    missing = next(field for field in fields if field.key == NO_I_BAND).missing
    assert str(images.root) in missing["i"]


def test_a_field_that_is_not_here(images):
    (field,) = images.fields([FieldKey(94, 301, 1, 11)], progress=False)
    assert field.frames == {}
    assert set(field.missing) == set("ugriz")


def test_damaged_frames(sas_tree, tmp_path):
    """One damaged band is an error of that band; a field with nothing else is left out of the index."""
    root = shutil.copytree(sas_tree, tmp_path / "sas")
    whole = frame_path(root, FIRST, "r").read_bytes()
    frame_path(root, FIRST, "r").write_bytes(b"<html>")
    frame_path(root, FIRST, "g").write_bytes(whole[: len(whole) // 2])
    for band in "ugrz":
        frame_path(root, NO_I_BAND, band).write_bytes(b"")
    images = LocalSAS(root)
    with pytest.warns(StellarclassWarning, match=r"field 2188-2-37 is left out.*empty.*frame-r-002188-2-0037"):
        found = located(images, [323.34, 30.0], [-0.73, 0.5])
    assert found.flags.tolist() == [0, flags.NO_IMAGE]
    (field,) = images.fields([FIRST], progress=False)
    assert sorted(field.frames) == ["i", "u", "z"]
    assert "HTML" in field.errors["r"]
    assert "truncated" in field.errors["g"]
    assert str(frame_path(root, FIRST, "g")) in field.errors["g"]
