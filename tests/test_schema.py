# Licensed under a 3-clause BSD style license - see LICENSE.rst
import re
from types import SimpleNamespace

import numpy as np
import pytest
from astropy import units as u
from astropy.io.votable.ucd import check_ucd
from astropy.table import QTable
from astropy.utils.masked import Masked
from hypothesis import given, settings
from hypothesis import strategies as st

from stellarclass import flags
from stellarclass.astrometry import Astrometry
from stellarclass.nets.prediction import Prediction
from stellarclass.schema import DEFAULT_CLASSES, META, build_table, columns, describe, order_meta
from stellarclass.tables import FORMATS, read_table, write_table
from stellarclass.targets import Targets

META_VALUES = {
    "stellarclass_version": "0.1",
    "ensemble": "default",
    "ensemble_sha256": "ab" * 32,
    "label_system": "sdss",
    "class_prior": "A=0.1,F=0.3,G=0.3,K=0.2,M=0.1",
    "class_set_level": 0.9,
    "radius_level": 0.68,
    "image_release": "SDSS DR17",
    "astrometry_release": "Gaia DR3",
    "match_radius": 3.0,
    "position_epoch": 2016.0,
    "date": "2024-05-06T07:08:09",
}

# ADQL 2.0's reserved words that a column of ours could have been called.
RESERVED = set(
    "class value values date time year month day size position level count distance point circle box polygon region "
    "area contains intersects log exp mod power rand round degrees radians pi order group select "
    "min max sum avg".split()
)


def make_inputs(n, *, classes=DEFAULT_CLASSES, seed=0, bits=None):
    """Results of n stars, all complete."""
    rng = np.random.default_rng(seed)
    ids = {name: rng.integers(1, 2**62, n) for name in ("objid", "run", "rerun", "camcol", "field")}
    targets = Targets(rng.uniform(0, 360, n), rng.uniform(-90, 90, n), **ids)
    numbers = {name: rng.uniform(0.1, 5, n) for name in Astrometry.__dataclass_fields__}
    whole = {"source_id": rng.integers(1, 2**62, n), "match_count": rng.integers(1, 4, n), "flags": np.zeros(n, int)}
    probabilities = rng.dirichlet(np.ones(len(classes)), n).reshape(n, len(classes))
    best = probabilities == probabilities.max(axis=1, keepdims=True)
    radius = rng.uniform(0.1, 3, n)
    prediction = Prediction(
        classes=classes,
        probabilities=probabilities,
        class_sets=best | (rng.uniform(size=probabilities.shape) < 0.3),
        radius=radius,
        radius_err=0.1 * radius,
        radius_lower=0.8 * radius,
        radius_upper=1.2 * radius,
        radius_spread=0.05 * radius,
        domain_score=np.zeros(n),
    )
    return {
        "targets": targets,
        "astrometry": Astrometry(**(numbers | whole)),
        "prediction": prediction,
        "flags": np.zeros(n, int) if bits is None else np.asarray(bits),
        "inputs_used": rng.integers(0, 128, n),
        "radius_sb": radius * 1.01,
        "psfmag": rng.uniform(14, 22, (n, 5)),
        "meta": META_VALUES,
    }


def build(**inputs):
    return build_table(inputs.pop("targets"), **inputs)


def mask_of(column):
    return np.array(np.broadcast_to(getattr(column, "mask", False), column.shape))


def values_of(column):
    column = getattr(column, "unmasked", column)
    return np.asarray(getattr(column, "value", column))


def test_registry_is_sound():
    registry = columns()
    names = [column.name for column in registry]
    assert len(set(names)) == len(names)
    for column in registry:
        assert re.fullmatch("[a-z][a-z0-9_]*", column.name)
        assert column.name not in RESERVED
        assert check_ucd(column.ucd, check_controlled_vocabulary=True), column
        assert column.dtype in ("int64", "float64", "str")
        assert not (column.unit and column.dtype != "float64"), "identifiers have no unit"
        # Both formats must spell the unit the same way, and no more than these survive VOTable.
        assert column.unit in ("", "deg", "arcsec", "mag", "solRad", "mas", "mas/yr")
        assert column.description
        assert column.description.isascii()
        assert len(column.description) <= 64, "one FITS card, and one line of VOTable as astropy folds it"
    for entry in META:
        assert re.fullmatch("[a-z][a-z0-9_]*", entry.name)
        assert entry.description


def test_main_position_and_identifier_are_unique():
    main = [column.name for column in columns() if column.ucd.endswith("meta.main")]
    assert main == ["objid", "ra", "dec"]


def test_describe_lists_all_columns():
    table = describe(classes=("K", "M"))
    assert list(table["name"]) == [column.name for column in columns(("K", "M"))]
    assert "prob_k" in table["name"]
    assert "prob_a" not in table["name"]


def test_table_has_the_registrys_columns_units_and_ucds():
    table = build(**make_inputs(4))
    assert isinstance(table, QTable)
    assert table.colnames == [column.name for column in columns()]
    for column in columns():
        found = table[column.name]
        assert found.info.meta["ucd"] == column.ucd
        assert found.info.description == column.description
        assert found.dtype.kind == {"int64": "i", "float64": "f", "str": "U"}[column.dtype]
        if column.unit:
            assert isinstance(found, u.Quantity)
            assert found.unit == u.Unit(column.unit)
        else:
            assert found.info.unit is None
        assert not mask_of(found).any()
    assert table.meta == META_VALUES
    assert list(table.meta) == [entry.name for entry in META]


def test_values_are_those_given():
    inputs = make_inputs(50)
    table = build(**inputs)
    prediction, astrometry = inputs["prediction"], inputs["astrometry"]
    best = prediction.probabilities.argmax(axis=1)
    assert list(table["spectral_class"]) == [prediction.classes[i] for i in best]
    assert np.array_equal(table["prob_k"], prediction.probabilities[:, 3])
    np.testing.assert_allclose(sum(table[f"prob_{name}"] for name in "afgkm"), 1)
    for text, members in zip(table["class_set"], prediction.class_sets, strict=True):
        assert text == "".join(name for name, member in zip(prediction.classes, members, strict=True) if member)
    assert (table["radius"].unmasked == prediction.radius * u.solRad).all()
    assert (table["radius_sb"].unmasked.value == inputs["radius_sb"]).all()
    assert (table["psfmag_g"].unmasked.value == inputs["psfmag"][:, 1]).all()
    assert (table["source_id"] == astrometry.source_id).all()
    assert (table["objid"] == inputs["targets"].objid).all()
    np.testing.assert_allclose(table["pm"].unmasked.value, np.hypot(astrometry.pmra, astrometry.pmdec))
    # The row's own position, not the match's.
    assert (table["ra"].unmasked.value == inputs["targets"].ra).all()


def test_other_classes():
    table = build(**make_inputs(3, classes=("sdF", "M")))
    assert [name for name in table.colnames if name.startswith("prob_")] == ["prob_sdf", "prob_m"]
    assert set(table["spectral_class"]) <= {"sdF", "M"}


RESULTS = ["spectral_class", *(f"prob_{c}" for c in "afgkm"), "class_set"]
RESULTS += ["radius", "radius_err", "radius_lower", "radius_upper", "radius_spread", "radius_sb"]


@pytest.mark.parametrize("bit", flags.FLAGS, ids=lambda bit: bit.name)
def test_fatal_flags_mask_the_results_of_their_row_only(bit):
    table = build(**make_inputs(3, bits=[0, bit.value, 0]))
    for name in table.colnames:
        expected = [False, bit.fatal and name in RESULTS, False]
        assert mask_of(table[name]).tolist() == expected, name
    assert table["flags"].tolist() == [0, bit.value, 0]


def test_missing_is_masked():
    n = 2
    inputs = make_inputs(n)
    nothing = np.full(n, np.nan)
    inputs["targets"] = Targets(nothing, nothing)
    inputs["astrometry"] = Astrometry.empty(n)
    inputs["radius_sb"], inputs["psfmag"] = nothing, np.full((n, 5), np.inf)
    inputs["flags"] = inputs["targets"].flags
    fields = {name: nothing for name in ("radius", "radius_err", "radius_lower", "radius_upper", "radius_spread")}
    inputs["prediction"] = SimpleNamespace(
        classes=DEFAULT_CLASSES, probabilities=np.full((n, 5), np.nan), class_sets=np.ones((n, 5), bool), **fields
    )
    table = build(**inputs)
    for name in table.colnames:
        assert mask_of(table[name]).all() == (name not in ("flags", "inputs_used")), name


def test_nobody_matched_is_not_the_same_as_nobody_asked():
    inputs = make_inputs(5, bits=[0, flags.NO_ASTROMETRY, flags.ASTROMETRY_FAILURE, flags.NO_IMAGE, flags.NOT_DETECTED])
    inputs["astrometry"] = Astrometry.empty(5)
    assert build(**inputs)["match_count"].mask.all()
    inputs["astrometry"].match_count[:] = 0
    assert build(**inputs)["match_count"].tolist() == [0, 0, None, None, 0]


def test_inputs_are_not_changed_nor_shared():
    inputs = make_inputs(3, bits=[0, 4, 0])
    radius, ra = inputs["prediction"].radius.copy(), inputs["targets"].ra.copy()
    table = build(**inputs)
    table["radius"][:] = 0 * u.solRad
    table["ra"][:] = 0 * u.deg
    table["flags"][:] = 7
    assert (inputs["prediction"].radius == radius).all()
    assert (inputs["targets"].ra == ra).all()
    assert inputs["flags"].tolist() == [0, 4, 0]


@pytest.mark.parametrize("name", ["flags", "inputs_used", "radius_sb", "psfmag"])
def test_arrays_of_another_length_are_refused(name):
    inputs = make_inputs(3)
    inputs[name] = inputs[name][:2]
    with pytest.raises(ValueError, match=r"expected \(3,\)|broadcast"):
        build(**inputs)


def test_metadata_are_checked():
    with pytest.raises(ValueError, match="weather"):
        order_meta({"weather": "fine"})
    with pytest.raises(TypeError, match="class_set_level"):
        order_meta({"class_set_level": "0.9"})
    with pytest.raises(TypeError, match="ensemble"):
        order_meta({"ensemble": 3})
    assert order_meta({"image_release": None}) == {}


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000), bits=st.lists(st.integers(0, 2 ** len(flags.FLAGS) - 1), min_size=1, max_size=6))
def test_rows_do_not_depend_on_each_other(seed, bits):
    inputs = make_inputs(len(bits), seed=seed, bits=bits)
    table = build(**inputs)
    assert len(table) == len(bits)
    i = seed % len(bits)
    one = slice(i, i + 1)
    alone = dict(inputs)
    for name in ("flags", "inputs_used", "radius_sb", "psfmag"):
        alone[name] = inputs[name][one]
    alone["astrometry"] = inputs["astrometry"][one]
    alone["targets"] = Targets(**{name: value[one] for name, value in vars(inputs["targets"]).items()})
    prediction = vars(inputs["prediction"])
    alone["prediction"] = Prediction(**{k: v if k == "classes" else v[one] for k, v in prediction.items()})
    row = build(**alone)
    for name in table.colnames:
        assert mask_of(row[name])[0] == mask_of(table[name])[i]
        if not mask_of(row[name])[0]:
            assert row[name][0] == table[name][i]


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("n", [0, 1, 7])
def test_output_tables_survive_every_format(format, n, tmp_path):
    if format == "parquet":
        pytest.importorskip("pyarrow")
    table = build(**make_inputs(n, bits=np.arange(n)))
    path = tmp_path / "table"
    write_table(table, path, format=format)
    again = read_table(path, format=format)
    assert again.colnames == table.colnames
    assert again.meta == table.meta
    for column in columns():
        found, wanted = again[column.name], table[column.name]
        assert found.info.meta["ucd"] == column.ucd
        assert found.info.description == column.description
        assert found.info.unit == wanted.info.unit
        assert found.dtype.kind == wanted.dtype.kind
        assert found.dtype.itemsize == wanted.dtype.itemsize or column.dtype == "str"
        assert (mask_of(found) == mask_of(wanted)).all()
        good = ~mask_of(wanted)
        assert values_of(found)[good].tolist() == values_of(wanted)[good].tolist()
        assert isinstance(found, Masked) == isinstance(wanted, Masked) or n == 0
