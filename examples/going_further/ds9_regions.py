# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Regions for DS9
===============

What was looked at, laid over the image.
"""

# %%
# `stellarclass.vo.to_regions` gives each star as a point with its class, the circle in which its Gaia source was
# looked for, and the box of pixels that the paper's network would see.
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from astropy import units as u
from matplotlib import pyplot as plt
from regions import Regions

from stellarclass import classify, simulate, vo

sky = simulate.field(seed=7, n_stars=150, r_range=(15.0, 20.5) * u.mag)
table = classify(sky.coords, images=sky.images, astrometry=sky.astrometry)
regions = vo.to_regions(table, images=sky.images)

# %%
# As a file that DS9 and Aladin open, in the colors of the classes:
with TemporaryDirectory() as folder:
    path = Path(folder) / "stars.reg"
    regions.write(path, format="ds9")
    print("".join(path.read_text().splitlines(keepends=True)[:5]))
    again = Regions.read(path, format="ds9")
print(len(again), "regions")

# %%
# Or over the r frame, here the part of it where most stars are:
frame = sky.contents.frames["r"]
x, y = frame.wcs.world_to_pixel(sky.coords)
side = 150  # pixels, half of the part
near = (abs(x - x[:, None]) < side) & (abs(y - y[:, None]) < side)
center = int(np.argmax(near.sum(axis=1)))

figure, ax = plt.subplots(figsize=(6.4, 6.4), layout="constrained")
ax.imshow(np.arcsinh(frame.data / 0.05), origin="lower", cmap="gray_r", vmin=-1, vmax=6)
for region in again:
    region.to_pixel(frame.wcs).plot(ax=ax, linewidth=1.2)
for k in np.flatnonzero(near[center]):
    ax.annotate(table["spectral_class"][k], (x[k], y[k]), xytext=(10, 10), textcoords="offset points")
ax.set_xlim(x[center] - side, x[center] + side)
ax.set_ylim(y[center] - side, y[center] + side)
ax.set(xlabel="x (pixels)", ylabel="y (pixels)")
plt.show()
