# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Extend a table of your own
==========================

Classes and radii behind the columns that a table has already.
"""

# %%
# A table as it may lie on your disk: positions under names of their own, something that you know of each star, and a
# column ``radius`` that has nothing to do with ours.
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from astropy import units as u
from astropy.table import QTable
from matplotlib import pyplot as plt

from stellarclass import classify_table, plotting, simulate
from stellarclass.tables import read_table, write_table

sky = simulate.field(seed=2, n_stars=40)
mine = QTable()
mine["name"] = [f"star {k}" for k in range(1, 41)]
mine["alpha"], mine["delta"] = sky.coords.ra, sky.coords.dec
mine["radius"] = np.full(40, 2.5) * u.arcsec

# %%
# ``coords`` names the positions; for columns called ``ra`` and ``dec``, or with UCDs that say so, it can be left out.
# All the table's columns come first and stay as they are. Ours that would have the name of one of them get an ending.
table = classify_table(mine, coords=("alpha", "delta"), images=sky.images, astrometry=sky.astrometry)
table["name", "radius", "spectral_class", "prob_k", "radius_stellarclass", "radius_err"][:6].pprint()

# %%
# How many there are of each class, and of how many the class is left open:
figure, ax = plt.subplots(figsize=(5, 3.6), layout="constrained")
plotting.plot_classes(table, ax=ax)
plt.show()

# %%
# On disk and back, with units, masks, descriptions and 64-bit identifiers:
with TemporaryDirectory() as folder:
    write_table(table, Path(folder) / "extended.fits")
    again = read_table(Path(folder) / "extended.fits")
print(again["radius_stellarclass"].unit, again["source_id"].dtype, again.meta["label_system"])

# %%
# The command line does the same:
#
# .. code-block:: console
#
#     $ stellarclass classify mine.fits --columns alpha delta -o extended.fits
