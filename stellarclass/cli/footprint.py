# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""``stellarclass footprint``: the sky that SDSS has imaged, as a MOC, so that stars off it need not be asked about."""

from pathlib import Path

from .options import add_common, add_verb, positive, show_progress

__all__ = ["add_parser", "run"]


def add_parser(verbs):
    """Add the verb."""
    parser = add_verb(
        verbs,
        "footprint",
        run,
        summary="the sky that SDSS has imaged, as a MOC",
        description="Write the sky that SDSS has imaged as a MOC, from a list of its fields: SkyServer's own,\n"
        "unless --fields or --frames name something on disk. With it (classify --footprint, or\n"
        "conf.sdss_footprint) no archive is asked for stars off it. Once is enough. Needs mocpy.",
        example="stellarclass footprint --fields window_flist.fits -o sdss.fits",
    )
    fields = parser.add_mutually_exclusive_group()
    fields.add_argument("--fields", type=Path, metavar="FILE", help="a table of fields, such as window_flist.fits")
    fields.add_argument("--frames", type=Path, metavar="DIR", help="a folder with frames, as a copy of the archive")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="MOC", help="FITS file to write")
    parser.add_argument("--overwrite", action="store_true", help="replace MOC if it is there")
    parser.add_argument(
        "--order", type=positive, metavar="N", help="finest HEALPix order, 5 to 15 (default: 11, cells of 1.7 arcmin)"
    )
    parser.add_argument("--data-release", type=positive, metavar="N", help="SkyServer's data release (default: 17)")
    add_common(parser)


def run(args):
    """Carry the verb out and return the exit code."""
    from ..archives import LocalSAS, field_footprint
    from ..exceptions import InputError
    from . import EXIT_OK

    if args.output.exists() and not args.overwrite:
        raise InputError(f"{args.output} exists; --overwrite replaces it")
    if not args.output.parent.is_dir():
        raise InputError(f"there is no folder {args.output.parent} to write {args.output.name} into")
    order = {} if args.order is None else {"order": args.order}
    if args.frames is not None:
        moc = LocalSAS(args.frames).footprint(**order)
    else:
        moc = field_footprint(_fields(args), **order)
    moc.save(args.output, format="fits", overwrite=args.overwrite)
    area = moc.sky_fraction * 41252.96
    print(f"footprint: {args.output}; {area:.6g} square degrees, order {moc.max_order}")
    return EXIT_OK


def _fields(args):
    """The list of fields, from disk or from SkyServer."""
    from astropy.table import Table

    from ..archives import fetch_fields
    from ..exceptions import InputError
    from ..tables import check_table_file

    if args.fields is None:
        return fetch_fields(data_release=args.data_release, progress=show_progress(args))
    if not args.fields.is_file():
        raise InputError(f"--fields {args.fields}: there is no such file")
    options = {"memmap": True} if args.fields.name.lower().endswith((".fits", ".fit")) else {}
    try:
        check_table_file(args.fields)
        return Table.read(args.fields, **options)
    except Exception as err:  # readers have many ways to say that a file is not their kind
        raise InputError(f"cannot read {args.fields} as a table: {' '.join(str(err).split())[:200]}") from err
