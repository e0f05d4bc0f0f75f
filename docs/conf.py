# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Sphinx configuration. STELLARCLASS_DOCS_OFFLINE=1 builds without fetching other projects' inventories."""

import os
import sys
from pathlib import Path

import sphinx_astropy.conf.v2 as shared
from sphinx_astropy.conf.v2 import *  # noqa: F403

import stellarclass

sys.path.insert(0, str(Path(__file__).parent))  # for the extension beside this file
os.environ.setdefault("OMP_NUM_THREADS", "1")  # the gallery's pictures shall not depend on the machine

project = "stellarclass"
author = "stellarclass developers"
copyright = f"2026, {author}"
release = stellarclass.__version__
version = release.partition(".dev")[0]

extensions = [*shared.extensions, "sphinx_design", "sphinx_gallery.gen_gallery", "registries"]
exclude_patterns = ["_build", "api/*.inc", "gallery/**/*.ipynb", "gallery/**/*.py", "gallery/**/*.zip"]
rst_epilog = ""
plot_formats = [("png", 110)]
plot_html_show_formats = False
plot_html_show_source_link = False

# The scripts in examples/ run as the pages are built, but for those that need a service of their own.
sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "gallery",
    "subsection_order": [f"../examples/{name}" for name in ("first_steps", "reading_the_answer", "going_further")],
    "within_subsection_order": "FileNameSortKey",
    "filename_pattern": r"/(?!adql_session)\w+\.py$",
    "reference_url": {"stellarclass": None},
    "abort_on_example_error": True,
    "download_all_examples": False,
    "show_signature": False,
    "remove_config_comments": True,
    # Times differ from one build to the next.
    "min_reported_time": 3600,
    "write_computation_times": False,
    "image_srcset": ["2x"],
}

html_theme = "pydata_sphinx_theme"
# These pages have none below or beside them: an empty column on the left would only take width from the tables.
html_sidebars = {"index": [], "getting_started": []}
html_title = f"stellarclass {release}"
html_theme_options = {
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
    "show_nav_level": 1,
    "use_edit_page_button": False,
}
html_static_path = []
html_last_updated_fmt = None  # the same input gives the same pages

nitpicky = True
nitpick_ignore = [("py:class", "Unit")]  # units as annotations, which astropy's quantity_input reads
intersphinx_mapping = {
    **{name: shared.intersphinx_mapping[name] for name in ("python", "numpy", "scipy", "matplotlib", "astropy")},
    "regions": ("https://astropy-regions.readthedocs.io/en/stable/", None),
    "specutils": ("https://specutils.readthedocs.io/en/stable/", None),
}
# Made up in examples; and what refuses programs.
linkcheck_ignore = [r"https://\w+\.example\.org.*", r"http://127\.0\.0\.1.*"]
linkcheck_anchors = False

if os.environ.get("STELLARCLASS_DOCS_OFFLINE"):
    # Then no reference to another project can be resolved; those to our own names still have to be.
    intersphinx_mapping = {}
    nitpick_ignore_regex = [
        (
            "py:.*",
            r"(argparse|astropy|collections|enum|matplotlib|numpy|pathlib|regions|specutils|torch|tqdm|typing)\..*",
        ),
        (
            "py:(class|exc|obj)",
            r"(Exception|ImportError|OSError|ValueError|TypeError|object|tuple|dict|str|int|float|bool|None|True|False)",
        ),
    ]
