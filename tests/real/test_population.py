# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The drawn stars beside real ones: colors, counts, parallaxes, proper motions, luminosities and radii.

Where a real sample was selected in a way that no simulation knows, each real star is set beside the simulated one that
is nearest in color and magnitude in the same direction: what then differs is what was not matched.
"""

from types import SimpleNamespace

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.table import Table, vstack
from scipy.spatial import cKDTree

from stellarclass.simulate import draw_stars

DUST_4510 = 0.03  # A_V before the field of run 4510, by its own EXTINCTION column


def _plain(table, *names):
    return [np.ma.filled(np.ma.asarray(table[name]).astype(float), np.nan) for name in names]


def _twins(color, magnitude, galactic, measure, *, n=15_000, r_range=(13.5, 20.5), radius=8):
    """Rows of real stars that found one, and the simulated star beside each: by patches of ``radius`` degrees."""
    patches = np.floor(galactic.l.deg / radius).astype(int) * 1000 + np.floor(galactic.b.deg / radius).astype(int)
    rows, twins = [], []
    for seed, patch in enumerate(np.unique(patches)):
        here = np.flatnonzero(patches == patch)
        # As many directions as stars: behind dust of all clumps, not of one.
        where = SkyCoord(
            np.full(n, galactic[here].l.deg.mean()),
            np.full(n, galactic[here].b.deg.mean()),
            unit="deg",
            frame="galactic",
        )
        stars = draw_stars(n, seed=seed, r_range=r_range * u.mag, direction=where)
        scale = np.array([0.03, 0.2])
        tree = cKDTree(np.stack(measure(stars), axis=-1) / scale)
        distance, nearest = tree.query(np.stack([color[here], magnitude[here]], axis=-1) / scale)
        rows.append(here[distance < 2])
        twins.append(stars[nearest[distance < 2]])
    return np.concatenate(rows), vstack(twins)


def _sdss(stars):
    return (stars["g"] - stars["i"]).value, stars["r"].value


@pytest.fixture(scope="module")
def stripe(real_data):
    """Stars of one high-latitude field (run 4510, b = 78 deg) in SDSS's photometry: magnitudes, errors, direction."""
    table = Table.read(real_data / "sdss" / "calibObj-004510-4-star.fits.gz")
    flux, weight = (np.asarray(table[name], float) for name in ("PSFFLUX", "PSFFLUX_IVAR"))
    flux = np.maximum(flux, 1e-2)
    magnitudes = 22.5 - 2.5 * np.log10(flux)
    errors = np.hypot(1.0857 / flux / np.sqrt(np.maximum(weight, 1e-9)), [0.02, 0.012, 0.012, 0.012, 0.015])
    keep = (magnitudes[:, 2] > 14.5) & (magnitudes[:, 2] < 20) & (np.asarray(table["OBJC_FLAGS"]) & 2**18 == 0)
    galactic = SkyCoord(table["RA"], table["DEC"], unit="deg").galactic
    return SimpleNamespace(
        magnitudes=magnitudes[keep],
        errors=np.minimum(errors[keep], 0.5),
        l=galactic.l.deg.mean(),
        b=galactic.b.deg.mean(),
    )


def _check_colors(real, simulated, u_limit, *, least=30):
    """Medians of u-g, g-r and i-z in bins of g-i."""
    g_i = real[:, 1] - real[:, 3]
    checked = 0
    for low, high in (
        (0.3, 0.4),
        (0.4, 0.5),
        (0.5, 0.6),
        (0.6, 0.7),
        (0.7, 0.9),
        (0.9, 1.1),
        (1.1, 1.5),
        (1.5, 2),
        (2, 2.6),
    ):
        rows = (g_i > low) & (g_i <= high)
        if rows.sum() < least:
            continue
        checked += 1
        for one, other, tolerance in ((0, 1, 0.13), (1, 2, 0.03), (3, 4, 0.025)):
            use = rows & (real[:, 0] < u_limit) & (simulated[:, 0] < u_limit) if one == 0 else rows
            if one == 0 and high > 1.5:
                continue  # the u of M dwarfs is noise and red leak
            shift = np.median((real[:, one] - real[:, other])[use]) - np.median(
                (simulated[:, one] - simulated[:, other])[use]
            )
            assert abs(shift) < tolerance, (low, high, "ugriz"[one], shift)
    return checked


def test_colors_of_a_field(stripe):
    """Medians along the locus: g-r to 0.03, i-z to 0.025, u-g (where metals show) to 0.13 mag."""
    rng = np.random.default_rng(1)
    n = len(stripe.magnitudes)
    where = SkyCoord(np.full(n, stripe.l), np.full(n, stripe.b), unit="deg", frame="galactic")
    clear = stripe.magnitudes
    rows, twins = _twins(clear[:, 1] - clear[:, 3], clear[:, 2], where, _sdss, n=40_000, radius=90)
    simulated = (
        np.stack([twins[b].value for b in "ugriz"], axis=-1) + rng.normal(size=(len(rows), 5)) * stripe.errors[rows]
    )
    assert _check_colors(clear[rows], simulated, 22.0) >= 8


def test_colors_of_stars_with_spectra(real_data):
    """The same for stars with SDSS spectra, all over the sky."""
    rng = np.random.default_rng(2)
    table = Table.read(real_data / "labels" / "sdss_subclass_ugriz.ecsv")
    magnitudes = np.stack(_plain(table, *"ugriz"), axis=-1)
    galactic = SkyCoord(table["ra"], table["dec"], unit="deg").galactic
    magnitudes = magnitudes[(magnitudes[:, 2] > 14.5) & (magnitudes[:, 2] < 19) & (np.abs(galactic.b.deg) > 25)]
    n = len(magnitudes)
    where = SkyCoord(np.full(n, 150.0), np.full(n, 55.0), unit="deg", frame="galactic")
    rows, twins = _twins(magnitudes[:, 1] - magnitudes[:, 3], magnitudes[:, 2], where, _sdss, n=40_000, radius=90)
    assert len(rows) > 2500
    simulated = np.stack([twins[b].value for b in "ugriz"], axis=-1)
    simulated += rng.normal(size=simulated.shape) * [0.03, 0.015, 0.015, 0.015, 0.018]
    assert _check_colors(magnitudes[rows], simulated, 22.0) >= 8


def test_as_many_of_each_color_as_on_the_sky(stripe):
    """Shares of the colors at each magnitude: no more than a fifth of the stars would have to change color."""
    edges = np.array([-0.6, 0.2, 0.4, 0.6, 0.8, 1.1, 1.5, 1.9, 2.3, 2.7, 3.6])
    real_color, real_r = stripe.magnitudes[:, 1] - stripe.magnitudes[:, 3], stripe.magnitudes[:, 2]
    where = SkyCoord(stripe.l, stripe.b, unit="deg", frame="galactic")
    for low, high in ((14.5, 16), (16, 17.5), (17.5, 19), (19, 20)):
        stars = draw_stars(8000, seed=3, r_range=(low, high) * u.mag, direction=where, even_colors=0)
        shares = [
            np.histogram(color, edges)[0] / len(color)
            for color in (real_color[(real_r > low) & (real_r <= high)], _sdss(stars)[0])
        ]
        moved = np.abs(shares[0] - shares[1]).sum() / 2
        assert moved < 0.20, (low, high, moved, shares)


@pytest.fixture(scope="module")
def field_stars(real_data):
    """Pan-STARRS1 and Gaia stars at |b| > 45 deg, in SDSS's bands, and the simulated star beside each."""
    table = Table.read(real_data / "labels" / "gaia_ps1_field_stars.ecsv")
    galactic = SkyCoord(table["ra"], table["dec"], unit="deg").galactic
    g1, r1, i1, parallax = _plain(table, "g", "r", "i", "parallax")
    # Tonry et al. (2012, ApJ 750, 99), Table 6, turned around.
    x = g1 - r1
    for _ in range(8):
        g, r = g1 + 0.011 + 0.125 * x + 0.015 * x**2, r1 - 0.001 + 0.006 * x + 0.002 * x**2
        x = g - r
    g_i = g - (i1 - 0.004 + 0.014 * x - 0.001 * x**2)
    keep = (np.abs(galactic.b.deg) > 45) & np.isfinite(parallax) & (r > 13.8) & (r < 20)
    rows, twins = _twins(g_i[keep], r[keep], galactic[keep], _sdss)
    table, g_i, r = table[keep][rows], g_i[keep][rows], r[keep][rows]
    parallax, error = _plain(table, "parallax", "parallax_error")
    parallax = parallax + 0.03  # Lindegren et al. (2021): the zero point
    seen = twins["parallax"].value + np.random.default_rng(4).normal(0, 1.05, len(rows)) * error
    return SimpleNamespace(table=table, g_i=g_i, r=r, parallax=parallax, error=error, twins=twins, seen=seen)


def test_parallaxes_go_with_color_and_magnitude(field_stars):
    """Absolute r of stars with good parallaxes in 20 bins: medians within 0.35 mag, in the mean within 0.2 mag."""
    f = field_stars
    assert len(f.r) > 3000
    shifts = []
    for low, high in ((0.4, 0.6), (0.6, 0.8), (0.8, 1.1), (1.1, 1.5), (1.5, 2), (2, 2.5), (2.5, 3)):
        for bright, faint in ((13.8, 15.5), (15.5, 17), (17, 18.5), (18.5, 20)):
            rows = (f.g_i > low) & (f.g_i <= high) & (f.r > bright) & (f.r <= faint)
            absolute = [
                f.r[good] + 5 * np.log10(p[good] / 100)
                for p in (f.parallax, f.seen)
                for good in (rows & (p > 5 * f.error),)
            ]
            if min(map(len, absolute)) < 25:
                continue
            shifts.append(np.median(absolute[0]) - np.median(absolute[1]))
            assert abs(shifts[-1]) < 0.35, (low, bright, shifts[-1])
    assert len(shifts) >= 15
    assert abs(np.mean(shifts)) < 0.2


def test_proper_motions_go_with_color_and_magnitude(field_stars):
    """Both components over the sky, in median to 1 mas/yr and in width to a quarter; the total in bins to a quarter."""
    f = field_stars
    for name in ("pmra", "pmdec"):
        real, simulated = _plain(f.table, name)[0], f.twins[name].value
        real, simulated = (np.percentile(x, [16, 50, 84]) for x in (real, simulated))
        assert abs(simulated[1] - real[1]) < 1.0
        assert 0.8 < (simulated[2] - simulated[0]) / (real[2] - real[0]) < 1.25
    totals = [np.hypot(*_plain(f.table, "pmra", "pmdec")), np.hypot(f.twins["pmra"].value, f.twins["pmdec"].value)]
    for low, high in ((0.4, 0.6), (0.6, 0.8), (0.8, 1.1), (1.1, 1.5), (1.5, 2), (2, 2.5), (2.5, 3)):
        rows = (f.g_i > low) & (f.g_i <= high)
        medians = [np.median(t[rows]) for t in totals]
        assert 0.8 < medians[1] / medians[0] < 1.25, (low, medians)


def test_luminosities_of_warm_dwarfs(real_data):
    """M_G of Gaia and LAMOST stars against BP-RP: quartiles within 0.35 mag, medians within 0.25."""
    table = Table.read(real_data / "labels" / "gaia_lamost.ecsv")
    parallax, g_mag, bp_rp = _plain(table, "parallax", "phot_g_mean_mag", "bp_rp")
    absolute = g_mag + 5 * np.log10(parallax / 100)
    stars = draw_stars(40_000, seed=5, r_range=(11, 15.5) * u.mag)
    stars = stars[stars["a_v"] < 0.15 * u.mag]  # one field, with about 0.1 mag of dust
    ours = stars["g_mag"].value - 5 * np.log10(stars["distance"].value * 100)
    for low in (0.6, 0.7, 0.8):
        rows = (bp_rp > low) & (bp_rp <= low + 0.1)
        mine = (stars["bp_rp"].value > low) & (stars["bp_rp"].value <= low + 0.1)
        real, simulated = np.percentile(absolute[rows], [25, 50, 75]), np.percentile(ours[mine], [25, 50, 75])
        assert np.abs(real - simulated).max() < 0.35, (low, real, simulated)
        assert abs(real[1] - simulated[1]) < 0.25, (low, real, simulated)


def test_radii_at_their_temperatures(real_data):
    """Medians of Gaia's FLAME radii by Teff from K5 to F8 lie between ours in a volume and ours to a magnitude.

    Nearby bright stars are a sample between these two; 6 % of slack either way, in radius.
    """
    table = Table.read(real_data / "calibration" / "gaia_radius_flame_sample.ecsv")
    teff, log_g, radius = _plain(table, "teff_gspphot", "logg_gspphot", "radius_flame")
    ours = draw_stars(30_000, seed=6, r_range=(8, 13) * u.mag)
    ours = ours[(ours["radius"] < 3 * u.solRad) & (ours["mass_ratio"] == 0)]
    ours.sort("radius")
    volume = 10 ** (0.6 * (ours["r"].value - 5 * np.log10(ours["distance"].value)))
    for low, high in ((3900, 4300), (4300, 4800), (4800, 5300), (5300, 5700), (5700, 6000), (6000, 6500)):
        rows = (teff > low) & (teff <= high) & (log_g > 3.7)
        assert rows.sum() > 50
        mine = (ours["teff"].value > low) & (ours["teff"].value <= high)
        sizes, total = ours["radius"][mine].value, np.cumsum(volume[mine])
        ends = np.interp(total[-1] / 2, total, sizes), np.median(sizes)
        assert ends[0] / 1.06 < np.median(radius[rows]) < ends[1] * 1.06, (low, ends, np.median(radius[rows]))
        assert ends[1] / ends[0] < 1.4
