# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""``stellarclass train``: an ensemble from a configuration, the paper's or the default one's."""

import sys
from pathlib import Path

from .options import add_common, add_verb, positive, show_progress

__all__ = ["add_parser", "run"]


def add_parser(verbs):
    """Add the verb."""
    parser = add_verb(
        verbs,
        "train",
        run,
        summary="train an ensemble: the paper's, the default one, or your own",
        description="Train all members of an ensemble, calibrate it on stars kept back, and write it to a folder.\n"
        "Interrupted, the same command goes on where it stopped.",
        example="stellarclass train mescr-small --reference stars --output my-mescr",
    )
    parser.add_argument(
        "config", metavar="CONFIG", help="mescr (the paper's), mescr-small, default, or the path of a TOML file"
    )
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="folder of the ensemble")
    parser.add_argument(
        "--reference", type=Path, metavar="DIR", help="reference set to learn from; its test stars are left alone"
    )
    parser.add_argument("--work", type=Path, metavar="DIR", help="checkpoints and logs (OUTPUT.work)")
    parser.add_argument("--device", metavar="DEVICE", help="torch device (default: a GPU if there is one)")
    only = parser.add_argument_group("with configurations of kind 'default'")
    only.add_argument(
        "--labels", nargs="+", default=[], metavar="SYSTEM=TABLE", help="tables with u, g, r, i, z and label"
    )
    only.add_argument("--processes", type=positive, metavar="N", help="worker processes that draw stars (1)")
    add_common(parser)


def run(args):
    """Carry the verb out and return the exit code."""
    from ..nets import save_ensemble
    from ..training.config import MescrConfig
    from ..training.configfile import read_config
    from ..training.loop import write_losses
    from . import EXIT_OK

    config = read_config(args.config)
    of_the_paper = isinstance(config, MescrConfig)
    _check(args, of_the_paper)
    ensemble, losses = (_train_mescr if of_the_paper else _train_default)(config, args)
    # The default ensemble is small because its weights are stored in half precision; the paper's are kept as they are.
    save_ensemble(ensemble, args.output, half=not of_the_paper)
    write_losses(losses, args.output / "losses.ecsv")
    print(f"{ensemble.name}: {len(ensemble.members)} members, {args.output}")
    return EXIT_OK


def _check(args, of_the_paper):
    from ..exceptions import InputError

    if of_the_paper and args.reference is None:
        raise InputError(
            f"configuration {args.config!r} learns from a reference set: give --reference DIR, as `stellarclass "
            "reference` makes one"
        )
    strangers = [name for name in ("labels", "processes") if getattr(args, name)]
    if of_the_paper and strangers:
        raise InputError(f"--{strangers[0]} belongs to configurations of kind 'default'")


def _train_mescr(config, args):
    from ..reference import ReferenceSet
    from ..training.loop import find_device
    from ..training.mescr import train_mescr

    reference = ReferenceSet.read(args.reference)
    epochs = config.training.epochs * len(config.sampling.members)
    with _Reporter(args, epochs) as report:
        return train_mescr(
            config,
            reference,
            folder=_work(args),
            device=find_device(args.device),
            log=report.log,
            progress=report.progress,
            command=f"stellarclass train {_shown(args.config)} --reference DIR --output DIR",
        )


def _train_default(config, args):
    from ..reference import ReferenceSet
    from ..training.default import parse_labels, teach_reference, train_default
    from ..training.loop import find_device

    labels = [parse_labels(text) for text in args.labels]
    reference = None if args.reference is None else ReferenceSet.read(args.reference)
    names = [text.partition("=")[0] for text in args.labels]
    taught = " --labels " + " ".join(f"{name}=TABLE" for name in names) if names else ""
    command = f"stellarclass train {_shown(args.config)} --output DIR{taught}"
    with _Reporter(args, config.training.epochs * config.members) as report:
        ensemble, losses = train_default(
            config,
            work=_work(args),
            labels=labels,
            processes=args.processes or 1,
            device=find_device(args.device),
            log=report.log,
            progress=report.progress,
            command=command + (" --reference DIR" if reference is not None else ""),
        )
        if reference is not None:
            ensemble = teach_reference(ensemble, reference, log=report.log)
    return ensemble, losses


def _shown(config):
    """The configuration as a card may name it: a name, or that there was a file, but not where on this disk."""
    return config if "/" not in config and "\\" not in config and not config.endswith(".toml") else "CONFIG"


def _work(args):
    return args.work or args.output.with_name(args.output.name + ".work")


class _Reporter:
    """A bar on a terminal; else a line per epoch; nothing when quiet."""

    def __init__(self, args, epochs):
        from .._progress import progress_bar

        self.quiet = args.quiet
        self.bar = progress_bar(epochs, enabled=show_progress(args), desc="Training", unit="epoch")

    def __enter__(self):
        self.bar.__enter__()
        return self

    def __exit__(self, *exc):
        self.bar.__exit__(*exc)

    def progress(self, done):
        self.bar.update(done - self.bar.n)

    def log(self, line):
        if not self.quiet and self.bar.disable:
            print(line, file=sys.stderr, flush=True)
