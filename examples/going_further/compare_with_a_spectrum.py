# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Compare with a spectrum
=======================

A star's class by its spectrum, beside that by its images.
"""

# %%
# An F star of a simulated field, classified by its images and by its astrometry:
import numpy as np
from astropy import units as u
from astropy.nddata import InverseVariance
from matplotlib import pyplot as plt
from specutils import Spectrum

from stellarclass import classify, plotting, simulate
from stellarclass.spectroscopy import classify_spectrum, compare_with, default_templates

sky = simulate.field(seed=8, n_stars=30, r_range=(15.0, 18.0) * u.mag)
table = classify(sky.coords, images=sky.images, astrometry=sky.astrometry)
row = table[int(np.argmax(table["prob_f"].filled(0)))]
print(row["spectral_class"], row["class_set"], f"{row['prob_f']:.2f}")

# %%
# Its spectrum: `stellarclass.archives.SDSSSpectra` would fetch it, ``read_spectrum("spec-....fits")`` read it. Here
# one is made of a template: moved by its velocity, reddened, and noisy.
templates = default_templates()
wavelength = np.geomspace(3810, 9190, 3800)
rest = wavelength / (1 + 45 / 299792.458)
flux = np.interp(rest, templates.wavelength.value, templates.flux[templates.subclasses.index("F5")])
flux *= 20 * (wavelength / 5500) ** -1.2
sigma = 0.03 * np.median(flux)
spectrum = Spectrum(
    flux=(flux + np.random.default_rng(9).normal(0, sigma, len(flux))) * u.Unit("1e-17 erg / (s cm2 AA)"),
    spectral_axis=wavelength * u.AA,
    uncertainty=InverseVariance(np.full(len(flux), sigma**-2)),
)

# %%
# `~stellarclass.spectroscopy.classify_spectrum` finds the template that fits, and says how well, and what fits nearly
# as well:
result = classify_spectrum(spectrum)
print(result.verdict, result.subclass, result.alternatives, f"{result.radial_velocity:.0f}")
print(compare_with(result, row))

figure, ax = plt.subplots(figsize=(10, 4.5), layout="constrained")
plotting.plot_spectrum(spectrum, result, ax=ax)
plt.show()
