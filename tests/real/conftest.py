# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Real SDSS fields and real Gaia rows, each classified once for all tests of this folder."""

from types import SimpleNamespace

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.table import Table
from scipy import ndimage

from stellarclass import Classifier, fetch_stamps
from stellarclass.archives import FieldKey, LocalAstrometry, LocalSAS, read_frame
from stellarclass.stamps.cutouts import sky_sigma
from stellarclass.stamps.photometry import measure
from stellarclass.targets import parse_targets

M2_FIELD = FieldKey(2583, 301, 2, 136)
M2_CENTER = SkyCoord(323.3626, -0.8233, unit="deg")
SPARSE_FIELD = FieldKey(4510, 301, 4, 30)


@pytest.fixture(scope="session")
def local_images(real_data):
    return LocalSAS(real_data / "sas")


@pytest.fixture(scope="session")
def m2(real_data, local_images, default_ensemble):
    """The western half of the globular cluster M2, and the field around it.

    ``gaia``: every Gaia source brighter than G = 19.5 in the field, ``distance`` from the cluster's center, ``lonely``:
    no other source within 5 arcsec that is brighter than 2.5 mag fainter; ``targets`` are positions and proper motions
    alone, ``table`` is the answer.
    """
    catalog = Table.read(real_data / "gaia" / "m2_west_gaia_edr3.ecsv")
    bright = catalog[catalog["phot_g_mean_mag"] < 19.5]
    located = local_images.locate(parse_targets(bright))
    gaia = bright[(located.run == M2_FIELD.run) & (located.field == M2_FIELD.field)]
    targets = gaia["ra", "dec", "ref_epoch", "pmra", "pmdec"]
    classifier = Classifier(
        default_ensemble, label_system="pecaut_mamajek", images=local_images, astrometry=LocalAstrometry(catalog)
    )
    places = SkyCoord(gaia["ra"], gaia["dec"])
    first, second, _, _ = SkyCoord(catalog["ra"], catalog["dec"]).search_around_sky(places, 5 * u.arcsec)
    neighbor = (catalog["source_id"][second] != gaia["source_id"][first]) & (
        catalog["phot_g_mean_mag"][second] < gaia["phot_g_mean_mag"][first] + 2.5
    )
    return SimpleNamespace(
        catalog=catalog,
        gaia=gaia,
        targets=targets,
        distance=places.separation(M2_CENTER).to(u.arcmin),
        lonely=np.bincount(first[neighbor], minlength=len(gaia)) == 0,
        table=classifier.classify(targets),
    )


@pytest.fixture(scope="session")
def sparse(real_data, local_images):
    """Stars of field 4510-4-30 as SDSS's own pipeline measured them, and our stamps and fluxes of them."""
    catalog = Table.read(real_data / "sdss" / "calibObj-004510-4-star.fits.gz")
    catalog = catalog[catalog["FIELD"] == SPARSE_FIELD.field]
    coords = SkyCoord(catalog["RA"], catalog["DEC"], unit="deg")
    stamps = fetch_stamps(coords, images=local_images)
    return SimpleNamespace(catalog=catalog, coords=coords, stamps=stamps, photometry=measure(stamps))


@pytest.fixture(scope="session")
def four_band_stars(real_data):
    """Stars of r = 16 to 19.5 or so in field 2188-2-37, which has no i frame: peaks of the r frame."""
    folder = real_data / "sas" / "dr17" / "eboss" / "photoObj" / "frames" / "301" / "2188" / "2"
    frame = read_frame(folder / "frame-r-002188-2-0037.fits.bz2")
    smooth = ndimage.gaussian_filter(frame.data, 1.5)
    peak = (smooth == ndimage.maximum_filter(smooth, 25)) & (smooth > 20 * sky_sigma(smooth)) & (smooth < 20)
    y, x = np.nonzero(peak[40:-40, 40:-40])
    return SkyCoord(*frame.wcs.wcs_pix2world(x + 40, y + 40, 0), unit="deg")
