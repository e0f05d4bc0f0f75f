# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Regions lie where the stars and pixels are, have the colors of classes, and read back."""

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.table import MaskedColumn, QTable
from regions import CircleSkyRegion, PointSkyRegion, PolygonSkyRegion, Regions

from stellarclass import fetch_stamps, simulate, vo
from stellarclass.exceptions import InputError
from stellarclass.plotting import CLASS_COLORS
from stellarclass.stamps.roi import roi_boxes


@pytest.fixture(scope="module")
def sky():
    return simulate.field(seed=3, n_stars=6, bands="r")


@pytest.fixture(scope="module")
def table(sky):
    table = QTable({"ra": sky.coords.ra, "dec": sky.coords.dec}, meta={"match_radius": 3.0})
    table["spectral_class"] = MaskedColumn(["A", "F", "G", "K", "M", ""], mask=[0, 0, 0, 0, 0, 1])
    return table


@pytest.fixture(scope="module")
def regions(table, sky):
    return vo.to_regions(table, images=sky.images)


def tagged(regions, what):
    return [r for r in regions if what in r.meta["tag"]]


def test_each_star_has_a_point_a_circle_and_a_box(regions, table):
    for what, kind in (("star", PointSkyRegion), ("match", CircleSkyRegion), ("box", PolygonSkyRegion)):
        found = tagged(regions, what)
        assert len(found) == len(table) and {type(r) for r in found} == {kind}
        assert [r.visual["color"] for r in found[:5]] == [CLASS_COLORS[c] for c in "AFGKM"]
        assert found[5].visual["color"] not in CLASS_COLORS.values()
    assert [r.meta.get("text") for r in tagged(regions, "star")] == ["A", "F", "G", "K", "M", None]
    assert {r.radius for r in tagged(regions, "match")} == {3 * u.arcsec}


def test_boxes_are_the_pixels_that_the_network_sees(regions, table, sky):
    stamps = fetch_stamps(sky.coords, images=sky.images)
    y0, y1, x0, x1 = roi_boxes(stamps.images[:, 2]).T
    for k, box in enumerate(tagged(regions, "box")):
        sides = box.vertices.separation(np.roll(box.vertices, -1)).to_value(u.arcsec)
        pixel = 0.396127
        assert sides == pytest.approx([(x1 - x0)[k] * pixel, (y1 - y0)[k] * pixel] * 2, rel=2e-3)
        middle = SkyCoord(box.vertices.ra.mean(), box.vertices.dec.mean())
        offset = np.hypot(*stamps.offsets[k, 2]) * pixel
        assert middle.separation(sky.coords[k]).to_value(u.arcsec) == pytest.approx(offset, abs=0.02)


def test_ds9_files_read_back(regions, tmp_path):
    regions.write(tmp_path / "stars.reg", format="ds9")
    again = Regions.read(tmp_path / "stars.reg", format="ds9")
    assert [type(r) for r in again] == [type(r) for r in regions]
    for a, b in zip(again, regions, strict=True):
        assert a.visual.get("color", a.visual.get("edgecolor")).lower() == b.visual["color"].lower()
        assert list(a.meta["tag"]) == list(b.meta["tag"])
        assert a.meta.get("text") == b.meta.get("text")
        where = ("vertices" if isinstance(b, PolygonSkyRegion) else "center",)
        assert (getattr(a, *where).separation(getattr(b, *where)) < 0.01 * u.arcsec).all()


def test_fits_files_of_pixel_regions_read_back(table, sky, tmp_path):
    wcs = next(iter(sky.images.fields([sky.contents.key]))).frames["r"].wcs
    regions = vo.to_regions(table, images=sky.images, wcs=wcs)
    regions.write(tmp_path / "stars.fits", format="fits")
    again = Regions.read(tmp_path / "stars.fits", format="fits")
    assert [type(r) for r in again] == [type(r) for r in regions]
    x, y = wcs.wcs_world2pix(sky.coords.ra.deg, sky.coords.dec.deg, 0)
    np.testing.assert_allclose([(r.center.x, r.center.y) for r in again[::3]], np.transpose([x, y]), atol=1e-3)


def test_rows_without_a_position_are_left_out():
    table = QTable({"ra": [10.0, np.nan] * u.deg, "dec": [20.0, 1.0] * u.deg})
    (star,) = vo.to_regions(table)
    assert star.meta["tag"] == ["star"]
    assert len(vo.to_regions(table[:0])) == 0


@pytest.mark.parametrize(("radius", "error"), [(3, TypeError), (3 * u.s, u.UnitsError), (-1 * u.deg, InputError)])
def test_radius_is_a_positive_angle(table, radius, error):
    with pytest.raises(error):
        vo.to_regions(table, match_radius=radius)
