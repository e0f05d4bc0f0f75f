# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
What the networks are shown of a star
=====================================

Stamps in five bands, and the composites and region of interest of the paper's network.
"""

# %%
# A stamp is 64 × 64 pixels of each frame around the star. These are three of a simulated field: a bright one, one of
# the middle, and a faint one.
import numpy as np
from matplotlib import pyplot as plt

from stellarclass import fetch_stamps, plotting, simulate

sky = simulate.field(seed=3, n_stars=60)
r = sky.truth["r"].value
chosen = [int(np.argmin(abs(r - wanted))) for wanted in (16, 18, 20.5)]
stamps = fetch_stamps(sky.coords[chosen], images=sky.images)
titles = [f"r = {r[k]:.1f}" for k in chosen]
plotting.plot_stars(stamps.images, titles, figure=plt.figure(figsize=(9.6, 5.9), layout="constrained"))
plt.show()

# %%
# The default ensemble takes these pixels as they are, and measures the star in them. MESCR, the paper's network, is
# shown a region of interest instead: a box that grows around the star, on the r band, until background takes over.
# The fainter the star, the smaller the box.
figure, axes = plt.subplots(1, 3, figsize=(9.6, 3.6), layout="constrained")
for ax, images, title in zip(axes, stamps.images, titles, strict=True):
    plotting.plot_roi(images, ax=ax)
    ax.set_title(title, loc="left")
plt.show()

# %%
# That box is stretched to one size for all stars, as two color composites of 8 bits; the first letter is shown in
# red. What the stretch loses, the brightness and the scale, is why the default ensemble does without it
# (:doc:`/changes_from_paper`).
from stellarclass.stamps.mescr import MescrRecipe

inputs = MescrRecipe(inputs=("image",))(stamps)
figure, axes = plt.subplots(2, 3, figsize=(7.2, 5.2), layout="constrained")
for row, name, channels in zip(axes, ("image_a", "image_b"), ("gri", "urz"), strict=True):
    for ax, composite, title in zip(row, inputs[name], titles, strict=True):
        plotting.plot_image(composite, title=f"{channels}, {title}", ax=ax)
plt.show()
