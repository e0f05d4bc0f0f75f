# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The chain on a survey in memory whose truth says what must come out."""

import json
import os
import shutil
import signal
from dataclasses import replace

import numpy as np
import pytest
from astropy import units as u
from astropy.table import Table
from referencesky import EPOCH, FATES, make_survey, memory_sources
from skyframes import NO_I_BAND

from stellarclass import flags
from stellarclass.archives import FieldKey, LocalSAS
from stellarclass.astrometry import propagate
from stellarclass.exceptions import ArchiveError, InputError, StellarclassWarning
from stellarclass.reference import Cuts, ReferenceSet, Sources, build_reference
from stellarclass.reference.steps import Step
from stellarclass.stamps.cutouts import cut_field

SIZES = {"page": 25, "chunk": 20}
STAY = ("kept", "fast", "simbad candidate", "planet host")


@pytest.fixture(scope="module")
def truth():
    return make_survey()


@pytest.fixture(scope="module")
def images(sas_tree):
    return LocalSAS(sas_tree)


@pytest.fixture(scope="module")
def run(truth, images, tmp_path_factory):
    """A run that nobody interrupts: its folder. Not to be written to."""
    folder = tmp_path_factory.mktemp("reference") / "run"
    build_reference(folder, sources=memory_sources(truth, images), **SIZES)
    return folder


@pytest.fixture
def no_figure(monkeypatch):
    """Drawing takes longer than all the rest."""
    monkeypatch.setattr("stellarclass.reference.report._figure", lambda table, background: b"")


def rules(folder):
    report = json.loads((folder / "report.json").read_text("utf-8"))
    return {rule["rule"]: rule for rule in report["funnel"]}


def test_exactly_the_stars_come_out_that_the_truth_names(run, truth):
    reference = ReferenceSet.read(run / "set")
    stay = truth[np.isin(truth["fate"], STAY)]
    stay.sort("objid")
    table = reference.table
    assert table["objid"].tolist() == stay["objid"].tolist()
    assert table["source_id"].tolist() == stay["source_id"].tolist()
    assert table["spectral_class"].tolist() == stay["spectral_class"].tolist()
    assert table["radius"].unit == u.solRad
    np.testing.assert_allclose(table["radius"].value, stay["radius"], rtol=1e-6)
    np.testing.assert_allclose(reference.astrometry.parallax, stay["parallax"])
    assert (np.asarray(table["specobjid"]).astype(np.uint64) == stay["specobjid"]).all()  # beyond int64
    np.testing.assert_allclose(table["psfmag_g"].value, stay["psfmag"][:, 1])


def test_each_rule_removes_the_stars_of_its_fate(run):
    found = rules(run)
    removed = {rule: entry["removed"] for rule, entry in found.items() if entry["applied"] and entry["removed"]}
    assert removed == {
        "zWarning = 0": 1,
        "a subclass from O to M": 1,
        "not of class O or B": 2,
        "one spectrum per object, that of the highest S/N": 1,
        "flag SATURATED not set": 1,
        "u < 22, g < 22.2, r < 22.2, i < 21.3, z < 20.5": 1,
        "a Gaia source within 3 arcsec at the image's epoch": 2,
        "to SIMBAD no galaxy, quasar, white dwarf or the like": 1,
        "parallax_over_error > 2": 1,
        "pmra_error < 0.2 mas/yr": 1,
        "pmdec_error < 0.2 mas/yr": 1,
        "ruwe < 1.4": 1,
        "a radius_flame": 1,
        "frames in all five bands": 1,
    }
    assert sum(removed.values()) == len(FATES)
    blended = found["flag BLENDED not set"]
    assert (blended["applied"], blended["removed"]) == (False, 1)
    assert all(entry["source"] for entry in found.values())
    counts = [entry["after"] for entry in found.values()]
    assert counts == sorted(counts, reverse=True)


def test_stamps_are_those_cut_directly_where_the_star_was(run, truth, images):
    reference = ReferenceSet.read(run / "set")
    stamps, table = reference.stamps(), reference.table
    stay = truth[np.isin(truth["fate"], STAY)]
    stay.sort("objid")
    keys = [FieldKey(*(int(row[name]) for name in FieldKey._fields)) for row in stay]
    assert NO_I_BAND not in keys
    for field in images.fields(keys):
        rows = [n for n, key in enumerate(keys) if key == field.key]
        gaia = [propagate(*(stay[c][rows] for c in ("ra", "dec", "pmra", "pmdec")), EPOCH, 2016.0)]
        # The truth's own position at the frame's epoch, by way of Gaia's, as the chain has to go.
        ra, dec = propagate(*gaia[0], stay["pmra"][rows], stay["pmdec"][rows], 2016.0, field.frames["r"].epoch)
        np.testing.assert_allclose(table["ra"][rows].to_value(u.deg), ra, rtol=0, atol=1e-9)
        direct = cut_field(field, ra, dec)
        np.testing.assert_array_equal(stamps.images[rows], direct.images.astype(np.float16).astype(np.float32))
        np.testing.assert_array_equal(stamps.masks[rows], direct.masks)
        np.testing.assert_allclose(stamps.offsets[rows], direct.offsets, atol=2e-3)
        np.testing.assert_array_equal(stamps.epoch[rows], direct.epoch)
    fast = int(np.flatnonzero(stay["fate"] == "fast")[0])
    assert abs(table["ra"][fast].to_value(u.deg) - stay["ra"][fast]) * 3600 < 0.01
    assert table["match_separation"][fast].to_value(u.arcsec) < 0.05  # 13" away in Gaia's catalog
    assert (stamps.flags & flags.FATAL == 0).all()


def test_second_opinions(run, truth):
    table = ReferenceSet.read(run / "set").table
    stay = truth[np.isin(truth["fate"], STAY)]
    stay.sort("objid")
    known = stay["k"] % 3 == 0
    assert (table["lamost_class"][known] == stay["spectral_class"][known]).all()  # the better of two spectra
    assert table["lamost_class"].mask.tolist() == (~known).tolist()
    verdict = dict(zip(stay["fate"].tolist(), np.ma.filled(table["simbad_verdict"], "").tolist(), strict=True))
    assert verdict["simbad candidate"] == "doubtful"
    assert verdict["planet host"] == ""  # a planet is not the star
    record = json.loads((run / "7-lamost" / "step.json").read_text("utf-8"))
    assert record["notes"]["stars with a LAMOST class"] == known.sum()
    assert np.ma.is_masked(table["teff"][stay["k"] % 7 == 0][0].mask) or table["teff"].mask[stay["k"] % 7 == 0].all()


def test_provenance_and_report(run):
    meta = ReferenceSet.read(run / "set").table.meta
    assert meta["archives"]["gaia"] == "Gaia in memory"
    assert "simulated" not in meta
    assert meta["settings"]["cuts"]["ruwe"] == 1.4
    assert meta["date"] == json.loads((run / "run.json").read_text("utf-8"))["started"]
    page = (run / "report.html").read_text("utf-8")
    assert "data:image/png;base64," in page
    assert "http" not in page.replace("https://", "")  # nothing is loaded from elsewhere
    funnel = Table.read(run / "funnel.ecsv")
    assert {"rule", "removed", "after", "n_k", "source"} <= set(funnel.colnames)
    assert (run / "figure1.png").read_bytes()[:4] == b"\x89PNG"
    classes = json.loads((run / "report.json").read_text("utf-8"))["classes"]
    assert [c["paper"] for c in classes] == [918, 2918, 1350, 3368, 626]
    assert sum(c["train"] for c in classes) + sum(c["test"] for c in classes) == sum(c["stars"] for c in classes)
    assert not [path for path in run.rglob("*") if "chunks" in path.parts or path.name.endswith(".part")]


def test_a_second_run_asks_nobody_and_changes_nothing(run, truth, images, tmp_path, no_figure):
    shutil.copytree(run, tmp_path / "run")
    nobody = memory_sources(truth, images)
    nobody.spectra.page = nobody.gaia.candidates = nobody.simbad.objects = nobody.lamost.spectra = None
    build_reference(tmp_path / "run", sources=nobody, **SIZES)
    assert science(tmp_path / "run") == science(run)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"cuts": Cuts(ruwe=1.2)},
            "step 'cuts' in .* was begun with ruwe = 1.4, and now it is 1.2; choose another folder",
        ),
        ({"seed": 2}, "step 'quota' .* seed = 1, and now it is 2"),
        ({"cuts": Cuts(quota=5)}, "quota = 6606, and now it is 5"),
    ],
)
def test_other_settings_are_refused(run, truth, images, change, words):
    with pytest.raises(InputError, match=words):
        build_reference(run, sources=memory_sources(truth, images), **(SIZES | change))


def test_another_archive_is_refused(run, truth, images):
    sources = memory_sources(truth, images)
    sources.gaia.name = "another Gaia"
    with pytest.raises(InputError, match=r"step 'gaia' .* source = 'Gaia in memory', and now it is 'another Gaia'"):
        build_reference(run, sources=sources, **SIZES)


def test_foreign_folders_are_refused(tmp_path, truth, images):
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(InputError, match="is not empty, and not the folder of a run"):
        build_reference(tmp_path, sources=memory_sources(truth, images))
    with pytest.raises(InputError, match="is a file"):
        build_reference(tmp_path / "thesis.tex", sources=memory_sources(truth, images))
    with pytest.raises(TypeError, match="the source of gaia must be like AstrometrySource"):
        Sources(spectra=memory_sources(truth, images).spectra, gaia=3, simbad=False, lamost=False, images=images)


def contents(folder):
    """Every file of a run, bit for bit."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def science(folder):
    """The same without the report's pictures."""
    return {name: content for name, content in contents(folder).items() if name not in ("figure1.png", "report.html")}


def begun(run, folder, steps):
    """A run that has done its first steps and nothing else."""
    later = [f"{k}-*" for k in range(steps + 1, 10)]
    shutil.copytree(run, folder, ignore=shutil.ignore_patterns(*later, "set", "report.*", "funnel.*", "figure*"))
    return folder


def killed_run(folder, truth, images, *, after):
    """Run the chain in a process of its own that kills itself around its n-th rename; whether it came to the end."""
    child = os.fork()
    if child == 0:
        rename, count = os.replace, 0

        def replace_and_die(source, target, **options):
            nonlocal count
            count += 1
            if count == after and after % 2:  # odd: before the rename, even: behind it
                os.kill(os.getpid(), signal.SIGKILL)
            rename(source, target, **options)
            if count == after:
                os.kill(os.getpid(), signal.SIGKILL)

        os.replace = replace_and_die
        try:
            build_reference(folder, sources=memory_sources(truth, images), progress=False, **SIZES)
            os._exit(0)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return False
    assert os.waitstatus_to_exitcode(status) == 0
    return True


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kill -9 is for POSIX")
def test_killed_at_many_moments_the_result_is_the_same_bit_for_bit(run, truth, images, tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "run.json").write_bytes((run / "run.json").read_bytes())  # begun at the same second
    kills = 0
    for after in (1, 2, 7, 4, 11, 3, 10, 9, 6, 12, 20, 99):
        if killed_run(folder, truth, images, after=after):
            break
        kills += 1
    else:
        pytest.fail("the run never came to its end")
    assert kills >= 8
    assert contents(folder) == contents(run)


def test_an_archive_that_fails_keeps_what_is_done(truth, images, tmp_path, run, no_figure):
    sources, folder = memory_sources(truth, images), begun(run, tmp_path / "run", 3)
    ask, calls = sources.gaia.candidates, []

    def failing(ra, dec, **options):
        calls.append(len(ra))
        if len(calls) == 2:
            raise ArchiveError("closed on Sundays", "http://gaia")
        return ask(ra, dec, **options)

    sources.gaia.candidates = failing
    with pytest.raises(
        ArchiveError, match="step 'gaia': closed on Sundays; what is done is kept, and the same command"
    ):
        build_reference(folder, sources=sources, **SIZES)
    assert len(list((folder / "4-gaia" / "chunks").iterdir())) == 1
    again = memory_sources(truth, images)
    again.spectra.page = None  # not asked a second time
    build_reference(folder, sources=again, **SIZES)
    asked = rules(folder)["6606 at most of each class, at random (seed 1)"]["after"] - SIZES["chunk"]
    assert again.gaia.asked == asked
    assert science(folder) == science(run)


class OneFieldDown:
    """Images with a field that cannot be fetched today."""

    def __init__(self, images, key):
        self._images, self._key, self.name = images, key, images.name
        self.locate = images.locate

    def fields(self, keys, *, progress=None):
        for field in self._images.fields(keys, progress=False):
            down = field.key == self._key
            yield replace(field, frames={}, errors={"r": "time-out (http://sas)"}) if down else field


def test_a_field_that_is_down_is_waited_for_or_skipped(run, truth, images, tmp_path, no_figure):
    folder = begun(run, tmp_path / "run", 7)
    key = FieldKey(*(int(truth[0][name]) for name in FieldKey._fields))
    sources = memory_sources(truth, OneFieldDown(images, key))
    with pytest.raises(
        ArchiveError, match=r"step 'stamps': 1 of 3 fields could not be had, such as 2583-2-136: time-out"
    ):
        build_reference(folder, sources=sources, **SIZES)
    reference = build_reference(folder, sources=sources, skip_failed=True, **SIZES)
    assert 0 < len(reference) < len(ReferenceSet.read(run / "set"))
    assert rules(folder)["frames that could be had"]["removed"] > 0


def test_without_simbad_and_lamost_and_with_a_quota(run, truth, images, tmp_path, no_figure):
    sources, folder = memory_sources(truth, images), begun(run, tmp_path / "run", 2)
    sources.simbad = sources.lamost = False
    reference = build_reference(folder, sources=sources, cuts=Cuts(quota=2, five_bands=False), page=SIZES["page"])
    counts = {c: int((reference.table["spectral_class"] == c).sum()) for c in "AFGKM"}
    assert max(counts.values()) <= 2
    assert reference.table["lamost_class"].mask.all()
    assert rules(tmp_path / "run")["2 at most of each class, at random (seed 1)"]["removed"] > 10


def test_a_set_of_other_stars_is_not_taken_for_this_one(run, truth, images, tmp_path, no_figure):
    folder = tmp_path / "run"
    shutil.copytree(run, folder)
    reference = ReferenceSet.read(folder / "set")
    reference.take(slice(1, None)).write(folder / "set", overwrite=True)
    with pytest.raises(InputError, match="holds other stars than the steps now say; remove it"):
        build_reference(folder, sources=memory_sources(truth, images), **SIZES)


def test_no_star_left_is_said_with_the_report(run, truth, images, tmp_path, no_figure):
    begun(run, tmp_path / "run", 5)
    with pytest.raises(InputError, match=r"no star is left; .*report.html says which rules"):
        build_reference(
            tmp_path / "run", sources=memory_sources(truth, images), cuts=Cuts(parallax_over_error=1e6), **SIZES
        )
    assert rules(tmp_path / "run")["parallax_over_error > 1e+06"]["after"] == 0


def test_damage_and_other_versions_are_noticed(tmp_path):
    folder = tmp_path / "1-spectra"
    step = Step(folder, "spectra", {"page": 3})
    step.run(lambda s, t: (Table({"spectral_class": ["A"]}), [], {}))
    assert step.done
    (folder / "table.fits").write_bytes(b"something else")
    with pytest.raises(InputError, match="is missing or was changed; remove"):
        step.table()
    (folder / "step.json").write_text("{")
    with pytest.raises(InputError, match="is damaged"):
        step.check()


def test_one_process_at_a_time_and_the_version_of_before(tmp_path):
    from stellarclass.reference.steps import Workspace

    with Workspace(tmp_path / "run"), pytest.raises(InputError, match="another process works in"):
        Workspace(tmp_path / "run").__enter__()
    about = json.loads((tmp_path / "run" / "run.json").read_text("utf-8"))
    (tmp_path / "run" / "run.json").write_text(json.dumps(about | {"stellarclass": "0.0"}))
    (tmp_path / "run" / ".run.json-abc.part").write_text("half")
    with pytest.warns(StellarclassWarning, match=r"begun by stellarclass 0\.0"), Workspace(tmp_path / "run"):
        assert not (tmp_path / "run" / ".run.json-abc.part").exists()
