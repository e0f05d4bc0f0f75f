# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The picture of a spectrum shows what the result says."""

import numpy as np
import pytest
from matplotlib.figure import Figure
from skyspectra import observed, quasar, star

from stellarclass.plotting import CLASS_COLORS, plot_spectrum
from stellarclass.spectroscopy import Templates, classify_spectrum, default_templates


@pytest.fixture(scope="module")
def few():
    full = default_templates()
    return Templates(full.subclasses[2::5], full.wavelength, full.flux[2::5])


def texts(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_star(few):
    spectrum = observed(star("M4"), 20, mask=np.arange(3834) < 100)
    result = classify_spectrum(spectrum, few)
    ax = plot_spectrum(spectrum, result, ax=Figure().subplots())
    data, model, _ = ax.get_lines()[:3]
    assert model.get_color() == CLASS_COLORS["M"]
    assert (
        np.nanmedian(np.abs(np.interp(data.get_xdata(), model.get_xdata(), model.get_ydata()) / data.get_ydata() - 1))
        < 0.1
    )
    assert any(text.startswith(f"{result.subclass}, quality") for text in texts(ax))
    assert "TiO" in [text.get_text() for text in ax.texts]
    assert data.get_xdata().min() > 3880  # masked pixels are not drawn


def test_no_star_and_no_result(few):
    spectrum = observed(quasar(2.0), 20)
    ax = plot_spectrum(spectrum, classify_spectrum(spectrum, few), ax=Figure().subplots())
    assert any("no star" in text for text in texts(ax))
    assert not ax.texts
    ax = plot_spectrum(spectrum, ax=Figure().subplots())
    assert len(ax.get_lines()) == 1
