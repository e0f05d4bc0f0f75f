# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""``stellarclass classify``: a file or positions in, the output table out."""

import shutil
import sys
from contextlib import ExitStack
from pathlib import Path

from .options import ZERO_POINTS, add_common, add_network, add_verb, classifier_options, positive, show_progress

__all__ = ["FORMATS", "add_parser", "add_sources", "parse_positions", "read_targets", "run", "source_options"]

FORMATS = ("votable", "fits", "ecsv", "parquet", "csv")
"""Formats of a file: those of `stellarclass.tables`, which keep everything, and CSV, which keeps the values."""

# Packages that a plain installation lacks.
_WRITERS = {"parquet": ("pyarrow",)}
_READERS = {"parquet": ("pyarrow", "pandas")}

_TEXT_FORMATS = {"csv": "ascii.csv", "ascii": "ascii"}  # formats that astropy itself reads


def add_parser(verbs):
    """Add the verb."""
    parser = add_verb(
        verbs,
        "classify",
        run,
        summary="classify the stars of a file, or at positions",
        description="Classify the stars of a table (VOTable, FITS, ECSV, CSV, Parquet), or at positions given\n"
        'in place of it: "RA DEC", in degrees or as "21:33:27.0 -00:49:24" (hours and degrees), ICRS.\n'
        "Pixels come from SDSS and astrometry from Gaia, over the network, unless you say otherwise.",
        example="stellarclass classify stars.csv --images sas --astrometry gaia.ecsv -o classes.vot",
    )
    parser.add_argument(
        "targets", nargs="+", metavar="FILE | RA DEC", help='a table ("-": standard input), or positions'
    )
    parser.add_argument("-o", "--output", type=Path, metavar="OUT", help="write the table here; its ending says how")
    parser.add_argument(
        "--format",
        choices=FORMATS,
        metavar="FORMAT",
        help=f"{', '.join(FORMATS)}; of standard output if there is no OUT",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace OUT if it is there")
    parser.add_argument(
        "--input-format", choices=[*FORMATS, "ascii"], metavar="FORMAT", help="of FILE (default: by its ending)"
    )
    parser.add_argument(
        "--columns",
        nargs=2,
        metavar=("RA", "DEC"),
        help="position columns of FILE, in degrees if they have no unit (default: found)",
    )
    add_sources(parser)
    add_network(parser)
    add_common(parser)


def add_sources(parser):
    """Add the options that say where pixels and astrometry come from.

    Parameters
    ----------
    parser : `argparse.ArgumentParser`
        The verb's.
    """
    where = parser.add_argument_group("where from")
    where.add_argument("--images", type=Path, metavar="DIR", help="a copy of SDSS's archive tree, not the network")
    gaia = where.add_mutually_exclusive_group()
    gaia.add_argument("--astrometry", type=Path, metavar="FILE", help="a table of Gaia sources, not the network")
    gaia.add_argument("--no-astrometry", action="store_true", help="images alone")
    where.add_argument(
        "--zero-point",
        choices=ZERO_POINTS,
        metavar="NAME",
        help="taken off parallaxes: lindegren (default), global, none (default of FILE)",
    )
    where.add_argument(
        "--footprint", type=Path, metavar="MOC", help="sky that SDSS imaged; nobody is asked for stars off it"
    )
    where.add_argument("--data-release", type=positive, metavar="N", help="SDSS data release (default: 17)")


def run(args):
    """Carry the verb out and return the exit code."""
    from .. import conf
    from ..combine import combine
    from ..exceptions import InputError
    from . import EXIT_OK, EXIT_PARTIAL
    from .view import count_line, failed_archives, text_lines

    # What can be wrong with the command line is found before the work, not after it.
    if args.output is not None:
        if args.output.exists() and not args.overwrite:
            raise InputError(f"{args.output} exists; --overwrite replaces it")
        if not args.output.parent.is_dir():
            raise InputError(f"there is no folder {args.output.parent} to write {args.output.name} into")
        output_format = args.format or _format_of(args.output, "--format")
        _need(_WRITERS.get(output_format, ()))
    elif args.format in ("fits", "parquet") and sys.stdout.isatty():
        raise InputError(f"{args.format} is not for a terminal; name a file with -o")
    else:
        _need(_WRITERS.get(args.format, ()))
    targets, is_table = read_targets(args.targets, input_format=args.input_format)
    if args.columns and not is_table:
        raise InputError("--columns is for a FILE; positions have no columns")
    options = classifier_options(args) | source_options(args)

    with ExitStack() as stack:
        if args.data_release is not None:
            stack.enter_context(conf.set_temp("sdss_data_release", args.data_release))
        result = _classify(targets, is_table, args, options)
    # Whatever is said of the stars comes from our own columns: the user's may have the same names.
    table = combine(targets, result) if is_table else result

    if args.output is not None:
        _write(table, args.output, output_format, overwrite=args.overwrite)
    elif args.format is not None:
        _write_to_stdout(table, args.format)
    else:
        print("\n".join(text_lines(result)))
    if not args.quiet:
        where = f"; wrote {args.output}" if args.output is not None else ""
        stars = "star" if len(table) == 1 else "stars"
        print(f"stellarclass: {len(table)} {stars}: {count_line(result)}{where}", file=sys.stderr)
        renamed = _renamed(table, result)
        if renamed and (args.output is not None or args.format is not None):
            print(f"stellarclass: yours are kept; ours end in _stellarclass: {', '.join(renamed)}", file=sys.stderr)
    failed = failed_archives(result)
    if failed:
        print(f"stellarclass: an archive failed for {failed} of {len(table)}; run again later", file=sys.stderr)
    return EXIT_PARTIAL if failed else EXIT_OK


def _renamed(table, result):
    """Names of our columns that the user's table had already; but for the position, which is the same."""
    behind = table.colnames[-len(result.colnames) :]
    return [
        ours for ours, name in zip(result.colnames, behind, strict=True) if name != ours and ours not in ("ra", "dec")
    ]


def _classify(targets, is_table, args, options):
    from ..classifier import Classifier

    coords = None
    if args.columns:
        coords = tuple(args.columns)
        _in_degrees(targets, coords)
    return Classifier(**options).classify(targets, coords=coords, progress=show_progress(args))


def _in_degrees(table, names):
    """Give the position columns named on the command line the unit that numbers have there, if they have none."""
    from astropy.table import Column

    for name in names:
        column = table[name] if name in table.colnames else None
        if isinstance(column, Column) and column.dtype.kind in "iuf" and column.unit is None:
            column.unit = "deg"


def _need(packages):
    """Complain of a missing library before the work, not after it."""
    from importlib.util import find_spec

    from ..exceptions import InputError

    missing = [package for package in packages if find_spec(package) is None]
    if missing:
        raise InputError(f"this needs {' and '.join(missing)}: python -m pip install {' '.join(missing)}")


def source_options(args):
    """Keyword arguments of `~stellarclass.Classifier` from the options of `add_sources`.

    Parameters
    ----------
    args : `argparse.Namespace`
        Parsed arguments.

    Returns
    -------
    dict
        Only what was given, so that the library's own defaults hold.

    Raises
    ------
    stellarclass.exceptions.InputError
        If a folder or file is not there, or the options contradict each other.
    """
    from ..exceptions import InputError

    sources = {}
    if args.images is not None:
        if not args.images.is_dir():
            raise InputError(f"--images {args.images}: there is no such folder")
        from ..archives import LocalSAS

        if args.footprint is not None:
            raise InputError("--footprint is about SDSS over the network; what --images covers is read from its frames")
        sources["images"] = LocalSAS(args.images)
    elif args.footprint is not None:
        from ..archives import SDSS

        if not args.footprint.is_file():
            raise InputError(f"--footprint {args.footprint}: there is no such file")
        sources["images"] = SDSS(footprint=args.footprint)
    if args.astrometry is not None:
        from ..archives import LocalAstrometry

        if not args.astrometry.is_file():
            raise InputError(f"--astrometry {args.astrometry}: there is no such file")
        sources["astrometry"] = LocalAstrometry(_read(args.astrometry, None), zero_point=args.zero_point or "none")
    elif args.no_astrometry:
        if args.zero_point is not None:
            raise InputError("--zero-point is about parallaxes, and --no-astrometry does without")
        sources["astrometry"] = False
    elif args.zero_point is not None:
        from ..archives import Gaia

        sources["astrometry"] = Gaia(zero_point=args.zero_point)
    return sources


def _format_of(path, option):
    """Format by a file's ending."""
    from ..exceptions import InputError
    from ..tables import table_format

    if path.suffix.lower() == ".csv":
        return "csv"
    try:
        return table_format(path)
    except InputError as err:
        raise InputError(f"{err}; csv: .csv; or use {option}") from err


def read_targets(arguments, *, input_format=None):
    """Understand what is to be classified.

    Parameters
    ----------
    arguments : list of str
        One file name, or ``"-"`` for standard input; or positions as `parse_positions` takes them.
    input_format : str, optional
        Format of the file. Standard input needs it.

    Returns
    -------
    targets : `~astropy.table.Table` or `~astropy.coordinates.SkyCoord`
    is_table : bool
        Whether it came from a file.

    Raises
    ------
    stellarclass.exceptions.InputError
        If it is neither a file that can be read nor a position.
    """
    from ..exceptions import InputError

    if list(arguments) == ["-"]:
        return _read_from_stdin(input_format), True
    path = Path(arguments[0])
    if len(arguments) == 1 and path.is_file():
        return _read(path, input_format), True
    if len(arguments) > 1 and any(Path(argument).is_file() for argument in arguments):
        raise InputError("give one file, or positions; not several files, and not both")
    try:
        return parse_positions(arguments), False
    except InputError as err:
        if len(arguments) == 1 and (path.suffix or input_format) and not any(c.isspace() for c in arguments[0]):
            raise InputError(f"there is no file {path}") from err
        raise


def parse_positions(arguments):
    """Turn positions as typed into coordinates.

    Parameters
    ----------
    arguments : list of str
        Each ``"RA DEC"``; or two arguments, one number each. Plain numbers are degrees, sexagesimal ones hours and
        degrees, and units may be written out (``"21h33m27s -0d49m24s"``).

    Returns
    -------
    `~astropy.coordinates.SkyCoord`
        ICRS, one-dimensional.

    Raises
    ------
    stellarclass.exceptions.InputError
        If one cannot be understood.

    Examples
    --------
    >>> from stellarclass.cli.classify import parse_positions
    >>> print(parse_positions(["323.34 -0.73", "21:33:27.6 -00:49:12"]).to_string())
    ['323.34 -0.73', '323.365 -0.82']
    """
    from math import isfinite

    from astropy.coordinates import SkyCoord

    from ..exceptions import InputError

    pairs = [argument.replace(",", " ").split() for argument in arguments]
    if len(pairs) == 2 and all(len(pair) == 1 for pair in pairs):
        pairs = [pairs[0] + pairs[1]]
    ra, dec = [], []
    for pair, argument in zip(pairs, arguments, strict=False):
        try:
            # Two words, or six numbers of a sexagesimal position with blanks.
            half = len(pair) // 2
            if len(pair) not in (2, 6):
                raise ValueError("expected two numbers")
            if len(pair) == 2 and all(_is_number(word) for word in pair):
                degrees = [float(word) for word in pair]
                if not all(isfinite(value) for value in degrees):
                    raise ValueError("not finite")
                position = SkyCoord(*degrees, unit="deg")
            else:
                position = SkyCoord(" ".join(pair[:half]), " ".join(pair[half:]), unit=("hourangle", "deg"))
        except (ValueError, TypeError) as err:
            raise InputError(
                f"{argument!r} is neither a file nor a position such as "
                f'"323.34 -0.73" or "21:33:27.0 -00:49:24" ({err})'
            ) from err
        ra.append(position.ra.deg)
        dec.append(position.dec.deg)
    return SkyCoord(ra, dec, unit="deg")


def _is_number(word):
    try:
        float(word)
    except ValueError:
        return False
    return True


def _read(path, input_format):
    from astropy.table import Table

    from ..exceptions import InputError
    from ..tables import read_table

    name = input_format or _format_of(path, "--input-format")
    _need(_READERS.get(name, ()))
    if name not in _TEXT_FORMATS:
        return read_table(path, format=name)
    try:
        return Table.read(path, format=_TEXT_FORMATS[name])
    except Exception as err:  # readers of text have many ways to say that a file is not their kind
        reason = str(err).strip().splitlines() or [type(err).__name__]
        raise InputError(f"cannot read {path} as {name}: {reason[0]}") from err


def _read_from_stdin(input_format):
    """Through a file, for not every reader can read from a pipe."""
    from tempfile import TemporaryDirectory

    from ..exceptions import InputError

    if input_format is None:
        raise InputError("- is standard input, which has no ending; name its format with --input-format")
    with TemporaryDirectory() as folder:
        path = Path(folder) / "standard-input"
        with path.open("wb") as file:
            shutil.copyfileobj(sys.stdin.buffer, file)
        return _read(path, input_format)


def _write(table, path, output_format, *, overwrite=False):
    from ..tables import write_table

    if output_format == "csv":
        table.write(path, format="ascii.csv", overwrite=overwrite)
    else:
        write_table(table, path, format=output_format, overwrite=overwrite)


def _write_to_stdout(table, output_format):
    """Through a file, for not every writer can write to a pipe."""
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        path = Path(folder) / "table"
        _write(table, path, output_format)
        sys.stdout.buffer.write(path.read_bytes())
    sys.stdout.flush()
