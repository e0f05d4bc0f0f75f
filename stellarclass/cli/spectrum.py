# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""``stellarclass spectrum``: SDSS spectra in, classes by template matching out."""

import re
from pathlib import Path

from .options import add_common, add_verb, show_progress

__all__ = ["add_parser", "run"]

_KEY = re.compile(r"(\d{1,5})-(\d{5})-(\d{1,4})", re.ASCII)
_SHOWN = (
    "spectrum", "verdict", "subclass", "alternatives", "quality", "radial_velocity", "runner_up", "snr",
    "sdss_class", "sdss_subclass", "reason",
)  # fmt: skip


def add_parser(verbs):
    """Add the verb."""
    parser = add_verb(
        verbs,
        "spectrum",
        run,
        summary="classify SDSS spectra by template matching",
        description="Classify SDSS spectra by template matching: subclass, quality and radial velocity, or that it is\n"
        "no star.",
        example="stellarclass spectrum spec-2942-54521-0124.fits 618-52049-372 --plot first.png",
    )
    parser.add_argument(
        "spectra", nargs="+", metavar="SPECTRUM", help="file spec-*.fits, or PLATE-MJD-FIBER to fetch from the archive"
    )
    parser.add_argument(
        "--templates", metavar="PATH", help="FITS file of templates, or folder of spec-*.fits (default: the package's)"
    )
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="write the whole table: FITS, ECSV or CSV")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing output file")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="picture of the first spectrum and its template")
    add_common(parser)


def run(args):
    """Carry the verb out and return the exit code."""
    from ..exceptions import ArchiveError, InputError
    from ..spectroscopy import Templates, classify_spectra, default_templates
    from . import EXIT_FAILED, EXIT_OK, EXIT_PARTIAL

    if args.output is not None:
        if args.output.suffix not in (".fits", ".ecsv", ".csv"):
            raise InputError(f"--output {args.output}: the name must end in .fits, .ecsv or .csv")
        if args.output.exists() and not args.overwrite:
            raise InputError(f"{args.output} exists; --overwrite replaces it")
    templates = default_templates() if args.templates is None else Templates.read(args.templates)
    first = []

    def spectra():
        for text in args.spectra:
            spectrum = _spectrum(text)
            if not first:
                first.append(spectrum)
            yield spectrum

    table = classify_spectra(_Counted(spectra(), len(args.spectra)), templates, progress=show_progress(args))
    table.add_column(args.spectra, name="spectrum", index=0)
    table.meta["templates"] = templates.name
    shown = table[[name for name in _SHOWN if not all(getattr(table[name], "mask", [False]))]]
    for name in ("quality", "radial_velocity", "snr"):
        if name in shown.colnames:
            shown[name].info.format = ".2f" if name == "quality" else ".0f"
    print("\n".join(line.rstrip() for line in shown.pformat(max_lines=-1, max_width=-1, align="<")))
    if args.output is not None:
        table.write(args.output, overwrite=args.overwrite)
    if args.plot is not None and not isinstance(first[0], ArchiveError):
        _draw(first[0], templates, args.plot)
    failed = int((table["verdict"] == "failed").sum())
    return EXIT_FAILED if failed == len(table) else EXIT_PARTIAL if failed else EXIT_OK


class _Counted:
    """An iterator that knows its length, for the progress bar."""

    def __init__(self, iterator, length):
        self._iterator, self._length = iterator, length

    def __iter__(self):
        return self._iterator

    def __len__(self):
        return self._length


def _spectrum(text):
    """The spectrum that an argument names, or the error that came instead."""
    from ..archives import SDSSSpectra, read_spectrum
    from ..exceptions import ArchiveError

    try:
        match = _KEY.fullmatch(text)
        if match and not Path(text).exists():
            return SDSSSpectra().spectrum(tuple(int(number) for number in match.groups()))
        return read_spectrum(Path(text))
    except ArchiveError as err:
        return err


def _draw(spectrum, templates, path):
    from .. import __version__
    from ..plotting.spectra import spectrum_figure
    from ..spectroscopy import classify_spectrum

    figure = spectrum_figure(spectrum, classify_spectrum(spectrum, templates))
    figure.savefig(
        path, dpi=110, metadata={"Software": f"stellarclass {__version__}"} if path.suffix == ".png" else None
    )
