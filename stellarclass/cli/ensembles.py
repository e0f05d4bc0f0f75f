# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""``stellarclass ensembles``: which ensembles there are, and what one of them is."""

from .options import add_common, add_verb

__all__ = ["add_parser", "run"]


def add_parser(verbs):
    """Add the verb."""
    parser = add_verb(
        verbs,
        "ensembles",
        run,
        summary="list the ensembles, or describe one",
        description="List the ensembles that come with the package, or show the model card of one of them:\n"
        "what it was trained on, what it takes, how well it does and where it does not apply.",
        example="stellarclass ensembles default",
    )
    parser.add_argument("name", nargs="?", metavar="NAME", help="ensemble by name or folder")
    add_common(parser)


def run(args):
    """Carry the verb out and return the exit code."""
    from ..nets.weights import list_ensembles, load_ensemble, write_card_md
    from . import EXIT_OK

    if args.name is not None:
        # Loading it, not just its card, so that what is shown has been checked against the weights.
        print(write_card_md(load_ensemble(args.name).card), end="")
        return EXIT_OK
    table = list_ensembles()
    shown = table["name", "version", "members", "size", "classes", "label_systems"]
    print("\n".join(line.rstrip() for line in shown.pformat(max_lines=-1, max_width=-1, align="<")))
    for row in table:
        print(f"\n{row['name']}: {row['description']}")
    return EXIT_OK
