# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The simulated camera beside the real one: noise, PSF and saturation under the conditions of real fields."""

from types import SimpleNamespace

import numpy as np
import pytest
from astropy import units as u
from astropy.table import Table
from scipy import ndimage

from stellarclass import simulate
from stellarclass.archives import FieldKey
from stellarclass.archives.base import BANDS
from stellarclass.stamps.base import MASK_SATURATED
from stellarclass.stamps.cutouts import cut_field, field_psf
from stellarclass.stamps.psf import fwhm

from .conftest import SPARSE_FIELD

SATURATED = 1 << 18  # SDSS OBJECT1 flag
FIELDS = (FieldKey(2583, 301, 2, 136), SPARSE_FIELD, FieldKey(2188, 301, 2, 37))


@pytest.fixture(scope="module", params=FIELDS, ids=str)
def pair(request, local_images):
    """A real field, its conditions, and a simulated field under the same conditions, with other stars."""
    (real,) = local_images.fields([request.param])
    night = simulate.conditions_from_field(real)
    sky = simulate.field(seed=11, n_stars=300, r_range=[14.5, 18.5] * u.mag, conditions=night)
    return SimpleNamespace(real=real, night=night, twin=sky.contents)


def blank_sky_rms(frame):
    """Scatter of pixels in counts where a smoothed frame shows no source."""
    counts = frame.data / frame.nanomaggies_per_count
    smooth = ndimage.uniform_filter(counts, 9)
    found = []
    for half in (slice(0, 1024), slice(1024, None)):
        # The faintest fifth of the sky, which even a globular cluster leaves, without the faintest pixels' own bias.
        low, high = np.quantile(smooth[:, half], [0.02, 0.20])
        blank = (smooth[:, half] > low) & (smooth[:, half] < high)
        difference = counts[:, half][:, 12:] - counts[:, half][:, :-12]
        difference = difference[blank[:, 12:] & blank[:, :-12]]
        difference = difference[np.abs(difference) < 6 * 2**0.5 * np.median(np.abs(difference))]
        found.append(np.std(difference, dtype=float))
    return np.sqrt(np.mean(np.square(found)))  # each half has its own amplifier


def half_light_radius(frame):
    """Radius in pixels that holds half of the light within 6 pixels, median of the bright lonely stars."""
    counts = frame.data / frame.nanomaggies_per_count
    peak = (counts == ndimage.maximum_filter(counts, 31)) & (counts > 400) & (counts < 25000)
    y, x = np.nonzero(peak[30:-30, 30:-30])
    steps = np.arange(-14, 15)
    stack = counts[y[:, None, None] + 30 + steps[:, None], x[:, None, None] + 30 + steps].astype(float)
    radius = np.hypot(steps, steps[:, None])
    stack -= np.median(stack[:, (radius > 9) & (radius < 14)], axis=1)[:, None, None]
    near = np.where(radius < 6, stack, 0).clip(0)
    total = near.sum((1, 2))
    cx, cy = (near * steps).sum((1, 2)) / total, (near * steps[:, None]).sum((1, 2)) / total
    radius = np.hypot(steps - cx[:, None, None], steps[:, None] - cy[:, None, None])
    radii = np.arange(0.5, 6.1, 0.25)
    growth = np.stack([(stack * np.clip(r + 0.5 - radius, 0, 1)).sum((1, 2)) for r in radii], axis=1)
    halves = np.array([np.interp(0.5, g / g[-1], radii) for g in growth])
    # Galaxies and blends spread the upper side only: the lower flank of the crowd is the stars'.
    return np.quantile(halves, 0.3)


def test_background_noise(pair):
    for band, frame in pair.real.frames.items():
        ratio = blank_sky_rms(pair.twin.frames[band]) / blank_sky_rms(frame)
        assert abs(ratio - 1) < 0.03, f"{band}: {ratio:.3f}"


def test_psf_width_as_the_package_measures_it(pair):
    ratio = fwhm(field_psf(pair.twin)) / fwhm(field_psf(pair.real))
    for band in pair.real.frames:
        assert abs(ratio[BANDS.index(band)] - 1) < 0.03, f"{band}: {ratio[BANDS.index(band)]:.3f}"


def test_psf_width_as_anybody_would_measure_it(pair):
    for band, frame in pair.real.frames.items():
        ratio = half_light_radius(pair.twin.frames[band]) / half_light_radius(frame)
        assert abs(ratio - 1) < 0.03, f"{band}: {ratio:.3f}"


def test_saturation_begins_where_sdss_says(local_images, real_data):
    """Stars that SDSS calls saturated are saturated when they are rendered, the others are not, but for a hair."""
    catalog = Table.read(real_data / "sdss" / "calibObj-004510-4-star.fits.gz")
    catalog = catalog[catalog["FIELD"] == SPARSE_FIELD.field]
    magnitude = 22.5 - 2.5 * np.log10(np.clip(catalog["PSFFLUX"], 1e-3, None))
    bright = magnitude[:, 2] < 17
    magnitude = np.asarray(magnitude[bright], float)
    said = (np.asarray(catalog["FLAGS"])[bright] & SATURATED) > 0
    (real,) = local_images.fields([SPARSE_FIELD])
    stamps = cut_field(real, np.asarray(catalog["RA"][bright]), np.asarray(catalog["DEC"][bright]))
    night = simulate.conditions_from_field(real)
    trials = 12
    stars = {band: np.tile(magnitude[:, k], trials) for k, band in enumerate(BANDS)}
    drawn = simulate.render_stars(stars, seed=1, conditions=night, neighbor_density=0.0)
    found, rendered = (((s.masks & MASK_SATURATED) > 0)[:, :, 24:40, 24:40].any((2, 3)) for s in (stamps, drawn))
    assert np.array_equal(found, said)  # so the mask means the same on both sides
    share = rendered.reshape(trials, *said.shape).mean(0)
    # Fluxes of saturated stars are lower limits; what SDSS measured as bright as this is so, in g, r and i.
    gri = np.zeros_like(said)
    gri[:, 1:4] = True
    surely, surely_not = said & gri & (magnitude < 14.1), ~said & (magnitude > 14.1)
    assert surely.sum() >= 7 and share[surely].mean() > 0.85
    assert surely_not.sum() > 30 and share[surely_not].mean() < 0.01
