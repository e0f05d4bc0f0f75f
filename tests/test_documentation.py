# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What the documentation says is so: commands parse, names exist, lists are whole, numbers are those of the tables."""

import argparse
import ast
import importlib
import re
import shlex
import sys
from pathlib import Path

import pytest

import stellarclass
from stellarclass.cli import build_parser

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PACKAGE = Path(stellarclass.__file__).parent
PAGES = sorted(DOCS.glob("*.rst"))
SCRIPTS = sorted((ROOT / "examples").rglob("*.py"))
SOURCES = [*PAGES, *SCRIPTS, *sorted((ROOT / "examples").rglob("*.rst")), ROOT / "README.md"]

# Modules that are no public interface, though their names bear no underscore: what they offer is reached through the
# package that they are part of, or is of use to the package alone.
INTERNAL = {
    *("archives.cache", "archives.crossid", "archives.frames", "archives.prefetch", "archives.spectrumfile"),
    *("archives.transport", "archives.tapquery", "cli", "lookup", "results"),
    *("nets.layers", "nets.threads", "plotting.spectra", "stamps.detector"),
    *("reference.build", "reference.catalogs", "reference.columns", "reference.pixels"),
    *("simulate.binaries", "simulate.blends", "simulate.contaminants", "simulate.crowds", "simulate.defects"),
    *("simulate.dust", "simulate.frames", "simulate.gaiaerrors", "simulate.gaiaphotometry", "simulate.galaxies"),
    *("simulate.galaxy", "simulate.measured", "simulate.optics", "simulate.pointspread", "simulate.sequences"),
    *("simulate.survey", "simulate.whitedwarfs", "simulate.wobble"),
    *("spectroscopy.features", "spectroscopy.fitting", "spectroscopy.linemodel", "spectroscopy.matching"),
    "spectroscopy.subclasses",
    *("survey.arrowfile", "survey.estimate", "survey.executors", "survey.fieldlist", "survey.layout", "survey.part"),
    *("survey.reading", "survey.settings", "survey.stampstore", "survey.targetfile", "survey.unit"),
    *("training.default", "training.label_map", "training.label_systems", "training.labeled", "training.simulated"),
    *("vo.coverage", "vo.descriptor", "vo.samp"),
}


def commands(path):
    """Command lines of a page: what stands behind a ``$``, with the lines that it goes on in."""
    text = path.read_text("utf-8").replace("\\\n", " ")
    return [m.group(1) for m in re.finditer(r"^[#\s]*\$ (.+)$", text, re.MULTILINE)]


def calls(line):
    """The calls of ``stellarclass`` in a command line, each as a list of words."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split, lexer.commenters = True, "#"
    words, found = [], []
    for word in [*lexer, ";"]:
        if re.fullmatch(r"[;&|<>()]+", word):
            if words[:1] == ["stellarclass"]:
                found.append(words[1:])
            words = ["to a file"] if word.startswith((">", "<")) else []
        else:
            words.append(word)
    return found


def test_command_lines_are_taken_apart():
    assert calls("pip install . && stellarclass demo") == [["demo"]]
    line = 'stellarclass classify a.csv --format csv --creator "Doe, J." > b.csv  # and more'
    assert calls(line) == [["classify", "a.csv", "--format", "csv", "--creator", "Doe, J."]]
    assert calls("stellarclass survey plan a && stellarclass survey run b") == [
        ["survey", "plan", "a"],
        ["survey", "run", "b"],
    ]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_commands_parse(path, capsys):
    """Every ``stellarclass`` of the pages is one that the command line understands."""
    for line in commands(path):
        for words in calls(line):
            try:
                build_parser().parse_args(words)
            except SystemExit as end:
                assert end.code == 0, f"{line}\n{capsys.readouterr().err}"


def test_examples_of_the_help_parse():
    for name, parser in [("", build_parser()), *parsers()]:
        lines = [line for line in (parser.epilog or "").splitlines() if line.startswith("  stellarclass ")]
        assert lines or " " in name, f"{name}: no example"
        for line in lines:
            # Behind two spaces the epilog of the command itself says what a line does.
            for words in calls(line.strip().partition("  ")[0]):
                assert build_parser().parse_args(words).run


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_files_and_modules_of_commands_are_there(path):
    for line in commands(path):
        for name in re.findall(r"python (?:-\S+ )*(\S+\.py)", line):
            assert (ROOT / name).is_file(), line
        for name in re.findall(r"python -m (stellarclass\S*)", line):
            assert importlib.util.find_spec(name) is not None, line


def python_blocks(path):
    text = path.read_text("utf-8")
    if path.suffix == ".md":
        blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    else:
        blocks = re.findall(r"\.\. code-block:: python\n\n((?:(?:[ ]+.*)?\n)+)", text)
    for block in blocks:
        if ">>>" not in block:
            indent = len(block) - len(block.lstrip(" "))
            yield "\n".join(line[indent:] for line in block.splitlines())


@pytest.mark.parametrize("path", [*PAGES, ROOT / "README.md"], ids=lambda path: path.name)
def test_python_that_is_not_run_is_python_and_names_what_there_is(path):
    """Blocks that ask archives are not run with the pages; what they import has to exist all the same."""
    for block in python_blocks(path):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and node.module.split(".")[0] == "stellarclass":
                module = importlib.import_module(node.module)
                for alias in node.names:
                    assert hasattr(module, alias.name), f"{path.name}: {node.module}.{alias.name}"


def test_every_registry_is_drawn():
    """A directive in docs/registries.py that no page uses would be a list that nobody sees."""
    text = "\n".join(page.read_text("utf-8") for page in PAGES)
    directives = set(
        re.findall(r'^    "(stellarclass-\w+)":', (DOCS / "registries.py").read_text("utf-8"), re.MULTILINE)
    )
    assert len(directives) >= 6
    assert directives <= set(re.findall(r"^\.\. (stellarclass-\w+)::", text, re.MULTILINE))


def parsers(parser=None, name=""):
    """Yield the name and the parser of each verb, and of each step of a verb."""
    for action in (parser or build_parser())._actions:
        if isinstance(action, argparse._SubParsersAction):
            for verb, its in action.choices.items():
                yield f"{name} {verb}".strip(), its
                yield from parsers(its, f"{name} {verb}")


def test_every_verb_and_option_is_in_the_pages():
    text = (DOCS / "cli.rst").read_text("utf-8")
    drawn = re.findall(r"^\.\. stellarclass-help:: (.+)$", text, re.MULTILINE)
    assert sorted(drawn) == sorted(name for name, _ in parsers())
    for name, parser in parsers():
        shown = parser.format_help()
        hidden = [option for action in parser._actions for option in action.option_strings[-1:] if option not in shown]
        assert not hidden, f"{name}: {hidden}"


def test_lists_of_the_registries_are_whole(monkeypatch):
    """What the directives draw: every column, flag, input, metadata entry and configuration item."""
    pytest.importorskip("sphinx", reason="comes with the extra docs")
    from astropy.config import ConfigItem

    from stellarclass import flags, schema
    from stellarclass._config import Conf

    monkeypatch.syspath_prepend(str(DOCS))
    registries = importlib.import_module("registries")
    try:
        drawn = {name: [row[0].strip("`") for row in draw()[1]] for name, draw in registries.TABLES.items()}
    finally:
        sys.modules.pop("registries")
    assert drawn["stellarclass-columns"] == [c.name for c in schema.columns()]
    assert drawn["stellarclass-meta"] == [m.name for m in schema.META]
    assert drawn["stellarclass-flags"] == [b.name for b in flags.FLAGS]
    assert drawn["stellarclass-inputs"] == [b.name for b in flags.INPUTS]
    assert drawn["stellarclass-conf"] == [name for name, item in vars(Conf).items() if isinstance(item, ConfigItem)]


def public_modules():
    """Dotted name below the package, and the names in ``__all__``, of each module without an underscore."""
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        parts = parts[:-1] if parts[-1] == "__init__" else parts
        if any(part.startswith("_") for part in parts):
            continue
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.Assign) and any(getattr(t, "id", "") == "__all__" for t in node.targets):
                names = [e.value for e in getattr(node.value, "elts", ()) if isinstance(e, ast.Constant)]
                yield ".".join(parts), names


def is_internal(module):
    return any(module == name or module.startswith(f"{name}.") for name in INTERNAL)


def test_every_public_name_is_in_the_reference():
    """A public name is documented in docs/api.rst, by its own module or by the package that offers it."""
    listed = re.findall(r"^\.\. automodapi:: (stellarclass\S*)", (DOCS / "api.rst").read_text("utf-8"), re.MULTILINE)
    shown = {name for module in listed for name in importlib.import_module(module).__all__}
    forgotten = [
        f"{module}.{name}"
        for module, names in public_modules()
        if not is_internal(module) and f"stellarclass.{module}" not in listed
        for name in names
        if name not in shown
    ]
    assert not forgotten, "neither in docs/api.rst nor in INTERNAL: " + ", ".join(forgotten)


def test_what_is_called_internal_is_there_and_not_in_the_reference():
    listed = re.findall(r"^\.\. automodapi:: stellarclass\.(\S+)", (DOCS / "api.rst").read_text("utf-8"), re.MULTILINE)
    assert {module for module, _ in public_modules()} >= INTERNAL
    assert not [module for module in listed if is_internal(module)]


# Page, words of it, and where each number in them was printed: table and the words at the head of its line.
NUMBERS = [
    (
        "changes_from_paper",
        r"image alone\s+- ([\d.]+ ± [\d.]+)\s+- ([\d.]+ ± [\d.]+)",
        "simulated",
        "network, image",
        "MAE",
    ),
    (
        "changes_from_paper",
        r"all inputs\s+- ([\d.]+ ± [\d.]+)\s+- ([\d.]+ ± [\d.]+)",
        "simulated",
        "network, all",
        "MAE",
    ),
    (
        "changes_from_paper",
        r"by colors and parallax\s+- ([\d.]+ ± [\d.]+)\s+- ([\d.]+ ± [\d.]+)",
        *("simulated", "Stefan-Boltzmann alone", "MAE"),
    ),
    (
        "changes_from_paper",
        r"random forest\)\s+- ([\d.]+ ± [\d.]+)\s+- ([\d.]+ ± [\d.]+)",
        *("simulated", r"colors only \(forest\)", "MAE"),
    ),
    ("changes_from_paper", r"factor of ([\d.]+) in radius", "simulated", "Where parallax S/N is above 10", ""),
    ("changes_from_paper", r"([\d.]+) of all answers", "simulated", "network, all", ""),
    ("changes_from_paper", r"inputs, ([\d.]+) by colors", "simulated", r"colors only \(forest\)", ""),
    ("changes_from_paper", r"([\d.]+) are within one", "simulated", "network, all", ""),
    ("changes_from_paper", r"mescr-small``\s+- ([\d.]+)\s+- ([\d.]+)\s+- ([\d.]+)", "mescr", "mescr-small ", ""),
    ("changes_from_paper", r"\* - default\s+- ([\d.]+)\s+- ([\d.]+)\s+- ([\d.]+)", "mescr", "default ", ""),
    ("limits", r"Stefan and Boltzmann is\s+([\d.]+) dex", "accuracy", "  robust scatter", ""),
    ("limits", r"magnitudes of ([\d,]+) SDSS", "accuracy", "rendered sdss labels", ""),
    ("limits", r"and ([\d,]+) LAMOST", "accuracy", "rendered lamost labels", ""),
]


@pytest.mark.parametrize(("page", "words", "table", "head", "section"), NUMBERS)
def test_numbers_are_those_of_the_tables(page, words, table, head, section):
    text = (DOCS / f"{page}.rst").read_text("utf-8")
    printed = (DOCS / "tables" / f"{table}.txt").read_text("utf-8")
    printed = printed[printed.index(section) :] if section else printed
    line = re.search(rf"^{head}.*$", printed, re.MULTILINE)
    found = re.search(words, text)
    assert found and line, (words, head)
    for number in found.groups():
        assert number.replace("± ", "±").replace(",", "") in line.group(), (number, line.group())


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_scripts_of_the_gallery_have_a_title_and_compile(path):
    tree = ast.parse(path.read_text("utf-8"))
    title, underline, *_ = ast.get_docstring(tree).splitlines()
    assert re.fullmatch("=+", underline) and len(underline) == len(title)
    assert path.with_name("GALLERY_HEADER.rst").is_file()
