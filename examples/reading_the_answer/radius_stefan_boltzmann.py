# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Radii against the law of Stefan and Boltzmann
=============================================

What the networks add to a textbook's radius.
"""

# %%
# ``radius_sb`` is the radius from colors, magnitude and parallax alone. Where the parallax is good it is hard to
# beat; where it is not, it can be anything, and for a parallax below zero there is none. On the left the two beside
# each other; stars with a parallax S/N below 5 are open symbols. On the right, the radius against the true one, which
# a simulated star has.
import numpy as np
from astropy import units as u
from matplotlib import pyplot as plt

from stellarclass import classify, plotting, simulate

sky = simulate.field(seed=5, n_stars=300, r_range=(14.5, 20.5) * u.mag)
table = classify(sky.coords, images=sky.images, astrometry=sky.astrometry)
truth = sky.truth["radius_light"]

figure, (left, right) = plt.subplots(1, 2, figsize=(10.5, 5), layout="constrained")
plotting.plot_radius(table, ax=left)
plotting.plot_radius(table, truth, ax=right)
right.legend(frameon=False, loc="lower right")
plt.show()

# %%
# In numbers, by the S/N of the parallax. The error is the median of absolute differences to the true radius.
snr = (table["parallax"] / table["parallax_error"]).filled(np.nan).value
off = {name: abs(table[name].filled(np.nan) / truth - 1).value for name in ("radius", "radius_sb")}
print("parallax S/N   stars   radius   radius_sb")
for low, high in ((-np.inf, 3), (3, 10), (10, np.inf)):
    inside = (snr > low) & (snr <= high) & np.isfinite(off["radius"])
    error = [100 * np.nanmedian(values[inside]) for values in off.values()]
    print(f"{low:4.0f} to {high:3.0f}   {inside.sum():6d}   {error[0]:4.0f} %      {error[1]:4.0f} %")
