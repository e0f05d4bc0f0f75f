# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""How right the default ensemble is about a fresh simulated sample, and what other methods make of the same stars.

    python benchmarks/simulated.py [--stars 3000] [--seeds 3] [--training DIR] > docs/tables/simulated.txt

Stars in the class mix and with the cuts of Deng et al. (2024), drawn anew with seeds that no training used, rendered,
measured and classified in label system ``sdss``. Predictions are kept in ``--work``: interrupted, the same command goes
on where it stopped. Everything printed is simulated.
"""

import argparse
import time
from dataclasses import fields
from datetime import UTC, datetime

import numpy as np
from astropy import units as u
from astropy.table import QTable
from methods import FOREST, MLP, STEFAN_BOLTZMANN, Methods, add_arguments, where_trained
from sky import stamps_of

import stellarclass
from stellarclass.astrometry import Astrometry
from stellarclass.evaluation.baselines import INPUTS
from stellarclass.evaluation.paired import paired_bootstrap
from stellarclass.evaluation.radii import PARALLAX_BINS, coverage, one_sigma_interval, parallax_bin
from stellarclass.evaluation.scores import answered_class, judge, mean_and_spread
from stellarclass.nets.prediction import Prediction
from stellarclass.physics import CLASSES
from stellarclass.simulate.samples import REFERENCE_COUNTS, reference_sample
from stellarclass.stamps.photometry import measure

SYSTEM, FIRST_SEED = "sdss", 770_001
CHUNK = 1000


def gaia_of(sample):
    """The sample's Gaia columns as astrometry."""
    names = [n for n in sample.colnames if n.startswith("gaia_")]
    return Astrometry.from_table(QTable({n.removeprefix("gaia_"): sample[n] for n in names}))


def predictions(methods, seed, n, work):
    """Truth and the prediction of each method for the sample of one seed; from the work folder where it is there."""
    folder = work / f"simulated-{n}-{seed}"
    folder.mkdir(parents=True, exist_ok=True)
    sample = reference_sample(n, seed=seed)
    gaia = gaia_of(sample)
    paths = {name: folder / f"{name.replace(' ', '_')}-{methods.tag(name)}.npz" for name in methods.names}
    missing = [name for name, path in paths.items() if not path.is_file()]
    if missing:
        made, parts = {name: methods.make(name) for name in missing}, {name: [] for name in missing}
        rng = np.random.default_rng([seed, 1])
        for start in range(0, n, CHUNK):
            rows = slice(start, start + CHUNK)
            stamps = stamps_of(sample[rows], seed=rng)
            photometry = measure(stamps)
            for name in missing:
                answer = made[name].predict(stamps, gaia[rows], label_system=SYSTEM, photometry=photometry)
                parts[name].append(answer)
        for name in missing:
            values = dict(vars(joined(parts[name])))
            values.pop("classes")
            np.savez_compressed(paths[name], **values)
    found = {}
    for name, path in paths.items():
        with np.load(path, allow_pickle=False) as values:
            found[name] = Prediction(classes=CLASSES, **{k: values[k] for k in values.files})
    return sample, gaia, found


def plus_minus(scores, name, form):
    mean, spread = mean_and_spread(scores, name)
    mean, spread = (getattr(v, "value", v) for v in (mean, spread))
    return "-" if not np.isfinite(mean) else f"{mean:{form}} ±{spread:{form}}"


def table(rows, head):
    """Plain text in columns, the first one to the left."""
    rows = [head, *rows]
    widths = [max(len(row[k]) for row in rows) for k in range(len(head))]
    for row in rows:
        line = "  ".join(c.ljust(w) if k == 0 else c.rjust(w) for k, (c, w) in enumerate(zip(row, widths, strict=True)))
        print(line.rstrip())
    print()


def joined(predictions_):
    """Predictions of several samples as one."""
    names = [f.name for f in fields(Prediction) if f.name != "classes"]
    return Prediction(CLASSES, **{k: np.concatenate([getattr(p, k) for p in predictions_]) for k in names})


def print_methods(scores, names):
    print("Classes: accuracy, balanced accuracy, share within one class, log loss, expected calibration error; F1")
    head = ("", "accuracy", "balanced", "within one", "log loss", "ECE", *(f"F1 {c}" for c in CLASSES))
    rows = []
    for name in names:
        s = scores[name]
        if np.isnan(s[0].accuracy):
            continue
        f1 = mean_and_spread(s, "f1")[0]
        parts = ("accuracy", "balanced_accuracy", "within_one_class", "log_loss", "ece")
        rows.append((name, *(plus_minus(s, k, ".3f") for k in parts), *(f"{v:.2f}" for v in f1)))
    table(rows, head)
    print("Radii: mean absolute error three times, standard deviation, robust scatter; coverage of the intervals")
    head = ("", "MAE [R_sun]", "MAE [dex]", "MAE [%]", "sigma [R_sun]", "robust [dex]", "68 %", "90 %", "answered")
    rows = []
    for name in names:
        s = scores[name]
        columns = (
            *(("mae", ".3f"), ("mae_dex", ".4f"), ("mae_percent", ".1f"), ("sigma", ".2f")),
            *(("robust_sigma_dex", ".4f"), ("coverage_68", ".3f"), ("coverage_90", ".3f")),
        )
        answered = mean_and_spread(s, "answered")[0]
        rows.append((name, *(plus_minus(s, k, form) for k, form in columns), f"{answered:.3f}"))
    table(rows, head)


def print_coverage(truth, prediction):
    print("Coverage of the network's radius intervals (all inputs), all seeds together; ± is what the number allows")
    radius, error = prediction.radius * u.solRad, prediction.radius_err * u.solRad
    groups = {"class": truth["label"], "parallax S/N": truth["bin"]}
    small = coverage(truth["radius"] * u.solRad, *one_sigma_interval(radius, error), groups=groups)
    ends = prediction.radius_lower * u.solRad, prediction.radius_upper * u.solRad
    large = coverage(truth["radius"] * u.solRad, *ends, groups=groups)
    order = ["all", *CLASSES, *PARALLAX_BINS]
    rows = []
    for k in sorted(range(len(small)), key=lambda k: order.index(small["group"][k])):
        name = small["group"][k] if small["by"][k] == "all" else f"{small['by'][k]} {small['group'][k]}"
        shares = (f"{t['coverage'][k]:.3f} ±{t['error'][k]:.3f}" for t in (small, large))
        rows.append((name, str(small["n"][k]), *shares))
    table(rows, ("", "stars", "68 %", "90 %"))


def log_error(truth, prediction):
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.abs(np.log10(prediction.radius / truth["radius"]))


def print_inputs(truth, found):
    print("What parallax and proper motion bring: mean absolute error of the radius in dex by parallax S/N")
    bins = [b for b in PARALLAX_BINS if (truth["bin"] == b).any()]
    errors = {i: log_error(truth, found[Methods.title(i)]) for i in INPUTS}
    rows = [(Methods.title(i), *(f"{np.nanmean(e[truth['bin'] == b]):.4f}" for b in bins)) for i, e in errors.items()]
    image, parallax = errors["image"], errors["image + parallax"]
    factors = [np.nanmean(image[truth["bin"] == b]) / np.nanmean(parallax[truth["bin"] == b]) for b in bins]
    rows.append(("factor that parallax brings", *(f"{f:.2f}" for f in factors)))
    table(rows, ("", *bins))
    high = np.isin(truth["bin"], ["10-30", "> 30"])
    factor = np.nanmean(image[high]) / np.nanmean(parallax[high])
    print(
        f"Where parallax S/N is above 10 ({high.sum()} stars), parallax brings a factor {factor:.2f} in radius error.\n"
    )


def print_pairs(truth, found):
    print("The network with all inputs against the others, on the same stars (paired bootstrap, two-sided p):")
    print("gain in accuracy, in balanced accuracy, and in mean absolute error of the radius in dex (of those answered)")
    best = found[Methods.title("all")]
    rows = []
    for name in (MLP, FOREST, STEFAN_BOLTZMANN, Methods.title("image")):
        other, cells = found[name], []
        right, wrong = (answered_class(p) == truth["label"] for p in (best, other))
        for groups in (None, truth["label"]):
            if np.isnan(other.probabilities).all():
                cells += ["-", "-"]
                continue
            result = paired_bootstrap(right, wrong, seed=1, groups=groups)
            cells += [f"{result.difference:+.4f} ±{result.error:.4f}", f"{result.p_value:.4f}"]
        result = paired_bootstrap(log_error(truth, other), log_error(truth, best), seed=1)
        cells += [f"{result.difference:+.4f} ±{result.error:.4f}", f"{result.p_value:.4f}"]
        rows.append((f"against {name}", *cells, str(result.n)))
    table(rows, ("", "accuracy", "p", "balanced", "p", "MAE [dex]", "p", "stars"))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_arguments(parser)
    parser.add_argument("--stars", type=int, default=3000, help="stars per seed (%(default)s)")
    parser.add_argument("--seeds", type=int, default=3, help="samples (%(default)s)")
    args = parser.parse_args()
    began = time.perf_counter()
    total = sum(REFERENCE_COUNTS.values())
    methods = Methods(args, class_prior={c: k / total for c, k in REFERENCE_COUNTS.items()})
    everything = [predictions(methods, FIRST_SEED + k, args.stars, args.work) for k in range(args.seeds)]
    scores = {
        name: [
            judge(found[name], label=sample["label"], radius=sample["radius_light"]) for sample, _, found in everything
        ]
        for name in methods.names
    }
    truth = {
        "label": np.concatenate([np.asarray(sample["label"]) for sample, _, _ in everything]),
        "radius": np.concatenate([sample["radius_light"].to_value(u.solRad) for sample, _, _ in everything]),
        "bin": np.concatenate([parallax_bin(g.parallax * u.mas, g.parallax_error * u.mas) for _, g, _ in everything]),
    }
    together = {name: joined([found[name] for _, _, found in everything]) for name in methods.names}
    print(
        f"stellarclass {stellarclass.__version__}, {datetime.now(UTC):%Y-%m-%d}, ensemble {methods.ensemble.name} "
        f"{methods.ensemble.sha256[:12]}; SIMULATED stars: {args.seeds} x {args.stars}, ± is the spread of the seeds;\n"
        f"the ensemble {methods.told} of the sample; stars that the baselines were trained on: {where_trained(args)}\n"
    )
    print_methods(scores, methods.names)
    print_inputs(truth, together)
    print_coverage(truth, together[Methods.title("all")])
    print_pairs(truth, together)
    print(f"{time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
