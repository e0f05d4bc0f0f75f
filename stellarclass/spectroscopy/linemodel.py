# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`default_templates`: templates that need no file of spectra, built from strengths of absorption features by subclass.

A template is ``exp(-sum of strength x shape)``: the shapes are lines and band heads at laboratory wavelengths
(`stellarclass.spectroscopy.features`), the strengths a table in the package, linear between its subclasses. They were
measured by `measure_line_strengths` on the mean spectra of SDSS and BOSS stars of solar metallicity that come with
PyHammer (Kesseli et al. 2017, ApJS 230, 16; Roulston, Green & Kesseli 2020, ApJS 249, 34; MIT license). A model of some
200 features misses the weakest lines: it is good to about one or two subclasses, as
`stellarclass.spectroscopy.Templates.read` of the spectra themselves is, but its quality figures are lower.
"""

from functools import cache
from importlib import resources

import numpy as np
from astropy import units as u
from scipy.ndimage import uniform_filter1d
from scipy.optimize import nnls

from .features import NAMES, feature_shapes
from .fitting import ORDER, RANGE
from .subclasses import LETTERS, subclass_number
from .templates import Templates

__all__ = ["SUBCLASSES", "default_templates", "measure_line_strengths"]

SUBCLASSES = tuple(
    "O5 O8 B1 B3 B5 B8 A0 A2 A3 A6 A9 F2 F5 F8 G0 G2 G5 G8 K0 K2 K4 K5 K7 M0 M1 M2 M3 M4 M5 M6 M7 M8".split()
)
"""Subclasses that the table of strengths has; those between are interpolated."""

_GRID = 10 ** np.arange(np.log10(RANGE[0] * 0.997), np.log10(RANGE[1] * 1.003), 1e-4)
_MISMATCH = 0.03  # rms of the fits of types F to K, and less than that of M
_TABLE = "line_strengths.csv"


@cache
def default_templates():
    """Templates that come with the package: one for each subclass from O5 to M8 (K8 and K9 are not in use).

    Returns
    -------
    Templates

    Examples
    --------
    >>> from stellarclass.spectroscopy import default_templates
    >>> default_templates()
    <Templates stellarclass line model: 62, O5 to M8>
    """
    names, subclasses, strengths = _read_table()
    if names != NAMES:
        raise RuntimeError(f"{_TABLE} has other features than stellarclass.spectroscopy.features")
    known = [subclass_number(subclass) for subclass in subclasses]
    wanted = [n for n in range(known[0], known[-1] + 1) if n not in (58, 59)]
    between = np.array([np.interp(wanted, known, column) for column in strengths.T])  # (K, T)
    labels = [f"{LETTERS[n // 10]}{n % 10}" for n in wanted]
    flux = np.exp(-between.T @ feature_shapes(_GRID))
    return Templates(labels, _GRID * u.AA, flux, "stellarclass line model", _MISMATCH)


def measure_line_strengths(templates):
    """Measure how strong each feature is in each template.

    The logarithm of a template is fitted, by least squares, with a smooth curve minus the features, whose strengths
    must not be negative.

    Parameters
    ----------
    templates : Templates
        T templates.

    Returns
    -------
    ndarray, shape (T, K)
        Optical depths, for the features ``stellarclass.spectroscopy.features.NAMES``.
    """
    curve = np.polynomial.chebyshev.chebvander(np.linspace(-1, 1, _GRID.size), ORDER)
    design = np.hstack([curve, -curve, -feature_shapes(_GRID).T])
    strengths = []
    for flux in templates.flux:
        values = np.interp(_GRID, templates.wavelength.to_value(u.AA), flux)
        # The coolest templates reach zero, and noise below it, in the blue.
        values = np.log(np.maximum(values, 0.02 * np.abs(uniform_filter1d(values, 101))))
        solution, _ = nnls(design, values, maxiter=5000)
        strengths.append(solution[2 * (ORDER + 1) :])
    return np.array(strengths)


def _read_table():
    """The features' names, the subclasses, and the strengths, shape (T, K)."""
    text = resources.files(__package__).joinpath("tables", _TABLE).read_text("ascii")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    names = tuple(lines[0].split(",")[1:])
    rows = [line.split(",") for line in lines[1:]]
    return names, [row[0] for row in rows], np.array([[float(cell or 0) for cell in row[1:]] for row in rows])


def _write_table(path, templates):
    """Measure the table anew; ``templates`` are PyHammer's."""
    chosen = [templates.subclasses.index(subclass) for subclass in SUBCLASSES]
    part = Templates(SUBCLASSES, templates.wavelength, templates.flux[chosen], templates.name)
    rows = [
        ",".join([subclass, *(f"{value:.2f}".lstrip("0") if value >= 0.005 else "" for value in row)])
        for subclass, row in zip(SUBCLASSES, measure_line_strengths(part), strict=True)
    ]
    with open(path, "w", encoding="ascii") as file:
        file.write(
            "# Optical depth of absorption features by spectral subclass; empty: none. Shapes: features.py.\n"
            "# Measured (python -m stellarclass.spectroscopy.linemodel TEMPLATES.fits) on the templates of solar\n"
            "# metallicity of PyHammer, means of SDSS and BOSS spectra (MIT license): Kesseli et al. 2017, ApJS 230,\n"
            "# 16; Roulston, Green & Kesseli 2020, ApJS 249, 34.\n"
        )
        file.write("\n".join([",".join(["subclass", *NAMES]), *rows]) + "\n")


if __name__ == "__main__":
    import sys
    from pathlib import Path

    _write_table(Path(__file__).parent / "tables" / _TABLE, Templates.read(sys.argv[1]))
