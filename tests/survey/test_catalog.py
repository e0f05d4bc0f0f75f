# Licensed under a 3-clause BSD style license - see LICENSE.rst
import json
import os
import shutil
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord

from stellarclass.exceptions import InputError
from stellarclass.survey import finish_survey, plan_survey, read_results, verify_survey
from stellarclass.survey.catalog import _partitions
from stellarclass.survey.layout import Layout
from stellarclass.survey.plan import load_plan

pytest.importorskip("hats")


@pytest.fixture(scope="module")
def finished(undisturbed, tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished") / "survey"
    shutil.copytree(undisturbed.folder, folder)
    return Layout(folder), finish_survey(folder, name="tiny", rows_per_partition=12)


def test_the_plain_file_is_in_the_order_of_the_list(finished):
    from pyarrow import parquet

    layout, done = finished
    table, ours = parquet.read_table(layout.table), read_results(layout.root)
    assert done.rows == table.num_rows == 30 and table["target"].to_pylist() == list(range(30))
    assert table["spectral_class"].to_pylist() == [c or None for c in ours["spectral_class"].filled("").tolist()]
    assert np.array_equal(table["source_id"].fill_null(-1).to_numpy(), ours["source_id"].filled(-1))
    assert table.schema.field("radius").metadata[b"unit"] == b"solRad"


def test_partitions_have_no_more_rows_than_said(finished):
    layout, done = finished
    _, units = load_plan(layout.root)
    pixels = _partitions(layout, units, 12)
    assert done.partitions == len(pixels) > 1 and done.catalog_rows == 30
    assert len(_partitions(layout, units, 30)) == 1
    from pyarrow import parquet

    for path in (layout.catalog / "dataset").rglob("Npix=*.parquet"):
        table = parquet.read_table(path)
        most = 30 if "Norder=8" in path.parts else 12  # a field's worth of sky is not divided
        index = table["_healpix_29"].to_pylist()
        assert 0 < table.num_rows <= most and index == sorted(index)


def test_hats_finds_no_fault_with_the_catalog(finished):
    from hats.io.validation import is_valid_catalog

    layout, _ = finished
    assert is_valid_catalog(layout.catalog, strict=True, verbose=False)


def test_verify_looks_at_the_catalog_too(finished):
    layout, _ = finished
    found = verify_survey(layout.root)
    assert found.good and found.checked[1:] == ["the catalog", "the plain file"]
    path = next(iter(sorted((layout.catalog / "dataset").rglob("Npix=*.parquet"))))
    content = path.read_bytes()
    path.unlink()
    try:
        assert "the catalog lacks" in verify_survey(layout.root).text()
    finally:
        path.write_bytes(content)
    (layout.results / ".finish-killed" / "sky").mkdir(parents=True)
    layout.table.write_bytes(b"damaged")
    assert "cannot be read" in verify_survey(layout.root).text()
    finish_survey(layout.root, name="tiny", rows_per_partition=12)
    assert verify_survey(layout.root).good and not list(layout.results.glob(".finish-*"))


def test_an_unfinished_run_has_no_catalog(planned):
    with pytest.raises(InputError, match="3 of 3 units of work are not done"):
        finish_survey(planned)


def test_what_is_damaged_or_of_another_plan_makes_no_catalog(sky, undisturbed, tmp_path):
    layout = Layout(shutil.copytree(undisturbed.folder, tmp_path / "survey"))
    with layout.alone(), pytest.raises(InputError, match="another run is at work"):
        finish_survey(layout.root)
    layout.part(1).write_bytes(layout.part(1).read_bytes()[:-100])
    with pytest.raises(InputError, match="1 of 3 units of work are not done or damaged"):
        finish_survey(layout.root)
    layout.plan.unlink()
    plan_survey(sky.targets[:20], layout.root, fields_per_unit=2, progress=False)
    for function in (finish_survey, read_results):
        with pytest.raises(InputError, match="are those of another plan"):
            function(layout.root)


def test_lsdb_gives_what_astropy_gives(finished):
    """In a process of its own: numba would compile for half a minute what it interprets in a moment."""
    layout, _ = finished
    pytest.importorskip("lsdb")
    code = """
        import json, sys, warnings
        warnings.simplefilter("ignore")
        import dask, lsdb
        dask.config.set(scheduler="synchronous")
        catalog = lsdb.open_catalog(sys.argv[1])
        numbers = lambda part: sorted(map(int, part.compute()["target"]))
        others = catalog.compute().reset_index()[["ra", "dec", "target"]]
        others = others.astype("float64")[[n % 3 == 0 for n in others["target"]]]
        others["dec"] += 0.5 / 3600
        others = lsdb.from_dataframe(others, ra_column="ra", dec_column="dec")
        pairs = catalog.crossmatch(others, radius_arcsec=1, suffixes=("", "_b"), suffix_method="overlapping_columns")
        pairs = pairs.compute()
        print(json.dumps({
            "cone": numbers(catalog.cone_search(ra=150.03, dec=2.0, radius_arcsec=60)),
            "class": numbers(catalog.query("spectral_class == 'M' and radius < 0.5")),
            "pairs": sorted([int(a), int(b)] for a, b in zip(pairs["target"], pairs["target_b"])),
            "apart": float(pairs["_dist_arcsec"].max()),
        }))
    """
    environment = os.environ | {"NUMBA_DISABLE_JIT": "1"}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), str(layout.catalog)],
        env=environment, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    theirs, ours = json.loads(done.stdout.splitlines()[-1]), read_results(layout.root)
    places = SkyCoord(ours["ra"], ours["dec"])
    near = places.separation(SkyCoord(150.03 * u.deg, 2 * u.deg)) < 60 * u.arcsec
    assert theirs["cone"] == np.flatnonzero(near).tolist() and 0 < near.sum() < 30
    small = (ours["spectral_class"] == "M").filled(False) & (ours["radius"] < 0.5 * u.solRad).filled(False)
    assert theirs["class"] == np.flatnonzero(small).tolist()
    moved = places[::3].directional_offset_by(0 * u.deg, 0.5 * u.arcsec)
    index, apart, _ = moved.match_to_catalog_sky(places)
    assert theirs["pairs"] == sorted([int(i), 3 * k] for k, i in enumerate(index))
    assert abs(theirs["apart"] - apart.max().to_value(u.arcsec)) < 1e-3
