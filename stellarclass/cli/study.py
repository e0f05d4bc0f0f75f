# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""``stellarclass study``: what inputs, bands and resolution are worth, with several seeds each."""

from pathlib import Path

from .options import add_common, add_verb, positive, show_progress

__all__ = ["add_parser", "run"]


def add_parser(verbs):
    """Add the verb."""
    parser = add_verb(
        verbs,
        "study",
        run,
        summary="train variants of an ensemble and compare them",
        description="Train an ensemble again and again with one thing changed, several seeds each, and compare what\n"
        "the variants answer for the test stars. Interrupted, the same command goes on where it stopped.",
        example="stellarclass study inputs --reference stars --output inputs --processes 2",
    )
    parser.add_argument(
        "study",
        choices=("inputs", "bands", "resolution"),
        help="image, parallax, proper motion, Teff; 26 band combinations; sides of 8 to 224 pixels",
    )
    parser.add_argument("--reference", type=Path, required=True, metavar="DIR", help="reference set")
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="DIR", help="folder of the results and the cells"
    )
    parser.add_argument("--config", default="mescr-study", help="mescr, mescr-study, or a TOML file (%(default)s)")
    parser.add_argument("--seeds", type=positive, default=3, metavar="N", help="trainings of a variant (%(default)s)")
    parser.add_argument("--variants", nargs="+", metavar="NAME", help="some of the study's variants (all)")
    parser.add_argument("--members", nargs="+", metavar="NAME", help="networks a cell: Base A F G K M (the paper's)")
    parser.add_argument("--processes", type=positive, default=1, metavar="N", help="cells at a time (%(default)s)")
    parser.add_argument("--device", metavar="DEVICE", help="torch device (default: a GPU if there is one)")
    add_common(parser)


def run(args):
    """Carry the verb out and return the exit code."""
    from .._progress import progress_bar
    from ..evaluation.studies import run_study
    from ..exceptions import InputError
    from ..reference.sets import ReferenceSet
    from ..training.config import MescrConfig
    from ..training.configfile import read_config
    from ..training.loop import find_device
    from ..training.study import default_variants
    from . import EXIT_OK

    config = read_config(args.config)
    if not isinstance(config, MescrConfig):
        raise InputError(f"configuration {args.config!r} is not of kind 'mescr', which alone has variants to study")
    variants = args.variants or default_variants(args.study, ReferenceSet.read(args.reference))
    with progress_bar(len(variants) * args.seeds, enabled=show_progress(args), desc="Training", unit="cell") as bar:
        study = run_study(
            args.study,
            config,
            args.reference,
            folder=args.output / "cells",
            seeds=args.seeds,
            variants=variants,
            members=args.members,
            processes=args.processes,
            device=str(find_device(args.device)),
            progress=lambda done: bar.update(done - bar.n),
        )
    study.write(args.output)
    print(study.text(), end="")
    return EXIT_OK
