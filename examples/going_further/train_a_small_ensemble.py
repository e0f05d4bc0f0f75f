# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Train a small ensemble
======================

From a configuration to an ensemble that classifies.
"""

# %%
# A configuration starts from one that comes with the package and says what is different: here two networks instead of
# six, and a hundredth of the stars. That is far too few to be good, and enough to see how it goes.
from contextlib import chdir
from pathlib import Path
from tempfile import TemporaryDirectory

from astropy import units as u
from astropy.table import Table
from matplotlib import pyplot as plt

from stellarclass import classify, load_ensemble, plotting, simulate
from stellarclass.cli import main

CONFIGURATION = """
base = "default"
name = "small"
members = 2

[stars]
train = 1200
validation = 300
calibration = 500
radii = 500

[training]
epochs = 12
batch_size = 64
"""

# %%
# ``main`` is the command ``stellarclass``. In a terminal it would be ``stellarclass train ./small.toml --output
# small``.
folder = TemporaryDirectory()
with chdir(folder.name):
    Path("small.toml").write_text(CONFIGURATION)
    main(["train", "./small.toml", "--output", "small", "--quiet"])

# %%
# The folder has weights, the model card, and the losses of every epoch:
small = Path(folder.name) / "small"
losses = Table.read(small / "losses.ecsv")
figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained", sharey=True)
for ax, column in zip(axes, ("train", "validation"), strict=True):
    plotting.plot_losses(losses, column=column, ax=ax)
plt.show()

# %%
# It is used as any other, by the name of its folder:
ensemble = load_ensemble(small)
sky = simulate.field(seed=10, n_stars=80, r_range=(14.5, 19.5) * u.mag)
table = classify(sky.coords, ensemble=ensemble, images=sky.images, astrometry=sky.astrometry)
table["spectral_class", "class_set", "radius", "radius_err"][:5].pprint()

# %%
# Radii are off by more than with the ensemble that comes with the package:
figure, axes = plt.subplots(1, 2, figsize=(10, 4.8), layout="constrained")
for ax, name in zip(axes, (ensemble, "default"), strict=True):
    answer = classify(sky.coords, ensemble=name, images=sky.images, astrometry=sky.astrometry)
    plotting.plot_radius(answer, sky.truth["radius_light"], ax=ax)
    ax.set(title=f"ensemble {answer.meta['ensemble']}", xlim=(0.1, 12), ylim=(0.1, 12))
    ax.legend(frameon=False, loc="lower right")
plt.show()
folder.cleanup()
