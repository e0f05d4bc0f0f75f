# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Templates from files, from spectra with labels, and those that come with the package."""

import numpy as np
import pytest
from astropy import units as u
from skyspectra import observed, spec_bytes, star

from stellarclass.exceptions import BadAnswerError, InputError
from stellarclass.spectroscopy import (
    Templates,
    classify_spectrum,
    default_templates,
    measure_line_strengths,
    parse_subclass,
    subclass_number,
)
from stellarclass.spectroscopy.features import NAMES
from stellarclass.spectroscopy.linemodel import SUBCLASSES, _read_table

LABELS = ("A5", "F5", "G5", "K5", "M3")


@pytest.mark.parametrize(
    ("text", "subclass"),
    [("G2", "G2"), ("F3/F5V (30743)", "F3"), (" M4.5V ", "M4"), ("K1III", "K1"), ("WD", ""), ("Carbon", ""), ("CV", ""),
     ("BROADLINE", ""), ("B", ""), ("L0", ""), ("", ""), ("A0p", "A0"), ("OB", "")],
)  # fmt: skip
def test_subclasses(text, subclass):
    assert parse_subclass(text) == subclass
    if subclass:
        assert subclass_number(text) == subclass_number(subclass)
    else:
        with pytest.raises(InputError, match="no spectral subclass"):
            subclass_number(text)


def test_default_templates_are_what_the_table_says():
    templates = default_templates()
    names, subclasses, strengths = _read_table()
    assert names == NAMES
    assert tuple(subclasses) == SUBCLASSES
    assert strengths.min() >= 0
    assert [subclass_number(s) for s in templates.subclasses] == [n for n in range(5, 69) if n not in (58, 59)]
    # Balmer lines are strongest in A, TiO bands grow through M: what everyone knows of the sequence.
    core = strengths[:, [k for k, name in enumerate(names) if name.startswith("H4863")]].sum(axis=1)
    assert subclasses[core.argmax()][0] == "A"
    tio = strengths[[subclasses.index(f"M{k}") for k in range(6)], names.index("head7054")]
    assert np.all(np.diff(tio) > 0)


def test_strengths_are_recovered():
    full = default_templates()
    part = Templates(("G2",), full.wavelength, full.flux[[full.subclasses.index("G2")]])
    _, subclasses, strengths = _read_table()
    np.testing.assert_allclose(measure_line_strengths(part)[0], strengths[subclasses.index("G2")], atol=0.02)


def test_templates_from_spectra_classify_their_like():
    """Built of noisy spectra with dust and velocities, used on others."""
    rng = np.random.default_rng(8)
    spectra, labels, redshifts = [], [], []
    for label in LABELS:
        for _ in range(3):
            velocity = rng.uniform(-200, 200)
            flux = star(label, velocity=velocity, dust=rng.uniform(0, 1)) * 10 ** rng.uniform(-2, 2)
            spectra.append(observed(flux, 25, seed=rng.integers(10**6)))
            labels.append(f"{label}V")
            redshifts.append(velocity / 299792.458)
    spectra.append(observed(star("B5"), 25))
    templates = Templates.from_spectra(spectra, [*labels, "WD"], redshifts=[*redshifts, 0])
    assert templates.subclasses == LABELS
    for label in LABELS:
        result = classify_spectrum(observed(star(label, velocity=50.0), 20, seed=77), templates)
        assert (result.verdict, result.subclass) == ("star", label)
        assert abs(result.radial_velocity.value - 50) < 15


def test_labels_and_redshifts_come_from_sdss(tmp_path):
    for fiber, label in enumerate(("G2", "M3", "WD", "G2"), 1):
        flux = star("G2" if label == "WD" else label, velocity=90.0)
        content = spec_bytes((618, 52049, fiber), flux, subclass=label, redshift=3e-4, snr=100, seed=fiber)
        (tmp_path / f"spec-0618-52049-{fiber:04d}.fits").write_bytes(content)
    templates = Templates.read(tmp_path)
    assert templates.subclasses == ("G2", "M3")
    assert abs(classify_spectrum(observed(star("G2"), 40, seed=77), templates).radial_velocity.value) < 10
    (tmp_path / "spec-0618-52049-0009.fits").write_bytes(b"<html>")
    with pytest.raises(BadAnswerError, match="spec-0618-52049-0009"):
        Templates.read(tmp_path)


def test_written_templates_read_back(tmp_path):
    full = default_templates()
    path = tmp_path / "templates.fits"
    full.write(path)
    again = Templates.read(path)
    assert again.subclasses == full.subclasses
    assert again.name == "templates"
    np.testing.assert_allclose(again.flux, full.flux, rtol=1e-6)
    with pytest.raises(OSError, match="exists"):
        full.write(path)


def test_what_is_no_template_is_refused(tmp_path):
    wavelength, flux = np.linspace(3700, 9300, 1000) * u.AA, np.ones((1, 1000))
    for arguments, message in [
        ((("WD",), wavelength, flux), "no spectral subclass"),
        ((("G2", "G3"), wavelength, flux), "shape"),
        ((("G2",), wavelength + 200 * u.AA, flux), "reach from 3900"),
        ((("G2",), wavelength[::-1], flux), "ascend"),
        ((("G2",), wavelength, flux * np.nan), "finite"),
        (((), wavelength, flux[:0]), "at least one"),
    ]:
        with pytest.raises(InputError, match=message):
            Templates(*arguments)
    with pytest.raises(u.UnitTypeError, match="Quantity"):
        Templates(("G2",), wavelength.value, flux)
    with pytest.raises(InputError, match="no file or folder"):
        Templates.read(tmp_path / "none")
    with pytest.raises(InputError, match="0 files"):
        Templates.read(tmp_path)
    (tmp_path / "page.fits").write_text("<html>")
    with pytest.raises(InputError, match="no file of templates"):
        Templates.read(tmp_path / "page.fits")
    with pytest.raises(InputError, match="none of the 1 spectra"):
        Templates.from_spectra([observed(star("G2"), 10)], ["WD"])
    with pytest.raises(InputError, match="2 labels"):
        Templates.from_spectra([observed(star("G2"), 10)], ["G2", "G3"])
    with pytest.raises(InputError, match="redshift"):
        Templates.from_spectra([observed(star("G2"), 10)], ["G2"], redshifts=[0.1])
