# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""``stellarclass simulate``: a simulated field on disk, or real fields beside their simulated twins."""

import shlex
from pathlib import Path

from .options import add_common, add_verb, not_negative, positive, show_progress

__all__ = ["add_parser", "run"]

_REPORT = Path("stellarclass-fidelity")


def add_parser(verbs):
    """Add the verb."""
    parser = add_verb(
        verbs,
        "simulate",
        run,
        summary="write a simulated field, or compare the simulation with real fields",
        description="Write a field of the simulated sky as a copy of the archives would lie on disk;\n"
        "or, with --compare, make a simulated twin of every real field in a folder,\n"
        "measure both in the same way, and let classifiers try to tell them apart.",
        example="stellarclass simulate --output sky --seed 7\n  stellarclass simulate --compare sas --report fidelity",
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("-o", "--output", type=Path, metavar="DIR", help="folder for a simulated field")
    what.add_argument("--compare", type=Path, metavar="DIR", help="folder with real SDSS frames, however deep they lie")
    parser.add_argument(
        "--seed", type=not_negative, default=1, metavar="N", help="another number, another sky (%(default)s)"
    )
    one = parser.add_argument_group("with --output")
    one.add_argument("--stars", type=positive, metavar="N", help="stars in the field (150)")
    one.add_argument("--center", metavar='"RA DEC"', help="middle of the field in degrees (by the seed)")
    two = parser.add_argument_group("with --compare")
    two.add_argument("--gaia", type=Path, metavar="TABLE", help="real Gaia rows, to compare their errors with")
    two.add_argument(
        "--permutations", type=not_negative, metavar="N", help="tests of the classifiers with nothing to find (2)"
    )
    two.add_argument("--report", type=Path, metavar="DIR", help=f"folder for the report ({_REPORT})")
    add_common(parser)


def run(args):
    """Carry the verb out and return the exit code."""
    _check(args)
    return _write(args) if args.output is not None else _compare(args)


def _check(args):
    from ..exceptions import InputError

    strangers = ("gaia", "permutations", "report") if args.output is not None else ("stars", "center")
    given = [name for name in strangers if getattr(args, name) is not None]
    if given:
        other = "--compare" if args.output is not None else "--output"
        raise InputError(f"--{given[0]} belongs to {other}")


def _write(args):
    from .. import simulate
    from . import EXIT_OK

    sky = simulate.field(seed=args.seed, n_stars=args.stars or 150, center=_center(args.center))
    sky.write(args.output)
    print(f"{len(sky.truth)} simulated stars, field {sky.contents.key}: {args.output}")
    positions, truth, gaia = (args.output / name for name in ("positions.csv", "truth.ecsv", "gaia.ecsv"))
    print(f"positions: {positions}, truth: {truth}, Gaia: {gaia}")
    paths = (shlex.quote(str(path)) for path in (positions, args.output, gaia))
    print("next: stellarclass classify {} --images {} --astrometry {} -o stars.vot".format(*paths))
    return EXIT_OK


def _center(text):
    from astropy import units as u
    from astropy.coordinates import SkyCoord

    from ..exceptions import InputError

    if text is None:
        return None
    try:
        ra, dec = (float(part) for part in text.replace(",", " ").split())
        return SkyCoord(ra * u.deg, dec * u.deg)
    except ValueError as err:
        raise InputError(f'--center {text!r} is not "RA DEC" in degrees: {err}') from err


def _compare(args):
    from .._progress import progress_bar
    from ..archives import LocalSAS
    from ..evaluation.fidelity import compare_field, pooled_verdict
    from ..evaluation.fidelity_gaia import compare_gaia
    from ..evaluation.fidelity_report import text_table, write_report
    from ..exceptions import InputError
    from ..tables import read_table
    from . import EXIT_OK, _complain

    _needs_sklearn()
    if not args.compare.is_dir():
        raise InputError(f"there is no folder {args.compare}")
    gaia = None if args.gaia is None else compare_gaia(read_table(args.gaia), seed=args.seed)
    permutations = 2 if args.permutations is None else args.permutations
    images = LocalSAS(args.compare)
    keys, results = images.keys(), []
    with progress_bar(len(keys), enabled=show_progress(args), desc="Twins", unit="field") as bar:
        for real in images.fields(keys, progress=False):
            for band, reason in real.errors.items():
                _complain(f"warning: {band} of field {real.key} is left out: {reason}")
            if real.frames:
                results.append(compare_field(real, seed=args.seed, permutations=permutations))
            bar.update()
    if not results:
        raise InputError(f"no frame in {args.compare} could be read")
    results.sort(key=lambda result: result.key)
    several = len(results) > 1
    pooled = pooled_verdict(results, seed=args.seed, permutations=permutations) if several else None
    paths = write_report(args.report or _REPORT, results, pooled=pooled, gaia=gaia, seed=args.seed)
    print("\n".join(text_table(results, pooled=pooled, gaia=gaia)))
    print(f"report: {paths[0]}, numbers: {paths[1]}")
    return EXIT_OK


def _needs_sklearn():
    import sklearn  # noqa: F401 - said before minutes of work, not after
