# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The same stars through HTTP and TAP, with the archives' own addresses: the same table as from disk."""

import numpy as np
import pytest
from astropy import units as u
from astropy.table import Table
from loopback.sas import SASServer
from tablecompare import assert_same_rows, plain

from stellarclass import Classifier, flags
from stellarclass.archives import SDSS, Gaia, encode_objid
from stellarclass.astrometry import propagate

KEY = ("run", "rerun", "camcol", "field")


@pytest.fixture(scope="module")
def skyserver(m2):
    """SDSS's catalog as SkyServer would have it: the Gaia sources where they were on that night."""
    gaia = m2.gaia
    ra, dec = propagate(*(gaia[name] for name in ("ra", "dec", "pmra", "pmdec")), 2016.0, 2001.7)
    catalog = Table({name: plain(m2.table[name])[0] for name in KEY} | {"ra": ra, "dec": dec})
    found = catalog["run"] > 0
    catalog["objid"] = encode_objid(2583, 2, 136, np.arange(len(catalog)))
    catalog["mode"] = 1
    for band in "ugriz":
        catalog[f"psfMag_{band}"] = -9999.0  # measured on the stamps then, as from disk
    return catalog[found]


@pytest.fixture(scope="module")
def over_http(m2, skyserver, real_data, dachs_gaia, default_ensemble, tmp_path_factory):
    """The table, and the log of the server."""
    with SASServer(real_data / "sas", catalog=skyserver) as server, server.configured():
        images = SDSS(cache_dir=tmp_path_factory.mktemp("frames"), timeout=60 * u.s)
        gaia = Gaia(url=dachs_gaia.url, zero_point="none")  # its parallaxes are corrected ones
        classifier = Classifier(default_ensemble, label_system="pecaut_mamajek", images=images, astrometry=gaia)
        return classifier.classify(m2.targets), list(server.log)


def test_the_same_table_as_from_disk(m2, over_http):
    """Exactly, but for the identifier that only SkyServer knows."""
    table, _ = over_http
    assert table.meta["image_release"] == "SDSS DR17"
    assert table.meta["astrometry_release"] == "Gaia DR3"
    assert_same_rows(table, m2.table, leave_out=("objid",))
    seen = (np.asarray(table["flags"]) & flags.NO_IMAGE) == 0
    assert (plain(table["objid"])[1] == ~seen).all()


def test_each_frame_is_asked_for_once(m2, over_http):
    _, log = over_http
    assert len(m2.targets) > 200
    paths = [request.path for request in log if request.method == "GET" and request.path.startswith("/sas/")]
    folder = "/sas/dr17/eboss/photoObj/frames/301/2583/2"
    assert sorted(paths) == [f"{folder}/frame-{band}-002583-2-0136.fits.bz2" for band in "giruz"]
    assert len([request for request in log if request.method == "POST"]) == -(-len(m2.targets) // 500)
