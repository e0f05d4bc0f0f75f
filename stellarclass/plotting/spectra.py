# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""A spectrum, with the template that it resembles."""

import numpy as np
from astropy import units as u

from ._style import CLASS_COLORS, current_axes

__all__ = ["plot_spectrum", "spectrum_figure"]

# Vacuum wavelengths in Å of what a class is seen by; hydrogen, then cool stars' lines and the heads of bands.
_MARKS = {
    "hot": (
        (3934.8, "Ca K"), (4102.9, "Hδ"), (4341.7, "Hγ"), (4862.7, "Hβ"), (5176.6, "Mg b"), (5894.6, "Na D"),
        (6564.6, "Hα"), (8500.4, ""), (8544.4, "Ca II"), (8664.5, ""),
    ),
    "cool": (
        (4227.9, "Ca I"), (4954.0, "TiO"), (5167.0, "TiO"), (5894.6, "Na D"), (6158.0, "TiO"), (6564.6, "Hα"),
        (6852.0, "CaH"), (7054.0, "TiO"), (7685.0, "K I"), (8191.0, "Na I"), (8432.0, "TiO"),
    ),
}  # fmt: skip


def plot_spectrum(spectrum, result=None, *, ax=None):
    """Draw a spectrum and, beneath its noise, the best template on the spectrum's own continuum.

    Parameters
    ----------
    spectrum : `~specutils.Spectrum`
        What was classified; masked pixels are left out, and with a result, wavelengths that were not compared.
    result : `~stellarclass.spectroscopy.SpectrumResult`, optional
        What `~stellarclass.spectroscopy.classify_spectrum` said of it: draws the template in the color of the class,
        the difference below, the places of the class's lines at its velocity, and the answer as the legend.
    ax : `~matplotlib.axes.Axes`, optional
        Where to draw; the current axes if not given.

    Returns
    -------
    `~matplotlib.axes.Axes`
    """
    ax = current_axes(ax)
    wavelength = spectrum.spectral_axis.to_value(u.AA, u.spectral())
    flux = np.array(spectrum.flux.value, float)
    if spectrum.mask is not None:
        flux[np.broadcast_to(spectrum.mask, flux.shape)] = np.nan
    if result is not None and result.model is not None:
        ends = result.model.spectral_axis[[0, -1]].to_value(u.AA)
        compared = (wavelength >= ends[0] - 1) & (wavelength <= ends[1] + 1)
        wavelength, flux = wavelength[compared], flux[compared]
    ax.plot(wavelength, flux, color="0.6", linewidth=0.6, label=_name(spectrum))
    shown = flux[np.isfinite(flux)]
    top = 1.25 * np.percentile(shown, 99.8) if shown.size else 1.0
    bottom = min(0.0, np.percentile(shown, 0.5)) if shown.size else 0.0
    if result is not None and result.model is not None:
        bottom = min(bottom, _draw_model(ax, wavelength, flux, result))
        if result.subclass:
            _mark_lines(ax, result, top)
    ax.set_ylim(bottom - 0.02 * top, top)
    ax.set_xlim(wavelength.min(), wavelength.max())
    ax.set_xlabel("Vacuum wavelength (Å)")
    unit = spectrum.flux.unit
    ax.set_ylabel(f"Flux density ({unit.to_string('latex_inline')})" if unit != u.one else "Flux")
    legend = ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncol=3, fontsize="small", frameon=False)
    for line in legend.get_lines():
        line.set_linewidth(2)  # two grays as thin as a spectrum look the same
    return ax


def spectrum_figure(spectrum, result=None):
    """Make a figure of its own of `plot_spectrum`, wide enough for a spectrum.

    Parameters
    ----------
    spectrum : `~specutils.Spectrum`
    result : `~stellarclass.spectroscopy.SpectrumResult`, optional

    Returns
    -------
    `~matplotlib.figure.Figure`
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4.5), layout="constrained")
    plot_spectrum(spectrum, result, ax=figure.subplots())
    return figure


def _draw_model(ax, wavelength, flux, result):
    """The template and the difference to it; returns where the difference ends below."""
    model_wavelength, model = result.model.spectral_axis.to_value(u.AA), result.model.flux.value
    color = CLASS_COLORS.get(result.spectral_class, "0.1")
    # Broken where pixels were left out, not bridged.
    gaps = np.flatnonzero(np.diff(model_wavelength) > 1.5 * np.median(np.diff(model_wavelength))) + 1
    ax.plot(
        np.insert(model_wavelength, gaps, np.nan), np.insert(model, gaps, np.nan),
        color=color, linewidth=1.1, label=_answer(result),
    )  # fmt: skip
    difference = np.interp(model_wavelength, wavelength, flux) - model
    usual = difference[np.isfinite(difference)]
    offset = -1.2 * np.percentile(usual, 99.5) if usual.size else 0.0
    ax.plot(
        np.insert(model_wavelength, gaps, np.nan), np.insert(difference + offset, gaps, np.nan),
        color="0.35", linewidth=0.4, label="difference, shifted",
    )  # fmt: skip
    ax.axhline(offset, color="0.35", linewidth=0.4, linestyle=":")
    return offset + np.percentile(usual, 0.5) if usual.size else 0.0


def _mark_lines(ax, result, top):
    marks = _MARKS["cool" if result.spectral_class == "M" or result.subclass in ("K5", "K7") else "hot"]
    for wavelength, name in marks:
        place = wavelength * (1 + result.redshift)
        ax.axvline(place, ymin=0.93, ymax=0.95, color="0.3", linewidth=0.8)
        ax.annotate(
            name, (place, 0.955), xycoords=("data", "axes fraction"), ha="center", va="bottom", fontsize="x-small"
        )


def _name(spectrum):
    meta = spectrum.meta
    if not {"plate", "mjd", "fiber"} <= set(meta):
        return "spectrum"
    name = f"SDSS {meta['plate']}-{meta['mjd']}-{meta['fiber']}"
    theirs = " ".join(str(meta[key]) for key in ("sdss_class", "sdss_subclass") if key in meta)
    return f"{name} (SDSS: {theirs})" if theirs else name


def _answer(result):
    if not result.subclass:
        return f"{result.verdict}; the nearest template"
    text = f"{result.subclass}, quality {result.quality:.2f}, {result.radial_velocity.to_value(u.km / u.s):+.0f} km/s"
    return text if result.verdict == "star" else f"{result.verdict}: {text}"
