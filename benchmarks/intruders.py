# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What the default ensemble says of stars that lack something, and of things that are no A to M stars at all.

    python benchmarks/intruders.py [--stars 300] [--ensemble NAME] > docs/tables/intruders.txt

Each kind is rendered by the simulated sky and classified as a user would have it. Everything printed is simulated.
"""

import argparse
from datetime import UTC, datetime

import numpy as np
from astropy import units as u
from astropy.table import QTable, vstack
from sky import add_neighbors, stamps_of

import stellarclass
from stellarclass import Classifier, flags
from stellarclass.simulate import KINDS, draw_stars, label_probabilities, observe_astrometry
from stellarclass.stamps.base import MASK_MISSING

R_RANGE = (15.0, 19.5) * u.mag
# Name, kind and range of temperatures [K] (Pecaut & Mamajek: B0 has 31,400 K, B5 15,700 K, B9 10,700 K).
NO_STAR = (
    ("white dwarf", "white_dwarf", None),
    ("O star", "hot_star", (31_400, np.inf)),
    ("B0 to B5 star", "hot_star", (15_700, 31_400)),
    ("B5 to B9 star", "hot_star", (10_000, 15_700)),
    ("hot subdwarf", "hot_subdwarf", None),
    ("quasar", "quasar", None),
    ("galaxy", "galaxy", None),
)
NEIGHBOR_ARCSEC = (0.5, 1.0, 2.0)  # seeing is 1.3
# A low surface density of other stars: what stands beside the star is to be seen without them.
SPARSE = 1.0
SURE = 0.9
# Bits that describe what a star lacks or looks like; about the frame they say nothing.
UNTOLD = flags.UNKNOWN_PSF | flags.AMBIGUOUS_FIELD | flags.OFF_FRAME


def drop_bands(stamps, rng, count):
    """Take bands away, drawn anew for each star, and say so as cutting from a field without these frames does."""
    stamps.flags[:] |= flags.MISSING_BAND
    for row in range(len(stamps)):
        for band in rng.choice(5, count, replace=False):
            stamps.images[row, band] = 0
            stamps.masks[row, band] = MASK_MISSING
            stamps.sky_sigma[row, band] = stamps.flux_per_electron[row, band] = np.nan
            stamps.psf[row, band] = np.nan


def intruders_of(kind, n, rng, *, teff=None):
    """So many intruders of one kind (in a range of temperatures) that Gaia and SDSS both see."""
    found = []
    while sum(map(len, found)) < n:
        drawn = draw_stars(8 * n, seed=rng, r_range=R_RANGE, intruders=1.0)
        drawn = drawn[np.asarray(drawn["kind"]) == KINDS.index(kind)]
        if teff is not None:
            drawn = drawn[(drawn["teff"].value >= teff[0]) & (drawn["teff"].value < teff[1])]
        found.append(drawn)
    return vstack(found, metadata_conflicts="silent")[:n]


def cases(n, seed):
    """Yield (name, stars, stamps, Gaia's table) of every kind."""
    rng = np.random.default_rng(seed)
    stars = draw_stars(8 * n, seed=rng, r_range=R_RANGE)
    single = np.asarray(stars["mass_ratio"]) == 0
    gaia = observe_astrometry(stars, seed=rng, mismatched=0.0)
    good = single & np.isfinite(gaia["parallax"].value) & (np.asarray(gaia["ruwe"]) < 1.4)
    clean, clean_gaia = stars[good][:n], gaia[good][:n]

    def stamps():
        return stamps_of(clean, seed=[seed, 1], neighbor_density=SPARSE)  # the same pixels each time

    yield "clean single star", clean, stamps(), clean_gaia
    field = stars[:n]
    yield "any star of a field", field, stamps_of(field, seed=rng), gaia[:n]
    pairs = stars[~single][:n]
    yield "unresolved binary", pairs, stamps_of(pairs, seed=rng, neighbor_density=SPARSE), gaia[~single][:n]
    nothing = clean_gaia.copy()
    for name in nothing.colnames:
        nothing[name] = np.full(n, np.nan) * (nothing[name].unit or u.dimensionless_unscaled)
    yield "no Gaia match", clean, stamps(), nothing
    for count, name in ((2, "two bands missing"), (4, "one band only")):
        fewer = stamps()
        drop_bands(fewer, np.random.default_rng([seed, count]), count)
        yield name, clean, fewer, clean_gaia
    for arcsec in NEIGHBOR_ARCSEC:
        blend = stamps()
        add_neighbors(blend, clean, arcsec=arcsec, seed=[seed, 9])
        yield f'twin at {arcsec:g}"', clean, blend, clean_gaia
    for name, kind, teff in NO_STAR:
        others = intruders_of(kind, n, rng, teff=teff)
        seen = observe_astrometry(others, seed=rng)
        yield name, others, stamps_of(others, seed=rng, neighbor_density=SPARSE), seen


def true_labels(stars, rng):
    """A class for each star, drawn from what SDSS's pipeline would call its colors."""
    magnitudes = np.stack([stars[b].to_value(u.mag) for b in "ugriz"], axis=1)
    p = label_probabilities(magnitudes[:, :-1] - magnitudes[:, 1:], label_system="sdss")
    return np.array(list("AFGKM"))[(rng.random((len(p), 1)) > np.cumsum(p, 1)).sum(1).clip(0, 4)]


def describe(table, stars, *, is_star, rng):
    """Figures of one kind, as a dict."""
    bits = np.asarray(table["flags"]) & ~UNTOLD
    p = np.stack([np.ma.filled(np.ma.asarray(table[f"prob_{c}"]).astype(float), np.nan) for c in "afgkm"], axis=1)
    answered = np.isfinite(p).all(1)
    top = p[answered].max(1)
    entropy = -(p[answered] * np.log(p[answered].clip(1e-12))).sum(1) / np.log(5)
    relative = (table["radius_err"] / table["radius"]).filled(np.nan).value
    answer = np.asarray(table["spectral_class"].filled("?")).astype(str)
    wrong = answer != true_labels(stars, rng) if is_star else np.ones(len(table), bool)
    ends = (table[name].filled(np.nan).to_value(u.solRad) for name in ("radius_lower", "radius_upper"))
    lower, upper, radius = (*ends, stars["radius_light"].to_value(u.solRad))
    known = np.isfinite(radius) & np.isfinite(lower)
    names = {b.name: float((bits & b.value > 0).mean()) for b in flags.FLAGS}
    common = sorted((n for n in names if names[n] >= 0.05), key=lambda n: -names[n])[:3]
    unflagged = bits[answered] == 0
    return {
        "n": len(table),
        "flagged": (bits != 0).mean(),
        "no answer": 1 - answered.mean(),
        "flags": ", ".join(f"{n} {names[n]:.2f}" for n in common),
        "err": np.nanmedian(relative) if np.isfinite(relative).any() else np.nan,
        "inside": ((lower < radius) & (radius < upper))[known].mean() if known.any() else np.nan,
        "top": np.median(top) if len(top) else np.nan,
        "entropy": entropy.mean() if len(top) else np.nan,
        "sure": ((top > SURE) & unflagged & wrong[answered]).sum() / len(table),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ensemble", default=None, help="name or folder (default: the default ensemble)")
    parser.add_argument("--stars", type=int, default=300, help="of each kind (%(default)s)")
    parser.add_argument("--seed", type=int, default=881_001, help="of the sky (%(default)s)")
    args = parser.parse_args()
    classifier = Classifier(args.ensemble, label_system="sdss")
    print(
        f"stellarclass {stellarclass.__version__}, {datetime.now(UTC):%Y-%m-%d}, ensemble {classifier.ensemble.name} "
        f"{classifier.ensemble.sha256[:12]}; SIMULATED, {args.stars} of each kind, r = "
        f"{R_RANGE[0].value:g} to {R_RANGE[1].value:g}\n"
    )
    head = (
        "",
        "flagged",
        "no answer",
        "err/R",
        "x clean",
        "in 90 %",
        "top prob",
        "entropy",
        "sure, wrong",
        "flags (share)",
    )
    rows, base = [], None
    for name, stars, stamps, gaia in cases(args.stars, args.seed):
        table = classifier.classify_stamps(stamps, astrometry=QTable(gaia))
        is_star = name not in [k[0] for k in NO_STAR]
        found = describe(table, stars, is_star=is_star, rng=np.random.default_rng(args.seed))
        base = found["err"] if base is None else base
        rows.append((
            name,
            *(f"{found[k]:.2f}" for k in ("flagged", "no answer", "err")),
            f"{found['err'] / base:.1f}",
            *(f"{found[k]:.2f}" for k in ("inside", "top", "entropy")),
            f"{found['sure']:.3f}",
            found["flags"] or "-",
        ))  # fmt: skip
    rows.insert(0, head)
    widths = [max(len(row[k]) for row in rows) for k in range(len(head))]
    for row in rows:
        cells = [
            c.ljust(w) if k in (0, len(head) - 1) else c.rjust(w)
            for k, (c, w) in enumerate(zip(row, widths, strict=True))
        ]
        print("  ".join(cells).rstrip())
    print(
        "\nflagged: any bit of `flags`; err/R: median radius_err / radius; x clean: over that of clean single stars;\n"
        "in 90 %: share of true radii within the interval at 90 % (of those that have a radius);\n"
        "entropy: mean, 1 is no idea; sure, wrong: share without a flag whose wrong class has a probability above "
        f"{SURE:g}\n(for what is no A to M star every class is wrong)"
    )


if __name__ == "__main__":
    main()
