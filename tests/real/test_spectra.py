# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Real SDSS spectra against SDSS's own answers."""

import numpy as np
import pytest
from astropy.nddata import InverseVariance
from specutils import Spectrum

from stellarclass.spectroscopy import (
    Templates,
    classify_spectrum,
    default_templates,
    read_spectrum,
    subclass_number,
)
from stellarclass.spectroscopy.linemodel import SUBCLASSES, _read_table, measure_line_strengths

STARS = ("0618-52049-0372", "1123-52882-0065", "2942-54521-0124", "4961-55719-0378")
QUASAR = "10000-57346-0008"


@pytest.fixture(scope="module")
def pyhammer(real_data):
    return Templates.read(real_data / "calibration" / "pyhammer_templates_solar.fits")


@pytest.fixture(scope="module")
def spectra(real_data):
    return {name: read_spectrum(real_data / "spectra" / f"spec-{name}.fits") for name in (*STARS, QUASAR)}


@pytest.fixture(params=["default", "pyhammer"])
def templates(request, pyhammer):
    return default_templates() if request.param == "default" else pyhammer


@pytest.mark.parametrize("name", STARS)
def test_subclass_and_velocity_are_near_those_of_sdss(spectra, templates, name):
    spectrum = spectra[name]
    result = classify_spectrum(spectrum, templates)
    assert result.verdict == "star"
    assert abs(subclass_number(result.subclass) - subclass_number(spectrum.meta["sdss_subclass"])) <= 6
    theirs = spectrum.meta["sdss_redshift"] * 299792.458
    assert abs(result.radial_velocity.to_value("km/s") - theirs) < 60
    assert result.quality > 0.85


def test_the_quasar_is_no_star(spectra, templates):
    assert spectra[QUASAR].meta["sdss_class"] == "QSO"
    result = classify_spectrum(spectra[QUASAR], templates)
    assert result.verdict == "no star"
    assert result.quality < 0.1


def noisier(spectrum, snr):
    """The spectrum as if exposed for a shorter time."""
    good = ~spectrum.mask
    ivar = np.where(good, spectrum.uncertainty.array, 1.0)
    now = np.median(spectrum.flux.value[good] * np.sqrt(ivar[good]))
    extra = ((now / snr) ** 2 - 1) / ivar
    noise = np.random.default_rng(3).normal(0, 1, ivar.size) * np.sqrt(extra)
    return Spectrum(
        flux=spectrum.flux + noise * spectrum.flux.unit,
        spectral_axis=spectrum.spectral_axis,
        uncertainty=InverseVariance(1 / (1 / ivar + extra)),
        mask=spectrum.mask,
    )


@pytest.mark.parametrize("name", STARS)
def test_noise_makes_unsure_not_wrong(spectra, name):
    sure = classify_spectrum(spectra[name])
    good = classify_spectrum(noisier(spectra[name], 9))
    assert good.verdict == "star"
    assert abs(subclass_number(good.subclass) - subclass_number(sure.subclass)) <= 3
    assert classify_spectrum(noisier(spectra[name], 0.7)).verdict == "unsure"


def test_the_shipped_strengths_are_what_the_published_templates_say(pyhammer):
    _, _, shipped = _read_table()
    chosen = [SUBCLASSES.index(subclass) for subclass in ("A2", "M4")]
    part = Templates(
        [SUBCLASSES[k] for k in chosen],
        pyhammer.wavelength,
        pyhammer.flux[[pyhammer.subclasses.index(SUBCLASSES[k]) for k in chosen]],
    )
    np.testing.assert_allclose(measure_line_strengths(part), shipped[chosen], atol=0.011)
