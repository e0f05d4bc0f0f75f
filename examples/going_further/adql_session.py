# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
An ADQL session
===============

Questions to a published table.
"""

# %%
# ``stellarclass publish`` makes a bundle of an output table that a data center takes as it is (:doc:`/vo`); then the
# table is on a TAP service, and anybody can ask it. This session asks the table ``m2.stars``, of stars west of the
# globular cluster M2 in real SDSS images. It runs in the tests, against a service that took the bundle; what it
# printed there stands below.
import pyvo

# sphinx_gallery_thumbnail_path = "images/topcat.png"
service = pyvo.dal.TAPService("https://dc.example.org/tap")  # an address of no service: put in yours


def ask(query):
    """Ask, and show the answer."""
    answer = service.run_sync(query).to_table()
    for column in answer.itercols():
        column.info.format = ".2f" if column.dtype.kind == "f" else None
    answer.pprint(max_width=-1)


# %%
# The five that are nearest to a place. Columns come with their units; of the factor 3600 the service does not know
# that it makes arcseconds of degrees, so the last one goes on saying deg:
ask("""
    SELECT TOP 5 spectral_class, class_set, radius, radius_err,
           3600 * DISTANCE(POINT('ICRS', ra, dec), POINT('ICRS', 323.30, -0.75)) AS offset_arcsec
    FROM m2.stars
    ORDER BY offset_arcsec
    """)

# %%
# How many there are of each class set. Two letters say that the data leave both classes open; stars without an answer
# have no set:
ask("""
    SELECT class_set, COUNT(*) AS n, AVG(radius) AS mean_radius
    FROM m2.stars
    WHERE class_set IS NOT NULL
    GROUP BY class_set
    ORDER BY class_set
    """)

# %%
# Sums of probabilities count stars of a class without bias, where counting best classes does not:
ask("""
    SELECT SUM(prob_f) AS f, SUM(prob_g) AS g, SUM(prob_k) AS k
    FROM m2.stars
    """)

# %%
# Joined with Gaia's own table on the same service, by the identifiers that the table kept:
ask("""
    SELECT TOP 5 s.source_id, s.spectral_class, s.radius, g.phot_g_mean_mag, g.bp_rp
    FROM m2.stars AS s
    JOIN gaiadr3.gaia_source AS g ON g.source_id = s.source_id
    ORDER BY g.phot_g_mean_mag
    """)

# %%
# The answers, in order:
#
# .. literalinclude:: /tables/adql.txt
#    :language: none
