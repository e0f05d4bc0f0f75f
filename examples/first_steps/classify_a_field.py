# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Classify the stars of a field
=============================

Positions in, a table of classes and radii out.
"""

# %%
# A field of 150 stars as SDSS and Gaia would see it; its ``images`` and ``astrometry`` stand in for the archives. For
# real stars you have a `~astropy.coordinates.SkyCoord` of your own, and leave both out.
from collections import Counter

from matplotlib import pyplot as plt

from stellarclass import classify, flags, plotting, simulate

sky = simulate.field(seed=1, n_stars=150)
table = classify(sky.coords, images=sky.images, astrometry=sky.astrometry)
table["ra", "dec", "spectral_class", "class_set", "radius", "radius_err"][:5].pprint()

# %%
# One row for each position, in the same order. A star without an answer is a row with masked results, and its flags
# say why; an answer may have flags, too:
for name, count in Counter(name for value in table["flags"] for name in flags.decode(value)).items():
    print(f"{count:3d} {name}")

# %%
# Each star ringed in the color of its class, the color-magnitude diagram, the radii against the true ones, and how
# many stars there are of each class:
figure = plt.figure(figsize=(11, 9.2), layout="constrained")
plotting.plot_overview(table, sky.contents, truth=sky.truth["radius_light"], figure=figure)
plt.show()

# %%
# The table takes its units and descriptions along, into any format; ``write_table(table, "stars.vot")`` of
# `stellarclass.tables` is for TOPCAT. What each column means: :doc:`/output`.
