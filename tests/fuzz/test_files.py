# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Files that a user was given: tables, ensembles, configurations, reference sets, maps of the sky."""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from astropy import units as u
from astropy.table import QTable
from fuzz.mutate import EXAMPLES, PIECES, VALUES, bounded, damaged, damaged_cards, damaged_json
from hypothesis import given, settings
from hypothesis import strategies as st

from stellarclass import conf, load_ensemble
from stellarclass.archives import LocalAstrometry
from stellarclass.archives.footprint import read_footprint
from stellarclass.exceptions import ArchiveError, EnsembleError, InputError
from stellarclass.reference import ReferenceSet
from stellarclass.tables import read_table, write_table
from stellarclass.training.configfile import read_config
from stellarclass.vo._received import read_received

TABLE = QTable(
    {
        "source_id": np.arange(3),
        "ra": [1.0, 2.0, np.nan] * u.deg,
        "dec": [1.0, 2.0, 3.0] * u.deg,
        "name": ["a", "", "é"],
        "shape": np.ones((3, 2)),
    },
    meta={"note": "x", "nested": {"a": [1, 2]}},
)
NAMES = ("t.vot", "t.fits", "t.ecsv", "t.parquet")


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("written")
    for name in NAMES:
        write_table(TABLE, folder / name)
    return {name: (folder / name).read_bytes() for name in NAMES}


@pytest.fixture(autouse=True)
def small_tables():
    with conf.set_temp("max_table_bytes", 50_000_000):
        yield


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
@EXAMPLES
def test_tables(written, tmp_path, name, data):
    content = data.draw(damaged(written[name]) | (damaged_cards(written[name]) if name == "t.fits" else st.nothing()))
    path = tmp_path / name
    path.write_bytes(content)
    with bounded(InputError):
        read_table(path)
    with bounded(InputError, ArchiveError):
        LocalAstrometry(path)


@pytest.mark.parametrize("name", NAMES[:2])
@given(data=st.data())
@EXAMPLES
def test_tables_in_messages(written, tmp_path, name, data):
    path = tmp_path / name
    path.write_bytes(data.draw(damaged(written[name])))
    with bounded(InputError):
        read_received(
            path.as_uri(), "votable" if name == "t.vot" else "fits", folder=tmp_path, max_bytes=100_000, max_rows=100
        )


@given(
    address=st.text(max_size=30) | st.sampled_from(["file:", "http://", "https://[", "x:y", "file:////a%00b", "//a"])
)
@EXAMPLES
def test_addresses_in_messages(address, tmp_path):
    if not address.strip().lower().startswith(("http://a", "https://a")):  # nobody is asked
        with bounded(InputError):
            read_received(address, "votable", folder=tmp_path)


YAML_BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 9)}]\n" for k in range(1, 30)
)


@pytest.mark.parametrize("key", ["meta", "datatype", "schema"])
def test_yaml_that_unfolds(tmp_path, key):
    body = "".join(f"# {line}\n" for line in ["%ECSV 1.0", "---", *YAML_BOMB.splitlines(), f"{key}: *a29"])
    if key != "datatype":
        body += "# datatype: [{name: a, datatype: int64}]\n"
    path = tmp_path / "t.ecsv"
    path.write_text(body + "a\n1\n")
    with bounded(InputError):
        repr(read_table(path).meta.keys())


# ---- ensembles


@pytest.fixture(scope="module")
def ensemble(default_ensemble, tmp_path_factory):
    """The shipped ensemble, one member of it."""
    from stellarclass.nets import weights

    folder = tmp_path_factory.mktemp("ensembles") / "one"
    shutil.copytree(weights._SHIPPED / conf.ensemble, folder)
    return folder


def write_card(folder, content):
    (folder / "card.json").write_bytes(content)


FEW = settings(EXAMPLES, max_examples=20)  # each loads an ensemble


@given(data=st.data())
@FEW
def test_model_cards(ensemble, data):
    whole = (ensemble / "card.json").read_bytes()
    try:
        write_card(ensemble, data.draw(damaged_json(whole) | damaged(whole)))
        with bounded(EnsembleError, memory=800_000_000):
            load_ensemble(ensemble, device="cpu")
    finally:
        write_card(ensemble, whole)


@given(data=st.data())
@FEW
def test_weights_that_their_card_vouches_for(ensemble, data):
    """Damage to a file whose digest the card gives: the safetensors reader, and our checks, are what is left."""
    whole = (ensemble / "card.json").read_bytes()
    card = json.loads(whole)
    path = ensemble / card["members"][0]["file"]
    weights = path.read_bytes()
    length = int.from_bytes(weights[:8], "little")
    header = data.draw(damaged_json(weights[8 : 8 + length]) | damaged(weights[8 : 8 + length]))
    size = data.draw(st.sampled_from([len(header), 0, 2**63, len(header) + 1]))
    content = size.to_bytes(8, "little") + header + weights[8 + length :]
    try:
        path.write_bytes(content)
        card["members"][0]["sha256"] = hashlib.sha256(content).hexdigest()
        write_card(ensemble, json.dumps(card).encode())
        with bounded(EnsembleError, memory=800_000_000):
            load_ensemble(ensemble, device="cpu")
    finally:
        path.write_bytes(weights)
        write_card(ensemble, whole)


# ---- configurations


CONFIGS = [
    (Path(read_config.__code__.co_filename).parent / "configurations" / f"{name}.toml").read_bytes()
    for name in ("default", "mescr")
]


def toml_value(value):
    return json.dumps(value) if not isinstance(value, dict) and value is not None else "{}"


@given(data=st.data())
@EXAMPLES
def test_configurations(tmp_path, data):
    content = data.draw(st.sampled_from(CONFIGS))
    if data.draw(st.booleans()):
        content = data.draw(damaged(content))
    else:
        lines = content.decode().splitlines()
        at = data.draw(st.sampled_from([k for k, line in enumerate(lines) if " = " in line]))
        value = toml_value(data.draw(st.sampled_from(VALUES)))
        lines[at] = f"{lines[at].partition(' = ')[0]} = {value}"
        content = "\n".join(lines).encode()
    path = tmp_path / "own.toml"
    path.write_bytes(content)
    with bounded(InputError):
        read_config(path)


@pytest.mark.parametrize(
    "content", [b"a=" + b"[" * 50_000, b"a." * 40_000 + b"b=1", b'base="own"', b'base="./own.toml"']
)
def test_configurations_without_bottom(tmp_path, content):
    path = tmp_path / "own.toml"
    path.write_bytes(content)
    with bounded(InputError):
        read_config(path)


# ---- reference sets


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reference") / "set"
    ReferenceSet.simulated(3, seed=1).write(folder)
    return folder


@given(data=st.data())
@EXAMPLES
def test_reference_sets(reference, data):
    path = reference / data.draw(st.sampled_from(sorted(p.name for p in reference.iterdir())))
    whole = path.read_bytes()
    try:
        # Most of an .npy file is numbers: its header is what there is to damage.
        part = whole if path.suffix == ".ecsv" else whole[:128]
        path.write_bytes(data.draw(damaged(part)) + whole[len(part) :])
        with bounded(InputError):
            found = ReferenceSet.read(reference)
            found.stamps([0])
    finally:
        path.write_bytes(whole)


# ---- maps of the sky


MOC_JSON, MOC_ASCII = b'{"5": [1, 2, 10287], "7": [4000]}', b"5/1-2 10287 7/4000"


@pytest.fixture(scope="module")
def moc_fits(tmp_path_factory):
    mocpy = pytest.importorskip("mocpy")
    path = tmp_path_factory.mktemp("moc") / "moc.fits"
    mocpy.MOC.from_string(MOC_ASCII.decode()).save(path, format="fits")
    return path.read_bytes()


@given(data=st.data())
@EXAMPLES
def test_footprints(moc_fits, tmp_path, data):
    whole = data.draw(st.sampled_from([MOC_JSON, MOC_ASCII, moc_fits]))
    path = tmp_path / "moc"
    path.write_bytes(data.draw(damaged(whole) | (damaged_cards(whole) if whole is moc_fits else st.nothing())))
    with bounded(InputError):
        read_footprint(path)


@pytest.mark.parametrize(
    "piece", [b"30/0-1", b"29/0-4611686018427387903", b"5/9999999999", *PIECES], ids=range(len(PIECES) + 3)
)
def test_footprints_of_one_piece(tmp_path, piece):
    pytest.importorskip("mocpy")
    path = tmp_path / "moc"
    path.write_bytes(piece)
    with bounded(InputError):
        read_footprint(path)
