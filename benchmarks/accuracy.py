# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""How right an ensemble is about real stars: one table.

    python benchmarks/accuracy.py [DATA] [--ensemble NAME]

DATA (or STELLARCLASS_REAL_DATA) is a folder with real data: ``sas`` (SDSS frames, run 2583, camcol 2, field 136),
``gaia/m2_west_gaia_edr3.ecsv`` (Gaia around the globular cluster M2) and ``labels/sdss_subclass_ugriz.ecsv`` (SDSS
subclasses with ugriz). The first two are real pixels; the third is *rendered*: simulated pixels of real magnitudes.
"""

import argparse
import os
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.table import Table

import stellarclass
from stellarclass import Classifier, flags, physics
from stellarclass.archives import LocalAstrometry, LocalSAS
from stellarclass.simulate import render_stars
from stellarclass.targets import parse_targets

M2 = SkyCoord(323.3626 * u.deg, -0.8233 * u.deg)


def robust(values):
    """Median and 1.4826 times the median absolute deviation."""
    middle = np.median(values)
    return middle, 1.4826 * np.median(np.abs(values - middle))


def classes(table):
    return np.asarray(table["spectral_class"].filled("?")).astype(str)


def m2_field(data, ensemble):
    """Rows (what, number of stars, figure) of the real field."""
    path = data / "gaia" / "m2_west_gaia_edr3.ecsv"
    everything = Table.read(path)
    images, astrometry = LocalSAS(data / "sas"), LocalAstrometry(path)
    stars = everything[everything["phot_g_mean_mag"] < 19.5]
    stars = stars[images.locate(parse_targets(stars)).run == 2583]
    coords, g_mag = SkyCoord(stars["ra"], stars["dec"]), np.asarray(stars["phot_g_mean_mag"])
    color = np.asarray(stars["bp_rp"])
    away = coords.separation(M2).arcmin
    first, second, apart, _ = coords.search_around_sky(SkyCoord(everything["ra"], everything["dec"]), 5 * u.arcsec)
    # search_around_sky gives indices into the argument first.
    first, second = second, first
    disturbs = (apart > 0.01 * u.arcsec) & (np.asarray(everything["phot_g_mean_mag"])[second] < g_mag[first] + 2.5)
    alone = ~np.isin(np.arange(len(stars)), first[disturbs])
    good = alone & np.isfinite(color) & (g_mag > 14.3)
    truth = physics.spectral_class_from_color(color * u.mag)
    rows = []
    for system in ("pecaut_mamajek", "sdss"):
        table = Classifier(ensemble, label_system=system, images=images, astrometry=astrometry).classify(stars)
        answer = classes(table)
        for name, where in (("beyond 4'", away > 4), ("2' to 4'", (away > 2) & (away <= 4))):
            use = good & where & (answer != "?")
            rows.append((f"M2 {name}: class ({system}) as BP-RP", use.sum(), f"{(answer == truth)[use].mean():.3f}"))
    far = away > 2.5
    rows.append(
        ("M2 beyond 2.5': without an answer", far.sum(), f"{((table['flags'] & flags.FATAL) > 0)[far].mean():.3f}")
    )
    parallax, error = np.asarray(stars["parallax"]), np.asarray(stars["parallax_error"])
    field = good & (away > 4) & (np.asarray(stars["memberprob"]) < 0.5) & (parallax / error > 5) & (answer != "?")
    expected = physics.stefan_boltzmann_radius(g_mag[field] * u.mag, color[field] * u.mag, parallax[field] * u.mas)
    radius = table["radius"].unmasked[field]
    sigma = (table["radius_err"].unmasked[field] / radius).value / np.log(10)
    residual = np.log10((radius / expected).value)
    offset, scatter = robust(residual)
    rows.append(("M2 field stars, parallax S/N > 5: radius offset [dex]", field.sum(), f"{offset:+.3f}"))
    rows.append(("  robust scatter [dex]", field.sum(), f"{scatter:.3f}"))
    rows.append(("  within one radius_err", field.sum(), f"{(np.abs(residual) < sigma).mean():.2f}"))
    return rows


def rendered_labels(data, ensemble):
    """Rows of the rendered SDSS label table."""
    stars = Table.read(data / "labels" / "sdss_subclass_ugriz.ecsv")
    stars = stars[(stars["r"] > 14.3) & (stars["r"] < 20.5)]
    labels = np.asarray(stars["label"]).astype(str)
    order = "".join(physics.CLASSES)
    classifier = Classifier(ensemble, label_system="sdss", astrometry=False)
    rows = []
    for known in (False, True):
        stamps = render_stars(stars, seed=5)
        if not known:
            stamps.psf[:] = np.nan
        answer = classes(classifier.classify_stamps(stamps))
        recall = {c: (answer == c)[labels == c].mean() for c in order}
        near = np.array(
            [abs(order.find(a) - order.find(b)) <= 1 and a != "?" for a, b in zip(answer, labels, strict=True)]
        )
        name = f"rendered SDSS labels, image only, PSF {'known' if known else 'unknown'}"
        rows.append((f"{name}: accuracy", len(stars), f"{(answer == labels).mean():.3f}"))
        rows.append(("  balanced accuracy", len(stars), f"{np.mean(list(recall.values())):.3f}"))
        rows.append(("  within one class", len(stars), f"{near.mean():.3f}"))
        rows.append(("  recall A F G K M", len(stars), " ".join(f"{v:.2f}" for v in recall.values())))
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", nargs="?", type=Path, default=os.environ.get("STELLARCLASS_REAL_DATA"))
    parser.add_argument("--ensemble", default=None)
    args = parser.parse_args()
    if args.data is None:
        parser.error("name the folder of real data, or set STELLARCLASS_REAL_DATA")
    data = Path(args.data)
    print(f"stellarclass {stellarclass.__version__}, {datetime.now(UTC):%Y-%m-%d}")
    for what, n, figure in m2_field(data, args.ensemble) + rendered_labels(data, args.ensemble):
        print(f"{what:<62}{n:>6}  {figure}")


if __name__ == "__main__":
    main()
