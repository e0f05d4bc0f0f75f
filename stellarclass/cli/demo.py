# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""``stellarclass demo``: a simulated field, classified from start to finish without a network."""

from pathlib import Path

from .options import add_common, add_network, add_verb, classifier_options, not_negative, positive, show_progress

__all__ = ["PICTURE_NAME", "TABLE_NAME", "add_parser", "run"]

TABLE_NAME = "stars.vot"
"""File name of the output table."""
PICTURE_NAME = "overview.png"
"""File name of the picture."""
_ROWS_SHOWN = 12


def add_parser(verbs):
    """Add the verb."""
    parser = add_verb(
        verbs,
        "demo",
        run,
        summary="classify the stars of a simulated field; no network needed",
        description="Make a field of stars as SDSS and Gaia would see it, classify them as if it were real,\n"
        f"and write the table ({TABLE_NAME}) and a picture ({PICTURE_NAME}).",
        example="stellarclass demo --output demo --seed 7",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        default=Path("stellarclass-demo"),
        metavar="DIR",
        help="folder for the files (%(default)s)",
    )
    parser.add_argument(
        "--seed", type=not_negative, default=1, metavar="N", help="another number, another sky (%(default)s)"
    )
    parser.add_argument("--stars", type=positive, default=150, metavar="N", help="stars in the field (%(default)s)")
    add_network(parser)
    add_common(parser)


def run(args):
    """Carry the verb out and return the exit code."""
    from time import perf_counter

    from .. import simulate
    from ..classifier import Classifier
    from ..shortcuts import classify
    from ..tables import write_table
    from . import EXIT_OK, EXIT_PARTIAL
    from .view import count_line, failed_archives, text_lines

    options = classifier_options(args)
    options["ensemble"] = Classifier(**options).ensemble  # what is wrong with an option shows before there is a folder
    args.output.mkdir(parents=True, exist_ok=True)
    sky = simulate.field(seed=args.seed, n_stars=args.stars)
    start = perf_counter()
    table = classify(
        sky.coords,
        images=sky.images,
        astrometry=sky.astrometry,
        progress=show_progress(args),
        **options,
    )
    seconds = perf_counter() - start

    votable, picture = args.output / TABLE_NAME, args.output / PICTURE_NAME
    write_table(table, votable, overwrite=True)
    _draw(sky, table, picture)

    stars = "star" if len(table) == 1 else "stars"
    print(f"Classified {len(table)} simulated {stars} in {seconds:.1f} s; table: {votable}, picture: {picture}")
    print()
    print("\n".join(text_lines(table, max_lines=_ROWS_SHOWN)))
    print()
    print(f"Classes: {count_line(table)}")
    print(_against_truth(table, sky.truth))
    return EXIT_PARTIAL if failed_archives(table) else EXIT_OK


def _draw(sky, table, path):
    from .. import __version__, plotting

    title = f"{len(table)} simulated stars, ensemble {table.meta['ensemble']}, classes as {table.meta['label_system']}"
    figure = plotting.plot_overview(table, sky.contents, truth=sky.truth["radius_light"], title=title)
    figure.savefig(path, dpi=110, metadata={"Software": f"stellarclass {__version__}"})


def _against_truth(table, truth):
    """One line that says how far the answers are from what was simulated."""
    import numpy as np
    from astropy import units as u

    from .view import column_values

    radius, error = column_values(table["radius"], u.solRad), column_values(table["radius_err"], u.solRad)
    true = u.Quantity(truth["radius_light"]).to_value(u.solRad)
    known = np.isfinite(radius) & np.isfinite(true)
    off = 100 * np.median(np.abs(radius / true - 1)[known])
    covered = 100 * np.mean((np.abs(radius - true) <= error)[known])
    within = f"within one standard error for {covered:.0f} % of {known.sum()}"
    return f"Truth: radius off by {off:.0f} % in the median, {within}"
