# Licensed under a 3-clause BSD style license - see LICENSE.rst
import dataclasses

import numpy as np
import pytest
from astropy import units as u
from surveysky import Faulty

from stellarclass import Classifier, flags
from stellarclass.archives import LocalAstrometry, LocalSAS
from stellarclass.exceptions import ArchiveError, InputError
from stellarclass.survey import RunSettings, read_results, run_survey, survey_status, verify_survey
from stellarclass.survey.layout import Layout
from stellarclass.survey.unit import UnitClassifier, reason_of


def parts(folder, **options):
    """Bytes of all parts."""
    layout = Layout(folder, **options)
    found = sorted((layout.results / "parts").rglob("*"))
    return {path.name: path.read_bytes() for path in found if path.is_file()}


def run(folder, settings, **options):
    return run_survey(folder, settings, **{"workers": 0, "pause": 0 * u.s, "progress": False} | options)


def test_a_run_gives_what_the_classifier_gives(sky, undisturbed):
    assert (undisturbed.summary.units, undisturbed.summary.rows) == (3, 30)
    ours = read_results(undisturbed.folder)
    classifier = Classifier(images=LocalSAS(sky.root), astrometry=LocalAstrometry(sky.root / "gaia.ecsv"))
    theirs = classifier.classify(sky.targets, progress=False)
    assert ours["target"].tolist() == list(range(30))
    for name in theirs.colnames:
        assert ours[name].unit == theirs[name].unit and ours[name].info.meta == theirs[name].info.meta
        mask = np.broadcast_to(getattr(theirs[name], "mask", False), 30)
        assert (np.broadcast_to(getattr(ours[name], "mask", False), 30) == mask).all(), name
        a, b = (np.asarray(getattr(t[name], "unmasked", t[name]))[~mask] for t in (ours, theirs))
        assert (a == b).all() if a.dtype.kind in "iU" else np.allclose(a, b, rtol=1e-5), name
    off = ours["field"] == 105
    assert off.sum() == 5 and (ours["flags"][off] == flags.NO_IMAGE).all()  # a fact about the archive: no failure
    assert survey_status(undisturbed.folder).units_failed == 0
    assert ours.meta["ensemble_sha256"] == theirs.meta["ensemble_sha256"]
    with pytest.raises(InputError, match="no column age"):
        read_results(undisturbed.folder, columns=["age"])


def test_what_is_done_is_not_done_again_and_what_is_damaged_is(sky, planned, undisturbed):
    done = run(planned, sky.settings, most_units=1)
    assert done.units == 1 and not verify_survey(planned).good
    again = run(planned, sky.settings)
    assert (again.units, again.skipped) == (2, 1) and parts(planned) == parts(undisturbed.folder)
    layout = Layout(planned)
    layout.part(0).write_bytes(layout.part(0).read_bytes()[:-100])
    layout.part(1).unlink()
    layout.manifest(2).write_text("{")
    (layout.part(2).parent / ".unfinished-abc").write_bytes(b"half")
    again = run(planned, sky.settings)
    assert (again.units, again.skipped) == (3, 0) and parts(planned) == parts(undisturbed.folder)
    assert verify_survey(planned).good


def test_a_field_that_fails_for_a_while_is_put_back(sky, planned, undisturbed):
    images = Faulty(LocalSAS(sky.root), {101: 2, 104: 1})
    done = run(planned, dataclasses.replace(sky.settings, images=images))
    assert (done.units, done.rows, done.failures) == (3, 30, {}) and parts(planned) == parts(undisturbed.folder)
    # Fields that did not fail are not opened again.
    assert [key.field for key in images.asked] == [100, 101, 102, 103, 104, 101, 104, 101]


def test_a_field_that_keeps_failing_leaves_flagged_rows_and_is_tried_when_asked(sky, planned, undisturbed):
    images = Faulty(LocalSAS(sky.root), {101: 3})
    settings = dataclasses.replace(sky.settings, images=images, tries=2)
    done = run(planned, settings)
    assert done.failed_units == 1 and done.failures == {"HTTP status 503": 5}
    table, status = read_results(planned), survey_status(planned)
    assert (table["flags"][table["field"] == 101] == flags.IMAGE_FAILURE).all()
    assert status.complete and status.failures == {"HTTP status 503": 5} and "5 stars  HTTP status 503" in status.text()
    assert verify_survey(planned).good  # every star has a row, and those without a class say why
    assert run(planned, settings).skipped == 3
    assert run(planned, settings, retry_failed=True).failures == {}
    assert parts(planned) == parts(undisturbed.folder)


def test_what_is_damaged_in_the_archive_is_not_waited_for(sky, planned):
    images = Faulty(LocalSAS(sky.root), {101: 99}, passing=False)
    done = run(planned, dataclasses.replace(sky.settings, images=images))
    assert done.failed_units == 1 and [key.field for key in images.asked].count(101) == 4


def test_astrometry_that_fails_for_a_while_is_asked_again(sky, planned, undisturbed):
    class Tired(LocalAstrometry):
        calls = 0

        def candidates(self, ra, dec, *, radius, progress=None):
            self.calls += 1
            found = super().candidates(ra, dec, radius=radius)
            if self.calls == 1:
                kept = found[np.asarray(found["target"]) > 2]
                raise ArchiveError("no answer", "http://tap", failed=np.arange(3), partial=kept)
            return found

    gaia = Tired(sky.root / "gaia.ecsv")
    assert run(planned, dataclasses.replace(sky.settings, astrometry=gaia)).failures == {}
    assert gaia.calls > 3 and parts(planned) == parts(undisturbed.folder)


def test_a_unit_that_fails_by_itself_is_put_back_and_reported(sky, planned, undisturbed, monkeypatch):
    from stellarclass.survey import part

    write, left = part.write_part, [2]

    def full(layout, unit, *args):
        if unit == 1 and left[0]:
            left[0] -= 1
            raise OSError(28, "No space left on device")
        return write(layout, unit, *args)

    monkeypatch.setattr(part, "write_part", full)
    settings = dataclasses.replace(sky.settings, tries=2)
    done = run(planned, settings)
    assert (done.units, done.undone_units) == (2, 1)
    assert "No space left" in survey_status(planned).errors["1"] and not verify_survey(planned).good
    assert run(planned, settings).units == 1 and parts(planned) == parts(undisturbed.folder)
    assert survey_status(planned).errors == {}


def test_stars_of_several_fields_together_give_the_same_answers(sky, planned, undisturbed):
    run(planned, dataclasses.replace(sky.settings, pool=7))
    ours, theirs = read_results(planned), read_results(undisturbed.folder)
    assert (ours["spectral_class"] == theirs["spectral_class"]).all()
    assert np.ma.allclose(ours["radius"].value, theirs["radius"].value, rtol=1e-4)
    whole = UnitClassifier(dataclasses.replace(sky.settings, pool=4))
    sizes = [(np.array([3, 4]), "b"), (np.array([0, 1, 2]), "a"), (np.array([6]), "d")]
    fields = UnitClassifier._pooled.__globals__
    joined = fields["_joined"]
    try:
        fields["_joined"] = lambda batches: [int(row) for rows, _ in batches for row in rows]
        assert list(whole._pooled(sizes)) == [[0, 1, 2, 3, 4], [6]]  # whichever was ready first
    finally:
        fields["_joined"] = joined


def test_another_ensemble_or_run_is_kept_out(sky, planned):
    run(planned, sky.settings, most_units=1)
    with pytest.raises(InputError, match=r"label_system: 'sdss', now 'pecaut_mamajek'.*--results"):
        run(planned, dataclasses.replace(sky.settings, label_system="pecaut_mamajek"))
    with Layout(planned).alone(), pytest.raises(InputError, match="another run"):
        run(planned, sky.settings)
    with pytest.raises(InputError, match="either workers"):
        run(planned, sky.settings, scheduler="tcp://127.0.0.1:1")
    with pytest.raises(InputError, match="workers must be"):
        run(planned, sky.settings, workers=-1)
    with pytest.raises(InputError, match="pixels come from"):
        RunSettings(pixels="air")
    with pytest.raises(InputError, match="tries must be 1"):
        RunSettings(tries=0)
    layout = Layout(planned)
    pinned = layout.run.read_bytes()
    layout.run.write_bytes(pinned[:20])
    with pytest.raises(InputError, match=r"run\.json is lost or damaged.*--results"):  # whose answers are there?
        run(planned, sky.settings)
    layout.run.write_bytes(pinned)
    layout.targets(2).write_bytes(b"other")
    with pytest.raises(InputError, match="not the file that was planned"):
        run(planned, sky.settings)


def test_reasons_are_what_failures_have_in_common():
    text = "u: OSError: [Errno 28] No space left on device: '/tmp/x/frame-u.part'; g: truncated after 12345678 bytes"
    assert reason_of(text) == "OSError: [Errno 28] No space left on device: ..."
    assert reason_of("truncated after 12345678 bytes (http://a/b)") == "truncated after N bytes"
