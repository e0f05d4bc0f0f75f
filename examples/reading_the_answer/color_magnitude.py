# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Color-magnitude and Hertzsprung-Russell diagrams
================================================

Stars in the colors of their classes.
"""

# %%
# A field of 300 stars brighter than r = 19.5:
from astropy import units as u
from matplotlib import pyplot as plt

from stellarclass import classify, plotting, simulate

sky = simulate.field(seed=4, n_stars=300, r_range=(14.5, 19.5) * u.mag)
table = classify(sky.coords, images=sky.images, astrometry=sky.astrometry)

# %%
# On the left, what was measured: color, and the absolute magnitude of stars whose parallax is good for it. On the
# right, what was inferred: the radius of every star, here as the luminosity that it makes together with the
# temperature of the star's color. Stars without a useful parallax are in the right one, too, with long error bars.
figure, (left, right) = plt.subplots(1, 2, figsize=(10.5, 5), layout="constrained")
plotting.plot_cmd(table, ax=left)
plotting.plot_hr(table, ax=right)
left.legend(loc="lower left", frameon=False, title="Class")
plt.show()

# %%
# Every class has a color and a marker of its own (`~stellarclass.plotting.CLASS_COLORS`,
# `~stellarclass.plotting.CLASS_MARKERS`), so that readers who do not see all colors can tell them.
