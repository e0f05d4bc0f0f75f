# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""``stellarclass publish``: a table as a bundle that a data center can publish."""

from pathlib import Path

from .options import add_common, add_verb

__all__ = ["add_parser", "run"]


def add_parser(verbs):
    """Add the verb."""
    parser = add_verb(
        verbs,
        "publish",
        run,
        summary="write a table as a bundle for a Virtual Observatory data center",
        description="Write a table with all that a data center needs to publish it by TAP and cone search:\n"
        "a VOTable, a resource descriptor for DaCHS, the coverage of the sky, and a README.",
        example='stellarclass publish stars.vot --to bundle --name m2.stars --creator "Doe, J." --license CC-BY-4.0',
    )
    parser.add_argument("table", type=Path, metavar="TABLE", help="table to publish: VOTable, FITS, ECSV or Parquet")
    parser.add_argument("--to", type=Path, required=True, metavar="DIR", help="folder to write")
    parser.add_argument("--name", required=True, metavar="NAME", help="of the table in ADQL: TABLE or SCHEMA.TABLE")
    parser.add_argument(
        "--creator",
        action="append",
        required=True,
        metavar="NAME",
        help='who made it, as in "Doe, J."; may be repeated',
    )
    parser.add_argument("--title", metavar="TEXT", help="what it is, in a line")
    parser.add_argument("--description", metavar="TEXT", help="what it is, in a paragraph")
    parser.add_argument(
        "--subject", action="append", metavar="WORD", help="keyword of the Unified Astronomy Thesaurus; may be repeated"
    )
    parser.add_argument("--license", metavar="NAME", help="SPDX identifier, address, or words")
    parser.add_argument("--overwrite", action="store_true", help="write into a folder that is not empty")
    add_common(parser)


def run(args):
    """Carry the verb out and return the exit code."""
    from ..tables import read_table
    from ..vo import write_tap_bundle
    from . import EXIT_OK

    # Only what was given, so that the library's own defaults hold.
    given = {"title": args.title, "description": args.description, "subjects": args.subject, "license": args.license}
    folder = write_tap_bundle(
        read_table(args.table),
        args.to,
        name=args.name,
        creators=args.creator,
        overwrite=args.overwrite,
        **{key: value for key, value in given.items() if value is not None},
    )
    print(f"bundle: {folder}; {folder / 'README.md'} says how to publish it")
    return EXIT_OK
