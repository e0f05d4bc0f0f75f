# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What the README and the packaging files promise."""

import configparser
import doctest
import re
from pathlib import Path

import pytest
from pytest_doctestplus.output_checker import FLOAT_CMP, OutputChecker

import stellarclass
from stellarclass import schema
from stellarclass.cli import build_parser

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")


def test_python_examples_print_what_they_say(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert blocks
    parser = doctest.DocTestParser()
    runner = doctest.DocTestRunner(OutputChecker(), optionflags=FLOAT_CMP | doctest.NORMALIZE_WHITESPACE)
    report = []
    for block in blocks:
        runner.run(parser.get_doctest(block, {}, "README.md", "README.md", 0), out=report.append)
    assert runner.failures == 0, "".join(report)
    assert runner.tries > 0


@pytest.mark.parametrize("line", re.findall(r"`(stellarclass [a-z][^`]*)`", README))
def test_commands_parse(line):
    words = line.split()[1:]
    if "--help" not in words:
        assert build_parser().parse_args(words).run


def test_the_two_commands_are_there():
    assert "$ python -m pip install -c constraints.txt . && stellarclass demo\n" in README
    assert '$ python -m pip install -c constraints.txt ".[test]" && pytest -n auto\n' in README


def test_files_that_are_linked_are_there():
    for target in re.findall(r"\]\((?!https?://)([^)]+)\)", README):
        assert (ROOT / target).is_file(), target


def test_the_subset_for_topcat_is_of_a_column():
    (name,) = re.findall(r"`!NULL_(\w+)`", README)
    assert name in {column.name for column in schema.columns()}


def test_versions_agree():
    citation = (ROOT / "CITATION.cff").read_text("utf-8")
    assert f"\nversion: {stellarclass.__version__}\n" in citation
    changes = (ROOT / "CHANGES.rst").read_text("utf-8")
    assert changes.startswith(stellarclass.__version__.partition(".dev")[0])


def test_constraints_pin_everything_that_is_required():
    """A requirement without a pin would be whatever is newest on the day."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    required = setup["options"]["install_requires"].split("\n") + [
        line for extra in setup["options.extras_require"].values() for line in extra.split("\n")
    ]
    names = {re.match(r"[\w-]+", line).group().lower() for line in required if line.strip()} - {"stellarclass"}
    pinned = dict(
        line.lower().split("==")
        for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines()
        if line and not line.startswith("#")
    )
    assert names <= set(pinned)
    assert pinned["torch"] == "2.13.0"  # without a local label, so that a CPU build satisfies it
    assert tuple(map(int, pinned["pytest"].split(".")[:2])) < (9, 2)
