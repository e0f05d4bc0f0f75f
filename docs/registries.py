# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Sphinx directives that print what the code knows of itself, so that no page can go out of date.

``stellarclass-columns``, ``stellarclass-meta``, ``stellarclass-flags``, ``stellarclass-inputs``, ``stellarclass-conf``
and ``stellarclass-training`` are tables; ``stellarclass-help VERB`` is the help of a verb of the command line,
``stellarclass-help VERB STEP`` that of a step of it.
"""

import argparse
import os
from contextlib import contextmanager
from dataclasses import fields

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from stellarclass import flags, schema
from stellarclass._config import Conf
from stellarclass.cli import build_parser
from stellarclass.training.config import FITTED, KINDS, SECTIONS, config_to_dict
from stellarclass.training.configfile import SHIPPED, read_config


def columns():
    rows = [(f"``{c.name}``", c.dtype, c.unit, f"``{c.ucd}``", c.description + ".") for c in schema.columns()]
    return ("Name", "Type", "Unit", "UCD", "Meaning"), rows


def meta():
    return ("Name", "Type", "Meaning"), [(f"``{m.name}``", m.dtype.__name__, m.description) for m in schema.META]


def bits(registry):
    rows = [(f"``{b.name}``", str(b.value), "yes" if b.fatal else "", b.description) for b in registry]
    return ("Name", "Value", "No result", "Meaning"), rows


def configuration():
    from astropy.config import ConfigItem

    items = [(name, item) for name, item in vars(Conf).items() if isinstance(item, ConfigItem)]
    rows = [(f"``{name}``", f"``{item.defaultvalue!r}``", item.description) for name, item in items]
    return ("Name", "Default", "Meaning"), rows


def inputs():
    (name, value, _, meaning), rows = bits(flags.INPUTS)
    return (name, value, meaning), [(row[0], row[1], row[3]) for row in rows]


def training():
    """Settings of the configurations that come with the package: one table for all of them."""
    shipped = {name: config_to_dict(read_config(name)) for name in SHIPPED}
    rows, seen = [], set()
    for kind, sections in SECTIONS.items():
        for section, cls in {"": KINDS[kind], **sections}.items():
            for f in fields(cls):
                key = (section, f.name)
                if (not section and f.name in sections) or f.name in FITTED or key in seen:
                    continue
                seen.add(key)
                values = [_value(c.get(section, {}) if section else c, f.name) for c in shipped.values()]
                rows.append((f"``{section + '.' if section else ''}{f.name}``", *values, *_limits(f)))
    return ("Setting", *(f"``{name}``" for name in shipped), "Limits", "Meaning"), rows


def _value(settings, name):
    if name not in settings:
        return ""
    value = settings[name]
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _limits(f):
    if not f.metadata:
        return "", "name of the ensemble" if f.name == "name" else "of the recipe"
    m = f.metadata
    if m["choices"]:
        return ", ".join(m["choices"]), m["meaning"]
    return "" if m["low"] is None else f"{m['low']:g} to {m['high']:g}", m["meaning"]


TABLES = {
    "stellarclass-columns": columns,
    "stellarclass-meta": meta,
    "stellarclass-flags": lambda: bits(flags.FLAGS),
    "stellarclass-inputs": inputs,
    "stellarclass-conf": configuration,
    "stellarclass-training": training,
}


class RegistryTable(SphinxDirective):
    """A table of one of the registries."""

    def run(self):
        head, rows = TABLES[self.name]()
        lines = [".. list-table::", "   :header-rows: 1", "   :widths: auto", ""]
        for row in [head, *rows]:
            lines += [f"   {'* -' if i == 0 else '  -'} {cell}" for i, cell in enumerate(row)]
        return self.parse_text_to_nodes("\n".join(lines))


@contextmanager
def _width(columns):
    """What argparse wraps its help to."""
    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = str(columns)
    try:
        yield
    finally:
        if before is None:
            del os.environ["COLUMNS"]
        else:
            os.environ["COLUMNS"] = before


class Help(SphinxDirective):
    """What ``stellarclass [VERB [STEP]] --help`` prints."""

    optional_arguments = 2

    def run(self):
        parser = build_parser()
        with _width(100):
            for word in self.arguments:
                steps = next(a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
                parser = steps.choices[word]
            text = parser.format_help()
        return [nodes.literal_block(text, text, language="text")]


def setup(app):
    for name in TABLES:
        app.add_directive(name, RegistryTable)
    app.add_directive("stellarclass-help", Help)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
