# Licensed under a 3-clause BSD style license - see LICENSE.rst
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stellarclass import flags
from stellarclass.archives import FieldKey, decode_objid, encode_objid
from stellarclass.archives.objid import check_key, known_fields
from stellarclass.exceptions import InputError, NotInArchiveError, StellarclassWarning
from stellarclass.targets import NO_ID, Targets

# From SkyServer, as astroquery's own tests have them: objid, run, rerun, camcol, field.
KNOWN = [(1237653651835781245, 1904, 301, 3, 163), (1237652943176138868, 1739, 301, 3, 315)]
OLD = 587722952230174996  # of DR7: skyversion 1, rerun 40, run 745, camcol 2


@pytest.mark.parametrize("row", KNOWN)
def test_decode_real_identifiers(row):
    parts = decode_objid(row[0])
    assert (parts.run, parts.rerun, parts.camcol, parts.field) == row[1:]
    again = encode_objid(parts.run, parts.camcol, parts.field, parts.id, first_field=parts.first_field)
    assert again == row[0]


@given(
    run=st.integers(1, 65535), rerun=st.integers(0, 2047), camcol=st.integers(1, 6), field=st.integers(1, 4095),
    number=st.integers(0, 65535), first=st.integers(0, 1),
)  # fmt: skip
def test_encode_undoes_decode(run, rerun, camcol, field, number, first):
    objid = encode_objid(run, camcol, field, number, rerun=rerun, first_field=first)
    assert objid.dtype == np.int64
    assert tuple(decode_objid(objid)) == (rerun, run, camcol, first, field, number)


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


@pytest.mark.parametrize(
    ("objid", "words"),
    [
        (OLD, f"objid {OLD} is of SDSS DR7 or before"),
        ([KNOWN[0][0], OLD], f"objid {OLD} is of SDSS DR7 or before"),
        (12345, "objid 12345 is no object identifier of SDSS DR8 or later"),
        ([KNOWN[0][0], -1], "objid -1 is no object identifier"),
        (4472832130942575872, "objid 4472832130942575872 is no object"),  # Gaia's of Barnard's star
        (np.uint64(2**63 + KNOWN[0][0]), "is no object identifier"),
    ],
)
def test_only_identifiers_of_dr8_and_later(objid, words):
    with pytest.raises(InputError, match=words):
        decode_objid(objid)


def test_no_identifiers():
    assert decode_objid(np.zeros(0, np.int64)).run.shape == (0,)


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
    with pytest.warns(StellarclassWarning, match=r"1 of 2 .*names no SDSS field .*row 1: 12345.*positions are used"):
        found, todo = known_fields(targets(2, objid=[KNOWN[0][0], 12345]))
    assert todo.tolist() == [False, True]
    assert found.run.tolist() == [1904, NO_ID]
    assert found.objid.tolist() == [KNOWN[0][0], NO_ID]


def test_objid_of_dr7_is_as_good_as_none():
    mixed = [KNOWN[0][0], OLD, NO_ID, OLD + 1]
    with pytest.warns(StellarclassWarning, match=f"2 of 4 .* DR7 or before .*row 1: {OLD}.* positions are used"):
        found, todo = known_fields(targets(4, objid=mixed))
    assert todo.tolist() == [False, True, True, True]
    assert found.run.tolist() == [1904, NO_ID, NO_ID, NO_ID]
    assert found.objid.tolist() == [KNOWN[0][0], NO_ID, NO_ID, NO_ID]


def test_objid_of_dr7_beside_a_field_that_is_named():
    """The field counts; nothing is said of an identifier that is not needed."""
    found, todo = known_fields(targets(1, objid=OLD, run=2583, camcol=2, field=136))
    assert not todo.any()
    assert found.run.tolist() == [2583]


def test_fatal_rows_are_left_alone():
    t = targets(1, objid=KNOWN[0][0])
    t.flags[:] = flags.BAD_COORDINATE
    found, todo = known_fields(t)
    assert found.run.tolist() == [NO_ID]
    assert not todo.any()
