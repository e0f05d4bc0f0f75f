# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""``stellarclass samp``: TOPCAT sends a table, and gets it back with classes and radii."""

import logging
import signal
import threading
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from .classify import add_sources, source_options
from .options import add_common, add_network, add_verb, classifier_options, positive

__all__ = ["add_parser", "run"]


def add_parser(verbs):
    """Add the verb."""
    parser = add_verb(
        verbs,
        "samp",
        run,
        summary="classify the tables that TOPCAT sends, and send them back",
        description="Stay connected to TOPCAT, Aladin and others by SAMP. A table that one of them sends is\n"
        "classified and goes back with our columns behind its own; a row that is clicked shows the\n"
        "star's images. Waits for a hub if there is none, or it goes. Ends on Ctrl-C.",
        example="stellarclass samp --images sas --astrometry gaia.ecsv",
    )
    parser.add_argument("--name", default="stellarclass", metavar="NAME", help="what TOPCAT calls us")
    parser.add_argument("--pictures", type=Path, metavar="DIR", help="keep the pictures of stars here")
    parser.add_argument("--show", action="store_true", help="open them in the desktop's viewer")
    parser.add_argument("--max-rows", type=positive, metavar="N", help="largest table accepted (default: 100000)")
    parser.add_argument("--max-megabytes", type=positive, metavar="N", help="largest file accepted (default: 200)")
    add_sources(parser)
    add_network(parser)
    add_common(parser)


def run(args):
    """Carry the verb out and return the exit code."""
    from .. import conf
    from ..classifier import Classifier
    from ..exceptions import InputError
    from ..vo import Listener
    from . import EXIT_OK

    if args.pictures is not None and not args.pictures.is_dir():
        raise InputError(f"--pictures {args.pictures}: there is no such folder")
    limits = {}
    if args.max_rows is not None:
        limits["max_rows"] = args.max_rows
    if args.max_megabytes is not None:
        limits["max_bytes"] = args.max_megabytes * 1_000_000
    options = classifier_options(args) | source_options(args)
    with ExitStack() as stack:
        if args.data_release is not None:
            stack.enter_context(conf.set_temp("sdss_data_release", args.data_release))
        stack.enter_context(_log(quiet=args.quiet))
        stack.enter_context(_ends_when_asked())
        classifier = Classifier(**options)
        listener = Listener(classifier, name=args.name, pictures=args.pictures, show=args.show, **limits)
        # To be interrupted is how it ends.
        with suppress(KeyboardInterrupt), listener:
            listener.wait()
    return EXIT_OK


@contextmanager
def _log(*, quiet):
    """While it lasts, what the listener does goes to standard error with the time."""
    logger = logging.getLogger("stellarclass.samp")
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    level, propagate = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.WARNING if quiet else logging.INFO)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        logger.propagate = propagate


@contextmanager
def _ends_when_asked():
    """While it lasts, a request of the system's to end (SIGTERM) leaves the hub as Ctrl-C does."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
