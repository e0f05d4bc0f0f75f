# Licensed under a 3-clause BSD style license - see LICENSE.rst
import dataclasses

import numpy as np
import pytest
from astropy import units as u
from loopback.sas import SASServer

from stellarclass import conf, flags
from stellarclass.astrometry import Astrometry
from stellarclass.exceptions import InputError
from stellarclass.stamps.base import Stamps
from stellarclass.survey import RunSettings, read_results, run_survey, survey_status, verify_survey
from stellarclass.survey.layout import Layout
from stellarclass.survey.stampstore import BYTES_PER_STAR, StampWriter, read_about, read_stamps, stored_flags
from stellarclass.targets import Targets


def run(folder, settings, **options):
    return run_survey(folder, settings, **{"workers": 0, "pause": 0 * u.s, "progress": False} | options)


def test_stamps_come_back_in_half_precision(tmp_path):
    rng = np.random.default_rng(1)
    stamps = Stamps.empty(3)
    stamps.images[:] = rng.normal(0, 0.02, stamps.images.shape)
    stamps.images[0, 2, 31, 31] = 4321.0
    stamps.images[1, 2, 31, 31] = 1e6  # beyond half precision, and beyond what SDSS can see
    stamps.masks[:] = rng.integers(0, 3, stamps.masks.shape)
    stamps.psf[:], stamps.epoch[:], stamps.flags[:] = 1.25, 2003.5, flags.OFF_FRAME
    gaia = Astrometry.empty(3)
    gaia.source_id[:], gaia.parallax[:] = 2**62 + np.arange(3), 1 / 3
    targets = Targets(np.arange(5.0), np.arange(5.0))
    targets.flags[[0, 3]] = flags.NO_IMAGE, flags.AMBIGUOUS_FIELD
    with StampWriter(tmp_path / "s.parquet", {"match_radius": 3.0}) as store:
        store.add(np.array([3, 1, 2]), targets, stamps, gaia)
        store.finish(targets)
    ((rows, again, found),) = read_stamps(tmp_path / "s.parquet")
    assert rows.tolist() == [3, 1, 2] and read_about(tmp_path / "s.parquet") == {"match_radius": 3.0}
    assert np.allclose(again.images, np.clip(stamps.images, -65504, 65504), rtol=5e-4, atol=1e-7)
    for name in ("masks", "offsets", "sky_sigma", "flux_per_electron", "psf", "epoch", "flags"):
        a, b = getattr(again, name), getattr(stamps, name)
        assert np.array_equal(a, b, equal_nan=True) and a.dtype == b.dtype and a.flags.writeable, name
    for name in Astrometry.__dataclass_fields__:
        assert np.array_equal(getattr(found, name), getattr(gaia, name), equal_nan=True), name
    got, known = stored_flags(tmp_path / "s.parquet", 5)
    assert got.tolist() == targets.flags.tolist() and known.all()
    assert not stored_flags(tmp_path / "s.parquet", 7)[1].all()
    assert [path.name for path in tmp_path.iterdir()] == ["s.parquet"]


def test_a_second_ensemble_runs_without_the_archive(sky, planned, undisturbed, tmp_path):
    with SASServer(sky.root) as server, server.configured(), conf.set_temp("cache_dir", str(tmp_path / "cache")):
        settings = RunSettings(astrometry=str(sky.root / "gaia.ecsv"))
        assert run(planned, settings, stamps_budget=50 * u.Mbyte).failures == {}
        assert server.requests("frame-")
        assert not list(planned.rglob("frame-*")), "frames go when their unit is done"
        server.log.clear()
        other = dataclasses.replace(settings, pixels="stamps", label_system="pecaut_mamajek", astrometry=None)
        assert run(planned, other, results="other").rows == 30
        assert server.requests() == []  # nor Gaia, which would have been asked over the network: there is none
    assert verify_survey(planned).good and verify_survey(planned, results="other").good
    direct, stored = read_results(planned), read_results(planned, results="other")
    assert (stored["flags"] == direct["flags"]).all() and (stored["source_id"] == direct["source_id"]).all()
    known = ~stored["radius"].mask
    assert known.sum() == 25 and np.allclose(stored["radius"][known] / direct["radius"][known], 1, atol=2e-3)
    assert stored.meta["label_system"] == "pecaut_mamajek"
    for name in ("image_release", "astrometry_release", "match_radius"):  # what the stamps were made with
        assert stored.meta[name] == direct.meta[name]
    other = dataclasses.replace(other, astrometry=str(sky.root / "gaia.ecsv"))
    for number, (change, said) in enumerate((
        ({"astrometry": False}, r"astrometry_release 'gaia\.ecsv.*', this run has None"),
        ({"match_radius": 1 * u.arcsec}, "match_radius 3.0, this run has 1.0"),
        ({"images": str(sky.root), "pixels": "both"}, "image_release 'SDSS DR17', this run has 'SDSS frames in"),
    )):  # fmt: skip
        with pytest.raises(InputError, match=said):
            run(planned, dataclasses.replace(other, **change), results=f"other{number}")
    assert survey_status(planned).stamps_units == 3


def test_stamps_keep_within_their_budget(sky, planned):
    budget = 12 * BYTES_PER_STAR * u.byte  # 12 of 30 stars at most
    run(planned, sky.settings, stamps_budget=budget)
    kept = [Layout(planned).stamps(unit) for unit in range(3) if Layout(planned).stamps(unit).is_file()]
    assert len(kept) >= 1 and sum(path.stat().st_size for path in kept) <= budget.value
    lacking = dataclasses.replace(sky.settings, pixels="stamps")
    if len(kept) < 3:
        with pytest.raises(InputError, match="both"):
            run(planned, lacking, results="other")
    both = run(planned, dataclasses.replace(sky.settings, pixels="both"), results="other")
    assert both.rows == 30 and verify_survey(planned, results="other").good


def test_no_stamps_are_kept_of_a_unit_in_which_something_failed(sky, planned):
    from surveysky import Faulty

    from stellarclass.archives import LocalSAS

    settings = dataclasses.replace(sky.settings, images=Faulty(LocalSAS(sky.root), {101: 1}), tries=1)
    run(planned, settings, stamps_budget=50 * u.Mbyte)
    there = [Layout(planned).stamps(unit).is_file() for unit in range(3)]
    assert there == [False, True, True] and not list((planned / "stamps").rglob(".unfinished-*"))
