# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""``stellarclass evaluate``: how right an ensemble is about a reference set, beside what it has to beat."""

from pathlib import Path

from .options import add_common, add_verb, class_mix, not_negative, positive, show_progress

__all__ = ["add_parser", "run"]

_ANSWERS = "answers"


def add_parser(verbs):
    """Add the verb."""
    parser = add_verb(
        verbs,
        "evaluate",
        run,
        summary="judge an ensemble on a reference set: tables, pictures, a report",
        description="Judge an ensemble on the test stars of a reference set, beside its single members, itself\n"
        "with less to go by, baselines, and other ensembles, all with bootstrap intervals.\n"
        "Interrupted, the same command goes on where it stopped.",
        example="stellarclass evaluate default stars --output evaluation",
    )
    parser.add_argument("ensemble", metavar="ENSEMBLE", help="ensemble by name or folder")
    parser.add_argument("reference", type=Path, metavar="REFERENCE", help="folder of a reference set")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="folder for report and tables")
    parser.add_argument(
        "--beside",
        nargs="+",
        default=[],
        metavar="ENSEMBLE",
        help="other ensembles, on the same stars",
    )
    what = parser.add_argument_group("what is judged")
    what.add_argument("--rows", choices=("test", "train", "all"), default="test", help="which stars (%(default)s)")
    what.add_argument(
        "--label-column", default="spectral_class", metavar="NAME", help="column of the classes (%(default)s)"
    )
    what.add_argument(
        "--second-label",
        default="lamost_class",
        metavar="NAME",
        help="column of another survey's classes, if it is there (%(default)s)",
    )
    what.add_argument("--radius-column", default="radius", metavar="NAME", help="column of the radii (%(default)s)")
    what.add_argument("--no-members", action="store_true", help="leave single members out")
    what.add_argument("--no-baselines", action="store_true", help="leave baselines and withheld inputs out")
    how = parser.add_argument_group("how")
    how.add_argument(
        "--label-system", metavar="NAME", help="whose classes to answer (sdss where the ensemble speaks it)"
    )
    how.add_argument(
        "--class-prior",
        type=class_mix,
        metavar="MIX",
        help="mix of classes that ensembles are told: train for that of the training stars, A=0.1,F=0.3,..., or even",
    )
    how.add_argument("--device", metavar="DEVICE", help="torch device: cpu, cuda, ... (a GPU if there is one)")
    how.add_argument("--resamples", type=positive, default=1000, metavar="N", help="bootstrap draws (%(default)s)")
    how.add_argument("--seed", type=not_negative, default=1, metavar="N", help="of the bootstrap (%(default)s)")
    add_common(parser)


def run(args):
    """Carry the verb out and return the exit code."""
    from .._progress import progress_bar
    from ..evaluation.evaluate import evaluate
    from ..evaluation.report import text_table
    from ..reference.sets import ReferenceSet
    from . import EXIT_OK

    reference = ReferenceSet.read(args.reference)
    with progress_bar(1, enabled=show_progress(args), desc="Answers", unit="star") as bar:

        def progress(done, total):
            bar.total = total
            bar.update(done - bar.n)

        found = evaluate(
            args.ensemble,
            reference,
            rows=args.rows,
            label_column=args.label_column,
            second_label=args.second_label,
            radius_column=args.radius_column,
            label_system=args.label_system,
            beside=args.beside,
            members=not args.no_members,
            baselines=not args.no_baselines,
            class_prior=args.class_prior,
            resamples=args.resamples,
            seed=args.seed,
            work=args.output / _ANSWERS,
            device=args.device,
            progress=progress,
        )
    paths = found.write_report(args.output)
    print("\n".join(text_table(found)))
    print(f"\nreport: {paths[0]}, numbers: {paths[1]} and {len(paths) - 2} tables beside it")
    return EXIT_OK
