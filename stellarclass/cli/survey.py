# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""``stellarclass survey``: lists of any size, planned, run, watched, verified and finished."""

import argparse
from pathlib import Path

from .classify import add_sources
from .options import HelpText, add_common, add_network, add_verb, not_negative, positive, show_progress

__all__ = ["add_parser", "run"]

_UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


def add_parser(verbs):
    """Add the verb."""
    parser = add_verb(
        verbs,
        "survey",
        run,
        summary="classify lists of any size on many workers, each star exactly once",
        description="Classify a list of any size: plan it, run it on the cores of this machine or on a Dask cluster,\n"
        "and verify that each star of the list has exactly one row. Whatever is killed, the same run goes on.",
        example="stellarclass survey plan stars.parquet --output mine\n"
        "  stellarclass survey run mine --images sas --astrometry gaia.ecsv\n"
        "  stellarclass survey verify mine",
    )
    steps = parser.add_subparsers(title="steps", metavar="STEP", required=True)
    _add_plan(steps)
    _add_run(steps)
    _add_reader(steps, "status", _status, "progress, rate, time left, and failures by reason", "from the disk alone")
    _add_reader(steps, "verify", _verify, "prove that each star has exactly one row", "exit code 1 if not")
    finish = _add_reader(steps, "finish", _finish, "write a HATS catalog and one Parquet file", "in results/")
    finish.add_argument("--name", default="stellarclass", metavar="NAME", help="of the catalog (%(default)s)")


def run(args):
    """Carry the verb out and return the exit code."""
    return args.step(args)


def size(text):
    """Turn an option's text into a number of bytes.

    Parameters
    ----------
    text : str
        ``2GB``, ``500 MB``, ``1.5T``, or a number of bytes.

    Returns
    -------
    float

    Raises
    ------
    argparse.ArgumentTypeError
        If it is none.

    Examples
    --------
    >>> from stellarclass.cli.survey import size
    >>> size("2GB"), size("1.5 M")
    (2000000000.0, 1500000.0)
    """
    bare = text.strip().removesuffix("B").strip()
    unit = bare[-1:] if bare[-1:] in _UNITS else ""
    try:
        value = float(bare.removesuffix(unit)) * _UNITS[unit]
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a size such as 2GB or 500MB")
    return value


def _add_step(steps, name, function, summary, description, example):
    parser = steps.add_parser(
        name, help=summary, description=description, epilog=f"example:\n  {example}", formatter_class=HelpText
    )
    parser.set_defaults(step=function)
    return parser


def _add_reader(steps, name, function, summary, more):
    description = f"{summary[0].upper()}{summary[1:]}; {more}."
    parser = _add_step(steps, name, function, summary, description, f"stellarclass survey {name} mine")
    parser.add_argument("survey", type=Path, metavar="DIR", help="folder of the survey")
    _add_results(parser)
    add_common(parser)
    return parser


def _add_results(parser):
    parser.add_argument("--results", default="results", metavar="NAME", help="folder of answers (%(default)s)")


def _add_plan(steps):
    parser = _add_step(
        steps,
        "plan",
        _plan,
        "partition a list by field, and say what it will cost",
        "Partition a list of stars by SDSS field into units of work, and say what it will cost. Without a\n"
        "list, --stars and --fields tell the cost of such a survey.",
        "stellarclass survey plan stars.parquet --output mine\n"
        "  stellarclass survey plan --stars 50871534 --fields 938046",
    )
    parser.add_argument(
        "targets", nargs="?", metavar="LIST", help="a table, Parquet, or a HATS catalog; ADQL with --tap"
    )
    parser.add_argument("-o", "--output", type=Path, metavar="DIR", help="folder of the survey")
    parser.add_argument("--columns", nargs=2, metavar=("RA", "DEC"), help="position columns (default: found)")
    parser.add_argument("--tap", metavar="URL", help="TAP service that the query LIST goes to")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--field-list", type=Path, metavar="FILE", help="where fields lie: SDSS's window_flist.fits")
    where.add_argument("--images", type=Path, metavar="DIR", help="a copy of SDSS's archive tree that tells")
    where.add_argument("--skyserver", action="store_true", help="ask SkyServer about each position (short lists)")
    parser.add_argument("--fields-per-unit", type=positive, metavar="N", help="fields in a unit of work (16)")
    cost = parser.add_argument_group("cost")
    cost.add_argument("--stars", type=positive, metavar="N", help="stars of a survey that is only thought of")
    cost.add_argument("--fields", type=positive, metavar="N", help="its fields (default: as many stars each as DR17)")
    cost.add_argument("--cores", type=positive, default=16, metavar="N", help="cores of a machine (%(default)s)")
    cost.add_argument("--rates", type=Path, metavar="FILE", help="rates measured by benchmarks/survey_rates.py")
    add_common(parser)


def _add_run(steps):
    parser = _add_step(
        steps,
        "run",
        _run,
        "do what is planned and not done yet",
        "Do what is planned and not done yet. Interrupted or killed, the same command goes on.",
        "stellarclass survey run mine --images sas --astrometry gaia.ecsv",
    )
    parser.usage = "stellarclass survey run DIR [options]"  # argparse's own takes a quarter of the screen
    parser.add_argument("survey", type=Path, metavar="DIR", help="folder of the survey")
    _add_results(parser)
    who = parser.add_mutually_exclusive_group()
    who.add_argument("--workers", type=not_negative, metavar="N", help="processes (default: one a core); 0: no Dask")
    who.add_argument("--scheduler", metavar="ADDRESS", help="a dask.distributed scheduler, such as tcp://10.0.0.1:8786")
    parser.add_argument("--retry-failed", action="store_true", help="try again what has used up its tries")
    parser.add_argument("--tries", type=positive, metavar="N", help="of a unit in which an archive fails (8)")
    parser.add_argument(
        "--pause", type=not_negative, metavar="S", help="seconds until the second try (60); doubled after"
    )
    parser.add_argument("--keep-frames", action="store_true", help="leave downloaded frames in the cache")
    stamps = parser.add_argument_group("stamps")
    stamps.add_argument("--stamps-budget", type=size, metavar="SIZE", help="keep pixels within such a size, e.g. 2GB")
    stamps.add_argument(
        "--pixels", choices=("archive", "stamps", "both"), default="archive", help="from where (%(default)s)"
    )
    stamps.add_argument(
        "--pool", type=not_negative, metavar="N", help="stars of several fields at once in the networks"
    )
    add_sources(parser)
    add_network(parser)
    add_common(parser)


def _plan(args):
    from ..exceptions import InputError
    from ..survey.estimate import estimate_cost, load_rates
    from ..survey.plan import load_plan, plan_survey
    from ..survey.reading import TapQuery
    from . import EXIT_OK

    rates = load_rates(args.rates)
    if args.stars is not None:
        if args.targets is not None or args.output is not None:
            raise InputError("--stars is for a survey without a list: leave LIST and --output out")
        print(estimate_cost(args.stars, args.fields, rates=rates, cores=args.cores).text())
        return EXIT_OK
    if args.output is None or (args.targets is None and not (args.output / "plan.json").is_file()):
        raise InputError("a plan needs a LIST and --output DIR; or --stars N for its cost alone")
    if args.targets is None:
        plan, _ = load_plan(args.output)
    else:
        options = {"fields_per_unit": args.fields_per_unit} if args.fields_per_unit else {}
        source = TapQuery(args.tap, args.targets) if args.tap else Path(args.targets)
        coords = tuple(args.columns) if args.columns else None
        images = _images(args)
        plan = plan_survey(
            source,
            args.output,
            coords=coords,
            field_list=args.field_list,
            images=images,
            progress=show_progress(args),
            **options,
        )
    print(f"{plan.targets} stars, {plan.placed} of them in {plan.fields} fields, {plan.units} units of work")
    print(estimate_cost(plan.targets, plan.fields, rates=rates, cores=args.cores).text())
    return EXIT_OK


def _images(args):
    if args.images is not None:
        from ..archives import LocalSAS

        return LocalSAS(args.images)
    if args.skyserver:
        from ..archives import SDSS

        return SDSS()
    return None


def _run(args):
    from contextlib import ExitStack

    from astropy import units as u

    from .. import conf
    from ..survey.run import run_survey
    from ..survey.status import survey_status
    from . import EXIT_FAILED, EXIT_OK, EXIT_PARTIAL

    with ExitStack() as stack:
        if args.data_release is not None:
            stack.enter_context(conf.set_temp("sdss_data_release", args.data_release))
        options = {} if args.pause is None else {"pause": args.pause * u.s}
        if args.stamps_budget is not None:
            options["stamps_budget"] = args.stamps_budget * u.byte
        done = run_survey(
            args.survey,
            _settings(args),
            results=args.results,
            workers=args.workers,
            scheduler=args.scheduler,
            retry_failed=args.retry_failed,
            progress=show_progress(args),
            **options,
        )
    status = survey_status(args.survey, results=args.results)
    print(f"{done.units} units with {done.rows} stars in {done.seconds:.0f} s; {done.skipped} were done before")
    print(status.text())
    if done.undone_units:
        return EXIT_FAILED
    return EXIT_PARTIAL if status.units_failed else EXIT_OK


def _settings(args):
    from ..exceptions import InputError
    from ..survey.settings import RunSettings

    for option, path, there in (
        ("--images", args.images, Path.is_dir),
        ("--astrometry", args.astrometry, Path.is_file),
    ):
        if path is not None and not there(path):
            raise InputError(f"{option} {path}: there is no such {'folder' if there is Path.is_dir else 'file'}")
    if args.no_astrometry and args.zero_point is not None:
        raise InputError("--zero-point is about parallaxes, and --no-astrometry does without")
    given = {
        "images": None if args.images is None else str(args.images.absolute()),
        "astrometry": False if args.no_astrometry else args.astrometry and str(args.astrometry.absolute()),
    }
    names = ("ensemble", "label_system", "class_prior", "device", "batch_size", "zero_point", "tries", "pixels", "pool")
    given |= {name: getattr(args, name) for name in names if getattr(args, name) is not None}
    given["keep_frames"] = args.keep_frames
    return RunSettings(**given)


def _status(args):
    from ..survey.status import survey_status
    from . import EXIT_OK

    print(survey_status(args.survey, results=args.results).text())
    return EXIT_OK


def _verify(args):
    from ..survey.verify import verify_survey
    from . import EXIT_FAILED, EXIT_OK

    found = verify_survey(args.survey, results=args.results)
    print(found.text())
    return EXIT_OK if found.good else EXIT_FAILED


def _finish(args):
    from ..survey.catalog import finish_survey
    from . import EXIT_OK

    done = finish_survey(args.survey, results=args.results, name=args.name)
    print(f"{done.rows} rows in stars.parquet, {done.catalog_rows} in {done.partitions} partitions of the catalog")
    return EXIT_OK
