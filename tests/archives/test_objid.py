# Licensed under a 3-clause BSD style license - see LICENSE.rst
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stellarclass import flags
from stellarclass.archives import FieldKey, decode_objid, encode_objid
from stellarclass.archives.objid import check_key, known_fields
from stellarclass.exceptions import NotInArchiveError, StellarclassWarning
from stellarclass.targets import NO_ID, Targets

# From SkyServer, as astroquery's own tests have them: objid, run, rerun, camcol, field.
KNOWN = [(1237653651835781245, 1904, 301, 3, 163), (1237652943176138868, 1739, 301, 3, 315)]


@pytest.mark.parametrize("row", KNOWN)
def test_decode_real_identifiers(row):
    parts = decode_objid(row[0])
    assert (parts.run, parts.rerun, parts.camcol, parts.field) == row[1:]
    assert parts.skyversion == 2


@given(
    run=st.integers(1, 65535), rerun=st.integers(0, 2047), camcol=st.integers(1, 6), field=st.integers(1, 4095),
    number=st.integers(0, 65535), sky=st.integers(0, 15), first=st.integers(0, 1),
)  # fmt: skip
def test_encode_undoes_decode(run, rerun, camcol, field, number, sky, first):
    objid = encode_objid(run, camcol, field, number, rerun=rerun, skyversion=sky, first_field=first)
    assert objid.dtype == np.int64
    assert tuple(decode_objid(objid)) == (sky, rerun, run, camcol, first, field, number)


def test_arrays_and_unsigned():
    objid = np.array([row[0] for row in KNOWN], np.uint64)  # as astroquery has them
    parts = decode_objid(objid)
    assert parts.run.tolist() == [1904, 1739]
    assert encode_objid(parts.run, parts.camcol, parts.field, parts.id).tolist() == objid.tolist()


def test_floats_are_refused():
    with pytest.raises(TypeError, match="float64"):
        decode_objid(np.array([1.2e18]))
    with pytest.raises(TypeError, match="run"):
        encode_objid(1904.0, 3, 163, 0)


def test_values_that_do_not_fit():
    with pytest.raises(ValueError, match="camcol must be within 0 to 7"):
        encode_objid(1904, 8, 163, 0)


@pytest.mark.parametrize("key", [(0, 301, 1, 1), (1, 301, 7, 1), (1, 301, 0, 1), (1, 301, 1, 0), (70000, 301, 1, 1)])
def test_keys_that_cannot_be(key):
    with pytest.raises(NotInArchiveError, match="no such field"):
        check_key(FieldKey(*key), "r")


def test_only_plain_integers_pass():
    key = check_key(FieldKey(np.int64(2583), np.int16(301), np.uint8(2), np.int64(136)), "r")
    assert all(type(number) is int for number in key)
    with pytest.raises(ValueError, match="invalid literal"):
        check_key(FieldKey("../..", 301, 2, 136), "r")
    with pytest.raises(ValueError, match="band"):
        check_key(key, "../r")


def targets(n, **columns):
    t = Targets(ra=np.full(n, 10.0), dec=np.zeros(n))
    for name, values in columns.items():
        getattr(t, name)[:] = values
    return t


def test_known_fields():
    given_targets = targets(
        4,
        objid=[KNOWN[0][0], NO_ID, KNOWN[0][0], NO_ID],
        run=[NO_ID, 2583, 2583, 2583],
        camcol=[NO_ID, 2, 2, 2],
        field=[NO_ID, 136, 136, NO_ID],
    )
    found, todo = known_fields(given_targets)
    # By objid; by its columns, rerun filled in; the columns count for more than objid; half a field is none.
    assert todo.tolist() == [False, False, False, True]
    assert found.run.tolist() == [1904, 2583, 2583, 2583]
    assert found.rerun.tolist()[:3] == [301, 301, 301]
    assert found.field.tolist() == [163, 136, 136, NO_ID]
    assert given_targets.rerun.tolist() == [NO_ID] * 4  # the input is left alone


def test_fields_that_cannot_be_are_flagged():
    with pytest.warns(StellarclassWarning, match="1 of 2 targets .* row 1"):
        found, todo = known_fields(targets(2, run=2583, camcol=[2, 9], field=136))
    assert found.flags.tolist() == [0, flags.NO_IMAGE]
    assert not todo.any()


def test_strange_objid_is_not_believed():
    gaia_id = 2685000000000000123
    with pytest.warns(StellarclassWarning, match="names no SDSS field.*positions are used"):
        found, todo = known_fields(targets(2, objid=[KNOWN[0][0], 12345]))
    assert todo.tolist() == [False, True]
    assert found.run.tolist() == [1904, NO_ID]
    assert decode_objid(gaia_id).skyversion != 2


def test_fatal_rows_are_left_alone():
    t = targets(1, objid=KNOWN[0][0])
    t.flags[:] = flags.BAD_COORDINATE
    found, todo = known_fields(t)
    assert found.run.tolist() == [NO_ID]
    assert not todo.any()
