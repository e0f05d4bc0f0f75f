# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Options that several verbs share, and what they mean."""

import argparse
import re
import sys
import textwrap

__all__ = [
    "ZERO_POINTS",
    "HelpText",
    "add_common",
    "add_verb",
    "class_mix",
    "classifier_options",
    "not_negative",
    "positive",
    "show_progress",
]

ZERO_POINTS = ("none", "global", "lindegren")


class HelpText(argparse.HelpFormatter):
    """Paragraphs filled to the width of the screen; indented lines are to be typed, so they break as a shell's do."""

    def _fill_text(self, text, width, indent):
        lines, paragraph = [], []
        for line in [*text.splitlines(), ""]:
            if line.startswith(" ") or not line.strip():
                lines += textwrap.wrap(" ".join(paragraph), width)
                paragraph = []
                lines += _broken(line, width) if line.strip() else [""]
            else:
                paragraph.append(line)
                if line.endswith(("example:", "examples:")):
                    lines += textwrap.wrap(" ".join(paragraph), width)
                    paragraph = []
        return "\n".join(indent + line for line in lines).rstrip("\n")


def _broken(line, width):
    """A command on as many lines as it takes, broken before an option or a second command."""
    lines = []
    for part in re.split(r" (?=-|&&)", line):
        if lines and len(lines[-1]) + 1 + len(part) <= width - 2:
            lines[-1] += f" {part}"
        else:
            lines.append(part if not lines else f"      {part}")
    return [f"{part} \\" for part in lines[:-1]] + lines[-1:] if len(line) > width else [line]


def add_verb(verbs, name, run, *, summary, description, example):
    """Add a verb with the options that all verbs have.

    Parameters
    ----------
    verbs : object
        What `argparse.ArgumentParser.add_subparsers` returned.
    name : str
        The verb.
    run : callable
        Takes the parsed arguments, returns the exit code.
    summary, description, example : str
        Help texts: a line in the list of verbs, a paragraph, what to type.

    Returns
    -------
    `argparse.ArgumentParser`
    """
    parser = verbs.add_parser(
        name,
        help=summary,
        description=description,
        epilog=f"example:\n  {example}",
        formatter_class=HelpText,
    )
    parser.set_defaults(run=run)
    return parser


def add_common(parser):
    """Add ``--quiet`` and ``--debug``.

    Parameters
    ----------
    parser : `argparse.ArgumentParser`
        The verb's.
    """
    parser.add_argument("-q", "--quiet", action="store_true", help="errors and the result, nothing else")
    parser.add_argument("--debug", action="store_true", help="full traceback of an error")


def positive(text):
    """Turn an option's text into a positive integer.

    Parameters
    ----------
    text : str
        As typed.

    Returns
    -------
    int

    Raises
    ------
    argparse.ArgumentTypeError
        If it is none.
    """
    return _whole(text, 1, "a positive whole number")


def not_negative(text):
    """Turn an option's text into an integer that is zero or more.

    Parameters
    ----------
    text : str
        As typed.

    Returns
    -------
    int

    Raises
    ------
    argparse.ArgumentTypeError
        If it is none.
    """
    return _whole(text, 0, "a whole number from 0 on")


def _whole(text, least, what):
    try:
        value = int(text)
    except ValueError:
        value = least - 1
    if value < least:
        raise argparse.ArgumentTypeError(f"{text!r} is not {what}")
    return value


def class_mix(text):
    """Turn an option's text into a mix of classes.

    Parameters
    ----------
    text : str
        ``A=0.1,F=0.3,...`` or ``even``.

    Returns
    -------
    dict of str to float, or str

    Raises
    ------
    argparse.ArgumentTypeError
        If it is none. Whether the classes are those of the ensemble is for the classifier to say.
    """
    if "=" not in text and text.strip().isalpha():
        return text.strip()
    mix = {}
    for part in text.split(","):
        name, _, number = (word.strip() for word in part.partition("="))
        try:
            value = float(number)
        except ValueError:
            value = None
        if not name or value is None:
            raise argparse.ArgumentTypeError(f"{part.strip()!r} is not of the form CLASS=NUMBER, as in A=0.1,F=0.3,...")
        if name in mix:
            raise argparse.ArgumentTypeError(f"class {name} is there twice")
        mix[name] = value
    return mix


def add_network(parser):
    """Add the options that choose the ensemble and where it runs.

    Parameters
    ----------
    parser : `argparse.ArgumentParser`
        The verb's.
    """
    group = parser.add_argument_group("how")
    group.add_argument("--ensemble", metavar="NAME", help="ensemble by name or folder (default: default)")
    group.add_argument(
        "--label-system",
        metavar="NAME",
        help="whose classes: sdss, lamost, pecaut_mamajek, or what the ensemble was taught",
    )
    group.add_argument(
        "--device", metavar="DEVICE", help="torch device: cpu, cuda, cuda:1, mps (default: a GPU if there is one)"
    )
    group.add_argument(
        "--class-prior",
        type=class_mix,
        metavar="MIX",
        help="expected mix of classes: A=0.1,F=0.3,... with each class, or even (default: the calibration's)",
    )
    group.add_argument("--batch-size", type=positive, metavar="N", help="stars in one batch; bounds the memory")


def classifier_options(args):
    """Keyword arguments of `~stellarclass.Classifier` from the options of `add_network`.

    Parameters
    ----------
    args : `argparse.Namespace`
        Parsed arguments.

    Returns
    -------
    dict
        Only what was given, so that the library's own defaults hold.
    """
    names = ("ensemble", "label_system", "device", "batch_size", "class_prior")
    return {name: getattr(args, name) for name in names if getattr(args, name) is not None}


def show_progress(args):
    """Whether to draw progress bars: on a terminal, unless asked to be quiet.

    Parameters
    ----------
    args : `argparse.Namespace`
        Parsed arguments.

    Returns
    -------
    bool
    """
    return not args.quiet and sys.stderr.isatty()
