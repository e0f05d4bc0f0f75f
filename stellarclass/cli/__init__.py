# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The command ``stellarclass``: one thin command a verb, each in its own module.

A verb's module has ``add_parser(verbs)``, which adds it to what `argparse.ArgumentParser.add_subparsers` returned, and
``run(args)``, which takes the parsed arguments, carries the verb out and returns the exit code.

Results go to standard output, everything else to standard error. Exit codes:

====  =================================================================================================
code  meaning
====  =================================================================================================
0     done
1     an archive, the ensemble or the disk failed: there is no result
2     the command line or the input was not understood
3     the table is complete, but an archive failed for some of its stars (flags ``image_failure`` and
      ``astrometry_failure``): run again later
130   interrupted from the keyboard
====  =================================================================================================
"""

import argparse
import os
import sys
from importlib import import_module

__all__ = ["EXIT_FAILED", "EXIT_INTERRUPTED", "EXIT_OK", "EXIT_PARTIAL", "EXIT_USAGE", "build_parser", "main"]

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_PARTIAL = 3
EXIT_INTERRUPTED = 130

_VERBS = (  # in the order of the help text
    "demo",
    "classify",
    "ensembles",
    "evaluate",
    "footprint",
    "publish",
    "reference",
    "samp",
    "simulate",
    "spectrum",
    "study",
    "survey",
    "train",
)

_DESCRIPTION = "Spectral classes and stellar radii, with uncertainties, from SDSS images and Gaia astrometry."
_EPILOG = """\
examples:
  stellarclass demo                             simulated; no network
  stellarclass classify stars.csv -o stars.vot  a list of positions
  stellarclass classify "323.34 -0.73"          one, in degrees

exit codes: 0 done; 1 archive, ensemble or disk failed; 2 input not understood;
3 complete, but an archive failed for some stars (run again); 130 interrupted
"""


def build_parser():
    """Build the parser of the whole command line.

    Returns
    -------
    `argparse.ArgumentParser`
        Its ``run`` default, set by the verb, takes the parsed arguments and returns the exit code.
    """
    from .. import __version__
    from .options import HelpText

    parser = argparse.ArgumentParser(
        prog="stellarclass",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=HelpText,
    )
    parser.add_argument("--version", action="version", version=f"stellarclass {__version__}")
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    for verb in _VERBS:
        import_module(f".{verb}", __name__).add_parser(verbs)
    return parser


def main(argv=None):
    """Run the command line.

    Parameters
    ----------
    argv : list of str, optional
        Arguments after the program's name; those of the process if not given.

    Returns
    -------
    int
        Exit code, see the module's own docstring.
    """
    args = build_parser().parse_args(argv)
    try:
        code = _run(args)
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        _complain("interrupted")
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader (`head`, say) has seen enough. Python must not try to flush again as it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILED


def _run(args):
    if args.debug:
        return args.run(args)
    try:
        with _PlainWarnings(quiet=args.quiet):
            return args.run(args)
    except (KeyboardInterrupt, BrokenPipeError):
        raise
    except Exception as err:
        from ..exceptions import InputError, StellarclassError

        if isinstance(err, (StellarclassError, OSError)):
            _complain(f"error: {_one_line(err)}")
            return EXIT_USAGE if isinstance(err, InputError) else EXIT_FAILED
        if isinstance(err, ModuleNotFoundError):
            # Some packages raise it themselves, in words and without the name.
            hint = (
                f"this needs the package {err.name}: python -m pip install {err.name}" if err.name else _one_line(err)
            )
            _complain(f"error: {hint}")
            return EXIT_FAILED
        _complain(f"error: {type(err).__name__}: {_one_line(err)} (unexpected; --debug shows where)")
        return EXIT_FAILED


def _one_line(err):
    return " ".join(str(err).split()) or type(err).__name__


def _complain(text):
    print(f"stellarclass: {text}", file=sys.stderr)


class _PlainWarnings:
    """Show warnings and log messages as one line each, without file names; not at all when quiet."""

    def __init__(self, *, quiet):
        self.quiet = quiet

    def __enter__(self):
        import logging
        import warnings

        # Replaces warnings.showwarning as it is imported, so it comes first. astroquery would do so again.
        from astropy.logger import conf as astropy_log

        self._astropy_log = astropy_log.set_temp("log_warnings", False)
        self._astropy_log.__enter__()
        self._catch = warnings.catch_warnings()
        self._catch.__enter__()
        warnings.showwarning = self._show
        if self.quiet:
            warnings.simplefilter("ignore")
        self._logger = logging.getLogger("stellarclass")
        self._handler = logging.StreamHandler()
        self._handler.setFormatter(logging.Formatter("stellarclass: %(message)s"))
        self._handler.setLevel(logging.ERROR if self.quiet else logging.WARNING)
        self._logger.addHandler(self._handler)
        self._propagate, self._logger.propagate = self._logger.propagate, False

    def __exit__(self, *exc):
        self._logger.removeHandler(self._handler)
        self._logger.propagate = self._propagate
        self._catch.__exit__(*exc)
        self._astropy_log.__exit__(*exc)

    @staticmethod
    def _show(message, category, filename, lineno, file=None, line=None):
        _complain(f"warning: {_one_line(message)}")
