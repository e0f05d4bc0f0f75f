# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Reliability and coverage
========================

How often answers are right that are said to be so probable, and how many true radii lie in their intervals.
"""

# %%
# Stars with the class mix and the cuts of Deng et al. (2024), drawn with a seed that no training used, as pixels and
# as Gaia would measure them:
from astropy.table import QTable
from matplotlib import pyplot as plt

from stellarclass import Classifier, plotting
from stellarclass.simulate import reference_sample, render_stars

stars = reference_sample(2000, seed=51)
stamps = render_stars(stars, seed=52)
gaia = QTable({name.removeprefix("gaia_"): stars[name] for name in stars.colnames if name.startswith("gaia_")})

# %%
# This sample has many A and few M stars: a mix that nobody finds on the sky. ``class_prior`` says so
# (:ref:`class-prior`).
labels = list(stars["label"])
mix = {name: labels.count(name) for name in "AFGKM"}
table = Classifier(class_prior=mix).classify_stamps(stamps, astrometry=gaia)
print(mix)

# %%
# On the diagonal a probability is what it says. The bars are the shares of the stars in each bin: most answers are
# sure. Bins of fewer than ten stars have no point.
figure, ax = plt.subplots(figsize=(5, 4.6), layout="constrained")
plotting.plot_reliability(table, labels, ax=ax)
plt.show()

# %%
# The same for the probability of each class, whether or not it is the most probable one. Labels of simulated stars
# come from a model of SDSS's labels, while the ensemble was taught real ones: where A and F meet, the two differ.
figure, ax = plt.subplots(figsize=(5, 4.6), layout="constrained")
plotting.plot_reliability(table, labels, by="class", ax=ax)
plt.show()

# %%
# Of the radii, the share that lies within an interval of each level, for stars with good and bad parallaxes. The gray
# band is what the number of stars allows.
figure, ax = plt.subplots(figsize=(5, 4.6), layout="constrained")
plotting.plot_coverage(table, stars["radius_light"], by="parallax", ax=ax)
plt.show()
