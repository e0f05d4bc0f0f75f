# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Pictures of a real field beside its simulated twin; every function returns a new `~matplotlib.figure.Figure`."""

import numpy as np
from astropy import units as u

from ..archives.base import BANDS
from ..simulate.locus import LOCUS_LIMITS, locus_colors
from .fidelity import PIXEL, WING_RINGS, magnitudes

__all__ = [
    "plot_colors",
    "plot_counts",
    "plot_errors",
    "plot_gaia",
    "plot_noise",
    "plot_sky",
    "plot_stamps",
    "plot_widths",
    "plot_wings",
]

REAL, TWIN = "#000000", "#D55E00"
"""Colors of what is real and what is simulated (Okabe & Ito 2008)."""


def _figure(width, height, rows=1, columns=1, **options):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, np.atleast_1d(figure.subplots(rows, columns, **options)).ravel()


def _panels(result, draw, *, xlabel, ylabel="", log=False, legend="best", share=True):
    """One panel per band side by side: ``draw(ax, band, measured)`` fills each and returns its title."""
    figure, axes = _figure(2.6 * len(result.bands), 2.6, 1, len(result.bands), sharey=share)
    for ax, (band, measured) in zip(axes, result.bands.items(), strict=True):
        ax.set_title(draw(ax, band, measured), fontsize="medium")
        ax.set_xlabel(xlabel)
        if log:
            ax.set_yscale("log")
    axes[0].set_ylabel(ylabel)
    axes[0].legend(fontsize="x-small", loc=legend)
    return figure


def _scaled(image, noise):
    return np.arcsinh(image / (2 * noise))


def plot_sky(result, *, size=300):
    """Draw the same piece of sky, real and simulated.

    Parameters
    ----------
    result : `~stellarclass.evaluation.fidelity.Fidelity`
    size : int
        Side in pixels.

    Returns
    -------
    `~matplotlib.figure.Figure`
    """
    band = next(b for b in "rigzu" if b in result.bands)
    noise = result.bands[band].noise[0]
    ny, nx = result.real.frames[band].data.shape
    rows, columns = slice(ny // 4, ny // 4 + size), slice(nx // 6, nx // 6 + size)
    figure, axes = _figure(10, 5.2, 1, 2)
    for ax, name, contents in zip(axes, ("real", "simulated"), (result.real, result.twin.contents), strict=True):
        ax.imshow(
            _scaled(contents.frames[band].data[rows, columns], noise),
            origin="lower", cmap="gray_r", vmin=-1.2, vmax=4.5, interpolation="nearest",
        )  # fmt: skip
        ax.set_title(f"{name}, {band}, field {result.key}")
        ax.set_xticks([])
        ax.set_yticks([])
    return figure


def plot_stamps(result, *, stars=8):
    """Draw isolated stars, real above simulated.

    Parameters
    ----------
    result : `~stellarclass.evaluation.fidelity.Fidelity`
    stars : int
        At most so many, evenly over their brightness.

    Returns
    -------
    `~matplotlib.figure.Figure`
    """
    band = next(b for b in "rigzu" if b in result.bands)
    k = BANDS.index(band)
    real, simulated = (s.images[:, k, 12:52, 12:52] for s in result.stamps)
    order = np.argsort(-real.sum((1, 2)))
    chosen = order[np.linspace(0, len(order) - 1, min(stars, len(order))).round().astype(int)]
    figure, axes = _figure(1.3 * max(len(chosen), 1), 2.9, 2, max(len(chosen), 1))
    noise = result.bands[band].noise[0]
    for row, (name, images) in enumerate((("real", real), ("simulated", simulated))):
        for column, star in enumerate(chosen):
            ax = axes[row * len(chosen) + column]
            ax.imshow(_scaled(images[star], noise), origin="lower", cmap="gray_r", vmin=-1.2, vmax=6)
            ax.set_xticks([])
            ax.set_yticks([])
            if column == 0:
                ax.set_ylabel(name)
    figure.suptitle(f"isolated stars in {band}, field {result.key}", fontsize="medium")
    return figure


def plot_noise(result):
    """Draw the distribution of all pixels near the sky's level, by band.

    Parameters
    ----------
    result : `~stellarclass.evaluation.fidelity.Fidelity`

    Returns
    -------
    `~matplotlib.figure.Figure`
    """

    def draw(ax, band, measured):
        step = float(np.median(result.real.frames[band].nanomaggies_per_count)) / measured.noise[0]
        edges = np.arange(-4 - step / 2, 6 + step, step * max(1, round(0.15 / step)))
        for name, color, contents in (("real", REAL, result.real), ("simulated", TWIN, result.twin.contents)):
            pixels = contents.frames[band].data[::2, ::2].ravel() / measured.noise[0]
            ax.hist(pixels, edges, histtype="step", color=color, label=name, density=True)
        return f"{band}: rms {100 * (measured.noise_ratio - 1):+.1f} %"

    return _panels(result, draw, xlabel="pixel / noise", log=True, legend="lower center", share=False)


def plot_widths(result):
    """Draw the distribution of the stars' widths, by band.

    Parameters
    ----------
    result : `~stellarclass.evaluation.fidelity.Fidelity`

    Returns
    -------
    `~matplotlib.figure.Figure`
    """

    def draw(ax, band, measured):
        for name, color, values in zip(("real", "simulated"), (REAL, TWIN), measured.fwhm, strict=True):
            ax.step(np.sort(values), np.linspace(0, 1, len(values)), where="post", color=color, label=name)
        return f"{band}: {100 * (measured.fwhm_ratio - 1):+.1f} %"

    return _panels(result, draw, xlabel="FWHM [arcsec]", ylabel="share of stars", share=False)


def plot_wings(result):
    """Draw the stars' mean surface brightness far from their middle, by band.

    Parameters
    ----------
    result : `~stellarclass.evaluation.fidelity.Fidelity`

    Returns
    -------
    `~matplotlib.figure.Figure`
    """
    middles = PIXEL * (np.array(WING_RINGS[1:]) + np.array(WING_RINGS[:-1])) / 2

    def draw(ax, band, measured):
        for name, color, marker, values in zip(("real", "simulated"), (REAL, TWIN), "o+", measured.wings, strict=True):
            ax.plot(middles, values, color=color, marker=marker, label=name, lw=1)
        return band

    return _panels(result, draw, xlabel="radius [arcsec]", ylabel="brightness / flux [per pixel]", log=True)


def plot_counts(result):
    """Draw how many sources there are of which brightness, by band.

    Parameters
    ----------
    result : `~stellarclass.evaluation.fidelity.Fidelity`

    Returns
    -------
    `~matplotlib.figure.Figure`
    """

    def draw(ax, band, measured):
        for name, color, values in zip(("real", "simulated"), (REAL, TWIN), measured.counts, strict=True):
            ax.stairs(np.maximum(values, 0.5), measured.edges, color=color, label=name)
        return band

    return _panels(result, draw, xlabel="magnitude", ylabel="sources per 0.5 mag", log=True)


def plot_errors(result):
    """Draw magnitude errors against magnitude: what is quoted on both sides, and the twin's true ones.

    Parameters
    ----------
    result : `~stellarclass.evaluation.fidelity.Fidelity`

    Returns
    -------
    `~matplotlib.figure.Figure`
    """
    fluxes = result.photometry

    def draw(ax, band, measured):
        k = BANDS.index(band)
        for name, color, label in (("real", REAL, "real, quoted"), ("twin", TWIN, "simulated, quoted")):
            magnitude, error = magnitudes(fluxes, name)
            ax.plot(magnitude[:, k], error[:, k], ",", color=color)
            ax.plot([], [], ".", color=color, label=label)
        truth = fluxes["truth"][:, k]
        with np.errstate(invalid="ignore", divide="ignore"):
            magnitude = 22.5 - 2.5 * np.log10(truth)
            off = (fluxes["twin"][:, k] - truth) / truth * 1.0857
        middles, scatter = _binned_scatter(magnitude, off)
        ax.plot(middles, scatter, "s-", ms=3, lw=1, color="#0072B2", label="simulated, true")
        ax.set_ylim(2e-3, 2)
        return band

    return _panels(result, draw, xlabel="magnitude", ylabel="error [mag]", log=True)


def _binned_scatter(magnitude, off):
    middles, scatter = [], []
    for low in np.arange(14, 24, 0.5):
        part = (magnitude >= low) & (magnitude < low + 0.5) & np.isfinite(off)
        if part.sum() >= 8:
            middles.append(low + 0.25)
            scatter.append(1.4826 * np.median(np.abs(off[part] - np.median(off[part]))))
    return middles, scatter


def plot_colors(result):
    """Draw color-color diagrams with the observed stellar locus.

    Parameters
    ----------
    result : `~stellarclass.evaluation.fidelity.Fidelity`

    Returns
    -------
    `~matplotlib.figure.Figure`
    """
    pairs = [
        p for p in (("ug", "gr"), ("gr", "ri"), ("ri", "iz"), ("gr", "rz")) if set("".join(p)) <= set(result.bands)
    ]
    pairs = pairs[:3] if len(pairs) > 3 else pairs
    figure, axes = _figure(3.4 * max(len(pairs), 1), 3.3, 1, max(len(pairs), 1))
    g_i = np.linspace(*LOCUS_LIMITS, 200)
    locus = np.cumsum(np.column_stack([np.zeros(200), -locus_colors(g_i, np.full(200, -0.6))]), axis=1)
    for ax, (first, second) in zip(axes, pairs, strict=False):
        for name, color, label in (("real", REAL, "real"), ("twin", TWIN, "simulated")):
            magnitude, error = magnitudes(result.photometry, name)
            (a, b), (c, d) = ([BANDS.index(x) for x in pair] for pair in (first, second))
            good = (error[:, sorted({a, b, c, d})] < 0.1).all(1)
            x, y = magnitude[good, a] - magnitude[good, b], magnitude[good, c] - magnitude[good, d]
            ax.plot(x, y, ".", ms=2.5, color=color, alpha=0.5, label=label)
        ax.plot(locus[:, a] - locus[:, b], locus[:, c] - locus[:, d], color="#0072B2", lw=1, label="locus")
        ax.set_xlabel(f"{first[0]} - {first[1]}")
        ax.set_ylabel(f"{second[0]} - {second[1]}")
        ax.set_xlim(-0.7, 3.2 if first == "ug" else 2.2)
        ax.set_ylim(-0.7, 2.3)
    if pairs:
        axes[0].legend(fontsize="x-small", loc="upper left")
    else:
        axes[0].set_axis_off()
    return figure


def plot_gaia(table):
    """Draw Gaia's errors against G, real and simulated.

    Parameters
    ----------
    table : `~astropy.table.QTable`
        As `stellarclass.evaluation.fidelity_gaia.compare_gaia` returns it.

    Returns
    -------
    `~matplotlib.figure.Figure`
    """
    figure, axes = _figure(9, 2.8, 1, 3, sharex=True)
    for ax, name in zip(axes, ("parallax", "pmra", "pmdec"), strict=True):
        for label, color, marker in (("real", REAL, "o"), ("simulated", TWIN, "+")):
            ax.plot(
                table["g_mag"].to_value(u.mag), table[f"{name}_{label}"].value, color=color, marker=marker, label=label
            )
        ax.set_yscale("log")
        ax.set_xlabel("G")
        ax.set_title(f"median error of {name} [{table[f'{name}_real'].unit}]", fontsize="medium")
    axes[0].legend(fontsize="x-small")
    return figure
