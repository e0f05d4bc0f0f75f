# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Classes of simulated stars, and what is no star; the default templates are model and truth here."""

import numpy as np
import pytest
from astropy import units as u
from astropy.nddata import StdDevUncertainty, VarianceUncertainty
from hypothesis import given, settings
from hypothesis import strategies as st
from skyspectra import WAVELENGTH, observed, quasar, star
from specutils import Spectrum

from stellarclass.exceptions import InputError
from stellarclass.spectroscopy import Templates, classify_spectrum, default_templates, subclass_number


@pytest.fixture(scope="module")
def few():
    """Every fourth of the default templates: quick."""
    full = default_templates()
    return Templates(full.subclasses[1::4], full.wavelength, full.flux[1::4])


def distance(result, subclass):
    return abs(subclass_number(result.subclass) - subclass_number(subclass))


@pytest.mark.parametrize("subclass", ["A0", "A7", "F5", "G2", "K3", "M1", "M5"])
def test_a_star_is_recovered(subclass):
    result = classify_spectrum(observed(star(subclass, velocity=-180.0, dust=0.5), 20))
    assert (result.verdict, result.reason) == ("star", "")
    assert distance(result, subclass) <= 2
    assert result.spectral_class == result.subclass[0]
    assert result.subclass in result.alternatives
    assert result.runner_up != result.subclass and result.margin > 0
    assert result.quality > 0.9
    assert abs(result.radial_velocity.to_value("km/s") + 180) < 5 * result.radial_velocity_error.to_value("km/s") + 1
    assert result.redshift == pytest.approx(-180 / 299792.458, rel=0.2)
    assert result.snr == pytest.approx(20, rel=0.3)


def test_noise_makes_unsure_before_it_makes_wrong():
    verdicts = []
    for snr in (30, 10, 5, 2, 1, 0.3):
        result = classify_spectrum(observed(star("K3"), snr))
        verdicts.append(result.verdict)
        assert result.verdict != "no star"
        if result.verdict == "star":
            assert distance(result, "K3") <= 3
    assert verdicts[:2] == ["star", "star"]
    assert verdicts[-2:] == ["unsure", "unsure"]


@pytest.mark.parametrize("redshift", [0.1, 0.35, 0.8, 1.3, 1.98, 2.5, 3.2, 4.0])
def test_quasars_are_no_stars(few, redshift):
    sure = classify_spectrum(observed(quasar(redshift), 30), few)
    assert sure.verdict == "no star"
    assert (sure.spectral_class, sure.subclass, sure.alternatives) == ("", "", ())
    assert np.isnan(sure.radial_velocity)
    assert "no template explains" in sure.reason
    assert classify_spectrum(observed(quasar(redshift), 3), few).verdict != "star"


@pytest.mark.parametrize(("subclass", "redshift"), [("K1", 0.02), ("G5", 0.1), ("A2", 0.05), ("K3", 0.3)])
def test_starlight_of_galaxies_is_no_star(few, subclass, redshift):
    spectrum = observed(star(subclass, velocity=redshift * 299792.458), 30)
    assert classify_spectrum(spectrum, few).verdict == "no star"


def test_beyond_escape_velocity_is_unsure():
    result = classify_spectrum(observed(star("K3", velocity=750.0), 30))
    assert result.verdict == "unsure" and "velocity" in result.reason


def test_without_features_is_unsure():
    result = classify_spectrum(observed((WAVELENGTH / 5000) ** -1.0, 50))
    assert (result.verdict, result.subclass) == ("unsure", "")
    assert "no features" in result.reason


def test_weak_lines_alone_do_not_make_a_star_something_else():
    result = classify_spectrum(observed(star("F5") ** 0.4, 60))
    assert result.verdict in ("star", "unsure")


@settings(max_examples=6, deadline=None)
@given(
    scale=st.floats(1e-3, 1e3),
    dust=st.floats(-1, 2),
    slope=st.floats(-3, 3),
    subclass=st.sampled_from(["A5", "F9", "G9", "K7", "M3"]),
)
def test_smooth_changes_do_not_count(few, scale, dust, slope, subclass):
    """Distance, dust and calibration: same noise, relative to the flux, same answer."""
    plain = observed(star(subclass), 30, seed=4)
    factor = scale * 10 ** (-0.4 * dust * (5500 / WAVELENGTH) ** 1.3) * (WAVELENGTH / 5000) ** slope
    changed = Spectrum(
        flux=plain.flux * factor,
        spectral_axis=plain.spectral_axis,
        uncertainty=StdDevUncertainty(plain.uncertainty.array**-0.5 * factor),
    )
    one, other = classify_spectrum(plain, few), classify_spectrum(changed, few)
    assert (one.verdict, one.subclass) == (other.verdict, other.subclass)
    assert other.quality == pytest.approx(one.quality, abs=0.01)
    assert abs(other.radial_velocity - one.radial_velocity) < 3 * u.km / u.s


def test_cosmic_rays_emission_lines_and_masked_pixels_do_not_count(few):
    clean = observed(star("M5"), 20)
    flux = clean.flux.value.copy()
    flux[::400] *= 20
    for line in (6564.6, 4862.7):
        flux += 5 * np.exp(-0.5 * ((WAVELENGTH - line) / 2) ** 2)
    mask = np.zeros(len(flux), bool)
    mask[1000:1300] = True
    flux[mask] = 1e9
    spoilt = Spectrum(flux=flux * u.Jy, spectral_axis=clean.spectral_axis, uncertainty=clean.uncertainty, mask=mask)
    one, other = classify_spectrum(clean, few), classify_spectrum(spoilt, few)
    assert one.verdict == other.verdict == "star"
    assert one.subclass == other.subclass
    flux[mask] = np.nan
    unmasked = Spectrum(flux=flux * u.Jy, spectral_axis=clean.spectral_axis, uncertainty=clean.uncertainty)
    assert classify_spectrum(unmasked, few).subclass == one.subclass


def test_kinds_of_uncertainty_and_none(few):
    spectrum = observed(star("G5"), 20)
    ivar = spectrum.uncertainty.array
    kinds = [spectrum.uncertainty, VarianceUncertainty(1 / ivar), StdDevUncertainty(ivar**-0.5), None]
    results = [
        classify_spectrum(Spectrum(flux=spectrum.flux, spectral_axis=spectrum.spectral_axis, uncertainty=kind), few)
        for kind in kinds
    ]
    assert {r.subclass for r in results} == {results[0].subclass}
    assert results[1].chi2 == pytest.approx(results[0].chi2) == pytest.approx(results[2].chi2)
    assert results[3].snr == pytest.approx(20, rel=0.2)


def test_errors_that_are_too_small_show_in_the_scatter(few):
    spectrum = observed((WAVELENGTH / 5000) ** -1.0, 20)
    bold = Spectrum(
        flux=spectrum.flux,
        spectral_axis=spectrum.spectral_axis,
        uncertainty=VarianceUncertainty(1 / spectrum.uncertainty.array / 25),
    )
    result = classify_spectrum(bold, few)
    assert result.verdict == "unsure"
    assert result.snr == pytest.approx(20, rel=0.2)


def test_other_spectral_axes(few):
    spectrum = observed(star("K2"), 20)
    one = classify_spectrum(spectrum, few)
    turned = Spectrum(
        flux=spectrum.flux[::-1],
        spectral_axis=spectrum.spectral_axis[::-1].to(u.THz, u.spectral()),
        uncertainty=StdDevUncertainty(spectrum.uncertainty.array**-0.5),
    )
    other = classify_spectrum(turned, few)
    assert other.subclass == one.subclass
    assert other.chi2 == pytest.approx(one.chi2, rel=1e-3)


def test_the_model_is_the_spectrum_without_noise(few):
    spectrum = observed(star("K2", dust=1), 50)
    model = classify_spectrum(spectrum).model
    assert model.flux.unit == spectrum.flux.unit
    truth = np.interp(model.spectral_axis.value, WAVELENGTH, star("K2", dust=1))
    assert np.median(np.abs(model.flux.value / truth - 1)) < 0.02


def test_what_is_no_spectrum_is_refused(few):
    with pytest.raises(TypeError, match=r"specutils\.Spectrum, not ndarray"):
        classify_spectrum(np.ones(10), few)
    spectrum = observed(star("G2"), 20)
    with pytest.raises(InputError, match="shape"):
        classify_spectrum(
            Spectrum(flux=np.ones((2, 100)) * u.Jy, spectral_axis=np.linspace(4000, 5000, 100) * u.AA), few
        )
    with pytest.raises(InputError, match="0 usable pixels"):
        classify_spectrum(Spectrum(flux=spectrum.flux, spectral_axis=spectrum.spectral_axis * 100), few)
    part = Spectrum(flux=spectrum.flux[:480], spectral_axis=spectrum.spectral_axis[:480] * 1.3)
    assert "only" in classify_spectrum(part, few).reason
