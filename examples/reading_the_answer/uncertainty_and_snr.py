# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Uncertainty against signal-to-noise ratio
=========================================

Do the predicted uncertainties grow as the errors do?
"""

# %%
# Stars of all magnitudes, classified by their pixels and by what Gaia would measure of them:
import numpy as np
from astropy import units as u
from matplotlib import pyplot as plt

from stellarclass import Classifier, plotting
from stellarclass.simulate import draw_stars, observe_astrometry, render_stars
from stellarclass.stamps.photometry import measure

stars = draw_stars(1500, seed=61, r_range=(15.0, 21.5) * u.mag)
stamps = render_stars(stars, seed=62)
gaia = observe_astrometry(stars, seed=63)
table = Classifier().classify_stamps(stamps, astrometry=gaia)

# %%
# The signal-to-noise ratio is that of the flux through the PSF, in r. Giants, whose radii are ten times as large,
# would rule every mean: the picture is of stars below two solar radii. If errors were normal and the uncertainties
# right, the line of the predicted uncertainty and that of the error would be one. The spread between the members lies
# far below: it is a part of the uncertainty, never all of it.
photometry = measure(stamps)
snr = (photometry.flux / photometry.flux_err)[:, 2]
small = stars["radius_light"] < 2 * u.solRad
off = table["radius"] - stars["radius_light"]

figure, ax = plt.subplots(figsize=(6.4, 4.6), layout="constrained")
columns = {"error": table["radius_err"], "spread": table["radius_spread"], "off": off}
plotting.plot_uncertainty(snr[small], **{name: values[small] for name, values in columns.items()}, ax=ax)
plt.show()

# %%
# The S/N of the image is not what a radius depends on most. By the S/N of the parallax:
parallax_snr = (table["parallax"] / table["parallax_error"]).filled(np.nan).value
figure, ax = plt.subplots(figsize=(6.4, 4.6), layout="constrained")
plotting.plot_uncertainty(parallax_snr[small], **{name: values[small] for name, values in columns.items()}, ax=ax)
ax.set_xlabel("Signal-to-noise ratio of the parallax")
plt.show()
