# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Model cards: a valid one survives, everything else is refused by name."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stellarclass.exceptions import EnsembleError
from stellarclass.nets.card import Card

DOMAIN = {"input": "features", "center": [0.0], "precision": [[1.0]], "limit": 3.0}
GROUPS = {"input": "features", "column": 3, "present": 0, "edges": [2.0], "label_system": "sdss"}


def test_a_card_survives_json(values, tmp_path):
    values |= {
        "radius_space": "log10",
        "radius_calibration": {"scale": 1.2, "lower": -1.5, "upper": 1.8},
        "domain": DOMAIN | {"intruder_limit": 0.3, "radius_sigma": 0.25},
        "training": {"seed": 3, "metrics": {"accuracy": 0.9}, "data": ["a", None]},
        "combination": {"rule": "mixture", "weights": {m["name"]: 1.0 for m in values["members"]}},
        "label_systems": {
            "sdss": {"class_mix": [1, 4.5, 2, 2, 1e-3], "fit": {"cross_validated": {"accuracy": 0.8}}},
            "other": {},
        },
    }
    card = Card.from_dict(values)
    card.write(tmp_path / "card.json")
    assert Card.read(tmp_path / "card.json") == card
    assert Card.from_dict(card.to_dict()) == card
    assert card.classes == tuple("AFGKM")


SYSTEM = "label_systems.sdss.calibration"
RADIUS = r"radius_calibration\."


def _grouped(*, groups=(), **change):
    """A radius calibration by two bins of S/N and those without, five classes each, changed."""
    table = {"scale": [[1.5] * 5] * 3, "lower": [[-1.7] * 5] * 3, "upper": [[1.6, 1.7, 1.8, 1.9, 2]] * 3}
    return {"radius_calibration": {**table, "groups": GROUPS | dict(groups), **change}}


def _system(**entry):
    return {"label_systems": {"sdss": entry}}


def test_a_card_with_radii_calibrated_by_groups_survives_json(values, tmp_path):
    card = Card.from_dict(values | _grouped())
    card.write(tmp_path / "card.json")
    assert Card.read(tmp_path / "card.json") == card


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format_version": 2}, "another version of stellarclass"),
        ({"format_version": True}, "format_version"),
        ({"surprise": 1}, "unknown surprise"),
        ({"name": "../up"}, "name"),
        ({"name": "a" * 65}, "name"),
        ({"description": 3}, "description"),
        ({"description": "x" * 2001}, "2000"),
        ({"architecture": "os.system"}, "architecture"),
        ({"architecture_kwargs": [1]}, "architecture_kwargs"),
        ({"recipe": None}, "recipe"),
        ({"classes": []}, "classes"),
        ({"classes": "AFGKM"}, "classes"),
        ({"classes": ["A", "A"]}, "twice"),
        ({"classes": ["A", "<b>"]}, "classes"),
        ({"label_systems": {}}, "label_systems"),
        ({"label_systems": {"SDSS": {}}}, "label_systems"),
        ({"label_systems": {"sdss": {"calibration": {"temperature": 0}}}}, f"{SYSTEM}.temperature"),
        ({"label_systems": {"sdss": {"calibration": {"temperature": "1"}}}}, f"{SYSTEM}.temperature"),
        ({"label_systems": {"sdss": {"calibration": {"bias": [0, 0]}}}}, "2 numbers for 5 classes"),
        ({"label_systems": {"sdss": {"calibration": {"bias": [0, 0, 0, 0, 1e9]}}}}, f"{SYSTEM}.bias"),
        ({"label_systems": {"sdss": {"calibration": {"threshold": 1.5}}}}, f"{SYSTEM}.threshold"),
        ({"label_systems": {"sdss": {"calibration": {"prior": 1}}}}, "unknown prior"),
        (_system(class_mix=[1, 1]), r"sdss\.class_mix: has 2 numbers for 5 classes"),
        (_system(class_mix=[1, 1, 0, 1, 1]), r"sdss\.class_mix: 0 is not a number"),
        (_system(class_mix=[1, 1, "1", 1, 1]), r"sdss\.class_mix"),
        (_system(class_mix=0.2), r"sdss\.class_mix"),
        (_system(fit="good"), r"sdss\.fit"),
        (_system(description=["a"]), "not text"),
        (
            {"label_systems": {"sdss": {"class_mix": [0.5, 0.5]}}},
            r"label_systems\.sdss\.class_mix: has 2 numbers for 5",
        ),
        ({"label_systems": {"sdss": {"class_mix": [1, 1, 1, 1, 0]}}}, r"class_mix: 0 is not a number from"),
        ({"label_systems": {"sdss": {"class_mix": {"A": 1}}}}, r"class_mix: is not a list"),
        ({"default_label_system": "lamost"}, "'lamost' is not among sdss"),
        ({"members": []}, "members"),
        ({"members": [{"name": "Base"}] * 65}, "1 to 64"),
        ({"members": [{"name": "Base"}] * 2}, "same name twice"),
        ({"members": [{"file": "a.safetensors"}]}, "without a name"),
        ({"members": [{"name": "a", "file": "a.pt"}]}, r"members\.file"),
        ({"members": [{"name": "a", "sha256": "xyz"}]}, r"members\.sha256"),
        ({"combination": {"rule": "vote"}}, "'vote'"),
        ({"combination": {"rule": "mescr", "weights": {"Base": 1}}}, r"combination\.weights"),
        ({"combination": {"rule": "mescr"}, "members": [{"name": "solo"}]}, "the paper's are for members Base"),
        ({"radius_space": "ln"}, "radius_space"),
        ({"radius_calibration": {"scale": -1}}, r"radius_calibration\.scale"),
        ({"radius_calibration": {"lower": 1}}, r"radius_calibration\.lower"),
        ({"radius_calibration": {"scale": [[1.0] * 5] * 3}}, RADIUS + "scale"),
        (_grouped(scale=1.0), RADIUS + "scale"),
        (_grouped(scale=[[1.0] * 5] * 2), RADIUS + "scale: has 2 rows for 3 bins"),
        (_grouped(lower=[[-1.0] * 5] * 2 + [[-1.0] * 4]), RADIUS + "lower: has a row that is not of 5 numbers"),
        (_grouped(upper=[[1.0] * 5] * 2 + [[1.0] * 4 + [-1.0]]), RADIUS + "upper: -1"),
        (_grouped(upper=None), RADIUS + "upper"),
        (_grouped(groups={"edges": [1.0, 2.0]}), "3 rows for 4 bins"),
        (_grouped(groups={"edges": [2.0, 2.0]}), "edges: do not ascend"),
        (_grouped(groups={"edges": []}), RADIUS + "groups.edges"),
        (_grouped(groups={"column": 3.0}), "column: is not a whole number"),
        (_grouped(groups={"column": True}), "column: is not a whole number"),
        (_grouped(groups={"present": -1}), RADIUS + "groups.present: -1"),
        (_grouped(groups={"column": 256}), RADIUS + "groups.column: 256"),
        (_grouped(groups={"input": "../features"}), RADIUS + "groups.input"),
        (_grouped(groups={"label_system": "lamost"}), "'lamost' is not among sdss"),
        (_grouped(groups={"by": "mood"}), "unknown by"),
        ({"radius_calibration": {"groups": {"input": "features"}}}, "does not have all of column, edges"),
        ({"levels": {"class_set": 0.9}}, "radius_interval"),
        ({"levels": {"class_set": 1.0, "radius_interval": 0.9}}, r"levels\.class_set"),
        ({"domain": {"input": "x", "center": [0], "precision": [[1]]}}, "limit"),
        ({"domain": {"input": "x", "center": [0], "precision": [[1, 2]], "limit": 1}}, "precision"),
        ({"domain": {"input": "x", "center": [0] * 257, "precision": [[1]], "limit": 1}}, "1 to 256"),
        ({"domain": DOMAIN | {"intruder_limit": 0}}, r"domain\.intruder_limit"),
        ({"domain": DOMAIN | {"intruder_limit": 1.5}}, r"domain\.intruder_limit"),
        ({"domain": DOMAIN | {"radius_sigma": -0.1}}, r"domain\.radius_sigma"),
        ({"domain": DOMAIN | {"radius_sigma": "0.1"}}, r"domain\.radius_sigma"),
        ({"domain": DOMAIN | {"surprise": 1}}, "unknown surprise"),
    ],
)
def test_bad_cards_are_refused_by_name(values, change, message):
    with pytest.raises(EnsembleError, match=message):
        Card.from_dict(values | change)


def _saved(values, **change):
    members = [m | {"file": f"{m['name'].lower()}.safetensors", "sha256": 64 * "a"} for m in values["members"]]
    return Card.from_dict(values | {"members": members} | change)


def test_its_digest_is_about_what_decides_an_answer(values):
    card = _saved(values, **_system(description="a", calibration={"threshold": 0.8}, class_mix=[1, 1, 1, 1, 1]))
    same = _system(description="b", calibration={"threshold": 0.8}, class_mix=[1, 1, 1, 1, 1], fit={"folds": 5})
    for change in (same, same | {"description": "Other words."}, same | {"training": {"seed": 1}}):
        assert _saved(values, **change).sha256 == card.sha256
    for change in (
        same | {"domain": DOMAIN},
        same | _grouped(),
        _system(calibration={"threshold": 0.7}, class_mix=[1, 1, 1, 1, 1]),
        _system(calibration={"threshold": 0.8}, class_mix=[1, 1, 1, 1, 2]),
        _system(calibration={"threshold": 0.8}),
    ):
        assert _saved(values, **change).sha256 != card.sha256
    assert Card.from_dict(values).sha256 == ""


@pytest.mark.parametrize("name", ["name", "classes", "members", "recipe", "label_systems", "format_version"])
def test_missing_fields_are_named(values, name):
    del values[name]
    with pytest.raises(EnsembleError, match=f"lacks {name}"):
        Card.from_dict(values)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[]", "mapping"),
        (b'{"name": NaN}', "NaN is no number"),
        (b"[" * 100_000, "not JSON"),
        (b" " * 1_000_001, "larger than 1000000 bytes"),
    ],
)
def test_files_that_are_no_cards_are_refused(tmp_path, text, message):
    path = tmp_path / "card.json"
    path.write_bytes(text)
    with pytest.raises(EnsembleError, match=message) as caught:
        Card.read(path)
    assert str(path) in str(caught.value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_json_in_any_field_is_a_card_or_an_ensemble_error(values, data):
    field = data.draw(st.sampled_from([*values, "levels", "domain", "radius_calibration", "radius_space", "training"]))
    try:
        card = Card.from_dict(values | {field: data.draw(JSON)})
    except EnsembleError:
        return
    assert Card.from_dict(json.loads(json.dumps(card.to_dict()))) == card
