# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""How right an ensemble is about real stars, beside a plain network on multi-aperture photometry.

    python benchmarks/accuracy.py [DATA] [--ensemble NAME] [--training DIR] > docs/tables/accuracy.txt

DATA (or STELLARCLASS_REAL_DATA) is a folder with real data: ``sas`` (SDSS frames, run 2583, camcol 2, field 136),
``gaia/m2_west_gaia_edr3.ecsv`` (Gaia around the globular cluster M2) and, in ``labels``, ``sdss_subclass_ugriz.ecsv``,
``sdss_subclass_ugriz_dereddened.ecsv`` and ``lamost_subclass_ugriz.ecsv`` (subclasses with ugriz). The first two are
real pixels; the others are *rendered*: simulated pixels of real magnitudes.
"""

import argparse
import os
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.table import Table
from methods import MLP, Methods, add_arguments, where_trained
from sky import add_neighbors, stamps_of

import stellarclass
from stellarclass import Classifier, flags, physics
from stellarclass.archives import LocalAstrometry, LocalSAS
from stellarclass.astrometry import Astrometry
from stellarclass.evaluation.paired import paired_bootstrap
from stellarclass.metrics import class_scores, within_one_class
from stellarclass.simulate import draw_stars, observe_astrometry, render_stars
from stellarclass.targets import parse_targets
from stellarclass.training.aperture_mlp import cross_validate_aperture_mlp

M2 = SkyCoord(323.3626 * u.deg, -0.8233 * u.deg)
BRIGHT, FAINT = 14.3, 20.5
RENDERINGS, FOLDS, EPOCHS = 4, 5, 40  # of the cross-validation
CLEAR = 0.05  # p value from which on a difference counts


def robust(values):
    """Median and 1.4826 times the median absolute deviation."""
    middle = np.median(values)
    return middle, 1.4826 * np.median(np.abs(values - middle))


def classes(table):
    """Classes of a result; empty where there is none."""
    return np.asarray(table["spectral_class"].filled("")).astype(str)


class Report:
    """Lines of the table, and the verdict about network against baseline."""

    def __init__(self):
        self.better, self.worse, self.even = [], [], []

    def line(self, what, n, *figures):
        print(f"{what:<60}{n:>6}" + "".join(f"{f:>26}" for f in figures))

    def pair(self, gate, network, mlp, *, seed=1):
        """Difference of two scores of the same stars; the gate it belongs to gets the verdict."""
        result = paired_bootstrap(network, mlp, seed=seed)
        clear = result.p_value < CLEAR
        verdict = "better" if clear and result.difference > 0 else "worse" if clear else "no clear difference"
        {"better": self.better, "worse": self.worse}.get(verdict, self.even).append(gate)
        print(f"  network minus MLP: {result}: {verdict}")


def m2_field(data, ensembles, report):
    """The real field: every ensemble on the same stars."""
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
    good = alone & np.isfinite(color) & (g_mag > BRIGHT)
    truth = physics.spectral_class_from_color(color * u.mag)
    tables = {}
    for system in ("pecaut_mamajek", "sdss"):
        for name, ensemble in ensembles.items():
            classifier = Classifier(ensemble, label_system=system, images=images, astrometry=astrometry)
            tables[name, system] = classifier.classify(stars)
        for where_name, where in (("beyond 4'", away > 4), ("2' to 4'", (away > 2) & (away <= 4))):
            use = good & where
            for name in ensembles:
                use &= classes(tables[name, system]) != ""
            right = [(classes(tables[name, system]) == truth)[use] for name in ensembles]
            figures = [f"{r.mean():.3f}" for r in right]
            report.line(f"M2 {where_name}: class ({system}) as BP-RP", use.sum(), *figures)
            if system == "pecaut_mamajek" and where_name != "beyond 4'":
                report.pair("crowded M2", *right)
    far = away > 2.5
    fatal = [((tables[name, "sdss"]["flags"] & flags.FATAL) > 0)[far].mean() for name in ensembles]
    report.line("M2 beyond 2.5': without an answer", far.sum(), *(f"{f:.3f}" for f in fatal))
    parallax, error = np.asarray(stars["parallax"]), np.asarray(stars["parallax_error"])
    field = good & (away > 4) & (np.asarray(stars["memberprob"]) < 0.5) & (parallax / error > 5)
    field &= np.all([classes(tables[name, "sdss"]) != "" for name in ensembles], axis=0)
    expected = physics.stefan_boltzmann_radius(g_mag[field] * u.mag, color[field] * u.mag, parallax[field] * u.mas)
    found = []
    for name in ensembles:
        radius = tables[name, "sdss"]["radius"].unmasked[field]
        sigma = (tables[name, "sdss"]["radius_err"].unmasked[field] / radius).value / np.log(10)
        residual = np.log10((radius / expected).value)
        found.append((*robust(residual), (np.abs(residual) < sigma).mean(), np.abs(residual)))
    rows = (("M2 field stars, parallax S/N > 5: radius offset [dex]", 0, "+.3f"), ("  robust scatter [dex]", 1, ".3f"))
    for what, k, form in (*rows, ("  within one radius_err", 2, ".2f")):
        report.line(what, field.sum(), *(f"{f[k]:{form}}" for f in found))
    report.pair("radius", *(-f[3] for f in found))


def rendered(name, stars, label, system, ensemble, report, *, known):
    """Labels of real stars, pixels rendered from their real magnitudes: what the ensemble says as it ships."""
    stamps = render_stars(stars, seed=5)
    if not known:
        stamps.psf[:] = np.nan
    answer = classes(Classifier(ensemble, label_system=system, astrometry=False).classify_stamps(stamps))
    scores, n = class_scores(label, answer), len(label)
    report.line(f"{name}: accuracy", n, f"{(answer == label).mean():.3f}")
    report.line("  balanced accuracy", n, f"{scores.balanced_accuracy:.3f}")
    report.line("  within one class", n, f"{within_one_class(label, answer):.3f}")
    report.line(f"  recall {' '.join(physics.CLASSES)}", n, " ".join(f"{v:.2f}" for v in scores.recall))


def cross_validated(table, system, ensembles, report, *, gate=None):
    """Labels of stars that neither the label maps nor the MLP saw: each is fitted anew to the other stars."""
    from stellarclass.training.label_systems import add_label_system

    n, order = len(table.labels), np.array(physics.CLASSES)
    star, labels = np.tile(np.arange(n), RENDERINGS), np.tile(table.labels, RENDERINGS)
    features = []

    def stamps():
        for k in range(RENDERINGS):
            magnitudes = table.observed(np.random.default_rng([7, k]))
            part = render_stars(Table(magnitudes, names=list("ugriz")), seed=[8, k])
            features.append(ensembles[MLP].recipe(part, Astrometry.empty(n))["features"])
            yield part

    options = {"name": system, "stars": star, "folds": FOLDS, "epochs": EPOCHS}
    network = add_label_system(ensembles["network"], stamps(), labels, **options).probabilities
    targets = np.searchsorted(order, labels)  # the classes are in the order of the alphabet
    fold = (np.random.default_rng(9).permutation(n) % FOLDS)[star]
    mlp = cross_validate_aperture_mlp(
        ensembles[MLP], np.concatenate(features), targets, fold, label_system=system, epochs=EPOCHS
    )
    answers = [order[p.argmax(1)] for p in (network, mlp)]
    where = {f"rendered {system} labels, cross-validated": table.own & (table.a_g == 0)}
    if (table.a_g > 0).any():
        where["  the same, of dereddened stars, dust put back"] = table.own & (table.a_g > 0)
    for name, chosen in where.items():
        rows = np.tile(chosen, RENDERINGS)
        truth, count = labels[rows], int(chosen.sum())
        scores = [class_scores(truth, a[rows]) for a in answers]
        report.line(f"{name}: accuracy", count, *(f"{(a[rows] == truth).mean():.3f}" for a in answers))
        report.line("  balanced accuracy", count, *(f"{s.balanced_accuracy:.3f}" for s in scores))
        report.line("  within one class", count, *(f"{within_one_class(truth, a[rows]):.3f}" for a in answers))
        recalls = (" ".join(f"{v:.2f}" for v in s.recall) for s in scores)
        report.line(f"  recall {' '.join(physics.CLASSES)}", count, *recalls)
        if gate is not None:
            # A star's score is its mean over the renderings: only stars are independent of each other.
            right = [np.bincount(star[rows], (a == labels)[rows], minlength=n)[chosen] / RENDERINGS for a in answers]
            report.pair(gate if chosen is next(iter(where.values())) else f"{gate}, dereddened", *right)


def blends(ensembles, report, *, n=3000):
    """Simulated stars with a second one up to two magnitudes fainter at 1.5 to 4 arcsec: class and radius."""
    rng = np.random.default_rng(10)
    stars = draw_stars(n, seed=rng, r_range=(15.0, 19.5) * u.mag)
    other = stars[rng.permutation(n)]
    dim = stars["r"] + rng.uniform(0, 2, n) * u.mag - other["r"]
    for band in "ugriz":
        other[band] = other[band] + dim
    stamps = stamps_of(stars, seed=11, neighbor_density=1.0)
    add_neighbors(stamps, other, arcsec=rng.uniform(1.5, 4.0, n), seed=rng)
    gaia = Astrometry.from_table(observe_astrometry(stars, seed=rng))
    truth = physics.spectral_class_from_color(stars["bp_rp"])
    tables = [
        Classifier(e, label_system="pecaut_mamajek").classify_stamps(stamps, astrometry=gaia)
        for e in ensembles.values()
    ]
    right = [classes(t) == truth for t in tables]
    report.line("simulated blends: class (pecaut_mamajek)", n, *(f"{r.mean():.3f}" for r in right))
    report.pair("blends, class", *right)
    errors = [np.abs(np.log10((t["radius"] / stars["radius_light"]).filled(np.nan).value)) for t in tables]
    report.line("simulated blends: radius, mean |error| [dex]", n, *(f"{np.nanmean(e):.4f}" for e in errors))
    report.pair("blends, radius", *(-e for e in errors))


def isolated(ensembles, report, *, n=3000):
    """Simulated stars as a field has them: radius."""
    stars = draw_stars(n, seed=12, r_range=(15.0, 20.5) * u.mag)
    stamps = stamps_of(stars, seed=13)
    gaia = Astrometry.from_table(observe_astrometry(stars, seed=14))
    tables = [Classifier(e).classify_stamps(stamps, astrometry=gaia) for e in ensembles.values()]
    errors = [np.abs(np.log10((t["radius"] / stars["radius_light"]).filled(np.nan).value)) for t in tables]
    report.line("simulated field stars: radius, mean |error| [dex]", n, *(f"{np.nanmean(e):.4f}" for e in errors))
    report.pair("simulated radius", *(-e for e in errors))


def label_table(path):
    """Stars of a table of labels between the limits of magnitude, and their labels."""
    stars = Table.read(path)
    stars = stars[(stars["r"] > BRIGHT) & (stars["r"] < FAINT)]
    return stars, np.asarray(stars["label"]).astype(str)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", nargs="?", type=Path, default=os.environ.get("STELLARCLASS_REAL_DATA"))
    add_arguments(parser)
    args = parser.parse_args()
    if args.data is None:
        parser.error("name the folder of real data, or set STELLARCLASS_REAL_DATA")
    from stellarclass.training.labeled import LabelTable

    data = Path(args.data)
    methods = Methods(args)
    ensembles = {"network": methods.ensemble, MLP: methods.mlp()}
    report = Report()
    print(
        f"stellarclass {stellarclass.__version__}, {datetime.now(UTC):%Y-%m-%d}, ensemble {methods.ensemble.name} "
        f"{methods.ensemble.sha256[:12]};\nthe MLP was trained on {where_trained(args)}\n"
    )
    report.line("", "stars", "network", "MLP")
    m2_field(data, ensembles, report)
    isolated(ensembles, report)
    blends(ensembles, report)
    labels = data / "labels"
    sdss = LabelTable.read(labels / "sdss_subclass_ugriz.ecsv")
    dereddened = LabelTable.read(labels / "sdss_subclass_ugriz_dereddened.ecsv", dereddened=True)
    cross_validated(LabelTable.join([sdss, dereddened]), "sdss", ensembles, report, gate="rendered labels")
    lamost = LabelTable.read(labels / "lamost_subclass_ugriz.ecsv").anchored(sdss)
    cross_validated(lamost, "lamost", ensembles, report)
    print("\nAs it ships, its label maps fitted to these same labels:\n")
    stars, label = label_table(labels / "sdss_subclass_ugriz.ecsv")
    for known in (False, True):
        what = f"rendered SDSS labels, image only, PSF {'known' if known else 'unknown'}"
        rendered(what, stars, label, "sdss", methods.ensemble, report, known=known)
    stars = Table(dereddened.observed(np.random.default_rng(7)), names=list("ugriz"))
    what = "dereddened SDSS labels, dust put back"
    rendered(what, stars, dereddened.labels, "sdss", methods.ensemble, report, known=True)
    if "lamost" in methods.ensemble.label_systems:
        stars, label = label_table(labels / "lamost_subclass_ugriz.ecsv")
        rendered("rendered LAMOST labels, image only", stars, label, "lamost", methods.ensemble, report, known=True)
    print(
        f"\nNetwork against the MLP, p < {CLEAR}: better in {', '.join(report.better) or 'none'}; worse in "
        f"{', '.join(report.worse) or 'none'}; no clear difference in {', '.join(report.even) or 'none'}."
    )


if __name__ == "__main__":
    main()
